"""Sign in with Google: away to Google and back, and the page on which somebody proves that an address is theirs.

The cookie holds what this browser waits for: a state that nobody else knows, or the account that Google vouched for
until its owner has proved themselves. Signed by us, and good for minutes.
"""

import hmac
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any, Literal
from uuid import UUID

import jwt
from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import BaseModel, Field, SecretStr

from tillhouse.kernel import clock
from tillhouse.kernel.errors import DomainError
from tillhouse.kernel.house import House
from tillhouse.kernel.http import TheHouse
from tillhouse.kernel.limits import rate_limit
from tillhouse.kernel.web.deps import FromOurPage, Pages
from tillhouse.kernel.web.errors import sentence_of
from tillhouse.kernel.web.forms import Form
from tillhouse.kernel.web.i18n import gettext
from tillhouse.kernel.web.toasts import Toast
from tillhouse.parts.identity.domain import derive_key
from tillhouse.parts.identity.domain.google import GoogleAccount
from tillhouse.parts.identity.flows import google
from tillhouse.parts.identity.pages import browser
from tillhouse.parts.identity.pages.browser import Anyone, Me
from tillhouse.parts.identity.service import second_factor, sessions

router = APIRouter()

_BY_ADDRESS = Depends(rate_limit("20/minute", by="ip"))
_COOKIE = "till_google"
_LIFE = timedelta(minutes=15)
_PROVE = "/sign-in/google/prove"


class StartForm(BaseModel):
    """Where to go afterwards."""

    next: str = ""


class GoogleAnswer(BaseModel):
    """What Google sends the browser back with; whatever else it adds does no harm."""

    code: str = Field("", max_length=2048)
    state: str = Field("", max_length=256)
    error: str = Field("", max_length=256)


class ProofForm(BaseModel):
    """The code that was sent, or the password."""

    code: str = Field("", max_length=20)
    password: SecretStr | None = Field(None, max_length=1024)


@dataclass(frozen=True, slots=True)
class Waiting:
    """What this browser waits for. `account` is there once Google has vouched for one."""

    use: Literal["sign_in", "link"]
    state: str
    next: str
    account: GoogleAccount | None = None
    challenge_id: UUID | None = None


@router.post("/sign-in/google", dependencies=[FromOurPage, _BY_ADDRESS])
async def begin(request: Request, house: TheHouse, _who: Anyone) -> Response:
    """Away to Google."""
    form = await Form.read(request, StartForm)
    return await _away(request, house, "sign_in", browser.safe_next(form["next"].value), "/sign-in")


@router.post("/account/google", dependencies=[FromOurPage, Depends(rate_limit("10/minute"))])
async def begin_linking(request: Request, house: TheHouse, me: Me) -> Response:
    """Away to Google, to add an account there to one's own here; after a fresh proof."""
    try:
        async with house.database.transaction() as session:
            await sessions.assert_recent(session, me)
    except sessions.StepUpRequired:
        return browser.go(request, "/step-up?next=/account")
    return await _away(request, house, "link", "/account", "/account")


@router.get(google.BACK, dependencies=[_BY_ADDRESS])
async def back(request: Request, house: TheHouse, who: Anyone, answer: Annotated[GoogleAnswer, Query()]) -> Response:
    """Back from Google. Only the browser that went there comes back with its own state."""
    waiting = _waiting(request, house)
    if waiting is None or waiting.account or not hmac.compare_digest(waiting.state.encode(), answer.state.encode()):
        return _failed(request, "/sign-in", gettext("Signing in with Google took too long. Start again."))
    start = "/account" if waiting.use == "link" else "/sign-in"
    if answer.error or not answer.code:
        return _failed(request, start, gettext("You did not sign in with Google. Nothing was changed."))
    try:
        found = await google.account(house, waiting.state, answer.code)
        if waiting.use == "link":
            return await _link(request, house, who, found)
        begun = await google.enter(house, browser.caller_of(request), found)
        if begun is None:
            return await _ask_for_proof(request, house, waiting, found)
    except DomainError as refusal:
        return _failed(request, start, sentence_of(refusal))
    return _forget(await _welcome(request, house, begun, waiting.next))


