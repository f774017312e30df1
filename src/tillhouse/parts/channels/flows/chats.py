"""Files of a chat: brought into the house as soon as the message is known, while the provider still has them.

Meta's address for a file is good for five minutes and the file for some days; Twilio's as long as the account likes.
What cannot be had is noted with the reason, and the conversation goes on: the flow asks for it once more.
"""

from datetime import timedelta

from tillhouse.kernel import clock
from tillhouse.kernel.db import Session
from tillhouse.kernel.errors import DomainError, TransientError
from tillhouse.kernel.work import JobRun, enqueue
from tillhouse.parts.channels.domain.chat import MediaRef
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


async def fetch_media(run: JobRun, task: FetchMedia) -> None:
    """Bring the file of one message into the house. Raises `TransientError` to be tried again."""
    async with run.house.database.reading() as session:
        row = await chats.inbound(session, task.inbound_id)
        contact = await chats.contact(session, row.contact_id) if row else None
        if row is None or contact is None or row.media != "waiting":
            return
        media, provider, channel = _media(row), row.provider, channel_of(contact)
        owner_id = conversations.owner_of(contact)
    most = run.house.settings_of(ChannelsSettings).media_most_megabytes * 1_000_000
    try:
        carrier = run.house.the(Carriers).of(channel, provider)
        if not isinstance(carrier, FetchesMedia):
            raise Refused("no_media")
        content = await carrier.fetch(media, most)
        stored = await files.store_bytes(
            run.house, owner_id, media.name or f"{row.kind}-{row.number}", content, kind=KIND
        )
    except TransientError:
        raise
    except DomainError as error:
        reason = error.reason if isinstance(error, Refused) else error.code
        async with run.transaction() as session:
            await _end(session, task, reason)
        return
    async with run.transaction() as session:
        locked = await chats.inbound(session, task.inbound_id)
        if locked and locked.media == "waiting":
            locked.media, locked.file_id = "stored", stored.id
            await enqueue(session, Converse(contact_id=locked.contact_id))


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
