"""Heads in the log: whoever archives logs keeps them out of the database's reach."""

from tillhouse.kernel.logs import get_logger
from tillhouse.parts.ledger.domain import Head

log = get_logger(__name__)


class LogAnchor:
    """An `Anchor` that only writes."""

    place = "log"

    async def keep(self, head: Head) -> None:
        log.info(
            "ledger_anchor",
            number=head.number,
            hash=head.hash,
            last_id=head.last_id,
            sealed_at=head.sealed_at.isoformat(),
        )

    async def kept(self) -> None:
        return None
