"""A broken invariant does not wait for someone to ask."""

import logging
from collections.abc import Sequence
from dataclasses import replace

import pytest

from tillhouse.kernel.db import ReadSession
from tillhouse.kernel.house import House
from tillhouse.kernel.manifest import Invariant
from tillhouse.kernel.work import enqueue, last_check, run_due
from tillhouse.kernel.work.watch import CheckInvariants


async def one_is_broken(_session: ReadSession) -> Sequence[str]:
    return ["account 7 is 3 paise short"]


@pytest.fixture
def crooked(house: House) -> House:
    """A house with one invariant that does not hold."""
    first, *rest = house.modules
    broken = Invariant("test.broken", "Never holds.", one_is_broken)
    house.modules = (replace(first, invariants=lambda: (broken,)), *rest)
    return house


async def check(house: House) -> None:
    async with house.database.transaction() as session:
        await enqueue(session, CheckInvariants())
    await run_due(house)


async def test_a_broken_invariant_is_an_error_in_the_log(crooked: House, caplog: pytest.LogCaptureFixture) -> None:
    await check(crooked)
    errors = [record.message for record in caplog.records if record.levelno == logging.ERROR]
    assert len(errors) == 1
    assert "test.broken" in errors[0]
    assert "account 7 is 3 paise short" in errors[0]


async def test_a_sound_house_logs_no_error(house: House, caplog: pytest.LogCaptureFixture) -> None:
    await check(house)
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []
    assert any("invariants_checked" in record.message for record in caplog.records)


async def test_what_the_last_check_found_and_when_can_be_read(crooked: House) -> None:
    async with crooked.database.reading() as session:
        assert await last_check(session) is None
    await check(crooked)
    async with crooked.database.reading() as session:
        found = await last_check(session)
    assert found
    assert found.broken == ("test.broken",)
    assert found.count >= 1
