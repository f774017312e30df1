"""Uploads straight to the store, under an address signed for one object."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends

from tillhouse.kernel.access import Principal, require
from tillhouse.kernel.http import TheHouse
from tillhouse.kernel.limits import rate_limit
from tillhouse.parts.files import schemas
from tillhouse.parts.files.flows import direct
from tillhouse.parts.files.http.shapes import out

Me = Annotated[Principal, Depends(require("files.own"))]

router = APIRouter(prefix="/files")


@router.post("/direct", status_code=201, dependencies=[Depends(rate_limit("60/minute"))])
async def begin(house: TheHouse, me: Me, body: schemas.NewDirectUpload) -> schemas.DirectUploadOut:
    """An address to `PUT` a file to, where files lie in S3, Google Cloud Storage or Azure."""
    found = await direct.begin(house, me.person_id, body.name, body.size, body.kind)
    return schemas.DirectUploadOut(
        file_id=found.file_id, url=found.url, headers=found.headers, expires_at=found.expires_at
    )


@router.post("/{file_id}/complete", dependencies=[Depends(rate_limit("60/minute"))])
async def complete(house: TheHouse, me: Me, file_id: UUID) -> schemas.FileOut:
    """The bytes are sent: have them looked at. The file is ready once its state says so."""
    return out(await direct.complete(house, me.person_id, file_id))
