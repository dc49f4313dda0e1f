"""The OpenAPI document of the contract, from its descriptors and comments alone."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool

from bodega import __version__
from bodega.config import GATEWAY_PORT
from bodega.gateway import dialect
from bodega.gateway.comments import comments_of
from bodega.gateway.routes import Binding, Route, RouteTable
from bodega.gateway.schemas import Schema, Schemas

_JSON = "application/json"
_VERBS = frozenset({"GET", "PUT", "POST", "DELETE", "OPTIONS", "HEAD", "PATCH", "TRACE"})
_SECURITY = "token"
_SECURITY_SCHEME = {
    "type": "http",
    "scheme": "bearer",
    "description": "The server's token, if it has one. `GET /health` needs none.",
}
_ERROR_REFERENCE = {"$ref": "#/components/responses/Error"}
_ERROR_SCHEMA: Schema = {
    "type": "object",
    "description": "What went wrong.",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "type", "param", "code"],
            "properties": {
                "message": {"type": "string", "description": "What is wrong, and what to do."},
                "type": {"type": "string", "description": "The class of the error."},
                "param": {
                    "type": ["string", "null"],
                    "description": "The member of the request at fault, if one is.",
                },
                "code": {"type": "string", "description": "The name of the error."},
            },
        }
    },
}


def openapi_document(files: FileDescriptorSet, *, package: str = "bodega.v1") -> dict[str, Any]:
    """Return the OpenAPI 3.1 document of every RPC of a package that has an HTTP rule.

    Args:
        files: the contract and all that it imports, with comments (source info).
        package: the Protobuf package of the contract.
    """
    services = _services(files, package)
    comments = comments_of(files.file)
    methods = [method for service in services for method in service.methods]
    schemas = Schemas(comments, [method.input_type for method in methods])
    paths: dict[str, dict[str, Any]] = {}
    for route in RouteTable(services):
        if route.binding.verb not in _VERBS:
            continue  # OpenAPI knows no others
        operation = _Operation(route, schemas, comments)
        verbs = paths.setdefault(operation.path, {})
        verbs[route.binding.verb.lower()] = operation.document()
    _number_repeated_ids(paths)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Bodega Inference Engine",
            "version": __version__,
            "description": "Models of many kinds, served from one machine. Every path is an RPC "
            f"of the Protobuf package {package} as well.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        # An empty requirement: only servers that have a token want it.
        "security": [{}, {_SECURITY: []}],
        "servers": [{"url": f"http://localhost:{GATEWAY_PORT}"}],
        "tags": _tags(services, comments),
        "paths": paths,
        "components": {
            "schemas": {**dict(sorted(schemas.components.items())), "Error": _ERROR_SCHEMA},
            "responses": {
                "Error": {
                    "description": "The request failed; the body says why.",
                    "content": {_JSON: {"schema": {"$ref": "#/components/schemas/Error"}}},
                }
            },
            "securitySchemes": {_SECURITY: _SECURITY_SCHEME},
        },
    }


def _services(files: FileDescriptorSet, package: str) -> list[ServiceDescriptor]:
    pool = DescriptorPool()
    for file in files.file:
        pool.Add(file)
    return [
        pool.FindServiceByName(f"{file.package}.{service.name}")
        for file in files.file
        if file.package == package
        for service in file.service
    ]


def _number_repeated_ids(paths: Mapping[str, dict[str, Any]]) -> None:
    """Tell apart the operations of an RPC with several HTTP rules."""
    met: Counter[str] = Counter()
    for operation in (operation for verbs in paths.values() for operation in verbs.values()):
        name = operation["operationId"]
        met[name] += 1
        if met[name] > 1:
            operation["operationId"] = f"{name}_{met[name]}"


def _tags(services: Iterable[ServiceDescriptor], comments: Mapping[str, str]) -> list[Any]:
    return [
        {"name": service.name, "description": comments.get(service.full_name, "")}
        for service in services
    ]


class _Operation:
    """One route as an operation of the document."""

    def __init__(self, route: Route, schemas: Schemas, comments: Mapping[str, str]) -> None:
        self._route = route
        self._binding = route.binding
        self._method: MethodDescriptor = route.binding.method
        self._schemas = schemas
        self._comments = comments

    @property
    def path(self) -> str:
        return self._binding.template.openapi_text

    def document(self) -> dict[str, Any]:
        text = self._comments.get(self._method.full_name, "")
        document: dict[str, Any] = {
            "operationId": self._method.name,
            "tags": [self._method.containing_service.name],
            "summary": text.split(".")[0],
            "description": self._description(text),
        }
        if parameters := self._parameters():
            document["parameters"] = parameters
        if self._binding.body:
            document["requestBody"] = self._request_body()
        return document | {"responses": self._responses()}

    def _description(self, text: str) -> str:
        if self._route.stream is None:
            return text
        twin = self._comments.get(self._route.stream.method.full_name, "")
        return f"{text}\n\nWith `{self._route.selector}` true: {twin}"

    def _parameters(self) -> list[dict[str, Any]]:
        parameters: list[dict[str, Any]] = []
        variables, body = self._binding.template.variables, self._binding.body
        for field in self._method.input_type.fields:
            if field.name in variables:
                place: dict[str, Any] = {"in": "path", "required": True}
            elif self._binding.takes_query and field.name != body and field.message_type is None:
                place = {"in": "query"}
            else:
                continue
            parameters.append(self._schemas.parameter(field) | place)
        return parameters

    def _request_body(self) -> dict[str, Any]:
        request = self._method.input_type
        if self._binding.body in request.fields_by_name:
            schema = self._schemas.of_field(request.fields_by_name[self._binding.body])
        else:
            schema = self._schemas.reference(request)
        if self._route.stream is not None:
            schema = {"allOf": [schema, self._selector_schema(self._route.stream)]}
        required = not dialect.of_method(self._method).optional_body
        content = {"schema": schema} | self._example()
        return {"required": required, "content": {_JSON: content}}

    def _example(self) -> dict[str, Any]:
        request = self._method.input_type
        field = request.fields_by_name.get(self._binding.body)
        body = request if field is None else field.message_type
        text = "" if body is None else dialect.of_message(body).example
        return {"example": json.loads(text)} if text else {}

    def _selector_schema(self, stream: Binding) -> Schema:
        name = stream.method.output_type.name
        selector = {
            "type": ["boolean", "null"],
            "description": f"Answer with an event stream of {name} objects. Default false.",
        }
        return {"type": "object", "properties": {self._route.selector: selector}}

    def _responses(self) -> dict[str, Any]:
        content: dict[str, Any] = {}
        for binding in (self._binding, self._route.stream):
            if binding is not None:
                content[_media_type(binding)] = {"schema": self._answer_schema(binding)}
        responses: dict[str, Any] = {"200": {"description": "The answer.", "content": content}}
        for status, words in self._statuses().items():
            text = f"The same, with {' or '.join(words)}."
            responses[str(status)] = {"description": text, "content": content}
        return responses | {"default": _ERROR_REFERENCE}

    def _answer_schema(self, binding: Binding) -> Schema:
        answer = binding.method.output_type
        if binding.response_body:
            return self._schemas.of_field(answer.fields_by_name[binding.response_body])
        schema = self._schemas.reference(answer)
        failure = dialect.of_method(binding.method).event_stream.failure
        return {"anyOf": [schema, _failure_schema(json.loads(failure))]} if failure else schema

    def _statuses(self) -> dict[int, list[str]]:
        """Return the statuses that words at the top of the answer mean, with those words."""
        statuses: dict[int, list[str]] = {}
        if self._method.server_streaming:
            return statuses  # it is sent before the words are known
        for field in self._method.output_type.fields:
            if field.enum_type is not None and not field.is_repeated:
                for word, number in dialect.words(field.enum_type).items():
                    if status := dialect.http_status(field.enum_type.values_by_number[number]):
                        statuses.setdefault(status, []).append(f"`{field.name}` `{word}`")
        return statuses


def _failure_schema(members: Mapping[str, Any]) -> Schema:
    """Return the schema of the last event of a stream that failed."""
    properties = {name: {"const": value} for name, value in members.items()}
    properties["message"] = {"type": "string", "description": "What went wrong."}
    return {
        "description": "The last event of a stream that failed.",
        "allOf": [{"$ref": "#/components/schemas/Error"}],
        "properties": properties,
        "required": list(properties),
    }


def _media_type(binding: Binding) -> str:
    return "text/event-stream" if binding.method.server_streaming else _JSON
