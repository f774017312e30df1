"""Signing in, registering, the code, a forgotten password, stepping up, signing out."""

from typing import TypeVar
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field, SecretStr

from tillhouse.kernel.access import Principal
from tillhouse.kernel.errors import DomainError, TooManyRequests
from tillhouse.kernel.house import House
from tillhouse.kernel.http import TheHouse, Write
from tillhouse.kernel.limits import rate_limit
from tillhouse.kernel.web.deps import FromOurPage, Pages
from tillhouse.kernel.web.forms import Form
from tillhouse.kernel.web.i18n import gettext
from tillhouse.kernel.web.render import Templates
from tillhouse.kernel.web.toasts import Toast
from tillhouse.parts.identity import flows
from tillhouse.parts.identity.domain import DEFAULT_ZONE, parse_identifier
from tillhouse.parts.identity.flows import google
from tillhouse.parts.identity.pages import browser
from tillhouse.parts.identity.pages.browser import Anyone, Me
from tillhouse.parts.identity.service import people, second_factor, sessions

M = TypeVar("M", bound=BaseModel)

router = APIRouter()

_BY_ADDRESS = Depends(rate_limit("20/minute", by="ip"))
_BY_PERSON = Depends(rate_limit("10/minute"))


class SignInForm(BaseModel):
    """A password, or none to be sent a code."""

    identifier: str = Field(max_length=254)
    password: SecretStr | None = Field(None, max_length=1024)
    next: str = ""


class RegisterForm(BaseModel):
    """A name and one address."""

    full_name: str = Field(max_length=120)
    identifier: str = Field(max_length=254)
    password: SecretStr | None = Field(None, max_length=1024)
    next: str = ""


class CodeForm(BaseModel):
    """A code."""

    code: str = Field(max_length=20)
    next: str = ""


class ForgotForm(BaseModel):
    """Where to send the code."""

    identifier: str = Field(max_length=254)


class ResetForm(BaseModel):
    """A code and the new password."""

    code: str = Field(max_length=20)
    password: SecretStr = Field(max_length=1024)


@router.get("/sign-in")
async def sign_in_page(request: Request, house: TheHouse, who: Anyone, pages: Pages) -> Response:
    """The form; whoever is signed in is led on."""
    wanted = browser.safe_next(request.query_params.get("next", ""))
    if who.kind == "person":
        return browser.go(request, wanted or browser.home_of(house))
    return _entrance(request, house, pages, "identity/sign_in.html", Form.blank(SignInForm, next=wanted))


@router.post("/sign-in", dependencies=[FromOurPage, _BY_ADDRESS])
async def sign_in(request: Request, house: TheHouse, _who: Anyone, pages: Pages) -> Response:
    """Sign in with the password, or send a code."""
    form = await Form.read(request, SignInForm)
    if form.is_valid:
        try:
            return await _sign_in(request, house, form.data)
        except DomainError as refusal:
            form.refuse(refusal)
    return _entrance(request, house, pages, "identity/sign_in.html", form)


@router.get("/register")
async def register_page(request: Request, house: TheHouse, who: Anyone, pages: Pages) -> Response:
    """The form; whoever is signed in is led on."""
    wanted = browser.safe_next(request.query_params.get("next", ""))
    if who.kind == "person":
        return browser.go(request, wanted or browser.home_of(house))
    return _entrance(request, house, pages, "identity/register.html", Form.blank(RegisterForm, next=wanted))


@router.post("/register", dependencies=[FromOurPage, _BY_ADDRESS])
async def register(request: Request, house: TheHouse, _who: Anyone, pages: Pages) -> Response:
    """Send a code that makes the person."""
    form = await Form.read(request, RegisterForm)
    if form.is_valid:
        try:
            return await _register(request, house, form.data)
        except DomainError as refusal:
            form.refuse(refusal)
    return _entrance(request, house, pages, "identity/register.html", form)


@router.get("/confirm")
async def confirm_page(request: Request, _who: Anyone, pages: Pages) -> Response:
    """Where the code for registering or signing in is typed."""
    waiting = browser.pending_code(request)
    if waiting is None or waiting.purpose == "reset":
        return browser.go(request, "/sign-in")
    return pages.render_form(request, "identity/confirm.html", Form.blank(CodeForm), {"waiting": waiting})


