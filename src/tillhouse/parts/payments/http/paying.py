"""JSON endpoints of money that comes in and goes back, and the door for providers' events."""

from collections.abc import Sequence
from typing import Annotated
from uuid import UUID, uuid5

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response

from tillhouse.kernel.access import Principal, open_to_all, require
from tillhouse.kernel.db import JsonObject, ReadSession
from tillhouse.kernel.errors import FieldError, InvalidInput, NotFound
from tillhouse.kernel.house import House
from tillhouse.kernel.http import Read, TheHouse, Write
from tillhouse.kernel.idempotency import IdempotentRoute, RequiredKey
from tillhouse.kernel.limits import client_address, rate_limit
from tillhouse.kernel.money import Money
from tillhouse.kernel.paging import MAX_PAGE, Page
from tillhouse.kernel.text import N_
from tillhouse.kernel.web.downloads import PDF_ANSWER, pdf_download
from tillhouse.kernel.web.i18n import gettext, reader
from tillhouse.parts.identity import api as identity
from tillhouse.parts.payments import api, schemas, store
from tillhouse.parts.payments.flows.deposits import CheckoutProof, start_order, verify_checkout
from tillhouse.parts.payments.flows.events import EventDoor
from tillhouse.parts.payments.models import OrderRow
from tillhouse.parts.payments.ports import InstalledGateway
from tillhouse.parts.payments.service import registry
from tillhouse.parts.payments.service.deposits import WALLET_DEPOSIT
from tillhouse.parts.payments.service.orders import NewOrder, order_for
from tillhouse.parts.payments.service.owners import seen_as
from tillhouse.parts.payments.service.payouts import payout_for
from tillhouse.parts.payments.service.views import OrderView, PayoutView, order_view, payment_view, payout_view
from tillhouse.parts.payments.settings import PaymentsSettings

Payer = Annotated[Principal, Depends(require("payments.pay"))]
Looker = Annotated[Principal, Depends(require("payments.status"))]
Refunder = Annotated[Principal, Depends(require("payments.refund"))]
Replayer = Annotated[Principal, Depends(require("payments.replay"))]
Anyone = Annotated[Principal, Depends(open_to_all("a payer need not have an account; what is paid lands in the order"))]

_PAYERS = UUID("5a0c3c0e-5f0a-5c6e-9c43-1f4b8b9d2a77")

_EVENTS = (
    Depends(open_to_all("a provider signs what it sends; nothing is done without its signature")),
    Depends(rate_limit("120000/minute", by="ip")),  # a provider's whole traffic comes from few addresses
)

payments = APIRouter(prefix="/payments", route_class=IdempotentRoute)
wallets = APIRouter(prefix="/wallets", route_class=IdempotentRoute)


@payments.post("/create-order", status_code=201, dependencies=[Depends(rate_limit("30/minute"))])
async def create_order(house: TheHouse, payer: Payer, key: RequiredKey, body: schemas.OrderIn) -> schemas.OrderOut:
    """Begin to pay for something: opens an order at the gateway, to be paid in its checkout."""
    self_service(house, body.purpose)
    wish = _order(payer, body, body.purpose, f"create-order:{key}")
    return _order_out(house, await start_order(house, wish))


@wallets.post("/deposit", status_code=201, dependencies=[Depends(rate_limit("30/minute"))])
async def deposit(house: TheHouse, payer: Payer, key: RequiredKey, body: schemas.DepositIn) -> schemas.OrderOut:
    """Begin to add money to one's own wallet."""
    wish = _order(payer, body, WALLET_DEPOSIT, f"deposit:{key}")
    return _order_out(house, await start_order(house, wish))


@payments.post("/verify", dependencies=[Depends(rate_limit("60/minute"))])
async def verify(house: TheHouse, payer: Payer, body: schemas.VerifyIn) -> schemas.OrderOut:
    """Book what the checkout says was paid: its signature is checked and the gateway is asked."""
    proof = CheckoutProof("razorpay", body.razorpay_order_id, body.razorpay_payment_id, body.razorpay_signature)
    return _order_out(house, await verify_checkout(house, proof, owner=("person", payer.person_id)))


@payments.get("/status/{id}", dependencies=[Depends(rate_limit("120/minute"))])
async def status(session: Read, looker: Looker, id: UUID) -> schemas.StatusOut:  # noqa: A002  the path says id
    """Where an order or a payout stands: one's own, an organisation's whose money one may read, or any for staff."""
    row = await store.order_by_id(session, id) or await store.payout_by_id(session, id)
    owner: tuple[str, UUID] | None = None
    if not looker.may("payments.status_of_all"):
        person_id = looker.person_id
        owner = await seen_as(session, person_id, row.owner_kind, row.owner_id) if row else ("person", person_id)
    if isinstance(row, OrderRow):
        return _status("order", order_view(await order_for(session, id, owner=owner)))
    return _status("payout", payout_view(await payout_for(session, id, owner=owner)))


