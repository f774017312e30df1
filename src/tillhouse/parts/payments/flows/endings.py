"""Two people end a payout or refund that nobody can tell the end of: its provider is asked each time, with no
transaction open, and what it says wins.
"""

from uuid import UUID

from tillhouse.kernel.access import Principal
from tillhouse.kernel.db import JsonObject
from tillhouse.kernel.house import House
from tillhouse.parts.identity import api as identity
from tillhouse.parts.payments.domain import PayoutFacts, RefundFacts
from tillhouse.parts.payments.domain.endings import Ending, Outcome
from tillhouse.parts.payments.ports import Refused
from tillhouse.parts.payments.service.endings import (
    Case,
    Facts,
    carry_out,
    case_of,
    check_end,
    check_word,
    contradicts,
    take_in_news,
)
from tillhouse.parts.payments.service.own import person_behind
from tillhouse.parts.payments.service.reconciliation import resolving
from tillhouse.parts.payments.service.reconciliation.resolving import ExceptionView
from tillhouse.parts.payments.service.registry import installed_gateway, payout_gateway


async def propose_end(
    house: House, principal: Principal, exception_id: UUID, ending: Ending, *, explanation: str
) -> ExceptionView:
    """Propose what became of the payout or refund of an exception. Nothing is booked before somebody else agrees.

    Raises `NotFound`, `Forbidden` for money of one's own, `Conflict` for what has an end or may be sent again still,
    `InvalidInput` where the provider says otherwise, and `TransientError` while it does not answer.
    """
    by = person_behind(principal)
    async with house.database.transaction() as session:
        case = await case_of(session, exception_id)
        await check_end(session, case, ending, by=by)
    await _asked(house, case, ending)
    async with house.database.transaction() as session:
        await check_end(session, case, ending, by=by)
        view = await resolving.propose(session, exception_id, by=by, explanation=explanation, ending=ending)
        details = _details(case, ending)
        await identity.audit(session, principal, "payments.propose_end", f"exception:{exception_id}", details)
        return view


async def check_agreement(house: House, principal: Principal, exception_id: UUID, resolution_id: UUID) -> None:
    """Raise what `agree_to_end` would raise, the provider's word included, and book nothing of it."""
    await _checked(house, exception_id, resolution_id, principal.person_id)


async def agree_to_end(house: House, principal: Principal, exception_id: UUID, resolution_id: UUID) -> ExceptionView:
    """Agree to what somebody else proposed: the provider is asked a last time, and it is booked, once.

    Raises what `propose_end` raises, and `Forbidden` for whoever proposed it.
    """
    by = principal.person_id
    case, ending, facts = await _checked(house, exception_id, resolution_id, by)
    async with house.database.transaction() as session:
        await check_end(session, case, ending, by=by)  # its lock comes before the exception's
        row, resolution = await resolving.agree(session, exception_id, resolution_id, by=by)
        await check_word(session, case, ending, facts)
        resolution.transaction_id = await carry_out(session, case, ending, facts)
        await session.flush()
        details = _details(case, ending)
        await identity.audit(session, principal, "payments.approve_end", f"exception:{exception_id}", details)
        return resolving.view_of(row, resolution)


def _details(case: Case, ending: Ending) -> JsonObject:
    return {"about": f"{case.kind}:{case.id}", "outcome": ending.outcome, "provider_id": ending.provider_id}


async def _checked(
    house: House, exception_id: UUID, resolution_id: UUID, by: UUID
) -> tuple[Case, Ending, Facts | None]:
    async with house.database.transaction() as session:
        case = await case_of(session, exception_id)
        ending = await resolving.proposed_ending(session, exception_id, resolution_id)
        if ending:
            await check_end(session, case, ending, by=by)
        await resolving.check_proposal(session, exception_id, resolution_id, by=by, verdict="approve")
    assert ending is not None  # else there was no such proposal, and `check_proposal` has said so
    return case, ending, await _asked(house, case, ending)


async def _asked(house: House, case: Case, ending: Ending) -> Facts | None:
    """What the provider has, where it agrees with what is said. What contradicts it is news, and taken in."""
    facts = await _look_up(house, case, ending)
    if facts and ending.outcome == Outcome.NEVER_HAPPENED and contradicts(facts):
        async with house.database.transaction() as session:
            await take_in_news(session, case, facts)
    async with house.database.reading() as session:
        await check_word(session, case, ending, facts)
    return facts


async def _look_up(house: House, case: Case, ending: Ending) -> Facts | None:
    name = ending.provider_id or case.known_as
    if name:
        try:
            return await _named(house, case, name)
        except Refused:
            if ending.outcome == Outcome.HAPPENED:
                return None
    if case.kind == "payout":
        return await payout_gateway(house, case.provider).find_payout(case.id)
    known = installed_gateway(house, case.provider).refunds
    assert known is not None  # a refund was begun there
    made = await known.refunds_of(case.payment_id)
    return next((facts for facts in made if facts.reference == str(case.id)), None)


async def _named(house: House, case: Case, name: str) -> PayoutFacts | RefundFacts:
    if case.kind == "payout":
        return await payout_gateway(house, case.provider).fetch_payout(name)
    known = installed_gateway(house, case.provider).refunds
    assert known is not None
    return await known.fetch_refund(refund_id=name, payment_id=case.payment_id)
