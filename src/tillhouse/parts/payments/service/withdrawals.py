"""A person withdraws, their own money or their organisation's: to an account that is written out or saved."""

from dataclasses import dataclass
from uuid import UUID

from tillhouse.kernel.access import Principal
from tillhouse.kernel.db import Session
from tillhouse.kernel.money import Money
from tillhouse.parts.identity import api as identity
from tillhouse.parts.payments.domain import Destination
from tillhouse.parts.payments.service.owners import ask_rules, note, pays_out
from tillhouse.parts.payments.service.payees import NewPayee, destination_of, save_payee
from tillhouse.parts.payments.service.payouts import NewPayout, check_wish, needs_step_up, out_lately, reserve_payout
from tillhouse.parts.payments.service.views import PayoutView, payout_view
from tillhouse.parts.payments.store.payees import payout_by_key


@dataclass(frozen=True, slots=True)
class SavedPayee:
    """An account by its place among the owner's payees."""

    payee_id: UUID


async def remember_payee(
    session: Session,
    principal: Principal,
    amount: Money,
    to: Destination,
    *,
    request_key: str,
    organisation_id: UUID | None = None,
) -> None:
    """Save an account that a withdrawal was asked for, so that it is known even where the withdrawal is then refused.

    Raises `InvalidInput` and `OverLimit` for what cannot be withdrawn at all, `TooManyPayees`, what `pays_out` raises.
    """
    owner = await pays_out(session, principal, organisation_id, amount)
    check_wish(session, amount, to)
    key = key_of(principal, organisation_id, request_key)
    if await payout_by_key(session, owner.kind, owner.id, key) is None:
        await save_payee(session, NewPayee(owner.kind, owner.id, to, owner.name), by=principal.person_id)


async def start_withdrawal(
    session: Session,
    principal: Principal,
    amount: Money,
    to: Destination | SavedPayee,
    *,
    request_key: str,
    organisation_id: UUID | None = None,
) -> PayoutView:
    """Set money of the caller's wallet, or of their organisation's, aside and pay it out. The same `request_key` (a
    form's) of the same person does so once.

    Where this and the withdrawals of the last 24 hours together are above the limit set for it, raises
    `StepUpRequired` unless the session is fresh, and `AuthenticatorTooNew` while its proof is one that was just set up.
    Raises `NotFound` for a payee that is not the owner's, and what `pays_out` and `reserve_payout` raise.
    """
    owner = await pays_out(session, principal, organisation_id, amount)
    wish = NewPayout(
        owner_kind=owner.kind,
        owner_id=owner.id,
        amount=amount,
        to=await destination_of(session, owner.key, to.payee_id) if isinstance(to, SavedPayee) else to,
        payee_name=owner.name,
        request_key=key_of(principal, organisation_id, request_key),
        requested_by=principal.person_id,
    )
    payout = await reserve_payout(session, wish)
    if payout.id == wish.id:
        await ask_rules(session, principal, owner, await out_lately(session, payout))  # slices count together
        if await needs_step_up(session, payout):
            await identity.assert_may_let_money_out(session, principal)
        await note(session, principal, "withdraw", owner, payout=str(payout.id), amount=str(amount), unit=amount.unit)
    return payout_view(payout)


def key_of(principal: Principal, organisation_id: UUID | None, request_key: str) -> str:
    """The key of a request among its owner's: two members who choose the same one do not mean the same withdrawal."""
    return f"{principal.person_id}:{request_key}" if organisation_id else request_key
