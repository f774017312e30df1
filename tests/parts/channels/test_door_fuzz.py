"""Whatever comes to the doors of chats, rightly signed: no error of ours at the door, none in the jobs that read it.

What was delivered is read, or kept with the reason; nothing is tried for ever.
"""

import asyncio
import copy
import hashlib
import hmac
import json
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from hypothesis import strategies as st
from sqlalchemy import text

from tests.money.test_webhook_fuzz import NASTY, documents, hammer, paths_of, put
from tests.parts.channels.test_chats import FLOW, rows, sandbox, sandbox_clock, town
from tests.parts.channels.test_inbound_formats import BASE, CONTACT, MESSAGES, TWILIO, delivery
from tests.parts.channels.town import ChatTown
from tillhouse.parts.channels.domain.chat import Arrived, MediaRef
from tillhouse.parts.channels.models import ReceivedRow
from tillhouse.parts.channels.ports import Carriers, FetchesMedia, Refused
from tillhouse.parts.channels.providers.twilio import INBOUND, read_inbound
from tillhouse.parts.channels.providers.whatsapp import read_delivery
from tillhouse.sandbox.twilio.signing import request_signature

__all__ = ["sandbox", "sandbox_clock", "town"]

META = "/api/v1/channels/webhook/whatsapp"
SECRET, TOKEN = b"whatsapp_test_app_secret_tillhouse", "twilio_test_token_tillhouse"
FAILED = {"id": "wamid.B", "status": "failed", "timestamp": "1700000001", "errors": [{"code": 131047}]}
SYSTEM = {**BASE, "type": "system", "system": {"type": "user_changed_number", "wa_id": "919845099999"}}
RENAMED = [{"wa_id": "919845012345", "user_id": {"previous": "IN.1502", "current": "IN.2"}}]
RECORDED = [
    *(json.loads(delivery(contacts=[CONTACT], messages=[{**BASE, **message}])) for message, *_ in MESSAGES),
    json.loads(delivery(statuses=[{**FAILED, "biz_opaque_callback_data": "ours"}, {**FAILED, "status": "read"}])),
    json.loads(delivery(contacts=[CONTACT], messages=[SYSTEM])),
    json.loads(delivery("user_id_update", user_id_update=RENAMED)),
]
PICTURES = {"NumMedia": "2", "MediaUrl0": "http://sandbox/twilio/x", "MediaContentType0": "image/jpeg"}
FORMS = [
    TWILIO,
    {**TWILIO, **PICTURES, "MediaUrl1": "https://[::1/x", "MediaContentType1": "video/mp4"},
    {**TWILIO, "ButtonPayload": "1.welcome.yes", "ButtonText": "Yes"},
    {**TWILIO, "Latitude": "12.97", "Longitude": "77.59", "Label": "Home", "Address": "1 MG Road"},
    {**TWILIO, "From": "whatsapp:IN.1502", "ExternalUserId": "whatsapp:IN.1502"},
    {**TWILIO, "From": "+919845012345", "To": "+15005550006", "Body": "STOP"},
]
ODD = (
    "",
    " ",
    "a\0b",
    "9" * 5000,
    "x" * 9000,
    "²",
    "१२३",
    "-1",
    "NaN",
    "../../x",
    "+",
    "whatsapp:",
    "https://[",
    "é" * 300,
)
changes = st.lists(st.tuples(st.integers(0, 400), st.sampled_from(NASTY) | documents), min_size=1, max_size=3)


class Door:
    """Where providers knock, and the house behind it."""

    def __init__(self, town: ChatTown, app: FastAPI) -> None:
        self.town, self.sent = town, 0
        self.client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://testserver")

    async def meta(self, body: bytes) -> int:
        signature = "sha256=" + hmac.new(SECRET, body, hashlib.sha256).hexdigest()
        return await self._knock(META, body, {"X-Hub-Signature-256": signature})

    async def twilio(self, form: list[tuple[str, str]], kind: str = "application/x-www-form-urlencoded") -> int:
        signature = request_signature(TOKEN, f"http://testserver{INBOUND}", form)
        body = str(httpx.QueryParams(form)).encode()
        return await self._knock(INBOUND, body, {"X-Twilio-Signature": signature, "Content-Type": kind})

    async def _knock(self, path: str, body: bytes, headers: dict[str, str]) -> int:
        answer = await self.client.post(path, content=body, headers=headers)
        assert answer.status_code < 500, (answer.status_code, body[:500])
        await self.town.run_jobs()  # raises what is a mistake of ours
        self.sent += answer.is_success
        return answer.status_code


