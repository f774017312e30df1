"""Money back: through Razorpay's sandbox, with everything that goes wrong on the way."""

import asyncio
from collections import Counter
from datetime import timedelta
from uuid import UUID

import pytest
from prometheus_client import REGISTRY

from tests.money.news import every_order, side_by_side
from tests.parts.payments.gateways import forget_refunds, payment_outside, refund_at_dashboard
from tests.parts.payments.till import Till, new_person, open_till, rupees, shop
from tillhouse.kernel.db import Session
from tillhouse.kernel.errors import Conflict, InvalidInput
from tillhouse.kernel.money import Money
from tillhouse.kernel.settings import KernelSettings
from tillhouse.kernel.work import run_due
from tillhouse.parts.ledger import api as ledger
from tillhouse.parts.payments import api
from tillhouse.parts.payments.domain import OrderState, PaymentFacts, RefundFacts, RefundState
from tillhouse.parts.payments.ports import Purpose, SettledPayment
from tillhouse.parts.payments.providers.razorpay.afterwards import RazorpayAfterwards
from tillhouse.parts.payments.service import returns
from tillhouse.parts.payments.service.checks import reasons_to_keep
from tillhouse.parts.payments.service.refunds import CannotRefund, record_refund, settle_refund, start_refund
from tillhouse.parts.payments.service.settle import settle
from tillhouse.parts.wallets.api import account_ref
from tillhouse.parts.wallets.service import close_wallets
from tillhouse.sandbox.razorpay.schemas import Refund
from tillhouse.sandbox.webhooks import Delivery


async def paid(till: Till, amount: str = "100.00", **more: object) -> tuple[UUID, api.OrderView, UUID]:
    """Someone who paid an order: the person, the order, the payment."""
    person = new_person()
    order = await till.order(person, amount, **more)
    await till.pay(order)
    await till.quiet()
    return person, order, await payment_of(till, order)


async def payment_of(till: Till, order: api.OrderView) -> UUID:
    async with till.house.database.reading() as session:
        found = await api.payments_of(session, order.id)
    return found[0].id


async def refund(till: Till, payment: UUID, amount: str | None = None, *, key: str = "k1", **more: bool) -> UUID:
    async with till.house.database.transaction() as session:
        money = None if amount is None else rupees(amount)
        made = await start_refund(session, payment, money, reason="asked for", key=key, by=None, **more)
        return made.id


async def see(till: Till, refund_id: UUID) -> api.RefundView:
    async with till.house.database.reading() as session:
        return await api.refund(session, refund_id)


async def debt(till: Till, person: UUID) -> str:
    async with till.house.database.reading() as session:
        owed = await ledger.balance(session, ledger.AccountRef("person", person, "receivable", "INR"))
    return str(owed.posted)


async def processed(till: Till) -> None:
    till.sandbox_clock.advance(200)
    await till.quiet()


async def test_a_part_then_the_rest_goes_back_and_the_order_says_so(till: Till) -> None:
    person, order, payment = await paid(till)
    first = await refund(till, payment, "40.00")
    assert (await till.wallet(person), await till.available(person)) == ("100.00", "60.00")
    await till.quiet()
    assert (await see(till, first)).state == RefundState.PENDING
    assert (await till.see_order(order)).state == OrderState.CAPTURED
    await processed(till)
    assert (await see(till, first)).state == RefundState.PROCESSED
    assert (await till.see_order(order)).state == OrderState.PARTIALLY_REFUNDED
    assert (await till.wallet(person), await till.house_balance("clearing:razorpay")) == ("60.00", "60.00")
    rest = await refund(till, payment, key="k2")
    await till.quiet()
    await processed(till)
    assert (await see(till, rest)).amount == rupees("60.00")
    assert (await till.see_order(order)).state == OrderState.REFUNDED
    assert (await till.wallet(person), await till.house_balance("clearing:razorpay")) == ("0.00", "0.00")
    with pytest.raises(CannotRefund):
        await refund(till, payment, key="k3")
    assert await till.exceptions() == []


async def test_of_two_refunds_of_60_from_100_at_once_one_is_made(till: Till) -> None:
    """Hyperswitch #13182: both succeeded."""
    person, _, payment = await paid(till)
    made = await asyncio.gather(
        *(refund(till, payment, "60.00", key=f"k{n}") for n in range(2)), return_exceptions=True
    )
    assert sum(isinstance(one, UUID) for one in made) == 1
    assert sum(isinstance(one, CannotRefund) for one in made) == 1
    await till.quiet()
    await processed(till)
    assert await till.wallet(person) == "40.00"


