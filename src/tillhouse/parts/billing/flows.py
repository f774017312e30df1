"""Paying for an invoice at a gateway, by hand or by a saved card: the gateway is asked outside of any transaction."""

from dataclasses import dataclass
from uuid import UUID

from tillhouse.kernel.errors import DomainError, NotFound, TransientError
from tillhouse.kernel.house import House
from tillhouse.kernel.money import Money
from tillhouse.kernel.text import N_
from tillhouse.kernel.web.formats import day
from tillhouse.kernel.web.i18n import gettext, reader
from tillhouse.parts.billing import store
from tillhouse.parts.billing.domain import InvoiceState, Owner
from tillhouse.parts.billing.service import charging
from tillhouse.parts.billing.service.books import owner_of
from tillhouse.parts.billing.service.invoices import NotOpen
from tillhouse.parts.billing.service.receipts import Receipt, receipt_of
from tillhouse.parts.billing.service.selling import INVOICE
from tillhouse.parts.billing.service.views import InvoiceView
from tillhouse.parts.documents import api as documents
from tillhouse.parts.payments import api as payments

_HOUSE = "Tillhouse"
CARD_PATH = "/billing/cards/{card}/given"  # where whoever has given a card comes back to


@dataclass(frozen=True, slots=True, kw_only=True)
class How:
    """How somebody wants to pay. Nothing said: as the gateways' order of preference has it. `keep_card`: they agree
    that what they pay with (`method` card or upi; None: a card) is kept, and charged for renewals.
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
        keep_up_to=Money(invoice.price, invoice.currency) if how.keep_card else None,
    )
    return await payments.start_order(house, wish)


async def receipt_pdf(house: House, invoice_id: UUID, *, person_id: UUID) -> bytes:
    """The receipt of a paid invoice as PDF, for the reader of this request: of the person's own, or of an organisation
    whose money they may see. Raises `NotFound`.
    """
    async with house.database.reading() as session:
        found = await receipt_of(session, invoice_id, person_id)
    return await documents.render_receipt(house, _paper(house, found), reader())


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


def _paper(house: House, found: Receipt) -> documents.Receipt:
    """What the paper says. It is as old as the payment, so that the same receipt is the same file each time."""
    invoice = found.invoice
    assert invoice.paid_at is not None  # only what is paid has a receipt
    seller = next((one for one in house.modules if one.name == invoice.offer.partition(".")[0]), None)
    product = seller if seller and seller.floor == "product" else None
    tax = (
        documents.Tax(
            name=invoice.tax_name or "", rate=found.rate, base=invoice.total - invoice.tax, amount=invoice.tax
        ),
    )
    return documents.Receipt(
        number=f"B-{invoice.id.hex[-12:].upper()}",
        issued_at=invoice.paid_at,
        paid_at=invoice.paid_at,
        issuer=documents.house_issuer(house, product.title if product else _HOUSE),
        payer=documents.Party(name=found.payer),
        title=gettext(found.title),
        amount=invoice.total,
        method=payments.method_name(found.method),
        lines=_lines(found),
        taxes=tax if invoice.tax else (),
        returned=invoice.given_back or None,
        facts=_facts(found),
        look=documents.house_look(house, product.accent if product else "house"),
    )


def _lines(found: Receipt) -> list[documents.Line]:
    lines = [documents.Line(title=gettext(found.title), detail=_period(found.invoice), amount=found.price)]
    if found.off:
        title = gettext("Coupon %(code)s") % {"code": found.invoice.coupon or ""}
        lines.append(documents.Line(title=title, amount=-found.off))
    if found.credit:
        lines.append(documents.Line(title=gettext("Left of the plan before"), amount=-found.credit))
    return lines


def _period(invoice: InvoiceView) -> str:
    if invoice.period_start is None or invoice.period_end is None:
        return ""
    return f"{day(invoice.period_start)} – {day(invoice.period_end)}"


def _facts(found: Receipt) -> list[documents.Fact]:
    facts = [documents.Fact(gettext("Invoice"), str(found.invoice.id))]
    return [*facts, documents.Fact(gettext("Payment"), found.payment)] if found.payment else facts
