"""`/charges`: taking money by card or source, and what becomes of a charge."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from pydantic import JsonValue

from tillhouse.sandbox import emvco, ids
from tillhouse.sandbox.omise import events
from tillhouse.sandbox.omise.access import Listing, OmiseRoute, listed, read, require_secret_key
from tillhouse.sandbox.omise.balance import FEE_RATE, VAT_RATE, book, fee_and_vat
from tillhouse.sandbox.omise.cards import card_of, find_customer, take_token
from tillhouse.sandbox.omise.errors import OmiseError, bad_request, not_found
from tillhouse.sandbox.omise.schemas import (
    DAY,
    CaptureBody,
    Card,
    Charge,
    ChargeBody,
    ChargePatch,
    Customer,
    Refund,
    Source,
    SourceBody,
    Wire,
    iso,
    new_id,
)
from tillhouse.sandbox.omise.sources import MAX_CHARGE, MIN_CHARGE, find_source, make_source
from tillhouse.sandbox.qr import qr_image
from tillhouse.sandbox.world import Here, World

router = APIRouter(prefix="/charges", route_class=OmiseRoute)
_Keyed = Annotated[None, Depends(require_secret_key)]

# UNCONFIRMED: how long a charge waits for its payer unless it says so itself. A day is chosen.
_WAITS_SECONDS = DAY
_AUTHORISED_FOR_SECONDS = 7 * DAY
_LONGEST_REFERENCE = 20

FAILURES = {
    "insufficient_fund": "insufficient funds in the account or the card has reached the credit limit",
    "stolen_or_lost_card": "card is stolen or lost",
    "failed_processing": "the payment could not be processed",
    "payment_rejected": "payment rejected",
    "payment_cancelled": "payment cancelled by the payer",
    "failed_fraud_check": "the card was marked as fraudulent",
    "invalid_security_code": "the security code is invalid",
}


@router.post("")
async def create_charge(request: Request, world: Here, _: _Keyed) -> Wire:
    """Charge a token, a customer's card or a source. No idempotency key is documented, and none is honoured."""
    body = await read(request, ChargeBody)
    _check(world, body)
    with world.store.transaction():
        charge = _new_charge(world, body, str(request.base_url).rstrip("/"))
        events.emit(world, "charge.create", wire(world, charge), charge.webhook_endpoints)
        if charge.card_id and not charge.authorize_uri:
            _try_card(world, charge)
        else:
            world.agenda.plan_at("omise.charge.expire", charge.id, charge.expires_at)
    return wire(world, charge)


@router.get("")
async def list_charges(world: Here, query: Listing, _: _Keyed) -> Wire:
    """All charges."""
    return listed(world, Charge, query, "/charges", wire=lambda charge: wire(world, charge))


@router.get("/{charge_id}")
async def get_charge(world: Here, charge_id: str, _: _Keyed) -> Wire:
    """One charge."""
    return wire(world, find_charge(world, charge_id))


@router.patch("/{charge_id}")
async def patch_charge(request: Request, world: Here, charge_id: str, _: _Keyed) -> Wire:
    """Change what a charge is called."""
    body = await read(request, ChargePatch)
    charge = find_charge(world, charge_id).model_copy(update=body.model_dump(exclude_none=True))
    with world.store.transaction():
        return _changed(world, charge, "charge.update")


@router.post("/{charge_id}/capture")
async def capture_charge(request: Request, world: Here, charge_id: str, _: _Keyed) -> Wire:
    """Take what was authorised, or a part of it; the rest is let go."""
    body = await read(request, CaptureBody)
    charge = find_charge(world, charge_id)
    if not charge.capturable:
        raise OmiseError("failed_capture", "charge cannot be captured")
    amount = body.capture_amount or charge.authorized_amount
    if amount > charge.authorized_amount:
        raise OmiseError("failed_capture", "capture amount must not exceed the authorized amount")
    with world.store.transaction():
        _take(world, charge, amount)
        return _changed(world, charge, "charge.capture")


@router.post("/{charge_id}/reverse")
async def reverse_charge(world: Here, charge_id: str, _: _Keyed) -> Wire:
    """Let go of what was authorised."""
    charge = find_charge(world, charge_id)
    if not charge.capturable:
        raise bad_request("charge cannot be reversed")
    charge.status, charge.reversed_at = "reversed", world.clock.now_s()
    with world.store.transaction():
        return _changed(world, charge, "charge.reverse")


@router.post("/{charge_id}/expire")
async def expire_charge(world: Here, charge_id: str, _: _Keyed) -> Wire:
    """Stop waiting for the payer."""
    charge = find_charge(world, charge_id)
    if not expire(world, charge):
        raise OmiseError("expired_charge", "charge cannot be expired")
    return wire(world, charge)


@router.post("/{charge_id}/mark_as_paid")
async def mark_as_paid(world: Here, charge_id: str, _: _Keyed) -> Wire:
    """A helper of test mode: the payer pays."""
    charge = find_charge(world, charge_id)
    if not succeed(world, charge):
        raise OmiseError("invalid_charge", "only a pending charge can be marked as paid")
    return wire(world, charge)


