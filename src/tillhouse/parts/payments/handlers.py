"""Messages to the owner about their money. A house without a part that sends messages sends none."""

from uuid import UUID

from tillhouse.kernel.db import JsonObject, Session, house_of
from tillhouse.kernel.web.formats import money
from tillhouse.kernel.work import Handler
from tillhouse.parts.identity import api as identity
from tillhouse.parts.payments import store
from tillhouse.parts.payments.events import (
    PayeeAdded,
    PaymentCaptured,
    PayoutFailed,
    PayoutProcessed,
    PayoutRequested,
    PayoutReversed,
)
from tillhouse.parts.payments.models import OrderRow, PayeeRow, PayoutRow
from tillhouse.parts.payments.store.payees import payee_by_id


async def _deposit_received(session: Session, event: PaymentCaptured) -> None:
    payment = await store.payment_by_id(session, event.payment_id)
    order = await store.order_by_id(session, payment.order_id) if payment else None
    if order:
        data: JsonObject = {"amount": money(order.money), "order_id": str(order.id)}
        await _tell(session, order, "payments.deposit_received", data)


async def _withdrawal_requested(session: Session, event: PayoutRequested) -> None:
    await _withdrawal(session, event.payout_id, "payments.withdrawal_requested")


async def _withdrawal_paid(session: Session, event: PayoutProcessed) -> None:
    await _withdrawal(session, event.payout_id, "payments.withdrawal_paid")


async def _withdrawal_failed(session: Session, event: PayoutFailed) -> None:
    await _withdrawal(session, event.payout_id, "payments.withdrawal_failed")


async def _withdrawal_returned(session: Session, event: PayoutReversed) -> None:
    await _withdrawal(session, event.payout_id, "payments.withdrawal_failed")


async def _payee_added(session: Session, event: PayeeAdded) -> None:
    payee = await payee_by_id(session, event.payee_id)
    if payee:
        await _tell(session, payee, "payments.payee_added", {"destination": payee.masked})


async def _withdrawal(session: Session, payout_id: UUID, template: str) -> None:
    payout = await store.payout_by_id(session, payout_id)
    if payout:
        data: JsonObject = {"amount": money(payout.money), "destination": payout.destination_masked}
        await _tell(session, payout, template, data)


async def _tell(session: Session, about: OrderRow | PayoutRow | PayeeRow, template: str, data: JsonObject) -> None:
    if about.owner_kind == "person" and house_of(session).provided(identity.MessageSender):
        await identity.notify(session, about.owner_id, template, data)


HANDLERS = (
    Handler(event=PayeeAdded, name="tell_payee_added", run=_payee_added),
    Handler(event=PaymentCaptured, name="tell_deposit_received", run=_deposit_received),
    Handler(event=PayoutRequested, name="tell_withdrawal_requested", run=_withdrawal_requested),
    Handler(event=PayoutProcessed, name="tell_withdrawal_paid", run=_withdrawal_paid),
    Handler(event=PayoutFailed, name="tell_withdrawal_failed", run=_withdrawal_failed),
    Handler(event=PayoutReversed, name="tell_withdrawal_returned", run=_withdrawal_returned),
)
