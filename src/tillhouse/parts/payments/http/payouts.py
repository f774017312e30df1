"""JSON endpoints of money that goes out: one's own, on behalf of somebody, and what waits for a person."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query

from tillhouse.kernel.access import Principal, require
from tillhouse.kernel.errors import NotFound
from tillhouse.kernel.http import Read, TheHouse, Write
from tillhouse.kernel.idempotency import IdempotentRoute, RequiredKey
from tillhouse.kernel.limits import rate_limit
from tillhouse.kernel.money import Money
from tillhouse.kernel.paging import MAX_PAGE, Page
from tillhouse.kernel.text import N_
from tillhouse.kernel.web.i18n import gettext
from tillhouse.parts.identity import api as identity
from tillhouse.parts.payments import api, schemas
from tillhouse.parts.payments.domain import Destination, PayoutState, destination_from
from tillhouse.parts.payments.schemas.common import For
from tillhouse.parts.payments.service.payees import destination_of
from tillhouse.parts.payments.service.payouts import NewPayout, reserve_payout
from tillhouse.parts.payments.service.reviews import approve_payout, reject_payout
from tillhouse.parts.payments.service.views import PayoutView, payout_view

router = APIRouter(route_class=IdempotentRoute)
Payer = Annotated[Principal, Depends(require("payments.pay"))]
PayoutMaker = Annotated[Principal, Depends(require("payments.payout"))]
Approver = Annotated[Principal, Depends(require("payments.approve"))]


@router.post("/wallets/withdraw", status_code=202, dependencies=[Depends(rate_limit("60/minute"))])
async def withdraw(
    house: TheHouse, payer: Payer, key: RequiredKey, body: schemas.WithdrawIn, organisation_id: For = None
) -> schemas.PayoutOut:
    """Pay money of one's own wallet out, or of an organisation's that one is owner or admin of. Above the limit set for
    it: 403 `step_up_required` unless just confirmed.
    """
    amount, to = Money.parse(body.amount, body.currency), _destination(body.destination)
    made = await api.withdraw(house, payer, amount, to, request_key=f"withdraw:{key}", organisation_id=organisation_id)
    return _payout_out(made)


@router.post("/wallet/withdrawal", status_code=202, dependencies=[Depends(rate_limit("60/minute"))])
async def withdrawal(
    house: TheHouse, payer: Payer, key: RequiredKey, body: schemas.WithdrawIn, organisation_id: For = None
) -> schemas.PayoutOut:
    """Another name of `/wallets/withdraw`: a key that was used there means the same withdrawal here."""
    return await withdraw(house, payer, key, body, organisation_id)


@router.post("/payments/payout", status_code=202, dependencies=[Depends(rate_limit("60/minute"))])
async def payout(session: Write, maker: PayoutMaker, key: RequiredKey, body: schemas.PayoutIn) -> schemas.PayoutOut:
    """Pay money of a person's wallet out on their behalf."""
    person = await identity.person(session, body.person_id)
    if person is None:
        raise NotFound(N_("There is no such person."))
    to = _destination(body.destination)
    wish = NewPayout(
        owner_kind="person",
        owner_id=person.id,
        amount=Money.parse(body.amount, body.currency),
        to=await destination_of(session, ("person", person.id), to.payee_id) if isinstance(to, api.SavedPayee) else to,
        payee_name=person.name,
        request_key=f"payout:{maker.id}:{key}",
        requested_by=maker.made_by or maker.id,  # nobody approves what a key of their own asked for
        origin="payout",
    )
    row = await reserve_payout(session, wish)
    await identity.audit(session, maker, "payments.payout", f"payout:{row.id}", {"amount": body.amount})
    return _payout_out(payout_view(row))


@router.get("/payments/payouts", dependencies=[Depends(rate_limit("120/minute"))])
async def payouts(
    session: Read,
    approver: Approver,
    state: PayoutState | None = None,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 20,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
) -> Page[schemas.StaffPayoutOut]:
    """Everybody's payouts, the oldest first: `state=awaiting_approval` is the queue of what waits for a person."""
    found, next_cursor = await api.payouts(session, state, limit=limit, cursor=cursor)
    return Page(items=[_staff_payout_out(one) for one in found], next_cursor=next_cursor)


@router.post("/payments/payouts/{id}/approve", dependencies=[Depends(rate_limit("60/minute"))])
async def approve(
    session: Write,
    approver: Approver,
    id: UUID,  # noqa: A002  the path says id
    body: schemas.DecisionIn | None = None,
) -> schemas.PayoutOut:
    """Approve a payout that waits: by somebody other than who asked for it. A very large one needs two of them."""
    why = body or schemas.DecisionIn()
    row = await approve_payout(session, id, approver.person_id, reason=why.reason, note=why.note)
    await identity.audit(session, approver, "payments.approve", f"payout:{row.id}", {"reason": why.reason or ""})
    return _payout_out(payout_view(row))


@router.post("/payments/payouts/{id}/reject", dependencies=[Depends(rate_limit("60/minute"))])
async def reject(
    session: Write,
    approver: Approver,
    id: UUID,  # noqa: A002  the path says id
    body: schemas.DecisionIn | None = None,
) -> schemas.PayoutOut:
    """Do not let a payout go that waits: the money is free again."""
    why = body or schemas.DecisionIn()
    row = await reject_payout(session, id, approver.person_id, reason=why.reason, note=why.note)
    await identity.audit(session, approver, "payments.reject", f"payout:{row.id}", {"reason": why.reason or ""})
    return _payout_out(payout_view(row))


def _destination(body: schemas.DestinationIn) -> Destination | api.SavedPayee:
    if isinstance(body, schemas.SavedPayeeIn):
        return api.SavedPayee(body.payee_id)
    return destination_from(body.type, **body.model_dump(exclude={"type"}))


def _payout_out(payout: PayoutView) -> schemas.PayoutOut:
    return schemas.PayoutOut(
        id=payout.id,
        status=payout.state,
        amount=str(payout.amount),
        currency=payout.amount.unit,
        destination=payout.destination,
        message=gettext(payout.sentence),
        failure=payout.failure_message,
        utr=payout.utr,
        created_at=payout.created_at,
        finished_at=payout.finished_at,
    )


def _staff_payout_out(waiting: api.WaitingPayout) -> schemas.StaffPayoutOut:
    payout = waiting.payout
    return schemas.StaffPayoutOut(
        **_payout_out(payout).model_dump(),
        person_id=payout.owner_id if payout.owner_kind == "person" else None,
        organisation_id=payout.owner_id if payout.owner_kind == "organisation" else None,
        payee_id=payout.payee_id,
        requested_by=payout.requested_by,
        provider=payout.provider,
        reasons=list(payout.reasons),
        approvals_needed=waiting.approvals_needed,
        decisions=[
            schemas.DecisionOut(decision=one.decision, reason=one.reason, by=one.by, note=one.note, at=one.at)
            for one in waiting.decisions
        ],
    )
