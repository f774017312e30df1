"""Refunds: all of them, and one."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import Response

from tillhouse.kernel.db import ReadSession
from tillhouse.kernel.http import Read, TheHouse
from tillhouse.kernel.web.deps import Pages
from tillhouse.kernel.web.filters import filter_of, valid
from tillhouse.kernel.web.forms import Form
from tillhouse.parts.payments import api
from tillhouse.parts.payments.domain import RefundState
from tillhouse.parts.payments.domain.finding import RefundFilter
from tillhouse.parts.payments.pages.console import words
from tillhouse.parts.payments.pages.console.common import (
    ROOT,
    Find,
    NarrowForm,
    Reader,
    csv_of,
    list_page,
    names_of,
    narrowed,
)
from tillhouse.parts.payments.service import finding
from tillhouse.parts.payments.service.endings import open_case
from tillhouse.parts.payments.service.views import RefundView

router = APIRouter()


class RefundsForm(NarrowForm):
    """Which refunds."""

    state: RefundState | None = None


@router.get(f"{ROOT}/refunds")
async def refunds(request: Request, session: Read, pages: Pages, _reader: Reader) -> Response:
    """Refunds that fit, newest first."""
    form = filter_of(request, RefundsForm)

    async def about(shown: Sequence[RefundView]) -> Mapping[str, object]:
        return {
            "payments": await finding.payments_by_ids(session, [one.payment_id for one in shown]),
            "names": await names_of(session, [one.requested_by for one in shown]),
        }

    return await list_page(request, session, pages, "refunds", form, find=_find(form), about=about)


@router.get(f"{ROOT}/refunds.csv")
async def refunds_csv(request: Request, house: TheHouse, _reader: Reader) -> Response:
    """The same, all of it, for a spreadsheet."""
    form = filter_of(request, RefundsForm)
    find = _find(form)
    valid(form)
    columns = ("refund", "created_at", "state", "amount", "advanced", "currency", "provider", "provider_refund_id",
               "payment", "origin", "requested_by", "reason", "finished_at", "failure")  # fmt: skip
    return csv_of("refunds", columns, house.database, find, _cells)


@router.get(ROOT + "/refunds/{refund_id}")
async def refund(request: Request, session: Read, pages: Pages, _reader: Reader, refund_id: UUID) -> Response:
    """One refund: where it stands, what it is of, and where it is in the ledger."""
    one = await api.refund(session, refund_id)
    payment = (await finding.payments_by_ids(session, [one.payment_id]))[one.payment_id]
    context = {
        **words.WORDS,
        "refund": one,
        "payment": payment,
        "case": await open_case(session, one.id),
        "names": await names_of(session, [one.requested_by]),
    }
    return pages.render_page(request, "payments/console/refund.html", context)


def _find(form: Form[RefundsForm]) -> Find[RefundView]:
    wanted = narrowed(form, RefundFilter)

    async def find(session: ReadSession, limit: int, before: UUID | None) -> Sequence[RefundView]:
        return await finding.refunds(session, wanted, limit=limit, before=before)

    return find


def _cells(one: RefundView) -> Sequence[object]:
    return (one.id, one.created_at.isoformat(), one.state, one.amount, one.advanced, one.amount.unit, one.provider,
            one.provider_refund_id or "", one.payment_id, one.origin, one.requested_by or "", one.reason,
            one.finished_at.isoformat() if one.finished_at else "", one.failure_message or "")  # fmt: skip
