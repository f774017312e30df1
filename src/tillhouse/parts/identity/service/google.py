"""People whom Google vouches for: found, made, linked. Google's word is never enough to enter another's account."""

from typing import Literal
from uuid import UUID

from tillhouse.kernel.access import Principal
from tillhouse.kernel.db import Session
from tillhouse.kernel.errors import Conflict, NotFound
from tillhouse.kernel.text import N_
from tillhouse.parts.identity import store
from tillhouse.parts.identity.domain import DEFAULT_ZONE, Identifier, parse_email
from tillhouse.parts.identity.domain.google import GoogleAccount
from tillhouse.parts.identity.models import PersonRow
from tillhouse.parts.identity.service import people, second_factor, sessions


def identifier_of(account: GoogleAccount) -> Identifier:
    """What a Google account is known by here."""
    return Identifier("google", account.subject)


async def enter(
    session: Session, account: GoogleAccount, *, kind: Literal["api", "pages"], device: str, locale: str
) -> sessions.SignIn | None:
    """Begin a session for whoever has linked this account, or for a new person.

    None where a proof is missing: the address belongs to somebody here, or is not Google's to vouch for.
    """
    subject, email = identifier_of(account), parse_email(account.email)
    for identifier in (email, subject):  # one order for all, so that two never wait for each other
        await store.lock_value(session, identifier)
    person = await store.person_by_identifier(session, subject)
    if person is None:
        if not account.email_is_theirs or await store.person_by_identifier(session, email):
            return None
        person = await _make(session, account, email, locale)
    return await sessions.begin(session, person, kind, device)


async def link(session: Session, principal: Principal, account: GoogleAccount) -> None:
    """Add a Google account to the caller, and tell them. Raises `StepUpRequired`, `Conflict`."""
    await sessions.assert_recent(session, principal)
    await store.lock_value(session, identifier_of(account))
    await _claim(session, principal.person_id, account)


async def link_proven(session: Session, person_id: UUID, account: GoogleAccount) -> bool:
    """Add a Google account to someone who has just proved that its address is theirs. Raises `Conflict`, `NotFound`.

    False, and nothing added, for who has an authenticator: the account page asks for that too.
    """
    person = await store.lock_person(session, person_id)
    if person is None or person.status != "active":
        raise NotFound(N_("There is no such person."))
    if await second_factor.has_totp(session, person_id):
        return False
    await store.lock_value(session, identifier_of(account))
    await _claim(session, person_id, account)
    return True


async def _claim(session: Session, person_id: UUID, account: GoogleAccount) -> None:
    owner = await store.person_by_identifier(session, identifier_of(account))
    if owner and owner.id == person_id:
        return
    if owner:
        raise Conflict(N_("This Google account belongs to another account here. Sign in with it to see which."))
    await people.notify(session, person_id, "identity.address_added")
    await people.claim(session, person_id, identifier_of(account), account.email)


async def _make(session: Session, account: GoogleAccount, email: Identifier, locale: str) -> PersonRow:
    name = account.name.strip()[:120] or email.value.partition("@")[0]
    person = await people.create(session, name, [email], locale=locale, zone=DEFAULT_ZONE)
    await people.claim(session, person.id, identifier_of(account), account.email)
    return person
