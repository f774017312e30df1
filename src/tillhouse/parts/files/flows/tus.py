"""tus 1.0 over HTTP: which headers say what. The same for programs and for our own page, under two addresses."""

import re
from collections.abc import Mapping
from email.utils import format_datetime
from uuid import UUID

from fastapi import Request
from fastapi.responses import Response

from tillhouse.kernel.errors import DomainError, InvalidInput
from tillhouse.kernel.house import House
from tillhouse.kernel.text import N_
from tillhouse.parts.files.domain import metadata_of, parse_checksum
from tillhouse.parts.files.domain.uploads import ALGORITHMS, EXTENSIONS, VERSION
from tillhouse.parts.files.flows import uploads
from tillhouse.parts.files.flows.uploads import Upload
from tillhouse.parts.files.settings import FilesSettings

_BYTES = "application/offset+octet-stream"
_NUMBER = re.compile(r"\d{1,18}")


class TusVersionRefused(DomainError):
    """The client speaks another version of the protocol."""

    code = "tus_version"
    status = 412


class NotBytes(DomainError):
    """The body is not said to be bytes of an upload."""

    code = "unsupported_media_type"
    status = 415


def options(house: House) -> Response:
    """What this server can do."""
    most = house.settings_of(FilesSettings).most_upload_megabytes * 1_000_000
    headers = {
        "Tus-Resumable": VERSION,
        "Tus-Version": VERSION,
        "Tus-Extension": EXTENSIONS,
        "Tus-Max-Size": str(most),
        "Tus-Checksum-Algorithm": ",".join(ALGORITHMS),
    }
    return Response(status_code=204, headers=headers)


async def create(house: House, request: Request, owner_id: UUID) -> Response:
    """Begin an upload, and take its first bytes where the request brings them (creation-with-upload)."""
    _check_version(request)
    length = _number(request, "Upload-Length")
    metadata = metadata_of(request.headers.get("upload-metadata"))
    name = metadata.get("filename") or metadata.get("name") or "file"
    upload = await uploads.begin(house, owner_id, name, length, kind=metadata.get("kind", "file"))
    if request.headers.get("content-type") == _BYTES:
        checksum = parse_checksum(request.headers.get("upload-checksum"))
        upload = await uploads.add(house, owner_id, upload.file_id, 0, request.stream(), checksum=checksum)
    location = f"{request.url.path.rstrip('/')}/{upload.file_id}"
    return Response(status_code=201, headers={**_said(upload), "Location": location})


async def look(house: House, request: Request, owner_id: UUID, file_id: UUID) -> Response:
    """How far it is."""
    upload = await uploads.look(house, owner_id, file_id)
    _check_version(request)
    headers = {**_said(upload), "Upload-Length": str(upload.length), "Cache-Control": "no-store"}
    return Response(status_code=200, headers=headers)


async def add(house: House, request: Request, owner_id: UUID, file_id: UUID) -> Response:
    """Bytes at an offset."""
    await uploads.exists(house, owner_id, file_id)
    _check_version(request)
    if request.headers.get("content-type") != _BYTES:
        raise NotBytes(N_("Send the bytes as application/offset+octet-stream."))
    checksum = parse_checksum(request.headers.get("upload-checksum"))
    offset = _number(request, "Upload-Offset")
    return Response(
        status_code=204,
        headers=_said(await uploads.add(house, owner_id, file_id, offset, request.stream(), checksum=checksum)),
    )


async def stop(house: House, request: Request, owner_id: UUID, file_id: UUID) -> Response:
    """End it."""
    await uploads.exists(house, owner_id, file_id)
    _check_version(request)
    await uploads.stop(house, owner_id, file_id)
    return Response(status_code=204, headers={"Tus-Resumable": VERSION})


def _check_version(request: Request) -> None:
    if request.headers.get("tus-resumable") != VERSION:
        raise TusVersionRefused(N_("This server speaks tus {version}: say so in Tus-Resumable."), version=VERSION)


def _number(request: Request, name: str) -> int:
    said = request.headers.get(name, "")
    if not _NUMBER.fullmatch(said) or not said.isascii():
        raise InvalidInput(N_("{header} needs a number of bytes."), header=name)
    return int(said)


def _said(upload: Upload) -> Mapping[str, str]:
    return {
        "Tus-Resumable": VERSION,
        "Upload-Offset": str(upload.received),
        "Upload-Expires": format_datetime(upload.expires_at, usegmt=True),
    }
