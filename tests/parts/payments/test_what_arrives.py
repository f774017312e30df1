"""What a payee gets of a payout: what was promised, or a person is told what lacks."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, event

from tests.parts.payments.till import Till, new_person, open_till, rupees
from tillhouse.kernel.access import SYSTEM
from tillhouse.kernel.errors import InvalidInput
from tillhouse.kernel.money import Money
from tillhouse.kernel.settings import KernelSettings
from tillhouse.parts.ledger import api as ledger
from tillhouse.parts.payments import api
from tillhouse.parts.payments.domain import Destination, PayoutState, StripeAccount, ThaiBankAccount
from tillhouse.parts.payments.domain.reconciliation import CorrectionLeg
from tillhouse.parts.payments.ports import SettlementLine
from tillhouse.parts.payments.service.payouts import NewPayout, reserve_payout
from tillhouse.parts.payments.service.reconciliation.reports import numbered, take_report
from tillhouse.parts.payments.service.reconciliation.resolving import approve, propose
from tillhouse.sandbox.omise.payout_schemas import Transfer as OmiseTransfer
from tillhouse.sandbox.stripe.connect_schemas import Transfer as StripeTransfer

DAY = date(2026, 3, 2)
BANK = ThaiBankAccount("Asha Rao", "kbank", "1234567890")
BAHT = Money.parse("100.00", "THB")


async def pay_out(till: Till, person: UUID, amount: Money, to: Destination) -> UUID:
    await till.give(person, amount)
    wish = NewPayout(
        owner_kind="person", owner_id=person, amount=amount, to=to, payee_name="Asha Rao", request_key="k",
        requested_by=person,
    )  # fmt: skip
    async with till.house.database.transaction() as session:
        payout_id = (await reserve_payout(session, wish)).id
    await till.quiet()
    return payout_id


async def pay_out_by_omise(till: Till, person: UUID) -> UUID:
    """A hundred baht, paid; Omise's people verified the account on the way."""
    payout_id = await pay_out(till, person, BAHT, BANK)
    for recipient in (await till.outside("GET", "/_sandbox/omise/transfers")).json()["recipients"]:
        await till.outside("POST", f"/_sandbox/omise/recipients/{recipient['id']}/verify")
    await till.pass_time(timedelta(hours=2), step=timedelta(minutes=10))
    return payout_id


def transfer_of(till: Till) -> OmiseTransfer:
    (found,) = till.sandbox.world.store.find(OmiseTransfer, limit=10)
    return found


async def balance(till: Till, account: ledger.AccountRef) -> str:
    async with till.house.database.reading() as session:
        return str((await ledger.balance(session, account)).posted)


async def house(till: Till, code: str, unit: str = "THB") -> str:
    return await balance(till, ledger.house_account(code, unit))


async def open_about(till: Till, payout_id: UUID) -> list[api.ExceptionView]:
    async with till.house.database.reading() as session:
        found, _ = await api.exceptions_page(session, state="open")
    return [one for one in found if one.subject == str(payout_id)]


async def end(till: Till, exception: api.ExceptionView, *legs: CorrectionLeg) -> None:
    """Two people end an exception."""
    async with till.house.database.transaction() as session:
        proposed = await propose(session, exception.id, by=new_person(), explanation="Seen.", legs=legs)
        assert proposed.resolution
        await approve(session, exception.id, proposed.resolution.id, by=new_person())


@pytest.fixture
async def cheap_till(settings: KernelSettings, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Till]:
    """A house that believes in another price than Omise takes."""
    monkeypatch.setenv("OMISE_TRANSFER_FEES", '{"THB": "25.00"}')
    async with open_till(settings) as opened:
        yield opened


