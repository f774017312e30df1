"""What the ledger needs from outside the database."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from tillhouse.kernel.db import Session
from tillhouse.parts.ledger.domain import AccountRef, Head


@dataclass(frozen=True, slots=True)
class AccountWatcher:
    """Provided by a part that tells somebody when an account of theirs has changed.

    `changed(session, account)` is called after one posting, hold, capture or release was written, in its transaction:
    it may ask for something after the commit (`live.tell`), and writes nothing. Of bulks only those call
    it that are `watched`; grouped posts call nobody.
    """

    owner_kind: str
    code: str
    changed: Callable[[Session, AccountRef], None]


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
