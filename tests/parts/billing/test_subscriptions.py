"""A plan from its beginning to its end, through the gateway and as time passes."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from tests.money.test_ledger_races import together
from tests.parts.billing.counter import PACK, SMALL, Counter, make_coupon, open_counter, points
from tests.parts.payments.till import START, new_person, rupees
from tillhouse.kernel import clock
from tillhouse.kernel.errors import Conflict, NotFound
from tillhouse.kernel.money import Money
from tillhouse.kernel.settings import KernelSettings
from tillhouse.parts.billing import api
from tillhouse.parts.billing.service import checks
from tillhouse.parts.ledger import api as ledger


async def states(counter: Counter, view: api.SubscriptionView) -> str:
    return (await counter.see(view)).state.value


async def test_a_plan_begins_when_its_invoice_is_paid(counter: Counter) -> None:
    asha = new_person()
    view, due = await counter.subscribe(asha)
    assert (view.state, due and str(due.total), due and str(due.tax)) == ("pending", "300.00", "45.76")
    assert due
    await counter.pay(due)
    view = await counter.see(view)
    assert (view.state, view.paid_until) == ("active", START + timedelta(days=31))
    assert await counter.points(asha) == 100
    assert await counter.till.wallet(asha) == "0.00"
    assert await counter.owed("subscriptions") == "254.24"
    assert await counter.till.house_balance("tax:gst") == "45.76"


async def test_paid_twice_by_two_orders_the_second_payment_stays_in_the_wallet(counter: Counter) -> None:
    asha = new_person()
    view, due = await counter.subscribe(asha)
    assert due
    first, second = await counter.order(due), await counter.order(due)
    await counter.till.pay(first)
    await counter.till.pay(second)
    await counter.till.quiet()
    assert await counter.till.wallet(asha) == "300.00"
    assert await counter.points(asha) == 100
    assert (await counter.see(view)).paid_until == START + timedelta(days=31)
    assert ("purpose", "purpose_refused") in await counter.till.exceptions()


async def test_only_one_plan_of_a_family_lives_at_a_time(counter: Counter) -> None:
    asha = new_person()
    outcome = await together([counter.subscribe(asha) for _ in range(8)])
    assert outcome == {"done": 1, "AlreadySubscribed": 7}
    await counter.subscribe(asha, "desk.one")


async def test_a_first_invoice_that_nobody_pays_is_given_up(counter: Counter) -> None:
    view, due = await counter.subscribe(new_person())
    await counter.pass_days(2.1)
    assert await states(counter, view) == "expired"
    assert due
    assert (await counter.see_invoice(due)).state == "void"
    with pytest.raises(api.NotOpen):
        await counter.pay_from_wallet(due)


async def test_there_is_one_trial_and_then_an_invoice(counter: Counter) -> None:
    asha = new_person()
    view, due = await counter.subscribe(asha, "desk.one")
    assert (view.state, due) == ("trialing", None)
    await counter.till.give(asha, rupees("100.00"))
    await counter.pass_days(15)
    view = await counter.see(view)
    assert view.state == "active"
    assert view.paid_until.date().isoformat() == "2026-04-16"
    await counter.cancel(view, at_once=True)
    again, due = await counter.subscribe(asha, "desk.one")
    assert again.state == "pending"
    assert due


async def test_a_wallet_pays_each_renewal_and_points_end_with_their_period(counter: Counter) -> None:
    asha = new_person()
    view = await counter.subscribed(asha)
    await counter.till.give(asha, rupees("600.00"))
    await counter.pass_days(32)
    assert await counter.till.wallet(asha) == "300.00"
    assert await counter.points(asha) == 100
    await counter.pass_days(30)
    view = await counter.see(view)
    assert (view.state, view.paid_until.date().isoformat()) == ("active", "2026-06-02")
    assert await counter.till.wallet(asha) == "0.00"


async def test_an_empty_wallet_is_asked_on_the_stated_days_and_then_it_ends(counter: Counter) -> None:
    view = await counter.subscribed(new_person())
    seen = []
    for _ in range(50):
        await counter.pass_days(1)
        seen.append(await states(counter, view))
    assert [seen.count(state) for state in ("active", "past_due", "grace", "expired")] == [30, 7, 7, 6]
    (renewal, _) = await counter.invoices(view.owner.id)
    assert renewal.state == "uncollectible"


@pytest.mark.parametrize("late", [1, 10])
async def test_paid_late_the_period_still_begins_where_the_last_one_ended(counter: Counter, late: int) -> None:
    view = await counter.subscribed(new_person())
    await counter.pass_days(31 + late)
    (renewal, _) = await counter.invoices(view.owner.id)
    await counter.pay(renewal)
    view = await counter.see(view)
    assert (view.state, view.paid_until.date().isoformat()) == ("active", "2026-05-02")


async def test_after_a_long_pause_of_the_house_it_is_brought_up_to_date_and_nobody_is_flooded(counter: Counter) -> None:
    view = await counter.subscribed(new_person())
    counter.till.at.advance(timedelta(days=60))
    await counter.look_after()
    assert await states(counter, view) == "expired"
    (renewal, _) = await counter.invoices(view.owner.id)
    assert renewal.state == "uncollectible"


async def test_cancelled_it_goes_on_to_the_end_of_what_is_paid(counter: Counter) -> None:
    view = await counter.subscribed(new_person())
    assert (await counter.cancel(view)).state == "active"
    await counter.pass_days(30)
    assert await states(counter, view) == "active"
    await counter.pass_days(1)
    assert await states(counter, view) == "cancelled"
    with pytest.raises(Conflict):
        await counter.resume(view)


async def test_a_cancellation_that_is_taken_back_renews(counter: Counter) -> None:
    asha = new_person()
    view = await counter.subscribed(asha)
    await counter.cancel(view)
    await counter.resume(view)
    await counter.till.give(asha, rupees("300.00"))
    await counter.pass_days(32)
    assert (await counter.see(view)).paid_until.date().isoformat() == "2026-05-02"


async def test_renewal_and_cancel_have_one_winner(counter: Counter) -> None:
    view = await counter.subscribed(new_person())
    await counter.pass_days(29)
    (renewal, _) = await counter.invoices(view.owner.id)
    await counter.till.give(view.owner.id, rupees("300.00"))
    await together([counter.cancel(view, at_once=True), counter.pay_from_wallet(renewal)])
    ended, paid = await counter.see(view), await counter.see_invoice(renewal)
    assert ended.state == "cancelled"
    left = await counter.till.wallet(view.owner.id)
    assert (paid.state, left) in {("paid", "0.00"), ("void", "300.00")}


async def test_an_upgrade_counts_what_is_left_of_the_plan_before(counter: Counter) -> None:
    asha = new_person()
    view = await counter.subscribed(asha)
    counter.till.at.advance(timedelta(days=15, hours=12))  # half of March
    _, due = await counter.change(view, "shop.large")
    assert due
    assert (str(due.credit), str(due.total)) == ("150.00", "750.00")
    assert (await counter.see(view)).plan == "shop.small"
    await counter.pay(due)
    view = await counter.see(view)
    assert (view.plan, view.paid_until) == ("shop.large", clock.now() + timedelta(days=31))
    assert await counter.points(asha) == 600


async def test_a_downgrade_waits_for_the_end_of_the_period(counter: Counter) -> None:
    asha = new_person()
    view = await counter.subscribed(asha, "shop.large")
    view, due = await counter.change(view, "shop.small")
    assert (due, view.plan, view.next_plan) == (None, "shop.large", "shop.small")
    await counter.till.give(asha, rupees("300.00"))
    await counter.pass_days(32)
    view = await counter.see(view)
    assert (view.plan, view.next_plan, view.state) == ("shop.small", None, "active")


async def test_an_upgrade_that_nobody_pays_for_does_not_stop_the_renewal(counter: Counter) -> None:
    asha = new_person()
    view = await counter.subscribed(asha)
    await counter.change(view, "shop.large")
    await counter.till.give(asha, rupees("300.00"))
    await counter.pass_days(32)
    view = await counter.see(view)
    assert (view.plan, view.state, view.paid_until.date().isoformat()) == ("shop.small", "active", "2026-05-02")


async def test_refunded_what_is_unused_the_plan_ends_and_no_more_than_that_is_given(counter: Counter) -> None:
    asha = new_person()
    view, due = await counter.subscribe(asha)
    assert due
    order = await counter.pay(due)
    counter.till.at.advance(timedelta(days=15, hours=12))
    with pytest.raises(Conflict, match="is unused"):
        await counter.refund(order, "150.01")
    await counter.refund(order, "50.00")
    assert await states(counter, view) == "active"
    await counter.refund(order, "100.00")
    assert await states(counter, view) == "cancelled"
    assert await counter.till.house_balance("tax:gst") == "22.88"
    await counter.pass_days(20)
    assert await counter.owed("subscriptions") == "0.00"
    assert await counter.till.house_balance("sales:subscriptions") == "127.12"


async def test_what_became_the_credit_of_an_upgrade_is_not_refunded_as_well(counter: Counter) -> None:
    view, due = await counter.subscribe(new_person())
    assert due
    order = await counter.pay(due)
    counter.till.at.advance(timedelta(days=15, hours=12))
    _, change = await counter.change(view, "shop.large")
    assert change
    await counter.pay(change)
    with pytest.raises(Conflict):
        await counter.refund(order, "1.00")


async def test_an_upgrade_is_paid_in_time_or_given_up_since_what_is_left_of_the_plan_before_is_used_up(
    counter: Counter,
) -> None:
    view = await counter.subscribed(new_person())
    _, change = await counter.change(view, "shop.large")
    assert change
    await counter.pass_days(1.9)
    assert (await counter.see_invoice(change)).state == "open"
    await counter.pass_days(0.2)
    assert (await counter.see_invoice(change)).state == "void"
    _, change = await counter.change(view, "shop.large")
    assert change
    assert rupees("279.00") < change.credit < rupees("281.00")


async def test_an_upgrade_counts_nothing_that_was_refunded_meanwhile(counter: Counter) -> None:
    view, due = await counter.subscribe(new_person())
    assert due
    order = await counter.pay(due)
    _, change = await counter.change(view, "shop.large")
    assert change
    await counter.refund(order, "290.00")
    assert (await states(counter, view), (await counter.see_invoice(change)).state) == ("active", "void")
    _, change = await counter.change(view, "shop.large")
    assert change
    assert change.credit < rupees("10.01")


async def test_an_upgrade_counts_the_next_period_that_was_paid_in_advance_and_the_rest_of_this_one(
    counter: Counter,
) -> None:
    asha = new_person()
    view, first = await counter.subscribe(asha)
    assert first
    orders = [await counter.pay(first)]
    await counter.pass_days(29)
    orders.append(await counter.pay((await counter.invoices(asha))[0]))
    _, change = await counter.change(view, "shop.large")
    assert change
    assert rupees("318.00") < change.credit < rupees("320.00")
    counter.till.at.advance(timedelta(hours=30))
    await counter.pay(change)
    for order in orders:
        with pytest.raises(Conflict, match="is unused"):
            await counter.refund(order, "0.01")


async def test_an_upgrade_counts_the_plan_before_not_a_longer_one_that_was_counted_already(
    settings: KernelSettings,
) -> None:
    steps = [
        api.Plan(
            code=f"shop.step{rank}", version=1, family="shop", title="Step", rank=rank,
            prices=(api.Price(rupees(price), months),),
        )
        for rank, (price, months) in enumerate([("120.00", 12), ("300.00", 1), ("900.00", 1)])
    ]  # fmt: skip
    async with open_counter(settings, *steps) as counter:
        view = await counter.subscribed(new_person(), "shop.step0", months=12)
        _, change = await counter.change(view, "shop.step1")
        assert change
        await counter.pay(change)
        _, change = await counter.change(view, "shop.step2")
        assert change
        assert rupees("299.00") < change.credit <= rupees("300.00")  # what is left of step0 paid for step1 as well
        await counter.pay(change)
        assert (await counter.see(view)).plan == "shop.step2"


async def test_a_plan_whose_period_was_given_back_ends_with_its_points(counter: Counter) -> None:
    asha = new_person()
    view, due = await counter.subscribe(asha)
    assert due
    order = await counter.pay(due)
    await counter.give(asha, 7)
    await counter.capture(await counter.reserve(asha, 30), 30)
    await counter.refund(order)
    assert (await states(counter, view), await counter.points(asha)) == ("cancelled", 7)


async def test_all_plans_of_an_owner_end_with_them_however_many_there_were(counter: Counter) -> None:
    asha = api.person(new_person())
    goes_on = await counter.subscribed(asha)
    terms: dict[str, Any] = {"plan": "desk.one", "currency": "INR", "months": 1, "zone": "UTC"}
    async with counter.till.house.database.transaction() as session:
        for _ in range(200):
            begun, _ = await api.subscribe(session, asha, **terms)
            await api.cancel(session, asha, begun.id, at_once=True)
    async with counter.till.house.database.transaction() as session:
        assert len(await checks.reasons_to_keep(session, asha.id)) == 1
        await checks.erase_person(session, asha.id, ())
    assert await states(counter, goes_on) == "cancelled"


async def test_revenue_is_earned_with_time_and_nothing_is_left_over(counter: Counter) -> None:
    await counter.subscribed(new_person())
    await counter.pass_days(15.5)
    assert await counter.till.house_balance("sales:subscriptions") == "127.12"
    await counter.pass_days(16)
    assert await counter.till.house_balance("sales:subscriptions") == "254.24"
    assert await counter.owed("subscriptions") == "0.00"


async def test_a_version_that_was_sold_cannot_change_its_terms(settings: KernelSettings) -> None:
    async with open_counter(settings, SMALL) as counter:
        await counter.subscribed(new_person())
    dearer = api.Plan(**{**{name: getattr(SMALL, name) for name in SMALL.__slots__}, "points": points(90)})
    async with open_counter(settings, dearer) as counter:
        with pytest.raises(api.TermsChanged):
            await counter.subscribe(new_person())


async def test_who_subscribed_stays_on_their_version_until_they_change(settings: KernelSettings) -> None:
    asha = new_person()
    newer = api.Plan(
        **{**{name: getattr(SMALL, name) for name in SMALL.__slots__}, "version": 2,
           "prices": (api.Price(rupees("400.00"), 1),)}
    )  # fmt: skip
    async with open_counter(settings, SMALL) as counter:
        view = await counter.subscribed(asha)
    async with open_counter(settings, SMALL, newer) as counter:
        await counter.till.give(asha, rupees("300.00"))
        await counter.pass_days(32)
        assert (await counter.see(view)).state == "active"
        _, due = await counter.subscribe(new_person())
        assert due
        assert str(due.total) == "400.00"


async def test_a_coupon_takes_off_and_is_counted_once_per_payer(counter: Counter) -> None:
    await make_coupon(counter, "HALF", 5000, offers=("shop.small",), most=2)
    asha = new_person()
    view, due = await counter.subscribe(asha, coupon=" half ")
    assert due
    assert (str(due.discount), str(due.total)) == ("150.00", "150.00")
    await counter.cancel(view)
    people = [new_person() for _ in range(5)]
    outcome = await together([counter.subscribe(one, coupon="HALF") for one in people])
    assert outcome == {"done": 2, "CouponRefused": 3}
    with pytest.raises(api.CouponRefused):
        await counter.buy(asha, coupon="HALF")


async def test_a_coupon_of_one_period_is_over_at_the_renewal(counter: Counter) -> None:
    await make_coupon(counter, "FREE", 10_000)
    asha = new_person()
    view, due = await counter.subscribe(asha, coupon="FREE")
    assert due
    assert (await states(counter, view), (await counter.see_invoice(due)).state) == ("active", "paid")
    await counter.till.give(asha, rupees("300.00"))
    await counter.pass_days(32)
    assert await counter.till.wallet(asha) == "0.00"
    assert await states(counter, view) == "active"


async def test_a_coupon_that_was_used_elsewhere_during_the_trial_is_not_used_again_at_its_end(counter: Counter) -> None:
    await make_coupon(counter, "HALF", 5000)
    asha = new_person()
    await counter.subscribe(asha, "desk.one", coupon="HALF")
    await counter.buy(asha, coupon="HALF")
    await counter.pass_days(1)  # less than an invoice waits
    async with counter.till.house.database.reading() as session:
        (used,) = await api.coupons_made(session, limit=2)
    assert used.redeemed == 1
    await counter.pay((await counter.invoices(asha))[0])
    await counter.pass_days(11)
    renewal = (await counter.invoices(asha))[0]
    assert (renewal.coupon, str(renewal.total)) == (None, "100.00")


async def test_a_coupon_of_several_periods_stays_with_the_plan_that_it_is_for(counter: Counter) -> None:
    await make_coupon(counter, "FREE", 10_000, offers=("shop.small",), periods=None)
    asha, ravi = new_person(), new_person()
    (stays, _), (view, _) = await counter.subscribe(asha, coupon="FREE"), await counter.subscribe(ravi, coupon="FREE")
    _, change = await counter.change(view, "shop.large")
    assert change
    await counter.pay(change)
    await counter.pass_days(29)
    assert [(one.coupon, str(one.total)) for one in (await counter.invoices(ravi))[:1]] == [(None, "900.00")]
    await counter.pass_days(3)
    assert (await counter.see(stays)).paid_until.date().isoformat() == "2026-05-02"


async def test_points_that_nobody_pays_for_are_given_up_and_their_coupon_is_free_for_the_next(counter: Counter) -> None:
    asha, ravi = new_person(), new_person()
    await make_coupon(counter, "ONCE", 5000, most=1)
    due = await counter.buy(asha, coupon="ONCE")
    await counter.pass_days(1.9)
    assert (await counter.see_invoice(due)).state == "open"
    with pytest.raises(api.CouponRefused, match="used up"):
        await counter.buy(ravi, coupon="ONCE")
    await counter.pass_days(0.2)
    assert (await counter.see_invoice(due)).state == "void"
    with pytest.raises(api.NotOpen):
        await counter.order(due)
    assert str((await counter.buy(ravi, coupon="ONCE")).total) == "250.00"


async def test_points_that_are_paid_for_too_late_leave_the_money_in_the_wallet(counter: Counter) -> None:
    asha = new_person()
    await make_coupon(counter, "ONCE", 5000, most=1)
    due = await counter.buy(asha, coupon="ONCE")
    counter.till.at.advance(timedelta(hours=47, minutes=59))
    order = await counter.order(due)
    counter.till.at.advance(timedelta(minutes=1))
    await counter.look_after()
    await counter.till.pay(order)
    await counter.till.quiet()
    assert ((await counter.see_invoice(due)).state, await counter.points(asha)) == ("void", 0)
    assert await counter.till.wallet(asha) == "250.00"
    assert ("purpose", "purpose_refused") in await counter.till.exceptions()
    assert str((await counter.buy(asha, coupon="ONCE")).total) == "250.00"


async def test_paying_and_giving_up_have_one_winner(counter: Counter) -> None:
    asha = new_person()
    await counter.till.give(asha, rupees("500.00"))
    due = await counter.buy(asha)
    counter.till.at.advance(timedelta(hours=48))
    await together([counter.pay_from_wallet(due), counter.look_after()])
    await counter.look_after()
    end = ((await counter.see_invoice(due)).state, await counter.points(asha), await counter.till.wallet(asha))
    assert end in {("paid", 500, "0.00"), ("void", 0, "500.00")}


async def test_points_are_there_once_they_are_paid_and_their_lot_knows_its_price(counter: Counter) -> None:
    asha = new_person()
    due = await counter.buy(asha)
    assert await counter.points(asha) == 0
    await counter.pay(due)
    assert await counter.points(asha) == 500
    async with counter.till.house.database.reading() as session:
        (lot,) = await ledger.lots_of(session, api.points_of(api.person(asha)))
    assert (lot.source, lot.price, lot.expires_at) == ("purchased", rupees("423.73"), START + timedelta(days=365))


async def test_unused_points_are_refunded_at_their_own_price_and_spent_ones_are_not(counter: Counter) -> None:
    asha = new_person()
    order = await counter.pay(await counter.buy(asha))
    await counter.capture(await counter.reserve(asha, 200), 200)
    with pytest.raises(Conflict, match="is unused"):
        await counter.refund(order, "300.01")
    await counter.refund(order, "100.01")
    assert await counter.points(asha) == 199  # half a point is a point
    await counter.refund(order, "199.00")
    assert await counter.points(asha) == 0
    await counter.look_after()
    assert await counter.owed("points") == "0.00"


async def test_refund_and_spending_of_the_same_points_have_one_winner(counter: Counter) -> None:
    asha = new_person()
    order = await counter.pay(await counter.buy(asha))

    async def use_all() -> None:
        await counter.capture(await counter.reserve(asha, 500), 500)

    outcome = await together([use_all(), counter.refund(order)])
    assert outcome["done"] == 1
    assert await counter.points(asha) == 0


async def test_plan_points_are_spent_before_bought_ones(counter: Counter) -> None:
    asha = new_person()
    order = await counter.pay(await counter.buy(asha))
    await counter.subscribed(asha)
    await counter.capture(await counter.reserve(asha, 100), 100)
    await counter.refund(order)
    assert await counter.points(asha) == 0


async def test_what_is_another_persons_is_not_found(counter: Counter) -> None:
    view, due = await counter.subscribe(new_person())
    assert due
    stranger = api.person(new_person())
    async with counter.till.house.database.transaction() as session:
        for attempt in (
            api.subscription(session, stranger, view.id),
            api.invoice(session, stranger, due.id),
            api.cancel(session, stranger, view.id),
            api.pay_from_wallet(session, stranger, due.id),
        ):
            with pytest.raises(NotFound):
                await attempt
    with pytest.raises(NotFound):
        await api.begin_payment(counter.till.house, stranger, due.id, api.How(), request_key="x")


async def test_a_package_is_sold_in_the_currencies_that_it_has_a_price_in(counter: Counter) -> None:
    asha: UUID = new_person()
    assert (await counter.buy(asha, currency="VND")).total == Money(450_000, "VND")
    with pytest.raises(api.CouponRefused):
        await counter.buy(asha, coupon="nothing")
    assert PACK.prices[0] == rupees("500.00")
