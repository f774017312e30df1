"""The account: what a person says of themselves, addresses, password, devices, authenticator, the end."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Literal
from uuid import UUID

import segno
from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field, SecretStr

from tillhouse.kernel.access import Principal
from tillhouse.kernel.db import Session
from tillhouse.kernel.errors import DomainError, FieldError
from tillhouse.kernel.house import House
from tillhouse.kernel.http import TheHouse
from tillhouse.kernel.limits import rate_limit
from tillhouse.kernel.web import i18n
from tillhouse.kernel.web.deps import FromOurPage, Pages
from tillhouse.kernel.web.forms import Form, Option
from tillhouse.kernel.web.i18n import gettext
from tillhouse.kernel.web.render import Templates
from tillhouse.kernel.web.toasts import Toast
from tillhouse.parts.identity import flows, store
from tillhouse.parts.identity.domain import parse_identifier
from tillhouse.parts.identity.flows import google
from tillhouse.parts.identity.pages import browser
from tillhouse.parts.identity.pages.browser import Me
from tillhouse.parts.identity.ports import PictureKeeper
from tillhouse.parts.identity.service import people, second_factor, sessions

router = APIRouter()

_LIMIT = Depends(rate_limit("20/minute"))
_PAGE = "identity/account.html"

# Zones of the house's markets and of where their people travel; a person's own is added when it is another.
_ZONES = (
    "Asia/Kolkata", "Asia/Bangkok", "Asia/Ho_Chi_Minh", "Asia/Jerusalem", "Asia/Dubai", "Asia/Singapore",
    "Asia/Kathmandu", "Asia/Dhaka", "Asia/Colombo", "Europe/London", "Europe/Berlin", "America/New_York",
    "America/Los_Angeles", "Australia/Sydney", "UTC",
)  # fmt: skip


class ProfileForm(BaseModel):
    """What a person says of themselves."""

    full_name: str = Field(max_length=120)
    locale: Literal["en", "hi", "vi", "th", "he"]
    zone: str = Field(max_length=64)


class AddressForm(BaseModel):
    """An address to add."""

    identifier: str = Field(max_length=254)


class CodeForm(BaseModel):
    """A code, and the address that it was sent to."""

    code: str = Field(max_length=20)
    identifier: str = ""


class FirstPasswordForm(BaseModel):
    """A password for someone who has none."""

    new_password: SecretStr = Field(max_length=1024)


class PasswordForm(BaseModel):
    """The present password and the next."""

    current_password: SecretStr = Field(max_length=1024)
    new_password: SecretStr = Field(max_length=1024)


@dataclass(frozen=True, slots=True)
class Visit:
    """A request to one of these pages: whose account it is, and what answers it."""

    request: Request
    house: House
    me: Principal
    pages: Templates


async def _visit(request: Request, house: TheHouse, me: Me, pages: Pages) -> Visit:
    return Visit(request, house, me, pages)


Here = Annotated[Visit, Depends(_visit)]


@dataclass
class Forms:
    """The forms of the page; the one that was refused replaces its blank."""

    profile: Form[ProfileForm]
    address: Form[AddressForm]
    link_code: Form[CodeForm]
    password: Form[PasswordForm]
    first_password: Form[FirstPasswordForm]
    totp: Form[CodeForm]
    linking: str = ""
    refusal: DomainError | None = None


@router.get("/account")
async def account(here: Here) -> Response:
    """Everything about one's own account."""
    return await _render(here, _blank(here.me))


@router.post("/account/profile", dependencies=[FromOurPage, _LIMIT])
async def change_profile(here: Here) -> Response:
    """Change name, language and time zone."""
    forms = _blank(here.me)
    forms.profile = form = await Form.read(here.request, ProfileForm, name="profile")

    async def change(session: Session) -> None:
        await people.change(session, here.me, form.data.full_name.strip(), form.data.locale, form.data.zone)

    return await _do(here, forms, form, change, done=gettext("Saved."))


@router.post("/account/addresses", dependencies=[FromOurPage, _LIMIT])
async def add_address(here: Here) -> Response:
    """Send a code to an address to be added."""
    forms = _blank(here.me)
    forms.address = form = await Form.read(here.request, AddressForm, name="address")
    if form.is_valid:
        try:
            identifier = parse_identifier(form.data.identifier)
            async with here.house.database.transaction() as session:
                await people.ask_to_link(session, here.me, identifier)
            forms.linking = identifier.value
            forms.link_code = Form.blank(CodeForm, name="link", identifier=identifier.value)
            return await _render(here, forms)
        except sessions.StepUpRequired:
            return _to_step_up(here.request)
        except DomainError as refusal:
            form.refuse(refusal)
    return await _render(here, forms, status=422)


