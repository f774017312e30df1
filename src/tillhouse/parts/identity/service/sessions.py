"""Sessions: begun, refreshed, made fresh, ended, and what a token says of one."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal
from uuid import UUID

import jwt

from tillhouse.kernel import clock
from tillhouse.kernel.access import Principal
from tillhouse.kernel.db import ReadSession, Session, house_of
from tillhouse.kernel.errors import Forbidden, NotAuthenticated, NotFound
from tillhouse.kernel.house import House
from tillhouse.kernel.ids import new_id
from tillhouse.kernel.live import session_ended
from tillhouse.kernel.text import N_
from tillhouse.parts.identity import store
from tillhouse.parts.identity.domain import (
    FRESH_FOR,
    Assurance,
    derive_key,
    new_token,
    next_token,
    permissions_of,
    roles_of,
    token_hash,
)
from tillhouse.parts.identity.models import PersonRow, RefreshTokenRow, SessionRow
from tillhouse.parts.identity.settings import IdentitySettings

_TICKET_SECONDS = 60
Audience = Literal["api", "ticket"]


class StepUpRequired(Forbidden):
    """Asks for a fresh proof: `POST /api/v1/auth/step-up`, or the page `/step-up`, then the same act again."""

    code = "step_up_required"


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a signed-in program holds; `expires_in` is in seconds."""

    access_token: str
    refresh_token: str
    expires_in: int


@dataclass(frozen=True, slots=True)
class SignIn:
    """A session that has just begun: with tokens for a program, or a cookie for a browser."""

    session_id: UUID
    person_id: UUID
    tokens: Tokens | None
    cookie: str | None


async def begin(
    session: Session, person: PersonRow, kind: Literal["api", "pages"], device: str, assurance: Assurance = 1
) -> SignIn:
    """Begin a session. Raises `NotAuthenticated` for a person who is no longer there."""
    if person.status != "active":
        raise NotAuthenticated(N_("Sign in to do this."))
    now, settings = clock.now(), house_of(session).settings_of(IdentitySettings)
    cookie = new_token() if kind == "pages" else None
    row = SessionRow(
        id=new_id(),
        person_id=person.id,
        kind=kind,
        cookie_hash=token_hash(cookie) if cookie else None,
        assurance=assurance,
        device=device,
        created_at=now,
        used_at=now,
        expires_at=now + settings.refresh_life,
    )
    session.add(row)
    await session.flush()
    tokens = await _issue(session, row, new_token()) if kind == "api" else None
    return SignIn(row.id, person.id, tokens, cookie)


async def refresh(session: Session, refresh_token: str) -> Tokens | None:
    """The next tokens for a refresh token; None for a bad one. Let the transaction commit either way.

    A session has one chain of refresh tokens. One that was used before ends the session, and with it the whole chain,
    since one of its two holders stole it; within a short grace it is taken for a second tab, which is led to the newest
    of the chain. A thief in that moment gets the very token that its owner has, and the next use tells them apart.
    """
    token = await store.lock_refresh_token(session, token_hash(refresh_token))
    row = await store.lock_session(session, token.session_id) if token else None
    now, settings = clock.now(), house_of(session).settings_of(IdentitySettings)
    if token is None or row is None or not is_open(row):
        return None
    if token.used_at and now > token.used_at + settings.refresh_grace:
        row.ended_at, row.end_reason = now, "refresh_token_reused"
        await session.flush()
        return None
    row.used_at, row.expires_at = now, now + settings.refresh_life
    if token.used_at:
        newest = await _newest_after(session, refresh_token)
        return _tokens(house_of(session), row, newest) if newest else None
    token.used_at = now
    return await _issue(session, row, next_token(_chain_key(session), refresh_token))


async def _newest_after(session: Session, token: str) -> str | None:
    """The unused end of the chain behind `token`; None when SECRET_KEY was replaced within the grace."""
    while True:
        token = next_token(_chain_key(session), token)
        row = await store.refresh_token(session, token_hash(token))
        if row is None or row.used_at is None:
            return token if row else None


async def _issue(session: Session, row: SessionRow, refresh_token: str) -> Tokens:
    digest = token_hash(refresh_token)
    session.add(RefreshTokenRow(id=new_id(), session_id=row.id, token_hash=digest, created_at=clock.now()))
    await session.flush()
    return _tokens(house_of(session), row, refresh_token)


def _tokens(house: House, row: SessionRow, refresh_token: str) -> Tokens:
    seconds = int(house.settings_of(IdentitySettings).access_life.total_seconds())
    return Tokens(_sign(house, row, "api", seconds), refresh_token, seconds)


def _chain_key(session: Session) -> bytes:
    return derive_key(house_of(session).settings.secret_key, "refresh tokens")


async def sign_out(session: Session, principal: Principal) -> None:
    """End the caller's own session."""
    if principal.kind == "person" and principal.session_id:
        await end(session, principal.person_id, "signed_out", only=principal.session_id)


async def sign_out_by_token(session: Session, refresh_token: str) -> None:
    """End the session of a refresh token; nothing happens for one that is not ours."""
    token = await store.lock_refresh_token(session, token_hash(refresh_token))
    row = await store.lock_session(session, token.session_id) if token else None
    if row and row.ended_at is None:
        row.ended_at, row.end_reason = clock.now(), "signed_out"
        await session.flush()


async def sign_out_everywhere(session: Session, principal: Principal) -> int:
    """End every session of the caller, this one too. Returns how many ended."""
    return await end(session, principal.person_id, "signed_out_everywhere")


async def end(
    session: Session, person_id: UUID, reason: str, *, only: UUID | None = None, keep: UUID | None = None
) -> int:
    """End a person's open sessions (one of them, or all but one), and what listens with them. Returns how many."""
    ended = await store.end_sessions(session, person_id, clock.now(), reason, only=only, keep=keep)
    if ended:
        session_ended(session, person_id)
    return ended


