"""What makes results/: cross-validation, ablation, and their tables."""
