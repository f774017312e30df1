"""Uploads that resume: tus 1.0, at /files/uploads."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from tillhouse.kernel.access import Principal, require
from tillhouse.kernel.http import TheHouse
from tillhouse.kernel.limits import rate_limit
from tillhouse.parts.files.flows import tus

Me = Annotated[Principal, Depends(require("files.own"))]

router = APIRouter(prefix="/files/uploads")

_BODY: dict[str, Any] = {
    "requestBody": {"content": {"application/offset+octet-stream": {"schema": {"type": "string", "format": "binary"}}}}
}


@router.options("", status_code=204)
async def abilities(house: TheHouse, _me: Me) -> Response:
    """What this server can do of tus 1.0."""
    return tus.options(house)


@router.post(
    "", status_code=201, response_class=Response, openapi_extra=_BODY, dependencies=[Depends(rate_limit("60/minute"))]
)
async def create(house: TheHouse, request: Request, me: Me) -> Response:
    """Begin an upload of `Upload-Length` bytes; `Upload-Metadata` may name `filename` and `kind`. May bring bytes."""
    return await tus.create(house, request, me.person_id)


@router.head("/{file_id}", response_class=Response)
async def look(house: TheHouse, request: Request, me: Me, file_id: UUID) -> Response:
    """How far an upload is. A request that was still adding to it can add no more."""
    return await tus.look(house, request, me.person_id, file_id)


@router.patch(
    "/{file_id}",
    status_code=204,
    response_class=Response,
    openapi_extra=_BODY,
    dependencies=[Depends(rate_limit("600/minute"))],
)
async def add(house: TheHouse, request: Request, me: Me, file_id: UUID) -> Response:
    """Add bytes at `Upload-Offset`. Once whole, the upload is a file, as soon as it was looked at."""
    return await tus.add(house, request, me.person_id, file_id)


@router.delete("/{file_id}", status_code=204, response_class=Response, dependencies=[Depends(rate_limit("60/minute"))])
async def stop(house: TheHouse, request: Request, me: Me, file_id: UUID) -> Response:
    """End an upload for good."""
    return await tus.stop(house, request, me.person_id, file_id)
