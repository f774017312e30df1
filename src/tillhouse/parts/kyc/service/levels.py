"""Which level somebody has reached, for whoever lets them do something."""

from uuid import UUID

from tillhouse.kernel import clock
from tillhouse.kernel.db import ReadSession
from tillhouse.kernel.errors import Forbidden
from tillhouse.kernel.text import N_
from tillhouse.parts.kyc import store
from tillhouse.parts.kyc.domain import LEVELS, LevelName, Owner, OwnerKind


class KycRequired(Forbidden):
    """Allowed once the caller has shown who they are; `/kyc` says how."""

    code = "kyc_required"


_ASKS: dict[LevelName, str] = {
    "basic": N_("Show us who you are first: at /kyc it takes a few minutes. Nothing was changed."),
    "payout": N_(
        "Before money can be paid out to you, show us whose account it goes to, at /kyc. Nothing was changed."
    ),
}


async def level_of(session: ReadSession, owner_kind: OwnerKind, owner_id: UUID) -> LevelName | None:
    """The highest level that stands at this moment, with all below it; None when none does."""
    standing = await store.standing_levels(session, Owner(owner_kind, owner_id), clock.now())
    reached: LevelName | None = None
    for name in LEVELS:
        if name not in standing:
            break
        reached = name
    return reached


async def require_level(session: ReadSession, owner_kind: OwnerKind, owner_id: UUID, level: LevelName) -> None:
    """Go on only where `level` stands. Raises `KycRequired`, which says what to do."""
    reached = await level_of(session, owner_kind, owner_id)
    order = list(LEVELS)
    if reached is None or order.index(reached) < order.index(level):
        raise KycRequired(_ASKS[level])
