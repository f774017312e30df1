"""The movements of a driver's wallet, filtered by days of the driver's own clock."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from tillhouse.kernel.db import ReadSession
from tillhouse.kernel.house import House
from tillhouse.kernel.paging import cut, decode_cursor
from tillhouse.kernel.web.forms import Option
from tillhouse.kernel.web.i18n import gettext
from tillhouse.parts.ledger.api import TransactionKind
from tillhouse.parts.wallets import api as wallets
from tillhouse.parts.wallets.api import Direction, Movement, MovementFilter
from tillhouse.products.drivopay.domain import UNIT


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """What to show: nothing said means everything. Days are the driver's own."""

    direction: Direction | None = None
    kind: str | None = None
    first: date | None = None
    last: date | None = None

    def __bool__(self) -> bool:
        return any((self.direction, self.kind, self.first, self.last))


async def page(
    session: ReadSession, person_id: UUID, wanted: Filter, *, zone: str, limit: int, cursor: str | None
) -> tuple[Sequence[Movement], str | None]:
    """A page of movements, newest first, and the cursor of the next. Raises `InvalidInput` for a cursor not ours."""
    asked = narrowed(wanted, zone)
    found = await wallets.movements(
        session,
        person_id,
        UNIT,
        limit=limit + 1,
        before=int(decode_cursor(cursor, (int,))[0]) if cursor else None,
        since=asked.since,
        until=asked.until,
        direction=asked.direction,
        kinds=asked.kinds,
    )
    return cut(found, limit, lambda one: (one.id,))


def narrowed(wanted: Filter, zone: str) -> MovementFilter:
    """The filter as the wallet understands it: a driver's days as instants."""
    return MovementFilter(
        direction=wanted.direction,
        kinds=(wanted.kind,) if wanted.kind else (),
        since=_midnight(wanted.first, zone) if wanted.first else None,
        until=_midnight(wanted.last + timedelta(days=1), zone) if wanted.last else None,
    )


def detail_of(movement: Movement) -> str | None:
    """The driver's page on what a movement came from, if there is one."""
    if payout := movement.about.get("payout"):
        return f"/drivopay/withdraw/{payout}"
    order = movement.about.get("order")
    return f"/drivopay/add-money/{order}" if order and movement.kind == "payments.deposit" else None


def kinds_of(house: House) -> Sequence[Option]:
    """The kinds of movements that a wallet can have, in the reader's language."""
    kinds = [
        kind
        for kind in house.provided(TransactionKind)
        if any(leg.rpartition("/")[2] in ("wallet", "*") for leg in kind.legs)
    ]
    return [Option(kind.name, gettext(kind.title)) for kind in kinds]


def _midnight(day: date, zone: str) -> datetime:
    return datetime.combine(day, time(), ZoneInfo(zone)).astimezone(UTC)
