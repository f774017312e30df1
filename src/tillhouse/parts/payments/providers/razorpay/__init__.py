"""Razorpay: orders, payments and webhooks (https://razorpay.com/docs/api)."""

from collections.abc import Sequence

from tillhouse.kernel.edge import BrowserOrigin
from tillhouse.kernel.house import House
from tillhouse.parts.payments.ports import InstalledGateway
from tillhouse.parts.payments.providers.razorpay.gateway import RazorpayGateway
from tillhouse.parts.payments.providers.razorpay.settings import RazorpaySettings


def install(house: House) -> Sequence[object]:
    """The gateway, and the origins that its checkout needs in a browser."""
    settings = house.settings_of(RazorpaySettings)
    gateway = RazorpayGateway(house.outbound, settings, sandbox=house.settings.sandbox_url)
    return [
        InstalledGateway(gateway=gateway, proofs=gateway),
        *(BrowserOrigin("script-src", origin) for origin in gateway.places.scripts),
        *(BrowserOrigin("frame-src", origin) for origin in gateway.places.frames),
        *(BrowserOrigin("connect-src", origin) for origin in gateway.places.connections),
        *(BrowserOrigin("form-action", origin) for origin in gateway.places.forms),
    ]
