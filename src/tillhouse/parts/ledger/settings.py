"""Settings of the ledger."""

from datetime import timedelta

from pydantic import field_validator

from tillhouse.kernel.settings import ModuleSettings, setting
from tillhouse.parts.ledger.domain import book_accounts


class LedgerSettings(ModuleSettings):
    """Integrators' accounts, rules that an operator may choose, and where heads of the sealed chain are kept."""

    prefix = "ledger"

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
    lots_grace_days: int = setting(
        7, "Days for which points that are given back after they expired can be spent once more."
    )
    anchor_file: str = setting(
        "",
        "File that heads of the sealed chain are appended to; best on a disk the database's owner cannot write. "
        "Empty: DATA_FOLDER/anchors/ledger.jsonl.",
    )
    anchor_log: bool = setting(
        True, "Whether each new head is also logged (`ledger_anchor`), so that log archives keep it."
    )

    @property
    def lots_grace(self) -> timedelta:
        return timedelta(days=self.lots_grace_days)

    @field_validator("chart")
    @classmethod
    def _readable(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        list(book_accounts(value))
        return value
