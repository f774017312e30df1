"""Killed between every two steps of a deposit, and started again: credited once, nothing left undone."""

from contextlib import suppress
from datetime import timedelta

import pytest

from tests.parts.payments.crashes import Killed, killed_at
from tests.parts.payments.till import Till, new_person
from tillhouse.parts.payments.domain import OrderState

MOST_STEPS = 90


@pytest.mark.slow
async def test_killed_anywhere_in_a_deposit_that_the_browser_verifies(till: Till) -> None:
    kill_at = 0
    while True:
        kill_at += 1
        assert kill_at < MOST_STEPS
        person = new_person()
        with suppress(Killed), killed_at(till.house, kill_at) as steps:
            order = await till.order(person, request_key="form")
            await till.verify(await till.pay(order))
        order = await till.order(person, request_key="form")  # the person comes back and sends the same form
        if order.state == OrderState.PENDING and not till.webhooks():
            await till.pay(order)
        await till.restart()
        assert await till.wallet(person) == "150.00", steps.passed[-1]
        assert (await till.see_order(order)).state == OrderState.CAPTURED
        if len(steps.passed) < kill_at:
            break
    assert kill_at > 8


@pytest.mark.slow
async def test_killed_anywhere_while_webhooks_are_taken_and_handled(till: Till) -> None:
    kill_at = 0
    while True:
        kill_at += 1
        assert kill_at < MOST_STEPS
        person = new_person()
        order = await till.order(person)
        await till.pay(order)
        with suppress(Killed), killed_at(till.house, kill_at) as steps:
            await till.quiet()
        await till.restart()
        assert await till.wallet(person) == "150.00", steps.passed[-1]
        if len(steps.passed) < kill_at:
            break
    assert kill_at > 20


@pytest.mark.slow
async def test_killed_anywhere_while_we_ask_and_capture_by_ourselves(till: Till) -> None:
    """No event arrives, and Razorpay left the payment authorised: we find it by asking, and capture it."""
    kill_at = 0
    while True:
        kill_at += 1
        assert kill_at < MOST_STEPS
        person = new_person()
        order = await till.order(person)
        await till.fault("drop", count=1000)
        await till.pay(order, "late_success", late_after=780)
        await till.pass_time(timedelta(minutes=14), step=timedelta(minutes=14))
        with suppress(Killed), killed_at(till.house, kill_at) as steps:
            await till.pass_time(timedelta(minutes=5), step=timedelta(seconds=150))
        await till.outside("DELETE", "/_sandbox/faults")
        await till.restart()
        assert await till.wallet(person) == "150.00", steps.passed[-1]
        if len(steps.passed) < kill_at:
            break
    assert any("capture" in step for step in steps.passed)
    assert kill_at > 20
