"""Settings of the ledger."""

from datetime import timedelta

from tillhouse.kernel.settings import ModuleSettings, setting


class LedgerSettings(ModuleSettings):
    """Rules of the books that an operator may choose."""

    prefix = "ledger"

    lots_grace_days: int = setting(
        7, "Days for which points that are given back after they expired can be spent once more."
    )

    @property
    def lots_grace(self) -> timedelta:
        return timedelta(days=self.lots_grace_days)
