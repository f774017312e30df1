"""Staff pages: every template in every language, a chat to answer and hand back, and a phone to try flows on."""

import re
import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta

import pytest

from tests.parts.channels.receiver import Office, open_office
from tests.parts.channels.test_webhook_pages import Desk, browser, sit_down
from tillhouse.kernel import clock
from tillhouse.kernel.settings import KernelSettings
from tillhouse.kernel.work import run_due
from tillhouse.parts.channels.api import PERSON, Choice, Conversation, Line, Press, State
from tillhouse.parts.channels.service.consent import opt_out_token
from tillhouse.parts.identity.domain import parse_identifier
from tillhouse.parts.identity.service import people
from tillhouse.sandbox.app import Sandbox

SIMULATOR, CHATS = "/console/channels/simulator", "/console/channels/chats"
FLOW = Conversation(
    name="channels.desk",
    version=1,
    begins="ask",
    states=(
        State(
            "ask",
            says=Line("Tea or coffee?", buttons=(Choice("tea", "Tea"), Choice("person", "Somebody"))),
            accepts=(Press("tea", to="served"), Press("person", to=PERSON)),
        ),
        State("served", says=Line("Here is your tea.")),
    ),
)


@pytest.fixture
def at() -> Iterator[clock.TestClock]:
    with clock.held(datetime.fromtimestamp(int(time.time()), UTC)) as held:
        yield held


@pytest.fixture
async def office(settings: KernelSettings, sandbox: Sandbox, at: clock.TestClock) -> AsyncIterator[Office]:
    async with open_office(settings, sandbox, at) as opened:
        yield opened


async def test_a_chat_is_tried_on_the_simulator_answered_by_staff_and_handed_back(
    office: Office, at: clock.TestClock
) -> None:
    office.house.provide([FLOW])
    async with browser(office, await sit_down(office)) as client:
        desk = Desk(client)
        assert f'href="{SIMULATOR}"' in await desk.page(CHATS)
        assert "Nothing is said yet" in await desk.page(SIMULATOR)
        await desk.send(SIMULATOR, SIMULATOR, text="hello")
        await run_due(office.house)
        page = await desk.page(SIMULATOR)
        assert "Tea or coffee?" in page
        button = re.search(r'name="choice" value="([^"]+\.person)"', page)
        assert button
        at.advance(timedelta(seconds=1))
        await desk.send(SIMULATOR, SIMULATOR, choice=button[1], text="Somebody")
        await run_due(office.house)
        waiting = await desk.page(f"{CHATS}?mode=person")
        found = re.search(rf'href="({CHATS}/[0-9a-f-]+)"', waiting)
        assert found
        chat = found[1]
        refused = await desk.send(f"{chat}/answer", chat, text="")
        assert refused.status_code == 422
        assert (await desk.send(f"{chat}/answer", chat, text="Good morning!")).status_code == 303
        await run_due(office.house)
        assert "Good morning!" in await desk.page(SIMULATOR)
        assert (await desk.send(f"{chat}/hand-back", chat)).status_code == 303
        await run_due(office.house)
        assert (await desk.page(SIMULATOR)).count("Tea or coffee?") == 2
        assert (await desk.send(f"{chat}/take", chat)).status_code == 303


async def test_every_template_is_shown_in_every_language(office: Office) -> None:
    async with browser(office, await sit_down(office)) as client:
        desk = Desk(client)
        home = await desk.page("/console/channels/templates")
        names = re.findall(r'href="/console/channels/templates/([a-z_.]+)"', home)
        assert "identity.code" in names
        assert "missing: hi, vi, th, he" in home, "a module of the test has one in English alone"
        assert home.count("missing:") == 1
        for language, direction in {"en": "ltr", "hi": "ltr", "vi": "ltr", "th": "ltr", "he": "rtl"}.items():
            shown = await desk.page(f"/console/channels/templates/identity.code?locale={language}")
            assert "123456" in shown
            assert "Not written in this language yet" not in shown
            assert f"&lt;html lang=&#34;{language}&#34; dir=&#34;{direction}&#34;&gt;" in shown, "the mail itself"
            for other in ("en", "hi", "vi", "th", "he"):
                assert f"/console/channels/templates/identity.code?locale={other}&amp;example=register" in shown
        other = await desk.page("/console/channels/templates/identity.code?locale=th&example=reset")
        assert "รหัสสำหรับตั้งรหัสผ่านใหม่ของคุณ" in other
        english = await desk.page("/console/channels/templates/tips.thanks?locale=he")
        assert "Not written in this language yet" in english
        assert "{name}" in english, "what has no example shows its name"
        await desk.page("/console/channels/templates/no.such", 404)


async def test_a_link_in_a_message_ends_offers_after_one_question(office: Office) -> None:
    async with office.house.database.transaction() as session:
        person = await people.create(session, "Asha Rao", [parse_identifier("asha@example.com")])
    path = f"/messages/opt-out/{opt_out_token(office.house, person.id, 'email')}"
    async with browser(office, "nobody") as client:
        desk = Desk(client)
        assert "No more offers?" in await desk.page(path)
        done = await desk.send(path, path)
        assert "You get no more offers" in done.text
        assert 'href="/account/messages"' in done.text
        assert "<h1></h1>" not in done.text
