"""Disputes: in whatever order and however often they are heard of, the money ends in one place."""

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from itertools import permutations
from uuid import UUID

import pytest
from prometheus_client import REGISTRY
from sqlalchemy import text

from tests.money.news import every_order, side_by_side
from tests.parts.payments.till import Till, new_person, rupees
from tillhouse.kernel.money import Money
from tillhouse.kernel.work import run_due
from tillhouse.parts.ledger import api as ledger
from tillhouse.parts.payments import api
from tillhouse.parts.payments.domain import DisputeFacts, DisputeState, OrderState, PaymentFacts
from tillhouse.parts.payments.service.disputes import settle_dispute
from tillhouse.parts.payments.service.refunds import CannotRefund, record_refund_refused, start_refund
from tillhouse.parts.payments.service.settle import settle

NEWS = (DisputeState.OPEN, DisputeState.UNDER_REVIEW)


class Case:
    """A paid order of 100 and a dispute of it."""

    def __init__(self, till: Till, person: UUID, order: api.OrderView, payment: api.PaymentView) -> None:
        self.till, self.person, self.order, self.payment = till, person, order, payment

    @classmethod
    async def begin(cls, till: Till) -> "Case":
        person = new_person()
        order = await till.order(person, "100.00")
        await till.verify(await till.pay(order))
        async with till.house.database.reading() as session:
            (payment,) = await api.payments_of(session, order.id)
        return cls(till, person, order, payment)

    def facts(
        self, state: DisputeState, amount: str = "100.00", *, fee: int = 0, name: str = "", part: int | None = None
    ) -> DisputeFacts:
        dispute_id = f"disp_{name}{self.payment.provider_payment_id}"
        return DisputeFacts(
            "razorpay", dispute_id, self.payment.provider_payment_id, rupees(amount), state, "fraud", fee, None, part
        )

    async def hear(
        self, state: DisputeState, amount: str = "100.00", *, fee: int = 0, name: str = "", part: int | None = None
    ) -> str | None:
        async with self.till.house.database.transaction() as session:
            return await settle_dispute(session, self.facts(state, amount, fee=fee, name=name, part=part))

    async def news(self, state: DisputeState, *, part: int | None = None) -> None:
        ends = state in (DisputeState.WON, DisputeState.LOST)
        await self.hear(state, fee=500 if ends else 0, part=part if state == DisputeState.LOST else None)

    async def state(self) -> OrderState:
        return (await self.till.see_order(self.order)).state

    async def open_reasons(self) -> list[str]:
        """Why a person has to look at this dispute."""
        query = (
            "SELECT e.reason FROM payments.exceptions e JOIN payments.disputes d ON e.subject = d.id::text"
            " WHERE d.payment_id = :payment AND e.closed_at IS NULL"
        )
        async with self.till.house.database.reading() as session:
            return list((await session.execute(text(query), {"payment": self.payment.id})).scalars())

    async def debt(self) -> str:
        async with self.till.house.database.reading() as session:
            owed = await ledger.balance(session, ledger.AccountRef("person", self.person, "receivable", "INR"))
        return str(owed.posted)


@pytest.mark.parametrize(
    ("end", "part", "lost"),
    [(DisputeState.WON, None, 0), (DisputeState.LOST, None, 100_00), (DisputeState.LOST, 30_00, 30_00)],
    ids=["won", "lost", "lost in part"],
)
async def test_every_order_of_a_disputes_news_told_twice_ends_the_same(
    till: Till, end: DisputeState, part: int | None, lost: int
) -> None:
    """Polar #13048, #13050, #13192: `closed` before and together with `created`."""
    sequences = list(every_order(Counter(2 * (*NEWS, end))))
    assert len(sequences) == 90
    cases = [await Case.begin(till) for _ in sequences]
    for position in range(6):
        await side_by_side(
            case.news(sequence[position], part=part) for case, sequence in zip(cases, sequences, strict=True)
        )
    left = Money(100_00 - lost, "INR")
    states = {0: OrderState.CAPTURED, 30_00: OrderState.PARTIALLY_REFUNDED, 100_00: OrderState.REFUNDED}
    assert {await till.wallet(case.person) for case in cases} == {str(left)}
    assert {await till.available(case.person) for case in cases} == {str(left)}
    assert {await case.state() for case in cases} == {states[lost]}
    assert await till.house_balance("clearing:razorpay") == str(Money(len(cases) * left.minor, "INR"))
    assert await till.house_balance("fees:razorpay") == "0.00"  # fees are booked with their settlement


