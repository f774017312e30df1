"""How an exception ends: one person proposes what to post, or explains why nothing is; another one agrees."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from tillhouse.kernel import clock
from tillhouse.kernel.db import JsonObject, JsonValue, ReadSession, Session, house_of
from tillhouse.kernel.errors import Conflict, Forbidden, NotFound
from tillhouse.kernel.ids import new_id
from tillhouse.kernel.money import Money
from tillhouse.kernel.text import N_
from tillhouse.parts.ledger import api as ledger
from tillhouse.parts.payments.domain.endings import Ending, Outcome
from tillhouse.parts.payments.domain.reconciliation import CorrectionLeg, check_correction
from tillhouse.parts.payments.models import ExceptionRow, ResolutionRow
from tillhouse.parts.payments.service import registry
from tillhouse.parts.payments.service.reconciliation.books import correction_posting
from tillhouse.parts.payments.store import reconciliation as store

ExceptionState = Literal["open", "proposed", "resolved"]


@dataclass(frozen=True, slots=True)
class ResolutionView:
    """How an exception is to end, or ended. No `legs` and no `ending`: it was explained, and nothing is posted.

    `ending` is what people say became of a payout or refund, for `service/endings.py` to carry out.
    """

    id: UUID
    state: Literal["proposed", "approved", "rejected"]
    explanation: str
    legs: tuple[CorrectionLeg, ...]
    ending: Ending | None
    proposed_by: UUID
    proposed_at: datetime
    decided_by: UUID | None
    decided_at: datetime | None
    transaction_id: int | None


@dataclass(frozen=True, slots=True)
class ExceptionView:
    """Something that a person has to look at. `reason` is its class; `amount` is what it is about, where it has one."""

    id: UUID
    kind: str
    subject: str
    reason: str
    amount: Money | None
    age: timedelta
    state: ExceptionState
    details: JsonObject
    opened_at: datetime
    closed_at: datetime | None
    resolution: ResolutionView | None


async def exceptions_page(
    session: ReadSession,
    *,
    state: ExceptionState | None = None,
    kind: str | None = None,
    reason: str | None = None,
    limit: int,
    before: UUID | None = None,
) -> list[ExceptionView]:
    """Exceptions, newest first, narrowed by what is given."""
    rows = await store.exceptions_page(session, state=state, kind=kind, reason=reason, limit=limit, before=before)
    resolutions = await store.resolutions_of(session, [row.id for row in rows])
    return [view_of(row, resolutions.get(row.id)) for row in rows]


async def exception_for(session: ReadSession, exception_id: UUID) -> ExceptionView:
    """One exception. Raises `NotFound`."""
    row = await store.exception_by_id(session, exception_id)
    if row is None:
        raise _unknown()
    return view_of(row, (await store.resolutions_of(session, [row.id])).get(row.id))


async def propose(
    session: Session,
    exception_id: UUID,
    *,
    by: UUID,
    explanation: str,
    legs: Sequence[CorrectionLeg] = (),
    ending: Ending | None = None,
) -> ExceptionView:
    """Propose to end an exception by a correction, by what became of its payout or refund, or (neither) by an
    explanation. `by` is a person, also behind a key.

    Raises `NotFound`, `InvalidInput` naming each leg that is wrong, and `Conflict` when it has ended or another
    proposal waits.
    """
    row = await _open(session, exception_id)
    if await store.proposal_of(session, row.id):
        raise Conflict(N_("A proposal waits already: decide about that one first."))
    if legs:
        check_correction(legs, correctable(session))
    proposal = ResolutionRow(
        id=new_id(),
        exception_id=row.id,
        state="proposed",
        explanation=explanation,
        legs={"legs": [_leg_json(leg) for leg in legs], **_ending_json(ending)},
        proposed_by=by,
        proposed_at=clock.now(),
    )
    session.add(proposal)
    await session.flush()
    return view_of(row, proposal)


async def check_proposal(
    session: Session, exception_id: UUID, resolution_id: UUID, *, by: UUID, verdict: Literal["approve", "reject"]
) -> None:
    """Raise what `approve` or `reject` would raise for whoever decides, and decide nothing."""
    _, proposal = await _proposed(session, exception_id, resolution_id)
    if verdict == "approve":
        _check_other(proposal, by)


async def approve(session: Session, exception_id: UUID, resolution_id: UUID, *, by: UUID) -> ExceptionView:
    """Agree: exactly what was proposed is posted, and the exception ends.

    `resolution_id` is the proposal that was looked at. Raises `NotFound`, `Conflict` when it has ended or another is
    proposed now, `Forbidden` for whoever proposed it, and what the ledger's `post` raises.
    """
    row, proposal = await agree(session, exception_id, resolution_id, by=by)
    assert _ending(proposal) is None  # the provider has to be asked first: `flows/endings.py`
    legs = _legs(proposal)
    if legs:
        check_correction(legs, correctable(session))
        posting = correction_posting(proposal.id, row.id, legs)
        proposal.transaction_id = (await ledger.post(session, posting)).id
    await session.flush()
    return view_of(row, proposal)


async def agree(
    session: Session, exception_id: UUID, resolution_id: UUID, *, by: UUID
) -> tuple[ExceptionRow, ResolutionRow]:
    """Write down that another person agrees, and that the exception ended; the caller does what was proposed.

    Raises `NotFound`, `Conflict`, `Forbidden` as `approve` does.
    """
    row, proposal = await _proposed(session, exception_id, resolution_id)
    _check_other(proposal, by)
    _decide(proposal, "approved", by)
    row.closed_at = proposal.decided_at
    await session.flush()
    return row, proposal


async def proposed_ending(session: ReadSession, exception_id: UUID, resolution_id: UUID) -> Ending | None:
    """What a proposal that waits says became of a payout or refund; None for any other proposal, or none at all."""
    proposal = await store.proposal_of(session, exception_id)
    return _ending(proposal) if proposal and proposal.id == resolution_id else None


async def reject(session: Session, exception_id: UUID, resolution_id: UUID, *, by: UUID) -> ExceptionView:
    """Do not agree, or take one's own proposal back: nothing is posted, and the exception is open again.

    Raises `NotFound`, `Conflict`.
    """
    row, proposal = await _proposed(session, exception_id, resolution_id)
    _decide(proposal, "rejected", by)
    await session.flush()
    return view_of(row, proposal)


def _check_other(proposal: ResolutionRow, by: UUID) -> None:
    if by == proposal.proposed_by:
        raise Forbidden(N_("A proposal is approved by somebody other than who made it."))


def _decide(proposal: ResolutionRow, state: str, by: UUID) -> None:
    proposal.state, proposal.decided_by, proposal.decided_at = state, by, clock.now()


async def _open(session: Session, exception_id: UUID) -> ExceptionRow:
    row = await store.lock_exception(session, exception_id)
    if row is None:
        raise _unknown()
    if row.closed_at is not None:
        raise Conflict(N_("This has ended already: nothing is left to decide."))
    return row


async def _proposed(session: Session, exception_id: UUID, resolution_id: UUID) -> tuple[ExceptionRow, ResolutionRow]:
    row = await _open(session, exception_id)
    proposal = await store.proposal_of(session, row.id)
    if proposal is None or proposal.id != resolution_id:
        raise Conflict(N_("This proposal does not wait any more: look at the exception again."))
    return row, proposal


def correctable(session: ReadSession) -> frozenset[str]:
    """The accounts that a correction may name: those of this house's providers, suspense, bank, write-off."""
    house = house_of(session)
    names = registry.provider_names(house)
    with_provider = {f"{kind}:{name}" for kind in ("clearing", "settling", "fees") for name in names}
    with_provider |= {f"payouts:{name}" for name in registry.payout_reporters(house)}
    suspense = {f"suspense:{what}" for what in ("payments", "settlements", "bank")}
    return frozenset({"bank", "write-off"} | suspense | with_provider)


