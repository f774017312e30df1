"""The API and the console of webhooks: who sees what, what is shown once, and what is written to no log."""

import json
import re
import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime

import httpx
import pytest
from sqlalchemy import text

from tests.parts.channels.receiver import URL, Office, open_office, verified
from tests.parts.identity.town import Town
from tillhouse.kernel import clock
from tillhouse.kernel.access import SYSTEM
from tillhouse.kernel.house import House
from tillhouse.kernel.settings import KernelSettings
from tillhouse.kernel.work import run_due
from tillhouse.parts.identity import store as people_store
from tillhouse.parts.identity.domain import parse_identifier
from tillhouse.parts.identity.service import machines, sessions
from tillhouse.sandbox.app import Sandbox
from tillhouse.sandbox.smtp import smtp_server

SCOPE = "channels.webhooks"
NEW = {"url": URL, "event_types": ["tip.left"], "description": "Bookkeeping"}


@pytest.fixture
def at() -> Iterator[clock.TestClock]:
    """Now, held still: the official library looks at the system's clock."""
    with clock.held(datetime.fromtimestamp(int(time.time()), UTC)) as held:
        yield held


@pytest.fixture
async def office(
    settings: KernelSettings, sandbox: Sandbox, at: clock.TestClock, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Office]:
    monkeypatch.setenv("IDENTITY_ARGON2_MEMORY_KIB", "64")
    async with smtp_server(sandbox.world.inbox, "127.0.0.1", 0) as port:
        monkeypatch.setenv("SMTP_PORT", str(port))
        async with open_office(settings, sandbox, at) as opened:
            yield opened


@pytest.fixture
def town(office: Office, sandbox: Sandbox) -> Town:
    return Town(office.house, office.app, sandbox)


async def rows(house: House, table: str) -> list[tuple[object, ...]]:
    async with house.database.reading() as session:
        return [tuple(row) for row in await session.execute(text(f"SELECT * FROM channels.{table} ORDER BY id"))]


async def test_a_machine_makes_an_endpoint_and_its_secret_is_never_seen_again(office: Office, town: Town) -> None:
    token = await town.machine(SCOPE)
    made = await town.post("/webhook-endpoints", NEW, token=token)
    assert made.status_code == 201
    secret, endpoint_id = made.json()["secret"], made.json()["id"]
    assert re.fullmatch(r"whsec_[A-Za-z0-9+/]{43}=", secret)
    await office.told()
    assert verified(secret, office.receiver.got[0])
    paths = ["", f"/{endpoint_id}"]
    answers = [await town.call("GET", f"/webhook-endpoints{path}", token=token) for path in paths]
    answers.append(await town.call("PATCH", f"/webhook-endpoints/{endpoint_id}", {"description": "x"}, token=token))
    answers.append(await town.post(f"/webhook-endpoints/{endpoint_id}/test", token=token))
    answers.append(await town.call("GET", "/webhook-deliveries", token=token))
    answers.append(await town.call("GET", f"/webhook-deliveries/{answers[3].json()['id']}", token=token))
    assert {answer.status_code for answer in answers} <= {200, 202}
    assert all("whsec_" not in answer.text and secret not in answer.text for answer in answers)


async def test_a_secret_lies_sealed_in_the_database_and_is_in_no_job_event_audit_line_or_log(
    office: Office, town: Town, caplog: pytest.LogCaptureFixture
) -> None:
    token = await town.machine(SCOPE)
    made = (await town.post("/webhook-endpoints", NEW, token=token)).json()
    rotated = (await town.post(f"/webhook-endpoints/{made['id']}/rotate-secret", token=token)).json()
    office.receiver.answer = 500
    await office.told()
    async with office.house.database.reading() as session:
        tables = ["channels.webhook_secrets", "channels.webhook_endpoints", "channels.webhook_deliveries"]
        tables += ["channels.webhook_messages", "channels.webhook_attempts", "kernel.jobs", "kernel.events"]
        tables += ["identity.audit"]
        for table in tables:
            kept = str((await session.execute(text(f"SELECT coalesce(json_agg(t)::text, '') FROM {table} t"))).scalar())
            for secret in (made["secret"], rotated["secret"]):
                assert secret not in kept
                assert secret.removeprefix("whsec_") not in kept
    assert "whsec_" not in caplog.text
    assert "tenant=7" not in caplog.text  # an address may hold a secret of the receiver's


