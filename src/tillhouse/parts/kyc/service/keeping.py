"""What time does to cases: reminders, the end, and papers that are deleted."""

from datetime import timedelta
from uuid import UUID

from tillhouse.kernel import clock
from tillhouse.kernel.db import Session, house_of
from tillhouse.kernel.work import emit, enqueue
from tillhouse.parts.kyc import store
from tillhouse.parts.kyc.domain import WAITING, Finding, State, step
from tillhouse.parts.kyc.events import CheckCase, KycExpired, KycExpiring
from tillhouse.parts.kyc.models import CaseRow
from tillhouse.parts.kyc.ports import Subject
from tillhouse.parts.kyc.service.reviews import owner_of_case
from tillhouse.parts.kyc.service.sealing import details_of
from tillhouse.parts.kyc.settings import KycSettings

_LATE = timedelta(hours=1)  # checks that have not ended by then are asked for again


async def look_after(session: Session) -> bool:
    """Remind, end and erase what is due; whether anything was, so that the rest is looked at too."""
    done = [*await _remind(session), *await _expire(session), *await _erase(session)]
    for case_id in await store.unchecked(session, clock.now() - _LATE):
        await enqueue(session, CheckCase(case_id=case_id), unique=f"again:{case_id}:{clock.now():%Y%m%d%H}")
    return bool(done)


async def _remind(session: Session) -> list[UUID]:
    before = clock.now() + timedelta(days=house_of(session).settings_of(KycSettings).remind_days)
    due = list(await store.expiring(session, before))
    for case_id in due:
        case = await store.lock_case(session, case_id)
        if case and case.state == State.APPROVED and case.reminded_at is None:
            case.reminded_at = clock.now()
            if not await _renewed(session, case):
                await emit(session, KycExpiring(case_id=case.id))
    return due


async def _expire(session: Session) -> list[UUID]:
    due = list(await store.over(session, clock.now()))
    for case_id in due:
        case = await store.lock_case(session, case_id)
        if case and case.state == State.APPROVED:
            case.state, case.updated_at = step(State.APPROVED, State.EXPIRED), clock.now()
            if not await _renewed(session, case):
                await emit(session, KycExpired(case_id=case.id))
    return due


async def _renewed(session: Session, case: CaseRow) -> bool:
    """Whether a newer approval of the same level stands: then nobody needs to be told that this one ends."""
    newest = await store.approved_case(session, owner_of_case(case), case.level, clock.now())
    return newest is not None and newest.id != case.id


async def _erase(session: Session) -> list[UUID]:
    """Delete papers and what they said; the decisions stay. What people look at, or what stands, is never touched."""
    due = list(await store.to_erase(session, clock.now()))
    for case_id in due:
        case = await store.lock_case(session, case_id)
        if case is None or State(case.state) in WAITING or case.erase_at is None or case.erase_at > clock.now():
            continue
        case.details = case.fingerprint = case.erase_at = None
        case.findings, case.updated_at = [], clock.now()
        await session.flush()
        await store.remove_papers(session, case.id)
    return due


async def subject_of(session: Session, case_id: UUID) -> tuple[Subject, str] | None:
    """Who is to be checked, and at which level; None when the case waits for no check (any more)."""
    case = await store.case(session, case_id)
    details = details_of(house_of(session), case) if case else None
    if case is None or details is None or case.state != State.SUBMITTED:
        return None
    return Subject(owner_of_case(case), details), case.level


async def record(session: Session, case_id: UUID, subject: Subject, findings: list[Finding]) -> None:
    """Keep what the checks found, look for the same number elsewhere, and put the case before people."""
    case = await store.lock_case(session, case_id)
    if case is None or case.state != State.SUBMITTED or details_of(house_of(session), case) != subject.details:
        return  # taken back meanwhile, or handed in anew: that has a check of its own
    alike = await store.same_number(session, subject.owner, case.fingerprint) if case.fingerprint else ()
    found = Finding("same_number", "failed" if alike else "passed", "same_number" if alike else "number_new")
    case.findings = [{"check": one.check, "result": one.result, "reason": one.reason} for one in (*findings, found)]
    case.state, case.updated_at = step(State(case.state), State.IN_REVIEW), clock.now()
    await session.flush()
