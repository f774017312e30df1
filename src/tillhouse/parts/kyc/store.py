"""All SQL of kyc. Whoever changes a case, its papers or its decisions holds its lock."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, delete, func, or_, select, update
from sqlalchemy import case as case_of
from sqlalchemy.dialects.postgresql import insert

from tillhouse.kernel.db import ReadSession, Session
from tillhouse.parts.kyc.domain import OPEN, WAITING, Owner
from tillhouse.parts.kyc.models import CaseRow, DecisionRow, PageRow, PaperRow

_AT_ONCE = 200


# Cases


async def case(session: ReadSession, case_id: UUID) -> CaseRow | None:
    """A case by id, for staff and jobs."""
    return await session.get(CaseRow, case_id)


async def lock_case(session: Session, case_id: UUID) -> CaseRow | None:
    """A case by id, locked."""
    statement = select(CaseRow).where(CaseRow.id == case_id).with_for_update()
    return (await session.execute(statement.execution_options(populate_existing=True))).scalar_one_or_none()


async def lock_open_case(session: Session, owner: Owner, level: str) -> CaseRow | None:
    """The case of an owner and level that has not ended well, locked."""
    statement = select(CaseRow).where(_of(owner), CaseRow.level == level, CaseRow.state.in_(OPEN)).with_for_update()
    return (await session.execute(statement.execution_options(populate_existing=True))).scalar_one_or_none()


async def insert_case(session: Session, row: CaseRow) -> None:
    """Insert a case, unless the owner has an open one of this level already."""
    values = {column.key: getattr(row, column.key) for column in CaseRow.__table__.columns}
    await session.execute(insert(CaseRow).values(values).on_conflict_do_nothing())


async def cases_of(session: ReadSession, owner: Owner) -> Sequence[CaseRow]:
    """Every case of an owner, the newest first."""
    statement = select(CaseRow).where(_of(owner)).order_by(CaseRow.id.desc())
    return (await session.scalars(statement)).all()


async def standing_levels(session: ReadSession, owner: Owner, at: datetime) -> Mapping[str, datetime]:
    """The levels of an owner that are approved and not over, and until when."""
    statement = (
        select(CaseRow.level, func.max(CaseRow.expires_at))
        .where(_of(owner), CaseRow.state == "approved", CaseRow.expires_at > at)
        .group_by(CaseRow.level)
    )
    return {level: until for level, until in await session.execute(statement) if until}


async def approved_case(session: ReadSession, owner: Owner, level: str, at: datetime) -> CaseRow | None:
    """The newest case by which a level stands."""
    statement = select(CaseRow).where(
        _of(owner), CaseRow.level == level, CaseRow.state == "approved", CaseRow.expires_at > at
    )
    return (await session.scalars(statement.order_by(CaseRow.id.desc()).limit(1))).one_or_none()


async def end_approvals(session: Session, owner: Owner, level: str, at: datetime) -> None:
    """End every approval of a level that stands."""
    statement = update(CaseRow).where(_of(owner), CaseRow.level == level, CaseRow.state == "approved")
    await session.execute(statement.values(state="expired", expires_at=at, updated_at=at))


async def same_number(session: ReadSession, owner: Owner, fingerprint: bytes) -> Sequence[CaseRow]:
    """Cases of other owners in which the same number was given, the newest first."""
    statement = select(CaseRow).where(CaseRow.fingerprint == fingerprint, ~_of(owner))
    return (await session.scalars(statement.order_by(CaseRow.id.desc()).limit(_AT_ONCE))).all()


async def queue(session: ReadSession, limit: int, after: tuple[datetime, UUID] | None) -> Sequence[CaseRow]:
    """Cases that wait for people, the longest waiting first."""
    statement = select(CaseRow).where(CaseRow.state == "in_review")
    if after:
        later = CaseRow.submitted_at > after[0]
        statement = statement.where(or_(later, (CaseRow.submitted_at == after[0]) & (CaseRow.id > after[1])))
    return (await session.scalars(statement.order_by(CaseRow.submitted_at, CaseRow.id).limit(limit))).all()


async def count_waiting(session: ReadSession) -> int:
    """How many cases wait for people."""
    statement = select(func.count()).select_from(CaseRow).where(CaseRow.state == "in_review")
    return int((await session.execute(statement)).scalar_one())


async def reason_to_keep(session: ReadSession, owner: Owner) -> bool:
    """Whether a case of this owner waits for people at this moment."""
    statement = select(CaseRow.id).where(_of(owner), CaseRow.state.in_(WAITING)).limit(1)
    return (await session.scalars(statement)).one_or_none() is not None


# Papers


async def papers(session: ReadSession, case_id: UUID) -> Sequence[PaperRow]:
    """The papers of a case, the oldest first."""
    statement = select(PaperRow).where(PaperRow.case_id == case_id).order_by(PaperRow.id)
    return (await session.scalars(statement)).all()


async def put_paper(session: Session, row: PaperRow, pages: Sequence[PageRow]) -> None:
    """Add a paper in place of the one of its kind."""
    await remove_papers(session, row.case_id, kind=row.kind)
    session.add(row)
    await session.flush()
    session.add_all(pages)
    await session.flush()


async def remove_papers(session: Session, case_id: UUID, *, kind: str | None = None) -> None:
    """Delete the papers of a case, or the one of a kind, with their pages."""
    statement = delete(PaperRow).where(PaperRow.case_id == case_id)
    await session.execute(statement.where(PaperRow.kind == kind) if kind else statement)


async def paper(session: ReadSession, case_id: UUID, paper_id: UUID) -> PaperRow | None:
    """A paper of a case."""
    statement = select(PaperRow).where(PaperRow.id == paper_id, PaperRow.case_id == case_id)
    return (await session.scalars(statement)).one_or_none()


async def page(session: ReadSession, paper_id: UUID, number: int) -> PageRow | None:
    """A page of a paper, from 1."""
    statement = select(PageRow).where(PageRow.paper_id == paper_id, PageRow.number == number)
    return (await session.scalars(statement)).one_or_none()


# Decisions


async def decisions(session: ReadSession, case_id: UUID) -> Sequence[DecisionRow]:
    """What was decided about a case, the oldest first."""
    statement = select(DecisionRow).where(DecisionRow.case_id == case_id).order_by(DecisionRow.id)
    return (await session.scalars(statement)).all()


async def approved_by_too_few(session: ReadSession, needed: Mapping[str, int]) -> Sequence[tuple[UUID, str, int]]:
    """Approved cases with the level and how many different people approved them, where that is less than needed."""
    people = func.count(func.distinct(DecisionRow.by))
    enough = case_of(dict(needed), value=CaseRow.level, else_=1)
    statement = (
        select(CaseRow.id, CaseRow.level, people)
        .outerjoin(
            DecisionRow,
            (DecisionRow.case_id == CaseRow.id)
            & (DecisionRow.attempt == CaseRow.attempt)
            & (DecisionRow.decision == "approved"),
        )
        .where(CaseRow.state.in_(("approved", "expired")))
        .group_by(CaseRow.id, CaseRow.level)
        .having(people < enough)
        .order_by(CaseRow.id)
        .limit(_AT_ONCE)
    )
    return [(row[0], row[1], row[2]) for row in await session.execute(statement)]


# Time


async def expiring(session: ReadSession, before: datetime) -> Sequence[UUID]:
    """Approved cases that end before then and whose owners were not reminded."""
    statement = select(CaseRow.id).where(
        CaseRow.state == "approved", CaseRow.expires_at <= before, CaseRow.reminded_at.is_(None)
    )
    return (await session.scalars(statement.order_by(CaseRow.expires_at).limit(_AT_ONCE))).all()


async def over(session: ReadSession, at: datetime) -> Sequence[UUID]:
    """Approved cases whose time is over."""
    statement = select(CaseRow.id).where(CaseRow.state == "approved", CaseRow.expires_at <= at)
    return (await session.scalars(statement.order_by(CaseRow.expires_at).limit(_AT_ONCE))).all()


async def to_erase(session: ReadSession, at: datetime) -> Sequence[UUID]:
    """Cases whose papers have been kept long enough."""
    statement = select(CaseRow.id).where(CaseRow.erase_at <= at).order_by(CaseRow.erase_at).limit(_AT_ONCE)
    return (await session.scalars(statement)).all()


async def unchecked(session: ReadSession, before: datetime) -> Sequence[UUID]:
    """Cases handed in before then whose checks never ended."""
    statement = select(CaseRow.id).where(CaseRow.state == "submitted", CaseRow.submitted_at <= before)
    return (await session.scalars(statement.order_by(CaseRow.submitted_at).limit(_AT_ONCE))).all()


async def erase_owner(session: Session, owner: Owner, at: datetime) -> None:
    """Forget what an owner's papers said, and the papers; that something was decided stays."""
    mine = select(CaseRow.id).where(_of(owner))
    await session.execute(delete(PaperRow).where(PaperRow.case_id.in_(mine)))
    await session.execute(
        update(CaseRow)
        .where(_of(owner))
        .values(details=None, fingerprint=None, findings=[], erase_at=None, updated_at=at)
    )


def _of(owner: Owner) -> ColumnElement[bool]:
    return (CaseRow.owner_kind == owner.kind) & (CaseRow.owner_id == owner.id)
