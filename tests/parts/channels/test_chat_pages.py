"""Staff pages: every template in every language, a chat to answer and hand back, and a phone to try flows on."""

import re
import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta

import pytest

from tests.parts.channels.receiver import Office, open_office
from tests.parts.channels.test_webhook_pages import Desk, browser, sit_down
from tests.parts.channels.town import picture
from tillhouse.kernel import clock
from tillhouse.kernel.settings import KernelSettings
from tillhouse.kernel.work import run_due
from tillhouse.parts.channels.api import PERSON, Choice, Conversation, Gather, Line, Place, Press, State
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


GATHERS = Conversation(
    name="channels.gathers",
    version=1,
    begins="photos",
    states=(
        State("photos", says=Line("Send 3 photos."), accepts=(Gather("photos", to="place", most=3, least=3),)),
        State("place", says=Line("Where are you?"), accepts=(Place("where", to="done"),)),
        State("done", says=lambda talk: Line(f"Thank you: {talk.memory['where']['latitude']}.")),  # type: ignore[index,call-overload]  # a place
    ),
)


async def test_a_flow_that_gathers_photos_and_asks_for_a_place_is_walked_through(
    office: Office, at: clock.TestClock
) -> None:
    office.house.provide([GATHERS])
    async with browser(office, await sit_down(office)) as client:
        desk = Desk(client)
        await desk.send(SIMULATOR, SIMULATOR, text="hello")
        await run_due(office.house)
        token = re.search(r'name="csrf_token" value="([^"]+)"', await desk.page(SIMULATOR))
        assert token
        typed = {"csrf_token": token[1]}
        files = [("file", (f"{n}.jpg", picture(n), "image/jpeg")) for n in range(3)]
        at.advance(timedelta(seconds=1))
        sent = await client.post(SIMULATOR, data=typed, files=files)
        assert sent.status_code == 303
        await run_due(office.house)
        page = await desk.page(SIMULATOR)
        assert page.count("/small") == 3, "the pictures are seen"
        assert "Where are you?" in page
        for wrong, said in (({"latitude": "91", "longitude": "0"}, "90 or less"), ({"latitude": "12.97"}, "Fill")):
            refused = await client.post(SIMULATOR, data={**typed, **wrong})
            assert refused.status_code == 422
            assert said in refused.text
        at.advance(timedelta(seconds=1))
        place = {"latitude": "12.97", "longitude": "77.59"}
        assert (await client.post(SIMULATOR, data={**typed, **place})).status_code == 303
        await run_due(office.house)
        page = await desk.page(SIMULATOR)
        assert "Thank you: 12.97." in page
        assert "12.97, 77.59" in page
        virus = [("file", ("a.jpg", b"\xff\xd8\xff no picture at all", "image/jpeg"))]
        refused = await client.post(SIMULATOR, data=typed, files=virus)
        assert refused.status_code == 422
        assert 'role="alert"' in refused.text


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
