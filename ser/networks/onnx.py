"""Keras networks as ONNX, which ONNX Runtime runs without TensorFlow."""

import json
import os
import tempfile
import warnings
from pathlib import Path

import keras
import numpy as np
import onnx

import ser.networks.layers  # noqa: F401  the networks' own layers must be known to Keras before a file names them

# A step of tf2onnx that fails is an error. Otherwise it copies the graph before each of them, to go on without.
os.environ.setdefault("TF2ONNX_CATCH_ERRORS", "false")


def to_onnx(model: keras.Model, *, features: str, columns: list[str]) -> bytes:
    """The network as ONNX, by Keras's own export; its batch may have any size.

    Parameters
    ----------
    features, columns : the array that it reads, and the names of the columns of it, which the file then says
    """
    model([np.zeros((1, *shape[1:]), np.float32) for shape in model.input_shape])  # Keras exports what has been called
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.onnx"
        with warnings.catch_warnings():  # tf2onnx asks NumPy for names that it no longer has
            warnings.simplefilter("ignore", FutureWarning)
            model.export(os.fspath(path), format="onnx", verbose=False)
        network = onnx.load(path)
    rename(network)
    onnx.helper.set_model_props(network, {"features": features, "columns": json.dumps(columns)})
    return network.SerializeToString(deterministic=True)


def in_order(graph: onnx.GraphProto) -> list[onnx.NodeProto]:
    """The nodes that the outputs need, each behind those that it needs, in the order in which they are asked for."""
    maker = {name: number for number, node in enumerate(graph.node) for name in node.output}
    done: dict[int, None] = {}
    waiting = [(maker[value.name], False) for value in reversed(graph.output)]
    while waiting:
        number, ready = waiting.pop()
        if ready:
            done[number] = None
        elif number not in done:
            waiting.append((number, True))
            waiting += [(maker[name], False) for name in reversed(graph.node[number].input) if name in maker]
    return [graph.node[number] for number in done]


def rename(network: onnx.ModelProto) -> None:
    """Put the nodes in an order of their own and name all by it: equal networks are then equal bytes.

    The converter's names carry counters, and its order follows hashes; both differ from run to run.
    """
    graph = network.graph
    nodes = [onnx.NodeProto.FromString(node.SerializeToString()) for node in in_order(graph)]
    del graph.node[:]
    graph.node.extend(nodes)
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
    graph.name, graph.doc_string, network.doc_string = "network", "", ""
    for value in (*graph.input, *graph.output):
        for size in value.type.tensor_type.shape.dim:
            if size.dim_param:
                size.dim_param = "clips"
