"""What was paid in advance is earned: a period with time, points as they are spent or end."""

from uuid import UUID

from tillhouse.kernel import clock
from tillhouse.kernel.db import Session
from tillhouse.kernel.money import Money
from tillhouse.parts.billing import store
from tillhouse.parts.billing.domain import Period, earned_share
from tillhouse.parts.billing.models import InvoiceRow
from tillhouse.parts.billing.service.books import book_earned
from tillhouse.parts.ledger import api as ledger

_AT_ONCE = 100


async def recognise(session: Session, after: UUID | None) -> UUID | None:
    """Book what was earned of the next invoices; returns where to go on, None at the end."""
    found = await store.lock_unearned(session, after, _AT_ONCE)
    for invoice in found:
        earned, all_of_it = await _earned(session, invoice)
        news = earned - Money(invoice.recognised, invoice.currency)
        if news:
            await book_earned(session, invoice, news)
        invoice.recognised, invoice.earned = earned.minor, all_of_it
        invoice.updated_at = clock.now()
    await session.flush()
    return found[-1].id if len(found) == _AT_ONCE else None


async def _earned(session: Session, invoice: InvoiceRow) -> tuple[Money, bool]:
    """What is earned of an invoice by now, and whether nothing is left to be. What was given back never is."""
    most = Money(invoice.total - invoice.tax - invoice.refunded, invoice.currency)
    if invoice.lot_id is not None:
        lot = await ledger.lot(session, invoice.lot_id)
        owed = lot.value or Money(0, invoice.currency)
        return max(
            min(invoice.net - owed, invoice.net) - Money(invoice.refunded, invoice.currency), _nothing(invoice)
        ), (not lot.remaining)
    assert invoice.period_start is not None and invoice.period_end is not None  # noqa: PT018  one fact
    now = clock.now()
    earned = earned_share(invoice.net, Period(invoice.period_start, invoice.period_end), now)
    return min(earned, most), now >= invoice.period_end


def _nothing(invoice: InvoiceRow) -> Money:
    return Money(0, invoice.currency)
