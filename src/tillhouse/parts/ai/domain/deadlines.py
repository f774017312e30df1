"""How long a call may take."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Deadlines:
    """All in seconds: to the first piece of the answer, between two pieces, and for the whole call with its retries."""

    first: float = 30.0
    between: float = 20.0
    total: float = 180.0

    def __post_init__(self) -> None:
        if min(self.first, self.between, self.total) <= 0:
            raise ValueError("a deadline is more than nothing")
