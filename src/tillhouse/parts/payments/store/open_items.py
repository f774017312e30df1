"""SQL of open items: what is left of each matter in an account, and how far the account's entries are counted."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import and_, delete, func, select
from sqlalchemy.dialects.postgresql import insert

from tillhouse.kernel.db import ReadSession, Session
from tillhouse.parts.payments.models import OpenItemCursorRow, OpenItemRow

_SAME = and_(OpenItemRow.account == OpenItemCursorRow.account, OpenItemRow.unit == OpenItemCursorRow.unit)


async def counted(session: ReadSession, account: str, unit: str) -> tuple[int, int, dict[str, tuple[int, datetime]]]:
    """Up to which entry an account is counted, its balance there, and its open items: all as of one moment."""
    query = (
        select(
            OpenItemCursorRow.sequence,
            OpenItemCursorRow.balance,
            OpenItemRow.item,
            OpenItemRow.amount,
            OpenItemRow.since,
        )
        .outerjoin(OpenItemRow, _SAME)
        .where(OpenItemCursorRow.account == account, OpenItemCursorRow.unit == unit)
    )
    rows = (await session.execute(query)).all()
    items = {row[2]: (row[3], row[4]) for row in rows if row[2] is not None}
    return (rows[0][0], rows[0][1], items) if rows else (0, 0, items)


async def move_cursor(session: Session, account: str, unit: str, sequence: int, balance: int) -> None:
    """Note how far the account's entries are counted."""
    statement = insert(OpenItemCursorRow).values(account=account, unit=unit, sequence=sequence, balance=balance)
    changed = {"sequence": sequence, "balance": balance}
    await session.execute(statement.on_conflict_do_update(index_elements=["account", "unit"], set_=changed))


async def replace_items(session: Session, account: str, unit: str, items: Mapping[str, tuple[int, datetime]]) -> None:
    """Write what these items have left now; those with nothing left go."""
    ended = [item for item, (amount, _) in items.items() if not amount]
    left = [
        {"account": account, "unit": unit, "item": item, "amount": amount, "since": since}
        for item, (amount, since) in items.items()
        if amount
    ]
    mine = (OpenItemRow.account == account, OpenItemRow.unit == unit)
    for start in range(0, len(ended), 1000):
        await session.execute(delete(OpenItemRow).where(*mine, OpenItemRow.item.in_(ended[start : start + 1000])))
    for start in range(0, len(left), 1000):
        statement = insert(OpenItemRow).values(left[start : start + 1000])
        changed = {"amount": statement.excluded.amount, "since": statement.excluded.since}
        await session.execute(statement.on_conflict_do_update(index_elements=["account", "unit", "item"], set_=changed))


async def items_that_do_not_sum_up(session: ReadSession) -> list[str]:
    """One line for each account whose items are not its balance at its cursor."""
    total = func.coalesce(func.sum(OpenItemRow.amount), 0)
    query = (
        select(OpenItemCursorRow.account, OpenItemCursorRow.unit, OpenItemCursorRow.balance, total)
        .outerjoin(OpenItemRow, _SAME)
        .group_by(OpenItemCursorRow.account, OpenItemCursorRow.unit, OpenItemCursorRow.balance)
        .having(total != OpenItemCursorRow.balance)
    )
    return [
        f"the open items of {row[0]} ({row[1]}) sum to {row[3]}, its balance is {row[2]}"
        for row in await session.execute(query)
    ]
