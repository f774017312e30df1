"""Calls of the SQL functions that alone may write the ledger."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from tillhouse.kernel.db import Database, Session, call
from tillhouse.kernel.errors import TransientError
from tillhouse.kernel.text import N_
from tillhouse.parts.ledger.domain import AccountKind, AccountRef, Chart

HOUSE = UUID(int=0)  # stands for "no owner" in a column that is part of a unique key


class KnownAccounts:
    """The ids of accounts that this process has posted to. They never change, so that nothing is ever stale.

    Only what has committed is learnt. It spares `ledger.post` the look-up by name, which is a third of its work in a
    bulk; the function compares the names all the same. Full, it begins anew: 100,000 are about 30 MB.
    """

    def __init__(self, most: int = 100_000) -> None:
        self._ids: dict[AccountRef, int] = {}
        self._most = most

    def ids(self, accounts: Sequence[AccountRef]) -> list[int] | None:
        """The ids of `accounts`, or None when one of them is not known."""
        try:
            return [self._ids[account] for account in accounts]
        except KeyError:
            return None

    def learn(self, ids: Mapping[AccountRef, int]) -> None:
        """Remember what a call has looked up. Call it after the commit."""
        if len(self._ids) + len(ids) > self._most:
            self._ids.clear()
        self._ids.update(ids)


@dataclass(slots=True)
class Batch:
    """Postings as the columns that `ledger.post` takes; legs name the distinct `accounts` by position."""

    positions: dict[AccountRef, int] = field(default_factory=dict)
    kinds_of_accounts: list[AccountKind] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    hashes: list[bytes] = field(default_factory=list)
    kinds: list[str] = field(default_factory=list)
    effective: list[datetime | None] = field(default_factory=list)
    metadata: list[str | None] = field(default_factory=list)
    reverses: list[int | None] = field(default_factory=list)
    captures: list[int | None] = field(default_factory=list)
    leg_postings: list[int] = field(default_factory=list)
    leg_accounts: list[int] = field(default_factory=list)
    leg_amounts: list[int] = field(default_factory=list)

    def position(self, account: AccountRef, chart: Chart) -> int:
        """The position of `account`, counted from 1, added when it is new."""
        found = self.positions.get(account)
        if found is None:
            found = self.positions[account] = len(self.positions) + 1
            self.kinds_of_accounts.append(chart.account_kind(account))
        return found

    def put_in_order(self, known: KnownAccounts) -> list[int] | None:
        """The accounts' ids, when all are known; their positions are then in the order of the ids."""
        accounts = list(self.positions)
        ids = known.ids(accounts)
        if ids is None:
            return None
        order = sorted(range(len(ids)), key=ids.__getitem__)
        moved = {old + 1: new for new, old in enumerate(order, 1)}
        self.positions = {accounts[old]: new for new, old in enumerate(order, 1)}
        self.kinds_of_accounts = [self.kinds_of_accounts[old] for old in order]
        self.leg_accounts = [moved[position] for position in self.leg_accounts]
        return [ids[old] for old in order]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one posting or hold: `account` is a position in the call, `available` natural minor units."""

    outcome: str
    number: int | None
    account: int | None
    available: int | None


_POST = (
    "SELECT outcome, number, account, available, account_ids FROM ledger.post("
    "$1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)"
)
_HOLD = text(
    "SELECT outcome, number, NULL, available FROM ledger.hold("
    ":owner_kind, :owner_id, :code, :unit, :type, :floor, :key, :hash, :amount, :expires_at, :metadata)"
)
_RELEASE = text("SELECT * FROM ledger.release(:holds, :ending, :expired_by)")
_CLOSE = text("SELECT ledger.close_account(:owner_kind, :owner_id, :code, :unit)")
_FORGET = text("SELECT ledger.forget_refusals()")
_PARTITIONS = text("SELECT * FROM ledger.ensure_partitions(:months)")


@dataclass(frozen=True, slots=True)
class Written:
    """One outcome per posting, in order, and the ids of the accounts where they had to be looked up."""

    outcomes: list[Outcome]
    looked_up: Mapping[AccountRef, int]


async def post(
    session: Session, batch: Batch, known: KnownAccounts, *, all_or_nothing: bool, remember_refusals: bool = False
) -> Written:
    """Write the postings in the session's transaction."""
    return _written(batch, await call(session, _POST, *_columns(batch, known), all_or_nothing, remember_refusals))


