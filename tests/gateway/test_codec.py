"""JSON to messages and back, over the served contract and over a sample of everything."""

import json
from contextlib import suppress
from typing import Any

import pytest
from bodega_api.v1 import admin_pb2, dialect_pb2, inference_pb2, models_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.descriptor_pool import Default
from hypothesis import given, settings
from hypothesis import strategies as st

from bodega.errors import InvalidRequest, UnsupportedParameter
from bodega.gateway import dialect
from bodega.gateway.decode import Decoder
from bodega.gateway.encode import Encoder, status_of
from bodega.gateway.json_text import parse
from bodega.gateway.services import all_services

from .sample import SAMPLE
from .test_json_text import VALUES

CHAT = inference_pb2.CreateChatCompletionRequest.DESCRIPTOR
LOAD = admin_pb2.LoadModelRequest.DESCRIPTOR


def decode(value: Any, descriptor: Descriptor = CHAT) -> Any:
    """Return the message of a value."""
    return Decoder(descriptor).decode(value).message


def encode(message: Any) -> Any:
    """Return the JSON value of a message, in the order of its text."""
    text = Encoder(message.DESCRIPTOR).for_request(message)(message)
    assert json.loads(text) is not None
    return parse(text)


FULL_CHAT = """{
  "model": "SRSWTI/bodega-raptor-8b-mxfp4",
  "messages": [
    {"role": "developer", "content": "Be brief.", "tool_calls": []},
    {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": ""}],
     "name": "ann", "tool_calls": []},
    {"role": "assistant", "tool_calls": [
      {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{\\"x\\":1}"}}]},
    {"role": "tool", "content": "\\u0000 \\u2028 \\ud83d\\ude00", "tool_calls": [],
     "tool_call_id": "call_1"}
  ],
  "max_tokens": 5, "max_completion_tokens": 2147483647, "temperature": 0.1, "top_p": 1.0,
  "top_k": -1, "min_p": 0.05, "repetition_penalty": 1.1, "presence_penalty": -2.0,
  "frequency_penalty": 2.0, "stop": ["a", "b"], "seed": 9223372036854775807,
  "stream_options": {"include_usage": true},
  "chat_template_kwargs": {"z": 1, "a": {"y": [1.5, null], "b": true}, "enable_thinking": false},
  "user": "u", "tools": [
    {"type": "function", "function": {"name": "f", "description": "d",
     "parameters": {"type": "object", "properties": {"z": {}, "a": {}}}, "strict": true}}],
  "tool_choice": {"type": "function", "function": {"name": "f"}}, "parallel_tool_calls": false,
  "response_format": {"type": "json_schema", "json_schema": {"name": "s", "schema": {"b": {}}}},
  "logprobs": true, "top_logprobs": 20, "n": 8, "logit_bias": {"5": -100.0, "50": 1.5},
  "reasoning_effort": "xhigh", "metadata": {"a": "b"}
}"""


def test_a_chat_request_survives_the_way_to_a_message_and_back() -> None:
    value = parse(FULL_CHAT.encode())
    assert encode(decode(value)) == value


def test_raw_json_keeps_the_order_of_its_keys() -> None:
    message = decode(parse(FULL_CHAT.encode()))
    kept = '{"z":1,"a":{"y":[1.5,null],"b":true},"enable_thinking":false}'
    assert message.chat_template_kwargs == kept
    assert kept.encode() in Encoder(CHAT).for_request(message)(message)


def test_null_is_the_same_as_absent() -> None:
    nulls = {field.name: None for field in CHAT.fields}
    assert decode(nulls) == inference_pb2.CreateChatCompletionRequest()
    assert not decode({"messages": [{"content": None}]}).messages[0].HasField("content")


def test_a_number_without_a_fraction_is_an_integer() -> None:
    assert decode({"max_tokens": 5.0}).max_tokens == 5
    assert decode({"temperature": 1}).temperature == 1.0