@payments.get(
    "/{id}/receipt.pdf",
    dependencies=[Depends(rate_limit("30/minute"))],
    response_class=Response,
    responses=PDF_ANSWER,
)
async def receipt_pdf(house: TheHouse, looker: Looker, id: UUID) -> Response:  # noqa: A002  the path says id
    """The receipt of a paid order as PDF, in the reader's language: of one's own, or of any for staff."""
    person_id = None if looker.may("payments.status_of_all") else looker.person_id
    return pdf_download(f"receipt-{id}", await api.receipt_pdf(house, id, person_id=person_id))


@payments.post("/checkout", status_code=201, dependencies=[Depends(rate_limit("30/minute"))])
async def checkout(
    request: Request, house: TheHouse, anyone: Anyone, key: RequiredKey, body: schemas.CheckoutIn
) -> schemas.CheckoutOut:
    """Begin to pay for something, signed in or not: the answer says how, and where the payer finds a page for it."""
    self_service(house, body.purpose)
    order = await start_order(house, _checkout_wish(request, anyone, body, key))
    async with house.database.reading() as session:
        how = await api.checkout_in_order(session, order.id)
    return _checkout_out(house, order, how)


@payments.post("/refunds", status_code=202, dependencies=[Depends(rate_limit("60/minute"))])
async def refund(session: Write, refunder: Refunder, key: RequiredKey, body: schemas.RefundIn) -> schemas.RefundOut:
    """Give money back to its payer the way it came. It is set aside at once and on its way a moment later."""
    payment = await _payment_to_refund(session, body)
    amount = None if body.amount is None else Money.parse(body.amount, payment.amount.unit)
    made = await api.start_refund(
        session,
        payment.id,
        amount,
        reason=body.reason,
        key=f"{refunder.id}:{key}",
        by=refunder.made_by or refunder.id,
        advance=body.advance,
        email=body.email.lower() if body.email else None,
    )
    details: JsonObject = {"amount": str(made.amount), "advance": body.advance}
    await identity.audit(session, refunder, "payments.refund", f"refund:{made.id}", details)
    return _refund_out(made)


@payments.get("/refunds", dependencies=[Depends(rate_limit("120/minute"))])
async def list_refunds(
    session: Read,
    _refunder: Refunder,
    *,
    order_id: UUID | None = None,
    payment_id: UUID | None = None,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 50,
) -> Page[schemas.RefundOut]:
    """Refunds, newest first: all, or those of an order or a payment."""
    found, next_cursor = await api.refunds(
        session, order_id=order_id, payment_id=payment_id, limit=limit, cursor=cursor
    )
    return Page(items=[_refund_out(one) for one in found], next_cursor=next_cursor)


@payments.get("/refunds/{id}", dependencies=[Depends(rate_limit("120/minute"))])
async def get_refund(session: Read, _refunder: Refunder, id: UUID) -> schemas.RefundOut:  # noqa: A002  the path says id
    """One refund as it stands."""
    return _refund_out(await api.refund(session, id))


@payments.post("/events/{id}/replay", status_code=202, dependencies=[Depends(rate_limit("60/minute"))])
async def replay(session: Write, replayer: Replayer, id: UUID) -> schemas.EventOut:  # noqa: A002  the path says id
    """Have a stored event of a provider looked at again: what is old news changes nothing."""
    event = await api.replay_event(session, id)
    await identity.audit(session, replayer, "payments.replay", f"event:{event.id}", {"provider": event.provider})
    return schemas.EventOut(
        id=event.id,
        provider=event.provider,
        event_id=event.event_id,
        name=event.name,
        status=event.state,
        reason=event.reason,
        received_at=event.received_at,
    )


events = APIRouter(prefix="/payments")


@events.post("/webhook", dependencies=[*_EVENTS])
async def webhook(request: Request, house: TheHouse) -> schemas.Received:
    """An event of the gateway that new orders go to."""
    return await _take(request, house, house.settings_of(PaymentsSettings).gateway)


@events.post("/webhook/{provider}", dependencies=[*_EVENTS])
async def webhook_of(request: Request, house: TheHouse, provider: str) -> schemas.Received:
    """An event of any provider: stored once its signature is right, and looked at afterwards."""
    return await _take(request, house, provider)


async def _take(request: Request, house: House, provider: str) -> schemas.Received:
    body = await request.body()
    names = {installed.gateway.name for installed in house.provided(InstalledGateway)}
    known = registry.gateway(house, provider) if provider in names else registry.payout_gateway(house, provider)
    event = known.read_event(body, request.headers)
    await house.the(EventDoor).take(provider, event, body)
    return schemas.Received()


def _order(payer: Principal, body: schemas.DepositIn, purpose: str, request_key: str) -> NewOrder:
    return NewOrder(
        owner_kind="person",
        owner_id=payer.person_id,
        amount=Money.parse(body.amount, body.currency),
        purpose=purpose,
        request_key=request_key,
    )


