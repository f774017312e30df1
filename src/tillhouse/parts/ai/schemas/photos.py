"""What the check of photos is asked, and what it answers."""

from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, Field

from tillhouse.kernel.schemas import Strict
from tillhouse.parts.ai.domain.images import MOST_PHOTOS
from tillhouse.parts.ai.domain.photos import Fault

Photos = Annotated[
    list[UUID],
    Field(min_length=1, max_length=MOST_PHOTOS, description="Files of the caller, in the order that counts."),
]


class PhotosIn(Strict):
    """Photos of one person."""

    photos: Photos


class FaultOut(BaseModel):
    """What is wrong, and what to do about it in the reader's language."""

    code: Fault
    message: str


class PhotoOut(BaseModel):
    """What was found of one photo. `number` counts from 1, `like` is the number of an earlier one that it repeats."""

    file_id: UUID
    number: int
    good: bool
    faults: list[FaultOut]
    faces: int | None = Field(description="How many faces there are; null where nobody counted.")
    like: int | None


class PhotosOut(BaseModel):
    """A verdict on each photo, in the order given; `good` when nothing is wrong with any."""

    good: bool
    photos: list[PhotoOut]
