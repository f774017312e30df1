"""The journal read from end to end, in pieces: the server keeps the cursor, the process a few thousand rows."""

from collections.abc import AsyncIterator
from datetime import datetime

from sqlalchemy import select

from tillhouse.kernel.db import ReadSession
from tillhouse.kernel.money import Money
from tillhouse.parts.ledger.domain import AccountRef, AccountType, Leg, Transaction
from tillhouse.parts.ledger.models import AccountRow, EntryRow, TransactionRow
from tillhouse.parts.ledger.store.reading import ref_of, type_of

_ROWS_AT_ONCE = 2_000


async def transactions(
    session: ReadSession, since: datetime | None, until: datetime | None
) -> AsyncIterator[tuple[Transaction, dict[AccountRef, AccountType]]]:
    """Every transaction effective in [since, until) with the types of its accounts, in the order recorded."""
    query = (
        select(TransactionRow, AccountRow, EntryRow.amount)
        .join(EntryRow, EntryRow.transaction_id == TransactionRow.id)
        .join(AccountRow, AccountRow.id == EntryRow.account_id)
        .order_by(TransactionRow.id, EntryRow.account_id)
        .execution_options(yield_per=_ROWS_AT_ONCE)
    )
    if since is not None:
        query = query.where(TransactionRow.effective_at >= since)
    if until is not None:
        query = query.where(TransactionRow.effective_at < until)
    current: TransactionRow | None = None
    legs: list[Leg] = []
    types: dict[AccountRef, AccountType] = {}
    async for row, account, amount in await session.stream(query):
        if current is not None and current.id != row.id:
            yield _transaction(current, legs), types
            legs, types = [], {}
        current = row
        legs.append((ref_of(account), Money(amount, account.unit)))
        types[ref_of(account)] = type_of(account)
    if current is not None:
        yield _transaction(current, legs), types


def _transaction(row: TransactionRow, legs: list[Leg]) -> Transaction:
    return Transaction(
        id=row.id,
        kind=row.kind,
        legs=tuple(legs),
        effective_at=row.effective_at,
        recorded_at=row.recorded_at,
        metadata=row.details or {},
        reverses=row.reverses,
        captures=row.captures,
    )


async def accounts(session: ReadSession) -> AsyncIterator[tuple[AccountRef, AccountType]]:
    """Every account that was ever opened."""
    query = select(AccountRow).order_by(AccountRow.id).execution_options(yield_per=_ROWS_AT_ONCE)
    async for account in await session.stream_scalars(query):
        yield ref_of(account), type_of(account)


async def units(session: ReadSession) -> list[str]:
    """Every unit that an account is in."""
    return list(await session.scalars(select(AccountRow.unit).distinct().order_by(AccountRow.unit)))
