"""Organisations: made, changed, left, handed on, closed. `inviting` is how they are joined.

Whoever changes who belongs to one holds the lock of its row, so that two owners cannot both leave at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from tillhouse.kernel import clock
from tillhouse.kernel.access import Principal
from tillhouse.kernel.db import JsonObject, ReadSession, Session, house_of
from tillhouse.kernel.errors import Conflict, FieldError, Forbidden, InvalidInput, NotFound
from tillhouse.kernel.ids import new_id
from tillhouse.kernel.text import N_
from tillhouse.kernel.work import emit
from tillhouse.parts.identity.domain.organisations import (
    MANAGERS,
    MOST_ORGANISATIONS,
    Role,
    check_country,
    check_slug,
    may_manage,
    slugs_from,
    tidy_organisation_name,
)
from tillhouse.parts.identity.events import MembershipEnded, OrganisationClosed
from tillhouse.parts.identity.models.organisations import MembershipRow, OrganisationRow
from tillhouse.parts.identity.ports import MessageSender, OrganisationClosing
from tillhouse.parts.identity.service.audit import audit
from tillhouse.parts.identity.service.people import notify
from tillhouse.parts.identity.service.sessions import assert_recent
from tillhouse.parts.identity.store import organisations as store


@dataclass(frozen=True, slots=True, kw_only=True)
class Membership:
    """A person's place in an organisation, and what it is."""

    organisation_id: UUID
    person_id: UUID
    role: Role
    name: str
    slug: str
    country: str
    joined_at: datetime


@dataclass(frozen=True, slots=True)
class Member:
    """Someone in an organisation, as its members see them."""

    person_id: UUID
    name: str
    role: Role
    joined_at: datetime


# Reading


async def organisations_of(session: ReadSession, person_id: UUID) -> list[Membership]:
    """Every organisation that a person belongs to, the oldest membership first."""
    return [_membership(*found) for found in await store.memberships_of(session, person_id)]


async def membership(session: ReadSession, organisation_id: UUID, person_id: UUID) -> Membership | None:
    """A person's place in an organisation; None when they have none, or it is closed or none at all."""
    found = await store.membership(session, organisation_id, person_id)
    return _membership(*found) if found else None


async def require_member(session: ReadSession, organisation_id: UUID, person_id: UUID, *roles: Role) -> Membership:
    """A person's place in an organisation, in one of these roles where any is named.

    Raises `NotFound` for whoever does not belong to it, as if there were no such organisation; `Forbidden` for a member
    in another role.
    """
    found = await membership(session, organisation_id, person_id)
    if found is None:
        raise _no_such_organisation()
    if roles and found.role not in roles:
        raise Forbidden(N_("Your role in this organisation does not allow this: ask one of its owners."))
    return found


async def hold_member(session: Session, organisation_id: UUID, person_id: UUID, *roles: Role) -> Membership:
    """As `require_member`, and it stays so until this transaction ends: who takes the person out, or closes the
    organisation, waits. For what must not happen in the name of somebody who has just lost their role.
    """
    await store.hold_organisation(session, organisation_id)
    return await require_member(session, organisation_id, person_id, *roles)


async def members(session: ReadSession, organisation_id: UUID) -> list[Member]:
    """Everyone in an organisation. The caller has asked `require_member`."""
    found = await store.members(session, organisation_id)
    return [Member(row.person_id, name, Role(row.role), row.joined_at) for row, name in found]


# Making and changing


