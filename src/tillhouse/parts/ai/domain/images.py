"""Pictures that are made to order: what is ordered, where an order stands, why one failed."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from tillhouse.kernel.text import N_
from tillhouse.parts.ai.domain.calls import Owner

ImageKind = Literal["tune", "prompt", "pack"]
ImageState = Literal["queued", "training", "generating", "ready", "failed", "cancelled"]
Reason = Literal["refused", "late", "down", "photos_gone", "gone", "unusable"]

OPEN: tuple[ImageState, ...] = ("queued", "training", "generating")
MOST_PICTURES = 8  # of one prompt
MOST_PHOTOS = 20
# An order whose answer got lost may still be on its way: it is looked up, and not sent again before this has passed.
UNSETTLED = timedelta(seconds=60)

SENTENCES: Mapping[Reason, str] = {
    "refused": N_("The maker of the pictures refused this order. Nothing was charged: change the photos or the text."),
    "late": N_("The pictures were not ready in time. Nothing was charged: order them again."),
    "down": N_("The maker of the pictures cannot be reached. Nothing was charged: try again later."),
    "photos_gone": N_("A photo of this order was deleted before it was used. Nothing was charged."),
    "gone": N_("The maker of the pictures lost this order. Nothing was charged: order again."),
    "unusable": N_("What came back were no pictures. Nothing was charged: order again."),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TuneOrder:
    """Teach a model what somebody looks like. `subject` is what they are: man, woman, person …"""

    subject: str
    photos: Sequence[UUID]
    characteristics: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptOrder:
    """Pictures by a text, of whom a ready tune knows. `tune_id` is the id of its order here."""

    tune_id: UUID
    text: str
    pictures: int = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class PackOrder:
    """A tune and all the pictures of a pack; `pictures` is how many the pack promises."""

    pack: str
    subject: str
    photos: Sequence[UUID]
    pictures: int
    characteristics: Mapping[str, str] = field(default_factory=dict)


ImageOrder = TuneOrder | PromptOrder | PackOrder


@dataclass(frozen=True, slots=True)
class Photo:
    """A photo on its way to a maker."""

    name: str
    content: bytes
    media_type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """An order as it is handed to a maker. `tune` is the maker's own name of the tune, for a prompt."""

    id: UUID
    kind: ImageKind
    callback: str
    subject: str = ""
    text: str = ""
    pictures: int = 0
    pack: str = ""
    tune: str = ""
    photos: Sequence[Photo] = ()
    characteristics: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Standing:
    """Where an order stands with its maker. `title` is the name that we gave it, where the maker tells."""

    state: Literal["queued", "training", "generating", "ready"]
    pictures: Sequence[str] = ()
    title: str = ""


@dataclass(frozen=True, slots=True)
class Pack:
    """A set of pictures that a maker offers: how many, by what somebody is."""

    id: str
    title: str
    cover: str
    pictures: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageJob:
    """An order as its owner sees it. `pictures` are their files."""

    id: UUID
    kind: ImageKind
    owner: Owner
    purpose: str
    state: ImageState
    reason: Reason | None
    pictures: Sequence[UUID]
    deadline_at: datetime
    created_at: datetime
    finished_at: datetime | None

    @property
    def sentence(self) -> str:
        """Why it failed, for a person; empty unless it did."""
        return SENTENCES[self.reason] if self.reason else ""


def pieces_of(order: ImageOrder) -> int:
    """How much work an order is at the most: one training, or so many pictures."""
    return 1 if isinstance(order, TuneOrder) else order.pictures


def names_models(text: str) -> bool:
    """Whether a text would call models by name: `<lora:…>` and `<faceid:…>` show whoever they know, anybody's among
    them."""
    return "<" in text or ">" in text


def hint_in(body: bytes) -> str:
    """What a callback calls the order it tells of: `{"tune": {…}}`, `{"prompt": {…}}` or bare; empty for anything else.

    Nothing else of it is read: it is not signed.
    """
    try:
        told: object = json.loads(body)
    except (ValueError, RecursionError):  # nested more deeply than anything that a maker writes
        return ""
    if isinstance(told, dict):
        told = told.get("tune") or told.get("prompt") or told
    found = told.get("id") if isinstance(told, dict) else None
    return str(found) if isinstance(found, int) and not isinstance(found, bool) and 0 < found < 2**63 else ""
