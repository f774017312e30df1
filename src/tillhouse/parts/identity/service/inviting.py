"""Invitations to organisations: sent by e-mail, answered by whoever the address or the code of the link belongs to."""

import base64
import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from tillhouse.kernel import clock
from tillhouse.kernel.access import Principal
from tillhouse.kernel.db import JsonObject, ReadSession, Session, house_of
from tillhouse.kernel.errors import Conflict, NotFound, TooManyRequests
from tillhouse.kernel.house import House
from tillhouse.kernel.ids import new_id
from tillhouse.kernel.text import N_
from tillhouse.kernel.work import enqueue
from tillhouse.parts.identity.domain import derive_key, parse_email, same
from tillhouse.parts.identity.domain.organisations import (
    INVITATION_LIFE,
    INVITATION_PAUSE,
    MOST_INVITATIONS,
    MOST_MEMBERS,
    Role,
    may_manage,
)
from tillhouse.parts.identity.events import SendInvitation
from tillhouse.parts.identity.models.organisations import InvitationRow, MembershipRow, OrganisationRow
from tillhouse.parts.identity.ports import Code, Contact, MessageSender
from tillhouse.parts.identity.service import organisations
from tillhouse.parts.identity.store import organisations as store

_KEEP_INVITATIONS = timedelta(days=30)


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


async def invitations(session: ReadSession, organisation_id: UUID) -> list[Invitation]:
    """Invitations that wait for an answer. The caller has asked `require_member` for a manager."""
    organisation = await store.organisation(session, organisation_id)
    assert organisation
    return [_invitation(row, organisation) for row in await store.invitations_of(session, organisation_id, clock.now())]


async def invitations_for(session: ReadSession, person_id: UUID) -> list[Invitation]:
    """Invitations to an address that this person has confirmed: they need no code."""
    return [_invitation(*found) for found in await store.invitations_for(session, person_id, clock.now())]


async def invite(session: Session, me: Principal, organisation_id: UUID, email: str, role: Role) -> Invitation:
    """Ask someone to join, by e-mail. Whether the address has an account is neither asked nor told.

    The same address again sends the same invitation anew, with a week from now. Raises `NotFound`, `Forbidden`,
    `InvalidInput`, `Conflict` for too many at once, `TooManyRequests` right after the last message.
    """
    row, place = await organisations.managed(session, me, organisation_id)
    if not may_manage(Role(place.role), role):
        raise organisations.not_yours()
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
    await organisations.note(session, me, "invite", row.id, {"invitation": str(invited.id), "role": role})
    return _invitation(invited, row)


async def withdraw(session: Session, me: Principal, organisation_id: UUID, invitation_id: UUID) -> None:
    """Take an invitation back. Raises `NotFound`, `Forbidden`."""
    _, place = await organisations.managed(session, me, organisation_id)
    row = await store.lock_invitation(session, invitation_id)
    if row is None or row.organisation_id != organisation_id or row.state != "open":
        raise _no_such_invitation()
    if not may_manage(Role(place.role), Role(row.role)):
        raise organisations.not_yours()
    _answer(row, "withdrawn")
    await session.flush()
    await organisations.note(session, me, "withdraw_invitation", organisation_id, {"invitation": str(row.id)})


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


async def accept(session: Session, me: Principal, invitation_id: UUID, code: str | None) -> organisations.Membership:
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
    await organisations.note(
        session, me, "join", organisation.id, {"invitation": str(invitation_id), "role": found.role}
    )
    return await organisations.require_member(session, organisation.id, me.person_id)


async def decline(session: Session, me: Principal, invitation_id: UUID, code: str | None) -> None:
    """Say no to an invitation. Raises `NotFound`."""
    row = await store.lock_invitation(session, invitation_id)
    if row is None or not await _may_answer(session, me, row, code):
        raise _no_such_invitation()
    _answer(row, "declined")
    await session.flush()
    await organisations.note(session, me, "decline", row.organisation_id, {"invitation": str(row.id)})


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


def _no_such_invitation() -> NotFound:
    return NotFound(N_("This invitation is no longer good, or is not for you. Ask whoever sent it for a new one."))
