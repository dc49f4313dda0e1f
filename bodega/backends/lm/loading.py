"""Read a language model's weights, piece by piece, in the form this device runs best."""

import logging
from collections.abc import Generator
from typing import Any

import mlx.core as mx
import mlx.nn as nn
from mlx.utils import tree_flatten
from mlx_lm.models.cache import make_prompt_cache
from mlx_lm.utils import dequantize_model, load_model

from bodega import platform
from bodega.backends import device
from bodega.backends.base import Piece, TextModelInfo
from bodega.backends.cache_cost import CacheCost
from bodega.backends.lm.adapters import apply_adapters, check_adapters
from bodega.backends.lm.cpu_layers import fuse
from bodega.backends.lm.decoding import text_decoding
from bodega.backends.lm.files import LmFiles
from bodega.backends.lm.footprint import cache_cost
from bodega.backends.lm.head import Forward
from bodega.backends.lm.model import LmModel
from bodega.errors import InvalidModel, ModelTooLarge, UnsupportedModel

logger = logging.getLogger(__name__)

PIECE_BYTES = 256 * 1024 * 1024
"""Weights read in one piece of the job."""

SLOWEST_BYTES_PER_S = 20 * 1024 * 1024
"""The slowest disk whose reading is not taken for a hang."""

FLOAT32_SHARE = 0.7
"""Share of the available memory that float32 weights may take on the CPU."""

CACHE_SHARE = 0.8
"""Share of the memory left beside the weights that caches may take, unless told otherwise. The
rest is for what a step computes, and for caches that are copied when rows join and leave."""

PREFIX_CACHE_SHARE = 0.25
"""The same for those of prefixes, which are a part of them."""


class LmLoading:
    """Implements `bodega.backends.base.TextLoading`. Its jobs run on the engine's thread."""

    def __init__(
        self,
        files: LmFiles,
        *,
        cache_bytes: int | None = None,
        prefix_cache_bytes: int | None = None,
    ) -> None:
        """Prepare to load a model.

        Args:
            files: the inspected folder.
            cache_bytes: memory for the caches of requests and of prefixes; None: a share of
                what the weights leave.
            prefix_cache_bytes: memory for prefixes that may be used again; None: a share of
                what the weights leave.
        """
        self._files = files
        self._cache_bytes = cache_bytes
        self._prefix_cache_bytes = prefix_cache_bytes
        self._model: nn.Module | None = None

    def check_memory(self, *, freed_bytes: int) -> None:
        """Refuse a model whose weights do not fit in the memory, before a byte is read.

        Raises:
            ModelTooLarge: they do not, even with what will be given back before.
        """
        available = device.available_bytes() + freed_bytes
        if self._files.weight_bytes > available:
            raise ModelTooLarge(needed_bytes=self._files.weight_bytes, available_bytes=available)

    def build(self) -> Generator[Piece, None, None]:
        """Build the model around its files, without reading its weights.

        Raises:
            InvalidModel: the files do not make up the model.
            UnsupportedModel: its caches cannot be batched.
            InvalidAdapter: an adapter is not for the model.
        """
        files = self._files
        yield Piece(120.0)
        try:
            self._model = load_model(
                files.folder, lazy=True, trust_remote_code=files.runs_remote_code
            )[0]
        except Exception as error:  # boundary: a model's code raises whatever it does
            logger.exception("building the model failed")
            raise InvalidModel(
                f"The files do not make up a {files.architecture} model ({type(error).__name__}).",
                param="model_path",
            ) from error
        _check_batchable(self._model, files.architecture)
        check_adapters(self._model, files.adapters)

    def read(self) -> Generator[Piece, None, LmModel]:
        """Read the weights, in the form this device runs best, and return the model."""
        model, self._model = self._model, None
        if model is None:
            raise RuntimeError("the model is not built")
        files = self._files
        warnings = list(files.warnings)
        if device.on_cpu():
            warnings += as_float32(model)
            fuse(model)
        apply_adapters(model, files.adapters)
        weights = [array for _, array in tree_flatten(model.parameters())]
        size, done = sum(array.nbytes for array in weights), 0
        for arrays in _in_pieces(weights):
            piece = sum(array.nbytes for array in arrays)
            yield Piece(10.0 + piece / SLOWEST_BYTES_PER_S, done / size)
            mx.eval(arrays)
            done += piece
        del weights, arrays
        model.eval()
        yield Piece(60.0)
        forward, cost = Forward(model), cache_cost(model)
        available = device.available_bytes()
        cache_bytes = _or_share(self._cache_bytes, CACHE_SHARE, available)
        warnings += _cut_by_memory(files.context_length, cost, cache_bytes)
        decoding = text_decoding(
            files.tokenizer_definition, _vocabulary_size(model), template=files.template.source
        )
        return LmModel(
            model=model,
            forward=forward,
            tokenizer=files.tokenizer,
            decoding=decoding,
            prefix_cache_bytes=_or_share(self._prefix_cache_bytes, PREFIX_CACHE_SHARE, available),
            info=TextModelInfo(
                architecture=files.architecture,
                context_length=files.context_length,
                weight_bytes=size,
                cache_cost=cost,
                cache_bytes=cache_bytes,
                stop_tokens=files.stop_tokens,
                vocabulary_size=len(decoding.token_bytes),
                markers=frozenset(
                    decoding.token_bytes[token].decode() for token in decoding.markers
                ),
                template=files.template.source,
                template_names=files.template.names,
                warnings=tuple(warnings),
            ),
        )

    def discard(self) -> None:
        """Give back what was built and read, of which nothing is used. Engine thread only."""
        self._model = None
        device.collect()


