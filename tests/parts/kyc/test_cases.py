"""A case from the first paper to the end of its time, through the API and the jobs."""

from datetime import timedelta
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy import text

from tests.parts.kyc.desk import DETAILS, Desk, photo, principal
from tests.registry import put_in_place
from tillhouse.kernel import clock
from tillhouse.kernel.errors import Conflict, Forbidden, InvalidInput, TransientError
from tillhouse.kernel.house import House
from tillhouse.kernel.money import Money
from tillhouse.kernel.work import run_due
from tillhouse.parts.kyc import api, store
from tillhouse.parts.kyc.domain import Finding, Owner, State, WrongState
from tillhouse.parts.kyc.service import checks, reviews
from tillhouse.parts.kyc.settings import KycSettings
from tillhouse.parts.ledger import api as ledger
from tillhouse.parts.wallets.api import PayoutAccount, PayoutAccounts

SECRETS = ("Asha Rao", "ABCPR1234D", "1990-04-01")


async def everything(desk: Desk, *schemas: str) -> str:
    """All that the database holds in these schemas, as text."""
    found = []
    async with desk.house.database.reading() as session:
        tables = await session.execute(
            text(
                "SELECT table_schema || '.' || table_name FROM information_schema.tables WHERE table_schema = ANY(:s)"
            ),
            {"s": list(schemas)},
        )
        for (table,) in tables.all():
            rows = await session.execute(text(f"SELECT to_jsonb(t)::text FROM {table} t"))
            found += [row[0] for row in rows]
    return "\n".join(found)


async def level(desk: Desk, person_id: str) -> str | None:
    async with desk.house.database.reading() as session:
        return await api.level_of(session, "person", UUID(person_id))


async def test_a_person_shows_who_they_are_and_is_told_so(desk: Desk) -> None:
    asha, reviewer = await desk.resident(), await desk.resident("r@example.com", role="staff")
    fresh = await desk.state(asha)
    assert (fresh["state"], fresh["wanted"], fresh["may_begin"]) == ("not_started", ["id_front"], True)
    missing = await desk.submit(asha)
    assert [error["pointer"] for error in missing.json()["errors"]] == ["/papers/id_front"]

    sent = (await desk.send(asha, "basic", "id_front")).json()
    assert (sent["kind"], sent["pages"]) == ("id_front", 1)
    assert (await desk.submit(asha)).json()["state"] == "submitted"
    await run_due(desk.house)
    assert ((await desk.state(asha))["state"], (await desk.state(asha))["number"]) == ("in_review", "…34D")
    assert (await desk.send(asha, "basic", "id_back")).json()["code"] == "wrong_state"
    assert await level(desk, asha.id) is None
    with pytest.raises(api.KycRequired):
        async with desk.house.database.reading() as session:
            await api.require_level(session, "person", UUID(asha.id), "basic")

    case = await desk.newest(asha)
    assert [(one["check"], one["result"]) for one in case.findings] == [
        ("pan", "well_formed"),
        ("same_number", "passed"),
    ]  # type: ignore[index, call-overload]
    await desk.approve(case.id, reviewer)
    assert (await desk.state(asha))["state"] == "approved"
    assert await level(desk, asha.id) == "basic"
    assert "We know who you are" in (await desk.messages_to("asha@example.com"))[0]
    kept = await everything(desk, "kyc", "work", "kernel", "public", "channels")
    assert not [secret for secret in SECRETS if secret in kept]


async def test_a_rejected_case_says_what_to_do_and_is_handed_in_again(desk: Desk) -> None:
    asha, reviewer = await desk.resident(), await desk.resident("r@example.com", role="staff")
    case_id = await desk.hand_in(asha)
    with pytest.raises(InvalidInput):
        await desk.reject(case_id, reviewer)
    with pytest.raises(InvalidInput):
        await desk.reject(case_id, reviewer, "because")
    await desk.reject(case_id, reviewer, "blurred", "name_differs")
    found = await desk.state(asha)
    assert found["state"] == "rejected"
    assert [one["code"] for one in found["reasons"]] == ["blurred", "name_differs"]  # type: ignore[index, attr-defined]
    assert "blurred" not in (await desk.messages_to("asha@example.com"))[0]
    assert (await desk.send(asha, "basic", "id_front", photo(colour="blue"))).status_code == 201
    assert (await desk.submit(asha)).status_code == 200
    await run_due(desk.house)
    again = await desk.newest(asha)
    assert (again.id, again.attempt, again.state) == (case_id, 2, "in_review")


