"""What the house has installed: gateways, providers of payouts, purposes."""

from tillhouse.kernel.db import ReadSession
from tillhouse.kernel.db import house_of as _house_of
from tillhouse.kernel.errors import NotFound
from tillhouse.kernel.house import House
from tillhouse.kernel.text import N_
from tillhouse.parts.payments.ports import Gateway, InstalledGateway, InstalledPayoutGateway, PayoutGateway, Purpose
from tillhouse.parts.payments.settings import PaymentsSettings


def installed_gateway(house: House, name: str) -> InstalledGateway:
    """The gateway of that name with all that it can do. Raises `NotFound`."""
    for installed in house.provided(InstalledGateway):
        if installed.gateway.name == name:
            return installed
    raise _unknown(name)


def gateway(house: House, name: str) -> Gateway:
    """The gateway of that name. Raises `NotFound`."""
    return installed_gateway(house, name).gateway


def payout_gateway(house: House, name: str) -> PayoutGateway:
    """The provider of payouts of that name. Raises `NotFound`."""
    for installed in house.provided(InstalledPayoutGateway):
        if installed.gateway.name == name:
            return installed.gateway
    raise _unknown(name)


def purpose(house: House, name: str) -> Purpose | None:
    """The purpose of that name, if this process knows it."""
    return next((found for found in house.provided(Purpose) if found.name == name), None)


def settings_of(session: ReadSession) -> PaymentsSettings:
    """The settings of payments in the house of this session."""
    return _house_of(session).settings_of(PaymentsSettings)


def _unknown(name: str) -> NotFound:
    return NotFound(N_("There is no payment provider called {provider} here."), provider=name)
