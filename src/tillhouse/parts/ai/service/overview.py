"""What staff see of the use of models: endpoints, what they came to, and the newest calls."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from tillhouse.kernel import clock
from tillhouse.kernel.db import ReadSession
from tillhouse.parts.ai.domain.calls import UsageLine
from tillhouse.parts.ai.models import CallRow
from tillhouse.parts.ai.store import calls as store

_BITE = 500


@dataclass(frozen=True, slots=True)
class Overview:
    """What everyone's use came to in a span. `cost` in billionths of US dollars."""

    lines: Sequence[UsageLine]

    @property
    def cost(self) -> int:
        return sum(one.cost for one in self.lines)

    @property
    def calls(self) -> int:
        return sum(one.calls for one in self.lines)

    @property
    def failed(self) -> int:
        return sum(one.failed for one in self.lines)

    @property
    def tokens(self) -> int:
        return sum(one.input + one.output for one in self.lines)


async def overview(session: ReadSession, days: int) -> Overview:
    """The last `days` days."""
    now = clock.now()
    return Overview(await store.usage(session, now - timedelta(days=days), now + timedelta(seconds=1)))


async def newest(session: ReadSession, limit: int, before: UUID | None) -> Sequence[CallRow]:
    """The newest calls of everyone."""
    return await store.calls(session, before=before, limit=limit)


async def every_call(session: ReadSession, since: datetime) -> AsyncIterator[CallRow]:
    """All calls since, newest first."""
    before: UUID | None = None
    while bite := await store.calls(session, before=before, limit=_BITE):
        for row in bite:
            if row.created_at < since:
                return
            yield row
        before = bite[-1].id
