"""Responses of wallets. Amounts are decimal strings in the currency beside them."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, Field

from tillhouse.parts.wallets.domain import Direction


class WalletOut(BaseModel):
    """A wallet and what is in it."""

    id: UUID
    currency: str = Field(examples=["INR"])
    available: str = Field(description="Can be spent or withdrawn.", examples=["1250.00"])
    held: str = Field(description="Set aside, for withdrawals on their way.", examples=["100.00"])
    pending: str = Field(description="On its way in: the bank has said yes, it is not here yet.", examples=["0.00"])


class BalanceOut(BaseModel):
    """What is in a wallet at the moment `as_of`."""

    currency: str
    balance: str = Field(description="Available and held together.")
    available: str
    held: str
    pending: str
    as_of: datetime


class MovementOut(BaseModel):
    """One movement of a wallet."""

    id: str
    kind: str = Field(description="Stable, for programs.", examples=["payments.deposit"])
    title: str = Field(description="For people, in their language.", examples=["Money added"])
    direction: Direction
    amount: str = Field(description="Always above zero; `direction` says which way it went.", examples=["150.00"])
    currency: str
    balance: str = Field(description="What was in the wallet after this movement.", examples=["1350.00"])
    effective_at: datetime = Field(description="When it happened.")
    recorded_at: datetime = Field(description="When it was written down.")
    reverses: str | None = Field(description="The movement that this one takes back.")
