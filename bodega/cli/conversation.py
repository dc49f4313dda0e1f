"""A conversation in the terminal: lines in, streamed answers out."""

import os
from pathlib import Path
from typing import Any, Final

import click
from prompt_toolkit import PromptSession
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent

from bodega.cli.failures import tell_failure
from bodega.cli.shown_answer import ShownAnswer
from bodega.client import UNREACHABLE, CallError, ChatStream, Client
from bodega.config import default_home

_HISTORY: Final = "chat-history"

_HELP: Final = """\
Enter      send
Alt-Enter  a new line (or Esc, then Enter)
Up, Down   what was said before; Ctrl-R searches it
Ctrl-C     stop the answer
Ctrl-D     leave
/new       begin a new conversation
/help      this"""


class Conversation:
    """What was said so far, and who says it."""

    def __init__(
        self, client: Client, model_id: str, *, system: str | None, options: dict[str, Any]
    ) -> None:
        """Begin one.

        Args:
            client: answers.
            model_id: the loaded model.
            system: instructions that stand above it.
            options: how to answer.
        """
        self._client = client
        self._model_id = model_id
        self._options = options
        self._beginning = [{"role": "system", "content": system}] if system else []
        self._messages = list(self._beginning)

    def hold(self) -> None:
        """Ask and answer until the user leaves.

        Raises:
            CallError: the server is gone.
        """
        session: PromptSession[str] = PromptSession(
            "> ",
            history=_history(),
            key_bindings=_keys(),
            prompt_continuation="  ",
            enable_open_in_editor=True,
        )
        click.secho(f"{self._model_id}. /help tells the keys, Ctrl-D leaves.", dim=True)
        while True:
            try:
                if said := session.prompt().strip():
                    self._take(said)
            except KeyboardInterrupt:
                continue
            except EOFError:
                return

    def _take(self, said: str) -> None:
        if said == "/new":
            self._messages = list(self._beginning)
            click.secho("A new conversation.", dim=True)
        elif said == "/help":
            click.echo(_HELP)
        else:
            self._answer(said)

    def _answer(self, said: str) -> None:
        self._messages.append({"role": "user", "content": said})
        answer = self._client.stream(self._messages, **self._options)
        ending, shown = "", ShownAnswer(in_terminal=True)
        try:
            for delta in answer.deltas():
                shown.add(delta)
            ending = _figures(answer)
        except KeyboardInterrupt:
            ending = "stopped"
        except CallError as error:
            if error.code == UNREACHABLE:
                raise
            click.echo()
            tell_failure(error, as_json=False)
        finally:
            answer.close()
        if answer.text:
            self._messages.append({"role": "assistant", "content": answer.text})
        else:
            self._messages.pop()
        if answer.text or answer.reasoning or answer.tool_calls:
            click.echo()
        if ending:
            click.secho(f"[{ending}]", dim=True)


def _figures(answer: ChatStream) -> str:
    parts = []
    if answer.usage is not None:
        parts.append(f"{answer.usage.completion_tokens} tokens")
    if answer.timings is not None and answer.timings.tokens_per_second:
        parts.append(f"{answer.timings.tokens_per_second:.1f} tokens/s")
    if answer.finish_reason == "length":
        parts.append("cut at the most tokens allowed")
    return ", ".join(parts)


def _history() -> History:
    """Return what was said in earlier conversations, which only this user can read."""
    file = default_home() / _HISTORY
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(file, os.O_CREAT | os.O_APPEND, 0o600))
    except OSError:
        return InMemoryHistory()
    return FileHistory(Path(file))


def _keys() -> KeyBindings:
    keys = KeyBindings()

    @keys.add("escape", "enter")
    def _(event: KeyPressEvent) -> None:
        event.current_buffer.insert_text("\n")

    return keys
