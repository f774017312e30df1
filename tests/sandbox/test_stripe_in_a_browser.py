"""Stripe's hosted pages in a real Chromium: pay, decline, 3-D Secure, PromptPay, abandon, onboarding."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.sandbox.browsing import Person, needs_chromium
from tests.sandbox.serving import serving
from tests.sandbox.stripe_shop import Shop

pytestmark = needs_chromium


@dataclass
class Payer(Person):
    """Someone at a browser, come from a shop."""

    shop: Shop
    home: str

    def open_session(self, **more: Any) -> str:
        session = self.shop.session(
            success_url=f"{self.home}/thanks?session={{CHECKOUT_SESSION_ID}}", cancel_url=f"{self.home}/cart", **more
        )
        self.browser.get(session.url)
        return str(session.id)

    def status(self, session_id: str) -> tuple[str | None, str]:
        session = self.shop.client.v1.checkout.sessions.retrieve(session_id)
        return session.status, str(session.payment_status)


@pytest.fixture
def person(browser: webdriver.Chrome, shop: Shop) -> Iterator[Payer]:
    async def any_page(request: Request) -> Response:
        return Response(f"<!doctype html><link rel=icon href='data:,'>{request.url.path}", media_type="text/html")

    with serving(Starlette(routes=[Route("/{path:path}", any_page)])) as home:
        yield Payer(browser, shop, home)


def test_paying_leads_back_to_the_shop_with_the_sessions_id(person: Payer) -> None:
    session_id = person.open_session()
    person.press("Pay $50.00")
    person.is_at(f"{person.home}/thanks?session={session_id}")
    assert person.status(session_id) == ("complete", "paid")


def test_after_a_decline_the_person_sees_why_and_pays_with_another_card(person: Payer) -> None:
    session_id = person.open_session()
    person.types("number", "4000 0000 0000 9995")
    person.press("Pay $50.00")
    person.reads("Your card has insufficient funds. Nothing was paid.")
    assert person.status(session_id) == ("open", "unpaid")
    person.types("number", "4242 4242 4242 4242")
    person.press("Pay $50.00")
    person.is_at(f"{person.home}/thanks?session={session_id}")
    assert person.status(session_id) == ("complete", "paid")


def test_3d_secure_refused_then_confirmed(person: Payer) -> None:
    session_id = person.open_session()
    for answer in ("No, it is not me", "Yes, pay"):
        person.types("number", "4000 0025 0000 3155")
        person.press("Pay $50.00")
        person.reads("Your bank asks")
        person.press(answer)
        if answer.startswith("No"):
            person.reads("failed authentication")
            assert person.status(session_id) == ("open", "unpaid")
    person.is_at(f"{person.home}/thanks?session={session_id}")
    assert person.status(session_id) == ("complete", "paid")


def test_promptpay_is_scanned(person: Payer) -> None:
    price = {"currency": "thb", "unit_amount": 25_000, "product_data": {"name": "คอร์สคณิตศาสตร์"}}
    session_id = person.open_session(line_items=[{"price_data": price, "quantity": 1}])
    person.press("PromptPay")
    person.press("Pay ฿250.00")
    person.reads("Scan with your bank's app")
    image = person.browser.find_element(By.CSS_SELECTOR, ".qr img")
    person.waits_for(lambda _: bool(image.get_property("naturalWidth")))
    person.press("Pay in the app")
    person.is_at(f"{person.home}/thanks?session={session_id}")
    assert person.status(session_id) == ("complete", "paid")


def test_going_back_leaves_the_session_open_and_unpaid(person: Payer) -> None:
    session_id = person.open_session()
    person.press("← Back to Tillhouse")
    person.is_at(f"{person.home}/cart")
    assert person.status(session_id) == ("open", "unpaid")
    assert person.shop.client.v1.payment_intents.list().data == []


def test_an_intents_3d_secure_leads_back_to_its_return_address(person: Payer) -> None:
    intent = person.shop.paid(card="pm_card_authenticationRequired", return_url=f"{person.home}/back")
    person.browser.get(intent.next_action.redirect_to_url.url)
    person.press("Yes, pay")
    secret = f"payment_intent_client_secret={intent.client_secret}"
    person.is_at(f"{person.home}/back?payment_intent={intent.id}&{secret}&redirect_status=succeeded")


def test_onboarding_leads_back_to_the_platform(person: Payer) -> None:
    account = person.shop.client.v1.accounts.create({"type": "express", "country": "US"})
    link = person.shop.client.v1.account_links.create(
        {
            "account": account.id,
            "type": "account_onboarding",
            "refresh_url": f"{person.home}/again",
            "return_url": f"{person.home}/done",
        }
    )
    person.browser.get(link.url)
    person.press("Finish: payouts are enabled")
    person.is_at(f"{person.home}/done")
    assert person.shop.client.v1.accounts.retrieve(account.id).payouts_enabled


@pytest.mark.parametrize("width", [390, 1280])
def test_no_page_is_wider_than_the_screen(person: Payer, width: int) -> None:
    person.browser.set_window_size(width, 844)
    session_id = person.open_session()
    intent = person.shop.paid(card="pm_card_authenticationRequired", return_url=f"{person.home}/back")
    paid = person.shop.paid()
    person.shop.act(f"charges/{paid.latest_charge}/dispute")
    person.shop.act("payouts/run")
    person.shop.account(email="seller@example.com")
    pages = ["checkout_sessions", "payments", "payouts", "accounts"]
    for page in (*pages, f"checkout/{session_id}", f"authorize/{intent.id}"):
        person.browser.get(f"{person.shop.url}/_sandbox/stripe/{page}")
        root = "document.documentElement"
        assert person.browser.execute_script(f"return {root}.scrollWidth <= {root}.clientWidth"), page
