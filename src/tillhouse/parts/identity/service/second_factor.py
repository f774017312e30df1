"""The second factor: time-based codes (RFC 6238) from a person's phone, and recovery codes for when it is lost."""

import hmac
from dataclasses import dataclass
from uuid import UUID

import pyotp

from tillhouse.kernel import clock
from tillhouse.kernel.access import Principal
from tillhouse.kernel.db import ReadSession, Session, house_of
from tillhouse.kernel.errors import Conflict, Forbidden
from tillhouse.kernel.house import House
from tillhouse.kernel.ids import new_id
from tillhouse.kernel.text import N_
from tillhouse.parts.identity import store
from tillhouse.parts.identity.domain import FOUNDING, RECOVERY_CODES, derive_key, new_recovery_code, plain_code, same
from tillhouse.parts.identity.models import RecoveryCodeRow, TotpRow
from tillhouse.parts.identity.service import sessions
from tillhouse.parts.identity.settings import IdentitySettings

_STEP_SECONDS = 30
_ISSUER = "Tillhouse"


class AuthenticatorTooNew(Forbidden):
    """The person's authenticator was set up too short a while ago to let this much money out."""

    code = "authenticator_too_new"


@dataclass(frozen=True, slots=True)
class Enrolment:
    """What an authenticator app needs: the secret to type, or the `otpauth:` address behind a QR code."""

    secret: str
    uri: str


async def has_totp(session: ReadSession, person_id: UUID) -> bool:
    """Whether the person has an authenticator that was confirmed."""
    row = await store.totp(session, person_id)
    return row is not None and row.confirmed_at is not None


async def enrol(session: Session, principal: Principal) -> Enrolment:
    """Begin to set up the second factor; it counts once a code of it was shown. Raises `Conflict`, `StepUpRequired`."""
    await sessions.assert_recent(session, principal)
    person = await store.lock_person(session, principal.person_id)
    if await has_totp(session, principal.person_id):
        raise Conflict(N_("An authenticator app is set up already: remove it first."))
    await store.delete_totp(session, principal.person_id)
    secret = pyotp.random_base32()
    sealed = house_of(session).vault.seal(secret)
    session.add(TotpRow(person_id=principal.person_id, secret=sealed, counter=0, created_at=clock.now()))
    await session.flush()
    addresses = await store.addresses(session, principal.person_id)
    name = addresses[0].value if addresses else (person.display_name if person else "")
    return Enrolment(secret, pyotp.TOTP(secret).provisioning_uri(name=name, issuer_name=_ISSUER))


async def pending(session: ReadSession, person_id: UUID) -> Enrolment | None:
    """The set-up that waits for its first code, to show it again."""
    row = await store.totp(session, person_id)
    if row is None or row.confirmed_at:
        return None
    secret = house_of(session).vault.open(row.secret)
    addresses = await store.addresses(session, person_id)
    name = addresses[0].value if addresses else ""
    return Enrolment(secret, pyotp.TOTP(secret).provisioning_uri(name=name, issuer_name=_ISSUER))


async def confirm(session: Session, principal: Principal, code: str) -> list[str] | None:
    """Finish the set-up with a first code; returns the recovery codes, None for a wrong code. Raises `Conflict`."""
    row = await store.lock_totp(session, principal.person_id)
    if row is None or row.confirmed_at:
        raise Conflict(N_("There is no set-up to finish: start it again."))
    if not _take(house_of(session), row, code):
        return None
    row.confirmed_at = clock.now()
    codes = [new_recovery_code() for _ in range(RECOVERY_CODES)]
    for text in codes:
        digest = _recovery_hash(house_of(session), text)
        session.add(RecoveryCodeRow(id=new_id(), person_id=principal.person_id, code_hash=digest))
    await session.flush()
    await sessions.mark_fresh(session, principal, 2)
    return codes


async def assert_may_let_money_out(session: ReadSession, principal: Principal) -> None:
    """Like `assert_fresh`, and the authenticator behind the proof is not new.

    Whoever has got into a session may set an authenticator up and then show its code. Raises `AuthenticatorTooNew`,
    with the time when it is no longer new, and `StepUpRequired`.
    """
    row = await store.totp(session, principal.person_id) if principal.kind == "person" else None
    person = await store.person(session, principal.person_id) if row and row.confirmed_at else None
    if row and row.confirmed_at and person and row.confirmed_at > person.created_at + FOUNDING:
        when = row.confirmed_at + house_of(session).settings_of(IdentitySettings).step_up_authenticator_age
        if clock.now() < when:
            raise AuthenticatorTooNew(
                N_(
                    "Your authenticator app was set up a short while ago, so it does not let this much money out yet. "
                    "No money has moved: take out less, or try again after {when}."
                ),
                when=when,
            )
    await sessions.assert_fresh(session, principal)


async def remove(session: Session, principal: Principal) -> None:
    """Take the second factor away. Raises `StepUpRequired`: it takes the factor itself to remove it."""
    await sessions.assert_fresh(session, principal)
    await store.delete_totp(session, principal.person_id)


async def take(session: Session, person_id: UUID, code: str) -> bool:
    """Whether `code` is a present code of the person's authenticator or an unused recovery code; each works once."""
    row = await store.lock_totp(session, person_id)
    if row is None or row.confirmed_at is None:
        return False
    house = house_of(session)
    if _take(house, row, code):
        await session.flush()
        return True
    return await store.use_recovery_code(session, person_id, _recovery_hash(house, code), clock.now())


def _take(house: House, row: TotpRow, code: str) -> bool:
    """One step of the clock either way is forgiven; a step that was used, or an earlier one, is not."""
    generator = pyotp.TOTP(house.vault.open(row.secret))
    now = int(clock.now().timestamp()) // _STEP_SECONDS
    for step in (now - 1, now, now + 1):
        if same(generator.generate_otp(step), plain_code(code)) and step > row.counter:
            row.counter = step
            return True
    return False


def _recovery_hash(house: House, code: str) -> bytes:
    key = derive_key(house.settings.secret_key, "recovery codes")
    return hmac.digest(key, plain_code(code).encode(), "sha256")
