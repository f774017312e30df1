"""Use cases that span transactions: a password is hashed between two of them, and a refusal must not undo its count.

A wrong guess raises only after the transaction that counted it has committed.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Literal, TypeVar
from uuid import UUID

from fastapi import Request

from tillhouse.kernel import clock
from tillhouse.kernel.access import NOBODY, Principal
from tillhouse.kernel.db import ReadSession, Session, in_transaction
from tillhouse.kernel.errors import FieldError, InvalidInput, NotAuthenticated
from tillhouse.kernel.house import House
from tillhouse.kernel.http import house_of_request
from tillhouse.kernel.text import N_
from tillhouse.kernel.together import Together
from tillhouse.parts.identity import store
from tillhouse.parts.identity.domain import (
    CODE_LIFE,
    KEY_PREFIX,
    Assurance,
    Identifier,
    check_password,
    parse_email,
    parse_phone,
    token_hash,
)
from tillhouse.parts.identity.models import ApiKeyRow, IdentifierRow, PersonRow, SessionRow
from tillhouse.parts.identity.service import attempts, challenges, machines, people, second_factor, sessions
from tillhouse.parts.identity.service.passwords import passwords_of
from tillhouse.parts.identity.settings import IdentitySettings

T = TypeVar("T")

COOKIE = "till_session"
_PROLONG_EVERY = timedelta(days=1)
_STREAM = "text/event-stream"


class BadCredentials(NotAuthenticated):
    """The one refusal of every password, whether or not there is such an account."""

    code = "bad_credentials"


@dataclass(frozen=True, slots=True)
class Caller:
    """Where a request comes from and what it wants: tokens for a program or a cookie for a browser."""

    kind: Literal["api", "pages"]
    address: str
    device: str
    locale: str


# Registering and signing in


async def register(
    house: House,
    caller: Caller,
    *,
    full_name: str,
    email: str | None,
    phone: str | None,
    password: str | None,
    zone: str,
) -> challenges.Otp:
    """Ask to become a person. Raises `InvalidInput`, `TooManyRequests`."""
    given = [parse_email(email)] if email else []
    given += [parse_phone(phone)] if phone else []
    if not given:
        message = N_("Give an e-mail address or a mobile number.")
        raise InvalidInput(message, errors=[FieldError("/email", "missing", message)])
    if password is not None:
        check_password(password, near=[identifier.value for identifier in given])
    password_hash = await passwords_of(house).hash(password) if password is not None else None
    new = people.Registration(
        identifier=given[0],
        also=given[1] if len(given) > 1 else None,
        full_name=full_name,
        password_hash=password_hash,
        locale=caller.locale,
        zone=zone,
    )
    async with house.database.transaction() as session:
        return await people.register(session, new)


async def sign_in(house: House, caller: Caller, identifier: Identifier, password: str) -> sessions.SignIn:
    """Sign in with a password. Raises `BadCredentials`, `TooManyRequests`."""
    passwords = passwords_of(house)
    async with house.database.transaction() as session:
        guess = await attempts.count(session, "password", identifier.value, caller.address)
        person, credential = await store.person_with_password(session, identifier)
    known = credential.password_hash if credential else None
    if not await passwords.verify(known, password) or person is None or known is None:
        raise BadCredentials(N_("The address or the password is wrong."))
    renewed = await passwords.hash(password) if passwords.is_outdated(known) else None
    async with house.database.transaction() as session:
        locked = await store.lock_person(session, person.id)
        current = await store.credential(session, person.id)
        if locked is None or current is None or current.password_hash != known:
            raise BadCredentials(N_("The address or the password is wrong."))
        if renewed:
            await store.put_password(session, person.id, renewed, current.changed_at)
        await attempts.forgive(session, guess)
        return await sessions.begin(session, locked, caller.kind, caller.device)


async def confirm(
    house: House, caller: Caller, identifier: Identifier, code: str, challenge_id: UUID | None
) -> sessions.SignIn:
    """Answer a code for registering or signing in. Raises `InvalidInput` (`wrong_code`), `TooManyRequests`."""
    async with house.database.transaction() as session:
        guess = await attempts.count(session, "code", identifier.value, caller.address)
        begun = await people.confirm(session, identifier, code, challenge_id, kind=caller.kind, device=caller.device)
        if begun:
            await attempts.forgive(session, guess)
    if begun is None:
        raise challenges.wrong_code()
    return begun


async def refresh(house: House, refresh_token: str) -> sessions.Tokens:
    """The next tokens for a refresh token. Raises `NotAuthenticated`."""
    async with house.database.transaction() as session:
        tokens = await sessions.refresh(session, refresh_token)
    if tokens is None:
        raise NotAuthenticated(N_("This token is not good, or no longer: sign in again."))
    return tokens


# Passwords


async def reset_password(
    house: House,
    caller: Caller,
    identifier: Identifier,
    *,
    code: str,
    password: str,
    challenge_id: UUID | None = None,
) -> None:
    """Set a new password with a code, and end every session. Raises `InvalidInput`, `TooManyRequests`."""
    check_password(password, near=[identifier.value])
    password_hash = await passwords_of(house).hash(password)
    async with house.database.transaction() as session:
        guess = await attempts.count(session, "code", identifier.value, caller.address)
        await store.lock_value(session, identifier)
        rows = await store.challenges_since(session, identifier.value, ["reset"], clock.now() - CODE_LIFE)
        row = await challenges.answer(session, [r for r in rows if challenge_id in (None, r.id)], code)
        if row and row.person_id:
            await attempts.forgive(session, guess)
            await store.use_up(session, identifier.value, ["reset"], clock.now())
            await store.put_password(session, row.person_id, password_hash, clock.now())
            await sessions.end(session, row.person_id, "password_reset")
            await people.notify(session, row.person_id, "identity.password_changed")
    if row is None:
        raise challenges.wrong_code()


async def change_password(
    house: House, caller: Caller, principal: Principal, current_password: str | None, new_password: str
) -> None:
    """Change or set the caller's password; their other sessions end.

    Raises `InvalidInput` (`wrong_password`, `weak_password`), `TooManyRequests`, `StepUpRequired` where there was none.
    """
    check_password(new_password, pointer="/new_password")
    passwords, person_id = passwords_of(house), principal.person_id
    async with house.database.transaction() as session:
        credential = await store.credential(session, person_id)
        if credential is None:
            await sessions.assert_recent(session, principal)
        guess = await attempts.count(session, "current_password", str(person_id), caller.address)
    known = credential.password_hash if credential else None
    if known and not await passwords.verify(known, current_password or ""):
        message = N_("This is not your present password.")
        raise InvalidInput(message, errors=[FieldError("/current_password", "wrong_password", message)])
    password_hash = await passwords.hash(new_password)
    async with house.database.transaction() as session:
        await store.lock_person(session, person_id)
        await attempts.forgive(session, guess)
        await store.put_password(session, person_id, password_hash, clock.now())
        await sessions.end(session, person_id, "password_changed", keep=principal.session_id)
        await people.notify(session, person_id, "identity.password_changed")


# Further proofs


@dataclass(frozen=True, slots=True)
class StepUp:
    """How the caller is to prove themselves again: with their authenticator, or with the code just sent."""

    method: Literal["totp", "code"]
    otp: challenges.Otp | None


async def ask_to_step_up(house: House, principal: Principal) -> StepUp:
    """Begin a step-up: a code is sent, unless the caller has an authenticator.

    Raises `TooManyRequests`, and `AddressTooNew` where every address was added a short while ago.
    """
    async with house.database.transaction() as session:
        if await second_factor.has_totp(session, principal.person_id):
            return StepUp("totp", None)
        contact = (await people.proving_contacts(session, principal.person_id))[0]
        otp = await challenges.ask(
            session,
            "step_up",
            Identifier(contact.kind, contact.address),
            person_id=principal.person_id,
            decoy=False,
            locale=contact.locale,
            session_id=principal.session_id,
        )
        return StepUp("code", otp)


async def step_up(house: House, caller: Caller, principal: Principal, code: str) -> SessionRow:
    """Finish a step-up: the session is fresh for ten minutes, and at assurance 2 after an authenticator's code.

    Raises `InvalidInput` (`wrong_code`), `TooManyRequests`.
    """
    fresh = None
    async with house.database.transaction() as session:
        guess = await attempts.count(session, "step_up", str(principal.person_id), caller.address)
        assurance = await _proof(session, principal, code)
        if assurance:
            await attempts.forgive(session, guess)
            fresh = await sessions.mark_fresh(session, principal, assurance)
    if fresh is None:
        raise challenges.wrong_code()
    return fresh


async def confirm_totp(house: House, caller: Caller, principal: Principal, code: str) -> list[str]:
    """Finish the set-up of an authenticator; returns the recovery codes. Raises `InvalidInput`, `Conflict`."""
    async with house.database.transaction() as session:
        guess = await attempts.count(session, "step_up", str(principal.person_id), caller.address)
        codes = await second_factor.confirm(session, principal, code)
        if codes:
            await attempts.forgive(session, guess)
            await people.notify(session, principal.person_id, "identity.authenticator_added")
    if codes is None:
        raise challenges.wrong_code()
    return codes


async def link(house: House, caller: Caller, principal: Principal, identifier: Identifier, code: str) -> IdentifierRow:
    """Add an address with the code that was sent to it. Raises `InvalidInput` (`wrong_code`), `TooManyRequests`."""
    async with house.database.transaction() as session:
        guess = await attempts.count(session, "code", identifier.value, caller.address)
        row = await people.link(session, principal, identifier, code)
        if row:
            await attempts.forgive(session, guess)
    if row is None:
        raise challenges.wrong_code()
    return row


# Who sent a request


class ApiKeys:
    """Keys of machines by their digest, read anew for each request; requests at the same time read together."""

    def __init__(self, house: House) -> None:
        self.together: Together[bytes, ApiKeyRow] = Together(partial(store.api_keys_by_hash, house.database))
        house.on_close(self.together.close)


async def authenticate(request: Request) -> Principal:
    """Who sent a request: a bearer token or key under `/api`, a cookie elsewhere, a ticket for a stream.

    Looks the session up each time, so that one that has ended stops at once. Raises `NotAuthenticated` for a
    credential that is not good; a cookie that is not good is nobody's.
    """
    house = house_of_request(request)
    if ticket := _ticket(request):
        return await _by_session(house, request, await sessions.spend_ticket(house, ticket))
    if not request.url.path.startswith("/api/"):
        return await _by_cookie(house, request)
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if not scheme:
        return NOBODY
    if scheme.lower() != "bearer" or not token:
        raise NotAuthenticated(N_("Send `Authorization: Bearer` and a token or key."))
    if token.startswith(KEY_PREFIX):
        return await _by_key(house, request, token)
    return await _by_session(house, request, sessions.session_id_of_token(house, token, "api"))


async def session_stands(house: House, principal: Principal) -> bool:
    """Whether the session that a caller came with is still open, and its person still there."""
    if principal.session_id is None:
        return False
    async with house.database.reading() as session:
        return _principal(house, await store.session_with_person(session, principal.session_id)) is not None


async def _by_cookie(house: House, request: Request) -> Principal:
    cookie = request.cookies.get(COOKIE)
    if not cookie:
        return NOBODY
    found = await _reading(house, request, lambda s: store.session_of_cookie(s, token_hash(cookie)))
    principal = _principal(house, found)
    if found is None or principal is None:
        return NOBODY
    await _prolong(house, found[0])
    return principal


async def _by_session(house: House, request: Request, session_id: UUID) -> Principal:
    principal = _principal(house, await _reading(house, request, lambda s: store.session_with_person(s, session_id)))
    if principal is None:
        raise NotAuthenticated(N_("This session has ended: sign in again."))
    return principal


async def _by_key(house: House, request: Request, key: str) -> Principal:
    digest = token_hash(key)
    row: ApiKeyRow | None
    if in_transaction():
        row = await store.api_key_by_hash(request.state.session, digest)
    else:
        row = await house.the(ApiKeys).together.get(digest)
    principal = machines.principal_of_key(house, row) if row else None
    if row is None or principal is None:
        raise NotAuthenticated(N_("This key is not good, or no longer."))
    await _touch(house, row)
    return principal


async def _prolong(house: House, row: SessionRow) -> None:
    """A browser that is in use stays signed in; noted once a day at most."""
    now = clock.now()
    if not in_transaction() and now > row.used_at + _PROLONG_EVERY:
        async with house.database.transaction() as session:
            await store.prolong_session(session, row.id, now, now + house.settings_of(IdentitySettings).refresh_life)


async def _touch(house: House, row: ApiKeyRow) -> None:
    now = clock.now()
    if not in_transaction() and (row.used_at is None or now > row.used_at + machines.TOUCH_EVERY):
        async with house.database.transaction() as session:
            await store.touch_api_key(session, row.id, now)


async def _reading(house: House, request: Request, read: Callable[[ReadSession], Awaitable[T]]) -> T:
    """Read in the request's own transaction where its dependencies have opened it already, else in a short one."""
    if in_transaction():
        return await read(request.state.session)
    async with house.database.reading() as session:
        return await read(session)


def _principal(house: House, found: tuple[SessionRow, PersonRow] | None) -> Principal | None:
    if found is None or not sessions.is_open(found[0]) or found[1].status != "active":
        return None
    return sessions.principal_of(house, *found)


def _ticket(request: Request) -> str | None:
    socket = bool(getattr(request.state, "is_stream", False))
    streams = socket or (_STREAM in request.headers.get("accept", "") and request.method == "GET")
    return request.query_params.get("ticket") if streams else None


async def _proof(session: Session, principal: Principal, code: str) -> Assurance | None:
    """What a step-up's code proves; where there is an authenticator nothing less will do."""
    if await second_factor.has_totp(session, principal.person_id):
        return 2 if await second_factor.take(session, principal.person_id, code) else None
    asked = [
        row
        for contact in await people.proving_contacts(session, principal.person_id)
        for row in await store.challenges_since(session, contact.address, ["step_up"], clock.now() - CODE_LIFE)
        if row.session_id == principal.session_id
    ]
    return 1 if await challenges.answer(session, asked, code) else None
