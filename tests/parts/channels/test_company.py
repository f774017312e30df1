"""Deliveries that wait at the same time are taken in together: each once, in order, and none because of another."""

import asyncio
import hashlib
import hmac
import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Any
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import text

from tests.parts.channels.test_chats import FLOW, phone, rows, sandbox, sandbox_clock, town
from tests.parts.channels.town import ChatTown, Phone
from tests.parts.payments.crashes import Killed, killed_at
from tillhouse.kernel import clock
from tillhouse.kernel.house import House
from tillhouse.kernel.work import run_due
from tillhouse.parts.channels.api import END, STAY, Conversation, Line, Recipient, State, Talk, Words, send
from tillhouse.parts.channels.api import Text as AnyText
from tillhouse.parts.channels.flows import inbound as flow
from tillhouse.parts.channels.models import (
    ChatContactRow,
    ConversationRow,
    InboundRow,
    MessageRow,
    OptOutRow,
    ReceivedRow,
)

__all__ = ["phone", "sandbox", "sandbox_clock", "town"]

SECRET = b"whatsapp_test_app_secret_tillhouse"
NOON = 1_790_000_000
ACCOUNT = "100000000000001"


def message(phone: str, said: str, wamid: str = "", at: int = NOON, **more: Any) -> dict[str, Any]:
    """A message as Meta writes it."""
    written = {"type": "text", "text": {"body": said}, **more}
    return {"from": phone, "id": wamid or f"wamid.{phone}.{said}", "timestamp": str(at), **written}


def status(wamid: str, word: str, ours: str = "", **more: Any) -> dict[str, Any]:
    return {"id": wamid, "status": word, "timestamp": str(NOON), "biz_opaque_callback_data": ours, **more}


async def deliver(app: FastAPI, *messages: dict[str, Any], statuses: tuple[dict[str, Any], ...] = ()) -> None:
    """One webhook, by the door."""
    value = {"metadata": {"phone_number_id": ACCOUNT}, "messages": list(messages), "statuses": list(statuses)}
    entry = {"id": "2", "changes": [{"field": "messages", "value": value}]}
    await post(app, json.dumps({"object": "whatsapp_business_account", "entry": [entry]}).encode())


async def post(app: FastAPI, body: bytes) -> None:
    signature = "sha256=" + hmac.new(SECRET, body, hashlib.sha256).hexdigest()
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://testserver") as meta:
        answer = await meta.post(
            "/api/v1/channels/webhook/whatsapp", content=body, headers={"X-Hub-Signature-256": signature}
        )
    assert answer.status_code == 200


async def jobs_of(house: House, name: str) -> list[tuple[str, int]]:
    query = text("SELECT state, attempt FROM kernel.jobs WHERE name = :name ORDER BY created_at, id")
    async with house.database.reading() as session:
        return [(row.state, row.attempt) for row in await session.execute(query, {"name": name})]


async def note(talk: Talk) -> str | None:
    talk.memory["all"] = f"{talk.memory.get('all', '')}{talk.memory['said']} "
    return None


async def breaks(_talk: Talk) -> str | None:
    raise RuntimeError("a flow's own mistake")


NOTES = Conversation(
    name="channels.notes",
    version=1,
    begins="open",
    states=(
        State("open", says=Line("Well?"), accepts=(AnyText("first", to="listens"),)),
        State(
            "listens", accepts=(Words(("boom",), to=END, does=breaks), AnyText("said", to=STAY, does=note)),
        ),
    ),
)  # fmt: skip


