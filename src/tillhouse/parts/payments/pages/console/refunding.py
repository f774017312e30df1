"""Giving a payment back: how much, why, what it does to the money, and asking once more."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field

from tillhouse.kernel.access import Principal, require
from tillhouse.kernel.db import JsonObject, ReadSession, Session
from tillhouse.kernel.errors import DomainError, FieldError, NotFound
from tillhouse.kernel.http import Read, Write
from tillhouse.kernel.ids import new_id
from tillhouse.kernel.money import Money
from tillhouse.kernel.text import N_
from tillhouse.kernel.web import formats
from tillhouse.kernel.web.deps import Pages, TheWeb
from tillhouse.kernel.web.forms import Form
from tillhouse.kernel.web.i18n import gettext
from tillhouse.kernel.web.toasts import Toast, redirect
from tillhouse.parts.identity import api as identity
from tillhouse.parts.payments import api
from tillhouse.parts.payments.pages.console import words
from tillhouse.parts.payments.pages.console.common import POSTED, ROOT, Effect, Question, account_href, confirm
from tillhouse.parts.payments.service import finding
from tillhouse.parts.payments.service.refunds import CannotRefund, RefundPlan, plan_refund
from tillhouse.parts.payments.service.views import PaymentView

router = APIRouter()
Refunder = Annotated[Principal, Depends(require("payments.refund"))]


class RefundForm(BaseModel):
    """How much of a payment goes back (all that is left, for blank), and why. `request_key` makes it one refund."""

    amount: str | None = Field(default=None, max_length=30)
    reason: str = Field(max_length=200)
    advance: bool = False
    request_key: str = Field(min_length=8, max_length=64)
    confirmed: Literal["yes"] | None = None


@router.get(ROOT + "/payments/{payment_id}/refund")
async def ask(request: Request, session: Read, pages: Pages, _me: Refunder, payment_id: UUID) -> Response:
    """The form of a refund, with what is left of the payment."""
    return await _page(request, session, pages, payment_id, Form.blank(RefundForm, request_key=str(new_id())))


@router.post(ROOT + "/payments/{payment_id}/refund", dependencies=POSTED)
async def give_back(
    request: Request, session: Write, pages: Pages, web: TheWeb, *, me: Refunder, payment_id: UUID
) -> Response:
    """Ask once more with what it does to the money; then set it aside and send it."""
    form = await Form.read(request, RefundForm)
    if not form.is_valid:
        return await _page(request, session, pages, payment_id, form)
    payment = await _payment(session, payment_id)
    made: api.RefundView | None = None
    plan: RefundPlan | None = None
    try:
        async with session.begin_nested():  # a refusal keeps nothing of what was begun
            amount = _amount(form.data, payment.amount.unit)
            if form.data.confirmed:
                made = await _start(session, me, payment_id, amount, form.data)
            else:
                plan = await plan_refund(session, payment_id, amount, by=me.person_id)
                _check_means(plan, form.data)
    except DomainError as refusal:
        form.refuse(refusal)
        return await _page(request, session, pages, payment_id, form)
    if plan:
        return confirm(request, pages, form, _question(payment, plan, form.data))
    assert made
    said = Toast(gettext("The refund has begun"), gettext("The money is set aside and on its way a moment later."))
    return redirect(request, f"{ROOT}/refunds/{made.id}", said, secure=web.secure)


def _amount(data: RefundForm, unit: str) -> Money | None:
    return None if data.amount is None else Money.parse(formats.typed(data.amount, unit), unit)


async def _start(
    session: Session, me: Principal, payment_id: UUID, amount: Money | None, data: RefundForm
) -> api.RefundView:
    key = f"console:{me.person_id}:{data.request_key}"
    made = await api.start_refund(
        session, payment_id, amount, reason=data.reason, key=key, by=me.person_id, advance=data.advance
    )
    details: JsonObject = {"amount": str(made.amount), "advance": data.advance}
    await identity.audit(session, me, "payments.refund", f"refund:{made.id}", details)
    return made


def _check_means(plan: RefundPlan, data: RefundForm) -> None:
    """Say before the last question that the wallet lacks the money. Raises `CannotRefund`."""
    if plan.missing and not data.advance:
        sentence = N_("The wallet has only {available}. The house can lend what is missing: tick that it should.")
        wrong = FieldError("/advance", "insufficient_funds", sentence)
        raise CannotRefund(sentence, errors=[wrong], available=plan.available)


def _question(payment: PaymentView, plan: RefundPlan, data: RefundForm) -> Question:
    here = f"{ROOT}/payments/{payment.id}/refund"
    lent = [Effect(gettext("Lent by the house: the payer's wallet owes it"), plan.missing)] if plan.missing else []
    return Question(
        title=gettext("Give {amount} back?", amount=formats.money(plan.amount)),
        warning=gettext("A refund cannot be called back"),
        text=gettext(
            "It is sent by {provider} to where the money came from.",
            provider=words.said(words.GATEWAYS, payment.provider),
        ),
        effects=(
            Effect(
                gettext("Free in the wallet"),
                before=plan.available,
                after=plan.available - plan.amount + plan.missing,
            ),
            *lent,
            Effect(gettext("Left of the payment after it"), plan.left),
            Effect(gettext("Payment"), code=payment.provider_payment_id),
            Effect(gettext("Because"), text=data.reason),
        ),
        action=here,
        back=f"{ROOT}/orders/{payment.order_id}",
        submit=gettext("Give it back"),
        keep=gettext("Do not"),
        crumb=(gettext("Payment"), f"{ROOT}/orders/{payment.order_id}"),
        destructive=True,
    )


async def _page(
    request: Request, session: ReadSession, pages: Pages, payment_id: UUID, form: Form[RefundForm]
) -> Response:
    payment = await _payment(session, payment_id)
    found = await finding.order_file(session, payment.order_id)
    context = {
        **words.WORDS,
        "payment": payment,
        "order": found.order,
        "left": found.left.get(payment.id),
        "balance": found.balance,
        "wallet_href": account_href(found.wallet),
    }
    return pages.render_form(request, "payments/console/refund_form.html", form, context)


async def _payment(session: ReadSession, payment_id: UUID) -> PaymentView:
    found = (await finding.payments_by_ids(session, [payment_id])).get(payment_id)
    if found is None:
        raise NotFound(N_("There is no such payment."))
    return found
