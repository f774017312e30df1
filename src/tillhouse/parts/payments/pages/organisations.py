"""An organisation's money, for its members: what there is, where it may go, paying it out, and what became of that."""

from collections.abc import Sequence
from datetime import date
from typing import Annotated, Literal
from urllib.parse import urlencode
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field
from starlette.datastructures import FormData

from tillhouse.kernel import clock
from tillhouse.kernel.access import Principal, require
from tillhouse.kernel.db import ReadSession, house_of
from tillhouse.kernel.errors import DomainError
from tillhouse.kernel.house import House
from tillhouse.kernel.http import Read, TheHouse, Write
from tillhouse.kernel.limits import rate_limit
from tillhouse.kernel.money import Money
from tillhouse.kernel.web import formats
from tillhouse.kernel.web.deps import FromOurPage, Pages, TheWeb
from tillhouse.kernel.web.downloads import pdf_download
from tillhouse.kernel.web.forms import Form, Option
from tillhouse.kernel.web.i18n import gettext, reader
from tillhouse.kernel.web.render import Templates
from tillhouse.kernel.web.sheets import csv_in_bites
from tillhouse.kernel.web.toasts import Toast, redirect
from tillhouse.parts.identity import api as identity
from tillhouse.parts.payments import api
from tillhouse.parts.payments.domain import NameMatch, PayeeState
from tillhouse.parts.payments.domain.payouts import HOLDS_MONEY
from tillhouse.parts.payments.pages.console.words import PAYOUT_STATES
from tillhouse.parts.payments.service.owners import ROOM
from tillhouse.parts.payments.service.registry import payout_provider_for
from tillhouse.parts.payments.service.views import PayeeView
from tillhouse.parts.wallets import api as wallets

router = APIRouter(prefix=ROOM)
Reader = Annotated[Principal, Depends(require("wallets.read"))]
Payer = Annotated[Principal, Depends(require("payments.pay"))]
Kind = Literal["vpa", "bank_account", "thai_bank_account"]

_POST = [FromOurPage, Depends(rate_limit("20/minute"))]
_PAPER = [Depends(rate_limit("30/minute"))]
_LATEST = 20


class WithdrawForm(BaseModel):
    """How much, and to which saved account. `request_key` makes sending the form twice one withdrawal."""

    amount: Annotated[str, Field(max_length=24)]
    currency: Annotated[str, Field(max_length=12)]
    payee: UUID
    request_key: UUID


class AccountForm(BaseModel):
    """An account to be saved; which fields are filled in follows from its kind."""

    vpa: Annotated[str, Field(max_length=320)] = ""
    name: Annotated[str, Field(max_length=120)] = ""
    account_number: Annotated[str, Field(max_length=60)] = ""
    ifsc: Annotated[str, Field(max_length=20)] = ""
    bank: Annotated[str, Field(max_length=20)] = ""


@router.get("/{organisation_id}")
async def show(request: Request, session: Read, pages: Pages, me: Reader, organisation_id: UUID) -> Response:
    """Its wallets, its accounts, what went out and what moved. For its owners, admins and accountants."""
    typed = Form.parse(FormData(request.query_params), WithdrawForm)
    kept = typed if typed.is_valid else None  # what was typed before its sender showed who they are
    return await _page(request, session, pages, me, organisation_id, withdrawal=kept)


@router.get("/{organisation_id}/withdrawals")
async def withdrawals(request: Request, session: Read, pages: Pages, me: Reader, organisation_id: UUID) -> Response:
    """What went out lately, or is on its way."""
    await _place(session, me, organisation_id)
    context = {"here": _here(organisation_id), **await _payouts(session, me, organisation_id)}
    return pages.render_fragment(request, "payments/_organisation_withdrawals.html", context)


