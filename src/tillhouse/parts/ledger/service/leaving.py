"""Someone leaves: a person, or an organisation that is closed. Points stand against it while they are worth money.

What is left ends with them.
"""

from collections.abc import Sequence
from uuid import UUID

from tillhouse.kernel.db import ReadSession, Session
from tillhouse.kernel.text import N_
from tillhouse.parts.ledger.domain import AccountRef
from tillhouse.parts.ledger.domain.lots import Lot
from tillhouse.parts.ledger.service import lots
from tillhouse.parts.ledger.service.charts import chart_of
from tillhouse.parts.ledger.service.holding import close_account
from tillhouse.parts.ledger.store import lots as store
from tillhouse.parts.ledger.store import reading


async def points_at_work(session: ReadSession, person_id: UUID) -> Sequence[str]:
    """Why a person cannot be erased yet: points of theirs are set aside. Sentences for that person."""
    if any(lot.reserved for lot in await _open_lots(session, "person", person_id)):
        return [N_("Points of yours are set aside for work that is still being done: wait until it has ended.")]
    return []


async def points_paid_for(session: ReadSession, person_id: UUID) -> Sequence[str]:
    """Why a person should not be erased unless they say so: points that they paid for are left."""
    if any(lot.value for lot in await _open_lots(session, "person", person_id)):
        return [N_("You have points that you paid for. Use them, or say that you give them up: they end for good.")]
    return []


async def give_points_up(session: Session, person_id: UUID, _addresses: Sequence[str]) -> None:
    """End every point of a person who leaves, and close the accounts. The entries stay.

    Raises `AccountInUse` when points were set aside since the reasons were asked for.
    """
    await _end_points(session, "person", person_id)


async def reasons_to_keep_organisation(session: ReadSession, organisation_id: UUID) -> Sequence[str]:
    """Why an organisation cannot be closed yet: sentences for its owner. Points that were a gift never keep it."""
    found, reasons = await _open_lots(session, "organisation", organisation_id), []
    if any(lot.reserved for lot in found):
        reasons.append(
            N_("Points of the organisation are set aside for work that is still being done: wait until it has ended.")
        )
    if any(lot.value for lot in found):
        reasons.append(N_("The organisation has points that it paid for: use them, or ask us for the money back."))
    return reasons


async def close_organisation(session: Session, organisation_id: UUID) -> None:
    """End the points of an organisation that is closed, and close the accounts. The entries stay.

    Raises `AccountInUse` when points were set aside since the reasons were asked for.
    """
    await _end_points(session, "organisation", organisation_id)


async def _end_points(session: Session, owner_kind: str, owner_id: UUID) -> None:
    accounts = await _accounts(session, owner_kind, owner_id)
    if accounts:
        await lots.forfeit(session, accounts)
    for account in accounts:
        await close_account(session, account)


async def _open_lots(session: ReadSession, owner_kind: str, owner_id: UUID) -> list[Lot]:
    accounts = await _accounts(session, owner_kind, owner_id)
    return [lot for account in accounts for lot in await store.open_lots(session, account)]


async def _accounts(session: ReadSession, owner_kind: str, owner_id: UUID) -> list[AccountRef]:
    chart = chart_of(session)
    found = await reading.balances_of_owner(session, owner_kind, owner_id)
    return [one.account for one in found if chart.account_kind(one.account).lots]
