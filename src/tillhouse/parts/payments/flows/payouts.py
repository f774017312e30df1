"""Money out: one payout is sent once, and asked about until its end is known."""

from uuid import UUID

from tillhouse.kernel.access import Principal
from tillhouse.kernel.errors import TransientError
from tillhouse.kernel.house import House
from tillhouse.kernel.money import Money
from tillhouse.parts.payments.domain import Destination, PayoutFacts
from tillhouse.parts.payments.ports import PayoutGateway, Refused
from tillhouse.parts.payments.service.attention import look_into_key
from tillhouse.parts.payments.service.payouts import (
    Sending,
    begin_sending,
    record_lost,
    record_payout,
    record_refused,
    record_unknown,
)
from tillhouse.parts.payments.service.registry import payout_gateway
from tillhouse.parts.payments.service.views import PayoutView
from tillhouse.parts.payments.service.withdrawals import SavedPayee, remember_payee, start_withdrawal


async def withdraw(
    house: House,
    principal: Principal,
    amount: Money,
    to: Destination | SavedPayee,
    *,
    request_key: str,
    organisation_id: UUID | None = None,
) -> PayoutView:
    """Pay money of the caller's wallet, or of their organisation's, out. The same `request_key` (a form's) does so
    once.

    Two transactions: the account is saved first, so that it is known, and its waiting begins, also where the withdrawal
    is then refused. Raises what `start_withdrawal` raises.
    """
    if not isinstance(to, SavedPayee):
        async with house.database.transaction() as session:
            await remember_payee(
                session, principal, amount, to, request_key=request_key, organisation_id=organisation_id
            )
    async with house.database.transaction() as session:
        return await start_withdrawal(
            session, principal, amount, to, request_key=request_key, organisation_id=organisation_id
        )


async def send_payout(house: House, payout_id: UUID) -> None:
    """Bring a payout one step further: send it, or ask what became of it.

    A payout that may have been sent is looked up by our key first. One that the provider does not know is sent again
    under the same key, never under another; after the key's life it is left to a person.
    """
    async with house.database.transaction() as session:
        sending = await begin_sending(session, payout_id)
    if sending is None:
        return
    known = payout_gateway(house, sending.provider)
    try:
        facts = await _ask(known, sending) or await _send(known, sending)
    except Refused as refused:
        await _refused(house, known, sending, refused)
        return
    except TransientError as failed:
        async with house.database.transaction() as session:
            await record_unknown(session, payout_id)
            await look_into_key(session, failed)
        return
    async with house.database.transaction() as session:
        if facts is None:
            await record_lost(session, payout_id)
        else:
            await record_payout(session, payout_id, facts)


async def _ask(known: PayoutGateway, sending: Sending) -> PayoutFacts | None:
    if sending.first:
        return None
    if sending.provider_payout_id:
        return await known.fetch_payout(sending.provider_payout_id)
    return await known.find_payout(sending.payout_id, since=sending.since)


async def _send(known: PayoutGateway, sending: Sending) -> PayoutFacts | None:
    if sending.to is None:
        return None
    to, payee = sending.to
    return await known.create_payout(key=sending.payout_id, amount=sending.amount, to=to, payee=payee)


async def _refused(house: House, known: PayoutGateway, sending: Sending, refused: Refused) -> None:
    """A refusal is final, unless an earlier call of ours arrived after all: then that one counts."""
    facts: PayoutFacts | None = None
    if not sending.first:
        try:
            facts = await known.find_payout(sending.payout_id, since=sending.since)
        except (Refused, TransientError):
            async with house.database.transaction() as session:
                await record_unknown(session, sending.payout_id)
            return
    async with house.database.transaction() as session:
        if facts:
            await record_payout(session, sending.payout_id, facts)
        else:
            await record_refused(session, sending.payout_id, reason=refused.reason, description=refused.description)
