"""Balances, statements and transactions as they stand now. None of it takes a lock."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Literal
from uuid import UUID

from tillhouse.kernel.db import ReadSession
from tillhouse.kernel.errors import NotFound
from tillhouse.kernel.money import Money
from tillhouse.kernel.text import N_
from tillhouse.parts.ledger.domain import (
    AccountRef,
    Balance,
    Hold,
    HoldState,
    StatementLine,
    Transaction,
    first_number_at,
)
from tillhouse.parts.ledger.domain.lists import Account, AccountFilter, TransactionFilter
from tillhouse.parts.ledger.service.charts import chart_of
from tillhouse.parts.ledger.store import reading

EVERY_TRANSACTION = TransactionFilter()
EVERY_ACCOUNT = AccountFilter()


async def balance(session: ReadSession, account: AccountRef) -> Balance:
    """What `account` holds now; zero when it has never been used. Takes no lock."""
    return (await balances(session, [account]))[account]


async def balances(session: ReadSession, accounts: Collection[AccountRef]) -> Mapping[AccountRef, Balance]:
    """What each of `accounts` holds, all as of one moment."""
    used = {found.account: found for found in await reading.balances(session, accounts)}
    return {account: used.get(account) or _unused(account) for account in accounts}


async def balances_of_owner(session: ReadSession, owner_kind: str, owner_id: UUID | None) -> Sequence[Balance]:
    """Every account opened for an owner, in the order of code and unit."""
    return await reading.balances_of_owner(session, owner_kind, owner_id)


async def statement(
    session: ReadSession,
    account: AccountRef,
    *,
    limit: int,
    before: int | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    direction: Literal["in", "out"] | None = None,
    kinds: Collection[str] = (),
) -> Sequence[StatementLine]:
    """The newest `limit` entries of `account` recorded before the transaction `before`, newest first.

    `since` (inclusive) and `until` (exclusive) are effective times; `direction` is seen from the account's natural
    sign. For pages ask for one more than shown and continue with the last shown `transaction_id`.
    """
    gains = None if direction is None else direction == "in"
    return await reading.statement(
        session, account, limit=limit, before=before, since=since, until=until, gains=gains, kinds=kinds
    )


async def transaction(session: ReadSession, transaction_id: int) -> Transaction:
    """One transaction with its legs. Raises `NotFound`."""
    found = await reading.transaction(session, transaction_id)
    if found is None:
        raise NotFound(N_("There is no such transaction."))
    return found


async def transactions(
    session: ReadSession, *, wanted: TransactionFilter = EVERY_TRANSACTION, limit: int, before: int | None = None
) -> Sequence[Transaction]:
    """The last `limit` transactions recorded before the transaction `before` that are `wanted`, newest first."""
    return await reading.transactions(session, wanted, limit=limit, before=before)


async def accounts(
    session: ReadSession, *, wanted: AccountFilter = EVERY_ACCOUNT, limit: int, after: int | None = None
) -> Sequence[Account]:
    """The first `limit` accounts opened after the account with the id `after` that are `wanted`."""
    return await reading.accounts(session, chart_of(session), wanted, limit=limit, after=after)


async def holds(
    session: ReadSession,
    *,
    account: AccountRef | None = None,
    state: HoldState | None = None,
    limit: int,
    before: int | None = None,
) -> Sequence[Hold]:
    """The newest `limit` holds made before the hold `before`, newest first."""
    return await reading.holds(session, account=account, state=state, limit=limit, before=before)


async def open_holds_by_age(session: ReadSession, *, limit: int, after: int | None = None) -> Sequence[Hold]:
    """The first `limit` open holds of all accounts made after the hold `after`, the oldest first."""
    return await reading.open_holds_by_age(session, limit=limit, after=after)


async def count_open_holds(session: ReadSession, before: datetime) -> int:
    """How many holds made before `before` are open."""
    return await reading.count_open_holds(session, first_number_at(before))


async def key_of(session: ReadSession, transaction_id: int) -> str | None:
    """The idempotency key that a transaction was written under; None for one that is not there."""
    return await reading.key_of(session, transaction_id)


def _unused(account: AccountRef) -> Balance:
    return Balance(account=account, posted=Money(0, account.unit), held=Money(0, account.unit))
