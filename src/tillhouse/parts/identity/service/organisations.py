"""Organisations: made, joined by invitation, changed, left, handed on, closed.

Whoever changes who belongs to one holds the lock of its row, so that two owners cannot both leave at once.
"""

import base64
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from tillhouse.kernel import clock
from tillhouse.kernel.access import Principal
from tillhouse.kernel.db import JsonObject, ReadSession, Session, house_of
from tillhouse.kernel.errors import Conflict, FieldError, Forbidden, InvalidInput, NotFound, TooManyRequests
from tillhouse.kernel.house import House
from tillhouse.kernel.ids import new_id
from tillhouse.kernel.text import N_
from tillhouse.kernel.work import emit, enqueue
from tillhouse.parts.identity.domain import derive_key, parse_email, same
from tillhouse.parts.identity.domain.organisations import (
    INVITATION_LIFE,
    INVITATION_PAUSE,
    MANAGERS,
    MOST_INVITATIONS,
    MOST_MEMBERS,
    MOST_ORGANISATIONS,
    Role,
    check_country,
    check_slug,
    may_manage,
    slugs_from,
    tidy_organisation_name,
)
from tillhouse.parts.identity.events import MembershipEnded, OrganisationClosed, SendInvitation
from tillhouse.parts.identity.models.organisations import InvitationRow, MembershipRow, OrganisationRow
from tillhouse.parts.identity.ports import Code, Contact, MessageSender, OrganisationClosing
from tillhouse.parts.identity.service.audit import audit
from tillhouse.parts.identity.service.people import notify
from tillhouse.parts.identity.service.sessions import assert_recent
from tillhouse.parts.identity.store import organisations as store

_KEEP_INVITATIONS = timedelta(days=30)


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Invitation:
    """An invitation that can be accepted."""

    id: UUID
    organisation_id: UUID
    organisation: str
    email: str
    role: Role
    expires_at: datetime
    created_at: datetime


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


async def members(session: ReadSession, organisation_id: UUID) -> list[Member]:
    """Everyone in an organisation. The caller has asked `require_member`."""
    found = await store.members(session, organisation_id)
    return [Member(row.person_id, name, Role(row.role), row.joined_at) for row, name in found]


async def invitations(session: ReadSession, organisation_id: UUID) -> list[Invitation]:
    """Invitations that wait for an answer. The caller has asked `require_member` for a manager."""
    organisation = await store.organisation(session, organisation_id)
    assert organisation
    return [_invitation(row, organisation) for row in await store.invitations_of(session, organisation_id, clock.now())]


async def invitations_for(session: ReadSession, person_id: UUID) -> list[Invitation]:
    """Invitations to an address that this person has confirmed: they need no code."""
    return [_invitation(*found) for found in await store.invitations_for(session, person_id, clock.now())]


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
    await _note(session, me, "create", row.id, {"country": checked})
    return _membership(row, place)


async def rename(session: Session, me: Principal, organisation_id: UUID, name: str) -> Membership:
    """Change what an organisation is called. For owners and admins. Raises `NotFound`, `Forbidden`, `InvalidInput`."""
    row, _ = await _managed(session, me, organisation_id)
    row.name, row.updated_at = tidy_organisation_name(name), clock.now()
    await session.flush()
    await _note(session, me, "rename", row.id, {})
    return await require_member(session, organisation_id, me.person_id)


async def close(session: Session, me: Principal, organisation_id: UUID) -> None:
    """End an organisation; its entries in the books stay. For owners, with a fresh proof of who they are.

    Raises `NotFound`, `Forbidden`, `StepUpRequired`; `Conflict` with every reason against it.
    """
    row, place = await _managed(session, me, organisation_id)
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
    await _note(session, me, "close", row.id, {})
    await emit(session, OrganisationClosed(organisation_id=row.id))


async def change_role(session: Session, me: Principal, organisation_id: UUID, person_id: UUID, role: Role) -> Member:
    """Give a member another role. Nobody gives or takes a role that they may not manage, nor is the last owner demoted.

    Raises `NotFound`, `Forbidden`, `Conflict`.
    """
    row, place = await _managed(session, me, organisation_id)
    theirs = await _place(session, organisation_id, person_id)
    if not may_manage(Role(place.role), Role(theirs.role), role):
        raise _not_yours()
    if theirs.role == Role.OWNER and role != Role.OWNER:
        await _keep_an_owner(session, organisation_id)
    before, theirs.role = theirs.role, role
    await session.flush()
    await _note(session, me, "change_role", row.id, {"person": str(person_id), "from": before, "to": role})
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
        raise _not_yours()
    if theirs.role == Role.OWNER:
        await _keep_an_owner(session, organisation_id)
    await store.remove_member(session, organisation_id, person_id)
    await _note(session, me, "leave" if leaves else "remove_member", row.id, {"person": str(person_id)})
    await emit(session, MembershipEnded(organisation_id=row.id, person_id=person_id))
    if not leaves:
        await _tell(session, person_id, row, "removed", "")


