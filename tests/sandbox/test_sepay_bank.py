"""SePay's watched account: webhooks, codes, the transaction API, and the bank at which people type what they like."""

import hashlib
import hmac
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from starlette.types import Receive, Scope, Send

from tests.sandbox.conftest import Receiver
from tillhouse.sandbox import emvco
from tillhouse.sandbox.app import Sandbox, create_sandbox
from tillhouse.sandbox.clock import ManualClock
from tillhouse.sandbox.sepay.signing import webhook_signature
from tillhouse.sandbox.settings import SandboxSettings
from tillhouse.sandbox.transport import SandboxTransport

HTML = {"accept": "text/html"}


async def transfer(person: httpx.AsyncClient, amount: int = 150_000, **wish: Any) -> dict[str, Any]:
    response = await person.post("/_sandbox/sepay/transfers", json={"amount": amount, **wish})
    assert response.status_code == 200, response.text
    made: dict[str, Any] = response.json()
    return made


def bodies(receiver: Receiver) -> list[dict[str, Any]]:
    return [json.loads(taken.body) for taken in receiver.taken]


@pytest.fixture
async def api(sandbox: Sandbox, settings: SandboxSettings) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the transaction API."""
    headers = {"Authorization": f"Bearer {settings.sepay_api_token}"}
    transport = SandboxTransport(sandbox)
    async with httpx.AsyncClient(transport=transport, base_url="http://sandbox/sepay", headers=headers) as client:
        yield client


@asynccontextmanager
async def other_sandbox(clock: ManualClock, receiver: object, **changes: Any) -> AsyncIterator[Sandbox]:
    sandbox = create_sandbox(SandboxSettings(**changes), now_ms=clock)
    sandbox.send_through(httpx.ASGITransport(app=receiver))  # type: ignore[arg-type]
    yield sandbox
    await sandbox.aclose()


async def paid_in(sandbox: Sandbox, **wish: Any) -> None:
    async with httpx.AsyncClient(transport=SandboxTransport(sandbox), base_url="http://sandbox") as person:
        await transfer(person, **wish)
    await sandbox.deliver_due()


def test_the_webhook_signature_is_the_fact_sheets_vector() -> None:
    body = b'{"id":1,"transferType":"in","transferAmount":50000}'
    assert webhook_signature("sepay_secret", 1_700_000_000, body) == (
        "sha256=a236704b7063f7eb4c08fbba8f6512cc0534e54e1f0efdcfde7488d544c68b41"
    )


async def test_a_transfer_is_told_with_its_code_and_signed(
    *,
    person: httpx.AsyncClient,
    sandbox: Sandbox,
    receiver: Receiver,
    settings: SandboxSettings,
    clock: ManualClock,
) -> None:
    await transfer(person, content="Thanh toan tlh7k2m9q4px cam on")
    await sandbox.deliver_due()
    [taken], [body] = receiver.taken, bodies(receiver)
    assert taken.path == "/api/v1/payments/webhook/sepay"
    reference = body.pop("referenceCode")
    assert re.fullmatch(r"FT\d{14}", reference)
    assert body == {
        "id": 90_001,
        "gateway": "Vietcombank",
        "transactionDate": "2027-01-15 15:00:00",
        "accountNumber": settings.sepay_account_number,
        "subAccount": None,
        "code": "TLH7K2M9Q4PX",
        "content": "Thanh toan tlh7k2m9q4px cam on",
        "transferType": "in",
        "transferAmount": 150_000,
        "accumulated": 50_150_000,
        "description": "BankAPINotify Thanh toan tlh7k2m9q4px cam on",
    }
    message = f"{clock.at_ms // 1000}.".encode() + taken.body
    digest = hmac.new(settings.sepay_webhook_secret.encode(), message, hashlib.sha256).hexdigest()
    assert taken.headers["x-sepay-timestamp"] == str(clock.at_ms // 1000)
    assert taken.headers["x-sepay-signature"] == f"sha256={digest}"


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ("TLH7K2M9Q4PX", "TLH7K2M9Q4PX"),
        ("TLH7K2M9Q4PX TLH7K2M9Q4PY", "TLH7K2M9Q4PX"),
        ("thanhtoan tlh7k2m9q4px", "TLH7K2M9Q4PX"),
        ("xin chào", None),
        ("TLH7K2M", None),
        ("", None),
    ],
)
async def test_the_code_is_what_the_pattern_finds_first(
    person: httpx.AsyncClient, content: str, code: str | None
) -> None:
    assert (await transfer(person, content=content))["code"] == code


async def test_money_that_leaves_is_told_too_and_the_ids_go_on(
    person: httpx.AsyncClient, sandbox: Sandbox, receiver: Receiver
) -> None:
    await transfer(person, 200_000, content="TLH7K2M9Q4PX")
    await transfer(person, 50_000, content="TLH7K2M9Q4PX", transfer_type="out")
    await sandbox.deliver_due()
    seen = [
        (body["id"], body["transferType"], body["transferAmount"], body["accumulated"]) for body in bodies(receiver)
    ]
    assert seen == [(90_001, "in", 200_000, 50_200_000), (90_002, "out", 50_000, 50_150_000)]


@pytest.mark.parametrize("wish", [{"amount": 0}, {"amount": 1.5}, {"amount": 1, "transfer_type": "up"}])
async def test_an_impossible_transfer_is_refused(
    person: httpx.AsyncClient, sandbox: Sandbox, wish: dict[str, Any]
) -> None:
    assert (await person.post("/_sandbox/sepay/transfers", json=wish)).status_code == 422
    assert (await person.get("/_sandbox/sepay/bank")).json()["items"] == []
    assert sandbox.pending() == []


@pytest.mark.parametrize(
    ("auth", "header", "value"),
    [("apikey", "authorization", "Apikey sepay_test_api_key_tillhouse"), ("none", "authorization", None)],
)
async def test_a_webhook_proves_itself_as_it_is_set_up(
    clock: ManualClock, receiver: Receiver, auth: str, header: str, value: str | None
) -> None:
    async with other_sandbox(clock, receiver, sepay_webhook_auth=auth) as sandbox:
        await paid_in(sandbox, amount=1_000)
    [taken] = receiver.taken
    assert taken.headers.get(header) == value
    assert "x-sepay-signature" not in taken.headers


async def test_a_virtual_account_leads_to_the_account(clock: ManualClock, receiver: Receiver) -> None:
    async with other_sandbox(clock, receiver, sepay_virtual_accounts=["VQRQ0001"]) as sandbox:
        await paid_in(sandbox, amount=1_000, account_number="VQRQ0001")
    [body] = bodies(receiver)
    assert (body["subAccount"], body["accountNumber"]) == ("VQRQ0001", "0071000888888")


async def test_a_refused_webhook_comes_seven_times_more_signed_anew(
    person: httpx.AsyncClient, sandbox: Sandbox, receiver: Receiver, clock: ManualClock, settings: SandboxSettings
) -> None:
    receiver.status = 500
    await transfer(person, content="TLH7K2M9Q4PX")
    await sandbox.deliver_due()
    waits = []
    while sandbox.pending():
        due = sandbox.pending()[0].due_at or 0
        waits.append((due - clock.at_ms) / 1000 * settings.clock_scale / 60)
        clock.at_ms = due
        await sandbox.deliver_due()
    assert waits == [1, 1, 2, 3, 5, 8, 13]
    assert len(receiver.taken) == 8
    assert len({taken.body for taken in receiver.taken}) == 1
    assert len({taken.headers["x-sepay-signature"] for taken in receiver.taken}) == 8


async def test_what_waited_for_over_five_hours_is_dropped(
    person: httpx.AsyncClient, sandbox: Sandbox, receiver: Receiver, clock: ManualClock
) -> None:
    receiver.status = 500
    await transfer(person)
    clock.advance(5 * 3600 / 60)
    await sandbox.deliver_due()
    assert sandbox.pending() == []
    assert [item["status"] for item in (await person.get("/_sandbox/webhooks")).json()["items"]] == ["failed"]


@pytest.mark.parametrize(
    ("rule", "status", "body", "taken"),
    [
        ("status", 204, b"", True),
        ("status", 302, b"", False),
        ("status_and_body", 200, b'{"success": true}', True),
        ("status_and_body", 201, b'{"success": true}', True),
        ("status_and_body", 200, b'{"success": false}', False),
        ("status_and_body", 200, b"ok", False),
        ("status_and_body", 204, b"", False),
    ],
)
async def test_either_rule_of_success_can_be_played(
    clock: ManualClock, rule: str, status: int, body: bytes, taken: bool
) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": body})

    async with other_sandbox(clock, app, sepay_webhook_success=rule) as sandbox:
        await paid_in(sandbox, amount=1_000)
        assert (sandbox.pending() == []) is taken


async def test_api_v1_speaks_in_strings(
    api: httpx.AsyncClient, person: httpx.AsyncClient, sandbox: Sandbox, settings: SandboxSettings
) -> None:
    await transfer(person, 50_000, content="TLH7K2M9Q4PX")
    await transfer(person, 20_000, transfer_type="out")
    listed = (await api.get("/userapi/transactions/list")).json()
    assert (listed["status"], listed["error"], listed["messages"]) == (200, None, {"success": True})
    newest, oldest = listed["transactions"]
    assert (newest["id"], newest["amount_in"], newest["amount_out"]) == ("90002", "0.00", "20000.00")
    assert (oldest["amount_in"], oldest["accumulated"], oldest["code"]) == ("50000.00", "50050000.00", "TLH7K2M9Q4PX")
    assert oldest["transaction_date"] == "2027-01-15 15:00:00"
    one = (await api.get("/userapi/transactions/details/90001")).json()
    assert one["transaction"] == oldest
    counted = (await api.get("/userapi/transactions/count", params={"amount_in": 50_000})).json()
    assert counted["count_transactions"] == 1


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ({"since_id": 90_002}, ["90003", "90002"]),
        ({"amount_in": 2_000}, ["90002"]),
        ({"limit": 1}, ["90003"]),
        ({"transaction_date_min": "2027-01-16"}, ["90003"]),
        ({"transaction_date_max": "2027-01-15"}, ["90002", "90001"]),
        ({"transaction_date_max": "2027-01-15 14:59:59"}, []),
        ({"account_number": "none"}, []),
    ],
)
async def test_api_v1_filters(
    api: httpx.AsyncClient, person: httpx.AsyncClient, clock: ManualClock, query: dict[str, Any], ids: list[str]
) -> None:
    await transfer(person, 1_000)
    await transfer(person, 2_000)
    clock.advance(24 * 3600)
    await transfer(person, 3_000)
    listed = (await api.get("/userapi/transactions/list", params=query)).json()
    assert [item["id"] for item in listed["transactions"]] == ids


async def test_a_wrong_token_gets_an_empty_200_from_v1_and_401_from_v2(person: httpx.AsyncClient) -> None:
    headers = {"Authorization": "Bearer wrong"}
    v1 = await person.get("/sepay/userapi/transactions/list", headers=headers)
    assert (v1.status_code, v1.content) == (200, b"")
    v2 = await person.get("/sepay/v2/transactions", headers=headers)
    assert (v2.status_code, v2.json()["error_code"]) == (401, "unauthorized")


async def test_the_fourth_call_within_a_second_is_refused(api: httpx.AsyncClient, clock: ManualClock) -> None:
    statuses = [(await api.get("/userapi/transactions/list")).status_code for _ in range(3)]
    refused = await api.get("/userapi/transactions/list")
    assert (statuses, refused.status_code) == ([200, 200, 200], 429)
    assert refused.headers["x-sepay-userapi-retry-after"] == "1"
    also = await api.get("/v2/transactions")
    assert (also.status_code, also.headers["retry-after"]) == (429, "1")
    assert also.headers["x-ratelimit-limit"] == "3"
    clock.advance(1)
    assert (await api.get("/v2/transactions")).headers["x-ratelimit-remaining"] == "2"


async def test_api_v2_speaks_in_numbers_and_pages(
    api: httpx.AsyncClient, person: httpx.AsyncClient, sandbox: Sandbox, clock: ManualClock
) -> None:
    for amount in (1_000, 2_000, 3_000):
        await transfer(person, amount)
    await sandbox.deliver_due()
    page = (await api.get("/v2/transactions", params={"per_page": 2, "page": 2})).json()
    assert page["meta"]["pagination"] == {
        "total": 3, "per_page": 2, "current_page": 2, "last_page": 2, "has_more": False,
    }  # fmt: skip
    [oldest] = page["data"]
    assert (oldest["amount_in"], oldest["amount_out"], oldest["webhook_success"]) == (1_000, 0, True)
    assert (await api.get(f"/v2/transactions/{oldest['id']}")).json()["data"] == oldest
    clock.advance(1)
    later = (await api.get("/v2/transactions", params={"since_id": oldest["id"], "amount_in_max": 2_000})).json()
    assert [item["amount_in"] for item in later["data"]] == [2_000]
    missing = await api.get("/v2/transactions/90001")
    assert (missing.status_code, missing.json()["error_code"]) == (404, "not_found")


async def test_the_image_is_a_png_of_a_valid_code_that_the_bank_offers_to_pay(person: httpx.AsyncClient) -> None:
    query = {"acc": "0071000888888", "bank": "Vietcombank", "amount": "150000", "des": "Đơn TLH7K2M9Q4PX"}
    image = await person.get("/sepay/img", params=query)
    assert image.headers["content-type"] == "image/png"
    assert image.content.startswith(b"\x89PNG\r\n")
    text = image.headers["x-sandbox-code"]
    assert emvco.is_sealed(text)
    assert emvco.parse(emvco.parse(text)["62"]) == {"08": "Don TLH7K2M9Q4PX"}

    page = (await person.get("/_sandbox/sepay/bank", headers=HTML)).text
    assert "150.000" in page
    assert "des=%C4%90%C6%A1n%20TLH7K2M9Q4PX" in page or "des=%C4%90%C6%A1n+TLH7K2M9Q4PX" in page
    read = (await person.get("/_sandbox/sepay/bank", params={"code": text}, headers=HTML)).text
    for value in ("0071000888888", "150000", "Don TLH7K2M9Q4PX"):
        assert f'value="{value}"' in read
    by_address = (await person.get("/_sandbox/sepay/bank", params={"code": str(image.url)}, headers=HTML)).text
    assert 'value="Đơn TLH7K2M9Q4PX"' in by_address
    garbled = (await person.get("/_sandbox/sepay/bank", params={"code": text[:-1]}, headers=HTML)).text
    assert "This is no VietQR code" in garbled


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"bank": "VCB"}, 422),
        ({"acc": "0071000888888"}, 422),
        ({"acc": "0071000888888", "bank": "Nobank"}, 400),
        ({"acc": "0071000888888", "bank": "VCB", "amount": "0"}, 422),
    ],
)
async def test_a_code_for_nobody_is_refused(person: httpx.AsyncClient, query: dict[str, str], status: int) -> None:
    assert (await person.get("/sepay/img", params=query)).status_code == status


async def test_faults_strike_the_webhook_and_the_api(
    api: httpx.AsyncClient, person: httpx.AsyncClient, sandbox: Sandbox, receiver: Receiver
) -> None:
    for wish in (
        {"fault": "amount_off", "path": "in"},
        {"fault": "tamper", "path": "out"},
        {"fault": "status_500", "path": "/sepay/userapi"},
        {"fault": "status_429", "path": "/sepay/v2"},
    ):
        assert (await person.post("/_sandbox/faults", json={"provider": "sepay", **wish})).status_code == 201
    await transfer(person, 1_000)
    await transfer(person, 1_000, transfer_type="out")
    await sandbox.deliver_due()
    assert [body["transferAmount"] for body in bodies(receiver)] == [1_100, 1_100]
    secret = sandbox.world.settings.sepay_webhook_secret
    right = [
        webhook_signature(secret, int(taken.headers["x-sepay-timestamp"]), taken.body)
        == taken.headers["x-sepay-signature"]
        for taken in receiver.taken
    ]
    assert right == [True, False]
    assert (await api.get("/userapi/transactions/list")).status_code == 500
    assert (await api.get("/v2/transactions")).json()["error_code"] == "too_many_requests"


@pytest.mark.parametrize("provider", ["sepay", "sepay_pg"])
async def test_any_content_can_be_sent_rightly_proven(
    person: httpx.AsyncClient, sandbox: Sandbox, receiver: Receiver, provider: str
) -> None:
    wish = {"provider": provider, "event": "in", "payload": {"id": 90_001, "transferAmount": 1}}
    assert (await person.post("/_sandbox/webhooks", json=wish)).status_code == 201
    await sandbox.deliver_due()
    [taken] = receiver.taken
    assert json.loads(taken.body) == wish["payload"]
    assert taken.path == "/api/v1/payments/webhook/sepay"
    assert ("x-sepay-signature" in taken.headers, "x-secret-key" in taken.headers) == (
        provider == "sepay",
        provider == "sepay_pg",
    )
