"""Payments' door for other modules.

A product that sells something provides a `Purpose`, starts an order with `start_order`, and takes the money from the
buyer's wallet in the purpose's `on_settled`. Functions that take a `House` call a provider: no transaction may be open.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from tillhouse.kernel.access import Principal
from tillhouse.kernel.db import JsonObject, ReadSession, Session, house_of
from tillhouse.kernel.house import House
from tillhouse.kernel.money import Money
from tillhouse.kernel.paging import cut, decode_id
from tillhouse.parts.identity import api as identity
from tillhouse.parts.payments import store
from tillhouse.parts.payments.domain import (
    BankAccount,
    Destination,
    NameMatch,
    OrderState,
    PayeeState,
    PayoutState,
    StripeAccount,
    ThaiBankAccount,
    Vpa,
    destination_from,
    order_sentence,
    payout_sentence,
)
from tillhouse.parts.payments.flows.deposits import (
    CheckoutProof,
    NotThisPayment,
    checkout_of,
    start_order,
    verify_checkout,
)
from tillhouse.parts.payments.flows.payouts import withdraw
from tillhouse.parts.payments.ports import BadSignature, CheckoutScript, Purpose, Refused, SettledPayment
from tillhouse.parts.payments.service import payees, registry
from tillhouse.parts.payments.service.deposits import WALLET_DEPOSIT
from tillhouse.parts.payments.service.guards import OverVelocity, PayeeCooling, PayeeRefused
from tillhouse.parts.payments.service.orders import NewOrder, OverLimit, order_for
from tillhouse.parts.payments.service.payees import NewPayee, TooManyPayees
from tillhouse.parts.payments.service.payouts import needs_step_up, payout_for
from tillhouse.parts.payments.service.reviews import approvals_needed
from tillhouse.parts.payments.service.views import (
    OrderView,
    PayeeView,
    PaymentView,
    PayoutView,
    ReviewView,
    order_view,
    payee_view,
    payment_view,
    payout_view,
    review_view,
)
from tillhouse.parts.payments.service.withdrawals import SavedPayee, start_withdrawal
from tillhouse.parts.payments.settings import PaymentsSettings, PayoutGuards
from tillhouse.parts.payments.store import payees as payee_store

__all__ = [
    "BadSignature",
    "BankAccount",
    "CheckoutProof",
    "CheckoutScript",
    "Destination",
    "Limits",
    "NameMatch",
    "NewOrder",
    "NotThisPayment",
    "OrderState",
    "OrderView",
    "OverLimit",
    "OverVelocity",
    "PayeeCooling",
    "PayeeRefused",
    "PayeeState",
    "PayeeView",
    "PaymentException",
    "PaymentView",
    "PayoutState",
    "PayoutView",
    "Purpose",
    "Receipt",
    "Refused",
    "ReviewView",
    "SavedPayee",
    "SettledPayment",
    "StripeAccount",
    "ThaiBankAccount",
    "TooManyPayees",
    "Vpa",
    "WaitingPayout",
    "add_payee",
    "checkout_of",
    "destination_from",
    "exceptions",
    "limits",
    "needs_step_up",
    "order",
    "order_sentence",
    "orders_of",
    "parked_events",
    "payees_of",
    "payout",
    "payout_sentence",
    "payouts",
    "payouts_of",
    "proof_from_checkout",
    "receipt",
    "remove_payee",
    "start_deposit",
    "start_order",
    "start_withdrawal",
    "verify_checkout",
    "withdraw",
]


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a receipt says: who paid what, for what (`title` is a message id), when, and under which numbers."""

    order: OrderView
    payment: PaymentView
    paid_by: str
    title: str


@dataclass(frozen=True, slots=True)
class PaymentException:
    """Something that a person has to look at."""

    id: UUID
    kind: str
    subject: str
    reason: str
    details: JsonObject
    opened_at: datetime


@dataclass(frozen=True, slots=True)
class Limits:
    """What may be paid in and out at once, in one currency: said to people before they try."""

    deposit_least: Money
    deposit_most: Money
    withdrawal_least: Money
    withdrawal_most: Money
    withdrawal_daily: Money
    step_up_above: Money
    new_account_most: Money
    new_account_hours: int


@dataclass(frozen=True, slots=True)
class WaitingPayout:
    """A payout as staff see it: with what was decided about it, and how many have to approve it."""

    payout: PayoutView
    decisions: Sequence[ReviewView]
    approvals_needed: int


def limits(house: House, unit: str) -> Limits:
    """The limits of this house in `unit`."""
    found, guards = house.settings_of(PaymentsSettings), house.settings_of(PayoutGuards)
    return Limits(
        deposit_least=Money(found.deposit_min, unit),
        deposit_most=Money(found.deposit_max, unit),
        withdrawal_least=Money(found.withdrawal_min, unit),
        withdrawal_most=Money(found.withdrawal_max, unit),
        withdrawal_daily=Money(found.withdrawal_daily, unit),
        step_up_above=Money(found.withdrawal_step_up_above, unit),
        new_account_most=Money(guards.amount(guards.cooling_above, unit), unit),
        new_account_hours=guards.cooling_hours,
    )


async def start_deposit(house: House, person_id: UUID, amount: Money, *, request_key: str) -> OrderView:
    """An order that adds money to the person's wallet. The same `request_key` (a form's) gives the same order.

    Raises `OverLimit`, `InvalidInput`, `Conflict`, `Refused`, `TransientError`.
    """
    wish = NewOrder(
        owner_kind="person", owner_id=person_id, amount=amount, purpose=WALLET_DEPOSIT, request_key=request_key
    )
    return await start_order(house, wish)


