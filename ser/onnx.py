"""Keras networks as ONNX, which ONNX Runtime runs without TensorFlow."""

import os
import tempfile
import warnings
from pathlib import Path

import keras
import numpy as np

import ser.layers  # noqa: F401  the networks' own layers must be known to Keras before a file names them


def to_onnx(model: keras.Model) -> bytes:
    """The network as ONNX, by Keras's own export; its batch may have any size."""
    model(np.zeros((1, *model.input_shape[1:]), np.float32))  # Keras exports what has been called
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.onnx"
        with warnings.catch_warnings():  # tf2onnx asks NumPy for names that it no longer has
            warnings.simplefilter("ignore", FutureWarning)
            model.export(os.fspath(path), format="onnx", verbose=False)
        return path.read_bytes()
