"""Reads of the ledger. Account rows come back as domain objects, amounts in the natural sign."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, Select, cast, func, literal_column, or_, select, tuple_
from sqlalchemy.dialects.postgresql import JSONB

from tillhouse.kernel.db import JsonObject, JsonValue, ReadSession
from tillhouse.kernel.money import Money
from tillhouse.parts.ledger.domain import (
    AccountRef,
    AccountType,
    Balance,
    Chart,
    Hold,
    HoldState,
    Leg,
    StatementLine,
    Transaction,
    natural_sign,
)
from tillhouse.parts.ledger.domain.lists import Account, AccountFilter, TransactionFilter
from tillhouse.parts.ledger.models import AccountRow, EntryRow, HoldRow, KeyRow, ReversalRow, TransactionRow
from tillhouse.parts.ledger.store.writing import HOUSE

_NAME = (AccountRow.owner_kind, AccountRow.owner_id, AccountRow.code, AccountRow.unit)


def ref_of(row: AccountRow) -> AccountRef:
    """What names this account."""
    return AccountRef(row.owner_kind, None if row.owner_id == HOUSE else row.owner_id, row.code, row.unit)


def is_account(account: AccountRef) -> ColumnElement[bool]:
    """The condition that an account row is `account`."""
    return tuple_(*_NAME) == (account.owner_kind, account.owner_id or HOUSE, account.code, account.unit)


def named(accounts: Collection[AccountRef]) -> Select[AccountRow]:
    """The rows of those of `accounts` that were ever opened."""
    names = [(a.owner_kind, a.owner_id or HOUSE, a.code, a.unit) for a in accounts]
    return select(AccountRow).where(tuple_(*_NAME).in_(names))


def type_of(row: AccountRow) -> AccountType:
    """The type of an account."""
    kind: AccountType = row.type  # type: ignore[assignment]  # the column's check lists the same words
    return kind


def sign(row: AccountRow) -> int:
    """What turns debits into the account's natural sign."""
    return natural_sign(type_of(row))


def _balance(row: AccountRow) -> Balance:
    return Balance(
        account=ref_of(row),
        posted=Money(row.balance * sign(row), row.unit),
        held=Money(row.held, row.unit),
    )


async def balances(session: ReadSession, accounts: Collection[AccountRef]) -> list[Balance]:
    """The balances of those of `accounts` that were ever used."""
    rows = await session.execute(named(accounts).execution_options(populate_existing=True))
    return [_balance(row) for row in rows.scalars()]


async def balances_of_owner(session: ReadSession, owner_kind: str, owner_id: UUID | None) -> list[Balance]:
    """Every account of one owner."""
    query = (
        select(AccountRow)
        .where(AccountRow.owner_kind == owner_kind, AccountRow.owner_id == (owner_id or HOUSE))
        .order_by(AccountRow.code, AccountRow.unit)
        .execution_options(populate_existing=True)
    )
    return [_balance(row) for row in (await session.execute(query)).scalars()]


async def statement(
    session: ReadSession,
    account: AccountRef,
    *,
    limit: int,
    before: int | None,
    since: datetime | None,
    until: datetime | None,
    gains: bool | None,
    kinds: Collection[str],
) -> list[StatementLine]:
    """Entries of one account, newest first. `gains` is whether they add to the natural balance; None means either."""
    found = (await session.execute(named([account]))).scalar_one_or_none()
    if found is None:
        return []
    natural = sign(found)
    query = (
        select(EntryRow, TransactionRow)
        .join(TransactionRow, TransactionRow.id == EntryRow.transaction_id)
        .where(EntryRow.account_id == found.id)
        .order_by(EntryRow.transaction_id.desc())
        .limit(limit)
    )
    if before is not None:
        query = query.where(EntryRow.transaction_id < before)
    if since is not None:
        query = query.where(EntryRow.effective_at >= since)
    if until is not None:
        query = query.where(EntryRow.effective_at < until)
    if gains is not None:
        query = query.where(EntryRow.amount * natural > 0 if gains else EntryRow.amount * natural < 0)
    if kinds:
        query = query.where(TransactionRow.kind.in_(kinds))
    return [_line(entry, row, natural) for entry, row in await session.execute(query)]


