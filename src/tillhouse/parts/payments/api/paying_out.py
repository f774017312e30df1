"""Paying out: withdrawals, and the accounts they go to."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from tillhouse.kernel.access import Principal
from tillhouse.kernel.db import ReadSession, Session, house_of
from tillhouse.kernel.paging import cut
from tillhouse.parts.payments import store
from tillhouse.parts.payments.api.asking import before_of, owner_of
from tillhouse.parts.payments.domain import (
    Destination,
    PayoutState,
)
from tillhouse.parts.payments.service import payees
from tillhouse.parts.payments.service.owners import moves_money, note, reads_money
from tillhouse.parts.payments.service.payees import NewPayee
from tillhouse.parts.payments.service.payouts import payout_for
from tillhouse.parts.payments.service.reviews import approvals_needed
from tillhouse.parts.payments.service.views import (
    PayeeView,
    PayoutView,
    ReviewView,
    payee_view,
    payout_view,
    review_view,
)
from tillhouse.parts.payments.store import payees as payee_store


@dataclass(frozen=True, slots=True)
class WaitingPayout:
    """A payout as staff see it: with what was decided about it, and how many have to approve it."""

    payout: PayoutView
    decisions: Sequence[ReviewView]
    approvals_needed: int


async def payout(session: ReadSession, payout_id: UUID, *, person_id: UUID | None = None) -> PayoutView:
    """One payout; with `person_id` only that person's. Raises `NotFound`."""
    return payout_view(await payout_for(session, payout_id, owner=owner_of(person_id)))


async def payouts_of(
    session: ReadSession,
    person_id: UUID,
    *,
    organisation_id: UUID | None = None,
    limit: int = 20,
    cursor: str | None = None,
) -> tuple[Sequence[PayoutView], str | None]:
    """A person's payouts, or an organisation's whose money they may read, newest first; the cursor of the next page.

    Raises what `reads_money` raises.
    """
    kind, owner_id = await reads_money(session, person_id, organisation_id)
    rows = await store.payouts_of(session, kind, owner_id, limit=limit + 1, before=before_of(cursor))
    page, next_cursor = cut([payout_view(row) for row in rows], limit, lambda view: (str(view.id),))
    return page, next_cursor


async def payouts(
    session: ReadSession, state: PayoutState | None = None, *, limit: int = 20, cursor: str | None = None
) -> tuple[Sequence[WaitingPayout], str | None]:
    """Everybody's payouts for staff, the oldest first, and the cursor of the next page."""
    rows = await payee_store.all_payouts(session, state, limit=limit + 1, after=before_of(cursor))
    page, next_cursor = cut(rows, limit, lambda row: (str(row.id),))
    reviews = await payee_store.reviews_of(session, [row.id for row in page])
    return [
        WaitingPayout(
            payout_view(row),
            [review_view(review) for review in reviews if review.payout_id == row.id],
            approvals_needed(session, row),
        )
        for row in page
    ], next_cursor


async def add_payee(
    session: Session, principal: Principal, to: Destination, *, organisation_id: UUID | None = None
) -> PayeeView:
    """Save an account of the caller's, or of their organisation's; the bank is asked whose it is, where its provider
    can.

    Raises `TooManyPayees`, and what `moves_money` raises.
    """
    owner = await moves_money(session, principal, organisation_id)
    row = await payees.add_payee(session, NewPayee(owner.kind, owner.id, to, owner.name), by=principal.person_id)
    await note(session, principal, "add_payee", owner, payee=str(row.id))
    return payee_view(row, house_of(session).vault)


async def remove_payee(
    session: Session, principal: Principal, payee_id: UUID, *, organisation_id: UUID | None = None
) -> None:
    """Take an account off the caller's list, or their organisation's; payouts on their way there go on.

    Raises `NotFound`, and what `moves_money` raises.
    """
    owner = await moves_money(session, principal, organisation_id)
    await payees.remove_payee(session, owner.key, payee_id)
    await note(session, principal, "remove_payee", owner, payee=str(payee_id))


async def payees_of(
    session: ReadSession,
    person_id: UUID,
    *,
    organisation_id: UUID | None = None,
    limit: int = 20,
    cursor: str | None = None,
) -> tuple[Sequence[PayeeView], str | None]:
    """The saved accounts of a person, or of an organisation whose money they may read, the newest first, and the cursor
    of the next page. Raises what `reads_money` raises.
    """
    kind, owner_id = await reads_money(session, person_id, organisation_id)
    rows = await payee_store.payees_of(session, kind, owner_id, limit=limit + 1, before=before_of(cursor))
    vault = house_of(session).vault
    return cut([payee_view(row, vault) for row in rows], limit, lambda view: (str(view.id),))
