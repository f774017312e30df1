"""Responses of files."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel


class FileOut(BaseModel):
    """A stored file."""

    id: UUID
    name: str
    media_type: str
    size: int
    sha256: str
    created_at: datetime
