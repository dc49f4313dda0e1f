"""The same request over HTTP and over gRPC, whole and streamed."""

import json
from collections.abc import Callable, Iterable
from typing import Any

import grpc
import pytest
from bodega_api.v1 import inference_pb2, inference_pb2_grpc
from google.protobuf.descriptor import Descriptor

from bodega.errors import InvalidRequest
from bodega.gateway.decode import Decoder
from bodega.gateway.encode import Encoder
from tests.end_to_end.server import Json, Server

CHAT = "/v1/chat/completions"
COMPLETIONS = "/v1/completions"
_REQUESTS: dict[str, Descriptor] = {
    CHAT: inference_pb2.CreateChatCompletionRequest.DESCRIPTOR,
    COMPLETIONS: inference_pb2.CreateCompletionRequest.DESCRIPTOR,
}


def ask(server: Server, path: str = CHAT, **fields: Any) -> Json:
    """Return the answer to a request, which is the same over HTTP and gRPC, and as a stream.

    What differs every time is left out: ids, and how much of the prompt was known already.
    """
    body = {"model": "current", "temperature": 0, **fields}
    whole = _comparable(_posted(server, path, body))
    assert_alike(_comparable(_called(server, path, body)), whole)
    for events in (_events(server, path, body), _streamed(server, path, body)):
        for choice in whole["choices"]:
            assert_joined(events, choice)
        assert _comparable(events[-1])["usage"] == whole["usage"]
    return whole


def assert_joined(events: Iterable[Json], choice: Json) -> None:
    """Check that events are a choice in pieces."""
    text: dict[str, str] = {}
    calls: list[Json] = []
    logprobs: list[Any] = []
    finish = None
    for event in events:
        for piece in event["choices"]:
            if piece["index"] != choice["index"]:
                continue
            assert finish is None
            finish = piece["finish_reason"]
            logprobs += (piece.get("logprobs") or {}).get("content", [])
            delta = piece.get("delta", piece)
            for name in ("content", "reasoning_content", "text"):
                text[name] = text.get(name, "") + delta.get(name, "")
            for call in delta.get("tool_calls", []):
                if "id" in call:
                    calls.append({"name": call["function"]["name"], "arguments": ""})
                calls[call["index"]]["arguments"] += call["function"]["arguments"]
    message = choice.get("message", choice)
    for name, joined in text.items():
        assert joined == (message.get(name) or ""), name
    assert calls == [call["function"] for call in message.get("tool_calls", [])]
    assert finish == choice["finish_reason"]
    if "message" in choice:
        assert_alike(logprobs, choice.get("logprobs", {"content": []})["content"])


def assert_alike(some: Any, others: Any) -> None:
    """Check that values are the same, up to the rounding of their numbers."""
    if isinstance(some, dict):
        assert some.keys() == others.keys()
        some, others = list(some.values()), [others[name] for name in some]
    if isinstance(some, list):
        assert len(some) == len(others)
        for one, other in zip(some, others, strict=True):
            assert_alike(one, other)
    else:
        assert some == (pytest.approx(others, abs=1e-3) if isinstance(some, float) else others)


def refused(server: Server, path: str = CHAT, **fields: Any) -> Json:
    """Return the error of a request, which is the same over HTTP and gRPC, and as a stream."""
    body = {"model": "current", **fields}
    answers = [server.post(path, {**body, "stream": stream}) for stream in (False, True)]
    assert [answer.status_code for answer in answers] == [400, 400]
    error: Json = answers[0].json()["error"]
    assert answers[1].json()["error"] == error
    with pytest.raises((grpc.RpcError, InvalidRequest)) as raised:
        _called(server, path, body)
    told = raised.value
    # What is no message at all does not get as far as gRPC.
    message = told.message if isinstance(told, InvalidRequest) else told.details()
    assert message == error["message"]
    return error


def _posted(server: Server, path: str, body: Json) -> Json:
    answer = server.post(path, body)
    assert answer.status_code == 200, answer.text
    told: Json = answer.json()
    return told


def _events(server: Server, path: str, body: Json) -> list[Json]:
    streamed = {**body, "stream": True, "stream_options": {"include_usage": True}}
    answer = server.post(path, streamed)
    assert answer.status_code == 200, answer.text
    *events, done = [
        line for line in answer.content.decode().split("\n\n") if line.startswith("data: ")
    ]
    assert done == "data: [DONE]"
    return [json.loads(event.removeprefix("data: ")) for event in events]


def _called(server: Server, path: str, body: Json) -> Json:
    with server.channel() as channel:
        stub = inference_pb2_grpc.InferenceStub(channel)
        call = stub.CreateChatCompletion if path == CHAT else stub.CreateCompletion
        request = _message(path, body)
        answer = call(request, timeout=60)
    return _json(answer, request)


def _streamed(server: Server, path: str, body: Json) -> list[Json]:
    streamed = {**body, "stream_options": {"include_usage": True}}
    with server.channel() as channel:
        stub = inference_pb2_grpc.InferenceStub(channel)
        call: Callable[..., Any] = (
            stub.StreamChatCompletion if path == CHAT else stub.StreamCompletion
        )
        request = _message(path, streamed)
        return [_json(piece, request) for piece in call(request, timeout=60)]


def _comparable(answer: Json) -> Json:
    for name in ("id", "created"):
        del answer[name]
    del answer["usage"]["prompt_tokens_details"]
    for choice in answer["choices"]:
        for call in choice.get("message", {}).get("tool_calls", []):
            assert call.pop("id")
    return answer


def _message(path: str, body: Json) -> Any:
    return Decoder(_REQUESTS[path]).decode(body).message


def _json(answer: Any, request: Any) -> Json:
    encode = Encoder(answer.DESCRIPTOR).for_request(request)
    told: Json = json.loads(encode(answer))
    return told
