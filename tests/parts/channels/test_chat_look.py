"""How chats look to whoever answers and to whoever tries a flow: on a phone and a desk, light and dark."""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest
from selenium import webdriver

from tests.e2e.conftest import Screen, Town, chromium, look_id
from tests.parts.channels.receiver import Office
from tests.parts.channels.test_chat_pages import SIMULATOR
from tests.parts.channels.test_chats import rows
from tests.parts.channels.test_webhook_look import LOOKS, _come_in, at, office, web
from tests.parts.channels.test_webhook_pages import sit_down
from tests.parts.channels.town import picture
from tillhouse.kernel import clock
from tillhouse.kernel.work import run_due
from tillhouse.parts.channels.api import PERSON, Choice, Conversation, Gather, Line, Press, State
from tillhouse.parts.channels.domain.chat import Correspondent
from tillhouse.parts.channels.flows import simulating
from tillhouse.parts.channels.models import ChatContactRow, ConversationRow
from tillhouse.parts.channels.settings import ChannelsSettings
from tillhouse.parts.channels.store import chats
from tillhouse.parts.identity.api import notify
from tillhouse.parts.identity.domain import parse_identifier
from tillhouse.parts.identity.service import people, sessions

__all__ = ["at", "chromium", "office", "web"]

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

FLOW = Conversation(
    name="channels.look",
    version=1,
    begins="ask",
    words={"help": PERSON},
    states=(
        State(
            "ask",
            says=Line("Shall we begin?", buttons=(Choice("yes", "Yes"), Choice("no", "Not now"))),
            accepts=(Press("yes", to="photos"), Press("no", to=PERSON)),
        ),
        State("photos", says=Line("Send 3 photos."), accepts=(Gather("photos", to="done", most=3),)),
        State("done", says=Line("Thank you.")),
    ),
)
ASHA = Correspondent("simulator", "+919845012345", None, "Asha Rao")


@pytest.mark.parametrize("look", LOOKS, ids=look_id)
async def test_a_chat_fits_and_its_pictures_are_seen(
    office: Office, web: str, chromium: webdriver.Chrome, look: tuple[int, str, str], at: clock.TestClock
) -> None:
    office.house.provide([FLOW])
    chat = await talk(office, at)
    screen = Screen(chromium, Town(web, ""), *look)
    await asyncio.to_thread(_come_in, screen, await sit_down(office))
    await asyncio.to_thread(look_at, screen, "open", chat, pictures=2)
    (contact,) = [row for row in await rows(office.house, ChatContactRow) if isinstance(row, ChatContactRow)]
    async with office.house.database.transaction() as session:
        locked = await chats.lock_contact(session, contact.id)
        assert locked
        locked.last_inbound_at = clock.now() - timedelta(hours=25)
    await asyncio.to_thread(look_at, screen, "closed", chat, pictures=2)
    found = office.house.settings_of(ChannelsSettings)
    approved = {"channels.write_again": {"en": "write_again"}}
    changed = found.model_copy(update={"whatsapp_templates": approved})
    office.house.module_settings = {**office.house.module_settings, ChannelsSettings: changed}
    await asyncio.to_thread(look_at, screen, "closed-approved", chat, pictures=2)
    template = "/console/channels/templates/channels.write_again"
    await asyncio.to_thread(look_at, screen, "template", template)


@pytest.mark.parametrize("look", LOOKS, ids=look_id)
async def test_the_simulator_takes_files_and_places(
    office: Office, web: str, chromium: webdriver.Chrome, look: tuple[int, str, str], tmp_path: Path
) -> None:
    office.house.provide([FLOW])
    screen = Screen(chromium, Town(web, ""), *look)
    await asyncio.to_thread(_come_in, screen, await sit_down(office))
    await asyncio.to_thread(look_at, screen, "simulator-empty", SIMULATOR)
    await asyncio.to_thread(send, screen, "hello")
    await run_due(office.house)
    await asyncio.to_thread(send, screen, "yes")
    await run_due(office.house)
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(picture(40))
    await asyncio.to_thread(send, screen, "", photo)
    await run_due(office.house)
    await asyncio.to_thread(look_at, screen, "simulator", SIMULATOR, pictures=1)
    await asyncio.to_thread(screen.click, "details.disclosure summary")
    await asyncio.to_thread(screen.fits)
    await asyncio.to_thread(screen.shoot, "chats-simulator-place")


@pytest.mark.parametrize("look", LOOKS, ids=look_id)
async def test_ones_own_notices_are_read_on_a_phone_and_a_desk(
    office: Office, web: str, chromium: webdriver.Chrome, look: tuple[int, str, str]
) -> None:
    async with office.house.database.transaction() as session:
        person = await people.create(session, "Asha Rao", [parse_identifier("asha@example.com")])
        for what in ("joined", "removed"):
            data = {"organisation": "Rao & Sons", "what": what, "role": "admin"}
            await notify(session, person.id, "identity.organisation_changed", {**data})
        cookie = (await sessions.begin(session, person, "pages", "Firefox", 1)).cookie
    assert cookie
    screen = Screen(chromium, Town(web, ""), *look)
    await asyncio.to_thread(_come_in, screen, cookie)
    await asyncio.to_thread(look_at, screen, "own", "/account/messages")


async def talk(office: Office, at: clock.TestClock) -> str:
    """The page of a chat with pictures, a recording's place and a person who waits."""
    house = office.house
    await simulating.says(house, ASHA, "hello")
    await run_due(house)
    for number in range(2):
        at.advance(timedelta(seconds=2))
        await simulating.sends_file(house, ASHA, f"{number}.jpg", picture(90 * number))
        await run_due(house)
    at.advance(timedelta(seconds=2))
    await simulating.sends_file(house, ASHA, "papers.txt", b"what I wrote down")
    await simulating.is_at(house, ASHA, "12.97", "77.59")
    at.advance(timedelta(seconds=2))
    await simulating.says(house, ASHA, "help")
    await run_due(house)
    (row,) = [row for row in await rows(house, ConversationRow) if isinstance(row, ConversationRow)]
    assert row.mode == "person"
    return f"/console/channels/chats/{row.id}"


def look_at(screen: Screen, name: str, path: str, pictures: int = 0) -> None:
    screen.go(path)
    screen.find("main h1")
    screen.fits()
    screen.shoot(f"chats-{name}")
    assert screen.complaints() == [], path
    seen = screen.browser.execute_script(
        "return [...document.querySelectorAll('.chat-picture img')].filter(i => i.complete && i.naturalWidth).length"
    )
    assert seen == pictures, "a picture is a picture, and no broken one"


def send(screen: Screen, text: str, file: Path | None = None) -> None:
    screen.go(SIMULATOR)
    if text:
        screen.find("form[enctype] input[name=text]").send_keys(text)
    if file:
        screen.find("#simulated-files").send_keys(str(file))
    screen.click("form[enctype] button[type=submit]")