@router.post("/confirm", dependencies=[FromOurPage, _BY_ADDRESS])
async def confirm(request: Request, house: TheHouse, _who: Anyone, pages: Pages) -> Response:
    """Answer the code and come in."""
    waiting, form = browser.pending_code(request), await Form.read(request, CodeForm)
    if waiting is None:
        return browser.go(request, "/sign-in")
    if form.is_valid:
        try:
            caller = browser.caller_of(request)
            begun = await flows.confirm(house, caller, waiting.identifier, form.data.code, waiting.challenge_id)
            return await _welcome(request, house, begun, waiting.next)
        except DomainError as refusal:
            form.refuse(refusal)
    return pages.render_form(request, "identity/confirm.html", form, {"waiting": waiting})


@router.post("/confirm/resend", dependencies=[FromOurPage, _BY_ADDRESS])
async def resend(request: Request, session: Write, _who: Anyone) -> Response:
    """Send the code once more."""
    waiting = browser.pending_code(request)
    if waiting is None:
        return browser.go(request, "/sign-in")
    locale = browser.caller_of(request).locale
    path, again = ("/reset", people.ask_to_reset) if waiting.purpose == "reset" else ("/confirm", people.ask_again)
    otp = await again(session, waiting.identifier, locale)
    return browser.wait_for_code(
        request, path, otp, purpose=waiting.purpose, identifier=waiting.identifier, next_path=waiting.next
    )


@router.get("/forgot")
async def forgot_page(request: Request, _who: Anyone, pages: Pages) -> Response:
    """Where to send the code for a new password."""
    return pages.render_form(request, "identity/forgot.html", Form.blank(ForgotForm))


@router.post("/forgot", dependencies=[FromOurPage, _BY_ADDRESS])
async def forgot(request: Request, house: TheHouse, _who: Anyone, pages: Pages) -> Response:
    """Send a code that allows a new password."""
    form = await Form.read(request, ForgotForm)
    if form.is_valid:
        try:
            identifier = parse_identifier(form.data.identifier)
            async with house.database.transaction() as session:
                otp = await people.ask_to_reset(session, identifier, browser.caller_of(request).locale)
            return browser.wait_for_code(request, "/reset", otp, purpose="reset", identifier=identifier, next_path="")
        except DomainError as refusal:
            form.refuse(refusal)
    return pages.render_form(request, "identity/forgot.html", form)


@router.get("/reset")
async def reset_page(request: Request, _who: Anyone, pages: Pages) -> Response:
    """The code and the new password."""
    waiting = browser.pending_code(request)
    if waiting is None or waiting.purpose != "reset":
        return browser.go(request, "/forgot")
    return pages.render_form(request, "identity/reset.html", Form.blank(ResetForm), {"waiting": waiting})


@router.post("/reset", dependencies=[FromOurPage, _BY_ADDRESS])
async def reset(request: Request, house: TheHouse, _who: Anyone, pages: Pages) -> Response:
    """Set the new password; every session ends, so that the next step is to sign in with it."""
    waiting, form = browser.pending_code(request), await Form.read(request, ResetForm)
    if waiting is None or waiting.purpose != "reset":
        return browser.go(request, "/forgot")
    if form.is_valid:
        try:
            await flows.reset_password(
                house,
                browser.caller_of(request),
                waiting.identifier,
                code=form.data.code,
                password=form.data.password.get_secret_value(),
                challenge_id=waiting.challenge_id,
            )
            return browser.go(request, "/sign-in", Toast(gettext("Your new password is set. Sign in with it.")))
        except DomainError as refusal:
            form.refuse(refusal)
    return pages.render_form(request, "identity/reset.html", form, {"waiting": waiting})


@router.get("/second-factor")
async def second_factor_page(request: Request, house: TheHouse, me: Me, pages: Pages) -> Response:
    """Where a page leads that takes an authenticator: to its code, or to setting one up."""
    wanted = browser.safe_next(request.query_params.get("next", ""))
    async with house.database.reading() as session:
        by_app = await second_factor.has_totp(session, me.person_id)
    if by_app:
        return browser.go(request, f"/step-up?{urlencode({'next': wanted})}")
    return pages.render_page(request, "identity/second_factor.html", {"wanted": wanted})


