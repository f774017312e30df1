"""Who may say what a bank transfer is for: nobody whose money it would become, and of a large one nobody alone."""

from typing import Literal
from uuid import UUID

from tillhouse.kernel import clock
from tillhouse.kernel.db import Session
from tillhouse.kernel.errors import Conflict
from tillhouse.kernel.text import N_
from tillhouse.parts.payments.models import OrderRow, TransferProposalRow, TransferRow
from tillhouse.parts.payments.service.own import refuse_own
from tillhouse.parts.payments.service.registry import guards_of
from tillhouse.parts.payments.store import transfers as store

What = Literal["place", "release", "sent_back"]


async def may_be_done(
    session: Session, transfer: TransferRow, what: What, target: UUID, *, by: UUID, order: OrderRow | None
) -> bool:
    """Whether this can be done now. False where it is written down, and waits for a second person who says the same.

    `order` is whose money it would become, if it is known. Needs the transfer's lock. Raises `Forbidden` for money of
    one's own, and `Conflict` for whoever has said so already.
    """
    if order is not None:
        await refuse_own(session, by, order.owner_kind, order.owner_id)
    guards = guards_of(session)
    if transfer.amount <= guards.amount(guards.second_approval_above, transfer.currency):
        await store.forget_proposal(session, transfer.id)
        return True
    earlier = await store.proposal_of(session, transfer.id)
    if earlier is not None and (earlier.what, earlier.target) == (what, target):
        if earlier.by == by:
            raise Conflict(N_("You have said so already: it waits for somebody else who says the same."))
        await store.forget_proposal(session, transfer.id)
        return True
    row = TransferProposalRow(transfer_id=transfer.id, what=what, target=target, by=by, at=clock.now())
    await store.propose(session, row)
    return False