@router.get(_PROVE)
async def prove_page(request: Request, house: TheHouse, _who: Anyone, pages: Pages) -> Response:
    """Where the owner of an address proves that it is theirs."""
    waiting = _waiting(request, house)
    if waiting is None or waiting.account is None:
        return browser.go(request, "/sign-in")
    return pages.render_form(request, "identity/google_prove.html", Form.blank(ProofForm), {"account": waiting.account})


@router.post(_PROVE, dependencies=[FromOurPage, _BY_ADDRESS])
async def prove(request: Request, house: TheHouse, _who: Anyone, pages: Pages) -> Response:
    """Sign in with the code or the password, and link the account."""
    waiting, form = _waiting(request, house), await Form.read(request, ProofForm)
    if waiting is None or waiting.account is None or waiting.challenge_id is None:
        return browser.go(request, "/sign-in")
    caller, account = browser.caller_of(request), waiting.account
    if form.is_valid:
        try:
            if form.data.password:
                secret = form.data.password.get_secret_value()
                begun, linked = await google.prove_by_password(house, caller, account, secret)
            else:
                begun, linked = await google.prove_by_code(house, caller, account, form.data.code, waiting.challenge_id)
            return _forget(await _welcome(request, house, begun, waiting.next if linked else "/account"))
        except DomainError as refusal:
            form.refuse(refusal)
    return pages.render_form(request, "identity/google_prove.html", form, {"account": account})


async def _away(
    request: Request, house: House, use: Literal["sign_in", "link"], next_path: str, start: str
) -> Response:
    try:
        state, address = await google.begin(house)
    except DomainError as refusal:
        return _failed(request, start, sentence_of(refusal))
    return _wait(request, house, RedirectResponse(address, 303), Waiting(use, state, next_path))


async def _link(request: Request, house: House, who: Anyone, found: GoogleAccount) -> Response:
    if who.kind != "person":
        return _failed(request, "/sign-in", gettext("Sign in to do this."))
    try:
        await google.link(house, who, found)
    except sessions.StepUpRequired:
        return _forget(browser.go(request, "/step-up?next=/account"))
    return _forget(browser.go(request, "/account", Toast(gettext("Your Google account was added."))))


async def _ask_for_proof(request: Request, house: House, waiting: Waiting, found: GoogleAccount) -> Response:
    otp = await google.ask_for_proof(house, browser.caller_of(request), found)
    proving = Waiting("sign_in", waiting.state, waiting.next, found, otp.challenge_id)
    return _wait(request, house, browser.go(request, _PROVE), proving)


async def _welcome(request: Request, house: House, begun: sessions.SignIn, next_path: str) -> Response:
    async with house.database.reading() as session:
        by_app = await second_factor.has_totp(session, begun.person_id)
    return browser.welcome(request, begun, next_path, second_factor=by_app)


def _failed(request: Request, path: str, sentence: str) -> Response:
    return _forget(browser.go(request, path, Toast(sentence, tone="danger")))


def _wait(request: Request, house: House, response: Response, waiting: Waiting) -> Response:
    claims: dict[str, Any] = {
        "use": waiting.use,
        "state": waiting.state,
        "next": waiting.next,
        "until": int((clock.now() + _LIFE).timestamp()),
    }
    if waiting.account:
        found = waiting.account
        claims["account"] = [found.subject, found.email, found.email_is_theirs, found.name]
        claims["challenge"] = str(waiting.challenge_id)
    response.set_cookie(
        _COOKIE,
        jwt.encode(claims, _key(house), algorithm="HS256"),
        max_age=int(_LIFE.total_seconds()),
        httponly=True,
        samesite="lax",  # Google leads back by a link, so that "strict" would lose it
        secure=browser.is_secure(request),
    )
    return response


def _waiting(request: Request, house: House) -> Waiting | None:
    try:
        claims = jwt.decode(request.cookies.get(_COOKIE, ""), _key(house), algorithms=["HS256"])
    except jwt.InvalidTokenError:
        return None
    if clock.now().timestamp() >= claims["until"]:
        return None
    account = GoogleAccount(*claims["account"]) if "account" in claims else None
    challenge_id = UUID(claims["challenge"]) if account else None
    return Waiting(claims["use"], claims["state"], claims["next"], account, challenge_id)


def _forget(response: Response) -> Response:
    response.delete_cookie(_COOKIE)
    return response


def _key(house: House) -> bytes:
    return derive_key(house.settings.secret_key, "google cookie")
