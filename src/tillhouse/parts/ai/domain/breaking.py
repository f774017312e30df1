"""A circuit breaker: an endpoint that keeps failing is left alone for a while, then tried with one call."""

from dataclasses import dataclass
from typing import Literal

State = Literal["closed", "open", "trying"]


@dataclass(slots=True)
class Breaker:
    """`most` failures in a row open it for `pause` seconds; then one call may try. `now` is a monotonic clock's."""

    most: int
    pause: float
    failures: int = 0
    opened_at: float | None = None
    tried_at: float | None = None

    def state(self, now: float) -> State:
        if self.opened_at is None:
            return "closed"
        return "trying" if now - self.opened_at >= self.pause else "open"

    def admits(self, now: float) -> bool:
        """Whether a call may be made. Of those that come after the pause, one is let through, and again one a pause
        later, should nobody ever say what became of it."""
        state = self.state(now)
        if state == "trying" and (self.tried_at is None or now - self.tried_at >= self.pause):
            self.tried_at = now
            return True
        return state == "closed"

    def succeeded(self) -> None:
        self.failures, self.opened_at, self.tried_at = 0, None, None

    def failed(self, now: float) -> None:
        self.failures += 1
        if self.failures >= self.most or self.opened_at is not None:
            self.opened_at, self.tried_at = now, None
