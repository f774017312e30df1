"""Which level somebody has reached, for whoever lets them do something."""

from uuid import UUID

from tillhouse.kernel import clock
from tillhouse.kernel.db import ReadSession, house_of
from tillhouse.kernel.errors import Forbidden
from tillhouse.kernel.text import N_
from tillhouse.parts.kyc import store
from tillhouse.parts.kyc.domain import LEVELS, LevelName, Owner, OwnerKind
from tillhouse.parts.kyc.settings import KycSettings


class KycRequired(Forbidden):
    """Allowed once the caller has shown who they are; `/kyc` says how."""

    code = "kyc_required"


_ASKS: dict[LevelName, str] = {
    "basic": N_("Show us who you are first: at /kyc it takes a few minutes. Nothing was changed."),
    "payout": N_(
        "Before money can be paid out to you, show us whose account it goes to, at /kyc. Nothing was changed."
    ),
}


_ASKS_ORGANISATION = N_(
    "Before money of the organisation can be paid out, show us who it is, at /kyc?organisation_id={id}. Nothing was "
    "changed."
)


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
    if not await _stands(session, owner_kind, owner_id, level):
        raise KycRequired(_ASKS[level])


async def may_pay_out(session: ReadSession, organisation_id: UUID, person_id: UUID) -> None:
    """Go on only where the organisation, and the person who acts for it, have shown who they are: anybody may call an
    organisation what they like, so its name beside an account proves nothing before. Raises `KycRequired`.
    """
    level = house_of(session).settings_of(KycSettings).organisation_payouts
    if level == "none":
        return
    if not await _stands(session, "person", person_id, level):
        raise KycRequired(_ASKS[level])
    if not await _stands(session, "organisation", organisation_id, level):
        raise KycRequired(_ASKS_ORGANISATION, id=organisation_id)


async def _stands(session: ReadSession, owner_kind: OwnerKind, owner_id: UUID, level: LevelName) -> bool:
    reached, order = await level_of(session, owner_kind, owner_id), list(LEVELS)
    return reached is not None and order.index(reached) >= order.index(level)
