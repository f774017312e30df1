"""Billing's door for other modules.

A product provides `Plan`s and `PointsPackage`s. Work that it charges: `price` is its own; `reserve_work` before,
`capture_work` at the true cost, `release_work` when it failed. Use of models that it sells: a `PaidPurpose` for each.
What a plan allows: `quota_of`, then `use_quota`.
All take the caller's session, and the owner's zone where a day or a month is meant.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from tillhouse.kernel import clock
from tillhouse.kernel.db import ReadSession, Session
from tillhouse.kernel.errors import NotFound
from tillhouse.kernel.house import House
from tillhouse.kernel.money import Money
from tillhouse.kernel.paging import cut, decode_id
from tillhouse.kernel.text import N_
from tillhouse.parts.billing import store
from tillhouse.parts.billing.domain import (
    Coupon,
    CouponRefused,
    Discount,
    InvoiceState,
    Owner,
    State,
    Tax,
    counter_of,
    organisation,
    person,
    window_of,
)
from tillhouse.parts.billing.domain.periods import WindowKind
from tillhouse.parts.billing.domain.subscriptions import LIVE, SERVED
from tillhouse.parts.billing.flows import How, begin_payment, receipt_pdf
from tillhouse.parts.billing.ports import PaidPurpose, Plan, PointsPackage, Price, Quota
from tillhouse.parts.billing.service import charging, coupons, giving_back, invoices, offers, subscribing, work
from tillhouse.parts.billing.service.books import POINTS, lock_owner, owner_of, points_of
from tillhouse.parts.billing.service.coupons import discount_of
from tillhouse.parts.billing.service.invoices import NotOpen
from tillhouse.parts.billing.service.models_paid import PointsMissing
from tillhouse.parts.billing.service.offers import TermsChanged
from tillhouse.parts.billing.service.subscribing import AlreadySubscribed
from tillhouse.parts.billing.service.views import (
    ChargeView,
    InvoiceView,
    SubscriptionView,
    charge_view,
    invoice_view,
    subscription_view,
)
from tillhouse.parts.billing.service.work import CapView, QuotaReached, SpendCapReached, WorkEnded
from tillhouse.parts.billing.store import coupons as coupon_store
from tillhouse.parts.billing.store import work as work_store
from tillhouse.parts.ledger import api as ledger

__all__ = [
    "POINTS",
    "AlreadySubscribed",
    "CapView",
    "ChargeView",
    "Coupon",
    "CouponRefused",
    "Discount",
    "How",
    "InvoiceState",
    "InvoiceView",
    "NotOpen",
    "Owner",
    "PaidPurpose",
    "Plan",
    "PointsMissing",
    "PointsPackage",
    "Price",
    "Quota",
    "QuotaReached",
    "QuotaUse",
    "SpendCapReached",
    "State",
    "SubscriptionView",
    "Tax",
    "TermsChanged",
    "WorkEnded",
    "begin_payment",
    "buy_points",
    "cancel",
    "caps_of",
    "capture_work",
    "change_plan",
    "charges",
    "coupons_made",
    "discount_of",
    "end_coupon",
    "give_back_quota",
    "give_back_work",
    "grant_points",
    "invoice",
    "invoices_of",
    "is_being_charged",
    "make_coupon",
    "open_lots",
    "organisation",
    "packages",
    "pay_from_wallet",
    "person",
    "plans",
    "points_of",
    "price_after",
    "quota_of",
    "quota_used",
    "receipt_pdf",
    "release_work",
    "reserve_work",
    "resume",
    "returnable",
    "served_plan",
    "set_cap",
    "subscribe",
    "subscription",
    "subscriptions",
    "subscriptions_of",
    "use_quota",
]


@dataclass(frozen=True, slots=True)
class QuotaUse:
    """How much of a quota is used in the present window, and when it begins anew."""

    used: int
    limit: int
    resets_at: datetime

    @property
    def left(self) -> int:
        return max(self.limit - self.used, 0)


def plans(house: House) -> Sequence[Plan]:
    """The plans on offer, by family and rank."""
    return offers.plans(house)


def packages(house: House) -> Sequence[PointsPackage]:
    """The packages of points on offer, the smallest first."""
    return offers.packages(house)


async def subscribe(
    session: Session,
    owner: Owner,
    *,
    plan: str,
    currency: str,
    months: int,
    zone: str,
    coupon: str | None = None,
    pays_from_wallet: bool = True,
) -> tuple[SubscriptionView, InvoiceView | None]:
    """Begin a subscription; the invoice is what has to be paid for it to start, None with a trial.

    Raises `NotFound`, `InvalidInput`, `CouponRefused`, `AlreadySubscribed`.
    """
    row, due = await subscribing.subscribe(
        session,
        owner,
        plan=plan,
        currency=currency,
        months=months,
        zone=zone,
        coupon=coupon,
        pays_from_wallet=pays_from_wallet,
    )
    return subscription_view(row), invoice_view(due) if due else None


async def change_plan(
    session: Session, owner: Owner, subscription_id: UUID, *, plan: str, months: int
) -> tuple[SubscriptionView, InvoiceView | None]:
    """Change to a plan of the same family: upwards once the invoice is paid, else (None) from the next period on.

    Raises `NotFound`, `InvalidInput`, `Conflict`.
    """
    row, due = await subscribing.change_plan(session, owner, subscription_id, plan=plan, months=months)
    return subscription_view(row), invoice_view(due) if due else None


async def cancel(session: Session, owner: Owner, subscription_id: UUID, *, at_once: bool = False) -> SubscriptionView:
    """End a subscription with the time that is paid for, or at once. Raises `NotFound`."""
    return subscription_view(await subscribing.cancel(session, owner, subscription_id, at_once=at_once))


async def resume(session: Session, owner: Owner, subscription_id: UUID) -> SubscriptionView:
    """Take a cancellation back before it took effect. Raises `NotFound`, `Conflict`."""
    return subscription_view(await subscribing.resume(session, owner, subscription_id))


async def subscription(session: ReadSession, owner: Owner | None, subscription_id: UUID) -> SubscriptionView:
    """One subscription: of `owner`, or (None, for staff) of anyone. Raises `NotFound`."""
    row = await store.subscription(session, subscription_id)
    if row is None or (owner is not None and Owner(row.owner_kind, row.owner_id) != owner):
        raise NotFound(N_("There is no such subscription."))
    return subscription_view(row)


async def subscriptions_of(session: ReadSession, owner: Owner) -> Sequence[SubscriptionView]:
    """Every subscription of an owner, newest first."""
    return [subscription_view(row) for row in await store.subscriptions_of(session, owner)]


async def subscriptions(
    session: ReadSession, *, live_only: bool, limit: int, cursor: str | None
) -> tuple[Sequence[SubscriptionView], str | None]:
    """Subscriptions of everyone, newest first, and the cursor of the next page: for staff."""
    before = decode_id(cursor) if cursor else None
    rows = await store.subscriptions(session, states=sorted(LIVE) if live_only else (), before=before, limit=limit + 1)
    shown, next_cursor = cut(rows, limit, lambda row: (str(row.id),))
    return [subscription_view(row) for row in shown], next_cursor


async def served_plan(session: ReadSession, owner: Owner, family: str) -> Plan | None:
    """The plan whose service an owner has now: paid for, on trial, or asked to pay. None: no plan of that family."""
    row = await store.live_subscription(session, owner, family)
    if row is None or State(row.state) not in SERVED:
        return None
    return offers.plan_of(session, row.plan, row.plan_version)


async def invoice(session: ReadSession, owner: Owner | None, invoice_id: UUID) -> InvoiceView:
    """One invoice: of `owner`, or (None, for staff) of anyone. Raises `NotFound`."""
    row = await store.invoice(session, invoice_id)
    if row is None or (owner is not None and owner_of(row) != owner):
        raise NotFound(N_("There is no such invoice."))
    return invoice_view(row)


async def is_being_charged(session: ReadSession, invoice_id: UUID) -> bool:
    """Whether a kept card is being charged for an invoice, with nothing known yet of what becomes of that."""
    return await charging.under_way(session, await store.invoice(session, invoice_id))


async def invoices_of(
    session: ReadSession, owner: Owner, *, limit: int, cursor: str | None
) -> tuple[Sequence[InvoiceView], str | None]:
    """An owner's invoices, newest first, and the cursor of the next page."""
    before = decode_id(cursor) if cursor else None
    rows = await store.invoices_of(session, owner, before=before, limit=limit + 1)
    shown, next_cursor = cut(rows, limit, lambda row: (str(row.id),))
    return [invoice_view(row) for row in shown], next_cursor


