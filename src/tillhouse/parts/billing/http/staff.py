"""What staff and machines do: coupons, points that nobody paid for, spend caps. All of it is audited."""

from typing import Annotated

from fastapi import APIRouter, Depends

from tillhouse.kernel.access import Principal, require
from tillhouse.kernel.errors import FieldError, InvalidInput
from tillhouse.kernel.http import Read, Write
from tillhouse.kernel.idempotency import IdempotentRoute, RequiredKey
from tillhouse.kernel.limits import rate_limit
from tillhouse.kernel.money import Money
from tillhouse.kernel.text import N_
from tillhouse.parts.billing import api, schemas
from tillhouse.parts.billing.http.shapes import coupon_out
from tillhouse.parts.identity import api as identity

Seller = Annotated[Principal, Depends(require("billing.sell"))]
Granter = Annotated[Principal, Depends(require("billing.grant"))]

coupons = APIRouter(prefix="/subscriptions/coupons", route_class=IdempotentRoute)
points = APIRouter(prefix="/points", route_class=IdempotentRoute)


@coupons.get("")
async def list_coupons(session: Read, _seller: Seller) -> list[schemas.CouponOut]:
    """Every coupon, by code."""
    return [coupon_out(one) for one in await api.coupons_made(session, limit=1000)]


@coupons.post("", status_code=201, dependencies=[Depends(rate_limit("60/minute"))])
async def make_coupon(session: Write, seller: Seller, body: schemas.CouponIn) -> schemas.CouponOut:
    """Make a coupon."""
    coupon = api.Coupon(
        code=body.code.strip().upper(),
        discount=api.discount_of(percent=body.percent, amount=body.amount, currency=body.currency),
        offers=tuple(body.offers),
        starts_at=body.starts_at,
        ends_at=body.ends_at,
        most=body.most,
        redeemed=0,
        once_per_owner=body.once_per_owner,
        periods=body.periods,
    )
    await api.make_coupon(session, coupon, by=seller.made_by or seller.id)
    await identity.audit(session, seller, "billing.coupon", f"coupon:{coupon.code}", {"offers": list(coupon.offers)})
    return coupon_out(coupon)


@coupons.post("/{code}/end", dependencies=[Depends(rate_limit("60/minute"))])
async def end_coupon(session: Write, seller: Seller, code: str) -> schemas.CouponOut:
    """Let nobody redeem a coupon any more."""
    ended = await api.end_coupon(session, code)
    await identity.audit(session, seller, "billing.coupon_ended", f"coupon:{ended.code}", {})
    return coupon_out(ended)


@points.post("/grants", status_code=201, dependencies=[Depends(rate_limit("60/minute"))])
async def grant(session: Write, granter: Granter, key: RequiredKey, body: schemas.GrantIn) -> schemas.GrantOut:
    """Give points to a person."""
    amount = Money.parse(body.points, api.POINTS)
    owner = api.person(body.person_id)
    who = granter.made_by or granter.id
    lot = await api.grant_points(session, owner, amount, source=body.source, days=body.days, key=f"{who}:{key}")
    details = {"points": str(amount), "source": body.source, "reason": body.reason}
    await identity.audit(session, granter, "billing.grant", f"person:{body.person_id}", {**details})
    return schemas.GrantOut(person_id=body.person_id, points=str(lot.granted), expires_at=lot.expires_at)


@points.put("/caps", dependencies=[Depends(rate_limit("60/minute"))])
async def set_cap(session: Write, granter: Granter, body: schemas.CapIn) -> schemas.CapOut:
    """The most points that may be spent in a calendar day or month, by a person or by everyone."""
    amount = Money.parse(body.points, api.POINTS)
    if amount.minor < 0:
        message = N_("A limit is not below zero.")
        raise InvalidInput(message, errors=[FieldError("/points", "bad_amount", message)])
    owner = api.person(body.person_id) if body.person_id else None
    await api.set_cap(session, owner, amount, body.window)
    whom = f"person:{body.person_id}" if body.person_id else "house"
    await identity.audit(session, granter, "billing.cap", whom, {"points": str(amount), "window": body.window})
    return schemas.CapOut(person_id=body.person_id, points=str(amount), window=body.window)
