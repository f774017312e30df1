"""Astria's objects, as far as they are read."""

from collections.abc import Mapping
from datetime import datetime

from pydantic import BaseModel, ConfigDict


class _Wire(BaseModel):
    model_config = ConfigDict(extra="ignore")


class Tune(_Wire):
    """A tune. It has no status: what has happened to it has a time."""

    id: int
    title: str = ""
    token: str | None = None
    started_training_at: datetime | None = None
    trained_at: datetime | None = None


class Prompt(_Wire):
    """A prompt; `images` are addresses, there once `trained_at` is."""

    id: int
    text: str = ""
    callback: str | None = None
    started_training_at: datetime | None = None
    trained_at: datetime | None = None
    images: list[str] = []


class Cost(_Wire):
    """What one class of a pack comes to."""

    num_images: int = 0


class PackObject(_Wire):
    """A pack."""

    id: int
    title: str = ""
    slug: str = ""
    cover_url: str | None = None
    costs: Mapping[str, Cost] = {}
