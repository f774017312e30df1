"""Whose an account is: the bank is asked once, and asked about its answer until it is there."""

from uuid import UUID

from tillhouse.kernel.errors import TransientError
from tillhouse.kernel.house import House
from tillhouse.parts.payments.ports import AccountFacts, Refused
from tillhouse.parts.payments.service.attention import look_into_key
from tillhouse.parts.payments.service.payees import Checking, begin_check, record_check
from tillhouse.parts.payments.service.registry import installed_payout_gateway
from tillhouse.parts.payments.service.reviews import release_waiting


async def check_payee(house: House, payee_id: UUID) -> None:
    """Bring the question about a payee one step further. What nobody knows is asked again later, under the same key.

    What waited for the answer alone goes on in the transaction that records it.
    """
    async with house.database.transaction() as session:
        asked = await begin_check(session, payee_id)
    if asked is None:
        return
    try:
        facts = await _ask(house, asked)
    except Refused as refused:
        facts = AccountFacts(asked.check_id or "", "invalid", reason=refused.reason)
    except TransientError as failed:  # `begin_check` has planned when to ask again
        async with house.database.transaction() as session:
            await look_into_key(session, failed)
        return
    async with house.database.transaction() as session:
        known = await record_check(session, asked, facts)
        if known:
            await release_waiting(session, known)


async def _ask(house: House, asked: Checking) -> AccountFacts:
    checks = installed_payout_gateway(house, asked.provider).checks
    assert checks is not None  # a check begins only where its provider can ask
    if asked.check_id:
        return await checks.fetch_check(asked.check_id)
    return await checks.check_account(key=asked.key, to=asked.to, payee=asked.payee)
