"""How many prompt tokens to prefill in one step. Pure: it is told how long steps took."""

SLICE_BESIDE_DECODING_S = 0.05
"""Time for prefill in a step that others decode in: their longest gap is a little more."""

SLICE_AMONG_MANY_S = 0.1
"""The same at most, where more rows wait for their first token than for their next one."""

SLICE_ALONE_S = 0.25
"""Time for prefill in a step of its own: a cancelled prompt ends within it."""

SLICE_OF_DECODING = 2.0
"""Time for prefill beside decoding, at least, in steps of decoding.

Each slice reads all weights, as each step of decoding does. On a model that is slow here, slices
of a fixed time would be a few tokens each, and take several times as long altogether.
"""

MIN_TOKENS = 16
MAX_TOKENS = 2048
FIRST_TOKENS = 64


class PrefillPace:
    """The measured speed of prefill, and slices sized by it.

    A fixed size is 50 ms on one model and 5 s on another, and costs more as the
    context grows.
    """

    def __init__(self) -> None:
        self._tokens_per_s: float | None = None
        self._decode_s = 0.0

    def slice_tokens(self, *, decoding: int, prefilling: int) -> int:
        """Return how many prompt tokens the next step may prefill.

        Args:
            decoding: rows that wait for it.
            prefilling: rows that it brings nearer to their first tokens.
        """
        if self._tokens_per_s is None:
            return FIRST_TOKENS
        time_s = SLICE_ALONE_S
        if decoding:
            # A burst is prefilled together, which takes less in all: its rows decode together
            # sooner, and the few that wait are kept from their next token more seldom.
            among_many_s = SLICE_BESIDE_DECODING_S * prefilling / decoding
            time_s = min(max(SLICE_BESIDE_DECODING_S, among_many_s), SLICE_AMONG_MANY_S)
        time_s = max(time_s, SLICE_OF_DECODING * self._decode_s)
        return max(MIN_TOKENS, min(MAX_TOKENS, int(self._tokens_per_s * time_s)))

    def record(self, *, tokens: int, seconds: float) -> None:
        """Take in how long the prefill of a step took."""
        speed = tokens / max(seconds, 1e-6)
        if self._tokens_per_s is None:
            self._tokens_per_s = speed
        else:
            # Slower is believed at once, faster bit by bit: a gap is worse than a small slice.
            weight = 0.7 if speed < self._tokens_per_s else 0.3
            self._tokens_per_s += weight * (speed - self._tokens_per_s)

    def record_decode(self, *, seconds: float) -> None:
        """Take in how long a step took that decoded alone."""
        if self._decode_s == 0.0:
            self._decode_s = seconds
        else:
            self._decode_s += 0.2 * (seconds - self._decode_s)
