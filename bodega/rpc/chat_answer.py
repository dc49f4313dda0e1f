"""Answers to conversations as messages: whole, and piece by piece."""

from collections.abc import Sequence

from bodega_api.v1 import inference_pb2

from bodega.engine.request import TokenLogprobs
from bodega.parsers.parts import (
    CallArguments,
    CallClosed,
    CallCut,
    CallOpened,
    Content,
    Part,
    Reasoning,
)
from bodega.rpc.usage import usage
from bodega.services.chat import ChatAnswer
from bodega.services.chat_choice import ChatFinish, ChatPiece

_FINISH = {
    ChatFinish.STOP: inference_pb2.FINISH_REASON_STOP,
    ChatFinish.LENGTH: inference_pb2.FINISH_REASON_LENGTH,
    ChatFinish.TOOL_CALLS: inference_pb2.FINISH_REASON_TOOL_CALLS,
}

Request = inference_pb2.CreateChatCompletionRequest
Chunk = inference_pb2.ChatCompletionChunk


async def whole_answer(answer: ChatAnswer, request: Request) -> inference_pb2.ChatCompletion:
    """Return an answer when it has ended, without its timings."""
    choices = [_WholeChoice() for _ in answer.choices]
    async for piece in answer:
        choices[piece.choice].take(piece)
    return inference_pb2.ChatCompletion(
        id=answer.id,
        object="chat.completion",
        created=answer.created,
        model=request.model,
        choices=[
            choice.message(index, with_logprobs=request.logprobs)
            for index, choice in enumerate(choices)
        ],
        usage=usage(answer),
    )


class _WholeChoice:
    """One of the answers, put together."""

    def __init__(self) -> None:
        self._reasoning: list[str] = []
        self._content: list[str] = []
        self._calls: dict[int, _WholeCall] = {}
        self._logprobs: list[TokenLogprobs] = []
        self._finish = inference_pb2.FINISH_REASON_UNSPECIFIED

    def take(self, piece: ChatPiece) -> None:
        """Take in what is new."""
        for part in piece.parts:
            match part:
                case Reasoning(text):
                    self._reasoning.append(text)
                case Content(text):
                    self._content.append(text)
                case CallOpened(index, name, id):
                    self._calls[index] = _WholeCall(id or "", name)
                case CallArguments(index, text):
                    self._calls[index].arguments.append(text)
                case CallCut(index, text):
                    self._calls.pop(index, None)
                    self._content.append(text)
        self._logprobs += piece.logprobs
        if piece.finish is not None:
            self._finish = _FINISH[piece.finish]

    def message(self, index: int, *, with_logprobs: bool) -> inference_pb2.ChatChoice:
        """Return the choice."""
        message = inference_pb2.AssistantMessage(role=inference_pb2.ROLE_ASSISTANT)
        content = "".join(self._content)
        if content or not self._calls:
            message.content = content
        if reasoning := "".join(self._reasoning):
            message.reasoning_content = reasoning
        message.tool_calls.extend(call.message() for call in self._calls.values())
        return inference_pb2.ChatChoice(
            index=index,
            message=message,
            finish_reason=self._finish,
            logprobs=_logprobs(self._logprobs) if with_logprobs else None,
        )


class _WholeCall:
    """A call, put together."""

    def __init__(self, id: str, name: str) -> None:
        self.arguments: list[str] = []
        self._id = id
        self._name = name

    def message(self) -> inference_pb2.ToolCall:
        """Return the call."""
        return inference_pb2.ToolCall(
            id=self._id,
            type=inference_pb2.TOOL_CALL_TYPE_FUNCTION,
            function={"name": self._name, "arguments": "".join(self.arguments)},
        )


class Chunks:
    """Makes the chunks of one answer."""

    def __init__(self, answer: ChatAnswer, request: Request) -> None:
        self._answer = answer
        # Most of a chunk is the same in every one, and there may be one for every token.
        self._bare = Chunk(
            id=answer.id,
            object="chat.completion.chunk",
            created=answer.created,
            model=request.model,
        )
        self._opened: set[int] = set()

    def of(self, piece: ChatPiece) -> list[Chunk]:
        """Return the chunks of what is new of a choice, its role first."""
        chunks = []
        if piece.choice not in self._opened:
            self._opened.add(piece.choice)
            chunks.append(self._opening(piece.choice))
        told = [self._of(piece.choice, part) for part in piece.parts if _is_told(part)]
        if piece.logprobs:
            if not told:
                told.append(self._of(piece.choice, Content("")))
            # All in one chunk, with the first of what the tokens brought.
            told[0].choices[0].logprobs.CopyFrom(_logprobs(piece.logprobs))
        return chunks + told

    def end(self, index: int, finish: ChatFinish) -> Chunk:
        """Return the chunk that tells why a choice ended."""
        chunk = self._copy()
        choice = chunk.choices.add(index=index, finish_reason=_FINISH[finish])
        choice.delta.SetInParent()
        return chunk

    def usage(self) -> Chunk:
        """Return the chunk that tells what the answer took."""
        chunk = self._copy()
        chunk.usage.CopyFrom(usage(self._answer))
        return chunk

    def _opening(self, index: int) -> Chunk:
        chunk = self._of(index, Content(""))
        chunk.choices[0].delta.role = inference_pb2.ROLE_ASSISTANT
        return chunk

    def _of(self, index: int, part: Part) -> Chunk:
        chunk = self._copy()
        _add(chunk.choices.add(index=index).delta, part)
        return chunk

    def _copy(self) -> Chunk:
        chunk = Chunk()
        chunk.MergeFrom(self._bare)
        return chunk


def _is_told(part: Part) -> bool:
    """Whether a part adds anything to a message."""
    return not isinstance(part, CallClosed)


def _add(delta: inference_pb2.ChatDelta, part: Part) -> None:
    """Add a part to what is new of a message."""
    match part:
        case Content(text) | CallCut(_, text):
            delta.content = text
        case Reasoning(text):
            delta.reasoning_content = text
        case CallOpened(index, name, id):
            delta.tool_calls.add(
                index=index,
                id=id,
                type=inference_pb2.TOOL_CALL_TYPE_FUNCTION,
                function={"name": name, "arguments": ""},
            )
        case CallArguments(index, text):
            delta.tool_calls.add(index=index, function={"arguments": text})


def _logprobs(told: Sequence[TokenLogprobs]) -> inference_pb2.ChoiceLogprobs:
    return inference_pb2.ChoiceLogprobs(content=map(_token_logprob, told))


def _token_logprob(told: TokenLogprobs) -> inference_pb2.TokenLogprob:
    return inference_pb2.TokenLogprob(
        token=token_text(told.token),
        logprob=told.logprob,
        bytes=told.token,
        top_logprobs=[
            inference_pb2.TopLogprob(token=token_text(token), logprob=logprob, bytes=token)
            for token, logprob in told.top
        ],
    )


def token_text(token: bytes) -> str:
    """Return the text of a token by itself; half a character is U+FFFD."""
    return token.decode(errors="replace")
