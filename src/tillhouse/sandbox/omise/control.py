"""Omise's pages in the sandbox: where a person pays, and where one sees and steers charges, transfers and disputes."""

from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from fastapi import APIRouter, Form, HTTPException, Request, Response
from fastapi.responses import FileResponse, RedirectResponse
from pydantic import BaseModel, ConfigDict, Field

from tillhouse.sandbox.omise.balance import account_of, set_balance
from tillhouse.sandbox.omise.charges import expire, fail, find_charge, succeed, wire
from tillhouse.sandbox.omise.errors import not_found
from tillhouse.sandbox.omise.payout_schemas import Recipient, Transfer
from tillhouse.sandbox.omise.recipients import REFUSAL_OF_ACCOUNT_ENDING, find_recipient, verify
from tillhouse.sandbox.omise.refunds import close_dispute, find_dispute, open_dispute
from tillhouse.sandbox.omise.schemas import Card, Charge, Dispute, Refund, Source, Wire
from tillhouse.sandbox.omise.sources import bank_of
from tillhouse.sandbox.omise.transfers import FATE_OF_ACCOUNT_ENDING, advance, find_transfer, move
from tillhouse.sandbox.qr import qr_image
from tillhouse.sandbox.rendering import answer, done, page, wish_of
from tillhouse.sandbox.world import Here, World

router = APIRouter()

_SCRIPT = Path(__file__).parent.parent / "static" / "omise.js"
_SHOWN = 100
_CHARGES, _TRANSFERS = "/_sandbox/omise/charges", "/_sandbox/omise/transfers"

Outcome = Literal["success", "failure", "abandoned", "expired"]


class Wish(BaseModel):
    """A body of the sandbox's own doors."""

    model_config = ConfigDict(extra="forbid")


class PayWish(Wish):
    """What the payer does. `failure_code` says why it fails."""

    outcome: Outcome = "success"
    failure_code: str = "failed_processing"


class CloseWish(Wish):
    """What the payer's bank decides, as seen by the shop."""

    outcome: Literal["won", "lost"] = "lost"


class AdvanceWish(Wish):
    """Where a transfer goes: `next` is what its account number brings about."""

    outcome: Literal["next", "sent", "paid", "failed"] = "next"


# --- paying ---------------------------------------------------------------------------------------------------------


@router.get("/omise/omise.js")
async def script() -> Response:
    """What a shop loads instead of Omise's own `omise.js`."""
    headers = {"Cross-Origin-Resource-Policy": "cross-origin", "Cache-Control": "no-cache"}
    return FileResponse(_SCRIPT, media_type="text/javascript", headers=headers)


@router.get("/_sandbox/omise/pay/{charge_id}")
async def pay_page(world: Here, charge_id: str) -> Response:
    """A person's bank: pay or decline; afterwards, what came of it."""
    return _pay_page(world, find_charge(world, charge_id))


@router.post("/_sandbox/omise/pay/{charge_id}")
async def pay_step(
    world: Here, charge_id: str, outcome: Annotated[Literal["success", "failure", "cancelled"], Form()]
) -> Response:
    """The person decides, and goes back to where they came from."""
    charge = find_charge(world, charge_id)
    if outcome == "success":
        _succeed(world, charge)
    else:
        fail(world, charge, "payment_cancelled" if outcome == "cancelled" else "payment_rejected")
    return RedirectResponse(charge.return_uri or f"/_sandbox/omise/pay/{charge.id}", 303)


@router.get("/_sandbox/omise/left/{charge_id}")
async def left_page(world: Here, charge_id: str) -> Response:
    """The person left: the charge waits on, until it expires."""
    return _pay_page(world, find_charge(world, charge_id), left=True)


@router.get("/_sandbox/omise/pay/{charge_id}/qr.svg")
async def qr(world: Here, charge_id: str) -> Response:
    """The PromptPay code of a charge."""
    charge = find_charge(world, charge_id)
    if not charge.qr_payload:
        raise not_found("document", charge_id)
    return qr_image(charge.qr_payload, "svg")


def _pay_page(world: World, charge: Charge, *, left: bool = False) -> Response:
    source = world.store.get(Source, charge.source_id) if charge.source_id else None
    card = world.store.get(Card, charge.card_id) if charge.card_id else None
    bank = bank_of(source.type) if source else card.bank if card else "Your bank"
    back = urlsplit(charge.return_uri or "")
    origin = f" {back.scheme}://{back.netloc}" if back.netloc else ""
    context = {"charge": charge, "bank": bank, "left": left, "waiting": charge.status == "pending"}
    return page("omise/pay.html", context, form_action=f"'self'{origin}")


def _succeed(world: World, charge: Charge) -> bool:
    """The payer says yes; a card that its bank refuses stays refused."""
    card = world.store.get(Card, charge.card_id) if charge.card_id else None
    return fail(world, charge, card.refusal) if card and card.refusal else succeed(world, charge)


# --- charges and disputes -------------------------------------------------------------------------------------------


