"""The checkout script in a real Chromium, on a shop's page whose policy allows no inline script or style."""

from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import parse_qsl

import httpx
import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.wait import WebDriverWait
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
const query = new URLSearchParams(location.search);
const tell = (name, value) => { document.body.dataset[name] = JSON.stringify(value); };
const options = {
  key: "rzp_test_tillhouse", order_id: query.get("order_id"), name: "Drivopay",
  modal: { ondismiss: () => tell("dismissed", true) },
};
if (query.get("redirect")) Object.assign(options, { redirect: true, callback_url: location.origin + "/paid" });
else options.handler = (answer) => tell("paid", answer);
const checkout = new Razorpay(options);
checkout.on("payment.failed", (answer) => tell("failed", answer));
document.getElementById("pay").addEventListener("click", () => checkout.open());
"""


@dataclass
class Shop(Person):
    """A shop's page open in a browser, with an order to pay."""

    url: str
    order_id: str
    sandbox_url: str
    auth: tuple[str, str]

    def visit(self, **query: str) -> None:
        self.browser.get(str(httpx.URL(f"{self.url}/", params={"order_id": self.order_id, **query})))
        self.browser.find_element(By.ID, "pay").click()

    def enter_checkout(self) -> None:
        frame = WebDriverWait(self.browser, 10).until(lambda b: b.find_element(By.CSS_SELECTOR, "dialog iframe"))
        self.browser.switch_to.frame(frame)
        WebDriverWait(self.browser, 10).until(
            lambda b: (
                b.find_elements(By.TAG_NAME, "main") and b.execute_script("return document.readyState") == "complete"
            )
        )

    def told(self, name: str) -> str:
        self.browser.switch_to.default_content()
        body = self.browser.find_element(By.TAG_NAME, "body")
        return WebDriverWait(self.browser, 10).until(lambda _: body.get_attribute(f"data-{name}") or "")

    def dialogs(self) -> int:
        self.browser.switch_to.default_content()
        return len(self.browser.find_elements(By.CSS_SELECTOR, "dialog"))


@pytest.fixture
def shop(browser: webdriver.Chrome) -> Iterator[Shop]:
    sandbox_url = ""

    async def page(_: Request) -> Response:
        policy = f"default-src 'none'; script-src 'self' {sandbox_url}; frame-src {sandbox_url}; form-action 'self'"
        html = (
            "<!doctype html><title>Shop</title><link rel=icon href='data:,'><button id=pay>Pay</button>"
            f"<script src='{sandbox_url}/razorpay/checkout.js'></script><script src='/shop.js'></script>"
        )
        return Response(html, media_type="text/html", headers={"Content-Security-Policy": policy})

    async def script(_: Request) -> Response:
        return Response(SHOP_SCRIPT, media_type="text/javascript")

    async def paid(request: Request) -> Response:
        fields = dict(parse_qsl((await request.body()).decode()))
        return Response(f"<!doctype html><title>{' '.join(sorted(fields))}</title>", media_type="text/html")

    async def back(request: Request) -> Response:
        query = request.query_params
        title = f"{query['invoice']} {query['razorpay_payment_link_status']}"
        return Response(f"<!doctype html><title>{title}</title>", media_type="text/html")

    routes = [Route("/back", back), Route("/", page), Route("/shop.js", script), Route("/paid", paid, methods=["POST"])]
    with serving(Starlette(routes=routes)) as url:
        settings = SandboxSettings(web=url)
        with serving(create_sandbox(settings)) as sandbox_url:
            auth = (settings.razorpay_key_id, settings.razorpay_key_secret)
            body = {"amount": 150_000, "currency": "INR", "payment": {"capture": "automatic"}}
            order = httpx.post(f"{sandbox_url}/razorpay/v1/orders", json=body, auth=auth).json()
            yield Shop(browser, url, order["id"], sandbox_url, auth)


def test_paying_closes_checkout_and_hands_the_page_the_signed_fields(shop: Shop) -> None:
    shop.visit()
    shop.enter_checkout()
    shop.press("Pay ₹1,500.00")
    paid = shop.told("paid")
    assert all(name in paid for name in ("razorpay_payment_id", "razorpay_signature", shop.order_id))
    assert shop.dialogs() == 0


def test_after_a_failure_the_person_can_try_again(shop: Shop) -> None:
    shop.visit()
    shop.enter_checkout()
    shop.types("vpa", "failure@razorpay")
    shop.press("Pay ₹1,500.00")
    assert "payment_failed" in shop.told("failed")
    assert shop.dialogs() == 1
    shop.enter_checkout()
    shop.press("Try again")
    shop.types("vpa", "success@razorpay")
    shop.press("Pay ₹1,500.00")
    assert "razorpay_signature" in shop.told("paid")


def test_leaving_or_escape_dismisses_checkout(shop: Shop) -> None:
    shop.visit()
    shop.enter_checkout()
    shop.press("Leave without paying")
    assert shop.told("dismissed") == "true"
    assert shop.dialogs() == 0

    shop.visit()
    shop.enter_checkout()  # a key pressed before the frame listens is lost
    shop.browser.switch_to.default_content()
    shop.browser.switch_to.active_element.send_keys(Keys.ESCAPE)
    assert shop.told("dismissed") == "true"


def test_a_payment_link_is_paid_in_two_parts_after_a_decline(shop: Shop) -> None:
    sandbox_url, auth = shop.sandbox_url, shop.auth
    body = {"amount": 100_000, "accept_partial": True, "reference_id": "INV-1", "description": "Tyres"}
    body |= {"callback_url": f"{shop.url}/back?invoice=7", "callback_method": "get"}
    link = httpx.post(f"{sandbox_url}/razorpay/v1/payment_links", json=body, auth=auth).json()

    shop.browser.get(link["short_url"])
    shop.types("rupees", "400")
    shop.press("Continue")
    shop.types("vpa", "failure@razorpay")
    shop.press("Pay ₹400.00")
    shop.press("Try again")
    shop.types("vpa", "success@razorpay")
    shop.press("Pay ₹400.00")
    shop.waits_for(lambda b: b.title == "7 partially_paid")

    shop.browser.get(link["short_url"])
    assert "₹400.00 of ₹1,000.00" in shop.browser.page_source
    shop.press("Continue")
    shop.press("Pay ₹600.00")
    shop.waits_for(lambda b: b.title == "7 paid")
    shop.browser.get(link["short_url"])
    assert "This link is paid" in shop.browser.page_source
    found = httpx.get(f"{sandbox_url}/razorpay/v1/payment_links/{link['id']}", auth=auth).json()
    assert (found["status"], [payment["amount"] for payment in found["payments"]]) == ("paid", [40_000, 60_000])


def test_with_redirect_the_signed_fields_come_back_as_a_form_post(shop: Shop) -> None:
    shop.visit(redirect="1")
    shop.press("Pay ₹1,500.00")
    expected = "razorpay_order_id razorpay_payment_id razorpay_signature"
    shop.waits_for(lambda b: b.title == expected)
