"""Saved payees: whose an account is, how long it is new, and what is known when money is to go there."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import text

from tests.parts.payments.crashes import Killed, killed_at
from tests.parts.payments.test_attention import counted
from tests.parts.payments.till import START, Till, new_person, open_till, rupees
from tillhouse.kernel.access import Principal
from tillhouse.kernel.db import house_of
from tillhouse.kernel.errors import InvalidInput, NotFound
from tillhouse.kernel.money import Money
from tillhouse.kernel.rotation import rotate_keys
from tillhouse.kernel.settings import KernelSettings
from tillhouse.kernel.work import run_due
from tillhouse.parts.payments import api
from tillhouse.parts.payments.domain import BankAccount, Destination, NameMatch, PayeeState, PayoutState, Vpa
from tillhouse.parts.payments.domain.names import masked_name, match_names
from tillhouse.parts.payments.domain.payees import account_of
from tillhouse.parts.payments.ports import AccountFacts
from tillhouse.parts.payments.service.checks import erase_person
from tillhouse.parts.payments.service.guards import PayeeCooling, PayeeRefused
from tillhouse.parts.payments.service.payees import (
    TooManyPayees,
    begin_check,
    fingerprint,
    payout_accounts,
    record_check,
)
from tillhouse.parts.wallets.api import PayoutAccount
from tillhouse.sandbox.razorpay.validations import FundAccountValidation

HDFC = BankAccount("Asha Rao", "HDFC0001234", "50100012345678")
OTHER_NAME = BankAccount("Asha Rao", "HDFC0001234", "50100012000007")
NO_SUCH_ACCOUNT = BankAccount("Asha Rao", "HDFC0001234", "50100012000001")
SILENT = BankAccount("Asha Rao", "HDFC0001234", "50100012000009")
LARGE = "30000.00"  # above what an account must be known for, and above what may go to a new one


@pytest.fixture
async def till(settings: KernelSettings) -> AsyncIterator[Till]:
    """A house with the guards of a fresh installation."""
    async with open_till(settings, guarded=True) as opened:
        yield opened


@pytest.fixture
async def warm(till: Till) -> Till:
    """The same, where an account is not new for any time."""
    till.change_guards(cooling_hours=0)
    return till


async def rich(till: Till, amount: str = "90000.00") -> UUID:
    person = new_person()
    await till.give(person, rupees(amount))
    return person


def asha(person: UUID) -> Principal:
    return Principal("person", person, display_name="Asha Rao")


async def save(till: Till, person: UUID, to: Destination = HDFC) -> api.PayeeView:
    async with till.house.database.transaction() as session:
        return await api.add_payee(session, asha(person), to)


async def payees(till: Till, person: UUID) -> list[api.PayeeView]:
    async with till.house.database.reading() as session:
        return list((await api.payees_of(session, person))[0])


async def payee(till: Till, person: UUID) -> api.PayeeView:
    (found,) = await payees(till, person)
    return found


async def remove(till: Till, person: UUID, payee_id: UUID) -> None:
    async with till.house.database.transaction() as session:
        await api.remove_payee(session, asha(person), payee_id)


def checks_outside(till: Till) -> list[FundAccountValidation]:
    return till.sandbox.world.store.find(FundAccountValidation, limit=1000)


# --- names ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("registered", "ours", "match"),
    [
        ("ASHA RAO", "Asha Rao", NameMatch.MATCH),
        ("MRS. RAO ASHA", "Asha Rao", NameMatch.MATCH),
        ("ASHA K RAO", "Asha Kumari Rao", NameMatch.MATCH),
        ("ASHA K", "Asha Kumar", NameMatch.MATCH),
        ("ASHARAO", "Asha Rao", NameMatch.MATCH),
        ("Asha Kumari Rao", "Asha Rao", NameMatch.MATCH),
        ("José Peña", "JOSE PENA", NameMatch.MATCH),
        ("नाशा राव", "नाशा राव", NameMatch.MATCH),
        ("นาย สมชาย ใจดี", "สมชาย ใจดี", NameMatch.MATCH),
        ("ASHA", "Asha Rao", NameMatch.PARTIAL),
        ("ASHA IYER", "Asha Rao", NameMatch.PARTIAL),
        ("A R", "Asha Rao", NameMatch.MISMATCH),
        ("RAVI KUMAR", "Asha Rao", NameMatch.MISMATCH),
        ("ASHOK", "Asha", NameMatch.MISMATCH),
        ("MR", "Asha Rao", NameMatch.MISMATCH),
        ("ASHA RAO", "", NameMatch.MISMATCH),
        ("", "Asha Rao", NameMatch.UNKNOWN),
        (None, "Asha Rao", NameMatch.UNKNOWN),
    ],
)
def test_a_banks_way_of_writing_a_name_is_no_other_person(registered: str | None, ours: str, match: NameMatch) -> None:
    assert match_names(registered, ours) == match


def test_a_registered_name_is_shown_so_that_its_owner_knows_it() -> None:
    assert [masked_name(name) for name in ("ASHA KUMARI", "ASHA", "")] == ["ASHA K…", "AS…", "…"]


def test_the_same_account_is_the_same_however_it_is_written() -> None:
    again = BankAccount("A. Rao", "HDFC0009999", HDFC.account_number)
    assert account_of(again) == account_of(HDFC)
    assert account_of(Vpa("Asha@OkBank")) == account_of(Vpa("asha@okbank"))
    assert account_of(OTHER_NAME) != account_of(HDFC)


# --- saved and removed ----------------------------------------------------------------------------------------------


async def test_a_withdrawal_saves_its_account_once_and_finds_it_again(till: Till) -> None:
    person = await rich(till)
    for _ in range(2):
        await till.withdraw(person, to=HDFC)
    found = await payee(till, person)
    assert (found.destination, found.state) == ("HDFC …5678", PayeeState.NEW)
    assert checks_outside(till) == []  # small amounts cost no question


async def test_ten_first_withdrawals_at_once_save_one_payee(till: Till) -> None:
    person = await rich(till)
    await asyncio.gather(*(till.withdraw(person, to=HDFC) for _ in range(10)))
    assert len(await payees(till, person)) == 1


async def test_what_identifies_an_account_is_sealed_and_its_fingerprint_needs_our_key(till: Till) -> None:
    person = await rich(till)
    await save(till, person)
    await till.pass_time(timedelta(minutes=3))
    async with till.house.database.transaction() as session:
        row: str = (await session.execute(text("SELECT p::text FROM payments.payees p"))).scalar_one()
        assert HDFC.account_number not in row
        assert "Asha" not in row
        before = fingerprint(house_of(session), HDFC)
    other_key = KernelSettings(**{**till.house.settings.model_dump(), "secret_key": "x" * 32})
    till.house.settings = other_key
    assert fingerprint(till.house, HDFC) != before


async def test_the_keys_of_payees_can_be_rotated_before_a_name_is_known_too(till: Till) -> None:
    person = await rich(till)
    await till.withdraw(person, to=HDFC)
    done = {column.table + "." + column.column: count async for column, count in rotate_keys(till.house)}
    assert (done["payments.payees.destination"], done["payments.payees.registered_name"]) == (1, 0)


async def test_a_payee_of_somebody_else_is_not_found_and_stays(till: Till) -> None:
    person, other = await rich(till), await rich(till)
    saved = await save(till, person)
    with pytest.raises(NotFound):
        await remove(till, other, saved.id)
    with pytest.raises(NotFound):
        await api.withdraw(till.house, asha(other), Money(100, "INR"), api.SavedPayee(saved.id), request_key="k")
    assert (await payee(till, person)).id == saved.id
    assert await till.available(other) == "90000.00"


async def test_removing_a_payee_does_not_touch_what_is_on_its_way(till: Till) -> None:
    person = await rich(till)
    payout = await till.withdraw(person, "100.00", HDFC)
    await remove(till, person, (await payee(till, person)).id)
    assert await payees(till, person) == []
    await till.pass_time(timedelta(minutes=4))
    assert (await till.see_payout(payout)).state == PayoutState.PROCESSED
    with pytest.raises(NotFound):
        await api.withdraw(till.house, asha(person), Money(1, "INR"), api.SavedPayee(payout.id), request_key="k")


async def test_a_removed_payee_that_is_added_again_is_new_again(till: Till) -> None:
    person = await rich(till)
    saved = await save(till, person)
    await till.pass_time(timedelta(hours=25), step=timedelta(hours=5))
    assert (await payee(till, person)).state == PayeeState.VERIFIED
    await remove(till, person, saved.id)
    with pytest.raises(PayeeCooling):
        await till.withdraw(person, LARGE, HDFC)
    again = await save(till, person)
    assert (again.id, again.state, again.registered_name) == (saved.id, PayeeState.CHECKING, None)
    assert again.usable_from == till.at.at + timedelta(hours=24)


async def test_a_person_saves_only_so_many_accounts(till: Till) -> None:
    till.change_guards(most_payees=2)
    person = await rich(till)
    for number in range(2):
        await save(till, person, Vpa(f"asha{number}@okbank"))
    with pytest.raises(TooManyPayees):
        await save(till, person, Vpa("asha3@okbank"))
    assert len(await payees(till, person)) == 2
    await save(till, person, Vpa("asha1@okbank"))  # known already


async def test_erasing_a_person_forgets_the_accounts(till: Till) -> None:
    person = await rich(till)
    await till.withdraw(person, to=HDFC)
    await save(till, person, Vpa("asha@okbank"))
    await till.pass_time(timedelta(minutes=5))
    async with till.house.database.transaction() as session:
        known = fingerprint(house_of(session), HDFC)
        await erase_person(session, person, [])
        rows = (await session.execute(text("SELECT masked, fingerprint, registered_name FROM payments.payees"))).all()
        left = (
            await session.execute(text("SELECT count(*) FROM payments.payouts WHERE fingerprint IS NOT NULL"))
        ).one()
    assert {(row[0], row[2]) for row in rows} == {("…", None)}
    assert known not in {row[1] for row in rows}
    assert left[0] == 0
    assert await payees(till, person) == []


async def asked(till: Till, person: UUID) -> tuple[bool, bool, str | None]:
    """Whether the bank has answered about an account, whether it is asked again, and what it said."""
    query = text("SELECT checked_at, next_check_at, check_reason FROM payments.payees WHERE owner_id = :owner")
    async with till.house.database.reading() as session:
        answered, again, said = (await session.execute(query, {"owner": person})).one()
    return bool(answered), bool(again), said


# --- asked about ----------------------------------------------------------------------------------------------------


async def test_the_bank_says_whose_a_saved_account_is(till: Till) -> None:
    person, agreed = await rich(till), {"provider": "razorpayx", "state": "match"}
    before = counted("account_checks", agreed)
    saved = await save(till, person)
    assert saved.state == PayeeState.CHECKING
    await till.pass_time(timedelta(minutes=3))
    assert counted("account_checks", agreed) == before + 1
    known = await payee(till, person)
    assert (known.state, known.registered_name, known.name_match) == (PayeeState.VERIFIED, "Asha R…", NameMatch.MATCH)
    assert len(checks_outside(till)) == 1
    assert await asked(till, person) == (True, False, None)


async def test_what_banks_said_of_accounts_is_compared_with_any_name(till: Till) -> None:
    person, unknown = await rich(till), new_person()
    await save(till, person)

    async def told(owner: UUID, name: str) -> list[PayoutAccount]:
        async with till.house.database.reading() as session:
            return await payout_accounts(session, "person", owner, name)

    assert await told(person, "Asha Rao") == [PayoutAccount(False, "unknown")]
    await till.pass_time(timedelta(minutes=3))
    assert await told(person, "RAO ASHA") == [PayoutAccount(True, "match")]
    assert await told(person, "Ravi Kumar") == [PayoutAccount(True, "mismatch")]
    assert await told(unknown, "Asha Rao") == []


@pytest.mark.parametrize(
    ("to", "state"), [(NO_SUCH_ACCOUNT, PayeeState.REFUSED), (Vpa("failure@razorpay"), PayeeState.REFUSED)]
)
async def test_nothing_goes_to_an_account_that_the_bank_does_not_know(
    till: Till, to: Destination, state: PayeeState
) -> None:
    person = await rich(till)
    await save(till, person, to)
    await till.pass_time(timedelta(minutes=3))
    assert (await payee(till, person)).state == state
    with pytest.raises(PayeeRefused):
        await till.withdraw(person, "1.00", to)
    assert await till.available(person) == "90000.00"
    assert till.payouts_outside() == []


async def test_a_large_withdrawal_waits_for_the_bank_and_then_goes_by_itself(warm: Till) -> None:
    person = await rich(warm)
    payout = await warm.withdraw(person, LARGE, HDFC)
    assert (payout.state, payout.waits_for_bank) == (PayoutState.AWAITING_APPROVAL, True)
    assert "asking the bank" in payout.sentence
    assert await warm.available(person) == "60000.00"
    await warm.pass_time(timedelta(minutes=6))
    assert (await warm.see_payout(payout)).state == PayoutState.PROCESSED
    second = await warm.withdraw(person, LARGE, HDFC)
    assert second.state == PayoutState.RESERVED
    assert len(checks_outside(warm)) == 1


async def test_slices_to_an_unknown_account_count_together(warm: Till) -> None:
    person = await rich(warm)
    states = [(await warm.withdraw(person, "9000.00", HDFC)).state for _ in range(3)]
    assert states == [PayoutState.RESERVED, PayoutState.RESERVED, PayoutState.AWAITING_APPROVAL]


async def test_a_large_withdrawal_to_an_account_that_is_not_there_is_turned_down(warm: Till) -> None:
    person = await rich(warm)
    payout = await warm.withdraw(person, LARGE, NO_SUCH_ACCOUNT)
    await warm.pass_time(timedelta(minutes=3))
    ended = await warm.see_payout(payout)
    assert (ended.state, ended.failure_code) == (PayoutState.REJECTED, "payee_refused")
    _, again, said = await asked(warm, person)
    assert (again, ended.failure_message) == (False, said)
    assert said
    assert await warm.available(person) == "90000.00"
    assert warm.payouts_outside() == []


async def test_an_account_of_somebody_else_is_never_paid_silently(warm: Till) -> None:
    person = await rich(warm)
    large = await warm.withdraw(person, LARGE, OTHER_NAME)
    await warm.pass_time(timedelta(minutes=5))
    assert (await payee(warm, person)).name_match == NameMatch.MISMATCH
    small = await warm.withdraw(person, "1.00", OTHER_NAME)
    for payout in (large, small):
        seen = await warm.see_payout(payout)
        assert (seen.state, seen.reasons) == (PayoutState.AWAITING_APPROVAL, ("name_mismatch",))
    assert warm.payouts_outside() == []


@pytest.mark.parametrize(("enough", "state"), [(False, "awaiting_approval"), (True, "reserved")])
async def test_a_name_that_agrees_in_part_is_looked_at_unless_that_is_enough(
    warm: Till, enough: bool, state: str
) -> None:
    warm.change_guards(partial_names_pass=enough)
    person, to = await rich(warm), BankAccount("Asha Iyer", "HDFC0001234", "50100012345999")
    await save(warm, person, to)
    await warm.pass_time(timedelta(minutes=3))
    assert (await payee(warm, person)).name_match == NameMatch.PARTIAL
    assert (await warm.withdraw(person, "1.00", to)).state == PayoutState.RESERVED
    assert (await warm.withdraw(person, LARGE, to)).state == state


async def test_a_bank_that_stays_silent_is_asked_about_and_then_put_before_a_person(warm: Till) -> None:
    person = await rich(warm)
    payout = await warm.withdraw(person, LARGE, SILENT)
    await warm.pass_time(timedelta(hours=26), step=timedelta(hours=1))
    assert (await payee(warm, person)).state == PayeeState.CHECKING
    assert ("payee", "check_unanswered") in await warm.exceptions()
    assert (await warm.see_payout(payout)).state == PayoutState.AWAITING_APPROVAL
    assert len(checks_outside(warm)) == 1


@pytest.mark.parametrize("fault", ["timeout_before", "timeout_after", "cut_stream", "status_500", "status_429"])
async def test_a_question_without_an_answer_is_asked_once(till: Till, fault: str) -> None:
    person = await rich(till)
    await till.fault(fault, "POST /v1/fund_accounts/validations", provider="razorpayx")
    await save(till, person)
    await run_due(till.house)
    assert (await payee(till, person)).state == PayeeState.CHECKING
    await till.pass_time(timedelta(minutes=6))
    assert (await payee(till, person)).state == PayeeState.VERIFIED
    assert len(checks_outside(till)) == 1


async def test_without_any_event_the_answer_is_found_by_asking(till: Till) -> None:
    person = await rich(till)
    await till.fault("drop", "fund_account.validation.completed", provider="razorpayx", count=10)
    await save(till, person)
    await till.pass_time(timedelta(minutes=6))
    assert (await payee(till, person)).state == PayeeState.VERIFIED


EVENTS = ("truth", "truth again", "lie", "foreign")


@pytest.mark.parametrize("order", list(itertools.permutations(EVENTS)), ids=" > ".join)
async def test_events_of_a_check_end_the_same_in_any_order(warm: Till, order: tuple[str, ...]) -> None:
    person = await rich(warm)
    payout = await warm.withdraw(person, LARGE, HDFC)
    await warm.quiet()
    warm.sandbox_clock.advance(61)
    await warm.fault("drop", "fund_account.validation.completed", provider="razorpayx")
    await warm.quiet()
    (check,) = checks_outside(warm)
    bodies = {
        "truth": ("completed", check.wire()),
        "truth again": ("completed", {**check.wire(), "created_at": 1}),
        "lie": ("failed", {**check.wire(), "status": "failed", "results": {}}),
        "foreign": ("failed", {**check.wire(), "id": "fav_SomebodyElses0"}),
    }
    for name in order:
        event, entity = bodies[name]
        payload = {"fund_account.validation": {"entity": entity}}
        body = {"provider": "razorpayx", "event": f"fund_account.validation.{event}", "payload": payload}
        assert (await warm.outside("POST", "/_sandbox/webhooks", body)).status_code == 201
        await warm.quiet()
    assert (await payee(warm, person)).state == PayeeState.VERIFIED
    await warm.pass_time(timedelta(minutes=4))
    assert (await warm.see_payout(payout)).state == PayoutState.PROCESSED
    assert len(warm.payouts_outside()) == 1
    assert await warm.parked() == []


async def test_an_answer_to_a_question_that_was_taken_back_changes_nothing(till: Till) -> None:
    person = await rich(till)
    saved = await save(till, person)
    await till.quiet()
    await remove(till, person, saved.id)
    await till.pass_time(timedelta(minutes=3))
    assert await payees(till, person) == []
    async with till.house.database.reading() as session:
        row = (await session.execute(text("SELECT state, name_match FROM payments.payees"))).one()
    assert tuple(row) == ("removed", None)


async def test_an_answer_to_an_earlier_question_does_not_answer_a_later_one(till: Till) -> None:
    person = await rich(till)
    saved = await save(till, person)
    async with till.house.database.transaction() as session:
        asked = await begin_check(session, saved.id)
    assert asked
    await remove(till, person, saved.id)
    again = await save(till, person)
    async with till.house.database.transaction() as session:
        late = await record_check(session, asked, AccountFacts("fav_1", "valid", registered_name="Asha Rao"))
    assert late is None
    assert (await payee(till, person)).state == PayeeState.CHECKING == again.state


async def test_an_answer_about_an_account_whose_owner_is_erased_changes_nothing(till: Till) -> None:
    person = new_person()
    saved = await save(till, person)
    async with till.house.database.transaction() as session:
        asked = await begin_check(session, saved.id)
    assert asked
    async with till.house.database.transaction() as session:
        await erase_person(session, person, ())
    async with till.house.database.transaction() as session:
        assert await record_check(session, asked, AccountFacts("fav_1", "valid", registered_name="Asha Rao")) is None


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize(
    ("to", "ends", "left"),
    [
        (HDFC, (PayoutState.PROCESSING, PayoutState.PROCESSED), "60000.00"),
        (NO_SUCH_ACCOUNT, (PayoutState.REJECTED,), "90000.00"),
    ],
    ids=["verified", "refused"],
)
async def test_killed_anywhere_in_a_check_it_is_asked_once_and_the_withdrawal_ends(
    warm: Till, to: BankAccount, ends: tuple[PayoutState, ...], left: str
) -> None:
    warm.change_guards(persons_per_account=1000, account_limits=())
    for kill_at in range(1, 100):
        person = await rich(warm)
        asked = len(checks_outside(warm))
        with suppress(Killed), killed_at(warm.house, kill_at) as steps:
            await warm.withdraw(person, LARGE, to, key="form")
            await warm.quiet()
            warm.sandbox_clock.advance(61)
            await warm.quiet()
        payout = await warm.withdraw(person, LARGE, to, key="form")
        await warm.restart()
        step = steps.passed[-1]
        assert (await warm.see_payout(payout)).state in ends, step
        assert await warm.available(person) == left, step
        assert len(checks_outside(warm)) == asked + 1, step
        sent = [found for found in warm.payouts_outside() if found["reference_id"] == str(payout.id)]
        assert len(sent) == (1 if to == HDFC else 0), step
        if len(steps.passed) < kill_at:
            break
    assert kill_at > 5


# --- new ------------------------------------------------------------------------------------------------------------


async def test_a_new_account_takes_small_amounts_first_and_any_after_a_day(till: Till) -> None:
    person = await rich(till)
    await till.withdraw(person, "20000.00", HDFC)
    with pytest.raises(PayeeCooling) as refusal:
        await till.withdraw(person, "5000.01", HDFC)
    assert refusal.value.fields == {"left": Money(500_000, "INR"), "when": START + timedelta(hours=24)}
    assert await till.available(person) == "70000.00"
    await till.withdraw(person, "5000.00", HDFC)
    await till.pass_time(timedelta(hours=25), step=timedelta(hours=5))
    payout = await till.withdraw(person, LARGE, HDFC)
    await till.pass_time(timedelta(minutes=8))
    assert (await till.see_payout(payout)).state == PayoutState.PROCESSED


async def test_a_refused_first_withdrawal_begins_the_waiting_all_the_same(till: Till) -> None:
    person = await rich(till)
    with pytest.raises(PayeeCooling):
        await api.withdraw(till.house, asha(person), Money(3_000_000, "INR"), HDFC, request_key="a")
    assert (await payee(till, person)).usable_from == START + timedelta(hours=24)
    assert await till.available(person) == "90000.00"
    with pytest.raises(InvalidInput):  # what cannot be withdrawn at all saves nothing
        await api.withdraw(till.house, asha(person), Money(1, "INR"), Vpa("a.b@okbank"), request_key="b")
    assert len(await payees(till, person)) == 1
