"""SQL of renewals that are charged to saved cards. A charge's row is locked alone, after everything else."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select

from tillhouse.kernel.db import ReadSession, Session
from tillhouse.parts.billing.models import CardChargeRow


async def lock_charge(session: Session, invoice_id: UUID, attempt: int) -> CardChargeRow | None:
    """One charge as it is now, locked until the transaction ends."""
    statement = select(CardChargeRow).where(CardChargeRow.invoice_id == invoice_id, CardChargeRow.attempt == attempt)
    locked = statement.with_for_update().execution_options(populate_existing=True)
    return (await session.execute(locked)).scalar_one_or_none()


async def last_charge(session: ReadSession, invoice_id: UUID) -> CardChargeRow | None:
    """The newest charge of an invoice."""
    statement = select(CardChargeRow).where(CardChargeRow.invoice_id == invoice_id)
    newest = statement.order_by(CardChargeRow.attempt.desc()).limit(1).execution_options(populate_existing=True)
    return (await session.execute(newest)).scalar_one_or_none()


async def charged_twice(session: ReadSession) -> Sequence[UUID]:
    """Invoices for which a card was charged more than once."""
    paid = select(CardChargeRow.invoice_id).where(CardChargeRow.state == "paid").group_by(CardChargeRow.invoice_id)
    return (await session.execute(paid.having(func.count() > 1))).scalars().all()


async def due(session: ReadSession, now: datetime, limit: int) -> Sequence[tuple[UUID, int, datetime]]:
    """Charges that are due for a look, and since when: (invoice, attempt, since), the most overdue first."""
    statement = select(CardChargeRow.invoice_id, CardChargeRow.attempt, CardChargeRow.next_look_at)
    statement = statement.where(CardChargeRow.next_look_at <= now).order_by(CardChargeRow.next_look_at).limit(limit)
    rows = (await session.execute(statement)).all()
    return [(invoice_id, attempt, look_at) for invoice_id, attempt, look_at in rows if look_at]
