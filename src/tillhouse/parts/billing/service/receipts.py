"""What the receipt of a paid invoice says, and to whom."""

from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from tillhouse.kernel.db import ReadSession
from tillhouse.kernel.errors import NotFound
from tillhouse.kernel.money import Money
from tillhouse.kernel.text import N_
from tillhouse.parts.billing import store
from tillhouse.parts.billing.domain import InvoiceState, Owner, person, tax_within
from tillhouse.parts.billing.models import InvoiceRow
from tillhouse.parts.billing.service.books import owner_of
from tillhouse.parts.billing.service.offers import package_of, plan_of
from tillhouse.parts.billing.service.views import InvoiceView, invoice_view
from tillhouse.parts.identity import api as identity
from tillhouse.parts.payments import api as payments


@dataclass(frozen=True, slots=True)
class Receipt:
    """A paid invoice with what its paper needs. `title` is a message id; amounts are without tax but for the invoice's.

    `price` less `off` (a coupon's) less `credit` (of the plan before) and the tax make the total. `method` is the
    gateway's word for how it was paid.
    """

    invoice: InvoiceView
    title: str
    payer: str
    price: Money
    off: Money
    credit: Money
    rate: Decimal
    method: str
    payment: str | None


async def receipt_of(session: ReadSession, invoice_id: UUID, person_id: UUID) -> Receipt:
    """The receipt of a paid invoice: of the person's own, or of an organisation whose money they may see.

    Raises `NotFound`, for what is not paid and for everybody else too.
    """
    row = await store.invoice(session, invoice_id)
    payer = await _payer(session, owner_of(row), person_id) if row else None
    if row is None or payer is None:
        raise NotFound(N_("There is no such invoice."))
    if row.state != InvoiceState.PAID:
        raise NotFound(N_("Nothing has been paid here, so there is no receipt."))
    paid = await payments.payment(session, row.payment_id) if row.payment_id else None
    price = Money(row.price, row.currency)
    after_coupon = price - Money(row.discount, row.currency)
    return Receipt(
        invoice=invoice_view(row),
        title=_title(session, row),
        payer=payer,
        price=_net(row, price),
        off=_net(row, price) - _net(row, after_coupon),
        credit=_net(row, after_coupon) - row.net,
        rate=Decimal(row.tax_basis_points) / 10_000,
        method=paid.method if paid else "wallet",
        payment=paid.provider_payment_id if paid else None,
    )


async def _payer(session: ReadSession, owner: Owner, person_id: UUID) -> str | None:
    """The owner's name, for whoever may see what they pay; None for everybody else."""
    if owner == person(person_id):
        found = await identity.person(session, person_id)
        return found.name if found else ""
    if owner.kind != "organisation":
        return None
    place = await identity.membership(session, owner.id, person_id)
    return place.name if place and place.role in identity.MONEY_READERS else None


def _title(session: ReadSession, row: InvoiceRow) -> str:
    if row.subscription_id:
        return plan_of(session, row.offer, row.offer_version).title
    return package_of(session, row.offer, row.offer_version).title


def _net(row: InvoiceRow, amount: Money) -> Money:
    """An amount of the invoice without the tax that is in it."""
    return amount - tax_within(amount, row.tax_basis_points)
