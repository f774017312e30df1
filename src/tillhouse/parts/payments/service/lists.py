"""What staff look through, newest first: refunds, disputes and debts, bank transfers, providers' events, exceptions."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from tillhouse.kernel.db import JsonObject, ReadSession, house_of
from tillhouse.kernel.errors import NotFound
from tillhouse.kernel.money import Money
from tillhouse.kernel.paging import cut, decode_id
from tillhouse.kernel.text import N_
from tillhouse.parts.ledger import api as ledger
from tillhouse.parts.payments import store
from tillhouse.parts.payments.service.returns import debt_account
from tillhouse.parts.payments.service.views import (
    DisputeView,
    EventView,
    RefundView,
    TransferView,
    dispute_view,
    event_view,
    refund_view,
    transfer_view,
)
from tillhouse.parts.payments.store import refunds as refund_store
from tillhouse.parts.payments.store import transfers as transfer_store


@dataclass(frozen=True, slots=True)
class PaymentException:
    """Something that a person has to look at."""

    id: UUID
    kind: str
    subject: str
    reason: str
    details: JsonObject
    opened_at: datetime


@dataclass(frozen=True, slots=True)
class Debt:
    """What an owner owes the house: what it advanced for money that went back to payers after it was spent."""

    owner_kind: str
    owner_id: UUID
    amount: Money


async def refund(session: ReadSession, refund_id: UUID) -> RefundView:
    """One refund. Raises `NotFound`."""
    row = await refund_store.refund_by_id(session, refund_id)
    if row is None:
        raise NotFound(N_("There is no such refund."))
    return refund_view(row)


async def refunds(
    session: ReadSession,
    *,
    order_id: UUID | None = None,
    payment_id: UUID | None = None,
    limit: int = 20,
    cursor: str | None = None,
) -> tuple[Sequence[RefundView], str | None]:
    """Refunds, newest first, all or those of an order or payment; and the cursor of the next page."""
    rows = await refund_store.refunds(
        session, order_id=order_id, payment_id=payment_id, limit=limit + 1, before=_before(cursor)
    )
    page, next_cursor = cut([refund_view(row) for row in rows], limit, lambda view: (str(view.id),))
    return page, next_cursor


async def dispute(session: ReadSession, dispute_id: UUID) -> DisputeView:
    """One dispute. Raises `NotFound`."""
    row = await refund_store.dispute_by_id(session, dispute_id)
    if row is None:
        raise NotFound(N_("There is no such dispute."))
    return dispute_view(row)


async def disputes(
    session: ReadSession, *, limit: int = 20, cursor: str | None = None
) -> tuple[Sequence[DisputeView], str | None]:
    """Disputes, newest first, and the cursor of the next page."""
    rows = await refund_store.disputes(session, limit=limit + 1, before=_before(cursor))
    page, next_cursor = cut([dispute_view(row) for row in rows], limit, lambda view: (str(view.id),))
    return page, next_cursor


async def debts(session: ReadSession) -> list[Debt]:
    """Who owes the house money that it advanced for refunds and lost disputes, and how much now."""
    owners = {debt_account(*owner): owner for owner in await refund_store.debtors(session)}
    owed = await ledger.balances(session, list(owners))
    return [Debt(*owners[account][:2], found.posted) for account, found in owed.items() if found.posted]


async def transfers_seen(
    session: ReadSession, *, open_only: bool = False, limit: int = 20, cursor: str | None = None
) -> tuple[Sequence[TransferView], str | None]:
    """Lines of our bank accounts, newest first; with `open_only` those whose money waits in suspense."""
    rows = await transfer_store.transfers(session, open_only=open_only, limit=limit + 1, before=_before(cursor))
    vault = house_of(session).vault
    views = [transfer_view(row, vault.open(row.content)) for row in rows]
    page, next_cursor = cut(views, limit, lambda view: (str(view.id),))
    return page, next_cursor


async def events(
    session: ReadSession, *, state: str | None = None, limit: int = 20, cursor: str | None = None
) -> tuple[Sequence[EventView], str | None]:
    """Providers' events, newest first, all or those of one state (`received`, `processed`, `ignored`, `parked`)."""
    rows = await store.events(session, state=state, limit=limit + 1, before=_before(cursor))
    page, next_cursor = cut([event_view(row) for row in rows], limit, lambda view: (str(view.id),))
    return page, next_cursor


async def exceptions(session: ReadSession, *, limit: int = 100) -> list[PaymentException]:
    """What waits for a person, newest first."""
    rows = await store.open_exceptions(session, limit=limit)
    return [PaymentException(row.id, row.kind, row.subject, row.reason, row.details, row.opened_at) for row in rows]


async def parked_events(session: ReadSession, *, limit: int = 100) -> list[tuple[str, str, str, str]]:
    """Events that were put aside, newest first: provider, event id, name, reason."""
    rows = await store.parked_events(session, limit=limit)
    return [(row.provider, row.event_id, row.name, row.reason or "") for row in rows]


def _before(cursor: str | None) -> UUID | None:
    return None if cursor is None else decode_id(cursor)
