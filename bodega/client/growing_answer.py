"""What a stream of an answer has told so far."""

from bodega_api.v1 import inference_pb2

_PREFIX = "FINISH_REASON_"


class GrowingAnswer:
    """What a stream of an answer has told so far.

    Attributes:
        text: all of it.
        finish_reason: why it ended, as the HTTP API spells it, ``stop`` or ``length``; None
            before the end.
        usage: the tokens it took; None before the end.
        timings: what the time went to; None before the end.
    """

    def __init__(self) -> None:
        self.text = ""
        self.finish_reason: str | None = None
        self.usage: inference_pb2.Usage | None = None
        self.timings: inference_pb2.Timings | None = None

    def _take(self, chunk: inference_pb2.ChatCompletionChunk) -> str:
        """Take a piece in and return its text, which may be empty."""
        if chunk.HasField("usage"):
            self.usage = chunk.usage
        if chunk.HasField("timings"):
            self.timings = chunk.timings
        new = ""
        for choice in chunk.choices:
            new += choice.delta.content
            if choice.HasField("finish_reason"):
                name = inference_pb2.FinishReason.Name(choice.finish_reason)
                self.finish_reason = name.removeprefix(_PREFIX).lower()
        self.text += new
        return new
