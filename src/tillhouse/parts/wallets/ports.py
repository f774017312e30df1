"""What wallets ask of parts above them."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

from tillhouse.kernel.db import ReadSession
from tillhouse.kernel.money import Money


@dataclass(frozen=True, slots=True)
class PendingSource:
    """Provided by a part that knows of money on its way into wallets: authorised, not yet captured.

    `pending(session, person_id)` returns amounts; several in one unit are added up.
    """

    pending: Callable[[ReadSession, UUID], Awaitable[Sequence[Money]]]
