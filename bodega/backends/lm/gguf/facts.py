"""What a GGUF file tells of its model's dimensions."""

from dataclasses import dataclass
from math import isfinite

import numpy as np

from bodega.backends.lm.gguf.header import Header
from bodega.backends.lm.gguf.metadata import Metadata
from bodega.errors import InvalidModel, UnsupportedModel


@dataclass(frozen=True, slots=True)
class Facts:
    """The metadata of one architecture, by keys without its name."""

    metadata: Metadata
    architecture: str

    def __contains__(self, key: str) -> bool:
        return f"{self.architecture}.{key}" in self.metadata

    def integer(self, key: str, default: int | None = None) -> int:
        """Return a whole number."""
        return self.metadata.integer(f"{self.architecture}.{key}", default)

    def number(self, key: str, default: float | None = None) -> float:
        """Return a positive number, as short as its 32 bits allow: 1e-05, not 9.99999974e-06."""
        value = self.metadata.number(f"{self.architecture}.{key}", default)
        if not isfinite(value) or value <= 0:
            raise InvalidModel("The GGUF file's numbers do not make up a model.")
        return float(str(np.float32(value)))

    def text(self, key: str, default: str | None = None) -> str:
        """Return a text."""
        return self.metadata.text(f"{self.architecture}.{key}", default)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dimensions:
    """How large the parts of a model are.

    Attributes:
        head: numbers of an attention head.
        turned: how many of them are turned by position.
        vocabulary: rows of the embedding.
        experts: how many there are; none in a dense model.
        expert_feed_forward: width of each.
    """

    hidden: int
    feed_forward: int
    layers: int
    heads: int
    kv_heads: int
    head: int
    turned: int
    vocabulary: int
    context_length: int
    experts: int
    experts_used: int
    expert_feed_forward: int

    @classmethod
    def of(cls, header: Header, facts: Facts) -> "Dimensions":
        """Read them, and check that they make up a model.

        Raises:
            InvalidModel: some are missing, or they contradict each other.
            UnsupportedModel: the heads are of a build that is not known.
        """
        embedding = header.tensors.get("token_embd.weight")
        if embedding is None:
            raise InvalidModel("The GGUF file has no tensor 'token_embd.weight'.")
        hidden = facts.integer("embedding_length")
        heads = facts.integer("attention.head_count")
        if heads <= 0:
            raise InvalidModel("The GGUF file claims to have no attention heads.")
        head = facts.integer("attention.key_length", hidden // heads)
        if facts.integer("attention.value_length", head) != head:
            raise UnsupportedModel("The GGUF file's model has heads of unequal dimensions.")
        expert_feed_forward = facts.integer("expert_feed_forward_length", 0)
        feed_forward = facts.integer("feed_forward_length", expert_feed_forward or None)
        dimensions = cls(
            hidden=hidden,
            feed_forward=feed_forward,
            layers=facts.integer("block_count"),
            heads=heads,
            kv_heads=facts.integer("attention.head_count_kv", heads),
            head=head,
            turned=facts.integer("rope.dimension_count", head),
            vocabulary=embedding.shape[0],
            context_length=facts.integer("context_length"),
            experts=facts.integer("expert_count", 0),
            experts_used=facts.integer("expert_used_count", 0),
            expert_feed_forward=expert_feed_forward,
        )
        dimensions._check(tensors=len(header.tensors))
        return dimensions

    def _check(self, *, tensors: int) -> None:
        if self.context_length <= 0 or self.hidden <= 0 or self.feed_forward <= 0:
            raise InvalidModel("The GGUF file's numbers do not make up a model.")
        kv_heads, turned = self.kv_heads, self.turned
        if self.head <= 0 or self.head % 2 or kv_heads <= 0 or self.heads % kv_heads:
            raise InvalidModel("The GGUF file's attention heads do not make up a model.")
        if not 0 < turned <= self.head or turned % 2:
            raise InvalidModel("The GGUF file's attention heads do not make up a model.")
        if self.experts and not 0 < self.experts_used <= self.experts:
            raise InvalidModel("The GGUF file's experts do not make up a model.")
        # Before names are spelled out: a damaged count may be in the thousands of millions.
        if not 0 < self.layers <= tensors:
            raise InvalidModel(f"The GGUF file claims {self.layers} layers; it is damaged.")

    def length(self, name: str) -> int:
        """Return how long the side of a tensor is that is called by this name."""
        query, key = self.heads * self.head, self.kv_heads * self.head
        lengths = {
            "hidden": self.hidden,
            "feed_forward": self.feed_forward,
            "gate_and_up": 2 * self.feed_forward,
            "vocabulary": self.vocabulary,
            "heads": self.heads,
            "head": self.head,
            "query": query,
            "key": key,
            "query_key_value": query + 2 * key,
            "experts": self.experts,
            "expert_feed_forward": self.expert_feed_forward,
        }
        return lengths[name]
