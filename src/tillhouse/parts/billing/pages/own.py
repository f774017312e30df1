"""One's own plan, points with their ends, what they went for, and invoices."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal
from uuid import UUID, uuid4

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field
from starlette.datastructures import FormData

from tillhouse.kernel.access import Principal, require
from tillhouse.kernel.db import ReadSession, house_of
from tillhouse.kernel.errors import DomainError
from tillhouse.kernel.house import House
from tillhouse.kernel.http import Read, TheHouse, Write
from tillhouse.kernel.limits import rate_limit
from tillhouse.kernel.text import N_
from tillhouse.kernel.web.deps import FromOurPage, Pages, TheWeb
from tillhouse.kernel.web.downloads import pdf_download
from tillhouse.kernel.web.errors import sentence_of
from tillhouse.kernel.web.forms import Form
from tillhouse.kernel.web.i18n import gettext, reader
from tillhouse.kernel.web.toasts import Toast, redirect
from tillhouse.parts.billing import api
from tillhouse.parts.billing.pages.reduced import Reduced, TypedCoupon, reduced
from tillhouse.parts.billing.service.books import wallet_of
from tillhouse.parts.billing.service.offers import plan_of
from tillhouse.parts.ledger import api as ledger
from tillhouse.parts.payments import api as payments

_HOME = "/billing/"
_LATEST = 10

router = APIRouter(prefix="/billing")
Person = Annotated[Principal, Depends(require("billing.own"))]
_POST = [FromOurPage, Depends(rate_limit("30/minute"))]

MONTHS: Mapping[int, str] = {1: N_("a month"), 3: N_("three months"), 12: N_("a year")}
STATES: Mapping[str, str] = {
    "pending": N_("To be paid"),
    "trialing": N_("On trial"),
    "active": N_("Active"),
    "past_due": N_("Payment is late"),
    "grace": N_("About to end"),
    "cancelled": N_("Cancelled"),
    "expired": N_("Ended"),
    "open": N_("To be paid"),
    "paid": N_("Paid"),
    "void": N_("Nothing to pay"),
    "uncollectible": N_("Not paid"),
}
SOURCES: Mapping[str, str] = {
    "purchased": N_("Bought"),
    "earned": N_("Earned"),
    "promotional": N_("With your plan, or a gift"),
}


class ChosenPlan(BaseModel):
    """A plan that is chosen, for how long and in which currency."""

    plan: str = Field(max_length=64)
    currency: str = Field(default="", max_length=3)
    months: int = Field(default=1, ge=1, le=36)
    coupon: str | None = Field(default=None, max_length=40)


class ChosenPackage(BaseModel):
    """A package that is chosen."""

    package: str = Field(max_length=64)
    currency: str = Field(max_length=3)
    coupon: str | None = Field(default=None, max_length=40)


class Begun(BaseModel):
    """The page from which a payment is begun: pressed twice, it is begun once."""

    request_key: UUID
    keep: Literal["", "card", "upi"] = ""


@router.get("/", dependencies=[Depends(rate_limit("120/minute"))])
async def home(request: Request, session: Read, person: Person, pages: Pages) -> Response:
    """One's plans, points and last invoices, and what is on offer: at the price after the coupon that was typed."""
    form = Form.parse(FormData(request.query_params), TypedCoupon)
    after = Reduced({}, {})
    if form.is_valid and form.data.coupon:
        after = await reduced(session, api.person(person.person_id), form)
    values = {**await _home(session, person), "after": after, "coupon": form["coupon"]}
    return pages.render_page(request, "billing/home.html", values)


@router.post("/subscribe", dependencies=_POST)
async def subscribe(request: Request, session: Write, person: Person, pages: Pages, web: TheWeb) -> Response:
    """Begin a plan: its invoice is the next page, or the plan itself where nothing is to be paid yet."""
    form = await Form.read(request, ChosenPlan)
    if not form.is_valid:
        return _choose_again(request, web)
    owner = api.person(person.person_id)
    try:
        async with session.begin_nested():
            chosen = form.data
            _, due = await api.subscribe(
                session,
                owner,
                plan=chosen.plan,
                currency=chosen.currency,
                months=chosen.months,
                zone=person.zone,
                coupon=chosen.coupon,
            )
    except DomainError as refusal:
        return redirect(request, _HOME, Toast(sentence_of(refusal), tone="danger"), secure=web.secure)
    return _on(request, web, due, gettext("Your plan has begun"))


