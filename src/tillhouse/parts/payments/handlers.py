"""Messages to the owner about their money, and what the outside hears of it.

A house without a part that sends messages sends none.
"""

from uuid import UUID

from tillhouse.kernel.db import JsonObject, Session, house_of
from tillhouse.kernel.publishing import publishing
from tillhouse.kernel.web.formats import to_be_said
from tillhouse.kernel.work import AnyHandler, Handler, enqueue
from tillhouse.parts.identity import api as identity
from tillhouse.parts.payments import store
from tillhouse.parts.payments.events import (
    CheckCard,
    PayeeAdded,
    PaymentCaptured,
    PayoutFailed,
    PayoutProcessed,
    PayoutRequested,
    PayoutReversed,
    RefundProcessed,
)
from tillhouse.parts.payments.models import OrderRow, PayeeRow, PayoutRow
from tillhouse.parts.payments.service.orders import pay_path
from tillhouse.parts.payments.service.owners import ROOM, told
from tillhouse.parts.payments.service.published import PUBLISHED
from tillhouse.parts.payments.store.cards import card_of_order
from tillhouse.parts.payments.store.payees import payee_by_id
from tillhouse.parts.payments.store.refunds import refund_by_id


async def _deposit_received(session: Session, event: PaymentCaptured) -> None:
    payment = await store.payment_by_id(session, event.payment_id)
    order = await store.order_by_id(session, payment.order_id) if payment else None
    if order:
        data: JsonObject = {
            "amount": to_be_said(order.money),
            "order_id": str(order.id),
            "url": house_of(session).settings.address(f"/payments/{order.id}/receipt"),
        }
        await _tell(session, order, "payments.deposit_received", data)


async def _card_given(session: Session, event: PaymentCaptured) -> None:
    """The card of a paid order is asked for where its owner agreed that it is kept."""
    payment = await store.payment_by_id(session, event.payment_id)
    card = await card_of_order(session, payment.order_id) if payment else None
    if card and card.state == "pending":
        await enqueue(session, CheckCard(card_id=card.id))


async def _receipt(session: Session, event: PaymentCaptured) -> None:
    """The receipt, to the address that the payer left with the order."""
    payment = await store.payment_by_id(session, event.payment_id)
    order = await store.order_by_id(session, payment.order_id) if payment else None
    if payment and order and order.email:
        data: JsonObject = {
            "amount": to_be_said(payment.money),
            "payment": payment.provider_payment_id,
            "order_id": str(order.id),
            "link": _link(session, order),
        }
        await _write_to_payer(session, order, order.email, "payments.receipt", data)


async def _refund_processed(session: Session, event: RefundProcessed) -> None:
    refund = await refund_by_id(session, event.refund_id)
    payment = await store.payment_by_id(session, refund.payment_id) if refund else None
    order = await store.order_by_id(session, payment.order_id) if payment else None
    if refund is None or order is None:
        return
    data: JsonObject = {"amount": to_be_said(refund.money), "link": _link(session, order)}
    if order.email:
        await _write_to_payer(session, order, order.email, "payments.refunded", data)
    else:
        await _tell(session, order, "payments.refunded", data)


async def _withdrawal_requested(session: Session, event: PayoutRequested) -> None:
    await _withdrawal(session, event.payout_id, "withdrawal_requested")


async def _withdrawal_paid(session: Session, event: PayoutProcessed) -> None:
    await _withdrawal(session, event.payout_id, "withdrawal_paid")


async def _withdrawal_failed(session: Session, event: PayoutFailed) -> None:
    await _withdrawal(session, event.payout_id, "withdrawal_failed")


async def _withdrawal_returned(session: Session, event: PayoutReversed) -> None:
    await _withdrawal(session, event.payout_id, "withdrawal_failed")


async def _payee_added(session: Session, event: PayeeAdded) -> None:
    payee = await payee_by_id(session, event.payee_id)
    if payee:
        await _tell_owners(session, payee, "payee_added", {"destination": payee.masked}, by=event.by)


async def _withdrawal(session: Session, payout_id: UUID, what: str) -> None:
    payout = await store.payout_by_id(session, payout_id)
    if payout:
        data: JsonObject = {"amount": to_be_said(payout.money), "destination": payout.destination_masked}
        await _tell_owners(session, payout, what, data, by=payout.requested_by)


async def _tell_owners(
    session: Session, about: PayoutRow | PayeeRow, what: str, data: JsonObject, *, by: UUID | None
) -> None:
    """Tell the person whose money it is; or the owners of the organisation, and who did it in its name."""
    if not house_of(session).provided(identity.MessageSender):
        return
    template = f"payments.{what}"
    if about.owner_kind == "organisation":
        names = await identity.names(session, [by] if by else [])
        organisations = await identity.organisation_names(session, [about.owner_id])
        template, data = (
            "payments.organisation_money",
            {
                **data,
                "what": what,
                "by": names.get(by, "") if by else "",
                "organisation": organisations.get(about.owner_id, ""),
                "path": f"{ROOM}/{about.owner_id}",
            },
        )
    for person_id in await told(session, about, by):
        await identity.notify(session, person_id, template, data)


async def _tell(session: Session, about: OrderRow, template: str, data: JsonObject) -> None:
    if about.owner_kind == "person" and house_of(session).provided(identity.MessageSender):
        await identity.notify(session, about.owner_id, template, data)


async def _write_to_payer(session: Session, order: OrderRow, address: str, template: str, data: JsonObject) -> None:
    for sender in house_of(session).provided(identity.MessageSender):
        to = identity.Contact(None, "email", address, order.locale or "en", "UTC")
        await sender.send(session, to, template, data)


def _link(session: Session, order: OrderRow) -> str:
    house = house_of(session)
    return house.settings.address(pay_path(house, order.id))


HANDLERS: tuple[AnyHandler, ...] = (
    Handler(event=PayeeAdded, name="tell_payee_added", run=_payee_added),
    Handler(event=PaymentCaptured, name="tell_deposit_received", run=_deposit_received),
    Handler(event=PaymentCaptured, name="send_receipt", run=_receipt),
    Handler(event=PaymentCaptured, name="ask_for_card", run=_card_given),
    Handler(event=RefundProcessed, name="tell_refund_processed", run=_refund_processed),
    Handler(event=PayoutRequested, name="tell_withdrawal_requested", run=_withdrawal_requested),
    Handler(event=PayoutProcessed, name="tell_withdrawal_paid", run=_withdrawal_paid),
    Handler(event=PayoutFailed, name="tell_withdrawal_failed", run=_withdrawal_failed),
    Handler(event=PayoutReversed, name="tell_withdrawal_returned", run=_withdrawal_returned),
    *publishing(PUBLISHED),
)
