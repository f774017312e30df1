"""Payments: found by any id, by payer, amount, state or provider, and one of them with all that happened to it."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import Response

from tillhouse.kernel.db import ReadSession, house_of
from tillhouse.kernel.http import Read, TheHouse
from tillhouse.kernel.web.deps import Pages
from tillhouse.kernel.web.filters import filter_of, valid
from tillhouse.kernel.web.forms import Form
from tillhouse.parts.payments.domain import OrderState
from tillhouse.parts.payments.domain.finding import OrderFilter
from tillhouse.parts.payments.pages.console import words
from tillhouse.parts.payments.pages.console.common import (
    ROOT,
    Find,
    NarrowForm,
    Reader,
    account_href,
    csv_of,
    fitting,
    list_page,
    names_of,
    narrowed,
    owner_of,
)
from tillhouse.parts.payments.pages.console.timeline import timeline_of
from tillhouse.parts.payments.ports import Purpose
from tillhouse.parts.payments.service import finding
from tillhouse.parts.payments.service.receipts import title_of
from tillhouse.parts.payments.service.views import OrderView

router = APIRouter()


class OrderForm(NarrowForm):
    """Which payments."""

    state: OrderState | None = None


@router.get(f"{ROOT}/orders")
async def orders(request: Request, session: Read, pages: Pages, _reader: Reader) -> Response:
    """Payments that fit, newest first."""
    form = filter_of(request, OrderForm)

    async def about(shown: Sequence[OrderView]) -> Mapping[str, object]:
        titles = {one.name: one.title for one in house_of(session).provided(Purpose)}
        return {"names": await names_of(session, [one.owner_id for one in shown]), "purposes": titles}

    return await list_page(request, session, pages, "orders", form, find=await _find(session, form), about=about)


@router.get(f"{ROOT}/orders.csv")
async def orders_csv(request: Request, session: Read, house: TheHouse, _reader: Reader) -> Response:
    """The same, all of it, for a spreadsheet."""
    form = filter_of(request, OrderForm)
    find = await _find(session, form)
    valid(form)
    columns = ("order", "created_at", "state", "amount", "currency", "provider", "provider_order_id", "method",
               "purpose", "reference", "payer_kind", "payer_id", "paid_at", "failure")  # fmt: skip
    return csv_of("payments", columns, house.database, find, _cells)


@router.get(ROOT + "/orders/{order_id}")
async def order(request: Request, session: Read, pages: Pages, me: Reader, order_id: UUID) -> Response:
    """One payment: what it is for, every try at paying it, and all that happened to it."""
    found = await finding.order_file(session, order_id)
    context = {
        **words.WORDS,
        "file": found,
        "order": found.order,
        "title": await title_of(session, found.order),
        "names": await names_of(session, [found.order.owner_id, *(one.requested_by for one in found.refunds)]),
        "timeline": timeline_of(found),
        "wallet_href": account_href(found.wallet),
        "refundable": [one for one in found.payments if one.id in found.left and found.left[one.id].minor > 0],
        "may_refund": me.may("payments.refund"),
    }
    return pages.render_page(request, "payments/console/order.html", context)


async def _find(session: ReadSession, form: Form[OrderForm]) -> Find[OrderView]:
    wanted = narrowed(form, OrderFilter)
    if form.is_valid and form.data.text:
        wanted = fitting(wanted, owner=await owner_of(session, form.data.text))
        if wanted.owner:
            wanted = fitting(wanted, text=None)

    async def find(fresh: ReadSession, limit: int, before: UUID | None) -> Sequence[OrderView]:
        return await finding.orders(fresh, wanted, limit=limit, before=before)

    return find


def _cells(one: OrderView) -> Sequence[object]:
    return (one.id, one.created_at.isoformat(), one.state, one.amount, one.amount.unit, one.provider,
            one.provider_order_id or "", one.method, one.purpose, one.reference or "", one.owner_kind, one.owner_id,
            one.paid_at.isoformat() if one.paid_at else "", one.failure_message or "")  # fmt: skip
