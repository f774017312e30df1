"""Payments' door for other modules.

A product that sells something provides a `Purpose`, starts an order with `start_order`, and takes the money from the
buyer's wallet in the purpose's `on_settled`. Functions that take a `House` call a provider: no transaction may be open.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from tillhouse.kernel.access import Principal
from tillhouse.kernel.db import JsonObject, ReadSession, Session, house_of
from tillhouse.kernel.errors import Forbidden, NotFound
from tillhouse.kernel.house import House
from tillhouse.kernel.money import MAX_MINOR, Money
from tillhouse.kernel.paging import cut, decode_id
from tillhouse.kernel.text import N_
from tillhouse.parts.identity import api as identity
from tillhouse.parts.ledger import api as ledger
from tillhouse.parts.payments import store
from tillhouse.parts.payments.domain import (
    BankAccount,
    Destination,
    DisputeState,
    Method,
    NameMatch,
    OrderState,
    PayeeState,
    PayoutState,
    RefundState,
    StripeAccount,
    ThaiBankAccount,
    Vpa,
    destination_from,
    order_sentence,
    payout_sentence,
)
from tillhouse.parts.payments.domain.cards import needs_person
from tillhouse.parts.payments.domain.reconciliation import CorrectionLeg
from tillhouse.parts.payments.domain.statements import Form
from tillhouse.parts.payments.flows.cards import (
    CardPage,
    card_script,
    charge_card,
    check_card,
    keep_token,
    keepers_with_pages,
    open_card_page,
)
from tillhouse.parts.payments.flows.deposits import (
    CheckoutProof,
    NotThisPayment,
    check_order,
    checkout_of,
    start_order,
    verify_checkout,
)
from tillhouse.parts.payments.flows.payouts import withdraw
from tillhouse.parts.payments.flows.receipts import method_name, receipt_pdf_of_link
from tillhouse.parts.payments.flows.receipts import receipt_pdf as _receipt_pdf
from tillhouse.parts.payments.flows.reconciliation import StatementFile, import_file, reconcile
from tillhouse.parts.payments.ports import (
    BadSignature,
    Checkout,
    CheckoutForm,
    CheckoutQr,
    CheckoutRedirect,
    CheckoutScript,
    InstalledGateway,
    Purpose,
    Refused,
    SettledPayment,
)
from tillhouse.parts.payments.service import inbox, payees, transfers
from tillhouse.parts.payments.service import refunds as refund_service
from tillhouse.parts.payments.service.books import account_of
from tillhouse.parts.payments.service.cards import SavedCard, card_for, cards_of, keeps_cards, remove_card, removed_card
from tillhouse.parts.payments.service.deposits import WALLET_DEPOSIT
from tillhouse.parts.payments.service.guards import OverVelocity, PayeeCooling, PayeeRefused
from tillhouse.parts.payments.service.lists import (
    Debt,
    PaymentException,
    debts,
    dispute,
    disputes,
    events,
    exceptions,
    parked_events,
    refund,
    refunds,
    transfers_seen,
)
from tillhouse.parts.payments.service.orders import (
    NewOrder,
    OverLimit,
    checkout_in,
    order_for,
    order_in_link,
    pay_path,
)
from tillhouse.parts.payments.service.orders import claim_order as _claim_order
from tillhouse.parts.payments.service.payees import NewPayee, TooManyPayees
from tillhouse.parts.payments.service.payouts import needs_step_up, payout_for
from tillhouse.parts.payments.service.receipts import Receipt, receipt_of, title_of
from tillhouse.parts.payments.service.reconciliation import resolving
from tillhouse.parts.payments.service.reconciliation.ageing import AgedAccount, OpenItem, ageing
from tillhouse.parts.payments.service.reconciliation.bank import Imported
from tillhouse.parts.payments.service.reconciliation.resolving import ExceptionState, ExceptionView, ResolutionView
from tillhouse.parts.payments.service.reconciliation.resolving import exception_for as exception
from tillhouse.parts.payments.service.reconciliation.three_way import DayStatement, Difference, day_statement
from tillhouse.parts.payments.service.refunds import CannotRefund
from tillhouse.parts.payments.service.reviews import approvals_needed
from tillhouse.parts.payments.service.views import (
    DisputeView,
    EventView,
    OrderView,
    PayeeView,
    PaymentView,
    PayoutView,
    RefundView,
    ReviewView,
    TransferView,
    event_view,
    order_view,
    payee_view,
    payment_view,
    payout_view,
    refund_view,
    review_view,
    transfer_view,
)
from tillhouse.parts.payments.service.withdrawals import SavedPayee, start_withdrawal
from tillhouse.parts.payments.settings import PaymentsSettings, PayoutGuards
from tillhouse.parts.payments.store import payees as payee_store

__all__ = [
    "AgedAccount",
    "BadSignature",
    "BankAccount",
    "CannotRefund",
    "CardPage",
    "Checkout",
    "CheckoutForm",
    "CheckoutProof",
    "CheckoutQr",
    "CheckoutRedirect",
    "CheckoutScript",
    "CorrectionLeg",
    "DayStatement",
    "Debt",
    "Destination",
    "Difference",
    "DisputeState",
    "DisputeView",
    "EventView",
    "ExceptionState",
    "ExceptionView",
    "Form",
    "Imported",
    "InstalledGateway",
    "Limits",
    "Method",
    "NameMatch",
    "NewOrder",
    "NotThisPayment",
    "OpenItem",
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
    "RefundState",
    "RefundView",
    "Refused",
    "ResolutionView",
    "ReviewView",
    "SavedCard",
    "SavedPayee",
    "SettledPayment",
    "StatementFile",
    "StripeAccount",
    "ThaiBankAccount",
    "TooManyPayees",
    "TransferView",
    "Vpa",
    "WaitingPayout",
    "add_payee",
    "ageing",
    "approve",
    "card_for",
    "card_script",
    "cards_of",
    "charge_card",
    "check_card",
    "check_order",
    "check_proposal",
    "checkout_in_order",
    "checkout_of",
    "claim_order",
    "day_statement",
    "debts",
    "destination_from",
    "dispute",
    "disputes",
    "events",
    "exception",
    "exceptions",
    "exceptions_page",
    "import_statement",
    "keep_token",
    "keepers_with_pages",
    "keeps_cards",
    "limits",
    "method_name",
    "missing",
    "needs_person",
    "needs_step_up",
    "open_card_page",
    "order",
    "order_of_link",
    "order_sentence",
    "orders_of",
    "paid_into",
    "parked_events",
    "pay_path",
    "payees_of",
    "payment",
    "payments_of",
    "payout",
    "payout_sentence",
    "payouts",
    "payouts_of",
    "place_transfer",
    "proof_from_checkout",
    "propose",
    "receipt",
    "receipt_pdf",
    "receipt_pdf_of_link",
    "reconcile",
    "refund",
    "refunds",
    "reject",
    "release_transfer",
    "remove_card",
    "remove_payee",
    "removed_card",
    "replay_event",
    "start_deposit",
    "start_order",
    "start_refund",
    "start_withdrawal",
    "statement_max_bytes",
    "title_of",
    "transfers_seen",
    "verify_checkout",
    "withdraw",
]


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
    return await receipt_of(session, order_id, owner=_owner(person_id))


async def receipt_pdf(house: House, order_id: UUID, *, person_id: UUID | None = None) -> bytes:
    """The receipt of a paid order as PDF, for the reader of this request. Raises `NotFound`."""
    return await _receipt_pdf(house, order_id, owner=_owner(person_id))


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


async def payments_of(session: ReadSession, order_id: UUID) -> list[PaymentView]:
    """Every try at paying an order, oldest first."""
    return [payment_view(row) for row in await store.payments_of_order(session, order_id)]


async def place_transfer(session: Session, transfer_row_id: UUID, order_id: UUID) -> TransferView:
    """A person says which order an unplaced transfer is for. Raises `NotFound`, `Conflict`."""
    row = await transfers.place_transfer(session, transfer_row_id, order_id)
    return transfer_view(row, house_of(session).vault.open(row.content))


async def release_transfer(session: Session, transfer_row_id: UUID) -> TransferView:
    """A part payment goes to the wallet of its order's owner. Raises `NotFound`, `Conflict`."""
    row = await transfers.release_transfer(session, transfer_row_id)
    return transfer_view(row, house_of(session).vault.open(row.content))


