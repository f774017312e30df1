"""Providers' reports against our books: each difference is found, named, and booked by nobody but two people."""

import asyncio
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, Literal
from uuid import UUID

import pytest

from tests.parts.payments.till import Till, new_person
from tillhouse.kernel.access import SYSTEM
from tillhouse.kernel.db import Session
from tillhouse.kernel.ids import new_id
from tillhouse.kernel.money import Money
from tillhouse.kernel.work import fire_schedules
from tillhouse.parts.ledger import api as ledger
from tillhouse.parts.payments import api
from tillhouse.parts.payments.domain import DisputeFacts, DisputeState, PayoutState, ThaiBankAccount
from tillhouse.parts.payments.domain.reconciliation import LineClass
from tillhouse.parts.payments.flows.deposits import check_order
from tillhouse.parts.payments.flows.reconciliation import look_at_ages
from tillhouse.parts.payments.models import ReconLineRow
from tillhouse.parts.payments.ports import SettlementLine
from tillhouse.parts.payments.service.disputes import settle_dispute
from tillhouse.parts.payments.service.payouts import NewPayout, reserve_payout
from tillhouse.parts.payments.service.reconciliation.reports import look_again, name_missing, numbered, take_report
from tillhouse.parts.payments.service.registry import installed_gateway

DAY = date(2026, 3, 2)


async def a_day(till: Till, *amounts: str) -> dict[str, Any]:
    """Payments that were captured and settled on one day; returns the settlement."""
    for amount in amounts:
        await till.deposit(new_person(), amount)
    return await settled(till)


async def settled(till: Till, day: date = DAY) -> dict[str, Any]:
    response = await till.outside("POST", f"/_sandbox/razorpay/settlements/run?day={day}")
    assert response.status_code in (200, 201), response.text
    found: dict[str, Any] = response.json()
    return found


async def distort(till: Till, settlement: dict[str, Any], kind: str, **more: str) -> None:
    path = f"/_sandbox/razorpay/settlements/{settlement['id']}/distort"
    response = await till.outside("POST", path, {"kind": kind, **more})
    assert response.status_code < 300, response.text


async def reconcile(till: Till, day: date = DAY, provider: str = "razorpay") -> list[api.DayStatement]:
    return await api.reconcile(till.house, provider, day, by=SYSTEM)


async def exceptions(till: Till, **narrowed: Any) -> list[api.ExceptionView]:
    async with till.house.database.reading() as session:
        found, _ = await api.exceptions_page(session, **narrowed)
    return list(found)


async def aged(till: Till, account: str) -> api.AgedAccount:
    async with till.house.database.reading() as session:
        return next(one for one in await api.ageing(session) if one.account == account)


async def line_of(session: Session, subject: str) -> ReconLineRow:
    found = await session.get(ReconLineRow, UUID(subject.removeprefix("recon:")))
    assert found
    return found


def settlement_line(row: ReconLineRow, day: date) -> SettlementLine:
    """What Razorpay says when it settles what it had forgotten."""
    return SettlementLine(
        settlement_id="setl_late", line_id=f"setl_late:{row.subject_id}", kind="payment", subject_id=row.subject_id,
        gross=Money(row.ours or 0, "INR"), fee=Money(row.our_fee or 0, "INR"), tax=Money(0, "INR"), settled_on=day,
    )  # fmt: skip


async def test_a_booking_that_was_taken_back_leaves_no_open_item(till: Till) -> None:
    order = await till.deposit(new_person(), "100.00")
    kept = await till.deposit(new_person(), "70.00")
    async with till.house.database.transaction() as session:
        (payment,) = await api.payments_of(session, order.id)
        (other,) = await api.payments_of(session, kept.id)
        assert payment.transaction_id
        await ledger.reverse(session, payment.transaction_id, key="test.reverse:1")
    clearing = await aged(till, "clearing:razorpay")
    assert [(one.item, str(one.amount)) for one in clearing.items] == [(str(other.transaction_id), "70.00")]