async def test_the_payees_bank_gets_what_was_promised_and_the_fee_is_the_houses_once(till: Till) -> None:
    person = new_person()
    payout_id = await pay_out_by_omise(till, person)
    transfer = transfer_of(till)
    assert (transfer.net, transfer.amount, transfer.paid) == (100_00, 130_00, True)
    payout = await till.see_payout_id(str(payout_id))
    assert (payout.state, str(payout.amount)) == (PayoutState.PROCESSED, "100.00")
    assert await balance(till, ledger.AccountRef("person", person, "wallet", "THB")) == "0.00"
    for _ in range(2):
        (day,) = await api.reconcile(till.house, "omise", DAY, by=SYSTEM)
        assert (str(day.reported), str(day.booked), day.not_booked) == ("-130.00", "-130.00", ())
    assert [await house(till, f"{code}:omise") for code in ("payouts", "fees", "settling")] == [
        "0.00", "30.00", "-130.00",
    ]  # fmt: skip
    assert str(payout.fee) == "30.00"
    assert await till.exceptions() == []


@pytest.mark.parametrize("fault", ["timeout_after", "timeout_before", "status_500"])
async def test_a_lost_answer_adds_the_fee_once(till: Till, fault: str) -> None:
    await till.fault(fault, "POST /transfers", provider="omise")
    payout_id = await pay_out_by_omise(till, new_person())
    assert (transfer_of(till).net, transfer_of(till).amount) == (100_00, 130_00)
    assert (await till.see_payout_id(str(payout_id))).state == PayoutState.PROCESSED
    await api.reconcile(till.house, "omise", DAY, by=SYSTEM)
    assert (await house(till, "payouts:omise"), await house(till, "fees:omise")) == ("0.00", "30.00")


async def test_a_transfer_that_fails_costs_nothing(till: Till) -> None:
    person = new_person()
    payout_id = await pay_out(till, person, BAHT, ThaiBankAccount("Asha Rao", "kbank", "1234560002"))
    for recipient in (await till.outside("GET", "/_sandbox/omise/transfers")).json()["recipients"]:
        await till.outside("POST", f"/_sandbox/omise/recipients/{recipient['id']}/verify")
    await till.pass_time(timedelta(hours=2), step=timedelta(minutes=10))
    assert (await till.see_payout_id(str(payout_id))).state == PayoutState.FAILED
    assert await balance(till, ledger.AccountRef("person", person, "wallet", "THB")) == "100.00"
    assert await open_about(till, payout_id) == []
    await api.reconcile(till.house, "omise", DAY, by=SYSTEM)
    assert [await house(till, f"{code}:omise") for code in ("payouts", "fees")] == ["0.00", "0.00"]


async def test_a_fee_that_changed_is_put_before_a_person_with_what_the_payee_lacks(cheap_till: Till) -> None:
    till = cheap_till
    payout_id = await pay_out_by_omise(till, new_person())
    assert transfer_of(till).net == 95_00
    assert (await till.see_payout_id(str(payout_id))).state == PayoutState.PROCESSED
    (found,) = await open_about(till, payout_id)
    assert (found.kind, found.reason, str(found.amount)) == ("payout", "fee_difference", "5.00")
    assert found.details["promised"] == 100_00
    await till.pass_time(timedelta(days=2), step=timedelta(hours=12))
    assert [one.id for one in await open_about(till, payout_id)] == [found.id]
    await end(till, found)
    await till.pass_time(timedelta(days=2), step=timedelta(hours=12))
    assert await open_about(till, payout_id) == []


async def test_what_lacks_is_paid_by_hand_and_the_books_end_with_what_really_was_kept(cheap_till: Till) -> None:
    """Five baht and another fee of thirty, sent at Omise's dashboard: all in all the house paid sixty of fees."""
    till = cheap_till
    payout_id = await pay_out_by_omise(till, new_person())
    transfer = transfer_of(till)
    async with till.client_outside() as client:
        by_hand = {"amount": 35_00, "recipient": transfer.recipient}
        key = (till.sandbox.world.settings.omise_secret_key, "")
        assert (await client.post("/transfers", json=by_hand, auth=key)).is_success
    (day,) = await api.reconcile(till.house, "omise", DAY, by=SYSTEM)
    assert (str(day.booked), [(one.what, str(one.amount)) for one in day.not_booked]) == (
        "-125.00",
        [("extra", "-35.00")],
    )
    assert [await house(till, f"{code}:omise") for code in ("payouts", "fees")] == ["0.00", "25.00"]
    async with till.house.database.reading() as session:
        (extra,), _ = await api.exceptions_page(session, kind="reconciliation")
    await end(
        till, extra,
        CorrectionLeg("fees:omise", Money(35_00, "THB")),
        CorrectionLeg("settling:omise", Money(-35_00, "THB"), str(day.day)),
    )  # fmt: skip
    (lack,) = await open_about(till, payout_id)
    await end(till, lack)
    assert [await house(till, f"{code}:omise") for code in ("payouts", "fees", "settling")] == [
        "0.00", "60.00", "-160.00",
    ]  # fmt: skip