async def replay_event(session: Session, event_row_id: UUID) -> EventView:
    """Have a stored event looked at again. Raises `NotFound`, `Conflict`."""
    return event_view(await inbox.replay_event(session, event_row_id))


async def import_statement(house: House, file: StatementFile, *, by: UUID | None) -> list[Imported]:
    """Import a statement of our bank; no transaction may be open. The same lines again add nothing.

    Raises `PayloadTooLarge`, and `InvalidInput` for a file of which nothing is stored.
    """
    return await import_file(house, file, by=by)


def statement_max_bytes(house: House) -> int:
    """The largest bank statement that is imported, in bytes."""
    return house.settings_of(PaymentsSettings).statement_max_bytes


async def exceptions_page(
    session: ReadSession,
    *,
    state: ExceptionState | None = None,
    kind: str | None = None,
    reason: str | None = None,
    limit: int = 50,
    cursor: str | None = None,
) -> tuple[Sequence[ExceptionView], str | None]:
    """Exceptions, newest first, narrowed by what is given, and the cursor of the next page."""
    found = await resolving.exceptions_page(
        session, state=state, kind=kind, reason=reason, limit=limit + 1, before=_before(cursor)
    )
    return cut(found, limit, lambda view: (str(view.id),))


async def propose(
    session: Session, by: Principal, exception_id: UUID, *, explanation: str, legs: Sequence[CorrectionLeg] = ()
) -> ExceptionView:
    """Propose how an exception ends: what to post, or (no legs) why nothing is.

    Raises `NotFound`, `Conflict`, `InvalidInput`.
    """
    view = await resolving.propose(session, exception_id, by=_behind(by), explanation=explanation, legs=legs)
    details: JsonObject = {"legs": [f"{leg.account} {leg.amount} {leg.amount.unit}" for leg in legs]}
    await identity.audit(session, by, "payments.propose_correction", f"exception:{exception_id}", details)
    return view


