"""Attacks on money: by slices, in parallel, with old proofs, odd amounts, other people's ids and keys."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID

import httpx
import pytest
from sqlalchemy import text

from tests.conformance.siege import VPA, bearer, besieged, staff_token
from tests.products.drivopay.conftest import Depot, Driver
from tillhouse.kernel.access import SYSTEM, Principal
from tillhouse.kernel.settings import KernelSettings
from tillhouse.parts.identity.api import COOKIE
from tillhouse.parts.identity.domain import token_hash
from tillhouse.parts.identity.service import machines

_NO_AMOUNTS = (
    "-1.00", "0", "-0", "0.00", "1e2", "NaN", "-Infinity", "１５０", "١٥٠", "9223372036854775808", "9" * 24, "0.001",
    "1 00", "1,000", "0x10", "1_0", "₹5", "5\n", " 5", "1.00000000000000000000001",
)  # fmt: skip


@pytest.fixture
async def depot(settings: KernelSettings, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Depot]:
    async with besieged(settings, monkeypatch) as found:
        yield found


@pytest.fixture
async def asha(depot: Depot) -> AsyncIterator[Driver]:
    async with depot.driver() as found:
        yield found


async def withdraw(who: Driver, amount: str, key: str, **more: object) -> httpx.Response:
    body = {"amount": amount, "currency": "INR", "destination": VPA, **more}
    return await who.api.post("/api/v1/wallets/withdraw", json=body, headers={"Idempotency-Key": key})


async def make_fresh(depot: Depot, who: Driver) -> None:
    """The sessions of this person have stepped up just now."""
    statement = "UPDATE identity.sessions SET fresh_until = :until WHERE person_id = :person"
    async with depot.house.database.transaction() as session:
        await session.execute(text(statement), {"until": depot.at.at + timedelta(minutes=10), "person": who.id})


async def test_a_large_sum_in_slices_asks_who_one_is_as_the_sum_would(asha: Driver, depot: Depot) -> None:
    await depot.give(asha.id, "50000.00")
    assert (await withdraw(asha, "6000.00", "one")).status_code == 202
    second = await withdraw(asha, "6000.00", "two")
    assert (second.status_code, second.json()["code"]) == (403, "step_up_required")
    by_page = await asha.send("/drivopay/withdraw", amount="6000", kind="vpa", vpa="success@razorpay")
    assert by_page.headers["location"].startswith("/step-up?")
    assert await asha.available() == "44000.00"


async def test_slices_sent_at_once_get_no_further_than_one_after_another(asha: Driver, depot: Depot) -> None:
    await depot.give(asha.id, "50000.00")
    answers = await asyncio.gather(*(withdraw(asha, "4000.00", f"slice-{n}") for n in range(8)))
    assert sorted(answer.status_code for answer in answers) == [202, 202, *[403] * 6]
    assert await asha.available() == "42000.00"


async def test_a_proof_of_ten_minutes_ago_opens_no_large_withdrawal(asha: Driver, depot: Depot) -> None:
    await depot.give(asha.id, "50000.00")
    await make_fresh(depot, asha)
    assert (await withdraw(asha, "12000.00", "fresh")).status_code == 202
    depot.at.advance(timedelta(minutes=10))
    assert (await withdraw(asha, "12000.00", "stale")).json()["code"] == "step_up_required"
    again = await withdraw(asha, "12000.00", "fresh")  # a retry of what was done is told so, and does nothing
    assert (again.status_code, again.headers["Idempotent-Replayed"]) == (202, "true")
    assert await asha.available() == "38000.00"


async def test_an_amount_that_is_none_moves_nothing(asha: Driver, depot: Depot) -> None:
    await depot.give(asha.id, "50000.00")
    for number, amount in enumerate(_NO_AMOUNTS):
        refused = await withdraw(asha, amount, f"odd-{number}")
        assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/amount")
        body = {"amount": amount, "currency": "INR"}
        deposit = await asha.api.post(
            "/api/v1/wallets/deposit", json=body, headers={"Idempotency-Key": f"odd-{number}"}
        )
        assert deposit.status_code == 422
        assert await asha.available() == "50000.00"


async def test_another_currency_is_not_paid_out(asha: Driver, depot: Depot) -> None:
    await depot.give(asha.id, "500.00")
    for number, currency in enumerate(("USD", "VND", "inr", "XXX", "ＩＮＲ")):
        assert (await withdraw(asha, "5", f"in-{number}", currency=currency)).status_code == 422
        assert await asha.available() == "500.00"


async def test_a_payees_name_holds_no_control_characters(asha: Driver, depot: Depot) -> None:
    await depot.give(asha.id, "500.00")
    to = {"kind": "bank_account", "ifsc": "HDFC0001234", "account_number": "123456789"}
    for name in ("Asha\x00Rao", "Asha\x1bRao", "Asha\u202eRao"):
        assert (await asha.send("/drivopay/withdraw", amount="100", name=name, **to)).status_code == 422
    assert await asha.available() == "500.00"


async def test_a_key_is_the_callers_and_the_routes_own(asha: Driver, depot: Depot) -> None:
    await depot.give(asha.id, "500.00")
    async with depot.driver("imran@example.com", "Imran Khan") as imran:
        await depot.give(imran.id, "500.00")
        first, second = await withdraw(asha, "100.00", "same"), await withdraw(imran, "100.00", "same")
        assert (first.status_code, second.status_code) == (202, 202)
        assert first.json()["id"] != second.json()["id"]
        assert "Idempotent-Replayed" not in second.headers
        assert (await asha.available(), await imran.available()) == ("400.00", "400.00")


async def test_requests_over_the_limit_leave_no_keys_behind(asha: Driver, depot: Depot) -> None:
    body, let_through = {"amount": "5.00", "currency": "USD"}, 0
    for n in range(40):
        answer = await asha.api.post("/api/v1/wallets/deposit", json=body, headers={"Idempotency-Key": f"flood-{n}"})
        let_through += answer.status_code != 429
    assert 30 <= let_through < 40  # the window slides by the wall clock: a new minute lets another one or two through
    async with depot.house.database.reading() as session:
        rows = (await session.execute(text("SELECT count(*) FROM kernel.idempotency_keys"))).scalar_one()
    assert rows == let_through


async def test_what_is_anothers_is_not_there_on_any_route(asha: Driver, depot: Depot) -> None:
    await depot.give(asha.id, "500.00")
    payout = (await withdraw(asha, "100.00", "mine")).json()["id"]
    key = {"Idempotency-Key": "mine"}
    order = (
        await asha.api.post("/api/v1/wallets/deposit", json={"amount": "5", "currency": "INR"}, headers=key)
    ).json()
    wallet = (await asha.api.get("/api/v1/wallets")).json()["items"][0]["id"]
    file = (await asha.api.post("/api/v1/files", files={"file": ("a.txt", b"mine")})).json()["id"]
    earning = (await asha.api.post("/api/v1/earnings", json={"platform": "uber", "gross": "10"})).json()["id"]
    device = (await asha.api.get("/api/v1/users/me/sessions")).json()["items"][0]["id"]
    address = (await asha.api.get("/api/v1/users/me")).json()["identifiers"][0]["id"]
    api, pages = "/api/v1", "/drivopay"
    async with depot.driver("imran@example.com", "Imran Khan") as imran:
        for method, path in (
            ("GET", f"{api}/payments/status/{order['id']}"), ("GET", f"{api}/payments/status/{payout}"),
            ("GET", f"{api}/wallets/{wallet}"), ("GET", f"{api}/wallets/{wallet}/balance"),
            ("GET", f"{api}/wallets/{wallet}/transactions"), ("GET", f"{api}/files/{file}"),
            ("GET", f"{api}/files/{file}/content"), ("DELETE", f"{api}/files/{file}"),
            ("GET", f"{api}/earnings/{earning}"), ("DELETE", f"{api}/earnings/{earning}"),
            ("DELETE", f"{api}/users/me/sessions/{device}"), ("DELETE", f"{api}/users/me/identifiers/{address}"),
        ):  # fmt: skip
            assert (await imran.api.request(method, path)).status_code == 404, path
        for path in (
            f"{pages}/add-money/{order['id']}", f"{pages}/add-money/{order['id']}/state",
            f"{pages}/withdraw/{payout}", f"{pages}/withdraw/{payout}/state", f"/payments/{order['id']}/receipt",
        ):  # fmt: skip
            assert (await imran.browser.get(path)).status_code == 404, path
    assert (await asha.api.get(f"{api}/files/{file}/content")).content == b"mine"
    assert (await asha.api.get(f"{api}/earnings/{earning}")).status_code == 200
    assert (await asha.api.get(f"{api}/users/me/sessions")).json()["items"]


@pytest.mark.parametrize("role", ["staff", "admin"])
async def test_staff_see_and_move_nothing_of_others_without_a_second_factor(
    asha: Driver, depot: Depot, role: str
) -> None:
    await depot.give(asha.id, "500.00")
    payout = (await withdraw(asha, "100.00", "mine")).json()["id"]
    _, token = await staff_token(depot, "admin" if role == "admin" else "staff", second_factor=False)
    body = {"person_id": str(asha.id), "amount": "100.00", "currency": "INR", "destination": VPA}
    for method, path, sent, status in (
        ("GET", f"/payments/status/{payout}", None, 404),
        ("POST", "/payments/payout", body, 403),
        ("POST", f"/payments/payouts/{payout}/approve", None, 403),
        ("GET", "/users/audit", None, 403),
        ("PUT", f"/users/{asha.id}/role", {"role": "admin"}, 403),
        ("GET", "/api-keys", None, 403),
        ("POST", "/api-keys", {"name": "k", "scopes": ["payments.payout"]}, 403),
    ):
        headers = bearer(token, **{"Idempotency-Key": "staff"})
        answer = await asha.api.request(method, f"/api/v1{path}", json=sent, headers=headers)
        assert answer.status_code == status, path
    assert await asha.available() == "400.00"


@pytest.mark.parametrize("role", ["staff", "admin"])
async def test_a_stolen_password_of_the_staff_sets_up_no_second_factor(depot: Depot, role: str) -> None:
    """Whoever knows the password alone has just signed in: setting one up asks for a code to a confirmed address."""
    _, token = await staff_token(depot, "admin" if role == "admin" else "staff", second_factor=False)
    transport = httpx.ASGITransport(depot.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver/api/v1") as thief:
        for method, path in (("POST", "/users/me/totp"), ("DELETE", "/users/me")):
            answer = await thief.request(method, path, headers=bearer(token))
            assert (answer.status_code, answer.json()["code"]) == (403, "step_up_required"), path


async def test_nobody_approves_a_payout_that_a_key_of_their_own_asked_for(asha: Driver, depot: Depot) -> None:
    await depot.give(asha.id, "60000.00")
    admin, token = await staff_token(depot, "admin", second_factor=True)
    async with depot.house.database.transaction() as session:
        key = await machines.create(session, Principal("person", id=admin), "payouts", ["payments.payout"])
    body = {"person_id": str(asha.id), "amount": "55000.00", "currency": "INR", "destination": VPA}
    headers = bearer(key.key, **{"Idempotency-Key": "large"})
    asked = await asha.api.post("/api/v1/payments/payout", json=body, headers=headers)
    assert (asked.status_code, asked.json()["status"]) == (202, "awaiting_approval")
    path = f"/api/v1/payments/payouts/{asked.json()['id']}/approve"
    assert (await asha.api.post(path, headers=bearer(token))).status_code == 403
    _, other = await staff_token(depot, "staff", second_factor=True)
    assert (await asha.api.post(path, headers=bearer(other))).status_code == 200


def test_every_right_over_others_asks_for_a_second_factor(depot: Depot) -> None:
    rights = [right for module in depot.house.modules for right in module.permissions]
    over_others = [right for right in rights if right.roles & {"staff", "admin"} and "user" not in right.roles]
    assert over_others
    assert [right.name for right in over_others if right.assurance < 2] == []


async def test_a_machine_does_what_its_scopes_say_and_no_more(asha: Driver, depot: Depot) -> None:
    await depot.give(asha.id, "500.00")
    payout = (await withdraw(asha, "100.00", "mine")).json()["id"]
    async with depot.house.database.transaction() as session:
        key = (await machines.create(session, SYSTEM, "reader", ["payments.status_of_all", "payments.status"])).key
    headers = bearer(key, **{"Idempotency-Key": "machine"})
    body = {"person_id": str(asha.id), "amount": "1.00", "currency": "INR", "destination": VPA}
    assert (await asha.api.get(f"/api/v1/payments/status/{payout}", headers=headers)).status_code == 200
    for path in ("/payments/payout", "/wallets/withdraw", "/wallets/deposit", f"/payments/payouts/{payout}/approve"):
        assert (await asha.api.post(f"/api/v1{path}", json=body, headers=headers)).status_code == 403, path
    for path in ("/users/me", "/wallets", "/files", "/earnings"):
        assert (await asha.api.get(f"/api/v1{path}", headers=headers)).status_code == 403, path
    assert (await asha.browser.get("/account", headers={**headers, "Cookie": ""})).headers["location"]
    assert await asha.available() == "400.00"


async def test_the_proof_of_one_order_pays_no_other(asha: Driver, depot: Depot) -> None:
    made = []
    for amount in ("5.00", "5000.00"):
        body = {"amount": amount, "currency": "INR"}
        headers = {"Idempotency-Key": amount}
        made.append((await asha.api.post("/api/v1/wallets/deposit", json=body, headers=headers)).json())
    path = f"/_sandbox/razorpay/orders/{made[0]['provider_order_id']}/pay"
    proof = await depot.outside("POST", path, {"outcome": "success"})
    dear = {**proof, "razorpay_order_id": made[1]["provider_order_id"]}
    assert (await asha.api.post("/api/v1/payments/verify", json=dear)).status_code == 403
    page = f"/drivopay/add-money/{made[1]['id']}/paid"
    assert (await asha.browser.post(page, data=dear)).status_code == 403
    await asha.browser.post(page, data=proof)  # the proof of the cheap one, at the dear one's address
    for _ in range(3):
        assert (await asha.api.post("/api/v1/payments/verify", json=proof)).status_code == 200
    await depot.quiet()
    assert await asha.available() == "5.00"
    status = await asha.api.get(f"/api/v1/payments/status/{made[1]['id']}")
    assert status.json()["status"] == "pending"


async def test_a_used_refresh_token_ends_the_session_of_thief_and_owner(depot: Depot) -> None:
    async with depot.driver() as asha:
        row = "SELECT id FROM identity.sessions WHERE person_id = :person AND kind = 'api'"
        async with depot.house.database.transaction() as session:
            device: UUID = (await session.execute(text(row), {"person": asha.id})).scalar_one()
            insert = (
                "INSERT INTO identity.refresh_tokens (id, session_id, token_hash, created_at) VALUES (:i, :s, :h, :c)"
            )
            values = {"i": asha.id, "s": device, "h": token_hash("stolen"), "c": depot.at.at}
            await session.execute(text(insert), values)
        path, stolen = "/api/v1/auth/refresh-token", {"refresh_token": "stolen"}
        owner = (await asha.api.post(path, json=stolen)).json()
        depot.at.advance(timedelta(seconds=21))
        assert (await asha.api.post(path, json=stolen)).status_code == 401
        assert (await asha.api.post(path, json={"refresh_token": owner["refresh_token"]})).status_code == 401
        assert (await asha.api.get("/api/v1/users/me", headers=bearer(owner["access_token"]))).status_code == 401
        assert (await asha.browser.get("/account")).status_code == 200  # another session, with its own cookie
        assert COOKIE in asha.browser.cookies
