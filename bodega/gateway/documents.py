"""What the gateway serves as it is: the OpenAPI document, and the page that shows it.

The page is for browsers, which send no token when they open one. It is the same
for every server and tells nothing of it, so it may be seen without the token;
the OpenAPI document, which it then asks for, may not.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from importlib import resources
from importlib.resources.abc import Traversable
from types import MappingProxyType

from aiohttp import hdrs

VERBS = ["GET", "HEAD"]
"""The verbs that documents take."""

_JSON, _HTML = "application/json", "text/html; charset=utf-8"
_CSS, _SCRIPT = "text/css; charset=utf-8", "text/javascript; charset=utf-8"

_POLICY = "; ".join(
    (
        "default-src 'none'",
        "connect-src 'self'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
"""What the page may load and whom it may ask: this server. Nobody may frame it."""

_PAGE_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    hdrs.CACHE_CONTROL: "no-cache",
}


@dataclass(frozen=True, kw_only=True)
class Document:
    """A document.

    Attributes:
        is_public: whether it is served without the token.
        headers: of the answer that holds it, beside its type.
    """

    source: Traversable
    content_type: str
    is_public: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def body(self) -> bytes:
        """What it holds. Read once it is asked for: few servers are."""
        return self.source.read_bytes()


def _of_page(source: Traversable, content_type: str) -> Document:
    return Document(source=source, content_type=content_type, is_public=True, headers=_PAGE_HEADERS)


def _documents() -> Mapping[str, Document]:
    page = resources.files("bodega.gateway") / "docs"
    viewer = resources.files("bodega") / "third_party" / "swagger_ui"
    shown = _of_page(page / "page.html", _HTML)
    contract = resources.files("bodega_api.v1") / "openapi.json"
    return {
        "/openapi.json": Document(source=contract, content_type=_JSON),
        "/docs": shown,
        "/docs/": shown,
        "/docs/page.css": _of_page(page / "page.css", _CSS),
        "/docs/page.js": _of_page(page / "page.js", _SCRIPT),
        "/docs/swagger-ui.css": _of_page(viewer / "swagger-ui.css", _CSS),
        "/docs/swagger-ui-bundle.js": _of_page(viewer / "swagger-ui-bundle.js", _SCRIPT),
    }


DOCUMENTS: Mapping[str, Document] = MappingProxyType(_documents())
"""The documents by path."""
