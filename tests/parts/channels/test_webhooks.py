"""Webhooks out: planned with the event, signed by the standard, tried on a schedule, at least once."""

import base64
import re
import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client import REGISTRY
from standardwebhooks.webhooks import WebhookVerificationError

from tests.parts.channels.receiver import Office, TipLeft, open_office, verified
from tillhouse.kernel import clock
from tillhouse.kernel.access import SYSTEM, Principal
from tillhouse.kernel.ids import new_id
from tillhouse.kernel.settings import KernelSettings
from tillhouse.kernel.work import emit, enqueue, run_due
from tillhouse.parts.channels import store
from tillhouse.parts.channels.domain.webhooks import MOST_TRIES, Outcome, new_secret, next_pause
from tillhouse.parts.channels.events import ForgetWebhooks
from tillhouse.parts.channels.service import deliveries, endpoints
from tillhouse.parts.identity.service import machines
from tillhouse.sandbox.app import Sandbox

STAFF = Principal("person", id=None)
COUNTED = ("delivered", "retried", "dead")
PAUSES = [5, 300, 1800, 7200, 18000, 36000, 50400]


@pytest.fixture
def at() -> Iterator[clock.TestClock]:
    """Now, held still: the official library looks at the system's clock."""
    with clock.held(datetime.fromtimestamp(int(time.time()), UTC)) as held:
        yield held


@pytest.fixture
async def office(settings: KernelSettings, sandbox: Sandbox, at: clock.TestClock) -> AsyncIterator[Office]:
    async with open_office(settings, sandbox, at) as opened:
        yield opened


# What is sent


async def test_the_official_library_verifies_what_is_sent(office: Office) -> None:
    _, secret = await office.endpoint()
    tip_id = await office.told()
    (received,) = office.receiver.got
    payload = verified(secret, received)
    assert payload["type"] == "tip.left"
    assert payload["data"] == {"object": "tip", "id": str(tip_id), "status": "left", "note": "शुक्रिया"}
    assert datetime.fromisoformat(payload["timestamp"]) == office.at.at
    assert received.headers["user-agent"].startswith("Tillhouse-Webhooks/")
    assert received.headers["content-type"] == "application/json"
    assert received.url == "https://hooks.example.com/in?tenant=7"
    assert (await office.delivery()).state == "delivered"


async def test_a_changed_body_or_another_secret_is_not_verified(office: Office) -> None:
    _, secret = await office.endpoint()
    await office.told()
    (received,) = office.receiver.got
    with pytest.raises(WebhookVerificationError):
        verified(new_secret(), received)
    received.body += b" "
    with pytest.raises(WebhookVerificationError):
        verified(secret, received)


def test_a_secret_is_as_long_as_the_standard_wants_and_never_the_same() -> None:
    secrets = {new_secret() for _ in range(50)}
    assert len(secrets) == 50
    assert all(24 <= len(base64.b64decode(one.removeprefix("whsec_"))) <= 64 for one in secrets)


async def test_after_a_rotation_both_secrets_verify_for_a_day_then_the_new_one_alone(office: Office) -> None:
    row, old = await office.endpoint()
    async with office.house.database.transaction() as session:
        _, new = await endpoints.rotate_secret(session, STAFF, row.id)
    await office.told()
    assert len(office.receiver.got[0].headers["webhook-signature"].split()) == 2
    assert verified(old, office.receiver.got[0]) == verified(new, office.receiver.got[0])
    async with office.house.database.transaction() as session:
        assert len(await store.good_secrets(session, row.id, office.at.at + timedelta(hours=23, minutes=59))) == 2
        (left,) = await store.good_secrets(session, row.id, office.at.at + timedelta(hours=24))
    assert office.house.vault.open(left.secret) == new


async def test_a_leaked_secret_can_be_replaced_at_once(office: Office) -> None:
    row, old = await office.endpoint()
    async with office.house.database.transaction() as session:
        _, new = await endpoints.rotate_secret(session, STAFF, row.id, overlap=timedelta(0))
    await office.told()
    assert verified(new, office.receiver.got[0])
    with pytest.raises(WebhookVerificationError):
        verified(old, office.receiver.got[0])


async def test_an_endpoint_gets_the_types_it_chose(office: Office) -> None:
    await office.endpoint("https://hooks.example.com/tips", "tip.left")
    await office.endpoint("https://hooks.example.com/returns", "tip.returned")
    await office.endpoint("https://hooks.example.com/all")
    await office.told()
    assert sorted(httpx.URL(one.url).path for one in office.receiver.got) == ["/all", "/tips"]
    assert len({one.id for one in office.receiver.got}) == 1  # it is one event, wherever it goes


