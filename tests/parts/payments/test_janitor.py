"""What is on its way for too long is put before a person: all of it, once, and again where an explanation grew old."""

from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import text

from tests.parts.payments.till import START, Till, new_person, rupees
from tillhouse.kernel.access import Principal
from tillhouse.kernel.ids import new_id
from tillhouse.kernel.work import run_due
from tillhouse.parts.payments import api
from tillhouse.parts.payments.domain import PayoutState, Vpa
from tillhouse.parts.payments.flows.look_after import look_after
from tillhouse.parts.payments.models import SavedCardRow
from tillhouse.parts.payments.service.reviews import approve_payout, reject_payout
from tillhouse.parts.payments.store import overdue


async def named(till: Till, reason: str) -> list[str]:
    """Subjects of the open exceptions for a reason, in the order in which they were opened."""
    query = "SELECT subject FROM payments.exceptions WHERE reason = :reason AND closed_at IS NULL ORDER BY id"
    async with till.house.database.reading() as session:
        return list((await session.execute(text(query), {"reason": reason})).scalars())


async def stuck_payout(till: Till) -> UUID:
    """A payout that its bank works on and works on."""
    person = new_person()
    await till.give(person, rupees("100.00"))
    payout = await till.withdraw(person, to=Vpa("stuck@razorpay"))
    await run_due(till.house)
    return payout.id


async def explain(till: Till, reason: str) -> None:
    """Two people explain the one exception for a reason: it is as it should be."""
    async with till.house.database.transaction() as session:
        (one,), _ = await api.exceptions_page(session, reason=reason, state="open")
        proposer = Principal("person", new_person(), assurance=2)
        proposed = await api.propose(session, proposer, one.id, explanation="The bank works on it: they wrote so.")
    assert proposed.resolution
    await api.approve(till.house, Principal("person", new_person(), assurance=2), one.id, proposed.resolution.id)


async def test_what_two_people_explained_is_not_named_again_before_the_days_that_settings_say(till: Till) -> None:
    payout = await stuck_payout(till)
    till.at.advance(timedelta(hours=25))
    await look_after(till.house)
    assert await named(till, "unfinished_too_long") == [str(payout)]
    await explain(till, "unfinished_too_long")
    for minutes in (1, 2, 60 * 24):
        till.at.advance(timedelta(minutes=minutes))
        await look_after(till.house)
        assert await named(till, "unfinished_too_long") == []
    till.at.advance(timedelta(days=6))
    await look_after(till.house)
    assert await named(till, "unfinished_too_long") == [str(payout)]  # seven days later it is so still


async def test_what_ended_by_itself_is_off_the_list_and_stays_off(till: Till) -> None:
    person = new_person()
    await till.give(person, rupees("100.00"))
    payout = await till.withdraw(person)
    await run_due(till.house)
    till.at.advance(timedelta(hours=25))
    await look_after(till.house)
    assert await named(till, "unfinished_too_long") == [str(payout.id)]
    till.sandbox_clock.advance(200)
    await till.quiet()
    assert (await till.see_payout(payout)).state == PayoutState.PROCESSED
    await look_after(till.house)
    assert await named(till, "unfinished_too_long") == []


async def test_of_more_than_are_looked_at_at_once_all_are_named_the_oldest_first(
    till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(overdue, "AT_ONCE", 2)
    stuck = []
    for _ in range(5):
        stuck.append(str(await stuck_payout(till)))
        till.at.advance(timedelta(seconds=1))
    till.at.advance(timedelta(hours=25))
    for count in (2, 4, 5, 5):
        await look_after(till.house)
        assert await named(till, "unfinished_too_long") == stuck[:count]


@pytest.mark.parametrize("verdict", ["approve", "reject"])
async def test_a_payout_that_nobody_decides_about_is_named_until_somebody_does(till: Till, verdict: str) -> None:
    person = new_person()
    await till.give(person, rupees("600.00"))
    till.change_settings(withdrawal_approval_above=50_000, approval_too_old_hours=6)
    payout = await till.withdraw(person, "600.00")
    assert payout.state == PayoutState.AWAITING_APPROVAL
    till.at.advance(timedelta(hours=5))
    await look_after(till.house)
    assert await named(till, "unapproved_too_long") == []
    till.at.advance(timedelta(hours=2))
    for _ in range(2):
        await look_after(till.house)
        assert await named(till, "unapproved_too_long") == [str(payout.id)]
    decide = approve_payout if verdict == "approve" else reject_payout
    async with till.house.database.transaction() as session:
        await decide(session, payout.id, new_person())
    await look_after(till.house)
    assert await named(till, "unapproved_too_long") == []


def card(order_id: UUID | None = None, *, asked: bool = False) -> SavedCardRow:
    return SavedCardRow(
        id=new_id(), owner_kind="person", owner_id=new_person(), provider="razorpay", kind="card", state="pending",
        order_id=order_id, consented_at=START, next_check_at=START + timedelta(days=30) if asked else None,
    )  # fmt: skip


async def test_a_card_that_was_paid_for_or_is_asked_about_still_is_named_and_one_left_behind_is_not(till: Till) -> None:
    order = await till.order(new_person(), "100.00")
    await till.verify(await till.pay(order))
    paid_for, asked, left = card(order.id), card(asked=True), card()
    wanted = [str(paid_for.id), str(asked.id)]
    async with till.house.database.transaction() as session:
        session.add_all((paid_for, asked, left))
    till.at.advance(timedelta(hours=25))
    await look_after(till.house)
    assert await named(till, "unfinished_too_long") == []
    till.at.advance(timedelta(hours=2))
    await look_after(till.house)
    assert sorted(await named(till, "unfinished_too_long")) == sorted(wanted)
    async with till.house.database.transaction() as session:
        over = (
            "UPDATE payments.saved_cards SET state = 'removed', reason = 'given_up', removed_at = now() WHERE id = :id"
        )
        await session.execute(text(over), {"id": paid_for.id})
    await look_after(till.house)
    assert await named(till, "unfinished_too_long") == [str(asked.id)]
