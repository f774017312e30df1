"""SePay's bank and pay page in a real Chromium."""

from collections.abc import Iterator
from dataclasses import dataclass

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
from tests.sandbox.test_sepay_gateway import form_of
from tillhouse.sandbox.app import create_sandbox
from tillhouse.sandbox.settings import SandboxSettings

pytestmark = needs_chromium


@dataclass
class Street(Person):
    """A shop and the sandbox, in a browser."""

    shop: str
    sandbox: str

    def open(self, path: str) -> None:
        self.browser.get(f"{self.sandbox}{path}")

    def value(self, field: str) -> str:
        return str(self.browser.find_element(By.ID, field).get_property("value"))

    def transactions(self) -> list[tuple[int, str, str | None, str]]:
        items = httpx.get(f"{self.sandbox}/_sandbox/sepay/bank").json()["items"]
        return [(item["amount"], item["content"], item["code"], item["transfer_type"]) for item in items]


@pytest.fixture
def street(browser: webdriver.Chrome) -> Iterator[Street]:
    addresses: dict[str, str] = {}

    async def cart(_: Request) -> Response:
        fields = form_of(SandboxSettings(), success_url=f"{url}/ok", error_url=f"{url}/bad", cancel_url=f"{url}/left")
        inputs = "".join(f'<input type="hidden" name="{name}" value="{value}">' for name, value in fields.items())
        action = f"{addresses['sandbox']}/sepay/pg/v1/checkout/init"
        html = f"<!doctype html><title>Cart</title><form method=post action={action}>{inputs}<button>Check out</button>"
        return Response(html, media_type="text/html")

    async def page(request: Request) -> Response:
        return Response(f"<!doctype html><title>Shop</title><p>Shop says {request.url.path}", media_type="text/html")

    routes = [Route("/cart", cart), Route("/ok", page), Route("/bad", page), Route("/left", page)]
    with serving(Starlette(routes=routes)) as url, serving(create_sandbox(SandboxSettings(web=url))) as sandbox_url:
        addresses.update(shop=url, sandbox=sandbox_url)
        yield Street(browser, url, sandbox_url)


def test_a_code_that_an_app_showed_fills_the_form_and_may_be_altered(street: Street) -> None:
    query = {"acc": "0071000888888", "bank": "Vietcombank", "amount": "150000", "des": "TLH7K2M9Q4PX"}
    httpx.get(f"{street.sandbox}/sepay/img", params=query)
    street.open("/_sandbox/sepay/bank")
    street.press("150.000")
    street.waits_for(lambda _: street.value("content") == "TLH7K2M9Q4PX")
    assert street.value("amount") == "150000"
    street.press("Transfer")
    street.reads("50.150.000")
    street.open("/_sandbox/sepay/bank?acc=0071000888888&amount=150000&des=TLH7K2M9Q4PX")
    street.types("amount", "149000")
    street.types("content", "TLH7K2M9Q4PX va TLH7K2M9Q4PY")
    street.press("Transfer")
    street.reads("50.299.000")
    street.types("amount", "5000")
    street.press("Outgoing transfer")
    street.reads("−5.000")
    assert street.transactions() == [
        (5_000, "", None, "out"),
        (149_000, "TLH7K2M9Q4PX va TLH7K2M9Q4PY", "TLH7K2M9Q4PX", "in"),
        (150_000, "TLH7K2M9Q4PX", "TLH7K2M9Q4PX", "in"),
    ]


@pytest.mark.parametrize(
    ("steps", "end"),
    [
        (["Transfer 100.000"], "/ok"),
        (["Card", "Pay 100.000"], "/ok"),
        (["Card", "Decline"], "/bad"),
        (["Leave without paying"], "/left"),
    ],
)
def test_the_gateway_leads_from_the_cart_and_back_to_the_shop(street: Street, steps: list[str], end: str) -> None:
    street.browser.get(f"{street.shop}/cart")
    street.press("Check out", within="body")
    street.reads("100.000")
    for words in steps:
        street.press(words)
    street.reads(f"Shop says {end}")
    [order] = httpx.get(f"{street.sandbox}/_sandbox/sepay/orders").json()["items"]
    assert order["order_status"] == ("CAPTURED" if end == "/ok" else "PENDING")


def test_an_order_can_be_paid_short_at_the_bank_and_then_waits(street: Street) -> None:
    street.browser.get(f"{street.shop}/cart")
    street.press("Check out", within="body")
    street.press("Transfer something else at the bank")
    street.types("amount", "99000")
    street.press("Transfer")
    street.reads("50.099.000")
    street.open("/_sandbox/sepay/orders")
    street.reads("pending")
