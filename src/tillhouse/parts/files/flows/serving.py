"""A file as the answer to a request: whole or in part (RFC 9110), and never as something that a browser runs."""

from collections.abc import AsyncIterator
from datetime import datetime
from email.utils import format_datetime
from urllib.parse import quote
from uuid import UUID

from fastapi import Request
from fastapi.responses import Response, StreamingResponse

from tillhouse.kernel.errors import DomainError
from tillhouse.kernel.house import House
from tillhouse.kernel.http import problem_json
from tillhouse.kernel.text import N_
from tillhouse.parts.files import service
from tillhouse.parts.files.domain import SHOWN, Part, RangeNotSatisfiable, etag_of, part_of, unchanged
from tillhouse.parts.files.flows import reading
from tillhouse.parts.files.service import StoredFile


class RangeRefused(DomainError):
    """No such part, or several parts at once."""

    code = "range_not_satisfiable"
    status = 416


async def serve(house: House, request: Request, owner_id: UUID, file_id: UUID) -> Response:
    """Answer GET or HEAD for a file of this owner. Must not be called in a transaction.

    Raises `NotFound`, `TransientError`.
    """
    async with house.database.reading() as session:
        found = await service.find(session, owner_id, file_id)
    etag = etag_of(found.sha256)
    headers = headers_of(found, etag)
    if _has_it(request, etag):
        return Response(status_code=304, headers=headers)
    try:
        part = _part(request, found, etag)
    except RangeRefused as refusal:
        answer = problem_json(request, refusal)
        answer.headers["Content-Range"] = f"bytes */{found.size}"
        return answer
    headers["Content-Length"] = str(part.length if part else found.size)
    if part:
        headers["Content-Range"] = f"bytes {part.start}-{part.end - 1}/{found.size}"
    status = 206 if part else 200
    if request.method == "HEAD":
        return Response(status_code=status, headers=headers, media_type=found.media_type)
    pieces = await _pieces(house, found, part)
    return StreamingResponse(pieces, status, headers, media_type=_served(found))


def headers_of(found: StoredFile, etag: str) -> dict[str, str]:
    """What goes with the bytes: a browser shows only what cannot run, in a sandbox, and keeps nothing for others."""
    place = "inline" if found.media_type in SHOWN else "attachment"
    return {
        "Accept-Ranges": "bytes",
        "ETag": etag,
        "Last-Modified": _date(found.created_at),
        "Content-Disposition": f"{place}; filename*=UTF-8''{quote(found.name, safe='')}",
        "Content-Security-Policy": "sandbox; default-src 'none'; media-src 'self'",
        "X-Content-Type-Options": "nosniff",
        "Cross-Origin-Resource-Policy": "same-site",
        "Cache-Control": "private, no-cache",
    }


def _has_it(request: Request, etag: str) -> bool:
    tags = [one.strip().removeprefix("W/") for one in request.headers.get("if-none-match", "").split(",")]
    return etag in tags or tags == ["*"]


def _part(request: Request, found: StoredFile, etag: str) -> Part | None:
    if not unchanged(request.headers.get("if-range"), etag, found.created_at):
        return None
    try:
        return part_of(request.headers.get("range"), found.size)
    except RangeNotSatisfiable:
        raise RangeRefused(
            N_("This file has {size} bytes: ask for one part of them at a time."), size=found.size
        ) from None


async def _pieces(house: House, found: StoredFile, part: Part | None) -> AsyncIterator[bytes]:
    start, end = (part.start, part.end) if part else (0, None)
    _, pieces = await reading.stream(house, found.owner_id, found.id, start, end)
    return pieces


def _served(found: StoredFile) -> str:
    return f"{found.media_type}; charset=utf-8" if found.media_type.startswith("text/") else found.media_type


def _date(at: datetime) -> str:
    return format_datetime(at, usegmt=True)
