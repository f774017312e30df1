"""Sign in with Google: discovery, the page on which a person picks an account, tokens, userinfo, keys."""

import base64
import hashlib
import hmac
from typing import Annotated, Any
from urllib.parse import urlencode, urlsplit

from fastapi import APIRouter, Form, Header, Query, Request, Response
from fastapi.responses import JSONResponse, RedirectResponse

from tillhouse.sandbox import ids
from tillhouse.sandbox.basic import basic_credentials
from tillhouse.sandbox.google import keys, tokens
from tillhouse.sandbox.google.errors import GoogleError
from tillhouse.sandbox.google.schemas import (
    Account,
    AuthorizeQuery,
    ChoiceForm,
    Code,
    Spoil,
    SpoilWish,
    Token,
    TokenForm,
)
from tillhouse.sandbox.rendering import done, page, wish_of
from tillhouse.sandbox.world import Here, World

PREFIX = "/google"
ACCOUNTS = (
    Account(sub="108000000000000000001", email="asha.rao@gmail.com", name="Asha Rao"),
    Account(sub="108000000000000000002", email="linh.tran@gmail.com", name="Linh Trần"),
    Account(sub="108000000000000000003", email="somchai@baanthai.example", name="สมชาย ใจดี", hd="baanthai.example"),
    Account(sub="108000000000000000004", email="noa@demo.tillhouse.test", name="Noa Levi"),
)
_CODE_LIFE = 600  # seconds of real time

router = APIRouter()


@router.get(f"{PREFIX}/.well-known/openid-configuration")
async def discovery(request: Request) -> Response:
    """Where everything is."""
    base = _issuer(request)
    document = {
        "issuer": base,
        "authorization_endpoint": f"{base}/o/oauth2/v2/auth",
        "token_endpoint": f"{base}/token",
        "userinfo_endpoint": f"{base}/v1/userinfo",
        "revocation_endpoint": f"{base}/revoke",
        "jwks_uri": f"{base}/oauth2/v3/certs",
        "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "scopes_supported": ["openid", "email", "profile"],
        "token_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic"],
        "claims_supported": ["aud", "email", "email_verified", "exp", "iat", "iss", "name", "given_name", "sub"],
        "code_challenge_methods_supported": ["plain", "S256"],
        "grant_types_supported": ["authorization_code", "refresh_token"],
    }
    return JSONResponse(document, headers={"Cache-Control": "public, max-age=3600"})


@router.get(f"{PREFIX}/oauth2/v3/certs")
async def certs(world: Here) -> Response:
    """The keys of now."""
    return JSONResponse({"keys": keys.published(world)}, headers={"Cache-Control": "public, max-age=21600"})


@router.get(f"{PREFIX}/o/oauth2/v2/auth")
async def choose(world: Here, query: Annotated[AuthorizeQuery, Query()]) -> Response:
    """The page on which a person picks an account. What is wrong with the client is said here and never sent back."""
    if wrong := _wrong(world, query):
        return page("google/refused.html", {"wrong": wrong}, status=400)
    return _chooser(query, "")


@router.post(f"{PREFIX}/o/oauth2/v2/auth")
async def chosen(world: Here, form: Annotated[ChoiceForm, Form()]) -> Response:
    """Back to the client, with a code or with a refusal."""
    if wrong := _wrong(world, form):
        return page("google/refused.html", {"wrong": wrong}, status=400)
    if form.deny:
        return _back(form, {"error": "access_denied"})
    account = _account_of(form)
    if account is None:
        return _chooser(form, "Pick an account, or write an e-mail address.")
    code = Code(
        id=f"4/{ids.token(40)}",
        created_at=world.clock.now_s(),
        client_id=form.client_id,
        redirect_uri=form.redirect_uri,
        nonce=form.nonce,
        challenge=form.code_challenge,
        scope=form.scope,
        offline=form.access_type == "offline",
        account=account,
    )
    world.store.put(code)
    return _back(form, {"code": code.id, "scope": form.scope, "authuser": "0", "prompt": "consent"})


@router.post(f"{PREFIX}/token")
async def token(request: Request, world: Here, form: Annotated[TokenForm, Form()]) -> Response:
    """Exchange a code, or a refresh token."""
    _check_client(world, form, request)
    if form.grant_type == "authorization_code":
        answer = _exchange(world, form, _issuer(request))
    elif form.grant_type == "refresh_token":
        answer = _refresh(world, form, _issuer(request))
    else:
        raise GoogleError("unsupported_grant_type", f"Invalid grant_type: {form.grant_type}")
    return JSONResponse(answer, headers={"Cache-Control": "no-store"})


@router.get(f"{PREFIX}/v1/userinfo")
async def userinfo(world: Here, authorization: Annotated[str, Header()] = "") -> dict[str, Any]:
    """Whom an access token belongs to."""
    found = world.store.get(Token, authorization.removeprefix("Bearer "))
    late = found is None or world.clock.now_s() >= found.created_at + tokens.LIFE
    if found is None or found.use != "access" or found.revoked or late:
        raise GoogleError("invalid_request", "Invalid Credentials", 401)
    return {key: value for key, value in found.account.model_dump().items() if value is not None}


@router.post(f"{PREFIX}/revoke")
async def revoke(world: Here, token: Annotated[str, Form()]) -> dict[str, Any]:
    """Take back a token, and all that came of the same consent."""
    found = world.store.get(Token, token)
    if found is None or found.revoked:
        raise GoogleError("invalid_token", "Token expired or revoked")
    _revoke_all_of(world, found.code)
    return {}


