"""Which RPC answers which path, read from the google.api.http rules of the contract.

RPCs with the same verb and template share a route: a stream selector of the
dialect says which body picks the streaming one. Knows nothing of messages' JSON
and nothing of the network.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from google.api import annotations_pb2, http_pb2
from google.protobuf.descriptor import FieldDescriptor, MethodDescriptor, ServiceDescriptor

from bodega.gateway import dialect
from bodega.gateway.errors import Refused, method_not_allowed, unknown_path
from bodega.gateway.json_text import JsonValue, kind_of, refused
from bodega.gateway.path_template import PathTemplate

_WHOLE_BODY = "*"


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """One google.api.http rule of one RPC.

    Attributes:
        body: the field that the HTTP body stands for; "*" for the whole request message, ""
            when there is no body.
        response_body: the field that the HTTP answer stands for; "" for the whole.
    """

    method: MethodDescriptor
    verb: str
    template: PathTemplate
    body: str
    response_body: str

    @property
    def takes_query(self) -> bool:
        """Whether fields may come as query parameters: those that no body carries."""
        return self.body != _WHOLE_BODY

    def members(self, body: JsonValue, query: dict[str, JsonValue]) -> JsonValue:
        """Return the JSON value of the request from the HTTP body's and the query's members."""
        if self.body == _WHOLE_BODY:
            return body
        return {**query, self.body: body} if self.body else query


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """What answers a verb on a path: one RPC, or a unary one and its streaming twin.

    Attributes:
        selector: the boolean member of the body that picks the stream; "" when there are
            no twins and `binding` answers all.
    """

    binding: Binding
    stream: Binding | None = None
    selector: str = ""

    def select(self, members: JsonValue) -> Binding:
        """Take the selector out of a body's members and return the binding it picks.

        Raises:
            InvalidRequest: the selector is no boolean.
        """
        if self.stream is None or type(members) is not dict:
            return self.binding
        wants_stream = members.pop(self.selector, None)
        if wants_stream is not None and type(wants_stream) is not bool:
            place = (None, self.selector)
            raise refused(place, f"expected a boolean, got {kind_of(wants_stream)}")
        return self.stream if wants_stream else self.binding


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """A route and the variables of the path that led to it."""

    route: Route
    variables: dict[str, str]


class RouteTable:
    """The routes of some services, by path and verb."""

    def __init__(self, services: Iterable[ServiceDescriptor]) -> None:
        """Read the rules.

        Raises:
            ValueError: two rules claim the same verb and path, or one cannot be followed.
        """
        grouped: dict[str, dict[str, list[Binding]]] = {}
        for binding in all_bindings(services):
            by_verb = grouped.setdefault(binding.template.text, {})
            by_verb.setdefault(binding.verb, []).append(binding)
        self._literal: dict[str, dict[str, Route]] = {}
        self._variable: list[tuple[PathTemplate, dict[str, Route]]] = []
        for text, by_verb in grouped.items():
            routes = {verb: _route(bindings) for verb, bindings in by_verb.items()}
            template = next(iter(routes.values())).binding.template
            if template.is_literal:
                self._literal[text] = routes
            else:
                self._variable.append((template, routes))

    def __iter__(self) -> Iterator[Route]:
        for routes in self._literal.values():
            yield from routes.values()
        for _, routes in self._variable:
            yield from routes.values()

    def match(self, verb: str, path: str) -> Match:
        """Return the route of a request; HEAD takes the one of GET.

        Raises:
            Refused: no RPC has the path (404), or none has it with this verb (405).
            InvalidRequest: a variable of the path is not UTF-8.
        """
        routes, variables = self._find(path)
        route = routes.get("GET" if verb == "HEAD" else verb)
        if route is None:
            raise Refused(method_not_allowed(allowed_verbs(routes)))
        return Match(route=route, variables=variables)

    def verbs(self, path: str) -> list[str]:
        """Return the verbs that a path takes.

        Raises:
            Refused: no RPC has the path (404).
        """
        return allowed_verbs(self._find(path)[0])

    def _find(self, path: str) -> tuple[dict[str, Route], dict[str, str]]:
        if (routes := self._literal.get(path)) is not None:
            return routes, {}
        for template, routes in self._variable:
            if (variables := template.match(path)) is not None:
                return routes, variables
        raise Refused(unknown_path())


def allowed_verbs(verbs: Iterable[str]) -> list[str]:
    """Return verbs in order, HEAD with GET."""
    return sorted({*verbs} | ({"HEAD"} if "GET" in verbs else set()))


def all_bindings(services: Iterable[ServiceDescriptor]) -> Iterator[Binding]:
    """Yield every HTTP rule of the services, additional bindings included.

    Raises:
        ValueError: a rule cannot be followed.
    """
    for service in services:
        for method in service.methods:
            rule = method.GetOptions().Extensions[annotations_pb2.http]
            for each in (rule, *rule.additional_bindings):
                if each.WhichOneof("pattern") is not None:
                    yield _binding(method, each)


def _binding(method: MethodDescriptor, rule: http_pb2.HttpRule) -> Binding:
    kind = rule.WhichOneof("pattern")
    verb, path = (rule.custom.kind, rule.custom.path) if kind == "custom" else (kind, "")
    binding = Binding(
        method=method,
        verb=verb.upper(),
        template=PathTemplate(path or getattr(rule, kind)),
        body=rule.body,
        response_body=rule.response_body,
    )
    request_fields = {*binding.template.variables, binding.body} - {"", _WHOLE_BODY}
    _require_fields(method.input_type.fields_by_name, request_fields, method)
    _require_fields(method.output_type.fields_by_name, {rule.response_body} - {""}, method)
    return binding


def _require_fields(
    fields: Mapping[str, FieldDescriptor], names: set[str], method: MethodDescriptor
) -> None:
    if unknown := names - {*fields}:
        raise ValueError(f"the HTTP rule of {method.full_name} names no field: {sorted(unknown)}")


def _route(bindings: list[Binding]) -> Route:
    selectors = {binding: dialect.of_method(binding.method).stream_selector for binding in bindings}
    plain = [binding for binding, selector in selectors.items() if not selector]
    selected = [binding for binding, selector in selectors.items() if selector]
    if len(plain) != 1 or len(selected) > 1:
        names = [binding.method.full_name for binding in bindings]
        raise ValueError(f"{bindings[0].verb} {bindings[0].template.text} is not one of {names}")
    if not selected:
        return Route(binding=plain[0])
    return Route(binding=plain[0], stream=selected[0], selector=selectors[selected[0]])
