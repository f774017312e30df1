"""What the endpoints of pictures answer."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel

from tillhouse.parts.ai.domain.images import ImageKind, ImageState, Reason


class ImageJobOut(BaseModel):
    """An order of pictures. `message` says why it failed; `pictures` are files of the caller."""

    id: UUID
    kind: ImageKind
    state: ImageState
    reason: Reason | None
    message: str | None
    pictures: list[UUID]
    created_at: datetime
    deadline_at: datetime
    finished_at: datetime | None


class ImageJobsOut(BaseModel):
    """Orders, newest first."""

    items: list[ImageJobOut]
    next_cursor: UUID | None


class Noted(BaseModel):
    """A callback was taken."""

    received: bool = True