def _line(entry: EntryRow, row: TransactionRow, natural: int) -> StatementLine:
    return StatementLine(
        transaction_id=row.id,
        sequence=entry.sequence,
        kind=row.kind,
        amount=Money(entry.amount * natural, entry.unit),
        balance=Money(entry.balance * natural, entry.unit),
        effective_at=entry.effective_at,
        recorded_at=entry.recorded_at,
        metadata=row.details or {},
        reverses=row.reverses,
    )


async def transaction(session: ReadSession, transaction_id: int) -> Transaction | None:
    """One transaction with its legs in the order of the accounts' ids."""
    row = await session.get(TransactionRow, transaction_id)
    return None if row is None else (await _with_legs(session, [row]))[0]


async def transactions(
    session: ReadSession, wanted: TransactionFilter, *, limit: int, before: int | None
) -> list[Transaction]:
    """Transactions with their legs, the last recorded first."""
    query, number = select(TransactionRow).limit(limit), TransactionRow.id
    if wanted.account is not None:  # by the account's own index, newest first, however many entries it has
        account_id = select(AccountRow.id).where(is_account(wanted.account)).scalar_subquery()
        query = query.join(EntryRow, EntryRow.transaction_id == TransactionRow.id)
        query, number = query.where(EntryRow.account_id == account_id), EntryRow.transaction_id
    order: ColumnElement[int] = number.desc()
    if wanted.metadata or wanted.said:
        # Few fit, as a rule. In the order of the numbers themselves the planner might walk through all there are.
        order = (number + literal_column("0")).desc() if wanted.account is None else order
        query = query.where(*_says(wanted.metadata, wanted.said))
    conditions = _given(
        None if wanted.kinds is None else TransactionRow.kind.in_(wanted.kinds),
        None if wanted.kind is None else TransactionRow.kind == wanted.kind,
        None if wanted.since is None else TransactionRow.effective_at >= wanted.since,
        None if wanted.until is None else TransactionRow.effective_at < wanted.until,
        None if before is None else number < before,
    )
    query = query.where(*conditions).order_by(order)
    return await _with_legs(session, (await session.scalars(query)).all())


def _says(metadata: Mapping[str, JsonValue], said: Sequence[JsonObject]) -> Iterator[ColumnElement[bool]]:
    if metadata:
        yield TransactionRow.details.op("@>", is_comparison=True)(cast(dict(metadata), JSONB))
    if said:
        yield or_(*(TransactionRow.details.op("@>", is_comparison=True)(cast(one, JSONB)) for one in said))


async def _with_legs(session: ReadSession, rows: Sequence[TransactionRow]) -> list[Transaction]:
    numbers = [row.id for row in rows]
    legs: dict[int, list[Leg]] = {}
    found = await session.execute(
        select(EntryRow.transaction_id, AccountRow, EntryRow.amount)
        .join(EntryRow, EntryRow.account_id == AccountRow.id)
        .where(EntryRow.transaction_id.in_(numbers))
        .order_by(AccountRow.id)
    )
    for number, account, amount in found:
        legs.setdefault(number, []).append((ref_of(account), Money(amount, account.unit)))
    reversals = await session.execute(
        select(ReversalRow.transaction_id, ReversalRow.reversed_by).where(ReversalRow.transaction_id.in_(numbers))
    )
    reversed_by = {row.transaction_id: row.reversed_by for row in reversals}
    return [
        Transaction(
            id=row.id,
            kind=row.kind,
            legs=tuple(legs.get(row.id, ())),
            effective_at=row.effective_at,
            recorded_at=row.recorded_at,
            metadata=row.details or {},
            reverses=row.reverses,
            reversed_by=reversed_by.get(row.id),
            captures=row.captures,
        )
        for row in rows
    ]


async def accounts(
    session: ReadSession, chart: Chart, wanted: AccountFilter, *, limit: int, after: int | None
) -> list[Account]:
    """Accounts in the order they were opened."""
    query = select(AccountRow).order_by(AccountRow.id).limit(limit).execution_options(populate_existing=True)
    conditions = _given(
        None if wanted.owner_kind is None else AccountRow.owner_kind == wanted.owner_kind,
        None if wanted.owner_id is None else AccountRow.owner_id == wanted.owner_id,
        None if wanted.code is None else _has_code(wanted.code),
        None if wanted.unit is None else AccountRow.unit == wanted.unit,
        None if wanted.type is None else AccountRow.type == wanted.type,
        None if after is None else AccountRow.id > after,
    )
    return [_account(row, chart) for row in await session.scalars(query.where(*conditions))]