# --- taken back in part ---------------------------------------------------------------------------------------------


async def stripe(till: Till, path: str, body: str = "") -> dict[str, Any]:
    """What somebody does at Stripe's API or dashboard."""
    from_form = {"Content-Type": "application/x-www-form-urlencoded"}
    key = till.sandbox.world.settings.stripe_secret_key
    async with till.client_outside() as client:
        answer = await client.post(f"/stripe/v1{path}", content=body, headers=from_form, auth=(key, ""))
    assert answer.is_success, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def pay_out_by_stripe(till: Till, person: UUID) -> tuple[UUID, str]:
    """Fifty dollars that arrived, and what Stripe calls them."""
    payout_id, transfer = await ask_stripe_to_pay_out(till, person)
    assert (await till.see_payout_id(str(payout_id))).state == PayoutState.PROCESSED
    return payout_id, transfer


async def ask_stripe_to_pay_out(till: Till, person: UUID) -> tuple[UUID, str]:
    """Fifty dollars, and what Stripe calls them, whatever we have heard of it."""
    assert (await till.outside("POST", "/_sandbox/stripe/topups", {"amount": 20_000})).is_success
    account = (await stripe(till, "/accounts", "type=express&country=US&capabilities[transfers][requested]=true"))["id"]
    assert (await till.outside("POST", f"/_sandbox/stripe/accounts/{account}/onboard", {})).is_success
    payout_id = await pay_out(till, person, Money.parse("50.00", "USD"), StripeAccount(str(account)))
    (transfer,) = till.sandbox.world.store.find(StripeTransfer, limit=10)
    return payout_id, transfer.id


async def test_a_transfer_taken_back_in_part_is_put_before_a_person_with_what_came_back(till: Till) -> None:
    person = new_person()
    payout_id, transfer = await pay_out_by_stripe(till, person)
    await stripe(till, f"/transfers/{transfer}/reversals", "amount=1000")
    await till.quiet()
    (found,) = await open_about(till, payout_id)
    assert (found.kind, found.reason, str(found.amount)) == ("payout", "partly_reversed", "10.00")
    assert (await till.see_payout_id(str(payout_id))).state == PayoutState.PROCESSED
    assert await balance(till, ledger.AccountRef("person", person, "wallet", "USD")) == "0.00"
    assert await house(till, "payouts:stripe", "USD") == "50.00"


async def test_more_of_it_taken_back_later_is_told_at_once_though_the_first_was_explained(till: Till) -> None:
    payout_id, transfer = await pay_out_by_stripe(till, new_person())
    await stripe(till, f"/transfers/{transfer}/reversals", "amount=1000")
    await till.quiet()
    (first,) = await open_about(till, payout_id)
    await end(till, first)
    await till.pass_time(timedelta(days=2), step=timedelta(hours=12))
    assert await open_about(till, payout_id) == []
    await stripe(till, f"/transfers/{transfer}/reversals", "amount=500")
    await till.quiet()
    assert [(one.reason, str(one.amount)) for one in await open_about(till, payout_id)] == [
        ("partly_reversed", "15.00")
    ]
    await stripe(till, f"/transfers/{transfer}/reversals", "amount=200")
    await till.quiet()
    assert [(one.reason, str(one.amount)) for one in await open_about(till, payout_id)] == [
        ("partly_reversed", "17.00")
    ]


