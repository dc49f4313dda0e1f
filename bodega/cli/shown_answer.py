"""An answer as people see it while it comes: thinking is dim, calls have lines of their own."""

from typing import Final

import click
from bodega_api.v1 import inference_pb2

_CONTROL: Final = {
    code: "\ufffd" for code in (*range(0x20), *range(0x7F, 0xA0)) if chr(code) not in "\n\t"
}


class ShownAnswer:
    """Prints the pieces of an answer as they come.

    In a terminal they are text and nothing else: a model cannot move the cursor or set colours.
    Where a program reads them there is no thinking.
    """

    def __init__(self, *, in_terminal: bool) -> None:
        self._in_terminal = in_terminal
        self._last: str | None = None

    def add(self, delta: inference_pb2.ChatDelta) -> None:
        """Print a piece."""
        if delta.reasoning_content and self._in_terminal:
            self._begin("thinking")
            self._print(delta.reasoning_content, dim=True)
        if delta.content:
            self._begin("content")
            self._print(delta.content)
        for call in delta.tool_calls:
            if call.HasField("id"):
                self._begin(f"call {call.index}")
                self._print(f"-> {call.function.name} ", dim=True)
            self._print(call.function.arguments)

    def _begin(self, what: str) -> None:
        """Part what comes from what came."""
        if self._last not in (None, what):
            click.echo("\n" if self._last == "thinking" and what == "content" else "")
        self._last = what

    def _print(self, text: str, *, dim: bool = False) -> None:
        if self._in_terminal:
            text = text.translate(_CONTROL)
            text = click.style(text, dim=True) if dim else text
        click.echo(text, nl=False, color=True)
