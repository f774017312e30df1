"""Which level somebody has reached, for whoever lets them do something."""

from uuid import UUID

from tillhouse.kernel import clock
from tillhouse.kernel.db import ReadSession, house_of
from tillhouse.kernel.errors import Forbidden
from tillhouse.kernel.text import N_
from tillhouse.parts.kyc import store
from tillhouse.parts.kyc.domain import LEVELS, LevelName, Owner, OwnerKind
from tillhouse.parts.kyc.settings import KycSettings
from tillhouse.parts.wallets.api import Leaving


class KycRequired(Forbidden):
    """Allowed once the caller has shown who they are; `/kyc` says how."""

    code = "kyc_required"


_ASKS: dict[LevelName, str] = {
    "basic": N_("Show us who you are first: at /kyc it takes a few minutes. Nothing was changed."),
    "payout": N_(
        "Before money can be paid out to you, show us whose account it goes to, at /kyc. Nothing was changed."
    ),
}


_ASKS_ABOVE = N_(
    "Before more than {most} can be paid out to you within 24 hours, show us whose account it goes to, at /kyc. "
    "Nothing was changed."
)
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


async def may_pay_out(session: ReadSession, leaving: Leaving) -> None:
    """Go on where whose money it is has shown enough of who they are. Raises `KycRequired`.

    An organisation, and the person who acts for it, at any amount: anybody may call an organisation what they like, so
    its name beside an account proves nothing before. A person above what the house lets out unseen.
    """
    settings = house_of(session).settings_of(KycSettings)
    if leaving.owner_kind == "person":
        most = settings.unseen_payouts(leaving.amount.unit)
        if most and leaving.amount > most and not await _stands(session, "person", leaving.owner_id, "payout"):
            raise KycRequired(_ASKS_ABOVE, most=most)
        return
    level = settings.organisation_payouts
    if level == "none":
        return
    if not await _stands(session, "person", leaving.by, level):
        raise KycRequired(_ASKS[level])
    if not await _stands(session, "organisation", leaving.owner_id, level):
        raise KycRequired(_ASKS_ORGANISATION, id=leaving.owner_id)


async def _stands(session: ReadSession, owner_kind: OwnerKind, owner_id: UUID, level: LevelName) -> bool:
    reached, order = await level_of(session, owner_kind, owner_id), list(LEVELS)
    return reached is not None and order.index(reached) >= order.index(level)
