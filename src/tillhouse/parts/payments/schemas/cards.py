"""Saved cards over the wire: never a number."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel


class CardOut(BaseModel):
    """A card, or an authorisation by UPI (`kind`), that a gateway keeps: the one has brand, last digits and `expires`
    (year and month), the other an `address`, masked. `most` is what a charge may be at most, where its holder's bank
    was told; `ends_at` when the authorisation ends there; `paused`: its holder lets nothing be charged at present.
    """

    id: UUID
    provider: str
    kind: Literal["card", "upi"]
    brand: str | None
    last4: str | None
    expires: str | None
    expired: bool
    address: str | None
    most: str | None
    currency: str | None
    ends_at: datetime | None
    paused: bool
    consented_at: datetime
    saved_at: datetime
