"""Renewals that an authorisation at Razorpay pays for: begun days before, no dunning while its bank takes its time."""

from datetime import datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import select

from tests.parts.billing.counter import Counter
from tests.parts.payments.till import new_person, rupees
from tillhouse.kernel.errors import Conflict
from tillhouse.parts.billing import api
from tillhouse.parts.billing.models import CardChargeRow
from tillhouse.parts.payments import api as payments
from tillhouse.sandbox.agenda import Task
from tillhouse.sandbox.razorpay.schemas import Order, Payment
from tillhouse.sandbox.razorpay.tokens import Token

HOUR = timedelta(hours=1)
DUE = datetime.fromisoformat("2026-04-01T18:30:00+00:00")  # the end of what the first payment is for, in India


async def authorised(
    counter: Counter, person: UUID, method: payments.Method = payments.Method.UPI, plan: str = "shop.small"
) -> api.SubscriptionView:
    """A plan whose first payment authorised the next ones."""
    view, due = await counter.subscribe(person, plan)
    assert due
    how = api.How(method=method, keep_card=True)
    order = await api.begin_payment(counter.till.house, due.owner, due.id, how, request_key=f"first-{person}")
    assert (order.provider, order.method) == ("razorpay", method)
    await counter.till.pay(order, vpa="asha.rao@okbank")
    await counter.till.quiet()
    await counter.till.pass_time(timedelta(minutes=3), step=timedelta(minutes=3))
    async with counter.till.house.database.reading() as session:
        (card,) = await payments.cards_of(session, "person", person)
    assert card.greatest == due.price
    return await counter.see(view)


async def until(counter: Counter, when: datetime, *, step: timedelta = timedelta(days=30)) -> None:
    """Time passes on both sides; at each step everything that is due happens."""
    while counter.till.at.at < when:
        ahead = min(step, when - counter.till.at.at)
        counter.till.at.advance(ahead)
        counter.till.sandbox_clock.advance(ahead.total_seconds())
        await counter.look_after()


async def charges(counter: Counter) -> list[tuple[int, str, str | None]]:
    async with counter.till.house.database.reading() as session:
        rows = await session.execute(select(CardChargeRow).order_by(CardChargeRow.invoice_id, CardChargeRow.attempt))
        return [(row.attempt, row.state, row.reason) for row in rows.scalars()]


def debits(counter: Counter) -> list[str]:
    """What became of every charge outside, the newest first."""
    store = counter.till.sandbox.world.store
    first = {one.id for one in store.find(Order, limit=10_000) if one.mandate}
    by_token = [one for one in store.find(Payment, limit=10_000) if one.token_id]
    return [one.status for one in by_token if one.order_id not in first]


def token(counter: Counter) -> str:
    return counter.till.sandbox.world.store.find(Token, limit=1)[0].id


async def test_a_renewal_is_begun_two_days_before_it_is_due_and_paid_in_time(counter: Counter) -> None:
    asha = new_person()
    view = await authorised(counter, asha)
    assert abs(view.paid_until - DUE) < timedelta(days=1)
    due = view.paid_until
    await until(counter, due - 49 * HOUR)
    assert ([one.state for one in await counter.invoices(asha)], debits(counter)) == (["open", "paid"], [])
    await until(counter, due - 47 * HOUR)
    assert (await charges(counter), debits(counter)) == ([(1, "open", None)], ["created"])
    await until(counter, due - 20 * HOUR, step=9 * HOUR)
    assert (await charges(counter), debits(counter)) == ([(1, "paid", None)], ["captured"])
    view = await counter.see(view)
    assert (view.state, view.paid_until > due + timedelta(days=27)) == ("active", True)
    await until(counter, due + HOUR)
    assert (await counter.see(view)).state == "active"
    assert (await counter.till.wallet(asha), await counter.till.exceptions()) == ("0.00", [])


async def test_it_is_never_past_due_while_its_bank_takes_longer_than_usual(counter: Counter) -> None:
    asha = new_person()
    view = await authorised(counter, asha, payments.Method.CARD)
    due = view.paid_until
    await until(counter, due - 30 * HOUR)  # the janitor was away: the charge is begun late, and a card takes 36 hours
    assert debits(counter) == ["created"]
    await until(counter, due + 5 * HOUR, step=35 * HOUR)
    assert ((await counter.see(view)).state, await charges(counter)) == ("active", [(1, "open", None)])
    await until(counter, due + 8 * HOUR, step=HOUR)
    assert ((await counter.see(view)).state, await charges(counter)) == ("active", [(1, "paid", None)])
    assert debits(counter) == ["captured"]


