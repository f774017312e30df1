"""A receipt as PDF: read in one transaction, printed after it."""

from uuid import UUID

from tillhouse.kernel.errors import NotFound
from tillhouse.kernel.house import House
from tillhouse.kernel.text import N_
from tillhouse.kernel.web.i18n import gettext, reader
from tillhouse.parts.documents import api as documents
from tillhouse.parts.payments.service.orders import order_in_link
from tillhouse.parts.payments.service.receipts import Receipt, receipt_of

_HOUSE = "Tillhouse"
_METHODS = {
    "bank_transfer": N_("Bank transfer"),
    "card": N_("Card"),
    "netbanking": N_("Net banking"),
    "promptpay": "PromptPay",
    "upi": "UPI",
    "wallet": N_("Wallet"),
}


async def receipt_pdf(house: House, order_id: UUID, *, owner: tuple[str, UUID] | None) -> bytes:
    """The receipt of a paid order for the reader of this request; with `owner` only of theirs.

    Raises `NotFound`, also while nothing has been paid.
    """
    async with house.database.reading() as session:
        found = await receipt_of(session, order_id, owner=owner)
    if found is None:
        raise NotFound(N_("Nothing has been paid here, so there is no receipt."))
    return await documents.render_receipt(house, _paper(house, found), reader())


async def receipt_pdf_of_link(house: House, token: str) -> bytes:
    """The receipt of the order behind a link, for whoever has it. Raises as `receipt_pdf` does."""
    async with house.database.reading() as session:
        order = await order_in_link(session, token)
    return await receipt_pdf(house, order.id, owner=None)


def _paper(house: House, found: Receipt) -> documents.Receipt:
    """What the paper says. It is as old as the payment, so that the same receipt is the same file each time."""
    order, payment = found.order, found.payment
    assert payment.captured_at
    seller = next((one for one in house.modules if one.name == order.purpose.partition(".")[0]), None)
    product = seller if seller and seller.floor == "product" else None
    return documents.Receipt(
        number=f"R-{order.id.hex[-12:].upper()}",
        issued_at=payment.captured_at,
        paid_at=payment.captured_at,
        issuer=documents.house_issuer(house, product.title if product else _HOUSE),
        payer=documents.Party(name=found.paid_by),
        title=gettext(found.title),
        amount=payment.amount,
        method=method_name(payment.method),
        returned=payment.refunded or None,
        facts=(
            documents.Fact(gettext("Payment"), payment.provider_payment_id),
            documents.Fact(gettext("Order"), str(order.id)),
        ),
        look=documents.house_look(house, product.accent if product else "house"),
    )


def method_name(method: str) -> str:
    """A gateway's word for how it was paid, as people say it."""
    known = _METHODS.get(method.lower())
    return gettext(known) if known else method.replace("_", " ").capitalize()
