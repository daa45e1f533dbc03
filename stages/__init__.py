"""The stages of the pipeline: input and output only. Run by DVC as ``python -m stages.NAME``."""

import os

# Before TensorFlow is loaded, by whichever stage: without it, a machine without a GPU reads of CUDA errors.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
