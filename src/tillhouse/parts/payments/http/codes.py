"""JSON endpoints of codes that a banking app scans, each for one payment."""

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends

from tillhouse.kernel import clock
from tillhouse.kernel.access import Principal, require
from tillhouse.kernel.errors import FieldError, InvalidInput, NotFound
from tillhouse.kernel.http import Read, TheHouse
from tillhouse.kernel.idempotency import IdempotentRoute, RequiredKey
from tillhouse.kernel.limits import rate_limit
from tillhouse.kernel.money import Money
from tillhouse.kernel.text import N_
from tillhouse.kernel.web.i18n import gettext
from tillhouse.parts.documents import api as documents
from tillhouse.parts.payments import api, schemas
from tillhouse.parts.payments.domain import QR_METHODS, OrderState
from tillhouse.parts.payments.http.paying import self_service
from tillhouse.parts.payments.service.orders import NewOrder

Payer = Annotated[Principal, Depends(require("payments.pay"))]

router = APIRouter(prefix="/payments", route_class=IdempotentRoute)


@router.post("/create-qr", status_code=201, dependencies=[Depends(rate_limit("30/minute"))])
async def create_qr(house: TheHouse, payer: Payer, key: RequiredKey, body: schemas.QrIn) -> schemas.QrCodeOut:
    """Begin to pay by a code: UPI, PromptPay or VietQR by the currency. It closes when it is paid, or not in time."""
    self_service(house, body.purpose)
    amount = Money.parse(body.amount, body.currency)
    method = QR_METHODS.get(amount.unit)
    if method is None:
        message = N_("This currency has no code for banking apps: pay by checkout instead.")
        raise InvalidInput(message, errors=[FieldError("/currency", "method_not_offered", message)])
    wish = NewOrder(
        owner_kind="person",
        owner_id=payer.person_id,
        amount=amount,
        purpose=body.purpose,
        request_key=f"create-qr:{key}",
        method=method,
    )
    order = await api.start_order(house, wish)
    async with house.database.reading() as session:
        return _code_out(order, await api.checkout_in_order(session, order.id))


@router.get("/qr-codes/{id}", dependencies=[Depends(rate_limit("120/minute"))])
async def qr_code(session: Read, payer: Payer, id: UUID) -> schemas.QrCodeOut:  # noqa: A002  the path says id
    """A code of one's own as it stands."""
    order = await api.order(session, id, person_id=payer.person_id)
    if order.method not in QR_METHODS.values():
        raise NotFound(N_("There is no such payment."))
    return _code_out(order, await api.checkout_in_order(session, order.id))


def _code_out(order: api.OrderView, how: api.Checkout | None) -> schemas.QrCodeOut:
    """What is paid, or has ended, shows no code any more: nobody should scan it."""
    shown = how if isinstance(how, api.CheckoutQr) else None
    ends = order.expires_at
    if shown and shown.closes_at is not None:
        ends = min(ends, datetime.fromtimestamp(shown.closes_at, UTC))
    active = shown is not None and order.state in (OrderState.PENDING, OrderState.FAILED) and clock.now() < ends
    code = shown if active else None
    return schemas.QrCodeOut(
        id=order.id,
        provider=order.provider,
        method=order.method,
        amount=str(order.amount),
        currency=order.amount.unit,
        purpose=order.purpose,
        status="active" if active else "closed",
        order_status=order.state,
        message=gettext(order.sentence),
        qr=code.text if code else None,
        image_url=_picture(code) if code else None,
        lines=[schemas.FieldOut(name=name, value=value) for name, value in code.lines] if code else [],
        expires_at=ends,
    )


def _picture(code: api.CheckoutQr) -> str | None:
    """The picture of the provider, or one drawn of what the code says: white behind it, since pages may be dark."""
    if code.image_url or code.text is None:
        return code.image_url
    return documents.qr_data_uri(code.text)
