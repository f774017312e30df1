"""What the books and the events say of each movement: which order, payout, refund or dispute it is of."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text

from tests.money.test_disputes import Case
from tests.parts.payments.test_refunds import paid, processed, refund
from tests.parts.payments.till import Till, new_person
from tillhouse.parts.ledger import api as ledger
from tillhouse.parts.payments import api
from tillhouse.parts.payments.domain import DisputeState, PayoutState, Vpa

Said = list[tuple[str, dict[str, Any] | None]]


async def booked(till: Till) -> Said:
    """Each transaction of the books, the oldest first: its kind, and what it says of itself."""
    return await _read(till, "SELECT kind, metadata FROM ledger.transactions ORDER BY id")


async def happened(till: Till, *, after: int = 0) -> Said:
    """Each event after the first ones, by its name and what it says."""
    return (await _read(till, "SELECT name, payload FROM kernel.events ORDER BY emitted_at, id"))[after:]


async def _read(till: Till, query: str) -> Said:
    async with till.house.database.reading() as session:
        return [(name, said) for name, said in await session.execute(text(query))]


async def payee_of(till: Till, payout: api.PayoutView) -> str:
    query = "SELECT payee_id FROM payments.payouts WHERE id = :id"
    async with till.house.database.reading() as session:
        return str((await session.execute(text(query), {"id": payout.id})).scalar_one())


async def test_what_is_paid_in_is_booked_with_its_order_and_told_once(till: Till) -> None:
    _, order, payment = await paid(till)
    assert await booked(till) == [("payments.deposit", {"order": str(order.id), "purpose": "wallet_deposit"})]
    assert await happened(till) == [("payments.payment_captured", {"payment_id": str(payment)})]


async def test_what_no_wallet_takes_is_booked_with_its_order(till: Till) -> None:
    person, _, payment = await paid(till)
    await refund(till, payment)
    await till.quiet()
    await processed(till)
    order = await till.order(person, "100.00")
    async with till.house.database.transaction() as session:
        await ledger.close_account(session, ledger.AccountRef("person", person, "wallet", "INR"))
    await till.pay(order)
    await till.quiet()
    assert (await booked(till))[2:] == [("payments.unplaced", {"order": str(order.id), "purpose": "wallet_deposit"})]


async def test_what_is_paid_out_is_booked_with_its_payout_and_where_it_went_and_only_that(till: Till) -> None:
    person = new_person()
    await till.deposit(person, "500.00")
    gone = await till.withdraw(person, "100.00")
    await till.quiet()
    stays = await till.withdraw(person, "50.00", to=Vpa("failure@razorpay"))
    await till.pass_time(timedelta(minutes=4))
    assert (await till.see_payout(stays)).state == PayoutState.FAILED
    assert (await booked(till))[1:] == [("payments.withdrawal", {"payout": str(gone.id), "to": "su…@razorpay"})]
    added, requested = "payments.payee_added", "payments.payout_requested"
    assert sorted(await happened(till, after=1), key=str) == sorted(
        [
            (added, {"payee_id": await payee_of(till, gone), "by": str(person)}),
            (requested, {"payout_id": str(gone.id)}),
            ("payments.payout_processed", {"payout_id": str(gone.id)}),
            (added, {"payee_id": await payee_of(till, stays), "by": str(person)}),
            (requested, {"payout_id": str(stays.id)}),
            ("payments.payout_failed", {"payout_id": str(stays.id)}),
        ],
        key=str,
    )


async def test_what_comes_back_from_a_bank_is_booked_against_its_payout_and_told(till: Till) -> None:
    person = new_person()
    await till.deposit(person, "500.00")
    payout = await till.withdraw(person, "100.00", to=Vpa("reversed@razorpay"))
    await till.pass_time(timedelta(minutes=16))
    assert (await till.see_payout(payout)).state == PayoutState.REVERSED
    assert (await booked(till))[2:] == [("ledger.reversal", {"payout": str(payout.id)})]
    assert (await happened(till))[-1] == ("payments.payout_reversed", {"payout_id": str(payout.id)})


async def test_what_is_given_back_is_booked_with_its_refund_and_payment_and_told(till: Till) -> None:
    _, _, payment = await paid(till)
    made = await refund(till, payment, "40.00")
    await till.quiet()
    await processed(till)
    assert (await booked(till))[1:] == [("payments.refund", {"refund": str(made), "payment": str(payment)})]
    assert await happened(till, after=1) == [
        ("payments.refund_requested", {"refund_id": str(made)}),
        ("payments.refund_processed", {"refund_id": str(made)}),
    ]


async def test_what_a_payers_bank_takes_and_gives_back_is_booked_with_its_dispute_and_told(till: Till) -> None:
    case = await Case.begin(till)
    for state in (DisputeState.OPEN, DisputeState.LOST, DisputeState.WON):
        await case.news(state)
    dispute = await dispute_of(till, case)
    assert (await booked(till))[1:] == [
        ("payments.chargeback", {"dispute": str(dispute), "payment": str(case.payment.id)}),
        ("ledger.reversal", {"dispute": str(dispute)}),
    ]
    names = ("payments.dispute_opened", "payments.dispute_lost", "payments.dispute_won")
    assert await happened(till, after=1) == [(name, {"dispute_id": str(dispute)}) for name in names]


async def test_what_the_house_advances_for_a_chargeback_is_booked_with_the_order(till: Till) -> None:
    case = await Case.begin(till)
    await till.withdraw(case.person, "60.00")
    await till.quiet()
    before = len(await booked(till))
    await case.hear(DisputeState.LOST)
    dispute = await dispute_of(till, case)
    assert (await booked(till))[before:] == [
        ("payments.advance", {"order": str(case.order.id)}),
        ("payments.chargeback", {"dispute": str(dispute), "payment": str(case.payment.id)}),
    ]


async def dispute_of(till: Till, case: Case) -> UUID:
    async with till.house.database.reading() as session:
        query = text("SELECT id FROM payments.disputes WHERE payment_id = :payment")
        return UUID(str((await session.execute(query, {"payment": case.payment.id})).scalar_one()))