def _has_code(code: str) -> ColumnElement[bool]:
    return AccountRow.code.startswith(code[:-1], autoescape=True) if code.endswith("*") else AccountRow.code == code


def _given(*conditions: ColumnElement[bool] | None) -> list[ColumnElement[bool]]:
    return [condition for condition in conditions if condition is not None]


def _account(row: AccountRow, chart: Chart) -> Account:
    known = chart.kind_at(f"{row.owner_kind}/{row.code}")
    return Account(
        id=row.id,
        ref=ref_of(row),
        type=type_of(row),
        title=known.title if known else None,
        number=known.number if known else None,
        lots=known is not None and known.lots,
        posted=Money(row.balance * sign(row), row.unit),
        held=Money(row.held, row.unit),
        floor=None if row.floor is None else Money(row.floor, row.unit),
        entries=row.sequence,
        opened_at=row.opened_at,
        closed=row.closed,
    )


async def holds(
    session: ReadSession, *, account: AccountRef | None, state: HoldState | None, limit: int, before: int | None
) -> list[Hold]:
    """Holds, the newest first."""
    query = _holds_with_accounts().order_by(HoldRow.id.desc()).limit(limit)
    conditions = _given(
        None if account is None else is_account(account),
        None if state is None else HoldRow.state == state,
        None if before is None else HoldRow.id < before,
    )
    return await _holds(session, query.where(*conditions))


async def open_holds_by_age(session: ReadSession, *, limit: int, after: int | None) -> list[Hold]:
    """Open holds of all accounts, the oldest first."""
    query = _holds_with_accounts().where(HoldRow.state == "open").order_by(HoldRow.id).limit(limit)
    return await _holds(session, query if after is None else query.where(HoldRow.id > after))


async def count_open_holds(session: ReadSession, number: int) -> int:
    """How many open holds have a number below `number`."""
    query = select(func.count()).select_from(HoldRow).where(HoldRow.state == "open", HoldRow.id < number)
    return (await session.execute(query)).scalar_one()


async def key_of(session: ReadSession, transaction_id: int) -> str | None:
    """The idempotency key that a transaction was written under."""
    return await session.scalar(select(KeyRow.key).where(KeyRow.transaction_id == transaction_id))


async def hold(session: ReadSession, hold_id: int) -> Hold | None:
    """One hold as it is now."""
    return next(iter(await _holds(session, _holds_with_accounts().where(HoldRow.id == hold_id))), None)


async def open_holds(session: ReadSession, account: AccountRef) -> list[Hold]:
    """The open holds of one account, oldest first."""
    query = _holds_with_accounts().where(is_account(account), HoldRow.state == "open").order_by(HoldRow.id)
    return await _holds(session, query)


async def due_holds(session: ReadSession, by: datetime, limit: int) -> Sequence[int]:
    """Open holds whose time is over, the longest overdue first."""
    query = (
        select(HoldRow.id)
        .where(HoldRow.state == "open", HoldRow.expires_at <= by)
        .order_by(HoldRow.expires_at)
        .limit(limit)
    )
    return (await session.execute(query)).scalars().all()


def _holds_with_accounts() -> Select[HoldRow, AccountRow]:
    query = select(HoldRow, AccountRow).join(AccountRow, AccountRow.id == HoldRow.account_id)
    return query.execution_options(populate_existing=True)


async def _holds(session: ReadSession, query: Select[HoldRow, AccountRow]) -> list[Hold]:
    return [_hold(row, account) for row, account in await session.execute(query)]


def _hold(row: HoldRow, account: AccountRow) -> Hold:
    state: HoldState = row.state  # type: ignore[assignment]  # the column's check lists the same words
    return Hold(
        id=row.id,
        account=ref_of(account),
        amount=Money(row.amount, account.unit),
        state=state,
        expires_at=row.expires_at,
        metadata=row.details or {},
        captured=Money(row.captured, account.unit),
        transaction_id=row.transaction_id,
        created_at=row.created_at,
        ended_at=row.ended_at,
    )
