"""A person's page of plans, coupons and cards, and staff's page of coupons, in Chromium.

No product of the catalogue sells plans yet, so the house is the one of the tests of billing, on a port of its own.
"""

import asyncio
import shutil
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
import uvicorn
from selenium import webdriver
from starlette.types import ASGIApp

from tests.e2e.conftest import _FLAGS, Screen, free_ports
from tests.e2e.conftest import Town as Places
from tests.parts.billing.counter import Counter, open_counter
from tests.parts.billing.test_mandate_renewals import until
from tests.parts.identity.town import Town
from tillhouse.kernel import clock
from tillhouse.kernel.money import Money
from tillhouse.kernel.settings import KernelSettings
from tillhouse.parts.billing import api
from tillhouse.parts.identity import store
from tillhouse.parts.identity.domain import parse_identifier
from tillhouse.parts.identity.service import sessions
from tillhouse.sandbox.razorpay.tokens import Token

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.timeout(240),
    pytest.mark.skipif(not shutil.which("chromedriver"), reason="needs chromium and chromedriver"),
]
LOOKS = [(390, "light"), (390, "dark"), (1280, "light"), (1280, "dark")]


@dataclass
class Street:
    """The house on a real port, and a browser that finds its sandbox by its name."""

    counter: Counter
    town: Town
    screen: Screen

    async def enters(self, address: str) -> None:
        """The browser is that person's, with their second factor shown."""
        async with self.counter.till.house.database.transaction() as session:
            person = await store.person_by_identifier(session, parse_identifier(address))
            assert person
            cookie = (await sessions.begin(session, person, "pages", "Chromium", 2)).cookie
        await self.does("set_up")
        await asyncio.to_thread(self.screen.browser.add_cookie, {"name": "till_session", "value": cookie})

    async def does(self, what: str, *arguments: object) -> None:
        """Something that the browser does, while the house goes on answering."""
        await asyncio.to_thread(getattr(self.screen, what), *arguments)

    def authorises(self, vpa: str) -> None:
        """In Razorpay's frame: pay by UPI, and agree to later payments."""
        chrome = self.screen.browser
        frame = self.screen.find("dialog.razorpay-sandbox iframe")
        chrome.switch_to.frame(frame)
        assert "You also authorise later payments of up to ₹300.00" in self.screen.find("main").text
        self.screen.type("#vpa", vpa)
        self.screen.click("form button[type=submit]")
        chrome.switch_to.default_content()

    async def shows(self, name: str) -> None:
        """The page fits at every width and in both themes; pictures of it are kept."""
        for width, theme in LOOKS:
            look = replace(self.screen, width=width, theme=theme)
            await asyncio.to_thread(self.screen.browser.add_cookie, {"name": "theme", "value": theme})
            await asyncio.to_thread(look._window)
            await asyncio.to_thread(look.go, look.where)
            await asyncio.to_thread(look.find, "main h1")
            await asyncio.to_thread(look.fits)
            await asyncio.to_thread(look.shoot, name)
            assert await asyncio.to_thread(look.complaints) == [], (name, width, theme)


@asynccontextmanager
async def serving(app: ASGIApp, port: int) -> AsyncIterator[None]:
    """An app on a port, in this loop."""
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="critical", lifespan="off"))
    task = asyncio.create_task(server.serve())
    end = time.monotonic() + 30
    while not server.started:
        assert time.monotonic() < end
        await asyncio.sleep(0.02)
    try:
        yield
    finally:
        server.should_exit = True
        await task


def browser(folder: Path, sandbox_port: int) -> webdriver.Chrome:
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or ""
    rules = f"--host-resolver-rules=MAP sandbox:80 127.0.0.1:{sandbox_port}"
    for flag in [*_FLAGS.split(), f"--user-data-dir={folder}", rules]:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    return webdriver.Chrome(options, webdriver.ChromeService(shutil.which("chromedriver")))


@pytest.fixture
async def street(settings: KernelSettings, tmp_path: Path) -> AsyncIterator[Street]:
    async with open_street(settings, tmp_path) as opened:
        yield opened


@asynccontextmanager
async def open_street(settings: KernelSettings, tmp_path: Path, *offers: object) -> AsyncIterator[Street]:
    port, sandbox_port = free_ports(2)
    web = f"http://127.0.0.1:{port}"
    async with open_counter(settings.model_copy(update={"base_url": web}), *offers) as counter:
        till = counter.till
        async with serving(till.app, port), serving(till.sandbox, sandbox_port):
            chrome = await asyncio.to_thread(browser, tmp_path / "chromium", sandbox_port)
            try:
                screen = Screen(chrome, Places(web, f"http://127.0.0.1:{sandbox_port}"), 390, "light", "en")
                yield Street(counter, Town(till.house, till.app, till.sandbox), screen)
            finally:
                await asyncio.to_thread(chrome.quit)


async def coupon(street: Street) -> None:
    made = api.Coupon(
        code="SPRING", discount=api.Discount(basis_points=2500), offers=("shop.small", "shop.pack"), starts_at=None,
        ends_at=datetime(2026, 12, 31, tzinfo=UTC), most=100, redeemed=0, once_per_owner=True, periods=1,
    )  # fmt: skip
    async with street.counter.till.house.database.transaction() as session:
        await api.make_coupon(session, made, by=None)


