"""Events that wait together are settled together: each keeps its own end, and nothing is credited twice."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import count
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import text

from tests.parts.payments.crashes import Killed, killed_at
from tests.parts.payments.test_provider_events import signed
from tests.parts.payments.till import Till, new_person, open_till, rupees, shop, with_amount
from tillhouse.apps.worker import Runner
from tillhouse.kernel.db import Session
from tillhouse.kernel.settings import KernelSettings
from tillhouse.kernel.work import JobView, jobs, run_due
from tillhouse.kernel.work.timing import Timing
from tillhouse.parts.ledger import api as ledger
from tillhouse.parts.payments import api
from tillhouse.parts.payments.domain import OrderState, PaymentFacts
from tillhouse.parts.payments.flows import together
from tillhouse.parts.payments.ports import Purpose, SettledPayment
from tillhouse.parts.payments.service.settle import settle
from tillhouse.parts.payments.service.settle_together import Told, settle_together

TOLD = 3  # events of Razorpay that tell of one payment
NOBODYS = "pay_Nobody00000000"


@dataclass
class Payer:
    """Somebody who has paid, and what of it is known: the order, and the payment at the gateway."""

    person: UUID
    order: api.OrderView
    payment_id: str


@dataclass(frozen=True)
class Stored:
    """An event as it is stored, with the number of the transaction that wrote it last."""

    payment_id: str
    state: str
    reason: str | None
    written_by: str


async def payer(till: Till, **more: Any) -> Payer:
    """Somebody pays, and nobody has told us."""
    person = new_person()
    order = await till.order(person, **more)
    proof = await till.pay(order)
    return Payer(person, order, proof["razorpay_payment_id"])


async def payers(till: Till, number: int) -> list[Payer]:
    """People who pay; the events that tell of it are stored, and wait."""
    made = [await payer(till) for _ in range(number)]
    await till.sandbox.deliver_due()
    return made


async def stored(till: Till) -> list[Stored]:
    query = "SELECT payment_id, state, reason, xmin::text FROM payments.provider_events"
    async with till.house.database.reading() as session:
        return [Stored(*row) for row in await session.execute(text(query))]


async def jobs_of_events(till: Till) -> list[JobView]:
    async with till.house.database.reading() as session:
        return await jobs(session, name="payments.handle_event", limit=1000)


async def credited_once(till: Till, paid: Sequence[Payer]) -> None:
    for one in paid:
        assert await till.wallet(one.person) == "150.00"
        async with till.house.database.reading() as session:
            assert len(await api.payments_of(session, one.order.id)) == 1


async def test_a_payment_that_was_authorised_for_one_order_is_settled_with_that_one_alone(till: Till) -> None:
    asha, ravi = new_person(), new_person()
    hers, his = await till.order(asha), await till.order(ravi)
    ids = [order.provider_order_id or "" for order in (hers, his)]
    authorised = PaymentFacts("razorpay", "pay_1", ids[0], rupees("150.00"), OrderState.AUTHORIZED)
    async with till.house.database.transaction() as session:
        await settle(session, authorised)
    for order_id, settled in ((ids[1], False), (ids[0], True)):
        told = Told(replace(authorised, order_id=order_id, state=OrderState.CAPTURED), None)
        async with till.house.database.transaction() as session:
            assert await settle_together(session, [told]) == ({told.payment} if settled else set())
    assert (await till.wallet(asha), await till.wallet(ravi)) == ("150.00", "0.00")


async def test_deposits_that_wait_are_settled_in_one_transaction(till: Till, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever tells of a payment, the gateway is asked about it once."""
    asked: list[str] = []
    send = till.house.outbound.send

    async def watched(provider: str, method: str, url: str, **more: Any) -> Any:
        asked.append(httpx.URL(url).path.rpartition("/")[2])
        return await send(provider, method, url, **more)

    paid = await payers(till, 4)
    monkeypatch.setattr(till.house.outbound, "send", watched)
    await run_due(till.house)
    await credited_once(till, paid)
    events = await stored(till)
    assert [one.state for one in events] == ["processed"] * TOLD * len(paid)
    assert len({one.written_by for one in events}) == 1
    assert sorted(asked) == sorted(one.payment_id for one in paid)
    assert {(job.state, job.attempt) for job in await jobs_of_events(till)} == {("done", 1)}


async def test_what_follows_from_each_carries_the_id_of_the_request_that_brought_it(till: Till) -> None:
    paid = await payers(till, 3)
    await run_due(till.house)
    brought = "SELECT request_id FROM kernel.jobs WHERE name = 'payments.handle_event'"
    caused = "SELECT request_id FROM kernel.events WHERE name = 'payments.payment_captured'"
    async with till.house.database.reading() as session:
        by = set((await session.execute(text(brought))).scalars())
        causes = list((await session.execute(text(caused))).scalars())
    assert len(set(causes)) == len(paid)
    assert set(causes) <= by


