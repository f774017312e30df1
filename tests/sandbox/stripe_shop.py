"""Stripe's official SDK against the sandbox on a real port, nothing changed but the address."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import stripe
from starlette.types import ASGIApp

from tests.sandbox.serving import serving
from tillhouse.sandbox.app import Sandbox, create_sandbox
from tillhouse.sandbox.clock import ManualClock
from tillhouse.sandbox.settings import SandboxSettings

CART = {
    "price_data": {"currency": "usd", "unit_amount": 2500, "product_data": {"name": "Course: Algebra"}},
    "quantity": 2,
}


@dataclass
class Shop:
    """A shop that takes money with Stripe."""

    url: str
    sandbox: Sandbox
    settings: SandboxSettings
    clock: ManualClock

    @property
    def client(self) -> stripe.StripeClient:
        return self.client_with()

    def client_with(self, key: str | None = None, **options: Any) -> stripe.StripeClient:
        key = key or self.settings.stripe_secret_key
        return stripe.StripeClient(key, base_addresses={"api": f"{self.url}/stripe"}, **options)

    def act(self, path: str, **body: Any) -> dict[str, Any]:
        """Do what a person or a bank does, by the API twin of the page."""
        response = httpx.post(f"{self.url}/_sandbox/stripe/{path}", json=body)
        assert response.status_code == 200, response.text
        answer: dict[str, Any] = response.json()
        return answer

    def post(self, path: str, body: str = "", **headers: str) -> httpx.Response:
        """A call without the SDK, for what it would not send."""
        headers = {"Content-Type": "application/x-www-form-urlencoded", **headers}
        auth = (self.settings.stripe_secret_key, "")
        return httpx.post(f"{self.url}/stripe{path}", content=body, headers=headers, auth=auth)

    def paid(self, amount: int = 10_000, currency: str = "usd", card: str = "pm_card_visa", **more: Any) -> Any:
        """A payment intent paid by card."""
        params: Any = {"amount": amount, "currency": currency, "payment_method": card, "confirm": True, **more}
        params.setdefault("allowed_payment_method_types", ["card"])
        return self.client.v1.payment_intents.create(params)

    def session(self, **more: Any) -> Any:
        """An open checkout session."""
        params: Any = {
            "mode": "payment",
            "line_items": [CART],
            "success_url": "http://127.0.0.1:9/thanks?session={CHECKOUT_SESSION_ID}",
            "cancel_url": "http://127.0.0.1:9/cart",
            **more,
        }
        return self.client.v1.checkout.sessions.create(params)

    def account(self, **more: Any) -> Any:
        """A connected account that may be paid."""
        params: Any = {"type": "express", "country": "US", "capabilities": {"transfers": {"requested": True}}, **more}
        account = self.client.v1.accounts.create(params)
        self.act(f"accounts/{account.id}/onboard")
        return account

    def after(self, provider_seconds: float) -> None:
        """Let that much of Stripe's time pass, with all that comes to pass in it."""
        self.clock.advance(provider_seconds / self.settings.clock_scale)
        httpx.post(f"{self.url}/_sandbox/deliver")

    def fault(self, fault: str, **more: Any) -> None:
        """Let something go wrong."""
        made = httpx.post(f"{self.url}/_sandbox/faults", json={"provider": "stripe", "fault": fault, **more})
        assert made.status_code == 201, made.text

    def types(self) -> list[str]:
        """The events so far, oldest first."""
        return [str(event.type) for event in self.client.v1.events.list({"limit": 100}).data][::-1]


@contextmanager
def open_shop(web: ASGIApp, clock: ManualClock, **settings: Any) -> Iterator[Shop]:
    """A shop whose app takes its webhooks. The outside world's clock stands still until told to move."""
    with serving(web) as web_url:
        known = SandboxSettings(web=web_url, **settings)
        sandbox = create_sandbox(known, now_ms=clock)
        with serving(sandbox) as url:
            yield Shop(url, sandbox, known, clock)
