"""Omise.js and the pay pages in a real Chromium, from a shop whose policy allows no inline script."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.sandbox.browsing import Person, needs_chromium
from tests.sandbox.serving import serving
from tillhouse.sandbox.app import create_sandbox
from tillhouse.sandbox.settings import SandboxSettings

pytestmark = needs_chromium

SHOP_SCRIPT = """
const number = new URLSearchParams(location.search).get("number");
const card = { name: "Somchai", number: number, expiration_month: 12, expiration_year: 2099, security_code: "123" };
Omise.setPublicKey("pkey_test_tillhouse");
Omise.createToken("card", card, (status, answer) => {
  document.body.dataset.told = status + " " + (answer.object === "token" ? answer.id : answer.code);
});
"""


@dataclass
class Shop(Person):
    """A shop, and the API that its server calls."""

    url: str
    sandbox_url: str
    api: httpx.Client

    def charge(self, **body: Any) -> dict[str, Any]:
        made = self.api.post("/charges", json={"amount": 156_000, "currency": "thb", **body})
        assert made.status_code == 200, made.text
        charge: dict[str, Any] = made.json()
        return charge

    def status(self, charge: dict[str, Any]) -> str:
        found: str = self.api.get(f"/charges/{charge['id']}").json()["status"]
        return found

    def told(self, number: str) -> str:
        self.browser.get(f"{self.url}/?number={number}")
        body = self.browser.find_element(By.TAG_NAME, "body")
        self.waits_for(lambda _: bool(body.get_attribute("data-told")))
        return str(body.get_attribute("data-told"))


@pytest.fixture
def shop(browser: webdriver.Chrome) -> Iterator[Shop]:
    sandbox_url = ""

    async def page(_: Request) -> Response:
        policy = f"default-src 'none'; script-src 'self' {sandbox_url}; connect-src {sandbox_url}"
        html = (
            "<!doctype html><title>Shop</title><link rel=icon href='data:,'><body>"
            f"<script src='{sandbox_url}/omise/omise.js'></script><script src='/shop.js'></script>"
        )
        return Response(html, media_type="text/html", headers={"Content-Security-Policy": policy})

    async def script(_: Request) -> Response:
        return Response(SHOP_SCRIPT, media_type="text/javascript")

    async def back(_: Request) -> Response:
        return Response("<!doctype html><title>Back</title><p>Back at the shop", media_type="text/html")

    routes = [Route("/", page), Route("/shop.js", script), Route("/back", back)]
    with serving(Starlette(routes=routes)) as url:
        settings = SandboxSettings(web=url)
        with (
            serving(create_sandbox(settings)) as sandbox_url,
            httpx.Client(base_url=sandbox_url, auth=(settings.omise_secret_key, "")) as api,
        ):
            yield Shop(browser, url, sandbox_url, api)


def test_omise_js_turns_a_card_into_a_token_that_can_be_charged(shop: Shop) -> None:
    status, token = shop.told("4242424242424242").split()
    assert status == "200"
    assert shop.charge(card=token)["status"] == "successful"


def test_omise_js_hands_over_why_a_card_was_refused(shop: Shop) -> None:
    assert shop.told("4242424242424241") == "400 invalid_card"


def test_a_promptpay_code_is_seen_and_paid(shop: Shop) -> None:
    charge = shop.charge(source={"type": "promptpay"}, description="Lesson 7")
    shop.browser.get(f"{shop.sandbox_url}/_sandbox/omise/pay/{charge['id']}")
    picture = shop.browser.find_element(By.CSS_SELECTOR, ".qr img")
    shop.waits_for(lambda _: int(str(picture.get_property("naturalWidth"))) > 0)
    shop.press("Pay ฿1,560.00")
    shop.reads("Paid")
    assert shop.status(charge) == "successful"


@pytest.mark.parametrize(
    ("words", "status"), [("Pay ฿1,560.00", "successful"), ("Decline", "failed"), ("Cancel at the bank", "failed")]
)
def test_a_bank_sends_the_payer_back_to_the_shop(shop: Shop, words: str, status: str) -> None:
    charge = shop.charge(source={"type": "mobile_banking_scb"}, return_uri=f"{shop.url}/back")
    shop.browser.get(charge["authorize_uri"])
    shop.reads("Siam Commercial Bank asks")
    shop.press(words)
    shop.reads("Back at the shop")
    assert shop.status(charge) == status


def test_who_leaves_can_pay_after_all(shop: Shop) -> None:
    charge = shop.charge(source={"type": "promptpay"})
    shop.browser.get(f"{shop.sandbox_url}/_sandbox/omise/pay/{charge['id']}")
    shop.press("Leave without paying")
    shop.reads("You left without paying")
    assert shop.status(charge) == "pending"
    shop.press("Pay after all")
    shop.press("Pay ฿1,560.00")
    shop.reads("Paid")


def test_the_console_moves_a_transfer(shop: Shop) -> None:
    account = {"brand": "bbl", "number": "1234567890", "name": "SOMCHAI"}
    body = {"name": "Somchai", "type": "individual", "bank_account": account}
    recipient = shop.api.post("/recipients", json=body).json()["id"]
    shop.browser.get(f"{shop.sandbox_url}/_sandbox/omise/transfers")
    shop.press("Verify now")
    shop.waits_for(lambda browser: "Verify now" not in browser.page_source)
    transfer = shop.api.post("/transfers", json={"amount": 100_000, "recipient": recipient}).json()["id"]
    shop.browser.refresh()
    shop.press("Send")
    shop.press("Pay")
    shop.waits_for(lambda browser: browser.find_element(By.CSS_SELECTOR, "td .tag").text == "paid")
    assert shop.api.get(f"/transfers/{transfer}").json()["paid"] is True
