"""All SQL of looking back: what was sent and what became of it, who said stop, what people said of offers."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select

from tillhouse.kernel.db import ReadSession
from tillhouse.parts.channels.models import ConsentRow, MessageRow, OptOutRow


@dataclass(frozen=True, slots=True, kw_only=True)
class SentFilter:
    """What a list of messages is narrowed to; None narrows nothing. `person_id` or `address` says whose."""

    status: str | None = None
    channel: str | None = None
    template: str | None = None
    address: str | None = None
    person_id: UUID | None = None
    since: datetime | None = None
    until: datetime | None = None


async def messages(
    session: ReadSession, wanted: SentFilter, *, limit: int, before: UUID | None
) -> Sequence[MessageRow]:
    """Messages that fit, newest first."""
    statement = select(MessageRow).order_by(MessageRow.id.desc()).limit(limit)
    for column, value in (
        (MessageRow.status, wanted.status),
        (MessageRow.channel, wanted.channel),
        (MessageRow.template, wanted.template),
        (MessageRow.address, wanted.address),
        (MessageRow.person_id, wanted.person_id),
    ):
        if value is not None:
            statement = statement.where(column == value)
    if wanted.since:
        statement = statement.where(MessageRow.created_at >= wanted.since)
    if wanted.until:
        statement = statement.where(MessageRow.created_at < wanted.until)
    if before:
        statement = statement.where(MessageRow.id < before)
    return (await session.execute(statement)).scalars().all()


async def message(session: ReadSession, message_id: UUID) -> MessageRow | None:
    """A message by id."""
    return await session.get(MessageRow, message_id)


async def ways_tried(session: ReadSession, row: MessageRow) -> Sequence[MessageRow]:
    """A message with those before and after it that stand for the same one, in the order in which they were tried."""
    tried = [row]
    while tried[0].instead_of and (earlier := await message(session, tried[0].instead_of)):
        tried.insert(0, earlier)
    while later := await _instead(session, tried[-1].id):
        tried.append(later)
    return tried


async def opt_outs(session: ReadSession, *, limit: int, before: UUID | None) -> Sequence[OptOutRow]:
    """Addresses from which somebody said stop, newest first."""
    statement = select(OptOutRow).order_by(OptOutRow.id.desc()).limit(limit)
    if before:
        statement = statement.where(OptOutRow.id < before)
    return (await session.execute(statement)).scalars().all()


async def said_of_offers(session: ReadSession, *, limit: int) -> Sequence[ConsentRow]:
    """What people said last about messages, newest first."""
    return (await session.execute(select(ConsentRow).order_by(ConsentRow.id.desc()).limit(limit))).scalars().all()


async def _instead(session: ReadSession, message_id: UUID) -> MessageRow | None:
    return (await session.execute(select(MessageRow).where(MessageRow.instead_of == message_id))).scalar_one_or_none()
