"""How every process logs: readable lines for a terminal, or one JSON object a line.

    logger = logging.getLogger(__name__)
    logger.info("model loaded", extra={"fields": {"model": model_id, "seconds": 1.2}})

A line never holds a traceback or the message of an exception, because either may quote a
prompt. Of an exception only its class and the places in the code are told.
"""

import json
import logging
import os
import re
import sys
import time
import traceback
from collections.abc import Mapping
from typing import Literal

LogFormat = Literal["text", "json"]

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_PLAIN = re.compile(r"[^\s\"'=]+")
_QUIET = {
    "aiohttp.access": logging.CRITICAL,
    "asyncio": logging.WARNING,
    "filelock": logging.WARNING,
    "grpc": logging.WARNING,
    "httpx": logging.WARNING,
    "huggingface_hub": logging.ERROR,
    "transformers": logging.ERROR,
    "urllib3": logging.WARNING,
}
_MAX_FRAMES = 8


def setup(log_format: LogFormat) -> None:
    """Send all logging of this process to standard error in one format, from INFO up.

    Call it before the first import of transformers, huggingface_hub or grpc: they read the
    environment for how much they say, and grpc writes lines of a form of its own.
    """
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("TRANSFORMERS_NO_ADVISORY_WARNINGS", "1")
    os.environ.setdefault("HF_HUB_VERBOSITY", "error")
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if log_format == "json" else TextFormatter())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.captureWarnings(True)
    for name, level in _QUIET.items():
        logging.getLogger(name).setLevel(level)


def escape(text: str) -> str:
    """Return text with its control characters written as escapes, so that a line stays one."""
    return _CONTROL.sub(lambda found: ascii(found.group())[1:-1], text)


class TextFormatter(logging.Formatter):
    """``12:30:01 INFO  model loaded model=demo seconds=1.2``."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line."""
        clock = time.strftime("%H:%M:%S", time.localtime(record.created))
        words = [f"{clock} {record.levelname:<7} {escape(record.getMessage())}"]
        words += [f"{name}={_value(value)}" for name, value in _fields(record).items()]
        return " ".join(words)


class JsonFormatter(logging.Formatter):
    """One object a line: time, level, logger, message, and the record's own fields."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line of JSON."""
        seconds = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line = {
            "time": f"{seconds}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        return json.dumps({**_fields(record), **line}, default=str)


def _fields(record: logging.LogRecord) -> dict[str, object]:
    given = getattr(record, "fields", None)
    fields: dict[str, object] = dict(given) if isinstance(given, Mapping) else {}
    if record.exc_info and record.exc_info[1] is not None:
        fields |= _describe(record.exc_info[1])
    return fields


def _describe(error: BaseException) -> dict[str, object]:
    """Tell an exception without its message: its class, and where it came from, innermost first."""
    frames = traceback.extract_tb(error.__traceback__)[-_MAX_FRAMES:]
    places = [f"{_module_file(frame.filename)}:{frame.lineno}" for frame in reversed(frames)]
    return {"error": type(error).__name__, "at": " < ".join(places)}


def _module_file(filename: str) -> str:
    """Return a path from its package on: where the program is installed is nobody's business."""
    for folder in sys.path:
        if folder and filename.startswith(folder + os.sep):
            return filename[len(folder) + 1 :]
    return os.path.basename(filename)


def _value(value: object) -> str:
    text = escape(str(value))
    if _PLAIN.fullmatch(text):
        return text
    quoted = text.replace('"', '\\"')
    return f'"{quoted}"'
