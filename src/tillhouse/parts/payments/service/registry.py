"""What the house has installed: gateways, providers of payouts, purposes."""

from tillhouse.kernel.db import ReadSession
from tillhouse.kernel.db import house_of as _house_of
from tillhouse.kernel.errors import NotFound
from tillhouse.kernel.house import House
from tillhouse.kernel.text import N_
from tillhouse.parts.payments.ports import (
    Gateway,
    InstalledGateway,
    InstalledPayoutGateway,
    PayoutGateway,
    Purpose,
    SettlementReports,
    Transfers,
)
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


def provider_names(house: House) -> frozenset[str]:
    """Everyone who takes or pays out money for this house."""
    taking = {installed.gateway.name for installed in house.provided(InstalledGateway)}
    return frozenset(taking | {installed.gateway.name for installed in house.provided(InstalledPayoutGateway)})


def settlement_reports(house: House) -> dict[str, SettlementReports]:
    """The providers that report what they settled, by name."""
    taking = {one.gateway.name: one.reports for one in house.provided(InstalledGateway) if one.reports}
    paying_out = {one.gateway.name: one.reports for one in house.provided(InstalledPayoutGateway) if one.reports}
    return {**paying_out, **taking}


def transfer_sources(house: House) -> dict[str, Transfers]:
    """The providers that tell of transfers on our own bank accounts, by name."""
    every = house.provided(InstalledGateway)
    return {installed.gateway.name: installed.transfers for installed in every if installed.transfers}


def purpose(house: House, name: str) -> Purpose | None:
    """The purpose of that name, if this process knows it."""
    return next((found for found in house.provided(Purpose) if found.name == name), None)


def settings_of(session: ReadSession) -> PaymentsSettings:
    """The settings of payments in the house of this session."""
    return _house_of(session).settings_of(PaymentsSettings)


def _unknown(name: str) -> NotFound:
    return NotFound(N_("There is no payment provider called {provider} here."), provider=name)
