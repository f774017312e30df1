"""A phone that is a page of the console: what it sends goes the way of every message, but for no provider between."""

from tillhouse.kernel import clock
from tillhouse.kernel.house import House
from tillhouse.kernel.ids import new_id
from tillhouse.kernel.work import enqueue
from tillhouse.parts.channels.domain.chat import Arrived, Correspondent, Incoming, Kind, MediaRef
from tillhouse.parts.channels.events import Converse
from tillhouse.parts.channels.flows.chats import KIND
from tillhouse.parts.channels.providers.simulator import ACCOUNT
from tillhouse.parts.channels.service import conversations, inbound
from tillhouse.parts.channels.store import chats
from tillhouse.parts.files import api as files

_KINDS: dict[str, Kind] = {"image": "image", "audio": "audio", "video": "video"}


async def says(house: House, who: Correspondent, text: str, choice: str = "") -> None:
    """Write words, or press the button that carries `choice`."""
    await _sends(house, who, Incoming(str(new_id()), "press" if choice else "text", clock.now(), text, choice))


async def is_at(house: House, who: Correspondent, latitude: str, longitude: str) -> None:
    """Send a place."""
    facts = {"latitude": latitude, "longitude": longitude}
    await _sends(house, who, Incoming(str(new_id()), "location", clock.now(), facts=facts))


async def sends_file(house: House, who: Correspondent, name: str, content: bytes) -> None:
    """Send a picture, a recording or another file: it is in the house already, so that nobody needs to fetch it.

    Must not be called in a transaction. Raises `FileRefused`, `PayloadTooLarge`, `TransientError`.
    """
    async with house.database.transaction() as session:
        contact = await inbound.contact_of(session, ACCOUNT, who)
        contact_id, owner_id = contact.id, conversations.owner_of(contact)
    stored = await files.store_bytes(house, owner_id, name, content, kind=KIND)
    kind = _KINDS.get(stored.media_type.partition("/")[0], "document")
    message = Incoming(str(new_id()), kind, clock.now(), media=MediaRef("", stored.media_type, stored.name))
    async with house.database.transaction() as session:
        locked = await chats.lock_contact(session, contact_id)
        if locked is None:
            return
        row = inbound.inbound_row(locked, ACCOUNT, message)
        row.media, row.file_id, locked.last_inbound_at = "stored", stored.id, row.sent_at
        session.add(row)
        await session.flush()
        await enqueue(session, Converse(contact_id=contact_id))


async def _sends(house: House, who: Correspondent, message: Incoming) -> None:
    async with house.database.transaction() as session:
        await inbound.take(session, ACCOUNT, Arrived(who, message))