@pytest.mark.parametrize(
    ("members", "param", "reason"),
    [
        ([], "body", "expected an object, got an array"),
        ("x", "body", "expected an object, got a string"),
        (None, "body", "expected an object, got null"),
        ({"model": 1}, "model", "expected a string, got an integer"),
        ({"messages": {}}, "messages", "expected an array, got an object"),
        ({"messages": [None]}, "messages[0]", "expected an object, got null"),
        ({"messages": ["x"]}, "messages[0]", "expected an object, got a string"),
        (
            {"messages": [{"content": 5}]},
            "messages[0].content",
            "expected a string or an array, got an integer",
        ),
        (
            {"messages": [{}, {"content": ["a"]}]},
            "messages[1].content[0]",
            "expected an object, got a string",
        ),
        (
            {"messages": [{"content": [{"type": "text", "text": 1.5}]}]},
            "messages[0].content[0].text",
            "expected a string, got a number",
        ),
        ({"messages": [{"role": "king"}]}, "messages[0].role", "expected one of 'system', 'dev"),
        ({"messages": [{"role": "USER"}]}, "messages[0].role", "an unknown word"),
        ({"messages": [{"role": "unspecified"}]}, "messages[0].role", "an unknown word"),
        ({"messages": [{"role": 3}]}, "messages[0].role", "expected a string, got an integer"),
        ({"max_tokens": "5"}, "max_tokens", "expected an integer, got a string"),
        ({"max_tokens": 5.5}, "max_tokens", "expected an integer, got a number"),
        ({"max_tokens": True}, "max_tokens", "expected an integer, got a boolean"),
        ({"max_tokens": 2**63}, "max_tokens", "expected an integer from -2147483648 to 2147483647"),
        ({"max_tokens": 1e300}, "max_tokens", "expected an integer from"),
        ({"seed": 2**65}, "seed", "expected an integer from -9223372036854775808"),
        ({"temperature": "0.5"}, "temperature", "expected a number, got a string"),
        ({"temperature": False}, "temperature", "expected a number, got a boolean"),
        ({"stop": 5}, "stop", "expected a string or an array, got an integer"),
        ({"stop": ["a", 1]}, "stop[1]", "expected a string, got an integer"),
        ({"stop": [None]}, "stop[0]", "expected a string, got null"),
        ({"stream_options": True}, "stream_options", "expected an object, got a boolean"),
        (
            {"stream_options": {"include_usage": 1}},
            "stream_options.include_usage",
            "expected a boolean, got an integer",
        ),
        ({"chat_template_kwargs": "{}"}, "chat_template_kwargs", "expected an object, got a str"),
        ({"chat_template_kwargs": []}, "chat_template_kwargs", "expected an object, got an array"),
    ],
)
def test_a_value_of_the_wrong_type_is_refused_with_its_place(
    members: Any, param: str, reason: str
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        decode(members)
    assert (caught.value.param, caught.value.code) == (param, "invalid_value")
    assert caught.value.message.startswith(f"{param}: ")
    assert reason in caught.value.message


@pytest.mark.parametrize(
    ("members", "param"),
    [
        ({"functions": []}, "functions"),
        ({"function_call": {"name": "f"}}, "function_call"),
        ({"modalities": ["text", "audio"]}, "modalities"),
        ({"store": True}, "store"),
        ({"store": 0}, "store"),
        ({"service_tier": "flex"}, "service_tier"),
        ({"messages": [{"audio": {"id": "x"}}]}, "messages[0].audio"),
        ({"messages": [{"content": [{"type": "image_url"}]}]}, "messages[0].content[0].type"),
        ({"stream_options": {"include_obfuscation": True}}, "stream_options.include_obfuscation"),
    ],
)
def test_what_is_known_but_not_served_is_refused_as_such(members: Any, param: str) -> None:
    with pytest.raises(UnsupportedParameter) as caught:
        decode(members)
    assert caught.value.param == param
    assert "not served" in caught.value.message


@pytest.mark.parametrize(
    "members",
    [
        {"tools": None, "logit_bias": None, "audio": None},
        {"function_call": "auto"},
        {"function_call": "none"},
        {"logit_bias": {}, "metadata": {}},
        {"service_tier": "default", "store": False, "modalities": ["text"]},
    ],
)
def test_an_unserved_name_passes_with_a_value_that_asks_for_nothing(members: Any) -> None:
    decoded = Decoder(CHAT).decode(members)
    assert decoded.ignored == ()
    assert decoded.message == inference_pb2.CreateChatCompletionRequest()


def test_a_model_type_that_is_not_served_says_what_is() -> None:
    with pytest.raises(UnsupportedParameter, match="'whisper' is not served; what is: 'lm'"):
        decode({"model_type": "whisper"}, LOAD)


def test_unknown_members_are_told_by_their_places() -> None:
    value = {"x": 1, "messages": [{"y": {}, "content": [{"z": None}]}], "stream_options": {"w": 0}}
    decoded = Decoder(CHAT).decode(value)
    assert decoded.ignored == ("x", "messages[0].y", "messages[0].content[0].z", "stream_options.w")


def test_a_whole_answer_is_printed_with_its_nulls_and_zeros() -> None:
    assert encode(admin_pb2.GetCurrentModelResponse()) == {"loaded": False, "model_info": None}
    assert encode(admin_pb2.GetQueueStatsResponse(queue_stats={}))["queue_stats"]["queue_size"] == 0
    assert encode(models_pb2.Model(created=1_750_000_000, size_gb=5)) == {
        "id": "",
        "object": "",
        "created": 1_750_000_000,
        "owned_by": "",
        "size_gb": 5.0,
        "download_percentage": 0.0,
        "is_complete": False,
        "loaded": False,
    }


def test_an_unknown_enum_number_is_null() -> None:
    assert encode(inference_pb2.ChatChoice(finish_reason=99))["finish_reason"] is None  # type: ignore[arg-type]


def test_usage_is_null_only_where_the_request_asks() -> None:
    chunk = inference_pb2.ChatCompletionChunk()
    encoder = Encoder(chunk.DESCRIPTOR)
    asked = inference_pb2.CreateChatCompletionRequest(stream_options={"include_usage": True})
    plain = inference_pb2.CreateChatCompletionRequest(stream_options={})
    assert b'"usage":null' in encoder.for_request(asked)(chunk)
    assert b"usage" not in encoder.for_request(plain)(chunk)
    assert encoder.for_request(asked) is encoder.for_request(asked)


def test_every_shape_of_the_dialect_survives_there_and_back() -> None:
    value = {
        "name": "n",
        "int32_value": -5,
        "uint32_value": 2**32 - 1,
        "int64_value": -(2**63),
        "uint64_value": 2**64 - 1,
        "ratio": 1.5,
        "flag": None,
        "numbers": [1, 2],
        "names": ["a"],
        "colors": ["green", "navy-blue"],
        "color": "navy-blue",
        "child": {"wanted": True, "text": "t"},
        "children": [{"wanted": False, "text": ""}],
        "value": [{"wanted": False, "text": "row"}],
        "values": ["a", 1.5, True, [], {"wanted": True, "text": ""}],
        "rows": [{"wanted": True, "text": "r"}],
        "schema": {"b": 1, "a": 12345678901234567890123},
        "note": None,
        "schemas": [{"x": {}}, {}],
        "weights": {"-7": 0.5, "0": 1.0, "2147483647": -100.0},
        "moods": {"": "green", "b.c": "navy-blue"},
        "people": {"18446744073709551615": {"wanted": True, "text": "t"}},
        "ratings": [{"a": 1.5, "b": -2.0}, {}],
    }
    message = decode(value, SAMPLE)
    assert encode(message) == value
    assert list(encode(message)) == list(value)


def test_empty_lists_that_may_be_left_out_are() -> None:
    printed = encode(decode({}, SAMPLE))
    assert (printed["weights"], printed["moods"]) == ({}, {})
    assert not {"people", "ratings"} & printed.keys()


@pytest.mark.parametrize(
    ("members", "param", "reason"),
    [
        ({"weights": []}, "weights", "expected an object, got an array"),
        ({"weights": {"1": "a"}}, "weights.1", "expected a number, got a string"),
        ({"weights": {"1.0": 1}}, "weights.1.0", "expected the name to be an integer from -2147"),
        ({"weights": {"01": 1}}, "weights.01", "expected the name to be an integer"),
        ({"weights": {"2147483648": 1}}, "weights.2147483648", "from -2147483648 to 2147483647"),
        ({"weights": {"\u0661": 1}}, "weights.\u0661", "expected the name to be an integer"),
        ({"moods": {"x": "blue"}}, "moods.x", "an unknown word"),
        ({"people": {"-1": {}}}, "people.-1", "from 0 to 18446744073709551615"),
        ({"people": {"1": {"text": 5}}}, "people.1.text", "expected a string, got an integer"),
        ({"ratings": [{"a": True}]}, "ratings[0].a", "expected a number, got a boolean"),
        ({"ratings": ["a"]}, "ratings[0]", "expected an object, got a string"),
    ],
)
def test_a_flaw_in_a_map_is_refused_with_its_place(members: Any, param: str, reason: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        decode(members, SAMPLE)
    assert caught.value.param == param
    assert reason in caught.value.message


def test_members_of_a_map_that_are_null_are_left_out_and_unknown_ones_in_it_are_told() -> None:
    decoded = Decoder(SAMPLE).decode({"weights": {"1": None}, "people": {"5": {"hat": 1}}})
    assert not decoded.message.weights
    assert decoded.ignored == ("people.5.hat",)


def test_a_status_comes_from_a_word_at_the_top_of_the_answer() -> None:
    status = status_of(SAMPLE)
    assert status(decode({"color": "navy-blue"}, SAMPLE)) == 418
    assert status(decode({"color": "green"}, SAMPLE)) == 200
    assert status(decode({"colors": ["navy-blue"]}, SAMPLE)) == 200


def _text_strategy(field: FieldDescriptor) -> st.SearchStrategy[Any]:
    if dialect.of_field(field).raw_json:
        return st.dictionaries(st.text(), VALUES, max_size=3)
    return st.text(max_size=8)


def _value_strategy(field: FieldDescriptor) -> st.SearchStrategy[Any]:
    if field.message_type is not None:
        return message_values(field.message_type)
    if field.enum_type is not None:
        return st.sampled_from(list(dialect.words(field.enum_type)))
    if field.type in dialect.INTEGERS:
        return st.integers(*dialect.INTEGERS[field.type])
    if field.type == FieldDescriptor.TYPE_STRING:
        return _text_strategy(field)
    if field.type == FieldDescriptor.TYPE_BOOL:
        return st.booleans()
    return st.floats(allow_nan=False, allow_infinity=False)


def _field_strategy(field: FieldDescriptor) -> st.SearchStrategy[Any]:
    if entry := dialect.map_entry(field):
        keys, values = map(_value_strategy, entry)
        return st.dictionaries(keys.map(str), values, max_size=3)
    value = _value_strategy(field)
    return st.lists(value, max_size=3) if field.is_repeated else value


def message_values(descriptor: Descriptor) -> st.SearchStrategy[Any]:
    """Return a strategy of JSON values as answers of this type are printed."""
    shape = dialect.of_message(descriptor).shape
    if shape == dialect.UNION:
        return st.one_of([_field_strategy(field) for field in dialect.arms(descriptor)])
    if shape in (dialect.LIST, dialect.MAP):
        return _field_strategy(dialect.only_field(descriptor))
    always: dict[str, Any] = {}
    sometimes: dict[str, Any] = {}
    for field in descriptor.fields:
        strategy = _field_strategy(field)
        if dialect.of_field(field).omit_empty:
            sometimes[field.name] = strategy.filter(bool)
        elif not field.has_presence:
            always[field.name] = strategy
        elif dialect.of_field(field).emit_null:
            always[field.name] = st.none() | strategy
        else:
            sometimes[field.name] = strategy
    return st.fixed_dictionaries(always, optional=sometimes)


SERVED = sorted(
    {
        message.full_name: message
        for service in all_services()
        for method in service.methods
        for message in (method.input_type, method.output_type)
    }.items()
)


@pytest.mark.parametrize("descriptor", [d for _, d in SERVED] + [SAMPLE], ids=lambda d: d.name)
def test_everything_served_is_the_same_after_the_way_to_a_message_and_back(
    descriptor: Descriptor,
) -> None:
    encoder = Encoder(descriptor)

    @settings(max_examples=30, deadline=None)
    @given(message_values(descriptor))
    def check(value: Any) -> None:
        message = Decoder(descriptor).decode(value).message
        wire = type(message).FromString(message.SerializeToString())
        printed = json.loads(encoder.for_request(decode({}, CHAT))(wire))
        assert printed == value

    check()


@settings(deadline=None)
@given(
    st.dictionaries(
        st.sampled_from([field.name for field in CHAT.fields] + ["tools", "n", "zebra"]),
        VALUES
        | st.lists(
            st.dictionaries(
                st.sampled_from(["role", "content", "tool_calls", "audio", "x"]),
                VALUES | st.lists(st.dictionaries(st.sampled_from(["type", "text"]), VALUES)),
            )
        ),
    )
    | VALUES
)
def test_any_json_is_taken_or_refused(value: Any) -> None:
    with suppress(InvalidRequest):
        decode(parse(json.dumps(value).encode()))


def _message(name: str, fields: list[tuple[str, int]], *, union: bool = False) -> Descriptor:
    """Return a message type that was made up on the spot."""
    file = FileDescriptorProto(name=f"{name}.proto", package="bodega.test.made", syntax="proto3")
    message = file.message_type.add(name=name)
    if union:
        message.oneof_decl.add(name="kind")
        message.options.Extensions[dialect_pb2.message].shape = dialect.UNION
    for number, (field, kind) in enumerate(fields, 1):
        made = message.field.add(name=field, number=number, label=1, type=kind)  # type: ignore[arg-type]
        if union:
            made.oneof_index = 0
    Default().AddSerializedFile(file.SerializeToString())
    return Default().FindMessageTypeByName(f"bodega.test.made.{name}")


def test_a_union_whose_arms_look_alike_is_refused_when_it_is_compiled() -> None:
    fields = [("a", FieldDescriptor.TYPE_INT32), ("b", FieldDescriptor.TYPE_DOUBLE)]
    with pytest.raises(TypeError, match="Alike: two arms are a number"):
        Decoder(_message("Alike", fields, union=True))


def test_a_type_without_a_json_shape_is_refused_when_it_is_compiled() -> None:
    with pytest.raises(TypeError, match=r"Bytes\.raw: its type has no JSON shape here"):
        Decoder(_message("Bytes", [("raw", FieldDescriptor.TYPE_BYTES)]))
