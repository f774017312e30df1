"""Calls of the SQL functions that alone may write the ledger."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from sqlalchemy import text

from tillhouse.kernel.db import Session
from tillhouse.parts.ledger.domain import AccountKind, AccountRef

HOUSE = UUID(int=0)  # stands for "no owner" in a column that is part of a unique key


@dataclass(slots=True)
class Accounts:
    """The distinct accounts of a call, as columns; legs name them by position."""

    positions: dict[AccountRef, int] = field(default_factory=dict)
    owner_kinds: list[str] = field(default_factory=list)
    owner_ids: list[UUID] = field(default_factory=list)
    codes: list[str] = field(default_factory=list)
    units: list[str] = field(default_factory=list)
    types: list[str] = field(default_factory=list)
    floors: list[int | None] = field(default_factory=list)

    def position(self, account: AccountRef, kind: AccountKind) -> int:
        """The position of `account`, counted from 1, added when it is new."""
        found = self.positions.get(account)
        if found is None:
            found = self.positions[account] = len(self.positions) + 1
            self.owner_kinds.append(account.owner_kind)
            self.owner_ids.append(account.owner_id or HOUSE)
            self.codes.append(account.code)
            self.units.append(account.unit)
            self.types.append(kind.type)
            self.floors.append(kind.floor)
        return found


@dataclass(slots=True)
class Batch:
    """Postings as the columns that `ledger.post` takes."""

    accounts: Accounts = field(default_factory=Accounts)
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


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one posting or hold: `account` is a position in the call, `available` natural minor units."""

    outcome: str
    number: int | None
    account: int | None
    available: int | None


_POST = text(
    "SELECT outcome, number, account, available FROM ledger.post("
    ":owner_kinds, :owner_ids, :codes, :units, :types, :floors,"
    ":keys, :hashes, :kinds, :effective, :metadata, :reverses, :captures, :leg_postings, :leg_accounts, :leg_amounts)"
)
_HOLD = text(
    "SELECT outcome, number, NULL, available FROM ledger.hold("
    ":owner_kind, :owner_id, :code, :unit, :type, :floor, :key, :hash, :amount, :expires_at, :metadata)"
)
_RELEASE = text("SELECT * FROM ledger.release(:holds, :ending, :expired_by)")
_CLOSE = text("SELECT ledger.close_account(:owner_kind, :owner_id, :code, :unit)")
_PARTITIONS = text("SELECT * FROM ledger.ensure_partitions(:months)")


async def post(session: Session, batch: Batch) -> list[Outcome]:
    """Write the postings; one outcome each, in order."""
    accounts = batch.accounts
    rows = await session.execute(
        _POST,
        {
            "owner_kinds": accounts.owner_kinds, "owner_ids": accounts.owner_ids, "codes": accounts.codes,
            "units": accounts.units, "types": accounts.types, "floors": accounts.floors,
            "keys": batch.keys, "hashes": batch.hashes,
            "kinds": batch.kinds, "effective": batch.effective, "metadata": batch.metadata,
            "reverses": batch.reverses, "captures": batch.captures, "leg_postings": batch.leg_postings,
            "leg_accounts": batch.leg_accounts, "leg_amounts": batch.leg_amounts,
        },
    )  # fmt: skip
    return [Outcome(*row) for row in rows]


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


async def ensure_partitions(session: Session, months_ahead: int) -> list[str]:
    """Make the partitions of this month and the next; returns the names of the new ones."""
    return list((await session.execute(_PARTITIONS, {"months": months_ahead})).scalars())
