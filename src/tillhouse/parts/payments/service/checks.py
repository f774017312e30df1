"""What is always true of payments, and why a person cannot be erased yet."""

from collections.abc import Sequence
from uuid import UUID

from tillhouse.kernel.db import ReadSession, Session, house_of
from tillhouse.kernel.text import N_
from tillhouse.parts.ledger import api as ledger
from tillhouse.parts.payments import store
from tillhouse.parts.payments.models import PayoutRow, RefundRow
from tillhouse.parts.payments.service.books import TRANSFERS
from tillhouse.parts.payments.service.cards import remove_all
from tillhouse.parts.payments.service.reconciliation.ageing import items_make_up_balances
from tillhouse.parts.payments.service.returns import debt_account
from tillhouse.parts.payments.store import reconciliation, refunds, transfers
from tillhouse.parts.payments.store.cards import erase_cards
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


async def given_back_at_most_once(session: ReadSession) -> Sequence[str]:
    """Payments of which refunds and lost disputes took more than was captured, or that count it wrongly; orders that
    are called disputed without a dispute.
    """
    return [
        *await refunds.given_back_too_much(session),
        *await refunds.wrong_totals(session),
        *await refunds.wrongly_disputed_orders(session),
    ]


async def holds_match_refunds(session: ReadSession) -> Sequence[str]:
    """Refunds under way whose money is not set aside."""
    return [
        f"refund {refund.id} is {refund.state}, but its money is not set aside"
        for refund in await refunds.held_refunds(session)
        if not await _is_held(session, refund)
    ]


async def transfers_are_accounted_for(session: ReadSession) -> Sequence[str]:
    """Currencies in which the suspense of transfers is not what has not been placed of them."""
    waiting = await transfers.unplaced_totals(session)
    found = await ledger.balances(session, [ledger.house_account(TRANSFERS, unit) for unit in waiting])
    return [
        f"{balance.posted.minor} {account.unit} of transfers are in suspense, not {waiting[account.unit]}"
        for account, balance in found.items()
        if balance.posted.minor != waiting[account.unit]
    ]


async def agreed_lines_are_booked(session: ReadSession) -> Sequence[str]:
    """Lines of providers' reports that agree with our books and are not booked."""
    return await reconciliation.agreed_lines_not_booked(session)


async def open_items_make_up_balances(session: ReadSession) -> Sequence[str]:
    """Accounts that have to return to zero whose open items are not what they hold."""
    return await items_make_up_balances(session)


async def reasons_to_keep(session: ReadSession, person_id: UUID) -> Sequence[str]:
    """Why a person cannot be erased yet: sentences for that person."""
    payment, payout = await store.open_business(session, "person", person_id)
    reasons = []
    if payment:
        reasons.append(N_("A payment of yours is still under way."))
    if payout:
        reasons.append(N_("A withdrawal of yours is still under way."))
    if any(balance.posted for balance in await _debts(session, "person", person_id)):
        reasons.append(N_("You still owe us money for a payment that was taken back."))
    return reasons


async def erase_person(session: Session, person_id: UUID, addresses: Sequence[str]) -> None:
    """Forget where a person's payouts went and their receipts were sent; that they were made stays in the books."""
    await _forget_accounts(session, "person", person_id)
    await remove_all(session, "person", person_id)
    await erase_cards(session, person_id)
    await store.erase_emails(session, person_id, addresses)


async def reasons_to_keep_organisation(session: ReadSession, organisation_id: UUID) -> Sequence[str]:
    """Why an organisation cannot be closed yet: sentences for its owner."""
    payment, payout = await store.open_business(session, "organisation", organisation_id)
    reasons = []
    if payment:
        reasons.append(N_("A payment of the organisation is still under way."))
    if payout:
        reasons.append(N_("A withdrawal of the organisation is still under way."))
    if any(balance.posted for balance in await _debts(session, "organisation", organisation_id)):
        reasons.append(N_("The organisation still owes us money for a payment that was taken back."))
    return reasons


async def close_organisation(session: Session, organisation_id: UUID) -> None:
    """Charge none of its cards any more, and forget where its payouts went; that they were made stays in the books."""
    await _forget_accounts(session, "organisation", organisation_id)
    await remove_all(session, "organisation", organisation_id)


async def _forget_accounts(session: Session, owner_kind: str, owner_id: UUID) -> None:
    empty = house_of(session).vault.seal("{}")
    await store.erase_destinations(session, owner_kind, owner_id, empty)
    await erase_payees(session, owner_kind, owner_id, empty)


async def _debts(session: ReadSession, owner_kind: str, owner_id: UUID) -> list[ledger.Balance]:
    code = debt_account(owner_kind, owner_id, "").code
    return [
        found for found in await ledger.balances_of_owner(session, owner_kind, owner_id) if found.account.code == code
    ]


async def _is_held(session: ReadSession, row: PayoutRow | RefundRow) -> bool:
    if row.hold_id is None:
        return False
    hold = await ledger.get_hold(session, row.hold_id)
    return hold.state == "open" and hold.amount == row.money
