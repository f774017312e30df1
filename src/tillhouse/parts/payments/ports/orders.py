"""What a gateway is asked to take money for, and how it wants to be paid."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from tillhouse.kernel.money import Money
from tillhouse.parts.payments.domain import Method


@dataclass(frozen=True, slots=True)
class CheckoutScript:
    """What a browser needs to open the gateway's checkout: options of the script, and a form for pages without it."""

    script_url: str
    form_url: str
    options: Mapping[str, str | int]
    kind: Literal["script"] = "script"


@dataclass(frozen=True, slots=True)
class CheckoutForm:
    """A form that the browser posts to the gateway. The order of the fields is signed: keep it."""

    url: str
    fields: Sequence[tuple[str, str]]
    kind: Literal["form"] = "form"


@dataclass(frozen=True, slots=True)
class CheckoutRedirect:
    """A page of the gateway to send the browser to."""

    url: str
    kind: Literal["redirect"] = "redirect"


@dataclass(frozen=True, slots=True)
class CheckoutQr:
    """A code to be scanned with a banking app.

    `text` is what the code says, when we draw it ourselves; otherwise `image_url` shows it. `lines` are (message id,
    value) pairs for whoever types it in instead: bank, account, amount, what to write. `closes_at` (unix seconds) is
    when the code itself ends, where its provider says so.
    """

    text: str | None
    image_url: str | None
    lines: Sequence[tuple[str, str]] = ()
    closes_at: int | None = None
    kind: Literal["qr"] = "qr"


Checkout = CheckoutScript | CheckoutForm | CheckoutRedirect | CheckoutQr


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRequest:
    """What a gateway is asked to take money for. `receipt` is unique and ours (32 hex digits).

    `return_url` is where the browser comes back to, whatever became of it: what it says there proves nothing.
    `token` is the payer's card as the gateway's own script named it, for `Method.CARD` where the gateway needs one;
    `bank` the payer's bank for internet and mobile banking, in the gateway's words. `code` is what the payer has to
    write, for `Method.BANK_TRANSFER`: it becomes the order's id. With `keep_card` the payer has agreed that the card
    they pay with is kept and charged later, by up to `keep_up_to` at once where a gateway has their bank know that.
    """

    receipt: str
    amount: Money
    method: Method
    title: str
    purpose: str
    return_url: str
    expires_at: datetime
    email: str | None = None
    token: str | None = None
    bank: str | None = None
    code: str | None = None
    keep_card: bool = False
    keep_up_to: Money | None = None


@dataclass(frozen=True, slots=True)
class GatewayOrder:
    """An order as the gateway has it: its id, and how it is paid. No `checkout`: nothing more is asked of the payer."""

    order_id: str
    checkout: Checkout | None
