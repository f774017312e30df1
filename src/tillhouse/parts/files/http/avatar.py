"""The caller's own picture."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, UploadFile
from fastapi.responses import Response

from tillhouse.kernel.access import Principal, require
from tillhouse.kernel.http import TheHouse
from tillhouse.kernel.limits import rate_limit
from tillhouse.parts.files import schemas
from tillhouse.parts.files.domain import etag_of
from tillhouse.parts.files.flows import avatars, serving

Me = Annotated[Principal, Depends(require("files.own"))]

router = APIRouter(prefix="/users/me/avatar")


@router.put("", dependencies=[Depends(rate_limit("10/minute"))])
async def put(house: TheHouse, me: Me, file: UploadFile) -> schemas.PictureOut:
    """Make a picture (JPEG, PNG, WebP, GIF, HEIC or AVIF of up to 5 MB) one's own: its middle is kept, as squares."""
    found = await avatars.set_avatar(house, me.person_id, await file.read())
    return schemas.PictureOut(id=found.id, media_type=found.media_type, size=found.size)


@router.get(
    "",
    response_class=Response,
    responses={200: {"description": "A square as WebP.", "content": {"image/webp": {}}}, 304: {"description": "Same."}},
)
async def get(house: TheHouse, request: Request, me: Me, side: int = 192) -> Response:
    """One's own picture, no smaller than `side` where there is one (512, 192 and 64 pixels)."""
    found, content = await avatars.avatar(house, me.person_id, side)
    etag = etag_of(found.sha256)
    headers = serving.headers_of(found, etag)
    if request.headers.get("if-none-match") == etag:
        return Response(status_code=304, headers=headers)
    return Response(content, headers=headers, media_type=found.media_type)


@router.delete("", status_code=204, dependencies=[Depends(rate_limit("10/minute"))])
async def remove(house: TheHouse, me: Me) -> None:
    """Take one's picture away."""
    await avatars.remove_avatar(house, me.person_id)