@router.post("/_sandbox/google/spoil")
async def spoil(request: Request, world: Here) -> Response:
    """Say what is to be wrong with the next ID token (JSON or form)."""
    wish = await wish_of(request, SpoilWish)
    world.store.delete_all(Spoil)
    if wish.what != "nothing":
        world.store.put(Spoil(id="next", created_at=world.clock.now_s(), what=wish.what))
    return done(request, wish, "/_sandbox/")


@router.post("/_sandbox/google/rotate")
async def rotate(request: Request, world: Here) -> Response:
    """Sign with a new key from now on."""
    return done(request, {"kid": keys.rotate(world).id}, "/_sandbox/")


def _issuer(request: Request) -> str:
    return f"{str(request.base_url).rstrip('/')}{PREFIX}"


def _wrong(world: World, query: AuthorizeQuery) -> str:
    if query.client_id != world.settings.google_client_id:
        return "Error 401: invalid_client. The OAuth client was not found."
    if not _may_go_back(world, query.redirect_uri):
        return "Error 400: redirect_uri_mismatch."
    if query.response_type != "code":
        return "Error 400: unsupported_response_type."
    if "openid" not in query.scope.split():
        return "Error 400: invalid_scope."
    if query.code_challenge and query.code_challenge_method not in ("S256", "plain", ""):
        return "Error 400: invalid_request. Unknown code_challenge_method."
    return ""


def _may_go_back(world: World, address: str) -> bool:
    allowed = world.settings.google_redirect_uris
    return address in allowed if allowed else world.settings.may_call(address)


def _chooser(query: AuthorizeQuery, wrong: str) -> Response:
    parts = urlsplit(query.redirect_uri)
    context = {
        "accounts": ACCOUNTS,
        "ask": query.model_dump(include=set(AuthorizeQuery.model_fields)),
        "app": parts.netloc,
        "hint": query.login_hint,
        "wrong": wrong,
    }
    origins = f"'self' {parts.scheme}://{parts.netloc}"
    return page("google/choose.html", context, form_action=origins, status=422 if wrong else 200)


def _account_of(form: ChoiceForm) -> Account | None:
    for account in ACCOUNTS:
        if account.sub == form.account:
            return account
    email = form.email.strip().lower()
    if "@" not in email.strip("@"):
        return None
    subject = str(int.from_bytes(hashlib.sha256(email.encode()).digest()[:8], "big"))
    name = email.partition("@")[0].replace(".", " ").title()
    return Account(sub=subject, email=email, name=name, email_verified=form.verified)


def _back(form: AuthorizeQuery, answer: dict[str, str]) -> Response:
    query = urlencode(({"state": form.state} if form.state else {}) | answer)
    return RedirectResponse(f"{form.redirect_uri}{'&' if '?' in form.redirect_uri else '?'}{query}", 303)


def _check_client(world: World, form: TokenForm, request: Request) -> None:
    given = (form.client_id, form.client_secret)
    if "authorization" in request.headers:
        given = basic_credentials(request)
    settings = world.settings
    known = given[0] == settings.google_client_id
    if not known or not hmac.compare_digest(given[1].encode(), settings.google_client_secret.encode()):
        raise GoogleError("invalid_client", "Unauthorized" if known else "The OAuth client was not found.", 401)


def _exchange(world: World, form: TokenForm, issuer: str) -> dict[str, Any]:
    with world.store.transaction():
        code = world.store.get(Code, form.code)
        if code is None or world.clock.now_s() >= code.created_at + _CODE_LIFE:
            raise GoogleError("invalid_grant", "Malformed auth code.")
        used, code.used = code.used, True
        world.store.put(code)
    if used:
        _revoke_all_of(world, code.id)  # RFC 6749, section 4.1.2
        raise GoogleError("invalid_grant", "Bad Request")
    if form.redirect_uri != code.redirect_uri:
        raise GoogleError("redirect_uri_mismatch", "Bad Request")
    if code.challenge and code.challenge != _challenge(form.code_verifier):
        raise GoogleError(
            "invalid_grant", "Missing code verifier." if not form.code_verifier else "Invalid code verifier."
        )
    answer = _issue(world, code.account, code.scope, code.id, issuer=issuer, nonce=code.nonce)
    if code.offline:
        answer["refresh_token"] = _new(world, "refresh", code.account, code.scope, code.id).id
    return answer


def _refresh(world: World, form: TokenForm, issuer: str) -> dict[str, Any]:
    found = world.store.get(Token, form.refresh_token)
    if found is None or found.use != "refresh" or found.revoked:
        raise GoogleError("invalid_grant", "Token has been expired or revoked.")
    return _issue(world, found.account, found.scope, found.code, issuer=issuer, nonce="")


def _issue(world: World, account: Account, scope: str, code: str, *, issuer: str, nonce: str) -> dict[str, Any]:
    access = _new(world, "access", account, scope, code).id
    answer: dict[str, Any] = {
        "access_token": access,
        "expires_in": tokens.LIFE,
        "scope": scope,
        "token_type": "Bearer",
    }
    signed = tokens.id_token(world, issuer, account, nonce=nonce, access_token=access)
    return answer | ({"id_token": signed} if signed else {})


def _new(world: World, use: Any, account: Account, scope: str, code: str) -> Token:
    prefix = "ya29." if use == "access" else "1//"
    made = Token(
        id=prefix + ids.token(60),
        created_at=world.clock.now_s(),
        use=use,
        account=account,
        scope=scope,
        code=code,
    )
    world.store.put(made)
    return made


def _revoke_all_of(world: World, code: str) -> None:
    for found in world.store.find(Token, {"code": code}):
        world.store.put(found.model_copy(update={"revoked": True}))


def _challenge(verifier: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
