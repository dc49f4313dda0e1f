"""Requests about models from plain Python values."""

import os
from collections.abc import Sequence
from typing import Any, Literal, TypedDict

from bodega_api.v1 import admin_pb2, models_pb2

Quantize = Literal["none", "4", "8", "mxfp4"]
"""How an imported model's weights are kept."""


class LoadOptions(TypedDict, total=False):
    """How to load a model. Each has the meaning, range and default of LoadModelRequest's field."""

    model_id: str
    context_length: int
    max_concurrency: int
    queue_timeout: int
    queue_size: int
    trust_remote_code: bool
    chat_template_file: str
    prefix_cache_gb: float
    kv_cache_gb: float
    download: bool
    keep_alive: int
    reasoning_parser: str
    tool_call_parser: str
    enable_auto_tool_choice: bool
    lora_paths: Sequence[str]
    lora_scales: Sequence[float]


class DownloadOptions(TypedDict, total=False):
    """What to download. Each has the meaning and default of DownloadModelRequest's field."""

    revision: str
    allow_patterns: Sequence[str]
    trust_remote_code: bool


def load_request(model: str, options: LoadOptions) -> admin_pb2.LoadModelRequest:
    """Return the request to load a model.

    Raises:
        TypeError: an option is not known, or of the wrong type.
    """
    return admin_pb2.LoadModelRequest(model_path=model, **_given(options, LoadOptions))


def download_request(model: str, options: DownloadOptions) -> models_pb2.DownloadModelRequest:
    """Return the request to download a model.

    Raises:
        TypeError: an option is not known, or of the wrong type.
    """
    return models_pb2.DownloadModelRequest(model_path=model, **_given(options, DownloadOptions))


def import_request(
    file: str | os.PathLike[str], model_id: str | None, quantize: Quantize | None
) -> models_pb2.ImportModelRequest:
    """Return the request to import a file.

    Raises:
        ValueError: quantize is none of those that there are.
    """
    return models_pb2.ImportModelRequest(
        path=os.fspath(file),
        model_id=model_id,
        quantize=None if quantize is None else f"IMPORT_QUANTIZATION_{quantize.upper()}",
    )


def _given(options: Any, known: Any) -> dict[str, Any]:
    if unknown := options.keys() - known.__annotations__.keys():
        raise TypeError(f"there is no option {min(unknown)!r}")
    return {name: value for name, value in options.items() if value is not None}