async def test_a_day_that_agrees_empties_the_clearing_account_and_books_the_fees(till: Till) -> None:
    settlement = await a_day(till, "100.00", "250.00")
    (day,) = await reconcile(till)
    fees = 35_000 - int(settlement["amount"])
    assert fees > 0
    assert await till.house_balance("clearing:razorpay") == "0.00"
    assert await till.house_balance("fees:razorpay") == str(Money(fees, "INR"))
    assert await till.house_balance("settling:razorpay") == str(Money(int(settlement["amount"]), "INR"))
    assert (day.reported, day.booked, day.not_booked) == (day.booked, day.reported, ())
    assert [line.what for line in day.not_banked] == ["not_in_bank"]
    assert await exceptions(till) == []


@pytest.mark.parametrize("kind", ["extra", "amount", "fee", "currency", "duplicate"])
async def test_each_difference_is_named_and_not_booked(till: Till, kind: str) -> None:
    settlement = await a_day(till, "100.00", "250.00")
    await distort(till, settlement, kind)
    days = await reconcile(till)
    (found,) = await exceptions(till)
    assert (found.kind, found.reason, found.state) == ("reconciliation", kind, "open")
    assert found.details["theirs"]
    assert (found.details["ours"] is None) == (kind == "extra")
    (line,) = [line for day in days for line in day.not_booked]
    assert (line.what, line.subject) == (kind, found.subject)
    assert all(not day.unexplained for day in days)
    left = {"extra": "0.00", "duplicate": "0.00"}.get(kind)
    clearing = await till.house_balance("clearing:razorpay")
    assert clearing == left if left else clearing in ("100.00", "250.00")


async def test_what_stands_in_no_report_is_missing_after_the_providers_time_and_late_when_it_comes(till: Till) -> None:
    settlement = await a_day(till, "100.00", "250.00")
    await distort(till, settlement, "missing")
    await reconcile(till)
    await reconcile(till, DAY + timedelta(days=2))
    assert await exceptions(till) == []  # Razorpay has three days
    await reconcile(till, DAY + timedelta(days=3))
    (found,) = await exceptions(till)
    assert (found.reason, found.details["theirs"]) == ("missing", None)
    assert str(found.amount) == await till.house_balance("clearing:razorpay")
    async with till.house.database.transaction() as session:
        line = await line_of(session, found.subject)
        said = settlement_line(line, DAY + timedelta(days=4))
        await take_report(session, "razorpay", numbered([said]))
        await session.refresh(line)
        assert line.line_class == LineClass.LATE
    assert await till.house_balance("clearing:razorpay") == "0.00"
    assert [one.state for one in await exceptions(till)] == ["resolved"]


async def test_what_was_captured_before_the_first_report_is_not_called_missing(till: Till) -> None:
    await till.deposit(new_person(), "100.00")  # it may stand in a report that we never read
    till.at.advance(timedelta(days=1))
    till.sandbox_clock.advance(86_400)
    await reconcile(till, DAY + timedelta(days=1))
    later = await till.deposit(new_person(), "70.00")
    await reconcile(till, DAY)  # an earlier day asked for by hand moves nothing
    await reconcile(till, DAY + timedelta(days=9))
    (found,) = await exceptions(till)
    assert (found.reason, str(found.amount)) == ("missing", "70.00")
    async with till.house.database.reading() as session:
        (payment,) = await api.payments_of(session, later.id)
        assert found.details["about"] == payment.provider_payment_id


