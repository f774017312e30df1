"""What people complained of in other payment systems, each as a test of ours.

Refunds in parallel, repeated, after a payout: `tests/parts/payments/test_refunds.py`. Disputes in any order:
`test_disputes.py`. Duplicates and races of deposits: `test_deposit_orders_of_events.py`. Unknown outcomes of payouts:
`test_payout_timeouts.py`. Which test holds which number: `docs/reference/known-bugs.md`.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import asyncpg
import pytest

from tests.parts.payments.gateways import cancel_at_dashboard, payment_outside
from tests.parts.payments.till import Till, new_person, open_till, rupees, shop
from tillhouse.kernel.dsn import plain_dsn
from tillhouse.kernel.errors import Conflict
from tillhouse.kernel.money import Money
from tillhouse.kernel.settings import KernelSettings
from tillhouse.parts.ledger import api as ledger
from tillhouse.parts.payments import api
from tillhouse.parts.payments.domain import OrderState, PayoutState, Vpa
from tillhouse.parts.payments.domain.finding import OrderFilter, PayoutFilter
from tillhouse.parts.payments.models import PayoutRow
from tillhouse.parts.payments.service.reviews import approve_payout, reject_payout
from tillhouse.parts.payments.service.settle import settle
from tillhouse.parts.payments.store import finding


@pytest.fixture
async def till(settings: KernelSettings) -> AsyncIterator[Till]:
    async with open_till(settings, shop()) as opened:
        yield opened


async def test_a_payment_that_fails_after_its_money_was_booked_is_told_to_a_person(till: Till) -> None:
    """Lago #5947: credits were granted, the payment failed late, and nobody was told."""
    order = await till.deposit(person := new_person(), "100.00")
    facts = await payment_outside(till, order)
    async with till.house.database.transaction() as session:
        await settle(session, replace(facts, state=OrderState.FAILED))
    assert ("payment", "failed_after_capture") in await till.exceptions()
    assert (await till.wallet(person), (await till.see_order(order)).state) == ("100.00", OrderState.CAPTURED)


@pytest.mark.parametrize("minor", [0, 1, 9_999, 10_001])
async def test_a_payment_over_another_amount_than_the_orders_books_nothing(till: Till, minor: int) -> None:
    """Lago #5536: a payment was built with amount 0."""
    order = await till.order(person := new_person(), "100.00")
    await till.pay(order)
    facts = await payment_outside(till, order)
    async with till.house.database.transaction() as session:
        amount = replace(facts.amount, minor=minor)
        assert await settle(session, replace(facts, amount=amount)) == "foreign_amount"
    assert await till.wallet(person) == "0.00"


async def test_one_payment_pays_one_order(till: Till) -> None:
    """Magento #283: two orders for one payment."""
    first, second = await till.deposit(new_person(), "100.00"), await till.order(person := new_person(), "100.00")
    facts = await payment_outside(till, first)
    async with till.house.database.transaction() as session:
        claimed = replace(facts, order_id=second.provider_order_id or "")
        assert await settle(session, claimed) == "payment_of_another_order"
    assert (await till.wallet(person), (await till.see_order(second)).state) == ("0.00", OrderState.PENDING)


async def test_the_same_top_up_sent_at_once_and_later_credits_once(till: Till) -> None:
    """Lago #5870, #3618, #2243."""
    person = new_person()
    orders = await asyncio.gather(*(till.order(person, "100.00", request_key="form") for _ in range(8)))
    assert len({order.id for order in orders}) == 1
    proof = await till.pay(orders[0])
    await asyncio.gather(*(till.verify(proof) for _ in range(8)))
    await till.quiet()
    await till.verify(proof)
    assert await till.wallet(person) == "100.00"


async def test_each_partial_refund_takes_itself_not_the_sum(till: Till) -> None:
    """Polar #12740: the wallet was reduced by the cumulative refund each time."""
    person = new_person()
    order = await till.deposit(person, "100.00")
    async with till.house.database.reading() as session:
        (payment,) = await api.payments_of(session, order.id)
    left = ["90.00", "70.00", "40.00", "0.00"]
    for amount, expected in zip(("10.00", "20.00", "30.00", "40.00"), left, strict=True):
        async with till.house.database.transaction() as session:
            await api.start_refund(session, payment.id, rupees(amount), reason="", key=amount, by=None)
        await till.quiet()
        till.sandbox_clock.advance(200)
        await till.quiet()
        assert await till.wallet(person) == expected
    assert (await till.see_order(order)).state == OrderState.REFUNDED