WON, LOST = DisputeState.WON, DisputeState.LOST
TOLD = sorted(set(permutations((LOST, LOST, WON, WON))))


@pytest.mark.parametrize("part", [None, 30_00], ids=["lost", "lost in part"])
async def test_every_order_of_a_disputes_news_with_two_ends_leaves_the_money_with_its_owner_and_no_silence(
    till: Till, part: int | None
) -> None:
    """A bank may give back what it took (arbitration, reinstated funds). Told the other way round, a person looks."""
    sequences = list(permutations((*NEWS, LOST, WON)))
    cases = [await Case.begin(till) for _ in sequences]
    for position in range(4):
        await side_by_side(
            case.news(sequence[position], part=part) for case, sequence in zip(cases, sequences, strict=True)
        )
    for case, sequence in zip(cases, sequences, strict=True):
        disagree = sequence.index(WON) < sequence.index(LOST)
        assert await till.available(case.person) == "100.00", sequence
        assert (await case.state(), await case.debt()) == (OrderState.CAPTURED, "0.00"), sequence
        assert ("provider_disagrees" in await case.open_reasons()) == disagree, sequence
    assert await till.house_balance("clearing:razorpay") == str(Money(len(cases) * 10_000, "INR"))


@pytest.mark.parametrize("told", TOLD, ids="-".join)
async def test_two_ends_told_twice_in_any_order_book_each_once(till: Till, told: tuple[DisputeState, ...]) -> None:
    case = await Case.begin(till)
    for state in told:
        await case.news(state)
    assert (await till.wallet(case.person), await till.available(case.person)) == ("100.00", "100.00")
    assert await case.state() == OrderState.CAPTURED
    assert await till.house_balance("clearing:razorpay") == "100.00"
    # The last word is ours again where it is `won`; `lost` after `won` waits for a person.
    assert ("provider_disagrees" in await case.open_reasons()) == (told[-1] == LOST)


@pytest.mark.parametrize(("first", "then"), list(permutations((None, 30_00, 70_00), 2)))
async def test_another_part_than_was_booked_moves_nothing_and_is_put_before_a_person(
    till: Till, first: int | None, then: int | None
) -> None:
    case = await Case.begin(till)
    await case.hear(LOST, part=first)
    left = str(Money(100_00 - (first or 100_00), "INR"))
    assert await till.available(case.person) == left
    await case.hear(LOST, part=then)
    assert "provider_disagrees" in await case.open_reasons()
    assert await till.available(case.person) == left
    await case.hear(LOST, part=first)
    assert "provider_disagrees" not in await case.open_reasons(), "as it was booked"


@pytest.mark.parametrize(
    ("withdrawn", "refunded", "wallet", "debt", "suspense"),
    [
        ("0.00", "0.00", "70.00", "0.00", "0.00"),
        ("80.00", "0.00", "0.00", "10.00", "0.00"),
        ("0.00", "60.00", "10.00", "0.00", "0.00"),
        ("20.00", "80.00", "0.00", "20.00", "-10.00"),
    ],
)
async def test_the_lost_part_is_taken_from_where_the_whole_would_be_and_comes_back_there(
    till: Till, *, withdrawn: str, refunded: str, wallet: str, debt: str, suspense: str
) -> None:
    case = await Case.begin(till)
    await till.quiet()
    if withdrawn != "0.00":
        await till.withdraw(case.person, withdrawn)
    if refunded != "0.00":
        async with till.house.database.transaction() as session:
            await start_refund(session, case.payment.id, rupees(refunded), reason="", key="k", by=None)
    await till.quiet()
    till.sandbox_clock.advance(200)
    await till.quiet()
    before = await till.wallet(case.person)
    await case.hear(DisputeState.OPEN)
    await case.hear(LOST, part=30_00)
    assert (await till.wallet(case.person), await till.available(case.person)) == (wallet, wallet)
    assert (await case.debt(), await till.house_balance("suspense:payments")) == (debt, suspense)
    async with till.house.database.reading() as session:
        (dispute,) = (await api.disputes(session, limit=2))[0]
    assert (dispute.state, str(dispute.amount), str(dispute.lost)) == (LOST, "100.00", "30.00")
    await case.hear(WON)
    assert (await till.wallet(case.person), await case.debt()) == (before, "0.00")
    assert await till.house_balance("suspense:payments") == "0.00"


