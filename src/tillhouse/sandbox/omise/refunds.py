"""Refunds and disputes: money that goes back, by the shop's will or by the payer's."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Request

from tillhouse.sandbox.omise import events
from tillhouse.sandbox.omise.access import Listing, OmiseRoute, listed, read, require_secret_key
from tillhouse.sandbox.omise.balance import account_of, book
from tillhouse.sandbox.omise.charges import find_charge
from tillhouse.sandbox.omise.errors import OmiseError, bad_request, not_found
from tillhouse.sandbox.omise.schemas import Charge, Dispute, DisputePatch, Refund, RefundBody, Wire, new_id
from tillhouse.sandbox.world import Here, World

router = APIRouter(route_class=OmiseRoute)
_Keyed = Annotated[None, Depends(require_secret_key)]

_BANGKOK = timedelta(hours=7)


@router.post("/charges/{charge_id}/refunds")
async def create_refund(request: Request, world: Here, charge_id: str, _: _Keyed) -> Wire:
    """Give back all or a part, never more than was captured. Omise's fee stays with Omise."""
    body = await read(request, RefundBody)
    charge = find_charge(world, charge_id)
    if charge.refundable == 0:
        raise OmiseError("failed_refund", "charge cannot be refunded")
    if charge.dispute and find_dispute(world, charge.dispute).status != "won":
        # Not documented; a payer who also asked their bank would otherwise have the money twice.
        raise OmiseError("failed_refund", "charge is disputed")
    if body.amount > charge.refundable:
        raise OmiseError("failed_refund", "refund amount exceeds the refundable amount")
    if body.amount > account_of(world).amount:
        raise OmiseError("failed_refund", "the account's balance is too low for this refund")
    with world.store.transaction():
        refund = _refund(world, charge, body)
    return refund.wire()


@router.get("/charges/{charge_id}/refunds")
async def list_refunds_of_charge(world: Here, charge_id: str, query: Listing, _: _Keyed) -> Wire:
    """Refunds of one charge."""
    find_charge(world, charge_id)
    return listed(world, Refund, query, f"/charges/{charge_id}/refunds", where={"charge": charge_id})


@router.get("/charges/{charge_id}/refunds/{refund_id}")
async def get_refund(world: Here, charge_id: str, refund_id: str, _: _Keyed) -> Wire:
    """One refund."""
    refund = world.store.get(Refund, refund_id)
    if refund is None or refund.charge != charge_id:
        raise not_found("refund", refund_id)
    return refund.wire()


@router.get("/refunds")
async def list_refunds(world: Here, query: Listing, _: _Keyed) -> Wire:
    """All refunds."""
    return listed(world, Refund, query, "/refunds")


@router.get("/disputes")
async def list_disputes(world: Here, query: Listing, _: _Keyed) -> Wire:
    """All disputes."""
    return listed(world, Dispute, query, "/disputes")


@router.get("/disputes/{which}")
async def get_dispute(world: Here, which: str, query: Listing, _: _Keyed) -> Wire:
    """One dispute, or those of one state: `open`, `pending`, `closed`."""
    if which in {"open", "pending", "closed"}:
        return listed(world, Dispute, query, f"/disputes/{which}", where={"phase": which})
    return find_dispute(world, which).wire()


@router.patch("/disputes/{dispute_id}")
async def patch_dispute(request: Request, world: Here, dispute_id: str, _: _Keyed) -> Wire:
    """Answer a dispute: with a message it is `pending`, in the hands of the payer's bank."""
    body = await read(request, DisputePatch)
    dispute = find_dispute(world, dispute_id).model_copy(update=body.model_dump(exclude_none=True))
    if dispute.status not in {"open", "pending"}:
        raise bad_request("dispute is closed")
    if dispute.message:
        dispute.status = dispute.phase = "pending"
    with world.store.transaction():
        return _changed(world, dispute, "dispute.update")


@router.patch("/disputes/{dispute_id}/accept")
async def accept_dispute(world: Here, dispute_id: str, _: _Keyed) -> Wire:
    """Give in: the payer keeps the money."""
    dispute = find_dispute(world, dispute_id)
    if not close_dispute(world, dispute, "lost", event="dispute.accept"):
        raise bad_request("dispute is closed")
    return dispute.wire()


def open_dispute(world: World, charge: Charge) -> Dispute | None:
    """The payer asks their bank for the money back; None when there is nothing to ask for.

    The money leaves the account now, and comes back when the dispute is won: how Omise withholds it is not documented.
    """
    if charge.dispute is not None or charge.refundable == 0:
        return None
    dispute = Dispute(
        id=new_id("dspt"),
        created_at=world.clock.now_s(),
        amount=charge.refundable,
        currency=charge.currency,
        funding_amount=charge.refundable,
        funding_currency=charge.currency,
        charge=charge.id,
    )
    charge.dispute = dispute.id
    with world.store.transaction():
        world.store.put(charge)
        book(world, "debit", dispute.amount, "dispute.started.debit", dispute.id)
        _changed(world, dispute, "dispute.create")
    return dispute


def close_dispute(
    world: World, dispute: Dispute, outcome: Literal["won", "lost"], *, event: str = "dispute.close"
) -> bool:
    """The payer's bank decides; False when it had decided before."""
    if dispute.status not in {"open", "pending"}:
        return False
    dispute.status, dispute.phase, dispute.closed_at = outcome, "closed", world.clock.now_s()
    with world.store.transaction():
        if outcome == "won":
            book(world, "credit", dispute.amount, "dispute.won.credit", dispute.id)
        _changed(world, dispute, event)
    return True


def find_dispute(world: World, dispute_id: str) -> Dispute:
    """The dispute.

    Raises:
        OmiseError: there is none.
    """
    dispute = world.store.get(Dispute, dispute_id)
    if dispute is None:
        raise not_found("dispute", dispute_id)
    return dispute


def _refund(world: World, charge: Charge, body: RefundBody) -> Refund:
    same_day = _thai_day(world.clock.now_s()) == _thai_day(charge.paid_at or 0)
    refund = Refund(
        id=new_id("rfnd"),
        created_at=world.clock.now_s(),
        amount=body.amount,
        currency=charge.currency,
        funding_amount=body.amount,
        funding_currency=charge.currency,
        charge=charge.id,
        voided=same_day,
        metadata=body.metadata,
    )
    refund.transaction = book(world, "debit", body.amount, "charge.refunded.debit", refund.id).id
    charge.refunded_amount += body.amount
    charge.voided = same_day and charge.refundable == 0
    world.store.put(charge)
    world.store.put(refund)
    events.emit(world, "refund.create", refund.wire(), charge.webhook_endpoints)
    return refund


def _thai_day(seconds: int) -> str:
    return (datetime.fromtimestamp(seconds, UTC) + _BANGKOK).date().isoformat()


def _changed(world: World, dispute: Dispute, event: str) -> Wire:
    world.store.put(dispute)
    document = dispute.wire()
    events.emit(world, event, document)
    return document
