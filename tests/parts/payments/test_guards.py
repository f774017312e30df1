"""What guards payouts: how often and how much, to whom, and what a person has to look at."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

import httpx
import pytest
from sqlalchemy import text

from tests.parts.payments.test_endpoints import VPA, Caller, fill, someone, token_of
from tests.parts.payments.till import Till, new_person, open_till, rupees
from tillhouse.kernel.access import SYSTEM
from tillhouse.kernel.errors import Conflict, DomainError, Forbidden, InvalidInput
from tillhouse.kernel.ids import new_id
from tillhouse.kernel.money import Money
from tillhouse.kernel.settings import KernelSettings
from tillhouse.parts.identity import store as identity_store
from tillhouse.parts.identity.api import CodeSource
from tillhouse.parts.identity.models import IdentifierRow
from tillhouse.parts.identity.service import machines
from tillhouse.parts.payments import api
from tillhouse.parts.payments.domain import Destination, PayoutState, StripeAccount, ThaiBankAccount, Vpa
from tillhouse.parts.payments.domain.velocity import Limit, Used, excess, parse_limit
from tillhouse.parts.payments.service.guards import OverVelocity
from tillhouse.parts.payments.service.registry import choose_payout_provider
from tillhouse.parts.payments.service.reviews import approve_payout, check_decision, reject_payout
from tillhouse.parts.payments.settings import PayoutGuards

MINE = Vpa("asha@okbank")
OTHERS = Vpa("asha.rao@okbank")
LIMITS = ("person_limits", "payee_limits", "account_limits", "house_limits")


@pytest.fixture
async def till(settings: KernelSettings, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Till]:
    """A house with no limit by time but those that a test sets; accounts are not new for any time."""
    monkeypatch.setenv("IDENTITY_ARGON2_MEMORY_KIB", "64")
    async with open_till(settings, guarded=True) as opened:
        opened.change_guards(cooling_hours=0, **dict.fromkeys(LIMITS, ()))
        yield opened


async def rich(till: Till, amount: str = "90000.00") -> UUID:
    person = new_person()
    await till.give(person, rupees(amount))
    return person


async def wait(till: Till, person: UUID, amount: str = "60000.00", to: Destination = MINE) -> api.PayoutView:
    """A payout that waits for a person because of its amount."""
    till.change_guards(verify_above=("INR=100000000",))
    payout = await till.withdraw(person, amount, to)
    assert (payout.state, payout.reasons) == (PayoutState.AWAITING_APPROVAL, ("large_amount",))
    return payout


async def decisions(till: Till) -> list[tuple[str, str, str]]:
    async with till.house.database.reading() as session:
        query = text("SELECT decision, reason, note FROM payments.payout_reviews ORDER BY id")
        return [(row[0], row[1], row[2]) for row in await session.execute(query)]


# --- how often, how much --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong", ["INR", "INR=hour:1", "INR=year:1:1", "inr=hour:1:1", "INR=hour:-1:1", "INR=hour:1:1 "]
)
def test_a_limit_that_cannot_be_read_is_refused_when_the_house_starts(wrong: str) -> None:
    with pytest.raises(ValueError, match="INR=hour:20:10000000"):
        parse_limit(wrong)
    with pytest.raises(ValueError, match="INR=hour:20:10000000"):
        PayoutGuards(person_limits=(wrong,))


def test_a_limit_is_met_exactly_and_not_passed() -> None:
    limit = parse_limit("INR=hour:2:500")
    assert limit == Limit("INR", "hour", 2, 500)
    assert excess(limit, Used(2, 500, timedelta())) is None
    number, total = excess(limit, Used(3, 1, timedelta(minutes=20))), excess(limit, Used(1, 501, timedelta()))
    assert number
    assert total
    assert (number.what, number.again_in, total.what) == ("count", timedelta(minutes=40), "total")


@pytest.mark.parametrize(
    ("setting", "limit", "code"),
    [
        ("person_limits", "INR=hour:2:1000000", "person_hour_count"),
        ("person_limits", "INR=day:9:20000", "person_day_total"),
        ("person_limits", "INR=week:2:1000000", "person_week_count"),
        ("payee_limits", "INR=hour:2:1000000", "payee_hour_count"),
        ("payee_limits", "INR=week:9:20000", "payee_week_total"),
    ],
)
async def test_more_than_may_go_within_a_time_is_refused_and_goes_later(
    till: Till, setting: str, limit: str, code: str
) -> None:
    till.change_guards(**{setting: (limit, "THB=hour:0:0")})
    person = await rich(till)
    for _ in range(2):
        await till.withdraw(person, to=MINE)
    with pytest.raises(OverVelocity) as refusal:
        await till.withdraw(person, to=MINE)
    assert refusal.value.errors[0].code == code
    again = refusal.value.fields["again"]
    assert isinstance(again, datetime)
    assert till.at.at < again <= till.at.at + timedelta(days=7)
    assert re.search("Nothing was taken from (your|the) wallet", refusal.value.message)
    assert ("within a short time" in refusal.value.message) == code.endswith("_count")
    assert await till.available(person) == "89800.00"
    await rich(till)
    if setting == "payee_limits":
        await till.withdraw(person, to=OTHERS)
    await till.pass_time(timedelta(days=7, hours=1), step=timedelta(hours=13))
    await till.withdraw(person, to=MINE)


async def test_what_never_went_out_is_not_counted(till: Till) -> None:
    till.change_guards(person_limits=("INR=day:1:1000000",))
    person = await rich(till)
    await till.withdraw(person, to=Vpa("failure@razorpay"))
    await till.pass_time(timedelta(minutes=4))
    await till.withdraw(person, to=MINE)
    with pytest.raises(OverVelocity):
        await till.withdraw(person, to=MINE)


async def test_of_100_withdrawals_at_once_as_many_go_as_may(till: Till) -> None:
    till.change_guards(person_limits=("INR=hour:7:100000000",))
    person = await rich(till)
    targets = (MINE, OTHERS)
    outcomes = await asyncio.gather(
        *(till.withdraw(person, "100.00", targets[number % 2]) for number in range(100)), return_exceptions=True
    )
    made = [outcome for outcome in outcomes if isinstance(outcome, api.PayoutView)]
    assert len(made) == 7
    assert [type(one) for one in outcomes if not isinstance(one, api.PayoutView)] == [OverVelocity] * 93
    assert await till.available(person) == "89300.00"
    await till.quiet()
    assert len(till.payouts_outside()) == 7


async def test_an_account_that_many_people_are_paid_to_is_looked_at_also_when_they_come_at_once(till: Till) -> None:
    till.change_guards(persons_per_account=3)
    people = [await rich(till, "100.00") for _ in range(8)]
    made = await asyncio.gather(*(till.withdraw(person, "50.00", MINE) for person in people))
    waiting = [payout for payout in made if payout.state == PayoutState.AWAITING_APPROVAL]
    assert len(waiting) == 5
    assert {payout.reasons for payout in waiting} == {("account_shared",)}
    again = await till.withdraw(next(iter(people)), "1.00", OTHERS)
    assert again.state == PayoutState.RESERVED


async def test_an_account_that_much_goes_to_is_looked_at(till: Till) -> None:
    till.change_guards(account_limits=("INR=day:9:15000",))
    first, second = await rich(till), await rich(till)
    assert (await till.withdraw(first, "100.00", MINE)).state == PayoutState.RESERVED
    payout = await till.withdraw(second, "100.00", MINE)
    assert (payout.state, payout.reasons) == (PayoutState.AWAITING_APPROVAL, ("account_busy",))


async def test_when_too_much_leaves_the_house_at_once_the_rest_waits_for_a_person(till: Till) -> None:
    till.change_guards(house_limits=("INR=hour:4:100000000",))
    people = [await rich(till, "100.00") for _ in range(10)]
    made = await asyncio.gather(
        *(till.withdraw(person, "50.00", Vpa(f"p{number}@okbank")) for number, person in enumerate(people))
    )
    assert sorted(payout.state for payout in made) == ["awaiting_approval"] * 6 + ["reserved"] * 4
    assert ("house", "payouts_over_house_limit") in await till.exceptions()
    await till.pass_time(timedelta(minutes=61), step=timedelta(minutes=10))
    person = await rich(till)
    assert (await till.withdraw(person, "50.00", MINE)).state == PayoutState.RESERVED
    late = [payout for payout in made if payout.state == PayoutState.AWAITING_APPROVAL]
    assert {(await till.see_payout(payout)).state for payout in late} == {PayoutState.AWAITING_APPROVAL}


# --- decided by people ----------------------------------------------------------------------------------------------


async def test_two_different_people_approve_a_very_large_payout(till: Till) -> None:
    person, first, second = await rich(till), new_person(), new_person()
    payout = await wait(till, person, "80000.00")
    async with till.house.database.transaction() as session:
        await approve_payout(session, payout.id, first, reason="spoke_to_person", note="called back")
    assert (await till.see_payout(payout)).state == PayoutState.AWAITING_APPROVAL
    async with till.house.database.transaction() as session:
        with pytest.raises(Conflict):
            await approve_payout(session, payout.id, first, reason="checked")
        with pytest.raises(Forbidden):
            await approve_payout(session, payout.id, person)
    await till.pass_time(timedelta(minutes=5))
    assert till.payouts_outside() == []
    async with till.house.database.transaction() as session:
        await approve_payout(session, payout.id, second)
    await till.pass_time(timedelta(minutes=5))
    assert (await till.see_payout(payout)).state == PayoutState.PROCESSED
    assert await decisions(till) == [("approved", "spoke_to_person", "called back"), ("approved", "checked", "")]


async def test_two_approvals_at_once_by_one_person_are_one(till: Till) -> None:
    person, first = await rich(till), new_person()
    payout = await wait(till, person, "80000.00")

    async def approve() -> None:
        async with till.house.database.transaction() as session:
            await approve_payout(session, payout.id, first)

    outcomes = await asyncio.gather(*(approve() for _ in range(5)), return_exceptions=True)
    assert sorted(type(one).__name__ for one in outcomes) == ["Conflict"] * 4 + ["NoneType"]
    assert (await till.see_payout(payout)).state == PayoutState.AWAITING_APPROVAL


async def test_who_has_approved_may_think_better_of_it_and_one_rejection_is_enough(till: Till) -> None:
    person, first = await rich(till), new_person()
    payout = await wait(till, person, "80000.00")
    async with till.house.database.transaction() as session:
        await approve_payout(session, payout.id, first)
        await reject_payout(session, payout.id, first, reason="suspected_fraud")
        with pytest.raises(Conflict):
            await approve_payout(session, payout.id, new_person())
    assert (await till.see_payout(payout)).state == PayoutState.REJECTED
    assert await till.available(person) == "90000.00"


@pytest.mark.parametrize("reason", [None, "because", "suspected_fraud"])
async def test_what_waits_for_more_than_its_amount_needs_a_reason_that_is_known(till: Till, reason: str | None) -> None:
    till.change_guards(persons_per_account=1)
    person = await rich(till)
    await till.withdraw(await rich(till), "1.00", MINE)
    payout = await till.withdraw(person, "50.00", MINE)
    async with till.house.database.transaction() as session:
        with pytest.raises(InvalidInput) as refusal:
            await approve_payout(session, payout.id, new_person(), reason=reason)
    assert refusal.value.errors[0].pointer == "/reason"
    assert (await till.see_payout(payout)).state == PayoutState.AWAITING_APPROVAL
    assert await decisions(till) == []


@pytest.mark.parametrize(
    ("verdict", "reason", "wrong"),
    [
        ("approve", None, "unknown_reason"), ("approve", "suspected_fraud", "unknown_reason"),
        ("approve", "known_payee", None), ("reject", None, "unknown_reason"),
        ("reject", "known_payee", "unknown_reason"), ("reject", "suspected_fraud", None),
    ],
)  # fmt: skip
async def test_what_may_not_be_decided_is_said_before_anybody_decides(
    till: Till, verdict: Literal["approve", "reject"], reason: str | None, wrong: str | None
) -> None:
    till.change_guards(persons_per_account=1)
    person, staff = await rich(till), new_person()
    await till.withdraw(await rich(till), "1.00", MINE)
    payout = await till.withdraw(person, "50.00", MINE)
    decide = approve_payout if verdict == "approve" else reject_payout
    for by, expected in ((person, "forbidden"), (staff, wrong)):
        async with till.house.database.transaction() as session:
            before = await refused(check_decision(session, payout.id, by, verdict, reason))
        assert (await till.see_payout(payout)).state == PayoutState.AWAITING_APPROVAL
        async with till.house.database.transaction() as session:
            assert before == await refused(decide(session, payout.id, by, reason=reason)) == expected


async def refused(act: Awaitable[object]) -> str | None:
    """The code of what is wrong, if anything is."""
    try:
        await act
    except DomainError as error:
        return error.errors[0].code if error.errors else error.code
    return None


# --- over the wire --------------------------------------------------------------------------------------------------


async def test_the_queue_is_read_page_by_page_by_staff_alone(till: Till) -> None:
    till.change_guards(persons_per_account=1)
    asha, staff = await someone(till), await someone(till, "Stella Ops", "staff", assurance=2)
    await till.withdraw(await rich(till), "1.00", Vpa("success@razorpay"))
    await fill(asha, "500.00")
    ids = [(await withdraw(asha, "10.00")).json()["id"] for _ in range(3)]
    path = "/payments/payouts?state=awaiting_approval&limit=2"
    page = (await staff.get(path)).json()
    last = (await staff.get(f"{path}&cursor={page['next_cursor']}")).json()
    assert [one["id"] for one in [*page["items"], *last["items"]]] == ids
    assert last["next_cursor"] is None
    assert (page["items"][0]["reasons"], page["items"][0]["approvals_needed"]) == (["account_shared"], 1)
    for who in (asha, await someone(till, "Sam Low", "staff")):
        assert (await who.get(path)).status_code == 403
        assert (await who.post(f"/payments/payouts/{ids[0]}/approve", {"reason": "checked"})).status_code == 403
    assert (await staff.post(f"/payments/payouts/{ids[0]}/approve")).status_code == 422
    done = await staff.post(f"/payments/payouts/{ids[0]}/approve", {"reason": "known_payee", "note": "her brother"})
    assert done.json()["status"] == "reserved"
    gone = await staff.post(f"/payments/payouts/{ids[1]}/reject", {"reason": "suspected_fraud"})
    assert gone.json()["status"] == "rejected"
    async with till.house.database.reading() as session:
        query = text("SELECT action, details->>'reason' FROM identity.audit WHERE action LIKE 'payments.%' ORDER BY id")
        rows = [tuple(row) for row in await session.execute(query)]
    assert rows == [("payments.approve", "known_payee"), ("payments.reject", "suspected_fraud")]
    seen = (await staff.get("/payments/payouts?limit=10")).json()["items"]
    assert [one["decisions"][0]["reason"] for one in seen if one["decisions"]] == ["known_payee", "suspected_fraud"]


async def test_nobody_approves_what_a_key_of_their_own_asked_for(till: Till) -> None:
    till.change_settings(withdrawal_approval_above=100)
    asha, staff = await someone(till), await someone(till, "Stella Ops", "staff", assurance=2)
    await fill(asha, "500.00")
    async with till.house.database.transaction() as session:
        made = await machines.create(session, SYSTEM, "payroll", ["payments.payout"])
        made.row.created_by = staff.id
    body = {"amount": "10.00", "currency": "INR", "destination": VPA, "person_id": str(asha.id)}
    payout = (await Caller(till, made.row.id, made.key).post("/payments/payout", body)).json()
    assert (await staff.post(f"/payments/payouts/{payout['id']}/approve")).status_code == 403
    assert (await till.see_payout_id(payout["id"])).state == PayoutState.AWAITING_APPROVAL


async def withdraw(
    who: Caller, amount: str, to: object = None, *, path: str = "/wallets/withdraw", key: str | None = None
) -> httpx.Response:
    return await who.post(path, {"amount": amount, "currency": "INR", "destination": to or VPA}, key=key)


async def test_a_payee_is_saved_chosen_and_removed_over_the_wire(till: Till) -> None:
    asha, other = await someone(till), await someone(till, "Ravi Iyer")
    await fill(asha, "500.00")
    made = await asha.post("/payments/payees", {"destination": VPA})
    assert (made.status_code, made.json()["status"], made.json()["destination"]) == (201, "checking", "su…@razorpay")
    payee_id = made.json()["id"]
    assert (await asha.post("/payments/payees", {"destination": VPA})).json()["id"] == payee_id
    paid = await withdraw(asha, "10.00", {"type": "payee", "payee_id": payee_id})
    assert (paid.status_code, paid.json()["destination"]) == (202, "su…@razorpay")
    assert [one["id"] for one in (await asha.get("/payments/payees")).json()["items"]] == [payee_id]
    assert (await other.get("/payments/payees")).json()["items"] == []
    await fill(other, "10.00")
    assert (await withdraw(other, "10.00", {"type": "payee", "payee_id": payee_id})).status_code == 404
    assert (await other.call("DELETE", f"/payments/payees/{payee_id}")).status_code == 404
    assert (await asha.call("DELETE", f"/payments/payees/{payee_id}")).status_code == 204
    assert (await asha.get("/payments/payees")).json()["items"] == []
    assert (await withdraw(asha, "10.00", {"type": "payee", "payee_id": payee_id})).status_code == 404
    assert asha.id
    assert await till.available(asha.id) == "490.00"


async def test_a_new_account_says_in_words_and_in_the_readers_time_until_when_it_is_new(till: Till) -> None:
    till.change_guards(cooling_hours=24, cooling_above=("INR=10000",))
    asha = await someone(till)
    await fill(asha, "500.00")
    refused = await withdraw(asha, "300.00")
    assert (refused.status_code, refused.json()["code"]) == (422, "payee_cooling")
    assert "at most ₹100.00 may go there until 3 Mar 2026, 3:00 pm" in refused.json()["detail"].replace("\u202f", " ")
    assert asha.id
    assert await till.available(asha.id) == "500.00"
    assert (await withdraw(asha, "100.00")).status_code == 202


async def test_one_key_at_both_addresses_of_a_withdrawal_pays_once(till: Till) -> None:
    asha = await someone(till)
    await fill(asha, "500.00")
    first = await withdraw(asha, "100.00", key="one")
    second = await withdraw(asha, "100.00", path="/wallet/withdrawal", key="one")
    assert (first.status_code, second.status_code, first.json()["id"]) == (202, 202, second.json()["id"])
    assert (await withdraw(asha, "90.00", path="/wallet/withdrawal", key="one")).status_code == 422
    both = await asyncio.gather(
        withdraw(asha, "50.00", key="two"), withdraw(asha, "50.00", path="/wallet/withdrawal", key="two")
    )
    assert {one.status_code for one in both} == {202}
    assert len({one.json()["id"] for one in both}) == 1
    assert asha.id
    assert await till.available(asha.id) == "350.00"


async def test_another_account_under_the_same_key_is_refused_though_it_looks_the_same(till: Till) -> None:
    asha = await someone(till)
    await fill(asha, "500.00")
    first = {"type": "bank_account", "name": "Asha Rao", "ifsc": "HDFC0001234", "account_number": "1111111111"}
    assert (await withdraw(asha, "10.00", first, key="one")).status_code == 202
    twin = {**first, "account_number": "9999991111"}
    refused = await withdraw(asha, "10.00", twin, path="/wallet/withdrawal", key="one")
    assert refused.status_code == 409
    assert asha.id
    assert await till.available(asha.id) == "490.00"


# --- who pays out ---------------------------------------------------------------------------------------------------

THAI = ThaiBankAccount("Somchai Jaidee", "kbank", "1234567890")
STRIPE = StripeAccount("acct_1032D82eZvKYlo2C")


@pytest.mark.parametrize(
    ("to", "currency", "provider"),
    [(MINE, "INR", "razorpayx"), (THAI, "THB", "omise"), (STRIPE, "THB", "stripe"), (STRIPE, "INR", "stripe")],
)
async def test_who_pays_out_follows_from_where_it_goes_and_in_what(
    till: Till, to: Destination, currency: str, provider: str
) -> None:
    assert choose_payout_provider(till.house, to.kind, currency).gateway.name == provider


@pytest.mark.parametrize(("to", "currency"), [(MINE, "THB"), (THAI, "INR"), (STRIPE, "VND"), (MINE, "USD")])
async def test_what_nobody_pays_out_is_refused_at_the_currency(till: Till, to: Destination, currency: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        choose_payout_provider(till.house, to.kind, currency)
    (wrong,) = refusal.value.errors
    assert (wrong.pointer, wrong.code) == ("/currency", "currency_not_paid_out")
    nowhere = currency == "VND"
    assert wrong.message == (
        "This currency cannot be paid out here."
        if nowhere
        else "This currency cannot be paid out to such an account: choose another kind of account."
    )


async def test_baht_go_to_a_thai_bank_account_through_omise(till: Till) -> None:
    asha = await someone(till)
    assert asha.id
    await till.give(asha.id, Money.parse("5000.00", "THB"))
    to = {"type": "thai_bank_account", "name": THAI.name, "bank": "KBANK", "account_number": "123-4-56789-0"}
    body = {"amount": "100.00", "currency": "THB", "destination": to}
    made = await asha.post("/wallets/withdraw", body)
    assert (made.status_code, made.json()["destination"]) == (202, "KBANK …7890")
    async with till.house.database.reading() as session:
        row = (await session.execute(text("SELECT provider, currency FROM payments.payouts"))).one()
    assert tuple(row) == ("omise", "THB")
    wrong = {**body, "destination": {**to, "bank": "12", "account_number": "1"}}
    refused = await asha.post("/wallets/withdraw", wrong)
    assert [one["pointer"] for one in refused.json()["errors"]] == ["/destination/bank", "/destination/account_number"]


# --- who they are ---------------------------------------------------------------------------------------------------


async def add_address(till: Till, who: Caller, address: str) -> None:
    """A confirmed address more, as whoever holds a session could add one."""
    assert who.id
    async with till.house.database.transaction() as session:
        row = IdentifierRow(id=new_id(), person_id=who.id, kind="email", value=address, confirmed_at=till.at.at)
        assert await identity_store.claim_identifier(session, row)


async def drop_address(till: Till, address: str) -> None:
    async with till.house.database.transaction() as session:
        await session.execute(text("DELETE FROM identity.identifiers WHERE value = :it"), {"it": address})


async def code_to(till: Till, address: str) -> str | None:
    """The code that was sent to an address last, if one was."""
    await till.quiet()
    async with till.house.database.reading() as session:
        query = text("SELECT id FROM identity.challenges WHERE value = :it ORDER BY id DESC LIMIT 1")
        found = (await session.execute(query, {"it": address})).scalar_one_or_none()
        code = await till.house.the(CodeSource).read(session, found) if found else None
    return code.text if code else None


async def test_a_code_to_an_old_address_lets_a_large_withdrawal_go_and_none_is_sent_to_a_new_one(till: Till) -> None:
    asha = await someone(till)
    await fill(asha, "20000.00")
    till.at.advance(timedelta(days=3))
    asha = Caller(till, asha.id, await fresh_token(till, asha))
    await add_address(till, asha, "thief@example.com")
    assert (await withdraw(asha, "15000.00")).json()["code"] == "step_up_required"
    assert (await asha.post("/auth/step-up")).json()["method"] == "code"
    assert await code_to(till, "thief@example.com") is None
    code = await code_to(till, "asha@example.com")
    assert (await asha.post("/auth/step-up/verify", {"code": code})).status_code == 200
    assert (await withdraw(asha, "15000.00")).status_code == 202


async def test_an_address_that_was_just_added_authorises_no_withdrawal_until_it_is_a_day_old(till: Till) -> None:
    asha = await someone(till)
    await fill(asha, "20000.00")
    till.at.advance(timedelta(days=3))
    asha = Caller(till, asha.id, await fresh_token(till, asha))
    await add_address(till, asha, "thief@example.com")
    await drop_address(till, "asha@example.com")
    for path, body in (("/auth/step-up", None), ("/auth/step-up/verify", {"code": "123456"})):
        refused = await asha.post(path, body)
        assert (refused.status_code, refused.json()["code"]) == (403, "address_too_new")
        assert "Nothing was changed: try again after 6 Mar 2026" in refused.json()["detail"]
    assert await code_to(till, "thief@example.com") is None
    assert (await withdraw(asha, "15000.00")).json()["code"] == "step_up_required"
    assert asha.id
    assert await till.available(asha.id) == "20000.00"
    till.at.advance(timedelta(hours=24))
    asha = Caller(till, asha.id, await fresh_token(till, asha))
    assert (await asha.post("/auth/step-up")).status_code == 202
    code = await code_to(till, "thief@example.com")
    assert (await asha.post("/auth/step-up/verify", {"code": code})).status_code == 200
    assert (await withdraw(asha, "15000.00")).status_code == 202


async def test_a_code_that_was_sent_before_an_address_was_lost_is_no_good_for_a_new_one(till: Till) -> None:
    asha = await someone(till)
    await fill(asha, "20000.00")
    await asha.post("/auth/step-up")
    code = await code_to(till, "asha@example.com")
    till.at.advance(timedelta(minutes=5))
    await add_address(till, asha, "thief@example.com")
    await drop_address(till, "asha@example.com")
    assert (await asha.post("/auth/step-up/verify", {"code": code})).status_code == 403
    assert (await withdraw(asha, "15000.00")).json()["code"] == "step_up_required"


async def fresh_token(till: Till, who: Caller) -> str:
    """A session of now: the one before has ended meanwhile."""
    assert who.id
    async with till.house.database.transaction() as session:
        row = await identity_store.lock_person(session, who.id)
        assert row
        return await token_of(session, row, 1)
