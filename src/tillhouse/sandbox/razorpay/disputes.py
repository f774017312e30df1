"""`/razorpay/v1/disputes`, and what becomes of a dispute: answered, reviewed, won, lost, closed."""

from typing import Annotated, ClassVar, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field, StrictInt

from tillhouse.sandbox import ids
from tillhouse.sandbox.razorpay import events
from tillhouse.sandbox.razorpay.access import require_key
from tillhouse.sandbox.razorpay.errors import RazorpayError, no_such_id
from tillhouse.sandbox.razorpay.payments import find_payment
from tillhouse.sandbox.razorpay.schemas import Body, Entity, ListQuery, Payment, Wire, collection
from tillhouse.sandbox.razorpay.settling import adjust, deducted_for_disputes
from tillhouse.sandbox.world import Here, World

router = APIRouter(prefix="/razorpay/v1/disputes", dependencies=[Depends(require_key)])

DisputeStatus = Literal["open", "under_review", "won", "lost", "closed"]
Phase = Literal["fraud", "retrieval", "chargeback", "pre_arbitration", "arbitration"]
Documents = Annotated[list[str] | None, Field(max_length=50)]

_RESPOND_WITHIN = 7 * 86_400
_UNDECIDED = {"open", "under_review"}


class OtherEvidence(Body):
    """Evidence of a kind that has no name of its own."""

    type: str
    document_ids: list[str]


class Proofs(Body):
    """The documents of a contest, by what they prove."""

    shipping_proof: Documents = None
    billing_proof: Documents = None
    cancellation_proof: Documents = None
    customer_communication: Documents = None
    proof_of_service: Documents = None
    explanation_letter: Documents = None
    refund_confirmation: Documents = None
    access_activity_log: Documents = None
    refund_cancellation_policy: Documents = None
    term_and_conditions: Documents = None
    others: list[OtherEvidence] | None = None

    @property
    def any_document(self) -> bool:
        """Whether there is one document at least."""
        named = self.model_dump(exclude={"amount", "summary", "submitted_at", "action", "others"})
        return any(named.values()) or any(other.document_ids for other in self.others or [])


class Evidence(Proofs):
    """What the house says in its defence."""

    amount: int
    summary: str | None = None
    submitted_at: int | None = None


class ContestBody(Proofs):
    """Body of `PATCH /disputes/{id}/contest`. What is left out stays as it was."""

    amount: StrictInt | None = Field(None, ge=0)
    summary: str | None = Field(None, max_length=1000)
    action: Literal["draft", "submit"] = "draft"


class DisputeWish(BaseModel):
    """How a customer's bank disputes a payment (the sandbox's own door). No amount: all that is left of it."""

    amount: int | None = Field(None, ge=1)
    reason_code: str = Field("goods_or_services_not_received_or_partially_received", min_length=1, max_length=100)
    phase: Phase = "chargeback"
    deduct_at_onset: bool = False


class Dispute(Entity):
    """A dispute. `amount_deducted` is what Razorpay holds of the house's money for it, in paise."""

    kind: ClassVar[str] = "dispute"

    entity: Literal["dispute"] = "dispute"
    payment_id: str
    amount: int
    currency: str
    amount_deducted: int = 0
    reason_code: str
    respond_by: int
    status: DisputeStatus = "open"
    phase: Phase
    evidence: Evidence


@router.get("")
async def list_disputes(world: Here, query: Annotated[ListQuery, Query()]) -> Wire:
    """Disputes, newest first."""
    disputes = world.store.find(Dispute, since=query.since, until=query.until, limit=query.count, skip=query.skip)
    return collection([dispute.wire() for dispute in disputes])


@router.get("/{dispute_id}")
async def get_dispute(
    world: Here, dispute_id: str, expand: Annotated[list[str] | None, Query(alias="expand[]")] = None
) -> Wire:
    """One dispute; with `expand[]=payment` its payment too."""
    dispute = find_dispute(world, dispute_id)
    document = dispute.wire()
    if "payment" in (expand or []):
        document["payment"] = find_payment(world, dispute.payment_id).wire()
    return document


@router.post("/{dispute_id}/accept")
async def accept_dispute(world: Here, dispute_id: str) -> Wire:
    """Give in: the dispute is lost and its money gone."""
    dispute = find_dispute(world, dispute_id)
    _require_open(world, dispute)
    decide(world, dispute, "lost")
    return dispute.wire()


