"""Payouts that wait: decided by people, each for a reason, or released when what they waited for has happened."""

from typing import Literal
from uuid import UUID

from tillhouse.kernel import clock
from tillhouse.kernel.db import ReadSession, Session
from tillhouse.kernel.errors import Conflict, FieldError, Forbidden, InvalidInput, NotFound
from tillhouse.kernel.ids import new_id
from tillhouse.kernel.text import N_
from tillhouse.parts.payments.domain import PayeeState, PayoutState
from tillhouse.parts.payments.domain.payees import APPROVED_BECAUSE, REJECTED_BECAUSE, Standing, reasons_of_payee
from tillhouse.parts.payments.models import PayeeRow, PayoutReviewRow, PayoutRow
from tillhouse.parts.payments.service.attention import count_review
from tillhouse.parts.payments.service.owners import owns, still_moves
from tillhouse.parts.payments.service.payees import name_match_of
from tillhouse.parts.payments.service.payouts import let_go, turn_down
from tillhouse.parts.payments.service.registry import guards_of
from tillhouse.parts.payments.store import lock_payout
from tillhouse.parts.payments.store import payees as store

Decision = Literal["approved", "rejected", "released"]

# Where nothing speaks against it but that it is large or the account not known yet, a decision may go without a reason.
_PLAIN = {"large_amount", "payee_unverified", "payee_cooling"}


async def approve_payout(
    session: Session, payout_id: UUID, by: UUID, *, reason: str | None = None, note: str = ""
) -> PayoutRow:
    """Approve a payout that waits: it goes once enough people have. Above the second threshold two different people do.

    Raises `NotFound`, `Conflict`, `InvalidInput` without a reason, and `Forbidden` for whoever asked for it, owns it,
    or belongs to the organisation that does.
    """
    payout = await _waiting(session, payout_id, by)
    known = await _approved_because(session, payout, reason)
    approved = await _approvals_before(session, payout, by)
    await _note(session, payout, "approved", known, by=by, note=note)
    if len(approved) + 1 >= approvals_needed(session, payout):
        payout.approved_by = by
        await let_go(session, payout)
    await session.flush()
    return payout


async def reject_payout(
    session: Session, payout_id: UUID, by: UUID, *, reason: str | None = None, note: str = ""
) -> PayoutRow:
    """Do not let a payout go: the money is free again. One person is enough. Raises what `approve_payout` raises."""
    payout = await _waiting(session, payout_id, by)
    known = _because(payout, reason, REJECTED_BECAUSE, usual="not_explained")
    await _note(session, payout, "rejected", known, by=by, note=note)
    await turn_down(session, payout)
    await session.flush()
    return payout


async def check_decision(
    session: Session, payout_id: UUID, by: UUID, verdict: Literal["approve", "reject"], reason: str | None
) -> None:
    """Raise what `approve_payout` or `reject_payout` would raise, and decide nothing."""
    payout = await _waiting(session, payout_id, by)
    if verdict == "reject":
        _because(payout, reason, REJECTED_BECAUSE, usual="not_explained")
        return
    await _approved_because(session, payout, reason)
    await _approvals_before(session, payout, by)


async def release_waiting(session: Session, payee: PayeeRow) -> None:
    """A payee was verified or refused: what waited for that alone goes, or is turned down; the rest goes on waiting.

    Needs the payee's lock.
    """
    waiting = await store.lock_payouts_awaiting(session, payee.id)
    for payout in (one for one in waiting if "payee_unverified" in one.reasons):
        if payee.state == PayeeState.REFUSED:
            payout.failure_code, payout.failure_message = "payee_refused", payee.check_reason
            await _note(session, payout, "released", "payee_refused")
            await turn_down(session, payout)
            continue
        if not await still_moves(session, payout):
            payout.reasons = [*payout.reasons, "requester_left"]
            count_review(session, "requester_left")
        standing = Standing(PayeeState(payee.state), name_match_of(payee), verifiable=True)
        unsure = reasons_of_payee(standing, above=True, partial_is_enough=guards_of(session).partial_names_pass)
        payout.reasons = [*(reason for reason in payout.reasons if reason != "payee_unverified"), *unsure]
        for reason in unsure:
            count_review(session, reason)
        if not payout.reasons:
            await _note(session, payout, "released", "payee_verified")
            await let_go(session, payout)
    await session.flush()


def approvals_needed(session: ReadSession, payout: PayoutRow) -> int:
    """How many different people have to approve a payout of this amount."""
    guards = guards_of(session)
    return 2 if payout.amount > guards.amount(guards.second_approval_above, payout.currency) else 1


async def _waiting(session: Session, payout_id: UUID, by: UUID) -> PayoutRow:
    payout = await lock_payout(session, payout_id)
    if payout is None:
        raise NotFound(N_("There is no such withdrawal."))
    if payout.state != PayoutState.AWAITING_APPROVAL:
        raise Conflict(N_("This payout does not wait for an approval."))
    if by == payout.requested_by or await owns(session, by, payout.owner_kind, payout.owner_id):
        raise Forbidden(N_("A payout is approved by somebody other than who asked for it."))
    return payout


async def _approvals_before(session: ReadSession, payout: PayoutRow, by: UUID) -> list[PayoutReviewRow]:
    """The approvals so far. Raises `Conflict` when one of them is theirs."""
    approved = [row for row in await store.reviews_of(session, [payout.id]) if row.decision == "approved"]
    if by in {row.by for row in approved}:
        raise Conflict(N_("You have approved this payout already: it waits for somebody else."))
    return approved


async def _approved_because(session: ReadSession, payout: PayoutRow, reason: str | None) -> str:
    """As `_because`; where whoever asked may not any more, it always takes a reason."""
    plain = await still_moves(session, payout)
    return _because(payout, reason, APPROVED_BECAUSE, usual="checked" if plain else None)


def _because(payout: PayoutRow, reason: str | None, known: frozenset[str], *, usual: str | None) -> str:
    if reason is None and usual and set(payout.reasons) <= _PLAIN:
        return usual
    if reason not in known:
        message = N_("Say why: choose one of {reasons}.")
        wrong = FieldError("/reason", "unknown_reason", N_("Choose one of the known reasons."))
        raise InvalidInput(message, errors=[wrong], reasons=", ".join(sorted(known)))
    return reason


async def _note(
    session: Session, payout: PayoutRow, decision: Decision, reason: str, *, by: UUID | None = None, note: str = ""
) -> None:
    row = PayoutReviewRow(
        id=new_id(), payout_id=payout.id, decision=decision, reason=reason, by=by, note=note, at=clock.now()
    )
    await store.add_review(session, row)
