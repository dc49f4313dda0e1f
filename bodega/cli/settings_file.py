"""The settings file: TOML, one flat table, checked before any of it is used."""

import difflib
import tomllib
from pathlib import Path
from typing import Any, Final

import click

from bodega.cli.settings import SETTINGS, Setting

_KINDS: Final = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a text",
    list: "a list",
    dict: "a table",
}
_OTHER_KIND: Final = "a date or time"


class SettingsFileError(click.ClickException):
    """The settings file cannot be used. The message is one line that names the key."""

    exit_code = 2


def read_settings(path: Path) -> dict[str, Any]:
    """Return the settings of a file by their names.

    Raises:
        SettingsFileError: it is not TOML, or has an unknown key or a value of the wrong kind.
    """
    try:
        with path.open("rb") as file:
            settings = tomllib.load(file)
    except OSError as error:
        raise SettingsFileError(f"{path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsFileError(f"{path}: not TOML: {error}") from error
    for name, value in settings.items():
        if name not in SETTINGS:
            raise SettingsFileError(f"{path}: unknown key '{name}'{_suggestion(name)}")
        if (problem := _problem(SETTINGS[name], value)) is not None:
            raise SettingsFileError(f"{path}: '{name}' {problem}")
    return settings


def _suggestion(name: str) -> str:
    close = difflib.get_close_matches(name, SETTINGS, n=1)
    return f"; is '{close[0]}' meant?" if close else ""


def _problem(setting: Setting, value: object) -> str | None:
    """Return what is wrong with a value, as the end of a sentence that begins with its name."""
    if setting.multiple:
        if not isinstance(value, list):
            return f"must be a list, not {_KINDS.get(type(value), _OTHER_KIND)}"
        problems = (_problem_of_one(setting, one) for one in value)
        return next((problem for problem in problems if problem is not None), None)
    return _problem_of_one(setting, value)


def _problem_of_one(setting: Setting, value: object) -> str | None:
    expected = _expected(setting)
    if expected is float and type(value) is int:
        value = float(value)
    if type(value) is not expected:
        return f"must be {_KINDS[expected]}, not {_KINDS.get(type(value), _OTHER_KIND)}"
    try:
        click.types.convert_type(setting.type)(value)
    except click.BadParameter as error:
        return f"is wrong: {error.message}"
    return None


def _expected(setting: Setting) -> type:
    if setting.type is click.BOOL:
        return bool
    if isinstance(setting.type, click.FloatRange):
        return float
    return int if isinstance(setting.type, click.IntRange) else str
