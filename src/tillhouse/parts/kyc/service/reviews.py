"""Cases before people: queued, taken, looked at, decided. Two different persons approve where money follows."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from tillhouse.kernel import clock
from tillhouse.kernel.access import Principal
from tillhouse.kernel.db import JsonObject, ReadSession, Session, house_of
from tillhouse.kernel.errors import Conflict, FieldError, Forbidden, InvalidInput, NotFound
from tillhouse.kernel.ids import new_id
from tillhouse.kernel.text import N_
from tillhouse.kernel.work import emit
from tillhouse.parts.identity import api as identity
from tillhouse.parts.kyc import store
from tillhouse.parts.kyc.domain import LEVELS, REASONS, Details, Finding, Level, Owner, State, WrongState, step
from tillhouse.parts.kyc.events import KycApproved, KycRejected
from tillhouse.parts.kyc.models import CaseRow, DecisionRow, PaperRow
from tillhouse.parts.kyc.service.sealing import details_of
from tillhouse.parts.kyc.settings import KycSettings

Decision = Literal["approved", "rejected", "taken_back"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """A case as a reviewer sees it. `details` are opened; `alike` are cases of others with the same number."""

    case: CaseRow
    level: Level
    owner: Owner
    details: Details | None
    findings: tuple[Finding, ...]
    papers: Sequence[PaperRow]
    decisions: Sequence[DecisionRow]
    alike: Sequence[CaseRow]
    approvals: int


async def review(session: Session, me: Principal, case_id: UUID) -> Review:
    """A case with everything in it; that its details were opened is noted. Raises `NotFound`."""
    found = await _open(session, case_id)
    if found.details:
        await _note(session, me, "look_at_case", found.case, {})
    return found


async def take(session: Session, me: Principal, case_id: UUID) -> CaseRow:
    """Make a case one's own for a while, so that no two people look at once. Raises what `decide` raises."""
    case = await _reviewable(session, me, case_id)
    minutes = house_of(session).settings_of(KycSettings).review_minutes
    case.taken_by, case.taken_until = me.person_id, clock.now() + timedelta(minutes=minutes)
    await session.flush()
    await _note(session, me, "take", case, {})
    return case


async def look_at_page(session: Session, me: Principal, case_id: UUID, paper_id: UUID, number: int) -> bytes:
    """A page as JPEG, opened; that it was looked at is noted in the same transaction. Raises `NotFound`."""
    case = await store.case(session, case_id)
    paper = await store.paper(session, case_id, paper_id)
    page = await store.page(session, paper_id, number) if paper else None
    if case is None or paper is None or page is None:
        raise NotFound(N_("There is no such paper."))
    await _note(session, me, "look_at_paper", case, {"paper": str(paper.id), "kind": paper.kind, "page": number})
    return house_of(session).vault.open_bytes(page.content)


async def approve(session: Session, me: Principal, case_id: UUID, note: str = "") -> CaseRow:
    """Approve a case. Where the level asks for two, it stands once a second, different person has.

    Raises `NotFound`, `WrongState`; `Conflict` while somebody else has it, or for one's own second approval;
    `Forbidden` for whoever it is about.
    """
    case = await _reviewable(session, me, case_id)
    before = await _approvals(session, case)
    if me.id in before:
        raise Conflict(N_("You have approved this case already: it waits for somebody else."))
    level = LEVELS[case.level]  # type: ignore[index]  # written from a Level
    await _decide(session, me, case, "approved", reasons=(), note=note)
    case.taken_by = case.taken_until = None
    if len(before) + 1 >= level.persons:
        settings, now = house_of(session).settings_of(KycSettings), clock.now()
        case.state = step(State(case.state), State.APPROVED)
        case.decided_at, case.expires_at, case.reminded_at = now, now + timedelta(days=settings.valid_days), None
        case.erase_at = case.expires_at + timedelta(days=settings.keep_papers_days)
        await emit(session, KycApproved(case_id=case.id))
    await session.flush()
    return case


async def reject(session: Session, me: Principal, case_id: UUID, reasons: Sequence[str], note: str = "") -> CaseRow:
    """Do not accept a case, for reasons the owner can act on. One person is enough.

    Raises what `approve` raises, and `InvalidInput` without a known reason.
    """
    _check_reasons(reasons)
    case = await _reviewable(session, me, case_id)
    await _decide(session, me, case, "rejected", reasons=reasons, note=note)
    await _turn_down(session, case)
    return case