@router.post("/account/addresses/confirm", dependencies=[FromOurPage, _LIMIT])
async def confirm_address(here: Here) -> Response:
    """Add the address with its code."""
    forms = _blank(here.me)
    forms.link_code = form = await Form.read(here.request, CodeForm, name="link")
    forms.linking = form["identifier"].value
    if form.is_valid:
        try:
            await flows.link(
                here.house,
                browser.caller_of(here.request),
                here.me,
                parse_identifier(form.data.identifier),
                form.data.code,
            )
            return browser.go(here.request, "/account", Toast(gettext("The address was added.")))
        except DomainError as refusal:
            form.refuse(refusal)
    return await _render(here, forms, status=422)


@router.post("/account/addresses/{identifier_id}/remove", dependencies=[FromOurPage, _LIMIT])
async def remove_address(here: Here, identifier_id: UUID) -> Response:
    """Remove an address."""

    async def remove(session: Session) -> None:
        await people.unlink(session, here.me, identifier_id)

    return await _do(here, _blank(here.me), None, remove, done=gettext("The address was removed."))


@router.post("/account/password", dependencies=[FromOurPage, _LIMIT])
async def change_password(here: Here) -> Response:
    """Change the password."""
    forms = _blank(here.me)
    forms.password = form = await Form.read(here.request, PasswordForm, name="password")
    if form.is_valid:
        current, new = form.data.current_password, form.data.new_password
        try:
            return await _set_password(here, current.get_secret_value(), new)
        except sessions.StepUpRequired:
            return _to_step_up(here.request)
        except DomainError as refusal:
            form.refuse(refusal)
    return await _render(here, forms, status=422)


@router.post("/account/password/first", dependencies=[FromOurPage, _LIMIT])
async def set_first_password(here: Here) -> Response:
    """Set a password where there was none."""
    forms = _blank(here.me)
    forms.first_password = form = await Form.read(here.request, FirstPasswordForm, name="first")
    if form.is_valid:
        try:
            return await _set_password(here, None, form.data.new_password)
        except sessions.StepUpRequired:
            return _to_step_up(here.request)
        except DomainError as refusal:
            form.refuse(refusal)
    return await _render(here, forms, status=422)


@router.post("/account/sessions/sign-out", dependencies=[FromOurPage, _LIMIT])
async def sign_out_everywhere(here: Here) -> Response:
    """Sign out everywhere, here too."""
    async with here.house.database.transaction() as session:
        await sessions.sign_out_everywhere(session, here.me)
    done = Toast(gettext("You are signed out everywhere."))
    return browser.forget_cookie(browser.go(here.request, "/sign-in", done))


@router.post("/account/sessions/{session_id}/end", dependencies=[FromOurPage, _LIMIT])
async def end_session(here: Here, session_id: UUID) -> Response:
    """Sign out one device."""

    async def end(session: Session) -> None:
        await sessions.end_one(session, here.me, session_id)

    return await _do(here, _blank(here.me), None, end, done=gettext("The device is signed out."))


@router.post("/account/totp", dependencies=[FromOurPage, _LIMIT])
async def begin_totp(here: Here) -> Response:
    """Begin to set up an authenticator app: the page shows its QR code."""

    async def begin(session: Session) -> None:
        await second_factor.enrol(session, here.me)

    return await _do(here, _blank(here.me), None, begin, then="/account#authenticator")


@router.post("/account/totp/confirm", dependencies=[FromOurPage, _LIMIT])
async def confirm_totp(here: Here) -> Response:
    """Finish the set-up and show the recovery codes, this once."""
    forms = _blank(here.me)
    forms.totp = form = await Form.read(here.request, CodeForm, name="totp")
    if form.is_valid:
        try:
            codes = await flows.confirm_totp(here.house, browser.caller_of(here.request), here.me, form.data.code)
            return here.pages.render_page(here.request, "identity/recovery_codes.html", {"codes": codes})
        except DomainError as refusal:
            form.refuse(refusal)
    return await _render(here, forms, status=422)


