"""A payout or refund whose end nobody tells: two people say what became of it, and the provider is asked each time."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import text

from tests.parts.payments.gateways import refund_at_dashboard
from tests.parts.payments.test_endpoints import Caller, someone, token_of
from tests.parts.payments.test_refunds import debt, paid, refund, see
from tests.parts.payments.till import SUCCESS, Till, new_person, open_till, rupees
from tillhouse.kernel.access import Principal
from tillhouse.kernel.ids import new_id
from tillhouse.kernel.settings import KernelSettings
from tillhouse.kernel.work import run_due
from tillhouse.parts.identity.models import PersonRow
from tillhouse.parts.identity.service import machines
from tillhouse.parts.payments import api
from tillhouse.parts.payments.domain import PayoutFacts, PayoutState, RefundFacts, RefundState
from tillhouse.parts.payments.flows.payouts import send_payout
from tillhouse.parts.payments.flows.refunds import send_refund
from tillhouse.parts.payments.ports import Payee
from tillhouse.parts.payments.service.payouts import record_payout
from tillhouse.parts.payments.service.refunds import record_refund
from tillhouse.parts.payments.service.registry import payout_gateway
from tillhouse.sandbox.razorpay.x_schemas import Payout
from tillhouse.sandbox.smtp import smtp_server

WHY = "RazorpayX wrote that no such payout was ever made."


@pytest.fixture
async def till(settings: KernelSettings, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Till]:
    monkeypatch.setenv("IDENTITY_ARGON2_MEMORY_KIB", "64")
    async with open_till(settings) as opened, smtp_server(opened.sandbox.world.inbox, "127.0.0.1", 0):
        yield opened


@dataclass
class Office:
    """Two people of staff at the API."""

    till: Till
    meera: Caller
    ravi: Caller

    async def exception(self, subject: UUID, reason: str = "unknown_to_provider") -> str:
        query = "SELECT id FROM payments.exceptions WHERE subject = :subject AND reason = :reason AND closed_at IS NULL"
        async with self.till.house.database.reading() as session:
            found = await session.execute(text(query), {"subject": str(subject), "reason": reason})
            return str(found.scalar_one())

    async def propose(self, by: Caller, exception: str, outcome: str, provider_id: str | None = None) -> httpx.Response:
        await self.awake(by)
        body = {"explanation": WHY, "outcome": outcome, "provider_id": provider_id}
        return await by.post(f"/payments/exceptions/{exception}/propose-end", body)

    async def agree(self, by: Caller, exception: str, resolution: str) -> httpx.Response:
        await self.awake(by)
        return await by.post(f"/payments/exceptions/{exception}/approve", {"resolution_id": resolution})

    async def awake(self, who: Caller) -> None:
        """Days have passed: a person signs in again; a key stays what it is."""
        async with self.till.house.database.transaction() as session:
            row = await session.get(PersonRow, who.id)
            if row:
                who.token = await token_of(session, row, 2)

    async def proposed(self, exception: str, outcome: str, provider_id: str | None = None) -> str:
        answer = await self.propose(self.meera, exception, outcome, provider_id)
        assert answer.status_code == 200, answer.text
        assert answer.json()["resolution"]["ending"] == {"outcome": outcome, "provider_id": provider_id}
        return str(answer.json()["resolution"]["id"])

    async def end(self, exception: str, outcome: str, provider_id: str | None = None) -> dict[str, Any]:
        """Meera proposes, Ravi agrees."""
        agreed = await self.agree(self.ravi, exception, await self.proposed(exception, outcome, provider_id))
        assert agreed.status_code == 200, agreed.text
        found: dict[str, Any] = agreed.json()
        return found

    async def open_about(self, subject: UUID) -> list[str]:
        query = "SELECT reason FROM payments.exceptions WHERE subject = :subject AND closed_at IS NULL ORDER BY id"
        async with self.till.house.database.reading() as session:
            return list((await session.execute(text(query), {"subject": str(subject)})).scalars())


@pytest.fixture
async def office(till: Till) -> Office:
    meera = await someone(till, "Meera Iyer", role="staff", assurance=2)
    ravi = await someone(till, "Ravi Das", role="staff", assurance=2)
    return Office(till, meera, ravi)


async def lost_payout(till: Till, person: UUID, amount: str = "100.00") -> api.PayoutView:
    """A payout whose call nobody answered for more than a day, and which its provider does not know."""
    await till.give(person, rupees(amount))
    payout = await till.withdraw(person, amount)
    await till.fault("timeout_before", "POST /v1/payouts", provider="razorpayx")
    await run_due(till.house)
    later(till, timedelta(hours=26))
    await send_payout(till.house, payout.id)
    assert (await till.see_payout(payout)).state == PayoutState.UNKNOWN
    return payout


def later(till: Till, by: timedelta) -> None:
    """Time passes, and nobody does anything."""
    till.at.advance(by)
    till.sandbox_clock.advance(by.total_seconds())


async def paid_outside(till: Till, reference: UUID, amount: str = "100.00", *, done: bool = True) -> PayoutFacts:
    """RazorpayX has a payout with this reference after all; nothing tells us."""
    known = payout_gateway(till.house, "razorpayx")
    await till.fault("drop", "payout.*", provider="razorpayx", count=100)
    made = await known.create_payout(key=reference, amount=rupees(amount), to=SUCCESS, payee=Payee("Asha Rao", "asha"))
    if done:
        till.sandbox_clock.advance(200)
        await till.sandbox.deliver_due()
    return await known.fetch_payout(made.payout_id)


async def lost_refund(till: Till, payment: UUID, amount: str | None = None) -> UUID:
    """A refund whose call nobody answered for more than a day, and which its gateway does not know."""
    made = await refund(till, payment, amount)
    await till.fault("timeout_before", "POST /v1/payments/*/refund")
    await run_due(till.house)
    later(till, timedelta(hours=26))
    await send_refund(till.house, made)
    assert (await see(till, made)).state == RefundState.UNKNOWN
    return made


# --- payouts --------------------------------------------------------------------------------------------------------


async def test_two_people_end_a_payout_that_never_happened_and_its_owner_is_told(office: Office) -> None:
    till = office.till
    asha = await someone(till, "Asha Rao")
    assert asha.id
    payout = await lost_payout(till, asha.id)
    exception = await office.exception(payout.id)
    resolution = await office.proposed(exception, "never_happened")
    assert (await till.wallet(asha.id), await till.available(asha.id)) == ("100.00", "0.00")
    assert (await office.agree(office.meera, exception, resolution)).status_code == 403
    agreed = await office.agree(office.ravi, exception, resolution)
    assert (agreed.status_code, agreed.json()["state"]) == (200, "resolved")
    ended = await till.see_payout(payout)
    assert (ended.state, ended.failure_code) == (PayoutState.CANCELLED, "never_made")
    assert await till.available(asha.id) == "100.00"
    assert await office.open_about(payout.id) == []
    await till.quiet()
    async with till.house.database.reading() as session:
        query = "SELECT action FROM identity.audit WHERE subject = :subject ORDER BY id"
        audited = (await session.execute(text(query), {"subject": f"exception:{exception}"})).scalars().all()
        told = (await session.execute(text("SELECT template FROM channels.messages ORDER BY id"))).scalars().all()
    assert audited == ["payments.propose_end", "payments.approve_end"]
    assert "payments.withdrawal_failed" in told
    await till.pass_time(timedelta(days=2), step=timedelta(days=2))
    assert till.payouts_outside() == []  # nothing sends it again
    assert await office.open_about(payout.id) == []
    await till.withdraw(asha.id, "100.00")  # the money is theirs


async def test_while_it_may_still_be_sent_nobody_says_what_became_of_it(office: Office) -> None:
    till, person = office.till, new_person()
    await till.give(person, rupees("100.00"))
    till.change_settings(too_old_hours=2)
    payout = await till.withdraw(person)
    await till.fault("timeout_before", "POST /v1/payouts", provider="razorpayx", count=1000)
    await run_due(till.house)
    await till.pass_time(timedelta(hours=4), step=timedelta(hours=4))
    exception = await office.exception(payout.id, "unfinished_too_long")
    for outcome, name in (("never_happened", None), ("happened", "pout_1")):
        refused = await office.propose(office.meera, exception, outcome, name)
        assert refused.status_code == 409
        assert "in 21 hours" in refused.json()["detail"]
    assert await till.available(person) == "0.00"


@pytest.mark.parametrize("when", ["proposing", "agreeing"])
async def test_a_payout_that_the_provider_has_after_all_is_taken_in_and_not_freed(office: Office, when: str) -> None:
    till, person = office.till, new_person()
    payout = await lost_payout(till, person)
    exception = await office.exception(payout.id)
    if when == "proposing":
        await paid_outside(till, payout.id)
        answer = await office.propose(office.meera, exception, "never_happened")
    else:
        resolution = await office.proposed(exception, "never_happened")
        await paid_outside(till, payout.id)
        answer = await office.agree(office.ravi, exception, resolution)
    assert answer.status_code == 409
    assert "knows it after all" in answer.json()["detail"]
    assert (await till.see_payout(payout)).state == PayoutState.PROCESSED
    assert (await till.wallet(person), await till.house_balance("payouts:razorpayx")) == ("0.00", "100.00")
    assert await office.open_about(payout.id) == []


async def test_a_provider_that_does_not_answer_ends_nothing(office: Office) -> None:
    till, person = office.till, new_person()
    payout = await lost_payout(till, person)
    exception = await office.exception(payout.id)
    resolution = await office.proposed(exception, "never_happened")
    await till.fault("status_500", "GET /v1/payouts", provider="razorpayx", count=10)
    assert (await office.agree(office.ravi, exception, resolution)).status_code == 503
    assert (await till.see_payout(payout)).state == PayoutState.UNKNOWN
    await till.outside("DELETE", "/_sandbox/faults")
    assert (await office.agree(office.ravi, exception, resolution)).status_code == 200


async def test_a_payout_found_at_the_provider_under_another_reference_is_booked_by_two_people(office: Office) -> None:
    till, person = office.till, new_person()
    payout = await lost_payout(till, person)
    exception = await office.exception(payout.id)
    found = await paid_outside(till, new_id())
    less = await paid_outside(till, new_id(), "99.00")
    for name, code in (
        (None, "missing"),
        ("pout_Nobody00000001", "unknown_to_provider"),
        (less.payout_id, "foreign_amount"),
    ):
        refused = await office.propose(office.meera, exception, "happened", name)
        assert (refused.status_code, refused.json()["errors"][0]["code"]) == (422, code), refused.text
        assert refused.json()["errors"][0]["pointer"] == "/provider_id"
    await office.end(exception, "happened", found.payout_id)
    ended = await till.see_payout(payout)
    assert (ended.state, ended.provider_payout_id) == (PayoutState.PROCESSED, found.payout_id)
    assert (await till.wallet(person), await till.house_balance("payouts:razorpayx")) == ("0.00", "100.00")
    await till.pass_time(timedelta(days=2), step=timedelta(days=2))  # it is asked about as any other
    assert await office.open_about(payout.id) == []


async def test_one_payout_of_the_providers_is_not_said_to_be_two_of_ours(office: Office) -> None:
    till, person, other = office.till, new_person(), new_person()
    payout = await lost_payout(till, person)
    exception = await office.exception(payout.id)
    await till.give(other, rupees("100.00"))
    theirs = await till.withdraw(other)
    await run_due(till.house)
    name = (await till.see_payout(theirs)).provider_payout_id
    refused = await office.propose(office.meera, exception, "happened", name)
    assert refused.json()["errors"][0]["code"] == "belongs_to_another"


async def test_one_that_is_still_under_way_at_the_provider_goes_on_as_any_other(office: Office) -> None:
    till, person = office.till, new_person()
    payout = await lost_payout(till, person)
    found = await paid_outside(till, new_id(), done=False)
    await office.end(await office.exception(payout.id), "happened", found.payout_id)
    assert (await till.see_payout(payout)).state == PayoutState.PROCESSING
    assert await till.available(person) == "0.00"
    await till.pass_time(timedelta(hours=13), step=timedelta(hours=13))
    assert (await till.see_payout(payout)).state == PayoutState.PROCESSED
    assert await till.wallet(person) == "0.00"


async def test_what_the_provider_calls_failed_or_under_way_is_not_booked_as_made(office: Office) -> None:
    till, person = office.till, new_person()
    payout = await lost_payout(till, person)
    found = await paid_outside(till, new_id(), done=False)
    outside = till.sandbox.world.store.get(Payout, found.payout_id)
    assert outside
    till.sandbox.world.store.put(outside.model_copy(update={"status": "failed"}))
    exception = await office.exception(payout.id)
    refused = await office.propose(office.meera, exception, "happened", found.payout_id)
    assert (refused.status_code, refused.json()["errors"][0]["code"]) == (422, "not_made")
    await office.end(exception, "never_happened")
    again = await paid_outside(till, payout.id, done=False)
    async with till.house.database.transaction() as session:
        await record_payout(session, payout.id, again)
    exception = await office.exception(payout.id, "provider_disagrees")
    refused = await office.propose(office.meera, exception, "happened", again.payout_id)
    assert refused.status_code == 409
    assert "under way at the provider" in refused.json()["detail"]
    assert await till.available(person) == "100.00"


async def freed_and_paid(office: Office, person: UUID) -> tuple[api.PayoutView, str]:
    """Two people ended a payout as never made; its owner spent 70 of the 100; then RazorpayX tells that it paid."""
    till = office.till
    payout = await lost_payout(till, person)
    await office.end(await office.exception(payout.id), "never_happened")
    await till.withdraw(person, "70.00")
    await till.quiet()
    till.sandbox_clock.advance(200)
    await till.quiet()
    facts = await paid_outside(till, payout.id)
    for _ in range(2):
        async with till.house.database.transaction() as session:
            await record_payout(session, payout.id, facts)
    assert await office.open_about(payout.id) == ["provider_disagrees"]
    return payout, facts.payout_id


async def test_what_was_paid_after_it_was_freed_and_spent_becomes_a_debt(office: Office) -> None:
    till, person = office.till, new_person()
    payout, name = await freed_and_paid(office, person)
    assert await till.wallet(person) == "30.00"
    ended = await office.end(await office.exception(payout.id, "provider_disagrees"), "happened", name)
    assert ended["resolution"]["transaction_id"]
    paid_at_last = await till.see_payout(payout)
    assert (paid_at_last.state, paid_at_last.advanced) == (PayoutState.PROCESSED, rupees("70.00"))
    assert (await till.wallet(person), await debt(till, person)) == ("0.00", "70.00")
    assert await till.house_balance("payouts:razorpayx") == "170.00"
    async with till.house.database.reading() as session:
        assert [(one.owner_id, one.amount) for one in await api.debts(session)] == [(person, rupees("70.00"))]
    assert await office.open_about(payout.id) == []
    await till.deposit(person, "100.00")
    assert (await till.wallet(person), await debt(till, person)) == ("30.00", "0.00")


async def test_a_payout_that_was_paid_after_all_and_then_comes_back_gives_the_money_back(office: Office) -> None:
    till, person = office.till, new_person()
    payout, name = await freed_and_paid(office, person)
    await office.end(await office.exception(payout.id, "provider_disagrees"), "happened", name)
    back = PayoutFacts("razorpayx", name, str(payout.id), payout.amount, PayoutState.REVERSED)
    there = PayoutFacts("razorpayx", name, str(payout.id), payout.amount, PayoutState.PROCESSED)
    for facts in (back, there, back):
        async with till.house.database.transaction() as session:
            await record_payout(session, payout.id, facts)
    assert (await till.see_payout(payout)).state == PayoutState.REVERSED
    assert (await till.wallet(person), await debt(till, person)) == ("100.00", "70.00")
    assert await till.house_balance("payouts:razorpayx") == "70.00"
    assert await office.open_about(payout.id) == []  # the provider's last word is ours again


async def test_a_payout_that_came_back_and_that_the_provider_calls_paid_again_is_booked_again(office: Office) -> None:
    till, person = office.till, new_person()
    await till.give(person, rupees("100.00"))
    payout = await till.withdraw(person)
    await till.quiet()
    till.sandbox_clock.advance(200)
    await till.quiet()
    name = (await till.see_payout(payout)).provider_payout_id or ""
    for state in (PayoutState.REVERSED, PayoutState.PROCESSED):
        async with till.house.database.transaction() as session:
            await record_payout(
                session, payout.id, PayoutFacts("razorpayx", name, str(payout.id), payout.amount, state)
            )
    assert await till.wallet(person) == "100.00"
    await office.end(await office.exception(payout.id, "provider_disagrees"), "happened", name)
    assert (await till.see_payout(payout)).state == PayoutState.PROCESSED
    assert (await till.wallet(person), await till.house_balance("payouts:razorpayx")) == ("0.00", "100.00")


async def test_two_people_who_agree_at_once_book_it_once(office: Office) -> None:
    till, person = office.till, new_person()
    nila = await someone(till, "Nila Sen", role="staff", assurance=2)
    payout, name = await freed_and_paid(office, person)
    exception = await office.exception(payout.id, "provider_disagrees")
    resolution = await office.proposed(exception, "happened", name)
    callers = (office.ravi, nila, office.ravi, nila)
    answers = await asyncio.gather(*(office.agree(one, exception, resolution) for one in callers))
    assert sorted(one.status_code for one in answers) == [200, 409, 409, 409]
    assert (await office.agree(nila, exception, resolution)).status_code == 409
    assert (await till.wallet(person), await debt(till, person)) == ("0.00", "70.00")
    assert await till.house_balance("payouts:razorpayx") == "170.00"


async def test_two_people_who_propose_at_once_make_one_proposal(office: Office) -> None:
    payout = await lost_payout(office.till, new_person())
    exception = await office.exception(payout.id)
    callers = (office.meera, office.ravi)
    answers = await asyncio.gather(*(office.propose(one, exception, "never_happened") for one in callers))
    assert sorted(one.status_code for one in answers) == [200, 409]


async def test_an_event_between_the_proposal_and_the_agreement_wins(office: Office) -> None:
    till, person = office.till, new_person()
    payout = await lost_payout(till, person)
    exception = await office.exception(payout.id)
    resolution = await office.proposed(exception, "never_happened")
    facts = await paid_outside(till, payout.id)
    async with till.house.database.transaction() as session:
        await record_payout(session, payout.id, facts)
    answer = await office.agree(office.ravi, exception, resolution)
    assert answer.status_code == 409
    assert (await till.see_payout(payout)).state == PayoutState.PROCESSED
    assert await till.wallet(person) == "0.00"
    assert await office.open_about(payout.id) == []


async def test_an_event_in_the_very_moment_of_the_agreement_leaves_one_truth(office: Office) -> None:
    """Whoever is first: either it is booked and the agreement refused, or it is freed and the event put before a
    person. Never both, and nobody waits for the other for ever.
    """
    till = office.till
    payouts = [await lost_payout(till, new_person()) for _ in range(6)]
    begun = [await office.exception(one.id) for one in payouts]
    resolutions = [await office.proposed(one, "never_happened") for one in begun]

    async def hear(payout: api.PayoutView, number: int) -> None:
        name = f"pout_late{number}"
        facts = PayoutFacts("razorpayx", name, str(payout.id), payout.amount, PayoutState.PROCESSED)
        await asyncio.sleep(0.004 * number)
        async with till.house.database.transaction() as session:
            await record_payout(session, payout.id, facts)

    async def both(number: int) -> int:
        agreed, _ = await asyncio.gather(
            office.agree(office.ravi, begun[number], resolutions[number]), hear(payouts[number], number)
        )
        return agreed.status_code

    for number, payout in enumerate(payouts):
        status = await both(number)
        now = await till.see_payout(payout)
        if status == 200:
            assert (now.state, await till.available(now.owner_id)) == (PayoutState.CANCELLED, "100.00")
            assert await office.open_about(payout.id) == ["provider_disagrees"]
        else:
            assert (status, now.state) == (409, PayoutState.PROCESSED)
            assert await till.wallet(now.owner_id) == "0.00"
            assert await office.open_about(payout.id) == []


async def test_whose_money_it_is_says_nothing_about_it_nor_does_who_proposed_with_a_key(office: Office) -> None:
    till = office.till
    assert office.meera.id
    payout = await lost_payout(till, office.meera.id)
    exception = await office.exception(payout.id)
    assert (await office.propose(office.meera, exception, "never_happened")).status_code == 403
    proposed = await office.propose(office.ravi, exception, "never_happened")
    resolution = proposed.json()["resolution"]["id"]
    assert (await office.agree(office.meera, exception, resolution)).status_code == 403
    async with till.house.database.transaction() as session:
        assert office.ravi.id
        key = await machines.create(session, Principal("person", office.ravi.id), "robot", ["payments.correct"])
    assert (await office.agree(Caller(till, key.row.id, key.key), exception, resolution)).status_code == 403
    assert (await office.agree(office.ravi, exception, resolution)).status_code == 403
    nila = await someone(till, "Nila Sen", role="staff", assurance=2)
    assert (await office.agree(nila, exception, resolution)).status_code == 200


async def test_a_proposal_that_is_not_agreed_to_changes_nothing_and_another_may_follow(office: Office) -> None:
    till, person = office.till, new_person()
    payout = await lost_payout(till, person)
    exception = await office.exception(payout.id)
    first = await office.proposed(exception, "never_happened")
    await office.awake(office.ravi)
    rejected = await office.ravi.post(f"/payments/exceptions/{exception}/reject", {"resolution_id": first})
    assert rejected.json()["state"] == "open"
    assert await till.available(person) == "0.00"
    assert (await office.agree(office.ravi, exception, first)).status_code == 409
    await office.end(exception, "never_happened")
    assert await till.available(person) == "100.00"


async def test_what_has_an_end_and_what_is_of_another_kind_does_not_end_by_a_word(office: Office) -> None:
    till, person = office.till, new_person()
    payout, _ = await freed_and_paid(office, person)
    exception = await office.exception(payout.id, "provider_disagrees")
    assert (await office.propose(office.meera, exception, "never_happened")).status_code == 409
    assert (await office.propose(office.meera, str(new_id()), "never_happened")).status_code == 404
    async with till.house.database.transaction() as session:
        foreign = PayoutFacts("razorpayx", "pout_1", "another", payout.amount, PayoutState.PROCESSED)
        await record_payout(session, payout.id, foreign)
    other = await office.exception(payout.id, "foreign_reference")
    assert (await office.propose(office.meera, other, "never_happened")).status_code == 409


async def test_a_payout_that_was_booked_and_that_the_provider_calls_failed_is_given_back_by_two_people(
    office: Office,
) -> None:
    till, person = office.till, new_person()
    await till.give(person, rupees("100.00"))
    payout = await till.withdraw(person)
    await till.quiet()
    till.sandbox_clock.advance(200)
    await till.quiet()
    now = await till.see_payout(payout)
    assert now.state == PayoutState.PROCESSED
    failed = PayoutFacts("razorpayx", now.provider_payout_id or "", str(payout.id), payout.amount, PayoutState.FAILED)
    async with till.house.database.transaction() as session:
        await record_payout(session, payout.id, failed)
    exception = await office.exception(payout.id, "provider_disagrees")
    refused = await office.propose(office.meera, exception, "never_happened")
    assert refused.status_code == 409  # asked again it says that it paid: nothing is given back
    assert await till.wallet(person) == "0.00"
    outside = till.sandbox.world.store.get(Payout, now.provider_payout_id or "")
    assert outside
    till.sandbox.world.store.put(outside.model_copy(update={"status": "failed"}))
    async with till.house.database.transaction() as session:
        await record_payout(session, payout.id, failed)
    exception = await office.exception(payout.id, "provider_disagrees")
    await office.end(exception, "never_happened")
    assert (await till.see_payout(payout)).state == PayoutState.REVERSED
    assert (await till.wallet(person), await till.house_balance("payouts:razorpayx")) == ("100.00", "0.00")


# --- refunds --------------------------------------------------------------------------------------------------------


async def test_two_people_end_a_refund_that_never_happened(office: Office) -> None:
    till = office.till
    person, order, payment = await paid(till)
    made = await lost_refund(till, payment)
    exception = await office.exception(made)
    resolution = await office.proposed(exception, "never_happened")
    assert (await office.agree(office.meera, exception, resolution)).status_code == 403
    assert await till.available(person) == "0.00"
    assert (await office.agree(office.ravi, exception, resolution)).status_code == 200
    ended = await see(till, made)
    assert (ended.state, await till.available(person)) == (RefundState.FAILED, "100.00")
    assert (await till.see_order(order)).state == api.OrderState.CAPTURED
    assert await office.open_about(made) == []
    again = await refund(till, payment, key="k2")  # it may be given back anew
    await till.quiet()
    till.sandbox_clock.advance(200)
    await till.quiet()
    assert (await see(till, again)).state == RefundState.PROCESSED
    assert await till.wallet(person) == "0.00"


def told(name: str, made: UUID, amount: str) -> RefundFacts:
    return RefundFacts("razorpay", name, "", rupees(amount), RefundState.PROCESSED, reference=str(made))


async def dashboard(till: Till, payment: UUID, minor: int) -> str:
    """A refund at Razorpay's dashboard of which nothing tells us."""
    async with till.house.database.reading() as session:
        name = (await api.payment(session, payment)).provider_payment_id
    await till.fault("drop", "refund.*", count=100)
    made = await refund_at_dashboard(till, name, minor)
    till.sandbox_clock.advance(200)
    await till.sandbox.deliver_due()
    return made


