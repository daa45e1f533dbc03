"""The stages of the pipeline: input and output only. Run by DVC as ``python -m stages.NAME``."""
