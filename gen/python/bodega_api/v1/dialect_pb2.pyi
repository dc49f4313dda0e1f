from google.protobuf import descriptor_pb2 as _descriptor_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Shape(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SHAPE_UNSPECIFIED: _ClassVar[Shape]
    SHAPE_UNION: _ClassVar[Shape]
    SHAPE_LIST: _ClassVar[Shape]
    SHAPE_MAP: _ClassVar[Shape]
SHAPE_UNSPECIFIED: Shape
SHAPE_UNION: Shape
SHAPE_LIST: Shape
SHAPE_MAP: Shape
METHOD_FIELD_NUMBER: _ClassVar[int]
method: _descriptor.FieldDescriptor
MESSAGE_FIELD_NUMBER: _ClassVar[int]
message: _descriptor.FieldDescriptor
FIELD_FIELD_NUMBER: _ClassVar[int]
field: _descriptor.FieldDescriptor
WORDS_FIELD_NUMBER: _ClassVar[int]
words: _descriptor.FieldDescriptor
WORD_FIELD_NUMBER: _ClassVar[int]
word: _descriptor.FieldDescriptor

class MethodDialect(_message.Message):
    __slots__ = ("stream_selector", "event_stream", "optional_body", "unreachable_answer")
    STREAM_SELECTOR_FIELD_NUMBER: _ClassVar[int]
    EVENT_STREAM_FIELD_NUMBER: _ClassVar[int]
    OPTIONAL_BODY_FIELD_NUMBER: _ClassVar[int]
    UNREACHABLE_ANSWER_FIELD_NUMBER: _ClassVar[int]
    stream_selector: str
    event_stream: EventStream
    optional_body: bool
    unreachable_answer: str
    def __init__(self, stream_selector: _Optional[str] = ..., event_stream: _Optional[_Union[EventStream, _Mapping]] = ..., optional_body: _Optional[bool] = ..., unreachable_answer: _Optional[str] = ...) -> None: ...

class EventStream(_message.Message):
    __slots__ = ("terminator", "failure")
    TERMINATOR_FIELD_NUMBER: _ClassVar[int]
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    terminator: str
    failure: str
    def __init__(self, terminator: _Optional[str] = ..., failure: _Optional[str] = ...) -> None: ...

class MessageDialect(_message.Message):
    __slots__ = ("shape", "unserved", "example")
    SHAPE_FIELD_NUMBER: _ClassVar[int]
    UNSERVED_FIELD_NUMBER: _ClassVar[int]
    EXAMPLE_FIELD_NUMBER: _ClassVar[int]
    shape: Shape
    unserved: _containers.RepeatedCompositeFieldContainer[UnservedName]
    example: str
    def __init__(self, shape: _Optional[_Union[Shape, str]] = ..., unserved: _Optional[_Iterable[_Union[UnservedName, _Mapping]]] = ..., example: _Optional[str] = ...) -> None: ...

class UnservedName(_message.Message):
    __slots__ = ("name", "accepts")
    NAME_FIELD_NUMBER: _ClassVar[int]
    ACCEPTS_FIELD_NUMBER: _ClassVar[int]
    name: str
    accepts: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, name: _Optional[str] = ..., accepts: _Optional[_Iterable[str]] = ...) -> None: ...

class FieldDialect(_message.Message):
    __slots__ = ("raw_json", "emit_null", "emit_null_if_requested", "range", "omit_empty")
    RAW_JSON_FIELD_NUMBER: _ClassVar[int]
    EMIT_NULL_FIELD_NUMBER: _ClassVar[int]
    EMIT_NULL_IF_REQUESTED_FIELD_NUMBER: _ClassVar[int]
    RANGE_FIELD_NUMBER: _ClassVar[int]
    OMIT_EMPTY_FIELD_NUMBER: _ClassVar[int]
    raw_json: bool
    emit_null: bool
    emit_null_if_requested: str
    range: Range
    omit_empty: bool
    def __init__(self, raw_json: _Optional[bool] = ..., emit_null: _Optional[bool] = ..., emit_null_if_requested: _Optional[str] = ..., range: _Optional[_Union[Range, _Mapping]] = ..., omit_empty: _Optional[bool] = ...) -> None: ...

class Range(_message.Message):
    __slots__ = ("min", "max", "above")
    MIN_FIELD_NUMBER: _ClassVar[int]
    MAX_FIELD_NUMBER: _ClassVar[int]
    ABOVE_FIELD_NUMBER: _ClassVar[int]
    min: float
    max: float
    above: float
    def __init__(self, min: _Optional[float] = ..., max: _Optional[float] = ..., above: _Optional[float] = ...) -> None: ...

class EnumDialect(_message.Message):
    __slots__ = ("unserved",)
    UNSERVED_FIELD_NUMBER: _ClassVar[int]
    unserved: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, unserved: _Optional[_Iterable[str]] = ...) -> None: ...

class EnumValueDialect(_message.Message):
    __slots__ = ("spelling", "http_status")
    SPELLING_FIELD_NUMBER: _ClassVar[int]
    HTTP_STATUS_FIELD_NUMBER: _ClassVar[int]
    spelling: str
    http_status: int
    def __init__(self, spelling: _Optional[str] = ..., http_status: _Optional[int] = ...) -> None: ...
