"""What a payer's bank took back is not paid for: what is unused of it is taken back, and pays the debt."""

from uuid import UUID

import pytest

from tests.parts.billing.counter import Counter
from tests.parts.payments.till import new_person
from tillhouse.parts.billing import api
from tillhouse.parts.ledger import api as ledger
from tillhouse.parts.payments import api as payments
from tillhouse.parts.payments.domain import DisputeFacts, DisputeState
from tillhouse.parts.payments.service.disputes import settle_dispute
from tillhouse.parts.wallets.service import close_wallets


async def hear(
    counter: Counter, order: payments.OrderView, state: DisputeState = DisputeState.LOST, *, part: int | None = None
) -> None:
    """The gateway's word on a dispute of all of an order, and all that follows."""
    async with counter.till.house.database.reading() as session:
        (payment,) = await payments.payments_of(session, order.id)
    number = payment.provider_payment_id
    facts = DisputeFacts("razorpay", f"disp_{number}", number, payment.amount, state, "fraud", 0, None, part)
    async with counter.till.house.database.transaction() as session:
        assert await settle_dispute(session, facts) is None
    await counter.till.quiet()


async def debt(counter: Counter, person: UUID) -> str:
    async with counter.till.house.database.reading() as session:
        owed = await ledger.balance(session, ledger.AccountRef("person", person, "receivable", "INR"))
    return str(owed.posted)


async def paid_plan(counter: Counter, person: UUID) -> tuple[api.SubscriptionView, payments.OrderView]:
    view, due = await counter.subscribe(person)
    assert due
    return view, await counter.pay(due)


@pytest.mark.parametrize(
    ("part", "points", "owed", "deferred"),
    [(None, 0, "200.00", "0.00"), (50_00, 250, "0.00", "211.87"), (400_00, 0, "100.00", "0.00")],
)
async def test_points_that_are_not_spent_go_and_only_spent_ones_are_owed(
    counter: Counter, part: int | None, points: int, owed: str, deferred: str
) -> None:
    asha = new_person()
    order = await counter.pay(await counter.buy(asha))
    await counter.capture(await counter.reserve(asha, 200), 200)
    await hear(counter, order, part=part)
    assert await counter.points(asha) == points
    assert (await debt(counter, asha), await counter.till.wallet(asha)) == (owed, "0.00")
    await counter.look_after()
    assert await counter.owed("points") == deferred


async def test_points_that_were_refunded_before_are_not_taken_twice(counter: Counter) -> None:
    asha = new_person()
    order = await counter.pay(await counter.buy(asha))
    await counter.refund(order, "400.00")
    await counter.till.quiet()
    await hear(counter, order, part=100_00)
    assert (await counter.points(asha), await debt(counter, asha)) == (0, "0.00")


async def test_a_plan_ends_with_its_points_and_what_was_used_of_it_is_owed(counter: Counter) -> None:
    asha = new_person()
    view, order = await paid_plan(counter, asha)
    await counter.pass_days(15.5)
    await hear(counter, order)
    assert ((await counter.see(view)).state, await counter.points(asha)) == ("cancelled", 0)
    assert (await debt(counter, asha), await counter.till.wallet(asha)) == ("150.00", "0.00")


async def test_a_plan_of_which_less_is_lost_than_is_unused_goes_on_with_a_debt(counter: Counter) -> None:
    asha = new_person()
    view, order = await paid_plan(counter, asha)
    await hear(counter, order, part=100_00)
    assert ((await counter.see(view)).state, await counter.points(asha)) == ("active", 100)
    assert await debt(counter, asha) == "100.00"


async def test_won_after_all_the_money_is_there_and_the_points_are_bought_anew(counter: Counter) -> None:
    asha = new_person()
    order = await counter.pay(await counter.buy(asha))
    await hear(counter, order)
    await hear(counter, order, DisputeState.WON)
    assert (await counter.points(asha), await debt(counter, asha)) == (0, "0.00")
    assert await counter.till.wallet(asha) == "500.00"


async def test_of_somebody_who_is_gone_nothing_is_taken_back(counter: Counter) -> None:
    asha = new_person()
    view, order = await paid_plan(counter, asha)
    await counter.cancel(view, at_once=True)
    async with counter.till.house.database.transaction() as session:
        await close_wallets(session, asha, ())
    await hear(counter, order)
    assert await counter.till.parked() == []
    assert (await debt(counter, asha), await counter.points(asha)) == ("0.00", 100)