async def end_one(session: Session, principal: Principal, session_id: UUID) -> None:
    """End one of the caller's sessions. Raises `NotFound` for one that is not theirs or is over."""
    if not await end(session, principal.person_id, "signed_out", only=session_id):
        raise NotFound(N_("There is no such session."))


async def list_open(session: ReadSession, principal: Principal) -> Sequence[SessionRow]:
    """The caller's open sessions."""
    return await store.open_sessions(session, principal.person_id, clock.now())


async def mark_fresh(session: Session, principal: Principal, assurance: Assurance) -> SessionRow:
    """A proof was shown just now. Raises `NotAuthenticated` when the session has ended meanwhile."""
    row = await store.lock_session(session, principal.session_id) if principal.session_id else None
    if row is None or not is_open(row):
        raise NotAuthenticated(N_("Sign in to do this."))
    row.fresh_until = clock.now() + FRESH_FOR
    row.assurance = max(row.assurance, assurance)
    await session.flush()
    return row


async def assert_fresh(session: ReadSession, principal: Principal) -> None:
    """Raise `StepUpRequired` unless this person has stepped up within the last ten minutes.

    Machines and the house itself pass: they were given the permission on purpose and cannot be asked.
    """
    if principal.kind in ("machine", "system"):
        return
    row = await store.session_row(session, principal.session_id) if principal.session_id else None
    if row is None or row.fresh_until is None or row.fresh_until <= clock.now():
        raise StepUpRequired(N_("Confirm that it is you, then do this again."))


async def assert_recent(session: ReadSession, principal: Principal) -> None:
    """Like `assert_fresh`, but having signed in within the last ten minutes is proof enough.

    Not for staff, nor for whoever has an authenticator and did not show it: there a password alone proves too little.
    """
    row = await store.session_row(session, principal.session_id) if principal.session_id else None
    if row is None or clock.now() > row.created_at + FRESH_FOR or await _needs_more(session, principal, row):
        await assert_fresh(session, principal)


async def _needs_more(session: ReadSession, principal: Principal, row: SessionRow) -> bool:
    if row.assurance >= 2 or principal.id is None:
        return False
    factor = await store.totp(session, principal.id)
    return bool(principal.roles & {"staff", "admin"}) or (factor is not None and factor.confirmed_at is not None)


def is_open(row: SessionRow) -> bool:
    """Whether the session still stands."""
    return row.ended_at is None and clock.now() < row.expires_at


def principal_of(house: House, row: SessionRow, person: PersonRow) -> Principal:
    """The caller behind an open session."""
    roles = roles_of(person.role)
    assurance: Assurance = 2 if row.assurance == 2 else 1
    declared = [permission for module in house.modules for permission in module.permissions]
    permissions = permissions_of(roles, assurance, declared)
    return Principal(
        "person",
        id=person.id,
        roles=roles,
        permissions=permissions,
        with_second_factor=permissions_of(roles, 2, declared) - permissions,
        session_id=row.id,
        assurance=assurance,
        display_name=person.display_name,
        locale=person.locale,
        zone=person.zone,
        details={"picture": str(person.picture_id)} if person.picture_id else {},
    )


async def ticket(session: ReadSession, principal: Principal) -> str:
    """A token for one address line of a stream, good once and for a minute: a browser's streams cannot send headers."""
    row = await store.session_row(session, principal.session_id) if principal.session_id else None
    if row is None:
        raise NotAuthenticated(N_("Sign in to do this."))
    return _sign(house_of(session), row, "ticket", _TICKET_SECONDS)


async def spend_ticket(house: House, ticket: str) -> UUID:
    """The session that a ticket names, and the ticket is spent: in a transaction of its own, at once.

    Raises `NotAuthenticated` for one that is forged, old, or was used before.
    """
    session_id, number, until = _read(house, ticket, "ticket")
    if not await store.spend_ticket(house.database, number, until):
        raise NotAuthenticated(_BAD_TOKEN)
    return session_id


def session_id_of_token(house: House, token: str, audience: Audience) -> UUID:
    """The session that a signed token names. Raises `NotAuthenticated` for a forged, foreign or old one."""
    return _read(house, token, audience)[0]


def _read(house: House, token: str, audience: Audience) -> tuple[UUID, UUID, datetime]:
    """The session of a token, the token's own number, and until when it is good."""
    try:
        claims = jwt.decode(
            token,
            derive_key(house.settings.secret_key, "tokens"),
            algorithms=["HS256"],
            audience=audience,
            options={"require": ["sid", "exp", "aud"], "verify_exp": False, "verify_iat": False},
        )
        until = int(claims["exp"])
        if until <= clock.now().timestamp():
            raise NotAuthenticated(_BAD_TOKEN)
        number = UUID(str(claims["jti"])) if audience == "ticket" else UUID(int=0)
        return UUID(str(claims["sid"])), number, datetime.fromtimestamp(until, UTC)
    except (jwt.InvalidTokenError, KeyError, ValueError):
        raise NotAuthenticated(_BAD_TOKEN) from None


_BAD_TOKEN = N_("This token is not good, or no longer: sign in again.")


def _sign(house: House, row: SessionRow, audience: Audience, seconds: int) -> str:
    now = int(clock.now().timestamp())
    claims = {"sub": str(row.person_id), "sid": str(row.id), "aud": audience, "iat": now, "exp": now + seconds}
    if audience == "ticket":
        claims["jti"] = str(new_id())
    return jwt.encode(claims, derive_key(house.settings.secret_key, "tokens"), algorithm="HS256")