async def transfer(session: Session, me: Principal, organisation_id: UUID, person_id: UUID) -> None:
    """Hand one's ownership to another member, and be an admin from then on. Needs a fresh proof of who one is.

    Raises `NotFound`, `Forbidden`, `StepUpRequired`, `Conflict` for oneself.
    """
    row, place = await _managed(session, me, organisation_id)
    if place.role != Role.OWNER:
        raise Forbidden(N_("Only an owner can hand an organisation on."))
    if person_id == me.id:
        raise Conflict(N_("It is yours already: choose another member."))
    await assert_recent(session, me)
    theirs = await _place(session, organisation_id, person_id)
    theirs.role, place.role = Role.OWNER, Role.ADMIN
    await session.flush()
    await _note(session, me, "transfer", row.id, {"person": str(person_id)})
    await _tell(session, person_id, row, "role", Role.OWNER)
    await _tell(session, me.person_id, row, "handed_on", Role.ADMIN)


# Invitations


async def invite(session: Session, me: Principal, organisation_id: UUID, email: str, role: Role) -> Invitation:
    """Ask someone to join, by e-mail. Whether the address has an account is neither asked nor told.

    The same address again sends the same invitation anew, with a week from now. Raises `NotFound`, `Forbidden`,
    `InvalidInput`, `Conflict` for too many at once, `TooManyRequests` right after the last message.
    """
    row, place = await _managed(session, me, organisation_id)
    if not may_manage(Role(place.role), role):
        raise _not_yours()
    address, now = parse_email(email).value, clock.now()
    invited = await store.open_invitation(session, organisation_id, address)
    if invited is None:
        invited = await _new_invitation(session, me, organisation_id, address, role)
    elif now < invited.sent_at + INVITATION_PAUSE:
        seconds = int((invited.sent_at + INVITATION_PAUSE - now).total_seconds()) + 1
        raise TooManyRequests(
            N_("An invitation is on its way there. You can send it again in {seconds} seconds."),
            retry_after=seconds,
            seconds=seconds,
        )
    invited.role, invited.sent_at, invited.expires_at = role, now, now + INVITATION_LIFE
    await session.flush()
    await enqueue(session, SendInvitation(invitation_id=invited.id))
    await _note(session, me, "invite", row.id, {"invitation": str(invited.id), "role": role})
    return _invitation(invited, row)


async def withdraw(session: Session, me: Principal, organisation_id: UUID, invitation_id: UUID) -> None:
    """Take an invitation back. Raises `NotFound`, `Forbidden`."""
    _, place = await _managed(session, me, organisation_id)
    row = await store.lock_invitation(session, invitation_id)
    if row is None or row.organisation_id != organisation_id or row.state != "open":
        raise _no_such_invitation()
    if not may_manage(Role(place.role), Role(row.role)):
        raise _not_yours()
    _answer(row, "withdrawn")
    await session.flush()
    await _note(session, me, "withdraw_invitation", organisation_id, {"invitation": str(row.id)})


async def invitation_for(session: ReadSession, me: Principal, invitation_id: UUID, code: str | None) -> Invitation:
    """An invitation that this person may answer: to a confirmed address of theirs, or with the code of its link.

    Raises `NotFound` for every other one, for one that is over, and for a wrong code, all alike.
    """
    row = await store.invitation(session, invitation_id)
    if row is None or not await _may_answer(session, me, row, code):
        raise _no_such_invitation()
    organisation = await store.organisation(session, row.organisation_id)
    assert organisation
    return _invitation(row, organisation)


async def accept(session: Session, me: Principal, invitation_id: UUID, code: str | None) -> Membership:
    """Join the organisation. An invitation works once. Raises `NotFound`, `Conflict` for a member."""
    found = await invitation_for(session, me, invitation_id, code)
    organisation = await store.lock_organisation(session, found.organisation_id)
    row = await store.lock_invitation(session, invitation_id)
    if organisation is None or row is None or not await _may_answer(session, me, row, code):
        raise _no_such_invitation()
    if await store.membership(session, organisation.id, me.person_id):
        raise Conflict(N_("You belong to this organisation already."))
    if await store.count_members(session, organisation.id) >= MOST_MEMBERS:
        raise Conflict(N_("This organisation has {most} members, the most that is allowed."), most=MOST_MEMBERS)
    session.add(
        MembershipRow(organisation_id=organisation.id, person_id=me.person_id, role=row.role, joined_at=clock.now())
    )
    _answer(row, "accepted")
    await session.flush()
    await _note(session, me, "join", organisation.id, {"invitation": str(invitation_id), "role": found.role})
    return await require_member(session, organisation.id, me.person_id)


