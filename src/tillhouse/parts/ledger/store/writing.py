"""Calls of the SQL functions that alone may write the ledger."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from tillhouse.kernel.db import Database, Session, call
from tillhouse.kernel.errors import TransientError
from tillhouse.kernel.text import N_
from tillhouse.parts.ledger.domain import AccountKind, AccountRef, Chart

_NEVER = ("22", "23")  # SQLSTATE: a value that cannot be stored, a constraint that forbids it
HOUSE = UUID(int=0)  # stands for "no owner" in a column that is part of a unique key


class KnownAccount:
    """What a process knows of an account: its line of the chart, its name as text, and its id once one was learnt."""

    __slots__ = ("id", "kind", "ref", "text")

    def __init__(self, ref: AccountRef, kind: AccountKind) -> None:
        self.ref = ref
        self.kind = kind
        self.text = str(ref)
        self.id: int | None = None


class KnownAccounts:
    """The accounts that this process has posted to, with their ids. They never change, so that nothing is ever stale.

    An id is learnt only after its account has committed. It spares `ledger.post` the look-up by name, which is a third
    of its work in a bulk; the function compares the names all the same. Full, it begins anew: these are about 60 MB.
    """

    def __init__(self, chart: Chart, most: int = 2**17) -> None:
        self._chart = chart
        self._most = most
        self._known: dict[AccountRef, KnownAccount] = {}

    def account(self, ref: AccountRef) -> KnownAccount:
        """What is known of the account. Raises `UnknownAccount` when no line of the chart covers it."""
        found = self._known.get(ref)
        if found is None:
            found = self._known[ref] = KnownAccount(ref, self._chart.account_kind(ref))
        return found

    def make_room(self) -> None:
        """Forget everything when it is too much. Only before a call is put together: in it an account is one object."""
        if len(self._known) >= self._most:
            self._known.clear()

    def learn(self, ids: Mapping[AccountRef, int]) -> None:
        """Remember what a call has looked up. Call it after the commit."""
        for ref, number in ids.items():
            self.account(ref).id = number


@dataclass(slots=True)
class Batch:
    """Postings as the columns that `ledger.post` takes; legs name the distinct `accounts` by position, from 1."""

    accounts: dict[KnownAccount, int] = field(default_factory=dict)
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

    def account_at(self, position: int) -> AccountRef:
        """The account that a leg, or an outcome, names by its position."""
        return next(known.ref for known, place in self.accounts.items() if place == position)

    def put_in_order(self) -> list[int] | None:
        """The accounts' ids, when all are known; their positions are then in the order of the ids."""
        ids = [known.id for known in self.accounts]
        if None in ids:
            return None
        accounts = sorted(self.accounts, key=_id_of)
        moved = [0] * (len(accounts) + 1)
        for new, known in enumerate(accounts, 1):
            moved[self.accounts[known]] = new
        self.accounts = {known: new for new, known in enumerate(accounts, 1)}
        self.leg_accounts = [moved[position] for position in self.leg_accounts]
        return [_id_of(known) for known in accounts]


def _id_of(known: KnownAccount) -> int:
    assert known.id is not None
    return known.id


class Outcome(NamedTuple):
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


async def post(session: Session, batch: Batch, *, all_or_nothing: bool, remember_refusals: bool = False) -> Written:
    """Write the postings in the session's transaction."""
    return _written(batch, await call(session, _POST, *_columns(batch), all_or_nothing, remember_refusals))


async def post_at_once(database: Database, batch: Batch) -> Written:
    """Write the postings in a transaction of their own, committed when this returns; refusals are remembered.

    Raises `TransientError` when the database was away or would not, and nobody knows whether they were written: the
    same keys again tell; `DBAPIError` when it cannot take what one of them holds: nothing was written, nor will be.
    """
    try:
        rows = await database.call(_POST, *_columns(batch), False, True)
    except (DBAPIError, OSError) as error:
        if str(getattr(getattr(error, "orig", None), "sqlstate", "")).startswith(_NEVER):
            raise
        raise TransientError(N_("The books could not be reached. Send the same again: it is written once.")) from error
    return _written(batch, rows)


def _columns(batch: Batch) -> Sequence[object]:
    ids = batch.put_in_order()
    return (
        *account_columns([known.ref for known in batch.accounts], [known.kind for known in batch.accounts]),
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
    return None if column.count(None) == len(column) else column


def _written(batch: Batch, rows: Sequence[Sequence[Any]]) -> Written:
    looked_up = rows[0][4]
    return Written(
        outcomes=[Outcome(outcome, number, account, available) for outcome, number, account, available, _ in rows],
        looked_up=dict(zip([known.ref for known in batch.accounts], looked_up, strict=True)) if looked_up else {},
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
