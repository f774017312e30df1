"""Partitions of the journal, made before their month begins."""

from collections.abc import Sequence

from tillhouse.kernel.db import Session
from tillhouse.parts.ledger.store import writing

_MONTHS_AHEAD = 3


async def ensure(session: Session) -> Sequence[str]:
    """Make the partitions of this month and the next three; returns the names of the new ones."""
    return await writing.ensure_partitions(session, _MONTHS_AHEAD)
