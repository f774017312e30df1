"""What one of us needs to answer a chat: the files of whoever wrote, and what may still be said after 24 hours."""

from collections.abc import Sequence
from uuid import UUID

from tillhouse.kernel.access import Principal
from tillhouse.kernel.db import Session
from tillhouse.kernel.errors import NotFound
from tillhouse.kernel.house import House
from tillhouse.kernel.text import N_
from tillhouse.parts.channels.domain.chat import Line
from tillhouse.parts.channels.models import ChatContactRow
from tillhouse.parts.channels.ports import MessageTemplate
from tillhouse.parts.channels.service import conversations
from tillhouse.parts.channels.service.rendering import SOURCE, approved_of, as_chat, described
from tillhouse.parts.channels.store import chats
from tillhouse.parts.identity.api import MessageKind, audit

_FIELDS = ("name",)  # all that we know of a contact: a template that wants more is not for staff to send


async def look_at_file(session: Session, staff: Principal, inbound_id: UUID, how: str) -> tuple[UUID, UUID]:
    """The owner and the id of the file of a message, for one of us who is about to see it; that is written down.

    Raises `NotFound` for a message without a file.
    """
    row = await chats.inbound(session, inbound_id)
    contact = await chats.contact(session, row.contact_id) if row else None
    if row is None or contact is None or row.file_id is None:
        raise NotFound(N_("There is no such file."))
    await audit(session, staff, "channels.looked_at_file", f"inbound:{row.id}", {"how": how})
    return conversations.owner_of(contact), row.file_id


def offered(house: House) -> Sequence[MessageTemplate]:
    """What WhatsApp has approved and one of us may send to anybody: the name is all that it is filled with."""
    names = [one.name for one in house.provided(MessageTemplate)]
    names += [one.name for one in house.provided(MessageKind) if one.name not in names]
    found = [described(house, name) for name in names]
    return [one for one in found if one.approved and one.parameters == _FIELDS and one.category != "security"]


def line_of_template(house: House, contact: ChatContactRow, template: str) -> Line:
    """The line that a template makes for a contact. Raises `NotFound` for one that is not offered."""
    about = next((one for one in offered(house) if one.name == template), None)
    data = {"name": contact.name or contact.phone or contact.user_id or ""}
    locale = contact.locale if about and contact.locale in about.approved else SOURCE
    approved = approved_of(house, about, locale, {**data}) if about else None
    if about is None or approved is None:
        raise NotFound(N_("There is no such template."))
    return Line(as_chat(house, template, approved.language, {**data}), outside=approved)
