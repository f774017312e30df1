"""Coupons: made by staff, taken off an invoice, counted."""

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from tillhouse.kernel import clock
from tillhouse.kernel.db import ReadSession, Session
from tillhouse.kernel.errors import Conflict, FieldError, InvalidInput
from tillhouse.kernel.money import Money
from tillhouse.kernel.text import N_
from tillhouse.parts.billing.domain import Coupon, Discount, Owner
from tillhouse.parts.billing.domain.coupons import refused
from tillhouse.parts.billing.models import CouponRow, RedemptionRow
from tillhouse.parts.billing.service.offers import Terms
from tillhouse.parts.billing.store import coupons as store


async def make(session: Session, coupon: Coupon, *, by: UUID | None) -> None:
    """Make a coupon. Raises `Conflict` for a code that is taken."""
    amount = coupon.discount.amount
    if await store.coupon(session, coupon.code):
        raise Conflict(N_("There is a coupon with this code: choose another one."))
    session.add(
        CouponRow(
            code=coupon.code,
            basis_points=coupon.discount.basis_points,
            amount=amount.minor if amount else None,
            currency=amount.unit if amount else None,
            offers=list(coupon.offers),
            starts_at=coupon.starts_at,
            ends_at=coupon.ends_at,
            most=coupon.most,
            redeemed=0,
            once_per_owner=coupon.once_per_owner,
            periods=coupon.periods,
            made_by=by,
            made_at=clock.now(),
        )
    )
    await session.flush()


async def end(session: Session, code: str, at: datetime) -> Coupon:
    """Let nobody redeem a coupon from then on. Raises `CouponRefused` for an unknown one."""
    row = await store.lock_coupon(session, normal(code))
    if row is None:
        raise refused("unknown", N_("There is no such coupon."))
    row.ends_at = at
    await session.flush()
    return coupon_of(row)


async def take_off(session: Session, code: str, owner: Owner, terms: Terms, *, again: bool) -> Money:
    """What a coupon takes off, its row locked. `again`: it was redeemed for an earlier period, perhaps of another plan.

    Raises `CouponRefused`.
    """
    row = await store.lock_coupon(session, code)
    if row is None:
        raise refused("unknown", N_("There is no such coupon."))
    found = coupon_of(row)
    if again:
        found.check_offer(terms.code)
    else:
        found.check(terms.code, clock.now(), used_before=await store.was_redeemed_by(session, code, owner))
    return found.discount.off(terms.price)


async def price_after(session: ReadSession, code: str, owner: Owner, offer: str, price: Money) -> Money:
    """What an owner would pay for an offer with a coupon now: shown before they choose. Raises `CouponRefused`."""
    row = await store.coupon(session, normal(code))
    if row is None:
        raise refused("unknown", N_("There is no such coupon."))
    found = coupon_of(row)
    found.check(offer, clock.now(), used_before=await store.was_redeemed_by(session, row.code, owner))
    return price - found.discount.off(price)


def discount_of(*, percent: str | None, amount: str | None, currency: str | None) -> Discount:
    """A discount as somebody wrote it: a share in per cent, or an amount of a currency. Raises `InvalidInput`."""
    if (percent is None) == (amount is None):
        message = N_("Say a share or an amount, one of them.")
        raise InvalidInput(message, errors=[FieldError("/percent", "one_of_two", message)])
    if percent is not None:
        share = int(Decimal(percent) * 100)
        if not 0 < share <= 10_000:
            message = N_("A share is above 0 and at most 100 per cent.")
            raise InvalidInput(message, errors=[FieldError("/percent", "out_of_range", message)])
        return Discount(basis_points=share)
    if currency is None:
        message = N_("Say which currency the amount is in.")
        raise InvalidInput(message, errors=[FieldError("/currency", "missing", message)])
    off = Money.parse(amount or "", currency)
    if off.minor <= 0:
        message = N_("An amount off is above zero.")
        raise InvalidInput(message, errors=[FieldError("/amount", "bad_amount", message)])
    return Discount(amount=off)


async def redeem(session: Session, code: str, owner: Owner, invoice_id: UUID) -> None:
    """Count a coupon that `take_off` has locked and checked."""
    row = await store.lock_coupon(session, code)
    assert row is not None
    row.redeemed += 1
    session.add(
        RedemptionRow(
            invoice_id=invoice_id, coupon=code, owner_kind=owner.kind, owner_id=owner.id, redeemed_at=clock.now()
        )
    )
    await session.flush()


def normal(code: str) -> str:
    """A code as it is kept: however it was typed."""
    return code.strip().upper()


def coupon_of(row: CouponRow) -> Coupon:
    """The coupon in a row."""
    amount = Money(row.amount, row.currency) if row.amount is not None and row.currency else None
    return Coupon(
        code=row.code,
        discount=Discount(row.basis_points, amount),
        offers=tuple(row.offers),
        starts_at=row.starts_at,
        ends_at=row.ends_at,
        most=row.most,
        redeemed=row.redeemed,
        once_per_owner=row.once_per_owner,
        periods=row.periods,
    )
