"""Paying for an invoice at a gateway, by hand or by a saved card: the gateway is asked outside of any transaction."""

from dataclasses import dataclass
from uuid import UUID

from tillhouse.kernel.errors import DomainError, NotFound, TransientError
from tillhouse.kernel.house import House
from tillhouse.kernel.text import N_
from tillhouse.parts.billing import store
from tillhouse.parts.billing.domain import InvoiceState, Owner
from tillhouse.parts.billing.service import charging
from tillhouse.parts.billing.service.books import owner_of
from tillhouse.parts.billing.service.invoices import NotOpen
from tillhouse.parts.billing.service.selling import INVOICE
from tillhouse.parts.payments import api as payments

CARD_PATH = "/billing/cards/{card}/given"  # where whoever has given a card comes back to


@dataclass(frozen=True, slots=True, kw_only=True)
class How:
    """How somebody wants to pay. Nothing said: as the gateways' order of preference has it. `keep_card`: they agree
    that the card they pay with is kept, and charged for renewals.
    """

    method: payments.Method | None = None
    country: str | None = None
    bank: str | None = None
    token: str | None = None
    email: str | None = None
    locale: str | None = None
    keep_card: bool = False


async def begin_payment(
    house: House, owner: Owner, invoice_id: UUID, how: How, *, request_key: str
) -> payments.OrderView:
    """An order at a gateway that pays an open invoice; the same request key gives the same order.

    Whoever pays twice, by two orders, has the second payment in their wallet. Raises `NotFound`, `NotOpen`, and what
    `payments.start_order` raises.
    """
    async with house.database.reading() as session:
        invoice = await store.invoice(session, invoice_id)
    if invoice is None or owner_of(invoice) != owner:
        raise NotFound(N_("There is no such invoice."))
    if invoice.state != InvoiceState.OPEN:
        raise NotOpen(N_("Nothing is to be paid here any more."))
    wish = payments.NewOrder(
        owner_kind=owner.kind,
        owner_id=owner.id,
        amount=invoice.money,
        purpose=INVOICE,
        request_key=f"billing:{request_key}",
        reference=str(invoice.id),
        method=how.method,
        country=how.country,
        bank=how.bank,
        token=how.token,
        email=how.email,
        locale=how.locale,
        return_path=f"/billing/invoices/{invoice.id}",
        keep_card=how.keep_card,
    )
    return await payments.start_order(house, wish)


async def charge_renewal(house: House, invoice_id: UUID, attempt: int) -> None:
    """Charge the saved card of an invoice's owner, or learn what became of that: once, however often this is run."""
    async with house.database.transaction() as session:
        wish = await charging.wish_of(session, invoice_id, attempt)
    if wish is None:
        return
    try:
        order = await payments.charge_card(house, wish)
    except TransientError:
        return  # nobody knows yet: it is looked at again (`CardChargeRow.next_look_at`)
    except DomainError as refusal:
        async with house.database.transaction() as session:
            await charging.refuse(session, invoice_id, attempt, refusal.code)
        return
    async with house.database.transaction() as session:
        await charging.conclude(session, invoice_id, attempt, order)