@pytest.fixture
def together(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What company failed of: nothing, unless a test says so. Without this a mistake would only make it slow."""
    failed: list[str] = []
    monkeypatch.setattr(flow.log, "exception", lambda what, **_more: failed.append(what))
    yield failed
    assert failed == []


async def told_in_order(house: House) -> list[str]:
    return [
        str(one.memory.get("all")) for one in await rows(house, ConversationRow) if isinstance(one, ConversationRow)
    ]


async def test_what_waits_is_taken_in_in_one_transaction(house: House, app: FastAPI, together: list[str]) -> None:
    for number in range(6):
        await deliver(app, message(f"9198450123{number:02d}", "hello"))
    await run_due(house)
    async with house.database.reading() as session:
        found = (await session.execute(text("SELECT xmin::text FROM channels.chat_contacts"))).scalars().all()
    assert len(found) == 6
    assert len(set(found)) == 1, "one transaction wrote them"
    assert await rows(house, ReceivedRow) == []
    assert await jobs_of(house, "channels.take_in") == [("done", 1)] * 6
    assert await jobs_of(house, "channels.converse") == [("done", 1)] * 6


async def test_in_a_conversation_the_order_of_writing_holds_whatever_the_order_of_arrival(
    house: House, app: FastAPI, together: list[str]
) -> None:
    house.provide([NOTES])
    people = ("919845012301", "919845012302", "919845012303")
    for said in ("hello", "again"):
        for person in people:
            await deliver(app, message(person, said))
        await run_due(house)
    for at in (5, 2, 4, 1, 3):
        for person in people:
            await deliver(app, message(person, str(at), at=NOON + at))
            await deliver(app, message(person, str(at), at=NOON + at))  # Meta sends again
    await asyncio.gather(*(run_due(house) for _ in range(3)))
    await run_due(house)
    assert await told_in_order(house) == ["1 2 3 4 5 "] * 3
    assert len(await rows(house, InboundRow)) == 3 * 7


async def test_none_in_company_changes_how_another_ends(house: House, app: FastAPI, together: list[str]) -> None:
    house.provide([NOTES])
    for person in ("919845012301", "919845012302"):
        await deliver(app, message(person, "hello"))
    await run_due(house)
    await deliver(app, message("919845012301", "stop", at=NOON + 1))
    await deliver(app, message("919845012301", "a", at=NOON + 2))
    await post(app, b'{"object": "whatsapp_business_account", "entry": [{"changes": "none"}]}')
    await deliver(app, message("919845012302", "b", at=NOON + 1), message("919845012303", "c", at=NOON + 1))
    await run_due(house)
    (unreadable,) = [one for one in await rows(house, ReceivedRow) if isinstance(one, ReceivedRow)]
    assert unreadable.error
    assert len(await rows(house, OptOutRow)) == 1
    assert len(await rows(house, InboundRow)) == 6
    assert all(one.handled_at for one in await rows(house, InboundRow) if isinstance(one, InboundRow))
    assert [state for state, _ in await jobs_of(house, "channels.take_in")] == ["done"] * 6


async def test_somebody_known_by_number_and_by_id_becomes_one_although_others_wait(
    house: House, app: FastAPI, together: list[str]
) -> None:
    await deliver(app, message("919845012301", "hello"))
    by_id = message("", "hello", wamid="wamid.by-id")
    await deliver(app, {**by_id, "from_user_id": "IN.1"})
    await run_due(house)
    assert len(await rows(house, ChatContactRow)) == 2
    await deliver(app, message("919845012302", "hello"))
    await deliver(app, {**message("919845012301", "both"), "from_user_id": "IN.1"})
    await run_due(house)
    found = [one for one in await rows(house, ChatContactRow) if isinstance(one, ChatContactRow)]
    assert sorted((one.phone or "", one.user_id or "") for one in found) == [
        ("+919845012301", "IN.1"), ("+919845012302", ""),
    ]  # fmt: skip


async def test_a_flow_that_fails_holds_up_nobody_else(
    house: House, app: FastAPI, at: clock.TestClock, together: list[str]
) -> None:
    house.provide([NOTES])
    people = [f"9198450123{number:02d}" for number in range(4)]
    for said in ("hello", "again"):
        for person in people:
            await deliver(app, message(person, said))
        await run_due(house)
    for person in people:
        await deliver(app, message(person, "boom" if person == people[1] else "fine", at=NOON + 1))
    with pytest.raises(RuntimeError, match="a flow's own mistake"):
        await run_due(house)
    assert sorted(await told_in_order(house)) == ["None", "fine ", "fine ", "fine "]
    tried = [attempt for state, attempt in await jobs_of(house, "channels.converse") if state != "done"]
    assert len(tried) == 1, "it alone waits for its next try"


async def test_reports_in_company_only_go_forward_and_a_failure_goes_its_own_way(
    house: House, app: FastAPI, together: list[str]
) -> None:
    async with house.database.transaction() as session:
        ours = [
            await send(session, Recipient("sms", f"+9198450123{number:02d}", "en"), "identity.password_changed", {})
            for number in range(3)
        ]
        for number, message_id in enumerate(ours):
            update = (
                "UPDATE channels.messages SET status = 'sent', provider = 'whatsapp', provider_id = :p WHERE id = :i"
            )
            await session.execute(text(update), {"p": f"wamid.{number}", "i": message_id})
    for word in ("read", "delivered", "sent"):
        await deliver(app, statuses=(status("wamid.0", word),))
    await deliver(app, statuses=(status("wamid.1", "delivered"), status("wamid.unknown", "read")))
    await deliver(app, statuses=(status("wamid.2", "failed", errors=[{"code": 131026}]),))
    await run_due(house)
    found = {one.provider_id: one for one in await rows(house, MessageRow) if isinstance(one, MessageRow)}
    assert [found[f"wamid.{number}"].status for number in range(3)] == ["read", "delivered", "failed"]
    assert found["wamid.2"].error_code == "whatsapp_131026"
    assert await rows(house, ReceivedRow) == []


async def restart(house: House) -> None:
    """What the relay makes of the leases of a dead worker, and everything that follows."""
    async with house.database.transaction() as session:
        over = "UPDATE kernel.jobs SET state = 'queued', lease_holder = NULL WHERE state = 'running'"
        await session.execute(text(over))
    await run_due(house)


@pytest.mark.parametrize("kill_at", [1, 2, 3, 4, 9, 20, 33, 46, 60])
async def test_fifteen_photos_twice_in_any_order_and_a_worker_that_dies_are_fifteen_stored_and_one_complete(
    phone: Phone, town: ChatTown, together: list[str], kill_at: int
) -> None:
    for said in ("hello", "yes", "Asha", "1"):
        await phone.writes(said)
    assert (await phone.hears())[-1] == "Send 15 photos."
    await phone.sends_pictures(15, settle=False)
    pending = town.sandbox.pending()
    assert len(pending) >= 15
    twice = [*reversed(pending), *pending[::2], *pending[1::2]]
    await asyncio.gather(*(town.sandbox.deliver(one.id) for one in twice))
    with suppress(Killed), killed_at(town.house, kill_at, machinery=True) as steps:
        await run_due(town.house)
    assert len(steps.passed) == kill_at, "it died on the way"
    await restart(town.house)
    assert await phone.hears() == ["Complete: 15."]
    pictures = [one for one in await rows(town.house, InboundRow) if isinstance(one, InboundRow) and one.media]
    assert len(pictures) == 15
    assert len({one.file_id for one in pictures} - {None}) == 15
    (conversation,) = [one for one in await rows(town.house, ConversationRow) if isinstance(one, ConversationRow)]
    photos = conversation.memory["photos"]
    assert isinstance(photos, list)
    assert [UUID(str(one["inbound_id"])) for one in photos if isinstance(one, dict)] == [
        one.id for one in sorted(pictures, key=lambda one: (one.sent_at, one.number))
    ]
    assert FLOW.name == conversation.flow
