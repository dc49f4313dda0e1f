"""The services of the contract, listed in this one place, and their stubs."""

from collections.abc import Mapping
from types import ModuleType
from typing import Any

import grpc
from bodega_api.v1 import (
    admin_pb2,
    admin_pb2_grpc,
    inference_pb2,
    inference_pb2_grpc,
    models_pb2,
    models_pb2_grpc,
)
from google.protobuf.descriptor import ServiceDescriptor

_MODULES: tuple[tuple[ModuleType, ModuleType], ...] = (
    (inference_pb2, inference_pb2_grpc),
    (admin_pb2, admin_pb2_grpc),
    (models_pb2, models_pb2_grpc),
)

Call = Any
"""A call in flight, `grpc.aio.Call` with what the kind of its RPC adds."""

Stub = Any
"""What calls one RPC: a request message and `metadata` in, a `Call` out."""

Stubs = Mapping[str, Stub]
"""What calls each RPC, by the RPC's full name."""


def all_services() -> list[ServiceDescriptor]:
    """Return the descriptors of every service."""
    return [
        service
        for messages, _ in _MODULES
        for service in messages.DESCRIPTOR.services_by_name.values()
    ]


def connect(channel: grpc.aio.Channel) -> Stubs:
    """Return the stubs of every RPC over a channel."""
    stubs: dict[str, Any] = {}
    for messages, generated in _MODULES:
        for service in messages.DESCRIPTOR.services_by_name.values():
            stub = getattr(generated, f"{service.name}Stub")(channel)
            for method in service.methods:
                stubs[method.full_name] = getattr(stub, method.name)
    return stubs