async def test_a_payout_after_one_that_was_reversed_is_one_of_its_own(till: Till) -> None:
    """Polar #9666: a payout after a reversal broke the links."""
    person = new_person()
    await till.deposit(person, "100.00")
    back = await till.withdraw(person, "100.00", to=Vpa("reversed@razorpay"))
    await till.pass_time(timedelta(minutes=30))
    assert (await till.see_payout(back)).state == PayoutState.REVERSED
    again = await till.withdraw(person, "100.00")
    await till.pass_time(timedelta(minutes=30))
    assert (await till.see_payout(again)).state == PayoutState.PROCESSED
    assert (await till.see_payout(back)).state == PayoutState.REVERSED
    assert (await till.wallet(person), await till.house_balance("payouts:razorpayx")) == ("0.00", "100.00")


async def test_a_replayed_event_pays_nothing_out_twice(till: Till) -> None:
    """career-pilot #4378."""
    person = new_person()
    await till.deposit(person, "100.00")
    await till.withdraw(person, "60.00")
    await till.pass_time(timedelta(minutes=30))
    async with till.house.database.transaction() as session:
        events, _ = await api.events(session, limit=100)
        for event in events:
            await api.replay_event(session, event.id)
    await till.pass_time(timedelta(minutes=30))
    assert len(till.payouts_outside()) == 1
    assert await till.wallet(person) == "40.00"


async def test_money_that_is_owed_cannot_be_withdrawn(till: Till) -> None:
    """Polar #4428: what a refund after a payout left is a debt, and is paid before anything leaves."""
    person = new_person()
    order = await till.deposit(person, "100.00")
    await till.withdraw(person, "100.00")
    async with till.house.database.transaction() as session:
        (payment,) = await api.payments_of(session, order.id)
        await api.start_refund(session, payment.id, rupees("50.00"), reason="", key="k", by=None, advance=True)
    await till.pass_time(timedelta(minutes=30))
    async with till.house.database.transaction() as session:  # a product pays them something
        wallet, amount = ledger.AccountRef("person", person, "wallet", "INR"), rupees("60.00")
        sales = ledger.house_account("sales", "INR")
        legs = (ledger.debit(sales, amount), ledger.credit(wallet, amount))
        await ledger.post(session, ledger.Posting(key="shop.earned", kind="shop.sale", legs=legs))
    with pytest.raises(ledger.InsufficientFunds):
        await till.withdraw(person, "60.00")
    await till.withdraw(person, "10.00")
    assert await till.available(person) == "0.00"


async def _decide(till: Till, payout: api.PayoutView, verdict: str, by: UUID) -> bool:
    """Whether the verdict of somebody who presses their button counted."""
    decide = approve_payout if verdict == "approve" else reject_payout
    try:
        async with till.house.database.transaction() as session:
            await decide(session, payout.id, by)
    except Conflict:
        return False
    return True


async def test_of_an_approval_and_a_rejection_at_once_one_counts(till: Till) -> None:
    """Polar #13134: a payout was cancelled while it was being sent, and both happened."""
    till.change_settings(withdrawal_approval_above=50_000)
    person, verdicts = new_person(), ("approve", "reject")
    await till.give(person, rupees("6000.00"))
    waiting = [await till.withdraw(person, "600.00") for _ in range(10)]
    presses = [
        (payout, verdict, new_person())
        for number, payout in enumerate(waiting)
        for verdict in (verdicts if number % 2 else reversed(verdicts))
    ]
    counted = await asyncio.gather(*(_decide(till, *press) for press in presses))
    sent = {
        payout.id for (payout, verdict, _), one in zip(presses, counted, strict=True) if one and verdict == "approve"
    }
    assert counted.count(True) == len(waiting)
    await till.pass_time(timedelta(minutes=10))
    assert {payout["reference_id"] for payout in till.payouts_outside()} == {str(one) for one in sent}
    for payout in waiting:
        ended = PayoutState.PROCESSED if payout.id in sent else PayoutState.REJECTED
        assert (await till.see_payout(payout)).state == ended
    left = str(Money(600_000 - 60_000 * len(sent), "INR"))
    assert (await till.wallet(person), await till.available(person)) == (left, left)