async def approve(session: Session, by: Principal, exception_id: UUID, resolution_id: UUID) -> ExceptionView:
    """Agree to what somebody else proposed: exactly that is posted. Raises `NotFound`, `Conflict`, `Forbidden`."""
    view = await resolving.approve(session, exception_id, resolution_id, by=by.person_id)
    details: JsonObject = {"resolution": str(resolution_id)}
    await identity.audit(session, by, "payments.approve_correction", f"exception:{exception_id}", details)
    return view


async def check_proposal(
    session: Session, by: Principal, exception_id: UUID, resolution_id: UUID, verdict: Literal["approve", "reject"]
) -> None:
    """Raise what `approve` or `reject` would raise for the caller, and decide nothing."""
    await resolving.check_proposal(session, exception_id, resolution_id, by=by.person_id, verdict=verdict)


async def reject(session: Session, by: Principal, exception_id: UUID, resolution_id: UUID) -> ExceptionView:
    """Do not agree, or take one's own proposal back. Raises `NotFound`, `Conflict`."""
    view = await resolving.reject(session, exception_id, resolution_id, by=by.person_id)
    details: JsonObject = {"resolution": str(resolution_id)}
    await identity.audit(session, by, "payments.reject_correction", f"exception:{exception_id}", details)
    return view


def _behind(principal: Principal) -> UUID:
    """The person who acts, also through a key of theirs: who proposes with a key may not approve in person."""
    person = principal.made_by or principal.id
    if person is None:
        raise Forbidden(N_("Only a person, or a key that a person made, can do this."))
    return person


def _owner(person_id: UUID | None) -> tuple[str, UUID] | None:
    return None if person_id is None else ("person", person_id)


def _before(cursor: str | None) -> UUID | None:
    return None if cursor is None else decode_id(cursor)
