"""Deliveries that wait at the same time: what is plain in them is taken in by a few statements for all of them.

Plain is a message of somebody whom we know in one way or not at all and that we do not answer ourselves (stop, start),
and a report on a message that is sent already and has not failed. A delivery that says anything else goes its own way
(`inbound.take_in`), and so does whatever the same people sent after it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from tillhouse.kernel import clock
from tillhouse.kernel.db import Session, house_of
from tillhouse.kernel.work import Task, enqueue_all
from tillhouse.parts.channels import store
from tillhouse.parts.channels.domain.chat import Arrived, Correspondent, Delivered, Reported
from tillhouse.parts.channels.domain.messages import Status, may_follow, may_stop_or_start, status_of_whatsapp
from tillhouse.parts.channels.events import Converse, FetchMedia
from tillhouse.parts.channels.models import ChatContactRow, InboundRow, MessageRow, ReceivedRow
from tillhouse.parts.channels.service.bell import Bell
from tillhouse.parts.channels.service.inbound import as_uuid, inbound_row, new_contact, read, renew
from tillhouse.parts.channels.store import chats
from tillhouse.parts.identity.api import people_by_phone

Key = tuple[str, str, str]  # provider, account of ours, and a number or user id


@dataclass(slots=True)
class _Delivery:
    row: ReceivedRow
    arrived: list[Arrived] = field(default_factory=list)
    reported: list[tuple[Reported, Status]] = field(default_factory=list)
    keys: set[Key] = field(default_factory=set)
    plain: bool = True


async def take_in_together(session: Session, received: Mapping[UUID, str | None]) -> set[UUID]:
    """Take in what is plain of these deliveries (id → the request that brought it). Returns those that are done.

    What went before, and is no longer there, is among them. Raises what the database raises; then none is.
    """
    rows = await chats.lock_all_received(session, sorted(received))
    deliveries = [_read(row) for row in rows]
    people = await _People.of(session, [one for one in deliveries if one.plain])
    told = await _Told.of(session, [one for one in deliveries if one.plain])
    apart: set[Key] = set()
    for one in deliveries:
        one.plain = one.plain and apart.isdisjoint(one.keys) and people.knows(one) and told.knows(one)
        if not one.plain:
            apart |= one.keys
    plain = [one for one in deliveries if one.plain]
    await people.take(session, plain, received)
    await told.take(session, plain)
    await chats.delete_received(session, [one.row.id for one in plain])
    return set(received) - {one.row.id for one in deliveries if not one.plain}


def _read(row: ReceivedRow) -> _Delivery:
    """What a delivery says; not plain where it cannot be read, or wants more than to be noted."""
    delivery = _Delivery(row)
    try:
        found: Sequence[Delivered] = read(row)
    except ValueError:
        delivery.plain = False
        return delivery
    for one in found:
        if isinstance(one, Arrived):
            delivery.arrived.append(one)
            delivery.keys.update(_keys(row.provider, one.sender))
            text = one.message.text if one.message.kind == "text" else ""
            delivery.plain = delivery.plain and not may_stop_or_start(text)
        elif isinstance(one, Reported):
            if status := status_of_whatsapp(one.status):
                delivery.reported.append((one, status))
        else:
            delivery.keys.update(_keys(row.provider, one.before), _keys(row.provider, one.after))
            delivery.plain = False
    return delivery


def _keys(provider: str, who: Correspondent) -> set[Key]:
    return {(provider, who.account, name) for name in (who.phone, who.user_id) if name}


class _People:
    """The contacts who wrote, locked."""

    def __init__(self, known: Iterable[ChatContactRow]) -> None:
        self._by_key: dict[Key, ChatContactRow] = {}
        for contact in known:
            self._note(contact)

    @classmethod
    async def of(cls, session: Session, deliveries: Sequence[_Delivery]) -> "_People":
        senders = [(one.row.provider, arrived.sender) for one in deliveries for arrived in one.arrived]
        return cls(await chats.lock_all_correspondents(session, senders) if senders else ())

    def knows(self, delivery: _Delivery) -> bool:
        """Whether each sender is one contact or none: two that turn out to be one are made one elsewhere."""
        return all(
            len({contact.id for contact in self._found(delivery.row.provider, one.sender)}) < 2
            for one in delivery.arrived
        )

    async def take(self, session: Session, deliveries: Sequence[_Delivery], causes: Mapping[UUID, str | None]) -> None:
        """Keep their messages, each once, and ask for what follows: files to fetch, conversations to go on with."""
        heard: list[tuple[InboundRow, ChatContactRow, str | None]] = []
        for delivery in deliveries:
            for one in delivery.arrived:
                contact = self._contact(session, delivery.row.provider, one.sender)
                row = inbound_row(contact, delivery.row.provider, one.message)
                heard.append((row, contact, causes[delivery.row.id]))
        if not heard:
            return
        await _recognise(session, {contact.id: contact for _, contact, _ in heard}.values())
        await session.flush()
        fresh = await chats.insert_all_inbound(session, [row for row, _, _ in heard])
        tasks: dict[Task, str | None] = {}
        for row, contact, cause in heard:
            if row.id not in fresh:
                continue
            at = min(row.sent_at, row.created_at)
            contact.last_inbound_at = max(contact.last_inbound_at or at, at)
            if row.media:
                tasks.setdefault(FetchMedia(inbound_id=row.id), cause)
            elif row.handled_at is None:
                tasks.setdefault(Converse(contact_id=contact.id), cause)
        await _ask_for(session, tasks)

    def _found(self, provider: str, who: Correspondent) -> list[ChatContactRow]:
        return [self._by_key[key] for key in _keys(provider, who) if key in self._by_key]

    def _contact(self, session: Session, provider: str, who: Correspondent) -> ChatContactRow:
        found = self._found(provider, who)
        if len({contact.id for contact in found}) > 1:
            raise LookupError("two contacts of one delivery turned out to be one")
        contact = found[0] if found else new_contact(provider, who)
        if not found:
            session.add(contact)
        renew(contact, who)
        self._note(contact)
        return contact

    def _note(self, contact: ChatContactRow) -> None:
        for name in (contact.phone, contact.user_id):
            if name:
                self._by_key[contact.provider, contact.account, name] = contact


class _Told:
    """Our messages that were reported on, locked."""

    def __init__(self, ids: Mapping[tuple[str, str], UUID], rows: Mapping[UUID, MessageRow]) -> None:
        self._ids, self._rows = ids, rows

    @classmethod
    async def of(cls, session: Session, deliveries: Sequence[_Delivery]) -> "_Told":
        reports = [(one.row.provider, report) for one in deliveries for report, _ in one.reported]
        if not reports:
            return cls({}, {})
        ids = dict(await store.messages_of_provider(session, {(provider, one.id) for provider, one in reports}))
        for provider, report in reports:
            if (provider, report.id) not in ids and (ours := as_uuid(report.ours)):
                ids[provider, report.id] = ours
        return cls(ids, await store.lock_messages(session, sorted(set(ids.values()))))

    def knows(self, delivery: _Delivery) -> bool:
        """Whether nothing follows from what is reported: no message waits for it, none goes another way instead."""
        rows = [self._row(delivery, report) for report, _ in delivery.reported]
        settled = all(row is None or row.status != "queued" for row in rows)
        return settled and all(status != "failed" for _, status in delivery.reported)

    async def take(self, session: Session, deliveries: Sequence[_Delivery]) -> None:
        """Note what became of them; a report that would take one back changes nothing."""
        now: datetime = clock.now()
        for delivery in deliveries:
            for report, status in delivery.reported:
                row = self._row(delivery, report)
                if row is None:
                    continue
                if may_follow(row.status, status):
                    row.status, row.error_code = status, None
                row.provider = row.provider or delivery.row.provider
                row.provider_id = row.provider_id or report.id
                row.attempted_at, row.updated_at = None, now
        await session.flush()

    def _row(self, delivery: _Delivery, report: Reported) -> MessageRow | None:
        message_id = self._ids.get((delivery.row.provider, report.id))
        return self._rows.get(message_id) if message_id else None


async def _recognise(session: Session, contacts: Iterable[ChatContactRow]) -> None:
    """Whoever has confirmed a number here is the person who writes from it."""
    strangers = [contact for contact in contacts if contact.person_id is None and contact.phone]
    found = await people_by_phone(session, [contact.phone or "" for contact in strangers])
    for contact in strangers:
        if person := found.get(contact.phone or ""):
            contact.person_id, contact.locale = person.id, person.locale


async def _ask_for(session: Session, tasks: Mapping[Task, str | None]) -> None:
    """Files are fetched one by one; of conversations one takes others along."""
    bell = house_of(session).the(Bell)
    told = [bell.wait(Converse) if isinstance(one, Converse) else timedelta() for one in tasks]
    await enqueue_all(session, list(tasks), caused_by=list(tasks.values()), told=told)
