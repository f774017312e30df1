"""Staff who answer chats: the files that people sent, how long they may write, and what is left to say afterwards."""

import re
import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from io import BytesIO

import httpx
import pytest
from PIL import Image
from sqlalchemy import text

from tests.parts.channels.receiver import Office, open_office
from tests.parts.channels.test_chats import rows, sandbox, sandbox_clock
from tests.parts.channels.test_webhook_pages import Desk, browser, sit_down
from tests.parts.channels.town import ChatTown, Phone
from tillhouse.kernel import clock
from tillhouse.kernel.settings import KernelSettings
from tillhouse.parts.channels.api import PERSON, Conversation, Gather, Line, State, Words
from tillhouse.parts.channels.models import InboundRow
from tillhouse.parts.channels.settings import ChannelsSettings
from tillhouse.sandbox.app import Sandbox
from tillhouse.sandbox.clock import ManualClock

__all__ = ["sandbox", "sandbox_clock"]

CHATS = "/console/channels/chats"
FLOW = Conversation(
    name="channels.photos",
    version=1,
    begins="photos",
    words={"help": PERSON},
    states=(
        State(
            "photos", says=Line("Send photos."), accepts=(Gather("photos", to="done", most=9), Words(("x",), to="done"))
        ),
        State("done", says=Line("Thank you.")),
    ),
)


@pytest.fixture
def at() -> Iterator[clock.TestClock]:
    with clock.held(datetime.fromtimestamp(int(time.time()), UTC)) as held:
        yield held


@pytest.fixture
async def office(settings: KernelSettings, sandbox: Sandbox, at: clock.TestClock) -> AsyncIterator[Office]:
    async with open_office(settings, sandbox, at) as opened:
        opened.house.provide([FLOW])
        yield opened


@pytest.fixture
def town(office: Office, sandbox: Sandbox, sandbox_clock: ManualClock) -> ChatTown:
    sandbox.send_through(httpx.ASGITransport(office.app))
    return ChatTown(office.house, office.app, sandbox, sandbox_clock)


@pytest.fixture
async def desk(office: Office) -> AsyncIterator[Desk]:
    async with browser(office, await sit_down(office)) as client:
        yield Desk(client)


@pytest.fixture
async def chat(town: ChatTown, desk: Desk) -> str:
    """The page of a chat in which somebody sent a picture and asked for a person."""
    phone = Phone(town, "+919845012345")
    await phone.writes("hello")
    await phone.sends_pictures(1)
    await phone.is_at(12.97, 77.59)
    await phone.writes("help")
    assert await phone.hears() == [
        "Send photos.", "I did not understand that.", "Send photos.", "Somebody of us will answer you here.",
    ]  # fmt: skip
    found = re.search(rf'href="({CHATS}/[0-9a-f-]+)"', await desk.page(f"{CHATS}?mode=person"))
    assert found
    return found[1]


async def looks(office: Office) -> list[tuple[str, str]]:
    query = "SELECT subject, details->>'how' FROM identity.audit WHERE action = 'channels.looked_at_file' ORDER BY id"
    async with office.house.database.reading() as session:
        return [tuple(row) for row in await session.execute(text(query))]


async def test_staff_see_the_picture_that_somebody_sent_and_that_is_written_down(
    office: Office, desk: Desk, chat: str
) -> None:
    page = await desk.page(chat)
    path = re.search(rf'src="({CHATS}/files/([0-9a-f-]+))/small"', page)
    assert path
    assert f'href="{path[1]}"' in page
    assert "12.97, 77.59" in page, "a place is said in words"
    small = await desk.client.get(f"{path[1]}/small")
    assert (small.status_code, small.headers["content-type"]) == (200, "image/webp")
    assert Image.open(BytesIO(small.content)).size == (192, 192)
    assert small.headers["cache-control"] == "private, max-age=3600"
    whole = await desk.client.get(path[1])
    assert (whole.status_code, whole.headers["content-type"]) == (200, "image/jpeg")
    assert Image.open(BytesIO(whole.content)).size == (32, 24)
    for answer in (small, whole):
        assert answer.headers["content-security-policy"].startswith("sandbox; default-src 'none'")
        assert answer.headers["x-content-type-options"] == "nosniff"
    assert await looks(office) == [(f"inbound:{path[2]}", "small"), (f"inbound:{path[2]}", "whole")]