@router.post("/{organisation_id}/withdraw", dependencies=_POST)
async def withdraw(
    request: Request, house: TheHouse, pages: Pages, web: TheWeb, *, me: Payer, organisation_id: UUID
) -> Response:
    """Set the money aside and send it on its way; above the limit for it, first ask for a code."""
    form = await Form.read(request, WithdrawForm)
    if form.is_valid:
        sent = form.data
        try:
            amount = Money.parse(formats.typed(sent.amount, sent.currency), sent.currency)
            await api.withdraw(
                house,
                me,
                amount,
                api.SavedPayee(sent.payee),
                request_key=f"page:{sent.request_key}",
                organisation_id=organisation_id,
            )
        except identity.StepUpRequired:
            back = f"{_here(organisation_id)}?{urlencode(sent.model_dump(mode='json'))}"
            return redirect(request, "/step-up?" + urlencode({"next": back}))
        except DomainError as refusal:
            if refusal.code == "forbidden":  # their role is not what it was: the page has no form for them
                raise
            form.refuse(refusal)
        else:
            said = Toast(
                gettext("The withdrawal is on its way"), gettext("The money is set aside until the bank answers.")
            )
            return redirect(request, _here(organisation_id), said, secure=web.secure)
    async with house.database.reading() as session:
        return await _page(request, session, pages, me, organisation_id, withdrawal=form)


@router.post("/{organisation_id}/payees/{kind}", dependencies=_POST)
async def add_payee(
    request: Request, session: Write, pages: Pages, web: TheWeb, *, me: Payer, organisation_id: UUID, kind: Kind
) -> Response:
    """Save an account of the organisation."""
    form = await Form.read(request, AccountForm, name=kind)
    if form.is_valid:
        try:
            async with session.begin_nested():  # a refusal keeps nothing of what was begun
                to = api.destination_from(kind, **form.data.model_dump())
                await api.add_payee(session, me, to, organisation_id=organisation_id)
        except DomainError as refusal:
            if refusal.code == "forbidden":
                raise
            _refuse(form, refusal)
        else:
            said = Toast(gettext("Saved."), gettext("The owners are told of it."))
            return redirect(request, _here(organisation_id), said, secure=web.secure)
    return await _page(request, session, pages, me, organisation_id, account=form)


@router.post("/{organisation_id}/payees/{payee_id}/remove", dependencies=_POST)
async def remove_payee(
    request: Request, session: Write, web: TheWeb, *, me: Payer, organisation_id: UUID, payee_id: UUID
) -> Response:
    """Take an account off the organisation's list."""
    await api.remove_payee(session, me, payee_id, organisation_id=organisation_id)
    return redirect(request, _here(organisation_id), Toast(gettext("Removed.")), secure=web.secure)


@router.get("/{organisation_id}/wallets/{wallet_id}/statement.pdf", dependencies=_PAPER)
async def statement(
    house: TheHouse, me: Reader, organisation_id: UUID, wallet_id: UUID, month: date | None = None
) -> Response:
    """A month of a wallet on paper, by the reader's clock; this month where none is named (any day of it)."""
    paper = await wallets.statement_pdf(
        house, me.person_id, wallet_id, month, reader(), organisation_id=organisation_id
    )
    return pdf_download(f"statement-{month or 'now'}", paper)


@router.get("/{organisation_id}/wallets/{wallet_id}/movements.csv", dependencies=_PAPER)
async def movements_csv(session: Read, house: TheHouse, me: Reader, organisation_id: UUID, wallet_id: UUID) -> Response:
    """Every movement of a wallet, for a spreadsheet, by the reader's clock."""
    wallet = await wallets.wallet_by_id(session, me.person_id, wallet_id, organisation_id)
    zone: ZoneInfo = reader().tz

    async def bite(fresh: ReadSession, before: int | None) -> tuple[Sequence[Sequence[object]], int | None]:
        wanted = wallets.MovementFilter()
        return await wallets.movement_rows(
            fresh,
            organisation_id,
            wallet.currency,
            wanted,
            owner_kind="organisation",
            before=before,
            zone=zone,
            say=gettext,
        )

    return csv_in_bites(f"wallet-{wallet.currency.lower()}", wallets.MOVEMENT_COLUMNS, house.database, bite)


