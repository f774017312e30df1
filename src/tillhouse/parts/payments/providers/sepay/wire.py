"""SePay's objects as they are on the wire: only what we read. Amounts are whole dong, often written as text."""

import re
from datetime import datetime
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, BeforeValidator

from tillhouse.kernel.money import Money

_ZONE = ZoneInfo("Asia/Ho_Chi_Minh")
_WHOLE = re.compile(r"([0-9]{1,18})(?:\.0*)?")


def _whole_dong(value: object) -> object:
    """`"50000.00"` and 50000 are the same; half a dong is not an amount. Raises `ValueError`."""
    if isinstance(value, str):
        whole = _WHOLE.fullmatch(value)
        if whole is None:
            raise ValueError("not whole dong")
        return int(whole[1])
    return value


def _text(value: object) -> object:
    return str(value) if isinstance(value, int) else value


Dong = Annotated[int, BeforeValidator(_whole_dong)]
Id = Annotated[str, BeforeValidator(_text)]


def dong(amount: int) -> Money:
    """Whole dong as money."""
    return Money(amount, "VND")


def _in_vietnam(value: object) -> object:
    """SePay's times carry no zone: they are Vietnam's. Raises `ValueError`."""
    return datetime.strptime(str(value), "%Y-%m-%d %H:%M:%S").replace(tzinfo=_ZONE)


class TransferWire(BaseModel):
    """A line of the bank account, from the API."""

    id: int
    account_number: str
    transaction_date: Annotated[datetime, BeforeValidator(_in_vietnam)]
    amount_in: Dong
    amount_out: Dong
    transaction_content: str = ""
    reference_number: str | None = None
    code: str | None = None


class TransferAnswer(BaseModel):
    """One line."""

    transaction: TransferWire


class TransfersAnswer(BaseModel):
    """Several lines."""

    transactions: list[TransferWire]


class TransferEvent(BaseModel):
    """A bank transfer, from the webhook."""

    id: Id
    transferType: Literal["in", "out"]  # noqa: N815  # SePay's own spelling
    transferAmount: Dong  # noqa: N815  # SePay's own spelling
    code: str | None = None


class PaymentWire(BaseModel):
    """One try at paying an order of the payment gateway."""

    id: Id
    payment_method: str = ""
    transaction_type: str
    transaction_status: str
    transaction_amount: Dong


class OrderWire(BaseModel):
    """An order of the payment gateway. `CAPTURED` is paid, `CANCELLED` ended, the rest still open."""

    order_invoice_number: str
    order_status: str
    order_amount: Dong
    transactions: list[PaymentWire] = []


class OrderAnswer(BaseModel):
    """One order."""

    data: OrderWire


class OrderRef(BaseModel):
    """The order that an IPN is about."""

    order_invoice_number: str
    order_amount: Dong


class OrderEvent(BaseModel):
    """An IPN of the payment gateway."""

    notification_type: str
    order: OrderRef
    transaction: PaymentWire


class Done(BaseModel):
    """An answer that says nothing else."""
