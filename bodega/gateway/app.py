"""What the HTTP server runs: guards first, then the transcoder, errors to JSON at the end."""

from aiohttp import hdrs, web
from multidict import CIMultiDict

from bodega import ids
from bodega.gateway.connection import SERVER
from bodega.gateway.deadlines import Deadlines
from bodega.gateway.documents import DOCUMENTS, VERBS, Document
from bodega.gateway.errors import Refused, answer_for, method_not_allowed
from bodega.gateway.exchange import Exchange
from bodega.gateway.guards import Guards, preflight_headers
from bodega.gateway.transcode import Transcoder


class App:
    """Answers every HTTP request."""

    def __init__(self, transcoder: Transcoder, guards: Guards, deadlines: Deadlines) -> None:
        self._transcoder = transcoder
        self._deadlines = deadlines
        self._guards = guards

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Return the answer to a request; errors are answers too."""
        request_id = ids.request_id(request.headers.get("X-Request-Id"))
        headers = CIMultiDict({hdrs.SERVER: SERVER, "X-Request-Id": request_id})
        exchange = Exchange(
            request=request,
            request_id=request_id,
            headers=headers,
            body_s=self._deadlines.body_s,
        )
        try:
            headers.update(self._guards.admit(request))
            if self._guards.is_preflight(request):
                told = preflight_headers(request, self._verbs(request.rel_url.raw_path))
                headers.update(told)
                return web.Response(status=204, headers=headers)
            document = DOCUMENTS.get(request.rel_url.raw_path)
            if document is None or not document.is_public:
                self._guards.authenticate(request)
            if document is not None:
                return _served(document, exchange)
            return await self._transcoder.answer(exchange)
        except Exception as error:  # noqa: BLE001
            # boundary: a client gets an answer whatever happens.
            return exchange.error_response(answer_for(error))

    def _verbs(self, path: str) -> list[str]:
        return VERBS if path in DOCUMENTS else self._transcoder.routes.verbs(path)


def _served(document: Document, exchange: Exchange) -> web.Response:
    if exchange.request.method not in VERBS:
        raise Refused(method_not_allowed(VERBS))
    headers = exchange.headers.copy()
    headers.update(document.headers)
    headers[hdrs.CONTENT_TYPE] = document.content_type
    return web.Response(body=document.body, headers=headers)
