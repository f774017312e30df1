"""Use cases of messages inside one transaction: queueing one, recording what became of it, the next way when it failed.

A message that failed on one channel is followed by another on the next that its template names; `instead_of` is unique,
so that a late second report starts no second one. What is said in a chat is handed over in order: a line waits for the
one before it (`after_id`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import overload
from uuid import UUID

from tillhouse.kernel import clock, live
from tillhouse.kernel.db import JsonObject, ReadSession, Session, house_of
from tillhouse.kernel.ids import new_id
from tillhouse.kernel.work import enqueue
from tillhouse.parts.channels import store
from tillhouse.parts.channels.domain.chat import Line
from tillhouse.parts.channels.domain.messages import Channel, Purpose, Status, may_follow
from tillhouse.parts.channels.events import ForgetMessages, SendMessage
from tillhouse.parts.channels.models import ChatContactRow, MessageRow, NoticeRow
from tillhouse.parts.channels.ports import Carriers, MessageTemplate, Outgoing
from tillhouse.parts.channels.service.consent import consents_of, has_stopped
from tillhouse.parts.channels.service.rendering import CHALLENGE, LINE, described, files_of, render
from tillhouse.parts.channels.settings import ChannelsSettings
from tillhouse.parts.channels.store import chats, reach
from tillhouse.parts.files import api as files
from tillhouse.parts.identity.api import Contact, contacts

_KEEP = timedelta(days=90)


@dataclass(frozen=True, slots=True)
class Recipient:
    """Whom a message goes to and the language to write it in."""

    channel: Channel
    address: str
    locale: str
    zone: str = "UTC"
    person_id: UUID | None = None


@overload
async def send(session: Session, to: Recipient, template: str, data: JsonObject) -> UUID: ...
@overload
async def send(session: Session, to: UUID, template: str, data: JsonObject) -> UUID | None: ...
async def send(session: Session, to: Recipient | UUID, template: str, data: JsonObject) -> UUID | None:
    """Queue a message; it leaves after this transaction commits. Returns its id.

    `to` is a person's id: the message goes by the first channel of its template (`MessageTemplate`) on which the person
    can be reached and agreed to be, and by the next where that fails, and into the app where the template says so; None
    when there is no way. Or it is a `Recipient`, one address, written to whatever the template says of channels.

    `template` is `module.name`: files `<module>/messages/<name>.<locale>.{txt,html,sms.txt,whatsapp.txt,push.txt}` of
    the module's templates, English where there is none in the language. `data` fills it: plain values, amounts as
    `kernel.web.formats.to_be_said`, nothing secret;
    where it holds `challenge_id` the job asks identity for the code. Raises `LookupError` for a template that does not
    exist.
    """
    about = described(house_of(session), template)
    if isinstance(to, Recipient):
        files_of(house_of(session), template, to.locale, to.channel)
        return await _queue(session, to, about, data, ())
    reach_of = await _reach_of(session, to)
    if reach_of is None:
        return None
    inside = await _put_besides(session, reach_of, about, data) if about.also else None
    return await _first_of(session, reach_of, about, data, about.channels) or inside


async def tell(session: Session, person_id: UUID, template: str, data: JsonObject) -> None:
    """`send` to a person as identity asks for it: to every confirmed address where it is about security."""
    if described(house_of(session), template).category != "security":
        await send(session, person_id, template, data)
        return
    for contact in await contacts(session, person_id):
        await send_to_contact(session, contact, template, data)


async def send_to_contact(session: Session, to: Contact, template: str, data: JsonObject) -> None:
    """`send` to one address as identity asks for it."""
    channel: Channel = "email" if to.kind == "email" else "sms"
    await send(session, Recipient(channel, to.address, to.locale, to.zone, to.person_id), template, data)


async def say(session: Session, contact: ChatContactRow, line: Line, *, owner_id: UUID | None = None) -> UUID:
    """Queue a line of a chat, after whatever is still to be said in it. The contact is locked.

    `owner_id` is whose the file of the line is.
    """
    before = await chats.last_unsent(session, contact.id)
    row = _row(
        Recipient(channel_of(contact), address_of(contact), contact.locale, person_id=contact.person_id),
        MessageTemplate(LINE),
        {**line.as_json(), "owner_id": str(owner_id) if owner_id else None},
    )
    row.contact_id, row.provider, row.after_id = contact.id, contact.provider, before.id if before else None
    session.add(row)
    await session.flush()
    if before is None:
        await enqueue(session, SendMessage(message_id=row.id))
    return row.id


async def record(
    session: Session,
    message_id: UUID,
    status: Status,
    *,
    provider: str | None = None,
    provider_id: str | None = None,
    error_code: str | None = None,
) -> None:
    """Note what became of a message; a report that would take it back changes nothing."""
    row = await store.lock_message(session, message_id)
    if row is None:
        return
    was = row.status
    if may_follow(was, status):
        row.status, row.error_code = status, error_code
    row.provider = row.provider or provider
    row.provider_id = row.provider_id or provider_id
    row.attempted_at, row.updated_at = None, clock.now()
    await session.flush()
    if was == "queued" and row.status != "queued":
        for waiting in await store.waiting_for(session, row.id):
            await enqueue(session, SendMessage(message_id=waiting))
    if row.status == "failed" and was != "failed":
        await _fall_back(session, row)


async def record_given_up(session: Session, task: SendMessage) -> None:
    """A job that never came to an end: nobody is left to send the message."""
    row = await store.lock_message(session, task.message_id)
    if row and row.status == "queued":
        await record(session, row.id, "unknown" if row.attempted_at else "failed", error_code="gave_up")


async def erase(session: Session, person_id: UUID, addresses: Sequence[str]) -> None:
    """Delete what was sent to a person who is being erased, what they wrote and sent, and how they could be reached."""
    await reach.delete_reach_of(session, person_id, addresses)
    await files.delete_all_of(session, await chats.delete_chats_of(session, person_id, addresses))


async def forget(session: Session, _task: ForgetMessages) -> None:
    """Delete messages of more than 90 days ago, and chats that have been silent for as long as the settings say, with
    the files that were sent in them.
    """
    settings = house_of(session).settings_of(ChannelsSettings)
    await store.delete_before(session, clock.now() - _KEEP)
    await reach.delete_notices_before(session, clock.now() - _KEEP)
    gone = await chats.delete_chats_before(session, clock.now() - timedelta(days=settings.chat_keep_days))
    await files.delete_all_of(session, gone)


def channel_of(contact: ChatContactRow) -> Channel:
    """How a contact writes to us: a Twilio number without `whatsapp:` takes texts."""
    return "sms" if contact.provider == "twilio" and contact.account.startswith("+") else "whatsapp"


def address_of(contact: ChatContactRow) -> str:
    """Where a contact is written to: the number where we know it, else the user id."""
    return contact.phone or contact.user_id or ""


def put_inside(session: Session, row: MessageRow, outgoing: Outgoing) -> None:
    """Put a message where its person finds it in the app: it arrives with this transaction."""
    person_id = row.person_id or UUID(row.address)
    session.add(
        NoticeRow(
            id=row.id,
            person_id=person_id,
            title=outgoing.subject,
            body=outgoing.text,
            url=outgoing.url,
            created_at=clock.now(),
            read_at=None,
        )
    )
    live.tell(session, person_id, "notices", id=str(row.id))


@dataclass(frozen=True, slots=True)
class _Reach:
    """A person: where they are reached, first by what they confirmed first, and what they agreed to."""

    person_id: UUID
    known: Sequence[Contact]
    agreed: Mapping[tuple[Channel, Purpose], bool]


async def _reach_of(session: ReadSession, person_id: UUID) -> _Reach | None:
    """None for a person who is erased or unknown."""
    known = await contacts(session, person_id)
    return _Reach(person_id, known, await consents_of(session, person_id)) if known else None


async def _put_besides(session: Session, to: _Reach, about: MessageTemplate, data: JsonObject) -> UUID | None:
    """Into the app at once, without a job of its own, unless the person wants nothing there."""
    if not to.agreed["in_app", about.purpose]:
        return None
    row = _row(_recipient(to, "in_app", str(to.person_id)), about, {**data, "zone": to.known[0].zone})
    outgoing = await render(session, row)
    if outgoing is None:
        return None
    row.status, row.provider = "delivered", "in_app"
    session.add(row)
    put_inside(session, row, outgoing)
    return row.id


async def _first_of(
    session: Session,
    to: _Reach,
    about: MessageTemplate,
    data: JsonObject,
    channels: Sequence[str],
    *,
    instead_of: UUID | None = None,
) -> UUID | None:
    for number, word in enumerate(channels):
        channel = _channel(word)
        address = await _address(session, to, channel) if to.agreed[channel, about.purpose] else None
        if (
            address
            and _is_written(session, about.name, to.known[0].locale, channel)
            and not await has_stopped(session, channel, about.purpose, address)
        ):
            recipient = _recipient(to, channel, address)
            return await _queue(session, recipient, about, data, channels[number + 1 :], instead_of=instead_of)
    return None


def _recipient(to: _Reach, channel: Channel, address: str) -> Recipient:
    return Recipient(channel, address, to.known[0].locale, to.known[0].zone, to.person_id)


async def _fall_back(session: Session, row: MessageRow) -> None:
    to = await _reach_of(session, row.person_id) if row.person_id and row.fallbacks else None
    if to:
        about = described(house_of(session), row.template)
        await _first_of(session, to, about, row.data, row.fallbacks, instead_of=row.id)


async def _address(session: ReadSession, to: _Reach, channel: Channel) -> str | None:
    """Where a person is reached on a channel, None where they are not, or nothing carries it here."""
    if channel == "in_app":
        return str(to.person_id)
    if not house_of(session).the(Carriers).has(channel):
        return None
    if channel == "push":
        return str(to.person_id) if await reach.push_targets(session, to.person_id) else None
    kind = "email" if channel == "email" else "phone"
    return next((one.address for one in to.known if one.kind == kind), None)


async def _queue(
    session: Session,
    to: Recipient,
    about: MessageTemplate,
    data: JsonObject,
    fallbacks: Sequence[str],
    *,
    instead_of: UUID | None = None,
) -> UUID:
    row = _row(to, about, {**data, "zone": to.zone})
    row.fallbacks, row.instead_of = list(fallbacks), instead_of
    session.add(row)
    await session.flush()
    await enqueue(session, SendMessage(message_id=row.id))
    return row.id


def _row(to: Recipient, about: MessageTemplate, data: JsonObject) -> MessageRow:
    return MessageRow(
        id=new_id(),
        channel=to.channel,
        address=to.address,
        locale=to.locale,
        template=about.name,
        data=data,
        status="queued",
        created_at=clock.now(),
        updated_at=clock.now(),
        person_id=to.person_id,
        purpose=about.purpose,
        fallbacks=[],
        when_unknown="resend" if CHALLENGE in data else about.when_unknown,
    )


def _is_written(session: ReadSession, template: str, locale: str, channel: str) -> bool:
    try:
        files_of(house_of(session), template, locale, channel)
    except LookupError:
        return False
    return True


def _channel(word: str) -> Channel:
    return next(one for one in ("email", "sms", "whatsapp", "push", "in_app") if one == word)
