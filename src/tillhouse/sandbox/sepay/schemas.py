"""SePay's objects as they are stored, and the bodies it accepts."""

from datetime import UTC, datetime, timedelta
from typing import ClassVar, Literal

from pydantic import BaseModel, JsonValue

from tillhouse.sandbox.store import Record

Wire = dict[str, JsonValue]
TransferType = Literal["in", "out"]
PayMethod = Literal["CARD", "BANK_TRANSFER"]
# UNCONFIRMED: only CAPTURED is documented; the other names are the sandbox's choice.
OrderStatus = Literal["PENDING", "CAPTURED", "CANCELLED", "VOIDED"]

_VIETNAM = timedelta(hours=7)


def vietnam_time(seconds: int) -> str:
    """Unix seconds as SePay writes them: Vietnam's wall clock, without a zone."""
    return (datetime.fromtimestamp(seconds, UTC) + _VIETNAM).strftime("%Y-%m-%d %H:%M:%S")


class BankTransaction(Record):
    """One line of the watched account. `number` is the id of webhooks and of API v1, `uuid` that of API v2."""

    kind: ClassVar[str] = "sepay_transaction"

    number: int
    uuid: str
    bank: str
    account_number: str
    virtual_account: str | None
    transfer_type: TransferType
    amount: int
    accumulated: int
    content: str
    code: str | None
    reference: str

    @property
    def amount_in(self) -> int:
        return self.amount if self.transfer_type == "in" else 0

    @property
    def amount_out(self) -> int:
        return self.amount if self.transfer_type == "out" else 0


class ShownCode(Record):
    """A QR code that an app showed: the bank page offers it as something to pay."""

    kind: ClassVar[str] = "sepay_code"

    account_number: str
    bank: str
    amount: int | None
    content: str


class Calls(Record):
    """When the transaction API was called last, in milliseconds."""

    kind: ClassVar[str] = "sepay_calls"

    at_ms: list[int] = []


class CheckoutForm(BaseModel):
    """The form with which a shop sends a payer to the gateway."""

    merchant: str
    operation: Literal["PURCHASE", "VERIFY"] = "PURCHASE"
    payment_method: Literal["CARD", "BANK_TRANSFER", "NAPAS_BANK_TRANSFER"] | None = None
    order_invoice_number: str
    order_amount: int
    currency: Literal["VND"]
    order_description: str
    customer_id: str | None = None
    success_url: str = ""
    error_url: str = ""
    cancel_url: str = ""
    custom_data: str | None = None
    signature: str = ""


class Order(Record):
    """An order of the payment gateway. Its id is the shop's invoice number, which is unique."""

    kind: ClassVar[str] = "sepay_order"

    uuid: str
    order_id: str
    amount: int
    description: str
    only_method: PayMethod | None = None
    customer_id: str | None = None
    custom_data: str | None = None
    success_url: str = ""
    error_url: str = ""
    cancel_url: str = ""
    user_agent: str = ""
    ip_address: str = ""
    status: OrderStatus = "PENDING"
    updated_at: int
    paid_by: PayMethod | None = None
    transaction_uuid: str = ""
    transaction_id: str = ""
    paid_at: int | None = None


class InvoiceBody(BaseModel):
    """Body of `POST /order/voidTransaction` and `/order/cancel`."""

    order_invoice_number: str
