"""What the house has installed: gateways, providers of payouts, purposes."""

from tillhouse.kernel.db import ReadSession
from tillhouse.kernel.db import house_of as _house_of
from tillhouse.kernel.errors import FieldError, InvalidInput, NotFound
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
from tillhouse.parts.payments.settings import PaymentsSettings, PayoutGuards


def installed_gateway(house: House, name: str) -> InstalledGateway:
    """The gateway of that name with all that it can do. Raises `NotFound`."""
    for installed in house.provided(InstalledGateway):
        if installed.gateway.name == name:
            return installed
    raise _unknown(name)


def gateway(house: House, name: str) -> Gateway:
    """The gateway of that name. Raises `NotFound`."""
    return installed_gateway(house, name).gateway


def installed_payout_gateway(house: House, name: str) -> InstalledPayoutGateway:
    """The provider of payouts of that name with all that it can do. Raises `NotFound`."""
    for installed in house.provided(InstalledPayoutGateway):
        if installed.gateway.name == name:
            return installed
    raise _unknown(name)


def payout_gateway(house: House, name: str) -> PayoutGateway:
    """The provider of payouts of that name. Raises `NotFound`."""
    return installed_payout_gateway(house, name).gateway


def payout_provider_for(house: House, kind: str, currency: str | None = None) -> InstalledPayoutGateway | None:
    """Who pays out to this kind of destination (in this currency): the preferred one, else the first that can."""
    preferred = house.settings_of(PaymentsSettings).payout_gateway
    able = [
        installed
        for installed in house.provided(InstalledPayoutGateway)
        if kind in installed.gateway.destinations and (currency is None or currency in installed.gateway.currencies)
    ]
    return next((one for one in able if one.gateway.name == preferred), able[0] if able else None)


def choose_payout_provider(house: House, kind: str, currency: str) -> InstalledPayoutGateway:
    """Who pays out `currency` to this kind of destination. Raises `InvalidInput` naming what cannot be."""
    found = payout_provider_for(house, kind, currency)
    if found:
        return found
    message = N_("This currency cannot be paid out to such an account: choose another kind of account.")
    if not any(currency in installed.gateway.currencies for installed in house.provided(InstalledPayoutGateway)):
        message = N_("This currency cannot be paid out here.")
    raise InvalidInput(message, errors=[FieldError("/currency", "currency_not_paid_out", message)])


def provider_names(house: House) -> frozenset[str]:
    """Everyone who takes or pays out money for this house."""
    taking = {installed.gateway.name for installed in house.provided(InstalledGateway)}
    return frozenset(taking | {installed.gateway.name for installed in house.provided(InstalledPayoutGateway)})


def settlement_reports(house: House) -> dict[str, SettlementReports]:
    """The providers that report what they settled, by name."""
    taking = {one.gateway.name: one.reports for one in house.provided(InstalledGateway) if one.reports}
    paying_out = {one.gateway.name: one.reports for one in house.provided(InstalledPayoutGateway) if one.reports}
    return {**paying_out, **taking}


def payout_reporters(house: House) -> frozenset[str]:
    """Those whose report has what they paid out, too."""
    paying_out = {installed.gateway.name for installed in house.provided(InstalledPayoutGateway)}
    return frozenset(paying_out & settlement_reports(house).keys())


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


def guards_of(session: ReadSession) -> PayoutGuards:
    """What guards payouts in the house of this session."""
    return _house_of(session).settings_of(PayoutGuards)


def _unknown(name: str) -> NotFound:
    return NotFound(N_("There is no payment provider called {provider} here."), provider=name)
