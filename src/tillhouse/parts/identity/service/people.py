"""Persons: registered, confirmed, changed, found, erased."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from tillhouse.kernel import clock
from tillhouse.kernel.access import Principal
from tillhouse.kernel.db import JsonObject, ReadSession, Session, house_of
from tillhouse.kernel.errors import Conflict, FieldError, Forbidden, NotFound
from tillhouse.kernel.ids import new_id
from tillhouse.kernel.text import N_
from tillhouse.kernel.work import emit
from tillhouse.parts.identity import store
from tillhouse.parts.identity.domain import (
    CODE_LIFE,
    DEFAULT_ZONE,
    FOUNDING,
    AddressKind,
    Identifier,
    PersonRole,
    Purpose,
    check_locale,
    check_zone,
)
from tillhouse.parts.identity.events import PersonErased, PersonRegistered
from tillhouse.parts.identity.models import ChallengeRow, IdentifierRow, PersonRow
from tillhouse.parts.identity.ports import Contact, Erasure, ErasureVeto, MessageSender
from tillhouse.parts.identity.service import challenges, sessions
from tillhouse.parts.identity.service.audit import audit
from tillhouse.parts.identity.settings import IdentitySettings
from tillhouse.parts.identity.store.organisations import lock_organisations_of

_CONFIRMING: tuple[Purpose, ...] = ("register", "sign_in")


class AddressTooNew(Forbidden):
    """No address of the person has been theirs for long enough to prove who they are."""

    code = "address_too_new"


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """What a new person says. `also` is a second identifier, to be confirmed after the first."""

    identifier: Identifier
    full_name: str
    password_hash: str | None = None
    also: Identifier | None = None
    locale: str = "en"
    zone: str = DEFAULT_ZONE


async def register(session: Session, new: Registration) -> challenges.Otp:
    """Send a code that makes the person, or, where there is an account, a message that says so. The answer is the same.

    Nothing is reserved: what was said waits in the challenge. Raises `InvalidInput`, `TooManyRequests`.
    """
    check_locale(new.locale)
    data: JsonObject = {
        "full_name": new.full_name,
        "password_hash": new.password_hash,
        "zone": check_zone(new.zone),
        "also": {"kind": new.also.kind, "value": new.also.value} if new.also else None,
    }
    await store.lock_value(session, new.identifier)
    taken = await store.person_by_identifier(session, new.identifier) is not None
    return await challenges.ask(
        session, "register", new.identifier, person_id=None, decoy=taken, locale=new.locale, data=data
    )


async def ask_to_sign_in(session: Session, identifier: Identifier, locale: str) -> challenges.Otp:
    """Send a code to sign in with, where there is an account. The answer is the same where there is none."""
    return await _ask_of_person(session, "sign_in", identifier, locale)


async def ask_to_reset(session: Session, identifier: Identifier, locale: str) -> challenges.Otp:
    """Send a code that allows a new password, where there is an account. The answer is the same where there is none."""
    return await _ask_of_person(session, "reset", identifier, locale)


async def ask_again(session: Session, identifier: Identifier, locale: str) -> challenges.Otp:
    """Send the last code for registering or signing in once more, or a new one. The answer is the same for all."""
    await store.lock_value(session, identifier)
    rows = await store.challenges_since(session, identifier.value, _CONFIRMING, clock.now() - 6 * CODE_LIFE)
    if rows:
        return await challenges.ask_again(session, rows[0])
    return await ask_to_sign_in(session, identifier, locale)


async def confirm(
    session: Session,
    identifier: Identifier,
    code: str,
    challenge_id: UUID | None,
    *,
    kind: Literal["api", "pages"],
    device: str,
) -> sessions.SignIn | None:
    """Answer a code for registering or signing in: a session begins. None for a wrong code; let it commit either way.

    The password of a registration is kept only where it is certain whose it is: the caller named the challenge, or it
    is the only open one. Otherwise someone else's registration with this address could leave its password behind.
    """
    await store.lock_value(session, identifier)
    rows = await store.challenges_since(session, identifier.value, _CONFIRMING, clock.now() - CODE_LIFE)
    certain = challenge_id is not None or sum(row.purpose == "register" for row in rows) == 1
    asked = [row for row in rows if challenge_id in (None, row.id)]
    row = await challenges.answer(session, asked, code)
    if row is None:
        return None
    person = await store.person_by_identifier(session, identifier)
    if person is None:
        person = await _make(session, row, identifier, keep_password=certain)
    await store.use_up(session, identifier.value, _CONFIRMING, clock.now())
    return await sessions.begin(session, person, kind, device)


async def create(
    session: Session,
    full_name: str,
    identifiers: Sequence[Identifier],
    *,
    password_hash: str | None = None,
    role: PersonRole = "user",
    locale: str = "en",
    zone: str = DEFAULT_ZONE,
) -> PersonRow:
    """Make a person whose identifiers count as confirmed. Raises `Conflict` when another person has one of them."""
    now = clock.now()
    person = PersonRow(
        id=new_id(),
        status="active",
        role=role,
        display_name=full_name,
        locale=locale,
        zone=zone,
        created_at=now,
        updated_at=now,
    )
    session.add(person)
    await session.flush()
    for identifier in identifiers:
        await claim(session, person.id, identifier)
    if password_hash:
        await store.put_password(session, person.id, password_hash, now)
    await emit(session, PersonRegistered(person_id=person.id))
    return person


async def change(session: Session, principal: Principal, full_name: str, locale: str, zone: str) -> PersonRow:
    """Change what a person says of themselves. Raises `InvalidInput`."""
    person = await _own(session, principal)
    person.display_name, person.locale, person.zone = full_name, check_locale(locale), check_zone(zone)
    person.updated_at = clock.now()
    await session.flush()
    return person


async def ask_to_link(session: Session, principal: Principal, identifier: Identifier) -> challenges.Otp:
    """Send a code to an address that the caller wants to add. Raises `Conflict` when it is theirs already.

    The answer is the same when it is another person's; that person is told.
    """
    await sessions.assert_recent(session, principal)
    person = await _own(session, principal)
    await store.lock_value(session, identifier)
    owner = await store.person_by_identifier(session, identifier)
    if owner and owner.id == person.id:
        raise Conflict(N_("This is yours already."))
    return await challenges.ask(
        session, "link", identifier, person_id=person.id, decoy=owner is not None, locale=person.locale
    )


async def link(session: Session, principal: Principal, identifier: Identifier, code: str) -> IdentifierRow | None:
    """Add a confirmed address to the caller. None for a wrong code; let it commit either way."""
    await store.lock_value(session, identifier)
    rows = await store.challenges_since(session, identifier.value, ["link"], clock.now() - CODE_LIFE)
    row = await challenges.answer(session, [r for r in rows if r.person_id == principal.person_id], code)
    if row is None or await store.person_by_identifier(session, identifier):
        return None
    await store.use_up(session, identifier.value, ["link"], clock.now())
    await notify(session, principal.person_id, "identity.address_added")
    return await claim(session, principal.person_id, identifier)


async def unlink(session: Session, principal: Principal, identifier_id: UUID) -> None:
    """Remove one of the caller's identifiers. Raises `NotFound`, `Conflict` for the last address, `StepUpRequired`.

    A code can be sent to an address: while one is left there is a way in, whatever else is removed.
    """
    await sessions.assert_recent(session, principal)
    await _own(session, principal)
    mine = await store.identifiers(session, principal.person_id)
    if identifier_id not in {row.id for row in mine}:
        raise NotFound(N_("There is no such address."))
    addresses = {row.id for row in await store.addresses(session, principal.person_id)}
    if addresses <= {identifier_id}:
        raise Conflict(N_("This is your last address: add another one first, or delete the account."))
    await notify(session, principal.person_id, "identity.address_removed")
    await store.delete_identifier(session, identifier_id)


class CannotErase(Conflict):
    """Something stands against erasing a person. `may_be_given_up` names what does so only until they give it up."""

    code = "conflict"

    def __init__(self, reasons: Sequence[FieldError], may_be_given_up: Sequence[str]) -> None:
        super().__init__(N_("The account cannot be deleted yet."), errors=reasons)
        self.may_be_given_up = tuple(may_be_given_up)


async def erase(session: Session, principal: Principal, give_up: Collection[str] = ()) -> None:
    """Remove a person's data for good; the id stays for the books.

    `give_up` names what the person says they lose by it and do not want: that is written down. Raises `CannotErase`
    with every other reason against it.
    """
    await sessions.assert_recent(session, principal)
    await lock_organisations_of(session, principal.person_id)  # of two last owners who go at once, one stays
    person, house = await _own(session, principal), house_of(session)
    against: list[FieldError] = []
    could: list[str] = []
    given_up: list[str] = []
    for veto in house.provided(ErasureVeto):
        sentences = await veto.reasons(session, person.id)
        if sentences and veto.may_be_given_up:
            (given_up if veto.name in give_up else could).append(veto.name)
        if veto.name not in given_up:
            pointer = "/give_up" if veto.may_be_given_up else ""
            against += [FieldError(pointer, veto.name, sentence) for sentence in sentences]
    if against:
        raise CannotErase(against, could)
    if given_up:
        await audit(session, principal, "identity.gave_up", f"person:{person.id}", {"what": [*given_up]})
    addresses = [row.value for row in await store.identifiers(session, person.id)]
    for part in house.provided(Erasure):
        await part.erase(session, person.id, addresses)
    await store.delete_person_data(session, person.id, addresses)
    person.status, person.role, person.display_name, person.updated_at = "erased", "user", "", clock.now()
    person.picture_id = None
    await session.flush()
    await emit(session, PersonErased(person_id=person.id))


async def set_picture(session: Session, person_id: UUID, picture_id: UUID | None) -> UUID | None:
    """Note which file is the picture of a person, for the part that keeps it; the one before. Raises `NotFound`."""
    person = await store.lock_person(session, person_id)
    if person is None or person.status != "active":
        raise NotFound(N_("There is no such person."))
    before, person.picture_id, person.updated_at = person.picture_id, picture_id, clock.now()
    await session.flush()
    return before


async def set_role(session: Session, actor: Principal, person_id: UUID, role: PersonRole) -> PersonRow:
    """Make someone a user, staff or admin. Raises `NotFound`; `Conflict` for one's own role."""
    if actor.id == person_id:
        raise Conflict(N_("Nobody changes their own role: ask another admin."))
    person = await store.lock_person(session, person_id)
    if person is None or person.status != "active":
        raise NotFound(N_("There is no such person."))
    before, person.role, person.updated_at = person.role, role, clock.now()
    await session.flush()
    await audit(session, actor, "identity.set_role", f"person:{person.id}", {"from": before, "to": role})
    return person