async def test_whoever_waits_for_a_lock_gets_it_however_many_wait(till: Till) -> None:
    """Kill Bill #1555: a payment failed, since the lock of its account was not acquired after 50 tries."""
    person = new_person()
    order = await till.order(person, "100.00")
    proof = await till.pay(order)
    holder = await asyncpg.connect(plain_dsn(till.house.database.url))
    try:
        transaction = holder.transaction()
        await transaction.start()
        await holder.execute("SELECT 1 FROM payments.orders WHERE id = $1 FOR UPDATE", order.id)
        told = asyncio.gather(*(till.verify(proof) for _ in range(60)))
        waiting = "SELECT count(*) FROM pg_locks AS l JOIN pg_stat_activity AS a USING (pid) "
        waiting += "WHERE NOT l.granted AND a.datname = current_database()"
        while await holder.fetchval(waiting) < till.house.database.engine.pool.size():  # type: ignore[attr-defined]
            assert not told.done()
        await transaction.rollback()
        seen = await told
    finally:
        await holder.close()
    assert {order.state for order in seen} == {OrderState.CAPTURED}
    assert await till.wallet(person) == "100.00"


TYPED = ("' OR 1=1 --", "x' OR 'a'='a", "%", "w_llet", "*' OR true --*", "\\", '{"a": 1}', "$1", "a::text")


async def test_what_is_typed_into_a_filter_is_looked_for_and_nothing_else(till: Till) -> None:
    """Formance #1349: the filter of addresses was pasted into the query."""
    await till.deposit(person := new_person(), "100.00")
    await till.withdraw(person, "60.00")
    everyone = frozenset({"razorpay", "razorpayx"})
    async with till.house.database.reading() as session:
        for typed in TYPED:
            for accounts in ({"code": typed}, {"code": f"{typed}*"}, {"owner_kind": typed}, {"unit": typed}):
                wanted = ledger.AccountFilter(**accounts)  # type: ignore[arg-type]  # a table of fields
                assert await ledger.accounts(session, wanted=wanted, limit=9) == [], accounts
            account = ledger.AccountRef("person", person, typed, "INR")
            for written in ({"kind": typed}, {"account": account}, {"metadata": {"tags": {typed: typed}}}):
                found = ledger.TransactionFilter(**written)  # type: ignore[arg-type]  # a table of fields
                assert await ledger.transactions(session, wanted=found, limit=9) == [], written
            assert await finding.orders(session, OrderFilter(text=typed), everyone, limit=9) == []
            assert await finding.payouts(session, PayoutFilter(text=typed), everyone, limit=9) == []


async def test_a_payout_that_is_cancelled_before_it_left_costs_no_fee(till: Till) -> None:
    """Polar #10005: the fees of a cancelled payout were not taken back."""
    person = new_person()
    await till.deposit(person, "100.00")
    payout = await till.withdraw(person, "100.00", to=Vpa("queued@razorpay"))
    await till.quiet()
    (outside,) = till.payouts_outside()
    assert outside["status"] == "queued"
    await cancel_at_dashboard(till, outside["id"])
    await till.pass_time(timedelta(hours=2), step=timedelta(minutes=10))
    assert (await till.see_payout(payout)).state == PayoutState.CANCELLED
    assert (await till.wallet(person), await till.available(person)) == ("100.00", "100.00")
    assert (await till.house_balance("payouts:razorpayx"), await till.house_balance("fees:razorpayx")) == ("0.00",) * 2
    async with till.house.database.reading() as session:
        row = await session.get(PayoutRow, payout.id)
        assert row
        assert not row.fee
    again = await till.withdraw(person, "100.00")
    await till.pass_time(timedelta(minutes=30))
    assert (await till.see_payout(again)).state == PayoutState.PROCESSED
