"""The sandbox's own clock: milliseconds since the epoch, so that due times sort and compare as integers."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

NowMs = Callable[[], int]


def system_now_ms() -> int:
    """The present instant in milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


@dataclass(frozen=True)
class Clock:
    """Reads the time and turns a provider's waiting time into ours."""

    now_ms: NowMs
    scale: float

    def now_s(self) -> int:
        """Unix seconds: what Razorpay calls a timestamp."""
        return self.now_ms() // 1000

    def now(self) -> datetime:
        """The present instant, aware, in UTC."""
        return datetime.fromtimestamp(self.now_ms() / 1000, UTC)

    def after(self, provider_seconds: float) -> int:
        """When `provider_seconds` of the provider's time will have passed, in milliseconds."""
        return self.now_ms() + self.scaled_ms(provider_seconds)

    def scaled_ms(self, provider_seconds: float) -> int:
        """`provider_seconds` of the provider's time in our milliseconds."""
        return round(provider_seconds * 1000 / self.scale)


class ManualClock:
    """A clock for tests: stands still until told to move. Pass it to `create_sandbox(now_ms=…)`."""

    def __init__(self, at_ms: int = 1_800_000_000_000) -> None:
        self.at_ms = at_ms

    def __call__(self) -> int:
        return self.at_ms

    def advance(self, seconds: float) -> None:
        """Move forward by `seconds` of real (unscaled) time."""
        self.at_ms += round(seconds * 1000)
