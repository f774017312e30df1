"""All SQL of pictures that were ordered."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select, update

from tillhouse.kernel.db import ReadSession, Session
from tillhouse.parts.ai.domain.images import OPEN
from tillhouse.parts.ai.models import ImageJobRow


async def add(session: Session, row: ImageJobRow) -> None:
    """A new order."""
    session.add(row)
    await session.flush()


async def locked(session: Session, job_id: UUID) -> ImageJobRow | None:
    """An order by id, locked."""
    statement = select(ImageJobRow).where(ImageJobRow.id == job_id).with_for_update()
    return (await session.execute(statement.execution_options(populate_existing=True))).scalar_one_or_none()


async def get(session: ReadSession, job_id: UUID) -> ImageJobRow | None:
    """An order by id, whoever's."""
    return await session.get(ImageJobRow, job_id)


async def of_owner(session: ReadSession, owner_id: UUID, job_id: UUID) -> ImageJobRow | None:
    """An order of this owner."""
    statement = select(ImageJobRow).where(ImageJobRow.id == job_id, ImageJobRow.owner_id == owner_id)
    return (await session.execute(statement)).scalar_one_or_none()


async def lock_key(session: Session, owner_id: UUID, key: str) -> None:
    """Have orders of one owner under one key wait for each other."""
    lock = func.hashtextextended(f"ai.images:{owner_id}:{key}", 0)
    await session.execute(select(func.pg_advisory_xact_lock(lock)))


async def keyed(session: ReadSession, owner_id: UUID, key: str) -> ImageJobRow | None:
    """The order of this owner under this key."""
    same = ImageJobRow.request["key"].astext == key
    return (
        await session.execute(select(ImageJobRow).where(ImageJobRow.owner_id == owner_id, same))
    ).scalar_one_or_none()


async def list_of(session: ReadSession, owner_id: UUID, before: UUID | None, limit: int) -> Sequence[ImageJobRow]:
    """Orders of an owner, newest first."""
    statement = select(ImageJobRow).where(ImageJobRow.owner_id == owner_id)
    if before:
        statement = statement.where(ImageJobRow.id < before)
    return (await session.execute(statement.order_by(ImageJobRow.id.desc()).limit(limit))).scalars().all()


async def due(session: Session, at: datetime, limit: int) -> Sequence[ImageJobRow]:
    """Open orders that are to be looked at, or are past their deadline, locked; the longest waiting first."""
    statement = (
        select(ImageJobRow)
        .where(ImageJobRow.state.in_(OPEN), ImageJobRow.look_at <= at)
        .order_by(ImageJobRow.look_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return (await session.execute(statement)).scalars().all()


async def all_of(session: Session, owner_id: UUID) -> Sequence[ImageJobRow]:
    """Every order of an owner, locked."""
    statement = select(ImageJobRow).where(ImageJobRow.owner_id == owner_id).with_for_update()
    return (await session.execute(statement)).scalars().all()


async def empty_requests(session: Session, owner_id: UUID) -> None:
    """What an owner asked for is forgotten."""
    await session.execute(update(ImageJobRow).where(ImageJobRow.owner_id == owner_id).values(request={}, pictures=[]))