async def test_the_same_key_makes_one_endpoint(office: Office, town: Town) -> None:
    token = await town.machine(SCOPE)
    headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": "once"}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(office.app), base_url="http://testserver") as client:
        first, second = [await client.post("/api/v1/webhook-endpoints", json=NEW, headers=headers) for _ in range(2)]
    assert first.json() == second.json()
    assert len(await rows(office.house, "webhook_endpoints")) == 1


async def test_another_machine_sees_nothing_of_it_and_changes_nothing(office: Office, town: Town) -> None:
    mine, other = await town.machine(SCOPE), await town.machine(SCOPE)
    endpoint = (await town.post("/webhook-endpoints", NEW, token=mine)).json()["id"]
    await office.told()
    delivery = (await town.call("GET", "/webhook-deliveries", token=mine)).json()["items"][0]["id"]
    tables = ("webhook_endpoints", "webhook_secrets", "webhook_deliveries", "webhook_attempts")
    before = [await rows(office.house, table) for table in tables]
    doors = [
        ("GET", f"/webhook-endpoints/{endpoint}", None),
        ("PATCH", f"/webhook-endpoints/{endpoint}", {"status": "paused"}),
        ("DELETE", f"/webhook-endpoints/{endpoint}", None),
        ("POST", f"/webhook-endpoints/{endpoint}/rotate-secret", None),
        ("POST", f"/webhook-endpoints/{endpoint}/test", None),
        ("GET", f"/webhook-deliveries/{delivery}", None),
        ("POST", f"/webhook-deliveries/{delivery}/redeliver", None),
    ]
    for method, path, body in doors:
        assert (await town.call(method, path, body, token=other)).status_code == 404, path
    for path in ("/webhook-endpoints", "/webhook-deliveries", f"/webhook-deliveries?endpoint_id={endpoint}"):
        assert (await town.call("GET", path, token=other)).json()["items"] == [], path
        assert len((await town.call("GET", path, token=mine)).json()["items"]) == 1, path
    assert [await rows(office.house, table) for table in tables] == before


async def test_staff_see_those_of_machines_and_machines_see_none_of_the_house(office: Office, town: Town) -> None:
    staff = await town.resident("meera@example.com", role="staff")
    machine = await town.machine(SCOPE)
    theirs = (await town.post("/webhook-endpoints", NEW, token=machine)).json()["id"]
    ours = (await town.post("/webhook-endpoints", NEW, token=staff.token)).json()["id"]
    listed = (await town.call("GET", "/webhook-endpoints", token=staff.token)).json()["items"]
    assert [one["id"] for one in listed] == [ours, theirs]
    assert (await town.call("GET", f"/webhook-endpoints/{ours}", token=machine)).status_code == 404


@pytest.mark.parametrize("who", ["nobody", "user", "staff without a second factor", "a machine without the scope"])
async def test_others_are_refused_and_nothing_changes(office: Office, town: Town, who: str) -> None:
    token = None
    if who == "user":
        token = (await town.resident()).token
    elif who.startswith("staff"):
        await town.resident("meera@example.com", role="staff")
        async with office.house.database.transaction() as session:
            person = await people_store.person_by_identifier(session, parse_identifier("meera@example.com"))
            assert person
            begun = (await sessions.begin(session, person, "api", "Firefox", 1)).tokens
        assert begun
        token = begun.access_token
    elif who.startswith("a machine"):
        async with office.house.database.transaction() as session:
            made = await machines.create(session, SYSTEM, "robot", [SCOPE])
            made.row.scopes = []
        token = made.key
    answer = await town.post("/webhook-endpoints", NEW, token=token)
    assert answer.status_code == (401 if who == "nobody" else 403)
    assert await rows(office.house, "webhook_endpoints") == []


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"url": "http://hooks.example.com/"}, "/url"),
        ({"url": "https://10.0.0.1/"}, "/url"),
        ({"event_types": ["tip.lost"]}, "/event_types"),
        ({"event_types": ["*", "tip.left"]}, "/event_types"),
        ({"event_types": []}, "/event_types"),
        ({"secret": "whsec_mine"}, "/secret"),
    ],
)
async def test_a_wrong_wish_is_refused_at_its_field(
    office: Office, town: Town, change: dict[str, object], pointer: str
) -> None:
    answer = await town.post("/webhook-endpoints", {**NEW, **change}, token=await town.machine(SCOPE))
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == pointer
    assert await rows(office.house, "webhook_endpoints") == []