async def returnable(session: ReadSession, invoice_id: UUID) -> giving_back.Returnable:
    """What of an invoice can be given back now, and the points that go with it. Raises `NotFound`."""
    row = await store.invoice(session, invoice_id)
    if row is None:
        raise NotFound(N_("There is no such invoice."))
    return await giving_back.returnable(session, row)


async def pay_from_wallet(session: Session, owner: Owner, invoice_id: UUID) -> InvoiceView:
    """Pay an open invoice with money in the owner's wallet; one that is paid already is returned as it is.

    Raises `NotFound`, `NotOpen`, and the ledger's `InsufficientFunds`.
    """
    row = await store.invoice(session, invoice_id)
    if row is not None and owner_of(row) == owner and row.state == InvoiceState.PAID:
        return invoice_view(row)
    return invoice_view(await invoices.pay(session, invoice_id, owner=owner))


async def buy_points(
    session: Session, owner: Owner, *, package: str, currency: str, coupon: str | None = None
) -> InvoiceView:
    """An invoice for a package of points: they are there once it is paid. Raises `NotFound`, `InvalidInput`,
    `CouponRefused`.
    """
    wanted = offers.package_offered(session, package)
    terms = await offers.terms_of_package(session, wanted, currency)
    await lock_owner(session, owner, currency)
    code = coupons.normal(coupon) if coupon else None
    row = await invoices.write(session, owner, terms, coupon=code)
    if not row.total:
        await invoices.settle(session, None, row, None)
    return invoice_view(row)