async def decline(session: Session, me: Principal, invitation_id: UUID, code: str | None) -> None:
    """Say no to an invitation. Raises `NotFound`."""
    row = await store.lock_invitation(session, invitation_id)
    if row is None or not await _may_answer(session, me, row, code):
        raise _no_such_invitation()
    _answer(row, "declined")
    await session.flush()
    await _note(session, me, "decline", row.organisation_id, {"invitation": str(row.id)})


async def send_invitation(session: Session, task: SendInvitation) -> None:
    """Queue the message of an invitation; nothing when it can no longer be accepted.

    Raises `LookupError` in a process that was composed without a part that sends messages.
    """
    row = await store.invitation(session, task.invitation_id)
    organisation = await store.organisation(session, row.organisation_id) if row else None
    if row is None or organisation is None or not _is_open(row) or organisation.status != "active":
        return
    to = Contact(None, "email", row.email, row.locale, "UTC")
    data: JsonObject = {"challenge_id": str(row.id), "organisation": organisation.name, "role": row.role}
    await house_of(session).the(MessageSender).send(session, to, "identity.organisation_invitation", data)


async def invitation_code(session: ReadSession, invitation_id: UUID) -> Code | None:
    """The code of an invitation for the job that sends it; None once it must not be sent any more."""
    row = await store.invitation(session, invitation_id)
    if row is None or not _is_open(row):
        return None
    return Code(_code(house_of(session), row.id), row.expires_at)


async def forget(session: Session) -> None:
    """Delete invitations of which nothing can come any more: they hold addresses of people."""
    await store.forget_invitations(session, clock.now() - _KEEP_INVITATIONS)


# When a person goes


async def reasons_to_keep(session: ReadSession, person_id: UUID) -> Sequence[str]:
    """Why a person cannot be erased yet: nobody would be left to own what they own."""
    if await store.owned_alone(session, person_id):
        return [N_("You are the only owner of an organisation: hand it on to another member, or close it.")]
    return []


async def erase(session: Session, person_id: UUID, addresses: Sequence[str]) -> None:
    """Forget where a person belonged, and invitations to them."""
    await store.forget_person(session, person_id, addresses)


async def _managed(session: Session, me: Principal, organisation_id: UUID) -> tuple[OrganisationRow, MembershipRow]:
    """The organisation, locked, and the caller's place in it as an owner or admin."""
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


async def _new_invitation(
    session: Session, me: Principal, organisation_id: UUID, address: str, role: Role
) -> InvitationRow:
    now = clock.now()
    if len(await store.invitations_of(session, organisation_id, now)) >= MOST_INVITATIONS:
        raise Conflict(
            N_("{most} invitations wait for an answer, the most that is allowed: withdraw one."), most=MOST_INVITATIONS
        )
    row = InvitationRow(
        id=new_id(),
        organisation_id=organisation_id,
        email=address,
        role=role,
        state="open",
        locale=me.locale or "en",
        invited_by=me.person_id,
        sent_at=now,
        expires_at=now + INVITATION_LIFE,
        created_at=now,
    )
    session.add(row)
    return row


async def _may_answer(session: ReadSession, me: Principal, row: InvitationRow, code: str | None) -> bool:
    if not _is_open(row):
        return False
    if code is not None:
        return same(_code(house_of(session), row.id), code.strip().lower())
    return any(one.id == row.id for one, _ in await store.invitations_for(session, me.person_id, clock.now()))


def _is_open(row: InvitationRow) -> bool:
    return row.state == "open" and clock.now() < row.expires_at


def _answer(row: InvitationRow, state: str) -> None:
    row.state, row.answered_at = state, clock.now()


def _code(house: House, invitation_id: UUID) -> str:
    """128 bits that follow from a key of the house: nobody guesses them, and they are stored nowhere."""
    key = derive_key(house.settings.secret_key, "invitations")
    digest = hmac.digest(key, invitation_id.bytes, "sha256")[:16]
    return base64.b32encode(digest).decode().rstrip("=").lower()


async def _tell(session: Session, person_id: UUID, row: OrganisationRow, what: str, role: str) -> None:
    if house_of(session).provided(MessageSender):
        data: JsonObject = {"organisation": row.name, "what": what, "role": role}
        await notify(session, person_id, "identity.organisation_changed", data)


async def _note(session: Session, me: Principal, what: str, organisation_id: UUID, details: JsonObject) -> None:
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


def _invitation(row: InvitationRow, organisation: OrganisationRow) -> Invitation:
    return Invitation(
        id=row.id,
        organisation_id=row.organisation_id,
        organisation=organisation.name,
        email=row.email,
        role=Role(row.role),
        expires_at=row.expires_at,
        created_at=row.created_at,
    )


def _no_such_organisation() -> NotFound:
    return NotFound(N_("There is no such organisation."))


def _no_such_invitation() -> NotFound:
    return NotFound(N_("This invitation is no longer good, or is not for you. Ask whoever sent it for a new one."))


def _not_yours() -> Forbidden:
    return Forbidden(N_("Only an owner may do this to owners and admins."))
