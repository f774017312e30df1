"""A browser that is signed in and sends the forms of our pages."""

import re

import httpx

from tests.parts.identity.town import Town
from tillhouse.parts.identity import store
from tillhouse.parts.identity.domain import Assurance, parse_identifier
from tillhouse.parts.identity.service import sessions


class Browser:
    """`page` looks at an address, `send` posts a form that stands on the page `at`."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client

    async def page(self, path: str, status: int = 200) -> str:
        answer = await self.client.get(path, headers={"Accept": "text/html"})
        assert answer.status_code == status, answer.text
        return answer.text

    async def send(self, path: str, at: str, file: bytes | None = None, **fields: str | list[str]) -> httpx.Response:
        token = re.search(r'name="csrf_token" value="([^"]+)"', await self.page(at))
        assert token
        files = {"file": ("IMG_1.jpg", file, "image/jpeg")} if file else None
        data = {**fields, "csrf_token": token[1]}
        return await self.client.post(path, data=data, files=files, headers={"Accept": "text/html"})


async def browser_of(town: Town, identifier: str, assurance: Assurance = 1) -> Browser:
    """Someone who is here already, in front of a browser."""
    async with town.house.database.transaction() as session:
        person = await store.person_by_identifier(session, parse_identifier(identifier))
        assert person
        cookie = (await sessions.begin(session, person, "pages", "Firefox", assurance)).cookie
    assert cookie
    transport = httpx.ASGITransport(town.app)
    return Browser(
        httpx.AsyncClient(transport=transport, base_url="http://testserver", cookies={"till_session": cookie})
    )
