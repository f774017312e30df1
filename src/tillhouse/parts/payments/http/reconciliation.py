"""JSON endpoints of reconciliation: reports, statements of our bank, exceptions and how they end, the ageing report."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query, UploadFile

from tillhouse.kernel.access import Principal, require
from tillhouse.kernel.http import Read, TheHouse, Write
from tillhouse.kernel.idempotency import IdempotentRoute, RequiredKey
from tillhouse.kernel.limits import rate_limit
from tillhouse.kernel.money import Money
from tillhouse.kernel.paging import MAX_PAGE, Page
from tillhouse.parts.payments import api, schemas
from tillhouse.parts.payments.domain.reconciliation import CorrectionLeg

Reconciler = Annotated[Principal, Depends(require("payments.reconcile"))]
Proposer = Annotated[Principal, Depends(require("payments.correct"))]
Approver = Annotated[Principal, Depends(require("payments.approve_correction"))]

_Day = Annotated[schemas.Day, Path()]
_Provider = Annotated[schemas.Provider, Path()]
_Form = Annotated[Literal["camt053", "mt940", "csv"] | None, Query(alias="format")]
_Word = Annotated[str, Query(max_length=64, pattern=r"^[^\x00]*$")]
_Unit = Annotated[str, Query(max_length=12, pattern=r"^[A-Z_]*$")]
_Limit = Annotated[int, Query(ge=1, le=MAX_PAGE)]
_limited = Depends(rate_limit("60/minute"))

router = APIRouter(prefix="/payments", route_class=IdempotentRoute)


@router.post("/reconciliations", dependencies=[Depends(rate_limit("30/minute"))])
async def reconcile(house: TheHouse, by: Reconciler, body: schemas.ReconciliationIn) -> schemas.DaysOut:
    """Hold a provider's report of a day against our books and our bank. Doing so again changes nothing."""
    return _days(await api.reconcile(house, body.provider, body.day, by=by))


@router.get("/reconciliations/{provider}/{day}", dependencies=[_limited])
async def day(session: Read, _by: Reconciler, provider: _Provider, day: _Day) -> schemas.DaysOut:
    """The three-way statement of a day as it stands."""
    return _days(await api.day_statement(session, provider, day))


@router.post("/statements", dependencies=[Depends(rate_limit("30/minute"))])
async def import_statement(  # noqa: PLR0917  FastAPI passes parameters by name
    house: TheHouse, by: Reconciler, file: UploadFile, form: _Form = None, account: _Word = "", currency: _Unit = ""
) -> schemas.ImportsOut:
    """Import a statement of our bank (camt.053, MT940 or CSV). The same lines again add nothing."""
    most = api.statement_max_bytes(house)
    content = await file.read(most + 1)
    found = api.StatementFile(content, form, account, currency)
    imported = await api.import_statement(house, found, by=by)
    return schemas.ImportsOut(items=[schemas.ImportedOut.model_validate(one, from_attributes=True) for one in imported])


@router.get("/exceptions", dependencies=[_limited])
async def list_exceptions(  # noqa: PLR0917  FastAPI passes parameters by name
    session: Read,
    _by: Reconciler,
    state: Literal["open", "proposed", "resolved"] | None = None,
    kind: Annotated[str | None, Query(max_length=64, pattern=r"^[a-z_]+$")] = None,
    reason: Annotated[str | None, Query(max_length=64, pattern=r"^[a-z_]+$")] = None,
    cursor: str | None = None,
    limit: _Limit = 50,
) -> Page[schemas.ExceptionOut]:
    """What a person has to look at, newest first."""
    found, next_cursor = await api.exceptions_page(
        session, state=state, kind=kind, reason=reason, limit=limit, cursor=cursor
    )
    return Page(items=[_exception(one) for one in found], next_cursor=next_cursor)


@router.get("/exceptions/{exception_id}", dependencies=[_limited])
async def show_exception(session: Read, _by: Reconciler, exception_id: UUID) -> schemas.ExceptionOut:
    """One exception, with both sides of what differs."""
    return _exception(await api.exception(session, exception_id))


@router.post("/exceptions/{exception_id}/propose", dependencies=[_limited])
async def propose(session: Write, by: Proposer, exception_id: UUID, body: schemas.ProposalIn) -> schemas.ExceptionOut:
    """Propose what to post, or explain why nothing is. Somebody else has to agree."""
    legs = [CorrectionLeg(leg.account, Money.parse(leg.amount, leg.currency), leg.item) for leg in body.legs]
    return _exception(await api.propose(session, by, exception_id, explanation=body.explanation, legs=legs))