async def test_none_in_company_changes_how_another_ends(settings: KernelSettings) -> None:
    """Among deposits: an event over another amount, one of a payment that the gateway does not know, a deposit into a
    wallet that is closed, and a sale.
    """

    async def sell(session: Session, payment: SettledPayment) -> None:
        wallet = ledger.AccountRef("person", payment.owner_id, "wallet", "INR")
        legs = (
            ledger.debit(wallet, payment.amount),
            ledger.credit(ledger.house_account("sales", "INR"), payment.amount),
        )
        await ledger.post(session, ledger.Posting(key=f"sale:{payment.payment_id}", kind="shop.sale", legs=legs))

    async with open_till(settings, shop(Purpose("sale", "A sale", sell))) as till:
        good = [await payer(till) for _ in range(2)]
        other_amount, unknown, closed = [await payer(till) for _ in range(3)]
        sale = await payer(till, purpose="sale")
        await close_wallet(till, closed.person)
        for news in till.webhooks("payment.captured"):
            body = with_amount(news.body, 1_500_000) if other_amount.payment_id in news.body else news.body
            body = body.replace(unknown.payment_id, NOBODYS)
            assert await till.deliver(news, body=body, signature=signed(body)) == 200
        await run_due(till.house)
        events = {one.payment_id: one for one in await stored(till)}
        assert {payment: (one.state, one.reason) for payment, one in events.items()} == {
            **{one.payment_id: ("processed", None) for one in (*good, closed, sale)},
            other_amount.payment_id: ("parked", "foreign_amount"),
            NOBODYS: ("parked", "not_known_to_provider"),
        }
        await credited_once(till, good)
        assert len({events[one.payment_id].written_by for one in good}) == 1
        assert [await till.wallet(one.person) for one in (other_amount, unknown, closed, sale)] == ["0.00"] * 4
        assert [await till.house_balance(code) for code in ("suspense:payments", "sales")] == ["150.00"] * 2


async def test_one_that_cannot_be_asked_about_now_is_asked_about_later(till: Till) -> None:
    paid = await payers(till, 3)
    await till.fault("status_500", count=1)
    await run_due(till.house)
    waiting = [one for one in await jobs_of_events(till) if one.state != "done"]
    assert {(one.state, one.attempt, one.error_code) for one in waiting} == {("queued", 1, "provider_outcome_unknown")}
    assert len({one.payment_id for one in await stored(till) if one.state == "received"}) == 1
    await till.pass_time(timedelta(minutes=1))
    await credited_once(till, paid)


async def test_what_fails_in_company_is_settled_by_itself(till: Till, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fails(session: Session, told: Sequence[Told]) -> set[tuple[str, str]]:
        await settle_together(session, told)
        raise RuntimeError("a bug that one of them met, after all was written")

    monkeypatch.setattr(together, "settle_together", fails)
    paid = await payers(till, 3)
    await run_due(till.house)
    await credited_once(till, paid)
    assert sorted(job.attempt for job in await jobs_of_events(till)) == [1, *[2] * (TOLD * len(paid) - 1)]
    assert {one.state for one in await stored(till)} == {"processed"}


async def test_killed_at_any_step_each_is_settled_once(till: Till) -> None:
    """After the first claim, after the others are taken along, and after all is settled and no job of it has ended."""
    killed: list[set[str]] = []
    for kill_at in count(1):
        paid = await payers(till, 3)
        with suppress(Killed), killed_at(till.house, kill_at, machinery=True):
            await run_due(till.house)
        killed.append({one.state for one in await stored(till) if one.payment_id in {who.payment_id for who in paid}})
        await till.let_leases_end()
        await credited_once(till, paid)
        if killed[-1] == {"processed"}:
            break
    assert killed == [{"received"}, {"received"}, {"processed"}]


async def test_two_workers_that_take_the_same_settle_each_once(till: Till) -> None:
    """The three events of a payment fall to either of them."""
    paid = await payers(till, 12)
    workers = [Runner(till.house, Timing()) for _ in range(2)]
    waiting = [job.id for job in await jobs_of_events(till)]
    await asyncio.gather(*(worker.run(job) for job in waiting[::5] for worker in workers))
    await run_due(till.house)
    await credited_once(till, paid)
    assert {one.state for one in await stored(till)} == {"processed"}
    assert {job.state for job in await jobs_of_events(till)} == {"done"}


async def close_wallet(till: Till, person: UUID) -> None:
    """A wallet that was used once, is empty, and takes no more."""
    clearing, wallet = (
        ledger.house_account("clearing:razorpay", "INR"),
        ledger.AccountRef("person", person, "wallet", "INR"),
    )
    await till.give(person, rupees("1.00"))
    legs = (ledger.debit(wallet, rupees("1.00")), ledger.credit(clearing, rupees("1.00")))
    async with till.house.database.transaction() as session:
        await ledger.post(session, ledger.Posting(key=f"test.taken:{person}", kind="payments.deposit", legs=legs))
        await ledger.close_account(session, wallet)
