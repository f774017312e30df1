"""JSON endpoints of files, resumable uploads, and the picture of the caller."""

from fastapi import APIRouter

from tillhouse.parts.files.http import avatar, direct, files, resumable


def router() -> APIRouter:
    """All endpoints of files. What has a name of its own comes before what has an id."""
    found = APIRouter()
    for part in (avatar.router, resumable.router, direct.router, files.router):
        found.include_router(part)
    return found