@router.get("/step-up")
async def step_up_page(request: Request, house: TheHouse, me: Me, pages: Pages) -> Response:
    """Where someone who is signed in proves themselves again."""
    wanted = browser.safe_next(request.query_params.get("next", ""))
    return await _step_up(request, house, me, pages, Form.blank(CodeForm, next=wanted), sent=False)


@router.post("/step-up/send", dependencies=[FromOurPage, _BY_PERSON])
async def send_step_up(request: Request, house: TheHouse, me: Me, pages: Pages) -> Response:
    """Send the code of a step-up."""
    form = await Form.read(request, CodeForm)
    fresh: Form[CodeForm] = Form.blank(CodeForm, next=browser.safe_next(form["next"].value))
    sent = True
    try:
        await flows.ask_to_step_up(house, me)
    except DomainError as refusal:
        fresh.refuse(refusal)
        sent = isinstance(refusal, TooManyRequests)  # the last code of those sent before is good still
    return await _step_up(request, house, me, pages, fresh, sent=sent)


@router.post("/step-up", dependencies=[FromOurPage, _BY_PERSON])
async def step_up(request: Request, house: TheHouse, me: Me, pages: Pages) -> Response:
    """Finish a step-up and go back to what asked for it."""
    form = await Form.read(request, CodeForm)
    if form.is_valid:
        try:
            await flows.step_up(house, browser.caller_of(request), me, form.data.code)
            return browser.go(request, browser.safe_next(form.data.next) or "/account")
        except DomainError as refusal:
            form.refuse(refusal)
    return await _step_up(request, house, me, pages, form, sent=True)


@router.post("/sign-out", dependencies=[FromOurPage, _BY_ADDRESS])
async def sign_out(request: Request, session: Write, who: Anyone) -> Response:
    """Sign this browser out."""
    await sessions.sign_out(session, who)
    return browser.forget_cookie(browser.go(request, "/sign-in", Toast(gettext("You are signed out."))))


async def _step_up(
    request: Request, house: House, me: Principal, pages: Templates, form: Form[CodeForm], *, sent: bool
) -> Response:
    """The page with what proves this person: their authenticator, or a code to an address that may get one."""
    async with house.database.reading() as session:
        by_app = await second_factor.has_totp(session, me.person_id)
        address = "" if by_app else await people.step_up_address(session, me.person_id)
    context = {"by_app": by_app, "sent": sent, "address": address, "back": browser.safe_next(form["next"].value)}
    return pages.render_form(request, "identity/step_up.html", form, context)


def _entrance(request: Request, house: TheHouse, pages: Pages, page: str, form: Form[M]) -> Response:
    return pages.render_form(request, page, form, {"with_google": google.is_offered(house)})


async def _sign_in(request: Request, house: TheHouse, data: SignInForm) -> Response:
    identifier, caller = parse_identifier(data.identifier), browser.caller_of(request)
    if data.password is None:
        async with house.database.transaction() as session:
            otp = await people.ask_to_sign_in(session, identifier, caller.locale)
        return browser.wait_for_code(
            request, "/confirm", otp, purpose="sign_in", identifier=identifier, next_path=data.next
        )
    begun = await flows.sign_in(house, caller, identifier, data.password.get_secret_value())
    return await _welcome(request, house, begun, data.next)


async def _register(request: Request, house: TheHouse, data: RegisterForm) -> Response:
    identifier = parse_identifier(data.identifier)
    otp = await flows.register(
        house,
        browser.caller_of(request),
        full_name=data.full_name.strip(),
        email=identifier.value if identifier.kind == "email" else None,
        phone=identifier.value if identifier.kind == "phone" else None,
        password=data.password.get_secret_value() if data.password else None,
        zone=DEFAULT_ZONE,
    )
    return browser.wait_for_code(
        request, "/confirm", otp, purpose="register", identifier=identifier, next_path=data.next
    )


async def _welcome(request: Request, house: TheHouse, begun: sessions.SignIn, next_path: str) -> Response:
    async with house.database.reading() as session:
        by_app = await second_factor.has_totp(session, begun.person_id)
    return browser.welcome(request, begun, next_path, second_factor=by_app)
