"""What an ONNX file from somebody else may hold: plain operators on tensors of its own.

ONNX is a protocol buffer (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto). ONNX Runtime would
read tensors from other files, and loop for ever, if a network said so; the light install has no ``onnx``
to look into a network with, so the few fields that matter are read here.
"""

from collections.abc import Iterator
from typing import Any

from ser.errors import InputError

# Field numbers of onnx.proto.
MODEL_GRAPH, MODEL_METADATA, MODEL_FUNCTIONS = 7, 14, 25
ENTRY_KEY, ENTRY_VALUE = 1, 2
GRAPH_NODE, GRAPH_INITIALIZER, GRAPH_SPARSE_INITIALIZER = 1, 5, 15
NODE_OP_TYPE, NODE_ATTRIBUTE, NODE_DOMAIN = 4, 5, 7
ATTRIBUTE_TENSOR, ATTRIBUTE_GRAPH, ATTRIBUTE_TENSORS, ATTRIBUTE_GRAPHS = 5, 6, 10, 11
TENSOR_EXTERNAL_DATA, TENSOR_DATA_LOCATION = 13, 14
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
# What Keras's layers are exported as. Left out: control flow, operators that make large tensors of small ones (Expand,
# Range, Tile, ...), and integer arithmetic that can end the process (Div, Mod).
OPERATORS = frozenset(
    """
    Abs Add And AveragePool BatchNormalization Cast Clip Concat Constant Conv Elu Equal Erf Exp Flatten GRU
    Gather Gemm GlobalAveragePool GlobalMaxPool Greater GreaterOrEqual HardSigmoid Identity LSTM
    LayerNormalization LeakyRelu Less LessOrEqual Log MatMul Max MaxPool Min Mul Neg Not Or Pad Pow Reciprocal
    ReduceMax ReduceMean ReduceSum Relu Reshape Selu Shape Sigmoid Slice Softmax Softplus Split Sqrt Squeeze
    Sub Sum Tanh Transpose Unsqueeze Where
    """.split()  # noqa: SIM905  read as a list of words
)
MOST_NODES = 3000
MOST_CONCATENATIONS = 20  # each may double a tensor


def check_network(network: bytes) -> None:
    """Refuse an ONNX file that is damaged, reads other files, or holds more than plain operators.

    Raises
    ------
    InputError : the reason
    """
    try:
        for number, graph in _fields(network):
            if number == MODEL_FUNCTIONS:
                raise InputError("defines functions of its own")
            if number == MODEL_GRAPH:
                _check_graph(graph)
    except (IndexError, TypeError) as error:
        raise InputError("is no ONNX file, or a damaged one") from error


def description_of(network: bytes) -> dict[str, str]:
    """The texts that an ONNX file of this project says about itself; see ``ser.networks.onnx.to_onnx``."""
    entries = (dict(_fields(content)) for number, content in _fields(network) if number == MODEL_METADATA)
    return {bytes(entry[ENTRY_KEY]).decode(): bytes(entry[ENTRY_VALUE]).decode() for entry in entries}


def _check_graph(graph: bytes) -> None:
    operators = [_operator(content) for number, content in _fields(graph) if number == GRAPH_NODE]
    if len(operators) > MOST_NODES or operators.count("Concat") > MOST_CONCATENATIONS:
        raise InputError(f"holds {len(operators)} operators, {operators.count('Concat')} of them Concat: too many")
    unknown = sorted(set(operators) - OPERATORS)
    if unknown:
        raise InputError(f"holds the operator {unknown[0][:40]!r}, which networks of this project do not need")
    for number, content in _fields(graph):
        if number == GRAPH_INITIALIZER:
            _check_tensor(content)
        elif number == GRAPH_SPARSE_INITIALIZER:
            raise InputError("holds sparse tensors")
        elif number == GRAPH_NODE:
            _check_node(content)


def _operator(node: bytes) -> str:
    return next((bytes(content).decode("ascii", "replace") for n, content in _fields(node) if n == NODE_OP_TYPE), "")


def _check_node(node: bytes) -> None:
    for number, content in _fields(node):
        if number == NODE_DOMAIN and bytes(content) not in (b"", b"ai.onnx"):
            raise InputError("holds operators that are not of ONNX")
        if number == NODE_ATTRIBUTE:
            for kind, value in _fields(content):
                if kind in (ATTRIBUTE_GRAPH, ATTRIBUTE_GRAPHS):
                    raise InputError("holds a nested graph, which is not allowed")
                if kind in (ATTRIBUTE_TENSOR, ATTRIBUTE_TENSORS):
                    _check_tensor(value)


def _check_tensor(tensor: bytes) -> None:
    for number, content in _fields(tensor):
        if number == TENSOR_EXTERNAL_DATA or (number == TENSOR_DATA_LOCATION and content != 0):
            raise InputError("wants to read another file")


def _fields(message: bytes) -> Iterator[tuple[int, Any]]:
    """Number and content of each field of a protocol buffer: an integer, or bytes, as the number's type says."""
    view, position = memoryview(message), 0
    while position < len(view):
        key, position = _varint(view, position)
        number, wire = key >> 3, key & 7
        if wire == VARINT:
            value, position = _varint(view, position)
            yield number, value
            continue
        if wire == BYTES:
            size, position = _varint(view, position)
        elif wire in (FIXED64, FIXED32):
            size = 8 if wire == FIXED64 else 4
        else:
            raise IndexError(wire)
        if position + size > len(view):
            raise IndexError(size)
        yield number, view[position : position + size]
        position += size


def _varint(view: memoryview, position: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        byte = view[position]
        value, position = value | (byte & 127) << shift, position + 1
        if byte < 128:
            return value, position
    raise IndexError(position)