async def test_both_ends_told_at_once_are_booked_once(till: Till) -> None:
    cases = [await Case.begin(till) for _ in range(8)]
    await side_by_side(case.news(state) for case in cases for state in (LOST, WON, LOST, WON))
    for case in cases:
        assert (await till.available(case.person), await case.debt()) == ("100.00", "0.00")
    assert await till.house_balance("clearing:razorpay") == "800.00"


async def test_what_is_won_after_it_was_lost_and_spent_pays_the_debt(till: Till) -> None:
    case = await Case.begin(till)
    await till.quiet()
    await till.withdraw(case.person, "80.00")
    await till.quiet()
    till.sandbox_clock.advance(200)
    await till.quiet()
    await case.hear(DisputeState.OPEN)
    await case.hear(LOST)
    assert (await till.wallet(case.person), await case.debt()) == ("0.00", "80.00")
    await case.hear(WON)
    assert (await till.wallet(case.person), await case.debt()) == ("20.00", "0.00")
    assert await case.state() == OrderState.CAPTURED
    assert await till.house_balance("clearing:razorpay") == "100.00"
    async with till.house.database.transaction() as session:
        again = await start_refund(session, case.payment.id, rupees("20.00"), reason="", key="k", by=None)
        assert again.money == rupees("20.00")  # it may be given back as ever


async def test_a_part_that_suspense_paid_goes_back_there_when_it_is_won(till: Till) -> None:
    case = await Case.begin(till)
    await till.quiet()
    async with till.house.database.transaction() as session:
        await start_refund(session, case.payment.id, rupees("60.00"), reason="", key="k", by=None)
    await till.quiet()
    till.sandbox_clock.advance(200)
    await till.quiet()
    await case.hear(LOST)
    assert await till.house_balance("suspense:payments") == "-60.00"
    await case.hear(WON)
    assert (await till.wallet(case.person), await till.house_balance("suspense:payments")) == ("40.00", "0.00")
    assert await case.state() == OrderState.PARTIALLY_REFUNDED


async def test_while_it_runs_the_money_is_set_aside_and_cannot_be_refunded_or_withdrawn(till: Till) -> None:
    case = await Case.begin(till)
    await case.hear(DisputeState.OPEN)
    assert await case.state() == OrderState.DISPUTED
    assert (await till.wallet(case.person), await till.available(case.person)) == ("100.00", "0.00")
    with pytest.raises(ledger.InsufficientFunds):
        await till.withdraw(case.person, "10.00")
    async with till.house.database.transaction() as session:
        with pytest.raises(CannotRefund):
            await start_refund(session, case.payment.id, None, reason="", key="k", by=None)
    assert await till.exceptions() == [("dispute", "disputed")]


@pytest.mark.parametrize("changed", [Money(9_900, "INR"), Money(10_000, "USD")])
async def test_a_dispute_that_is_suddenly_about_another_amount_moves_nothing_and_is_put_before_a_person(
    till: Till, changed: Money
) -> None:
    case = await Case.begin(till)
    await case.hear(DisputeState.OPEN)
    lost = replace(case.facts(DisputeState.LOST), amount=changed)
    async with till.house.database.transaction() as session:
        assert await settle_dispute(session, lost) == "dispute_amount_changed"
    assert await case.state() == OrderState.DISPUTED
    assert (await till.wallet(case.person), await till.available(case.person)) == ("100.00", "0.00")
    assert ("dispute", "dispute_amount_changed") in await till.exceptions()
    await case.hear(DisputeState.WON)  # as it was asked for at first: it ends as ever
    assert await till.available(case.person) == "100.00"


