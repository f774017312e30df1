"""Razorpay's answers as they are on the wire. Amounts are paise."""

from typing import Literal

from pydantic import BaseModel


class OrderWire(BaseModel):
    """An order: only what we read of it."""

    id: str
    amount: int
    currency: str
    status: Literal["created", "attempted", "paid"]
    receipt: str | None = None


class PaymentWire(BaseModel):
    """A payment. `refunded` means wholly given back, also what was never captured (`captured` tells which)."""

    id: str
    amount: int
    currency: str
    status: Literal["created", "authorized", "captured", "refunded", "failed"]
    order_id: str | None = None
    method: str | None = None
    captured: bool = False
    amount_refunded: int | None = 0
    fee: int | None = None
    tax: int | None = None
    error_code: str | None = None
    error_description: str | None = None
    error_reason: str | None = None


class Orders(BaseModel):
    """A collection of orders."""

    items: list[OrderWire]


class Payments(BaseModel):
    """A collection of payments."""

    items: list[PaymentWire]