async def test_a_plan_is_not_changed_while_its_renewal_is_being_charged_so_that_it_is_charged_once(
    counter: Counter,
) -> None:
    asha = new_person()
    view = await authorised(counter, asha, payments.Method.CARD)
    due = view.paid_until
    await until(counter, due - 30 * HOUR)
    for when in (due - 10 * HOUR, due + 2 * HOUR):  # nor for another month without paying, once this one is over
        await until(counter, when)
        with pytest.raises(Conflict):
            await counter.change(view, "shop.small", 12)
    await until(counter, due + 8 * HOUR, step=HOUR)
    assert (debits(counter), await counter.till.wallet(asha)) == (["captured"], "0.00")
    view, _ = await counter.change(view, "shop.small", 12)
    assert (view.state, view.next_months) == ("active", 12)


async def test_a_debit_that_fails_is_an_invoice_with_the_reason_and_tried_again_on_the_stated_days(
    counter: Counter,
) -> None:
    asha = new_person()
    view = await authorised(counter, asha)
    due = view.paid_until
    path = f"/_sandbox/razorpay/tokens/{token(counter)}/fail_next"
    await counter.till.outside("POST", path, {"reason": "insufficient_funds"})
    await until(counter, due - 47 * HOUR)
    await until(counter, due - HOUR, step=23 * HOUR)
    assert ((await counter.see(view)).state, await charges(counter)) == (
        "active", [(1, "failed", "insufficient_funds")],
    )  # fmt: skip
    await until(counter, due + HOUR)
    assert (await counter.see(view)).state == "past_due"
    await until(counter, due + 25 * HOUR)
    assert (await charges(counter))[1:] == [(2, "open", None)]
    await until(counter, due + 53 * HOUR, step=14 * HOUR)
    assert ((await counter.see(view)).state, debits(counter)) == ("active", ["captured", "failed"])


async def test_the_wallet_pays_when_it_is_due_and_not_two_days_before(counter: Counter) -> None:
    asha = new_person()
    view = await authorised(counter, asha)
    due = view.paid_until
    await counter.till.give(asha, rupees("300.00"))
    await until(counter, due - HOUR)
    assert (await counter.till.wallet(asha), debits(counter)) == ("300.00", [])
    await until(counter, due + HOUR)
    assert ((await counter.see(view)).state, await counter.till.wallet(asha), debits(counter)) == ("active", "0.00", [])


@pytest.mark.parametrize(
    ("step", "reason"), [("pause", "mandate_paused"), ("cancel", None)], ids=["paused", "ended by its holder"]
)
async def test_what_its_holder_stopped_is_an_invoice_to_pay_by_hand(
    counter: Counter, step: str, reason: str | None
) -> None:
    asha = new_person()
    view = await authorised(counter, asha)
    due = view.paid_until
    await counter.till.outside("POST", f"/_sandbox/razorpay/tokens/{token(counter)}/{step}")
    await counter.till.quiet()
    await until(counter, due + HOUR)
    assert debits(counter) == []
    assert await charges(counter) == ([(1, "failed", reason)] if reason else [])
    (renewal, _) = await counter.invoices(asha)
    assert ((await counter.see(view)).state, renewal.state) == ("past_due", "open")
    await counter.pay(renewal)
    assert (await counter.see(view)).state == "active"


async def test_a_dearer_plan_than_was_authorised_is_an_invoice_to_pay_by_hand(counter: Counter) -> None:
    asha = new_person()
    view = await authorised(counter, asha)
    view, dearer = await counter.change(view, "shop.large")
    assert dearer
    await counter.pay(dearer)
    due = (await counter.see(view)).paid_until
    await until(counter, due - 47 * HOUR)
    assert (await charges(counter), debits(counter)) == ([(1, "failed", "above_mandate")], [])


async def test_a_debit_of_which_nobody_ever_tells_is_not_begun_again_and_the_person_is_asked(counter: Counter) -> None:
    asha = new_person()
    view = await authorised(counter, asha)
    due = view.paid_until
    await until(counter, due - 47 * HOUR)
    assert debits(counter) == ["created"]
    counter.till.sandbox.world.store.delete_all(Task)  # the bank never decides
    await until(counter, due + 47 * HOUR, step=47 * HOUR)
    assert ((await counter.see(view)).state, await charges(counter)) == ("active", [(1, "open", None)])
    await until(counter, due + 52 * HOUR, step=2 * HOUR)
    assert ((await counter.see(view)).state, await charges(counter)) == ("past_due", [(1, "failed", "expired")])
    await until(counter, due + timedelta(days=8), step=timedelta(days=2))
    assert debits(counter) == ["created"]
    (renewal, _) = await counter.invoices(asha)
    assert renewal.state == "open"
