"""What can go wrong, one class a code. Knows neither gRPC nor HTTP.

    BodegaError
    ├── InvalidRequest          invalid_value          the caller's fault, names the field
    │   ├── MissingParameter    missing_parameter
    │   ├── UnsupportedParameter unsupported_parameter
    │   ├── ContextLengthExceeded context_length_exceeded
    │   └── ChatTemplateError   chat_template_error
    ├── MissingApiKey           missing_api_key        who asks is not known
    ├── InvalidApiKey           invalid_api_key
    ├── ModelNotFound           model_not_found
    ├── RemoteCodeNotAllowed    remote_code_not_allowed
    ├── UnsupportedModel        unsupported_model
    │   └── NoSafetensors
    ├── InvalidModel            invalid_model
    ├── InvalidAdapter          invalid_adapter
    ├── RepositoryNotFound      repository_not_found   the hub's answer
    ├── GatedModel              gated_model
    ├── HubTokenRefused         hub_token_refused
    ├── HubOffline              hub_offline
    ├── HubUnreachable          hub_unreachable
    ├── HubRateLimited          hub_rate_limited
    ├── HubFailed               hub_failed
    ├── DownloadDamaged         download_damaged
    │   └── DownloadTruncated
    ├── DownloadCancelled       download_cancelled
    ├── DownloadNotFound        download_not_found
    ├── TooManyDownloads        too_many_downloads
    ├── InsufficientDisk        insufficient_disk      this machine's
    ├── CacheLocked             cache_locked
    ├── CacheUnwritable         cache_unwritable
    ├── NoModelLoaded           no_model_loaded        not now
    ├── ModelIsLoading          model_loading
    ├── ModelUnloaded           model_unloaded
    ├── InsufficientMemory      insufficient_memory
    │   └── ModelTooLarge
    ├── ModelInUse              model_in_use
    ├── QueueFull               queue_full
    ├── QueueTimeout            queue_timeout
    ├── SlowReader              slow_reader
    ├── ShuttingDown            shutting_down
    ├── LoadFailed              load_failed            our fault
    └── InternalError           internal_error

A message says what is wrong, why, and what to do. It never holds a prompt, a
token, a traceback, or a path that the caller did not give.
"""

from enum import StrEnum
from typing import ClassVar

_MAX_QUOTED_CHARS = 200


def quoted(text: str) -> str:
    """Return a caller's own word as a message may hold it: in quotes, escaped, cut if long."""
    return repr(text if len(text) <= _MAX_QUOTED_CHARS else f"{text[:_MAX_QUOTED_CHARS]}...")


class Status(StrEnum):
    """The canonical status codes of google.rpc that are used here."""

    INVALID_ARGUMENT = "INVALID_ARGUMENT"
    UNAUTHENTICATED = "UNAUTHENTICATED"
    NOT_FOUND = "NOT_FOUND"
    PERMISSION_DENIED = "PERMISSION_DENIED"
    FAILED_PRECONDITION = "FAILED_PRECONDITION"
    RESOURCE_EXHAUSTED = "RESOURCE_EXHAUSTED"
    ABORTED = "ABORTED"
    CANCELLED = "CANCELLED"
    DATA_LOSS = "DATA_LOSS"
    UNAVAILABLE = "UNAVAILABLE"
    INTERNAL = "INTERNAL"


