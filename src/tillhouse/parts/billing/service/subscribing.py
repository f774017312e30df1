"""Subscriptions: begun, changed, cancelled, resumed, and brought up to date as time passes."""

from datetime import timedelta
from uuid import UUID

from tillhouse.kernel import clock
from tillhouse.kernel.db import Session, house_of
from tillhouse.kernel.errors import Conflict, NotFound
from tillhouse.kernel.ids import new_id
from tillhouse.kernel.text import N_
from tillhouse.kernel.work import emit
from tillhouse.parts.billing import store
from tillhouse.parts.billing.domain import (
    CouponRefused,
    InvoiceState,
    Owner,
    State,
    Step,
    next_step,
    times_to_ask,
)
from tillhouse.parts.billing.domain.subscriptions import LIVE
from tillhouse.parts.billing.events import PaymentAskedFor, SubscriptionChanged
from tillhouse.parts.billing.models import InvoiceRow, SubscriptionRow
from tillhouse.parts.billing.ports import Plan
from tillhouse.parts.billing.service import charging, coupons, invoices
from tillhouse.parts.billing.service.books import lock_owner, wallet_of
from tillhouse.parts.billing.service.offers import Terms, plan_of, plan_offered, terms_of_plan
from tillhouse.parts.billing.service.views import facts_of
from tillhouse.parts.billing.settings import BillingSettings
from tillhouse.parts.billing.store import coupons as coupon_store
from tillhouse.parts.ledger import api as ledger

_MOST_STEPS = 20  # of one subscription in one transaction: more than any pause can make due


class AlreadySubscribed(Conflict):
    """The owner has a live subscription of this family: change it instead."""

    code = "already_subscribed"


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
) -> tuple[SubscriptionRow, InvoiceRow | None]:
    """Begin a subscription: with its trial, when the owner has had none of the family, else with an invoice to pay.

    Raises `NotFound`, `InvalidInput`, `CouponRefused`, `AlreadySubscribed`.
    """
    wanted, now = plan_offered(session, plan), clock.now()
    terms = await terms_of_plan(session, wanted, currency, months)
    await store.lock_owner(session, owner)
    if await store.live_subscription(session, owner, wanted.family):
        raise AlreadySubscribed(N_("You have a plan already: change it instead of beginning another one."))
    await lock_owner(session, owner, currency)
    on_trial = wanted.trial_days > 0 and await store.begin_trial(session, owner, wanted.family, now)
    code = coupons.normal(coupon) if coupon else None
    row = SubscriptionRow(
        id=new_id(),
        owner_kind=owner.kind,
        owner_id=owner.id,
        family=wanted.family,
        plan=wanted.code,
        plan_version=wanted.version,
        currency=currency,
        months=months,
        state=State.TRIALING if on_trial else State.PENDING,
        zone=zone,
        anchor=now + timedelta(days=wanted.trial_days) if on_trial else now,
        periods=0,
        paid_until=now + timedelta(days=wanted.trial_days) if on_trial else now,
        pays_from_wallet=pays_from_wallet,
        ends_at_period_end=False,
        coupon=code,
        coupon_periods_left=None,
        begun_at=now,
        updated_at=now,
    )
    session.add(row)
    await session.flush()
    if code:
        row.coupon_periods_left = await _periods_of(session, code, owner, terms)
    if on_trial:
        invoices.look_again(session, row, asked=None)
        await session.flush()
        await emit(session, SubscriptionChanged(subscription_id=row.id))
        return row, None
    invoice = await invoices.write(session, owner, terms, subscription=row, coupon=code, starts_anew=True)
    invoices.look_again(session, row, asked=0)
    await session.flush()
    if not invoice.total:
        await invoices.settle(session, row, invoice, None)
    return row, invoice


