"""Settings of the ledger."""

from typing import ClassVar

from pydantic import field_validator

from tillhouse.kernel.settings import ModuleSettings, setting
from tillhouse.parts.ledger.domain import book_accounts


class LedgerSettings(ModuleSettings):
    """The chart of the accounts that integrators keep here by the API."""

    prefix: ClassVar[str] = "ledger"

    chart: tuple[str, ...] = setting(
        (
            "asset:*=asset",
            "liability:*=liability",
            "equity:*=equity",
            "income:*=income",
            "expense:*=expense",
            "customer:*=liability/0",
        ),
        "Accounts that API keys may post to, as code=type or code=type/floor in minor units, separated by commas; a "
        "code may end in a star. customer:* are customers' balances, which do not go below zero.",
    )

    @field_validator("chart")
    @classmethod
    def _readable(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        list(book_accounts(value))
        return value