async def test_a_file_of_a_chat_is_for_staff_with_their_second_factor_alone(
    office: Office, desk: Desk, chat: str
) -> None:
    path = re.findall(rf'src="({CHATS}/files/[0-9a-f-]+)/small"', await desk.page(chat))[0]
    for who in ("nobody", await sit_down(office, 1)):
        async with browser(office, who) as client:
            for one in (path, f"{path}/small"):
                assert (await client.get(one, headers={"Accept": "text/html"})).status_code in (303, 403)
    said = [row for row in await rows(office.house, InboundRow) if isinstance(row, InboundRow) and not row.file_id]
    await desk.page(f"{CHATS}/files/{said[0].id}", 404)
    await desk.page(f"{CHATS}/files/01890000-0000-7000-8000-000000000000/small", 404)
    assert await looks(office) == []


async def test_staff_see_until_when_they_may_write_and_what_is_left_afterwards(
    office: Office, town: ChatTown, desk: Desk, chat: str, at: clock.TestClock
) -> None:
    phone = Phone(town, "+919845012345")
    await phone.hears()
    page = await desk.page(chat)
    assert "You can write freely until" in page
    closes = re.search(r'until <time datetime="([^"]+)"', page)
    assert closes
    left = datetime.fromisoformat(closes[1]) - clock.now()
    assert timedelta(hours=23, minutes=50) < left < timedelta(hours=24)
    at.advance(timedelta(hours=25))
    town.clock.advance(timedelta(hours=25).total_seconds())
    page = await desk.page(chat)
    assert "Their 24 hours are over" in page
    assert 'name="text"' not in page
    assert 'name="template"' not in page, "nothing is approved in this house"
    late = await desk.send(f"{chat}/answer", chat, text="Good morning!")
    assert late.status_code == 422
    assert "24 hours have passed since their last message" in late.text
    assert await phone.hears() == []


async def test_after_24_hours_an_approved_text_is_offered_and_opens_the_chat_again(
    office: Office, town: ChatTown, desk: Desk, chat: str, at: clock.TestClock
) -> None:
    settings = office.house.settings_of(ChannelsSettings)
    approved = {"channels.write_again": {"en": "news"}, "identity.password_changed": {"en": "news"}}
    office.house.module_settings = {  # type: ignore[misc]  # the settings of this house alone
        **office.house.module_settings,
        ChannelsSettings: settings.model_copy(update={"whatsapp_templates": approved}),
    }
    phone = Phone(town, "+919845012345")
    await phone.hears()
    at.advance(timedelta(hours=25))
    town.clock.advance(timedelta(hours=25).total_seconds())
    page = await desk.page(chat)
    assert re.findall(r'name="template" value="([^"]+)"', page) == ["channels.write_again"]
    assert "Hello Asha Rao, we have an answer for you." in page
    assert (await desk.send(f"{chat}/answer-approved", chat)).status_code == 422
    refused = await desk.send(f"{chat}/answer-approved", chat, template="identity.password_changed")
    assert refused.status_code == 404, "a warning is not for staff to send"
    assert (await desk.send(f"{chat}/answer-approved", chat, template="channels.write_again")).status_code == 303
    assert await phone.hears() == ["Hello Asha Rao, there is news for you."], "what was approved is what is sent"
    await phone.writes("at last")
    assert (await desk.send(f"{chat}/answer", chat, text="Good morning!")).status_code == 303
    assert await phone.hears() == ["Good morning!"]


async def test_nobody_is_answered_twice_by_the_flow_and_by_one_of_us(desk: Desk, chat: str) -> None:
    await desk.send(f"{chat}/hand-back", chat)
    refused = await desk.send(f"{chat}/answer", chat, text="Good morning!")
    assert refused.status_code == 422
    assert "Take the conversation over first" in refused.text


async def test_what_did_not_arrive_says_why(town: ChatTown, desk: Desk, chat: str, at: clock.TestClock) -> None:
    assert (await desk.send(f"{chat}/answer", chat, text="Good morning!")).status_code == 303
    at.advance(timedelta(hours=25))  # nobody has sent it before the 24 hours were over
    town.clock.advance(timedelta(hours=25).total_seconds())
    await town.settle()
    assert "Failed: 24 hours after their last message only approved texts may be sent" in await desk.page(chat)