class BodegaError(Exception):
    """An error that is told to the caller.

    Attributes:
        status: the canonical status it becomes on the wire.
        code: its name, in lower case; ErrorInfo.reason is the same in capitals.
        param: the request field at fault, for example ``messages[0].content``.
        retry_after_s: seconds after which another try may succeed, if any may.
    """

    status: ClassVar[Status] = Status.INTERNAL
    code: ClassVar[str] = "internal_error"

    def __init__(
        self, message: str, *, param: str | None = None, retry_after_s: float | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.retry_after_s = retry_after_s


class InvalidRequest(BodegaError):
    """A field of the request has a value that cannot be honoured."""

    status = Status.INVALID_ARGUMENT
    code = "invalid_value"


class MissingParameter(InvalidRequest):
    """A required field is missing."""

    code = "missing_parameter"

    def __init__(self, param: str, message: str | None = None) -> None:
        super().__init__(message or f"'{param}' is required.", param=param)


class UnsupportedParameter(InvalidRequest):
    """The field or value is known to clients but not served."""

    code = "unsupported_parameter"


class ContextLengthExceeded(InvalidRequest):
    """The conversation, or the prompt, leaves no room for an answer."""

    code = "context_length_exceeded"

    def __init__(self, *, prompt_tokens: int, context_length: int, param: str = "messages") -> None:
        what = "conversation" if param == "messages" else "prompt"
        super().__init__(
            f"The {what} takes {prompt_tokens} tokens, and the model's context of "
            f"{context_length} tokens must hold it and at least one token of the answer. "
            f"Shorten the {param}, or load the model with a larger context_length.",
            param=param,
        )


class ChatTemplateError(InvalidRequest):
    """The model's chat template refuses the conversation, or failed on it."""

    code = "chat_template_error"


class MissingApiKey(BodegaError):
    """The server has a token, and the caller shows none."""

    status = Status.UNAUTHENTICATED
    code = "missing_api_key"

    def __init__(self) -> None:
        super().__init__(
            "This server answers callers who show its token: send 'Authorization: Bearer TOKEN', "
            "over gRPC as the metadata key 'authorization'. OpenAI's clients send their api_key so."
        )


class InvalidApiKey(BodegaError):
    """The caller shows a token that is not the server's."""

    status = Status.UNAUTHENTICATED
    code = "invalid_api_key"

    def __init__(self) -> None:
        super().__init__("The token that was sent is not this server's.")


class ModelNotFound(BodegaError):
    """The named model is not the loaded one, or not on this machine."""

    status = Status.NOT_FOUND
    code = "model_not_found"


class RemoteCodeNotAllowed(BodegaError):
    """The request wants code of the model to run, and the operator does not."""

    status = Status.PERMISSION_DENIED
    code = "remote_code_not_allowed"

    def __init__(self) -> None:
        super().__init__(
            "trust_remote_code runs Python code that comes with the model. It is honoured only "
            "when the server was started with --allow-remote-code.",
            param="trust_remote_code",
        )


class UnsupportedModel(BodegaError):
    """The model is sound but of a kind that cannot be served."""

    status = Status.FAILED_PRECONDITION
    code = "unsupported_model"


class InvalidModel(BodegaError):
    """Files of the model are missing or damaged."""

    status = Status.FAILED_PRECONDITION
    code = "invalid_model"


class InvalidAdapter(BodegaError):
    """Files of an adapter are missing or damaged, or it is not for the model."""

    status = Status.FAILED_PRECONDITION
    code = "invalid_adapter"


class NoSafetensors(UnsupportedModel):
    """The repository has no weights of a format that is used here."""

    def __init__(self, model_id: str) -> None:
        super().__init__(
            f"The repository {quoted(model_id)} has no safetensors weights, and only those are "
            "used. Look for a conversion of the model, for example by mlx-community; a GGUF file "
            "that you have is turned into a model by: bodega import FILE.gguf",
            param="model_path",
        )


class RepositoryNotFound(BodegaError):
    """The hub has no such model, or no such revision of it, or hides it."""

    status = Status.NOT_FOUND
    code = "repository_not_found"

    def __init__(self, model_id: str, *, revision: str | None = None) -> None:
        if revision is not None:
            super().__init__(
                f"The model {quoted(model_id)} has no revision {quoted(revision)} on the Hugging "
                "Face Hub. Name a branch, a tag or a commit that it has.",
                param="revision",
            )
            return
        super().__init__(
            f"There is no model {quoted(model_id)} on the Hugging Face Hub that this machine "
            "may see. Check the id; if the model is private, set HF_TOKEN to a token of an account "
            "that may read it, and start Bodega again.",
            param="model_path",
        )


class GatedModel(BodegaError):
    """The owner of the model wants its terms to be accepted first."""

    status = Status.PERMISSION_DENIED
    code = "gated_model"

    def __init__(self, model_id: str, *, page: str) -> None:
        super().__init__(
            f"The model {quoted(model_id)} is gated. Accept its terms on {page}, then set HF_TOKEN "
            "to a token of that account and start Bodega again.",
            param="model_path",
        )


class HubTokenRefused(BodegaError):
    """The hub does not accept the token, or not for this model."""

    status = Status.PERMISSION_DENIED
    code = "hub_token_refused"

    def __init__(self, model_id: str) -> None:
        super().__init__(
            f"The Hugging Face Hub does not let this machine read {quoted(model_id)}. Set HF_TOKEN "
            "to a token that is valid and may read it, and start Bodega again.",
            param="model_path",
        )


class HubOffline(BodegaError):
    """The hub is needed, and the operator said not to ask it."""

    status = Status.UNAVAILABLE
    code = "hub_offline"

    def __init__(self) -> None:
        super().__init__(
            "The Hugging Face Hub is not asked because HF_HUB_OFFLINE is set. Unset it and start "
            "the server again, or use a model that is on this machine."
        )


class HubUnreachable(BodegaError):
    """The hub cannot be connected to, or does not answer."""

    status = Status.UNAVAILABLE
    code = "hub_unreachable"

    def __init__(self, host: str) -> None:
        super().__init__(
            f"The Hugging Face Hub at {host} cannot be reached. Check this machine's network, "
            "HTTPS_PROXY and HF_ENDPOINT, and try again; what has come is kept."
        )


class HubRateLimited(BodegaError):
    """The hub wants fewer requests."""

    status = Status.UNAVAILABLE
    code = "hub_rate_limited"

    def __init__(self, *, retry_after_s: float | None) -> None:
        when = "later" if retry_after_s is None else f"in {retry_after_s:.0f} s"
        super().__init__(
            f"The Hugging Face Hub limits how often this machine may ask. Try again {when}; a "
            "HF_TOKEN raises the limit. What has come is kept.",
            retry_after_s=retry_after_s,
        )


class HubFailed(BodegaError):
    """The hub answers, but not with what was asked for.

    Attributes:
        is_passing: whether the hub is likely to do better soon.
    """

    status = Status.UNAVAILABLE
    code = "hub_failed"

    def __init__(self, how: str, *, is_passing: bool) -> None:
        super().__init__(f"The Hugging Face Hub {how}. Try again later; what has come is kept.")
        self.is_passing = is_passing


class DownloadDamaged(BodegaError):
    """A file is not what the hub says it is, and was not the second time either."""

    status = Status.DATA_LOSS
    code = "download_damaged"

    def __init__(self, name: str, message: str | None = None) -> None:
        super().__init__(
            message
            or f"The file {quoted(name)} came twice with a content that is not what the Hugging "
            "Face Hub says it is, and was removed. A proxy on the way may change it; try again "
            "later or over another network."
        )


class DownloadTruncated(DownloadDamaged):
    """A file ends too early, again and again."""

    def __init__(self, name: str, *, done_bytes: int, size_bytes: int) -> None:
        super().__init__(
            name,
            f"The transfer of {quoted(name)} ended early several times: {done_bytes} of "
            f"{size_bytes} bytes are here and kept. Try again to get the rest.",
        )


class DownloadCancelled(BodegaError):
    """Somebody ended the download."""

    status = Status.CANCELLED
    code = "download_cancelled"

    def __init__(self, model_id: str) -> None:
        super().__init__(
            f"The download of {quoted(model_id)} was cancelled. What has come is kept, and "
            "another download goes on from there."
        )


class TooManyDownloads(BodegaError):
    """As many downloads run and wait as may."""

    status = Status.RESOURCE_EXHAUSTED
    code = "too_many_downloads"

    def __init__(self, most: int) -> None:
        super().__init__(
            f"{most} downloads are under way, which is as many as may be. Wait for one to end, or "
            "cancel one.",
            retry_after_s=30.0,
        )


class DownloadNotFound(BodegaError):
    """No download of this model is under way."""

    status = Status.NOT_FOUND
    code = "download_not_found"

    def __init__(self, model_id: str) -> None:
        super().__init__(
            f"No download of {quoted(model_id)} is under way. GET /v1/admin/downloads or the RPC "
            "Models.ListDownloads names those that are.",
            param="model_path",
        )


class InsufficientDisk(BodegaError):
    """The files do not fit on the disk."""

    status = Status.RESOURCE_EXHAUSTED
    code = "insufficient_disk"

    def __init__(self, *, needed_bytes: int, free_bytes: int) -> None:
        super().__init__(
            f"{needed_bytes} bytes are needed on the disk, and {free_bytes} are free. Make room, "
            "for example by deleting models, or choose another disk (HF_HOME, BODEGA_HOME)."
        )


class CacheLocked(BodegaError):
    """Another process holds a file of the cache and does nothing with it."""

    status = Status.UNAVAILABLE
    code = "cache_locked"

    def __init__(self, lock: str) -> None:
        super().__init__(
            f"Another process holds the lock {quoted(lock)} in the Hugging Face cache, and nothing "
            "comes. End that process; if there is none, delete the lock's file, and try again."
        )


class CacheUnwritable(BodegaError):
    """The folder of the models cannot be written."""

    status = Status.FAILED_PRECONDITION
    code = "cache_unwritable"

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"The folder of the models cannot be written: {reason}. Mend that, or choose another "
            "one (HF_HOME, BODEGA_HOME)."
        )


