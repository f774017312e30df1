"""Payouts: those that wait for people, those nobody knows the outcome of, all others; and deciding about one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field

from tillhouse.kernel.access import Principal, require
from tillhouse.kernel.db import ReadSession
from tillhouse.kernel.errors import DomainError
from tillhouse.kernel.http import Read, TheHouse, Write
from tillhouse.kernel.web import formats
from tillhouse.kernel.web.deps import Pages, TheWeb
from tillhouse.kernel.web.filters import filter_of, valid
from tillhouse.kernel.web.forms import Form
from tillhouse.kernel.web.i18n import gettext
from tillhouse.kernel.web.toasts import Toast, redirect
from tillhouse.parts.identity import api as identity
from tillhouse.parts.payments.domain import PayoutState
from tillhouse.parts.payments.domain.finding import PayoutFilter
from tillhouse.parts.payments.pages.console import words
from tillhouse.parts.payments.pages.console.common import (
    POSTED,
    ROOT,
    Effect,
    Find,
    NarrowForm,
    Question,
    Reader,
    account_href,
    confirm,
    csv_of,
    fitting,
    list_page,
    names_of,
    narrowed,
    owner_of,
)
from tillhouse.parts.payments.pages.console.timeline import timeline_of_payout
from tillhouse.parts.payments.service import finding
from tillhouse.parts.payments.service.finding import PayoutFile
from tillhouse.parts.payments.service.owners import owns
from tillhouse.parts.payments.service.reviews import approve_payout, check_decision, reject_payout
from tillhouse.parts.payments.service.views import PayoutView, ReviewView

router = APIRouter()
Approver = Annotated[Principal, Depends(require("payments.approve"))]
Verdict = Literal["approve", "reject"]


@dataclass(frozen=True, slots=True)
class PayoutLine:
    """A payout as the list shows it."""

    payout: PayoutView
    decisions: Sequence[ReviewView]
    needed: int

    @property
    def id(self) -> UUID:
        return self.payout.id

    @property
    def approvals(self) -> int:
        return sum(one.decision == "approved" for one in self.decisions)


class PayoutForm(NarrowForm):
    """Which payouts."""

    state: PayoutState | None = None
    reason: str | None = Field(default=None, max_length=40)


class DecisionForm(BaseModel):
    """What is decided about a payout that waits, why, and (the second time the form is sent) that it is meant."""

    reason: str | None = Field(default=None, max_length=40)
    note: str = Field(default="", max_length=500)
    confirmed: Literal["yes"] | None = None


@router.get(f"{ROOT}/payouts")
async def payouts(request: Request, session: Read, pages: Pages, _reader: Reader) -> Response:
    """Payouts that fit, newest first."""
    form = filter_of(request, PayoutForm)

    async def about(shown: Sequence[PayoutLine]) -> Mapping[str, object]:
        return {"names": await names_of(session, [one.payout.owner_id for one in shown])}

    return await list_page(request, session, pages, "payouts", form, find=await _find(session, form), about=about)


@router.get(f"{ROOT}/payouts.csv")
async def payouts_csv(request: Request, session: Read, house: TheHouse, _reader: Reader) -> Response:
    """The same, all of it, for a spreadsheet."""
    form = filter_of(request, PayoutForm)
    find = await _find(session, form)
    valid(form)
    columns = ("payout", "created_at", "state", "amount", "currency", "owner_kind", "owner_id", "destination",
               "provider", "provider_payout_id", "utr", "reasons", "approvals", "approvals_needed", "finished_at",
               "failure")  # fmt: skip
    return csv_of("payouts", columns, house.database, find, _cells)


@router.get(ROOT + "/payouts/{payout_id}")
async def payout(request: Request, session: Read, pages: Pages, me: Reader, payout_id: UUID) -> Response:
    """One payout: why it waits, what was decided, what the money does, and deciding about it."""
    return await _page(request, session, pages, me, payout_id)


@router.post(ROOT + "/payouts/{payout_id}/{verdict}", dependencies=POSTED)
async def decide(
    request: Request, session: Write, pages: Pages, web: TheWeb, *, me: Approver, payout_id: UUID, verdict: Verdict
) -> Response:
    """Ask once more; then approve, or refuse. Above the second threshold it leaves when two people have approved."""
    form = await Form.read(request, DecisionForm, name=verdict)
    if not form.is_valid:
        return await _page(request, session, pages, me, payout_id, sent=form)
    try:
        async with session.begin_nested():  # a refusal keeps nothing of what was begun
            await check_decision(session, payout_id, me.person_id, verdict, form.data.reason)
            if form.data.confirmed:
                await _decide(session, me, payout_id, verdict, form.data)
    except DomainError as refusal:
        if refusal.status == 404:
            raise
        form.refuse(refusal)
        return await _page(request, session, pages, me, payout_id, sent=form)
    if not form.data.confirmed:
        found = await finding.payout_file(session, payout_id)
        return confirm(request, pages, form, await _question(session, found, verdict, form.data))
    return redirect(request, f"{ROOT}/payouts/{payout_id}", await _said(session, payout_id, verdict), secure=web.secure)


async def _decide(session: Write, me: Principal, payout_id: UUID, verdict: Verdict, data: DecisionForm) -> None:
    act = approve_payout if verdict == "approve" else reject_payout
    row = await act(session, payout_id, me.person_id, reason=data.reason, note=data.note)
    await identity.audit(session, me, f"payments.{verdict}", f"payout:{row.id}", {"reason": data.reason or ""})


async def _said(session: ReadSession, payout_id: UUID, verdict: Verdict) -> Toast:
    if verdict == "reject":
        return Toast(gettext("Refused"), gettext("The money is free in the wallet again."))
    found = await finding.payout_file(session, payout_id)
    if found.payout.state == PayoutState.AWAITING_APPROVAL:
        return Toast(gettext("Approved"), gettext("It waits for a second person now."), "info")
    return Toast(gettext("Approved"), gettext("It is on its way."))


async def _page(
    request: Request,
    session: ReadSession,
    pages: Pages,
    me: Principal,
    payout_id: UUID,
    *,
    sent: Form[DecisionForm] | None = None,
) -> Response:
    found = await finding.payout_file(session, payout_id)
    one = found.payout
    forms = {name: Form.blank(DecisionForm, name=name) for name in ("approve", "reject")}
    if sent:
        forms[sent.name] = sent
    approvers = {decision.by for decision in found.decisions if decision.decision == "approved"}
    context = {
        **words.WORDS,
        "file": found,
        "payout": one,
        "names": await names_of(session, [one.owner_id, one.requested_by, *(each.by for each in found.decisions)]),
        "timeline": timeline_of_payout(found),
        "wallet_href": account_href(found.wallet),
        "approvals": len(approvers),
        "may_decide": me.may("payments.approve") and one.state == PayoutState.AWAITING_APPROVAL,
        "mine": me.id == one.requested_by or await owns(session, me.person_id, one.owner_kind, one.owner_id),
        "already": me.id in approvers,
        "forms": forms,
    }
    return pages.render_form(request, "payments/console/payout.html", sent or forms["approve"], context)


async def _question(session: ReadSession, found: PayoutFile, verdict: Verdict, data: DecisionForm) -> Question:
    one, here = found.payout, f"{ROOT}/payouts/{found.payout.id}"
    owner = (await names_of(session, [one.owner_id])).get(one.owner_id, gettext("the owner"))
    wallet = gettext("Wallet of {name}", name=owner)
    crumb = (gettext("Payouts"), f"{ROOT}/payouts")
    if verdict == "reject":
        reason = words.said(words.REJECTED, data.reason or "not_explained")
        return Question(
            title=gettext("Refuse the payout of {amount}?", amount=formats.money(one.amount)),
            warning=gettext("A refused payout does not come back"),
            text=gettext("The money is free in the wallet at once. Whoever wants it paid out has to ask anew."),
            effects=(
                Effect(gettext("Set aside, free again"), one.amount),
                Effect(wallet, before=found.balance.available, after=found.balance.available + one.amount),
                Effect(gettext("Because"), text=reason),
            ),
            action=f"{here}/reject", back=here, submit=gettext("Refuse it"), keep=gettext("Let it wait"), crumb=crumb,
            destructive=True,
        )  # fmt: skip
    approvals = sum(decision.decision == "approved" for decision in found.decisions) + 1
    last = approvals >= found.approvals_needed
    text = (
        gettext("It is sent at once. What has reached another bank only that bank can send back.")
        if last
        else gettext("It waits for a second person then: nothing leaves before they have approved it too.")
    )
    return Question(
        title=gettext("Approve the payout of {amount}?", amount=formats.money(one.amount)),
        warning=gettext("This money leaves the house") if last else gettext("The first of two approvals"),
        text=text,
        effects=(
            Effect(gettext("To"), text=one.destination),
            Effect(gettext("By"), text=words.said(words.GATEWAYS, one.provider)),
            Effect(wallet, before=found.balance.posted, after=found.balance.posted - one.amount),
            Effect(gettext("Approvals with yours"), text=f"{approvals} / {found.approvals_needed}"),
            Effect(gettext("Because"), text=words.said(words.APPROVED, data.reason or "checked")),
        ),
        action=f"{here}/approve", back=here, submit=gettext("Approve it"), keep=gettext("Let it wait"), crumb=crumb,
        destructive=last,
    )  # fmt: skip


async def _find(session: ReadSession, form: Form[PayoutForm]) -> Find[PayoutLine]:
    wanted = narrowed(form, PayoutFilter)
    if form.is_valid and form.data.text:
        wanted = fitting(wanted, owner=await owner_of(session, form.data.text))
        if wanted.owner:
            wanted = fitting(wanted, text=None)

    async def find(fresh: ReadSession, limit: int, before: UUID | None) -> Sequence[PayoutLine]:
        return [PayoutLine(*one) for one in await finding.payouts(fresh, wanted, limit=limit, before=before)]

    return find


def _cells(line: PayoutLine) -> Sequence[object]:
    one = line.payout
    return (one.id, one.created_at.isoformat(), one.state, one.amount, one.amount.unit, one.owner_kind, one.owner_id,
            one.destination, one.provider, one.provider_payout_id or "", one.utr or "", ", ".join(one.reasons),
            line.approvals, line.needed, one.finished_at.isoformat() if one.finished_at else "",
            one.failure_message or "")  # fmt: skip