async def test_what_rolls_back_is_told_to_nobody(office: Office) -> None:
    await office.endpoint()
    with pytest.raises(RuntimeError):
        async with office.house.database.transaction() as session:
            await emit(session, TipLeft(tip_id=new_id()))
            raise RuntimeError
    await run_due(office.house)
    assert office.receiver.got == []


# When it is tried again


async def test_a_failure_is_tried_again_on_the_schedule_with_the_same_id_and_bytes_and_a_new_time(
    office: Office,
) -> None:
    await office.endpoint()
    office.receiver.answer = 500
    await office.told()
    for number, pause in enumerate(PAUSES, start=1):
        due = (await office.delivery()).due_at
        assert timedelta(seconds=pause) <= due - office.at.at <= timedelta(seconds=pause * 1.2)
        await office.later(due - office.at.at - timedelta(milliseconds=1))
        assert len(office.receiver.got) == number
        await office.later(timedelta(milliseconds=1))
        assert len(office.receiver.got) == number + 1
    assert len(office.receiver.got) == MOST_TRIES
    assert len({one.id for one in office.receiver.got}) == 1
    assert len({one.body for one in office.receiver.got}) == 1
    assert len({one.headers["webhook-timestamp"] for one in office.receiver.got}) == MOST_TRIES
    assert (await office.delivery()).state == "dead"
    await office.later(timedelta(days=3))
    assert len(office.receiver.got) == MOST_TRIES


def test_the_tries_span_a_day_and_more() -> None:
    assert sum(PAUSES) >= 24 * 3600
    assert next_pause(MOST_TRIES, Outcome(500), 0.0) is None


async def test_what_is_taken_at_last_is_delivered_and_every_answer_is_kept(office: Office) -> None:
    await office.endpoint()
    office.receiver.script = [503, httpx.ReadTimeout("slow"), httpx.ConnectError("refused"), 302, 400]
    await office.told()
    for _ in range(5):
        await office.later(timedelta(hours=11))
    assert (await office.delivery()).state == "delivered"
    kept = [(one.status, one.error, one.answer) for one in await office.attempts()]
    assert kept == [
        (503, None, "answer 503"),
        (None, "no_answer", ""),
        (None, "unreachable", ""),
        (302, "redirected", "answer 302"),
        (400, None, "answer 400"),
        (200, None, "answer 200"),
    ]


@pytest.mark.parametrize("status", [429, 503])
async def test_retry_after_is_honoured(office: Office, status: int) -> None:
    await office.endpoint()
    office.receiver.script = [httpx.Response(status, headers={"Retry-After": "600"})]
    await office.told()
    assert (await office.delivery()).due_at - office.at.at == timedelta(minutes=10)


async def test_retry_after_may_be_a_date_is_never_sooner_than_the_schedule_and_at_most_a_day(office: Office) -> None:
    await office.endpoint()
    when = (office.at.at + timedelta(hours=2)).strftime("%a, %d %b %Y %H:%M:%S GMT")
    waits = [when, "0", "99999999", "soon"]
    office.receiver.script = [httpx.Response(503, headers={"Retry-After": wait}) for wait in waits]
    await office.told()
    assert (await office.delivery()).due_at - office.at.at == timedelta(hours=2)
    await office.later(timedelta(hours=2))
    assert timedelta(minutes=5) <= (await office.delivery()).due_at - office.at.at <= timedelta(minutes=6)
    await office.later(timedelta(minutes=6))
    assert (await office.delivery()).due_at - office.at.at == timedelta(hours=24)
    await office.later(timedelta(hours=24))
    assert timedelta(hours=2) <= (await office.delivery()).due_at - office.at.at <= timedelta(hours=2.4)


async def test_retry_after_means_nothing_beside_another_status(office: Office) -> None:
    await office.endpoint()
    office.receiver.script = [httpx.Response(500, headers={"Retry-After": "600"})]
    await office.told()
    assert (await office.delivery()).due_at - office.at.at <= timedelta(seconds=6)


async def test_a_long_answer_is_kept_in_part_and_one_that_is_no_text_breaks_nothing(office: Office) -> None:
    await office.endpoint()
    office.receiver.script = [httpx.Response(200, content=b"\0\xff" + b"x" * 100_000)]
    await office.told()
    (attempt,) = await office.attempts()
    assert (len(attempt.answer), attempt.answer[:3]) == (2048, "\ufffd\ufffdx")


# When it is given up


async def test_410_disables_the_endpoint_and_nothing_more_is_sent_there(office: Office) -> None:
    row, _ = await office.endpoint()
    office.receiver.answer = 410
    await office.told()
    assert ((await office.see(row.id)).status, (await office.see(row.id)).disabled_reason) == ("disabled", "gone")
    assert (await office.delivery()).state == "dead"
    await office.told()
    await office.later(timedelta(days=2))
    assert len(office.receiver.got) == 1
    assert len(await office.deliveries()) == 1


