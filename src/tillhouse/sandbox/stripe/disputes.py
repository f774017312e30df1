"""`/v1/disputes`, and what becomes of a dispute: opened by a payer, answered or not, won or lost."""

from typing import Annotated

from fastapi import APIRouter, Depends

from tillhouse.sandbox import ids
from tillhouse.sandbox.stripe import balance
from tillhouse.sandbox.stripe.calls import PREFIX, Calling, StripeRoute
from tillhouse.sandbox.stripe.dispute_schemas import (
    Dispute,
    DisputeQuery,
    DisputeReason,
    DisputeUpdate,
    EvidenceDetails,
)
from tillhouse.sandbox.stripe.errors import StripeError
from tillhouse.sandbox.stripe.events import emit
from tillhouse.sandbox.stripe.forms import params
from tillhouse.sandbox.stripe.listing import expandable, find, listed, shown
from tillhouse.sandbox.stripe.payment_schemas import Charge
from tillhouse.sandbox.stripe.schemas import Params, Wire, merged
from tillhouse.sandbox.world import World

router = APIRouter(prefix=f"{PREFIX}/v1/disputes", route_class=StripeRoute)

ANSWER_WITHIN_SECONDS = 7 * 86_400
BANK_DECIDES_SECONDS = 600.0

# Stripe's own test values of `evidence[uncategorized_text]`: what the bank decides.
_DECISIONS = {"winning_evidence": True, "losing_evidence": False}

expandable("du", Dispute)


@router.get("")
async def list_disputes(call: Calling, query: Annotated[DisputeQuery, Depends(params(DisputeQuery))]) -> Wire:
    """Disputes, newest first."""
    return listed(call, Dispute, query, query.model_dump(include={"charge", "payment_intent"}), "/v1/disputes")


@router.get("/{dispute_id}")
async def get_dispute(call: Calling, dispute_id: str, query: Annotated[Params, Depends(params(Params))]) -> Wire:
    """One dispute."""
    return shown(call, find(call.world, Dispute, dispute_id, call.account), query)


@router.post("/{dispute_id}")
async def answer_dispute(
    call: Calling, dispute_id: str, body: Annotated[DisputeUpdate, Depends(params(DisputeUpdate))]
) -> Wire:
    """Give evidence and, unless `submit` is false, send it to the bank."""
    dispute = find(call.world, Dispute, dispute_id, call.account)
    if body.evidence is not None and dispute.status != "needs_response":
        raise StripeError("This dispute is already closed or under review: its evidence cannot be changed.")
    with call.world.store.transaction():
        dispute.metadata = merged(dispute.metadata, body.metadata)
        if body.evidence is not None:
            _add_evidence(call.world, dispute, body)
        call.world.store.put(dispute)
        emit(call.world, "charge.dispute.updated", dispute)
    return shown(call, dispute, body)


@router.post("/{dispute_id}/close")
async def give_in(call: Calling, dispute_id: str, body: Annotated[Params, Depends(params(Params))]) -> Wire:
    """Accept a dispute as lost."""
    dispute = find(call.world, Dispute, dispute_id, call.account)
    if not close(call.world, dispute, won=False):
        raise StripeError("This dispute is already closed.")
    return shown(call, dispute, body)


def open_dispute(world: World, charge: Charge, reason: DisputeReason, amount: int | None = None) -> Dispute:
    """A payer asks their bank for the money back: it leaves the balance at once, with a fee.

    Raises:
        StripeError: there is nothing that could be disputed.
    """
    left = charge.amount_captured - charge.amount_refunded
    if charge.disputed or left <= 0:
        raise StripeError(f"Charge {charge.id} is disputed already, or holds no money that could be disputed.")
    dispute = Dispute(
        id=ids.stripe_id("du"),
        created_at=world.clock.now_s(),
        account=charge.account,
        amount=min(amount or left, left),
        charge=charge.id,
        currency=charge.currency,
        evidence_details=EvidenceDetails(due_by=world.clock.after(ANSWER_WITHIN_SECONDS) // 1000),
        payment_intent=charge.payment_intent,
        payment_method_details=_card_details(charge, reason),
        reason=reason,
    )
    with world.store.transaction():
        _move(world, dispute, -dispute.amount, "dispute", {"Dispute fee": balance.DISPUTE_FEE})
        charge.disputed = True
        world.store.put(charge)
        world.store.put(dispute)
        emit(world, "charge.dispute.created", dispute)
        emit(world, "charge.dispute.funds_withdrawn", dispute)
        world.agenda.plan("stripe.dispute.due", dispute.id, ANSWER_WITHIN_SECONDS)
    return dispute


def dispute_by_itself(world: World, charge_id: str) -> None:
    """What the card 4000 0000 0000 0259 brings about some time after it paid."""
    charge = world.store.get(Charge, charge_id)
    if charge and not charge.disputed and charge.amount_captured > charge.amount_refunded:
        open_dispute(world, charge, "fraudulent")


def fall_due(world: World, dispute_id: str) -> None:
    """A dispute that nobody answered in time is lost."""
    dispute = world.store.get(Dispute, dispute_id)
    if dispute and dispute.status == "needs_response":
        dispute.evidence_details.past_due = True
        close(world, dispute, won=False)


def decide(world: World, dispute_id: str) -> None:
    """The bank has read the evidence; without one of Stripe's test texts it decides for the payer."""
    dispute = world.store.get(Dispute, dispute_id)
    if dispute and dispute.status == "under_review":
        close(world, dispute, won=_DECISIONS.get(dispute.evidence.uncategorized_text or "", False))


def close(world: World, dispute: Dispute, *, won: bool) -> bool:
    """End a dispute; the money comes back when it is won, the fee does not. Whether it was open."""
    if dispute.status in {"won", "lost"}:
        return False
    with world.store.transaction():
        dispute.status = "won" if won else "lost"
        if won:
            _move(world, dispute, dispute.amount, "dispute_reversal", {})
        world.store.put(dispute)
        if won:
            emit(world, "charge.dispute.funds_reinstated", dispute)
        emit(world, "charge.dispute.closed", dispute)
    return True


def _add_evidence(world: World, dispute: Dispute, body: DisputeUpdate) -> None:
    assert body.evidence is not None
    change = body.evidence.model_dump(exclude_unset=True)
    dispute.evidence = dispute.evidence.model_copy(update=change)
    dispute.evidence_details.has_evidence = any(dispute.evidence.model_dump().values())
    if body.submit:
        dispute.status = "under_review"
        dispute.evidence_details.submission_count += 1
        world.agenda.plan("stripe.dispute.decide", dispute.id, BANK_DECIDES_SECONDS)


def _move(world: World, dispute: Dispute, amount: int, category: str, fees: dict[str, int]) -> None:
    words = "Chargeback withdrawal for" if amount < 0 else "Chargeback reversal for"
    transaction = balance.book(
        world,
        dispute.account,
        ("adjustment", category),
        amount,
        dispute.currency,
        source=dispute.id,
        description=f"{words} {dispute.charge}",
        fees=fees,
    )
    dispute.balance_transactions = [*dispute.balance_transactions, transaction.wire()]


def _card_details(charge: Charge, reason: DisputeReason) -> Wire | None:
    details = charge.payment_method_details or {}
    card = details.get("card")
    if not isinstance(card, dict):
        return None
    code = "10.4" if reason == "fraudulent" else "13.1"
    return {
        "type": "card",
        "card": {"brand": card.get("brand"), "case_type": "chargeback", "network_reason_code": code},
    }
