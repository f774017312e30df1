"""How exceptions end: one person proposes, another agrees, and exactly that is posted."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

import httpx
import pytest
from sqlalchemy import text

from tests.parts.payments.test_endpoints import Caller, someone
from tests.parts.payments.test_reconciliation import DAY, a_day, aged, distort, reconcile
from tests.parts.payments.till import Till, open_till
from tillhouse.kernel.access import Principal
from tillhouse.kernel.money import Money
from tillhouse.kernel.settings import KernelSettings
from tillhouse.parts.identity.service import machines
from tillhouse.parts.payments.ports import SettlementLine
from tillhouse.parts.payments.service.reconciliation.reports import numbered, take_report

WHY = "Razorpay confirmed the amount by mail."


@pytest.fixture
async def till(settings: KernelSettings, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Till]:
    monkeypatch.setenv("IDENTITY_ARGON2_MEMORY_KIB", "64")
    async with open_till(settings) as opened:
        yield opened


@dataclass
class Office:
    """Two people of staff, one who is not, and an exception: Razorpay reports 1.00 more than was paid."""

    till: Till
    meera: Caller
    ravi: Caller
    asha: Caller
    exception: str

    async def see(self) -> dict[str, Any]:
        response = await self.meera.get(f"/payments/exceptions/{self.exception}")
        found: dict[str, Any] = response.json()
        return found

    async def propose(self, by: Caller, legs: object = (), why: str = WHY) -> httpx.Response:
        return await by.post(f"/payments/exceptions/{self.exception}/propose", {"explanation": why, "legs": legs})

    async def decide(self, by: Caller, what: str, resolution: str) -> httpx.Response:
        return await by.post(f"/payments/exceptions/{self.exception}/{what}", {"resolution_id": resolution})

    async def balances(self) -> tuple[str, str, str]:
        codes = ("clearing:razorpay", "settling:razorpay", "suspense:settlements")
        first, second, third = [await self.till.house_balance(code) for code in codes]
        return first, second, third


@pytest.fixture
async def office(till: Till) -> Office:
    settlement = await a_day(till, "100.00")
    await distort(till, settlement, "amount")
    await reconcile(till)
    meera = await someone(till, "Meera Iyer", role="staff", assurance=2)
    ravi = await someone(till, "Ravi Das", role="staff", assurance=2)
    asha = await someone(till, "Asha Rao")
    (found,) = (await meera.get("/payments/exceptions?state=open")).json()["items"]
    return Office(till, meera, ravi, asha, found["id"])


async def test_a_report_in_a_currency_that_is_not_ours_is_put_before_people_and_hides_nothing(office: Office) -> None:
    """Stripe pays out in the currency of our account there, whichever that is."""
    sing = [
        SettlementLine(
            settlement_id="setl_1", line_id=f"line_{kind}", kind=kind, subject_id=f"about_{kind}",
            gross=Money(500, "SGD"), fee=Money(20, "SGD"), tax=Money(0, "SGD"), settled_on=DAY,
        )
        for kind in _KINDS
    ]  # fmt: skip
    async with office.till.house.database.transaction() as session:
        await take_report(session, "razorpay", numbered(sing))
    listed = await office.meera.get("/payments/exceptions")
    assert listed.status_code == 200, listed.text
    foreign = [one for one in listed.json()["items"] if one["currency"] == "SGD"]
    assert sorted((one["details"]["about"], one["amount"]) for one in foreign) == [
        ("about_adjustment", "5.00"), ("about_payment", "5.00"),
    ]  # fmt: skip
    for path in ("ageing", f"reconciliations/razorpay/{DAY}"):
        assert (await office.meera.get(f"/payments/{path}")).status_code == 200


_KINDS: tuple[Literal["payment", "adjustment"], ...] = ("payment", "adjustment")


def leg(account: str, amount: str, **more: str) -> dict[str, str]:
    return {"account": account, "amount": amount, "currency": "INR", **more}


async def test_two_people_end_an_exception_by_exactly_what_was_proposed(office: Office) -> None:
    found = await office.see()
    assert (found["reason"], found["amount"], found["state"]) == ("amount", "101.00", "open")
    item = found["details"]["about"]
    legs = [leg("settling:razorpay", "97.64"), leg("fees:razorpay", "2.36"), leg("clearing:razorpay", "-100.00")]
    proposed = await office.propose(office.meera, legs)
    assert proposed.status_code == 200, proposed.text
    assert (await office.balances())[0] == "100.00"
    resolution = proposed.json()["resolution"]["id"]
    approved = await office.decide(office.ravi, "approve", resolution)
    assert approved.status_code == 200, approved.text
    assert (approved.json()["state"], approved.json()["resolution"]["state"]) == ("resolved", "approved")
    assert approved.json()["resolution"]["transaction_id"]
    assert await office.balances() == ("0.00", "97.64", "0.00")
    assert item.startswith("pay_")
    async with office.till.house.database.reading() as session:
        query = "SELECT action FROM identity.audit WHERE subject = :subject ORDER BY id"
        audited = (await session.execute(text(query), {"subject": f"exception:{office.exception}"})).scalars().all()
    assert audited == ["payments.propose_correction", "payments.approve_correction"]


async def test_a_correction_that_names_an_open_item_ends_it(office: Office) -> None:
    (item,) = (await aged(office.till, "clearing:razorpay")).items
    legs = [leg("settling:razorpay", "100.00"), leg("clearing:razorpay", "-100.00", item=item.item)]
    resolution = (await office.propose(office.meera, legs)).json()["resolution"]["id"]
    assert (await office.decide(office.ravi, "approve", resolution)).status_code == 200
    assert (await aged(office.till, "clearing:razorpay")).items == ()


async def test_whoever_proposed_does_not_approve_not_even_with_a_key(office: Office) -> None:
    before = await office.balances()
    legs = [leg("suspense:settlements", "-5.00"), leg("clearing:razorpay", "5.00")]
    async with office.till.house.database.transaction() as session:
        maker = Principal("person", office.meera.id)
        key = await machines.create(session, maker, "robot", ["payments.correct"])
    robot = Caller(office.till, key.row.id, key.key)
    proposed = await office.propose(robot, legs)
    assert proposed.status_code == 200, proposed.text
    resolution = proposed.json()["resolution"]["id"]
    assert proposed.json()["resolution"]["proposed_by"] == str(office.meera.id)
    assert (await office.decide(office.meera, "approve", resolution)).status_code == 403
    assert (await office.decide(robot, "approve", resolution)).status_code == 403
    assert (await office.see())["state"] == "proposed"
    assert await office.balances() == before


async def test_an_explanation_ends_it_without_a_posting_and_also_needs_two(office: Office) -> None:
    before = await office.balances()
    proposed = await office.propose(office.meera)
    assert (await office.decide(office.meera, "approve", proposed.json()["resolution"]["id"])).status_code == 403
    approved = await office.decide(office.ravi, "approve", proposed.json()["resolution"]["id"])
    assert (approved.json()["state"], approved.json()["resolution"]["transaction_id"]) == ("resolved", None)
    assert await office.balances() == before
    await reconcile(office.till)
    assert (await office.meera.get("/payments/exceptions?state=open")).json()["items"] == []


async def test_a_rejected_proposal_posts_nothing_and_another_may_follow(office: Office) -> None:
    before = await office.balances()
    legs = [leg("suspense:settlements", "-5.00"), leg("clearing:razorpay", "5.00")]
    first = (await office.propose(office.meera, legs)).json()["resolution"]["id"]
    assert (await office.propose(office.ravi, legs)).status_code == 409
    assert (await office.decide(office.ravi, "reject", first)).json()["state"] == "open"
    second = (await office.propose(office.ravi)).json()["resolution"]["id"]
    assert (await office.decide(office.meera, "approve", first)).status_code == 409
    assert (await office.decide(office.meera, "approve", second)).status_code == 200
    assert (await office.propose(office.meera)).status_code == 409
    assert await office.balances() == before


@pytest.mark.parametrize(
    ("legs", "code"),
    [
        ([leg("bank", "5.00")], "leg_count"),
        ([leg("bank", "5.00"), leg("write-off", "-4.00")], "unbalanced"),
        ([leg("bank", "5.00"), leg("bank", "-5.00")], "account_twice"),
        ([leg("bank", "5.00"), leg("wallet", "-5.00")], "account_not_allowed"),
        ([leg("bank", "5.00"), leg("payouts:razorpayx", "-5.00")], "account_not_allowed"),
        ([leg("bank", "5.00"), leg("clearing:nobody", "-5.00")], "account_not_allowed"),
        ([leg("bank", "5.00"), leg("sales", "-5.00")], "account_not_allowed"),
        ([leg("bank", "0.00"), leg("write-off", "0.00")], "bad_amount"),
        ([leg("bank", "5.001"), leg("write-off", "-5.001")], "too_precise"),
    ],
)
async def test_a_proposal_that_could_not_be_posted_is_refused(office: Office, legs: object, code: str) -> None:
    refused = await office.propose(office.meera, legs)
    assert refused.status_code == 422
    assert code in [error["code"] for error in refused.json()["errors"]]
    assert (await office.see())["resolution"] is None


async def test_nobody_else_sees_or_decides_anything(office: Office) -> None:
    plain = await someone(office.till, "Noor Khan", role="staff", assurance=1)
    for caller in (office.asha, plain):
        for path in ("exceptions", f"exceptions/{office.exception}", "ageing", f"reconciliations/razorpay/{DAY}"):
            assert (await caller.get(f"/payments/{path}")).status_code == 403
        assert (await office.propose(caller)).status_code == 403
        assert (
            await caller.post("/payments/reconciliations", {"provider": "razorpay", "day": str(DAY)})
        ).status_code == 403
    assert (await office.see())["state"] == "open"


async def test_the_list_is_narrowed_and_paged(office: Office) -> None:
    assert len((await office.meera.get("/payments/exceptions?reason=amount")).json()["items"]) == 1
    assert (await office.meera.get("/payments/exceptions?kind=bank")).json()["items"] == []
    assert (await office.meera.get("/payments/exceptions?state=proposed")).json()["items"] == []
    settlement = await a_day(office.till, "70.00", "80.00")
    await distort(office.till, settlement, "fee")
    await reconcile(office.till)
    first = (await office.meera.get("/payments/exceptions?limit=1")).json()
    rest = (await office.meera.get(f"/payments/exceptions?limit=1&cursor={first['next_cursor']}")).json()
    assert [one["reason"] for one in first["items"] + rest["items"]] == ["fee", "amount"]
    assert rest["next_cursor"] is None


async def test_a_day_the_bank_and_the_ages_over_the_wire(office: Office) -> None:
    body = {"provider": "razorpay", "day": str(DAY)}
    (day,) = (await office.meera.post("/payments/reconciliations", body)).json()["items"]
    assert (day["agrees"], [line["what"] for line in day["not_booked"]]) == (False, ["amount"])
    statement = await office.till.outside("GET", f"/_sandbox/bank/statement?format=mt940&date={DAY}")
    transport = httpx.ASGITransport(office.till.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
        imported = await client.post(
            "/api/v1/payments/statements",
            files={"file": ("day.sta", statement.content)},
            headers={"Authorization": f"Bearer {office.meera.token}"},
        )
    assert imported.status_code == 200, imported.text
    assert imported.json()["items"][0]["added"] == 1
    accounts = {one["account"]: one for one in (await office.meera.get("/payments/ageing")).json()["items"]}
    assert accounts["clearing:razorpay"]["balance"] == "100.00"
    assert accounts["clearing:razorpay"]["buckets"]["0-1"] == "100.00"
    assert UUID(accounts["suspense:bank"]["items"][0]["item"].removeprefix("bank:"))
