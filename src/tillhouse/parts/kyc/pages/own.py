"""One's own pages: what is asked for, sent from a phone's camera, and what to do next."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Annotated
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Depends, Request, UploadFile
from fastapi import Form as FormField
from fastapi.responses import Response
from pydantic import BaseModel, Field

from tillhouse.kernel.access import Principal, require
from tillhouse.kernel.db import ReadSession
from tillhouse.kernel.errors import DomainError
from tillhouse.kernel.http import Read, TheHouse, Write
from tillhouse.kernel.limits import rate_limit
from tillhouse.kernel.web.deps import FromOurPage, Pages, TheWeb
from tillhouse.kernel.web.errors import sentence_of
from tillhouse.kernel.web.formats import countries
from tillhouse.kernel.web.forms import Form, Option
from tillhouse.kernel.web.i18n import gettext
from tillhouse.kernel.web.render import Templates
from tillhouse.kernel.web.toasts import Toast, redirect
from tillhouse.parts.identity import api as identity
from tillhouse.parts.kyc import flows
from tillhouse.parts.kyc.domain import (
    ID_KINDS,
    IDS_OF,
    LEVELS,
    PAPERS,
    REASONS,
    Details,
    IdKind,
    LevelName,
    Owner,
    PaperKind,
    sentence,
)
from tillhouse.parts.kyc.service import cases

router = APIRouter(prefix="/kyc")
Me = Annotated[Principal, Depends(require("kyc.own"))]
_POST = [FromOurPage, Depends(rate_limit("60/hour"))]

TONES = {
    "not_started": "neutral",
    "submitted": "info",
    "in_review": "info",
    "approved": "success",
    "rejected": "warning",
    "expired": "warning",
}


class DetailsForm(BaseModel):
    """What is on the document."""

    name: str = Field(min_length=2, max_length=150)
    birth_date: date
    country: str = Field(pattern=r"^[A-Z]{2}$")
    id_kind: IdKind
    id_number: str = Field(min_length=4, max_length=40)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A paper as the page asks for it."""

    kind: PaperKind
    title: str
    needed: bool
    sent: cases.Paper | None


@router.get("")
async def home(request: Request, session: Read, me: Me, pages: Pages, organisation_id: UUID | None = None) -> Response:
    """Every level and what to do."""
    owner = await cases.owner_of(session, me, organisation_id)
    context = {
        **await _for(session, me, owner),
        "standings": await cases.standings(session, owner),
        "organisations": [
            one for one in await identity.organisations_of(session, me.person_id) if one.role in identity.MANAGERS
        ],
    }
    return pages.render_page(request, "kyc/home.html", context)


@router.get("/{level}")
async def level(
    request: Request, session: Read, me: Me, pages: Pages, *, level: LevelName, organisation_id: UUID | None = None
) -> Response:
    """One level: its papers, what it asks for, and where it stands."""
    owner = await cases.owner_of(session, me, organisation_id)
    before = await cases.said_before(session, owner, LEVELS[level])
    form = Form.blank(DetailsForm, country="IN", id_kind=IDS_OF[owner.kind][0])
    if before:  # all but the number: no page needs to show that again
        form = Form.blank(DetailsForm, country=before.country, id_kind=before.id_kind, birth_date=before.birth_date)
        form.values["name"] = [before.name]
    return await _page(request, session, pages, me, owner=owner, level=level, form=form)


@router.post("/{level}/papers", dependencies=_POST)
async def send_paper(
    request: Request,
    house: TheHouse,
    me: Me,
    web: TheWeb,
    *,
    level: LevelName,
    kind: Annotated[PaperKind, FormField()],
    file: UploadFile,
    organisation_id: UUID | None = None,
) -> Response:
    """Take a paper."""
    try:
        await flows.add_paper(house, me, organisation_id, level, kind=kind, content=await file.read())
        said = Toast(gettext("Received"), gettext(PAPERS[kind]))
    except DomainError as refusal:
        said = Toast(gettext("Not taken"), sentence_of(refusal), "danger")
    return redirect(request, _address(level, organisation_id), said, secure=web.secure)


