"""RazorpayX: payouts to UPI ids and bank accounts (https://razorpay.com/docs/api/x)."""

from collections.abc import Sequence

from tillhouse.kernel.health import answers_at
from tillhouse.kernel.house import House
from tillhouse.parts.payments.ports import InstalledPayoutGateway
from tillhouse.parts.payments.providers.razorpayx.gateway import RazorpayXGateway
from tillhouse.parts.payments.providers.razorpayx.settings import RazorpayXSettings


def install(house: House) -> Sequence[object]:
    """The provider of payouts."""
    settings = house.settings_of(RazorpayXSettings)
    gateway = RazorpayXGateway(house.outbound, settings, sandbox=house.settings.sandbox_url)
    return [InstalledPayoutGateway(gateway=gateway, checks=gateway), answers_at(gateway.name, gateway.address)]
