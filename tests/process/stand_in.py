"""A child that does what core and gateway owe their supervisor, and no more.

Its behaviour comes from variables, for example STAND_IN_CORE="fail" or STAND_IN_GATEWAY="die":

    fail     end with exit code 1 before it is ready
    crash    abort before it is ready
    die      be ready, then end with exit code 3
    fade     be ready, then abort; the next one fails, and all after it
    hang     be ready, and ignore SIGTERM
    silent   be ready, and beat no more
    refuse   be ready, and tell that the model cannot be loaded
"""

import json
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from bodega import lifeline


def say(text: str) -> None:
    """Write one line that a test can wait for."""
    os.write(2, f"{text}\n".encode())


def flag(arguments: Sequence[str], name: str) -> str | None:
    """Return the value of a flag."""
    return arguments[arguments.index(name) + 1] if name in arguments else None


def tell(ready_fd: int, **news: object) -> None:
    """Write a line to the supervisor."""
    os.write(ready_fd, json.dumps(news).encode() + b"\n")


def be_ready(name: str, arguments: Sequence[str], behaviour: str) -> None:
    """Tell the supervisor what the real process would."""
    ready_fd = int(flag(arguments, "--ready-fd") or "")
    if name == "gateway":
        tell(ready_fd, http="http://localhost:1", port=1)
    else:
        tell(ready_fd, grpc="localhost:2", port=2, socket=flag(arguments, "--socket"), blas=None)
        if model := flag(arguments, "--model"):
            tell(ready_fd, loading=model)
            if behaviour == "refuse":
                say("the core has said why")
                tell(ready_fd, load_failed="no such model")
            else:
                tell(ready_fd, loaded=model, seconds=0.5, context_length=64, warnings=["small"])


def on_term(name: str, behaviour: str) -> None:
    """Take SIGTERM as the real process would."""
    if behaviour == "hang":
        say(f"{name} hangs")
        return
    say(f"{name} drains")
    sys.exit(0)


def main() -> NoReturn:
    """Be the child that the first argument names."""
    name, *arguments = sys.argv[1:]
    behaviour = os.environ.get(f"STAND_IN_{name.upper()}", "")
    signal.signal(signal.SIGTERM, lambda *_: on_term(name, behaviour))
    lifeline.watch(int(flag(arguments, "--parent-fd") or ""), drain_s=3.0)
    say(f"{name} pid {os.getpid()} group {os.getpgrp()} arguments {json.dumps(arguments)}")
    marker = Path(os.environ["TMPDIR"]).with_name("faded")
    if behaviour == "fail" or (behaviour == "fade" and marker.exists()):
        say(f"{name} has said why")
        sys.exit(1)
    if behaviour == "crash":
        os.abort()
    be_ready(name, arguments, behaviour)
    if behaviour == "die":
        sys.exit(3)
    if behaviour == "fade":
        marker.touch()
        os.abort()
    while True:
        if behaviour != "silent":
            tell(int(flag(arguments, "--ready-fd") or ""), beat=True)
        time.sleep(0.2)


if __name__ == "__main__":
    main()
