"""Every RPC of the contract over HTTP: find it, translate, call, translate back."""

import asyncio
import re
from collections.abc import Iterable
from contextlib import suppress
from urllib.parse import quote

import grpc
import orjson
from aiohttp import web
from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.message import Message
from multidict import CIMultiDict

from bodega import limits
from bodega.bearer import HEADER
from bodega.gateway import dialect
from bodega.gateway.decode import Decoded, Decoder
from bodega.gateway.encode import Encoder, status_of
from bodega.gateway.errors import answer_for, is_unreachable
from bodega.gateway.exchange import Exchange
from bodega.gateway.json_text import JsonValue
from bodega.gateway.open_calls import OpenCalls
from bodega.gateway.query import members_of_query
from bodega.gateway.routes import Binding, RouteTable
from bodega.gateway.services import Call, Stub, Stubs
from bodega.gateway.streaming import EventStream, first_message

_METADATA_PREFIX = "bodega-"
_METADATA_HEADERS = frozenset({"server-timing"})
_METADATA_TEXT = re.compile(r"[\x21-\x7e][\x20-\x7e]*")
_MAX_NAMED_FIELDS = 32
_MAX_FIELD_CHARS = 96


class _Rpc:
    """One RPC at one of its HTTP rules, compiled."""

    def __init__(self, binding: Binding, stub: Stub) -> None:
        method = binding.method
        options = dialect.of_method(method)
        self.binding = binding
        self.stub = stub
        self.decoder = Decoder(method.input_type)
        self.encoder = Encoder(method.output_type, member=binding.response_body)
        self.status_of = status_of(method.output_type)
        self.terminator = options.event_stream.terminator.encode()
        failure = options.event_stream.failure
        self.failure: dict[str, JsonValue] | None = orjson.loads(failure) if failure else None
        self.has_optional_body = options.optional_body
        self.unreachable_answer: Message | None = None
        if options.unreachable_answer:
            answer = Decoder(method.output_type).decode(orjson.loads(options.unreachable_answer))
            self.unreachable_answer = answer.message


class Transcoder:
    """Answers HTTP requests with the RPCs of some services."""

    def __init__(
        self,
        services: Iterable[ServiceDescriptor],
        stubs: Stubs,
        *,
        keep_alive_s: float = limits.KEEP_ALIVE_COMMENT_S,
    ) -> None:
        """Compile every rule of the services.

        Args:
            services: the services to put on HTTP.
            stubs: what calls each RPC, by the RPC's full name.
            keep_alive_s: seconds of quiet after which a stream sends a comment.

        Raises:
            ValueError: a rule cannot be followed.
        """
        self.routes = RouteTable(services)
        self.open_calls = OpenCalls()
        self._keep_alive_s = keep_alive_s
        self._rpcs = {
            binding: _Rpc(binding, stubs[binding.method.full_name])
            for route in self.routes
            for binding in (route.binding, route.stream)
            if binding is not None
        }

    async def answer(self, exchange: Exchange) -> web.StreamResponse:
        """Return the answer to a request.

        Raises:
            Refused: no RPC takes the request as it is.
            BodegaError: its contents cannot be taken.
            grpc.aio.AioRpcError: the call failed.
        """
        url = exchange.request.rel_url
        match = self.routes.match(exchange.request.method, url.raw_path)
        body = None
        if match.route.binding.body:
            optional = self._rpcs[match.route.binding].has_optional_body
            body = await exchange.json_body(optional=optional)
        rpc = self._rpcs[match.route.select(body)]
        decoded = _decode(rpc, body, list(url.query.items()), match.variables)
        if rpc.binding.method.server_streaming:
            return await self._stream(rpc, exchange, decoded)
        return await self._unary(rpc, exchange, decoded)

    async def _unary(self, rpc: _Rpc, exchange: Exchange, decoded: Decoded) -> web.StreamResponse:
        # What has an answer without a core has it without one that moves, too.
        limit_s = None if rpc.unreachable_answer is None else limits.HEALTH_ANSWER_S
        call = rpc.stub(decoded.message, metadata=_metadata(exchange), timeout=limit_s)
        headers = _ignored_header(decoded)
        try:
            with self.open_calls.track(call):
                answer = await call
                headers |= _metadata_headers(await call.initial_metadata())
                headers |= _metadata_headers(await call.trailing_metadata())
        except grpc.aio.AioRpcError as error:
            if rpc.unreachable_answer is None or not is_unreachable(error):
                raise
            answer = rpc.unreachable_answer
        body = rpc.encoder.for_request(decoded.message)(answer)
        return exchange.json_response(body, status=rpc.status_of(answer), headers=headers)

    async def _stream(self, rpc: _Rpc, exchange: Exchange, decoded: Decoded) -> web.StreamResponse:
        call = rpc.stub(decoded.message, metadata=_metadata(exchange))
        async with EventStream(exchange.request, keep_alive_s=self._keep_alive_s) as stream:
            try:
                with self.open_calls.track(call):
                    first = await first_message(call, self._keep_alive_s)
                    if first.done():
                        first.result()  # an early failure keeps its status
                    await stream.open(await _stream_headers(exchange, decoded, call))
                    await self._pump(rpc, decoded, call, first, stream)
            except ConnectionError:
                return stream.response  # the client is gone
            except Exception as error:
                # boundary: a stream that is open can tell of any error only in itself.
                if not stream.is_open:
                    raise
                answer = answer_for(error)
                told = answer.body() if rpc.failure is None else answer.event(rpc.failure)
                with suppress(ConnectionError):
                    await stream.send(told)
            return stream.response

    async def _pump(
        self,
        rpc: _Rpc,
        decoded: Decoded,
        call: Call,
        first: asyncio.Future[Message],
        stream: EventStream,
    ) -> None:
        encode = rpc.encoder.for_request(decoded.message)
        message = await first
        while message is not grpc.aio.EOF:
            await stream.send(encode(message))
            message = await call.read()
        if rpc.terminator:
            await stream.send(rpc.terminator)


