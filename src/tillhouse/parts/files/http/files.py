"""A person's own files."""

from datetime import timedelta
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Request, UploadFile
from fastapi.responses import Response, StreamingResponse

from tillhouse.kernel.access import Principal, open_to_all, require
from tillhouse.kernel.errors import Conflict, NotFound
from tillhouse.kernel.http import Read, TheHouse, Write
from tillhouse.kernel.limits import rate_limit
from tillhouse.kernel.paging import Page, cut, decode_id
from tillhouse.kernel.text import N_
from tillhouse.parts.files import schemas, service
from tillhouse.parts.files.domain import MEDIA
from tillhouse.parts.files.flows import exporting, reading, serving, storing
from tillhouse.parts.files.http.shapes import out, rendition_out

Me = Annotated[Principal, Depends(require("files.own"))]

router = APIRouter(prefix="/files")

_BYTES: dict[int | str, dict[str, Any]] = {
    200: {"description": "The bytes, in the file's own type.", "content": {"*/*": {}}},
    206: {"description": "The part that was asked for.", "content": {"*/*": {}}},
    304: {"description": "The caller has it already."},
}


@router.post("", status_code=201, dependencies=[Depends(rate_limit("30/minute"))])
async def upload(house: TheHouse, me: Me, file: UploadFile) -> schemas.FileOut:
    """Store a file. Its type is read from its bytes; pictures are written anew, upright and without their place."""
    return out(await storing.store_bytes(house, me.person_id, file.filename or "file", await file.read()))


@router.get("")
async def list_files(session: Read, me: Me, cursor: str | None = None, limit: int = 50) -> Page[schemas.FileOut]:
    """The files that the caller sent, in every state, newest first."""
    size = max(1, min(limit, 100))
    before = decode_id(cursor) if cursor else None
    found = await service.sent_by(session, me.person_id, size + 1, before)
    rows, next_cursor = cut(found, size, lambda row: (str(row.id),))
    return Page(items=[out(row) for row in rows], next_cursor=next_cursor)


@router.get("/usage")
async def usage(session: Read, me: Me) -> schemas.UsageOut:
    """How much the caller keeps, and may keep."""
    found = await service.usage(session, me.person_id)
    return schemas.UsageOut(used=found.used, most=found.most)


@router.get(
    "/export",
    response_class=Response,
    responses={200: {"description": "All files.", "content": {"application/zip": {}}}},
)
async def export(house: TheHouse, me: Me) -> Response:
    """Everything that the caller keeps here, as one ZIP."""
    headers = {"Content-Disposition": 'attachment; filename="files.zip"', "Cache-Control": "private, no-store"}
    return StreamingResponse(exporting.export(house, me.person_id), media_type="application/zip", headers=headers)


@router.get("/shared/{token}", response_class=Response, responses=_BYTES)
async def shared(
    house: TheHouse,
    request: Request,
    token: str,
    _anyone: Annotated[Principal, Depends(open_to_all("the token in the address is the permission"))],
) -> Response:
    """A file under a link that was made for it; with ranges, until the link is over."""
    owner_id, file_id = reading.shared(house, token)
    return await serving.serve(house, request, owner_id, file_id)


@router.get("/{file_id}")
async def show(session: Read, me: Me, file_id: UUID) -> schemas.FileWithRenditions:
    """One of the caller's files, in any state."""
    found = await service.look(session, me.person_id, file_id)
    made = await service.renditions(session, me.person_id, file_id)
    return schemas.FileWithRenditions(**out(found).model_dump(), renditions=[rendition_out(one) for one in made])


@router.get("/{file_id}/content", response_class=Response, responses=_BYTES)
async def download(house: TheHouse, request: Request, me: Me, file_id: UUID) -> Response:
    """The bytes, or a part of them (`Range`, `If-Range`). What a browser could run is only ever downloaded."""
    return await serving.serve(house, request, me.person_id, file_id)


@router.post("/{file_id}/renditions", status_code=202, dependencies=[Depends(rate_limit("30/minute"))])
async def render(session: Write, me: Me, file_id: UUID, body: schemas.NewRendition) -> schemas.RenditionOut:
    """Have another form of a recording made: a thumbnail, its sound for recognisers, or what every browser plays."""
    made = await service.request_rendition(session, me.person_id, file_id, body.rendition)
    return rendition_out(await service.look(session, me.person_id, made))


@router.post("/{file_id}/playback", dependencies=[Depends(rate_limit("120/minute"))])
async def playback(session: Read, me: Me, file_id: UUID, body: schemas.NewPlayback) -> schemas.LinkOut:
    """An address of a recording, or of a form of it, that a player can read for some minutes."""
    found = await service.find(session, me.person_id, file_id)
    if body.rendition is not None:
        made = await service.renditions(session, me.person_id, file_id)
        ready = next((one for one in made if one.rendition == body.rendition and one.state == "ready"), None)
        if ready is None:
            raise NotFound(N_("This form of the recording is not there yet."))
        found = ready
    elif found.media_type not in MEDIA:
        raise Conflict(N_("Only recordings are played."))
    link = await reading.link(session, me.person_id, found.id, timedelta(minutes=body.minutes))
    return schemas.LinkOut(url=link.url, expires_at=link.expires_at)


@router.delete("/{file_id}", status_code=204, dependencies=[Depends(rate_limit("60/minute"))])
async def remove(session: Write, me: Me, file_id: UUID) -> None:
    """Delete one of the caller's files."""
    await service.delete(session, me.person_id, file_id)
