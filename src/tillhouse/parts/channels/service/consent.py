"""May this be sent, to whom, now? Consent per channel and purpose, opt-outs, quiet hours, and how much is enough.

The rule: transactional messages go unless the person said no; marketing goes only where the person said yes, waits for
the day, and stops at a few a day. A stop from an address holds for all of SMS (carriers see to it anyway), and for
marketing elsewhere.
"""

import base64
import hashlib
import hmac
from datetime import datetime, timedelta
from uuid import UUID

from tillhouse.kernel import clock
from tillhouse.kernel.db import ReadSession, Session, house_of
from tillhouse.kernel.errors import NotFound
from tillhouse.kernel.house import House
from tillhouse.kernel.ids import new_id
from tillhouse.kernel.text import N_
from tillhouse.parts.channels.domain.messages import CHANNELS, PURPOSES, Channel, Purpose, not_before
from tillhouse.parts.channels.models import ConsentRow, MessageRow
from tillhouse.parts.channels.settings import ChannelsSettings
from tillhouse.parts.channels.store import reach

_DAY, _HOUR = timedelta(days=1), timedelta(hours=1)


async def set_consent(
    session: Session, person_id: UUID, channel: Channel, purpose: Purpose, *, allowed: bool, source: str
) -> None:
    """Note what a person said, and where they said it (`settings`, `link`, `chat`, `checkout`)."""
    session.add(
        ConsentRow(
            id=new_id(),
            person_id=person_id,
            channel=channel,
            purpose=purpose,
            allowed=allowed,
            source=source,
            at=clock.now(),
        )
    )
    await session.flush()


async def consents_of(session: ReadSession, person_id: UUID) -> dict[tuple[Channel, Purpose], bool]:
    """What may be sent to a person, for every channel and purpose."""
    said = {(row.channel, row.purpose): row.allowed for row in await reach.consents(session, person_id)}
    return {
        (channel, purpose): said.get((channel, purpose), purpose == "transactional")
        for channel in CHANNELS
        for purpose in PURPOSES
    }


async def allowed(session: ReadSession, channel: str, purpose: str, *, person_id: UUID | None, address: str) -> bool:
    """Whether a message of this purpose may be sent. Whoever has no account has agreed to nothing but answers."""
    if await has_stopped(session, channel, purpose, address):
        return False
    if person_id is None:
        return purpose == "transactional"
    said = {(row.channel, row.purpose): row.allowed for row in await reach.consents(session, person_id)}
    return said.get((channel, purpose), purpose == "transactional")


async def has_stopped(session: ReadSession, channel: str, purpose: str, address: str) -> bool:
    """Whether somebody said stop from this address to messages of this purpose."""
    return (channel == "sms" or purpose == "marketing") and await reach.opted_out(session, channel, address)


async def may_go_at(session: ReadSession, row: MessageRow) -> datetime:
    """The earliest moment for a message: now, or when the night or a limit is over."""
    now, settings = clock.now(), house_of(session).settings_of(ChannelsSettings)
    earliest = now
    if row.purpose == "marketing":
        earliest = not_before(now, str(row.data.get("zone") or "UTC"), settings.quiet_from, settings.quiet_to)
        count, first = await reach.sent_since(
            session, now - _DAY, person_id=row.person_id, address=row.address, purpose="marketing"
        )
        if count >= settings.marketing_per_day and first:
            earliest = max(earliest, first + _DAY)
    count, first = await reach.sent_since(session, now - _HOUR, address=row.address)
    if count >= settings.messages_per_hour and first:
        earliest = max(earliest, first + _HOUR)
    return earliest


def opt_out_token(house: House, person_id: UUID, channel: str) -> str:
    """What a link in a message carries so that a person can leave without signing in."""
    what = f"{person_id.hex}.{channel}"
    return f"{what}.{_seal(house, what)}"


def opt_out_page(house: House, person_id: UUID, channel: str) -> str:
    """The address of the page that asks once and ends offers: for the reader of a message."""
    return house.settings.address(f"/messages/opt-out/{opt_out_token(house, person_id, channel)}")


def opt_out_door(house: House, person_id: UUID, channel: str) -> str:
    """The address that ends offers by one POST (RFC 8058): for the button of a mail program."""
    return house.settings.address(f"/api/v1/channels/opt-out/{opt_out_token(house, person_id, channel)}")


async def opt_out_by_token(session: Session, token: str) -> Channel:
    """End marketing on the channel of a link. Safe to repeat. Raises `NotFound` for a link that is not ours."""
    what, _, seal = token.rpartition(".")
    person, _, named = what.partition(".")
    channel = next((one for one in CHANNELS if one == named), None)
    if channel is None or not hmac.compare_digest(seal.encode(), _seal(house_of(session), what).encode()):
        raise NotFound(N_("This link is not complete. Copy the whole of it out of the message."))
    person_id = UUID(hex=person)
    if await allowed(session, channel, "marketing", person_id=person_id, address=""):
        await set_consent(session, person_id, channel, "marketing", allowed=False, source="link")
    return channel


def _seal(house: House, what: str) -> str:
    key = house.settings.secret_key.encode()
    found = hmac.new(key, f"channels.opt_out\0{what}".encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(found[:18]).decode()
