"""What modules add to the staff console beside their pages: figures on its first page that ask for someone."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from tillhouse.kernel.access import Principal
from tillhouse.kernel.db import ReadSession, house_of


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsoleCard:
    """Something that may wait for staff, `provide`d by a module: shown to whoever has `permission`, quiet at zero.

    `title` and `text` (what it means, or what to do) are English message ids. `count` is asked on every visit of the
    first page: one cheap query.
    """

    title: str
    count: Callable[[ReadSession], Awaitable[int]]
    href: str
    permission: str
    text: str = ""
    icon: str = "inbox"


@dataclass(frozen=True, slots=True)
class Counted:
    """A card with what it counted just now."""

    card: ConsoleCard
    count: int


async def waiting(session: ReadSession, viewer: Principal) -> Sequence[Counted]:
    """The cards that `viewer` may see, those that ask for someone first."""
    cards = [card for card in house_of(session).provided(ConsoleCard) if viewer.may(card.permission)]
    counted = [Counted(card, await card.count(session)) for card in cards]
    return sorted(counted, key=lambda one: one.count == 0)
