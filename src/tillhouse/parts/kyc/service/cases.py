"""A case as its owner sees it: begun, filled with papers, handed in, taken back."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from tillhouse.kernel import clock
from tillhouse.kernel.access import Principal
from tillhouse.kernel.db import ReadSession, Session, house_of
from tillhouse.kernel.errors import FieldError, InvalidInput, NotFound
from tillhouse.kernel.ids import new_id
from tillhouse.kernel.text import N_
from tillhouse.kernel.work import enqueue
from tillhouse.parts.identity import api as identity
from tillhouse.parts.kyc import store
from tillhouse.parts.kyc.domain import (
    EDITABLE,
    IDS_OF,
    LEVELS,
    PAPERS,
    Details,
    Level,
    LevelName,
    Owner,
    PaperKind,
    State,
    WrongState,
    step,
)
from tillhouse.parts.kyc.domain.numbers import tidy
from tillhouse.parts.kyc.events import CheckCase
from tillhouse.parts.kyc.models import CaseRow, PageRow, PaperRow
from tillhouse.parts.kyc.service.sealing import details_of, fingerprint, sealed
from tillhouse.parts.kyc.settings import KycSettings


@dataclass(frozen=True, slots=True)
class Paper:
    """A paper that was sent."""

    id: UUID
    kind: PaperKind
    pages: int
    added_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where an owner stands at a level, and what there is to do. `until`: how long an approval stands; a case that
    renews it may be open beside it.
    """

    level: LevelName
    state: State
    reasons: tuple[str, ...]
    until: datetime | None
    papers: tuple[Paper, ...]
    wanted: tuple[PaperKind, ...]
    also: tuple[PaperKind, ...]
    may_begin: bool
    number: str | None


async def owner_of(session: ReadSession, me: Principal, organisation_id: UUID | None) -> Owner:
    """Whose cases these are: the caller's own, or those of an organisation that they are owner or admin of.

    Raises `NotFound`, `Forbidden`.
    """
    if organisation_id is None:
        return Owner("person", me.person_id)
    await identity.require_member(session, organisation_id, me.person_id, *identity.MANAGERS)
    return Owner("organisation", organisation_id)


def level_named(name: str) -> Level:
    """A level by its name. Raises `NotFound`."""
    for known, level in LEVELS.items():
        if known == name:
            return level
    raise NotFound(N_("There is no such level."))


async def standings(session: ReadSession, owner: Owner) -> list[Standing]:
    """Where an owner stands at every level, the first to reach first."""
    rows = await store.cases_of(session, owner)
    return [await _standing(session, owner, level, rows) for level in LEVELS.values()]


async def standing(session: ReadSession, owner: Owner, level: Level) -> Standing:
    """Where an owner stands at one level."""
    return await _standing(session, owner, level, await store.cases_of(session, owner))


async def said_before(session: ReadSession, owner: Owner, level: Level) -> Details | None:
    """What an owner said when they last handed this level in, so that they correct it rather than write it anew."""
    newest = next((row for row in await store.cases_of(session, owner) if row.level == level.name), None)
    return details_of(house_of(session), newest) if newest else None


async def add_paper(
    session: Session, me: Principal, owner: Owner, level: Level, *, kind: PaperKind, pages: Sequence[bytes]
) -> Paper:
    """Add a paper in place of the one of its kind; `pages` are sealed. Begins a case where there is none.

    Raises `InvalidInput` for a paper that the level does not ask for, `WrongState` once the case is handed in.
    """
    if kind not in (*level.papers[owner.kind], *level.more_papers[owner.kind]):
        message = N_("This level does not ask for such a paper.")
        raise InvalidInput(message, errors=[FieldError("/kind", "not_wanted", message)])
    case = await _editable(session, owner, level)
    row = PaperRow(
        id=new_id(), case_id=case.id, kind=kind, pages=len(pages), added_by=me.person_id, added_at=clock.now()
    )
    rows = [
        PageRow(id=new_id(), paper_id=row.id, number=number, content=content) for number, content in enumerate(pages, 1)
    ]
    await store.put_paper(session, row, rows)
    return _paper(row)


async def remove_paper(session: Session, owner: Owner, level: Level, paper_id: UUID) -> None:
    """Take a paper out of a case that is not handed in. Raises `NotFound`, `WrongState`."""
    case = await _editable(session, owner, level)
    found = await store.paper(session, case.id, paper_id)
    if found is None:
        raise NotFound(N_("There is no such paper."))
    await store.remove_papers(session, case.id, kind=found.kind)


async def submit(session: Session, me: Principal, owner: Owner, level: Level, details: Details | None) -> Standing:
    """Hand a case in: from now on others look at it. `details` where the level asks for them.

    Raises `InvalidInput` naming fields and papers that are missing, `WrongState`.
    """
    case = await _editable(session, owner, level)
    said = await _details(session, owner, level, details)
    await _all_there(session, owner, level, case)
    house, now = house_of(session), clock.now()
    case.state = step(State(case.state), State.SUBMITTED)
    case.details, case.fingerprint = sealed(house, said), fingerprint(house, said)
    case.findings, case.attempt = [], case.attempt + 1
    case.submitted_by, case.submitted_at, case.updated_at = me.person_id, now, now
    case.taken_by = case.taken_until = case.decided_at = case.erase_at = None
    await session.flush()
    await enqueue(session, CheckCase(case_id=case.id))
    return await standing(session, owner, level)


async def withdraw(session: Session, owner: Owner, level: Level) -> None:
    """Take a case back while nothing is decided: its papers and what was said are deleted. Raises `WrongState`."""
    case = await store.lock_open_case(session, owner, level.name)
    if case is None or case.state == State.REJECTED:
        raise WrongState(N_("There is nothing to take back."))
    if case.state != State.NOT_STARTED:
        case.state = step(State(case.state), State.NOT_STARTED)
    case.details = case.fingerprint = case.taken_by = case.taken_until = case.erase_at = case.submitted_at = None
    case.findings, case.updated_at = [], clock.now()
    await session.flush()
    await store.remove_papers(session, case.id)


