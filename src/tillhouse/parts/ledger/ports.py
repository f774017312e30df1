"""What the ledger needs from outside the database."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from tillhouse.parts.ledger.domain import Head


class Anchor(Protocol):
    """Keeps heads of the sealed chain where whoever writes the database cannot reach them."""

    @property
    def place(self) -> str:
        """Where it keeps them, for people."""
        ...

    async def keep(self, head: Head) -> None:
        """Keep one more head, durably; one that was kept last is not kept twice. Raises `TransientError`."""
        ...

    async def kept(self) -> Sequence[Head] | None:
        """All heads it keeps, in the order it was given them; None when this adapter only writes."""
        ...


@dataclass(frozen=True, slots=True)
class Anchors:
    """All places where heads are kept; each is told every head."""

    places: tuple[Anchor, ...]
