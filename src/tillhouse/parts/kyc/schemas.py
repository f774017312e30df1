"""Requests and responses of kyc."""

from datetime import date, datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, Field, StringConstraints

from tillhouse.kernel.schemas import Strict
from tillhouse.parts.kyc.domain import IdKind, LevelName, PaperKind, State

_NO_NUL = r"^[^\x00]*$"
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=2, max_length=150, pattern=_NO_NUL)]
Number = Annotated[str, StringConstraints(strip_whitespace=True, min_length=4, max_length=40, pattern=_NO_NUL)]
Country = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")]


class DetailsIn(Strict):
    """What is on the document, exactly as it is there."""

    name: Name = Field(examples=["Asha Rao"])
    birth_date: date = Field(description="Of an organisation: when it was registered.")
    country: Country = Field(description="That issued the document.", examples=["IN"])
    id_kind: IdKind
    id_number: Number = Field(examples=["ABCPR1234D"])


class SubmitIn(Strict):
    """What is handed in; `details` where the level asks for them."""

    details: DetailsIn | None = None


class PaperOut(BaseModel):
    """A paper that was sent."""

    id: UUID
    kind: PaperKind
    pages: int
    added_at: datetime


class ReasonOut(BaseModel):
    """Why something was not accepted: `code` for programs, `message` says what to do."""

    code: str
    message: str


class StandingOut(BaseModel):
    """Where a level stands and what there is to do."""

    level: LevelName
    title: str
    state: State
    message: str = Field(description="What the state means, in the reader's language.")
    reasons: list[ReasonOut]
    valid_until: datetime | None = Field(description="Until when an approval stands; None where none does.")
    papers: list[PaperOut]
    wanted: list[PaperKind] = Field(description="Papers that the level needs.")
    also: list[PaperKind] = Field(description="Papers that help.")
    may_begin: bool = Field(description="Whether papers can be sent now.")
    number: str | None = Field(description="The end of the document's number, to recognise it by.")