async def reasons_to_keep(session: ReadSession, person_id: UUID) -> Sequence[str]:
    """Why a person cannot be erased yet: sentences for that person."""
    if await store.reason_to_keep(session, Owner("person", person_id)):
        return [N_("Your identity papers are being looked at: take them back at /kyc, or wait for the answer.")]
    return []


async def erase_person(session: Session, person_id: UUID, _addresses: Sequence[str]) -> None:
    """Forget a person's papers and what they said; that something was decided, and why, stays without it."""
    await store.erase_owner(session, Owner("person", person_id), clock.now())


async def organisation_reasons(session: ReadSession, organisation_id: UUID) -> Sequence[str]:
    """An organisation's case never keeps it from being closed."""
    return []


async def erase_organisation(session: Session, organisation_id: UUID) -> None:
    """Forget the papers of an organisation that is closed."""
    await store.erase_owner(session, Owner("organisation", organisation_id), clock.now())


async def _standing(session: ReadSession, owner: Owner, level: Level, rows: Sequence[CaseRow]) -> Standing:
    mine = [row for row in rows if row.level == level.name]
    newest, now = (mine[0] if mine else None), clock.now()
    until = max((row.expires_at for row in mine if row.state == State.APPROVED and row.expires_at), default=None)
    state = State(newest.state) if newest else State.NOT_STARTED
    papers = await store.papers(session, newest.id) if newest and state not in (State.APPROVED, State.EXPIRED) else ()
    return Standing(
        level=level.name,
        state=State.EXPIRED if state == State.APPROVED and (until is None or until <= now) else state,
        reasons=await _reasons(session, newest) if newest and state == State.REJECTED else (),
        until=until if until and until > now else None,
        papers=tuple(_paper(row) for row in papers),
        wanted=level.papers[owner.kind],
        also=level.more_papers[owner.kind],
        may_begin=await _may_begin(session, owner, level, state, until),
        number=_masked(session, newest),
    )


async def _may_begin(session: ReadSession, owner: Owner, level: Level, state: State, until: datetime | None) -> bool:
    """Whether papers can be added now: what has to stand first does, and an approval is over or ends soon."""
    if level.needs and level.needs not in await store.standing_levels(session, owner, clock.now()):
        return False
    remind = timedelta(days=house_of(session).settings_of(KycSettings).remind_days)
    renews = until is None or until <= clock.now() + remind
    return state in EDITABLE or state == State.EXPIRED or (state == State.APPROVED and renews)


async def _editable(session: Session, owner: Owner, level: Level) -> CaseRow:
    """The open case, locked, made when there is none and one may begin."""
    case = await store.lock_open_case(session, owner, level.name)
    if case is None:
        if not (await standing(session, owner, level)).may_begin:
            raise WrongState(
                N_("This level cannot be begun now: finish the one before, or wait until it can be renewed.")
            )
        await store.insert_case(session, _new_case(owner, level))
        case = await store.lock_open_case(session, owner, level.name)
    if case is None or State(case.state) not in EDITABLE:
        raise WrongState(N_("Your papers are being looked at: take them back first, or wait for the answer."))
    keep = timedelta(days=house_of(session).settings_of(KycSettings).keep_unfinished_days)
    case.updated_at, case.erase_at = clock.now(), clock.now() + keep
    return case


def _new_case(owner: Owner, level: Level) -> CaseRow:
    now = clock.now()
    return CaseRow(
        id=new_id(),
        owner_kind=owner.kind,
        owner_id=owner.id,
        level=level.name,
        state=State.NOT_STARTED,
        findings=[],
        attempt=0,
        created_at=now,
        updated_at=now,
    )


async def _details(session: ReadSession, owner: Owner, level: Level, details: Details | None) -> Details:
    """What was said now, or, where the level does not ask, what was said for the level before."""
    if not level.asks_details:
        before = await store.approved_case(session, owner, level.needs or "", clock.now())
        said = details_of(house_of(session), before) if before else None
        if said is None:
            raise WrongState(N_("Finish the level before this one first."))
        return said
    if details is None:
        message = N_("Fill in what is on the document.")
        raise InvalidInput(message, errors=[FieldError("/details", "missing", message)])
    if details.id_kind not in IDS_OF[owner.kind]:
        message = N_("Choose one of the documents that are listed.")
        raise InvalidInput(message, errors=[FieldError("/id_kind", "not_listed", message)])
    return tidy(details, owner.kind, clock.now().date())


async def _all_there(session: ReadSession, owner: Owner, level: Level, case: CaseRow) -> None:
    there = {row.kind for row in await store.papers(session, case.id)}
    missing = [kind for kind in level.papers[owner.kind] if kind not in there]
    if missing:
        errors = [FieldError(f"/papers/{kind}", "missing", PAPERS[kind]) for kind in missing]
        raise InvalidInput(N_("A paper is missing: send it first."), errors=errors)


async def _reasons(session: ReadSession, case: CaseRow) -> tuple[str, ...]:
    negative = [row for row in await store.decisions(session, case.id) if row.decision != "approved"]
    return tuple(negative[-1].reasons) if negative else ()


def _masked(session: ReadSession, case: CaseRow | None) -> str | None:
    said = details_of(house_of(session), case) if case else None
    return said.masked_number if said else None


def _paper(row: PaperRow) -> Paper:
    kind: PaperKind = row.kind  # type: ignore[assignment]  # written from a PaperKind
    return Paper(row.id, kind, row.pages, row.added_at)
