"""The sandbox's own doors to what Razorpay has beside orders and payouts, under `/_sandbox/razorpay/`."""

from datetime import date
from typing import Annotated, Literal

from fastapi import APIRouter, HTTPException, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from tillhouse.sandbox.razorpay.access import remember_key
from tillhouse.sandbox.razorpay.disputes import (
    Dispute,
    DisputeWish,
    ask_again,
    decide,
    find_dispute,
    is_undecided,
    open_dispute,
    review,
)
from tillhouse.sandbox.razorpay.links import PaymentLink, callback_fields
from tillhouse.sandbox.razorpay.orders import find_order
from tillhouse.sandbox.razorpay.paying import Attempt, Outcome, pay
from tillhouse.sandbox.razorpay.payment_links import find_link
from tillhouse.sandbox.razorpay.payments import find_payment
from tillhouse.sandbox.razorpay.qr_codes import QrCode, find_qr_code, pay_qr_code
from tillhouse.sandbox.razorpay.schemas import Method, UsedKey, Wire
from tillhouse.sandbox.razorpay.settlements import find_settlement
from tillhouse.sandbox.razorpay.settling import (
    Distortion,
    Settlement,
    distort,
    lines_of,
    settle,
    today,
    unsettled,
)
from tillhouse.sandbox.razorpay.validations import (
    FINDING_OF_ACCOUNT_ENDING,
    FINDING_OF_VPA,
    Finding,
    FundAccountValidation,
    conclude,
    find_validation,
)
from tillhouse.sandbox.rendering import answer, done, wish_of
from tillhouse.sandbox.world import Here

router = APIRouter(prefix="/_sandbox/razorpay")

_SHOWN = 100


class _Wish(BaseModel):
    model_config = ConfigDict(extra="forbid")


class QrPayment(_Wish):
    """What a person does who scans a QR code: `amount` (paise) where the code leaves it open."""

    amount: int | None = Field(None, ge=1)
    vpa: str = "success@razorpay"


class LinkPaymentWish(_Wish):
    """What a person does on a link's page; `amount` (paise) for a part of it."""

    method: Method = "upi"
    outcome: Outcome = "success"
    amount: int | None = Field(None, ge=1)


class Ruling(_Wish):
    """How a dispute ends."""

    outcome: Literal["won", "lost", "closed"]


class Answer(_Wish):
    """What the house does at Razorpay's dashboard before the bank reviews: it contests `contested` paise, or all."""

    contested: int | None = Field(None, ge=1)


class DistortWish(_Wish):
    """What is wrong with the report, and about which payment, refund or adjustment."""

    kind: Distortion
    entity_id: str | None = None


# --- QR codes and links ---------------------------------------------------------------------------------------------


@router.get("/qr_codes")
async def list_qr_codes(request: Request, world: Here) -> Response:
    """The last QR codes, with their pictures."""
    codes = world.store.find(QrCode, limit=_SHOWN)
    return answer(request, "qr_codes.html", {"codes": codes}, {"items": [code.wire() for code in codes]})


@router.post("/qr_codes/{qr_id}/pay")
async def pay_code(request: Request, world: Here, qr_id: str) -> Response:
    """Let a person scan and pay."""
    wish = await wish_of(request, QrPayment)
    payment = pay_qr_code(world, find_qr_code(world, qr_id), wish.amount, wish.vpa)
    return done(request, payment.wire(), "/_sandbox/razorpay/qr_codes")


@router.get("/payment_links")
async def list_links(request: Request, world: Here) -> Response:
    """The last payment links."""
    links = world.store.find(PaymentLink, limit=_SHOWN)
    return answer(request, "payment_links.html", {"links": links}, {"items": [link.wire() for link in links]})


@router.post("/payment_links/{link_id}/pay")
async def pay_link(world: Here, link_id: str, wish: LinkPaymentWish | None = None) -> Wire:
    """Let a person pay: answers what they bring back to `callback_url`, or checkout's error."""
    wish = wish or LinkPaymentWish()
    order = find_order(world, find_link(world, link_id).order_id)
    result = pay(world, order, Attempt(method=wish.method, amount=wish.amount), wish.outcome)
    if "razorpay_payment_id" not in result:
        return result
    return {**callback_fields(world, find_link(world, link_id), str(result["razorpay_payment_id"]))}


# --- refunds and disputes -------------------------------------------------------------------------------------------


@router.put("/refund_keys/{key}", status_code=204)
async def hold_key(world: Here, key: str) -> None:
    """Behave as if a request with this `X-Refund-Idempotency` were still in flight: others with it get 409."""
    if world.store.get(UsedKey, f"refund:{key}"):
        raise HTTPException(409, "This key has been used already.")
    remember_key(world, "refund", key, "", "")


@router.delete("/refund_keys/{key}", status_code=204)
async def release_key(world: Here, key: str) -> None:
    """The request in flight was lost without effect."""
    held = world.store.get(UsedKey, f"refund:{key}")
    if held is None or held.made:
        raise HTTPException(404, "No request with this key is in flight.")
    world.store.delete(UsedKey, held.id)