async def test_of_fifty_refunds_of_10_from_100_at_once_ten_are_made(till: Till) -> None:
    person, order, payment = await paid(till)
    made = await asyncio.gather(
        *(refund(till, payment, "10.00", key=f"k{n}") for n in range(50)), return_exceptions=True
    )
    assert sum(isinstance(one, UUID) for one in made) == 10
    assert await till.available(person) == "0.00"
    await till.quiet()
    await processed(till)
    assert (await till.see_order(order)).state == OrderState.REFUNDED
    assert await till.house_balance("clearing:razorpay") == "0.00"


async def test_one_request_sent_twenty_times_at_once_refunds_once(till: Till) -> None:
    """Blnk #152 and #374: a refund was repeatable, and a repetition paid again."""
    person, _, payment = await paid(till)
    made = await asyncio.gather(*(refund(till, payment, "10.00") for _ in range(20)))
    assert len(set(made)) == 1
    await till.quiet()
    await processed(till)
    assert await refund(till, payment, "10.00") == made[0]
    assert await till.wallet(person) == "90.00"
    with pytest.raises(Conflict):
        await refund(till, payment, "11.00")


async def test_more_than_was_paid_and_what_was_never_paid_is_refused_and_nothing_changes(till: Till) -> None:
    person, _, payment = await paid(till)
    for wrong in ("100.01", "0.00", "-1.00"):
        with pytest.raises((CannotRefund, InvalidInput)):
            await refund(till, payment, wrong, key=wrong)
    order = await till.order(new_person())
    await till.pay(order, "failure")
    await till.quiet()
    with pytest.raises(CannotRefund):
        await refund(till, await payment_of(till, order), key="never")
    assert (await till.wallet(person), await till.available(person)) == ("100.00", "100.00")


async def test_a_gateway_without_refunds_refuses_and_says_what_to_do(till: Till) -> None:
    person, _, payment = await paid(till)
    forget_refunds(till)
    with pytest.raises(CannotRefund, match="pay it out to them instead"):
        await refund(till, payment)
    assert await till.available(person) == "100.00"


async def test_a_refund_after_the_money_was_withdrawn_is_refused_unless_the_house_lends_it(till: Till) -> None:
    """Polar #4428: a refund after a payout broke the sums."""
    person, order, payment = await paid(till)
    await till.withdraw(person, "100.00")
    with pytest.raises(ledger.InsufficientFunds):
        await refund(till, payment)
    lent = await refund(till, payment, advance=True)
    await till.pass_time(timedelta(minutes=10))
    assert (await see(till, lent)).state == RefundState.PROCESSED
    assert (await see(till, lent)).advanced == rupees("100.00")
    assert (await till.wallet(person), await debt(till, person)) == ("0.00", "100.00")
    assert (await till.see_order(order)).state == OrderState.REFUNDED
    async with till.house.database.reading() as session:
        assert [(owed.owner_id, owed.amount) for owed in await api.debts(session)] == [(person, rupees("100.00"))]
    await till.deposit(person, "30.00")
    assert (await till.wallet(person), await debt(till, person)) == ("0.00", "70.00")
    await till.deposit(person, "80.00")
    assert (await till.wallet(person), await debt(till, person)) == ("10.00", "0.00")


async def test_a_second_payment_that_goes_back_leaves_the_order_paid(till: Till) -> None:
    person, order, _ = await paid(till)
    second = PaymentFacts(
        "razorpay", "pay_second", order.provider_order_id or "", rupees("100.00"), OrderState.CAPTURED
    )
    async with till.house.database.transaction() as session:
        await settle(session, second)
        surplus = next(
            one for one in await api.payments_of(session, order.id) if one.provider_payment_id == "pay_second"
        )
        facts = RefundFacts("razorpay", "rfnd_x", "pay_second", rupees("100.00"), RefundState.PROCESSED)
        await settle_refund(session, facts)
    assert (await till.wallet(person), (await till.see_order(order)).state) == ("100.00", OrderState.CAPTURED)
    async with till.house.database.reading() as session:
        states = {one.id: one.state for one in await api.payments_of(session, order.id)}
    assert states[surplus.id] == OrderState.REFUNDED


async def test_what_was_given_back_of_a_payment_that_nobody_knows_is_put_before_a_person(till: Till) -> None:
    facts = RefundFacts("razorpay", "rfnd_x", "pay_nobodys", rupees("100.00"), RefundState.PROCESSED)
    async with till.house.database.transaction() as session:
        assert await settle_refund(session, facts) == "unknown_payment"
    assert await till.exceptions() == [("refund", "unknown_payment")]
    assert await till.subjects("unknown_payment") == ["razorpay:rfnd_x"]