async def grant_points(
    session: Session, owner: Owner, amount: Money, *, source: ledger.LotSource, days: int | None, key: str
) -> ledger.Lot:
    """Give points that nothing was paid for; `days` None: they do not end. The same key gives them once."""
    return await invoices.grant(session, owner, amount, source=source, days=days, key=key)


async def reserve_work(
    session: Session,
    owner: Owner,
    most: Money,
    *,
    key: str,
    action: str,
    price_version: int,
    zone: str,
    lasts: timedelta | None = None,
) -> ChargeView:
    """Set points aside for work that may cost `most`; the same key and input once.

    Raises `SpendCapReached`, `Conflict`, and the ledger's `InsufficientFunds`.
    """
    return charge_view(
        await work.reserve(
            session, owner, most, key=key, action=action, price_version=price_version, zone=zone, lasts=lasts
        )
    )


async def capture_work(session: Session, charge_id: UUID, cost: Money) -> ChargeView:
    """Charge what the work did cost and free the rest. Raises `NotFound`, `WorkEnded`, `CaptureNotCovered`."""
    return charge_view(await work.capture(session, charge_id, cost))


async def release_work(session: Session, charge_id: UUID) -> ChargeView:
    """Free what was set aside for work that did not happen. Raises `NotFound`, `WorkEnded`."""
    return charge_view(await work.release(session, charge_id))


