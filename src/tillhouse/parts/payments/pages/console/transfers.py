"""Bank transfers: those that match nothing, placed by a person, released, or said to have been sent back."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field

from tillhouse.kernel.access import Principal, require
from tillhouse.kernel.db import JsonObject, ReadSession, Session
from tillhouse.kernel.errors import DomainError, FieldError, InvalidInput
from tillhouse.kernel.http import Read, TheHouse, Write
from tillhouse.kernel.money import Money
from tillhouse.kernel.text import N_
from tillhouse.kernel.web import formats
from tillhouse.kernel.web.deps import Pages, TheWeb
from tillhouse.kernel.web.filters import filter_of, valid
from tillhouse.kernel.web.forms import Form
from tillhouse.kernel.web.i18n import gettext
from tillhouse.kernel.web.toasts import Toast, redirect
from tillhouse.parts.identity import api as identity
from tillhouse.parts.payments import api
from tillhouse.parts.payments.domain.finding import OrderFilter, TransferFilter
from tillhouse.parts.payments.pages.console import words
from tillhouse.parts.payments.pages.console.common import (
    POSTED,
    ROOT,
    Effect,
    Find,
    NarrowForm,
    Question,
    Reader,
    confirm,
    csv_of,
    list_page,
    names_of,
    narrowed,
)
from tillhouse.parts.payments.service import finding
from tillhouse.parts.payments.service.finding import TransferFile
from tillhouse.parts.payments.service.own import refuse_own
from tillhouse.parts.payments.service.transfers import check_waits, send_back_transfer
from tillhouse.parts.payments.service.views import OrderView, TransferView

router = APIRouter()
Placer = Annotated[Principal, Depends(require("payments.place"))]
What = Literal["place", "release", "sent-back"]


class TransferForm(NarrowForm):
    """Which transfers."""

    state: Literal["placed", "waiting", "unplaced", "outgoing", "parked"] | None = None
    open_only: bool = False


class PlaceForm(BaseModel):
    """Which order a transfer is for (an id or a code of ours), or which outgoing transfer sent it back."""

    order: str | None = Field(default=None, max_length=100)
    by: UUID | None = None
    confirmed: Literal["yes"] | None = None


@router.get(f"{ROOT}/transfers")
async def transfers(request: Request, session: Read, pages: Pages, _reader: Reader) -> Response:
    """Transfers that fit, newest first."""
    form = filter_of(request, TransferForm)

    async def about(shown: Sequence[TransferView]) -> Mapping[str, object]:
        return {}

    return await list_page(request, session, pages, "transfers", form, find=_find(form), about=about)


@router.get(f"{ROOT}/transfers.csv")
async def transfers_csv(request: Request, house: TheHouse, _reader: Reader) -> Response:
    """The same, all of it, for a spreadsheet; without what their senders wrote."""
    form = filter_of(request, TransferForm)
    find = _find(form)
    valid(form)
    columns = ("transfer", "happened_at", "direction", "state", "amount", "placed", "currency", "provider",
               "provider_transfer_id", "bank_reference", "order", "reason")  # fmt: skip
    return csv_of("bank-transfers", columns, house.database, find, _cells)


@router.get(ROOT + "/transfers/{transfer_id}")
async def transfer(request: Request, session: Read, pages: Pages, me: Reader, transfer_id: UUID) -> Response:
    """One transfer: what its sender wrote, what it may be for, and saying so."""
    return await _page(request, session, pages, me, transfer_id)


@router.post(ROOT + "/transfers/{transfer_id}/{what}", dependencies=POSTED)
async def settle(
    request: Request, session: Write, pages: Pages, web: TheWeb, *, me: Placer, transfer_id: UUID, what: What
) -> Response:
    """Ask once more; then place the money, release it, or note that it was sent back."""
    form = await Form.read(request, PlaceForm, name=what)
    question: Question | None = None
    if not form.is_valid:
        return await _page(request, session, pages, me, transfer_id, sent=form)
    try:
        async with session.begin_nested():  # a refusal keeps nothing of what was begun
            await check_waits(session, transfer_id)
            question = await _do(session, me, transfer_id, what, form.data)
    except DomainError as refusal:
        if refusal.status == 404 and not (form.data.order or form.data.by):
            raise
        form.refuse(refusal)
        return await _page(request, session, pages, me, transfer_id, sent=form)
    if question:
        return confirm(request, pages, form, question)
    said = Toast(gettext("Done"), gettext("The money has left suspense."))
    if (await finding.transfer_file(session, transfer_id)).proposal:
        said = Toast(
            gettext("Written down"), gettext("It is large: it moves when a second person says the same."), "info"
        )
    return redirect(request, f"{ROOT}/transfers/{transfer_id}", said, secure=web.secure)


async def _do(session: Session, me: Principal, transfer_id: UUID, what: What, data: PlaceForm) -> Question | None:
    """What to ask once more; or, confirmed already, do it and ask nothing."""
    found = await finding.transfer_file(session, transfer_id)
    details: JsonObject = {"amount": str(found.transfer.amount), "currency": found.transfer.amount.unit}
    if what == "place":
        order = await _order(session, found, data.order)
        await refuse_own(session, me.person_id, order.owner_kind, order.owner_id)
        if not data.confirmed:
            return await _place_question(session, found, order)
        await api.place_transfer(session, transfer_id, order.id, by=me.person_id)
        details["order"] = str(order.id)
    elif what == "release":
        if not data.confirmed:
            return await _release_question(session, me, found)
        await api.release_transfer(session, transfer_id, by=me.person_id)
    else:
        by = next((one for one in found.sent_back_by if one.id == data.by), None)
        if by is None:
            sentence = N_("Choose the outgoing transfer that sent it back.")
            raise InvalidInput(sentence, errors=[FieldError("/by", "missing", sentence)])
        if not data.confirmed:
            return _sent_back_question(found, by)
        await send_back_transfer(session, transfer_id, by.id, by=me.person_id)
        details["by"] = str(by.id)
    await identity.audit(session, me, f"payments.transfer_{what.replace('-', '_')}", f"transfer:{transfer_id}", details)
    return None


async def _order(session: ReadSession, found: TransferFile, typed: str | None) -> OrderView:
    """The order that was meant, of the provider that told of the transfer. Raises `InvalidInput`."""
    wanted = OrderFilter(text=typed, provider=found.transfer.provider)
    orders = await finding.orders(session, wanted, limit=2) if typed else []
    if len(orders) != 1:
        sentence = N_("Write the id or the code of one order that is paid by transfer to this account.")
        raise InvalidInput(sentence, errors=[FieldError("/order", "unknown_order", sentence)])
    return orders[0]


async def _place_question(session: ReadSession, found: TransferFile, order: OrderView) -> Question:
    amount, here = found.transfer.amount, f"{ROOT}/transfers/{found.transfer.id}"
    name = (await names_of(session, [order.owner_id])).get(order.owner_id, gettext("a payer without an account"))
    if amount.unit != order.amount.unit:
        raise InvalidInput(
            N_("This order is in another currency than the transfer."),
            errors=[FieldError("/order", "foreign_currency", N_("This order is in another currency."))],
        )
    missing = Money(0, amount.unit) if order.paid_at else await api.missing(session, order.id)
    if found.transfer.order_id == order.id:
        missing += amount if not order.paid_at else Money(0, amount.unit)
    if order.paid_at:
        outcome = gettext("The order is paid already: all of it goes to the wallet of {name}.", name=name)
    elif amount < missing:
        outcome = gettext("It is less than the order costs: it waits in suspense for the rest.")
    else:
        outcome = gettext("The order is paid; what is over goes to the wallet of {name}.", name=name)
    return Question(
        title=gettext("Place {amount} with this order?", amount=formats.money(amount)),
        warning=gettext("Money that was placed is the payer's"),
        text=gettext("It cannot be taken back here: only by a refund or a correction that two people agree on."),
        effects=(
            Effect(gettext("Leaves suspense"), amount),
            Effect(gettext("Order"), code=order.provider_order_id or str(order.id)),
            Effect(gettext("Payer"), text=name),
            Effect(gettext("Missing of the order"), missing),
            Effect(gettext("Then"), text=outcome),
        ),
        action=f"{here}/place",
        back=here,
        submit=gettext("Place it"),
        keep=gettext("Do not"),
        crumb=(gettext("Bank transfers"), f"{ROOT}/transfers"),
        destructive=True,
    )


async def _release_question(session: ReadSession, me: Principal, found: TransferFile) -> Question:
    one, here = found.transfer, f"{ROOT}/transfers/{found.transfer.id}"
    if one.order_id is None:
        raise InvalidInput(N_("This transfer belongs to no order yet: say first which one it is for."))
    order = await api.order(session, one.order_id)
    await refuse_own(session, me.person_id, order.owner_kind, order.owner_id)
    name = (await names_of(session, [order.owner_id])).get(order.owner_id, gettext("a payer without an account"))
    return Question(
        title=gettext("Release {amount} to the payer's wallet?", amount=formats.money(one.amount)),
        warning=gettext("The order stays unpaid"),
        text=gettext("What was a part of its price is the payer's own again."),
        effects=(
            Effect(gettext("Leaves suspense"), one.amount),
            Effect(gettext("To the wallet of"), text=name),
            Effect(gettext("Order"), code=order.provider_order_id or str(order.id)),
        ),
        action=f"{here}/release",
        back=here,
        submit=gettext("Release it"),
        keep=gettext("Let it wait"),
        crumb=(gettext("Bank transfers"), f"{ROOT}/transfers"),
        destructive=True,
    )


def _sent_back_question(found: TransferFile, by: TransferView) -> Question:
    one, here = found.transfer, f"{ROOT}/transfers/{found.transfer.id}"
    return Question(
        title=gettext("Was {amount} sent back by this transfer?", amount=formats.money(one.amount)),
        warning=gettext("This only notes what the bank has done"),
        text=gettext("Nothing is paid out here. The outgoing line of the bank is explained by it, and both are ended."),
        effects=(
            Effect(gettext("Leaves suspense"), one.amount),
            Effect(gettext("Sent back by"), code=by.transfer_id),
            Effect(gettext("The bank's text"), text=by.content),
        ),
        action=f"{here}/sent-back",
        back=here,
        submit=gettext("It was sent back"),
        keep=gettext("Do not"),
        crumb=(gettext("Bank transfers"), f"{ROOT}/transfers"),
        destructive=True,
    )


async def _page(
    request: Request,
    session: ReadSession,
    pages: Pages,
    me: Principal,
    transfer_id: UUID,
    *,
    sent: Form[PlaceForm] | None = None,
) -> Response:
    found = await finding.transfer_file(session, transfer_id)
    said = found.proposal
    forms = {name: Form.blank(PlaceForm, name=name) for name in ("place", "release", "sent-back")}
    if sent:
        forms[sent.name] = sent
    context = {
        **words.WORDS,
        "file": found,
        "transfer": found.transfer,
        "waits": found.transfer.state in ("waiting", "unplaced"),
        "may_place": me.may("payments.place"),
        "names": await names_of(session, [*(one.owner_id for one in found.orders), said.by if said else None]),
        "said_by_me": said is not None and said.by == me.id,
        "forms": forms,
    }
    return pages.render_form(request, "payments/console/transfer.html", sent or forms["place"], context)


def _find(form: Form[TransferForm]) -> Find[TransferView]:
    wanted = narrowed(form, TransferFilter)

    async def find(session: ReadSession, limit: int, before: UUID | None) -> Sequence[TransferView]:
        return await finding.transfers(session, wanted, limit=limit, before=before)

    return find


def _cells(one: TransferView) -> Sequence[object]:
    return (one.id, one.happened_at.isoformat(), one.direction, one.state, one.amount, one.placed, one.amount.unit,
            one.provider, one.transfer_id, one.bank_reference, one.order_id or "", one.reason or "")  # fmt: skip
