"""Stripe: Checkout, PromptPay, refunds, disputes, Connect transfers (https://docs.stripe.com/api)."""

from collections.abc import Sequence
from urllib.parse import urlsplit

from tillhouse.kernel.edge import BrowserOrigin
from tillhouse.kernel.health import answers_at
from tillhouse.kernel.house import House
from tillhouse.parts.payments.ports import InstalledGateway, InstalledPayoutGateway
from tillhouse.parts.payments.providers.stripe.cards import StripeCards
from tillhouse.parts.payments.providers.stripe.client import REAL, StripeClient
from tillhouse.parts.payments.providers.stripe.connect import StripeConnect
from tillhouse.parts.payments.providers.stripe.gateway import StripeGateway
from tillhouse.parts.payments.providers.stripe.settings import StripeSettings

_BY_EMAIL = frozenset({"promptpay"})  # https://docs.stripe.com/payments/promptpay: refunds


def install(house: House) -> Sequence[object]:
    """The gateway, the payouts to connected accounts, and the origin that a form of ours may lead to."""
    client = StripeClient(house.outbound, house.settings_of(StripeSettings), sandbox=house.settings.sandbox_url)
    gateway = StripeGateway(client)
    parts = urlsplit(client.base)
    pages = "https://checkout.stripe.com" if client.base == REAL else f"{parts.scheme}://{parts.netloc}"
    return [
        InstalledGateway(
            gateway=gateway,
            refunds=gateway,
            refunds_by_email=_BY_EMAIL,
            disputes=gateway,
            reports=gateway,
            cards=StripeCards(client),
        ),
        InstalledPayoutGateway(gateway=StripeConnect(client)),
        answers_at(gateway.name, client.base),
        BrowserOrigin("form-action", pages),
    ]
