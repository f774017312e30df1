"""All SQL of chats: who writes to us, what they wrote, and where they are in a flow."""

from collections.abc import Collection, Sequence, Set
from datetime import datetime
from typing import cast
from uuid import UUID

from sqlalchemy import ARRAY, Table, Text, and_, delete, func, or_, select, tuple_, update
from sqlalchemy import cast as sql_cast
from sqlalchemy.dialects.postgresql import insert

from tillhouse.kernel.db import ReadSession, Session
from tillhouse.parts.channels.domain.chat import Correspondent
from tillhouse.parts.channels.models import (
    ChatContactRow,
    ConversationRow,
    InboundRow,
    MessageRow,
    ReceivedRow,
)

_INBOUND = cast("Table", InboundRow.__table__)  # many rows at once go in faster round the ORM


async def lock_received(session: Session, received_id: UUID) -> ReceivedRow | None:
    """A call of a provider that waits to be read, locked."""
    statement = select(ReceivedRow).where(ReceivedRow.id == received_id).with_for_update()
    return (await session.execute(statement)).scalar_one_or_none()


async def lock_all_received(session: Session, ids: Sequence[UUID]) -> Sequence[ReceivedRow]:
    """Calls that wait to be read, locked, in the order in which they came."""
    statement = select(ReceivedRow).where(ReceivedRow.id.in_(ids)).order_by(ReceivedRow.id).with_for_update()
    return (await session.execute(statement)).scalars().all()


async def delete_received(session: Session, ids: Sequence[UUID]) -> None:
    """Forget calls that have been read."""
    if ids:
        gone = delete(ReceivedRow).where(ReceivedRow.id.in_(ids))
        await session.execute(gone.execution_options(synchronize_session=False))


async def contact(session: ReadSession, contact_id: UUID) -> ChatContactRow | None:
    """A contact by id."""
    return await session.get(ChatContactRow, contact_id)


async def lock_contact(session: Session, contact_id: UUID) -> ChatContactRow | None:
    """A contact by id, locked: whatever is done for one contact is done one after another."""
    statement = select(ChatContactRow).where(ChatContactRow.id == contact_id)
    locked = statement.with_for_update().execution_options(populate_existing=True)
    return (await session.execute(locked)).scalar_one_or_none()


