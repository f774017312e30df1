"""Handing a message over: intent, network, outcome, each in its own transaction.

What happens to a message when we cannot know: a try whose outcome was never recorded (the process died, the answer got
lost) may have reached the person. What its template says decides: `resend` where a second copy does no harm (a code is
always one of these), `look_up` where the provider can be asked, and otherwise it stays `unknown` until the provider's
report says more, so that our own retry never sends it twice.
"""

from dataclasses import dataclass, replace
from datetime import timedelta
from uuid import UUID

from tillhouse.kernel import clock
from tillhouse.kernel.db import Session, house_of
from tillhouse.kernel.outbound import NotSent, OutcomeUnknown
from tillhouse.kernel.work import JobRun, enqueue
from tillhouse.parts.channels import store
from tillhouse.parts.channels.domain.chat import Approved, line_of, numbered
from tillhouse.parts.channels.domain.messages import Status, window_is_open
from tillhouse.parts.channels.events import SendMessage
from tillhouse.parts.channels.models import MessageRow
from tillhouse.parts.channels.ports import (
    Attachment,
    Carrier,
    Carriers,
    Gone,
    LooksUp,
    Outgoing,
    Refused,
    Taken,
    Target,
)
from tillhouse.parts.channels.service import consent, messages
from tillhouse.parts.channels.service.rendering import CHALLENGE, LINE, approved_of, described, is_mailed_offer, render
from tillhouse.parts.channels.store import chats, reach
from tillhouse.parts.files import api as files

ATTEMPTS = 6
_LINK_LIFE = timedelta(hours=1)  # a provider that fetches a file does so at once


@dataclass(frozen=True, slots=True)
class _Begun:
    """A message whose try has begun: what to send, by whom, and what an unknown end leads to."""

    outgoing: Outgoing
    channel: str
    provider: str | None
    when_unknown: str
    looks_up: bool = False
    targets: tuple[Target, ...] = ()
    owner_id: UUID | None = None
    file_id: UUID | None = None


async def send_message(run: JobRun, task: SendMessage) -> None:
    """Hand one message over. Raises `TransientError` to be tried again; the last try records a failure."""
    begun = await _begin(run, task)
    if begun is None:
        return
    carrier = None
    try:
        carrier = run.house.the(Carriers).of(begun.channel, begun.provider)
        taken = await _carry(run, carrier, begun)
    except Refused as refusal:
        await _end(run, task, "failed", carrier.name if carrier else None, error_code=refusal.reason)
    except NotSent:
        if run.attempt >= ATTEMPTS:
            await _end(run, task, "failed", None, error_code="unreachable")
            return
        if not begun.looks_up:
            await _forget_try(run, task)
        raise
    except OutcomeUnknown:
        await _end(run, task, "unknown", carrier.name if carrier else None)
        if begun.when_unknown != "leave" and run.attempt < ATTEMPTS:
            raise
    else:
        await _end(run, task, "sent", carrier.name, provider_id=taken.provider_id)


async def _carry(run: JobRun, carrier: Carrier, begun: _Begun) -> Taken:
    outgoing = begun.outgoing
    if begun.owner_id and begun.file_id:
        found, content = await files.read_bytes(run.house, begun.owner_id, begun.file_id)
        outgoing = replace(outgoing, attachment=Attachment(found.name, found.media_type, content))
    if begun.looks_up and isinstance(carrier, LooksUp):
        taken = await carrier.look_up(outgoing)
        if taken:
            return taken
    if begun.channel == "push":
        return await _push(run, outgoing, begun.targets)
    return await carrier.carry(outgoing)


async def _push(run: JobRun, outgoing: Outgoing, targets: tuple[Target, ...]) -> Taken:
    """To every phone and browser of the person; it is sent once one of them took it. Who is gone is forgotten."""
    taken: Taken | None = None
    trouble: Refused | NotSent | OutcomeUnknown | None = None
    for target in targets:
        try:
            carrier = run.house.the(Carriers).of("push", target.kind)
            found = await carrier.carry(replace(outgoing, target=target))
            taken = taken or found
        except Gone as gone:
            trouble = trouble or gone
            async with run.transaction() as session:
                await reach.delete_push_target(session, target.id)
        except (Refused, NotSent, OutcomeUnknown) as error:
            trouble = error if not isinstance(trouble, OutcomeUnknown) else trouble
    if taken:
        return taken
    raise trouble or Refused("no_device")


async def _begin(run: JobRun, task: SendMessage) -> _Begun | None:
    """Note that a try begins, and render the message; None when there is nothing to send."""
    async with run.transaction() as session:
        row = await store.lock_message(session, task.message_id)
        if row is None or row.status not in ("queued", "unknown"):
            return None
        doubtful = row.status == "unknown" or row.attempted_at is not None
        if doubtful and not _may_try_again(session, row):
            await messages.record(session, row.id, "unknown")
            return None
        if not doubtful and await _waits_or_may_not(session, row):
            return None
        outgoing = await render(session, row)
        if outgoing is None:
            await messages.record(session, row.id, "failed", error_code="code_no_longer_good")
            return None
        if row.channel == "in_app":
            messages.put_inside(session, row, outgoing)
            await messages.record(session, row.id, "delivered", provider="in_app")
            return None
        begun = await _prepared(session, row, outgoing, looks_up=doubtful and row.when_unknown == "look_up")
        if begun is None:
            await messages.record(session, row.id, "failed", error_code="window_closed")
            return None
        row.attempted_at = row.updated_at = clock.now()
        return begun