async def create(session: Session, me: Principal, name: str, country: str, slug: str | None = None) -> Membership:
    """Make an organisation; whoever makes it owns it.

    Raises `InvalidInput`, also when the short name is taken; `Conflict` for whoever owns too many.
    """
    tidy, checked = tidy_organisation_name(name), check_country(country)
    mine = await store.memberships_of(session, me.person_id)
    if sum(row.role == Role.OWNER for _, row in mine) >= MOST_ORGANISATIONS:
        raise Conflict(N_("You own {most} organisations, the most that is allowed."), most=MOST_ORGANISATIONS)
    organisation_id, now = new_id(), clock.now()
    for wanted in (check_slug(slug),) if slug else slugs_from(tidy, organisation_id.hex[-8:]):
        row = OrganisationRow(
            id=organisation_id,
            name=tidy,
            slug=wanted,
            country=checked,
            status="active",
            created_at=now,
            updated_at=now,
        )
        if await store.insert_organisation(session, row):
            break
    else:
        message = N_("This short name is taken: choose another one.")
        raise InvalidInput(message, errors=[FieldError("/slug", "taken", message)])
    place = MembershipRow(organisation_id=row.id, person_id=me.person_id, role=Role.OWNER, joined_at=now)
    session.add(place)
    await session.flush()
    await note(session, me, "create", row.id, {"country": checked})
    return _membership(row, place)


async def rename(session: Session, me: Principal, organisation_id: UUID, name: str) -> Membership:
    """Change what an organisation is called. For owners and admins. Raises `NotFound`, `Forbidden`, `InvalidInput`."""
    row, _ = await managed(session, me, organisation_id)
    row.name, row.updated_at = tidy_organisation_name(name), clock.now()
    await session.flush()
    await note(session, me, "rename", row.id, {})
    return await require_member(session, organisation_id, me.person_id)


async def close(session: Session, me: Principal, organisation_id: UUID) -> None:
    """End an organisation; its entries in the books stay. For owners, with a fresh proof of who they are.

    Raises `NotFound`, `Forbidden`, `StepUpRequired`; `Conflict` with every reason against it.
    """
    row, place = await managed(session, me, organisation_id)
    if place.role != Role.OWNER:
        raise Forbidden(N_("Only an owner can close an organisation."))
    await assert_recent(session, me)
    parts = house_of(session).provided(OrganisationClosing)
    reasons = [
        FieldError("", part.name, sentence) for part in parts for sentence in await part.reasons(session, row.id)
    ]
    if reasons:
        raise Conflict(N_("The organisation cannot be closed yet."), errors=reasons)
    for part in parts:
        await part.close(session, row.id)
    row.status, row.updated_at = "closed", clock.now()
    await session.flush()
    await store.remove_everyone(session, row.id, clock.now())
    await note(session, me, "close", row.id, {})
    await emit(session, OrganisationClosed(organisation_id=row.id))


async def change_role(session: Session, me: Principal, organisation_id: UUID, person_id: UUID, role: Role) -> Member:
    """Give a member another role. Nobody gives or takes a role that they may not manage, nor is the last owner demoted.

    Raises `NotFound`, `Forbidden`, `Conflict`.
    """
    row, place = await managed(session, me, organisation_id)
    theirs = await _place(session, organisation_id, person_id)
    if not may_manage(Role(place.role), Role(theirs.role), role):
        raise not_yours()
    if theirs.role == Role.OWNER and role != Role.OWNER:
        await _keep_an_owner(session, organisation_id)
    before, theirs.role = theirs.role, role
    await session.flush()
    await note(session, me, "change_role", row.id, {"person": str(person_id), "from": before, "to": role})
    if person_id != me.id and before != role:
        await _tell(session, person_id, row, "role", role)
    return next(one for one in await members(session, organisation_id) if one.person_id == person_id)


async def remove(session: Session, me: Principal, organisation_id: UUID, person_id: UUID) -> None:
    """Take a member out, or leave oneself. The last owner stays. Raises `NotFound`, `Forbidden`, `Conflict`."""
    row = await store.lock_organisation(session, organisation_id)
    mine = await store.membership(session, organisation_id, me.person_id)
    if row is None or mine is None:
        raise _no_such_organisation()
    theirs = await _place(session, organisation_id, person_id)
    leaves = person_id == me.id
    if not leaves and not may_manage(Role(mine[1].role), Role(theirs.role)):
        raise not_yours()
    if theirs.role == Role.OWNER:
        await _keep_an_owner(session, organisation_id)
    await store.remove_member(session, organisation_id, person_id)
    await note(session, me, "leave" if leaves else "remove_member", row.id, {"person": str(person_id)})
    await emit(session, MembershipEnded(organisation_id=row.id, person_id=person_id))
    if not leaves:
        await _tell(session, person_id, row, "removed", "")


