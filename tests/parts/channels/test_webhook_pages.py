"""The console of webhooks, as a member of staff clicks through it without htmx."""

import re
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime

import httpx
import pytest

from tests.parts.channels.receiver import URL, Office, open_office, verified
from tillhouse.kernel import clock
from tillhouse.kernel.settings import KernelSettings
from tillhouse.kernel.work import run_due
from tillhouse.parts.identity.domain import Assurance, parse_identifier
from tillhouse.parts.identity.service import people, sessions
from tillhouse.sandbox.app import Sandbox

HOME = "/console/channels/webhooks"


@pytest.fixture
def at() -> Iterator[clock.TestClock]:
    with clock.held(datetime.fromtimestamp(int(time.time()), UTC)) as held:
        yield held


@pytest.fixture
async def office(settings: KernelSettings, sandbox: Sandbox, at: clock.TestClock) -> AsyncIterator[Office]:
    async with open_office(settings, sandbox, at) as opened:
        yield opened


class Desk:
    """A browser with a member of staff in front of it."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client

    async def page(self, path: str, status: int = 200) -> str:
        answer = await self.client.get(path, headers={"Accept": "text/html"})
        assert answer.status_code == status
        return answer.text

    async def send(self, path: str, at: str = HOME, **fields: str | list[str]) -> httpx.Response:
        """Post a form that stands on the page `at`."""
        token = re.search(r'name="csrf_token" value="([^"]+)"', await self.page(at))
        assert token
        return await self.client.post(path, data={**fields, "csrf_token": token[1]}, headers={"Accept": "text/html"})


async def sit_down(office: Office, assurance: Assurance = 2) -> str:
    async with office.house.database.transaction() as session:
        address = parse_identifier(f"meera{assurance}@example.com")
        person = await people.create(session, "Meera Iyer", [address], role="staff")
        cookie = (await sessions.begin(session, person, "pages", "Firefox", assurance)).cookie
    assert cookie
    return cookie


def browser(office: Office, cookie: str) -> AbstractAsyncContextManager[httpx.AsyncClient]:
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(office.app), base_url="http://testserver", cookies={"till_session": cookie}
    )


@pytest.fixture
async def desk(office: Office) -> AsyncIterator[Desk]:
    async with browser(office, await sit_down(office)) as client:
        yield Desk(client)


async def make(desk: Desk) -> tuple[str, str]:
    """An endpoint by its form: its page and its secret."""
    answer = await desk.send(HOME, f"{HOME}/new", url=URL, description="Bookkeeping", event_types=["*"])
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    secret = re.search(r"whsec_[A-Za-z0-9+/=]+", answer.text)
    path = re.search(rf'href="({HOME}/[0-9a-f-]{{36}})"', answer.text)
    assert secret
    assert path
    return path[1], secret[0]


async def test_an_empty_list_says_what_to_do_next(desk: Desk) -> None:
    page = await desk.page(HOME)
    assert "Nobody is told yet" in page
    assert f'href="{HOME}/new"' in page


async def test_an_endpoint_is_made_its_secret_shown_once_and_a_test_sent(desk: Desk, office: Office) -> None:
    path, secret = await make(desk)
    page = await desk.page(path)
    assert "Bookkeeping" in page
    assert "Nothing was sent yet" in page
    assert secret not in page + await desk.page(HOME)
    sent = await desk.send(f"{path}/test", path)
    assert "On its way" in await desk.page(sent.headers["location"])
    await run_due(office.house)
    assert verified(secret, office.receiver.got[0])
    page = await desk.page(sent.headers["location"])
    assert "Answered 200." in page
    assert "answer 200" in page
    assert "webhook.test" in page


async def test_what_was_given_up_is_sent_again(desk: Desk, office: Office) -> None:
    path, _ = await make(desk)
    office.receiver.answer = 410
    await office.told()
    page = await desk.page(path)
    assert "It answered 410" in page
    assert "Given up" in page
    assert (await desk.send(f"{path}/enable", path)).status_code == 303
    office.receiver.answer = 200
    delivery = f"{HOME}/deliveries/{(await office.delivery()).id}"
    assert "The receiver did not take this" in await desk.page(delivery)
    assert (await desk.send(f"{delivery}/redeliver", delivery)).status_code == 303
    await run_due(office.house)
    assert "Delivered" in await desk.page(delivery)
    assert len({one.id for one in office.receiver.got}) == 1


async def test_an_endpoint_is_edited_paused_given_a_new_secret_and_deleted(desk: Desk, office: Office) -> None:
    path, old = await make(desk)
    changed = await desk.send(f"{path}/edit", f"{path}/edit", url=URL, event_types=["tip.left", "tip.returned"])
    assert changed.status_code == 303
    assert "tip.left, tip.returned" in await desk.page(path)
    await desk.send(f"{path}/pause", path)
    assert "Events are kept" in await desk.page(path)
    rotated = await desk.send(f"{path}/rotate-secret", path)
    assert "whsec_" in rotated.text
    assert old not in rotated.text
    assert (await desk.send(f"{path}/delete", path)).status_code == 303
    await desk.page(path, 404)


async def test_a_wrong_address_comes_back_with_what_was_typed(desk: Desk) -> None:
    answer = await desk.send(HOME, f"{HOME}/new", url="https://10.0.0.1/", description="Ours", event_types=["tip.left"])
    assert answer.status_code == 422
    assert "not on the public internet" in answer.text
    assert 'value="Ours"' in answer.text
    nothing = await desk.send(HOME, f"{HOME}/new", url=URL)
    assert nothing.status_code == 422


async def test_what_a_receiver_answers_is_shown_as_text(desk: Desk, office: Office) -> None:
    await make(desk)
    office.receiver.script = [httpx.Response(500, text="<script>alert(1)</script>")]
    await office.told()
    page = await desk.page(f"{HOME}/deliveries/{(await office.delivery()).id}")
    assert "&lt;script&gt;alert(1)" in page
    assert "<script>alert" not in page


async def test_staff_without_a_second_factor_see_nothing_and_a_form_from_elsewhere_does_nothing(
    office: Office, desk: Desk
) -> None:
    path, _ = await make(desk)
    async with browser(office, await sit_down(office, 1)) as client:
        for page in (HOME, path):
            sent_away = await client.get(page, headers={"Accept": "text/html"})
            assert (sent_away.status_code, sent_away.headers["location"].partition("?")[0]) == (303, "/second-factor")
    forged = await desk.client.post(f"{path}/delete", data={}, headers={"Sec-Fetch-Site": "cross-site"})
    assert forged.status_code == 403
    await desk.page(path)