async def change_plan(
    session: Session, owner: Owner, subscription_id: UUID, *, plan: str, months: int
) -> tuple[SubscriptionRow, InvoiceRow | None]:
    """Up: from the moment it is paid, less what is left of the plan before. Down, or for less than what is left: from
    the next period on. Raises `NotFound`, `InvalidInput`, `Conflict`.
    """
    row = await _locked(session, owner, subscription_id)
    if State(row.state) not in (State.ACTIVE, State.TRIALING) or row.paid_until <= clock.now():
        raise Conflict(N_("Pay for this plan first, then change it."))
    if await charging.under_way(session, await store.open_invoice(session, row.id)):
        raise Conflict(N_("Your next payment for this plan is under way: change the plan when it has come in."))
    wanted, present = plan_offered(session, plan), plan_of(session, row.plan, row.plan_version)
    if wanted.family != present.family:
        raise NotFound(N_("There is no such plan."))
    terms = await terms_of_plan(session, wanted, row.currency, months)
    await _void_open(session, row)
    row.ends_at_period_end = False
    credit = await invoices.left_of_plan(session, row)
    if wanted.rank > present.rank and credit < terms.price:
        row.next_plan = row.next_plan_version = row.next_months = None
        invoice = await invoices.write(session, owner, terms, subscription=row, credit=credit, starts_anew=True)
        invoices.look_again(session, row, asked=0, lapses=invoices.lapses_at(session, invoice))
        await session.flush()
        return row, invoice
    same = (wanted.code, wanted.version, months) == (row.plan, row.plan_version, row.months)
    row.next_plan, row.next_plan_version, row.next_months = (
        (None, None, None) if same else (wanted.code, wanted.version, months)
    )
    await _changed(session, row, asked=None)
    return row, None


async def cancel(session: Session, owner: Owner, subscription_id: UUID, *, at_once: bool) -> SubscriptionRow:
    """End it with the time that is paid for, or at once. What is open of it is owed no more; what is paid for another
    period already counts. Repeating it is harmless. Raises `NotFound`.
    """
    row = await _locked(session, owner, subscription_id)
    if State(row.state) not in LIVE:
        return row
    await _void_open(session, row)
    if at_once or row.state == State.PENDING or row.paid_until <= clock.now():
        await invoices.end(session, row, State.CANCELLED)
    else:
        row.ends_at_period_end = True
        row.next_plan = row.next_plan_version = row.next_months = None
        await _changed(session, row, asked=None)
    return row


async def resume(session: Session, owner: Owner, subscription_id: UUID) -> SubscriptionRow:
    """Take back that it ends with its period. Raises `NotFound`, `Conflict` once it has ended."""
    row = await _locked(session, owner, subscription_id)
    if State(row.state) not in LIVE:
        raise Conflict(N_("This plan has ended: begin it anew."))
    if row.ends_at_period_end:
        row.ends_at_period_end = False
        await _changed(session, row, asked=None)
    return row


async def advance(session: Session, subscription_id: UUID) -> None:
    """Bring a subscription up to date, after however long a pause."""
    known = await store.subscription(session, subscription_id)
    if known is None:
        return
    await lock_owner(session, Owner(known.owner_kind, known.owner_id), known.currency)
    row = await store.lock_subscription(session, subscription_id)
    assert row is not None, "subscriptions are never deleted"
    dunning = house_of(session).settings_of(BillingSettings).dunning
    for _ in range(_MOST_STEPS):
        open_one = await store.open_invoice(session, row.id)
        asked, busy = open_one.asked if open_one else None, await charging.under_way(session, open_one)
        notice = await _notice(session, row, open_one)
        lapses = invoices.lapses_at(session, open_one) if open_one else None
        facts = facts_of(row, asked, charging=busy, notice=notice, lapses_at=lapses)
        step = next_step(facts, dunning, clock.now())
        if step is None:
            invoices.look_again(session, row, asked=asked, charging=busy, notice=notice, lapses=lapses)
            break
        await _take(session, row, open_one, step)
    await session.flush()


async def _take(session: Session, row: SubscriptionRow, open_one: InvoiceRow | None, step: Step) -> None:
    match step:
        case "end":
            await _void_open(session, row)
            await invoices.end(session, row, State.CANCELLED)
        case "give_up":
            await _void_open(session, row)
            await invoices.end(session, row, State.EXPIRED)
        case "invoice":
            await _invoice_next(session, row)
        case "ask":
            assert open_one is not None
            await _ask(session, row, open_one)
        case "lapse":
            await _void_open(session, row)
        case "fall_due":
            await _move(session, row, State.PAST_DUE)
        case "begin_grace":
            await _move(session, row, State.GRACE)
        case "expire":
            assert open_one is not None
            await invoices.void(session, open_one, InvoiceState.UNCOLLECTIBLE)
            await invoices.end(session, row, State.EXPIRED)


