"""What was sent, as staff look back at it, and what may be sent, as each person says on a page of their own."""

import re
import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime

import pytest

from tests.parts.channels.receiver import Office, open_office
from tests.parts.channels.test_webhook_pages import Desk, browser, sit_down
from tillhouse.kernel import clock
from tillhouse.kernel.settings import KernelSettings
from tillhouse.kernel.work import run_due
from tillhouse.parts.channels.api import MessageTemplate, Recipient, send
from tillhouse.parts.channels.service.consent import consents_of
from tillhouse.parts.channels.store import reach
from tillhouse.parts.identity.domain import parse_identifier
from tillhouse.parts.identity.models import PersonRow
from tillhouse.parts.identity.service import people, sessions
from tillhouse.sandbox.app import Sandbox

MESSAGES, OPT_OUTS, OWN = "/console/channels/messages", "/console/channels/opt-outs", "/account/messages"
NOTICE = "identity.password_changed"
REFUSED = "+15005550001"  # a number that Twilio refuses


@pytest.fixture
def at() -> Iterator[clock.TestClock]:
    with clock.held(datetime.fromtimestamp(int(time.time()), UTC)) as held:
        yield held


@pytest.fixture
async def office(settings: KernelSettings, sandbox: Sandbox, at: clock.TestClock) -> AsyncIterator[Office]:
    async with open_office(settings, sandbox, at) as opened:
        opened.house.provide([MessageTemplate(NOTICE, channels=("sms", "in_app"))])
        yield opened


async def asha(office: Office) -> PersonRow:
    """Somebody who was told something: not by text, which was refused, but inside the house."""
    async with office.house.database.transaction() as session:
        person = await people.create(session, "Asha Rao", [parse_identifier(REFUSED)])
        await send(session, person.id, NOTICE, {})
    await run_due(office.house)
    return person


async def test_staff_see_what_became_of_a_message_and_every_way_that_was_tried(office: Office) -> None:
    await asha(office)
    async with office.house.database.transaction() as session:
        await send(session, Recipient("email", "lata@example.com", "hi"), NOTICE, {})
    async with browser(office, await sit_down(office)) as client:
        desk = Desk(client)
        every = await desk.page(MESSAGES)
        assert every.count(f"{NOTICE}</bdi>") == 3
        assert "Asha Rao" in every
        assert "la…@example.com" in every
        failed = await desk.page(f"{MESSAGES}?status=failed")
        assert failed.count(f"{NOTICE}</bdi>") == 1
        assert "The provider says: twilio_21211" in failed
        link = re.search(rf'href="({MESSAGES}/[0-9a-f-]{{36}})"', failed)
        assert link
        one = await desk.page(link[1])
        assert one.index("Text message") < one.index("In the app")
        assert f"/console/channels/templates/{NOTICE}?locale=en" in one
        found = await desk.page(f"{MESSAGES}?who=lata%40example.com")
        assert found.count(f"{NOTICE}</bdi>") == 1
        assert "Write an e-mail, a mobile number or an id." in await desk.page(f"{MESSAGES}?who=nobody", 422)
        sheet = (await client.get(f"{MESSAGES}.csv")).text
        for page in (every, one, failed, sheet):
            assert REFUSED not in page
            assert "lata@example.com" not in page
        await desk.page(f"{MESSAGES}/01890000-0000-7000-8000-000000000000", 404)


async def test_staff_see_who_said_stop_but_only_with_their_second_factor(office: Office) -> None:
    async with office.house.database.transaction() as session:
        await reach.opt_out(session, "sms", "+919845012345", "chat", clock.now())
    async with browser(office, await sit_down(office)) as client:
        page = await Desk(client).page(OPT_OUTS)
        assert "+91…45" in page
        assert "9845012345" not in page
        assert "In a chat" in page
    async with browser(office, await sit_down(office, 1)) as client:
        for path in (MESSAGES, f"{MESSAGES}.csv", OPT_OUTS):
            assert (await client.get(path, headers={"Accept": "text/html"})).status_code in (303, 403)


async def test_a_person_reads_what_we_told_them_and_says_what_we_may_send(office: Office) -> None:
    person = await asha(office)
    async with office.house.database.transaction() as session:
        cookie = (await sessions.begin(session, person, "pages", "Firefox", 1)).cookie
    assert cookie
    async with browser(office, cookie) as client:
        desk = Desk(client)
        page = await desk.page(OWN)
        assert "password was changed" in page
        assert "New" in page
        assert 'name="push.marketing"' not in page  # nothing carries pushes here
        said = {"email.transactional": "on", "email.marketing": "on", "sms.marketing": "on"}
        assert (await desk.send(f"{OWN}/consents", OWN, **said)).status_code == 303
        await desk.send(f"{OWN}/read", OWN)
        assert f'action="{OWN}/read"' not in await desk.page(OWN)
    async with office.house.database.reading() as session:
        found = await consents_of(session, person.id)
    allowed = {(channel, purpose) for (channel, purpose), yes in found.items() if yes}
    assert allowed >= {("email", "transactional"), ("email", "marketing"), ("sms", "marketing")}
    assert not allowed & {("sms", "transactional"), ("in_app", "transactional"), ("in_app", "marketing")}
    assert ("push", "transactional") in allowed  # was not asked for: as it was
