"""Organisations: those one belongs to, one of them with its members, and the answer to an invitation."""

from uuid import UUID

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field

from tillhouse.kernel.access import Principal
from tillhouse.kernel.db import ReadSession, house_of
from tillhouse.kernel.errors import DomainError
from tillhouse.kernel.http import Read, Write
from tillhouse.kernel.limits import rate_limit
from tillhouse.kernel.web.deps import FromOurPage, Pages
from tillhouse.kernel.web.errors import sentence_of
from tillhouse.kernel.web.formats import countries
from tillhouse.kernel.web.forms import Form, Option
from tillhouse.kernel.web.i18n import gettext
from tillhouse.kernel.web.render import Templates
from tillhouse.kernel.web.toasts import Toast
from tillhouse.parts.identity.domain.organisations import MANAGERS, Role, may_manage
from tillhouse.parts.identity.pages import browser
from tillhouse.parts.identity.pages.browser import Me
from tillhouse.parts.identity.ports import OrganisationRoom
from tillhouse.parts.identity.service import inviting, organisations
from tillhouse.parts.identity.service.sessions import StepUpRequired

router = APIRouter()

_ROOT = "/account/organisations"
_POST = [FromOurPage, Depends(rate_limit("30/minute"))]


class NewForm(BaseModel):
    """An organisation to make."""

    name: str = Field(min_length=2, max_length=80)
    country: str = Field(pattern=r"^[A-Za-z]{2}$")


class NameForm(BaseModel):
    """What it is called from now on."""

    name: str = Field(min_length=2, max_length=80)


class InviteForm(BaseModel):
    """Whom to ask, and as what."""

    email: str = Field(max_length=254)
    role: Role


class RoleForm(BaseModel):
    """The role of a member."""

    role: Role


@router.get(_ROOT)
async def home(request: Request, session: Read, me: Me, pages: Pages) -> Response:
    """Where one belongs, invitations to oneself, and a form for a new one."""
    return await _home(request, session, me, pages, Form.blank(NewForm, country="IN"))


@router.post(_ROOT, dependencies=_POST)
async def create(request: Request, session: Write, me: Me, pages: Pages) -> Response:
    """Make an organisation."""
    form = await Form.read(request, NewForm)
    if form.is_valid:
        try:
            async with session.begin_nested():  # a refusal keeps nothing of what was begun
                made = await organisations.create(session, me, form.data.name, form.data.country)
            return browser.go(request, f"{_ROOT}/{made.organisation_id}", Toast(gettext("Your organisation is there")))
        except DomainError as refusal:
            form.refuse(refusal)
    return await _home(request, session, me, pages, form)


@router.get(_ROOT + "/{organisation_id}")
async def show(request: Request, session: Read, me: Me, pages: Pages, organisation_id: UUID) -> Response:
    """One organisation and who belongs to it."""
    return await _one(request, session, me, pages, organisation_id=organisation_id, form=_blank_invitation())


@router.post(_ROOT + "/{organisation_id}/name", dependencies=_POST)
async def rename(request: Request, session: Write, me: Me, organisation_id: UUID) -> Response:
    """Change what it is called."""
    form = await Form.read(request, NameForm)
    if not form.is_valid:
        return _back(request, organisation_id, Toast(gettext("Use 2 to 80 characters."), tone="danger"))
    try:
        async with session.begin_nested():
            await organisations.rename(session, me, organisation_id, form.data.name)
    except DomainError as refusal:
        return _back(request, organisation_id, Toast(gettext("Not changed"), sentence_of(refusal), "danger"))
    return _back(request, organisation_id, Toast(gettext("Saved.")))


@router.post(_ROOT + "/{organisation_id}/invitations", dependencies=[FromOurPage, Depends(rate_limit("30/hour"))])
async def invite(request: Request, session: Write, me: Me, pages: Pages, organisation_id: UUID) -> Response:
    """Ask someone to join."""
    form = await Form.read(request, InviteForm)
    if form.is_valid:
        try:
            async with session.begin_nested():
                await inviting.invite(session, me, organisation_id, form.data.email, form.data.role)
            return _back(request, organisation_id, Toast(gettext("The invitation is on its way")))
        except DomainError as refusal:
            form.refuse(refusal)
    return await _one(request, session, me, pages, organisation_id=organisation_id, form=form)


@router.post(_ROOT + "/{organisation_id}/invitations/{invitation_id}/withdraw", dependencies=_POST)
async def withdraw(request: Request, session: Write, me: Me, organisation_id: UUID, invitation_id: UUID) -> Response:
    """Take an invitation back."""
    await inviting.withdraw(session, me, organisation_id, invitation_id)
    return _back(request, organisation_id, Toast(gettext("The invitation is taken back")))


@router.post(_ROOT + "/{organisation_id}/members/{person_id}/role", dependencies=_POST)
async def change_role(request: Request, session: Write, me: Me, organisation_id: UUID, person_id: UUID) -> Response:
    """Give a member another role."""
    form = await Form.read(request, RoleForm)
    if form.is_valid:
        try:
            async with session.begin_nested():
                await organisations.change_role(session, me, organisation_id, person_id, form.data.role)
        except DomainError as refusal:
            return _back(request, organisation_id, Toast(gettext("Not changed"), sentence_of(refusal), "danger"))
    return _back(request, organisation_id, Toast(gettext("Saved.")))


