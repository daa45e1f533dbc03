"""Keras networks as ONNX, which ONNX Runtime runs without TensorFlow."""

import os
import tempfile
import warnings
from pathlib import Path

import keras
import numpy as np
import onnx

import ser.networks.layers  # noqa: F401  the networks' own layers must be known to Keras before a file names them


def to_onnx(model: keras.Model) -> bytes:
    """The network as ONNX, by Keras's own export; its batch may have any size."""
    model([np.zeros((1, *shape[1:]), np.float32) for shape in model.input_shape])  # Keras exports what has been called
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.onnx"
        with warnings.catch_warnings():  # tf2onnx asks NumPy for names that it no longer has
            warnings.simplefilter("ignore", FutureWarning)
            model.export(os.fspath(path), format="onnx", verbose=False)
        return renamed(path.read_bytes())


def renamed(network: bytes) -> bytes:
    """The same network with its nodes and tensors named by their order, so that equal networks are equal bytes.

    The converter's own names carry counters that differ from run to run.
    """
    model = onnx.load_from_string(network)
    graph = model.graph
    kept = {value.name: value.name for value in (*graph.input, *graph.output)} | {"": ""}
    names: dict[str, str] = {}

    def name_of(old: str) -> str:
        return kept[old] if old in kept else names.setdefault(old, f"tensor{len(names)}")

    for index, node in enumerate(graph.node):
        node.name = f"node{index}"
        node.input[:] = [name_of(old) for old in node.input]
        node.output[:] = [name_of(old) for old in node.output]
    for tensor in graph.initializer:
        tensor.name = name_of(tensor.name)
    ordered = sorted(graph.initializer, key=lambda tensor: int(tensor.name.removeprefix("tensor")))
    copies = [onnx.TensorProto.FromString(tensor.SerializeToString()) for tensor in ordered]
    del graph.initializer[:], graph.value_info[:]
    graph.initializer.extend(copies)
    graph.name, graph.doc_string, model.doc_string = "network", "", ""
    for value in (*graph.input, *graph.output):
        for size in value.type.tensor_type.shape.dim:
            if size.dim_param:
                size.dim_param = "clips"
    return model.SerializeToString(deterministic=True)
