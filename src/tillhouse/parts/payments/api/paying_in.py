"""Paying in: orders, payments, refunds, receipts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from tillhouse.kernel.db import ReadSession, Session, house_of
from tillhouse.kernel.errors import NotFound
from tillhouse.kernel.house import House
from tillhouse.kernel.money import MAX_MINOR, Money
from tillhouse.kernel.paging import cut
from tillhouse.kernel.text import N_
from tillhouse.parts.ledger import api as ledger
from tillhouse.parts.payments import store
from tillhouse.parts.payments.api.asking import before_of, owner_of
from tillhouse.parts.payments.flows.deposits import (
    CheckoutProof,
    start_order,
)
from tillhouse.parts.payments.flows.receipts import receipt_pdf as _receipt_pdf
from tillhouse.parts.payments.ports import (
    Checkout,
    SettledPayment,
)
from tillhouse.parts.payments.service import refunds as refund_service
from tillhouse.parts.payments.service import transfers
from tillhouse.parts.payments.service.books import account_of
from tillhouse.parts.payments.service.deposits import WALLET_DEPOSIT
from tillhouse.parts.payments.service.orders import (
    NewOrder,
    checkout_in,
    order_for,
    order_in_link,
)
from tillhouse.parts.payments.service.orders import claim_order as _claim_order
from tillhouse.parts.payments.service.receipts import Receipt, receipt_of
from tillhouse.parts.payments.service.views import (
    OrderView,
    PaymentView,
    RefundView,
    order_view,
    payment_view,
    refund_view,
)
from tillhouse.parts.payments.settings import PaymentsSettings, PayoutGuards


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


def limits(house: House, unit: str) -> Limits:
    """The limits of this house in `unit`."""
    found, guards = house.settings_of(PaymentsSettings), house.settings_of(PayoutGuards)
    least, most = found.deposit_range(unit)
    out_least, out_most = found.withdrawal_range(unit)
    return Limits(
        deposit_least=Money(least, unit),
        deposit_most=Money(most, unit),
        withdrawal_least=Money(out_least, unit),
        withdrawal_most=Money(out_most, unit),
        withdrawal_daily=Money(found.withdrawal_daily.within(unit, MAX_MINOR), unit),
        step_up_above=Money(found.withdrawal_step_up_above.within(unit, 0), unit),
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


async def start_refund(
    session: Session,
    payment_id: UUID,
    amount: Money | None,
    *,
    reason: str,
    key: str,
    by: UUID | None,
    advance: bool = False,
    email: str | None = None,
) -> RefundView:
    """Begin to give `amount` of a payment back to its payer (all that is left, for None); the same key does so once.

    With `advance` the house lends what the wallet lacks, as a debt of its owner. `email` is the payer's, for a gateway
    that writes to them (`InvalidInput` at `/email` says that it has to). Raises `NotFound`, `CannotRefund`,
    `InvalidInput`, `Conflict`, what the product's `on_refund` raises, and the ledger's `InsufficientFunds`.
    """
    return refund_view(
        await refund_service.start_refund(
            session, payment_id, amount, reason=reason, key=key, by=by, advance=advance, email=email
        )
    )


async def claim_order(session: Session, order_id: UUID, person_id: UUID) -> OrderView:
    """Make an order of a payer without an account a person's, with its money, when they have confirmed its e-mail
    address. Raises `NotFound` for everybody else.
    """
    return order_view(await _claim_order(session, order_id, person_id))


def paid_into(settled: SettledPayment) -> ledger.AccountRef:
    """The account that a settled payment is in: for a purpose that also sells to payers without an account."""
    return account_of(settled.owner_kind, settled.owner_id, settled.amount.unit)


async def order(session: ReadSession, order_id: UUID, *, person_id: UUID | None = None) -> OrderView:
    """One order; with `person_id` only that person's. Raises `NotFound`."""
    return order_view(await order_for(session, order_id, owner=owner_of(person_id)))


async def orders_of(
    session: ReadSession, person_id: UUID, *, limit: int = 20, cursor: str | None = None
) -> tuple[Sequence[OrderView], str | None]:
    """A person's orders, newest first, and the cursor of the next page."""
    rows = await store.orders_of(session, "person", person_id, limit=limit + 1, before=before_of(cursor))
    page, next_cursor = cut([order_view(row) for row in rows], limit, lambda view: (str(view.id),))
    return page, next_cursor


async def receipt(session: ReadSession, order_id: UUID, *, person_id: UUID | None = None) -> Receipt | None:
    """The receipt of a paid order; None while nothing has been paid. Raises `NotFound`."""
    return await receipt_of(session, order_id, owner=owner_of(person_id))


async def receipt_pdf(house: House, order_id: UUID, *, person_id: UUID | None = None) -> bytes:
    """The receipt of a paid order as PDF, for the reader of this request. Raises `NotFound`."""
    return await _receipt_pdf(house, order_id, owner=owner_of(person_id))


async def order_of_link(session: ReadSession, token: str) -> OrderView:
    """The order that a pay link is of. Raises `NotFound` for a link that is none of ours."""
    return order_view(await order_in_link(session, token))


async def checkout_in_order(session: ReadSession, order_id: UUID) -> Checkout | None:
    """How the gateway wants an order paid; None when nothing (more) is asked of the payer. Raises `NotFound`."""
    row = await order_for(session, order_id, owner=None)
    return checkout_in(house_of(session), row) if row.paid_at is None else None


async def missing(session: ReadSession, order_id: UUID) -> Money:
    """What is still to be paid of an order by bank transfer. Raises `NotFound`."""
    return await transfers.missing_of(session, await order_for(session, order_id, owner=None))


async def payment(session: ReadSession, payment_id: UUID) -> PaymentView:
    """One payment. Raises `NotFound`."""
    row = await store.payment_by_id(session, payment_id)
    if row is None:
        raise NotFound(N_("There is no such payment."))
    return payment_view(row)


async def undelivered(session: ReadSession, owner_kind: str, owner_id: UUID) -> list[PaymentView]:
    """An owner's payments that came in and whose product failed to give what they were for. `settle_purpose` is another
    try at one of them.
    """
    return [payment_view(row) for row in await store.undelivered(session, owner_kind, owner_id)]


async def payments_of(session: ReadSession, order_id: UUID) -> list[PaymentView]:
    """Every try at paying an order, oldest first."""
    return [payment_view(row) for row in await store.payments_of_order(session, order_id)]
