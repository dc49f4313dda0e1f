"""What can be asked of a load, as far as the words themselves tell."""

from bodega.config import LoadParameters
from bodega.errors import InvalidRequest, MissingParameter, RemoteCodeNotAllowed
from bodega.limits import (
    MAX_ADAPTER_SCALE,
    MAX_ADAPTERS,
    MAX_MODEL_ID_CHARS,
    MAX_MODEL_NAME_CHARS,
)
from bodega.parsers.choice import choose_reasoning, choose_tool_calls
from bodega.services.loaded_model import CURRENT


def check_load(parameters: LoadParameters, *, allow_remote_code: bool) -> None:
    """Do nothing if a model may be asked for like this.

    Args:
        parameters: which model to load and how; numbers are in their ranges already.
        allow_remote_code: whether trust_remote_code is honoured.

    Raises:
        MissingParameter, InvalidRequest: the path, the id, a parser or an adapter can be none.
        RemoteCodeNotAllowed: it asks for remote code.
    """
    if not parameters.model_path:
        raise MissingParameter("model_path")
    if len(parameters.model_path) > MAX_MODEL_NAME_CHARS or "\0" in parameters.model_path:
        raise InvalidRequest("'model_path' is no path and no Hugging Face id.", param="model_path")
    model_id = parameters.model_id
    if model_id is not None:
        if not 0 < len(model_id) <= MAX_MODEL_ID_CHARS or not model_id.isprintable():
            raise InvalidRequest(
                f"'model_id' must be 1 to {MAX_MODEL_ID_CHARS} printable characters.",
                param="model_id",
            )
        if model_id == CURRENT:
            raise InvalidRequest(
                "'model_id' must not be \"current\", which names whatever is loaded.",
                param="model_id",
            )
    # Whatever the template is, the names must be known.
    choose_reasoning(parameters.reasoning_parser, "", ())
    choose_tool_calls(parameters.tool_call_parser, "", ())
    _check_adapters(parameters)
    if parameters.trust_remote_code and not allow_remote_code:
        raise RemoteCodeNotAllowed


def _check_adapters(parameters: LoadParameters) -> None:
    paths, scales = parameters.lora_paths, parameters.lora_scales
    if len(paths) > MAX_ADAPTERS:
        raise InvalidRequest(f"At most {MAX_ADAPTERS} adapters are taken.", param="lora_paths")
    for path in paths:
        if not 0 < len(path) <= MAX_MODEL_NAME_CHARS or "\0" in path:
            raise InvalidRequest("'lora_paths' holds what is no path.", param="lora_paths")
    if scales and len(scales) != len(paths):
        raise InvalidRequest(
            f"'lora_scales' has {len(scales)} numbers for {len(paths)} adapters. It has one for "
            "each, or is left out.",
            param="lora_scales",
        )
    # Not a number is in no range.
    if not all(-MAX_ADAPTER_SCALE <= scale <= MAX_ADAPTER_SCALE for scale in scales):
        raise InvalidRequest(
            f"A number of 'lora_scales' is from {-MAX_ADAPTER_SCALE} to {MAX_ADAPTER_SCALE}.",
            param="lora_scales",
        )
