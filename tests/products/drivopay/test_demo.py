from datetime import date, timedelta

import pytest

from tests.products.drivopay.conftest import NOON, Depot
from tillhouse.kernel.invariants import check_all
from tillhouse.parts.identity import api as identity
from tillhouse.parts.wallets import api as wallets
from tillhouse.products.drivopay import demo, store
from tillhouse.products.drivopay.domain import Period

TODAY = date(2026, 11, 18)
WEEKS = Period(TODAY - timedelta(days=96), TODAY)


async def seed(depot: Depot) -> None:
    for module in depot.house.modules:
        if module.demo:
            async with depot.house.database.transaction() as session:
                await module.demo().seed(session)


async def picture(depot: Depot) -> tuple[object, object, object]:
    """Everything that the demo driver has."""
    async with depot.house.database.reading() as session:
        person = await identity.person_by_identifier(session, identity.parse_identifier(demo.DRIVER))
        assert person
        days = await store.days(session, person.id, WEEKS)
        moves = await wallets.movements(session, person.id, "INR", limit=500)
        told = [(move.effective_at, move.direction, move.amount, move.balance) for move in moves]
        return sorted(days.items()), told, await wallets.wallet_of(session, person.id, "INR")


async def test_seeding_twice_adds_nothing_and_tomorrow_adds_tomorrow(depot: Depot) -> None:
    await seed(depot)
    first = await picture(depot)
    await seed(depot)
    assert await picture(depot) == first
    depot.at.at = NOON + timedelta(days=3)
    await seed(depot)
    later = await picture(depot)
    assert later[0] != first[0] or later[1] != first[1]
    assert isinstance(later[1], list)
    assert isinstance(first[1], list)
    assert set(first[1]) <= set(later[1])


async def test_the_demo_driver_has_three_months_that_add_up(depot: Depot) -> None:
    await seed(depot)
    async with depot.house.database.reading() as session:
        person = await identity.person_by_identifier(session, identity.parse_identifier(demo.DRIVER))
        assert person
        days = await store.days(session, person.id, WEEKS)
        moves = await wallets.movements(session, person.id, "INR", limit=500)
        findings = await check_all(session, depot.house.modules)
    assert len([day for day in days.values() if day.trips]) > 60
    assert all(0 <= day.earned < 5_000_00 for day in days.values())
    assert {move.effective_at.astimezone().date() <= TODAY for move in moves} == {True}
    assert min(move.effective_at for move in moves) < NOON - timedelta(days=80)
    assert {move.direction for move in moves} == {"in", "out"}
    assert min(move.balance.minor for move in moves) >= 0
    assert [found for found in findings if found.violations] == []


@pytest.mark.parametrize("today", [date(2026, 1, 1) + timedelta(days=13 * n) for n in range(28)])
def test_no_week_withdraws_more_than_it_added_whenever_the_demo_begins(today: date) -> None:
    balance = 0
    days = list(demo.days_until(today))
    assert len(days) >= demo.DAYS
    for day in days:
        assert demo.shifts_of(day) == demo.shifts_of(day)
        for move in demo.movements_of(day):
            balance += move.amount
            assert balance >= 0, day


def test_a_late_shift_belongs_to_the_day_it_began() -> None:
    late = [s for n in range(200) for s in demo.shifts_of(TODAY - timedelta(days=n)) if s.started_at.hour >= 17]
    assert late
    assert all(shift.on.weekday() == 5 for shift in late)


async def test_without_the_demo_person_nothing_is_written(depot: Depot) -> None:
    async with depot.house.database.transaction() as session:
        assert await demo.seed(session) == ()
