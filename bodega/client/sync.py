"""The client for programs without asyncio."""

import os
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from queue import SimpleQueue
from types import TracebackType
from typing import Any, Final, Self, TypeVar, Unpack

import grpc
from bodega_api.v1 import (
    admin_pb2,
    admin_pb2_grpc,
    inference_pb2,
    inference_pb2_grpc,
    models_pb2,
    models_pb2_grpc,
)

from bodega.client.address import CHANNEL_OPTIONS, SHORT_CALL_S, server_address, token_metadata
from bodega.client.chat_request import ChatOptions, Messages, chat_request, stream_request
from bodega.client.errors import CallError, call_error, no_answer
from bodega.client.growing_answer import GrowingAnswer
from bodega.client.model_requests import (
    DownloadOptions,
    LoadOptions,
    Quantize,
    download_request,
    import_request,
    load_request,
)

_CLOSE_S: Final = 1.0
"""How long closing waits for calls to end that it has cancelled."""

_Progress = TypeVar("_Progress")


class ChatStream(GrowingAnswer):
    """An answer as it grows: iterate over its pieces of text.

    Leaving its context, or `close`, ends the generation.
    """

    def __init__(self, pieces: Generator[inference_pb2.ChatCompletionChunk, None, None]) -> None:
        super().__init__()
        self._pieces = pieces

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        for chunk in self._pieces:
            for delta in self._take(chunk):
                if delta.content:
                    return delta.content
        raise StopIteration

    def deltas(self) -> Iterator[inference_pb2.ChatDelta]:
        """Return all that comes instead of its text alone: thinking and pieces of calls too."""
        for chunk in self._pieces:
            yield from self._take(chunk)

    def close(self) -> None:
        """End the generation, if it has not ended."""
        self._pieces.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class Client:
    """Calls a running server. May be used from several threads.

    Every method raises `CallError` when its call fails.
    """

    def __init__(
        self,
        address: str | None = None,
        *,
        token: str | None = None,
        timeout_s: float = SHORT_CALL_S,
    ) -> None:
        """Make one. It connects at its first call.

        Args:
            address: ``HOST:PORT`` or ``unix:PATH`` of the server's gRPC port; BODEGA_CORE or
                ``localhost:44469`` if left out.
            token: the server's, if it has one; BODEGA_TOKEN if left out.
            timeout_s: how long calls may take that only ask. Chats, loads, downloads and imports
                take as long as they take.
        """
        self.address = server_address(address)
        self._metadata = token_metadata(token)
        self._timeout_s = timeout_s
        self._channel = grpc.insecure_channel(self.address, options=CHANNEL_OPTIONS)
        self._inference = inference_pb2_grpc.InferenceStub(self._channel)
        self._admin = admin_pb2_grpc.AdminStub(self._channel)
        self._models = models_pb2_grpc.ModelsStub(self._channel)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; calls that are under way end."""
        # It cancels all calls at once, then waits for their ends. That of a call which Ctrl-C
        # interrupted inside of gRPC may never be told.
        closing_thread = threading.Thread(target=self._channel.close, daemon=True)
        closing_thread.start()
        closing_thread.join(_CLOSE_S)

    def chat(
        self,
        messages: Messages,
        *,
        model: str = "current",
        timeout_s: float | None = None,
        **options: Unpack[ChatOptions],
    ) -> inference_pb2.ChatCompletion:
        """Return the answer to a conversation; its text is ``.choices[0].message.content``.

        Args:
            messages: the conversation.
            model: who is to answer: the loaded one.
            timeout_s: how long it may take; None: as long as it takes.
            options: how to answer.
        """
        request = chat_request(messages, model, options)
        answer: inference_pb2.ChatCompletion = self._ask(
            self._inference.CreateChatCompletion, request, timeout_s
        )
        return answer

    def stream(
        self,
        messages: Messages,
        *,
        model: str = "current",
        timeout_s: float | None = None,
        **options: Unpack[ChatOptions],
    ) -> ChatStream:
        """Return the answer to a conversation as it grows. The arguments are those of `chat`."""
        request = stream_request(messages, model, options)
        return ChatStream(self._follow(self._inference.StreamChatCompletion, request, timeout_s))

    def load(
        self,
        model: str,
        *,
        on_progress: Callable[[admin_pb2.LoadProgress], None] | None = None,
        **options: Unpack[LoadOptions],
    ) -> admin_pb2.LoadModelResponse:
        """Load a model in place of the loaded one, and return when it serves.

        It is downloaded first if it is not on the server's machine.

        Args:
            model: a Hugging Face id, an imported model's id, or a folder on the server's machine.
            on_progress: told how far it is.
            options: how to load it.
        """
        request = load_request(model, options)
        last = self._last(self._admin.StreamLoadModel, request, on_progress)
        return last.loaded

    def unload(self, *, abort: bool = False) -> str | None:
        """Unload the loaded model and return its id, None if there was none.

        Args:
            abort: end running answers at once instead of letting them end.
        """
        request = admin_pb2.UnloadModelRequest(abort=abort)
        answer: admin_pb2.UnloadModelResponse = self._ask(self._admin.UnloadModel, request, None)
        return answer.model_id if answer.HasField("model_id") else None

    def current(self) -> admin_pb2.ModelInfo | None:
        """Return the loaded model and how it was loaded, None if there is none."""
        answer: admin_pb2.GetCurrentModelResponse = self._ask_shortly(
            self._admin.GetCurrentModel, admin_pb2.GetCurrentModelRequest()
        )
        return answer.model_info if answer.loaded else None

    def queue(self) -> admin_pb2.QueueStats:
        """Return how many requests run and wait, and what they take."""
        answer: admin_pb2.GetQueueStatsResponse = self._ask_shortly(
            self._admin.GetQueueStats, admin_pb2.GetQueueStatsRequest()
        )
        return answer.queue_stats

    def health(self) -> admin_pb2.GetHealthResponse:
        """Return whether the server can answer a chat now. Needs no token."""
        answer: admin_pb2.GetHealthResponse = self._ask_shortly(
            self._admin.GetHealth, admin_pb2.GetHealthRequest()
        )
        return answer

    def watch(self) -> Iterator[admin_pb2.ModelChange]:
        """Return what the model does now, and again whenever that changes, without an end."""
        return self._follow(self._admin.WatchModel, admin_pb2.WatchModelRequest(), None)

    def list(self, *, verify_with_hub: bool = False) -> Sequence[models_pb2.Model]:
        """Return the models of the server's machine, the loaded one first.

        Args:
            verify_with_hub: compare each with the Hub, file by file; slower.
        """
        request = models_pb2.ListModelsRequest(verify_with_hub=verify_with_hub)
        timeout_s = None if verify_with_hub else self._timeout_s
        answer: models_pb2.ListModelsResponse = self._ask(
            self._models.ListModels, request, timeout_s
        )
        return tuple(answer.data)

    def show(self, model: str) -> models_pb2.Model:
        """Return what is known of a model of the server's machine, by its id."""
        answer: models_pb2.Model = self._ask_shortly(
            self._models.GetModel, models_pb2.GetModelRequest(model=model)
        )
        return answer

    def pull(
        self,
        model: str,
        *,
        on_progress: Callable[[models_pb2.DownloadProgress], None] | None = None,
        **options: Unpack[DownloadOptions],
    ) -> models_pb2.DownloadProgress:
        """Download a model, and return the last of its progress when all is there and verified.

        It goes on in the server when this client leaves; `cancel_download` ends it.

        Args:
            model: the id of its Hugging Face repository.
            on_progress: told how far it is.
            options: what to download.
        """
        request = download_request(model, options)
        return self._last(self._models.StreamDownloadModel, request, on_progress)

    def downloads(self) -> Sequence[models_pb2.Download]:
        """Return the downloads that are under way, the oldest first."""
        answer: models_pb2.ListDownloadsResponse = self._ask_shortly(
            self._models.ListDownloads, models_pb2.ListDownloadsRequest()
        )
        return tuple(answer.data)

    def cancel_download(self, model: str) -> None:
        """End a download for all who wait for it. What has come is kept."""
        request = models_pb2.CancelDownloadRequest(model_path=model)
        self._ask_shortly(self._models.CancelDownload, request)

    def import_file(
        self,
        file: str | os.PathLike[str],
        *,
        model_id: str | None = None,
        quantize: Quantize | None = None,
    ) -> models_pb2.ImportModelResponse:
        """Turn a GGUF file into a model that can be loaded.

        Args:
            file: its path on the server's machine.
            model_id: the id that the model gets; the file's name if left out.
            quantize: how its weights are kept; as in the file if left out.
        """
        answer: models_pb2.ImportModelResponse = self._ask(
            self._models.ImportModel, import_request(file, model_id, quantize), None
        )
        return answer

    def delete(self, model: str) -> models_pb2.DeleteModelResponse:
        """Remove a model's files, by its id, and tell the space that they took."""
        answer: models_pb2.DeleteModelResponse = self._ask(
            self._models.DeleteModel, models_pb2.DeleteModelRequest(model=model), None
        )
        return answer

    def _ask_shortly(self, method: grpc.UnaryUnaryMultiCallable, request: object) -> Any:
        return self._ask(method, request, self._timeout_s)

    def _ask(
        self, method: grpc.UnaryUnaryMultiCallable, request: object, timeout_s: float | None
    ) -> Any:
        try:
            return method(request, timeout=timeout_s, metadata=self._metadata)
        except grpc.RpcError as error:
            raise self._error(error) from error

    def _follow(
        self, method: grpc.UnaryStreamMultiCallable, request: object, timeout_s: float | None
    ) -> Generator[Any, None, None]:
        """Yield the answers of a call, which ends when they are not asked for any more."""
        call = method(request, timeout=timeout_s, metadata=self._metadata)
        # Read on a thread: Ctrl-C is raised where its program waits, and gRPC does not survive
        # that. What is read ahead is no more than the answer is.
        answers: SimpleQueue[Any] = SimpleQueue()
        threading.Thread(target=_read, args=(call, answers), daemon=True).start()
        try:
            while (answer := answers.get()) is not None:
                if isinstance(answer, grpc.RpcError):
                    raise self._error(answer) from answer
                if isinstance(answer, Exception):
                    raise answer
                yield answer
        finally:
            call.cancel()

    def _last(
        self,
        method: grpc.UnaryStreamMultiCallable,
        request: object,
        on_progress: Callable[[_Progress], None] | None,
    ) -> _Progress:
        last: _Progress | None = None
        # What interrupts the caller's function must end the call, too.
        with closing(self._follow(method, request, None)) as answers:
            for last in answers:
                if on_progress is not None:
                    on_progress(last)
        if last is None:
            raise no_answer()
        return last

    def _error(self, error: Any) -> CallError:
        return call_error(error.code(), error.details(), error.trailing_metadata(), self.address)


def _read(call: Iterator[Any], answers: "SimpleQueue[Any]") -> None:
    """Put a call's answers into a queue, then its error, or None at its end."""
    try:
        for answer in call:
            answers.put(answer)
        answers.put(None)
    except Exception as error:  # noqa: BLE001 - boundary: whoever waits is told
        answers.put(error)
