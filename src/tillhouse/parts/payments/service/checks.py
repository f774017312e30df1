"""What is always true of payments, and why a person cannot be erased yet."""

from collections.abc import Sequence
from uuid import UUID

from tillhouse.kernel.db import ReadSession, Session, house_of
from tillhouse.kernel.text import N_
from tillhouse.parts.ledger import api as ledger
from tillhouse.parts.payments import store
from tillhouse.parts.payments.models import PayoutRow
from tillhouse.parts.payments.store.payees import erase_payees


async def paid_orders_have_one_payment(session: ReadSession) -> Sequence[str]:
    """Orders that are paid without exactly one payment that paid them, and payments of orders that are not."""
    return await store.wrongly_paid_orders(session)


async def holds_match_payouts(session: ReadSession) -> Sequence[str]:
    """Payouts under way whose money is not set aside."""
    return [
        f"payout {payout.id} is {payout.state}, but its money is not set aside"
        for payout in await store.payouts_under_way(session)
        if not await _is_held(session, payout)
    ]


async def reasons_to_keep(session: ReadSession, person_id: UUID) -> Sequence[str]:
    """Why a person cannot be erased yet: sentences for that person."""
    payment, payout = await store.open_business(session, person_id)
    reasons = []
    if payment:
        reasons.append(N_("A payment of yours is still under way."))
    if payout:
        reasons.append(N_("A withdrawal of yours is still under way."))
    return reasons


async def erase_person(session: Session, person_id: UUID, addresses: Sequence[str]) -> None:
    """Forget where a person's payouts went; that they were made stays in the books."""
    empty = house_of(session).vault.seal("{}")
    await store.erase_destinations(session, person_id, empty)
    await erase_payees(session, person_id, empty)


async def _is_held(session: ReadSession, payout: PayoutRow) -> bool:
    if payout.hold_id is None:
        return False
    hold = await ledger.get_hold(session, payout.hold_id)
    return hold.state == "open" and hold.amount == payout.money
