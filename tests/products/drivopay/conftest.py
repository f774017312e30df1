"""A house with DrivoPay, the outside world in process, and drivers who sign in as a browser does."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from html.parser import HTMLParser
from typing import Any
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI

from tillhouse.apps.compose import build_house
from tillhouse.kernel import clock
from tillhouse.kernel.house import House
from tillhouse.kernel.invariants import check_all
from tillhouse.kernel.money import Money
from tillhouse.kernel.settings import KernelSettings
from tillhouse.kernel.work import run_due
from tillhouse.parts.identity.api import COOKIE
from tillhouse.parts.identity.domain import parse_identifier
from tillhouse.parts.identity.service import people, sessions
from tillhouse.parts.ledger import api as ledger
from tillhouse.parts.wallets import api as wallets
from tillhouse.sandbox.app import Sandbox, create_sandbox
from tillhouse.sandbox.clock import ManualClock
from tillhouse.sandbox.settings import SandboxSettings
from tillhouse.sandbox.smtp import smtp_server
from tillhouse.sandbox.transport import SandboxTransport

NOON = datetime(2026, 11, 18, 6, 30, tzinfo=UTC)  # a Wednesday, 12:00 in India


class _Fields(HTMLParser):
    """What a browser would send of a page's forms if nothing was typed."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.values: dict[str, str] = {}
        self._select = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        if tag == "select":
            self._select = found.get("name", "")
        elif tag == "option" and "selected" in found:
            self.values[self._select] = found["value"]
        elif tag == "input" and (found.get("type") not in ("radio", "checkbox") or "checked" in found):
            self.values[found.get("name", "")] = found.get("value", "")


@dataclass
class Driver:
    """Someone signed in: `browser` reads pages and sends forms, `api` calls the JSON endpoints."""

    id: UUID
    browser: httpx.AsyncClient
    api: httpx.AsyncClient
    depot: "Depot"

    async def page(self, path: str) -> str:
        """The page at `path`, which has to be there."""
        response = await self.browser.get(path)
        assert response.status_code == 200, response.text
        return response.text

    async def send(self, path: str, on: str = "", **fields: str) -> httpx.Response:
        """Send the form of the page `on` (of `path`, when it is the same) with these fields."""
        shown = _Fields(await self.page(on or path)).values
        return await self.browser.post(path, data={**shown, **fields})

    async def available(self) -> str:
        async with self.depot.house.database.reading() as session:
            return str((await wallets.wallet_of(session, self.id, "INR")).available)


@dataclass
class Depot:
    """The house, its outside, and a clock that stands still."""

    house: House
    app: FastAPI
    sandbox: Sandbox
    at: clock.TestClock
    outside_clock: ManualClock

    @asynccontextmanager
    async def driver(self, email: str = "asha@example.com", name: str = "Asha Rao") -> AsyncIterator[Driver]:
        """A driver, signed in in a browser and in a program."""
        async with self.house.database.transaction() as session:
            person = await people.create(session, name, [parse_identifier(email)])
            pages = await sessions.begin(session, person, "pages", "Firefox")
            tokens = (await sessions.begin(session, person, "api", "App")).tokens
        assert pages.cookie
        assert tokens
        async with self._client({COOKIE: pages.cookie}) as browser, self._client({}) as api:
            browser.headers["Accept"] = "text/html"
            api.headers["Authorization"] = f"Bearer {tokens.access_token}"
            yield Driver(person.id, browser, api, self)

    def _client(self, cookies: dict[str, str]) -> httpx.AsyncClient:
        transport = httpx.ASGITransport(self.app)
        return httpx.AsyncClient(transport=transport, base_url="http://testserver", cookies=cookies)

    async def give(self, person: UUID, amount: str) -> None:
        """Money in a wallet, as if it had been paid in."""
        money = Money.parse(amount, "INR")
        async with self.house.database.transaction() as session:
            wallet, clearing = wallets.account_ref(person, "INR"), ledger.house_account("clearing:razorpay", "INR")
            legs = (ledger.debit(clearing, money), ledger.credit(wallet, money))
            key = f"test.gift:{person}:{amount}:{self.at.at.isoformat()}"
            posting = ledger.Posting(key=key, kind="payments.deposit", legs=legs, effective_at=self.at.at)
            await ledger.post(session, posting)

    async def outside(self, method: str, path: str, body: object = None) -> Any:
        """Call the sandbox; its JSON."""
        async with httpx.AsyncClient(transport=SandboxTransport(self.sandbox), base_url="http://sandbox") as client:
            response = await client.request(method, path, json=body)
        assert response.status_code < 300, response.text
        return response.json()

    async def quiet(self) -> None:
        """Everything that is due, here and outside, until nothing is."""
        for _ in range(20):
            self.outside_clock.advance(30)
            while await self.sandbox.deliver_due() or await run_due(self.house):
                pass


@pytest.fixture
def at() -> Iterator[clock.TestClock]:
    with clock.held(NOON) as held:
        yield held


@pytest.fixture
def outside_clock() -> ManualClock:
    return ManualClock(int(NOON.timestamp() * 1000))


@pytest.fixture
async def sandbox(outside_clock: ManualClock) -> AsyncIterator[Sandbox]:
    """The outside world with a clock of its own, which stands still too."""
    created = create_sandbox(SandboxSettings(web="http://testserver"), now_ms=outside_clock)
    yield created
    await created.aclose()


@pytest.fixture
async def house(
    settings: KernelSettings, sandbox: Sandbox, at: clock.TestClock, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[House]:
    """The whole house; afterwards every invariant holds."""
    monkeypatch.setenv("IDENTITY_ARGON2_MEMORY_KIB", "64")  # demo people have passwords; guesses are cheap in tests
    async with smtp_server(sandbox.world.inbox, "127.0.0.1", 0) as port:
        monkeypatch.setenv("SMTP_PORT", str(port))
        built = build_house(settings, mounts={"http://sandbox": SandboxTransport(sandbox)})
        yield built
        async with built.database.reading() as session:
            findings = await check_all(session, built.modules)
        await built.close()
    assert [found for found in findings if found.violations] == []


@pytest.fixture
def depot(house: House, app: FastAPI, sandbox: Sandbox, at: clock.TestClock, outside_clock: ManualClock) -> Depot:
    return Depot(house, app, sandbox, at, outside_clock)


@pytest.fixture
async def driver(depot: Depot) -> AsyncIterator[Driver]:
    async with depot.driver() as found:
        yield found
