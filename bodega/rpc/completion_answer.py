"""What comes after texts as messages: whole, and piece by piece."""

from collections.abc import Sequence

from bodega_api.v1 import inference_pb2

from bodega.engine.request import Finish, TokenLogprobs
from bodega.rpc.chat_answer import token_text
from bodega.rpc.usage import usage
from bodega.services.completion_choice import CompletionPiece
from bodega.services.completions import CompletionAnswer

_FINISH = {
    Finish.STOP: inference_pb2.FINISH_REASON_STOP,
    Finish.LENGTH: inference_pb2.FINISH_REASON_LENGTH,
}

Request = inference_pb2.CreateCompletionRequest
Completion = inference_pb2.Completion


async def whole_completion(answer: CompletionAnswer, request: Request) -> Completion:
    """Return what comes when it has ended, without its timings."""
    pieces: list[list[CompletionPiece]] = [[] for _ in answer.choices]
    async for piece in answer:
        pieces[piece.choice].append(piece)
    completion = completion_piece(answer, request)
    for of_choice in pieces:
        completion.choices.append(_choice(of_choice, request))
    completion.usage.CopyFrom(usage(answer))
    return completion


def completion_piece(
    answer: CompletionAnswer, request: Request, piece: CompletionPiece | None = None
) -> Completion:
    """Return the message of what is new of a choice, or of none."""
    return Completion(
        id=answer.id,
        object="text_completion",
        created=answer.created,
        model=request.model,
        choices=() if piece is None else [_choice([piece], request)],
    )


def _choice(pieces: Sequence[CompletionPiece], request: Request) -> inference_pb2.CompletionChoice:
    finish = pieces[-1].finish
    choice = inference_pb2.CompletionChoice(
        index=pieces[0].choice,
        text="".join([piece.text for piece in pieces]),
        finish_reason=None if finish is None else _FINISH[finish],
    )
    if request.HasField("logprobs"):
        for piece in pieces:
            _add(choice.logprobs, piece)
    return choice


def _add(logprobs: inference_pb2.CompletionLogprobs, piece: CompletionPiece) -> None:
    logprobs.SetInParent()
    logprobs.tokens.extend(token_text(told.token) for told in piece.logprobs)
    logprobs.token_logprobs.extend(told.logprob for told in piece.logprobs)
    logprobs.text_offset.extend(piece.offsets)
    for told in piece.logprobs:
        logprobs.top_logprobs.add(logprobs=_top(told))


def _top(told: TokenLogprobs) -> dict[str, float]:
    """Return the likeliest tokens by their texts, the chosen one always among them."""
    top = {token_text(told.token): told.logprob}
    for token, logprob in told.top:
        # Two tokens may have one text: halves of different characters.
        top.setdefault(token_text(token), logprob)
    return top
