"""Killed between every two steps of reconciling and importing, and started again: everything is booked once."""

from contextlib import suppress
from datetime import date

import pytest

from tests.parts.payments.crashes import Killed, killed_at
from tests.parts.payments.test_reconciliation import a_day, distort, exceptions, reconcile
from tests.parts.payments.till import Till
from tillhouse.kernel.access import SYSTEM
from tillhouse.kernel.money import Money
from tillhouse.parts.payments import api

MOST_STEPS = 60
DAY = date(2026, 3, 2)


@pytest.mark.slow
async def test_killed_anywhere_while_a_report_is_reconciled(till: Till) -> None:
    paid_out, kill_at = 0, 0
    while True:
        kill_at += 1
        assert kill_at < MOST_STEPS
        settlement = await a_day(till, "100.00", "70.00")
        await distort(till, settlement, "duplicate")
        paid_out += int(settlement["amount"])
        with suppress(Killed), killed_at(till.house, kill_at) as steps:
            await reconcile(till)
        await reconcile(till)
        assert await till.house_balance("clearing:razorpay") == "0.00", steps.passed[-1]
        assert await till.house_balance("settling:razorpay") == str(Money(paid_out, "INR")), steps.passed[-1]
        assert len(await exceptions(till)) == kill_at  # one duplicate a settlement, and nothing else
        if len(steps.passed) < kill_at:
            break
    assert kill_at >= 3


@pytest.mark.slow
async def test_killed_anywhere_while_a_statement_is_imported(till: Till) -> None:
    """The bank's file grows by a settlement each time; a day that is still running tells no closing balance."""
    kill_at = 0
    while True:
        kill_at += 1
        assert kill_at < MOST_STEPS
        await a_day(till, "100.00")
        await reconcile(till)
        statement = await so_far(till)
        with suppress(Killed), killed_at(till.house, kill_at) as steps:
            await api.import_statement(till.house, statement, by=SYSTEM)
        await api.import_statement(till.house, statement, by=SYSTEM)
        assert await till.house_balance("settling:razorpay") == "0.00", steps.passed[-1]
        assert await till.house_balance("suspense:bank") == "0.00", steps.passed[-1]
        if len(steps.passed) < kill_at:
            break
    assert kill_at > 2
    assert await exceptions(till) == []


async def so_far(till: Till) -> api.StatementFile:
    table = (await till.outside("GET", f"/_sandbox/bank/statement?format=csv&date={DAY}")).content
    return api.StatementFile(table, "csv", "2323230041626905", columns=("balance=",))