async def test_a_dispute_in_another_currency_than_its_payment_moves_nothing_and_is_put_before_a_person(
    till: Till,
) -> None:
    """Stripe: the disputed amount can differ from the charge's, by fluctuation of currencies too."""
    case = await Case.begin(till)
    for state in (DisputeState.OPEN, DisputeState.LOST):
        async with till.house.database.transaction() as session:
            told = replace(case.facts(state), amount=Money(120, "USD"))
            assert await settle_dispute(session, told) == "foreign_currency"
    assert (await till.wallet(case.person), await till.available(case.person)) == ("100.00", "100.00")
    assert await case.state() == OrderState.CAPTURED
    assert await till.exceptions() == [("dispute", "foreign_currency")]


async def test_of_money_that_is_partly_spent_what_is_left_is_set_aside(till: Till) -> None:
    case = await Case.begin(till)
    await till.withdraw(case.person, "60.00")
    await case.hear(DisputeState.OPEN)
    assert await till.available(case.person) == "0.00"
    await case.hear(DisputeState.WON)
    assert await till.available(case.person) == "40.00"


async def test_disputes_are_counted_by_provider_and_how_they_end(till: Till) -> None:
    def counted(status: str) -> float:
        return REGISTRY.get_sample_value("disputes_total", {"provider": "razorpay", "status": status}) or 0

    before = counted("open"), counted("won")
    case = await Case.begin(till)
    await case.hear(DisputeState.OPEN)
    await case.hear(DisputeState.WON)
    assert (counted("open"), counted("won")) == (before[0] + 1, before[1] + 1)


async def test_lost_after_the_money_was_withdrawn_is_a_debt_that_later_money_pays(till: Till) -> None:
    case = await Case.begin(till)
    await till.quiet()
    await till.withdraw(case.person, "80.00")
    await till.quiet()
    till.sandbox_clock.advance(200)
    await till.quiet()
    await case.hear(DisputeState.OPEN)
    await case.hear(DisputeState.LOST)
    assert (await till.wallet(case.person), await case.debt()) == ("0.00", "80.00")
    await till.deposit(case.person, "100.00")
    assert (await till.wallet(case.person), await case.debt()) == ("20.00", "0.00")


async def test_a_part_of_a_payment_that_is_lost_leaves_the_rest(till: Till) -> None:
    case = await Case.begin(till)
    await case.hear(DisputeState.LOST, "30.00")
    assert (await till.wallet(case.person), await case.state()) == ("70.00", OrderState.PARTIALLY_REFUNDED)
    async with till.house.database.transaction() as session:
        rest = await start_refund(session, case.payment.id, None, reason="", key="k", by=None)
        assert rest.money == rupees("70.00")


async def test_a_bank_that_takes_what_was_refunded_already_takes_it_from_suspense_not_from_the_owner(
    till: Till,
) -> None:
    case = await Case.begin(till)
    await till.quiet()
    async with till.house.database.transaction() as session:
        await start_refund(session, case.payment.id, rupees("60.00"), reason="", key="k", by=None)
    await till.quiet()
    till.sandbox_clock.advance(200)
    await till.quiet()
    await case.hear(DisputeState.LOST)
    assert (await till.wallet(case.person), await case.debt()) == ("0.00", "0.00")
    assert await till.house_balance("suspense:payments") == "-60.00"
    assert ("dispute", "given_back_more_than_paid") in await till.exceptions()
    assert await case.state() == OrderState.REFUNDED


