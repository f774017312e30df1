"""A person withdraws: to an account that is written out, or to one that is saved."""

from dataclasses import dataclass
from uuid import UUID

from tillhouse.kernel.access import Principal
from tillhouse.kernel.db import Session
from tillhouse.kernel.money import Money
from tillhouse.parts.identity import api as identity
from tillhouse.parts.payments.domain import Destination
from tillhouse.parts.payments.service.payees import NewPayee, destination_of, save_payee
from tillhouse.parts.payments.service.payouts import NewPayout, check_wish, needs_step_up, reserve_payout
from tillhouse.parts.payments.service.views import PayoutView, payout_view
from tillhouse.parts.payments.store.payees import payout_by_key


@dataclass(frozen=True, slots=True)
class SavedPayee:
    """An account by its place among the owner's payees."""

    payee_id: UUID


async def remember_payee(
    session: Session, principal: Principal, amount: Money, to: Destination, *, request_key: str
) -> None:
    """Save an account that a withdrawal was asked for, so that it is known even where the withdrawal is then refused.

    Raises `InvalidInput` and `OverLimit` for what cannot be withdrawn at all, `TooManyPayees`.
    """
    check_wish(session, amount, to)
    if await payout_by_key(session, "person", principal.person_id, request_key) is None:
        await save_payee(session, NewPayee("person", principal.person_id, to, principal.display_name))


async def start_withdrawal(
    session: Session, principal: Principal, amount: Money, to: Destination | SavedPayee, *, request_key: str
) -> PayoutView:
    """Set money of the caller's wallet aside and pay it out. The same `request_key` (a form's) does so once.

    Where this and the withdrawals of the last 24 hours together are above the limit set for it, raises
    `StepUpRequired` unless the session is fresh, and `AuthenticatorTooNew` while its proof is one that was just set up.
    Raises `NotFound` for a payee that is not the caller's, and what `reserve_payout` raises.
    """
    person_id = principal.person_id
    wish = NewPayout(
        owner_kind="person",
        owner_id=person_id,
        amount=amount,
        to=await destination_of(session, ("person", person_id), to.payee_id) if isinstance(to, SavedPayee) else to,
        payee_name=principal.display_name,
        request_key=request_key,
        requested_by=person_id,
    )
    payout = await reserve_payout(session, wish)
    if payout.id == wish.id and await needs_step_up(session, payout):
        await identity.assert_may_let_money_out(session, principal)
    return payout_view(payout)