async def test_a_payout_that_stands_in_no_report_is_missing_and_late_when_it_comes(till: Till) -> None:
    """Omise and Stripe report what they paid out; RazorpayX does not, and is never asked what is missing."""
    person, to = new_person(), ThaiBankAccount("Asha Rao", "kbank", "1234567890")
    await till.give(person, Money.parse("500.00", "THB"))
    wish = NewPayout(
        owner_kind="person", owner_id=person, amount=Money.parse("100.00", "THB"), to=to, payee_name="Asha Rao",
        request_key="k", requested_by=person,
    )  # fmt: skip
    async with till.house.database.transaction() as session:
        payout_id = (await reserve_payout(session, wish)).id
    await till.quiet()
    for recipient in (await till.outside("GET", "/_sandbox/omise/transfers")).json()["recipients"]:
        assert (await till.outside("POST", f"/_sandbox/omise/recipients/{recipient['id']}/verify")).is_success
    await till.pass_time(timedelta(hours=2), step=timedelta(minutes=10))
    assert (await till.see_payout_id(str(payout_id))).state == PayoutState.PROCESSED
    async with till.house.database.transaction() as session:
        start = datetime(2026, 3, 2, tzinfo=UTC)
        assert not await name_missing(session, "omise", start, start)
        assert await name_missing(session, "omise", start, start + timedelta(days=1))
        assert not await name_missing(session, "omise", start, start + timedelta(days=1)), "once"
    (found,) = await exceptions(till)
    assert (found.reason, found.details["line_kind"], str(found.amount)) == ("missing", "payout", "-100.00")
    await reconcile(till, provider="omise")
    async with till.house.database.transaction() as session:
        assert (await line_of(session, found.subject)).line_class == LineClass.LATE
    assert [one.state for one in await exceptions(till)] == ["resolved"]


async def test_a_refund_and_a_lost_dispute_that_stand_in_no_report_are_missing_and_late_when_they_come(
    till: Till,
) -> None:
    given, taken = [await till.deposit(new_person(), amount) for amount in ("100.00", "70.00")]
    await settled(till)
    await reconcile(till)
    async with till.house.database.transaction() as session:
        (first,) = await api.payments_of(session, given.id)
        (second,) = await api.payments_of(session, taken.id)
        await api.start_refund(session, first.id, Money.parse("40.00", "INR"), reason="", key="k", by=None)
        lost = DisputeFacts("razorpay", "disp_1", second.provider_payment_id, second.amount, DisputeState.LOST)
        await settle_dispute(session, lost)
    await till.quiet()
    till.sandbox_clock.advance(200)
    await till.quiet()
    assert await till.house_balance("clearing:razorpay") == "-110.00"
    await reconcile(till, DAY + timedelta(days=2))
    assert await missing(till) == []  # Razorpay has three days
    await reconcile(till, DAY + timedelta(days=3))
    assert sorted((found.details["line_kind"], str(found.amount)) for found in await missing(till)) == [
        ("dispute", "-70.00"), ("refund", "-40.00"),
    ]  # fmt: skip

    def said(found: api.ExceptionView) -> SettlementLine:
        nothing = Money(0, "INR")
        kind: Literal["refund", "dispute"] = "refund" if found.details["line_kind"] == "refund" else "dispute"
        assert found.amount
        return SettlementLine(
            settlement_id="setl_late", line_id=f"setl_late:{kind}", kind=kind, subject_id=str(found.details["about"]),
            gross=found.amount, fee=nothing, tax=nothing, settled_on=DAY + timedelta(days=4),
        )  # fmt: skip

    late = [said(found) for found in await missing(till)]
    async with till.house.database.transaction() as session:
        await take_report(session, "razorpay", numbered(late))
    assert await till.house_balance("clearing:razorpay") == "0.00"
    assert await missing(till) == []


async def missing(till: Till) -> list[api.ExceptionView]:
    """What is open since it stands in no report."""
    return [found for found in await exceptions(till, reason="missing") if found.state == "open"]


