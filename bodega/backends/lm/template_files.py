"""Where a model's chat template is: in its folder, or in a file that the caller names."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from bodega.backends.lm.template import ChatTemplate
from bodega.errors import InvalidModel, InvalidRequest
from bodega.limits import MAX_TEMPLATE_BYTES

_NONE: Final = (
    "{{ raise_exception('The model has no chat template. Load it with chat_template_file.') }}"
)

_WITH_TOOLS: Final = "tool_use"
"""What models that have a template of its own for tools call it."""


def read_template(
    folder: Path,
    config: Mapping[str, Any],
    given: str | None,
    special_tokens: Mapping[str, str],
) -> ChatTemplate:
    """Return the chat template of a model.

    Args:
        folder: the model's.
        config: the content of its tokenizer_config.json.
        given: path of a file to use instead; None for the model's own.
        special_tokens: as `ChatTemplate` takes them.

    Raises:
        InvalidModel, InvalidRequest: it cannot be read, or is not one.
    """
    named = _named(folder, config) if given is None else {"default": _given(given)}
    try:
        template = ChatTemplate(
            named.get("default", _NONE), special_tokens, with_tools=named.get(_WITH_TOOLS)
        )
    except InvalidModel as error:
        error.param = "model_path" if given is None else "chat_template_file"
        raise
    if not named:
        template.source = ""
    return template


def _named(folder: Path, config: Mapping[str, Any]) -> dict[str, str]:
    """Return the templates of a model by name."""
    own = config.get("chat_template")
    entries = own if isinstance(own, list) else [{"name": "default", "template": own}]
    found = {
        entry["name"]: entry["template"]
        for entry in entries
        if isinstance(entry, dict)
        and isinstance(entry.get("name"), str)
        and isinstance(entry.get("template"), str)
    }
    files = {
        "default": folder / "chat_template.jinja",
        _WITH_TOOLS: folder / "additional_chat_templates" / f"{_WITH_TOOLS}.jinja",
    }
    return found | {name: _text(file) for name, file in files.items() if file.is_file()}


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise InvalidModel(
            f"The model's {file.name} cannot be read as text.", param="model_path"
        ) from error


def _given(name: str) -> str:
    try:
        path = Path(name).expanduser()
        if path.stat().st_size > MAX_TEMPLATE_BYTES:
            raise InvalidRequest(
                f"The file is larger than {MAX_TEMPLATE_BYTES} bytes.", param="chat_template_file"
            )
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError, RuntimeError) as error:
        raise InvalidRequest(
            f"The file cannot be read: {_reason(error)}.", param="chat_template_file"
        ) from error


def _reason(error: Exception) -> str:
    if isinstance(error, OSError):
        return str(error.strerror)
    if isinstance(error, UnicodeDecodeError):
        return "it is not UTF-8 text"
    return "its name cannot be one"
