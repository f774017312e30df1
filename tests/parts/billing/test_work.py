"""Work that is paid in points: no more than there is, no more than it cost, never twice, never for ever."""

from datetime import timedelta

import pytest

from tests.money.test_ledger_races import together
from tests.parts.billing.counter import Counter, points
from tests.parts.payments.till import new_person
from tillhouse.kernel import clock
from tillhouse.kernel.db import Database
from tillhouse.kernel.errors import Conflict
from tillhouse.parts.billing import api
from tillhouse.parts.ledger import api as ledger


async def test_of_200_calls_of_2_points_at_once_on_100_points_50_succeed(counter: Counter) -> None:
    asha = new_person()
    await counter.give(asha, 100)
    house = counter.till.house
    patient = Database(house.database.url, pool=20, patience=120)  # however busy the machine is: the other 180 wait
    patient.house = house

    async def call(number: int) -> None:
        async with patient.transaction() as session:
            charge = await api.reserve_work(
                session, api.person(asha), points(2),
                key=f"call-{number}", action="shop.chat", price_version=1, zone="Asia/Kolkata",
            )  # fmt: skip
        async with patient.transaction() as session:
            await api.capture_work(session, charge.id, points(2))

    try:
        outcome = await together([call(number) for number in range(200)])
    finally:
        await patient.close()
    assert outcome == {"done": 50, "InsufficientFunds": 150}
    assert await counter.points(asha) == 0


async def test_the_true_cost_is_charged_and_the_rest_is_free_again(counter: Counter) -> None:
    asha = new_person()
    await counter.give(asha, 10)
    charge = await counter.reserve(asha, 8)
    assert await counter.points(asha) == 2
    charge = await counter.capture(charge, 3)
    assert (charge.state, charge.captured) == ("captured", points(3))
    assert await counter.points(asha) == 7
    assert await counter.capture(charge, 3) == charge
    with pytest.raises(api.WorkEnded):
        await counter.release(charge)
    with pytest.raises(api.WorkEnded):
        await counter.capture(charge, 4)


async def test_no_more_is_charged_than_was_set_aside(counter: Counter) -> None:
    asha = new_person()
    await counter.give(asha, 10)
    charge = await counter.reserve(asha, 2)
    with pytest.raises(ledger.CaptureNotCovered):
        await counter.capture(charge, 3)
    assert (await counter.capture(charge, 0)).state == "released"
    assert await counter.points(asha) == 10


async def test_the_same_key_sets_aside_once_and_another_request_under_it_is_refused(counter: Counter) -> None:
    asha = new_person()
    await counter.give(asha, 10)
    first = await counter.reserve(asha, 4, "question-1")
    assert await counter.reserve(asha, 4, "question-1") == first
    with pytest.raises(Conflict):
        await counter.reserve(asha, 5, "question-1")
    assert await counter.points(asha) == 6


async def test_the_same_key_at_once_sets_aside_once_and_passes_no_cap_twice(counter: Counter) -> None:
    asha = new_person()
    await counter.give(asha, 100)
    async with counter.till.house.database.transaction() as session:
        await api.set_cap(session, api.person(asha), points(5), "day")
    outcome = await together([counter.reserve(asha, 5, "same") for _ in range(6)])
    assert outcome == {"done": 6}
    assert await counter.points(asha) == 95


async def test_what_nobody_ends_is_free_again_when_its_time_is_over(counter: Counter) -> None:
    asha = new_person()
    await counter.give(asha, 10)
    charge = await counter.reserve(asha, 10, lasts=timedelta(minutes=10))
    counter.till.at.advance(timedelta(minutes=9))
    await counter.look_after()
    assert await counter.points(asha) == 0
    counter.till.at.advance(timedelta(minutes=1))
    await counter.look_after()
    assert await counter.points(asha) == 10
    with pytest.raises(api.WorkEnded):
        await counter.capture(charge, 1)


async def test_charging_and_sweeping_have_one_winner(counter: Counter) -> None:
    asha = new_person()
    await counter.give(asha, 10)
    charge = await counter.reserve(asha, 10, lasts=timedelta(minutes=10))
    counter.till.at.advance(timedelta(minutes=10))
    outcome = await together([counter.capture(charge, 10), counter.look_after()])
    await counter.look_after()
    left = await counter.points(asha)
    assert (left, outcome.get("WorkEnded", 0)) in {(0, 0), (10, 1)}


async def test_points_that_end_while_work_runs_are_still_what_it_is_charged_to(counter: Counter) -> None:
    asha = new_person()
    await counter.give(asha, 5, days=1)
    charge = await counter.reserve(asha, 5, lasts=timedelta(days=3))
    await counter.pass_days(2)
    await counter.capture(charge, 5)
    assert await counter.points(asha) == 0