async def post_at_once(database: Database, batch: Batch, known: KnownAccounts) -> Written:
    """Write the postings in a transaction of their own, committed when this returns; refusals are remembered.

    Raises `TransientError` when the database was away or would not, and nobody knows whether they were written: the
    same keys again tell.
    """
    try:
        rows = await database.call(_POST, *_columns(batch, known), False, True)
    except (DBAPIError, OSError) as error:
        raise TransientError(N_("The books could not be reached. Send the same again: it is written once.")) from error
    return _written(batch, rows)


def _columns(batch: Batch, known: KnownAccounts) -> Sequence[object]:
    ids = batch.put_in_order(known)
    return (
        *account_columns(list(batch.positions), batch.kinds_of_accounts),
        ids,
        batch.keys, batch.hashes, batch.kinds, _or_null(batch.effective), _or_null(batch.metadata),
        _or_null(batch.reverses), _or_null(batch.captures),
        batch.leg_postings, batch.leg_accounts, batch.leg_amounts,
    )  # fmt: skip


def account_columns(accounts: Sequence[AccountRef], kinds: Sequence[AccountKind]) -> Sequence[Sequence[object]]:
    """Accounts as the SQL functions take them: owner kinds, owner ids, codes, units, types, floors."""
    return (
        [account.owner_kind for account in accounts],
        [account.owner_id or HOUSE for account in accounts],
        [account.code for account in accounts],
        [account.unit for account in accounts],
        [kind.type for kind in kinds],
        [kind.floor for kind in kinds],
    )


def _or_null(column: Sequence[object]) -> Sequence[object] | None:
    """NULL for a column of nothing but NULL: the function reads it the same, and it need not be sent."""
    return None if all(value is None for value in column) else column


def _written(batch: Batch, rows: Sequence[Sequence[Any]]) -> Written:
    looked_up = rows[0][4]
    return Written(
        outcomes=[Outcome(outcome, number, account, available) for outcome, number, account, available, _ in rows],
        looked_up=dict(zip(batch.positions, looked_up, strict=True)) if looked_up else {},
    )


async def hold(
    session: Session,
    account: AccountRef,
    kind: AccountKind,
    *,
    key: str,
    input_hash: bytes,
    amount: int,
    expires_at: datetime | None,
    metadata: str | None,
) -> Outcome:
    """Set money aside."""
    rows = await session.execute(
        _HOLD,
        {
            "owner_kind": account.owner_kind, "owner_id": account.owner_id or HOUSE, "code": account.code,
            "unit": account.unit, "type": kind.type, "floor": kind.floor, "key": key, "hash": input_hash,
            "amount": amount, "expires_at": expires_at, "metadata": metadata,
        },
    )  # fmt: skip
    return Outcome(*rows.one())


async def release(session: Session, holds: Sequence[int], ending: str, expired_by: datetime | None) -> list[int]:
    """End those of `holds` that are open (and, for `expired`, due); returns the ones it ended."""
    rows = await session.execute(_RELEASE, {"holds": list(holds), "ending": ending, "expired_by": expired_by})
    return list(rows.scalars())


async def close_account(session: Session, account: AccountRef) -> bool:
    """Close an account; False while it is in use."""
    rows = await session.execute(
        _CLOSE,
        {
            "owner_kind": account.owner_kind,
            "owner_id": account.owner_id or HOUSE,
            "code": account.code,
            "unit": account.unit,
        },
    )
    return bool(rows.scalar_one())


async def forget_refusals(session: Session) -> int:
    """Delete the refusals that were remembered long enough; returns how many."""
    return int((await session.execute(_FORGET)).scalar_one())


async def ensure_partitions(session: Session, months_ahead: int) -> list[str]:
    """Make the partitions of this month and the next; returns the names of the new ones."""
    return list((await session.execute(_PARTITIONS, {"months": months_ahead})).scalars())
