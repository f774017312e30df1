"""Sums over all accounts, grouped by what the chart knows of them."""

from datetime import datetime

from sqlalchemy import func, select

from tillhouse.kernel.db import ReadSession
from tillhouse.parts.ledger.models import AccountRow, EntryRow

# owner kind, code, unit, type, signed total
Sums = list[tuple[str, str, str, str, int]]

_GROUPS = (AccountRow.owner_kind, AccountRow.code, AccountRow.unit, AccountRow.type)


async def sums_now(session: ReadSession) -> Sums:
    """The balances of all accounts, summed; groups that are at zero left out."""
    total = func.sum(AccountRow.balance)
    rows = await session.execute(select(*_GROUPS, total).group_by(*_GROUPS).having(total != 0))
    return [(owner_kind, code, unit, kind, int(amount)) for owner_kind, code, unit, kind, amount in rows]


async def sums_effective(session: ReadSession, since: datetime | None, until: datetime) -> Sums:
    """What entries with an effective time from `since` (or ever) to `until`, both included, sum to."""
    total = func.sum(EntryRow.amount)
    query = (
        select(*_GROUPS, total)
        .join(EntryRow, EntryRow.account_id == AccountRow.id)
        .where(EntryRow.effective_at <= until)
        .group_by(*_GROUPS)
        .having(total != 0)
    )
    if since is not None:
        query = query.where(EntryRow.effective_at >= since)
    rows = await session.execute(query)
    return [(owner_kind, code, unit, kind, int(amount)) for owner_kind, code, unit, kind, amount in rows]
