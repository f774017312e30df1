"""Files of a chat: brought into the house as soon as the message is known, while the provider still has them.

Meta's address for a file is good for five minutes and the file for some days; Twilio's as long as the account likes.
What cannot be had is noted with the reason, and the conversation goes on: the flow asks for it once more. Whoever has
sent as much as is kept of one chat is told so; nothing of it is fetched.
"""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from tillhouse.kernel import clock
from tillhouse.kernel.db import ReadSession, Session
from tillhouse.kernel.errors import DomainError, TransientError
from tillhouse.kernel.house import House
from tillhouse.kernel.work import JobRun, enqueue
from tillhouse.parts.channels.domain.chat import MediaRef
from tillhouse.parts.channels.domain.messages import Channel
from tillhouse.parts.channels.events import Converse, FetchMedia, LookAfterChats
from tillhouse.parts.channels.models import InboundRow
from tillhouse.parts.channels.ports import Carriers, FetchesMedia, Refused
from tillhouse.parts.channels.service import conversations
from tillhouse.parts.channels.service.messages import channel_of
from tillhouse.parts.channels.settings import ChannelsSettings
from tillhouse.parts.channels.store import chats
from tillhouse.parts.files import api as files

KIND = "channels.inbound"
_FORGOTTEN = timedelta(minutes=30)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A file that is still with its provider, and the bytes that there is room for."""

    owner_id: UUID
    channel: Channel
    provider: str
    media: MediaRef
    name: str
    room: int


async def fetch_media(run: JobRun, task: FetchMedia) -> None:
    """Bring the file of one message into the house. Raises `TransientError` to be tried again."""
    async with run.house.database.reading() as session:
        wanted = await _wanted(session, task)
    if wanted is None:
        return
    try:
        content = await _fetched(run.house, wanted)
        stored = await files.store_bytes(run.house, wanted.owner_id, wanted.name, content, kind=KIND)
    except TransientError:
        raise
    except DomainError as error:
        reason = error.reason if isinstance(error, Refused) else error.code
        async with run.transaction() as session:
            await _end(session, task, reason)
        return
    async with run.transaction() as session:
        await _keep(session, task, stored)


async def _wanted(session: ReadSession, task: FetchMedia) -> _Wanted | None:
    row = await chats.inbound(session, task.inbound_id)
    contact = await chats.contact(session, row.contact_id) if row else None
    if row is None or contact is None or row.media != "waiting":
        return None
    owner_id, media = conversations.owner_of(contact), _media(row)
    room = await files.room_for(session, owner_id, KIND) or 0
    return _Wanted(owner_id, channel_of(contact), row.provider, media, media.name or f"{row.kind}-{row.number}", room)


async def _fetched(house: House, wanted: _Wanted) -> bytes:
    """The bytes. Raises `Refused`, `TransientError`."""
    carrier = house.the(Carriers).of(wanted.channel, wanted.provider)
    if not isinstance(carrier, FetchesMedia):
        raise Refused("no_media")
    most = house.settings_of(ChannelsSettings).media_most_megabytes * 1_000_000
    if not wanted.room:
        raise Refused(conversations.NO_ROOM)
    try:
        return await carrier.fetch(wanted.media, min(most, wanted.room))
    except Refused as refused:
        if refused.reason == "media_too_large" and wanted.room < most:
            raise Refused(conversations.NO_ROOM) from refused
        raise


async def _keep(session: Session, task: FetchMedia, stored: files.StoredFile) -> None:
    """Note the file at its message, and go on. Where the chat was forgotten meanwhile, the file goes too; where its
    contact became one with another, the file is that one's.
    """
    row = await _locked(session, task.inbound_id)
    if row is None:  # it goes with its contact alone
        await files.delete_all_of(session, [stored.owner_id])
        return
    if row.contact_id != stored.owner_id:
        await files.change_owner(session, stored.owner_id, row.contact_id)
    if row.media == "waiting":
        row.media, row.file_id = "stored", stored.id
        await enqueue(session, Converse(contact_id=row.contact_id))
    else:  # somebody else was as fast
        await files.delete(session, row.contact_id, stored.id)


async def _locked(session: Session, inbound_id: UUID) -> InboundRow | None:
    """A message, with whoever wrote it locked: what forgets them or makes two of them one comes before us or after."""
    locked: UUID | None = None
    while (row := await chats.inbound(session, inbound_id)) and row.contact_id != locked:
        locked = row.contact_id
        await chats.lock_contact(session, locked)
    return row


async def fetch_gave_up(session: Session, task: FetchMedia) -> None:
    """The provider stayed away for too long."""
    await _end(session, task, "unreachable")


async def look_after_chats(run: JobRun, task: LookAfterChats) -> None:
    """Time that has passed, and files that nobody fetched."""
    async with run.transaction() as session:
        await conversations.look_after(session, task)
    async with run.transaction() as session:
        for inbound_id in await chats.forgotten_media(session, clock.now() - _FORGOTTEN, 100):
            await enqueue(session, FetchMedia(inbound_id=inbound_id), unique=f"{inbound_id}:{clock.now():%Y%m%d%H}")


async def _end(session: Session, task: FetchMedia, reason: str) -> None:
    row = await chats.inbound(session, task.inbound_id)
    if row and row.media == "waiting":
        row.media, row.media_error = "failed", reason
        await enqueue(session, Converse(contact_id=row.contact_id))


def _media(row: InboundRow) -> MediaRef:
    found = row.content.get("media")
    known = found if isinstance(found, dict) else {}
    return MediaRef(str(known.get("id")), str(known.get("type")), str(known.get("name") or ""))
