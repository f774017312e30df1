"""The caller's points, or (with `organisation_id`) an organisation's: what there is, where it came from, what it went
for, and how to buy more.
"""

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from tillhouse.kernel.access import Principal, open_to_all, require
from tillhouse.kernel.http import Read, TheHouse, Write
from tillhouse.kernel.idempotency import IdempotentRoute, RequiredKey
from tillhouse.kernel.limits import rate_limit
from tillhouse.kernel.money import MAX_MINOR, Money
from tillhouse.kernel.paging import MAX_PAGE, Page, cut, decode_cursor
from tillhouse.parts.billing import api, schemas
from tillhouse.parts.billing.http.shapes import For, charge_out, invoice_out, package_out
from tillhouse.parts.billing.service import owners
from tillhouse.parts.ledger import api as ledger

Me = Annotated[Principal, Depends(require("billing.own"))]

router = APIRouter(prefix="/points", route_class=IdempotentRoute)


@router.get("")
async def get_points(session: Read, me: Me, organisation_id: For = None) -> schemas.PointsOut:
    """What can be spent now."""
    found = await ledger.lots_summary(session, api.points_of(await owners.readable(session, me, organisation_id)))
    nothing = Money(0, api.POINTS)
    return schemas.PointsOut(
        unit=api.POINTS,
        available=str(found.total),
        reserved=str(found.reserved),
        purchased=str(found.spendable.get("purchased", nothing)),
        earned=str(found.spendable.get("earned", nothing)),
        promotional=str(found.spendable.get("promotional", nothing)),
        next_expiry=found.next_expiry,
        expiring=str(found.expiring),
    )


@router.get("/lots")
async def list_lots(
    session: Read,
    me: Me,
    *,
    organisation_id: For = None,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 50,
) -> Page[schemas.LotOut]:
    """Points by when they were granted, newest first, spent ones too."""
    before = None
    if cursor is not None:
        (decoded,) = decode_cursor(cursor, [int])
        before = max(0, min(int(decoded), MAX_MINOR))
    account = api.points_of(await owners.readable(session, me, organisation_id))
    found = await ledger.lots_of(session, account, limit=limit + 1, before=before)
    shown, next_cursor = cut(found, limit, lambda lot: (lot.id,))
    return Page(items=[_lot(lot) for lot in shown], next_cursor=next_cursor)


@router.get("/history")
async def list_history(
    session: Read,
    me: Me,
    *,
    organisation_id: For = None,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 50,
) -> Page[schemas.ChargeOut]:
    """What points were set aside and charged for, newest first."""
    owner = await owners.readable(session, me, organisation_id)
    found, next_cursor = await api.charges(session, owner, limit=limit, cursor=cursor)
    return Page(items=[charge_out(one) for one in found], next_cursor=next_cursor)


@router.get("/packages", dependencies=[Depends(open_to_all("prices are public")), Depends(rate_limit("120/minute"))])
async def list_packages(house: TheHouse) -> list[schemas.PackageOut]:
    """Points on offer."""
    return [package_out(package) for package in api.packages(house)]


@router.post("/purchases", status_code=201, dependencies=[Depends(rate_limit("20/minute"))])
async def buy(
    session: Write, me: Me, key: RequiredKey, body: schemas.PurchaseIn, organisation_id: For = None
) -> schemas.InvoiceOut:
    """An invoice for a package: its points are there once it is paid (`/subscriptions/invoices/{id}/pay`)."""
    owner = await owners.usable(session, me, organisation_id)
    invoice = await api.buy_points(session, owner, package=body.package, currency=body.currency, coupon=body.coupon)
    return invoice_out(invoice)


def _lot(lot: ledger.Lot) -> schemas.LotOut:
    return schemas.LotOut(
        id=str(lot.id),
        source=lot.source,
        granted=str(lot.granted),
        remaining=str(lot.remaining),
        reserved=str(lot.reserved),
        price=str(lot.price) if lot.price else None,
        currency=lot.price.unit if lot.price else None,
        expires_at=lot.expires_at,
        granted_at=lot.granted_at,
    )