async def test_where_money_follows_two_different_persons_approve(desk: Desk) -> None:
    asha = await desk.resident()
    first, second = [await desk.resident(f"r{n}@example.com", role="staff") for n in (1, 2)]
    early = await desk.send(asha, "payout", "selfie")
    assert early.json()["code"] == "wrong_state"
    await desk.approve(await desk.hand_in(asha), first)
    desk.house.provide([PayoutAccounts(_accounts("match"))])
    case_id = await desk.hand_in(asha, "payout")
    assert ("bank_account", "passed") in [
        (one["check"], one["result"])  # type: ignore[index, call-overload]
        for one in (await desk.newest(asha)).findings
    ]
    await desk.approve(case_id, first)
    assert ((await desk.state(asha, "payout"))["state"], await level(desk, asha.id)) == ("in_review", "basic")
    with pytest.raises(Conflict):
        await desk.approve(case_id, first)
    await desk.approve(case_id, second)
    assert ((await desk.state(asha, "payout"))["state"], await level(desk, asha.id)) == ("approved", "payout")

    async with desk.house.database.transaction() as session:
        assert await checks.approved_by_enough(session) == []
        await session.execute(text("UPDATE kyc.cases SET level = 'payout' WHERE level = 'basic'"))
        assert [line.partition(": ")[2] for line in await checks.approved_by_enough(session)] == [
            "payout stands by 1 of 2 people"
        ]


def _accounts(name: str):  # type: ignore[no-untyped-def]
    async def of(*_asked: object) -> list[PayoutAccount]:
        return [PayoutAccount(True, name)]  # type: ignore[arg-type]  # for the test

    return of


async def test_nobody_decides_about_themselves_or_what_somebody_else_has(desk: Desk, at: clock.TestClock) -> None:
    staff, other = [await desk.resident(f"r{n}@example.com", role="staff") for n in (1, 2)]
    case_id = await desk.hand_in(staff)
    with pytest.raises(Forbidden):
        await desk.approve(case_id, staff)
    asha, third = await desk.resident(), await desk.resident("r3@example.com", role="staff")
    taken = await desk.hand_in(asha, id_number="ABCPR1234E")
    async with desk.house.database.transaction() as session:
        await reviews.take(session, principal(other), taken)
    with pytest.raises(Conflict):
        await desk.approve(taken, third)
    at.advance(timedelta(minutes=31))
    await desk.approve(taken, third)
    assert (await desk.newest(asha)).state == State.APPROVED
    with pytest.raises(WrongState):
        await desk.approve(taken, other)


async def test_the_same_number_on_another_account_is_seen(desk: Desk) -> None:
    asha, ravi = await desk.resident(), await desk.resident("ravi@example.com")
    first = await desk.hand_in(asha)
    second = await desk.hand_in(ravi)
    assert {"check": "same_number", "result": "failed", "reason": "same_number"} in (await desk.newest(ravi)).findings
    reviewer = await desk.resident("r@example.com", role="staff")
    async with desk.house.database.transaction() as session:
        found = await reviews.review(session, principal(reviewer), second)
    assert [one.id for one in found.alike] == [first]
    assert found.details
    assert found.details.id_number == "ABCPR1234D"


async def test_what_is_withdrawn_is_gone(desk: Desk) -> None:
    asha = await desk.resident()
    case_id = await desk.hand_in(asha)
    assert (await desk.call("DELETE", "/users/me", token=asha.token)).json()["errors"][0]["code"] == "kyc"
    assert (await desk.post("/kyc/basic/withdraw", token=asha.token)).status_code == 204
    found = await desk.state(asha)
    assert (found["state"], found["papers"], found["number"]) == ("not_started", [], None)
    async with desk.house.database.reading() as session:
        row = await store.case(session, case_id)
        assert row
        assert (row.details, row.fingerprint, row.findings) == (None, None, [])
        assert (await session.execute(text("SELECT count(*) FROM kyc.pages"))).scalar_one() == 0
    assert (await desk.post("/kyc/basic/submit", {"details": DETAILS}, token=asha.token)).status_code == 422


