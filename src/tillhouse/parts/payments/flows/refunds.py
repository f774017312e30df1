"""Money back: a refund is sent once and asked about until its end is known; disputes are asked about."""

from dataclasses import replace
from uuid import UUID

from tillhouse.kernel.errors import TransientError
from tillhouse.kernel.house import House
from tillhouse.parts.payments import store
from tillhouse.parts.payments.domain import RefundFacts
from tillhouse.parts.payments.ports import Refunds, Refused
from tillhouse.parts.payments.service.attention import look_into_key
from tillhouse.parts.payments.service.disputes import settle_dispute
from tillhouse.parts.payments.service.refunds import (
    RefundSending,
    add_up,
    begin_refund,
    record_refund,
    record_refund_lost,
    record_refund_refused,
    record_refund_unknown,
    settle_refund,
)
from tillhouse.parts.payments.service.registry import installed_gateway
from tillhouse.parts.payments.store import refunds as refund_store


async def send_refund(house: House, refund_id: UUID) -> None:
    """Bring a refund one step further: send it, or ask what became of it.

    One that may have been sent is looked up by our key first. One that the gateway does not know is sent again under
    the same key, never under another; after the key's life it is left to a person.
    """
    async with house.database.transaction() as session:
        sending = await begin_refund(session, refund_id)
    if sending is None:
        return
    known = installed_gateway(house, sending.provider).refunds
    if known is None:
        return
    try:
        facts = await _ask(known, sending) or await _send(known, sending)
    except Refused as refused:
        await _refused(house, known, sending, refused)
        return
    except TransientError as failed:
        async with house.database.transaction() as session:
            await record_refund_unknown(session, refund_id)
            await look_into_key(session, failed)
        return
    async with house.database.transaction() as session:
        if facts is None:
            await record_refund_lost(session, refund_id)
        else:
            await record_refund(session, refund_id, facts)


async def check_refunds(house: House, payment_id: UUID) -> None:
    """Take in every refund of a payment that the gateway has: ours, and those made at its own dashboard.

    Raises `TransientError` while they do not add up to what the gateway says it gave back of the payment.
    """
    async with house.database.reading() as session:
        payment = await store.payment_by_id(session, payment_id)
        order = await store.order_by_id(session, payment.order_id) if payment else None
    if payment is None or order is None:
        return
    known = installed_gateway(house, payment.provider)
    if known.refunds is None:
        return
    facts = await known.gateway.fetch_payment(payment.provider_payment_id, order_id=order.provider_order_id)
    made = await known.refunds.refunds_of(payment.provider_payment_id)
    for refund in made:
        async with house.database.transaction() as session:
            await settle_refund(session, replace(refund, payment_id=payment.provider_payment_id))
    async with house.database.transaction() as session:
        await add_up(session, payment_id, made, facts.refunded)


async def check_dispute(house: House, dispute_id: UUID) -> None:
    """Ask the gateway how a dispute stands."""
    async with house.database.reading() as session:
        dispute = await refund_store.dispute_by_id(session, dispute_id)
    if dispute is None:
        return
    known = installed_gateway(house, dispute.provider).disputes
    if known is None:
        return
    facts = await known.fetch_dispute(dispute.provider_dispute_id)
    async with house.database.transaction() as session:
        await settle_dispute(session, facts)


async def _ask(known: Refunds, sending: RefundSending) -> RefundFacts | None:
    if sending.first:
        return None
    if sending.provider_refund_id:
        return await known.fetch_refund(refund_id=sending.provider_refund_id, payment_id=sending.provider_payment_id)
    return await _ours(known, sending)


async def _ours(known: Refunds, sending: RefundSending) -> RefundFacts | None:
    made = await known.refunds_of(sending.provider_payment_id)
    return next((facts for facts in made if facts.reference == str(sending.refund_id)), None)


async def _send(known: Refunds, sending: RefundSending) -> RefundFacts | None:
    if not sending.may_send:
        return None
    return await known.refund(
        key=sending.refund_id, payment_id=sending.provider_payment_id, amount=sending.amount, email=sending.email
    )


async def _refused(house: House, known: Refunds, sending: RefundSending, refused: Refused) -> None:
    """A refusal is final, unless an earlier call of ours arrived after all: then that one counts."""
    facts: RefundFacts | None = None
    if not sending.first:
        try:
            facts = await _ours(known, sending)
        except (Refused, TransientError):
            async with house.database.transaction() as session:
                await record_refund_unknown(session, sending.refund_id)
            return
    async with house.database.transaction() as session:
        if facts:
            await record_refund(session, sending.refund_id, facts)
        else:
            await record_refund_refused(
                session, sending.refund_id, reason=refused.reason, description=refused.description
            )
