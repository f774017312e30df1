"""Settings of the ledger."""

from tillhouse.kernel.settings import ModuleSettings, setting


class LedgerSettings(ModuleSettings):
    """Where the heads of the sealed chain are kept, outside the database."""

    prefix = "LEDGER"

    anchor_file: str = setting(
        "",
        "File that heads of the sealed chain are appended to; best on a disk the database's owner cannot write. "
        "Empty: DATA_FOLDER/anchors/ledger.jsonl.",
    )
    anchor_log: bool = setting(
        True, "Whether each new head is also logged (`ledger_anchor`), so that log archives keep it."
    )