async def test_an_approval_ends_with_a_reminder_and_papers_are_deleted_in_time(desk: Desk, at: clock.TestClock) -> None:
    asha, reviewer = await desk.resident(), await desk.resident("r@example.com", role="staff")
    case_id = await desk.hand_in(asha)
    await desk.approve(case_id, reviewer)
    at.advance(timedelta(days=700))
    await desk.look_after()
    await desk.look_after()
    told = [
        message
        for message in await desk.messages_to("asha@example.com")
        if "ends soon" in message or "Renew" in message
    ]
    assert len(told) == 1
    at.advance(timedelta(days=30))
    await desk.look_after()
    assert (await desk.newest(asha)).state == State.EXPIRED
    assert await level(desk, asha.id) is None
    at.advance(timedelta(days=1824))
    await desk.look_after()
    assert (await desk.newest(asha)).details is not None
    at.advance(timedelta(days=2))
    await desk.look_after()
    row = await desk.newest(asha)
    assert (row.details, row.fingerprint, row.erase_at) == (None, None, None)
    async with desk.house.database.reading() as session:
        assert await store.papers(session, case_id) == []
        assert [one.decision for one in await store.decisions(session, case_id)] == ["approved"]


async def test_a_renewal_in_time_ends_the_old_approval_silently_and_is_taken_back_whole(
    desk: Desk, at: clock.TestClock
) -> None:
    asha, reviewer = await desk.resident(), await desk.resident("r@example.com", role="staff")
    await desk.approve(await desk.hand_in(asha), reviewer)
    assert (await desk.send(asha, "basic", "id_front")).json()["code"] == "wrong_state"
    at.advance(timedelta(days=710))
    asha = await desk.again(asha)
    renewed = await desk.hand_in(asha)
    assert ((await desk.state(asha))["state"], await level(desk, asha.id)) == ("in_review", "basic")
    await desk.approve(renewed, reviewer)
    told = len(await desk.messages_to("asha@example.com"))
    async with desk.house.database.transaction() as session:
        await reviews.take_back(session, principal(reviewer), renewed, ["document_expired"])
    assert await level(desk, asha.id) is None
    await run_due(desk.house)
    assert len(await desk.messages_to("asha@example.com")) == told + 1
    assert (await desk.submit(asha)).status_code == 200
    await run_due(desk.house)
    await desk.approve(renewed, reviewer)
    told = len(await desk.messages_to("asha@example.com"))
    at.advance(timedelta(days=21))  # past the end of the first
    await desk.look_after()
    assert (await level(desk, asha.id), len(await desk.messages_to("asha@example.com"))) == ("basic", told)


async def test_an_approval_can_be_taken_back(desk: Desk) -> None:
    asha, reviewer = await desk.resident(), await desk.resident("r@example.com", role="staff")
    case_id = await desk.hand_in(asha)
    await desk.approve(case_id, reviewer)
    async with desk.house.database.transaction() as session:
        await reviews.take_back(session, principal(reviewer), case_id, ["document_expired"])
    found = await desk.state(asha)
    assert (found["state"], found["may_begin"], await level(desk, asha.id)) == ("rejected", True, None)


async def test_an_erased_person_leaves_the_decision_and_nothing_else(desk: Desk) -> None:
    asha, reviewer = await desk.resident(), await desk.resident("r@example.com", role="staff")
    case_id = await desk.hand_in(asha)
    await desk.approve(case_id, reviewer)
    assert (await desk.call("DELETE", "/users/me", token=asha.token)).status_code == 204
    async with desk.house.database.reading() as session:
        row = await store.case(session, case_id)
        assert row
        assert (row.state, row.details, row.fingerprint) == ("approved", None, None)
        assert (await session.execute(text("SELECT count(*) FROM kyc.pages"))).scalar_one() == 0
        assert len(await store.decisions(session, case_id)) == 1