def _decode(
    rpc: _Rpc,
    body: JsonValue,
    query: list[tuple[str, str]],
    variables: dict[str, str],
) -> Decoded:
    request = rpc.binding.method.input_type
    ignored: tuple[str, ...] = ()
    if not rpc.binding.takes_query:
        ignored, query = tuple(name for name, _ in query), []
    value = rpc.binding.members(body, members_of_query(request, query))
    if variables and type(value) is dict:
        value |= members_of_query(request, variables.items())
    decoded = rpc.decoder.decode(value)
    return Decoded(message=decoded.message, ignored=decoded.ignored + ignored)


def _metadata(exchange: Exchange) -> tuple[tuple[str, str], ...]:
    metadata = [("x-request-id", exchange.request_id)]
    authorization = exchange.request.headers.get(HEADER, "")
    if _METADATA_TEXT.fullmatch(authorization):
        # The core looks at it as well: the gateway may run elsewhere.
        metadata.append((HEADER, authorization))
    return tuple(metadata)


async def _stream_headers(exchange: Exchange, decoded: Decoded, call: Call) -> CIMultiDict[str]:
    headers = exchange.headers.copy()
    headers.update(_ignored_header(decoded))
    try:
        async with asyncio.timeout(0):  # what has come by now; the stream cannot wait for more
            headers.update(_metadata_headers(await call.initial_metadata()))
    except TimeoutError:
        pass
    return headers


def _metadata_headers(metadata: Iterable[tuple[str, str | bytes]]) -> dict[str, str]:
    """Return the metadata that is for HTTP as headers, `bodega-model` as `Bodega-Model`."""
    return {
        key.title(): value
        for key, value in metadata
        if isinstance(value, str) and (key.startswith(_METADATA_PREFIX) or key in _METADATA_HEADERS)
    }


def _ignored_header(decoded: Decoded) -> dict[str, str]:
    if not decoded.ignored:
        return {}
    names = [_header_safe(name) for name in decoded.ignored[:_MAX_NAMED_FIELDS]]
    if len(decoded.ignored) > _MAX_NAMED_FIELDS:
        names.append("...")
    return {"Bodega-Ignored-Fields": ", ".join(names)}


def _header_safe(name: str) -> str:
    """Return a name as it may stand in a header's list: cut, and quoted as in a URL."""
    return quote(name[:_MAX_FIELD_CHARS], safe="[]$@!:/")[:_MAX_FIELD_CHARS]
