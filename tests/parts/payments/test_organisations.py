"""An organisation's money goes out: by whom, where to, once, looked at, told of; and who may not."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import text

from tests.parts.documents.reading import text_of
from tests.parts.payments.desk import Desk
from tests.parts.payments.gateways import Play
from tests.parts.payments.test_endpoints import Caller, page, someone, token_of
from tests.parts.payments.test_published import Ear
from tests.parts.payments.till import Till, open_till, rupees
from tillhouse.apps.compose import chosen
from tillhouse.kernel import clock
from tillhouse.kernel.db import ReadSession
from tillhouse.kernel.errors import Forbidden
from tillhouse.kernel.settings import KernelSettings
from tillhouse.parts.identity import store
from tillhouse.parts.identity.api import members
from tillhouse.parts.wallets.api import Leaving, PayoutRule, wallet_id

VPA = {"type": "vpa", "vpa": "success@razorpay"}
BANK = {"type": "bank_account", "name": "Rao and Sons", "ifsc": "HDFC0001234", "account_number": "50100012345678"}


@dataclass
class Company:
    """An organisation, its owner, and everybody else who belongs to it, by role."""

    till: Till
    id: UUID
    owner: Caller

    async def member(self, name: str, role: str, *, staff: bool = False) -> Caller:
        """Somebody new, invited and joined; `staff` of the house beside that."""
        who = await someone(self.till, name, "staff", 2) if staff else await someone(self.till, name)
        body = {"email": f"{name.split(maxsplit=1)[0].lower()}@example.com", "role": role}
        invited = await self.owner.post(f"/organisations/{self.id}/invitations", body)
        assert (await who.post(f"/invitations/{invited.json()['id']}/accept", {"code": None})).status_code == 200
        return who

    async def give(self, amount: str) -> None:
        await self.till.give(self.id, rupees(amount), "organisation")

    async def withdraw(
        self, who: Caller, amount: str = "100.00", to: object = VPA, *, key: str | None = None
    ) -> httpx.Response:
        body = {"amount": amount, "currency": "INR", "destination": to}
        return await who.post(f"/wallet/withdrawal?organisation_id={self.id}", body, key=key)

    async def drop(self, who: Caller) -> None:
        answer = await self.owner.call("DELETE", f"/organisations/{self.id}/members/{who.id}")
        assert answer.status_code == 204

    async def available(self) -> str:
        return str((await self.till.balance(self.id, "organisation")).available)

    async def posted(self) -> str:
        return str((await self.till.balance(self.id, "organisation")).posted)


async def found(till: Till) -> Company:
    owner = await someone(till)
    made = await owner.post("/organisations", {"name": "Rao & Sons", "country": "IN"})
    return Company(till, UUID(made.json()["id"]), owner)


@pytest.fixture
async def till(settings: KernelSettings, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Till]:
    monkeypatch.setenv("IDENTITY_ARGON2_MEMORY_KIB", "64")
    async with open_till(settings) as opened:
        yield opened


@pytest.fixture
async def company(till: Till) -> Company:
    made = await found(till)
    await made.give("1000.00")
    return made


async def rows(till: Till, query: str) -> list[tuple[Any, ...]]:
    async with till.house.database.reading() as session:
        return [tuple(row) for row in (await session.execute(text(query))).all()]


# --- who ------------------------------------------------------------------------------------------------------------


async def test_owners_and_admins_pay_it_out_and_it_is_booked_to_the_organisation(company: Company) -> None:
    ravi = await company.member("Ravi Iyer", "admin")
    for who in (company.owner, ravi):
        made = await company.withdraw(who)
        assert (made.status_code, made.json()["status"]) == (202, "reserved")
        assert "the organisation's wallet" in made.json()["message"]
    assert (await company.posted(), await company.available()) == ("1000.00", "800.00")
    await company.till.pass_time(timedelta(minutes=4))
    assert (await company.posted(), await company.available()) == ("800.00", "800.00")
    for who in (company.owner, ravi):
        assert who.id
        assert await company.till.wallet(who.id) == "0.00"
    assert await company.till.house_balance("payouts:razorpayx") == "200.00"
    kinds = await rows(company.till, "SELECT owner_kind, owner_id, requested_by FROM payments.payouts ORDER BY id")
    assert kinds == [("organisation", company.id, company.owner.id), ("organisation", company.id, ravi.id)]


@pytest.mark.parametrize(("role", "status"), [("accountant", 403), ("member", 403), (None, 404)])
async def test_nobody_else_pays_it_out_or_changes_where_it_may_go(
    company: Company, role: str | None, status: int
) -> None:
    saved = await company.owner.post(f"/payments/payees?organisation_id={company.id}", {"destination": BANK})
    who = await company.member("Zoe Ray", role) if role else await someone(company.till, "Zoe Ray")
    for to in (VPA, {"type": "payee", "payee_id": saved.json()["id"]}):
        assert (await company.withdraw(who, to=to)).status_code == status
    added = await who.post(f"/payments/payees?organisation_id={company.id}", {"destination": VPA})
    path = f"/payments/payees/{saved.json()['id']}"
    removed = await who.call("DELETE", f"{path}?organisation_id={company.id}")
    assert (added.status_code, removed.status_code) == (status, status)
    assert (await who.call("DELETE", path)).status_code == 404  # it is not their own
    own = {"amount": "1.00", "currency": "INR", "destination": {"type": "payee", "payee_id": saved.json()["id"]}}
    assert (await who.post("/wallets/withdraw", own)).status_code == 404
    assert await company.available() == "1000.00"
    assert await rows(company.till, "SELECT count(*) FROM payments.payouts") == [(0,)]
    assert await rows(company.till, "SELECT state FROM payments.payees") == [("checking",)]


async def test_money_that_goes_out_is_seen_by_those_who_read_the_money_and_nobody_else(company: Company) -> None:
    ravi, zoe = await company.member("Ravi Iyer", "accountant"), await company.member("Zoe Ray", "member")
    stranger = await someone(company.till, "Mallory Fox")
    made = (await company.withdraw(company.owner)).json()["id"]
    await company.till.pass_time(timedelta(minutes=4))
    wallet = wallet_id(company.id, "INR")
    paths = {
        f"/payments/status/{made}": (200, 404, 404),
        f"/payments/payees?organisation_id={company.id}": (200, 403, 404),
        f"/wallets/{wallet}?organisation_id={company.id}": (200, 403, 404),
        f"/wallets/{wallet}/balance?organisation_id={company.id}": (200, 403, 404),
        f"/wallets/{wallet}/transactions?organisation_id={company.id}": (200, 403, 404),
        f"/wallets/{wallet}/transactions.csv?organisation_id={company.id}": (200, 403, 404),
        f"/wallets/{wallet}/statement.pdf?organisation_id={company.id}": (200, 403, 404),
        f"/wallets/{wallet}/transactions": (404, 404, 404),  # not one's own
    }
    for path, statuses in paths.items():
        assert tuple([(await who.get(path)).status_code for who in (ravi, zoe, stranger)]) == statuses, path
    moves = (await ravi.get(f"/wallets/{wallet}/transactions?organisation_id={company.id}")).json()["items"]
    assert [(one["kind"], one["amount"], one["balance"]) for one in moves] == [
        ("payments.withdrawal", "100.00", "900.00"),
        ("payments.deposit", "1000.00", "1000.00"),
    ]
    csv = (await ravi.get(f"/wallets/{wallet}/transactions.csv?organisation_id={company.id}")).text
    assert "-100.00" in csv
    paper = await ravi.get(f"/wallets/{wallet}/statement.pdf?organisation_id={company.id}")
    assert "Rao & Sons" in text_of(paper.content)


async def test_another_part_may_ask_for_more_before_money_leaves(company: Company) -> None:
    async def refuse(session: ReadSession, leaving: Leaving) -> None:
        if (leaving.owner_id, leaving.by) == (company.id, company.owner.id):
            raise Forbidden("Show us who you are first.")

    company.till.house.provide([PayoutRule(refuse)])
    refused = await company.withdraw(company.owner)
    assert (refused.status_code, refused.json()["detail"]) == (403, "Show us who you are first.")
    assert await rows(company.till, "SELECT count(*) FROM payments.payees") == [(0,)]
    assert await company.available() == "1000.00"


# --- once -----------------------------------------------------------------------------------------------------------


async def test_of_two_members_who_withdraw_all_of_it_at_once_one_does(company: Company) -> None:
    ravi = await company.member("Ravi Iyer", "admin")
    answers = await asyncio.gather(
        *(company.withdraw(who, "1000.00", key="all") for who in (company.owner, ravi) for _ in range(3))
    )
    made = {answer.json()["id"] for answer in answers if answer.status_code == 202}
    assert len(made) == 1
    assert {answer.json().get("code") for answer in answers if answer.status_code != 202} == {"insufficient_funds"}
    assert await company.available() == "0.00"
    await company.till.pass_time(timedelta(minutes=4))
    assert len(company.till.payouts_outside()) == 1
    assert await company.posted() == "0.00"


async def test_the_same_key_means_the_same_withdrawal_of_the_same_member(company: Company) -> None:
    ravi = await company.member("Ravi Iyer", "admin")
    first, again = [await company.withdraw(company.owner, key="one") for _ in range(2)]
    by_another = await company.withdraw(ravi, key="one")
    own = {"amount": "1.00", "currency": "INR", "destination": VPA}
    assert company.owner.id
    await company.till.give(company.owner.id, rupees("5.00"))
    mine = await company.owner.post("/wallets/withdraw", own, key="one-of-my-own")
    assert first.json() == again.json()
    assert len({one.json()["id"] for one in (first, by_another, mine)}) == 3
    assert (await company.withdraw(company.owner, "5.00", key="one")).status_code == 422  # another body
    assert await company.available() == "800.00"


async def test_a_member_who_is_taken_out_meanwhile_pays_out_before_or_not_at_all(company: Company) -> None:
    ravi = await company.member("Ravi Iyer", "admin")
    asked = [asyncio.create_task(company.withdraw(ravi, "10.00")) for _ in range(5)]
    dropped = asyncio.create_task(company.drop(ravi))
    asked += [asyncio.create_task(company.withdraw(ravi, "10.00")) for _ in range(5)]
    statuses = [(await one).status_code for one in asked]
    await dropped
    made = [one for one in statuses if one == 202]
    assert set(statuses) <= {202, 404}
    assert (await company.withdraw(ravi, "10.00")).status_code == 404
    assert await company.available() == f"{1000 - 10 * len(made)}.00"


async def test_what_a_removed_member_asked_for_goes_on_and_is_seen_by_those_who_are_left(company: Company) -> None:
    ravi = await company.member("Ravi Iyer", "admin")
    made = (await company.withdraw(ravi)).json()["id"]
    await company.drop(ravi)
    assert (await ravi.get(f"/payments/status/{made}")).status_code == 404
    await company.till.pass_time(timedelta(minutes=4))
    assert (await company.owner.get(f"/payments/status/{made}")).json()["status"] == "processed"
    assert await company.posted() == "900.00"


# --- looked at ------------------------------------------------------------------------------------------------------


async def test_above_the_limit_the_person_who_acts_confirms_and_slices_of_all_members_count(company: Company) -> None:
    ravi = await company.member("Ravi Iyer", "admin")
    await company.give("20000.00")
    await company.till.pass_time(timedelta(minutes=11), step=timedelta(minutes=11))  # nobody is fresh any more
    assert (await company.withdraw(ravi, "9000.00")).status_code == 202
    refused = await company.withdraw(company.owner, "2000.00")
    assert (refused.status_code, refused.json()["code"]) == (403, "step_up_required")
    assert await company.available() == "12000.00"
    query = text("UPDATE identity.sessions SET fresh_until = :until WHERE person_id = :person")
    async with company.till.house.database.transaction() as session:
        until = clock.now() + timedelta(minutes=5)
        await session.execute(query, {"until": until, "person": ravi.id})
    assert (await company.withdraw(company.owner, "2000.00")).status_code == 403  # another's proof is not theirs
    assert (await company.withdraw(ravi, "2000.00")).status_code == 202


async def test_a_new_account_takes_little_at_first_whoever_added_it(company: Company) -> None:
    ravi = await company.member("Ravi Iyer", "admin")
    await company.give("90000.00")
    company.till.change_guards(cooling_hours=24, cooling_above=("INR=100000",), verify_above=("INR=1000000000",))
    saved = await ravi.post(f"/payments/payees?organisation_id={company.id}", {"destination": BANK})
    to = {"type": "payee", "payee_id": saved.json()["id"]}
    refused = await company.withdraw(company.owner, "1000.01", to)
    assert (refused.status_code, refused.json()["code"]) == (422, "payee_cooling")
    assert (await company.withdraw(company.owner, "1000.00", to)).status_code == 202
    await company.till.pass_time(timedelta(hours=25), step=timedelta(hours=5))
    async with company.till.house.database.transaction() as session:
        row = await store.person(session, ravi.id) if ravi.id else None
        assert row
        ravi.token = await token_of(session, row, 1)
    assert (await company.withdraw(ravi, "1000.01", to)).status_code == 202


async def test_the_limits_are_the_organisations_and_not_its_members(company: Company) -> None:
    ravi = await company.member("Ravi Iyer", "admin")
    company.till.change_guards(person_limits=("INR=hour:2:100000000",))
    for who in (company.owner, ravi):
        assert (await company.withdraw(who, "1.00")).status_code == 202
    refused = await company.withdraw(ravi, "1.00")
    assert (refused.status_code, refused.json()["code"]) == (422, "over_velocity")
    assert refused.json()["errors"][0]["code"] == "organisation_hour_count"
    assert "The organisation has withdrawn 2 times" in refused.json()["detail"]
    assert ravi.id
    await company.till.give(ravi.id, rupees("5.00"))
    own = {"amount": "1.00", "currency": "INR", "destination": VPA}
    assert (await ravi.post("/wallets/withdraw", own)).status_code == 202


@pytest.fixture
async def desk(till: Till) -> AsyncIterator[Desk]:
    made = Desk(till, Play())
    yield made
    for client in made.clients:
        await client.aclose()


async def test_a_large_one_waits_in_the_console_for_people_who_do_not_belong_to_it(
    company: Company, desk: Desk
) -> None:
    company.till.change_settings(withdrawal_approval_above=50_000)
    company.till.change_guards(second_approval_above=("INR=60000",))
    ravi = await company.member("Ravi Iyer", "admin")
    made = (await company.withdraw(ravi, "700.00")).json()
    assert made["status"] == "awaiting_approval"
    meera, imran = await desk.seat(), await desk.seat("Imran Khan")
    for shown in (await meera.see("/payouts"), await meera.see(f"/payouts/{made['id']}")):
        assert "Rao & Sons" in shown.replace("&amp;", "&")
        assert "Organisation" in shown
    assert "Ravi Iyer" in await meera.see(f"/payouts/{made['id']}")
    insider = await company.member("Lata Sen", "member", staff=True)
    refused = await insider.post(f"/payments/payouts/{made['id']}/approve")
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    staff = await someone(company.till, "Nila Bose", role="staff", assurance=2)
    queue = (await staff.get("/payments/payouts?state=awaiting_approval")).json()["items"]
    assert [(one["person_id"], one["organisation_id"], one["requested_by"]) for one in queue] == [
        (None, str(company.id), str(ravi.id))
    ]
    await meera.twice(f"/payouts/{made['id']}/approve", {"reason": "checked"})
    assert (await company.till.see_payout_id(made["id"])).state == "awaiting_approval"
    await imran.twice(f"/payouts/{made['id']}/approve", {"reason": "checked"})
    await company.till.pass_time(timedelta(minutes=4))
    assert (await company.till.see_payout_id(made["id"])).state == "processed"
    assert await company.posted() == "300.00"


async def test_what_somebody_asked_for_who_has_lost_the_role_goes_only_with_a_reason(company: Company) -> None:
    company.till.change_settings(withdrawal_approval_above=50_000)
    ravi = await company.member("Ravi Iyer", "admin")
    staff = await someone(company.till, "Nila Bose", "staff", 2)
    made = (await company.withdraw(ravi, "700.00")).json()["id"]
    await company.drop(ravi)
    path = f"/payments/payouts/{made}/approve"
    assert (await staff.post(path)).status_code == 422
    assert (await staff.post(path, {"reason": "spoke_to_person"})).status_code == 200
    await company.till.pass_time(timedelta(minutes=4))
    assert (await company.till.see_payout_id(made)).state == "processed"


async def test_what_waits_for_the_bank_alone_waits_for_people_where_the_asker_has_lost_the_role(
    company: Company, desk: Desk
) -> None:
    company.till.change_guards(verify_above=("INR=10000",))
    ravi = await company.member("Ravi Iyer", "admin")
    kept = (await company.withdraw(company.owner, "200.00", BANK)).json()["id"]
    left = (await company.withdraw(ravi, "300.00", BANK)).json()
    assert left["status"] == "awaiting_approval"
    assert "asking the bank" in left["message"]
    assert (
        await company.owner.call("PATCH", f"/organisations/{company.id}/members/{ravi.id}", {"role": "member"})
    ).status_code == 200
    await company.till.pass_time(timedelta(minutes=8))
    assert (await company.till.see_payout_id(kept)).state == "processed"
    waiting = await company.till.see_payout_id(left["id"])
    assert (waiting.state, waiting.reasons[-1]) == ("awaiting_approval", "requester_left")
    assert "has lost the role" in await (await desk.seat()).see(f"/payouts/{left['id']}")


# --- told of --------------------------------------------------------------------------------------------------------


async def test_the_owners_are_told_of_accounts_and_withdrawals_and_who_did_it(company: Company) -> None:
    ravi = await company.member("Ravi Iyer", "admin")
    await company.member("Zoe Ray", "accountant")
    await company.withdraw(ravi)
    await company.till.pass_time(timedelta(minutes=4))
    told = await rows(
        company.till,
        "SELECT person_id, data->>'what', data->>'by', data->>'organisation' FROM channels.messages"
        " WHERE template = 'payments.organisation_money' ORDER BY id",
    )
    assert {one[0] for one in told} == {company.owner.id, ravi.id}
    assert {one[1] for one in told} == {"payee_added", "withdrawal_requested", "withdrawal_paid"}
    assert {one[2:] for one in told} == {("Ravi Iyer", "Rao & Sons")}
    assert len(told) == 6


async def test_what_was_done_with_it_is_in_the_audit_log_once(company: Company) -> None:
    for _ in range(2):
        await company.withdraw(company.owner, key="once")
    saved = await company.owner.post(f"/payments/payees?organisation_id={company.id}", {"destination": BANK})
    path = f"/payments/payees/{saved.json()['id']}?organisation_id={company.id}"
    assert (await company.owner.call("DELETE", path)).status_code == 204
    query = "SELECT action, subject, actor_id FROM identity.audit WHERE action LIKE 'payments.%' ORDER BY id"
    about = (f"organisation:{company.id}", company.owner.id)
    assert await rows(company.till, query) == [
        ("payments.organisation_withdraw", *about),
        ("payments.organisation_add_payee", *about),
        ("payments.organisation_remove_payee", *about),
    ]


async def test_integrators_hear_whose_it_was(company: Company) -> None:
    ear = Ear(company.till)
    await ear.listen()
    await company.withdraw(company.owner)
    await company.till.pass_time(timedelta(minutes=4))
    assert ear.types() == ["payout.requested", "payout.processed"]
    assert {str(one["data"]["owner"]) for one in ear.heard} == {str({"kind": "organisation", "id": str(company.id)})}


async def test_one_that_fails_is_free_again_and_told(company: Company) -> None:
    made = (await company.withdraw(company.owner, to={"type": "vpa", "vpa": "failure@razorpay"})).json()["id"]
    await company.till.pass_time(timedelta(minutes=4))
    status = (await company.owner.get(f"/payments/status/{made}")).json()
    assert (status["status"], "the organisation's wallet" in status["message"]) == ("failed", True)
    assert await company.available() == "1000.00"
    query = "SELECT data->>'what' FROM channels.messages WHERE template = 'payments.organisation_money'"
    assert ("withdrawal_failed",) in await rows(company.till, query)


# --- closed ---------------------------------------------------------------------------------------------------------


async def test_an_organisation_stays_open_while_money_is_on_its_way_and_is_forgotten_where_it_went(
    company: Company,
) -> None:
    await company.withdraw(company.owner, "1000.00")
    path = f"/organisations/{company.id}"
    refused = await company.owner.call("DELETE", path)
    assert refused.status_code == 409
    assert "A withdrawal of the organisation is still under way." in [
        one["message"] for one in refused.json()["errors"]
    ]
    await company.till.pass_time(timedelta(minutes=4))
    assert (await company.owner.call("DELETE", path)).status_code == 204
    assert (await company.withdraw(company.owner, "1.00")).status_code == 404
    assert await rows(company.till, "SELECT masked, state FROM payments.payees") == [("…", "removed")]
    assert await rows(company.till, "SELECT destination_masked, fingerprint FROM payments.payouts") == [("…", None)]
    async with company.till.house.database.reading() as session:
        assert await members(session, company.id) == []


# --- the page -------------------------------------------------------------------------------------------------------


async def test_the_page_shows_the_money_to_those_who_read_it_and_forms_to_those_who_move_it(company: Company) -> None:
    ravi, zoe = await company.member("Ravi Iyer", "accountant"), await company.member("Zoe Ray", "member")
    await company.owner.post(f"/payments/payees?organisation_id={company.id}", {"destination": BANK})
    await company.withdraw(company.owner)
    path = f"/payments/organisations/{company.id}"
    own, read = (await page(company.owner, path)).text, (await page(ravi, path)).text
    for shown in (own, read):
        assert [
            one for one in ("Money of Rao &amp; Sons", "HDFC …5678", "₹900.00", "₹100.00") if one not in shown
        ] == []
        assert f"{path}/wallets/{wallet_id(company.id, 'INR')}/statement.pdf" in shown
    assert f'action="{path}/withdraw"' in own
    assert f'action="{path}/payees/vpa"' in own
    assert "<form" not in read.partition("<main")[2].partition("</main>")[0]
    assert [(await page(who, path)).status_code for who in (zoe, await someone(company.till, "Mallory Fox"))] == [
        403,
        404,
    ]
    wallet = f"{path}/wallets/{wallet_id(company.id, 'INR')}"
    for paper in ("statement.pdf", "movements.csv"):
        assert (await page(ravi, f"{wallet}/{paper}")).status_code == 200
        assert (await page(zoe, f"{wallet}/{paper}")).status_code == 403
    assert path in (await page(ravi, f"/account/organisations/{company.id}")).text
    assert path not in (await page(zoe, f"/account/organisations/{company.id}")).text


def test_a_process_that_serves_payments_alone_asks_who_may_pay_out_too() -> None:
    assert "kyc" in {module.name for module in chosen(["payments"])}
