"""Staff see where documents stand and have one read once more, and learn nothing of what is in any."""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from uuid import UUID, uuid4

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import text

from tests.parts.ai.shelf import Concepts, Shelf
from tests.parts.identity.test_pages import HTML, Browser
from tests.parts.identity.town import Town
from tests.registry import put_in_place
from tillhouse.kernel.house import House
from tillhouse.kernel.work import run_due
from tillhouse.parts.ai.domain.reading import Unreadable
from tillhouse.parts.ai.ports.reading import Reader, What
from tillhouse.parts.identity.domain import PersonRole, parse_identifier
from tillhouse.parts.identity.service import people, sessions
from tillhouse.sandbox.app import Sandbox

PAGE = "/console/ai/search"


class Stumbling:
    """The house's reader, which finds page 7 damaged until it is mended."""

    def __init__(self, house: House) -> None:
        self.mended = False
        self._real = house.the(Reader)

    async def read(
        self, content: bytes, media_type: str, name: str, languages: Sequence[str], known: Sequence[str]
    ) -> AsyncGenerator[What, None]:
        if not self.mended:
            raise Unreadable("damaged", 7)
        async for what in self._real.read(content, media_type, name, languages, known):
            yield what


@pytest.fixture
def reader(house: House) -> Stumbling:
    stumbling = Stumbling(house)
    put_in_place(house, lambda thing: isinstance(thing, Reader), Reader(stumbling.read))
    return stumbling


@pytest.fixture
async def browser(app: FastAPI) -> AsyncIterator[Browser]:
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(
        transport=transport, base_url="http://testserver", headers=HTML, follow_redirects=True
    ) as client:
        yield Browser(client)


async def come_in(browser: Browser, house: House, role: PersonRole = "staff", assurance: int = 2) -> None:
    async with house.database.transaction() as session:
        person = await people.create(session, "Meera", [parse_identifier(f"{role}@example.com")], role=role)
        begun = await sessions.begin(session, person, "pages", "Firefox", 2 if assurance == 2 else 1)
    assert begun.cookie
    browser.client.cookies.set("till_session", begun.cookie)


async def test_a_document_that_could_not_be_read_is_named_with_its_page_and_read_once_more(
    house: House, browser: Browser, reader: Stumbling
) -> None:
    shelf = Shelf(house)
    document_id = await shelf.put("My secret diary: the vault is under the stairs.", "diary of Asha.txt")
    await come_in(browser, house)
    page = (await browser.open(PAGE)).text
    assert "page 7 cannot be read" in page
    assert str(document_id) in page
    for secret in ("diary", "vault", "Asha", str(shelf.owner_id), shelf.collection):
        assert secret not in page
    assert "No document is on its way" in (await browser.open(f"{PAGE}?show=waiting")).text

    reader.mended = True
    await browser.open(PAGE)
    after = await browser.send(f"{PAGE}/{document_id}/retry")
    assert (after.status_code, browser.path) == (200, PAGE)
    assert str(document_id) in after.text
    assert "Waiting" in after.text
    await run_due(house)
    assert (await shelf.see(document_id)).state == "ready"
    assert [one.document_id for one in await shelf.find("vault")] == [document_id]
    assert "Every document could be read" in (await browser.open(PAGE)).text
    assert str(document_id) in (await browser.open(f"{PAGE}?show=ready")).text
    async with house.database.reading() as session:
        done = await session.execute(text("SELECT subject, details FROM identity.audit WHERE action LIKE 'ai.%'"))
        assert [tuple(row) for row in done] == [(f"ai_document:{document_id}", {"failure": "damaged"})]


async def test_only_what_could_not_be_read_is_read_once_more(house: House, browser: Browser, reader: Stumbling) -> None:
    shelf = Shelf(house)
    document_id = await shelf.put("Nothing is wrong with this.")
    await come_in(browser, house)
    await browser.open(PAGE)
    form = browser.page
    reader.mended = True
    assert (await browser.send(f"{PAGE}/{document_id}/retry")).status_code == 200
    browser.page = form
    assert (await browser.send(f"{PAGE}/{document_id}/retry")).status_code == 409  # a second click
    browser.page = form
    assert (await browser.send(f"{PAGE}/{uuid4()}/retry")).status_code == 404
    await run_due(house)
    assert (await shelf.see(document_id)).state == "ready"


async def test_a_file_that_is_gone_is_not_tried_again(house: House, browser: Browser) -> None:
    shelf = Shelf(house)
    document_id = await shelf.add("Soon gone.")
    async with house.database.transaction() as session:
        await session.execute(text("UPDATE ai.documents SET state = 'failed', failure = 'gone'"))
    await come_in(browser, house)
    page = (await browser.open(PAGE)).text
    assert str(document_id) in page
    assert "retry" not in page


async def test_nobody_else_sees_or_does_any_of_it(
    house: House, browser: Browser, sandbox: Sandbox, app: FastAPI, reader: Stumbling
) -> None:
    document_id = await Shelf(house).put("Mine.")
    asha = await Town(house, app, sandbox).resident("asha@example.com")
    browser.client.cookies.set("till_session", await Town(house, app, sandbox).browser(asha.identifier.value))
    assert (await browser.open(PAGE)).status_code == 403
    assert (await browser.client.post(f"{PAGE}/{document_id}/retry")).status_code == 403
    browser.client.cookies.clear()
    await come_in(browser, house, assurance=1)
    await browser.open(PAGE)
    assert browser.path == "/second-factor"
    browser.client.cookies.clear()
    await come_in(browser, house, role="admin")
    await browser.open(PAGE)
    unsigned = await browser.client.post(f"{PAGE}/{document_id}/retry", data={})
    assert unsigned.status_code == 403
    async with house.database.reading() as session:
        state = await session.execute(text("SELECT state FROM ai.documents"))
        assert [row[0] for row in state] == ["failed"]


async def test_the_page_says_what_documents_are_found_by(house: House, browser: Browser) -> None:
    await come_in(browser, house)
    assert "by their words alone" in (await browser.open(PAGE)).text
    house.provide([Concepts([frozenset({"canary"})]).installed()])
    assert "Meaning is compared by On this machine · concepts" in (await browser.open(PAGE)).text


async def test_a_long_list_has_pages(house: House, browser: Browser) -> None:
    shelf = Shelf(house)
    ids: list[UUID] = [await shelf.add(f"Paper {number}.") for number in range(52)]
    await come_in(browser, house)
    first = (await browser.open(f"{PAGE}?show=waiting")).text
    assert [str(one) in first for one in ids] == [False] * 2 + [True] * 50
    following = first.split(f'href="{PAGE}?show=waiting&amp;cursor=')[1].split('"')[0]
    second = (await browser.open(f"{PAGE}?show=waiting&cursor={following}")).text
    assert [str(one) in second for one in ids] == [True] * 2 + [False] * 50