@router.post("/{charge_id}/mark_as_failed")
async def mark_as_failed(world: Here, charge_id: str, _: _Keyed) -> Wire:
    """A helper of test mode: the payer's bank declines."""
    charge = find_charge(world, charge_id)
    if not fail(world, charge, "failed_processing"):
        raise OmiseError("invalid_charge", "only a pending charge can be marked as failed")
    return wire(world, charge)


@router.get("/{charge_id}/documents/{document_id}/downloads/{token}")
async def download(world: Here, charge_id: str, document_id: str, token: str) -> Response:
    """The QR code to scan. The address itself is the permission, as official plug-ins put it into e-mails."""
    charge = find_charge(world, charge_id)
    if not charge.qr_payload or (document_id, token) != (_document_id(charge), charge.download_token):
        raise not_found("document", document_id)
    return qr_image(charge.qr_payload, "svg")


def find_charge(world: World, charge_id: str) -> Charge:
    """The charge.

    Raises:
        OmiseError: there is none.
    """
    charge = world.store.get(Charge, charge_id)
    if charge is None:
        raise not_found("charge", charge_id)
    return charge


def wire(world: World, charge: Charge) -> Wire:
    """The charge as the API answers it, with its refunds, its source or card, and what follows from its state."""
    refunds: list[JsonValue] = [
        refund.wire() for refund in world.store.find(Refund, {"charge": charge.id}, oldest_first=True)
    ]
    source = world.store.get(Source, charge.source_id) if charge.source_id else None
    card = world.store.get(Card, charge.card_id) if charge.card_id else None
    return {
        **charge.wire(),
        "transaction_fees": {"fee_flat": "0.0", "fee_rate": FEE_RATE, "vat_rate": VAT_RATE},
        "platform_fee": {"fixed": None, "amount": None, "percentage": None},
        "refunds": {
            "object": "list",
            "data": refunds,
            "limit": 20,
            "offset": 0,
            "total": len(refunds),
            "location": f"/charges/{charge.id}/refunds",
            "order": "chronological",
            "from": iso(0),
            "to": iso(world.clock.now_s()),
        },
        "source": {**source.wire(), "charge_status": charge.status} if source else None,
        "card": card.wire() if card else None,
        "capturable": charge.capturable,
        "captured": charge.captured_amount > 0,
        "reversed": charge.status == "reversed",
        "reversible": charge.capturable,
        "expired": charge.status == "expired",
        "disputable": charge.paid and charge.dispute is None,
        "refundable": charge.refundable > 0,
        "missing_3ds_fields": [],
        "merchant_advice": None,
        "merchant_advice_code": None,
        "zero_interest_installments": False,
        "branch": None,
        "terminal": None,
        "device": None,
    }


def succeed(world: World, charge: Charge) -> bool:
    """The payer paid: taken, or authorised where it is to be captured later; False when nobody was waited for."""
    if charge.status != "pending" or charge.authorized:
        return False
    with world.store.transaction():
        if charge.capture:
            _take(world, charge, charge.amount)
        else:
            _authorise(world, charge)
        _changed(world, charge, "charge.complete")
    return True


def fail(world: World, charge: Charge, code: str) -> bool:
    """The payer's bank declined, or the payer did; False when nobody was waited for."""
    if charge.status != "pending" or charge.authorized:
        return False
    _refuse(charge, code)
    with world.store.transaction():
        _changed(world, charge, "charge.complete")
    return True


def expire(world: World, charge: Charge) -> bool:
    """Nobody paid in time, or nobody captured; False when the charge is final already."""
    if charge.status != "pending":
        return False
    charge.status, charge.expired_at = "expired", world.clock.now_s()
    with world.store.transaction():
        # UNCONFIRMED: that there is a `charge.expire` event. `charge.complete` is documented for every final state.
        _changed(world, charge, "charge.complete")
    return True


def expire_by_itself(world: World, charge_id: str) -> None:
    """The agenda's action when the time of a charge is up, unless it was given more since."""
    charge = world.store.get(Charge, charge_id)
    if charge is not None and charge.expires_at <= world.clock.now_s():
        expire(world, charge)


def _check(world: World, body: ChargeBody) -> None:
    if body.currency.upper() != "THB":
        raise bad_request("currency is not supported")
    if not MIN_CHARGE <= body.amount <= MAX_CHARGE:
        raise OmiseError("invalid_charge", f"amount must be between {MIN_CHARGE} and {MAX_CHARGE}")
    if body.source is not None and body.card is not None:
        raise bad_request("card and source cannot be given together")
    if body.source is None and body.card is None and body.customer is None:
        raise OmiseError("missing_card", "request contains no card, customer or source")
    if body.source is not None and not body.capture:
        raise OmiseError("invalid_charge", "this source does not support manual capture")
    addresses = [*body.webhook_endpoints, *([body.return_uri] if body.return_uri else [])]
    if not all(world.settings.may_call(url) for url in addresses):
        raise bad_request("the sandbox calls this machine and the configured app, nobody else")
    if body.expires_at is not None and body.expires_at.timestamp() <= world.clock.now_s():
        raise bad_request("expires_at must be in the future")


