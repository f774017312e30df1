"""Staff page of the index: which documents wait, are read, or could not be, and another try for those.

Documents are people's own: nothing that they say is shown, nor what they are called, nor whose they are.
"""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from tillhouse.kernel.access import Principal, require
from tillhouse.kernel.http import Read, TheHouse, Write
from tillhouse.kernel.limits import rate_limit
from tillhouse.kernel.paging import cut, decode_id
from tillhouse.kernel.text import N_
from tillhouse.kernel.web.deps import FromOurPage, Pages, TheWeb
from tillhouse.kernel.web.errors import sentence_of
from tillhouse.kernel.web.i18n import gettext
from tillhouse.kernel.web.toasts import Toast, redirect
from tillhouse.parts.ai.domain.documents import DocumentState
from tillhouse.parts.ai.flows import switchboard
from tillhouse.parts.ai.pages.naming import model_name
from tillhouse.parts.ai.service import indexing

_HOME = "/console/ai/search"
_PAGE = 50
Shown = Literal["failed", "waiting", "ready"]

_STATES: dict[DocumentState, str] = {
    DocumentState.RECEIVED: N_("Waiting"),
    DocumentState.PARSING: N_("Being read"),
    DocumentState.INDEXING: N_("Being indexed"),
    DocumentState.READY: N_("Can be found"),
    DocumentState.FAILED: N_("Could not be read"),
    DocumentState.DELETING: N_("Being removed"),
}
_TONES = {DocumentState.READY: "success", DocumentState.FAILED: "danger", DocumentState.RECEIVED: "neutral"}
_TYPES: dict[str, str] = {
    "application/pdf": "PDF",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "Word",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "Excel",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation": "PowerPoint",
    "text/html": "HTML",
    "text/markdown": "Markdown",
    "text/plain": N_("Text"),
    "text/csv": "CSV",
}

router = APIRouter(prefix=_HOME)
Staff = Annotated[Principal, Depends(require("ai.read"))]
Keeper = Annotated[Principal, Depends(require("ai.index"))]


@router.get("")
async def index(
    request: Request,
    session: Read,
    house: TheHouse,
    staff: Staff,
    pages: Pages,
    *,
    show: Shown = "failed",
    cursor: str | None = None,
) -> Response:
    """How many documents stand where, and those that ask for someone, newest first."""
    before = decode_id(cursor) if cursor else None
    found = await indexing.documents(session, show, limit=_PAGE + 1, before=before)
    shown, following = cut(found, _PAGE, lambda one: (str(one.id),))
    model = switchboard.embedding_model(house)
    context = {
        "figures": await indexing.figures(session),
        "documents": shown,
        "show": show,
        "next": following,
        "cursor": cursor,
        "model": model_name(model[0]) if model else "",
        "states": {state: gettext(title) for state, title in _STATES.items()},
        "tones": {state: _TONES.get(state, "info") for state in _STATES},
        "type_of": lambda media_type: gettext(_TYPES[media_type]) if media_type in _TYPES else media_type,
        "sentence_of": sentence_of,
        "may_retry": staff.may("ai.index"),
    }
    return pages.render_page(request, "ai/search.html", context)


@router.post("/{document_id}/retry", dependencies=[FromOurPage, Depends(rate_limit("60/minute"))])
async def retry(request: Request, session: Write, keeper: Keeper, web: TheWeb, document_id: UUID) -> Response:
    """Have a document read once more."""
    await indexing.retry(session, keeper, document_id)
    said = Toast(gettext("It is read once more"), gettext("Look again in a minute: it waits among the others."))
    return redirect(request, f"{_HOME}?show=waiting", said, secure=web.secure)
