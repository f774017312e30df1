"""Pages of reviewers: the queue, a case with its papers, the decision."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field

from tillhouse.kernel import clock
from tillhouse.kernel.access import Principal, require
from tillhouse.kernel.db import Session
from tillhouse.kernel.errors import DomainError
from tillhouse.kernel.http import Read, Write
from tillhouse.kernel.limits import rate_limit
from tillhouse.kernel.paging import cut, decode_cursor
from tillhouse.kernel.text import N_
from tillhouse.kernel.web.deps import FromOurPage, Pages, TheWeb
from tillhouse.kernel.web.errors import sentence_of
from tillhouse.kernel.web.forms import Form, Option
from tillhouse.kernel.web.i18n import gettext
from tillhouse.kernel.web.render import Templates
from tillhouse.kernel.web.toasts import Toast, redirect
from tillhouse.parts.identity import api as identity
from tillhouse.parts.kyc.domain import FINDINGS, ID_KINDS, LEVELS, PAPERS, REASONS, Result
from tillhouse.parts.kyc.pages.own import TONES, state_titles
from tillhouse.parts.kyc.service import reviews

_HOME = "/console/kyc"
_PAGE = 50


@dataclass(frozen=True, slots=True)
class _Shown:
    title: str
    tone: str


_RESULTS: Mapping[Result, _Shown] = {
    "passed": _Shown(N_("Passed"), "success"),
    "well_formed": _Shown(N_("Well formed"), "neutral"),
    "failed": _Shown(N_("Look closely"), "danger"),
    "unsure": _Shown(N_("Look closely"), "warning"),
}

router = APIRouter(prefix=_HOME)
Reviewer = Annotated[Principal, Depends(require("kyc.review"))]
_POST = [FromOurPage, Depends(rate_limit("120/minute"))]


class DecisionForm(BaseModel):
    """What is decided. `reasons` are told to the person, `note` stays with us."""

    decision: Literal["approve", "reject", "take_back"]
    reasons: list[str] = Field(default=[], max_length=12)
    note: str = Field(default="", max_length=1000)


@router.get("/")
async def queue(request: Request, session: Read, _me: Reviewer, pages: Pages, cursor: str | None = None) -> Response:
    """Cases that wait, the longest waiting first."""
    after = None
    if cursor:
        at, case_id = decode_cursor(cursor, (str, str))
        after = (datetime.fromisoformat(str(at)), UUID(str(case_id)))
    found = await reviews.queue(session, _PAGE + 1, after)
    rows, following = cut(found, _PAGE, lambda row: ((row.submitted_at or row.created_at).isoformat(), str(row.id)))
    names = await identity.names(session, {row.taken_by for row in rows if row.taken_by})
    context = {"cases": rows, "levels": LEVELS, "names": names, "now": clock.now(), "following": following}
    return pages.render_page(request, "kyc/queue.html", {**context, "cursor": cursor})


@router.get("/cases/{case_id}")
async def case(request: Request, session: Write, me: Reviewer, pages: Pages, case_id: UUID) -> Response:
    """A case with everything in it. That it was opened is written down: a look is an act here."""
    return await _page(request, session, me, pages, case_id=case_id, form=Form.blank(DecisionForm))


@router.get("/cases/{case_id}/papers/{paper_id}/{number}.jpg")
async def page(session: Write, me: Reviewer, case_id: UUID, paper_id: UUID, number: int) -> Response:
    """A page of a paper: a picture that we drew ourselves, kept by no browser. Every look is written down."""
    content = await reviews.look_at_page(session, me, case_id, paper_id, number)
    headers = {
        "Content-Disposition": "inline",
        "Content-Security-Policy": "sandbox; default-src 'none'",
        "Cache-Control": "private, no-store",
        "X-Content-Type-Options": "nosniff",
    }
    return Response(content, media_type="image/jpeg", headers=headers)


@router.post("/cases/{case_id}/take", dependencies=_POST)
async def take(request: Request, session: Write, me: Reviewer, web: TheWeb, case_id: UUID) -> Response:
    """Keep others from looking at the same time."""
    try:
        async with session.begin_nested():
            await reviews.take(session, me, case_id)
        said = Toast(gettext("It is yours for now"))
    except DomainError as refusal:
        said = Toast(gettext("Not taken"), sentence_of(refusal), "danger")
    return redirect(request, f"{_HOME}/cases/{case_id}", said, secure=web.secure)


@router.post("/cases/{case_id}/decide", dependencies=_POST)
async def decide(
    request: Request, session: Write, me: Reviewer, pages: Pages, *, web: TheWeb, case_id: UUID
) -> Response:
    """Approve, reject or take back."""
    form = await Form.read(request, DecisionForm)
    if form.is_valid:
        try:
            async with session.begin_nested():
                said = await _decide(session, me, case_id, form.data)
            return redirect(request, f"{_HOME}/", said, secure=web.secure)
        except DomainError as refusal:
            form.refuse(refusal)
    return await _page(request, session, me, pages, case_id=case_id, form=form)


async def _decide(session: Session, me: Principal, case_id: UUID, said: DecisionForm) -> Toast:
    if said.decision == "approve":
        row = await reviews.approve(session, me, case_id, said.note)
        if row.state != "approved":
            return Toast(gettext("Your approval is noted"), gettext("A second person looks at it now."), "info")
        return Toast(gettext("Approved"))
    act = reviews.reject if said.decision == "reject" else reviews.take_back
    await act(session, me, case_id, said.reasons, said.note)
    return Toast(gettext("The person is told what to do"))


async def _page(
    request: Request,
    session: Session,
    me: Principal,
    pages: Templates,
    *,
    case_id: UUID,
    form: Form[DecisionForm],
) -> Response:
    found = await reviews.review(session, me, case_id)
    ids = {found.case.owner_id, *(one.by for one in found.decisions), *(one.owner_id for one in found.alike)}
    context = {
        "review": found,
        "case": found.case,
        "tones": TONES,
        "states": state_titles(),
        "results": _RESULTS,
        "findings": FINDINGS,
        "titles": PAPERS,
        "id_kinds": ID_KINDS,
        "reasons": [Option(code, gettext(text)) for code, text in REASONS.items()],
        "reason_texts": REASONS,
        "names": await identity.names(session, ids | ({found.case.taken_by} if found.case.taken_by else set())),
        "taken": found.case.taken_by is not None
        and found.case.taken_until is not None
        and found.case.taken_until > clock.now(),
        "mine": found.case.taken_by == me.id,
    }
    response = pages.render_form(request, "kyc/case.html", form, context)
    response.headers["Cache-Control"] = "private, no-store"
    return response