async def contacts(session: ReadSession, person_id: UUID) -> list[Contact]:
    """Every confirmed address of a person, the first confirmed first; none for a person who is erased or unknown."""
    person = await store.person(session, person_id)
    if person is None:
        return []
    return [
        Contact(person.id, _kind(row.kind), row.value, person.locale, person.zone)
        for row in await store.addresses(session, person_id)
    ]


async def proving_contacts(session: ReadSession, person_id: UUID) -> list[Contact]:
    """The addresses to which a code may be sent that proves who somebody is, the oldest first: never none.

    Whoever has got into an account may add an address of their own; that one proves nothing for a while. The address
    that the account began with was added by nobody. Raises `AddressTooNew` when there is none.
    """
    person = await store.person(session, person_id)
    rows = await store.addresses(session, person_id)
    age = house_of(session).settings_of(IdentitySettings).step_up_address_age
    proving = [row for row in rows if person and (row.confirmed_at <= clock.now() - age or _founding(person, row))]
    if person is None or not proving:
        when = min((row.confirmed_at for row in rows), default=clock.now()) + age
        raise AddressTooNew(
            N_(
                "Your address was added a short while ago, so a code sent there does not prove who you are yet. "
                "Nothing was changed: try again after {when}."
            ),
            when=when,
        )
    return [Contact(person.id, _kind(row.kind), row.value, person.locale, person.zone) for row in proving]