async def test_the_rest_of_it_taken_back_gives_all_of_it_back_and_nothing_is_left_to_look_at(till: Till) -> None:
    person = new_person()
    payout_id, transfer = await pay_out_by_stripe(till, person)
    for body in ("amount=1000", ""):
        await stripe(till, f"/transfers/{transfer}/reversals", body)
        await till.quiet()
    assert (await till.see_payout_id(str(payout_id))).state == PayoutState.REVERSED
    assert await balance(till, ledger.AccountRef("person", person, "wallet", "USD")) == "50.00"
    assert await house(till, "payouts:stripe", "USD") == "0.00"
    assert await open_about(till, payout_id) == []


# --- what the report says of it -------------------------------------------------------------------------------------


async def settle_stripe(till: Till) -> api.DayStatement:
    """Stripe pays all that we have there to our bank, and its report of that day is read."""
    run = await till.outside("POST", "/_sandbox/stripe/payouts/run", {})
    (payout,) = run.json()["items"]
    assert (await till.outside("POST", f"/_sandbox/stripe/payouts/{payout['id']}/pay", {})).is_success
    arrived = datetime.fromtimestamp(payout["arrival_date"], UTC).date()
    (day,) = await api.reconcile(till.house, "stripe", arrived, by=SYSTEM)
    return day


async def open_lines(till: Till) -> list[api.ExceptionView]:
    """Lines of the report that wait for a person; not the money that was put there so that it can be paid out."""
    async with till.house.database.reading() as session:
        found, _ = await api.exceptions_page(session, state="open", kind="reconciliation")
    return [one for one in found if one.details["line_kind"] != "adjustment"]


async def owed(till: Till) -> list[tuple[str, str]]:
    """What is open in the account of what Stripe paid out."""
    async with till.house.database.reading() as session:
        aged = {one.account: one.items for one in await api.ageing(session) if one.balance.unit == "USD"}
    return [(one.item, str(one.amount)) for one in aged.get("payouts:stripe", ())]


async def test_a_transfer_taken_back_whole_agrees_in_both_lines_and_nothing_stays_open(till: Till) -> None:
    payout_id, transfer = await pay_out_by_stripe(till, new_person())
    await settle_stripe(till)
    await stripe(till, f"/transfers/{transfer}/reversals")
    await till.quiet()
    assert await owed(till) == [(str(payout_id), "-50.00")]
    day = await settle_stripe(till)
    assert await owed(till) == []
    assert (await house(till, "payouts:stripe", "USD"), await house(till, "settling:stripe", "USD")) == (
        "0.00",
        "200.00",
    )
    assert (str(day.reported), str(day.booked), day.not_booked) == ("200.00", "200.00", ())
    assert await open_lines(till) == []


async def test_a_line_about_what_we_have_not_heard_of_agrees_once_we_have(till: Till) -> None:
    payout_id, transfer = await pay_out_by_stripe(till, new_person())
    await till.fault("drop", "transfer.*", provider="stripe", count=10)
    trr = (await stripe(till, f"/transfers/{transfer}/reversals"))["id"]
    await settle_stripe(till)
    (extra,) = await open_lines(till)
    assert (extra.reason, extra.details["line_kind"], extra.details["about"], str(extra.amount)) == (
        "extra", "returned", f"{transfer}/{trr}", "50.00",
    )  # fmt: skip
    await till.pass_time(timedelta(days=2), step=timedelta(hours=12))
    assert (await till.see_payout_id(str(payout_id))).state == PayoutState.REVERSED
    await api.reconcile(till.house, "stripe", DAY, by=SYSTEM)
    assert (await owed(till), await open_lines(till)) == ([], [])


