"""Tries a chat template on some conversations before a model is loaded with it.

In a process of its own, which is ended at a deadline: a template may go on for ever, or take all
memory, where no bound of the sandbox sees it. Run as a program, this is that process.
"""

import hashlib
import json
import resource
import subprocess
import sys
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final

from bodega.backends.lm.template import ChatTemplate
from bodega.errors import ChatTemplateError, InvalidModel
from bodega.limits import TEMPLATE_TRIAL_BYTES, TEMPLATE_TRIAL_S

if TYPE_CHECKING:
    from bodega.backends.base import Message

_KEPT: Final = 256
"""Templates that are remembered to have passed."""

_passed: OrderedDict[str, None] = OrderedDict()
_lock: Final = threading.Lock()


@contextmanager
def tried(template: ChatTemplate) -> Iterator[None]:
    """Try a template beside what is done in the context, which ends when both are through.

    One that has passed before is not tried again; without one there is nothing to try.

    Raises:
        InvalidModel: the template fails on every conversation, or does not come to an end.
    """
    asked = json.dumps(template.definition).encode()
    key = hashlib.sha256(asked).hexdigest()
    if not template.source or key in _passed:
        yield
        return
    process = _begin(asked)
    try:
        yield
        _end(process)
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()
    with _lock:
        _passed[key] = None
        if len(_passed) > _KEPT:
            _passed.popitem(last=False)


def _begin(asked: bytes) -> "subprocess.Popen[bytes]":
    # -P keeps modules of the current folder from taking the place of our own.
    command = [sys.executable, "-P", "-m", "bodega.backends.lm.template_trial"]
    with tempfile.TemporaryFile() as file:
        file.write(asked)
        file.seek(0)
        return subprocess.Popen(  # noqa: S603 - our own interpreter, fixed arguments
            command, stdin=file, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )


def _end(process: "subprocess.Popen[bytes]") -> None:
    try:
        told, _ = process.communicate(timeout=TEMPLATE_TRIAL_S)
    except subprocess.TimeoutExpired:
        raise InvalidModel(
            "The chat template does not come to an end: it was tried on short conversations for "
            f"{TEMPLATE_TRIAL_S:g} s."
        ) from None
    if process.returncode != 0:
        raise InvalidModel("The chat template takes too much memory on short conversations.")
    if (fault := json.loads(told)) is not None:
        raise InvalidModel(f"The chat template fails on every conversation. {fault}")


def main() -> None:
    """Read a definition from standard input; write what is wrong with it, or null."""
    # On a Mac every process has more address space than may be set as a limit.
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_AS, (TEMPLATE_TRIAL_BYTES, TEMPLATE_TRIAL_BYTES))
    seconds = int(TEMPLATE_TRIAL_S) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    print(json.dumps(_fault(ChatTemplate.of(json.load(sys.stdin)))))


def _fault(template: ChatTemplate) -> str | None:
    """Return what a template says of the first conversation if it fails on every one."""
    first = None
    for messages, tools in _conversations():
        try:
            template.render(messages, {}, tools=tools)
        except ChatTemplateError as error:
            first = first or error.message
        else:
            return None
    return first


def _conversations() -> "Iterator[tuple[list[Message], list[dict[str, Any]] | None]]":
    system = {"role": "system", "content": "Be brief."}
    user, assistant = ({"role": role, "content": "Hello."} for role in ("user", "assistant"))
    function = {"name": "f", "description": "d", "parameters": {"type": "object", "properties": {}}}
    called = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": {}}}
    result = {"role": "tool", "tool_call_id": "call_1", "name": "f", "content": "1"}
    tools = [{"type": "function", "function": function}]
    yield [user], None
    yield [system, user], None
    yield [user, assistant, user], None
    yield [system, user, assistant, user], None
    yield [user], tools
    yield [user, {"role": "assistant", "content": "", "tool_calls": [called]}, result], tools
    yield [{"role": "user", "content": ""}], None


if __name__ == "__main__":
    main()
