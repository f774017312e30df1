"""Requests and responses of files."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, Field, JsonValue


class RenditionOut(BaseModel):
    """Another form of a recording."""

    id: UUID
    rendition: str
    state: str
    media_type: str
    size: int
    facts: dict[str, JsonValue]


class FileOut(BaseModel):
    """A file. Only a `ready` one can be read; `reason` says why one was refused."""

    id: UUID
    name: str
    media_type: str
    size: int
    sha256: str
    created_at: datetime
    state: str
    reason: str | None
    kind: str
    received: int
    facts: dict[str, JsonValue]
    expires_at: datetime | None


class FileWithRenditions(FileOut):
    """A file and what was made of it."""

    renditions: list[RenditionOut]


class UsageOut(BaseModel):
    """Bytes in use, of how many."""

    used: int
    most: int


class NewDirectUpload(BaseModel):
    """A file that is to be sent straight to the store."""

    name: str = Field(min_length=1, max_length=500)
    size: int = Field(ge=1, le=2**53)
    kind: str = Field(default="file", max_length=100)


class DirectUploadOut(BaseModel):
    """`PUT` the bytes to `url` with `headers`, then complete the upload."""

    file_id: UUID
    method: Literal["PUT"] = "PUT"
    url: str
    headers: dict[str, str]
    expires_at: datetime


class NewRendition(BaseModel):
    """Which form of a recording to make."""

    rendition: Literal["thumbnail", "audio", "stream"]


class NewPlayback(BaseModel):
    """For how long a player may read it."""

    minutes: int = Field(default=60, ge=1, le=1440)
    rendition: Literal["thumbnail", "audio", "stream"] | None = None


class LinkOut(BaseModel):
    """An address that whoever has it may read, until it expires."""

    url: str
    expires_at: datetime


class PictureOut(BaseModel):
    """The picture of a person."""

    id: UUID
    media_type: str
    size: int
