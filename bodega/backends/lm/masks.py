"""What guides allow, applied to the logits of their rows alone."""

import logging
from collections.abc import Mapping, Sequence

import mlx.core as mx
import numpy as np
import numpy.typing as npt

from bodega.backends.base import Row
from bodega.errors import BodegaError, InternalError

logger = logging.getLogger(__name__)

Failures = Mapping[int, BodegaError]
"""The places of rows that cannot go on, and why."""


class Masks:
    """The guides of those rows of a batch that have one."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self._guides = [(at, row.guide) for at, row in enumerate(rows) if row.guide is not None]
        self._rows = len(rows)

    def __bool__(self) -> bool:
        return bool(self._guides)

    def apply(self, logits: mx.array) -> tuple[mx.array, Failures]:
        """Return logits, shape (rows, vocabulary), that are -inf where a guide forbids.

        What is chosen for a row whose guide fails is not to be used.
        """
        failures: dict[int, BodegaError] = {}
        masks = self._ask(failures)
        if not masks:
            return logits, failures
        held = list(masks)
        stacked = np.array(list(masks.values()))
        for line in np.flatnonzero(~stacked.any(axis=1)):
            logger.error("a guide allows no token; its request ends")
            failures[held[line]] = InternalError()
        # Bits are unpacked here: on the device it takes a pass over them for each operation.
        bits = np.unpackbits(stacked.view(np.uint8), axis=1, bitorder="little")
        allowed = mx.array(bits[:, : logits.shape[-1]].view(np.bool_))
        if len(held) == self._rows:
            return mx.where(allowed, logits, -mx.inf), failures
        at_rows = mx.array(held)
        logits[at_rows] = mx.where(allowed, logits[at_rows], -mx.inf)
        return logits, failures

    def _ask(self, failures: dict[int, BodegaError]) -> dict[int, npt.NDArray[np.uint32]]:
        """Return what guides allow, by the places of their rows, and note those that fail."""
        masks: dict[int, npt.NDArray[np.uint32]] = {}
        for at, guide in self._guides:
            try:
                mask = guide.allowed()
            except BodegaError as error:
                failures[at] = error
            except Exception:  # boundary: one row's guide must not end the others
                logger.exception("a guide failed; its request ends")
                failures[at] = InternalError()
            else:
                if mask is not None:
                    masks[at] = mask
        return masks