async def _waits_or_may_not(session: Session, row: MessageRow) -> bool:
    """Whether the message waits for its time, or must not go after all: somebody said stop in the meantime."""
    if row.template == LINE or CHALLENGE in row.data:
        return False
    if described(house_of(session), row.template).category == "security":
        return await _has_stopped(session, row)
    if not await consent.allowed(session, row.channel, row.purpose, person_id=row.person_id, address=row.address):
        await messages.record(session, row.id, "failed", error_code="no_consent")
        return True
    at = await consent.may_go_at(session, row)
    if at <= clock.now():
        return False
    await enqueue(session, SendMessage(message_id=row.id), run_at=at)
    return True


async def _has_stopped(session: Session, row: MessageRow) -> bool:
    """What is about security waits for nothing, and asks nobody but a carrier that would refuse it."""
    if not await consent.has_stopped(session, row.channel, row.purpose, row.address):
        return False
    await messages.record(session, row.id, "failed", error_code="no_consent")
    return True


def _may_try_again(session: Session, row: MessageRow) -> bool:
    """A try may have reached the person. Whoever can be asked is asked first; without an answer it is not repeated."""
    if row.when_unknown == "look_up":
        carriers = house_of(session).the(Carriers)
        return carriers.has(row.channel) and isinstance(carriers.of(row.channel, row.provider), LooksUp)
    return row.when_unknown == "resend"


async def _prepared(session: Session, row: MessageRow, outgoing: Outgoing, *, looks_up: bool) -> _Begun | None:
    """All that a carrier needs; None where words of one's own may not be sent and nothing was approved instead."""
    begun = _Begun(outgoing, row.channel, row.provider, row.when_unknown, looks_up)
    if row.channel == "push":
        found = await reach.push_targets(session, row.person_id) if row.person_id else []
        targets = [
            Target(one.id, "web" if one.kind == "web" else "fcm", one.token, one.p256dh or "", one.auth or "")
            for one in found
        ]
        return replace(begun, targets=tuple(targets), provider=targets[0].kind if targets else None)
    if is_mailed_offer(row) and row.person_id:
        door = consent.opt_out_door(house_of(session), row.person_id, "email")
        return replace(begun, outgoing=replace(outgoing, unsubscribe=door))
    return await _chatted(session, row, begun) if row.channel == "whatsapp" or row.contact_id else begun


async def _chatted(session: Session, row: MessageRow, begun: _Begun) -> _Begun | None:
    carriers = house_of(session).the(Carriers)
    provider = row.provider or (carriers.of("whatsapp").name if carriers.has("whatsapp") else "")
    contact = await chats.contact(session, row.contact_id) if row.contact_id else None
    if contact is None:
        contact = await chats.latest_contact(session, provider, row.person_id, row.address)
    account = contact.account if contact else ""
    outgoing = replace(begun.outgoing, sender=account)
    if row.channel == "whatsapp" and not window_is_open(contact.last_inbound_at if contact else None, clock.now()):
        approved = _approved(session, row)
        return replace(begun, outgoing=replace(outgoing, line=None, approved=approved)) if approved else None
    if row.template != LINE:
        return replace(begun, outgoing=outgoing)
    return await _with_file(session, row, replace(begun, outgoing=outgoing))


async def _with_file(session: Session, row: MessageRow, begun: _Begun) -> _Begun:
    line, owner = line_of(row.data), row.data.get("owner_id")
    if row.channel == "sms":
        begun = replace(begun, outgoing=replace(begun.outgoing, text=numbered(line)))
    if line.file_id is None or not owner:
        return begun
    owner_id = UUID(str(owner))
    link = await files.link(session, owner_id, line.file_id, _LINK_LIFE)
    return replace(begun, outgoing=replace(begun.outgoing, url=link.url), owner_id=owner_id, file_id=line.file_id)


def _approved(session: Session, row: MessageRow) -> Approved | None:
    """What may be sent once the 24 hours are over."""
    if row.template == LINE:
        return line_of(row.data).outside
    house = house_of(session)
    return approved_of(house, described(house, row.template), row.locale, row.data)


async def _forget_try(run: JobRun, task: SendMessage) -> None:
    async with run.transaction() as session:
        row = await store.lock_message(session, task.message_id)
        if row:
            row.attempted_at = None


async def _end(
    run: JobRun,
    task: SendMessage,
    status: Status,
    provider: str | None,
    *,
    provider_id: str | None = None,
    error_code: str | None = None,
) -> None:
    async with run.transaction() as session:
        await messages.record(
            session, task.message_id, status, provider=provider, provider_id=provider_id, error_code=error_code
        )
