"""What others see of subscriptions, invoices and charges: no row leaves."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from tillhouse.kernel.money import Money
from tillhouse.kernel.text import N_
from tillhouse.parts.billing.domain import Facts, InvoiceState, Owner, State
from tillhouse.parts.billing.models import ChargeRow, InvoiceRow, SubscriptionRow

_NONE = timedelta()


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionView:
    """A subscription. `sentence` is a message id that says what its state means for its owner."""

    id: UUID
    owner: Owner
    family: str
    plan: str
    plan_version: int
    currency: str
    months: int
    state: State
    sentence: str
    paid_until: datetime
    ends_at_period_end: bool
    next_plan: str | None
    next_months: int | None
    pays_from_wallet: bool
    begun_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceView:
    """Something to be paid for, or that was. `total` includes `tax`."""

    id: UUID
    owner: Owner
    subscription_id: UUID | None
    offer: str
    offer_version: int
    months: int | None
    price: Money
    discount: Money
    credit: Money
    total: Money
    tax: Money
    tax_name: str | None
    tax_basis_points: int
    coupon: str | None
    state: InvoiceState
    period_start: datetime | None
    period_end: datetime | None
    payment_id: UUID | None
    given_back: Money
    written_at: datetime
    paid_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargeView:
    """Work that is paid in points: what was set aside, what it did cost, what of that was given back."""

    id: UUID
    owner: Owner
    action: str
    price_version: int
    reserved: Money
    captured: Money
    given_back: Money
    state: str
    reserved_at: datetime
    expires_at: datetime
    ended_at: datetime | None


_SENTENCES = {
    State.PENDING: N_("Waiting for its first payment."),
    State.TRIALING: N_("On trial: nothing is charged yet."),
    State.ACTIVE: N_("Active."),
    State.PAST_DUE: N_("The last payment has not come in. Everything goes on working: please pay soon."),
    State.GRACE: N_("The last payment has not come in. This is about to end: pay to keep it."),
    State.CANCELLED: N_("Cancelled."),
    State.EXPIRED: N_("Ended, because it was not paid for."),
}


def facts_of(
    row: SubscriptionRow,
    asked: int | None,
    *,
    charging: bool = False,
    notice: timedelta = _NONE,
    lapses_at: datetime | None = None,
) -> Facts:
    """What the rules of subscriptions ask about."""
    return Facts(
        state=State(row.state),
        begun_at=row.begun_at,
        paid_until=row.paid_until,
        ends_at_period_end=row.ends_at_period_end,
        asked=asked,
        charging=charging,
        notice=notice,
        lapses_at=lapses_at,
    )


def subscription_view(row: SubscriptionRow) -> SubscriptionView:
    """A subscription as others see it."""
    return SubscriptionView(
        id=row.id,
        owner=Owner(row.owner_kind, row.owner_id),
        family=row.family,
        plan=row.plan,
        plan_version=row.plan_version,
        currency=row.currency,
        months=row.months,
        state=State(row.state),
        sentence=_SENTENCES[State(row.state)],
        paid_until=row.paid_until,
        ends_at_period_end=row.ends_at_period_end,
        next_plan=row.next_plan,
        next_months=row.next_months,
        pays_from_wallet=row.pays_from_wallet,
        begun_at=row.begun_at,
        ended_at=row.ended_at,
    )


def invoice_view(row: InvoiceRow) -> InvoiceView:
    """An invoice as others see it."""

    def amount(minor: int) -> Money:
        return Money(minor, row.currency)

    return InvoiceView(
        id=row.id,
        owner=Owner(row.owner_kind, row.owner_id),
        subscription_id=row.subscription_id,
        offer=row.offer,
        offer_version=row.offer_version,
        months=row.months,
        price=amount(row.price),
        discount=amount(row.discount),
        credit=amount(row.credit),
        total=row.money,
        tax=amount(row.tax),
        tax_name=row.tax_name,
        tax_basis_points=row.tax_basis_points,
        coupon=row.coupon,
        state=InvoiceState(row.state),
        period_start=row.period_start,
        period_end=row.period_end,
        payment_id=row.payment_id,
        given_back=amount(row.refunded + row.tax_refunded),
        written_at=row.written_at,
        paid_at=row.paid_at,
    )


def charge_view(row: ChargeRow) -> ChargeView:
    """A charge as others see it."""
    return ChargeView(
        id=row.id,
        owner=Owner(row.owner_kind, row.owner_id),
        action=row.action,
        price_version=row.price_version,
        reserved=Money(row.reserved, row.unit),
        captured=Money(row.captured, row.unit),
        given_back=Money(row.given_back, row.unit),
        state=row.state,
        reserved_at=row.reserved_at,
        expires_at=row.expires_at,
        ended_at=row.ended_at,
    )