async def test_an_organisation_is_shown_by_those_who_manage_it_and_judged_by_strangers(desk: Desk) -> None:
    asha, ravi = await desk.resident(), await desk.resident("ravi@example.com", role="staff")
    made = (await desk.post("/organisations", {"name": "Umbrella Fab", "country": "IN"}, token=asha.token)).json()
    query = f"?organisation_id={made['id']}"
    assert (await desk.call("GET", f"/kyc{query}", token=ravi.token)).status_code == 404
    invited = await desk.post(
        f"/organisations/{made['id']}/invitations", {"email": "ravi@example.com", "role": "member"}, token=asha.token
    )
    await desk.post(f"/invitations/{invited.json()['id']}/accept", {"code": None}, token=ravi.token)
    assert (await desk.call("GET", f"/kyc{query}", token=ravi.token)).status_code == 403
    assert (await desk.send(asha, "basic", "registration", query=query)).status_code == 201
    gstin = {"id_kind": "gstin", "id_number": "27AAPFU0939F1ZV", "name": "Umbrella Fab"}
    assert (await desk.submit(asha, query=query, **gstin)).status_code == 200
    await run_due(desk.house)
    async with desk.house.database.reading() as session:
        (case,) = await store.cases_of(session, Owner("organisation", UUID(made["id"])))
    assert case.findings[0] == {"check": "gstin", "result": "well_formed", "reason": "name_fits"}
    with pytest.raises(Forbidden):
        await desk.approve(case.id, ravi)
    await desk.approve(case.id, await desk.resident("r@example.com", role="staff"))
    async with desk.house.database.reading() as session:
        assert await api.level_of(session, "organisation", UUID(made["id"])) == "basic"