async def test_points_are_given_back_to_where_they_came_from_once_per_key(counter: Counter) -> None:
    asha = new_person()
    await counter.give(asha, 10)
    charge = await counter.capture(await counter.reserve(asha, 6), 6)
    for _ in range(2):
        async with counter.till.house.database.transaction() as session:
            charge = await api.give_back_work(session, charge.id, points(4), key="bad answer")
    assert charge.given_back == points(4)
    assert await counter.points(asha) == 8
    with pytest.raises(ledger.RefundTooLarge):
        async with counter.till.house.database.transaction() as session:
            await api.give_back_work(session, charge.id, points(3), key="again")


@pytest.mark.parametrize("whose", ["person", "organisation", "house"])
async def test_a_cap_is_not_passed_by_many_at_once_and_begins_anew(counter: Counter, whose: str) -> None:
    spender = api.organisation(new_person()) if whose == "organisation" else api.person(new_person())
    await counter.give(spender, 100)
    async with counter.till.house.database.transaction() as session:
        await api.set_cap(session, None if whose == "house" else spender, points(10), "day")
    outcome = await together([counter.reserve(spender, 3) for _ in range(8)])
    assert outcome == {"done": 3, "SpendCapReached": 5}
    counter.till.at.advance(timedelta(days=1))
    await counter.reserve(spender, 3)


async def test_a_cap_of_a_person_and_one_of_an_organisation_with_the_same_id_are_two(counter: Counter) -> None:
    one = new_person()
    for owner in (api.person(one), api.organisation(one)):
        await counter.give(owner, 100)
    async with counter.till.house.database.transaction() as session:
        await api.set_cap(session, api.organisation(one), points(10), "month")
    await counter.reserve(api.person(one), 50)
    with pytest.raises(api.SpendCapReached):
        await counter.reserve(api.organisation(one), 11)
    await counter.reserve(api.organisation(one), 10)


async def test_what_was_freed_counts_no_more_against_a_cap(counter: Counter) -> None:
    asha = new_person()
    await counter.give(asha, 100)
    async with counter.till.house.database.transaction() as session:
        await api.set_cap(session, api.person(asha), points(5), "month")
    await counter.release(await counter.reserve(asha, 5))
    await counter.capture(await counter.reserve(asha, 5), 2)
    await counter.reserve(asha, 3)
    with pytest.raises(api.SpendCapReached):
        await counter.reserve(asha, 1)


async def test_a_quota_is_counted_exactly_and_by_the_persons_own_day(counter: Counter) -> None:
    asha, quota = api.person(new_person()), api.Quota(3, "day")

    async def use(amount: int = 1) -> int:
        async with counter.till.house.database.transaction() as session:
            return await api.use_quota(session, asha, "chats", quota, zone="Asia/Ho_Chi_Minh", amount=amount)

    outcome = await together([use() for _ in range(10)])
    assert outcome == {"done": 3, "QuotaReached": 7}
    async with counter.till.house.database.reading() as session:
        seen = await api.quota_used(session, asha, "chats", quota, zone="Asia/Ho_Chi_Minh")
    assert (seen.left, seen.resets_at.isoformat()) == (0, "2026-03-02T17:00:00+00:00")
    counter.till.at.at = seen.resets_at
    assert await use() == 2
    with pytest.raises(api.QuotaReached):
        await use(4)


@pytest.mark.parametrize("window", ["day", "month"])
async def test_whoever_changes_their_zone_goes_on_counting_where_they_were(counter: Counter, window: str) -> None:
    asha, quota = api.person(new_person()), api.Quota(3, "day" if window == "day" else "month")

    async def use(zone: str) -> int:
        async with counter.till.house.database.transaction() as session:
            return await api.use_quota(session, asha, "chats", quota, zone=zone)

    zones = ["Asia/Kolkata", "Asia/Ho_Chi_Minh", "Europe/Berlin", "UTC", "Asia/Tokyo"]
    outcome = await together([use(zone) for zone in zones])
    assert outcome == {"done": 3, "QuotaReached": 2}
    async with counter.till.house.database.transaction() as session:
        await api.give_back_quota(session, asha, "chats", quota, zone="UTC")
        assert (await api.quota_used(session, asha, "chats", quota, zone="Asia/Tokyo")).left == 1


async def test_what_a_plan_allows_follows_the_plan(counter: Counter) -> None:
    asha, free = new_person(), api.Quota(5, "day")

    async def limit() -> int:
        async with counter.till.house.database.reading() as session:
            return (await api.quota_of(session, api.person(asha), "shop", "chats", free=free)).limit

    assert await limit() == 5
    await counter.subscribed(asha)
    assert await limit() == 20
    await counter.pass_days(50)
    assert await limit() == 5
    assert clock.now() > counter.till.at.at - timedelta(seconds=1)
