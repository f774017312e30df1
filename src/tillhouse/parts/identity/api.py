"""Identity's door for other modules."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from tillhouse.kernel.db import ReadSession, house_of
from tillhouse.parts.identity import store
from tillhouse.parts.identity.domain import CONSOLE, Identifier, parse_identifier
from tillhouse.parts.identity.domain.organisations import MANAGERS, MONEY_MOVERS, MONEY_READERS, Role
from tillhouse.parts.identity.flows import COOKIE
from tillhouse.parts.identity.models import PersonRow
from tillhouse.parts.identity.ports import (
    Category,
    Code,
    CodeSource,
    Contact,
    Erasure,
    ErasureVeto,
    MessageKind,
    MessageSender,
    OrganisationClosing,
    OrganisationRoom,
    PictureKeeper,
)
from tillhouse.parts.identity.service import machines
from tillhouse.parts.identity.service.audit import audit
from tillhouse.parts.identity.service.organisations import (
    Member,
    Membership,
    hold_member,
    members,
    membership,
    organisations_of,
    require_member,
)
from tillhouse.parts.identity.service.people import contacts, notify, set_picture
from tillhouse.parts.identity.service.second_factor import AuthenticatorTooNew, assert_may_let_money_out
from tillhouse.parts.identity.service.sessions import StepUpRequired, assert_fresh, assert_recent
from tillhouse.parts.identity.store import organisations

__all__ = [
    "CONSOLE",
    "COOKIE",
    "MANAGERS",
    "MONEY_MOVERS",
    "MONEY_READERS",
    "AuthenticatorTooNew",
    "Category",
    "Code",
    "CodeSource",
    "Contact",
    "Erasure",
    "ErasureVeto",
    "Identifier",
    "Member",
    "Membership",
    "MessageKind",
    "MessageSender",
    "OrganisationClosing",
    "OrganisationRoom",
    "Person",
    "PictureKeeper",
    "Role",
    "StepUpRequired",
    "assert_fresh",
    "assert_may_let_money_out",
    "assert_recent",
    "audit",
    "contact",
    "contacts",
    "hold_member",
    "machine_works",
    "members",
    "membership",
    "names",
    "notify",
    "organisation_called",
    "organisation_names",
    "organisations_of",
    "parse_identifier",
    "people_by_phone",
    "person",
    "person_by_identifier",
    "picture",
    "require_member",
    "set_picture",
]


@dataclass(frozen=True, slots=True)
class Person:
    """A person as other modules see one. An erased person has an empty name."""

    id: UUID
    name: str
    locale: str
    zone: str
    role: str
    created_at: datetime


async def person(session: ReadSession, person_id: UUID) -> Person | None:
    """The person, None for an id that was never one."""
    row = await store.person(session, person_id)
    return _person(row) if row else None


async def picture(session: ReadSession, person_id: UUID) -> UUID | None:
    """The file that is a person's picture, None where there is none."""
    row = await store.person(session, person_id)
    return row.picture_id if row else None


async def person_by_identifier(session: ReadSession, identifier: Identifier) -> Person | None:
    """Whoever has confirmed this address. For staff, machines and demo data: never answer a stranger from it."""
    row = await store.person_by_identifier(session, identifier)
    return await person(session, row.id) if row else None


async def people_by_phone(session: ReadSession, phones: Collection[str]) -> Mapping[str, Person]:
    """Whoever has confirmed these numbers, by number. As `person_by_identifier`, and for the same callers."""
    found = await store.people_by_phone(session, phones) if phones else {}
    return {phone: _person(row) for phone, row in found.items()}


async def machine_works(session: ReadSession, machine_id: UUID) -> bool:
    """Whether a machine's key is good at this moment: known, not revoked, not over."""
    row = await store.api_key(session, machine_id)
    return row is not None and machines.principal_of_key(house_of(session), row) is not None


async def names(session: ReadSession, ids: Collection[UUID]) -> Mapping[UUID, str]:
    """What people and machines of these ids are called, for staff; who was erased, or is nobody, is left out."""
    return await store.names(session, ids)


async def organisation_called(session: ReadSession, typed: str) -> UUID | None:
    """The organisation whose short name staff typed, closed or not; None where there is none."""
    return await organisations.organisation_called(session, typed.strip().lower())


async def organisation_names(session: ReadSession, ids: Collection[UUID]) -> Mapping[UUID, str]:
    """What organisations of these ids are called, closed ones too, for staff and for papers."""
    return await organisations.organisation_names(session, ids) if ids else {}


async def contact(session: ReadSession, person_id: UUID) -> Contact | None:
    """Where a person is reached first, with language and zone; None for an erased or unknown one."""
    return next(iter(await contacts(session, person_id)), None)


def _person(row: PersonRow) -> Person:
    return Person(row.id, row.display_name, row.locale, row.zone, row.role, row.created_at)
