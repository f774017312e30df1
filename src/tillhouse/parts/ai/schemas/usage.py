"""What one's use of models came to, on the wire."""

from datetime import datetime

from pydantic import BaseModel, Field


class UsageLineOut(BaseModel):
    """One purpose with one model."""

    purpose: str
    model: str
    calls: int = Field(description="Tries, those that failed among them.")
    failed: int
    input_tokens: int
    output_tokens: int
    cached_tokens: int = Field(description="Of the input tokens, those found in the provider's cache.")
    sound_seconds: str = Field(description="Decimal seconds of sound that was listened to.")
    cost: str = Field(description="Decimal amount of `currency`, to the billionth.")
    currency: str


class UsageOut(BaseModel):
    """What a span came to, the dearest line first."""

    since: datetime
    until: datetime
    lines: list[UsageLineOut]
