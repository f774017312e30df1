"""`/razorpay/v1/payments/qr_codes`: UPI QR codes, their images, and what paying one does."""

from typing import Annotated, ClassVar, Literal
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import Field, JsonValue, StrictBool, StrictInt

from tillhouse.sandbox import ids
from tillhouse.sandbox.qr import qr_image
from tillhouse.sandbox.razorpay import events
from tillhouse.sandbox.razorpay.access import require_key
from tillhouse.sandbox.razorpay.errors import RazorpayError, no_such_id
from tillhouse.sandbox.razorpay.payments import acquirer_data, capture
from tillhouse.sandbox.razorpay.schemas import (
    Body,
    Entity,
    ListQuery,
    Notes,
    NotesBody,
    Payment,
    Upi,
    Wire,
    collection,
)
from tillhouse.sandbox.world import Here, World

router = APIRouter(prefix="/razorpay/v1/payments/qr_codes", dependencies=[Depends(require_key)])
images = APIRouter()

CloseReason = Literal["on_demand", "paid"]

_SHORTEST_LIFE, _LONGEST_LIFE = 120, 7200


class QrBody(Body):
    """Body of `POST /payments/qr_codes`."""

    type: Literal["upi_qr", "bharat_qr"]
    usage: Literal["single_use", "multiple_use"] = "multiple_use"
    name: str | None = None
    fixed_amount: StrictBool = False
    payment_amount: StrictInt | None = Field(None, ge=1)
    description: str | None = None
    customer_id: str | None = None
    close_by: int | None = Field(None, ge=946_684_800, le=4_765_046_400)
    notes: Notes = {}
    tax_invoice: dict[str, JsonValue] | None = None


class QrCode(Entity):
    """A QR code. The string in it (`content`) is not on the wire: Razorpay sends it to a few accounts only."""

    kind: ClassVar[str] = "qr_code"
    private: ClassVar[frozenset[str]] = frozenset({"content"})

    entity: Literal["qr_code"] = "qr_code"
    name: str | None
    usage: Literal["single_use", "multiple_use"]
    type: Literal["upi_qr", "bharat_qr"]
    image_url: str
    payment_amount: int | None
    status: Literal["active", "closed"] = "active"
    description: str | None
    fixed_amount: bool
    payments_amount_received: int = 0
    payments_count_received: int = 0
    notes: Notes = {}
    customer_id: str | None
    close_by: int | None
    closed_at: int | None = None
    close_reason: CloseReason | None = None
    content: str


class QrQuery(ListQuery):
    """Filters of the list of QR codes."""

    customer_id: str | None = None
    payment_id: str | None = None


@router.post("")
async def create_qr_code(request: Request, world: Here, body: QrBody) -> Wire:
    """Make a QR code; a single-use one closes by itself after two hours at the latest."""
    close_by = _checked_end(world, body)
    qr_id = ids.razorpay_id("qr")
    code = QrCode(
        id=qr_id,
        created_at=world.clock.now_s(),
        image_url=f"{request.base_url}razorpay/q/{qr_id}.png",
        content=_upi_address(qr_id, body),
        close_by=close_by,
        **body.model_dump(exclude={"close_by", "tax_invoice"}),
    )
    with world.store.transaction():
        world.store.put(code)
        events.emit(world, "qr_code.created", code)
        if close_by:
            world.agenda.plan_at("qr_code.close", code.id, close_by)
    return code.wire()


@router.get("")
async def list_qr_codes(world: Here, query: Annotated[QrQuery, Query()]) -> Wire:
    """QR codes, newest first."""
    codes = world.store.find(
        QrCode, {"customer_id": query.customer_id}, since=query.since, until=query.until, limit=10_000
    )
    if query.payment_id is not None:
        payment = world.store.get(Payment, query.payment_id)
        codes = [code for code in codes if payment and payment.qr_code_id == code.id]
    return collection([code.wire() for code in codes[query.skip : query.skip + query.count]])


@router.get("/{qr_id}")
async def get_qr_code(world: Here, qr_id: str) -> Wire:
    """One QR code."""
    return find_qr_code(world, qr_id).wire()


@router.patch("/{qr_id}")
async def patch_qr_code(world: Here, qr_id: str, body: NotesBody) -> Wire:
    """Replace a QR code's notes."""
    code = find_qr_code(world, qr_id)
    code.notes = body.notes
    world.store.put(code)
    return code.wire()


@router.post("/{qr_id}/close")
async def close_qr_code(world: Here, qr_id: str) -> Wire:
    """Close a QR code by hand."""
    code = find_qr_code(world, qr_id)
    if code.status == "closed":
        raise RazorpayError("The QR code is already closed")
    with world.store.transaction():
        _close(world, code, "on_demand")
    return code.wire()


