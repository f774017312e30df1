"""Invoices: written, paid, voided. Whoever pays one gets what it is for in the same transaction."""

from datetime import datetime, timedelta
from uuid import UUID

from tillhouse.kernel import clock
from tillhouse.kernel.db import ReadSession, Session, house_of
from tillhouse.kernel.errors import Conflict, NotFound
from tillhouse.kernel.ids import new_id
from tillhouse.kernel.money import Money
from tillhouse.kernel.text import N_
from tillhouse.kernel.work import emit
from tillhouse.parts.billing import store
from tillhouse.parts.billing.domain import InvoiceState, Owner, Period, State, period_of, tax_within, unused_share
from tillhouse.parts.billing.domain.subscriptions import LIVE, next_look
from tillhouse.parts.billing.events import InvoicePaid, InvoiceWritten, SubscriptionChanged
from tillhouse.parts.billing.models import InvoiceRow, SubscriptionRow
from tillhouse.parts.billing.service import coupons
from tillhouse.parts.billing.service.books import GRANTED, book_sale, lock_owner, owner_of, points_of
from tillhouse.parts.billing.service.offers import Terms, package_of, plan_of
from tillhouse.parts.billing.service.views import facts_of
from tillhouse.parts.billing.settings import BillingSettings
from tillhouse.parts.billing.store import coupons as coupon_store
from tillhouse.parts.ledger import api as ledger

_AT_ONCE = 200
PLAN_POINTS_FIRST, GIFTS_BETWEEN, BOUGHT_POINTS_LATER = (
    0,
    5,
    10,
)  # priorities: what ends with the period is spent before what was bought


class NotOpen(Conflict):
    """Nothing is owed on this invoice: it is paid, or it was given up."""

    code = "invoice_not_open"


async def write(
    session: Session,
    owner: Owner,
    terms: Terms,
    *,
    subscription: SubscriptionRow | None = None,
    coupon: str | None = None,
    used_before: bool = False,
    credit: Money | None = None,
    starts_anew: bool = False,
) -> InvoiceRow:
    """Write an invoice, less what the coupon takes off and what the owner has left of their plan before.

    `used_before` lets a coupon that goes on for several periods apply again. Raises `CouponRefused`.
    """
    now, nothing = clock.now(), Money(0, terms.price.unit)
    invoice_id = new_id()
    discount = nothing
    if coupon:
        discount = await coupons.take_off(session, coupon, owner, terms, again=used_before)
    left = min(credit or nothing, terms.price - discount)
    total = terms.price - discount - left
    row = InvoiceRow(
        id=invoice_id,
        owner_kind=owner.kind,
        owner_id=owner.id,
        subscription_id=subscription.id if subscription else None,
        offer=terms.code,
        offer_version=terms.version,
        months=terms.months,
        currency=terms.price.unit,
        price=terms.price.minor,
        discount=discount.minor,
        credit=left.minor,
        total=total.minor,
        tax=tax_within(total, terms.tax.basis_points).minor if terms.tax else 0,
        tax_name=terms.tax.name if terms.tax else None,
        tax_basis_points=terms.tax.basis_points if terms.tax else 0,
        coupon=coupon,
        state=InvoiceState.OPEN,
        asked=0,
        starts_anew=starts_anew,
        recognised=0,
        refunded=0,
        tax_refunded=0,
        credited=0,
        earned=False,
        written_at=now,
        updated_at=now,
    )
    session.add(row)
    await session.flush()
    if coupon and not used_before:
        await coupons.redeem(session, coupon, owner, row.id)
    await emit(session, InvoiceWritten(invoice_id=row.id))
    return row


async def pay(session: Session, invoice_id: UUID, *, owner: Owner, payment_id: UUID | None = None) -> InvoiceRow:
    """Take the money out of the owner's wallet and give what was sold, once. Raises `NotFound`, `NotOpen`,
    `InsufficientFunds`.
    """
    known = await store.invoice(session, invoice_id)
    if known is None or owner_of(known) != owner:
        raise NotFound(N_("There is no such invoice."))
    await lock_owner(session, owner, known.currency)
    found = await store.lock_invoice(session, invoice_id)
    assert found is not None, "invoices are never deleted"
    subscription, invoice = found
    if invoice.state != InvoiceState.OPEN or (subscription and State(subscription.state) not in LIVE):
        raise NotOpen(N_("Nothing is to be paid here any more."))
    return await settle(session, subscription, invoice, payment_id)