async def test_an_organisation_and_whoever_acts_for_it_show_who_they_are_before_its_money_leaves(desk: Desk) -> None:
    asha, reviewer = await desk.resident(), await desk.resident("r@example.com", role="staff")
    made = (await desk.post("/organisations", {"name": "Umbrella Fab", "country": "IN"}, token=asha.token)).json()
    query = f"?organisation_id={made['id']}"
    body = {"amount": "100.00", "currency": "INR", "destination": {"type": "vpa", "vpa": "success@razorpay"}}
    headers = {"Authorization": f"Bearer {asha.token}"}

    async def withdraw(key: str) -> dict[str, str]:
        transport = httpx.ASGITransport(desk.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://testserver", headers=headers) as client:
            path = f"/api/v1/wallets/withdraw{query}"
            said: dict[str, str] = (await client.post(path, json=body, headers={"Idempotency-Key": key})).json()
            return said

    refused = await withdraw("first")
    assert (refused["code"], "at /kyc it takes" in refused["detail"]) == ("kyc_required", True)
    await desk.approve(await desk.hand_in(asha), reviewer)
    refused = await withdraw("second")
    assert (refused["code"], f"/kyc{query}" in refused["detail"]) == ("kyc_required", True)
    await desk.send(asha, "basic", "registration", query=query)
    gstin = {"id_kind": "gstin", "id_number": "27AAPFU0939F1ZV", "name": "Umbrella Fab"}
    assert (await desk.submit(asha, query=query, **gstin)).status_code == 200
    await run_due(desk.house)
    async with desk.house.database.reading() as session:
        (case,) = await store.cases_of(session, Owner("organisation", UUID(made["id"])))
    await desk.approve(case.id, reviewer)
    assert (await withdraw("third"))["code"] == "insufficient_funds"  # now it is about the money


async def test_above_an_amount_a_person_shows_whose_account_it_is_before_their_money_leaves(desk: Desk) -> None:
    asha = await desk.resident()
    reviewers = [await desk.resident(f"r{n}@example.com", role="staff") for n in range(2)]
    settings = desk.house.settings_of(KycSettings).model_copy(update={"payouts_ask_above": ("INR=250.00",)})
    desk.house.module_settings = {**desk.house.module_settings, KycSettings: settings}
    wallet = ledger.AccountRef("person", UUID(asha.id), "wallet", "INR")
    legs = (
        ledger.debit(ledger.house_account("clearing:razorpay", "INR"), Money(100_000, "INR")),
        ledger.credit(wallet, Money(100_000, "INR")),
    )
    async with desk.house.database.transaction() as session:
        await ledger.post(session, ledger.Posting(key="gift", kind="payments.deposit", legs=legs))

    async def withdraw(amount: str) -> tuple[int, str]:
        body = {"amount": amount, "currency": "INR", "destination": {"type": "vpa", "vpa": "success@razorpay"}}
        headers = {"Authorization": f"Bearer {asha.token}", "Idempotency-Key": str(uuid4())}
        transport = httpx.ASGITransport(desk.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://testserver", headers=headers) as client:
            said = await client.post("/api/v1/wallets/withdraw", json=body)
        return said.status_code, said.json().get("code", "")

    async def free() -> int:
        async with desk.house.database.reading() as session:
            return (await ledger.balance(session, wallet)).available.minor

    assert await withdraw("250.01") == (403, "kyc_required")
    assert await withdraw("200.00") == (202, "")
    assert await withdraw("50.01") == (403, "kyc_required")  # slices of a day count together
    assert await withdraw("50.00") == (202, "")
    assert await free() == 75_000
    await desk.approve(await desk.hand_in(asha), reviewers[0])
    assert await withdraw("100.00") == (403, "kyc_required")  # who they are is not yet whose account it is
    await desk.approve(await desk.hand_in(asha, "payout"), *reviewers)
    assert await withdraw("100.00") == (202, "")
    assert await free() == 65_000


@pytest.mark.parametrize("wrong", ["250", "INR=", "INR=-1", "INR=1.001", "XXX=1", "INR:250"])
def test_an_amount_that_is_none_is_refused_when_the_house_starts(wrong: str) -> None:
    with pytest.raises(ValueError, match=r"INR=50000\.00|below zero"):
        KycSettings(payouts_ask_above=(wrong,))


async def test_papers_are_one_of_each_kind_their_owners_alone_and_not_too_large(desk: Desk) -> None:
    asha, ravi = await desk.resident(), await desk.resident("ravi@example.com")
    first = (await desk.send(asha, "basic", "id_front")).json()
    second = (await desk.send(asha, "basic", "id_front")).json()
    assert [one["id"] for one in (await desk.state(asha))["papers"]] == [second["id"]]  # type: ignore[index, attr-defined]
    await desk.send(ravi, "basic", "id_front")
    gone = await desk.call("DELETE", f"/kyc/basic/papers/{second['id']}", token=ravi.token)
    assert gone.status_code == 404
    assert (await desk.call("DELETE", f"/kyc/basic/papers/{first['id']}", token=asha.token)).status_code == 404
    assert (await desk.call("DELETE", f"/kyc/basic/papers/{second['id']}", token=asha.token)).status_code == 204
    assert (await desk.send(asha, "basic", "bank_proof")).json()["errors"][0]["code"] == "not_wanted"
    assert (await desk.send(asha, "basic", "id_front", b"")).json()["errors"][0]["code"] == "empty"
    assert (await desk.send(asha, "basic", "id_front", b"\0" * 10_000_001)).status_code == 413
    assert (await desk.call("GET", f"/kyc?organisation_id={uuid4()}", token=asha.token)).status_code == 404
    assert (await desk.call("GET", "/kyc")).status_code == 401


@pytest.mark.parametrize(("times", "result"), [(2, ("passed", "")), (1000, ("unsure", "failed"))])
async def test_a_check_that_is_away_is_asked_again_and_after_long_enough_people_decide_without_it(
    desk: Desk, at: clock.TestClock, times: int, result: tuple[str, str]
) -> None:
    asked = 0

    async def away(_house: House, _subject: api.Subject) -> Finding:
        nonlocal asked
        asked += 1
        if asked <= times:
            raise TransientError("the register is down")
        return Finding("pan", "passed")

    put_in_place(desk.house, lambda thing: isinstance(thing, api.NumberCheck), api.NumberCheck("pan", away))
    asha = await desk.resident()
    await desk.hand_in(asha)
    for _ in range(30):
        at.advance(timedelta(hours=1))
        await run_due(desk.house)
    asha = await desk.again(asha)
    assert (await desk.state(asha))["state"] == "in_review"
    case = await desk.newest(asha)
    found = [(one["result"], one["reason"]) for one in case.findings if one["check"] == "pan"]  # type: ignore[index, call-overload]
    assert found == [result]
    assert 1 < asked <= 21
