"""A gRPC client that knows nothing but reflection: no generated code of this project."""

from collections.abc import Iterator
from typing import Any

import grpc
from google.protobuf import json_format, message_factory
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Message
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)

Json = dict[str, Any]
WAIT_S = 60


class ReflectionClient:
    """Calls RPCs by name with plain JSON in Protobuf's own mapping."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._channel = channel
        self._database = ProtoReflectionDescriptorDatabase(channel)
        self._pool = DescriptorPool(self._database)

    def services(self) -> list[str]:
        """Return the names of the services."""
        return sorted(self._database.get_services())

    def unary(self, method: str, request: Json, **options: Any) -> Json:
        """Call a unary RPC, for example ``Admin.GetHealth``."""
        descriptor = self._method(method)
        call = self._channel.unary_unary(*self._path(descriptor))
        return _to_json(
            call(_from_json(descriptor, request), timeout=options.pop("timeout", WAIT_S), **options)
        )

    def trailers(self, method: str, request: Json) -> dict[str, Any]:
        """Call a unary RPC and return its trailing metadata."""
        descriptor = self._method(method)
        call = self._channel.unary_unary(*self._path(descriptor))
        _, done = call.with_call(_from_json(descriptor, request), timeout=WAIT_S)
        return dict(done.trailing_metadata())

    def stream(self, method: str, request: Json, **options: Any) -> Iterator[Json]:
        """Call a server-streaming RPC."""
        descriptor = self._method(method)
        call = self._channel.unary_stream(*self._path(descriptor))
        for message in call(_from_json(descriptor, request), timeout=WAIT_S, **options):
            yield _to_json(message)

    def _method(self, name: str) -> MethodDescriptor:
        service, _, method = name.partition(".")
        found = self._pool.FindServiceByName(f"bodega.v1.{service}").FindMethodByName(method)
        assert found is not None
        return found

    @staticmethod
    def _path(method: MethodDescriptor) -> tuple[str, Any, Any]:
        answer = message_factory.GetMessageClass(method.output_type)
        path = f"/{method.containing_service.full_name}/{method.name}"
        return path, lambda request: request.SerializeToString(), answer.FromString


def _from_json(method: MethodDescriptor, request: Json) -> Message:
    return json_format.ParseDict(request, message_factory.GetMessageClass(method.input_type)())


def _to_json(message: Message) -> Json:
    return json_format.MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )


def chat_json(messages: Any, **fields: Any) -> Json:
    """Return a chat request in Protobuf's JSON from messages in OpenAI's."""
    return {
        "model": "current",
        "temperature": 0,
        "messages": [
            {
                "role": f"ROLE_{message['role'].upper()}",
                "content": {"text": message["content"]},
            }
            for message in messages
        ],
        **fields,
    }