async def test_an_endpoint_that_takes_nothing_for_days_is_disabled(office: Office) -> None:
    row, _ = await office.endpoint()
    office.receiver.answer = 500
    statuses = []
    for _ in range(3):
        await office.told()
        for _ in range(MOST_TRIES):
            await office.later(timedelta(hours=13))
        statuses.append((await office.see(row.id)).status)
    assert statuses == ["enabled", "enabled", "disabled"]  # each is given up 3 days and more after the one before
    assert (await office.see(row.id)).disabled_reason == "failing"


async def test_one_success_begins_the_days_anew(office: Office) -> None:
    row, _ = await office.endpoint()
    for _ in range(4):
        office.receiver.answer = 500
        await office.told()
        for _ in range(MOST_TRIES):
            await office.later(timedelta(hours=13))
        office.receiver.answer = 200
        await office.told()
        assert (await office.see(row.id)).failing_since is None
    assert (await office.see(row.id)).status == "enabled"


async def test_what_was_given_up_can_be_sent_again_with_all_its_tries_under_the_same_id(office: Office) -> None:
    await office.endpoint()
    office.receiver.answer = 500
    await office.told()
    for _ in range(MOST_TRIES):
        await office.later(timedelta(hours=13))
    given_up = (await office.delivery()).id
    async with office.house.database.transaction() as session:
        await deliveries.redeliver(session, STAFF, given_up)
    await run_due(office.house)
    assert (await office.delivery()).state == "pending"
    office.receiver.answer = 200
    await office.later(timedelta(seconds=6))
    assert (await office.delivery()).state == "delivered"
    assert [one.number for one in await office.attempts()] == list(range(1, MOST_TRIES + 3))
    assert len({one.id for one in office.receiver.got}) == 1


# While it is paused


async def test_what_happens_while_an_endpoint_is_paused_is_sent_when_it_is_enabled_again(office: Office) -> None:
    row, _ = await office.endpoint()
    async with office.house.database.transaction() as session:
        await endpoints.change(session, STAFF, row.id, status="paused")
    for _ in range(12):
        await office.told()
    await office.later(timedelta(days=1))
    assert office.receiver.got == []
    async with office.house.database.transaction() as session:
        await endpoints.change(session, STAFF, row.id, status="enabled")
    await run_due(office.house)
    assert len({one.id for one in office.receiver.got}) == len(office.receiver.got) == 12


async def test_a_machine_whose_key_is_no_longer_good_is_sent_nothing_more(office: Office) -> None:
    async with office.house.database.transaction() as session:
        made = await machines.create(session, SYSTEM, "robot", ["channels.webhooks"])
        machine = machines.principal_of_key(office.house, made.row)
    assert machine
    row, _ = await office.endpoint(actor=machine)
    await office.told()
    async with office.house.database.transaction() as session:
        await machines.revoke(session, SYSTEM, made.row.id)
    await office.told()
    assert len(office.receiver.got) == 1
    assert (await office.see(row.id)).disabled_reason == "key_revoked"


# Retention


async def test_deliveries_are_forgotten_after_the_days_that_the_settings_say(office: Office) -> None:
    await office.endpoint()
    await office.told()
    office.at.advance(timedelta(days=29))
    await office.told()
    for kept in (2, 1):
        async with office.house.database.transaction() as session:
            await enqueue(session, ForgetWebhooks())
        await run_due(office.house)
        assert len(await office.deliveries()) == kept
        office.at.advance(timedelta(days=2))


# What is counted


def counted() -> dict[str, float]:
    found = {state: REGISTRY.get_sample_value("webhook_deliveries_total", {"state": state}) for state in COUNTED}
    return {state: value or 0 for state, value in found.items()}


async def test_what_becomes_of_deliveries_is_counted(office: Office) -> None:
    before = counted()
    await office.endpoint()
    office.receiver.script = [500, 200, 410]
    await office.told()
    await office.later(timedelta(seconds=6))
    await office.told()
    assert {state: now - before[state] for state, now in counted().items()} == {"delivered": 1, "retried": 1, "dead": 1}


# What integrators are told to do


async def test_the_verification_by_hand_of_the_how_to_works(office: Office) -> None:
    page = (Path(__file__).parents[3] / "docs/howto/receive-webhooks.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(import base64.*?)```", page, re.DOTALL)
    names: dict[str, Any] = {}
    exec(code, names)
    _, secret = await office.endpoint()
    await office.told()
    (received,) = office.receiver.got
    names["verify"](secret, received.headers, received.body)
    for wrong in ((new_secret(), received.body), (secret, received.body + b" ")):
        with pytest.raises(ValueError, match="not signed by us"):
            names["verify"](wrong[0], received.headers, wrong[1])
    received.headers["webhook-timestamp"] = "1000000000"
    with pytest.raises(ValueError, match="replayed"):
        names["verify"](secret, received.headers, received.body)