@router.get(_CHARGES)
async def list_charges(request: Request, world: Here) -> Response:
    """The last charges, refunds and disputes."""
    charges = world.store.find(Charge, limit=_SHOWN)
    refunds, disputes = world.store.find(Refund, limit=_SHOWN), world.store.find(Dispute, limit=_SHOWN)
    methods = {charge.id: _method(world, charge) for charge in charges}
    twin = {
        "items": [_shown(world, charge) for charge in charges],
        "refunds": [refund.wire() for refund in refunds],
        "disputes": [dispute.wire() for dispute in disputes],
    }
    context = {"charges": charges, "methods": methods, "refunds": refunds, "disputes": disputes}
    return answer(request, "omise/charges.html", context, twin)


@router.get(_CHARGES + "/{charge_id}")
async def get_charge(world: Here, charge_id: str) -> Wire:
    """One charge, and the text of its code as `qr`."""
    return _shown(world, find_charge(world, charge_id))


@router.post(_CHARGES + "/{charge_id}/pay")
async def pay(request: Request, world: Here, charge_id: str) -> Response:
    """Let the payer pay, fail, leave, or come too late; the webhooks follow by themselves."""
    wish = await wish_of(request, PayWish)
    charge = find_charge(world, charge_id)
    if wish.outcome == "success":
        went = _succeed(world, charge)
    elif wish.outcome == "failure":
        went = fail(world, charge, wish.failure_code)
    else:
        went = wish.outcome == "abandoned" or expire(world, charge)
    if not went:
        raise HTTPException(409, f"A charge that is {charge.status} waits for nobody.")
    return done(request, _shown(world, charge), _CHARGES)


@router.post(_CHARGES + "/{charge_id}/dispute")
async def dispute_charge(request: Request, world: Here, charge_id: str) -> Response:
    """Let the payer ask their bank for the money back."""
    dispute = open_dispute(world, find_charge(world, charge_id))
    if dispute is None:
        raise HTTPException(409, "Only a paid charge can be disputed, and once.")
    return done(request, dispute.wire(), _CHARGES)


@router.post("/_sandbox/omise/disputes/{dispute_id}/close")
async def close(request: Request, world: Here, dispute_id: str) -> Response:
    """Let the payer's bank decide."""
    wish = await wish_of(request, CloseWish)
    dispute = find_dispute(world, dispute_id)
    if not close_dispute(world, dispute, wish.outcome):
        raise HTTPException(409, "The dispute was decided before.")
    return done(request, dispute.wire(), _CHARGES)


# --- transfers and recipients ---------------------------------------------------------------------------------------


@router.get(_TRANSFERS)
async def list_transfers(request: Request, world: Here) -> Response:
    """The last transfers and recipients, and the balance."""
    transfers, recipients = world.store.find(Transfer, limit=_SHOWN), world.store.find(Recipient, limit=_SHOWN)
    balance = account_of(world).amount
    context = {
        "transfers": transfers,
        "recipients": recipients,
        "balance": balance,
        "fates": FATE_OF_ACCOUNT_ENDING,
        "refusals": REFUSAL_OF_ACCOUNT_ENDING,
    }
    twin = {
        "items": [transfer.wire() for transfer in transfers],
        "recipients": [recipient.wire() for recipient in recipients],
        "balance": balance,
    }
    return answer(request, "omise/transfers.html", context, twin)


@router.post("/_sandbox/omise/recipients/{recipient_id}/verify")
async def verify_recipient(request: Request, world: Here, recipient_id: str) -> Response:
    """Let Omise finish looking at a recipient now."""
    recipient = find_recipient(world, recipient_id)
    if not verify(world, recipient):
        raise HTTPException(409, "The recipient was verified before.")
    return done(request, recipient.wire(), _TRANSFERS)


@router.post(_TRANSFERS + "/{transfer_id}/advance")
async def advance_transfer(request: Request, world: Here, transfer_id: str) -> Response:
    """Move a transfer by hand."""
    wish = await wish_of(request, AdvanceWish)
    transfer = find_transfer(world, transfer_id)
    if wish.outcome == "next":
        advance(world, transfer.id)
    elif not move(world, transfer, wish.outcome):
        raise HTTPException(409, f"This transfer cannot be {wish.outcome} now.")
    return done(request, find_transfer(world, transfer.id).wire(), _TRANSFERS)


@router.get("/_sandbox/omise/balance")
async def get_balance(world: Here) -> dict[str, int]:
    """What is on the account, in satang."""
    return {"amount": account_of(world).amount}


@router.put("/_sandbox/omise/balance")
async def put_balance(world: Here, amount: Annotated[int, Field(ge=0)]) -> dict[str, int]:
    """Set what is on the account (`?amount=` in satang)."""
    return {"amount": set_balance(world, amount).amount}


def _shown(world: World, charge: Charge) -> Wire:
    return {**wire(world, charge), "qr": charge.qr_payload or None}


def _method(world: World, charge: Charge) -> str:
    if charge.source_id:
        source = world.store.get(Source, charge.source_id)
        return source.type if source else ""
    card = world.store.get(Card, charge.card_id or "")
    return f"{card.brand} …{card.last_digits}" if card else ""