async def test_a_won_dispute_that_was_taken_and_given_back_agrees_in_both_lines(till: Till) -> None:
    order = await till.deposit(new_person(), "100.00")
    async with till.house.database.reading() as session:
        (payment,) = await api.payments_of(session, order.id)
    facts = DisputeFacts("razorpay", "disp_1", payment.provider_payment_id, payment.amount, DisputeState.OPEN)

    def line(number: int, gross: int, fee: int = 0) -> SettlementLine:
        return SettlementLine(
            settlement_id="setl_d", line_id=f"adj_{number}", kind="dispute", subject_id="disp_1",
            gross=Money(gross, "INR"), fee=Money(fee, "INR"), tax=Money(0, "INR"), settled_on=DAY,
        )  # fmt: skip

    before = await till.house_balance("clearing:razorpay")
    async with till.house.database.transaction() as session:
        await settle_dispute(session, facts)
        await take_report(session, "razorpay", numbered([line(1, -10_000, fee=1_500)]))
    assert [(one.reason, one.state) for one in await exceptions(till) if one.kind == "reconciliation"] == [
        ("extra", "open")
    ]
    async with till.house.database.transaction() as session:
        await settle_dispute(session, replace(facts, state=DisputeState.WON))
        await take_report(session, "razorpay", numbered([line(1, -10_000, fee=1_500), line(2, 10_000)]))
        await look_again(session, "razorpay")
    assert [(one.reason, one.state) for one in await exceptions(till) if one.kind == "reconciliation"] == [
        ("extra", "resolved")
    ]
    assert await till.house_balance("clearing:razorpay") == before, "taken and given back"
    assert await till.house_balance("fees:razorpay") == "15.00"
    assert await till.house_balance("settling:razorpay") == "-15.00"
    async with till.house.database.transaction() as session:
        await take_report(session, "razorpay", numbered([line(3, 10_000)]))
    assert {one.reason for one in await exceptions(till) if one.state == "open" and one.kind == "reconciliation"} == {
        "duplicate"
    }, "not a second time"


async def test_a_line_that_says_something_else_later_is_a_difference_and_changes_nothing(till: Till) -> None:
    settlement = await a_day(till, "100.00")
    await reconcile(till)
    before = await till.house_balance("settling:razorpay")
    await distort(till, settlement, "amount")
    await reconcile(till)
    await reconcile(till)
    (found,) = await exceptions(till)
    assert found.reason == "line_changed"
    assert await till.house_balance("settling:razorpay") == before


async def test_an_adjustment_that_nothing_explains_is_in_suspense(till: Till) -> None:
    """Razorpay gives back a refund that failed after it was settled: in a line that names nothing of ours."""
    order = await till.order(new_person(), "100.00")
    proof = await till.pay(order)
    await till.quiet()
    await till.deposit(new_person(), "500.00")
    refunds = installed_gateway(till.house, "razorpay").refunds
    assert refunds
    refund = await refunds.refund(key=new_id(), payment_id=proof["razorpay_payment_id"], amount=Money(3_000, "INR"))
    await settled(till)
    await till.outside("POST", f"/_sandbox/razorpay/refunds/{refund.refund_id}/fail", {})
    await settled(till)
    await reconcile(till)
    assert await till.house_balance("suspense:settlements") == "30.00"
    (found,) = [one for one in await exceptions(till) if one.details.get("line_kind") == "adjustment"]
    assert (found.reason, str(found.amount)) == ("extra", "30.00")
    (item,) = (await aged(till, "suspense:settlements")).items
    assert (item.item, str(item.amount)) == (found.subject, "30.00")


async def test_what_a_dispute_takes_names_the_dispute(till: Till) -> None:
    order = await till.order(new_person(), "100.00")
    proof = await till.pay(order)
    await till.deposit(new_person(), "500.00")
    path = f"/_sandbox/razorpay/payments/{proof['razorpay_payment_id']}/dispute"
    assert (await till.outside("POST", path, {"deduct_at_onset": True})).status_code < 300
    await till.quiet()
    await settled(till)
    await reconcile(till)
    (found,) = [one for one in await exceptions(till) if one.details.get("line_kind") == "dispute"]
    assert (found.reason, str(found.amount)) == ("extra", "-100.00")
    assert str(found.details["about"]).startswith("disp_")


