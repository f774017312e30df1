"""Points that are set aside for an answer: nothing is taken without work, nothing twice, nothing stays set aside.

When a test is over, every invariant of the house holds: what was booked sums to zero. Orders of pictures are paid in
`test_images.py`, each of its faults.
"""

from collections.abc import Callable
from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import update

from tests.parts.ai.conftest import Open
from tests.parts.ai.points import Points
from tests.parts.ai.test_chat import ASKED, FAILURES, PAID, put_silence
from tillhouse.kernel.house import House
from tillhouse.kernel.work import enqueue, run_due
from tillhouse.parts.ai.api import chat
from tillhouse.parts.ai.api.chat import Deadlines, Owner, Use
from tillhouse.parts.ai.domain.calls import Amounts
from tillhouse.parts.ai.events import SweepCalls
from tillhouse.parts.ai.flows.attempts import Attempt, Question
from tillhouse.parts.ai.models import CallRow
from tillhouse.parts.billing.events import LookAfter
from tillhouse.parts.billing.models import ChargeRow

MODEL = "openai/gpt-4.1-mini"
WORKED = Amounts(input=1_000, output=1_000)
BEGUN = 1_000_000


async def asker(house: House) -> tuple[Points, Use]:
    points = Points.of(house, uuid4())
    await points.give(BEGUN)
    return points, Use(Owner("person", points.owner.id), "wordai.answer")


async def killed(house: House, use: Use) -> Attempt:
    """A call whose process died after what it may cost was set aside."""
    return await Attempt.begin(Question(house=house, use=use, kind="chat", most=WORKED), MODEL, 1, 5.0)


@pytest.mark.parametrize("kind", FAILURES)
async def test_a_model_that_fails_takes_what_came_and_no_more(
    open_house: Open, fault: Callable[..., None], kind: str
) -> None:
    house = open_house(AI_TRIES="1", **PAID)
    points, use = await asker(house)
    error, state = FAILURES[kind]
    fault(kind, "openai")
    with pytest.raises(error):
        await chat.complete(house, use, ASKED, models=[MODEL])
    ((charged, most, cost),) = await points.charges()
    if state == "cut":
        assert (charged, 0 < cost < most) == ("captured", True)
    else:
        assert (charged, cost) == ("released", 0)
    assert await points.left() == (BEGUN - cost, 0)
    await points.check()


async def test_a_model_that_is_too_slow_takes_nothing(open_house: Open) -> None:
    house = open_house(**PAID)
    points, use = await asker(house)
    silent = put_silence(house, 0)
    with pytest.raises(chat.ModelLate):
        await chat.complete(house, use, ASKED, deadlines=Deadlines(0.05, 10, 10))
    assert silent.hung_up
    assert await points.left() == (BEGUN, 0)
    await points.check()


async def test_a_model_that_is_asked_twice_is_paid_for_the_answer_alone(
    open_house: Open, fault: Callable[..., None]
) -> None:
    house = open_house(AI_TRIES="2", **PAID)
    points, use = await asker(house)
    fault("status_429", "openai")
    await chat.complete(house, use, ASKED, models=[MODEL])
    (first, _, nothing), (second, _, cost) = await points.charges()
    assert (first, nothing, second) == ("released", 0, "captured")
    assert await points.left() == (BEGUN - cost, 0)
    await points.check()


async def test_an_end_that_is_told_twice_is_taken_once(open_house: Open) -> None:
    house = open_house(**PAID)
    points, use = await asker(house)
    attempt = await killed(house, use)
    attempt.amounts = WORKED
    await attempt.end(None)
    left = await points.left()
    assert left == (BEGUN - 2_000, 0)  # 0.40 and 1.60 dollars a million tokens, a millionth of a dollar a point
    await attempt.end(None)
    assert await points.left() == left
    await points.check()


async def test_a_rate_that_is_changed_in_between_changes_no_call_that_has_begun(open_house: Open) -> None:
    house = open_house(**PAID)
    points, use = await asker(house)
    attempt = await killed(house, use)
    attempt.amounts = WORKED
    attempt.question = Question(
        house=open_house(**PAID | {"BILLING_POINTS_PER_DOLLAR": "5", "BILLING_PAID_PURPOSES": ""}),
        use=use, kind="chat", most=WORKED, id=attempt.question.id,
    )  # fmt: skip
    await attempt.end(None)
    assert await points.charges() == [("captured", 2_000, 2_000)]


async def test_no_more_is_taken_than_was_set_aside(open_house: Open) -> None:
    house = open_house(**PAID)
    points, use = await asker(house)
    attempt = await killed(house, use)
    attempt.amounts = Amounts(input=5_000, output=9_000)
    await attempt.end(None)
    assert await points.charges() == [("captured", 2_000, 2_000)]
    await points.check()


@pytest.mark.parametrize("sweeper", ["calls", "points"])
async def test_what_a_process_that_died_had_set_aside_is_free_again(open_house: Open, sweeper: str) -> None:
    house = open_house(**PAID)
    points, use = await asker(house)
    attempt = await killed(house, use)
    assert await points.left() == (BEGUN - 2_000, 2_000)

    async def swept() -> tuple[int, int]:
        async with house.database.transaction() as session:
            await enqueue(session, SweepCalls() if sweeper == "calls" else LookAfter())
        await run_due(house)
        return await points.left()

    assert await swept() == (BEGUN - 2_000, 2_000)  # it may still be under way
    async with house.database.transaction() as session:
        await session.execute(update(CallRow).values(deadline_at=CallRow.deadline_at - timedelta(minutes=6)))
    assert await swept() == ((BEGUN, 0) if sweeper == "calls" else (BEGUN - 2_000, 2_000))
    async with house.database.transaction() as session:
        await session.execute(update(ChargeRow).values(expires_at=ChargeRow.expires_at - timedelta(minutes=61)))
    assert await swept() == (BEGUN, 0)
    attempt.amounts = WORKED
    await attempt.end(None)  # it comes back after all: too late to take anything
    assert await points.left() == (BEGUN, 0)
    await points.check()
