"""Use cases of what comes in, inside one transaction: stored as it came, read by a job, each message once.

A webhook only keeps the bytes and asks for a job: providers want an answer within a quarter of a second, and send again
what they got none for. The job reads the delivery: contacts, messages (once by the provider's id), statuses (forward
only), and what follows: a file to fetch, a conversation to go on with.
"""

import json
from collections.abc import Sequence
from uuid import UUID

from tillhouse.kernel import clock
from tillhouse.kernel.context import request_id
from tillhouse.kernel.db import Session, house_of
from tillhouse.kernel.ids import new_id
from tillhouse.kernel.logs import get_logger
from tillhouse.kernel.work import enqueue, enqueue_all
from tillhouse.parts.channels import store
from tillhouse.parts.channels.domain.chat import Arrived, Correspondent, Delivered, Incoming, Renamed, Reported
from tillhouse.parts.channels.domain.messages import status_of_whatsapp
from tillhouse.parts.channels.events import Converse, FetchMedia, TakeIn
from tillhouse.parts.channels.models import ChatContactRow, InboundRow, ReceivedRow
from tillhouse.parts.channels.providers.twilio import read_inbound
from tillhouse.parts.channels.providers.whatsapp import read_delivery
from tillhouse.parts.channels.service import messages, stopping
from tillhouse.parts.channels.service.bell import Bell
from tillhouse.parts.channels.store import chats
from tillhouse.parts.files import api as files
from tillhouse.parts.identity.api import Identifier, person_by_identifier

log = get_logger(__name__)


async def keep(session: Session, provider: str, body: str) -> UUID:
    """Keep what a provider delivered, once its signature is right, and have it read after the commit."""
    row = ReceivedRow(id=new_id(), provider=provider, body=body, error=None, created_at=clock.now())
    session.add(row)
    await session.flush()
    told = [house_of(session).the(Bell).wait(TakeIn)]
    await enqueue_all(session, [TakeIn(received_id=row.id)], caused_by=[request_id()], told=told)
    return row.id


async def take_in(session: Session, task: TakeIn) -> None:
    """Read a delivery. One that nobody understands is kept with the reason, for someone to look at."""
    row = await chats.lock_received(session, task.received_id)
    if row is None:
        return
    try:
        found = read(row)
    except ValueError as error:
        row.error = str(error)[:500]
        log.warning("channels.delivery_not_understood", received_id=str(row.id), provider=row.provider)
        return
    for one in found:
        await take(session, row.provider, one)
    await session.delete(row)


async def take(session: Session, provider: str, one: Delivered) -> None:
    """One thing that a delivery says."""
    if isinstance(one, Arrived):
        await _take_message(session, provider, one)
    elif isinstance(one, Reported):
        await _take_report(session, provider, one)
    else:
        await _rename(session, provider, one)


def read(row: ReceivedRow) -> Sequence[Delivered]:
    """What a delivery says. Raises `ValueError` for one that is not as its provider writes them."""
    if row.provider == "twilio":
        return read_inbound(json.loads(row.body))
    return read_delivery(row.body)


async def _take_message(session: Session, provider: str, arrived: Arrived) -> None:
    contact = await contact_of(session, provider, arrived.sender)
    message, row = arrived.message, inbound_row(contact, provider, arrived.message)
    if not await chats.insert_all_inbound(session, [row]):
        return
    heard_at = min(row.sent_at, row.created_at)
    contact.last_inbound_at = max(contact.last_inbound_at or heard_at, heard_at)
    if message.kind == "text" and await stopping.said_stop_or_start(session, contact, message.text):
        await chats.mark_handled(session, row.id, row.created_at)
        return
    if message.media:
        await enqueue(session, FetchMedia(inbound_id=row.id))
    elif row.handled_at is None:
        await enqueue(session, Converse(contact_id=contact.id))


def inbound_row(contact: ChatContactRow, provider: str, message: Incoming) -> InboundRow:
    """A message of a contact as it is kept. A thumb or an unknown kind asks for nothing."""
    now = clock.now()
    return InboundRow(
        id=new_id(),
        contact_id=contact.id,
        provider=provider,
        external_id=message.id,
        kind=message.kind,
        content=message.as_json(),
        media="waiting" if message.media else None,
        sent_at=message.sent_at,
        created_at=now,
        handled_at=now if message.kind in ("reaction", "other") else None,
    )


async def contact_of(session: Session, provider: str, who: Correspondent) -> ChatContactRow:
    """Whoever wrote, locked, made where we never heard of them. Who is known by number and by id becomes one."""
    rows = await chats.lock_correspondents(session, provider, who)
    for other in rows[1:]:
        await merge(session, rows[0].id, other.id)
    contact = rows[0] if rows else new_contact(provider, who)
    if not rows:
        session.add(contact)
    renew(contact, who)
    if contact.person_id is None and contact.phone:
        await _recognise(session, contact, contact.phone)
    await session.flush()
    return contact


async def merge(session: Session, kept: UUID, dropped: UUID) -> None:
    """Two contacts turned out to be one: what either wrote and sent is the one's. Both are locked."""
    await chats.merge_contacts(session, kept, dropped)
    await files.change_owner(session, dropped, kept)


def new_contact(provider: str, who: Correspondent) -> ChatContactRow:
    """Somebody of whom we never heard."""
    return ChatContactRow(
        id=new_id(), provider=provider, account=who.account, locale="en", name=who.name, created_at=clock.now()
    )


def renew(contact: ChatContactRow, who: Correspondent) -> None:
    """A contact goes by what they wrote under last."""
    contact.phone, contact.user_id = who.phone or contact.phone, who.user_id or contact.user_id
    contact.name = who.name or contact.name


async def _recognise(session: Session, contact: ChatContactRow, phone: str) -> None:
    """Whoever has confirmed this number here is the person who writes from it."""
    person = await person_by_identifier(session, Identifier("phone", phone))
    if person:
        contact.person_id, contact.locale = person.id, person.locale


async def _take_report(session: Session, provider: str, report: Reported) -> None:
    """What became of a message of ours; our own id, where it is given back, finds one whose answer got lost."""
    status = status_of_whatsapp(report.status)
    if status is None:
        return
    message_id = await store.message_of_provider(session, provider, report.id)
    if message_id is None and (ours := as_uuid(report.ours)):
        message_id = ours
    if message_id:
        code = f"{provider}_{report.error_code}" if report.error_code else None
        await messages.record(session, message_id, status, provider=provider, provider_id=report.id, error_code=code)


async def _rename(session: Session, provider: str, renamed: Renamed) -> None:
    """Somebody's number or user id changed: the chat goes on under the new one."""
    known = await chats.lock_correspondents(session, provider, renamed.before)
    if not known:
        return
    contact = known[0]
    for other in [*known[1:], *await chats.lock_correspondents(session, provider, renamed.after)]:
        if other.id != contact.id:
            await merge(session, contact.id, other.id)
    contact.phone = renamed.after.phone or contact.phone
    contact.user_id = renamed.after.user_id or contact.user_id
    if renamed.after.phone and renamed.after.phone != renamed.before.phone:
        contact.person_id = None  # a number that is somebody's account may be somebody else's by now
        await _recognise(session, contact, renamed.after.phone)


def as_uuid(text: str) -> UUID | None:
    """The id that a text is, None where it is none."""
    try:
        return UUID(text)
    except ValueError:
        return None
