"""Which backend serves which kind of model. Imports a backend when it is first needed."""

from collections.abc import Callable, Generator
from pathlib import Path
from typing import TYPE_CHECKING

from bodega.backends.base import Piece, TextLoading
from bodega.config import LoadParameters

if TYPE_CHECKING:
    from bodega.backends.lm.gguf import GgufSummary


def prepare_text_model(folder: Path, parameters: LoadParameters) -> TextLoading:
    """Check a language model's folder and return what loads it.

    Slow, but not on the device: run it beside the event loop.

    Raises:
        BodegaError: as `bodega.backends.lm.files.inspect`.
    """
    from bodega.backends.lm.files import inspect
    from bodega.backends.lm.loading import LmLoading

    return LmLoading(
        inspect(folder, parameters),
        cache_bytes=_bytes(parameters.kv_cache_gb),
        prefix_cache_bytes=_bytes(parameters.prefix_cache_gb),
    )


def _bytes(gigabytes: float | None) -> int | None:
    return None if gigabytes is None else round(gigabytes * 1e9)


def import_gguf_steps(
    gguf: Path, folder: Path, *, quantize: str | None = None
) -> Callable[[], Generator[Piece, None, tuple[str, ...]]]:
    """Return the job that turns a GGUF file into a model's folder, if that is not there yet.

    The folder appears whole or not at all. The job returns what differs from the file, for people.

    Args:
        gguf: the file, or one of those that the model is split into.
        folder: the folder to make.
        quantize: how the weights are to be kept: "none" (as 16-bit numbers), "4", "8" or "mxfp4";
            None: as in the file where MLX has such storage, else as 16-bit numbers.

    Raises:
        UnsupportedModel, InvalidModel: from the job, if the file cannot be imported.
        InvalidRequest: from the job, if quantize is none of these.
        ModelInUse: from the job, if another one imports to this folder.
    """

    def steps() -> Generator[Piece, None, tuple[str, ...]]:
        from bodega.backends.lm.gguf import ensure_imported_steps

        return (yield from ensure_imported_steps(gguf, folder, quantize, wait=False))

    return steps


def read_gguf_summary(gguf: Path) -> "GgufSummary":
    """Read what a GGUF file says of its model. Only its header is read, and checked.

    Slow, but not on the device: run it beside the event loop.

    Raises:
        UnsupportedModel, InvalidModel: it is damaged, or in part not known.
    """
    from bodega.backends.lm.gguf import read_gguf_summary

    return read_gguf_summary(gguf)


def estimate_import_bytes(gguf: Path, *, quantize: str | None = None) -> int:
    """Return about what the folder will take that a GGUF file is imported to, rather more.

    Checks the file as the import does, as far as its header goes. Slow, but not on the device:
    run it beside the event loop.

    Raises:
        UnsupportedModel, InvalidModel, InvalidRequest: as the job of `import_gguf_steps`.
    """
    from bodega.backends.lm.gguf import plan_import

    return plan_import(gguf, quantize).result_bytes


def prepare_device() -> None:
    """Set the device up. On the thread that is to own it."""
    from bodega.backends import device

    device.prepare()


def release_device() -> None:
    """Give the device back. The last act of the thread that owned it."""
    from bodega.backends import device

    device.release()
