"""Believable payments for development: paid, failed, given back in part, disputed; two payouts that wait for people and
one whose end nobody knows, an event and a transfer that match nothing, and a report that disagrees with the books.

They are taken in as if their providers had told of them, by the same functions: the books are right. The sandbox does
not know them, so nobody is asked about them later.
"""

import json
from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID, uuid5

from tillhouse.kernel import clock
from tillhouse.kernel.db import Session, house_of
from tillhouse.kernel.manifest import DemoSignIn
from tillhouse.kernel.money import Money
from tillhouse.parts.identity import api as identity
from tillhouse.parts.payments import store
from tillhouse.parts.payments.domain import (
    BankAccount,
    DisputeFacts,
    DisputeState,
    OrderState,
    PaymentFacts,
    PayoutState,
    RefundFacts,
    RefundState,
    TransferFacts,
)
from tillhouse.parts.payments.models import PayoutRow
from tillhouse.parts.payments.ports import GatewayOrder, ProviderEvent, SettlementLine
from tillhouse.parts.payments.service.attention import look_into
from tillhouse.parts.payments.service.deposits import WALLET_DEPOSIT
from tillhouse.parts.payments.service.disputes import settle_dispute
from tillhouse.parts.payments.service.inbox import take_event
from tillhouse.parts.payments.service.orders import NewOrder, attach_order, begin_order
from tillhouse.parts.payments.service.payouts import NewPayout, reserve_payout
from tillhouse.parts.payments.service.reconciliation.reports import numbered, take_report
from tillhouse.parts.payments.service.refunds import settle_refund
from tillhouse.parts.payments.service.registry import provider_names
from tillhouse.parts.payments.service.settle import settle
from tillhouse.parts.payments.service.transfers import settle_transfer
from tillhouse.parts.payments.store import refunds as refund_store

MERCHANT = "sana.sheikh@demo.tillhouse.test"
GATEWAY = "razorpay"
_GUESTS = UUID("0c6a2c51-6a42-5c36-8a3e-3c0f3f6f4d52")


async def seed(session: Session) -> Sequence[DemoSignIn]:
    """Make the demo payments once. Without the demo person, or Razorpay, nothing happens."""
    person = await identity.person_by_identifier(session, identity.parse_identifier(MERCHANT))
    if person is None or not {GATEWAY, "razorpayx"} <= provider_names(house_of(session)):
        return ()
    if await store.orders_of(session, "person", person.id, limit=1, before=None):
        return ()
    rent = await _order(session, person.id, "rent", "78500.00")
    await _order(session, person.id, "stock", "100000.00")
    groceries = await _order(session, person.id, "groceries", "1250.00")
    phone = await _order(session, None, "phone", "3200.00", email="farhan.ali@example.com")
    await _order(session, None, "bill", "499.00", email="lata.menon@example.com", state=OrderState.FAILED)
    await _give_back(session, groceries, "400.00")
    await _dispute(session, phone)
    for key, amount in (("wholesaler", "82000.00"), ("landlord", "55000.00")):
        await _payout(session, person.id, key, amount)
    await _lose(session, await _payout(session, person.id, "plumber", "900.00"))
    await _disagree(session, rent)
    await _unknown_event(session)
    await _unknown_transfer(session)
    return ()


def rupees(amount: str) -> Money:
    """An amount as it is written."""
    return Money.parse(amount, "INR")


async def _order(
    session: Session,
    owner: UUID | None,
    key: str,
    amount: str,
    *,
    email: str | None = None,
    state: OrderState = OrderState.CAPTURED,
) -> PaymentFacts:
    """An order that was paid, or that somebody failed to pay."""
    wish = NewOrder(
        owner_kind="person" if owner else "order",
        owner_id=owner or uuid5(_GUESTS, key),
        amount=rupees(amount),
        purpose=WALLET_DEPOSIT,
        request_key=f"demo:{key}",
        email=email,
    )
    order = await begin_order(session, wish)
    await attach_order(session, order.id, GatewayOrder(f"order_Demo{key.title()}", None))
    facts = PaymentFacts(
        provider=GATEWAY,
        payment_id=f"pay_Demo{key.title()}",
        order_id=f"order_Demo{key.title()}",
        amount=wish.amount,
        state=state,
        method="upi",
        fee=wish.amount.minor * 2 // 100 if state == OrderState.CAPTURED else None,
        error_message="The payer's bank did not answer in time." if state == OrderState.FAILED else None,
    )
    await settle(session, facts)
    found = await store.lock_order(session, order.id)
    assert found
    found.next_check_at = None
    await session.flush()
    return facts


