"""Killed between every two steps of a refund, of a checkout, and of a transfer, and started again: once, and whole."""

from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from uuid import UUID

import pytest

from tests.parts.payments.crashes import Killed, killed_at
from tests.parts.payments.gateways import Play, installed_play, payment_outside, refund_at_dashboard
from tests.parts.payments.test_transfers import Bank
from tests.parts.payments.till import Till, new_person, open_till, rupees
from tillhouse.kernel.ids import new_id
from tillhouse.kernel.manifest import Module
from tillhouse.kernel.settings import KernelSettings
from tillhouse.kernel.work import run_due
from tillhouse.parts.ledger import api as ledger
from tillhouse.parts.payments import api
from tillhouse.parts.payments.domain import Method, OrderState, RefundState
from tillhouse.parts.payments.flows.transfers import poll_transfers
from tillhouse.parts.payments.service.refunds import start_refund
from tillhouse.sandbox.razorpay.links import PaymentLink
from tillhouse.sandbox.razorpay.schemas import Refund

MOST_STEPS = 90


@pytest.fixture
def play() -> Play:
    return Play()


@pytest.fixture
async def till(settings: KernelSettings, play: Play) -> AsyncIterator[Till]:
    module = Module(
        name="play", title="Play", floor="product", folder=Path(__file__).parent, requires=("payments",),
        provides=lambda house: (installed_play(play),),
    )  # fmt: skip
    async with open_till(settings, module) as opened:
        opened.change_settings(gateways=("play", "razorpay"))
        yield opened


async def paid(till: Till) -> tuple[UUID, api.OrderView, UUID]:
    person = new_person()
    order = await till.deposit(person, "100.00")
    async with till.house.database.reading() as session:
        return person, order, (await api.payments_of(session, order.id))[0].id


async def refund(till: Till, payment: UUID) -> UUID:
    async with till.house.database.transaction() as session:
        return (await start_refund(session, payment, rupees("40.00"), reason="", key="form", by=None)).id


@pytest.mark.slow
@pytest.mark.parametrize("fault", [None, "timeout_after"])
async def test_killed_anywhere_in_a_refund(till: Till, fault: str | None) -> None:
    kill_at = 0
    while True:
        kill_at += 1
        assert kill_at < MOST_STEPS
        person, order, payment = await paid(till)
        before = len(till.sandbox.world.store.find(Refund, limit=1000))
        if fault:
            await till.fault(fault, "POST /v1/payments/*/refund")
        with suppress(Killed), killed_at(till.house, kill_at) as steps:
            await refund(till, payment)
            await till.quiet()
        await till.outside("DELETE", "/_sandbox/faults")
        made = await refund(till, payment)  # staff send the same form again
        await till.restart()
        async with till.house.database.reading() as session:
            assert (await api.refund(session, made)).state == RefundState.PROCESSED, steps.passed[-1]
        assert (await till.wallet(person), await till.available(person)) == ("60.00", "60.00"), steps.passed[-1]
        assert (await till.see_order(order)).state == OrderState.PARTIALLY_REFUNDED
        assert len(till.sandbox.world.store.find(Refund, limit=1000)) == before + 1
        if len(steps.passed) < kill_at:
            break
    assert kill_at > 10


@pytest.mark.slow
async def test_killed_anywhere_in_a_refund_at_the_gateways_dashboard(till: Till) -> None:
    kill_at = 0
    while True:
        kill_at += 1
        assert kill_at < MOST_STEPS
        person, order, _ = await paid(till)
        await refund_at_dashboard(till, (await payment_outside(till, order)).payment_id, 4000)
        with suppress(Killed), killed_at(till.house, kill_at) as steps:
            await till.quiet()
        await till.restart()
        assert await till.wallet(person) == "60.00", steps.passed[-1]
        async with till.house.database.reading() as session:
            assert len((await api.refunds(session, order_id=order.id))[0]) == 1
        if len(steps.passed) < kill_at:
            break
    assert kill_at > 10


async def pay_link(till: Till, order: api.OrderView) -> None:
    await till.outside("POST", f"/_sandbox/razorpay/payment_links/{order.provider_order_id}/pay", {})


@pytest.mark.slow
async def test_killed_anywhere_in_a_checkout_of_a_payer_without_an_account(till: Till) -> None:
    kill_at = 0
    while True:
        kill_at += 1
        assert kill_at < MOST_STEPS
        owner, request_key = new_id(), str(new_id())

        async def begin(owner: UUID = owner, request_key: str = request_key) -> api.OrderView:
            wish = api.NewOrder(
                owner_kind="order", owner_id=owner, amount=rupees("100.00"), purpose="wallet_deposit",
                request_key=request_key, method=Method.PAYMENT_LINK, email="asha@example.com",
            )  # fmt: skip
            return await api.start_order(till.house, wish)

        made = len(till.sandbox.world.store.find(PaymentLink, limit=1000))
        with suppress(Killed), killed_at(till.house, kill_at) as steps:
            order = await begin()
            await pay_link(till, order)
            await api.check_order(till.house, order.id)
            await run_due(till.house)  # the events come after the restart
        order = await begin()
        await pay_link(till, order)  # it takes one payment
        await till.restart()
        account = ledger.AccountRef("order", owner, "wallet", "INR")
        async with till.house.database.reading() as session:
            assert str((await ledger.balance(session, account)).posted) == "100.00", steps.passed[-1]
            assert (await api.order(session, order.id)).state == OrderState.CAPTURED
        assert len(till.sandbox.world.store.find(PaymentLink, limit=1000)) == made + 1
        if len(steps.passed) < kill_at:
            break
    assert kill_at > 8


@pytest.mark.slow
async def test_killed_anywhere_while_transfers_are_asked_for(till: Till, play: Play) -> None:
    bank = Bank(till, play)
    kill_at = 0
    while True:
        kill_at += 1
        assert kill_at < MOST_STEPS
        order, other = await bank.order(200_000), await bank.order(50_000)
        bank.transfer(150_000, order.provider_order_id or "")
        bank.transfer(50_000, order.provider_order_id or "")
        bank.transfer(60_000, other.provider_order_id or "")
        with suppress(Killed), killed_at(till.house, kill_at) as steps:
            await poll_transfers(till.house, "play")
        await poll_transfers(till.house, "play")
        assert (await bank.wallet(order), await bank.wallet(other)) == (200_000, 60_000), steps.passed[-1]
        assert await bank.suspense() == 0
        if len(steps.passed) < kill_at:
            break
    assert kill_at > 8
