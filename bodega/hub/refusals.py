"""The hub's refusals as errors of our own. They hold no address, no token, no word of the hub's."""

import email.utils
import time
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

import httpx2
from huggingface_hub import constants
from huggingface_hub.utils import parse_ratelimit_headers

from bodega.errors import (
    BodegaError,
    GatedModel,
    HubFailed,
    HubRateLimited,
    HubTokenRefused,
    HubUnreachable,
    RepositoryNotFound,
)

_PASSING: Final = frozenset({408, 500, 502, 503, 504})


def refusal(response: httpx2.Response, model_id: str, revision: str) -> BodegaError:
    """Return the error that an answer with a status of 400 or more means.

    Args:
        response: the answer; its body is not looked at.
        model_id: the repository that was asked for.
        revision: the revision that was asked for.
    """
    code = response.headers.get("X-Error-Code", "")
    status = response.status_code
    if code == "GatedRepo":
        return GatedModel(model_id, page=f"{_endpoint()}/{model_id}")
    if code == "RevisionNotFound":
        return RepositoryNotFound(model_id, revision=revision)
    if status == 429:
        return HubRateLimited(retry_after_s=_retry_after_s(response.headers))
    if response.history and status in (401, 403, 404):
        # The place that the hub redirected to: its leave holds for a while only.
        return HubFailed(f"'s storage answers with status {status}", is_passing=True)
    if status == 403 or (status == 401 and "Authorization" in response.request.headers):
        return HubTokenRefused(model_id)
    # To callers it does not know it says 401 of what does not exist and of what is private.
    if status == 401 or (status == 404 and code != "EntryNotFound"):
        return RepositoryNotFound(model_id)
    return HubFailed(f"answers with status {status}", is_passing=status in _PASSING)


def unreachable() -> HubUnreachable:
    """Return the error of a hub that cannot be connected to, or that falls silent."""
    return HubUnreachable(urlsplit(constants.ENDPOINT).hostname or "HF_ENDPOINT")


def _endpoint() -> str:
    parts = urlsplit(constants.ENDPOINT)
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{parts.hostname}{port}{parts.path}"


def _retry_after_s(headers: Mapping[str, str]) -> float | None:
    limit = parse_ratelimit_headers(headers)
    if limit is not None and limit.remaining == 0:
        return float(limit.reset_in_seconds)
    given = headers.get("Retry-After", "").strip()
    if given.isascii() and given.isdigit() and len(given) <= 9:
        return float(given)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(given).timestamp() - time.time())
    except ValueError:
        return None