async def _page(
    request: Request,
    session: ReadSession,
    pages: Templates,
    me: Principal,
    organisation_id: UUID,
    *,
    withdrawal: Form[WithdrawForm] | None = None,
    account: Form[AccountForm] | None = None,
) -> Response:
    mine = await _place(session, me, organisation_id)
    house, found = house_of(session), await wallets.wallets_of_organisation(session, organisation_id, me.person_id)
    payees, _ = await api.payees_of(session, me.person_id, organisation_id=organisation_id, limit=50)
    able = [payee for payee in payees if payee.state != PayeeState.REFUSED]
    form = withdrawal or Form.blank(
        WithdrawForm,
        request_key=uuid4(),
        currency=found[0].currency if found else None,
        payee=able[0].id if able else None,
    )
    context = {
        "here": _here(organisation_id),
        "mine": mine,
        "moves": mine.role in identity.MONEY_MOVERS,
        "wallets": found,
        "payees": [(payee, _told_of(house, payee)) for payee in payees],
        "payee_options": [Option(str(payee.id), payee.destination) for payee in able],
        "currencies": [Option(one.currency, formats.money(one.available)) for one in found],
        "accounts": _account_forms(house, account),
        "movements": await _movements(session, organisation_id, found),
        "withdrawal": form,
        **await _payouts(session, me, organisation_id),
    }
    if account:
        return pages.render_form(request, "payments/organisation.html", account, context)
    return pages.render_form(request, "payments/organisation.html", form, context)


async def _place(session: ReadSession, me: Principal, organisation_id: UUID) -> identity.Membership:
    return await identity.require_member(session, organisation_id, me.person_id, *identity.MONEY_READERS)


async def _payouts(session: ReadSession, me: Principal, organisation_id: UUID) -> dict[str, object]:
    """The latest payouts, who asked for them, and whether one is still on its way."""
    found, _ = await api.payouts_of(session, me.person_id, organisation_id=organisation_id, limit=_LATEST)
    return {
        "payouts": found,
        "payout_states": PAYOUT_STATES,
        "open": any(one.state in HOLDS_MONEY for one in found),
        "names": await identity.names(session, {one.requested_by for one in found if one.requested_by}),
    }


async def _movements(
    session: ReadSession, organisation_id: UUID, found: Sequence[wallets.Wallet]
) -> list[wallets.Movement]:
    """The latest movements of all its wallets, newest first."""
    every = [
        one
        for wallet in found
        for one in await wallets.movements(
            session, organisation_id, wallet.currency, owner_kind="organisation", limit=_LATEST
        )
    ]
    return sorted(every, key=lambda one: one.id, reverse=True)[:_LATEST]


def _account_forms(house: House, sent: Form[AccountForm] | None) -> dict[str, Form[AccountForm]]:
    """A form for each kind of account that somebody here pays out to."""
    kinds: Sequence[Kind] = ("vpa", "bank_account", "thai_bank_account")
    return {
        kind: sent if sent and sent.name == kind else Form.blank(AccountForm, name=kind)
        for kind in kinds
        if payout_provider_for(house, kind)
    }


def _told_of(house: House, payee: PayeeView) -> str:
    """What is known of a saved account, and until when only a small amount may go there."""
    if payee.state == PayeeState.VERIFIED and payee.registered_name:
        words = gettext("Verified as {name}", name=payee.registered_name)
        if payee.name_match == NameMatch.MISMATCH:
            words = gettext("Registered as {name}: we look at each withdrawal", name=payee.registered_name)
    else:
        words = gettext(payee.sentence)
    if payee.state == PayeeState.REFUSED or payee.usable_from <= clock.now():
        return words
    until = gettext("only small amounts until {when}", when=formats.moment(payee.usable_from))
    return f"{words} · {until}"


def _refuse(form: Form[AccountForm], refusal: DomainError) -> None:
    """Refusals of an account point below `/destination`; the form's fields carry the last part of that name."""
    fields = {wrong.pointer.rpartition("/")[2]: gettext(wrong.message) for wrong in refusal.errors}
    known = {name: text for name, text in fields.items() if name in AccountForm.model_fields}
    for name, text in known.items():
        form.refuse_field(name, text)
    if not known:
        form.refuse(refusal)


def _here(organisation_id: UUID) -> str:
    return f"{ROOM}/{organisation_id}"