async def lock_correspondents(session: Session, provider: str, who: Correspondent) -> Sequence[ChatContactRow]:
    """Whoever goes by this number or this user id, locked: two, where we met one person by each.

    Two of this account take turns, so that a first message does not make two contacts.
    """
    await session.execute(select(func.pg_advisory_xact_lock(func.hashtext(_turn(provider, who)))))
    same = []
    if who.user_id:
        same.append(ChatContactRow.user_id == who.user_id)
    if who.phone:
        same.append(ChatContactRow.phone == who.phone)
    statement = (
        select(ChatContactRow)
        .where(ChatContactRow.provider == provider, ChatContactRow.account == who.account, or_(*same))
        .order_by(ChatContactRow.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return (await session.execute(statement)).scalars().all()


async def lock_all_correspondents(
    session: Session, senders: Collection[tuple[str, Correspondent]]
) -> Sequence[ChatContactRow]:
    """Whoever goes by one of these numbers or user ids, with their providers, locked; their accounts take turns."""
    turns = sorted({_turn(provider, who) for provider, who in senders})
    turn = func.unnest(sql_cast(turns, ARRAY(Text))).column_valued("turn")
    await session.execute(select(func.pg_advisory_xact_lock(func.hashtext(turn))))
    accounts = {(provider, who.account) for provider, who in senders}
    phones = {who.phone for _, who in senders if who.phone}
    user_ids = {who.user_id for _, who in senders if who.user_id}
    statement = (
        select(ChatContactRow)
        .where(
            tuple_(ChatContactRow.provider, ChatContactRow.account).in_(accounts),
            or_(ChatContactRow.phone.in_(phones), ChatContactRow.user_id.in_(user_ids)),
        )
        .order_by(ChatContactRow.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return (await session.execute(statement)).scalars().all()


async def merge_contacts(session: Session, kept: UUID, dropped: UUID) -> None:
    """All that one contact wrote, was told and was asked belongs to another, and the one is gone."""
    whose = MessageRow.data["owner_id"].as_string() == str(dropped)  # of the file of a line
    moved = MessageRow.data.op("||")(func.jsonb_build_object("owner_id", str(kept)))
    await session.execute(update(MessageRow).where(MessageRow.contact_id == dropped, whose).values(data=moved))
    for model in (InboundRow, MessageRow):
        await session.execute(update(model).where(model.contact_id == dropped).values(contact_id=kept))
    await session.execute(
        update(ConversationRow)
        .where(ConversationRow.contact_id == dropped, ConversationRow.mode != "ended")
        .values(mode="ended")
    )
    await session.execute(update(ConversationRow).where(ConversationRow.contact_id == dropped).values(contact_id=kept))
    await session.execute(delete(ChatContactRow).where(ChatContactRow.id == dropped))


async def latest_contact(
    session: ReadSession, provider: str, person_id: UUID | None, phone: str
) -> ChatContactRow | None:
    """The chat with a person, or with a number, that was used last."""
    whose = [ChatContactRow.phone == phone]
    if person_id:
        whose.append(ChatContactRow.person_id == person_id)
    statement = (
        select(ChatContactRow)
        .where(ChatContactRow.provider == provider, or_(*whose))
        .order_by(ChatContactRow.last_inbound_at.desc().nulls_last())
        .limit(1)
    )
    return (await session.execute(statement)).scalar_one_or_none()


async def insert_all_inbound(session: Session, rows: Sequence[InboundRow]) -> Set[UUID]:
    """Keep messages, in this order. Returns the ids of those that were not known yet."""
    values = [
        {
            "id": row.id, "contact_id": row.contact_id, "provider": row.provider, "external_id": row.external_id,
            "kind": row.kind, "content": row.content, "media": row.media, "sent_at": row.sent_at,
            "created_at": row.created_at, "handled_at": row.handled_at,
        }
        for row in rows
    ]  # fmt: skip
    statement = insert(_INBOUND).on_conflict_do_nothing().returning(_INBOUND.c.id)
    return set((await session.execute(statement, values)).scalars())


async def inbound(session: ReadSession, inbound_id: UUID) -> InboundRow | None:
    """A message to us by id."""
    statement = select(InboundRow).where(InboundRow.id == inbound_id).execution_options(populate_existing=True)
    return (await session.execute(statement)).scalar_one_or_none()


async def inbound_with_contacts(
    session: ReadSession, inbound_ids: Sequence[UUID]
) -> Sequence[tuple[InboundRow, ChatContactRow]]:
    """Messages to us with whoever wrote them."""
    statement = (
        select(InboundRow, ChatContactRow)
        .join(ChatContactRow, ChatContactRow.id == InboundRow.contact_id)
        .where(InboundRow.id.in_(inbound_ids))
    )
    return [(row, whose) for row, whose in await session.execute(statement)]


async def about_to_hear(session: ReadSession, contact_ids: Collection[UUID]) -> Set[UUID]:
    """Those of these contacts to whom something is still to be said that nobody has begun to hand over."""
    statement = select(MessageRow.contact_id).where(
        MessageRow.contact_id.in_(contact_ids), MessageRow.status == "queued", MessageRow.attempted_at.is_(None)
    )
    return {found for found in (await session.execute(statement)).scalars() if found}


async def unhandled(session: Session, contact_id: UUID, limit: int) -> Sequence[InboundRow]:
    """What a contact wrote and nobody has looked at, in the order in which it was written."""
    statement = (
        select(InboundRow)
        .where(InboundRow.contact_id == contact_id, InboundRow.handled_at.is_(None))
        .order_by(InboundRow.sent_at, InboundRow.number)
        .limit(limit)
    )
    return (await session.execute(statement)).scalars().all()


async def forgotten_media(session: ReadSession, before: datetime, limit: int) -> Sequence[UUID]:
    """Messages whose file has been waited for since `before`."""
    statement = select(InboundRow.id).where(InboundRow.media == "waiting", InboundRow.created_at < before).limit(limit)
    return (await session.execute(statement)).scalars().all()


async def open_conversation(session: ReadSession, contact_id: UUID) -> ConversationRow | None:
    """The conversation that a contact is in. Lock the contact to change it."""
    statement = (
        select(ConversationRow)
        .where(ConversationRow.contact_id == contact_id, ConversationRow.mode != "ended")
        .execution_options(populate_existing=True)
    )
    return (await session.execute(statement)).scalar_one_or_none()


async def conversation(session: ReadSession, conversation_id: UUID) -> ConversationRow | None:
    """A conversation by id."""
    statement = select(ConversationRow).where(ConversationRow.id == conversation_id)
    return (await session.execute(statement.execution_options(populate_existing=True))).scalar_one_or_none()


async def due_conversations(session: ReadSession, now: datetime, limit: int) -> Sequence[tuple[UUID, UUID]]:
    """Conversations (with their contacts) whose present state has waited long enough."""
    statement = (
        select(ConversationRow.id, ConversationRow.contact_id)
        .where(ConversationRow.mode == "flow", ConversationRow.due_at <= now)
        .order_by(ConversationRow.due_at)
        .limit(limit)
    )
    return [(found, whose) for found, whose in await session.execute(statement)]


async def conversations(
    session: ReadSession, *, mode: str | None, limit: int, before: UUID | None = None
) -> Sequence[tuple[ConversationRow, ChatContactRow]]:
    """Conversations with their contacts, newest first: all, or those in one mode."""
    statement = (
        select(ConversationRow, ChatContactRow)
        .join(ChatContactRow, ChatContactRow.id == ConversationRow.contact_id)
        .order_by(ConversationRow.id.desc())
        .limit(limit)
    )
    if mode:
        statement = statement.where(ConversationRow.mode == mode)
    if before:
        statement = statement.where(ConversationRow.id < before)
    return [(row, whose) for row, whose in await session.execute(statement)]


async def heard(session: ReadSession, contact_id: UUID, limit: int) -> Sequence[InboundRow]:
    """What a contact wrote, newest first."""
    statement = select(InboundRow).where(InboundRow.contact_id == contact_id)
    newest = statement.order_by(InboundRow.sent_at.desc(), InboundRow.number.desc()).limit(limit)
    return (await session.execute(newest)).scalars().all()


async def said(session: ReadSession, contact_id: UUID, limit: int) -> Sequence[MessageRow]:
    """What we wrote to a contact, newest first."""
    statement = select(MessageRow).where(MessageRow.contact_id == contact_id).order_by(MessageRow.id.desc())
    return (await session.execute(statement.limit(limit))).scalars().all()


async def last_unsent(session: Session, contact_id: UUID) -> MessageRow | None:
    """The last message to a contact that is still to be handed over, locked: the next goes after it."""
    newest = (
        select(MessageRow.id)
        .where(MessageRow.contact_id == contact_id, MessageRow.status == "queued")
        .order_by(MessageRow.id.desc())
        .limit(1)
    )
    found = (await session.execute(newest)).scalar_one_or_none()
    if found is None:
        return None
    locked = select(MessageRow).where(MessageRow.id == found).with_for_update()
    row = (await session.execute(locked.execution_options(populate_existing=True))).scalar_one_or_none()
    return row if row and row.status == "queued" else None


async def delete_chats_before(session: Session, instant: datetime) -> Sequence[UUID]:
    """Forget whoever has been silent since `instant`, with all that was said, and calls that could not be read.

    Returns who is gone: their files are elsewhere.
    """
    silent = and_(
        func.coalesce(ChatContactRow.last_inbound_at, ChatContactRow.created_at) < instant,
        ~select(ConversationRow.id)
        .where(ConversationRow.contact_id == ChatContactRow.id, ConversationRow.mode == "person")
        .exists(),
    )
    gone = await session.execute(delete(ChatContactRow).where(silent).returning(ChatContactRow.id))
    await session.execute(delete(ReceivedRow).where(ReceivedRow.created_at < instant))
    return gone.scalars().all()


async def delete_chats_of(session: Session, person_id: UUID, addresses: Sequence[str]) -> Sequence[UUID]:
    """Forget the chats of a person who is being erased. Returns whose they were: their files are elsewhere."""
    theirs = or_(ChatContactRow.person_id == person_id, ChatContactRow.phone.in_(addresses))
    gone = await session.execute(delete(ChatContactRow).where(theirs).returning(ChatContactRow.id))
    return gone.scalars().all()


def _turn(provider: str, who: Correspondent) -> str:
    return f"channels.contact:{provider}:{who.account}"


async def mark_handled(session: Session, inbound_id: UUID, now: datetime) -> None:
    """Nobody needs to look at this message any more."""
    await session.execute(update(InboundRow).where(InboundRow.id == inbound_id).values(handled_at=now))