class IncompleteModel(InvalidModel):
    """Some of the model's files are on this machine, and some are not."""


class NoModelLoaded(BodegaError):
    """No model is loaded. Trying again does not help: someone must load one."""

    status = Status.UNAVAILABLE
    code = "no_model_loaded"

    def __init__(self) -> None:
        super().__init__(
            "No model is loaded. Load one with POST /v1/admin/load-model "
            '{"model_path": "<Hugging Face id or folder>"} or the RPC Admin.LoadModel.'
        )


class ModelIsLoading(BodegaError):
    """A model is being loaded, or unloaded for another."""

    status = Status.UNAVAILABLE
    code = "model_loading"

    def __init__(self, *, retry_after_s: float = 2.0) -> None:
        super().__init__("A model is being loaded. Try again shortly.", retry_after_s=retry_after_s)


class ModelUnloaded(BodegaError):
    """The model was unloaded before the answer ended."""

    status = Status.UNAVAILABLE
    code = "model_unloaded"

    def __init__(self) -> None:
        super().__init__("The model was unloaded before the answer ended.", retry_after_s=2.0)


class InsufficientMemory(BodegaError):
    """The request could not be held in memory even alone. Trying again does not help."""

    status = Status.RESOURCE_EXHAUSTED
    code = "insufficient_memory"

    def __init__(self, *, prompt_tokens: int, needed_bytes: int, available_bytes: int) -> None:
        super().__init__(
            f"The conversation takes {prompt_tokens} tokens. With the beginning of an answer they "
            f"need {needed_bytes} bytes of memory, and there are {available_bytes} for the caches "
            "of all requests. Shorten the messages, or load the model with a larger kv_cache_gb.",
            param="messages",
        )


