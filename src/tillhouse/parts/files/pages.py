"""One's own files: what is there, how much room is left, an upload that survives a lost line; and one's picture."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request, UploadFile
from fastapi.responses import Response, StreamingResponse

from tillhouse.kernel import live
from tillhouse.kernel.access import Principal, require
from tillhouse.kernel.db import ReadSession
from tillhouse.kernel.errors import DomainError
from tillhouse.kernel.http import Read, TheHouse, Write, house_of_request
from tillhouse.kernel.limits import rate_limit
from tillhouse.kernel.paging import cut, decode_id
from tillhouse.kernel.web import formats
from tillhouse.kernel.web.deps import FromOurPage, Pages, TheWeb
from tillhouse.kernel.web.errors import sentence_of
from tillhouse.kernel.web.i18n import gettext
from tillhouse.kernel.web.toasts import Toast, is_htmx, redirect
from tillhouse.parts.files import service
from tillhouse.parts.files.domain import MEDIA, REASONS
from tillhouse.parts.files.flows import avatars, exporting, serving, storing, tus
from tillhouse.parts.files.service import StoredFile
from tillhouse.parts.files.settings import FilesSettings

Me = Annotated[Principal, Depends(require("files.own"))]

router = APIRouter(prefix="/files")

_LIST = 25
_PIECE = 16 * 1024 * 1024  # bytes that our own page sends at once
_TONES = {"ready": "success", "refused": "danger"}


@dataclass(frozen=True, slots=True)
class Shown:
    """A file as the list shows it."""

    file: StoredFile
    size: str
    state: str
    tone: str
    reason: str
    icon: str


@router.get("")
async def files(request: Request, session: Read, me: Me, pages: Pages, cursor: str | None = None) -> Response:
    """The list, with room for more; for htmx the list alone."""
    context = await _context(session, request, me, cursor)
    if is_htmx(request):
        return pages.render_fragment(request, "files/_files.html", context)
    return pages.render_page(request, "files/files.html", context)


@router.post("", dependencies=[FromOurPage, Depends(rate_limit("30/minute"))])
async def send(request: Request, house: TheHouse, me: Me, web: TheWeb, file: UploadFile) -> Response:
    """Store one file without the help of scripts."""
    try:
        await storing.store_bytes(house, me.person_id, file.filename or "file", await file.read())
    except DomainError as refusal:
        return redirect(
            request, "/files", Toast(gettext("Not stored"), sentence_of(refusal), "danger"), secure=web.secure
        )
    return redirect(request, "/files", Toast(gettext("Stored.")), secure=web.secure)


@router.get("/export")
async def export(house: TheHouse, me: Me) -> Response:
    """Everything as one ZIP."""
    headers = {"Content-Disposition": 'attachment; filename="files.zip"', "Cache-Control": "private, no-store"}
    return StreamingResponse(exporting.export(house, me.person_id), media_type="application/zip", headers=headers)


@router.get("/events")
async def events(house: TheHouse, me: Me) -> Response:
    """States and progress of one's files as they change, also for whoever has a ticket."""
    return live.sse_response(house, service.channel(me.person_id))


@router.get("/avatar")
async def avatar(house: TheHouse, me: Me, side: int = 192) -> Response:
    """One's own picture; its address changes with it, so a browser may keep it."""
    found, content = await avatars.avatar(house, me.person_id, side)
    headers = {"Cache-Control": "private, max-age=31536000, immutable", "X-Content-Type-Options": "nosniff"}
    return Response(content, headers=headers, media_type=found.media_type)


@router.post("/avatar", dependencies=[FromOurPage, Depends(rate_limit("10/minute"))])
async def set_avatar(request: Request, house: TheHouse, me: Me, web: TheWeb, file: UploadFile) -> Response:
    """Make a picture one's own."""
    try:
        await avatars.set_avatar(house, me.person_id, await file.read())
    except DomainError as refusal:
        said = Toast(gettext("Your picture was not changed"), sentence_of(refusal), "danger")
        return redirect(request, "/account", said, secure=web.secure)
    return redirect(request, "/account", Toast(gettext("Your picture was changed.")), secure=web.secure)


