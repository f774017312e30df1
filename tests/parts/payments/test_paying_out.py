"""Money that goes out: once, to where it should, and back where it could not."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import text

from tests.parts.payments.till import Till, new_person, rupees
from tillhouse.kernel.errors import Conflict, Forbidden, InvalidInput
from tillhouse.kernel.work import run_due
from tillhouse.parts.ledger.api import InsufficientFunds
from tillhouse.parts.payments.domain import BankAccount, PayoutFacts, PayoutState, Vpa, destination_from
from tillhouse.parts.payments.service.checks import erase_person, reasons_to_keep
from tillhouse.parts.payments.service.payouts import record_payout
from tillhouse.parts.payments.service.reviews import approve_payout, reject_payout
from tillhouse.parts.wallets.service import close_wallets

HDFC = BankAccount("Asha Rao", "HDFC0001234", "50100012345678")


async def test_a_withdrawal_sets_the_money_aside_and_takes_it_when_the_bank_has_paid(till: Till) -> None:
    person = new_person()
    await till.give(person, rupees("1000.00"))
    payout = await till.withdraw(person, "400.00")
    assert (payout.state, payout.destination) == (PayoutState.RESERVED, "su…@razorpay")
    assert (await till.wallet(person), await till.available(person)) == ("1000.00", "600.00")
    await till.quiet()
    assert (await till.see_payout(payout)).state == PayoutState.PROCESSING
    await till.pass_time(timedelta(minutes=4))
    paid = await till.see_payout(payout)
    assert paid.state == PayoutState.PROCESSED
    assert paid.utr
    assert (await till.wallet(person), await till.available(person)) == ("600.00", "600.00")
    assert await till.house_balance("payouts:razorpayx") == "400.00"


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"payout_id": "pout_Another0000001"}, "paid_out_twice"),
        ({"reference": "somebody-elses"}, "foreign_reference"),
        ({"payout_id": "pout_Another0000001", "reference": "somebody-elses"}, "foreign_reference"),
        ({"amount": rupees("399.00")}, "foreign_amount"),
    ],
)
async def test_what_is_told_of_another_payout_moves_nothing_and_is_put_before_a_person(
    till: Till, changed: dict[str, object], reason: str
) -> None:
    person = new_person()
    await till.give(person, rupees("1000.00"))
    payout = await till.withdraw(person, "400.00")
    await till.quiet()
    (outside,) = till.payouts_outside()
    ours = PayoutFacts("razorpayx", outside["id"], str(payout.id), rupees("400.00"), PayoutState.PROCESSED)
    async with till.house.database.transaction() as session:
        assert await record_payout(session, payout.id, replace(ours, **changed)) == reason  # type: ignore[arg-type]  # its fields
    assert (await till.see_payout(payout)).state == PayoutState.PROCESSING
    assert (await till.wallet(person), await till.available(person)) == ("1000.00", "600.00")
    assert ("payout", reason) in await till.exceptions()
    await till.pass_time(timedelta(minutes=4))
    paid = await till.see_payout(payout)
    assert (paid.state, await till.wallet(person)) == (PayoutState.PROCESSED, "600.00")


async def test_a_bank_account_is_paid_by_imps_under_our_key(till: Till) -> None:
    person = new_person()
    await till.give(person, rupees("1000.00"))
    payout = await till.withdraw(person, "400.00", HDFC)
    await till.quiet()
    (outside,) = till.payouts_outside()
    assert (outside["mode"], outside["reference_id"], outside["amount"]) == ("IMPS", str(payout.id), 40_000)
    assert payout.destination == "HDFC …5678"


async def test_more_than_there_is_cannot_be_withdrawn(till: Till) -> None:
    person = new_person()
    await till.give(person, rupees("100.00"))
    with pytest.raises(InsufficientFunds):
        await till.withdraw(person, "100.01")
    assert await till.available(person) == "100.00"
    await till.quiet()
    assert till.payouts_outside() == []


async def test_a_refused_payout_frees_the_money(till: Till) -> None:
    person = new_person()
    await till.give(person, rupees("100.00"))
    payout = await till.withdraw(person, to=Vpa("failure@razorpay"))
    await till.pass_time(timedelta(minutes=4))
    failed = await till.see_payout(payout)
    assert failed.state == PayoutState.FAILED
    assert failed.failure_code == "bank_account_invalid"
    assert await till.available(person) == "100.00"


async def test_a_payout_that_comes_back_after_it_was_processed_gives_the_money_back_once(till: Till) -> None:
    person = new_person()
    await till.give(person, rupees("100.00"))
    payout = await till.withdraw(person, to=Vpa("reversed@razorpay"))
    await till.pass_time(timedelta(minutes=4))
    assert (await till.see_payout(payout)).state == PayoutState.PROCESSED
    assert await till.wallet(person) == "0.00"
    await till.pass_time(timedelta(minutes=12))
    assert (await till.see_payout(payout)).state == PayoutState.REVERSED
    assert await till.wallet(person) == "100.00"
    await till.pass_time(timedelta(days=8), step=timedelta(hours=12))
    assert await till.wallet(person) == "100.00"
    assert await till.house_balance("payouts:razorpayx") == "0.00"


async def test_a_return_of_which_no_event_arrives_is_found_by_asking(till: Till) -> None:
    person = new_person()
    await till.give(person, rupees("100.00"))
    payout = await till.withdraw(person, to=Vpa("reversed@razorpay"))
    await till.pass_time(timedelta(minutes=4))
    await till.fault("drop", "payout.reversed", provider="razorpayx")
    await till.pass_time(timedelta(minutes=20))
    assert (await till.see_payout(payout)).state == PayoutState.PROCESSED
    await till.pass_time(timedelta(hours=25), step=timedelta(hours=1))
    assert (await till.see_payout(payout)).state == PayoutState.REVERSED
    assert await till.wallet(person) == "100.00"


@pytest.mark.parametrize("told", [True, False], ids=["told", "asked"])
async def test_what_comes_back_to_somebody_who_has_left_waits_in_suspense_for_a_person(
    till: Till, *, told: bool
) -> None:
    person = new_person()
    await till.give(person, rupees("100.00"))
    payout = await till.withdraw(person, to=Vpa("reversed@razorpay"))
    await till.pass_time(timedelta(minutes=4))
    if not told:
        await till.fault("drop", "payout.reversed", provider="razorpayx")
    async with till.house.database.transaction() as session:
        assert await reasons_to_keep(session, person) == []
        await erase_person(session, person, [])
        await close_wallets(session, person, [])
    await till.pass_time(timedelta(hours=25), step=timedelta(hours=1))
    assert (await till.see_payout(payout)).state == PayoutState.REVERSED
    assert (await till.wallet(person), await till.house_balance("suspense:payments")) == ("0.00", "100.00")
    assert await till.open_items("payouts:razorpayx") == []
    assert await till.exceptions() == [("payout", "wallet_refused")]


async def test_a_payout_returned_without_having_been_processed_frees_the_money(till: Till) -> None:
    person = new_person()
    await till.give(person, rupees("100.00"))
    payout = await till.withdraw(person, to=Vpa("returned@razorpay"))
    await till.pass_time(timedelta(minutes=4))
    assert (await till.see_payout(payout)).state == PayoutState.REVERSED
    assert await till.available(person) == "100.00"


async def test_a_payout_without_end_is_put_before_a_person(till: Till) -> None:
    person = new_person()
    await till.give(person, rupees("100.00"))
    payout = await till.withdraw(person, to=Vpa("stuck@razorpay"))
    await till.pass_time(timedelta(hours=26), step=timedelta(hours=1))
    assert (await till.see_payout(payout)).state == PayoutState.PROCESSING
    assert ("payout", "unfinished_too_long") in await till.exceptions()
    assert await till.available(person) == "0.00"


async def test_the_same_request_pays_out_once(till: Till) -> None:
    person = new_person()
    await till.give(person, rupees("1000.00"))
    first = await till.withdraw(person, key="form-1")
    assert (await till.withdraw(person, key="form-1")).id == first.id
    with pytest.raises(Conflict):
        await till.withdraw(person, "200.00", key="form-1")
    await till.quiet()
    assert len(till.payouts_outside()) == 1
    assert await till.available(person) == "900.00"


async def test_a_day_has_a_limit(till: Till) -> None:
    person = new_person()
    for _ in range(3):
        await till.give(person, rupees("100000.00"))
    await till.withdraw(person, "100000.00")
    await till.withdraw(person, "99000.00")
    with pytest.raises(InvalidInput) as refusal:
        await till.withdraw(person, "1000.01")
    assert refusal.value.errors[0].code == "over_daily_limit"
    assert await till.available(person) == "101000.00"
    await till.pass_time(timedelta(hours=25), step=timedelta(hours=5))
    await till.withdraw(person, "1000.01")


async def test_a_large_payout_waits_for_a_second_person(till: Till) -> None:
    till.change_settings(withdrawal_approval_above=50_000)
    person, colleague = new_person(), new_person()
    await till.give(person, rupees("2000.00"))
    first, second = await till.withdraw(person, "600.00"), await till.withdraw(person, "700.00")
    await till.pass_time(timedelta(minutes=10))
    assert first.state == PayoutState.AWAITING_APPROVAL
    assert till.payouts_outside() == []
    async with till.house.database.transaction() as session:
        with pytest.raises(Forbidden):
            await approve_payout(session, first.id, person)
        await approve_payout(session, first.id, colleague)
        await reject_payout(session, second.id, colleague)
        with pytest.raises(Conflict):
            await approve_payout(session, second.id, colleague)
    await till.pass_time(timedelta(minutes=4))
    assert (await till.see_payout(first)).state == PayoutState.PROCESSED
    assert (await till.see_payout(second)).state == PayoutState.REJECTED
    assert await till.available(person) == "1400.00"


async def test_a_payout_that_razorpayx_refuses_at_once_fails_with_its_reason(till: Till) -> None:
    person = new_person()
    await till.give(person, rupees("100.00"))
    payout = await till.withdraw(person, "100.00", BankAccount("Asha Rao", "HDFC0001234", "4" * 36))
    await run_due(till.house)
    failed = await till.see_payout(payout)
    assert (failed.state, failed.failure_code) == (PayoutState.FAILED, "input_validation_failed")
    assert await till.available(person) == "100.00"


async def test_bank_details_are_sealed_in_the_database(till: Till) -> None:
    person = new_person()
    await till.give(person, rupees("100.00"))
    payout = await till.withdraw(person, to=HDFC)
    async with till.house.database.reading() as session:
        query = text("SELECT p::text FROM payments.payouts p WHERE id = :id")
        row: str = (await session.execute(query, {"id": payout.id})).scalar_one()
    assert HDFC.account_number not in row
    assert HDFC.account_number.encode().hex() not in row


@pytest.mark.parametrize(
    ("fields", "pointers"),
    [
        ({"kind": "vpa", "vpa": "no-at-sign"}, ["/destination/vpa"]),
        ({"kind": "vpa", "vpa": "asha@"}, ["/destination/vpa"]),
        ({"kind": "vpa", "vpa": "asha@ok bank"}, ["/destination/vpa"]),
        (
            {"kind": "bank_account", "name": "A", "ifsc": "HDFC1001234", "account_number": "12"},
            ["/destination/name", "/destination/ifsc", "/destination/account_number"],
        ),
        ({"kind": "cash"}, ["/destination/type"]),
    ],
)
def test_a_destination_that_cannot_be_right_names_its_wrong_fields(fields: dict[str, str], pointers: list[str]) -> None:
    with pytest.raises(InvalidInput) as refusal:
        destination_from(**fields)
    assert [error.pointer for error in refusal.value.errors] == pointers


def test_a_destination_is_tidied() -> None:
    found = destination_from(
        "bank_account", name="  Asha   Rao ", ifsc=" hdfc0001234 ", account_number="5010 0012-345678"
    )
    assert found == HDFC
    assert rupees("1.00").minor == 100