@pytest.mark.parametrize(
    ("at_onset", "settled_between"), [(False, False), (True, False), (True, True)],
    ids=["at the end", "at the onset", "at the onset, settled before the end"],
)  # fmt: skip
async def test_a_dispute_won_in_part_leaves_nothing_open_however_its_money_is_taken(
    till: Till, *, at_onset: bool, settled_between: bool
) -> None:
    person = new_person()
    order = await till.order(person, "100.00")
    proof = await till.pay(order)
    await a_day(till, "500.00")
    path = f"/_sandbox/razorpay/payments/{proof['razorpay_payment_id']}/dispute"
    dispute = (await till.outside("POST", path, {"deduct_at_onset": at_onset})).json()["id"]
    await till.quiet()
    await till.deposit(new_person(), "300.00")
    if settled_between:
        await settled(till)
        await reconcile(till)
        assert [one.reason for one in await exceptions(till, state="open", kind="reconciliation")] == ["extra"]
    settings = till.sandbox.world.settings
    contested = {"amount": 70_00, "shipping_proof": ["doc_1"], "action": "submit"}
    async with till.client_outside() as client:
        auth = (settings.razorpay_key_id, settings.razorpay_key_secret)
        answer = await client.patch(f"/razorpay/v1/disputes/{dispute}/contest", json=contested, auth=auth)
    assert answer.is_success, answer.text
    assert (await till.outside("POST", f"/_sandbox/razorpay/disputes/{dispute}/close", {"outcome": "won"})).is_success
    await till.quiet()
    assert await till.wallet(person) == "70.00"
    await till.deposit(new_person(), "200.00")
    await settled(till)
    await reconcile(till)
    assert await till.house_balance("clearing:razorpay") == "0.00"
    assert (await aged(till, "clearing:razorpay")).items == ()
    assert await exceptions(till, state="open", kind="reconciliation") == []


async def test_what_was_extra_is_matched_once_our_books_know_it(till: Till) -> None:
    """Every event was lost: Razorpay settles a payment that we have not heard of yet."""
    person = new_person()
    order = await till.order(person, "100.00")
    await till.fault("drop", count=100)
    await till.pay(order)
    await settled(till)
    await reconcile(till)
    assert [one.reason for one in await exceptions(till, state="open")] == ["extra"]
    await till.pass_time(timedelta(minutes=3))
    assert await till.wallet(person) == "100.00"
    await reconcile(till)
    assert await till.house_balance("clearing:razorpay") == "0.00"
    assert await exceptions(till, state="open") == []


async def test_again_and_at_the_same_time_books_once(till: Till) -> None:
    settlement = await a_day(till, "100.00", "250.00", "70.00")
    await distort(till, settlement, "duplicate")
    await asyncio.gather(*(reconcile(till) for _ in range(4)))
    await reconcile(till)
    assert await till.house_balance("clearing:razorpay") == "0.00"
    assert await till.house_balance("settling:razorpay") == str(Money(int(settlement["amount"]), "INR"))
    assert [one.reason for one in await exceptions(till)] == ["duplicate"]


async def test_the_daily_job_asks_every_provider_for_its_last_days(till: Till) -> None:
    await fire_schedules(till.house)
    await a_day(till, "100.00")
    till.at.advance(timedelta(days=1))
    till.sandbox_clock.advance(86_400)
    await fire_schedules(till.house)
    await till.quiet()
    assert await till.house_balance("clearing:razorpay") == "0.00"


