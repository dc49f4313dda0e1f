"""Whether the server can answer, for whoever asks."""

from dataclasses import dataclass
from typing import Final

from bodega.engine.engine import Engine
from bodega.services.feed import Feed
from bodega.services.residency import ModelState, Residency

_KEPT_CHANGES: Final = 64
"""Most changes that wait for a reader who is slow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """What the core can do at one moment.

    Attributes:
        state: what the model does.
        model_id: the loaded model.
        can_answer: whether a chat would be answered: a model is loaded and the engine moves.
        reason: why it would not be, where that was not asked for.
    """

    state: ModelState
    model_id: str | None
    can_answer: bool
    reason: str | None


class HealthService:
    """The health of the core.

    Attributes:
        changes: the health as `note` saw it, whenever it changed.
    """

    def __init__(self, engine: Engine, residency: Residency) -> None:
        self._engine = engine
        self._residency = residency
        self.changes = Feed(self.now(), kept=_KEPT_CHANGES)

    def now(self) -> Health:
        """Return the health of this moment."""
        stuck, residency = self._engine.stuck, self._residency
        return Health(
            state=residency.state,
            model_id=residency.current.model_id if residency.current is not None else None,
            can_answer=residency.can_answer and not stuck,
            reason=_STUCK if stuck else residency.reason,
        )

    def note(self) -> Health:
        """Return the health of this moment, and tell those who watch if it has changed."""
        health = self.now()
        if health != self.changes.value:
            self.changes.put(health)
        return health


_STUCK: Final = "Device work takes longer than it may. The core is restarted if that goes on."
