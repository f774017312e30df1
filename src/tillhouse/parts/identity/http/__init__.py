"""JSON endpoints of identity: `/auth`, `/users`, `/api-keys`; organisations are beside."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import StringConstraints

from tillhouse.kernel.access import Principal, open_to_all, require
from tillhouse.kernel.errors import FieldError, InvalidInput
from tillhouse.kernel.http import Read, TheHouse, Write
from tillhouse.kernel.limits import client_address, rate_limit
from tillhouse.kernel.paging import Page, cut, decode_id
from tillhouse.kernel.text import N_
from tillhouse.parts.identity import flows, schemas, store
from tillhouse.parts.identity.domain import LOCALES, Identifier, device_of, parse_email, parse_identifier, parse_phone
from tillhouse.parts.identity.http import organisations
from tillhouse.parts.identity.models import ApiKeyRow, IdentifierRow
from tillhouse.parts.identity.service import challenges, machines, people, second_factor, sessions

GiveUp = Annotated[str, StringConstraints(max_length=40, pattern=r"^[a-z_]+$")]
Me = Annotated[Principal, Depends(require("identity.me"))]
KeyAdmin = Annotated[Principal, Depends(require("identity.api_keys"))]
RoleAdmin = Annotated[Principal, Depends(require("identity.roles"))]
Auditor = Annotated[Principal, Depends(require("identity.audit"))]

_router = APIRouter()

_ANYONE = Depends(open_to_all("whoever wants in is nobody yet"))
_HOLDER = Depends(open_to_all("the token in the body is the permission"))


def caller_of(request: Request, locale: str | None = None) -> flows.Caller:
    """Where a call comes from, and the language to write to its sender in."""
    return flows.Caller(
        kind="api",
        address=client_address(request),
        device=device_of(request.headers.get("user-agent", "")),
        locale=locale or _wanted_locale(request.headers.get("accept-language", "")),
    )


# /auth


@_router.post("/auth/register", status_code=201, dependencies=[_ANYONE, Depends(rate_limit("10/minute", by="ip"))])
async def register(request: Request, house: TheHouse, body: schemas.RegisterIn) -> schemas.OtpOut:
    """Ask to become a person; a code is sent. The answer is the same where there is an account already."""
    otp = await flows.register(
        house,
        caller_of(request, body.locale),
        full_name=body.full_name,
        email=body.email,
        phone=body.phone,
        password=body.password,
        zone=body.zone,
    )
    return _otp(otp)


@_router.post("/auth/verify-otp", dependencies=[_ANYONE, Depends(rate_limit("20/minute", by="ip"))])
async def verify_otp(request: Request, house: TheHouse, body: schemas.VerifyOtpIn) -> schemas.TokensOut:
    """Answer the code for registering or signing in."""
    identifier = parse_identifier(body.identifier)
    begun = await flows.confirm(house, caller_of(request), identifier, body.code, body.challenge_id)
    return _tokens(begun.tokens)


@_router.post("/auth/resend-otp", dependencies=[_ANYONE, Depends(rate_limit("5/minute", by="ip"))])
async def resend_otp(request: Request, session: Write, body: schemas.IdentifierIn) -> schemas.OtpOut:
    """Send the code for registering or signing in once more."""
    return _otp(await people.ask_again(session, parse_identifier(body.identifier), caller_of(request).locale))


@_router.post(
    "/auth/login",
    responses={202: {"model": schemas.OtpOut, "description": "No password was given: a code was sent."}},
    dependencies=[_ANYONE, Depends(rate_limit("20/minute", by="ip"))],
)
async def login(
    request: Request, response: Response, house: TheHouse, body: schemas.LoginIn
) -> schemas.TokensOut | schemas.OtpOut:
    """Sign in with a password; without one, ask for a code."""
    identifier, caller = parse_identifier(body.identifier), caller_of(request)
    if body.password is None:
        response.status_code = 202
        async with house.database.transaction() as session:
            return _otp(await people.ask_to_sign_in(session, identifier, caller.locale))
    return _tokens((await flows.sign_in(house, caller, identifier, body.password)).tokens)


@_router.post("/auth/refresh-token", dependencies=[_HOLDER, Depends(rate_limit("60/minute", by="ip"))])
async def refresh_token(house: TheHouse, body: schemas.RefreshIn) -> schemas.TokensOut:
    """The next tokens; the one given is good no longer."""
    return _tokens(await flows.refresh(house, body.refresh_token))


@_router.post("/auth/logout", status_code=204, dependencies=[Depends(rate_limit("60/minute", by="ip"))])
async def logout(
    principal: Annotated[Principal, _HOLDER], session: Write, body: schemas.LogoutIn | None = None
) -> None:
    """End the session of the bearer token, or of the refresh token in the body."""
    await sessions.sign_out(session, principal)
    if body and body.refresh_token:
        await sessions.sign_out_by_token(session, body.refresh_token)


@_router.post(
    "/auth/forgot-password", status_code=202, dependencies=[_ANYONE, Depends(rate_limit("5/minute", by="ip"))]
)
async def forgot_password(request: Request, session: Write, body: schemas.IdentifierIn) -> schemas.OtpOut:
    """Send a code that allows a new password."""
    return _otp(await people.ask_to_reset(session, parse_identifier(body.identifier), caller_of(request).locale))


@_router.post(
    "/auth/reset-password", status_code=204, dependencies=[_ANYONE, Depends(rate_limit("10/minute", by="ip"))]
)
async def reset_password(request: Request, house: TheHouse, body: schemas.ResetIn) -> None:
    """Set a new password with the code; every session ends."""
    identifier = parse_identifier(body.identifier)
    await flows.reset_password(
        house, caller_of(request), identifier, code=body.code, password=body.password, challenge_id=body.challenge_id
    )


@_router.post("/auth/step-up", status_code=202, dependencies=[Depends(rate_limit("10/minute"))])
async def ask_to_step_up(house: TheHouse, me: Me) -> schemas.StepUpOut:
    """Begin to prove oneself again; a code is sent to whoever has no authenticator."""
    asked = await flows.ask_to_step_up(house, me)
    return schemas.StepUpOut(method=asked.method, otp=_otp(asked.otp).otp if asked.otp else None)


@_router.post("/auth/step-up/verify", dependencies=[Depends(rate_limit("10/minute"))])
async def step_up(request: Request, house: TheHouse, me: Me, body: schemas.CodeIn) -> schemas.FreshOut:
    """Finish a step-up: sensitive acts are open to this session for ten minutes."""
    row = await flows.step_up(house, caller_of(request), me, body.code)
    assert row.fresh_until
    return schemas.FreshOut(fresh_until=row.fresh_until, assurance=row.assurance)


@_router.post("/auth/ticket", dependencies=[Depends(rate_limit("60/minute"))])
async def ticket(session: Read, me: Me) -> schemas.TicketOut:
    """A ticket for `?ticket=` of a stream, good for a minute."""
    return schemas.TicketOut(ticket=await sessions.ticket(session, me))


# /users


@_router.get("/users/me")
async def show_me(session: Read, me: Me) -> schemas.MeOut:
    """The caller."""
    person = await store.person(session, me.person_id)
    assert person
    return schemas.MeOut(
        id=person.id,
        full_name=person.display_name,
        locale=person.locale,
        zone=person.zone,
        roles=sorted(me.roles),
        identifiers=[_identifier(row) for row in await store.identifiers(session, person.id)],
        has_password=await store.credential(session, person.id) is not None,
        has_totp=await second_factor.has_totp(session, person.id),
        created_at=person.created_at,
    )


@_router.put("/users/me", dependencies=[Depends(rate_limit("30/minute"))])
async def change_me(session: Write, me: Me, body: schemas.MeIn) -> schemas.MeOut:
    """Change name, language and time zone."""
    await people.change(session, me, body.full_name, body.locale, body.zone)
    return await show_me(session, me)


@_router.delete("/users/me", status_code=204, dependencies=[Depends(rate_limit("5/minute"))])
async def erase_me(
    session: Write,
    me: Me,
    give_up: Annotated[list[GiveUp] | None, Query(description="What is lost by it on purpose.", max_length=20)] = None,
) -> None:
    """Delete the account for good. Refused with reasons while something is open.

    A reason whose pointer is `/give_up` goes away when its `code` is given as `give_up`: what it names ends for good.
    """
    await people.erase(session, me, give_up or ())


@_router.patch("/users/me/password", status_code=204, dependencies=[Depends(rate_limit("10/minute"))])
async def change_password(request: Request, house: TheHouse, me: Me, body: schemas.PasswordIn) -> None:
    """Change the password, or set a first one; other sessions end."""
    await flows.change_password(house, caller_of(request), me, body.current_password, body.new_password)


@_router.get("/users/me/sessions")
async def list_sessions(session: Read, me: Me) -> Page[schemas.SessionOut]:
    """Where the caller is signed in."""
    rows = await sessions.list_open(session, me)
    items = [
        schemas.SessionOut(
            id=row.id,
            kind="pages" if row.kind == "pages" else "api",
            device=row.device,
            created_at=row.created_at,
            used_at=row.used_at,
            current=row.id == me.session_id,
        )
        for row in rows
    ]
    return Page(items=items, next_cursor=None)


@_router.delete("/users/me/sessions", status_code=204, dependencies=[Depends(rate_limit("10/minute"))])
async def sign_out_everywhere(session: Write, me: Me) -> None:
    """Sign out everywhere, here too."""
    await sessions.sign_out_everywhere(session, me)


@_router.delete("/users/me/sessions/{session_id}", status_code=204, dependencies=[Depends(rate_limit("30/minute"))])
async def end_session(session: Write, me: Me, session_id: UUID) -> None:
    """Sign out one device."""
    await sessions.end_one(session, me, session_id)


@_router.post("/users/me/identifiers", status_code=202, dependencies=[Depends(rate_limit("5/minute"))])
async def ask_to_link(session: Write, me: Me, body: schemas.LinkIn) -> schemas.OtpOut:
    """Send a code to an address that the caller wants to add."""
    return _otp(await people.ask_to_link(session, me, _one_of(body)))


@_router.post("/users/me/identifiers/confirm", status_code=201, dependencies=[Depends(rate_limit("10/minute"))])
async def link(request: Request, house: TheHouse, me: Me, body: schemas.VerifyOtpIn) -> schemas.IdentifierOut:
    """Add the address with its code."""
    identifier = parse_identifier(body.identifier)
    return _identifier(await flows.link(house, caller_of(request), me, identifier, body.code))


@_router.delete(
    "/users/me/identifiers/{identifier_id}", status_code=204, dependencies=[Depends(rate_limit("10/minute"))]
)
async def unlink(session: Write, me: Me, identifier_id: UUID) -> None:
    """Remove an address; the last one stays."""
    await people.unlink(session, me, identifier_id)


@_router.post("/users/me/totp", status_code=201, dependencies=[Depends(rate_limit("10/minute"))])
async def enrol(session: Write, me: Me) -> schemas.EnrolmentOut:
    """Begin to set up an authenticator app."""
    enrolment = await second_factor.enrol(session, me)
    return schemas.EnrolmentOut(secret=enrolment.secret, uri=enrolment.uri)


@_router.post("/users/me/totp/confirm", dependencies=[Depends(rate_limit("10/minute"))])
async def confirm_totp(request: Request, house: TheHouse, me: Me, body: schemas.CodeIn) -> schemas.RecoveryOut:
    """Finish the set-up; the recovery codes are shown this once."""
    return schemas.RecoveryOut(recovery_codes=await flows.confirm_totp(house, caller_of(request), me, body.code))


@_router.delete("/users/me/totp", status_code=204, dependencies=[Depends(rate_limit("10/minute"))])
async def remove_totp(session: Write, me: Me) -> None:
    """Remove the authenticator app. Needs a step-up."""
    await second_factor.remove(session, me)


@_router.get("/users/audit")
async def audit_log(
    session: Read, _auditor: Auditor, cursor: str | None = None, limit: int = 50
) -> Page[schemas.AuditOut]:
    """What staff and machines did, newest first."""
    size = max(1, min(limit, 100))
    before = decode_id(cursor) if cursor else None
    rows, next_cursor = cut(await store.audit_entries(session, size + 1, before), size, lambda row: (str(row.id),))
    items = [schemas.AuditOut.model_validate(row, from_attributes=True) for row in rows]
    return Page(items=items, next_cursor=next_cursor)


@_router.put("/users/{person_id}/role", dependencies=[Depends(rate_limit("30/minute"))])
async def set_role(session: Write, admin: RoleAdmin, person_id: UUID, body: schemas.RoleIn) -> schemas.RoleOut:
    """Make someone a user, staff or admin."""
    person = await people.set_role(session, admin, person_id, body.role)
    return schemas.RoleOut(id=person.id, role=body.role)


# /api-keys


@_router.get("/api-keys")
async def list_keys(session: Read, _admin: KeyAdmin) -> Page[schemas.ApiKeyOut]:
    """Every key, newest first, without its secret."""
    return Page(items=[_key(row) for row in await store.api_keys(session)], next_cursor=None)


@_router.post("/api-keys", status_code=201, dependencies=[Depends(rate_limit("10/minute"))])
async def create_key(session: Write, admin: KeyAdmin, body: schemas.ApiKeyIn) -> schemas.NewApiKeyOut:
    """Make a key for a machine; it is shown this once."""
    await sessions.assert_fresh(session, admin)
    made = await machines.create(session, admin, body.name, body.scopes, body.expires_at)
    return schemas.NewApiKeyOut(**_key(made.row).model_dump(), key=made.key)


@_router.delete("/api-keys/{key_id}", status_code=204, dependencies=[Depends(rate_limit("30/minute"))])
async def revoke_key(session: Write, admin: KeyAdmin, key_id: UUID) -> None:
    """Make a key worthless."""
    await machines.revoke(session, admin, key_id)


def router() -> APIRouter:
    """All JSON endpoints of identity."""
    together = APIRouter()
    together.routes.extend([*_router.routes, *organisations.router.routes])
    return together


def _otp(otp: challenges.Otp) -> schemas.OtpOut:
    return schemas.OtpOut(otp=schemas.OtpView.model_validate(otp, from_attributes=True))


def _tokens(tokens: sessions.Tokens | None) -> schemas.TokensOut:
    assert tokens
    return schemas.TokensOut(
        access_token=tokens.access_token, refresh_token=tokens.refresh_token, expires_in=tokens.expires_in
    )


def _identifier(row: IdentifierRow) -> schemas.IdentifierOut:
    out = schemas.IdentifierOut.model_validate(row, from_attributes=True)
    return out.model_copy(update={"value": row.label or row.value})


def _key(row: ApiKeyRow) -> schemas.ApiKeyOut:
    return schemas.ApiKeyOut.model_validate(row, from_attributes=True)


def _one_of(body: schemas.LinkIn) -> Identifier:
    if body.email and not body.phone:
        return parse_email(body.email)
    if body.phone and not body.email:
        return parse_phone(body.phone)
    message = N_("Give either an e-mail address or a mobile number.")
    raise InvalidInput(message, errors=[FieldError("/email", "one_of", message)])


def _wanted_locale(accept_language: str) -> str:
    wanted = (part.split(";")[0].strip().split("-")[0].lower() for part in accept_language.split(","))
    return next((locale for locale in wanted if locale in LOCALES), LOCALES[0])