@router.patch("/{dispute_id}/contest")
async def contest_dispute(world: Here, dispute_id: str, body: ContestBody) -> Wire:
    """Keep evidence, or hand it in for review."""
    dispute = find_dispute(world, dispute_id)
    _require_open(world, dispute)
    _require_within(dispute, body.amount)
    changes = body.model_dump(exclude={"action"}, exclude_unset=True)
    evidence = Evidence.model_validate({**dispute.evidence.model_dump(), **changes})
    if body.action == "submit" and not evidence.any_document:
        raise RazorpayError("At least one document is required to contest a dispute", field="action")
    dispute.evidence = evidence
    if body.action == "submit":
        review(world, dispute)
    else:
        world.store.put(dispute)
    return dispute.wire()


def find_dispute(world: World, dispute_id: str) -> Dispute:
    """The dispute.

    Raises:
        RazorpayError: there is none.
    """
    dispute = world.store.get(Dispute, dispute_id)
    if dispute is None:
        raise no_such_id()
    return dispute


def open_dispute(world: World, payment: Payment, wish: DisputeWish) -> Dispute:
    """The customer's bank disputes a payment; with `deduct_at_onset` the money is taken now.

    Raises:
        RazorpayError: the payment is not captured, is disputed already, or has less left of it.
    """
    if not payment.captured:
        raise RazorpayError("Only a captured payment can be disputed")
    if any(d.status in _UNDECIDED for d in world.store.find(Dispute, {"payment_id": payment.id})):
        raise RazorpayError("The payment is disputed already")
    left = payment.amount - payment.amount_refunded - deducted_for_disputes(world, payment.id)
    amount = wish.amount or left
    if not 0 < amount <= left:
        raise RazorpayError(f"Only {left} of the payment can be disputed", field="amount")
    now = world.clock.now_s()
    dispute = Dispute(
        id=ids.razorpay_id("disp"),
        created_at=now,
        payment_id=payment.id,
        amount=amount,
        currency=payment.currency,
        reason_code=wish.reason_code,
        respond_by=now + _RESPOND_WITHIN,
        phase=wish.phase,
        evidence=Evidence(amount=amount),
    )
    with world.store.transaction():
        if wish.deduct_at_onset:
            _deduct(world, dispute, dispute.amount)
        _put(world, dispute, "created")
    return dispute


def review(world: World, dispute: Dispute, contested: int | None = None) -> None:
    """The bank looks at the evidence, for all that is disputed or for the `contested` paise of it.

    Raises:
        RazorpayError: that is more than what is disputed.
    """
    _require_within(dispute, contested)
    if contested is not None:
        dispute.evidence.amount = contested
    dispute.status, dispute.evidence.submitted_at = "under_review", world.clock.now_s()
    with world.store.transaction():
        _put(world, dispute, "under_review")


def ask_again(world: World, dispute: Dispute) -> None:
    """The bank wants more evidence: the dispute is open once more, with another week to answer."""
    dispute.status, dispute.respond_by = "open", world.clock.now_s() + _RESPOND_WITHIN
    with world.store.transaction():
        _put(world, dispute, "action_required")


def decide(world: World, dispute: Dispute, outcome: Literal["won", "lost", "closed"]) -> None:
    """The end: lost takes the money, won what was not contested, closed nothing. What the onset took beyond that is
    given back.
    """
    gone = {"lost": dispute.amount, "won": dispute.amount - dispute.evidence.amount, "closed": 0}[outcome]
    dispute.status = outcome
    with world.store.transaction():
        _deduct(world, dispute, gone)
        _put(world, dispute, outcome)


def is_undecided(dispute: Dispute) -> bool:
    """Whether the bank has still to decide."""
    return dispute.status in _UNDECIDED


def _deduct(world: World, dispute: Dispute, amount: int) -> None:
    """Take more, or give back, until `amount` is deducted."""
    change = dispute.amount_deducted - amount
    dispute.amount_deducted = amount
    if change:
        done = "debited" if change < 0 else "credited"
        adjust(world, change, f"Dispute amount {done}", dispute.payment_id, dispute.id)


def _put(world: World, dispute: Dispute, event: str) -> None:
    world.store.put(dispute)
    events.emit(world, f"payment.dispute.{event}", find_payment(world, dispute.payment_id), dispute)


def _require_within(dispute: Dispute, contested: int | None) -> None:
    if contested is not None and contested > dispute.amount:
        raise RazorpayError("contest amount cannot be greater than dispute amount.", field="amount")


def _require_open(world: World, dispute: Dispute) -> None:
    if dispute.status != "open":
        raise RazorpayError(f"Action not allowed when dispute is in {dispute.status} status.")
    if dispute.respond_by < world.clock.now_s():
        raise RazorpayError("Action not allowed as deadline to respond has elapsed.")
