"""Omise's objects as they are on the wire: only what we read. Amounts are minor units; currencies in either case."""

from typing import Generic, TypeVar

from pydantic import BaseModel, JsonValue

from tillhouse.kernel.money import Money

T = TypeVar("T")
Metadata = dict[str, JsonValue]
_LONGEST_FEE = 15  # digits


class Page(BaseModel, Generic[T]):
    """One page of a list."""

    data: list[T]
    total: int = 0


class Priced(BaseModel):
    """Anything with an amount."""

    id: str
    amount: int
    currency: str

    @property
    def money(self) -> Money:
        return Money(self.amount, self.currency.upper())


class ImageWire(BaseModel):
    """A picture to be shown."""

    download_uri: str


class ScannableWire(BaseModel):
    """A code to be scanned."""

    image: ImageWire


class SourceWire(BaseModel):
    """How it is paid."""

    type: str = ""
    scannable_code: ScannableWire | None = None


class CardWire(BaseModel):
    """A card, as far as it may be shown."""

    id: str = ""
    brand: str = ""
    last_digits: str = ""
    expiration_month: int = 0
    expiration_year: int = 0


class CustomerWire(BaseModel):
    """Someone whose card is kept: newest last."""

    id: str
    default_card: str | None = None
    cards: Page[CardWire] = Page(data=[])
    metadata: Metadata = {}


class DeletedWire(BaseModel):
    """Something is gone."""

    id: str
    deleted: bool


class ChargeWire(Priced):
    """A charge: order and payment in one."""

    status: str
    paid: bool = False
    authorized: bool = False
    capturable: bool = False
    captured_amount: int | None = None
    refunded_amount: int = 0
    fee: int | None = None
    fee_vat: int | None = None
    source: SourceWire | None = None
    card: CardWire | None = None
    authorize_uri: str | None = None
    failure_code: str | None = None
    failure_message: str | None = None
    metadata: Metadata = {}


class RefundWire(Priced):
    """A refund. Omise knows one state: closed."""

    charge: str
    status: str = "closed"
    metadata: Metadata = {}


class DisputeWire(Priced):
    """A dispute."""

    charge: str
    status: str
    reason_code: str | None = None
    reason_message: str | None = None


class BankAccountWire(BaseModel):
    """Where a recipient is paid."""

    brand: str | None = None
    bank_code: str | None = None
    last_digits: str = ""
    name: str | None = None


class RecipientWire(BaseModel):
    """Whom transfers go to: paid only once verified and active."""

    id: str
    verified: bool = False
    active: bool = False
    deleted: bool = False
    failure_code: str | None = None
    bank_account: BankAccountWire | None = None
    metadata: Metadata = {}


class TransferWire(Priced):
    """A transfer. It has no state of its own: sent, then paid, or a failure code."""

    recipient: str | None = None
    fee: int | None = None
    fee_vat: int | None = None
    net: int | None = None
    sent: bool = False
    paid: bool = False
    deleted: bool = False
    failure_code: str | None = None
    failure_message: str | None = None
    metadata: Metadata = {}

    @property
    def promised(self) -> Money:
        """What we promised the payee: the amount without the fee that we added to it."""
        return Money(self.amount - (added_fee(self.metadata) or 0), self.currency.upper())

    @property
    def arrives(self) -> Money | None:
        """What the payee's bank gets: the amount less Omise's fee and its tax."""
        if self.net is not None:
            return Money(self.net, self.currency.upper())
        return None if self.fee is None else Money(self.amount - self.fee - (self.fee_vat or 0), self.currency.upper())

    @property
    def tax(self) -> int | None:
        """The tax in the fee that we added, where that is the fee that Omise took."""
        return self.fee_vat if self.arrives == self.promised else None


def added_fee(metadata: Metadata) -> int | None:
    """The fee that we added to a transfer, in minor units, as its metadata has it; None where it has none of ours."""
    noted = metadata.get("fee")
    if not isinstance(noted, str) or len(noted) > _LONGEST_FEE:
        return None
    return int(noted) if noted.isascii() and noted.isdecimal() else None


class TransactionWire(Priced):
    """A movement of Omise's balance: `direction` is credit or debit, `origin` what it came from."""

    direction: str
    key: str = ""
    origin: str | None = None


class EventObject(BaseModel):
    """What an event is about."""

    id: str
    object: str
    charge: str | None = None
    amount: int | None = None
    currency: str | None = None
    metadata: Metadata | None = None


class EventWire(BaseModel):
    """A webhook."""

    id: str
    key: str
    data: EventObject


class ErrorWire(BaseModel):
    """Why something was refused."""

    code: str | None = None
    message: str | None = None
