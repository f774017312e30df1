"""What the endpoints of pictures are asked, and what they answer."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, Field, StringConstraints

from tillhouse.kernel.schemas import Strict
from tillhouse.parts.ai.domain.images import MOST_PICTURES, ImageKind, ImageState, Reason
from tillhouse.parts.ai.schemas.photos import Photos

_Word = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z_ ]{0,29}$")]
_Subject = Annotated[_Word, Field(description="What they are: `woman`, `man`, `girl`, `boy`, `cat`, `dog` …")]
_Characteristics = Annotated[
    dict[_Word, Annotated[str, StringConstraints(min_length=1, max_length=60)]],
    Field(max_length=20, description='What is known of them, such as `{"hair_color": "black"}`.'),
]
_Anyway = Annotated[bool, Field(description="Order although photos were found wanting; all have to be readable.")]


class TuneIn(Strict):
    """Teach a model what somebody looks like, from one's own stored photos."""

    subject: _Subject
    photos: Photos
    characteristics: _Characteristics = {}
    anyway: _Anyway = False


class PackIn(TuneIn):
    """A tune and all the pictures of a pack that is offered for this subject."""

    pack: str = Field(min_length=1, max_length=40)


class PromptIn(Strict):
    """Pictures by a text, of whom a ready tune of the caller knows."""

    tune_id: UUID
    text: str = Field(min_length=1, max_length=1_000)
    pictures: int = Field(default=4, ge=1, le=MOST_PICTURES)


class PriceIn(Strict):
    """An order whose price is asked for: of a pack say which and of whom, of a prompt how many pictures."""

    kind: ImageKind
    pack: str = Field(default="", max_length=40)
    subject: _Subject | Literal[""] = ""
    pictures: int = Field(default=4, ge=1, le=MOST_PICTURES)


class PriceOut(BaseModel):
    """What an order may take at the most, and what the caller has. What is not made is not taken."""

    unit: str
    most: str = Field(description="Set aside when it is ordered; 0: nothing is taken for it here.")
    available: str
    missing: str = Field(description="How much the caller lacks; 0: it can be ordered.")


class PackOut(BaseModel):
    """A pack that is offered: how many pictures it has, by what somebody is."""

    id: str
    title: str
    cover: str | None
    pictures: dict[str, int]


class PacksOut(BaseModel):
    """What is offered."""

    items: list[PackOut]


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
