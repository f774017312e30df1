"""All SQL of how a person may be reached: what they agreed to, their phones and browsers, notices inside the house."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from tillhouse.kernel.db import ReadSession, Session, rows_of
from tillhouse.kernel.ids import new_id
from tillhouse.parts.channels.models import ConsentRow, MessageRow, NoticeRow, OptOutRow, PushTargetRow


async def consents(session: ReadSession, person_id: UUID) -> Sequence[ConsentRow]:
    """All that a person ever said about channels and purposes, the last word last."""
    statement = select(ConsentRow).where(ConsentRow.person_id == person_id).order_by(ConsentRow.id)
    return (await session.execute(statement)).scalars().all()


async def opted_out(session: ReadSession, channel: str, address: str) -> bool:
    """Whether somebody said stop from this address."""
    statement = select(OptOutRow.id).where(OptOutRow.channel == channel, OptOutRow.address == address)
    return (await session.execute(statement)).scalar_one_or_none() is not None


async def opt_out(session: Session, channel: str, address: str, source: str, now: datetime) -> None:
    """Note that somebody said stop from this address."""
    values = {"id": new_id(), "channel": channel, "address": address, "source": source, "created_at": now}
    await session.execute(insert(OptOutRow).values(values).on_conflict_do_nothing())


async def opt_in(session: Session, channel: str, address: str) -> None:
    """Note that somebody wants to hear from us again."""
    await session.execute(delete(OptOutRow).where(OptOutRow.channel == channel, OptOutRow.address == address))


async def push_targets(session: ReadSession, person_id: UUID) -> Sequence[PushTargetRow]:
    """The phones and browsers of a person, the one that was used last first."""
    statement = select(PushTargetRow).where(PushTargetRow.person_id == person_id)
    return (await session.execute(statement.order_by(PushTargetRow.seen_at.desc()))).scalars().all()


async def push_target(session: ReadSession, target_id: UUID) -> PushTargetRow | None:
    """A phone or browser by id."""
    return await session.get(PushTargetRow, target_id)


async def keep_push_target(session: Session, row: PushTargetRow) -> UUID:
    """Register a phone or browser; whoever signed in there last owns it."""
    values = {
        "id": row.id, "person_id": row.person_id, "kind": row.kind, "token": row.token, "p256dh": row.p256dh,
        "auth": row.auth, "created_at": row.created_at, "seen_at": row.seen_at,
    }  # fmt: skip
    changed = {name: values[name] for name in ("person_id", "p256dh", "auth", "seen_at")}
    statement = (
        insert(PushTargetRow)
        .values(values)
        .on_conflict_do_update(constraint="uq_push_targets_kind_token", set_=changed)
        .returning(PushTargetRow.id)
    )
    kept: UUID = (await session.execute(statement)).scalar_one()
    return kept


async def delete_push_target(session: Session, target_id: UUID, person_id: UUID | None = None) -> bool:
    """Forget a phone or browser (of this person); whether it was known."""
    statement = delete(PushTargetRow).where(PushTargetRow.id == target_id)
    if person_id:
        statement = statement.where(PushTargetRow.person_id == person_id)
    return rows_of(await session.execute(statement)) == 1


async def notices(
    session: ReadSession, person_id: UUID, *, limit: int, before: UUID | None = None
) -> Sequence[NoticeRow]:
    """A person's notices, newest first."""
    statement = select(NoticeRow).where(NoticeRow.person_id == person_id).order_by(NoticeRow.id.desc()).limit(limit)
    if before:
        statement = statement.where(NoticeRow.id < before)
    return (await session.execute(statement)).scalars().all()


async def count_unread(session: ReadSession, person_id: UUID) -> int:
    """How many notices a person has not read."""
    mine = select(func.count()).select_from(NoticeRow).where(NoticeRow.person_id == person_id)
    return await session.scalar(mine.where(NoticeRow.read_at.is_(None))) or 0


async def read_notices(
    session: Session, person_id: UUID, now: datetime, notice_id: UUID | None = None
) -> Sequence[UUID]:
    """Mark a person's notices as read, all or one; which ones changed."""
    statement = update(NoticeRow).where(NoticeRow.person_id == person_id, NoticeRow.read_at.is_(None))
    if notice_id:
        statement = statement.where(NoticeRow.id == notice_id)
    return (await session.execute(statement.values(read_at=now).returning(NoticeRow.id))).scalars().all()


async def has_notice(session: ReadSession, person_id: UUID, notice_id: UUID) -> bool:
    """Whether this notice is this person's."""
    statement = select(NoticeRow.id).where(NoticeRow.id == notice_id, NoticeRow.person_id == person_id)
    return (await session.execute(statement)).scalar_one_or_none() is not None


async def sent_since(
    session: ReadSession, since: datetime, *, person_id: UUID | None = None, address: str = "", purpose: str = ""
) -> tuple[int, datetime | None]:
    """How many messages a person (or an address) was sent since then, and when the first of them was."""
    went = or_(MessageRow.status.in_(("sent", "delivered", "read", "unknown")), MessageRow.attempted_at.is_not(None))
    statement = select(func.count(), func.min(MessageRow.updated_at)).where(went, MessageRow.updated_at > since)
    statement = statement.where(MessageRow.person_id == person_id if person_id else MessageRow.address == address)
    if purpose:
        statement = statement.where(MessageRow.purpose == purpose)
    count, first = (await session.execute(statement)).one()
    return count, first


async def delete_reach_of(session: Session, person_id: UUID, addresses: Sequence[str]) -> None:
    """Forget phones, browsers, notices and consents of a person who is being erased. A stop stays: it protects them."""
    for model in (ConsentRow, PushTargetRow, NoticeRow):
        await session.execute(delete(model).where(model.person_id == person_id))
    await session.execute(
        delete(MessageRow).where(or_(MessageRow.person_id == person_id, MessageRow.address.in_(addresses)))
    )


async def delete_notices_before(session: Session, instant: datetime) -> None:
    """Delete notices made before `instant`."""
    await session.execute(delete(NoticeRow).where(NoticeRow.created_at < instant))
