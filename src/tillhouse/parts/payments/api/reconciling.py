"""What does not agree: transfers, events, statements, exceptions ended by two people."""

from collections.abc import Sequence
from datetime import date
from uuid import UUID

from tillhouse.kernel.access import Principal
from tillhouse.kernel.db import JsonObject, ReadSession, Session, house_of
from tillhouse.kernel.house import House
from tillhouse.kernel.paging import cut
from tillhouse.parts.identity import api as identity
from tillhouse.parts.payments.api.asking import before_of
from tillhouse.parts.payments.domain.endings import Ending
from tillhouse.parts.payments.domain.reconciliation import CorrectionLeg
from tillhouse.parts.payments.flows import endings
from tillhouse.parts.payments.flows import reconciliation as flow
from tillhouse.parts.payments.flows.reconciliation import StatementFile
from tillhouse.parts.payments.service import inbox, transfers
from tillhouse.parts.payments.service.own import person_behind
from tillhouse.parts.payments.service.reconciliation import resolving
from tillhouse.parts.payments.service.reconciliation.bank import Imported
from tillhouse.parts.payments.service.reconciliation.resolving import ExceptionState, ExceptionView
from tillhouse.parts.payments.service.reconciliation.three_way import DayStatement
from tillhouse.parts.payments.service.views import (
    EventView,
    TransferView,
    event_view,
    transfer_view,
)
from tillhouse.parts.payments.settings import PaymentsSettings


async def place_transfer(session: Session, transfer_row_id: UUID, order_id: UUID, *, by: UUID) -> TransferView:
    """A person says which order an unplaced transfer is for; a large one moves when a second person says the same.

    Raises `NotFound`, `Conflict`, and `Forbidden` for an order of one's own.
    """
    row = await transfers.place_transfer(session, transfer_row_id, order_id, by=by)
    return transfer_view(row, house_of(session).vault.open(row.content))


async def release_transfer(session: Session, transfer_row_id: UUID, *, by: UUID) -> TransferView:
    """A part payment goes to the wallet of its order's owner; a large one when a second person says the same.

    Raises `NotFound`, `Conflict`, and `Forbidden` for an order of one's own.
    """
    row = await transfers.release_transfer(session, transfer_row_id, by=by)
    return transfer_view(row, house_of(session).vault.open(row.content))


async def replay_event(session: Session, event_row_id: UUID) -> EventView:
    """Have a stored event looked at again. Raises `NotFound`, `Conflict`."""
    return event_view(await inbox.replay_event(session, event_row_id))


async def reconcile(house: House, provider: str, day: date, *, by: Principal) -> list[DayStatement]:
    """Hold a provider's report of a day against our books and our bank; no transaction may be open.

    Raises `NotFound` for a provider that reports nothing, `Refused` and `TransientError` when it cannot be asked.
    """
    found = await flow.reconcile(house, provider, day)
    details: JsonObject = {"provider": provider, "day": day.isoformat()}
    async with house.database.transaction() as session:
        await identity.audit(session, by, "payments.reconcile", f"day:{provider}:{day}", details)
    return found


async def import_statement(house: House, file: StatementFile, *, by: Principal) -> list[Imported]:
    """Import a statement of our bank; no transaction may be open. The same lines again add nothing.

    Raises `PayloadTooLarge`, `ReadElsewhere`, and `InvalidInput` for a file of which nothing is stored.
    """
    imported = await flow.import_file(house, file, by=by.made_by or by.id)
    async with house.database.transaction() as session:
        for one in imported:
            counts: JsonObject = {
                "added": one.added,
                "known": one.known,
                "changed": one.changed,
                "matched": one.matched,
            }
            subject = f"statement:{one.first_day}:{one.last_day}"
            await identity.audit(session, by, "payments.import_statement", subject, {**counts})
    return imported


def statement_max_bytes(house: House) -> int:
    """The largest bank statement that is imported, in bytes."""
    return house.settings_of(PaymentsSettings).statement_max_bytes


async def exceptions_page(
    session: ReadSession,
    *,
    state: ExceptionState | None = None,
    kind: str | None = None,
    reason: str | None = None,
    limit: int = 50,
    cursor: str | None = None,
) -> tuple[Sequence[ExceptionView], str | None]:
    """Exceptions, newest first, narrowed by what is given, and the cursor of the next page."""
    found = await resolving.exceptions_page(
        session, state=state, kind=kind, reason=reason, limit=limit + 1, before=before_of(cursor)
    )
    return cut(found, limit, lambda view: (str(view.id),))


async def propose(
    session: Session, by: Principal, exception_id: UUID, *, explanation: str, legs: Sequence[CorrectionLeg] = ()
) -> ExceptionView:
    """Propose how an exception ends: what to post, or (no legs) why nothing is.

    Raises `NotFound`, `Conflict`, `InvalidInput`.
    """
    view = await resolving.propose(session, exception_id, by=person_behind(by), explanation=explanation, legs=legs)
    details: JsonObject = {"legs": [f"{leg.account} {leg.amount} {leg.amount.unit}" for leg in legs]}
    await identity.audit(session, by, "payments.propose_correction", f"exception:{exception_id}", details)
    return view


async def propose_end(
    house: House, by: Principal, exception_id: UUID, ending: Ending, *, explanation: str
) -> ExceptionView:
    """Propose what became of the payout or refund of an exception; the provider is asked, no transaction may be open.

    Raises `NotFound`, `Forbidden` for one's own money, `Conflict`, `InvalidInput`, `TransientError`.
    """
    return await endings.propose_end(house, by, exception_id, ending, explanation=explanation)


async def approve(house: House, by: Principal, exception_id: UUID, resolution_id: UUID) -> ExceptionView:
    """Agree to what somebody else proposed: exactly that is booked. Where it is what became of a payout or refund, the
    provider is asked a last time: no transaction may be open.

    Raises `NotFound`, `Conflict`, `Forbidden`, and what `propose_end` raises.
    """
    if await _ending_of(house, exception_id, resolution_id):
        return await endings.agree_to_end(house, by, exception_id, resolution_id)
    async with house.database.transaction() as session:
        view = await resolving.approve(session, exception_id, resolution_id, by=by.person_id)
        details: JsonObject = {"resolution": str(resolution_id)}
        await identity.audit(session, by, "payments.approve_correction", f"exception:{exception_id}", details)
        return view


async def check_approval(house: House, by: Principal, exception_id: UUID, resolution_id: UUID) -> None:
    """Raise what `approve` would raise for the caller, and decide nothing."""
    if await _ending_of(house, exception_id, resolution_id):
        await endings.check_agreement(house, by, exception_id, resolution_id)
        return
    async with house.database.transaction() as session:
        await resolving.check_proposal(session, exception_id, resolution_id, by=by.person_id, verdict="approve")


async def reject(session: Session, by: Principal, exception_id: UUID, resolution_id: UUID) -> ExceptionView:
    """Do not agree, or take one's own proposal back. Raises `NotFound`, `Conflict`."""
    view = await resolving.reject(session, exception_id, resolution_id, by=by.person_id)
    details: JsonObject = {"resolution": str(resolution_id)}
    await identity.audit(session, by, "payments.reject_correction", f"exception:{exception_id}", details)
    return view


async def _ending_of(house: House, exception_id: UUID, resolution_id: UUID) -> Ending | None:
    async with house.database.reading() as session:
        return await resolving.proposed_ending(session, exception_id, resolution_id)