@router.get("/disputes")
async def list_disputes(request: Request, world: Here) -> Response:
    """The last disputes."""
    disputes = world.store.find(Dispute, limit=_SHOWN)
    context = {"disputes": disputes, "undecided": {d.id for d in disputes if is_undecided(d)}}
    return answer(request, "disputes.html", context, {"items": [dispute.wire() for dispute in disputes]})


@router.post("/payments/{payment_id}/dispute")
async def dispute_payment(request: Request, world: Here, payment_id: str) -> Response:
    """Let the customer's bank dispute a payment."""
    wish = await wish_of(request, DisputeWish)
    dispute = open_dispute(world, find_payment(world, payment_id), wish)
    return done(request, dispute.wire(), "/_sandbox/razorpay/disputes")


@router.post("/disputes/{dispute_id}/close")
async def close_dispute(request: Request, world: Here, dispute_id: str) -> Response:
    """Let the bank decide."""
    ruling = await wish_of(request, Ruling)
    dispute = find_dispute(world, dispute_id)
    if not is_undecided(dispute):
        raise HTTPException(409, f"The dispute is {dispute.status} already.")
    decide(world, dispute, ruling.outcome)
    return done(request, dispute.wire(), "/_sandbox/razorpay/disputes")


@router.post("/disputes/{dispute_id}/{step}")
async def step_dispute(
    request: Request, world: Here, dispute_id: str, step: Literal["review", "require_action"]
) -> Response:
    """Let the bank begin to review an open dispute, or ask for more evidence in one under review."""
    wish = await wish_of(request, Answer)
    dispute = find_dispute(world, dispute_id)
    if dispute.status != {"review": "open", "require_action": "under_review"}[step]:
        raise HTTPException(409, f"A dispute that is {dispute.status} cannot go there.")
    if step == "review":
        review(world, dispute, wish.contested)
    else:
        ask_again(world, dispute)
    return done(request, dispute.wire(), "/_sandbox/razorpay/disputes")


# --- settlements ----------------------------------------------------------------------------------------------------


@router.get("/settlements")
async def list_settlements(request: Request, world: Here) -> Response:
    """The last settlements, and what waits for the next."""
    settlements, waiting = world.store.find(Settlement, limit=_SHOWN), unsettled(world, today(world))
    due = sum(line.credit - line.debit for line in waiting)
    context = {"settlements": settlements, "waiting": waiting, "due": due, "today": today(world).isoformat()}
    twin = {"items": [s.wire() for s in settlements], "due": due, "waiting": [line.wire() for line in waiting]}
    return answer(request, "settlements.html", context, twin)


@router.post("/settlements/run")
async def run_settlement(request: Request, world: Here, day: Annotated[date | None, Query()] = None) -> Response:
    """Settle what came in up to the end of `day` (in India; today when left out)."""
    settlement = settle(world, day or today(world))
    return done(request, settlement.wire(), f"/_sandbox/razorpay/settlements/{settlement.id}")


@router.get("/settlements/{settlement_id}")
async def get_settlement(request: Request, world: Here, settlement_id: str) -> Response:
    """One settlement with the lines of its report."""
    settlement = find_settlement(world, settlement_id)
    lines = lines_of(world, settlement.id)
    total = sum(line.credit - line.debit for line in lines)
    context = {"settlement": settlement, "lines": lines, "total": total, "kinds": _KINDS}
    return answer(request, "settlement.html", context, {**settlement.wire(), "lines": [x.wire() for x in lines]})


@router.post("/settlements/{settlement_id}/distort")
async def distort_settlement(request: Request, world: Here, settlement_id: str) -> Response:
    """Make the report wrong; the money in the bank stays right."""
    wish = await wish_of(request, DistortWish)
    line = distort(world, find_settlement(world, settlement_id), wish.kind, wish.entity_id)
    return done(request, line.wire(), f"/_sandbox/razorpay/settlements/{settlement_id}")


# --- validations ----------------------------------------------------------------------------------------------------


@router.get("/validations")
async def list_validations(request: Request, world: Here) -> Response:
    """The last fund account validations."""
    validations = world.store.find(FundAccountValidation, limit=_SHOWN)
    context = {
        "validations": validations,
        "findings": FINDING_OF_VPA,
        "account_findings": FINDING_OF_ACCOUNT_ENDING,
        "steps": _FINDINGS,
    }
    return answer(request, "validations.html", context, {"items": [found.wire() for found in validations]})


@router.post("/validations/{validation_id}/{finding}")
async def answer_validation(request: Request, world: Here, validation_id: str, finding: Finding) -> Response:
    """Let the bank answer now: `active`, `other_name`, `invalid` or `failed`."""
    validation = find_validation(world, validation_id)
    if not conclude(world, validation, finding):
        raise HTTPException(409, "The bank has answered already, or was told to stay silent.")
    return done(request, validation.wire(), "/_sandbox/razorpay/validations")


_FINDINGS: tuple[Finding, ...] = ("active", "other_name", "invalid", "failed")
_KINDS: tuple[Distortion, ...] = ("missing", "extra", "amount", "fee", "currency", "duplicate")
