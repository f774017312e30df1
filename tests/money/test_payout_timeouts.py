"""RazorpayX does not answer in time: nobody knows whether it paid, so it is asked, and never told twice."""

from datetime import timedelta
from uuid import UUID

import pytest

from tests.parts.payments.till import Till, new_person, rupees
from tillhouse.kernel.access import Principal
from tillhouse.kernel.work import run_due
from tillhouse.parts.payments import api
from tillhouse.parts.payments.domain import PayoutState, Vpa


@pytest.mark.parametrize("fault", ["timeout_before", "timeout_after", "cut_stream", "status_500", "status_429"])
async def test_a_call_without_an_answer_makes_one_payout(till: Till, fault: str) -> None:
    person = new_person()
    await till.give(person, rupees("100.00"))
    await till.fault(fault, "POST /v1/payouts", provider="razorpayx")
    payout = await till.withdraw(person)
    await run_due(till.house)
    assert (await till.see_payout(payout)).state == PayoutState.UNKNOWN
    assert (await till.wallet(person), await till.available(person)) == ("100.00", "0.00")
    await till.pass_time(timedelta(minutes=8))
    assert (await till.see_payout(payout)).state == PayoutState.PROCESSED
    assert await till.wallet(person) == "0.00"
    assert [found["reference_id"] for found in till.payouts_outside()] == [str(payout.id)]


@pytest.mark.parametrize("fault", ["timeout_before", "timeout_after"])
async def test_a_provider_that_stays_silent_for_hours_pays_once(till: Till, fault: str) -> None:
    person = new_person()
    await till.give(person, rupees("100.00"))
    payout = await till.withdraw(person)
    await till.fault(fault, provider="razorpayx", count=4)
    await till.pass_time(timedelta(hours=9), step=timedelta(minutes=30))
    assert (await till.see_payout(payout)).state == PayoutState.PROCESSED
    assert len(till.payouts_outside()) == 1


async def test_a_payout_that_nobody_knows_of_after_a_day_is_never_sent_again_and_ended_by_two_people(
    till: Till,
) -> None:
    person = new_person()
    await till.give(person, rupees("100.00"))
    payout = await till.withdraw(person)
    await till.fault("timeout_before", "POST /v1/payouts", provider="razorpayx", count=1000)
    await till.pass_time(timedelta(hours=26), step=timedelta(hours=1))
    await till.outside("DELETE", "/_sandbox/faults")
    await till.pass_time(timedelta(hours=26), step=timedelta(hours=1))
    assert (await till.see_payout(payout)).state == PayoutState.UNKNOWN
    assert till.payouts_outside() == []
    assert await till.available(person) == "0.00"
    assert ("payout", "unknown_to_provider") in await till.exceptions()
    await two_people_say_that_it_never_happened(till, payout.id)
    assert (await till.see_payout(payout)).state == PayoutState.CANCELLED
    assert await till.available(person) == "100.00"
    await till.pass_time(timedelta(days=60), step=timedelta(days=20))
    assert (till.payouts_outside(), await till.exceptions()) == ([], [])


async def two_people_say_that_it_never_happened(till: Till, payout_id: UUID) -> None:
    """`tests/parts/payments/test_endings.py` says all about it."""
    async with till.house.database.reading() as session:
        found, _ = await api.exceptions_page(session, reason="unknown_to_provider")
    (exception,) = (one for one in found if one.subject == str(payout_id))
    proposer, other = (Principal("person", new_person(), assurance=2) for _ in range(2))
    never = api.Ending(api.Outcome.NEVER_HAPPENED)
    proposed = await api.propose_end(till.house, proposer, exception.id, never, explanation="RazorpayX wrote so.")
    assert proposed.resolution
    await api.approve(till.house, other, exception.id, proposed.resolution.id)


async def test_a_refusal_while_asking_leaves_the_hold(till: Till) -> None:
    """The look-up fails for a while: nothing is concluded from it."""
    person = new_person()
    await till.give(person, rupees("100.00"))
    payout = await till.withdraw(person)
    await till.fault("timeout_after", "POST /v1/payouts", provider="razorpayx")
    await till.fault("status_500", "GET /v1/payouts", provider="razorpayx", count=3)
    await till.pass_time(timedelta(minutes=4))
    assert await till.available(person) == "0.00"
    await till.pass_time(timedelta(minutes=40), step=timedelta(minutes=5))
    assert (await till.see_payout(payout)).state == PayoutState.PROCESSED
    assert len(till.payouts_outside()) == 1


async def test_a_payout_returned_after_it_was_processed_gives_the_money_back_once(till: Till) -> None:
    person = new_person()
    await till.give(person, rupees("100.00"))
    await till.withdraw(person, to=Vpa("reversed@razorpay"))
    await till.fault("duplicate", "payout.reversed", provider="razorpayx")
    await till.pass_time(timedelta(minutes=16))
    for payout in till.payouts_outside():
        again = {"entity": payout}
        body = {"provider": "razorpayx", "event": "payout.reversed", "payload": {"payout": again}}
        for _ in range(2):
            assert (await till.outside("POST", "/_sandbox/webhooks", body)).status_code == 201
    await till.quiet()
    assert await till.wallet(person) == "100.00"
    assert await till.house_balance("payouts:razorpayx") == "0.00"


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"amount": 100_000}, "foreign_amount"),
        ({"currency": "USD"}, "foreign_currency"),
        ({"reference_id": "00000000-0000-7000-8000-000000000000"}, "unknown_payout"),
        ({"reference_id": "not an id"}, "unknown_payout"),
        ({"id": "pout_InventedByMe0"}, "not_known_to_provider"),
    ],
)
async def test_an_event_of_a_payout_that_does_not_match_is_put_aside(
    till: Till, changed: dict[str, object], reason: str
) -> None:
    person = new_person()
    await till.give(person, rupees("100.00"))
    payout = await till.withdraw(person)
    await till.quiet()
    (outside,) = till.payouts_outside()
    entity = {**outside, "status": "failed", **changed}
    body = {"provider": "razorpayx", "event": "payout.failed", "payload": {"payout": {"entity": entity}}}
    await till.outside("POST", "/_sandbox/webhooks", body)
    await till.quiet()
    assert await till.parked() == [reason]
    assert (await till.see_payout(payout)).state == PayoutState.PROCESSING
    assert await till.available(person) == "0.00"


async def test_an_event_that_lies_about_the_state_is_not_believed(till: Till) -> None:
    person = new_person()
    await till.give(person, rupees("100.00"))
    payout = await till.withdraw(person)
    await till.quiet()
    (outside,) = till.payouts_outside()
    entity = {**outside, "status": "failed"}
    body = {"provider": "razorpayx", "event": "payout.failed", "payload": {"payout": {"entity": entity}}}
    await till.outside("POST", "/_sandbox/webhooks", body)
    await till.quiet()
    assert (await till.see_payout(payout)).state == PayoutState.PROCESSING
    assert await till.available(person) == "0.00"
