"""JSON endpoints of files."""

from typing import Annotated
from urllib.parse import quote
from uuid import UUID

from fastapi import APIRouter, Depends, UploadFile
from fastapi.responses import Response

from tillhouse.kernel.access import Principal, require
from tillhouse.kernel.http import Read, TheHouse, Write
from tillhouse.kernel.limits import rate_limit
from tillhouse.kernel.paging import Page, cut, decode_id
from tillhouse.parts.files import flows, schemas, service
from tillhouse.parts.files.domain import SHOWN
from tillhouse.parts.files.service import StoredFile

Me = Annotated[Principal, Depends(require("files.own"))]

_router = APIRouter(prefix="/files")


@_router.post("", status_code=201, dependencies=[Depends(rate_limit("30/minute"))])
async def upload(house: TheHouse, me: Me, file: UploadFile) -> schemas.FileOut:
    """Store a file. Its type is read from its bytes."""
    return _out(await flows.store_file(house, me.person_id, file.filename or "file", await file.read()))


@_router.get("")
async def list_files(session: Read, me: Me, cursor: str | None = None, limit: int = 50) -> Page[schemas.FileOut]:
    """The caller's files, newest first."""
    size = max(1, min(limit, 100))
    before = decode_id(cursor) if cursor else None
    found = await service.list_of(session, me.person_id, size + 1, before)
    rows, next_cursor = cut(found, size, lambda row: (str(row.id),))
    return Page(items=[_out(row) for row in rows], next_cursor=next_cursor)


@_router.get("/{file_id}")
async def show(session: Read, me: Me, file_id: UUID) -> schemas.FileOut:
    """One of the caller's files."""
    return _out(await service.find(session, me.person_id, file_id))


@_router.get(
    "/{file_id}/content",
    response_class=Response,
    responses={200: {"description": "The bytes, in the file's own type.", "content": {"*/*": {}}}},
)
async def download(house: TheHouse, me: Me, file_id: UUID) -> Response:
    """The bytes. What a browser could run is only ever downloaded."""
    found, content = await flows.read_file(house, me.person_id, file_id)
    place = "inline" if found.media_type in SHOWN else "attachment"
    headers = {
        "Content-Disposition": f"{place}; filename*=UTF-8''{quote(found.name)}",
        "Content-Security-Policy": "sandbox; default-src 'none'",
        "Cache-Control": "private, no-store",
    }
    return Response(content, media_type=found.media_type, headers=headers)


@_router.delete("/{file_id}", status_code=204, dependencies=[Depends(rate_limit("60/minute"))])
async def remove(session: Write, me: Me, file_id: UUID) -> None:
    """Delete one of the caller's files."""
    await service.delete(session, me.person_id, file_id)


def router() -> APIRouter:
    """All JSON endpoints of files."""
    return _router


def _out(found: StoredFile) -> schemas.FileOut:
    return schemas.FileOut(
        id=found.id,
        name=found.name,
        media_type=found.media_type,
        size=found.size,
        sha256=found.sha256.hex(),
        created_at=found.created_at,
    )