@router.post("/points", dependencies=_POST)
async def buy_points(request: Request, session: Write, person: Person, web: TheWeb) -> Response:
    """Buy points: their invoice is the next page."""
    form = await Form.read(request, ChosenPackage)
    if not form.is_valid:
        return _choose_again(request, web)
    owner, chosen = api.person(person.person_id), form.data
    try:
        async with session.begin_nested():
            due = await api.buy_points(
                session, owner, package=chosen.package, currency=chosen.currency, coupon=chosen.coupon
            )
    except DomainError as refusal:
        return redirect(request, _HOME, Toast(sentence_of(refusal), tone="danger"), secure=web.secure)
    return _on(request, web, due, gettext("The points are yours"))


@router.get("/invoices/{invoice_id}")
async def invoice(request: Request, session: Read, person: Person, pages: Pages, invoice_id: UUID) -> Response:
    """One invoice: what it is for, what of it is tax, and how to pay it."""
    owner = api.person(person.person_id)
    found = await api.invoice(session, owner, invoice_id)
    wallet = await ledger.balance(session, wallet_of(owner, found.total.unit))
    titles = _titles(session)
    values = {
        "invoice": found,
        "title": titles.get(found.offer, found.offer),
        "states": STATES,
        "wallet": wallet.available,
        "request_key": uuid4(),
        "covers": not wallet.available < found.total,
        "ways": await _ways_to_keep(session, owner, found),
        "charging": await api.is_being_charged(session, found.id),
    }
    return pages.render_page(request, "billing/invoice.html", values)


@router.get("/invoices/{invoice_id}/receipt.pdf", dependencies=[Depends(rate_limit("30/minute"))])
async def receipt(house: TheHouse, person: Person, invoice_id: UUID) -> Response:
    """The receipt of a paid invoice, for its owner, and for who may see an organisation's money."""
    pdf = await api.receipt_pdf(house, invoice_id, person_id=person.person_id)
    return pdf_download(f"receipt-{invoice_id}", pdf)


@router.post("/invoices/{invoice_id}/wallet", dependencies=_POST)
async def pay_from_wallet(request: Request, session: Write, person: Person, web: TheWeb, invoice_id: UUID) -> Response:
    """Pay with money that is in the wallet."""
    await api.pay_from_wallet(session, api.person(person.person_id), invoice_id)
    said = Toast(gettext("Paid"), gettext("What it is for is yours."))
    return redirect(request, f"/billing/invoices/{invoice_id}", said, secure=web.secure)


@router.post("/invoices/{invoice_id}/pay", dependencies=_POST)
async def pay(request: Request, house: TheHouse, person: Person, invoice_id: UUID) -> Response:
    """On to the page that says how to pay."""
    form = await Form.read(request, Begun)
    if not form.is_valid:
        return redirect(request, f"/billing/invoices/{invoice_id}")  # the page has what the form lacked
    keep = form.data.keep
    how = api.How(
        locale=reader().language.tag,
        method=payments.Method(keep) if keep else None,
        keep_card=bool(keep),
    )
    key = f"page:{form.data.request_key}"
    order = await api.begin_payment(house, api.person(person.person_id), invoice_id, how, request_key=key)
    return redirect(request, payments.pay_path(house, order.id))


@router.post("/subscriptions/{subscription_id}/cancel", dependencies=_POST)
async def cancel(request: Request, session: Write, person: Person, web: TheWeb, subscription_id: UUID) -> Response:
    """End a plan with the time that is paid for."""
    view = await api.cancel(session, api.person(person.person_id), subscription_id)
    text = gettext("It goes on until the end of what is paid.") if view.ended_at is None else ""
    return redirect(request, _HOME, Toast(gettext("Cancelled"), text), secure=web.secure)


