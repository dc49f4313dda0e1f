"""How a command takes its settings, and what becomes of them."""

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import click
from click.core import ParameterSource

from bodega.cli.settings import SETTINGS, Command, Setting
from bodega.cli.settings_file import read_settings
from bodega.cli.value_types import adapter
from bodega.config import LoadParameters

LOAD_SETTINGS: Final = (
    "model",
    "model_id",
    "context_length",
    "max_concurrency",
    "queue_timeout",
    "queue_size",
    "trust_remote_code",
    "chat_template_file",
    "kv_cache_gb",
    "prefix_cache_gb",
    "keep_alive",
    "reasoning_parser",
    "tool_call_parser",
    "lora",
)


def with_settings(
    *names: str,
    aliases: Mapping[str, str] = MappingProxyType({}),
    settings: Mapping[str, Setting] = SETTINGS,
) -> Callable[[Command], Command]:
    """Return the decorator that gives a command these settings, and ``--config``.

    Args:
        names: the settings.
        aliases: a second flag for some of them, by name.
        settings: what they are, by name.
    """

    def decorate(command: Command) -> Command:
        command = _config_option(command)
        for name in reversed(names):
            more_flags = (aliases[name],) if name in aliases else ()
            command = settings[name].option(*more_flags)(command)
        return command

    return decorate


def with_descriptors(command: Command) -> Command:
    """Give a command the descriptors by which the program that started it follows it."""
    command = click.option(
        "--parent-fd",
        type=click.IntRange(0),
        help="For the program that starts this one: a descriptor that closes when it is gone.",
    )(command)
    return click.option(
        "--ready-fd",
        type=click.IntRange(0),
        help="For the program that starts this one: a descriptor that gets a line of JSON when "
        "this one listens.",
    )(command)


def load_parameters(settings: dict[str, Any]) -> LoadParameters | None:
    """Return which model to load and how, or None without a model.

    Raises:
        click.UsageError: a flag tells how to load a model, and none is to be loaded.
    """
    if settings["model"] is None:
        if not settings["auto_load"]:
            _refuse_flags_without_model()
        return None
    return LoadParameters(
        model_path=settings["model"],
        model_id=settings["model_id"],
        trust_remote_code=settings["trust_remote_code"],
        chat_template_file=settings["chat_template_file"],
        lora_paths=tuple(adapter(text)[0] for text in settings["lora"]),
        lora_scales=tuple(adapter(text)[1] for text in settings["lora"]),
        **_for_any_model(settings),
    )


def auto_load_parameters(settings: dict[str, Any]) -> LoadParameters | None:
    """Return how to load a model that a request names, or None if that is not to be done."""
    if not settings["auto_load"]:
        return None
    return LoadParameters(model_path="", download=False, **_for_any_model(settings))


def _for_any_model(settings: dict[str, Any]) -> dict[str, Any]:
    """Return how to load any model."""
    return {
        "context_length": settings["context_length"],
        "max_concurrency": settings["max_concurrency"],
        "queue_timeout_s": settings["queue_timeout"],
        "queue_size": settings["queue_size"],
        "kv_cache_gb": settings["kv_cache_gb"],
        "prefix_cache_gb": settings["prefix_cache_gb"],
        "keep_alive_s": settings["keep_alive"],
        "reasoning_parser": settings["reasoning_parser"],
        "tool_call_parser": settings["tool_call_parser"],
    }


def _refuse_flags_without_model() -> None:
    context = click.get_current_context()
    for name in LOAD_SETTINGS:
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            flag = f"--{name.replace('_', '-')}"
            raise click.UsageError(f"{flag} tells how to load a model, and no --model says which.")


def _use_file(context: click.Context, _: click.Parameter, path: Path | None) -> None:
    if path is not None:
        context.default_map = read_settings(path)


_config_option = click.option(
    "--config",
    type=click.Path(path_type=Path),
    envvar="BODEGA_CONFIG",
    show_envvar=True,
    is_eager=True,
    expose_value=False,
    callback=_use_file,
    help="TOML file with settings, for example: port = 8080",
)
