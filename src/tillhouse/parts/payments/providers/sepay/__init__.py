"""SePay: transfers by VietQR, and its payment gateway (https://developer.sepay.vn)."""

from collections.abc import Sequence
from urllib.parse import urlsplit

from tillhouse.kernel.edge import BrowserOrigin
from tillhouse.kernel.health import answers_at
from tillhouse.kernel.house import House
from tillhouse.parts.payments.ports import InstalledGateway
from tillhouse.parts.payments.providers.sepay.client import SepayClient
from tillhouse.parts.payments.providers.sepay.gateway import SepayGateway
from tillhouse.parts.payments.providers.sepay.settings import SepaySettings


def install(house: House) -> Sequence[object]:
    """The gateway, and the page that its form is posted to."""
    settings = house.settings_of(SepaySettings)
    client = SepayClient(house.outbound, settings, sandbox=house.settings.sandbox_url)
    gateway = SepayGateway(client, settings)
    parts = urlsplit(client.checkout_page)
    return [
        InstalledGateway(gateway=gateway, transfers=gateway),
        answers_at(gateway.name, client.gateway_api),
        BrowserOrigin("form-action", f"{parts.scheme}://{parts.netloc}"),
    ]
