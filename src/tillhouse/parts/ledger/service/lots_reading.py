"""What lots are there, what they are worth, and what became of them. None of it takes a lock."""

from collections.abc import Sequence
from datetime import datetime

from tillhouse.kernel import clock
from tillhouse.kernel.db import ReadSession
from tillhouse.kernel.errors import InvalidInput, NotFound
from tillhouse.kernel.money import Money
from tillhouse.kernel.paging import decode_cursor
from tillhouse.kernel.text import N_
from tillhouse.parts.ledger.domain import AccountRef
from tillhouse.parts.ledger.domain.lots import Lot, LotMovement, LotMovementKind, LotsSummary, LotValue, Part, summarise
from tillhouse.parts.ledger.store import lots as store


async def lots_of(
    session: ReadSession, account: AccountRef, *, limit: int = 100, before: int | None = None
) -> Sequence[Lot]:
    """The newest `limit` lots of `account` granted before the lot `before`, newest first, spent ones too."""
    return await store.lots_of(session, account, limit=limit, before=before)


async def lots_by_expiry(
    session: ReadSession,
    *,
    limit: int,
    after: tuple[datetime | None, int] | None = None,
    account: AccountRef | None = None,
) -> Sequence[Lot]:
    """Lots of `account`, or (None) of all accounts, that have something left, those that end soonest first.

    For the next page `after` is the last one's end and id.
    """
    return await store.lots_by_expiry(session, account, limit=limit, after=after)


def place_of(lot: Lot) -> tuple[str, int]:
    """The place of a lot in the order of `lots_by_expiry`, for a cursor."""
    return lot.expires_at.isoformat() if lot.expires_at else "", lot.id


def place_in(cursor: str | None) -> tuple[datetime | None, int] | None:
    """The end and number of the lot behind a cursor. Raises `InvalidInput` for one that we did not give out."""
    if not cursor:
        return None
    ends, number = decode_cursor(cursor, (str, int))
    try:
        return (datetime.fromisoformat(str(ends)) if ends else None), int(number)
    except ValueError:
        raise InvalidInput(N_("This cursor is not one of ours: start again without it.")) from None


async def count_ending_lots(session: ReadSession, by: datetime) -> int:
    """How many lots that have something left end by then."""
    return await store.count_ending_lots(session, by)


async def lot(session: ReadSession, lot_id: int) -> Lot:
    """One lot, spent or not. Raises `NotFound`."""
    found = await store.lot(session, lot_id)
    if found is None:
        raise NotFound(N_("There is no such lot."))
    return found


async def granted_by(session: ReadSession, transaction_id: int) -> Lot | None:
    """The lot that a transaction granted; None for every other transaction."""
    return await store.lot(session, transaction_id)


async def lots_summary(session: ReadSession, account: AccountRef) -> LotsSummary:
    """What `account` can spend now, by source, and what of it ends next."""
    return summarise(account, await store.open_lots(session, account), clock.now())


async def lot_movements(session: ReadSession, lot_id: int) -> Sequence[LotMovement]:
    """What was taken from a lot and given back to it, oldest first."""
    return await store.movements(session, lot_id=lot_id, transaction_id=None)


async def lots_moved_by(session: ReadSession, transaction_id: int) -> Sequence[LotMovement]:
    """What a transaction took from lots or gave back, in that order; nothing for a grant or any other."""
    return await store.movements(session, lot_id=None, transaction_id=transaction_id)


async def lots_reserved_by(session: ReadSession, hold_id: int) -> Sequence[Part]:
    """What a hold has pinned, in the order in which it is spent. Only an open hold keeps it."""
    return await store.pins(session, hold_id)


async def lot_value(session: ReadSession, *, unit: str | None = None) -> Sequence[LotValue]:
    """What the house owes now for unspent lots that were paid for, by source, unit and currency: its liability."""
    return await store.value(session, unit)


async def lot_revenue(
    session: ReadSession, *, since: datetime, until: datetime
) -> Sequence[tuple[LotMovementKind, Money]]:
    """The value that stopped being owed by what was recorded in [since, until), by kind of movement and currency.

    `spend` is earned, `expire` is breakage, `refund` takes back what was earned. Over all time it and `lot_value` sum
    to the prices of the lots, to the last minor unit.
    """
    return await store.revenue(session, since, until)
