"""What is set aside and what ends: holds by their age, lots by their expiry."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime

from fastapi import APIRouter, Request
from fastapi.responses import Response

from tillhouse.kernel import clock
from tillhouse.kernel.db import ReadSession
from tillhouse.kernel.http import Read, TheHouse
from tillhouse.kernel.paging import cut
from tillhouse.kernel.web.deps import Pages
from tillhouse.kernel.web.sheets import csv_download
from tillhouse.parts.ledger.domain.lots import Lot
from tillhouse.parts.ledger.pages.common import BITE, PAGE, ROOT, Reader, number_in_range, number_of, words
from tillhouse.parts.ledger.service import holding, lots_reading, reading

router = APIRouter()


@router.get(f"{ROOT}/holds")
async def holds(request: Request, session: Read, pages: Pages, _reader: Reader, cursor: str | None = None) -> Response:
    """Open holds, the oldest first."""
    found = await reading.open_holds_by_age(session, limit=PAGE + 1, after=number_of(cursor))
    shown, following = cut(found, PAGE, lambda one: (one.id,))
    context = {
        **await words(session, [one.account for one in shown]),
        "holds": shown,
        "following": following,
        "cursor": cursor,
        "count": await reading.count_open_holds(session, clock.now()),
    }
    return pages.render_page(request, "ledger/holds.html", context)


@router.get(f"{ROOT}/holds.csv")
async def holds_csv(house: TheHouse, _reader: Reader) -> Response:
    """All of them, for a spreadsheet."""

    async def rows(session: ReadSession) -> AsyncIterator[Sequence[object]]:
        after: int | None = None
        while bite := await reading.open_holds_by_age(session, limit=BITE, after=after):
            for one in bite:
                ends = one.expires_at.isoformat() if one.expires_at else ""
                yield one.id, one.created_at.isoformat(), str(one.account), one.account.unit, one.amount, ends
            after = bite[-1].id

    columns = ("hold", "created_at", "account", "unit", "amount", "expires_at")
    return csv_download("holds", columns, house.database, rows)


@router.get(ROOT + "/holds/{hold_id}")
async def hold(request: Request, session: Read, pages: Pages, _reader: Reader, hold_id: int) -> Response:
    """One hold, and what became of it."""
    found = await holding.get_hold(session, number_in_range(hold_id))
    context = {
        **await words(session, [found.account]),
        "hold": found,
        "reserved": await lots_reading.lots_reserved_by(session, found.id),
    }
    return pages.render_page(request, "ledger/hold.html", context)


@router.get(f"{ROOT}/lots")
async def lots(request: Request, session: Read, pages: Pages, _reader: Reader, cursor: str | None = None) -> Response:
    """Lots that have something left, those that end soonest first."""
    found = await lots_reading.lots_by_expiry(session, limit=PAGE + 1, after=lots_reading.place_in(cursor))
    shown, following = cut(found, PAGE, lots_reading.place_of)
    context = {
        **await words(session, [one.account for one in shown]),
        "lots": shown,
        "following": following,
        "cursor": cursor,
        "owed": await lots_reading.lot_value(session),
    }
    return pages.render_page(request, "ledger/lots.html", context)


@router.get(f"{ROOT}/lots.csv")
async def lots_csv(house: TheHouse, _reader: Reader) -> Response:
    """All of them, for a spreadsheet."""

    async def rows(session: ReadSession) -> AsyncIterator[Sequence[object]]:
        after: tuple[datetime | None, int] | None = None
        while bite := await lots_reading.lots_by_expiry(session, limit=BITE, after=after):
            for one in bite:
                yield _cells(one)
            after = bite[-1].expires_at, bite[-1].id

    columns = ("lot", "account", "unit", "source", "granted_at", "granted", "remaining", "reserved", "price",
               "price_unit", "expires_at")  # fmt: skip
    return csv_download("lots", columns, house.database, rows)


@router.get(ROOT + "/lots/{lot_id}")
async def lot(request: Request, session: Read, pages: Pages, _reader: Reader, lot_id: int) -> Response:
    """One lot, and all that was taken from it and given back."""
    found = await lots_reading.lot(session, number_in_range(lot_id))
    context = {
        **await words(session, [found.account]),
        "lot": found,
        "moves": await lots_reading.lot_movements(session, found.id),
    }
    return pages.render_page(request, "ledger/lot.html", context)


def _cells(one: Lot) -> Sequence[object]:
    ends = one.expires_at.isoformat() if one.expires_at else ""
    return (one.id, str(one.account), one.account.unit, one.source, one.granted_at.isoformat(), one.granted,
            one.remaining, one.reserved, one.price or "", one.price.unit if one.price else "", ends)  # fmt: skip