def self_service(house: House, name: str) -> None:
    """Raise `InvalidInput` unless `name` is something that whoever wants to may pay for."""
    purpose = registry.purpose(house, name)
    if purpose is None or not purpose.self_service:
        message = N_("This is not something that can be paid for here.")
        raise InvalidInput(message, errors=[FieldError("/purpose", "unknown_purpose", message)])


def _checkout_wish(request: Request, caller: Principal, body: schemas.CheckoutIn, key: str) -> NewOrder:
    """What a person pays is theirs; what anyone else pays belongs to an owner made for this order alone."""
    by_person = caller.kind == "person"
    who = str(caller.id) if caller.id else client_address(request)
    return NewOrder(
        owner_kind="person" if by_person else "order",
        owner_id=caller.person_id if by_person else uuid5(_PAYERS, f"{who}\0{key}"),
        amount=Money.parse(body.amount, body.currency),
        purpose=body.purpose,
        request_key=f"checkout:{key}",
        reference=body.reference,
        method=body.method,
        country=body.country,
        bank=body.bank,
        token=body.token,
        email=body.email.lower() if body.email else None,
        locale=reader().language.tag,
        return_path=body.return_path,
    )


def _checkout_out(house: House, order: OrderView, how: api.Checkout | None) -> schemas.CheckoutOut:
    return schemas.CheckoutOut(
        id=order.id,
        provider=order.provider,
        method=order.method,
        provider_order_id=order.provider_order_id,
        amount=str(order.amount),
        currency=order.amount.unit,
        purpose=order.purpose,
        status=order.state,
        message=gettext(order.sentence),
        pay_url=house.settings.address(api.pay_path(house, order.id)),
        checkout=_how_out(how),
        expires_at=order.expires_at,
    )


def _how_out(
    how: api.Checkout | None,
) -> schemas.ScriptOut | schemas.FormOut | schemas.RedirectOut | schemas.QrOut | None:
    match how:
        case api.CheckoutScript():
            return schemas.ScriptOut(script_url=how.script_url, form_url=how.form_url, options=dict(how.options))
        case api.CheckoutForm():
            return schemas.FormOut(url=how.url, fields=_lines(how.fields))
        case api.CheckoutRedirect():
            return schemas.RedirectOut(url=how.url)
        case api.CheckoutQr():
            return schemas.QrOut(text=how.text, image_url=how.image_url, lines=_lines(how.lines))
        case None:
            return None


def _lines(pairs: Sequence[tuple[str, str]]) -> list[schemas.FieldOut]:
    return [schemas.FieldOut(name=name, value=value) for name, value in pairs]


async def _payment_to_refund(session: ReadSession, body: schemas.RefundIn) -> api.PaymentView:
    """The payment that a refund names, by itself or as the one that paid an order."""
    if (body.payment_id is None) == (body.order_id is None):
        message = N_("Name the payment or the order, one of them.")
        raise InvalidInput(message, errors=[FieldError("/payment_id", "one_of_two", message)])
    if body.payment_id is not None:
        found = await store.payment_by_id(session, body.payment_id)
        paid = [payment_view(found)] if found else []
    else:
        tries = await api.payments_of(session, body.order_id) if body.order_id else []
        paid = [one for one in tries if one.captured_at and one.purpose_state != "surplus"]
    if not paid:
        raise NotFound(N_("There is no such payment."))
    return paid[0]


def _refund_out(refund: api.RefundView) -> schemas.RefundOut:
    return schemas.RefundOut(
        id=refund.id,
        payment_id=refund.payment_id,
        status=refund.state,
        amount=str(refund.amount),
        advanced=str(refund.advanced),
        currency=refund.amount.unit,
        origin=refund.origin,
        reason=refund.reason,
        message=gettext(refund.sentence),
        failure=refund.failure_message,
        created_at=refund.created_at,
        finished_at=refund.finished_at,
    )


def _order_out(house: House, order: OrderView) -> schemas.OrderOut:
    proofs = registry.installed_gateway(house, order.provider).proofs
    return schemas.OrderOut(
        id=order.id,
        provider=order.provider,
        provider_order_id=order.provider_order_id,
        amount=str(order.amount),
        currency=order.amount.unit,
        key_id=proofs.public_key if proofs else "",
        purpose=order.purpose,
        status=order.state,
        message=gettext(order.sentence),
        expires_at=order.expires_at,
        paid_at=order.paid_at,
    )


def _status(kind: schemas.Kind, view: OrderView | PayoutView) -> schemas.StatusOut:
    return schemas.StatusOut(
        id=view.id,
        kind=kind,
        status=view.state,
        amount=str(view.amount),
        currency=view.amount.unit,
        message=gettext(view.sentence),
        created_at=view.created_at,
    )