def view_of(row: ExceptionRow, resolution: ResolutionRow | None) -> ExceptionView:
    """An exception as others see it, with the last word on how it ends."""
    waits = resolution is not None and resolution.state == "proposed"
    state: ExceptionState = "resolved" if row.closed_at else "proposed" if waits else "open"
    return ExceptionView(
        id=row.id,
        kind=row.kind,
        subject=row.subject,
        reason=row.reason,
        amount=_amount(row.details),
        age=(row.closed_at or clock.now()) - row.opened_at,
        state=state,
        details=row.details,
        opened_at=row.opened_at,
        closed_at=row.closed_at,
        resolution=_resolution_view(resolution) if resolution else None,
    )


def _resolution_view(row: ResolutionRow) -> ResolutionView:
    state: Literal["proposed", "approved", "rejected"] = row.state  # type: ignore[assignment]  # the column's check
    return ResolutionView(
        id=row.id,
        state=state,
        explanation=row.explanation,
        legs=_legs(row),
        ending=_ending(row),
        proposed_by=row.proposed_by,
        proposed_at=row.proposed_at,
        decided_by=row.decided_by,
        decided_at=row.decided_at,
        transaction_id=row.transaction_id,
    )


def _amount(details: JsonObject) -> Money | None:
    minor, unit = details.get("amount"), details.get("currency")
    return Money(minor, unit) if type(minor) is int and isinstance(unit, str) else None


def _leg_json(leg: CorrectionLeg) -> JsonValue:
    return {"account": leg.account, "minor": leg.amount.minor, "unit": leg.amount.unit, "item": leg.item}


def _ending_json(ending: Ending | None) -> JsonObject:
    if ending is None:
        return {}
    return {"ending": {"outcome": ending.outcome, "provider_id": ending.provider_id}}


def _ending(row: ResolutionRow) -> Ending | None:
    stored = row.legs.get("ending")
    if not isinstance(stored, dict):
        return None
    named = stored["provider_id"]
    return Ending(Outcome(str(stored["outcome"])), None if named is None else str(named))


def _legs(row: ResolutionRow) -> tuple[CorrectionLeg, ...]:
    stored = row.legs["legs"]
    assert isinstance(stored, list)
    return tuple(_leg(one) for one in stored if isinstance(one, dict))


def _leg(stored: JsonObject) -> CorrectionLeg:
    minor, item = stored["minor"], stored["item"]
    assert type(minor) is int
    return CorrectionLeg(str(stored["account"]), Money(minor, str(stored["unit"])), None if item is None else str(item))


def _unknown() -> NotFound:
    return NotFound(N_("There is no such exception."))
