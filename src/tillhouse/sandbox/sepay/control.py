"""SePay's pages in the sandbox: the bank at which a person makes a transfer, and the gateway's pay page and orders."""

from typing import Annotated, Literal
from urllib.parse import parse_qs, quote, urlencode, urlsplit

from fastapi import APIRouter, Form, HTTPException, Query, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import BaseModel, ConfigDict, Field

from tillhouse.sandbox import ids
from tillhouse.sandbox.qr import qr_image
from tillhouse.sandbox.rendering import answer, done, page, wish_of
from tillhouse.sandbox.sepay.bank import Payment, bank_named, code_text, pay_order, read_code, transfer
from tillhouse.sandbox.sepay.gateway import find_order, wire
from tillhouse.sandbox.sepay.schemas import BankTransaction, Order, PayMethod, ShownCode, TransferType
from tillhouse.sandbox.world import Here, World

router = APIRouter()

_SHOWN, _CODES_SHOWN = 100, 6
_BANK, _ORDERS = "/_sandbox/sepay/bank", "/_sandbox/sepay/orders"


class TransferWish(BaseModel):
    """A transfer as a person makes it: any amount, any content."""

    model_config = ConfigDict(extra="forbid")

    amount: int = Field(ge=1, le=10_000_000_000)
    content: str = Field("", max_length=255)
    transfer_type: TransferType = "in"
    account_number: str | None = Field(None, max_length=32)


class PayWish(BaseModel):
    """What the payer does with an order of the gateway."""

    model_config = ConfigDict(extra="forbid")

    method: PayMethod = "BANK_TRANSFER"
    outcome: Literal["success", "failure", "abandoned"] = "success"


class Prefill(BaseModel):
    """What fills the transfer form: fields, as in a QR image's address, or the text or address of a code."""

    acc: str = ""
    amount: str = ""
    des: str = ""
    code: str = ""


# --- the bank -------------------------------------------------------------------------------------------------------


@router.get(_BANK)
async def bank_page(request: Request, world: Here, query: Annotated[Prefill, Query()]) -> Response:
    """A bank's transfer form, the codes that were shown lately, and the account's last transactions."""
    transactions = world.store.find(BankTransaction, limit=_SHOWN)
    settings = world.settings
    filled, error = _filled(query)
    context = {
        "transactions": transactions,
        "codes": world.store.find(ShownCode, limit=_CODES_SHOWN),
        "filled": filled or Payment(query.acc or settings.sepay_account_number, None, query.des),
        "error": error,
        "bank": settings.sepay_bank,
        "holder": settings.sepay_account_name,
        "accounts": [settings.sepay_account_number, *settings.sepay_virtual_accounts],
    }
    return answer(request, "sepay/bank.html", context, {"items": transactions})


@router.post("/_sandbox/sepay/transfers")
async def make_transfer(request: Request, world: Here) -> Response:
    """Make a transfer; the webhook follows by itself."""
    wish = await wish_of(request, TransferWish)
    made = transfer(world, wish.amount, wish.content, wish.transfer_type, wish.account_number)
    return done(request, made, _BANK)


def _filled(query: Prefill) -> tuple[Payment | None, str | None]:
    """What the form starts with, or why the code cannot be read."""
    if not query.code:
        amount = int(query.amount) if query.amount.isdigit() else None
        return (Payment(query.acc, amount, query.des), None) if query.acc else (None, None)
    address = parse_qs(urlsplit(query.code.strip()).query)
    if "acc" in address:
        amounts = [int(text) for text in address.get("amount", []) if text.isdigit()]
        return Payment(address["acc"][0], next(iter(amounts), None), address.get("des", [""])[0]), None
    try:
        return read_code(query.code.strip()), None
    except ValueError as error:
        return None, f"This is no VietQR code: {error}."


# --- the payment gateway --------------------------------------------------------------------------------------------


@router.get("/_sandbox/sepay/pay/{invoice_number}")
async def pay_page(world: Here, invoice_number: str, went: str = "") -> Response:
    """The gateway's page: by card or by bank transfer, or not at all."""
    return _pay_page(world, find_order(world, invoice_number), went)


@router.post("/_sandbox/sepay/pay/{invoice_number}")
async def pay_step(
    world: Here,
    invoice_number: str,
    outcome: Annotated[Literal["success", "failure"], Form()],
    method: Annotated[PayMethod, Form()] = "CARD",
) -> Response:
    """The person pays or is declined, and goes back to the shop. Who leaves follows the link to `cancel_url`."""
    order = find_order(world, invoice_number)
    if outcome == "success":
        pay_order(world, order, method, ids.bank_reference(14))
    address = order.success_url if outcome == "success" else order.error_url
    return RedirectResponse(address or f"/_sandbox/sepay/pay/{quote(order.id)}?went={outcome}", 303)


@router.get("/_sandbox/sepay/pay/{invoice_number}/qr.png")
async def qr(world: Here, invoice_number: str) -> Response:
    """The code of an order: a transfer that names it, to the watched account."""
    order = find_order(world, invoice_number)
    bank = bank_named(world.settings.sepay_bank)
    if bank is None:
        raise HTTPException(404, "The bank of the settings is not known.")
    text = code_text(bank, world.settings.sepay_account_number, order.amount, order.order_id)
    return qr_image(text, "png")


@router.get(_ORDERS)
async def list_orders(request: Request, world: Here) -> Response:
    """The last orders of the gateway."""
    orders = world.store.find(Order, limit=_SHOWN)
    return answer(request, "sepay/orders.html", {"orders": orders}, {"items": [wire(order) for order in orders]})


@router.post(_ORDERS + "/{invoice_number}/pay")
async def pay(request: Request, world: Here, invoice_number: str) -> Response:
    """Let the payer pay an order, be declined or leave; the IPN follows by itself."""
    wish = await wish_of(request, PayWish)
    order = find_order(world, invoice_number)
    pays = wish.outcome == "success"
    if pays and not pay_order(world, order, wish.method, ids.bank_reference(14)):
        raise HTTPException(409, f"An order that is {order.status} waits for nobody.")
    return done(request, wire(find_order(world, invoice_number)), _ORDERS)


def _pay_page(world: World, order: Order, went: str) -> Response:
    targets = (order.success_url, order.error_url, order.cancel_url)
    origins = sorted({f"{parts.scheme}://{parts.netloc}" for parts in map(urlsplit, targets) if parts.netloc})
    settings = world.settings
    prefilled = urlencode({"acc": settings.sepay_account_number, "amount": order.amount, "des": order.order_id})
    context = {
        "order": order,
        "went": went,
        "bank": settings.sepay_bank,
        "account": settings.sepay_account_number,
        "at_bank": f"{_BANK}?{prefilled}",
    }
    return page("sepay/pay.html", context, form_action=" ".join(["'self'", *origins]))