async def _give_back(session: Session, payment: PaymentFacts, amount: str) -> None:
    facts = RefundFacts(GATEWAY, "rfnd_DemoGroceries", payment.payment_id, rupees(amount), RefundState.PROCESSED)
    await settle_refund(session, facts)
    found = await refund_store.refund_by_provider_id(session, GATEWAY, facts.refund_id)
    assert found
    found.next_check_at = None
    await session.flush()


async def _dispute(session: Session, payment: PaymentFacts) -> None:
    due = clock.now() + timedelta(days=6)
    facts = DisputeFacts(
        GATEWAY, "disp_DemoPhone", payment.payment_id, payment.amount, DisputeState.OPEN, "goods_not_received", 0, due
    )
    await settle_dispute(session, facts)
    found = await refund_store.dispute_by_provider_id(session, GATEWAY, facts.dispute_id)
    assert found
    found.next_check_at = None
    await session.flush()


async def _payout(session: Session, owner: UUID, key: str, amount: str) -> PayoutRow:
    wish = NewPayout(
        owner_kind="person",
        owner_id=owner,
        amount=rupees(amount),
        to=BankAccount("Sana Sheikh", "HDFC0000240", "50100234567890"),
        payee_name="Sana Sheikh",
        request_key=f"demo:{key}",
        requested_by=owner,
        origin="payout",
    )
    return await reserve_payout(session, wish)


async def _lose(session: Session, payout: PayoutRow) -> None:
    """It was sent two days ago, nobody answered, and its provider knows nothing of it: two people end it."""
    payout.state, payout.reasons = PayoutState.UNKNOWN, []
    payout.created_at = payout.sent_at = clock.now() - timedelta(days=2)
    payout.next_check_at = None
    await session.flush()
    await look_into(
        session, "payout", str(payout.id), "unknown_to_provider", amount=payout.amount, currency=payout.currency
    )


async def _disagree(session: Session, payment: PaymentFacts) -> None:
    """The gateway reports less than was paid."""
    less = payment.amount - rupees("500.00")
    line = SettlementLine(
        settlement_id="setl_Demo",
        line_id="setl_Demo:1",
        kind="payment",
        subject_id=payment.payment_id,
        gross=less,
        fee=Money(payment.fee or 0, "INR"),
        tax=Money(0, "INR"),
        settled_on=clock.now().date(),
        bank_reference="UTRDEMO0001",
    )
    await take_report(session, GATEWAY, numbered([line]))


async def _unknown_event(session: Session) -> None:
    entity = {"id": "pay_DemoStranger", "order_id": "order_DemoStranger", "amount": 240000, "currency": "INR",
              "status": "captured", "method": "upi", "email": "stranger@example.com"}  # fmt: skip
    body = json.dumps({"event": "payment.captured", "payload": {"payment": {"entity": entity}}}).encode()
    event = ProviderEvent(
        event_id="evt_DemoStranger", name="payment.captured", order_id="order_DemoStranger", amount=rupees("2400.00")
    )
    await take_event(session, GATEWAY, event, body)


async def _unknown_transfer(session: Session) -> None:
    if "sepay" not in provider_names(house_of(session)):
        return
    amount = Money.parse("449000", "VND")
    text = "NGUYEN VAN AN chuyen khoan tien hoc thang 3"
    await settle_transfer(
        session, TransferFacts("sepay", "demo-1", "0071000888888", amount, "in", text, None, clock.now())
    )
