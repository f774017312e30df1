"""Killed anywhere between a plan's payment and its start, or in a renewal: it starts, and is renewed, exactly once."""

from contextlib import suppress
from datetime import timedelta

import pytest

from tests.parts.billing.counter import Counter, open_counter
from tests.parts.billing.test_mandate_renewals import authorised, debits, until
from tests.parts.payments.cards import give_card
from tests.parts.payments.crashes import Killed, killed_at
from tests.parts.payments.till import new_person, rupees
from tillhouse.kernel.settings import KernelSettings
from tillhouse.kernel.work import enqueue
from tillhouse.parts.billing.events import LookAfter
from tillhouse.sandbox.stripe.payment_schemas import PaymentIntent

MOST_STEPS = 120


async def begun_and_paid(counter: Counter) -> None:
    kill_at = 0
    while True:
        kill_at += 1
        assert kill_at < MOST_STEPS
        asha = new_person()
        view, due = await counter.subscribe(asha)
        assert due
        await counter.till.pay(await counter.order(due))
        with suppress(Killed), killed_at(counter.till.house, kill_at, machinery=True) as steps:
            await counter.till.quiet()
        await counter.till.restart()
        assert (await counter.see(view)).state == "active", steps.passed[-1]
        assert (await counter.points(asha), await counter.till.wallet(asha)) == (100, "0.00"), steps.passed[-1]
        if len(steps.passed) < kill_at:
            break
    assert kill_at > 15


async def renewed(counter: Counter) -> None:
    kill_at = 0
    while True:
        kill_at += 1
        assert kill_at < MOST_STEPS
        asha = new_person()
        view = await counter.subscribed(asha)
        await counter.till.give(asha, rupees("300.00"))
        counter.till.at.advance(timedelta(days=31))
        with suppress(Killed), killed_at(counter.till.house, kill_at, machinery=True) as steps:
            async with counter.till.house.database.transaction() as session:
                await enqueue(session, LookAfter())
            await counter.till.quiet()
        await counter.till.restart()
        await counter.look_after()
        view = await counter.see(view)
        assert (view.state, view.paid_until > counter.till.at.at) == ("active", True), steps.passed[-1]
        assert (await counter.points(asha), await counter.till.wallet(asha)) == (100, "0.00"), steps.passed[-1]
        await counter.cancel(view, at_once=True)
        if len(steps.passed) < kill_at:
            break
    assert kill_at > 5


async def charged_to_a_card(counter: Counter) -> None:
    """Between the charge at the gateway and its booking above all: what was taken is booked, and taken once."""
    kill_at = 0
    while True:
        kill_at += 1
        assert kill_at < MOST_STEPS
        asha = new_person()
        view = await counter.subscribed(asha)
        await give_card(counter.till, asha)
        before = len(counter.till.sandbox.world.store.find(PaymentIntent, limit=10_000))
        counter.till.at.advance(timedelta(days=31))
        counter.till.sandbox_clock.advance(timedelta(days=31).total_seconds())
        with suppress(Killed), killed_at(counter.till.house, kill_at, machinery=True) as steps:
            async with counter.till.house.database.transaction() as session:
                await enqueue(session, LookAfter())
            await counter.till.quiet()
        await counter.till.restart()
        await counter.look_after()
        view = await counter.see(view)
        assert (view.state, view.paid_until > counter.till.at.at) == ("active", True), steps.passed[-1]
        assert (await counter.points(asha), await counter.till.wallet(asha)) == (100, "0.00"), steps.passed[-1]
        made = counter.till.sandbox.world.store.find(PaymentIntent, limit=10_000)
        assert [one.status for one in made[: len(made) - before]] == ["succeeded"], steps.passed[-1]
        assert await counter.till.exceptions() == [], steps.passed[-1]
        await counter.cancel(view, at_once=True)
        if len(steps.passed) < kill_at:
            break
    assert kill_at > 15


async def charged_by_an_authorisation(counter: Counter) -> None:
    """Between the order at Razorpay and its debit nobody can know whether the debit was begun: then the person is
    asked, and nothing is taken. Everywhere else it is taken once, booked, and the plan goes on.
    """
    kill_at, unknown = 0, 0
    while True:
        kill_at += 1
        assert kill_at < MOST_STEPS
        asha = new_person()
        view = await authorised(counter, asha)
        due, before = view.paid_until, len(debits(counter))
        await until(counter, due - timedelta(hours=49))
        for side in (counter.till.at.advance, lambda by: counter.till.sandbox_clock.advance(by.total_seconds())):
            side(timedelta(hours=2))
        with suppress(Killed), killed_at(counter.till.house, kill_at, machinery=True) as steps:
            async with counter.till.house.database.transaction() as session:
                await enqueue(session, LookAfter())
            await counter.till.quiet()
        await counter.till.restart()
        await until(counter, due + timedelta(hours=1), step=timedelta(hours=16))
        made = debits(counter)[: len(debits(counter)) - before]
        view, (renewal, *_) = await counter.see(view), await counter.invoices(asha)
        if made:
            assert (made, view.state, renewal.state) == (["captured"], "active", "paid"), steps.passed[-1]
        else:
            unknown += 1
            assert (view.state, renewal.state) == ("past_due", "open"), steps.passed[-1]
        assert await counter.till.wallet(asha) == "0.00", steps.passed[-1]
        assert await counter.till.exceptions() == [], steps.passed[-1]
        await counter.cancel(view, at_once=True)
        if len(steps.passed) < kill_at:
            break
    assert kill_at > 15
    assert unknown <= 2


@pytest.mark.slow
async def test_killed_anywhere_a_plan_that_was_paid_for_starts_once(settings: KernelSettings) -> None:
    async with open_counter(settings) as counter:
        await begun_and_paid(counter)


@pytest.mark.slow
async def test_killed_anywhere_a_renewal_is_charged_once(settings: KernelSettings) -> None:
    async with open_counter(settings) as counter:
        await renewed(counter)


@pytest.mark.slow
@pytest.mark.timeout(400)
async def test_killed_anywhere_a_renewal_is_charged_to_its_card_once_and_booked(settings: KernelSettings) -> None:
    async with open_counter(settings) as counter:
        await charged_to_a_card(counter)


@pytest.mark.slow
@pytest.mark.timeout(900)
async def test_killed_anywhere_a_renewal_is_charged_by_its_authorisation_once_or_asked_for(
    settings: KernelSettings,
) -> None:
    async with open_counter(settings) as counter:
        await charged_by_an_authorisation(counter)