async def give_back_work(session: Session, charge_id: UUID, amount: Money, *, key: str) -> ChargeView:
    """Give points back for work that was charged. Raises `NotFound`, `WorkEnded`, `RefundTooLarge`."""
    return charge_view(await work.give_back(session, charge_id, amount, key=key))


async def charges(
    session: ReadSession, owner: Owner, *, limit: int, cursor: str | None
) -> tuple[Sequence[ChargeView], str | None]:
    """An owner's charges, newest first, and the cursor of the next page."""
    before = decode_id(cursor) if cursor else None
    rows = await work_store.charges_of(session, owner, before=before, limit=limit + 1)
    shown, next_cursor = cut(rows, limit, lambda row: (str(row.id),))
    return [charge_view(row) for row in shown], next_cursor


async def open_lots(
    session: ReadSession, owner: Owner, *, limit: int, cursor: str | None
) -> tuple[Sequence[ledger.Lot], str | None]:
    """An owner's points that are left, those that end soonest first, and the cursor of the next page."""
    after = ledger.place_in(cursor)
    found = await ledger.lots_by_expiry(session, account=points_of(owner), limit=limit + 1, after=after)
    return cut(found, limit, ledger.place_of)


async def set_cap(session: Session, owner: Owner | None, most: Money, window: WindowKind) -> None:
    """The most that may be spent in a calendar `day` or `month`: by one owner, or (None) by the whole house."""
    await work.set_cap(session, owner, most, window)


async def caps_of(session: ReadSession, owner: Owner | None, *, zone: str) -> Sequence[CapView]:
    """The limits of an owner, or (None) of the whole house, and what is spent of them: those that are set."""
    return [one for one in await work.caps_of(session, owner, POINTS, zone) if one.most is not None]


async def quota_of(session: ReadSession, owner: Owner, family: str, metric: str, *, free: Quota) -> Quota:
    """The quota of the owner's plan for a metric; `free` for who has no plan, or one that says nothing of it."""
    plan = await served_plan(session, owner, family)
    return plan.quotas.get(metric, free) if plan else free


async def use_quota(session: Session, owner: Owner, metric: str, quota: Quota, *, zone: str, amount: int = 1) -> int:
    """Count `amount` more; returns what is left. Raises `QuotaReached`."""
    return await work.use_quota(session, owner, metric, quota, zone=zone, amount=amount)


async def give_back_quota(
    session: Session, owner: Owner, metric: str, quota: Quota, *, zone: str, amount: int = 1
) -> None:
    """Count `amount` less: what it was counted for did not happen."""
    await work.give_back_quota(session, owner, metric, quota, zone=zone, amount=amount)


async def quota_used(session: ReadSession, owner: Owner, metric: str, quota: Quota, *, zone: str) -> QuotaUse:
    """How much is used now: shown before the action."""
    now = clock.now()
    used = await work_store.used(session, owner, metric, counter_of(now, quota.window, zone))
    return QuotaUse(used, quota.limit, window_of(now, quota.window, zone).end)


async def make_coupon(session: Session, coupon: Coupon, *, by: UUID | None) -> None:
    """Make a coupon. Raises `Conflict` for a code that is taken."""
    await coupons.make(session, coupon, by=by)


async def end_coupon(session: Session, code: str) -> Coupon:
    """Let nobody redeem a coupon any more; who did keeps what it gives. Raises `CouponRefused` for an unknown one."""
    return await coupons.end(session, code, clock.now())


async def price_after(session: ReadSession, owner: Owner, coupon: str, offer: str, price: Money) -> Money:
    """What an owner would pay for an offer with a coupon now. Raises `CouponRefused`."""
    return await coupons.price_after(session, coupon, owner, offer, price)


async def coupons_made(session: ReadSession, *, limit: int, after: str | None = None) -> Sequence[Coupon]:
    """Coupons by code: for staff."""
    return [coupons.coupon_of(row) for row in await coupon_store.coupons(session, limit=limit, after=after)]