@router.post("/avatar/remove", dependencies=[FromOurPage, Depends(rate_limit("10/minute"))])
async def remove_avatar(request: Request, house: TheHouse, me: Me, web: TheWeb) -> Response:
    """Take one's picture away."""
    await avatars.remove_avatar(house, me.person_id)
    return redirect(request, "/account", Toast(gettext("Your picture was removed.")), secure=web.secure)


@router.post("/uploads", dependencies=[FromOurPage, Depends(rate_limit("60/minute"))])
async def begin_upload(house: TheHouse, request: Request, me: Me) -> Response:
    """Begin an upload that resumes (tus 1.0)."""
    return await tus.create(house, request, me.person_id)


@router.head("/uploads/{file_id}")
async def look_at_upload(house: TheHouse, request: Request, me: Me, file_id: UUID) -> Response:
    """How far it is."""
    return await tus.look(house, request, me.person_id, file_id)


@router.patch("/uploads/{file_id}", dependencies=[FromOurPage, Depends(rate_limit("600/minute"))])
async def add_to_upload(house: TheHouse, request: Request, me: Me, file_id: UUID) -> Response:
    """Add bytes to it."""
    return await tus.add(house, request, me.person_id, file_id)


@router.delete("/uploads/{file_id}", dependencies=[FromOurPage, Depends(rate_limit("60/minute"))])
async def stop_upload(house: TheHouse, request: Request, me: Me, file_id: UUID) -> Response:
    """End it."""
    return await tus.stop(house, request, me.person_id, file_id)


@router.get("/{file_id}/content")
async def content(house: TheHouse, request: Request, me: Me, file_id: UUID) -> Response:
    """The bytes, or a part of them."""
    return await serving.serve(house, request, me.person_id, file_id)


@router.post("/{file_id}/delete", dependencies=[FromOurPage, Depends(rate_limit("60/minute"))])
async def delete(request: Request, session: Write, me: Me, web: TheWeb, file_id: UUID) -> Response:
    """Delete a file."""
    await service.delete(session, me.person_id, file_id)
    return redirect(request, "/files", Toast(gettext("The file was deleted.")), secure=web.secure)


async def _context(session: ReadSession, request: Request, me: Principal, cursor: str | None) -> dict[str, object]:
    before = decode_id(cursor) if cursor else None
    found = await service.sent_by(session, me.person_id, _LIST + 1, before)
    rows, next_cursor = cut(found, _LIST, lambda row: (str(row.id),))
    usage = await service.usage(session, me.person_id)
    settings = house_of_request(request).settings_of(FilesSettings)
    return {
        "files": _shown(rows),
        "next": f"/files?cursor={next_cursor}" if next_cursor else "",
        "start": "/files" if cursor else "",
        "usage": usage,
        "used": size_text(usage.used),
        "most": size_text(usage.most),
        "largest": settings.most_upload_megabytes * 1_000_000,
        "largest_text": size_text(settings.most_upload_megabytes * 1_000_000),
        "piece": _PIECE,
    }


def _shown(files: Sequence[StoredFile]) -> list[Shown]:
    return [
        Shown(
            file=one,
            size=size_text(one.size),
            state=_state(one),
            tone=_TONES.get(one.state, "info"),
            reason=gettext(REASONS[one.reason]) if one.reason else "",
            icon=_icon(one.media_type),
        )
        for one in files
    ]


def _state(file: StoredFile) -> str:
    if file.state == "uploading":
        return gettext("Uploading, {percent}", percent=formats.percent(Decimal(file.received) / max(1, file.size)))
    return {
        "scanning": gettext("Being checked"),
        "processing": gettext("Being prepared"),
        "ready": gettext("Ready"),
        "refused": gettext("Refused"),
    }[file.state]


def _icon(media_type: str) -> str:
    if media_type.startswith("image/"):
        return "image"
    if media_type in MEDIA:
        return "headphones" if media_type.startswith("audio/") else "play"
    return "file-text"


def size_text(size: int) -> str:
    """A number of bytes to be taken in at a glance, in the reader's way of writing numbers."""
    value = Decimal(size)
    for unit in ("B", "kB", "MB"):
        if value < 1000:
            return f"{formats.number(value, digits=1 if unit == 'MB' and value < 10 else 0)}\N{NO-BREAK SPACE}{unit}"
        value /= 1000
    return f"{formats.number(value, digits=1)}\N{NO-BREAK SPACE}GB"
