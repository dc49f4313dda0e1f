"""What an answer took: tokens and time."""

from typing import Any

from bodega_api.v1 import inference_pb2

from bodega.services.answer import Answer
from bodega.services.chat import ChatAnswer


def usage(answer: Answer[Any]) -> inference_pb2.Usage:
    """Return the tokens that an answer took."""
    told = inference_pb2.Usage(
        prompt_tokens=answer.prompt_tokens,
        completion_tokens=answer.completion_tokens,
        total_tokens=answer.prompt_tokens + answer.completion_tokens,
        prompt_tokens_details=inference_pb2.PromptTokensDetails(cached_tokens=answer.cached_tokens),
    )
    if isinstance(answer, ChatAnswer) and answer.reasoning_tokens is not None:
        told.completion_tokens_details.reasoning_tokens = answer.reasoning_tokens
    return told


def timings(answer: Answer[Any]) -> inference_pb2.Timings:
    """Return what the time of an answer went to."""
    told = answer.timings
    return inference_pb2.Timings(
        queue_ms=round(told.queue_s * 1e3, 3),
        prefill_ms=round(told.prefill_s * 1e3, 3),
        decode_ms=round(told.decode_s * 1e3, 3),
        tokens_per_second=round(told.tokens_per_second, 2),
    )


def server_timing(told: inference_pb2.Timings) -> str:
    """Return timings as the header Server-Timing spells them, in milliseconds."""
    return f"queue;dur={told.queue_ms}, prefill;dur={told.prefill_ms}, decode;dur={told.decode_ms}"
