"""What staff and machines do: coupons, points that nobody paid for, spend caps. All of it is audited."""

from typing import Annotated
from uuid import UUID

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
from tillhouse.parts.billing.service import giving, work
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
    """Give points to a person or an organisation."""
    owner = _owner(body.person_id, body.organisation_id)
    if owner is None:
        raise _one_of_two(N_("Say who gets them: a person, or an organisation."))
    who = granter.made_by or granter.id
    lot = await giving.give(
        session,
        granter,
        owner,
        Money.parse(body.points, api.POINTS),
        source=body.source,
        days=body.days,
        reason=body.reason,
        key=f"{who}:{key}",
    )
    return schemas.GrantOut(
        person_id=body.person_id,
        organisation_id=body.organisation_id,
        points=str(lot.granted),
        expires_at=lot.expires_at,
    )


@points.get("/caps")
async def list_caps(
    session: Read, granter: Granter, person_id: UUID | None = None, organisation_id: UUID | None = None
) -> list[schemas.CapOut]:
    """The limits of a person, of an organisation, or (none named) of everyone together, and what is spent of them."""
    owner = _owner(person_id, organisation_id)
    return [_cap_out(owner, one) for one in await api.caps_of(session, owner, zone=granter.zone)]


@points.put("/caps", dependencies=[Depends(rate_limit("60/minute"))])
async def set_cap(session: Write, granter: Granter, body: schemas.CapIn) -> schemas.CapOut:
    """The most points that may be spent in a calendar day or month: by a person, an organisation, or everyone."""
    owner = _owner(body.person_id, body.organisation_id)
    most = Money.parse(body.points, api.POINTS) if body.points is not None else None
    await giving.limit(session, granter, owner, most, body.window)
    every = await work.caps_of(session, owner, api.POINTS, granter.zone)
    return _cap_out(owner, next(one for one in every if one.window == body.window))


def _owner(person_id: UUID | None, organisation_id: UUID | None) -> api.Owner | None:
    """Whom a request is about; None: nobody is named. Raises `InvalidInput` for two."""
    if person_id and organisation_id:
        raise _one_of_two(N_("Name a person or an organisation, not both."))
    if organisation_id:
        return api.organisation(organisation_id)
    return api.person(person_id) if person_id else None


def _one_of_two(message: str) -> InvalidInput:
    return InvalidInput(message, errors=[FieldError("/organisation_id", "one_of_two", message)])


def _cap_out(owner: api.Owner | None, cap: api.CapView) -> schemas.CapOut:
    return schemas.CapOut(
        person_id=owner.id if owner and owner.kind == "person" else None,
        organisation_id=owner.id if owner and owner.kind == "organisation" else None,
        points=str(cap.most) if cap.most is not None else None,
        window=cap.window,
        spent=str(cap.spent),
        resets_at=cap.resets_at,
    )
