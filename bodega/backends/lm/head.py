"""A model's logits at chosen positions, without the others where the model allows it."""

from collections.abc import Callable
from typing import Any

import mlx.core as mx
import mlx.nn as nn
from mlx_lm.models.cache import make_prompt_cache

Caches = list[Any]
"""One of mlx-lm's cache objects a layer."""

Body = Callable[..., mx.array]
Head = Callable[[mx.array], mx.array]


class Forward:
    """Runs a model and returns logits, float32.

    Most of mlx-lm's models are a body and a projection to the vocabulary. Then
    the projection is done only where a token is to be chosen, which for a
    prompt is one position of many. That the two parts make up the model is
    checked once, on numbers; a model of another build is run whole.
    """

    def __init__(self, model: nn.Module) -> None:
        self._model = model
        self._parts = _parts(model)

    def last(self, tokens: mx.array, cache: Caches, lengths: list[int] | None = None) -> mx.array:
        """Return the logits after the last token of each row.

        Args:
            tokens: shape (rows, columns).
            cache: the rows' caches; updated.
            lengths: tokens of each row where they differ; the rest is padding on the right.

        Returns:
            float32, shape (rows, vocabulary).
        """
        body, head = self._parts or (self._whole, None)
        out = body(tokens, cache=cache)
        if lengths is None:
            out = out[:, -1, :]
        else:
            at = mx.array(lengths)[:, None, None] - 1
            out = mx.take_along_axis(out, at, axis=1)[:, 0, :]
        return (out if head is None else head(out)).astype(mx.float32)

    def run(self, tokens: mx.array, cache: Caches) -> None:
        """Run tokens of shape (rows, columns) for the sake of the cache, which is updated."""
        (self._parts[0] if self._parts is not None else self._whole)(tokens, cache=cache)

    def _whole(self, tokens: mx.array, *, cache: Caches) -> mx.array:
        logits: mx.array = self._model(tokens, cache=cache)
        return logits


def _parts(model: nn.Module) -> tuple[Body, Head] | None:
    """Return a model's body and its projection to the vocabulary, if they make it up."""
    body = getattr(model, "model", None)
    head = getattr(model, "lm_head", None) or _tied_head(body)
    if body is None or head is None:
        return None
    tokens = mx.array([[0, 1, 2]])
    whole = model(tokens, cache=make_prompt_cache(model))
    cache = make_prompt_cache(model)
    try:
        parts = head(body(tokens, cache=cache))
    except (TypeError, ValueError, AttributeError):
        return None
    if parts.shape != whole.shape or any(layer.empty() for layer in cache):
        return None
    return (body, head) if mx.allclose(parts, whole, 1e-3, 1e-3).item() else None


def _tied_head(body: nn.Module | None) -> Head | None:
    embedding = getattr(body, "embed_tokens", None)
    return getattr(embedding, "as_linear", None)
