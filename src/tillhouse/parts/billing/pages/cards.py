"""The card that pays for one's renewals, or an organisation's: given at the gateway, seen, replaced, removed."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import BaseModel, Field

from tillhouse.kernel.access import Principal, require
from tillhouse.kernel.errors import DomainError, NotFound, TransientError
from tillhouse.kernel.http import Read, TheHouse, Write
from tillhouse.kernel.limits import rate_limit
from tillhouse.kernel.text import N_
from tillhouse.kernel.web.deps import FromOurPage, Pages, TheWeb
from tillhouse.kernel.web.errors import sentence_of
from tillhouse.kernel.web.forms import Form
from tillhouse.kernel.web.i18n import gettext
from tillhouse.kernel.web.toasts import Toast, redirect
from tillhouse.parts.billing.domain import Owner, page_of
from tillhouse.parts.billing.flows import CARD_PATH
from tillhouse.parts.billing.pages import whose
from tillhouse.parts.billing.service import owners
from tillhouse.parts.payments import api as payments

_HOME = whose.HOME

router = APIRouter(prefix="/billing/cards")
Person = Annotated[Principal, Depends(require("billing.own"))]


class CardFor(BaseModel):
    """What a card has to be able to pay."""

    currency: str = Field(pattern=r"^[A-Z]{3}$")


class GivenToken(CardFor):
    """What the payment company's script made of a card."""

    token: str = Field(min_length=1, max_length=200, pattern=r"^[A-Za-z0-9_]+$")


@router.post("", dependencies=[FromOurPage, Depends(rate_limit("10/minute"))])
async def give(
    request: Request, house: TheHouse, person: Person, web: TheWeb, organisation_id: UUID | None = None
) -> Response:
    """On to the gateway's page: pressing the button under the sentence of consent is the consent."""
    owner = await owners.usable_now(house, person, organisation_id)
    form = await Form.read(request, CardFor)
    if not form.is_valid:
        return redirect(request, page_of(owner, _HOME))
    if payments.card_script(house, form.data.currency):
        more = f"&organisation_id={owner.id}" if organisation_id else ""
        return redirect(request, f"/billing/cards/new?currency={form.data.currency}{more}")
    back, currency = page_of(owner, CARD_PATH), form.data.currency
    try:
        page = await payments.open_card_page(house, (owner.kind, owner.id), return_path=back, currency=currency)
    except DomainError as refusal:
        return _refused(request, web, owner, refusal)
    return RedirectResponse(page.url, 303)


@router.get("/new")
async def ask(
    request: Request,
    session: Read,
    house: TheHouse,
    person: Person,
    pages: Pages,
    *,
    currency: str,
    organisation_id: UUID | None = None,
) -> Response:
    """A form whose card the payment company's script turns into a token."""
    script = payments.card_script(house, currency)
    if script is None:
        raise NotFound(N_("No card can be kept here in this currency: renewals are paid by invoice."))
    _, about = await whose.shown(session, person, organisation_id)
    return pages.render_page(request, "billing/card.html", {**about, "script": script, "currency": currency})


@router.post("/token", dependencies=[FromOurPage, Depends(rate_limit("10/minute"))])
async def keep(
    request: Request, house: TheHouse, person: Person, web: TheWeb, organisation_id: UUID | None = None
) -> Response:
    """Keep the card behind a token: pressing the button under the sentence of consent is the consent."""
    owner = await owners.usable_now(house, person, organisation_id)
    form = await Form.read(request, GivenToken)
    if not form.is_valid:
        return redirect(request, page_of(owner, _HOME))
    try:
        await payments.keep_token(house, (owner.kind, owner.id), form.data.token, currency=form.data.currency)
    except TransientError:
        return _asking(request, web, owner)
    except DomainError as refusal:
        return _refused(request, web, owner, refusal)
    return _kept(request, web, owner)


@router.get("/{card_id}/given", dependencies=[Depends(rate_limit("30/minute"))])
async def given(
    request: Request,
    house: TheHouse,
    person: Person,
    web: TheWeb,
    *,
    card_id: UUID,
    organisation_id: UUID | None = None,
) -> Response:
    """Back from the gateway: it is asked, whatever the address says."""
    owner = await owners.usable_now(house, person, organisation_id)
    try:
        await payments.check_card(house, card_id)
    except TransientError:
        return _asking(request, web, owner)
    async with house.database.reading() as session:
        mine = await payments.cards_of(session, owner.kind, owner.id)
    if any(card.id == card_id for card in mine):
        return _kept(request, web, owner)
    said = Toast(gettext("No card was given"), gettext("Nothing has changed."), tone="info")
    return redirect(request, page_of(owner, _HOME), said, secure=web.secure)


@router.post("/{card_id}/remove", dependencies=[FromOurPage, Depends(rate_limit("30/minute"))])
async def remove(
    request: Request,
    session: Write,
    person: Person,
    web: TheWeb,
    *,
    card_id: UUID,
    organisation_id: UUID | None = None,
) -> Response:
    """Charge a card no more."""
    owner = await owners.usable(session, person, organisation_id)
    await payments.remove_card(session, (owner.kind, owner.id), card_id)
    said = Toast(gettext("Your card is removed"), gettext("Your plan goes on: each renewal is an invoice to pay."))
    return redirect(request, page_of(owner, _HOME), said, secure=web.secure)


def _asking(request: Request, web: TheWeb, owner: Owner) -> Response:
    said = Toast(gettext("We are asking for your card"), gettext("It stands here in a few minutes."), tone="info")
    return redirect(request, page_of(owner, _HOME), said, secure=web.secure)


def _kept(request: Request, web: TheWeb, owner: Owner) -> Response:
    said = Toast(gettext("Your card is kept"), gettext("It pays for your renewals from now on."))
    return redirect(request, page_of(owner, _HOME), said, secure=web.secure)


def _refused(request: Request, web: TheWeb, owner: Owner, refusal: DomainError) -> Response:
    said = Toast(sentence_of(refusal), tone="danger")
    return redirect(request, page_of(owner, _HOME), said, secure=web.secure)
