"""Frees an ONNX model of its fixed input size, and of outputs nobody reads, by editing its protobuf bytes.

Detector files are exported for one input size, although every layer of them is convolutional. The package `onnx` gives
the same bytes (docs/decisions/0028-the-graph-is-edited-when-an-engine-starts.md).

Field numbers are those of onnx.proto (IR version 3+): ModelProto.graph 7; GraphProto.input 11, output 12,
value_info 13; ValueInfoProto.name 1, type 2; TypeProto.tensor_type 1; TypeProto.Tensor.shape 2;
TensorShapeProto.dim 1; Dimension.dim_value 1, dim_param 2.
"""

from collections.abc import Iterator
from typing import Final

_MODEL_GRAPH, _GRAPH_INPUT, _GRAPH_OUTPUT, _GRAPH_VALUE_INFO = 7, 11, 12, 13
_VALUE_NAME, _VALUE_TYPE, _TYPE_TENSOR, _TENSOR_SHAPE, _SHAPE_DIM, _DIM_PARAM = 1, 2, 1, 2, 1, 2
_CHANNELS: Final = 1  # index of the channel dimension of an image tensor: batch, channels, rows, columns
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


def free_size(model: bytes, outputs: tuple[str, ...]) -> bytes:
    """Return the model with any input height and width, and with only these outputs."""
    return _rebuild(model, {_MODEL_GRAPH: lambda graph: _free_graph(graph, outputs)})


def _free_graph(graph: bytes, outputs: tuple[str, ...]) -> bytes:
    kept = bytearray()
    image_seen = False  # old files list their constants as inputs too, after the image
    for number, kind, value, raw in _fields(graph):
        if number == _GRAPH_VALUE_INFO:
            continue  # sizes of inner tensors: inferred again by the runtime
        if number in {_GRAPH_INPUT, _GRAPH_OUTPUT} and kind == _BYTES:
            name = next(v for n, _, v, _ in _fields(value) if n == _VALUE_NAME).decode()
            if number == _GRAPH_OUTPUT and name not in outputs:
                continue
            if number == _GRAPH_INPUT and image_seen:
                kept += raw
                continue
            image_seen |= number == _GRAPH_INPUT
            kept += _message(number, _free_value(value, fixed=(_CHANNELS,) if number == _GRAPH_INPUT else ()))
        else:
            kept += raw
    return bytes(kept)


def _free_value(value: bytes, fixed: tuple[int, ...]) -> bytes:
    """Give every dimension but the `fixed` ones a name in place of its number."""
    name = next(v for n, _, v, _ in _fields(value) if n == _VALUE_NAME)

    def free_shape(shape: bytes) -> bytes:
        dims = [(raw, index) for index, (_, _, _, raw) in enumerate(_fields(shape))]
        return b"".join(
            raw if index in fixed else _message(_SHAPE_DIM, _message(_DIM_PARAM, name + b"_%d" % index))
            for raw, index in dims
        )

    def free_tensor(tensor: bytes) -> bytes:
        return _rebuild(tensor, {_TENSOR_SHAPE: free_shape})

    return _rebuild(value, {_VALUE_TYPE: lambda kind: _rebuild(kind, {_TYPE_TENSOR: free_tensor})})


def _rebuild(message: bytes, edits: dict[int, object]) -> bytes:
    result = bytearray()
    for number, kind, value, raw in _fields(message):
        edit = edits.get(number)
        result += _message(number, edit(value)) if kind == _BYTES and callable(edit) else raw
    return bytes(result)


def _fields(message: bytes) -> Iterator[tuple[int, int, bytes, bytes]]:
    """Yield (field number, wire type, value, whole field) of a protobuf message."""
    position = 0
    while position < len(message):
        start = position
        key, position = _varint(message, position)
        number, kind = key >> 3, key & 7
        begin = position
        if kind == _VARINT:
            _, position = _varint(message, position)
        elif kind == _BYTES:
            length, begin = _varint(message, position)
            position = begin + length
        elif kind in {_FIXED32, _FIXED64}:
            position += 4 if kind == _FIXED32 else 8
        else:
            raise ValueError(f"unknown protobuf wire type {kind}")
        if position > len(message):
            raise ValueError("the model file is cut short")
        yield number, kind, message[begin:position], message[start:position]


def _varint(message: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:  # noqa: PLR2004 - the top bit says that more follows
            return value, position
        shift += 7


def _encode_varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:  # noqa: PLR2004 - seven bits to the byte
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def _message(number: int, value: bytes) -> bytes:
    return _encode_varint(number << 3 | _BYTES) + _encode_varint(len(value)) + value