@router.post("/exceptions/{exception_id}/propose-end", dependencies=[Depends(rate_limit("30/minute"))])
async def propose_end(
    house: TheHouse, by: Proposer, exception_id: UUID, body: schemas.EndingIn
) -> schemas.ExceptionOut:
    """Propose what became of a payout or refund that its provider tells no end of. Somebody else has to agree."""
    ending = api.ending_from(api.Outcome(body.outcome), body.provider_id)
    return _exception(await api.propose_end(house, by, exception_id, ending, explanation=body.explanation))


@router.post("/exceptions/{exception_id}/approve", dependencies=[_limited])
async def approve(
    house: TheHouse, by: Approver, _key: RequiredKey, exception_id: UUID, body: schemas.ResolutionDecisionIn
) -> schemas.ExceptionOut:
    """Agree to what another person proposed: exactly that is booked, and the exception ends. Where it is what became
    of a payout or refund, the provider is asked a last time.
    """
    return _exception(await api.approve(house, by, exception_id, body.resolution_id))


@router.post("/exceptions/{exception_id}/reject", dependencies=[_limited])
async def reject(
    session: Write, by: Approver, exception_id: UUID, body: schemas.ResolutionDecisionIn
) -> schemas.ExceptionOut:
    """Do not agree (or take one's own proposal back): the exception is open again."""
    return _exception(await api.reject(session, by, exception_id, body.resolution_id))


@router.get("/ageing", dependencies=[_limited])
async def ageing(session: Read, _by: Reconciler) -> schemas.AgeingOut:
    """Every account that has to return to zero, by age, with the items that make up its balance."""
    return schemas.AgeingOut(items=[_aged(one) for one in await api.ageing(session)])


def _days(found: list[api.DayStatement]) -> schemas.DaysOut:
    return schemas.DaysOut(items=[_a_day(one) for one in found])


def _a_day(one: api.DayStatement) -> schemas.DayOut:
    return schemas.DayOut(
        provider=one.provider,
        day=one.day,
        currency=one.reported.unit,
        reported=str(one.reported),
        booked=str(one.booked),
        banked=str(one.banked),
        not_booked=[_difference(line) for line in one.not_booked],
        not_banked=[_difference(line) for line in one.not_banked],
        unexplained=str(one.unexplained),
        agrees=one.agrees,
    )


def _difference(one: api.Difference) -> schemas.DifferenceOut:
    return schemas.DifferenceOut(what=one.what, subject=one.subject, amount=str(one.amount))


def _exception(one: api.ExceptionView) -> schemas.ExceptionOut:
    return schemas.ExceptionOut(
        id=one.id,
        kind=one.kind,
        subject=one.subject,
        reason=one.reason,
        amount=str(one.amount) if one.amount is not None else None,
        currency=one.amount.unit if one.amount is not None else None,
        age_days=one.age.days,
        state=one.state,
        details=one.details,
        opened_at=one.opened_at,
        closed_at=one.closed_at,
        resolution=_resolution(one.resolution) if one.resolution else None,
    )


def _resolution(one: api.ResolutionView) -> schemas.ResolutionOut:
    return schemas.ResolutionOut(
        id=one.id,
        state=one.state,
        explanation=one.explanation,
        legs=[
            schemas.LegOut(account=leg.account, amount=str(leg.amount), currency=leg.amount.unit, item=leg.item)
            for leg in one.legs
        ],
        ending=_ending(one.ending) if one.ending else None,
        proposed_by=one.proposed_by,
        proposed_at=one.proposed_at,
        decided_by=one.decided_by,
        decided_at=one.decided_at,
        transaction_id=None if one.transaction_id is None else str(one.transaction_id),
    )


def _ending(one: api.Ending) -> schemas.EndingOut:
    return schemas.EndingOut(outcome=one.outcome.value, provider_id=one.provider_id)


def _aged(one: api.AgedAccount) -> schemas.AgedAccountOut:
    return schemas.AgedAccountOut(
        account=one.account,
        currency=one.balance.unit,
        balance=str(one.balance),
        buckets={name: str(amount) for name, amount in one.sums().items()},
        items=[
            schemas.OpenItemOut(
                item=item.item, amount=str(item.amount), since=item.since, age_days=item.age.days, bucket=item.bucket
            )
            for item in one.items
        ],
    )
