"""What a stream of an answer has told so far."""

from collections.abc import Sequence

from bodega_api.v1 import inference_pb2

_PREFIX = "FINISH_REASON_"


class GrowingAnswer:
    """What a stream of an answer has told so far.

    Attributes:
        text: all of what it says.
        reasoning: all of what it thinks, where the model was loaded with a reasoning parser.
        tool_calls: the functions it calls, in order. They are whole if the finish reason is
            ``tool_calls``.
        finish_reason: why it ended, as the HTTP API spells it: ``stop``, ``length`` or
            ``tool_calls``; None before the end.
        usage: the tokens it took; None before the end.
        timings: what the time went to; None before the end.
    """

    def __init__(self) -> None:
        self.text = ""
        self.reasoning = ""
        self.tool_calls: list[inference_pb2.ToolCall] = []
        self.finish_reason: str | None = None
        self.usage: inference_pb2.Usage | None = None
        self.timings: inference_pb2.Timings | None = None

    def _take(self, chunk: inference_pb2.ChatCompletionChunk) -> Sequence[inference_pb2.ChatDelta]:
        """Take a piece in and return what it adds."""
        if chunk.HasField("usage"):
            self.usage = chunk.usage
        if chunk.HasField("timings"):
            self.timings = chunk.timings
        for choice in chunk.choices:
            self._add(choice.delta)
            if choice.HasField("finish_reason"):
                name = inference_pb2.FinishReason.Name(choice.finish_reason)
                self.finish_reason = name.removeprefix(_PREFIX).lower()
        return [choice.delta for choice in chunk.choices]

    def _add(self, delta: inference_pb2.ChatDelta) -> None:
        self.text += delta.content
        self.reasoning += delta.reasoning_content
        for piece in delta.tool_calls:
            if piece.HasField("id"):
                self.tool_calls.append(
                    inference_pb2.ToolCall(
                        id=piece.id, type=piece.type, function={"name": piece.function.name}
                    )
                )
            self.tool_calls[piece.index].function.arguments += piece.function.arguments
