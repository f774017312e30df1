"""Exceptions: what does not agree, how one person proposes to end it, and another one agreeing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field

from tillhouse.kernel.access import Principal, require
from tillhouse.kernel.db import JsonObject, ReadSession
from tillhouse.kernel.errors import DomainError
from tillhouse.kernel.house import House
from tillhouse.kernel.http import Read, TheHouse, Write
from tillhouse.kernel.money import Money
from tillhouse.kernel.web import formats
from tillhouse.kernel.web.deps import Pages, TheWeb
from tillhouse.kernel.web.filters import filter_of, valid
from tillhouse.kernel.web.forms import Form, Option
from tillhouse.kernel.web.i18n import gettext
from tillhouse.kernel.web.toasts import Toast, redirect
from tillhouse.parts.ledger import api as ledger
from tillhouse.parts.payments import api
from tillhouse.parts.payments.domain.reconciliation import CorrectionLeg
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
    list_page,
    names_of,
)
from tillhouse.parts.payments.pages.console.endings import EndingForm, case_or_none, ending_question
from tillhouse.parts.payments.service import finding
from tillhouse.parts.payments.service.reconciliation.resolving import (
    ExceptionState,
    ExceptionView,
    correctable,
    exceptions_page,
)

router = APIRouter()
Proposer = Annotated[Principal, Depends(require("payments.correct"))]
Approver = Annotated[Principal, Depends(require("payments.approve_correction"))]
Verdict = Literal["approve", "reject"]
Side = Literal["debit", "credit"]

LEGS = range(1, 5)
_Account = Annotated[str | None, Field(max_length=100)]
_Amount = Annotated[str | None, Field(max_length=30)]


class ExceptionForm(NarrowForm):
    """Which exceptions."""

    state: ExceptionState | None = None
    kind: str | None = Field(default=None, max_length=40)
    reason: str | None = Field(default=None, max_length=64)


class ProposalForm(BaseModel):
    """How an exception is to end: why, and up to four legs of a correction. No legs: it was explained."""

    explanation: str = Field(min_length=3, max_length=2000)
    unit: str = Field(default="INR", max_length=12)
    account_1: _Account = None
    side_1: Side = "debit"
    amount_1: _Amount = None
    item_1: _Account = None
    account_2: _Account = None
    side_2: Side = "credit"
    amount_2: _Amount = None
    item_2: _Account = None
    account_3: _Account = None
    side_3: Side = "debit"
    amount_3: _Amount = None
    item_3: _Account = None
    account_4: _Account = None
    side_4: Side = "credit"
    amount_4: _Amount = None
    item_4: _Account = None


class DecisionForm(BaseModel):
    """Whether somebody agrees to the proposal that they looked at."""

    resolution: UUID
    confirmed: Literal["yes"] | None = None


_AMOUNTS = frozenset({
    "amount", "asked", "closed_with", "expected", "fee", "found", "gross", "now", "opens_with", "ours", "promised",
    "received", "taken", "tax", "theirs",
})  # fmt: skip
_INSTANTS = frozenset({"respond_by", "since"})


@dataclass(frozen=True, slots=True)
class Account:
    """An account of a proposal, and where the explorer shows it."""

    code: str
    href: str


@router.get(f"{ROOT}/exceptions")
async def exceptions(request: Request, session: Read, pages: Pages, _reader: Reader) -> Response:
    """Exceptions that fit, newest first."""
    form = filter_of(request, ExceptionForm)

    async def about(shown: Sequence[ExceptionView]) -> Mapping[str, object]:
        proposed = [one.resolution.proposed_by for one in shown if one.resolution]
        return {"names": await names_of(session, proposed)}

    return await list_page(request, session, pages, "exceptions", form, find=_find(form), about=about)


@router.get(f"{ROOT}/exceptions.csv")
async def exceptions_csv(request: Request, house: TheHouse, _reader: Reader) -> Response:
    """The same, all of it, for a spreadsheet."""
    form = filter_of(request, ExceptionForm)
    find = _find(form)
    valid(form)
    columns = ("exception", "opened_at", "state", "kind", "subject", "reason", "amount", "currency", "age_days",
               "explanation", "proposed_by", "decided_by", "transaction", "closed_at")  # fmt: skip
    return csv_of("exceptions", columns, house.database, find, _cells)


@router.get(ROOT + "/exceptions/{exception_id}")
async def exception(request: Request, session: Read, pages: Pages, me: Reader, exception_id: UUID) -> Response:
    """One exception: both sides of what differs, what is proposed, and deciding."""
    return await _page(request, session, pages, me, exception_id)


@router.post(ROOT + "/exceptions/{exception_id}/propose", dependencies=POSTED)
async def propose(
    request: Request, session: Write, pages: Pages, web: TheWeb, *, me: Proposer, exception_id: UUID
) -> Response:
    """Propose how it ends. Nothing is posted before somebody else agrees."""
    form = await Form.read(request, ProposalForm, name="propose")
    if form.is_valid:
        try:
            async with session.begin_nested():  # a refusal keeps nothing of what was begun
                legs = _legs(form.data)
                await api.propose(session, me, exception_id, explanation=form.data.explanation, legs=legs)
        except DomainError as refusal:
            if refusal.status == 404:
                raise
            _refuse(form, refusal)
    if not form.is_valid:
        return await _page(request, session, pages, me, exception_id, sent=form)
    said = Toast(gettext("Proposed"), gettext("It ends when somebody else agrees. Nothing is posted before."), "info")
    return redirect(request, f"{ROOT}/exceptions/{exception_id}", said, secure=web.secure)


@router.post(ROOT + "/exceptions/{exception_id}/propose-end", dependencies=POSTED)
async def propose_end(
    request: Request, house: TheHouse, pages: Pages, web: TheWeb, *, me: Proposer, exception_id: UUID
) -> Response:
    """Say what became of a payout or refund: the provider is asked, and nothing is booked before somebody agrees."""
    form = await Form.read(request, EndingForm, name="end")
    if form.is_valid:
        try:
            ending = api.ending_from(api.Outcome(form.data.outcome), form.data.provider_id)
            await api.propose_end(house, me, exception_id, ending, explanation=form.data.explanation)
        except DomainError as refusal:
            if refusal.status == 404:
                raise
            form.refuse(refusal)
    if not form.is_valid:
        async with house.database.reading() as session:
            return await _page(request, session, pages, me, exception_id, said=form)
    done = Toast(gettext("Proposed"), gettext("It ends when somebody else agrees. Nothing is booked before."), "info")
    return redirect(request, f"{ROOT}/exceptions/{exception_id}", done, secure=web.secure)


@router.post(ROOT + "/exceptions/{exception_id}/{verdict}", dependencies=POSTED)
async def decide(
    request: Request, house: TheHouse, pages: Pages, web: TheWeb, *, me: Approver, exception_id: UUID, verdict: Verdict
) -> Response:
    """Agree to what somebody else proposed, asked once more with what it books; or do not."""
    form = await Form.read(request, DecisionForm, name="decide")
    if form.is_valid:
        try:
            await _decide(house, me, exception_id, verdict, form.data)
        except DomainError as refusal:
            if refusal.status == 404:
                raise
            form.refuse(refusal)
    if not form.is_valid:
        async with house.database.reading() as session:
            return await _page(request, session, pages, me, exception_id, decided=form)
    if verdict == "approve" and not form.data.confirmed:
        async with house.database.reading() as session:
            return confirm(request, pages, form, await _question(session, await api.exception(session, exception_id)))
    said = Toast(gettext("Ended")) if verdict == "approve" else Toast(gettext("Open again"), tone="info")
    return redirect(request, f"{ROOT}/exceptions/{exception_id}", said, secure=web.secure)


async def _decide(house: House, me: Principal, exception_id: UUID, verdict: Verdict, data: DecisionForm) -> None:
    if verdict == "reject":
        async with house.database.transaction() as session:
            await api.reject(session, me, exception_id, data.resolution)
    elif data.confirmed:
        await api.approve(house, me, exception_id, data.resolution)
    else:
        await api.check_approval(house, me, exception_id, data.resolution)


def _legs(data: ProposalForm) -> list[CorrectionLeg]:
    """The legs that were filled in. Raises `InvalidInput` for an amount that is none."""
    legs = []
    for n in LEGS:
        account, amount = getattr(data, f"account_{n}"), getattr(data, f"amount_{n}")
        if account or amount:
            unit = data.unit.upper()
            found = Money.parse(formats.typed(amount or "0", unit), unit)
            signed = found if getattr(data, f"side_{n}") == "debit" else -found
            legs.append(CorrectionLeg(account or "", signed, getattr(data, f"item_{n}")))
    return legs


def _refuse(form: Form[ProposalForm], refusal: DomainError) -> None:
    """Show a refusal at the legs that it points to: they are counted as they were sent, without the blank ones."""
    sent = [n for n in LEGS if _is_filled_in(form, n)]
    for wrong in refusal.errors:
        _, _, rest = wrong.pointer.partition("/legs/")
        number, _, what = rest.partition("/")
        if number.isdigit() and what in ("account", "amount") and int(number) < len(sent):
            form.refuse_field(f"{what}_{sent[int(number)]}", gettext(wrong.message))
    whole = [gettext(wrong.message) for wrong in refusal.errors if not wrong.pointer.startswith("/legs/")]
    if whole or not form.errors:
        form.refuse(refusal)
        form.error = " ".join(whole) or form.error


def _is_filled_in(form: Form[ProposalForm], leg: int) -> bool:
    return bool(form.values.get(f"account_{leg}", [""])[0] or form.values.get(f"amount_{leg}", [""])[0])


async def _page(
    request: Request,
    session: ReadSession,
    pages: Pages,
    me: Principal,
    exception_id: UUID,
    *,
    sent: Form[ProposalForm] | None = None,
    decided: Form[DecisionForm] | None = None,
    said: Form[EndingForm] | None = None,
) -> Response:
    one = await api.exception(session, exception_id)
    unit = one.amount.unit if one.amount else "INR"
    blank = Form.blank(ProposalForm, name="propose", unit=unit, side_1="debit", side_2="credit", side_3="debit",
                       side_4="credit")  # fmt: skip
    resolution = one.resolution
    people = [resolution.proposed_by, resolution.decided_by] if resolution else []
    accounts = sorted(correctable(session))
    case = await case_or_none(session, exception_id)
    context = {
        **words.WORDS,
        "one": one,
        "subject_href": await _subject_href(session, one),
        "known": _known(one),
        "names": await names_of(session, people),
        "proposal": sent or blank,
        "case": case,
        "end": said or Form.blank(EndingForm, name="end", provider_id=(case and case.known_as) or ""),
        "decision": decided or Form.blank(DecisionForm, name="decide"),
        "legs": LEGS,
        "more_legs": sent is not None and any(_is_filled_in(sent, n) for n in LEGS[2:]),
        "accounts": [Option(code, code) for code in accounts],
        "sides": [Option("debit", gettext("Debit")), Option("credit", gettext("Credit"))],
        "account_href": lambda leg: account_href(ledger.house_account(leg.account, leg.amount.unit)),
        "may_propose": me.may("payments.correct") and one.state == "open",
        "may_decide": me.may("payments.approve_correction") and one.state == "proposed",
        "mine": resolution is not None and resolution.proposed_by == me.id,
    }
    shown: Form[Any] = sent or decided or said or blank
    return pages.render_form(request, "payments/console/exception.html", shown, context)


def _known(one: ExceptionView) -> Mapping[str, object]:
    """What was found, without what the page says above it already."""
    said = ("amount", "currency") if one.amount else ()
    details = {name: value for name, value in one.details.items() if name not in said}
    return _told(details, one.amount.unit if one.amount else None)


def _told(details: JsonObject, unit: str | None) -> Mapping[str, object]:
    """Details as a person reads them: amounts where their currency is known, and instants."""
    currency = details.get("currency", unit)
    shown: dict[str, object] = {}
    for name, value in details.items():
        if isinstance(value, dict):
            shown[name] = _told(value, unit)
        elif isinstance(currency, str) and type(value) is int and name in _AMOUNTS:
            shown[name] = Money(value, currency)
        elif isinstance(value, str) and name in _INSTANTS:
            shown[name] = datetime.fromisoformat(value)
        else:
            shown[name] = value
    return shown


async def _question(session: ReadSession, one: ExceptionView) -> Question:
    resolution, here = one.resolution, f"{ROOT}/exceptions/{one.id}"
    assert resolution
    if resolution.ending:
        return await ending_question(session, one)
    effects = []
    for leg in resolution.legs:
        account = ledger.house_account(leg.account, leg.amount.unit)
        found = await ledger.balance(session, account)
        amount = abs(leg.amount.minor)
        debit = gettext("Debit {account}", account=leg.account)
        credit = gettext("Credit {account}", account=leg.account)
        # Suspense is what we owe: a debit makes it less. All others that a correction may name are ours, or costs.
        change = -leg.amount if leg.account.startswith("suspense:") else leg.amount
        effects.append(
            Effect(
                debit if leg.amount.minor > 0 else credit,
                Money(amount, leg.amount.unit),
                before=found.posted,
                after=found.posted + change,
            )
        )
    nothing = Effect(gettext("Nothing is posted"), text=gettext("The difference was explained."))
    return Question(
        title=gettext("Agree to this end?"),
        warning=gettext("What is posted stays in the books"),
        text=gettext("Exactly this is posted, and the exception ends. It is corrected by another correction alone."),
        effects=(*(effects or [nothing]), Effect(gettext("Explanation"), text=resolution.explanation)),
        action=f"{here}/approve",
        back=here,
        submit=gettext("Agree and post") if resolution.legs else gettext("Agree"),
        keep=gettext("Let it wait"),
        crumb=(gettext("Exceptions"), f"{ROOT}/exceptions"),
        destructive=True,
    )


async def _subject_href(session: ReadSession, one: ExceptionView) -> str:
    """Where the thing is looked at that an exception is about; empty where no page shows it."""
    paths = {
        "payout": "payouts",
        "refund": "refunds",
        "dispute": "disputes",
        "transfer": "transfers",
        "order": "orders",
    }
    try:
        number = UUID(one.subject)
    except ValueError:
        number = None
    if number and one.kind in paths:
        return f"{ROOT}/{paths[one.kind]}/{number}"
    if number and one.kind == "payment":
        payment = (await finding.payments_by_ids(session, [number])).get(number)
        return f"{ROOT}/orders/{payment.order_id}" if payment else ""
    provider, _, event = one.subject.partition(":")
    if one.kind == "event":
        return f"{ROOT}/events?text={event}"
    if one.kind == "payment" and provider:
        return f"{ROOT}/orders?text={event}"
    return f"{ROOT}/reconciliation/ageing" if one.kind == "ageing" else ""


def _find(form: Form[ExceptionForm]) -> Find[ExceptionView]:
    asked = form.data if form.is_valid else ExceptionForm()

    async def find(session: ReadSession, limit: int, before: UUID | None) -> Sequence[ExceptionView]:
        return await exceptions_page(
            session, state=asked.state, kind=asked.kind, reason=asked.reason, limit=limit, before=before
        )

    return find


def _cells(one: ExceptionView) -> Sequence[object]:
    found = one.resolution
    return (one.id, one.opened_at.isoformat(), one.state, one.kind, one.subject, one.reason, one.amount or "",
            one.amount.unit if one.amount else "", one.age.days, found.explanation if found else "",
            found.proposed_by if found else "", found.decided_by or "" if found else "",
            found.transaction_id or "" if found else "",
            one.closed_at.isoformat() if one.closed_at else "")  # fmt: skip
