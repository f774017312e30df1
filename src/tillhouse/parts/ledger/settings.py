"""Settings of the ledger."""

from datetime import timedelta

from tillhouse.kernel.settings import ModuleSettings, setting


class LedgerSettings(ModuleSettings):
    """Rules of the books that an operator may choose, and where the heads of the sealed chain are kept."""

    prefix = "ledger"

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
