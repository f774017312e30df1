"""The driver's home: the wallet, what is left of the work, the last movements."""

from typing import Annotated
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from tillhouse.kernel import clock
from tillhouse.kernel.access import Principal, require
from tillhouse.kernel.http import Read
from tillhouse.kernel.text import N_
from tillhouse.kernel.web import formats
from tillhouse.kernel.web.charts import Chart, Series
from tillhouse.kernel.web.deps import Pages
from tillhouse.kernel.web.i18n import gettext, ngettext
from tillhouse.parts.wallets import api as wallets
from tillhouse.products.drivopay import service
from tillhouse.products.drivopay.domain import UNIT, rupees
from tillhouse.products.drivopay.pages.movements import detail_of
from tillhouse.products.drivopay.service import Overview

router = APIRouter()
Driver = Annotated[Principal, Depends(require("drivopay.read"))]

_SHOWN = 5


@router.get("/home")
async def home(request: Request, session: Read, pages: Pages, me: Driver) -> Response:
    """What a driver wants to know first."""
    work = await service.overview(session, me.person_id)
    shown = {
        "greeting": _greeting(me.display_name, await service.zone_of(session, me.person_id)),
        "today": work.today.on,
        "wallet": await wallets.wallet_of(session, me.person_id, UNIT),
        "movements": await wallets.movements(session, me.person_id, UNIT, limit=_SHOWN),
        "detail_of": detail_of,
        "work": work,
        **_figures(work),
    }
    return pages.render_page(request, "drivopay/home.html", shown)


def _greeting(name: str, zone: str) -> str:
    hour = clock.now().astimezone(ZoneInfo(zone)).hour
    first = name.split(maxsplit=1)[0] if name.split() else ""
    if not first:
        return gettext(N_("Hello"))
    if 4 <= hour < 12:
        return gettext(N_("Good morning, {name}"), name=first)
    if 12 <= hour < 17:
        return gettext(N_("Good afternoon, {name}"), name=first)
    return gettext(N_("Good evening, {name}"), name=first)


def _figures(work: Overview) -> dict[str, object]:
    today, month = work.today, work.month
    change = work.week_change
    return {
        "today_net": rupees(today.net),
        "today_note": _trips(today.trips, today.minutes) if today.trips else gettext(N_("nothing written down yet")),
        "week_net": rupees(work.week.net),
        "week_note": _week_note(work),
        "week_trend": "" if change is None else "good" if change >= 0 else "bad",
        "week_icon": "" if change is None else "trending-up" if change >= 0 else "trending-down",
        "per_hour": None if month.net_per_hour is None else rupees(month.net_per_hour),
        "per_km": None if month.net_per_km is None else rupees(month.net_per_km),
        "month_note": gettext(
            N_("{earned} earned, {spent} spent, {net} left"),
            earned=formats.money(rupees(month.earned)),
            spent=formats.money(rupees(month.spent)),
            net=formats.money(rupees(month.net)),
        ),
        "chart": _chart(work),
    }


def _week_note(work: Overview) -> str:
    if work.week_change is None:
        return gettext(N_("nothing to compare with yet"))
    change = f"{work.week_change:+d}".replace("-", "−")
    return gettext(N_("{change}% on the same days of last week"), change=change)


def _trips(trips: int, minutes: int) -> str:
    counted = ngettext("{count} trip", "{count} trips", trips)
    return f"{counted} · {minutes // 60}:{minutes % 60:02d} h" if minutes else counted


def _chart(work: Overview) -> Chart:
    days = work.chart
    return Chart(
        title=gettext(N_("Earned, day by day")),
        label_title=gettext(N_("Day")),
        labels=[formats.short_day(day.on) for day in days],
        series=[Series(gettext(N_("Earned")), [day.earned for day in days])],
        unit=UNIT,
    )