@router.post("/{level}/papers/{paper_id}/remove", dependencies=_POST)
async def remove_paper(
    request: Request,
    session: Write,
    me: Me,
    web: TheWeb,
    *,
    level: LevelName,
    paper_id: UUID,
    organisation_id: UUID | None = None,
) -> Response:
    """Take a paper out again."""
    owner = await cases.owner_of(session, me, organisation_id)
    await cases.remove_paper(session, owner, LEVELS[level], paper_id)
    return redirect(request, _address(level, organisation_id), Toast(gettext("Removed.")), secure=web.secure)


@router.post("/{level}/submit", dependencies=_POST)
async def submit(
    request: Request,
    session: Write,
    me: Me,
    pages: Pages,
    *,
    web: TheWeb,
    level: LevelName,
    organisation_id: UUID | None = None,
) -> Response:
    """Hand it in."""
    owner = await cases.owner_of(session, me, organisation_id)
    form = await Form.read(request, DetailsForm)
    if form.is_valid or not LEVELS[level].asks_details:
        try:
            async with session.begin_nested():  # a refusal keeps nothing of what was begun
                details = Details(**form.data.model_dump()) if LEVELS[level].asks_details else None
                await cases.submit(session, me, owner, LEVELS[level], details)
            said = Toast(gettext("Handed in"), gettext("We write to you as soon as it is decided."))
            return redirect(request, _address(level, organisation_id), said, secure=web.secure)
        except DomainError as refusal:
            form.refuse(refusal)
    return await _page(request, session, pages, me, owner=owner, level=level, form=form)


@router.post("/{level}/withdraw", dependencies=_POST)
async def withdraw(
    request: Request, session: Write, me: Me, web: TheWeb, *, level: LevelName, organisation_id: UUID | None = None
) -> Response:
    """Take it back."""
    owner = await cases.owner_of(session, me, organisation_id)
    await cases.withdraw(session, owner, LEVELS[level])
    said = Toast(gettext("Taken back"), gettext("Your papers and what you wrote are deleted."))
    return redirect(request, _address(level, organisation_id), said, secure=web.secure)


async def _page(
    request: Request,
    session: ReadSession,
    pages: Templates,
    me: Principal,
    *,
    owner: Owner,
    level: LevelName,
    form: Form[DetailsForm],
) -> Response:
    found = await cases.standing(session, owner, LEVELS[level])
    context = {
        **await _for(session, me, owner),
        "level": LEVELS[level],
        "standing": found,
        "papers": _papers(found),
        "editable": found.may_begin,
        "reasons": REASONS,
        "id_kinds": [Option(kind, gettext(ID_KINDS[kind])) for kind in IDS_OF[owner.kind]],
        "countries": [Option(code, name) for code, name in countries()],
    }
    return pages.render_form(request, "kyc/level.html", form, context)


async def _for(session: ReadSession, me: Principal, owner: Owner) -> dict[str, object]:
    """What both pages say: whose papers these are, and words for states."""
    place = None
    if owner.kind == "organisation":
        place = await identity.membership(session, owner.id, me.person_id)
    return {
        "owner": owner,
        "organisation": place,
        "suffix": f"?{urlencode({'organisation_id': str(owner.id)})}" if place else "",
        "levels": LEVELS,
        "tones": TONES,
        "titles": state_titles(),
        "sentence": sentence,
    }


def state_titles() -> dict[str, str]:
    """What the states are called, in the reader's language."""
    return {
        "not_started": gettext("Not started"),
        "submitted": gettext("Handed in"),
        "in_review": gettext("In review"),
        "approved": gettext("Approved"),
        "rejected": gettext("Something to do"),
        "expired": gettext("Expired"),
    }


def _papers(found: cases.Standing) -> Sequence[Wanted]:
    sent = {paper.kind: paper for paper in found.papers}
    return [
        Wanted(kind, gettext(PAPERS[kind]), kind in found.wanted, sent.get(kind))
        for kind in (*found.wanted, *found.also)
    ]


def _address(level: LevelName, organisation_id: UUID | None) -> str:
    query = f"?{urlencode({'organisation_id': str(organisation_id)})}" if organisation_id else ""
    return f"/kyc/{level}{query}"