def proof_from_checkout(fields: Mapping[str, str]) -> CheckoutProof | None:
    """The proof in what Razorpay's checkout posts to a page, or None when it posts something else (a failure)."""
    wanted = ("razorpay_order_id", "razorpay_payment_id", "razorpay_signature")
    if not all(fields.get(name) for name in wanted):
        return None
    return CheckoutProof("razorpay", *(fields[name] for name in wanted))


async def order(session: ReadSession, order_id: UUID, *, person_id: UUID | None = None) -> OrderView:
    """One order; with `person_id` only that person's. Raises `NotFound`."""
    return order_view(await order_for(session, order_id, owner=_owner(person_id)))


async def payout(session: ReadSession, payout_id: UUID, *, person_id: UUID | None = None) -> PayoutView:
    """One payout; with `person_id` only that person's. Raises `NotFound`."""
    return payout_view(await payout_for(session, payout_id, owner=_owner(person_id)))


async def orders_of(
    session: ReadSession, person_id: UUID, *, limit: int = 20, cursor: str | None = None
) -> tuple[Sequence[OrderView], str | None]:
    """A person's orders, newest first, and the cursor of the next page."""
    rows = await store.orders_of(session, "person", person_id, limit=limit + 1, before=_before(cursor))
    page, next_cursor = cut([order_view(row) for row in rows], limit, lambda view: (str(view.id),))
    return page, next_cursor


async def payouts_of(
    session: ReadSession, person_id: UUID, *, limit: int = 20, cursor: str | None = None
) -> tuple[Sequence[PayoutView], str | None]:
    """A person's payouts, newest first, and the cursor of the next page."""
    rows = await store.payouts_of(session, "person", person_id, limit=limit + 1, before=_before(cursor))
    page, next_cursor = cut([payout_view(row) for row in rows], limit, lambda view: (str(view.id),))
    return page, next_cursor


async def payouts(
    session: ReadSession, state: PayoutState | None = None, *, limit: int = 20, cursor: str | None = None
) -> tuple[Sequence[WaitingPayout], str | None]:
    """Everybody's payouts for staff, the oldest first, and the cursor of the next page."""
    rows = await payee_store.all_payouts(session, state, limit=limit + 1, after=_before(cursor))
    page, next_cursor = cut(rows, limit, lambda row: (str(row.id),))
    reviews = await payee_store.reviews_of(session, [row.id for row in page])
    return [
        WaitingPayout(
            payout_view(row),
            [review_view(review) for review in reviews if review.payout_id == row.id],
            approvals_needed(session, row),
        )
        for row in page
    ], next_cursor


async def add_payee(session: Session, principal: Principal, to: Destination) -> PayeeView:
    """Save an account of the caller's; the bank is asked whose it is, where its provider can.

    Raises `TooManyPayees`.
    """
    wish = NewPayee("person", principal.person_id, to, principal.display_name)
    return payee_view(await payees.add_payee(session, wish), house_of(session).vault)


async def remove_payee(session: Session, person_id: UUID, payee_id: UUID) -> None:
    """Take an account off a person's list; payouts on their way there go on. Raises `NotFound`."""
    await payees.remove_payee(session, ("person", person_id), payee_id)


async def payees_of(
    session: ReadSession, person_id: UUID, *, limit: int = 20, cursor: str | None = None
) -> tuple[Sequence[PayeeView], str | None]:
    """A person's saved accounts, the newest first, and the cursor of the next page."""
    rows = await payee_store.payees_of(session, "person", person_id, limit=limit + 1, before=_before(cursor))
    vault = house_of(session).vault
    return cut([payee_view(row, vault) for row in rows], limit, lambda view: (str(view.id),))


async def receipt(session: ReadSession, order_id: UUID, *, person_id: UUID | None = None) -> Receipt | None:
    """The receipt of a paid order; None while nothing has been paid. Raises `NotFound`."""
    row = await order_for(session, order_id, owner=_owner(person_id))
    paid = [payment for payment in await store.payments_of_order(session, row.id) if payment.captured_at]
    if not paid:
        return None
    person = await identity.person(session, row.owner_id) if row.owner_kind == "person" else None
    known = registry.purpose(house_of(session), row.purpose)
    return Receipt(
        order_view(row), payment_view(paid[0]), person.name if person else "", known.title if known else row.purpose
    )


async def exceptions(session: ReadSession, *, limit: int = 100) -> list[PaymentException]:
    """What waits for a person, newest first."""
    rows = await store.open_exceptions(session, limit=limit)
    return [PaymentException(row.id, row.kind, row.subject, row.reason, row.details, row.opened_at) for row in rows]


async def parked_events(session: ReadSession, *, limit: int = 100) -> list[tuple[str, str, str, str]]:
    """Events that were put aside, newest first: provider, event id, name, reason."""
    rows = await store.parked_events(session, limit=limit)
    return [(row.provider, row.event_id, row.name, row.reason or "") for row in rows]


def _owner(person_id: UUID | None) -> tuple[str, UUID] | None:
    return None if person_id is None else ("person", person_id)


def _before(cursor: str | None) -> UUID | None:
    return None if cursor is None else decode_id(cursor)
