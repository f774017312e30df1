"""Omise: PromptPay, banking, cards, refunds, disputes, transfers (https://docs.omise.co)."""

from collections.abc import Sequence
from urllib.parse import urlsplit

from tillhouse.kernel.edge import BrowserOrigin
from tillhouse.kernel.health import answers_at
from tillhouse.kernel.house import House
from tillhouse.parts.payments.ports import InstalledGateway, InstalledPayoutGateway
from tillhouse.parts.payments.providers.omise.cards import OmiseCards, browser_origins
from tillhouse.parts.payments.providers.omise.client import OmiseClient
from tillhouse.parts.payments.providers.omise.gateway import OmiseGateway
from tillhouse.parts.payments.providers.omise.payouts import OmiseTransfers
from tillhouse.parts.payments.providers.omise.settings import OmiseSettings


def install(house: House) -> Sequence[object]:
    """The gateway, the payouts, and the origin of the codes and bank pages that Omise shows to a payer."""
    settings = house.settings_of(OmiseSettings)
    client = OmiseClient(house.outbound, settings, sandbox=house.settings.sandbox_url)
    gateway, transfers = OmiseGateway(client, settings.public_key), OmiseTransfers(client, settings.transfer_fees)
    parts = urlsplit(client.base)
    origin = f"{parts.scheme}://{parts.netloc}"
    return [
        InstalledGateway(
            gateway=gateway, refunds=gateway, disputes=gateway, reports=gateway, cards=OmiseCards(client, gateway)
        ),
        InstalledPayoutGateway(gateway=transfers, checks=transfers),
        answers_at(gateway.name, client.base),
        BrowserOrigin("img-src", origin),
        BrowserOrigin("form-action", origin),
        *browser_origins(client),
    ]
