"""Coupons for staff: seen, made, ended."""

from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Annotated
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field, StringConstraints

from tillhouse.kernel import clock
from tillhouse.kernel.access import Principal, require
from tillhouse.kernel.db import JsonObject
from tillhouse.kernel.errors import DomainError
from tillhouse.kernel.house import House
from tillhouse.kernel.http import Read, TheHouse, Write
from tillhouse.kernel.limits import rate_limit
from tillhouse.kernel.web.deps import FromOurPage, Pages, TheWeb
from tillhouse.kernel.web.forms import Form
from tillhouse.kernel.web.i18n import gettext
from tillhouse.kernel.web.toasts import Toast, redirect
from tillhouse.parts.billing import api
from tillhouse.parts.billing.schemas import CouponCode
from tillhouse.parts.identity import api as identity

_LIST = "/console/billing/coupons"

router = APIRouter(prefix=_LIST)
Staff = Annotated[Principal, Depends(require("billing.read"))]
Seller = Annotated[Principal, Depends(require("billing.sell"))]
_POST = [FromOurPage, Depends(rate_limit("30/minute"))]


class NewCoupon(BaseModel):
    """A coupon to make: a share or an amount off. `offers` blank: for everything; `periods` blank: for ever."""

    code: CouponCode
    percent: Annotated[str, StringConstraints(pattern=r"^\d{1,3}(\.\d{1,2})?$")] | None = None
    amount: str | None = Field(default=None, max_length=24)
    currency: Annotated[str, StringConstraints(to_upper=True, min_length=3, max_length=3)] | None = None
    offers: list[str] = Field(default=[], max_length=50)
    ends_on: date | None = None
    most: int | None = Field(default=None, ge=1, le=10_000_000)
    periods: int | None = Field(default=None, ge=1, le=120)
    once_per_owner: bool = False


@router.get("")
async def coupons(request: Request, session: Read, house: TheHouse, *, staff: Staff, pages: Pages) -> Response:
    """Every coupon."""
    found = await api.coupons_made(session, limit=500)
    shares = {one.code: Decimal(one.discount.basis_points or 0) / 10_000 for one in found}
    ended = {one.code for one in found if one.ends_at and one.ends_at <= clock.now()}
    values = {"coupons": found, "shares": shares, "ended": ended, "may_sell": staff.may("billing.sell")}
    return pages.render_page(request, "billing/console_coupons.html", {**values, "titles": dict(_offered(house))})


@router.get("/new")
async def ask(request: Request, house: TheHouse, _seller: Seller, pages: Pages) -> Response:
    """The form of a new coupon."""
    return _page(request, house, pages, Form.blank(NewCoupon, once_per_owner=True, periods=1))


@router.post("/new", dependencies=_POST)
async def make(
    request: Request, session: Write, house: TheHouse, *, seller: Seller, pages: Pages, web: TheWeb
) -> Response:
    """Make a coupon."""
    form = await Form.read(request, NewCoupon)
    if not form.is_valid:
        return _page(request, house, pages, form)
    try:
        async with session.begin_nested():
            coupon = _coupon(form.data, seller.zone)
            await api.make_coupon(session, coupon, by=seller.person_id)
            details: JsonObject = {"offers": list(coupon.offers)}
            await identity.audit(session, seller, "billing.coupon", f"coupon:{coupon.code}", details)
    except DomainError as refusal:
        form.refuse(refusal)
        return _page(request, house, pages, form)
    said = Toast(gettext("The coupon is made"), gettext("Whoever knows its code can use it."))
    return redirect(request, _LIST, said, secure=web.secure)


@router.post("/{code}/end", dependencies=_POST)
async def end(request: Request, session: Write, seller: Seller, web: TheWeb, code: str) -> Response:
    """Let nobody redeem a coupon any more."""
    ended = await api.end_coupon(session, code)
    await identity.audit(session, seller, "billing.coupon_ended", f"coupon:{ended.code}", {})
    said = Toast(gettext("The coupon has ended"), gettext("Whoever has used it keeps what it gives."))
    return redirect(request, _LIST, said, secure=web.secure)


def _coupon(typed: NewCoupon, zone: str) -> api.Coupon:
    """The coupon that was typed. It ends with its last day where its maker is. Raises `InvalidInput`."""
    ends_at = None
    if typed.ends_on:
        ends_at = datetime.combine(typed.ends_on + timedelta(days=1), time(), ZoneInfo(zone))
    return api.Coupon(
        code=typed.code.strip().upper(),
        discount=api.discount_of(percent=typed.percent, amount=typed.amount, currency=typed.currency),
        offers=tuple(typed.offers),
        starts_at=None,
        ends_at=ends_at,
        most=typed.most,
        redeemed=0,
        once_per_owner=typed.once_per_owner,
        periods=typed.periods,
    )


def _page(request: Request, house: House, pages: Pages, form: Form[NewCoupon]) -> Response:
    return pages.render_form(request, "billing/console_coupon.html", form, {"offered": _offered(house)})


def _offered(house: House) -> list[tuple[str, str]]:
    """Everything on sale: codes and message ids."""
    plans = [(plan.code, plan.title) for plan in api.plans(house)]
    return plans + [(package.code, package.title) for package in api.packages(house)]