@router.post(_ROOT + "/{organisation_id}/members/{person_id}/remove", dependencies=_POST)
async def remove(request: Request, session: Write, me: Me, organisation_id: UUID, person_id: UUID) -> Response:
    """Take a member out, or leave."""
    try:
        async with session.begin_nested():
            await organisations.remove(session, me, organisation_id, person_id)
    except DomainError as refusal:
        return _back(request, organisation_id, Toast(gettext("Not changed"), sentence_of(refusal), "danger"))
    if person_id == me.id:
        return browser.go(request, _ROOT, Toast(gettext("You have left")))
    return _back(request, organisation_id, Toast(gettext("Removed.")))


@router.post(_ROOT + "/{organisation_id}/members/{person_id}/transfer", dependencies=_POST)
async def transfer(request: Request, session: Write, me: Me, organisation_id: UUID, person_id: UUID) -> Response:
    """Hand one's ownership on."""
    try:
        async with session.begin_nested():
            await organisations.transfer(session, me, organisation_id, person_id)
    except StepUpRequired:
        return _step_up(request, organisation_id)
    return _back(request, organisation_id, Toast(gettext("It is handed on. You are an admin now.")))


@router.post(_ROOT + "/{organisation_id}/close", dependencies=_POST)
async def close(request: Request, session: Write, me: Me, organisation_id: UUID) -> Response:
    """Close it for good."""
    try:
        async with session.begin_nested():
            await organisations.close(session, me, organisation_id)
    except StepUpRequired:
        return _step_up(request, organisation_id)
    except DomainError as refusal:
        why = " ".join(gettext(error.message) for error in refusal.errors)
        return _back(request, organisation_id, Toast(sentence_of(refusal), why, "danger"))
    return browser.go(request, _ROOT, Toast(gettext("The organisation is closed")))


@router.get("/account/invitations/{invitation_id}")
async def invitation(
    request: Request, session: Read, me: Me, pages: Pages, *, invitation_id: UUID, code: str | None = None
) -> Response:
    """An invitation, and two buttons. Whoever has no account yet signs in or registers first and comes back."""
    found = await inviting.invitation_for(session, me, invitation_id, code)
    response = pages.render_page(request, "identity/invitation.html", {"invitation": found, "code": code or ""})
    response.headers["Referrer-Policy"] = "no-referrer"  # the address holds the code
    return response


@router.post("/account/invitations/{invitation_id}/accept", dependencies=_POST)
async def accept(request: Request, session: Write, me: Me, invitation_id: UUID) -> Response:
    """Join."""
    joined = await inviting.accept(session, me, invitation_id, await _code(request))
    return _back(request, joined.organisation_id, Toast(gettext("Welcome"), joined.name))


@router.post("/account/invitations/{invitation_id}/decline", dependencies=_POST)
async def decline(request: Request, session: Write, me: Me, invitation_id: UUID) -> Response:
    """Say no."""
    await inviting.decline(session, me, invitation_id, await _code(request))
    return browser.go(request, _ROOT, Toast(gettext("You said no")))


async def _home(
    request: Request, session: ReadSession, me: Principal, pages: Templates, form: Form[NewForm]
) -> Response:
    context = {
        "organisations": await organisations.organisations_of(session, me.person_id),
        "invitations": await inviting.invitations_for(session, me.person_id),
        "role_names": _role_names(),
        "countries": [Option(code, name) for code, name in countries()],
    }
    return pages.render_form(request, "identity/organisations.html", form, context)


async def _one(
    request: Request,
    session: ReadSession,
    me: Principal,
    pages: Templates,
    *,
    organisation_id: UUID,
    form: Form[InviteForm],
) -> Response:
    mine = await organisations.require_member(session, organisation_id, me.person_id)
    manages = mine.role in MANAGERS
    context = {
        "mine": mine,
        "members": await organisations.members(session, organisation_id),
        "invitations": await inviting.invitations(session, organisation_id) if manages else (),
        "manages": manages,
        "may_manage": lambda role: may_manage(mine.role, role),
        "roles": [Option(role, _role_names()[role]) for role in Role if may_manage(mine.role, role)],
        "rooms": [one for one in house_of(session).provided(OrganisationRoom) if mine.role in one.roles],
        "role_names": _role_names(),
        "name": _name_form(mine.name),
    }
    return pages.render_form(request, "identity/organisation.html", form, context)


def _name_form(name: str) -> Form[NameForm]:
    form = Form.blank(NameForm, name="rename")
    form.values["name"] = [name]
    return form


def _blank_invitation() -> Form[InviteForm]:
    return Form.blank(InviteForm, role=Role.MEMBER)


def _role_names() -> dict[str, str]:
    return {
        "owner": gettext("Owner"),
        "admin": gettext("Admin"),
        "accountant": gettext("Accountant"),
        "member": gettext("Member"),
    }


async def _code(request: Request) -> str | None:
    sent = (await request.form()).get("code")
    return sent if isinstance(sent, str) and sent else None


def _back(request: Request, organisation_id: UUID, toast: Toast) -> Response:
    return browser.go(request, f"{_ROOT}/{organisation_id}", toast)


def _step_up(request: Request, organisation_id: UUID) -> Response:
    """Where one shows again who one is, and comes back from."""
    return browser.go(request, f"/step-up?next={_ROOT}/{organisation_id}")
