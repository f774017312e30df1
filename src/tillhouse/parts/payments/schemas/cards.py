"""Saved cards over the wire: never a number."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel


class CardOut(BaseModel):
    """A card that a gateway keeps. `expires` is its year and month; `expired` by the calendar alone."""

    id: UUID
    provider: str
    brand: str
    last4: str
    expires: str
    expired: bool
    consented_at: datetime
    saved_at: datetime
