"""What can be asked of a load, as far as the words themselves tell."""

from bodega.config import LoadParameters
from bodega.errors import InvalidRequest, MissingParameter, RemoteCodeNotAllowed
from bodega.limits import MAX_MODEL_ID_CHARS, MAX_MODEL_NAME_CHARS
from bodega.services.loaded_model import CURRENT


def check_load(parameters: LoadParameters, *, allow_remote_code: bool) -> None:
    """Do nothing if a model may be asked for like this.

    Args:
        parameters: which model to load and how; numbers are in their ranges already.
        allow_remote_code: whether trust_remote_code is honoured.

    Raises:
        MissingParameter, InvalidRequest: the path or the id can be none.
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
    if parameters.trust_remote_code and not allow_remote_code:
        raise RemoteCodeNotAllowed