async def test_there_is_an_end_to_endpoints(office: Office, town: Town) -> None:
    token, other = await town.machine(SCOPE), await town.machine(SCOPE)
    for _ in range(20):
        await office.endpoint()
    assert (await town.post("/webhook-endpoints", NEW, token=token)).status_code == 201
    async with office.house.database.transaction() as session:
        await session.execute(text("UPDATE channels.webhook_endpoints SET machine_id = m.machine_id FROM"
                                   " (SELECT machine_id FROM channels.webhook_endpoints"
                                   " WHERE machine_id IS NOT NULL) m"))  # fmt: skip
    assert (await town.post("/webhook-endpoints", NEW, token=token)).status_code == 409
    assert (await town.post("/webhook-endpoints", NEW, token=other)).status_code == 201


async def test_an_endpoint_is_paused_enabled_tested_and_deleted(office: Office, town: Town) -> None:
    token = await town.machine(SCOPE)
    path = f"/webhook-endpoints/{(await town.post('/webhook-endpoints', NEW, token=token)).json()['id']}"
    paused = await town.call("PATCH", path, {"status": "paused"}, token=token)
    assert paused.json()["status"] == "paused"
    assert (await town.post(f"{path}/test", token=token)).status_code == 409
    await town.call("PATCH", path, {"status": "enabled"}, token=token)
    test = await town.post(f"{path}/test", token=token)
    assert (test.status_code, test.json()["type"]) == (202, "webhook.test")
    await run_due(office.house)
    details = (await town.call("GET", f"/webhook-deliveries/{test.json()['id']}", token=token)).json()
    assert (details["state"], details["tries"][0]["status"]) == ("delivered", 200)
    assert json.loads(details["body"])["type"] == office.receiver.got[0].json["type"] == "webhook.test"
    assert (await town.call("DELETE", path, token=token)).status_code == 204
    assert await rows(office.house, "webhook_deliveries") == await rows(office.house, "webhook_secrets") == []


async def test_deliveries_are_listed_by_cursor_state_and_endpoint(office: Office, town: Town) -> None:
    token = await town.machine(SCOPE)
    await town.post("/webhook-endpoints", NEW, token=token)
    for _ in range(5):
        await office.told()
    office.receiver.answer = 500
    await office.told()
    seen, cursor = [], ""
    while True:
        page = (await town.call("GET", f"/webhook-deliveries?limit=2{cursor}", token=token)).json()
        seen += [one["id"] for one in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert len(seen) == len(set(seen)) == 6
    assert seen == sorted(seen, reverse=True)
    pending = (await town.call("GET", "/webhook-deliveries?state=pending", token=token)).json()["items"]
    assert [one["id"] for one in pending] == seen[:1]
    assert pending[0]["next_attempt_at"]


async def test_what_can_be_sent_is_listed(office: Office, town: Town) -> None:
    found = (await town.call("GET", "/webhook-event-types", token=await town.machine(SCOPE))).json()["items"]
    assert [one["type"] for one in found] == ["tip.left", "tip.returned"]


async def test_whoever_made_an_endpoint_is_told_by_mail_when_it_is_disabled(office: Office, town: Town) -> None:
    staff = await town.resident("meera@example.com", role="staff")
    endpoint = (await town.post("/webhook-endpoints", NEW, token=staff.token)).json()["id"]
    office.receiver.answer = 410
    await office.told()
    (mail,) = await town.messages_to("meera@example.com")
    assert "410" in mail
    assert f"/console/channels/webhooks/{endpoint}" in mail
    assert "No money is affected" in mail
