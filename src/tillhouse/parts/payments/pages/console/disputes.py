"""Disputes: by when each has to be answered, what it took, and what its owner owes for it; and the debts of all."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import Response

from tillhouse.kernel import clock
from tillhouse.kernel.db import ReadSession
from tillhouse.kernel.http import Read, TheHouse
from tillhouse.kernel.web.deps import Pages
from tillhouse.kernel.web.filters import filter_of, valid
from tillhouse.kernel.web.forms import Form
from tillhouse.parts.payments import api
from tillhouse.parts.payments.domain import DisputeState
from tillhouse.parts.payments.domain.finding import DisputeFilter
from tillhouse.parts.payments.pages.console import words
from tillhouse.parts.payments.pages.console.common import (
    ROOT,
    Find,
    NarrowForm,
    Reader,
    account_href,
    csv_of,
    list_page,
    names_of,
    narrowed,
)
from tillhouse.parts.payments.service import finding
from tillhouse.parts.payments.service.returns import debt_account
from tillhouse.parts.payments.service.views import DisputeView

router = APIRouter()


class DisputeForm(NarrowForm):
    """Which disputes."""

    state: DisputeState | None = None
    running: bool = False


@router.get(f"{ROOT}/disputes")
async def disputes(request: Request, session: Read, pages: Pages, _reader: Reader) -> Response:
    """Disputes that fit, newest first, and who owes the house for those that were lost."""
    form = filter_of(request, DisputeForm)

    async def about(shown: Sequence[DisputeView]) -> Mapping[str, object]:
        owed = await api.debts(session)
        return {
            "payments": await finding.payments_by_ids(session, [one.payment_id for one in shown]),
            "now": clock.now(),
            "debts": owed,
            "debt_href": lambda debt: account_href(debt_account(debt.owner_kind, debt.owner_id, debt.amount.unit)),
            "names": await names_of(session, [one.owner_id for one in owed]),
        }

    return await list_page(request, session, pages, "disputes", form, find=_find(form), about=about)


@router.get(f"{ROOT}/disputes.csv")
async def disputes_csv(request: Request, house: TheHouse, _reader: Reader) -> Response:
    """The same, all of it, for a spreadsheet."""
    form = filter_of(request, DisputeForm)
    find = _find(form)
    valid(form)
    columns = ("dispute", "opened_at", "state", "amount", "taken", "advanced", "fee", "currency", "provider",
               "provider_dispute_id", "payment", "reason", "respond_by", "closed_at")  # fmt: skip
    return csv_of("disputes", columns, house.database, find, _cells)


@router.get(ROOT + "/disputes/{dispute_id}")
async def dispute(request: Request, session: Read, pages: Pages, _reader: Reader, dispute_id: UUID) -> Response:
    """One dispute: its day, its money, and what is owed for it."""
    one = await api.dispute(session, dispute_id)
    payment = (await finding.payments_by_ids(session, [one.payment_id]))[one.payment_id]
    order = await api.order(session, payment.order_id)
    owner = (order.owner_kind, order.owner_id, order.amount.unit)
    context = {
        **words.WORDS,
        "dispute": one,
        "payment": payment,
        "order": order,
        "names": await names_of(session, [order.owner_id]),
        "debt": await finding.debt_of(session, *owner),
        "debt_href": account_href(debt_account(*owner)),
        "now": clock.now(),
    }
    return pages.render_page(request, "payments/console/dispute.html", context)


def _find(form: Form[DisputeForm]) -> Find[DisputeView]:
    wanted = narrowed(form, DisputeFilter)

    async def find(session: ReadSession, limit: int, before: UUID | None) -> Sequence[DisputeView]:
        return await finding.disputes(session, wanted, limit=limit, before=before)

    return find


def _cells(one: DisputeView) -> Sequence[object]:
    return (one.id, one.opened_at.isoformat(), one.state, one.amount, one.taken, one.advanced, one.fee,
            one.amount.unit, one.provider, one.provider_dispute_id, one.payment_id, one.reason,
            one.respond_by.isoformat() if one.respond_by else "",
            one.closed_at.isoformat() if one.closed_at else "")  # fmt: skip