class ModelTooLarge(InsufficientMemory):
    """The weights of the model to load do not fit in the memory."""

    def __init__(self, *, needed_bytes: int, available_bytes: int) -> None:
        BodegaError.__init__(
            self,
            f"The model's weights take {needed_bytes} bytes of memory, and there are "
            f"{available_bytes}. Load a smaller model, or one that is quantized to fewer bits.",
            param="model_path",
        )


class ModelInUse(BodegaError):
    """The model's files are needed now."""

    status = Status.ABORTED
    code = "model_in_use"

    def __init__(self, how: str) -> None:
        super().__init__(
            f"The model is {how}. Try again when it is not.",
            param="model",
        )


class QueueFull(BodegaError):
    """As many requests wait as may wait."""

    status = Status.RESOURCE_EXHAUSTED
    code = "queue_full"

    def __init__(self, *, waiting: int, retry_after_s: float) -> None:
        super().__init__(
            f"{waiting} requests are waiting already, as many as may wait. Try again later, or "
            "load the model with a larger queue_size or max_concurrency.",
            retry_after_s=retry_after_s,
        )


class QueueTimeout(BodegaError):
    """The request waited longer for its turn than the model's limit."""

    status = Status.UNAVAILABLE
    code = "queue_timeout"

    def __init__(self, *, waited_s: float) -> None:
        super().__init__(
            f"The request waited {waited_s:.0f} s for its turn, the longest a request may wait. "
            "Try again later, or load the model with a larger queue_timeout.",
            retry_after_s=5.0,
        )


class SlowReader(BodegaError):
    """The client reads its stream more slowly than the answer grows."""

    status = Status.RESOURCE_EXHAUSTED
    code = "slow_reader"

    def __init__(self) -> None:
        super().__init__("The stream was ended because its client does not read it.")


class ShuttingDown(BodegaError):
    """The server is ending."""

    status = Status.UNAVAILABLE
    code = "shutting_down"

    def __init__(self) -> None:
        super().__init__("The server is shutting down.", retry_after_s=5.0)


class LoadFailed(BodegaError):
    """Reading the model failed after it had looked sound."""

    status = Status.INTERNAL
    code = "load_failed"


class InternalError(BodegaError):
    """A fault of the server's own. The log has what happened; the caller not."""

    status = Status.INTERNAL
    code = "internal_error"

    def __init__(self) -> None:
        super().__init__(
            "The server met an error of its own. Its log, beside this request's id, says more."
        )