@pytest.fixture
async def door(town: ChatTown, app: FastAPI) -> Any:
    """On leaving, all is read or kept with the reason, and no job was given up."""
    town.house.provide([FLOW])
    door = Door(town, app)
    async with door.client:
        yield door
    assert door.sent, "some of it came in"
    assert all(row.error for row in await rows(town.house, ReceivedRow) if isinstance(row, ReceivedRow))
    async with town.house.database.reading() as session:
        assert (await session.execute(text("SELECT name FROM kernel.jobs WHERE state = 'dead'"))).all() == []


async def test_metas_door_takes_documents_of_any_shape(door: Door) -> None:
    async def knock(document: object, raw: bytes, field: str) -> None:
        for body in (json.dumps(document).encode(), raw, delivery(field, messages=[document]).encode()):
            await door.meta(body)

    fields = st.sampled_from(["messages", "user_id_update", "x"])
    loop = asyncio.get_running_loop()
    await asyncio.to_thread(hammer(loop, documents, st.binary(max_size=300), fields, knock=knock))


@pytest.mark.slow
@pytest.mark.timeout(400)
async def test_metas_messages_with_other_values_in_them_are_read_or_kept(door: Door) -> None:
    """Up to three places of a real delivery hold anything, and it comes twice."""

    async def knock(recorded: object, places: list[tuple[int, Any]]) -> None:
        document = copy.deepcopy(recorded)
        known = list(paths_of(document))
        for number, value in places:
            put(document, known[number % len(known)], copy.deepcopy(value))
        for _ in range(2):
            assert await door.meta(json.dumps(document).encode()) in (200, 422)

    loop = asyncio.get_running_loop()
    await asyncio.to_thread(hammer(loop, st.sampled_from(RECORDED), changes, knock=knock))


@pytest.mark.slow
@pytest.mark.timeout(400)
async def test_twilios_messages_of_any_content_are_read_or_kept(door: Door) -> None:
    async def knock(
        form: dict[str, str], places: list[tuple[int, str]], more: list[tuple[str, str]], kind: str
    ) -> None:
        names = list(form)
        changed = {**form, **{names[number % len(names)]: value for number, value in places}}
        for _ in range(2):
            await door.twilio([*changed.items(), *more], kind)

    letters = st.text(st.characters(exclude_categories=("Cs",)), max_size=30)
    anything = st.sampled_from(ODD) | letters
    places = st.lists(st.tuples(st.integers(0, 60), anything), max_size=3)
    more = st.lists(st.tuples(st.sampled_from(["Body", "NumMedia", "MediaUrl0", "x"]) | letters, anything), max_size=2)
    form, parts = "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"
    kinds = st.sampled_from([form, form, form, parts, "text/plain"])
    loop = asyncio.get_running_loop()
    await asyncio.to_thread(hammer(loop, st.sampled_from(FORMS), places, more, kinds, knock=knock))


def test_every_field_of_meta_may_hold_anything_and_what_is_read_can_be_kept() -> None:
    read = 0
    for document in RECORDED:
        for place in paths_of(document):
            for value in NASTY:
                changed = copy.deepcopy(document)
                put(changed, place, copy.deepcopy(value))
                try:
                    found = read_delivery(json.dumps(changed))
                except ValueError:
                    continue
                read += 1
                for one in found:
                    can_be_kept(repr(one))
                    if isinstance(one, Arrived):
                        assert one.sender.phone or one.sender.user_id
                        assert len(one.message.id) <= 255
                        assert all(len(name or "") <= 255 for name in (one.sender.phone, one.sender.user_id))
    assert read > 1000


def test_every_field_of_twilio_may_hold_anything_and_what_is_read_can_be_kept() -> None:
    read = 0
    for form in FORMS:
        for name in form:
            for value in ODD:
                try:
                    found = read_inbound({**form, name: value})
                except ValueError:
                    continue
                read += 1
                for one in found:
                    can_be_kept(repr(one))
                    assert one.sender.phone or one.sender.user_id
                    assert one.sender.phone is None or one.sender.phone[1:].isascii()
                    assert all(
                        len(name or "") <= 255 for name in (one.message.id, one.sender.phone, one.sender.user_id)
                    )
    assert read > 500


@pytest.mark.parametrize(
    "address",
    ["http://evil.example/x", "https://api.twilio.com.evil.example/x", "https://api.twilio.com@evil.example/x",
     "http://api.twilio.com/x", "https://[", "file:///etc/passwd", "", "http://sandbox/twilio/a\nb"],
)  # fmt: skip
async def test_the_token_goes_to_twilio_alone(town: ChatTown, address: str) -> None:
    carrier = town.house.the(Carriers).of("sms", "twilio")
    assert isinstance(carrier, FetchesMedia)
    with pytest.raises(Refused, match="media_elsewhere"):
        await carrier.fetch(MediaRef(address, "image/jpeg"), 1000)


def can_be_kept(written: str) -> None:
    assert "\\x00" not in written, "PostgreSQL keeps no such character"
    assert "\\ud800" not in written