@router.get("/{qr_id}/payments")
async def list_payments_of_qr_code(world: Here, qr_id: str, query: Annotated[ListQuery, Query()]) -> Wire:
    """What came in through one QR code."""
    code = find_qr_code(world, qr_id)
    payments = world.store.find(
        Payment,
        {"qr_code_id": code.id},
        since=query.since,
        until=query.until,
        limit=query.count,
        skip=query.skip,
    )
    return collection([payment.wire() for payment in payments])


@images.get("/razorpay/q/{qr_id}.png")
async def image(world: Here, qr_id: str) -> Response:
    """The picture behind `image_url`: a phone that scans it reads the `upi://pay` string."""
    code = find_qr_code(world, qr_id)
    return qr_image(code.content, "png", {"Cache-Control": "no-cache"})


def find_qr_code(world: World, qr_id: str) -> QrCode:
    """The QR code.

    Raises:
        RazorpayError: there is none.
    """
    code = world.store.get(QrCode, qr_id)
    if code is None:
        raise no_such_id()
    return code


def pay_qr_code(world: World, code: QrCode, amount: int | None, vpa: str) -> Payment:
    """Let a person pay: captured at once, as UPI is, and without an order. `amount` (paise) may be left to the code.

    Raises:
        RazorpayError: the code is closed, or it is for another amount. The person's UPI app says so; nothing is paid.
    """
    if code.status == "closed":
        raise RazorpayError("The QR code is closed", field="qr_code_id")
    amount = amount or code.payment_amount
    if not amount:
        raise RazorpayError("The amount field is required.", field="amount")
    if code.fixed_amount and amount != code.payment_amount:
        raise RazorpayError(f"The QR code takes exactly {code.payment_amount}", field="amount")
    payment = Payment(
        id=ids.razorpay_id("pay"),
        created_at=world.clock.now_s(),
        amount=amount,
        currency="INR",
        status="authorized",
        order_id=None,
        qr_code_id=code.id,
        method="upi",
        vpa=vpa,
        upi=Upi(vpa=vpa, flow="qr"),
        description=code.description,
        customer_id=code.customer_id,
        notes=code.notes,
        acquirer_data=acquirer_data("upi"),
    )
    with world.store.transaction():
        events.emit(world, "payment.authorized", payment)
        capture(world, payment, None)
        code.payments_amount_received += amount
        code.payments_count_received += 1
        world.store.put(code)
        events.emit(world, "qr_code.credited", payment, code)
        if code.usage == "single_use":
            _close(world, code, "paid")
    return payment


def close_in_time(world: World, qr_id: str) -> None:
    """`close_by` has come: a code that is still active closes, for no reason that has a name."""
    code = world.store.get(QrCode, qr_id)
    if code and code.status == "active":
        _close(world, code, None)


def _close(world: World, code: QrCode, reason: CloseReason | None) -> None:
    code.status, code.closed_at, code.close_reason = "closed", world.clock.now_s(), reason
    world.store.put(code)
    events.emit(world, "qr_code.closed", code)


def _checked_end(world: World, body: QrBody) -> int | None:
    """When the code closes by itself: never for `multiple_use`."""
    if body.fixed_amount and body.payment_amount is None:
        raise RazorpayError("The payment amount field is required when fixed amount is true.", field="payment_amount")
    if not body.fixed_amount and body.payment_amount is not None:
        raise RazorpayError("payment_amount is not required when fixed_amount is false", field="payment_amount")
    if body.usage == "multiple_use":
        if body.close_by is not None:
            raise RazorpayError("close_by is only allowed for single use QR codes", field="close_by")
        return None
    if not body.fixed_amount:
        raise RazorpayError("fixed_amount should be true for single use QR codes", field="fixed_amount")
    now = world.clock.now_s()
    if body.close_by is not None and body.close_by < now + _SHORTEST_LIFE:
        raise RazorpayError("close_by should be at least 2 minutes after current time", field="close_by")
    return min(body.close_by or now + _LONGEST_LIFE, now + _LONGEST_LIFE)


def _upi_address(qr_id: str, body: QrBody) -> str:
    """The string in the picture, as NPCI words it."""
    short = qr_id.removeprefix("qr_")
    fields = {"ver": "01", "mode": "15", "pa": f"rpy.qr{short.lower()}@icici", "pn": body.name or "Tillhouse"}
    fields |= {
        "tr": f"RZP{short}qrv2",
        "tn": body.description or "Payment",
        "cu": "INR",
        "mc": "5399",
        "qrMedium": "04",
    }
    if body.payment_amount:
        fields["am"] = f"{body.payment_amount // 100}.{body.payment_amount % 100:02d}"
    return f"upi://pay?{urlencode(fields, quote_via=quote, safe='@')}"
