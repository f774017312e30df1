"""Providers' events, after they are stored: the truth is asked of the provider and settled."""

from uuid import UUID

from tillhouse.kernel.house import House
from tillhouse.parts.payments.domain import PaymentFacts, PayoutFacts
from tillhouse.parts.payments.flows.payees import check_payee
from tillhouse.parts.payments.ports import Refused
from tillhouse.parts.payments.service.inbox import Subject, conclude_event, subject_of
from tillhouse.parts.payments.service.payouts import record_payout
from tillhouse.parts.payments.service.registry import gateway, payout_gateway
from tillhouse.parts.payments.service.settle import settle

_UNKNOWN = "not_known_to_provider"


async def handle_event(house: House, event_row_id: UUID) -> None:
    """Settle what a stored event is about. Raises `TransientError` while the provider cannot be asked."""
    async with house.database.transaction() as session:
        subject = await subject_of(session, event_row_id)
    if subject is None:
        return
    if subject.payee_id:
        await check_payee(house, subject.payee_id)
        async with house.database.transaction() as session:
            await conclude_event(session, event_row_id, None)
        return
    try:
        if subject.payout_row_id:
            await _payout(house, event_row_id, subject.payout_row_id, subject)
        else:
            await _payments(house, event_row_id, subject)
    except Refused:
        async with house.database.transaction() as session:
            await conclude_event(session, event_row_id, _UNKNOWN)


async def _payments(house: House, event_row_id: UUID, subject: Subject) -> None:
    known = gateway(house, subject.provider)
    found: list[PaymentFacts]
    if subject.payment_id:
        found = [await known.fetch_payment(subject.payment_id)]
    else:
        found = await known.payments_of(subject.order_id or "")
    parked: str | None = None
    async with house.database.transaction() as session:
        for facts in reversed(found):
            foreign = subject.order_id is not None and facts.order_id != subject.order_id
            parked = ("payment_of_another_order" if foreign else await settle(session, facts)) or parked
        await conclude_event(session, event_row_id, parked)


async def _payout(house: House, event_row_id: UUID, payout_row_id: UUID, subject: Subject) -> None:
    known = payout_gateway(house, subject.provider)
    if subject.payout_id:
        facts: PayoutFacts | None = await known.fetch_payout(subject.payout_id)
    else:
        facts = await known.find_payout(payout_row_id)
    async with house.database.transaction() as session:
        parked = await record_payout(session, payout_row_id, facts) if facts else _UNKNOWN
        await conclude_event(session, event_row_id, parked)