async def transfer(session: Session, me: Principal, organisation_id: UUID, person_id: UUID) -> None:
    """Hand one's ownership to another member, and be an admin from then on. Needs a fresh proof of who one is.

    Raises `NotFound`, `Forbidden`, `StepUpRequired`, `Conflict` for oneself.
    """
    row, place = await managed(session, me, organisation_id)
    if place.role != Role.OWNER:
        raise Forbidden(N_("Only an owner can hand an organisation on."))
    if person_id == me.id:
        raise Conflict(N_("It is yours already: choose another member."))
    await assert_recent(session, me)
    theirs = await _place(session, organisation_id, person_id)
    theirs.role, place.role = Role.OWNER, Role.ADMIN
    await session.flush()
    await note(session, me, "transfer", row.id, {"person": str(person_id)})
    await _tell(session, person_id, row, "role", Role.OWNER)
    await _tell(session, me.person_id, row, "handed_on", Role.ADMIN)


# When a person goes


async def reasons_to_keep(session: ReadSession, person_id: UUID) -> Sequence[str]:
    """Why a person cannot be erased yet: nobody would be left to own what they own."""
    if await store.owned_alone(session, person_id):
        return [N_("You are the only owner of an organisation: hand it on to another member, or close it.")]
    return []


async def erase(session: Session, person_id: UUID, addresses: Sequence[str]) -> None:
    """Forget where a person belonged, and invitations to them."""
    await store.forget_person(session, person_id, addresses)


async def managed(session: Session, me: Principal, organisation_id: UUID) -> tuple[OrganisationRow, MembershipRow]:
    """The organisation, locked, and the caller's place in it as an owner or admin. Raises `NotFound`, `Forbidden`."""
    row = await store.lock_organisation(session, organisation_id)
    await require_member(session, organisation_id, me.person_id, *MANAGERS)
    found = await store.membership(session, organisation_id, me.person_id)
    assert row
    assert found
    return row, found[1]


async def _place(session: ReadSession, organisation_id: UUID, person_id: UUID) -> MembershipRow:
    found = await store.membership(session, organisation_id, person_id)
    if found is None:
        raise NotFound(N_("There is no such member."))
    return found[1]


async def _keep_an_owner(session: ReadSession, organisation_id: UUID) -> None:
    if await store.count_members(session, organisation_id, Role.OWNER) < 2:
        raise Conflict(
            N_("The last owner stays: make somebody else an owner first, hand the organisation on, or close it.")
        )


async def _tell(session: Session, person_id: UUID, row: OrganisationRow, what: str, role: str) -> None:
    if house_of(session).provided(MessageSender):
        page = house_of(session).settings.address("/account/organisations")
        data: JsonObject = {"organisation": row.name, "what": what, "role": role, "url": page}
        await notify(session, person_id, "identity.organisation_changed", data)


async def note(session: Session, me: Principal, what: str, organisation_id: UUID, details: JsonObject) -> None:
    """Write down who changed what in an organisation."""
    await audit(session, me, f"identity.organisation_{what}", f"organisation:{organisation_id}", details)


def _membership(organisation: OrganisationRow, row: MembershipRow) -> Membership:
    return Membership(
        organisation_id=organisation.id,
        person_id=row.person_id,
        role=Role(row.role),
        name=organisation.name,
        slug=organisation.slug,
        country=organisation.country,
        joined_at=row.joined_at,
    )


def _no_such_organisation() -> NotFound:
    return NotFound(N_("There is no such organisation."))


def not_yours() -> Forbidden:
    """What an admin is told who reaches for owners and admins."""
    return Forbidden(N_("Only an owner may do this to owners and admins."))