def _new_charge(world: World, body: ChargeBody, base: str) -> Charge:
    now = world.clock.now_s()
    fee, vat = fee_and_vat(body.amount)
    charge = Charge(
        id=new_id("chrg"),
        created_at=now,
        net=body.amount - fee - vat,
        fee=fee,
        fee_vat=vat,
        funding_amount=body.amount,
        funding_currency="THB",
        currency="THB",
        expires_at=int(body.expires_at.timestamp()) if body.expires_at else now + _WAITS_SECONDS,
        base=base,
        **body.model_dump(
            include={"amount", "ip", "description", "metadata", "return_uri", "capture", "webhook_endpoints"}
        ),
    )
    if body.source is not None:
        _pay_by_source(world, charge, body.source)
    else:
        _pay_by_card(world, charge, body)
    world.store.put(charge)
    return charge


def _pay_by_source(world: World, charge: Charge, wanted: str | SourceBody) -> None:
    source = (
        make_source(world, wanted, charge.amount, charge.currency)
        if isinstance(wanted, SourceBody)
        else find_source(world, wanted)
    )
    if source.used:
        raise OmiseError("invalid_charge", "source was already used")
    if source.amount != charge.amount:
        raise OmiseError("invalid_charge", "amount does not match the amount of the source")
    if source.flow == "redirect":
        if charge.return_uri is None:
            raise bad_request("return_uri is missing")
        charge.authorize_uri = f"{charge.base}/_sandbox/omise/pay/{charge.id}"
    else:
        _show_code(world, charge, source)
    source.used, charge.source_id = True, source.id
    world.store.put(source)


def _show_code(world: World, charge: Charge, source: Source) -> None:
    """The PromptPay code: there is one only from the moment of the charge."""
    reference = charge.id.rpartition("_")[2].upper()[:_LONGEST_REFERENCE]
    charge.qr_payload = emvco.promptpay_bill(world.settings.omise_biller_id, reference, charge.amount)
    charge.download_token = ids.token(40)
    document = _document_id(charge)
    source.scannable_code = {
        "object": "barcode",
        "type": "qr",
        "image": {
            "object": "document",
            "livemode": False,
            "id": document,
            "deleted": False,
            "filename": "qrcode.svg",
            "location": f"/charges/{charge.id}/documents/{document}",
            "kind": "qr",
            "download_uri": f"{charge.base}/charges/{charge.id}/documents/{document}/downloads/{charge.download_token}",
            "created_at": iso(charge.created_at),
        },
    }


def _document_id(charge: Charge) -> str:
    return charge.id.replace("chrg", "docu", 1)


def _pay_by_card(world: World, charge: Charge, body: ChargeBody) -> None:
    if body.customer is not None:
        customer: Customer = find_customer(world, body.customer)
        charge.customer = customer.id
        card = card_of(world, customer, body.card)
    else:
        card = take_token(world, body.card or "")
    charge.card_id = card.id
    if world.settings.omise_3ds and charge.return_uri:
        charge.authorize_uri = f"{charge.base}/_sandbox/omise/pay/{charge.id}"


def _try_card(world: World, charge: Charge) -> None:
    """A card without a question to its holder is answered at once, and so has no `charge.complete`."""
    card = world.store.get(Card, charge.card_id or "")
    if card and card.refusal:
        _refuse(charge, card.refusal)
    elif charge.capture:
        _take(world, charge, charge.amount)
    else:
        _authorise(world, charge)
    world.store.put(charge)


def _authorise(world: World, charge: Charge) -> None:
    charge.authorized, charge.authorized_amount = True, charge.amount
    charge.expires_at = world.clock.now_s() + _AUTHORISED_FOR_SECONDS
    world.agenda.plan_at("omise.charge.expire", charge.id, charge.expires_at)


def _take(world: World, charge: Charge, amount: int) -> None:
    """Take `amount`; what is left after the fees is on the account."""
    charge.status, charge.authorized, charge.paid = "successful", True, True
    charge.authorized_amount = charge.authorized_amount or amount
    charge.captured_amount, charge.paid_at = amount, world.clock.now_s()
    charge.fee, charge.fee_vat = fee_and_vat(amount)
    charge.net = amount - charge.fee - charge.fee_vat
    charge.transaction = book(world, "credit", charge.net, "charge.successful.credit", charge.id).id


def _refuse(charge: Charge, code: str) -> None:
    charge.status, charge.failure_code = "failed", code
    charge.failure_message = FAILURES.get(code, "the payment failed")


def _changed(world: World, charge: Charge, event: str) -> Wire:
    world.store.put(charge)
    document = wire(world, charge)
    events.emit(world, event, document, charge.webhook_endpoints)
    return document