async def test_a_person_uses_a_coupon_pays_and_keeps_a_card_for_renewals(street: Street) -> None:
    asha = await street.town.resident()
    await coupon(street)
    await street.enters("asha@example.com")
    await street.does("go", "/billing/")
    await street.does("type", "#coupon", "spring")
    await street.does("click", 'form[action="/billing/"] button[type=submit]')
    await street.does("reads", "main", "SPRING is taken off")
    await street.shows("billing-coupon")
    view, due = await street.counter.subscribe(UUID(asha.id), coupon="SPRING")
    assert due
    await street.does("go", f"/billing/invoices/{due.id}")
    await street.shows("billing-invoice")
    await street.counter.pay(due)
    await street.does("go", "/billing/")
    await street.does("click", 'form[action="/billing/cards"] button[type=submit]')
    await street.does("find", "#number")
    await street.does("click", "form button[type=submit]")
    await street.does("reads", "main", "Visa •••• 4242")
    await street.shows("billing-card")
    await street.counter.pass_days(32)
    assert (await street.counter.see(view)).state == "active"
    await street.enters("asha@example.com")
    await street.does("go", "/billing/")
    await street.does("click", 'button[data-dialog^="remove-"]')
    await street.does("click", 'dialog[open] form[action$="/remove"] button')
    await street.does("reads", "main", "By invoice")
    await street.shows("billing-no-card")


async def test_a_person_authorises_renewals_by_upi_while_they_pay_and_ends_that_again(street: Street) -> None:
    till, counter = street.counter.till, street.counter
    asha = await street.town.resident()
    view, due = await counter.subscribe(UUID(asha.id))
    assert due
    await street.enters("asha@example.com")
    await street.does("go", f"/billing/invoices/{due.id}")
    await street.does("reads", "main", "By UPI Autopay")
    await street.shows("billing-invoice-ways")
    await street.does("click", 'input[name="keep"][value="upi"]')
    await street.does("click", f'form[action="/billing/invoices/{due.id}/pay"] button[type=submit]')
    await street.does("find", "form[data-checkout]")
    checkout = street.screen.js("return JSON.parse(document.querySelector('form[data-checkout]').dataset.checkout)")
    assert (checkout["recurring"], checkout["customer_id"][:5]) == ("1", "cust_")
    await street.does("click", "form[data-checkout] button[type=submit]")
    await asyncio.to_thread(street.authorises, "asha.rao@okbank")
    await street.does("reads", "main", "Paid")
    await till.quiet()
    await till.pass_time(timedelta(minutes=3), step=timedelta(minutes=3))
    await street.does("go", "/billing/")
    await street.does("reads", "main", "UPI ••• as…@okbank")
    await street.shows("billing-upi")
    (token,) = till.sandbox.world.store.find(Token, limit=9)
    await till.outside("POST", f"/_sandbox/razorpay/tokens/{token.id}/pause")
    await till.quiet()
    await street.does("go", "/billing/")
    await street.does("reads", "main", "You have paused it")
    await street.shows("billing-upi-paused")
    await till.outside("POST", f"/_sandbox/razorpay/tokens/{token.id}/confirm")
    await till.quiet()
    await until(counter, view.paid_until + timedelta(days=32) - timedelta(hours=36))
    await street.enters("asha@example.com")
    (renewal, _) = await counter.invoices(UUID(asha.id))
    await street.does("go", f"/billing/invoices/{renewal.id}")
    await street.does("reads", "main", "being charged")
    await street.shows("billing-invoice-charging")
    await street.does("go", "/billing/")
    await street.does("click", 'button[data-dialog^="remove-"]')
    await street.does("click", 'dialog[open] form[action$="/remove"] button')
    await street.does("reads", "main", "By invoice")


async def test_staff_make_a_coupon_and_end_it(street: Street) -> None:
    await street.town.resident("meera@example.com", role="staff")
    await coupon(street)
    await street.enters("meera@example.com")
    await street.does("go", "/console/billing/coupons/new")
    await street.shows("billing-new-coupon")
    await street.does("type", "#code", "autumn")
    await street.does("type", "#percent", "10")
    await street.does("click", "main form button[type=submit]")
    await street.does("arrives", "/console/billing/coupons")
    await street.does("reads", "main", "AUTUMN")
    await street.shows("billing-coupons")
    await street.does("click", 'button[data-dialog="end-AUTUMN"]')
    await street.does("click", 'dialog[open] form[action$="/AUTUMN/end"] button')
    await street.does("reads", "main", "Ended")
    async with street.counter.till.house.database.reading() as session:
        ended = {
            one.code for one in await api.coupons_made(session, limit=9) if one.ends_at and one.ends_at <= clock.now()
        }
    assert ended == {"AUTUMN"}


BAHT = api.Plan(
    code="shop.thai", version=1, family="shop", title="Thai", rank=1, prices=(api.Price(Money(300_00, "THB"), 1),)
)


async def test_where_omise_alone_takes_cards_its_script_makes_a_token_and_we_see_no_number(
    settings: KernelSettings, tmp_path: Path
) -> None:
    async with open_street(settings, tmp_path, BAHT) as street:
        till, counter = street.counter.till, street.counter
        till.change_settings(gateways=("omise",))
        asha = await street.town.resident()
        view, _ = await counter.subscribe(UUID(asha.id), "shop.thai", currency="THB")
        await street.enters("asha@example.com")
        await street.does("go", "/billing/")
        await street.does("click", 'form[action="/billing/cards"] button[type=submit]')
        await street.does("arrives", "/billing/cards/new")
        await street.shows("billing-card-omise")
        for number, said in (("4242 4242 4242 4241", "number is invalid"), ("4242 4242 4242 4242", "")):
            await street.does("type", "#card-number", number)
            await street.does("type", "#card-name", "Asha Rao")
            await street.does("type", "#card-expiry", "12/39")
            await street.does("type", "#card-code", "123")
            await street.does("click", "form[data-card-script] button[type=submit]")
            if said:
                await street.does("reads", "#card-error", said)
        await street.does("reads", "main", "Visa •••• 4242")
        assert street.screen.js("return document.querySelectorAll('[data-omise][name]').length") == 0
        await counter.cancel(view)