async def settle(
    session: Session, subscription: SubscriptionRow | None, invoice: InvoiceRow, payment_id: UUID | None
) -> InvoiceRow:
    """`pay`, for rows that are locked, in the order that `lock_owner` begins. Raises `InsufficientFunds`."""
    now = clock.now()
    invoice.transaction_id = await book_sale(session, invoice)
    invoice.state, invoice.paid_at, invoice.updated_at = InvoiceState.PAID, now, now
    invoice.payment_id = payment_id
    invoice.earned = not invoice.net
    if subscription:
        await _extend(session, subscription, invoice)
    else:
        await _give_points(session, invoice)
    await session.flush()
    await emit(session, InvoicePaid(invoice_id=invoice.id))
    return invoice


async def void(session: Session, invoice: InvoiceRow, state: InvoiceState = InvoiceState.VOID) -> None:
    """Nothing is owed on it any more. Its coupon is free again."""
    invoice.state, invoice.updated_at = state, clock.now()
    await session.flush()
    await coupon_store.take_back(session, invoice.id)


async def void_abandoned(session: Session) -> bool:
    """Void what somebody began to buy and did not pay for in BILLING_PATIENCE_HOURS. Returns whether there may be more.

    The first invoice of a plan is given up with it. An order that is under way lapses by itself; what is paid for it
    all the same is in the wallet.
    """
    patience = house_of(session).settings_of(BillingSettings).dunning.patience
    due = await store.lock_abandoned(session, clock.now() - patience, _AT_ONCE)
    for invoice in due:
        await void(session, invoice)
    return len(due) == _AT_ONCE


async def _extend(session: Session, subscription: SubscriptionRow, invoice: InvoiceRow) -> None:
    """The subscription's next period is paid for: from now for a first or changed plan, else after the one before."""
    now = clock.now()
    assert invoice.months is not None
    if invoice.starts_anew:
        await _credit_those_before(session, subscription, invoice)
        subscription.anchor, subscription.periods = now, 0
    elif invoice.months != subscription.months:
        subscription.anchor, subscription.periods = subscription.paid_until, 0
    subscription.plan, subscription.plan_version = invoice.offer, invoice.offer_version
    subscription.months = invoice.months
    if (subscription.next_plan, subscription.next_months) == (invoice.offer, invoice.months):
        subscription.next_plan = subscription.next_plan_version = subscription.next_months = None
    period = period_of(subscription.anchor, subscription.months, subscription.periods, subscription.zone)
    subscription.periods += 1
    invoice.period_start, invoice.period_end = period.start, period.end
    subscription.paid_until = period.end
    subscription.state, subscription.updated_at = State.ACTIVE, now
    if invoice.coupon and subscription.coupon_periods_left is not None:
        subscription.coupon_periods_left = max(subscription.coupon_periods_left - 1, 0)
    look_again(session, subscription, asked=None)
    await session.flush()
    await plan_points(session, invoice)
    await emit(session, SubscriptionChanged(subscription_id=subscription.id))


async def plan_points(session: Session, invoice: InvoiceRow) -> ledger.Lot | None:
    """The points of the period that an invoice paid for: given once, and as they are now when they are asked for again.

    None for a plan without points.
    """
    plan = plan_of(session, invoice.offer, invoice.offer_version)
    if plan.points is None:
        return None
    assert invoice.months is not None and invoice.period_end is not None  # noqa: PT018  one fact
    return await ledger.grant(
        session,
        points_of(owner_of(invoice), plan.points.unit),
        Money(plan.points.minor * invoice.months, plan.points.unit),
        key=f"billing.plan_points:{invoice.id}",
        kind=GRANTED,
        source="promotional",
        expires_at=invoice.period_end if invoice.period_end > clock.now() else None,
        priority=PLAN_POINTS_FIRST,
    )


