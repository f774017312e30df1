"""Razorpay: orders, UPI codes, links, authorisations to charge later, refunds, disputes, settlements.

https://razorpay.com/docs/api
"""

from collections.abc import Sequence

from tillhouse.kernel.edge import BrowserOrigin
from tillhouse.kernel.health import answers_at
from tillhouse.kernel.house import House
from tillhouse.parts.payments.ports import InstalledGateway
from tillhouse.parts.payments.providers.razorpay.afterwards import RazorpayAfterwards
from tillhouse.parts.payments.providers.razorpay.cards import RazorpayCards
from tillhouse.parts.payments.providers.razorpay.client import RazorpayClient
from tillhouse.parts.payments.providers.razorpay.gateway import RazorpayGateway
from tillhouse.parts.payments.providers.razorpay.settings import RazorpaySettings


def install(house: House) -> Sequence[object]:
    """The gateway, and the origins that its checkout needs in a browser."""
    settings = house.settings_of(RazorpaySettings)
    client = RazorpayClient(house.outbound, settings, sandbox=house.settings.sandbox_url)
    gateway, afterwards, places = RazorpayGateway(client), RazorpayAfterwards(client), client.places
    return [
        InstalledGateway(
            gateway=gateway,
            proofs=gateway,
            refunds=afterwards,
            disputes=afterwards,
            reports=afterwards,
            cards=RazorpayCards(client),
        ),
        answers_at(gateway.name, places.api),
        *(BrowserOrigin("script-src", origin) for origin in places.scripts),
        *(BrowserOrigin("frame-src", origin) for origin in places.frames),
        *(BrowserOrigin("connect-src", origin) for origin in places.connections),
        *(BrowserOrigin("form-action", origin) for origin in places.forms),
        *(BrowserOrigin("img-src", origin) for origin in places.images),
    ]