def _or_share(given: int | None, share: float, available: int) -> int:
    return int(share * available) if given is None else given


def _cut_by_memory(context_length: int, cost: CacheCost, cache_bytes: int) -> list[str]:
    """Return what to say if one conversation cannot fill the context."""
    longest = cost.longest(cache_bytes)
    if longest >= context_length:
        return []
    return [
        f"A conversation and its answer can take {longest} tokens and not the whole context of "
        f"{context_length}: there are {cache_bytes} bytes of memory for the caches of requests."
    ]


def _check_batchable(model: nn.Module, architecture: str) -> None:
    if not all(hasattr(layer, "merge") for layer in make_prompt_cache(model)):
        raise UnsupportedModel(
            f"The architecture {architecture!r} keeps a cache that cannot be batched."
        )


def as_float32(model: nn.Module) -> list[str]:
    """Turn weights into float32 where they fit; return what to say about it.

    MLX's CPU kernels for quantized and half-precision weights are more than
    ten times slower than those for float32.
    """
    parameters = [array for _, array in tree_flatten(model.parameters())]
    quantized = any(array.dtype == mx.uint32 for array in parameters)
    half = any(array.dtype in (mx.float16, mx.bfloat16) for array in parameters)
    if not quantized and not half:
        return []
    form = "quantized" if quantized else "half-precision"
    needed = 4 * _weights(model)
    available = platform.available_bytes()
    if needed > FLOAT32_SHARE * available:
        return [
            f"The weights stay {form}, which is slow on the CPU: as float32 they would take "
            f"{needed / 1e9:.1f} GB, and {available / 1e9:.1f} GB are free."
        ]
    # The scales first: what they are multiplied to is then exact.
    model.set_dtype(mx.float32)
    if quantized:
        dequantize_model(model)
    return [f"The {form} weights run as float32, which is fastest on the CPU."]


def _weights(model: nn.Module) -> int:
    """Return how many numbers the weights are, quantized ones counted singly."""
    count = 0
    for _, module in model.named_modules():
        for name, array in module.items():
            if isinstance(array, mx.array):
                packed = name == "weight" and array.dtype == mx.uint32
                count += array.size * 32 // module.bits if packed else array.size
    return count


def _in_pieces(arrays: list[mx.array]) -> Generator[list[mx.array], None, None]:
    piece: list[mx.array] = []
    size = 0
    for array in arrays:
        piece.append(array)
        size += array.nbytes
        if size >= PIECE_BYTES:
            yield piece
            piece, size = [], 0
    if piece:
        yield piece


def _vocabulary_size(model: Any) -> int:
    """Return how many logits the model has."""
    return int(model(mx.array([[0]])).shape[-1])
