"""The wallet: what is available, held and pending, and every movement with filters."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from babel.dates import format_date
from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from pydantic import BaseModel
from starlette.datastructures import FormData

from tillhouse.kernel import clock
from tillhouse.kernel.access import Principal, require
from tillhouse.kernel.db import ReadSession
from tillhouse.kernel.errors import InvalidInput
from tillhouse.kernel.http import Read, TheHouse
from tillhouse.kernel.limits import rate_limit
from tillhouse.kernel.text import N_
from tillhouse.kernel.web.deps import Pages
from tillhouse.kernel.web.downloads import pdf_download
from tillhouse.kernel.web.forms import Form, Option
from tillhouse.kernel.web.i18n import gettext, reader
from tillhouse.kernel.web.sheets import csv_in_bites
from tillhouse.parts.wallets import api as wallets
from tillhouse.products.drivopay import service
from tillhouse.products.drivopay.domain import UNIT
from tillhouse.products.drivopay.pages.movements import Filter, detail_of, kinds_of, narrowed, page
from tillhouse.products.drivopay.schemas import BusinessDate, Month

router = APIRouter()
Driver = Annotated[Principal, Depends(require("drivopay.read"))]

_PAGE = 20


class FilterForm(BaseModel):
    """The filter as it stands in the address."""

    direction: Literal["in", "out"] | None = None
    kind: str | None = None
    first: BusinessDate | None = None
    last: BusinessDate | None = None


@router.get("/wallet")
async def movements(
    request: Request, session: Read, pages: Pages, house: TheHouse, me: Driver, *, cursor: str | None = None
) -> Response:
    """Every movement, newest first. A filter that cannot be read is shown with what is wrong, and nothing filtered."""
    form = Form.parse(FormData(dict(request.query_params)), FilterForm)
    wanted = Filter(**form.data.model_dump()) if form.is_valid else Filter()
    zone = await service.zone_of(session, me.person_id)
    shown, following = await page(session, me.person_id, wanted, zone=zone, limit=_PAGE, cursor=cursor)
    context = {
        "wallet": await wallets.wallet_of(session, me.person_id, UNIT),
        "movements": shown,
        "detail_of": detail_of,
        "following": following,
        "cursor": cursor,
        "filtered": bool(wanted),
        "directions": [Option("in", gettext(N_("Money in"))), Option("out", gettext(N_("Money out")))],
        "kinds": kinds_of(house),
        "months": _months(clock.business_date(clock.now(), zone)),
    }
    return pages.render_form(request, "drivopay/wallet.html", form, context)


@router.get("/wallet/statement.pdf", dependencies=[Depends(rate_limit("30/minute"))])
async def statement(house: TheHouse, me: Driver, month: Month | None = None) -> Response:
    """A month of the wallet on paper, by the driver's clock; this month where none is named."""
    async with house.database.reading() as session:
        zone = await service.zone_of(session, me.person_id)
    first = date.fromisoformat(f"{month}-01") if month else None
    who = replace(reader(), zone=zone)
    paper = await wallets.statement_pdf_of(house, me.person_id, UNIT, first, who, brand="DrivoPay", accent="drivopay")
    return pdf_download(f"drivopay-{month or 'statement'}", paper)


def _months(today: date) -> list[Option]:
    """This month and the eleven before it."""
    firsts, first = [], today.replace(day=1)
    for _ in range(12):
        firsts.append(first)
        first = (first - timedelta(days=1)).replace(day=1)
    return [Option(f"{one:%Y-%m}", format_date(one, "LLLL yyyy", locale=reader().locale)) for one in firsts]


@router.get("/wallet.csv", dependencies=[Depends(rate_limit("30/minute"))])
async def movements_csv(request: Request, session: Read, house: TheHouse, me: Driver) -> Response:
    """What the filter shows, all of it, for a spreadsheet. Raises `InvalidInput` for a filter that cannot be read."""
    form = Form.parse(FormData(dict(request.query_params)), FilterForm)
    if not form.is_valid:
        raise InvalidInput(N_("Some fields need another look."))
    zone = await service.zone_of(session, me.person_id)
    wanted = narrowed(Filter(**form.data.model_dump()), zone)

    async def bite(fresh: ReadSession, before: int | None) -> tuple[Sequence[Sequence[object]], int | None]:
        return await wallets.movement_rows(
            fresh, me.person_id, UNIT, wanted, before=before, zone=ZoneInfo(zone), say=gettext
        )

    return csv_in_bites("wallet", wallets.MOVEMENT_COLUMNS, house.database, bite)