async def test_a_debt_stays_while_others_always_come_first_with_the_money(
    till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = new_person()
    await till.give(person, rupees("50.00"))
    owes, wallet = ledger.AccountRef("person", person, "receivable", "INR"), account_ref(person, "INR")
    legs = (ledger.debit(owes, rupees("30.00")), ledger.credit(wallet, rupees("30.00")))
    tries: list[str] = []

    async def comes_late(_: Session, posting: ledger.Posting) -> None:
        tries.append(posting.kind)
        raise ledger.InsufficientFunds(wallet, rupees("0.00"), rupees("30.00"))

    async with till.house.database.transaction() as session:
        await ledger.post(session, ledger.Posting(key="lent", kind="payments.advance", legs=legs))
        with monkeypatch.context() as busy:
            busy.setattr(returns.ledger, "post", comes_late)
            assert await returns.collect_debt(session, "person", person, "INR", key="k") == 0
        assert 1 < len(tries) < 10
        assert await returns.collect_debt(session, "person", person, "INR", key="k") == 30_00
    assert (await till.wallet(person), await debt(till, person)) == ("50.00", "0.00")


async def test_what_the_bank_could_not_give_back_is_in_the_wallet_again(till: Till) -> None:
    person, order, payment = await paid(till)
    made = await refund(till, payment, "40.00")
    await till.quiet()
    outside = (await see(till, made)).provider_refund_id
    await till.outside("POST", f"/_sandbox/razorpay/refunds/{outside}/fail")
    await till.quiet()
    assert (await see(till, made)).state == RefundState.FAILED
    assert (await till.wallet(person), await till.available(person)) == ("100.00", "100.00")
    assert (await till.see_order(order)).state == OrderState.CAPTURED


async def test_a_refund_that_the_payers_bank_sends_back_after_it_was_processed_is_reversed(till: Till) -> None:
    person, order, payment = await paid(till)
    made = await refund(till, payment)
    await till.quiet()
    await processed(till)
    assert (await till.see_order(order)).state == OrderState.REFUNDED
    failed = RefundFacts(
        "razorpay", (await see(till, made)).provider_refund_id or "", "", rupees("100.00"), RefundState.FAILED
    )
    for _ in range(2):
        async with till.house.database.transaction() as session:
            await record_refund(session, made, failed)
    assert (await see(till, made)).state == RefundState.FAILED
    assert (await till.wallet(person), await till.house_balance("clearing:razorpay")) == ("100.00", "100.00")
    assert (await till.see_order(order)).state == OrderState.CAPTURED
    again = await refund(till, payment, key="k2")
    assert again != made


async def test_a_refund_that_comes_back_to_somebody_who_has_left_waits_in_suspense_for_a_person(till: Till) -> None:
    person, _, payment = await paid(till)
    made = await refund(till, payment)
    await till.quiet()
    await processed(till)
    async with till.house.database.transaction() as session:
        await close_wallets(session, person, [])
    failed = RefundFacts(
        "razorpay", (await see(till, made)).provider_refund_id or "", "", rupees("100.00"), RefundState.FAILED
    )
    async with till.house.database.transaction() as session:
        await record_refund(session, made, failed)
    assert (await see(till, made)).state == RefundState.FAILED
    assert (await till.wallet(person), await till.house_balance("suspense:payments")) == ("0.00", "100.00")
    assert await till.open_items("clearing:razorpay") == ["100.00"]  # the payment's own
    assert await till.exceptions() == [("refund", "wallet_refused")]


@pytest.mark.parametrize("fault", ["timeout_before", "timeout_after", "status_500", "cut_stream", "status_429"])
async def test_a_refund_whose_answer_is_lost_is_asked_about_and_made_once(till: Till, fault: str) -> None:
    person, _, payment = await paid(till)
    made = await refund(till, payment, "40.00")
    await till.fault(fault, "POST /v1/payments/*/refund", count=1)
    await run_due(till.house)
    assert (await see(till, made)).state == RefundState.UNKNOWN
    assert (await till.wallet(person), await till.available(person)) == ("100.00", "60.00")
    await till.pass_time(timedelta(minutes=10))
    assert (await see(till, made)).state == RefundState.PROCESSED
    assert await till.wallet(person) == "60.00"
    (outside,) = till.sandbox.world.store.find(Refund)
    assert outside.amount == 4000


async def test_a_refund_that_stays_unknown_past_its_keys_life_is_left_to_a_person(till: Till) -> None:
    """Spree #14500: an ambiguous call is never sent again under a key that the gateway has forgotten."""
    _, _, payment = await paid(till)
    made = await refund(till, payment)
    await till.fault("status_500", "POST /v1/payments/*/refund", count=1000)
    await till.pass_time(timedelta(hours=26), step=timedelta(hours=2))
    await till.outside("DELETE", "/_sandbox/faults")
    await till.pass_time(timedelta(hours=13), step=timedelta(hours=13))
    assert ("refund", "unknown_to_provider") in await till.exceptions()
    assert (await see(till, made)).state == RefundState.UNKNOWN
    assert till.sandbox.world.store.find(Refund) == []


@pytest.mark.parametrize("tell", [True, False], ids=["by its event", "by our asking"])
async def test_a_refund_at_the_gateways_own_dashboard_is_booked_and_a_debt_where_the_wallet_is_short(
    till: Till, tell: bool
) -> None:
    person, order, _ = await paid(till)
    await till.withdraw(person, "70.00")
    await till.quiet()
    await processed(till)
    await elsewhere(till, order, 5000)
    if not tell:
        await till.fault("drop", "refund.*", count=10)
        await hear_of_payment(till, order)
    await till.pass_time(timedelta(minutes=5))
    assert (await till.wallet(person), await debt(till, person)) == ("0.00", "20.00")
    assert (await till.see_order(order)).state == OrderState.PARTIALLY_REFUNDED
    assert await till.exceptions() == [("refund", "refunded_at_gateway")]
    assert await till.house_balance("clearing:razorpay") == "50.00"


class AtTheDashboard:
    """A paid order of 100, of which 10 and then 25 were given back at the gateway's dashboard, and the news of that."""

    def __init__(self, till: Till, person: UUID, order: api.OrderView) -> None:
        self.till, self.person, self.order = till, person, order
        self.events: dict[str, Delivery] = {}

    @classmethod
    async def begin(cls, till: Till) -> "AtTheDashboard":
        case = cls(till, person := new_person(), await till.order(person, "100.00"))
        proof = await till.pay(case.order)
        await till.verify(proof)
        known = {event.id for event in till.webhooks()}
        for minor in (1000, 2500):
            made = await refund_at_dashboard(till, proof["razorpay_payment_id"], minor)
            await till.outside("POST", f"/_sandbox/razorpay/refunds/{made}/process")
            new = [event for event in till.webhooks() if event.id not in known]
            known |= {event.id for event in new}
            case.events |= {f"{event.event} {minor}": event for event in new}
        return case

    async def hear(self, piece: str) -> None:
        if piece == "growth":
            await hear_of_payment(self.till, self.order)
        else:
            await self.till.take(self.events[piece])


async def test_growth_and_the_events_of_other_amounts_in_every_order_book_each_refund_once(till: Till) -> None:
    news = ("growth", "refund.created 1000", "refund.processed 1000", "refund.created 2500")
    sequences = list(every_order(Counter(news)))
    assert len(sequences) == 24
    cases = [await AtTheDashboard.begin(till) for _ in sequences]
    for position in range(len(news)):
        await side_by_side(case.hear(sequence[position]) for case, sequence in zip(cases, sequences, strict=True))
        await run_due(till.house)
    assert {await till.wallet(case.person) for case in cases} == {"65.00"}
    assert {(await till.see_order(case.order)).state for case in cases} == {OrderState.PARTIALLY_REFUNDED}
    async with till.house.database.reading() as session:
        for case in cases:
            rows, _ = await api.refunds(session, order_id=case.order.id)
            assert sorted(str(row.amount) for row in rows) == ["10.00", "25.00"]
            assert {(row.origin, row.state) for row in rows} == {("gateway", RefundState.PROCESSED)}
    assert set(await till.exceptions()) == {("refund", "refunded_at_gateway")}
    assert await till.parked() == []


async def test_a_list_that_does_not_add_up_is_asked_for_again_and_then_put_before_a_person(
    till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    person, order, _ = await paid(till)
    await till.fault("drop", "refund.*", count=10)
    await elsewhere(till, order, 5000)
    with monkeypatch.context() as late:

        async def none_yet(self: RazorpayAfterwards, payment_id: str) -> list[RefundFacts]:
            return []

        late.setattr(RazorpayAfterwards, "refunds_of", none_yet)
        await hear_of_payment(till, order)
        await till.pass_time(timedelta(hours=23), step=timedelta(hours=1))
        assert (await till.wallet(person), await till.exceptions()) == ("100.00", [])
        await till.pass_time(timedelta(hours=2), step=timedelta(hours=1))
        assert (await till.wallet(person), await till.exceptions()) == ("100.00", [("payment", "refunds_missing")])
    await hear_of_payment(till, order)
    await till.quiet()
    assert (await till.wallet(person), await till.exceptions()) == ("50.00", [("refund", "refunded_at_gateway")])


async def test_old_news_of_refunds_books_nothing(till: Till) -> None:
    """Kill Bill #809, #1599: what was read outside the lock overwrote what was newer."""
    person, order, payment = await paid(till)
    made = await refund(till, payment, "40.00")
    await till.quiet()
    outside = (await see(till, made)).provider_refund_id
    stale = await payment_outside(till, order)  # 40 are on their way back
    await till.outside("POST", f"/_sandbox/razorpay/refunds/{outside}/fail")
    await till.quiet()
    async with till.house.database.transaction() as session:
        await settle(session, stale)
    await till.quiet()
    assert await till.wallet(person) == "100.00"
    assert await till.exceptions() == []


class Kiosk:
    """Sells, and takes back what it sold, as long as it was not eaten."""

    def __init__(self) -> None:
        self.eaten = False

    async def on_settled(self, session: Session, payment: SettledPayment) -> None:
        await self._move(session, payment, payment.amount, "sale")

    async def on_refund(self, session: Session, payment: SettledPayment, amount: Money) -> None:
        if self.eaten:
            raise Conflict("It was eaten.")
        await self._move(session, payment, -amount, "back")

    async def _move(self, session: Session, payment: SettledPayment, amount: Money, word: str) -> None:
        legs = (
            (account_ref(payment.owner_id, "INR"), amount),
            (ledger.house_account("sales", "INR"), -amount),
        )
        await ledger.post(session, ledger.Posting(key=f"shop.{word}:{payment.payment_id}", kind="shop.sale", legs=legs))


async def test_a_product_puts_what_it_sold_back_or_refuses(settings: KernelSettings) -> None:
    kiosk = Kiosk()
    snack = Purpose("snack", "Snack", kiosk.on_settled, on_refund=kiosk.on_refund)
    async with open_till(settings, shop(snack)) as till:
        person, order, payment = await paid(till, purpose="snack")
        assert (await till.wallet(person), await till.house_balance("sales")) == ("0.00", "100.00")
        kiosk.eaten = True
        with pytest.raises(Conflict, match="eaten"):
            await refund(till, payment)
        assert await till.house_balance("sales") == "100.00"
        kiosk.eaten = False
        await refund(till, payment)
        await till.quiet()
        await processed(till)
        assert (await till.wallet(person), await till.house_balance("sales")) == ("0.00", "0.00")
        assert (await till.see_order(order)).state == OrderState.REFUNDED


async def test_a_refund_that_is_told_of_before_its_payment_waits_for_nothing(till: Till) -> None:
    """Polar #9630: the refund came before the order was linked."""
    person = new_person()
    order = await till.order(person, "100.00")
    await till.pay(order)
    held = till.webhooks()
    await elsewhere(till, order, 10_000)
    for event in [one for one in till.webhooks() if one not in held]:
        await till.deliver(event)
    await run_due(till.house)
    await processed(till)
    assert await till.wallet(person) == "0.00"
    assert (await till.see_order(order)).state == OrderState.REFUNDED


async def elsewhere(till: Till, order: api.OrderView, minor: int) -> None:
    """Somebody refunds at the gateway's own dashboard."""
    await refund_at_dashboard(till, (await payment_outside(till, order)).payment_id, minor)


async def hear_of_payment(till: Till, order: api.OrderView) -> None:
    facts = await payment_outside(till, order)
    async with till.house.database.transaction() as session:
        await settle(session, facts)


async def test_refunds_are_counted_by_provider_and_status(till: Till) -> None:
    def counted(status: str) -> float:
        return REGISTRY.get_sample_value("refunds_total", {"provider": "razorpay", "status": status}) or 0

    before = counted("requested"), counted("processed")
    _, _, payment = await paid(till)
    await refund(till, payment)
    await till.quiet()
    await processed(till)
    assert (counted("requested"), counted("processed")) == (before[0] + 1, before[1] + 1)


async def test_a_person_who_owes_cannot_be_erased(till: Till) -> None:
    person, _, payment = await paid(till)
    await till.withdraw(person, "100.00")
    await refund(till, payment, advance=True)
    await till.pass_time(timedelta(minutes=10))
    async with till.house.database.reading() as session:
        assert await reasons_to_keep(session, person) == ["You still owe us money for a payment that was taken back."]