async def _credit_those_before(session: Session, subscription: SubscriptionRow, invoice: InvoiceRow) -> None:
    """What was left of the plan before has become part of this one's price: it cannot be given back as well."""
    left = invoice.credit
    if not left:
        return
    before = await store.invoices_in_force(session, subscription.id, invoice.written_at)
    for one in before:
        part = min(left, unused_value(one).minor)
        one.credited += part
        left -= part
    before[-1].credited += left  # what was used up since it was counted


async def _give_points(session: Session, invoice: InvoiceRow) -> None:
    package = package_of(session, invoice.offer, invoice.offer_version)
    lot = await ledger.grant(
        session,
        points_of(owner_of(invoice), package.points.unit),
        package.points,
        key=f"billing.points:{invoice.id}",
        kind=GRANTED,
        source="purchased",
        price=invoice.net,
        expires_at=clock.now() + timedelta(days=package.valid_days) if package.valid_days else None,
        priority=BOUGHT_POINTS_LATER,
    )
    invoice.lot_id = lot.id


async def grant(
    session: Session, owner: Owner, amount: Money, *, source: ledger.LotSource, days: int | None, key: str
) -> ledger.Lot:
    """Give points that nothing was paid for; `days` None: they do not end. The same key gives them once."""
    return await ledger.grant(
        session,
        points_of(owner, amount.unit),
        amount,
        key=f"billing.grant:{key}",
        kind=GRANTED,
        source=source,
        expires_at=clock.now() + timedelta(days=days) if days else None,
        priority=BOUGHT_POINTS_LATER if source == "purchased" else GIFTS_BETWEEN,
    )


async def left_of_plan(session: Session, subscription: SubscriptionRow) -> Money:
    """What is left now of all that is paid for of a subscription that is locked: what a change of plan counts."""
    paid = await store.invoices_in_force(session, subscription.id, clock.now())
    return sum((unused_value(one) for one in paid), start=Money(0, subscription.currency))


def lapses_at(session: ReadSession, invoice: InvoiceRow) -> datetime | None:
    """Until when a change of plan can be paid for; None: the invoice is for no change."""
    patience = house_of(session).settings_of(BillingSettings).dunning.patience
    return invoice.written_at + patience if invoice.starts_anew else None


def unused_time(invoice: InvoiceRow) -> Money:
    """What is left now of what an invoice asked for, and was not given back or used as credit before."""
    return _unused(invoice, invoice.money)


def unused_value(invoice: InvoiceRow) -> Money:
    """`unused_time` with what was left of the plan before, which paid for the period as well."""
    return _unused(invoice, invoice.money + Money(invoice.credit, invoice.currency))


def _unused(invoice: InvoiceRow, whole: Money) -> Money:
    nothing = Money(0, invoice.currency)
    if invoice.period_start is None or invoice.period_end is None:
        return nothing
    unused = unused_share(whole, Period(invoice.period_start, invoice.period_end), clock.now())
    return max(unused - Money(invoice.refunded + invoice.tax_refunded + invoice.credited, invoice.currency), nothing)


async def end(session: Session, subscription: SubscriptionRow, state: State) -> None:
    """A subscription is over, as `state` says: nothing is looked at again, and whoever listens hears of it."""
    now = clock.now()
    subscription.state, subscription.updated_at = state, now
    subscription.ended_at, subscription.next_look_at = now, None
    await session.flush()
    await emit(session, SubscriptionChanged(subscription_id=subscription.id))


def look_again(
    session: ReadSession,
    subscription: SubscriptionRow,
    *,
    asked: int | None,
    charging: bool = False,
    notice: timedelta = timedelta(),
    lapses: datetime | None = None,
) -> None:
    """Note when the subscription is due for its next look."""
    dunning = house_of(session).settings_of(BillingSettings).dunning
    facts = facts_of(subscription, asked, charging=charging, notice=notice, lapses_at=lapses)
    subscription.next_look_at = next_look(facts, dunning)
