"""Use cases of channels inside one transaction: queueing a message, rendering it, recording what became of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path
from uuid import UUID

from jinja2 import Environment, FileSystemLoader, PrefixLoader, StrictUndefined, select_autoescape

from tillhouse.kernel import clock
from tillhouse.kernel.db import JsonObject, ReadSession, Session, house_of
from tillhouse.kernel.house import House
from tillhouse.kernel.ids import new_id
from tillhouse.kernel.work import enqueue
from tillhouse.parts.channels import store
from tillhouse.parts.channels.domain.messages import Channel, Status, may_follow
from tillhouse.parts.channels.events import ForgetMessages, SendMessage
from tillhouse.parts.channels.models import MessageRow
from tillhouse.parts.channels.ports import Outgoing
from tillhouse.parts.identity.api import CodeSource, Contact

_KEEP = timedelta(days=90)
_SOURCE = "en"
_LAYOUT = "channels/messages/layout.html"
CHALLENGE = "challenge_id"  # a template whose data names a challenge is filled with its code when it is sent


@dataclass(frozen=True, slots=True)
class Recipient:
    """Whom a message goes to and the language to write it in."""

    channel: Channel
    address: str
    locale: str
    zone: str = "UTC"


async def send(session: Session, to: Recipient, template: str, data: JsonObject) -> UUID:
    """Queue a message; it leaves after this transaction commits. Returns its id.

    `template` is `module.name`: files `<module>/messages/<name>.<locale>.{txt,html,sms.txt}` among the module's
    templates, English where there is none in the language. `data` fills it: plain values, nothing secret; where it
    holds `challenge_id` the job asks identity for the code. Raises `LookupError` for a template that does not exist.
    """
    files_of(house_of(session), template, to.locale, to.channel)
    row = MessageRow(
        id=new_id(),
        channel=to.channel,
        address=to.address,
        locale=to.locale,
        template=template,
        data={**data, "zone": to.zone},
        status="queued",
        created_at=clock.now(),
        updated_at=clock.now(),
    )
    session.add(row)
    await session.flush()
    await enqueue(session, SendMessage(message_id=row.id))
    return row.id


async def send_to_contact(session: Session, to: Contact, template: str, data: JsonObject) -> None:
    """`send` as identity asks for it."""
    channel: Channel = "email" if to.kind == "email" else "sms"
    await send(session, Recipient(channel, to.address, to.locale, to.zone), template, data)


async def render(session: ReadSession, row: MessageRow) -> Outgoing | None:
    """The message as it is sent; None when its code is no longer good, so that there is nothing to send."""
    house = house_of(session)
    values: dict[str, object] = dict(row.data)
    if challenge_id := row.data.get(CHALLENGE):
        code = await house.the(CodeSource).read(session, UUID(str(challenge_id)))
        if code is None:
            return None
        values["code"] = code.text
    environment = _environment(tuple((module.name, module.folder / "templates") for module in house.modules))
    values["base_url"] = house.settings.base_url
    files = files_of(house, row.template, row.locale, row.channel)
    text = environment.get_template(files.text).render(values).strip()
    if row.channel == "sms":
        return Outgoing(row.id, row.address, "", text, "")
    subject, _, text = text.partition("\n")
    body = environment.get_template(files.html).render(values)
    html = environment.get_template(_LAYOUT).render({**values, "subject": subject, "body": body, "lang": files.locale})
    return Outgoing(row.id, row.address, subject.strip(), text.strip(), html)


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
    if may_follow(row.status, status):
        row.status, row.error_code = status, error_code
    row.provider = row.provider or provider
    row.provider_id = row.provider_id or provider_id
    row.attempted_at, row.updated_at = None, clock.now()
    await session.flush()


async def erase(session: Session, _person_id: UUID, addresses: Sequence[str]) -> None:
    """Delete what was sent to a person who is being erased."""
    await store.delete_addressed(session, addresses)


async def forget(session: Session, _task: ForgetMessages) -> None:
    """Delete messages of more than 90 days ago."""
    await store.delete_before(session, clock.now() - _KEEP)


@dataclass(frozen=True, slots=True)
class Files:
    """The template files of a message in the language that was found."""

    locale: str
    text: str
    html: str


def files_of(house: House, template: str, locale: str, channel: str) -> Files:
    """The files of a template, in English where there are none in `locale`. Raises `LookupError`."""
    owner, _, name = template.partition(".")
    module = next((module for module in house.modules if module.name == owner), None)
    kind = "sms.txt" if channel == "sms" else "txt"
    for wanted in (locale, _SOURCE):
        file = f"{owner}/messages/{name}.{wanted}"
        if module and (module.folder / "templates" / f"{file}.{kind}").is_file():
            return Files(wanted, f"{file}.{kind}", f"{file}.html")
    raise LookupError(f"there is no message template {template} for {channel}")


@cache
def _environment(folders: tuple[tuple[str, Path], ...]) -> Environment:
    return Environment(
        loader=PrefixLoader({name: FileSystemLoader(folder / name) for name, folder in folders}),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