async def test_what_is_open_too_long_is_named_once(till: Till) -> None:
    await till.deposit(new_person(), "100.00")
    await look_at_ages(till.house)
    assert await exceptions(till) == []
    till.at.advance(datetime.now(UTC) - till.at.at + timedelta(days=9))  # the ledger's time is the database's
    await look_at_ages(till.house)
    await look_at_ages(till.house)
    (found,) = await exceptions(till)
    assert (found.kind, found.reason, str(found.amount)) == ("ageing", "too_old_in_clearing", "100.00")
    clearing = await aged(till, "clearing:razorpay")
    assert {name for name, amount in clearing.sums().items() if amount} == {"8-30"}
    assert found.details["item"] == clearing.items[0].item


async def test_an_account_whose_age_nobody_limits_keeps_no_other_from_being_named(till: Till) -> None:
    await a_day(till, "100.00")
    await reconcile(till)
    await till.deposit(new_person(), "70.00")
    till.at.advance(datetime.now(UTC) - till.at.at + timedelta(days=9))
    till.change_settings(ageing_days=("settling=3",))
    await look_at_ages(till.house)
    assert {one.details["account"] for one in await exceptions(till)} == {"settling:razorpay"}
    till.change_settings(ageing_days=("clearing=3", "settling=3"))
    await look_at_ages(till.house)
    assert {one.details["account"] for one in await exceptions(till)} == {"settling:razorpay", "clearing:razorpay"}


async def test_items_that_were_counted_and_those_that_came_since_make_up_the_balance(till: Till) -> None:
    await till.deposit(new_person(), "100.00")
    await look_at_ages(till.house)
    await till.deposit(new_person(), "250.00")
    clearing = await aged(till, "clearing:razorpay")
    assert [str(item.amount) for item in clearing.items] == ["100.00", "250.00"]
    assert str(clearing.balance) == await till.house_balance("clearing:razorpay")
    await settled(till)
    await reconcile(till)
    assert (await aged(till, "clearing:razorpay")).items == ()


async def test_a_posting_that_nobody_explains_is_an_item_of_its_own(till: Till) -> None:
    await till.deposit(new_person(), "100.00")
    posting = ledger.Posting(
        key="somebody:1",
        kind="payments.correction",
        legs=(
            ledger.debit(ledger.house_account("write-off", "INR"), Money(500, "INR")),
            ledger.credit(ledger.house_account("clearing:razorpay", "INR"), Money(500, "INR")),
        ),
    )
    async with till.house.database.transaction() as session:
        made = await ledger.post(session, posting)
    found = {item.item: str(item.amount) for item in (await aged(till, "clearing:razorpay")).items}
    assert found[str(made.id)] == "-5.00"
    assert len(found) == 2


async def test_a_normal_day_of_stripe(till: Till) -> None:
    till.change_settings(gateway="stripe")
    person = new_person()
    wish = api.NewOrder(
        owner_kind="person", owner_id=person, amount=Money(50_000, "THB"), purpose="wallet_deposit", request_key="thb"
    )
    order = await api.start_order(till.house, wish)
    paid = await till.outside("POST", f"/_sandbox/stripe/checkout_sessions/{order.provider_order_id}/pay", {})
    assert paid.status_code < 300, paid.text
    await check_order(till.house, order.id)
    run = await till.outside("POST", "/_sandbox/stripe/payouts/run", {})
    assert run.status_code < 300, run.text
    for payout in run.json()["items"]:
        await till.outside("POST", f"/_sandbox/stripe/payouts/{payout['id']}/pay", {})
    arrived = datetime.fromtimestamp(run.json()["items"][0]["arrival_date"], UTC).date()
    (day,) = await reconcile(till, arrived, "stripe")
    async with till.house.database.reading() as session:
        balances = {
            found.account.code: found.posted.minor
            for found in await ledger.balances_of_owner(session, "house", None)
            if found.account.unit == "THB"
        }
    assert balances["clearing:stripe"] == 0
    assert balances["settling:stripe"] + balances["fees:stripe"] == 50_000
    assert day.reported == day.booked == Money(balances["settling:stripe"], "THB")
    assert await exceptions(till) == []
