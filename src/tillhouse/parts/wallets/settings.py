"""Settings of wallets."""

from typing import ClassVar

from pydantic import field_validator

from tillhouse.kernel.money import digits_of
from tillhouse.kernel.settings import ModuleSettings, setting


class WalletsSettings(ModuleSettings):
    """Which wallets everyone has."""

    prefix: ClassVar[str] = "wallets"

    currencies: tuple[str, ...] = setting(
        ("INR",), "Currencies in which everyone has a wallet, used or not, separated by commas."
    )

    @field_validator("currencies")
    @classmethod
    def _known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for unit in value:
            digits_of(unit)
        return value
