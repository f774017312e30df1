"""How the console of webhooks looks: on a phone and a desk, light and dark, empty and full."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest
import uvicorn
from selenium import webdriver

from tests.e2e.conftest import Screen, Town, chromium, look_id
from tests.parts.channels.receiver import Office, open_office
from tests.parts.channels.test_webhook_pages import HOME, sit_down
from tillhouse.kernel import clock
from tillhouse.kernel.access import Principal
from tillhouse.kernel.settings import KernelSettings
from tillhouse.parts.channels.service import endpoints
from tillhouse.sandbox.app import Sandbox

__all__ = ["chromium"]

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

LOOKS = [(390, "light", "en"), (390, "dark", "en"), (1280, "light", "en"), (1280, "dark", "en")]


@pytest.fixture
def at() -> Iterator[clock.TestClock]:
    with clock.held(datetime.fromtimestamp(int(time.time()), UTC)) as held:
        yield held


@pytest.fixture
async def office(settings: KernelSettings, sandbox: Sandbox, at: clock.TestClock) -> AsyncIterator[Office]:
    async with open_office(settings, sandbox, at) as opened:
        yield opened


@pytest.fixture
async def web(office: Office) -> AsyncIterator[str]:
    """The house on a port, in this very loop."""
    server = uvicorn.Server(uvicorn.Config(office.app, port=0, log_level="critical", ws="none", lifespan="off"))
    server.config.load()
    server.lifespan = server.config.lifespan_class(server.config)
    await server.startup()
    loop = asyncio.create_task(server.main_loop())
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    await loop
    await server.shutdown()


@pytest.mark.parametrize("look", LOOKS, ids=look_id)
async def test_every_page_fits_and_breaks_no_rule(
    office: Office, web: str, chromium: webdriver.Chrome, look: tuple[int, str, str]
) -> None:
    screen = Screen(chromium, Town(web, ""), *look)
    cookie = await sit_down(office)
    await asyncio.to_thread(_come_in, screen, cookie)
    await asyncio.to_thread(_look, screen, {"empty": HOME, "new": f"{HOME}/new"})
    row = await _three_endpoints(office)
    await asyncio.to_thread(_look, screen, {"list": HOME, "endpoint": f"{HOME}/{row}", "edit": f"{HOME}/{row}/edit"})
    found = await office.deliveries()
    taken, dead = next(row.id for row in found if row.state == "delivered"), found[-1].id
    pages = {"delivered": f"{HOME}/deliveries/{taken}", "given-up": f"{HOME}/deliveries/{dead}"}
    await asyncio.to_thread(_look, screen, {**pages, "none": f"{HOME}/{row}?state=pending"})
    await asyncio.to_thread(_rotate, screen, f"{HOME}/{row}")


def _come_in(screen: Screen, cookie: str) -> None:
    screen.set_up()
    screen.browser.add_cookie({"name": "till_session", "value": cookie})


def _look(screen: Screen, pages: dict[str, str]) -> None:
    for name, path in pages.items():
        screen.go(path)
        screen.find("main h1")
        screen.fits()
        screen.shoot(f"webhooks-{name}")
        assert screen.complaints() == [], path


def _rotate(screen: Screen, path: str) -> None:
    screen.go(path)
    screen.click("[data-dialog=rotate]")
    screen.find("dialog#rotate[open]")
    screen.shoot("webhooks-rotate")
    screen.click("dialog#rotate form[action$=rotate-secret] button")
    screen.reads("#webhook-secret", "whsec_")
    screen.fits()
    screen.shoot("webhooks-secret")


async def _three_endpoints(office: Office) -> str:
    """One that has seen good days and bad, one that is paused, one that is gone."""
    first, _ = await office.endpoint()
    office.receiver.script = [500, httpx.ReadTimeout("slow"), 302, 503, httpx.ConnectError("away"), 500, 500, 404]
    await office.told()
    for _ in range(7):
        await office.later(timedelta(hours=17))
    paused, _ = await office.endpoint("https://warehouse.example.com/a/rather/long/address/for/events", "tip.left")
    async with office.house.database.transaction() as session:
        staff = Principal("person", id=None)
        await endpoints.change(session, staff, first.id, description="Bookkeeping")
        await endpoints.change(session, staff, paused.id, status="paused", description="Warehouse")
    for _ in range(5):
        await office.told()
    office.receiver.script = [503]
    await office.told()
    await office.endpoint("https://hooks.example.com/gone", "tip.left", "tip.returned")
    office.receiver.answer = lambda asked: httpx.Response(410 if asked.url.path == "/gone" else 200, text="taken")
    await office.told()
    return str(first.id)