async def step_up_address(session: ReadSession, person_id: UUID) -> str:
    """Where the code of a step-up goes; nothing where every address is too new for one."""
    try:
        return (await proving_contacts(session, person_id))[0].address
    except AddressTooNew:
        return ""


def _founding(person: PersonRow, row: IdentifierRow) -> bool:
    """An account begins with the confirmation of its first address, in one transaction."""
    return row.confirmed_at <= person.created_at + FOUNDING


async def notify(session: Session, person_id: UUID, template: str, data: JsonObject | None = None) -> None:
    """Tell a person something, after this transaction commits: as they chose, or, about security, at every address.

    `template` is `module.name`, described by a `MessageKind`; `data` fills it and holds nothing secret. Raises
    `LookupError` in a process that was composed without a part that sends messages.
    """
    await house_of(session).the(MessageSender).tell(session, person_id, template, data or {})


async def _ask_of_person(session: Session, purpose: Purpose, identifier: Identifier, locale: str) -> challenges.Otp:
    await store.lock_value(session, identifier)
    person = await store.person_by_identifier(session, identifier)
    return await challenges.ask(
        session,
        purpose,
        identifier,
        person_id=person.id if person else None,
        decoy=person is None,
        locale=person.locale if person else locale,
    )


async def _make(session: Session, row: ChallengeRow, identifier: Identifier, *, keep_password: bool) -> PersonRow:
    password_hash, also = row.data.get("password_hash"), row.data.get("also")
    person = await create(
        session,
        str(row.data["full_name"]),
        [identifier],
        password_hash=str(password_hash) if password_hash and keep_password else None,
        locale=row.locale,
        zone=str(row.data["zone"]),
    )
    if isinstance(also, dict):
        second = Identifier(_kind(str(also["kind"])), str(also["value"]))
        await store.lock_value(session, second)
        taken = await store.person_by_identifier(session, second) is not None
        await challenges.ask(session, "link", second, person_id=person.id, decoy=taken, locale=row.locale)
    return person


async def claim(session: Session, person_id: UUID, identifier: Identifier, label: str | None = None) -> IdentifierRow:
    """Note that an identifier is confirmed and this person's. Raises `Conflict` when another person has it."""
    row = IdentifierRow(
        id=new_id(),
        person_id=person_id,
        kind=identifier.kind,
        value=identifier.value,
        label=label,
        confirmed_at=clock.now(),
    )
    if not await store.claim_identifier(session, row):
        raise Conflict(N_("This address belongs to another account."))
    return row


async def _own(session: Session, principal: Principal) -> PersonRow:
    person = await store.lock_person(session, principal.person_id)
    if person is None or person.status != "active":
        raise NotFound(N_("There is no such person."))
    return person


def _kind(text: str) -> AddressKind:
    return "phone" if text == "phone" else "email"
