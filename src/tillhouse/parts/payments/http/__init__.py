"""JSON endpoints of payments, and the door for providers' events."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request

from tillhouse.kernel.access import Principal, open_to_all, require
from tillhouse.kernel.errors import FieldError, InvalidInput
from tillhouse.kernel.house import House
from tillhouse.kernel.http import Read, TheHouse
from tillhouse.kernel.idempotency import IdempotentRoute, RequiredKey
from tillhouse.kernel.limits import rate_limit
from tillhouse.kernel.money import Money
from tillhouse.kernel.text import N_
from tillhouse.kernel.web.i18n import gettext
from tillhouse.parts.payments import schemas, store
from tillhouse.parts.payments.flows.deposits import CheckoutProof, start_order, verify_checkout
from tillhouse.parts.payments.http import payees, payouts
from tillhouse.parts.payments.ports import InstalledGateway
from tillhouse.parts.payments.service import registry
from tillhouse.parts.payments.service.deposits import WALLET_DEPOSIT
from tillhouse.parts.payments.service.inbox import take_event
from tillhouse.parts.payments.service.orders import NewOrder, order_for
from tillhouse.parts.payments.service.payouts import payout_for
from tillhouse.parts.payments.service.views import OrderView, PayoutView, order_view, payout_view
from tillhouse.parts.payments.settings import PaymentsSettings

Payer = Annotated[Principal, Depends(require("payments.pay"))]
Looker = Annotated[Principal, Depends(require("payments.status"))]

_EVENTS = (
    Depends(open_to_all("a provider signs what it sends; nothing is done without its signature")),
    Depends(rate_limit("6000/minute", by="ip")),
)

payments = APIRouter(prefix="/payments", route_class=IdempotentRoute)
wallets = APIRouter(prefix="/wallets", route_class=IdempotentRoute)


@payments.post("/create-order", status_code=201, dependencies=[Depends(rate_limit("30/minute"))])
async def create_order(house: TheHouse, payer: Payer, key: RequiredKey, body: schemas.OrderIn) -> schemas.OrderOut:
    """Begin to pay for something: opens an order at the gateway, to be paid in its checkout."""
    purpose = registry.purpose(house, body.purpose)
    if purpose is None or not purpose.self_service:
        message = N_("This is not something that can be paid for here.")
        raise InvalidInput(message, errors=[FieldError("/purpose", "unknown_purpose", message)])
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
    """Where an order or a payout stands: one's own, or any for staff."""
    owner = None if looker.may("payments.status_of_all") else ("person", looker.person_id)
    row = await store.order_by_id(session, id)
    if row is not None:
        order = order_view(await order_for(session, id, owner=owner))
        return _status("order", order)
    return _status("payout", payout_view(await payout_for(session, id, owner=owner)))


events = APIRouter(prefix="/payments")


@events.post("/webhook", dependencies=[*_EVENTS])
async def webhook(request: Request, house: TheHouse) -> schemas.Received:
    """An event of the gateway that new orders go to."""
    return await _take(request, house, house.settings_of(PaymentsSettings).gateway)


@events.post("/webhook/{provider}", dependencies=[*_EVENTS])
async def webhook_of(request: Request, house: TheHouse, provider: str) -> schemas.Received:
    """An event of any provider: stored once its signature is right, and looked at afterwards."""
    return await _take(request, house, provider)


def router() -> APIRouter:
    """Everything under `/payments`, and what payments own under `/wallets`."""
    both = APIRouter()
    for part in (payments, wallets, payouts.router, payees.router, events):
        both.include_router(part)
    return both


async def _take(request: Request, house: House, provider: str) -> schemas.Received:
    body = await request.body()
    names = {installed.gateway.name for installed in house.provided(InstalledGateway)}
    known = registry.gateway(house, provider) if provider in names else registry.payout_gateway(house, provider)
    event = known.read_event(body, request.headers)
    async with house.database.transaction() as session:
        await take_event(session, provider, event, body)
    return schemas.Received()


def _order(payer: Principal, body: schemas.DepositIn, purpose: str, request_key: str) -> NewOrder:
    return NewOrder(
        owner_kind="person",
        owner_id=payer.person_id,
        amount=Money.parse(body.amount, body.currency),
        purpose=purpose,
        request_key=request_key,
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