async def test_parts_that_come_to_the_whole_agree_one_by_one_and_no_more_than_the_whole(till: Till) -> None:
    payout_id, transfer = await pay_out_by_stripe(till, new_person())
    trr = (await stripe(till, f"/transfers/{transfer}/reversals", "amount=1000"))["id"]
    await till.quiet()
    await settle_stripe(till)
    (part,) = await open_lines(till)
    assert (part.reason, str(part.amount)) == ("extra", "10.00")
    assert await house(till, "payouts:stripe", "USD") == "0.00", "nothing is booked for a part"
    for amount in ("1500", "2500"):
        await stripe(till, f"/transfers/{transfer}/reversals", f"amount={amount}")
    await till.quiet()
    await settle_stripe(till)
    assert (await owed(till), await open_lines(till), await open_about(till, payout_id)) == ([], [], [])
    line = SettlementLine(
        settlement_id="po_1", line_id="txn_more", kind="payout", subject_id=f"{transfer}/trr_more",
        gross=Money(1, "USD"), fee=Money(0, "USD"), tax=Money(0, "USD"), settled_on=DAY,
    )  # fmt: skip
    again = replace(line, line_id="txn_again", subject_id=f"{transfer}/{trr}", gross=Money(10_00, "USD"))
    async with till.house.database.transaction() as session:
        await take_report(session, "stripe", numbered([line, again]))
    assert sorted(one.reason for one in await open_lines(till)) == ["amount", "duplicate"]
    assert await owed(till) == []


async def test_a_part_that_two_people_placed_is_not_booked_again_with_the_rest(till: Till) -> None:
    payout_id, transfer = await pay_out_by_stripe(till, new_person())
    await stripe(till, f"/transfers/{transfer}/reversals", "amount=1000")
    await till.quiet()
    await settle_stripe(till)
    (part,) = await open_lines(till)
    item = str(payout_id)
    with pytest.raises(InvalidInput) as refused:  # nobody reports what RazorpayX paid out
        await end(
            till, part,
            CorrectionLeg("settling:stripe", Money(10_00, "USD")),
            CorrectionLeg("payouts:razorpayx", Money(-10_00, "USD")),
        )  # fmt: skip
    assert [one.code for one in refused.value.errors] == ["account_not_allowed"]
    await end(
        till, part,
        CorrectionLeg("settling:stripe", Money(10_00, "USD"), str(part.details["settlement"])),
        CorrectionLeg("payouts:stripe", Money(-10_00, "USD"), item),
    )  # fmt: skip
    assert (await owed(till), await open_lines(till)) == ([(item, "10.00")], [])
    await stripe(till, f"/transfers/{transfer}/reversals")
    await till.quiet()
    await settle_stripe(till)
    await api.reconcile(till.house, "stripe", DAY, by=SYSTEM)
    assert (await owed(till), await open_lines(till), await open_about(till, payout_id)) == ([], [], [])


async def test_a_transfer_that_was_back_before_we_heard_that_it_left_leaves_nothing_open(till: Till) -> None:
    person = new_person()
    await till.fault("drop", "transfer.*", provider="stripe", count=10)
    await till.fault("timeout_after", "POST /v1/transfers", provider="stripe")
    payout_id, transfer = await ask_stripe_to_pay_out(till, person)
    await stripe(till, f"/transfers/{transfer}/reversals")
    await till.pass_time(timedelta(minutes=10))
    assert (await till.see_payout_id(str(payout_id))).state == PayoutState.REVERSED
    assert await balance(till, ledger.AccountRef("person", person, "wallet", "USD")) == "50.00"
    day = await settle_stripe(till)
    assert (await owed(till), await open_lines(till), day.not_booked) == ([], [], ())


# --- who is asked about it ------------------------------------------------------------------------------------------


async def test_what_a_provider_never_tells_is_not_looked_for_at_each_of_its_words(till: Till) -> None:
    about: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, values: object, *_more: object) -> None:
        if "exceptions" in statement:
            about.extend(reason for reason in ("fee_difference", "partly_reversed") if reason in repr(values))

    event.listen(Engine, "before_cursor_execute", note)
    try:
        person = new_person()
        await till.give(person, rupees("60.00"))
        payout = await till.withdraw(person, "60.00")
        await till.quiet()
        till.sandbox_clock.advance(200)
        await till.quiet()
        assert (await till.see_payout(payout)).state == PayoutState.PROCESSED
        assert about == []
        await pay_out_by_stripe(till, new_person())
        assert set(about) == {"partly_reversed"}
    finally:
        event.remove(Engine, "before_cursor_execute", note)