async def test_a_refund_that_fails_after_the_bank_took_the_money_leaves_it_with_nobody(till: Till) -> None:
    """While the refund was on its way the house bore the loss; what it frees is what the bank has taken."""
    case = await Case.begin(till)
    await till.quiet()
    async with till.house.database.transaction() as session:
        refund = await start_refund(session, case.payment.id, rupees("60.00"), reason="", key="k", by=None)
    await case.hear(DisputeState.LOST)
    assert (await till.wallet(case.person), await till.available(case.person)) == ("60.00", "0.00")
    async with till.house.database.transaction() as session:
        await record_refund_refused(session, refund.id, reason="disputed", description="")
    assert (await till.wallet(case.person), await case.debt()) == ("0.00", "0.00")
    assert await till.open_items("suspense:payments") == []
    assert await case.open_reasons() == ["disputed"]
    assert await case.state() == OrderState.REFUNDED
    await case.hear(WON)
    assert (await till.wallet(case.person), await case.state()) == ("100.00", OrderState.CAPTURED)
    assert await till.open_items("suspense:payments") == []


async def test_what_a_refund_frees_while_the_bank_decides_is_set_aside_too(till: Till) -> None:
    """Gateways refuse to refund what is disputed: the money must not leave by that."""
    case = await Case.begin(till)
    async with till.house.database.transaction() as session:
        refund = await start_refund(session, case.payment.id, rupees("60.00"), reason="", key="k", by=None)
    await case.hear(DisputeState.OPEN)
    async with till.house.database.transaction() as session:
        await record_refund_refused(session, refund.id, reason="disputed", description="")
    assert (await till.wallet(case.person), await till.available(case.person)) == ("100.00", "0.00")
    await case.hear(WON)
    assert await till.available(case.person) == "100.00"


async def test_what_such_a_refund_frees_and_was_spent_is_owed(till: Till) -> None:
    case = await Case.begin(till)
    await till.quiet()
    async with till.house.database.transaction() as session:
        refund = await start_refund(session, case.payment.id, rupees("60.00"), reason="", key="k", by=None)
    await till.withdraw(case.person, "40.00")
    await till.quiet()
    till.sandbox_clock.advance(200)
    await till.quiet()
    await case.hear(LOST)
    assert await case.debt() == "40.00"
    async with till.house.database.transaction() as session:
        await record_refund_refused(session, refund.id, reason="disputed", description="")
    assert (await till.wallet(case.person), await case.debt()) == ("0.00", "40.00")
    assert await till.open_items("suspense:payments") == []


async def test_a_second_round_is_a_dispute_of_its_own(till: Till) -> None:
    case = await Case.begin(till)
    await case.hear(DisputeState.WON)
    await case.hear(DisputeState.OPEN, name="again_")
    assert await case.state() == OrderState.DISPUTED
    await case.hear(DisputeState.LOST, name="again_")
    assert (await till.wallet(case.person), await case.state()) == ("0.00", OrderState.REFUNDED)


async def test_a_second_payment_of_a_disputed_order_sells_nothing_again(till: Till) -> None:
    case = await Case.begin(till)
    await case.hear(DisputeState.OPEN)
    second = PaymentFacts(
        "razorpay", "pay_second", case.order.provider_order_id or "", rupees("100.00"), OrderState.CAPTURED
    )
    async with till.house.database.transaction() as session:
        await settle(session, second)
    assert await till.wallet(case.person) == "200.00"
    assert await case.state() == OrderState.DISPUTED
    assert ("payment", "paid_twice") in await till.exceptions()
    await case.hear(DisputeState.WON)


async def test_an_event_of_a_dispute_settles_its_payment_first_and_asks_for_the_truth(till: Till) -> None:
    person = new_person()
    order = await till.order(person, "100.00")
    proof = await till.pay(order)
    path = f"/_sandbox/razorpay/payments/{proof['razorpay_payment_id']}/dispute"
    dispute = (await till.outside("POST", path, {})).json()
    (event,) = till.webhooks("payment.dispute.created")
    await till.take(event)
    await run_due(till.house)
    assert (await till.wallet(person), await till.available(person)) == ("100.00", "0.00")
    await till.fault("drop", "payment.dispute.*", count=10)
    await till.outside("POST", f"/_sandbox/razorpay/disputes/{dispute['id']}/close", {"outcome": "lost"})
    await till.pass_time(timedelta(hours=13), step=timedelta(hours=13))
    assert (await till.wallet(person), (await till.see_order(order)).state) == ("0.00", OrderState.REFUNDED)