@router.post("/account/totp/remove", dependencies=[FromOurPage, _LIMIT])
async def remove_totp(here: Here) -> Response:
    """Remove the authenticator app."""

    async def remove(session: Session) -> None:
        await second_factor.remove(session, here.me)

    return await _do(here, _blank(here.me), None, remove, done=gettext("The authenticator was removed."))


@router.post("/account/delete", dependencies=[FromOurPage, _LIMIT])
async def erase(here: Here) -> Response:
    """Delete the account for good, or say what stands against it, and what of that may be given up."""
    sent = await here.request.form()
    give_up = [one for one in sent.getlist("give_up") if isinstance(one, str)]
    try:
        async with here.house.database.transaction() as session:
            await people.erase(session, here.me, give_up)
    except sessions.StepUpRequired:
        return _to_step_up(here.request)
    except DomainError as refusal:
        forms = _blank(here.me)
        forms.refusal = refusal
        return await _render(here, forms, status=refusal.status)
    done = Toast(gettext("Your account is deleted."))
    return browser.forget_cookie(browser.go(here.request, "/", done))


async def _do(
    here: Visit,
    forms: Forms,
    form: Form[ProfileForm] | None,
    act: Callable[[Session], Awaitable[None]],
    *,
    done: str = "",
    then: str = "/account",
) -> Response:
    """Do one act in one transaction, and show the account again: as it is now, or with what was refused."""
    if form is None or form.is_valid:
        try:
            async with here.house.database.transaction() as session:
                await act(session)
            return browser.go(here.request, then, *([Toast(done)] if done else []))
        except sessions.StepUpRequired:
            return _to_step_up(here.request)
        except DomainError as refusal:
            if form:
                form.refuse(refusal)
            else:
                forms.refusal = refusal
    return await _render(here, forms, status=422)


async def _set_password(here: Visit, current: str | None, new: SecretStr) -> Response:
    caller = browser.caller_of(here.request)
    await flows.change_password(here.house, caller, here.me, current, new.get_secret_value())
    done = Toast(gettext("Your password was changed."), gettext("Other devices are signed out."))
    return browser.go(here.request, "/account", done)


def _to_step_up(request: Request) -> Response:
    return browser.go(request, "/step-up?next=/account")


def _blank(me: Principal) -> Forms:
    return Forms(
        profile=Form.blank(ProfileForm, name="profile", full_name=me.display_name, locale=me.locale, zone=me.zone),
        address=Form.blank(AddressForm, name="address"),
        link_code=Form.blank(CodeForm, name="link"),
        password=Form.blank(PasswordForm, name="password"),
        first_password=Form.blank(FirstPasswordForm, name="first"),
        totp=Form.blank(CodeForm, name="totp"),
    )


async def _render(here: Visit, forms: Forms, *, status: int = 200) -> Response:
    me = here.me
    async with here.house.database.reading() as session:
        enrolment = await second_factor.pending(session, me.person_id)
        context = {
            "forms": forms,
            "addresses": await store.addresses(session, me.person_id),
            "google_accounts": [one for one in await store.identifiers(session, me.person_id) if one.kind == "google"],
            "with_google": google.is_offered(here.house),
            "sessions": await sessions.list_open(session, me),
            "here": me.session_id,
            "has_password": await store.credential(session, me.person_id) is not None,
            "has_totp": await second_factor.has_totp(session, me.person_id),
            "enrolment": enrolment,
            "qr": _qr(enrolment.uri) if enrolment else "",
            "locales": [Option(tag, language.name) for tag, language in i18n.LANGUAGES.items()],
            "zones": [Option(zone, zone.replace("_", " ")) for zone in dict.fromkeys((*_ZONES, me.zone))],
            "pictures": next(iter(here.house.provided(PictureKeeper)), None),
            "refusal": forms.refusal,
            "reasons": _reasons(forms.refusal),
            "may_be_given_up": getattr(forms.refusal, "may_be_given_up", ()),
        }
    return here.pages.render_page(here.request, _PAGE, context, status=status)


def _reasons(refusal: DomainError | None) -> list[str]:
    found: tuple[FieldError, ...] = refusal.errors if refusal else ()
    return [gettext(reason.message) for reason in found]


def _qr(text: str) -> str:
    """A QR code as an image; white behind it, so that dark pages do not hide it."""
    return segno.make(text, micro=False).svg_data_uri(scale=5, border=3, light="white")
