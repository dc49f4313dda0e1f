"""Who may ask: the Host, Origin, token and content-type rules. They run before anything else.

The server is for programs of this machine, and browsers let any page on the
web send requests to it. A page that rebinds its own name to this machine shows
in Host; a page that asks across sites shows in Origin or Sec-Fetch-Site; a form,
the one body that needs no preflight, shows in its content type.
"""

import ipaddress
import re
from dataclasses import dataclass

from aiohttp import hdrs, web
from multidict import CIMultiDict

from bodega.bearer import BearerToken
from bodega.gateway.errors import Refused, forbidden, unsupported_media_type

_HOST = re.compile(r"(?P<name>\[[0-9a-fA-F:.]+\]|[^:/?#@\[\]\s]+)(?::[0-9]{1,5})?")
_ORIGIN = re.compile(r"https?://(?P<host>[^/?#@\s]+)")
_ABSOLUTE_TARGET = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*://(?P<host>[^/?#]*)")
_JSON = re.compile(r"application/json\s*(;\s*charset=(\"utf-8\"|utf-8)\s*)?", re.IGNORECASE)
_LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})
_HEADER_NAMES = re.compile(r"[A-Za-z0-9-]+(\s*,\s*[A-Za-z0-9-]+)*")

_EXPOSED = (
    "Bodega-Ignored-Fields, Bodega-Model, Retry-After, Server-Timing, X-Request-Id, X-Should-Retry"
)
_PREFLIGHT_AGE_S = "600"
_HEALTH_PATH = "/health"


@dataclass(frozen=True, slots=True, kw_only=True)
class Guards:
    """What Host, Origin and Authorization may be.

    Attributes:
        hosts: names that a Host header may hold, on any port, lower case.
        origins: origins that may send requests from a browser and read the answers.
        token: what callers must show; None lets all pass.
    """

    hosts: frozenset[str]
    origins: frozenset[str]
    token: BearerToken | None = None

    @classmethod
    def allowing(
        cls, hosts: tuple[str, ...], origins: tuple[str, ...], *, token: str | None = None
    ) -> "Guards":
        """Return guards that let the loopback names pass, these names and origins, and a token."""
        return cls(
            hosts=_LOOPBACK_NAMES | {host.lower() for host in hosts},
            origins=frozenset(origin.lower().rstrip("/") for origin in origins),
            token=None if token is None else BearerToken(token),
        )

    def admit(self, request: web.BaseRequest) -> CIMultiDict[str]:
        """Let a request pass, and return the headers its answer needs for its origin.

        Raises:
            Refused: its Host or Origin is none of ours.
        """
        self._check_host(request)
        origin = _only(request, hdrs.ORIGIN)
        if origin is None:
            if request.headers.get("Sec-Fetch-Site", "").lower() == "cross-site":
                raise Refused(_CROSS_SITE)
            return CIMultiDict()
        if origin.lower() in self.origins:
            return CIMultiDict(
                {
                    hdrs.ACCESS_CONTROL_ALLOW_ORIGIN: origin,
                    hdrs.ACCESS_CONTROL_EXPOSE_HEADERS: _EXPOSED,
                    hdrs.VARY: "Origin",
                }
            )
        found = _ORIGIN.fullmatch(origin)
        if found is None or not self._is_ours(request, found["host"]):
            raise Refused(_CROSS_SITE)
        return CIMultiDict()

    def authenticate(self, request: web.BaseRequest) -> None:
        """Let a request pass that shows the token, and whoever asks for health.

        Raises:
            MissingApiKey, InvalidApiKey: it does not.
        """
        if self.token is None or request.rel_url.raw_path == _HEALTH_PATH:
            return
        self.token.check(_only(request, hdrs.AUTHORIZATION))

    def is_preflight(self, request: web.BaseRequest) -> bool:
        """Tell whether a request is an allowed origin's question what it may send."""
        return (
            request.method == hdrs.METH_OPTIONS
            and hdrs.ACCESS_CONTROL_REQUEST_METHOD in request.headers
            and request.headers.get(hdrs.ORIGIN, "").lower() in self.origins
        )

    def _check_host(self, request: web.BaseRequest) -> None:
        hosts = [_only(request, hdrs.HOST) or ""]
        if absolute := _ABSOLUTE_TARGET.match(request.raw_path):
            # Such a target names a host of its own, which counts as much.
            hosts.append(absolute["host"])
        if not all(self._is_ours(request, host) for host in hosts):
            raise Refused(_UNKNOWN_HOST)

    def _is_ours(self, request: web.BaseRequest, authority: str) -> bool:
        found = _HOST.fullmatch(authority)
        if found is None:
            return False
        return found["name"].lower() in self.hosts or _is_local_address(request, found["name"])


def preflight_headers(request: web.BaseRequest, verbs: list[str]) -> dict[str, str]:
    """Return what an allowed origin's preflight is told of a path that takes these verbs."""
    headers: dict[str, str] = {
        hdrs.ACCESS_CONTROL_ALLOW_METHODS: ", ".join(verbs),
        hdrs.ACCESS_CONTROL_MAX_AGE: _PREFLIGHT_AGE_S,
    }
    asked = request.headers.get(hdrs.ACCESS_CONTROL_REQUEST_HEADERS, "")
    if _HEADER_NAMES.fullmatch(asked):
        headers[hdrs.ACCESS_CONTROL_ALLOW_HEADERS] = asked
    return headers


def require_json(request: web.BaseRequest) -> None:
    """Let a body pass that says it is JSON.

    Raises:
        Refused: it says something else, or nothing.
    """
    if not _JSON.fullmatch(_only(request, hdrs.CONTENT_TYPE) or ""):
        raise Refused(unsupported_media_type())


def _is_local_address(request: web.BaseRequest, name: str) -> bool:
    """Tell whether a Host is the address itself that the request came to: no page can forge it."""
    if request.transport is None:
        return False
    address = request.transport.get_extra_info("sockname")[0]
    try:
        return ipaddress.ip_address(name.strip("[]")) == ipaddress.ip_address(address)
    except ValueError:
        return False


def _only(request: web.BaseRequest, name: str) -> str | None:
    """Return a header's value: None without one, and "", which no rule takes, of several."""
    values = request.headers.getall(name, [])
    if len(values) > 1:
        return ""
    return values[0] if values else None


_UNKNOWN_HOST = forbidden(
    "forbidden_host",
    "The Host header is none of this server's names. Ask for localhost, 127.0.0.1 or the "
    "address it listens on, or start the server with --allow-host and the name.",
)
_CROSS_SITE = forbidden(
    "forbidden_origin",
    "Pages of other sites may not use this server. Start it with --allow-origin and the page's "
    "origin to let it.",
)
