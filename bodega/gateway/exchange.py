"""One HTTP request on its way to its answer."""

import asyncio
from dataclasses import dataclass

from aiohttp import hdrs, web
from multidict import CIMultiDict

from bodega import limits
from bodega.gateway.errors import ErrorAnswer, Refused, body_too_large, body_too_slow
from bodega.gateway.guards import require_json
from bodega.gateway.json_text import JsonValue, parse, refused

JSON = "application/json"
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """A request, and what every answer to it carries.

    Attributes:
        request_id: the caller's id of the request, or one made for it.
        headers: headers of the answer, whatever it is.
        body_s: how long each part of the body may take to come.
    """

    request: web.BaseRequest
    request_id: str
    headers: CIMultiDict[str]
    body_s: float

    async def json_body(self, *, optional: bool) -> JsonValue:
        """Read the body and return its JSON value; an empty object where there may be none.

        Raises:
            Refused: the body does not say it is JSON (415), is too large (413) or too slow (408).
            InvalidRequest: it is missing, or is not JSON.
        """
        body = await self._body()
        if not body:
            if optional:
                return {}
            raise refused(None, "missing; send a JSON object")
        require_json(self.request)
        return parse(body)

    def json_response(
        self, body: bytes, *, status: int = 200, headers: dict[str, str] | None = None
    ) -> web.Response:
        """Return a whole answer of JSON."""
        merged = self.headers.copy()
        merged.update(headers or {})
        return web.Response(body=body, status=status, headers=merged, content_type=JSON)

    def error_response(self, answer: ErrorAnswer) -> web.Response:
        """Return an error as a whole answer."""
        return self.json_response(answer.body(), status=answer.status, headers=dict(answer.headers))

    async def _invite_body(self) -> None:
        """Tell a client that asked first, as curl does with large bodies, to go on."""
        if self.request.headers.get(hdrs.EXPECT, "").lower() == "100-continue":
            await self.request.writer.write(_CONTINUE)
            self.request.writer.output_size = 0  # the answer itself has not begun

    async def _body(self) -> bytes:
        if (self.request.content_length or 0) > limits.MAX_BODY_BYTES:
            raise Refused(body_too_large())
        await self._invite_body()
        try:
            return await self._read()
        except TimeoutError:
            raise Refused(body_too_slow()) from None
        except web.RequestPayloadError:
            raise refused(None, "cannot be unpacked as its headers say") from None

    async def _read(self) -> bytes:
        """Read the body part by part.

        Raises:
            TimeoutError: a part of it did not come in time.
        """
        body = bytearray()
        loop, content = asyncio.get_running_loop(), self.request.content
        async with asyncio.timeout(self.body_s) as deadline:
            next_part = limits.BODY_PART_BYTES
            while piece := await content.readany():
                body += piece
                if len(body) > limits.MAX_BODY_BYTES:
                    raise Refused(body_too_large())
                if len(body) >= next_part:
                    next_part = len(body) + limits.BODY_PART_BYTES
                    deadline.reschedule(loop.time() + self.body_s)
        return bytes(body)