async def test_a_refund_found_at_the_gateway_is_booked_by_two_people(office: Office) -> None:
    till = office.till
    person, order, payment = await paid(till)
    made = await lost_refund(till, payment, "60.00")
    exception = await office.exception(made)
    name = await dashboard(till, payment, 6_000)
    for wrong, code in (("rfnd_Nobody00000001", "unknown_to_provider"), (None, "missing")):
        refused = await office.propose(office.meera, exception, "happened", wrong)
        assert (refused.status_code, refused.json()["errors"][0]["code"]) == (422, code), refused.text
    await office.end(exception, "happened", name)
    assert (await see(till, made)).state == RefundState.PROCESSED
    assert (await till.wallet(person), await till.house_balance("clearing:razorpay")) == ("40.00", "40.00")
    assert (await till.see_order(order)).state == api.OrderState.PARTIALLY_REFUNDED
    assert await office.open_about(made) == []


async def test_a_refund_made_after_it_was_freed_and_spent_becomes_a_debt_once(office: Office) -> None:
    till = office.till
    person, order, payment = await paid(till)
    made = await lost_refund(till, payment, "60.00")
    await office.end(await office.exception(made), "never_happened")
    await till.withdraw(person, "90.00")
    await till.quiet()
    till.sandbox_clock.advance(200)
    await till.quiet()
    name = await dashboard(till, payment, 6_000)
    facts = told(name, made, "60.00")
    async with till.house.database.transaction() as session:
        await record_refund(session, made, facts)
    exception = await office.exception(made, "provider_disagrees")
    resolution = await office.proposed(exception, "happened", name)
    nila = await someone(till, "Nila Sen", role="staff", assurance=2)
    answers = await asyncio.gather(*(office.agree(one, exception, resolution) for one in (office.ravi, nila)))
    assert sorted(one.status_code for one in answers) == [200, 409]
    ended = await see(till, made)
    assert (ended.state, ended.advanced) == (RefundState.PROCESSED, rupees("50.00"))
    assert (await till.wallet(person), await debt(till, person)) == ("0.00", "50.00")
    assert await till.house_balance("clearing:razorpay") == "40.00"
    assert (await till.see_order(order)).state == api.OrderState.PARTIALLY_REFUNDED


async def test_a_payment_is_not_given_back_beyond_what_was_paid_by_a_word(office: Office) -> None:
    till = office.till
    person, _, payment = await paid(till)
    made = await lost_refund(till, payment, "60.00")
    await office.end(await office.exception(made), "never_happened")
    name = await dashboard(till, payment, 6_000)
    async with till.house.database.transaction() as session:
        await record_refund(session, made, told(name, made, "60.00"))
    assert await till.wallet(person) == "100.00"
    async with till.house.database.transaction() as session:
        await session.execute(text("UPDATE payments.refunds SET provider_refund_id = NULL"))
    await refund(till, payment, "50.00", key="k2")
    exception = await office.exception(made, "provider_disagrees")
    refused = await office.propose(office.meera, exception, "happened", name)
    assert refused.status_code == 409
    assert "another refund" in refused.json()["detail"]