async def _invoice_next(session: Session, row: SubscriptionRow) -> None:
    plan = _next_plan(session, row)
    terms = await terms_of_plan(session, plan, row.currency, row.next_months or row.months)
    again = row.coupon_periods_left is None or row.coupon_periods_left > 0
    code = row.coupon if row.coupon and again else None
    used_before = code is not None and await coupon_store.was_redeemed_for(session, code, row.id)
    try:
        invoice = await invoices.write(
            session, _owner(row), terms, subscription=row, coupon=code, used_before=used_before
        )
    except CouponRefused:  # it was good when the trial or the plan before began, and is no more
        row.coupon = None
        invoice = await invoices.write(session, _owner(row), terms, subscription=row)
    if not invoice.total:
        await invoices.settle(session, row, invoice, None)


async def _ask(session: Session, row: SubscriptionRow, invoice: InvoiceRow) -> None:
    """Charge the wallet where the owner agreed to that and it is enough, else the card that they keep for it; else
    remind them.
    """
    dunning = house_of(session).settings_of(BillingSettings).dunning
    invoice.asked = max(times_to_ask(row.paid_until, dunning, clock.now()), invoice.asked + 1)
    invoice.updated_at = clock.now()
    await session.flush()
    if await charging.under_way(session, invoice):
        return
    if await _wallet_pays(session, row, invoice):
        await invoices.settle(session, row, invoice, None)
    elif not await charging.begin(session, invoice):
        await emit(session, PaymentAskedFor(invoice_id=invoice.id))


async def _notice(session: Session, row: SubscriptionRow, invoice: InvoiceRow | None) -> timedelta:
    """How long before the paid time ends a renewal is asked for first: what its wallet pays is paid when it is due."""
    if invoice is None or invoice.asked or invoice.starts_anew or await _wallet_pays(session, row, invoice):
        return timedelta()
    return await charging.notice_of(session, invoice)


async def _wallet_pays(session: Session, row: SubscriptionRow, invoice: InvoiceRow) -> bool:
    if not row.pays_from_wallet:
        return False
    wallet = await ledger.balance(session, wallet_of(_owner(row), row.currency))
    return not wallet.available < invoice.money


def _next_plan(session: Session, row: SubscriptionRow) -> Plan:
    if row.next_plan and row.next_plan_version:
        return plan_of(session, row.next_plan, row.next_plan_version)
    return plan_of(session, row.plan, row.plan_version)


async def _periods_of(session: Session, code: str, owner: Owner, terms: Terms) -> int | None:
    """For how many periods a coupon counts, after checking that it applies. Raises `CouponRefused`."""
    await coupons.take_off(session, code, owner, terms, again=False)
    found = await coupon_store.coupon(session, code)
    return found.periods if found else None


async def _locked(session: Session, owner: Owner, subscription_id: UUID) -> SubscriptionRow:
    known = await store.subscription(session, subscription_id)
    if known is None or _owner(known) != owner:
        raise NotFound(N_("There is no such subscription."))
    await lock_owner(session, owner, known.currency)
    row = await store.lock_subscription(session, subscription_id)
    assert row is not None, "subscriptions are never deleted"
    return row


async def _void_open(session: Session, row: SubscriptionRow) -> None:
    invoice = await store.open_invoice(session, row.id)
    if invoice:
        await invoices.void(session, invoice)


async def _move(session: Session, row: SubscriptionRow, state: State) -> None:
    row.state, row.updated_at = state, clock.now()
    await session.flush()
    await emit(session, SubscriptionChanged(subscription_id=row.id))


async def _changed(session: Session, row: SubscriptionRow, *, asked: int | None) -> None:
    row.updated_at = clock.now()
    invoices.look_again(session, row, asked=asked)
    await session.flush()
    await emit(session, SubscriptionChanged(subscription_id=row.id))


def _owner(row: SubscriptionRow) -> Owner:
    return Owner(row.owner_kind, row.owner_id)