async def take_back(session: Session, me: Principal, case_id: UUID, reasons: Sequence[str], note: str = "") -> CaseRow:
    """End an approval that should not stand, and any older one of the level beside it.

    Raises `NotFound`, `WrongState`, `InvalidInput`, `Forbidden`.
    """
    _check_reasons(reasons)
    case = await store.lock_case(session, case_id)
    if case is None:
        raise _no_such_case()
    await _not_about(session, me, case)
    if case.state != State.APPROVED:
        raise WrongState(N_("Only an approval that stands can be taken back."))
    if await store.lock_open_case(session, owner_of_case(case), case.level):
        raise WrongState(N_("A renewal of this case is open: decide about that one."))
    await _decide(session, me, case, "taken_back", reasons=reasons, note=note)
    case.expires_at = None
    await _turn_down(session, case)
    await store.end_approvals(session, owner_of_case(case), case.level, clock.now())
    return case


async def queue(session: ReadSession, limit: int, after: tuple[datetime, UUID] | None = None) -> Sequence[CaseRow]:
    """Cases that wait for people, the longest waiting first."""
    return await store.queue(session, limit, after)


async def _open(session: ReadSession, case_id: UUID) -> Review:
    case = await store.case(session, case_id)
    if case is None:
        raise _no_such_case()
    owner = owner_of_case(case)
    return Review(
        case=case,
        level=LEVELS[case.level],  # type: ignore[index]  # written from a Level
        owner=owner,
        details=details_of(house_of(session), case),
        findings=tuple(_finding(one) for one in case.findings if isinstance(one, dict)),
        papers=await store.papers(session, case.id),
        decisions=await store.decisions(session, case.id),
        alike=await store.same_number(session, owner, case.fingerprint) if case.fingerprint else (),
        approvals=len(await _approvals(session, case)),
    )


async def _reviewable(session: Session, me: Principal, case_id: UUID) -> CaseRow:
    case = await store.lock_case(session, case_id)
    if case is None:
        raise _no_such_case()
    if case.state != State.IN_REVIEW:
        raise WrongState(N_("This case does not wait for a decision."))
    await _not_about(session, me, case)
    if case.taken_by not in (None, me.id) and case.taken_until and clock.now() < case.taken_until:
        raise Conflict(
            N_("Somebody else is looking at this case until {when}: take the next one."), when=case.taken_until
        )
    return case


async def _not_about(session: ReadSession, me: Principal, case: CaseRow) -> None:
    """Nobody decides about themselves, what they handed in, or an organisation that they belong to."""
    mine = me.id in (case.owner_id, case.submitted_by)
    if case.owner_kind == "organisation":
        mine = mine or await identity.membership(session, case.owner_id, me.person_id) is not None
    if mine:
        raise Forbidden(N_("This case is about you: somebody else decides."))


async def _approvals(session: ReadSession, case: CaseRow) -> set[UUID]:
    """Who has approved this attempt."""
    rows = await store.decisions(session, case.id)
    return {row.by for row in rows if row.decision == "approved" and row.attempt == case.attempt}


async def _decide(
    session: Session, me: Principal, case: CaseRow, decision: Decision, *, reasons: Sequence[str], note: str
) -> None:
    session.add(
        DecisionRow(
            id=new_id(),
            case_id=case.id,
            attempt=case.attempt,
            decision=decision,
            reasons=list(reasons),
            note=note,
            by=me.person_id,
            at=clock.now(),
        )
    )
    await session.flush()
    await _note(session, me, decision, case, {"reasons": list(reasons)})


async def _turn_down(session: Session, case: CaseRow) -> None:
    keep = timedelta(days=house_of(session).settings_of(KycSettings).keep_papers_days)
    case.state = step(State(case.state), State.REJECTED)
    case.taken_by = case.taken_until = None
    case.decided_at = clock.now()
    case.erase_at = case.decided_at + keep
    await session.flush()
    await emit(session, KycRejected(case_id=case.id))


def _check_reasons(reasons: Sequence[str]) -> None:
    if not reasons or not set(reasons) <= set(REASONS):
        message = N_("Choose at least one reason: it tells the person what to do.")
        raise InvalidInput(message, errors=[FieldError("/reasons", "unknown_reason", message)])


async def _note(session: Session, me: Principal, what: str, case: CaseRow, details: JsonObject) -> None:
    await identity.audit(session, me, f"kyc.{what}", f"kyc_case:{case.id}", details)


def _finding(said: JsonObject) -> Finding:
    return Finding(str(said["check"]), said["result"], str(said["reason"]))  # type: ignore[arg-type]  # a Finding's own


def owner_of_case(case: CaseRow) -> Owner:
    """Whose case it is."""
    return Owner("organisation" if case.owner_kind == "organisation" else "person", case.owner_id)


def _no_such_case() -> NotFound:
    return NotFound(N_("There is no such case."))