@router.post("/subscriptions/{subscription_id}/resume", dependencies=_POST)
async def resume(request: Request, session: Write, person: Person, web: TheWeb, subscription_id: UUID) -> Response:
    """Take a cancellation back."""
    await api.resume(session, api.person(person.person_id), subscription_id)
    return redirect(request, _HOME, Toast(gettext("Your plan goes on")), secure=web.secure)


@router.post("/subscriptions/{subscription_id}/change", dependencies=_POST)
async def change(request: Request, session: Write, person: Person, web: TheWeb, subscription_id: UUID) -> Response:
    """Change to another plan: its invoice is the next page where something is to be paid."""
    form = await Form.read(request, ChosenPlan)
    if not form.is_valid:
        return _choose_again(request, web)
    owner = api.person(person.person_id)
    _, due = await api.change_plan(session, owner, subscription_id, plan=form.data.plan, months=form.data.months)
    return _on(request, web, due, gettext("It changes with the next period"))


async def _home(session: ReadSession, person: Principal) -> dict[str, object]:
    owner, house = api.person(person.person_id), house_of(session)
    subscriptions = [one for one in await api.subscriptions_of(session, owner) if one.ended_at is None]
    account = api.points_of(owner)
    invoices, _ = await api.invoices_of(session, owner, limit=_LATEST, cursor=None)
    charges, _ = await api.charges(session, owner, limit=_LATEST, cursor=None)
    taken = {one.family for one in subscriptions}
    return {
        "subscriptions": subscriptions,
        "plans_now": {one.id: plan_of(session, one.plan, one.plan_version) for one in subscriptions},
        "plans": [plan for plan in api.plans(house) if plan.family not in taken],
        "others": {
            one.id: [plan for plan in api.plans(house) if plan.family == one.family and plan.code != one.plan]
            for one in subscriptions
        },
        "packages": api.packages(house),
        "cards": await payments.cards_of(session, owner.kind, owner.id),
        "renewed": any(payments.keeps_cards(house, one.currency) for one in subscriptions),
        "given_in": _given_in(house, subscriptions),
        "points": await ledger.lots_summary(session, account),
        "lots": [lot for lot in await ledger.lots_of(session, account, limit=50) if lot.remaining],
        "charges": charges,
        "invoices": invoices,
        "titles": _titles(session),
        "states": STATES,
        "months": MONTHS,
        "sources": SOURCES,
    }


async def _ways_to_keep(session: ReadSession, owner: api.Owner, invoice: api.InvoiceView) -> Sequence[payments.Method]:
    """How this invoice can be paid so that the next ones pay for themselves, where nothing is kept that can do so."""
    if invoice.subscription_id is None:
        return []
    kept = await payments.card_for(session, owner.kind, owner.id, invoice.price.unit)
    if kept and not kept.paused and (kept.greatest is None or not kept.greatest < invoice.price):
        return []
    return payments.ways_to_keep(house_of(session), invoice.price)


def _given_in(house: House, subscriptions: Sequence[api.SubscriptionView]) -> str | None:
    """A currency of one's plans for which a card can be given without a payment."""
    currencies = dict.fromkeys(one.currency for one in subscriptions)
    return next((one for one in currencies if payments.takes_cards(house, one)), None)


def _titles(session: ReadSession) -> Mapping[str, str]:
    house = house_of(session)
    offers: Sequence[api.Plan | api.PointsPackage] = [*api.plans(house), *api.packages(house)]
    return {offer.code: offer.title for offer in offers}


def _choose_again(request: Request, web: TheWeb) -> Response:
    said = Toast(gettext("Choose what is on offer here"), gettext("Nothing was begun."), tone="danger")
    return redirect(request, _HOME, said, secure=web.secure)


def _on(request: Request, web: TheWeb, due: api.InvoiceView | None, done: str) -> Response:
    """To the invoice that is to be paid; else home, with what was done."""
    if due and due.state == api.InvoiceState.OPEN:
        return redirect(request, f"/billing/invoices/{due.id}")
    return redirect(request, _HOME, Toast(done), secure=web.secure)
