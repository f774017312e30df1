"""The card that pays for one's renewals: given at the gateway, seen, replaced, removed."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import BaseModel, Field

from tillhouse.kernel.access import Principal, require
from tillhouse.kernel.errors import DomainError, NotFound, TransientError
from tillhouse.kernel.http import TheHouse, Write
from tillhouse.kernel.limits import rate_limit
from tillhouse.kernel.text import N_
from tillhouse.kernel.web.deps import FromOurPage, Pages, TheWeb
from tillhouse.kernel.web.errors import sentence_of
from tillhouse.kernel.web.forms import Form
from tillhouse.kernel.web.i18n import gettext
from tillhouse.kernel.web.toasts import Toast, redirect
from tillhouse.parts.billing.flows import CARD_PATH
from tillhouse.parts.payments import api as payments

_HOME = "/billing/"

router = APIRouter(prefix="/billing/cards")
Person = Annotated[Principal, Depends(require("billing.own"))]


class CardFor(BaseModel):
    """What a card has to be able to pay."""

    currency: str = Field(pattern=r"^[A-Z]{3}$")


class GivenToken(CardFor):
    """What the payment company's script made of a card."""

    token: str = Field(min_length=1, max_length=200, pattern=r"^[A-Za-z0-9_]+$")


@router.post("", dependencies=[FromOurPage, Depends(rate_limit("10/minute"))])
async def give(request: Request, house: TheHouse, person: Person, web: TheWeb) -> Response:
    """On to the gateway's page: pressing the button under the sentence of consent is the consent."""
    form = await Form.read(request, CardFor)
    if not form.is_valid:
        return redirect(request, _HOME)
    owner = ("person", person.person_id)
    if payments.card_script(house, form.data.currency):
        return redirect(request, f"/billing/cards/new?currency={form.data.currency}")
    try:
        page = await payments.open_card_page(house, owner, return_path=CARD_PATH, currency=form.data.currency)
    except DomainError as refusal:
        return redirect(request, _HOME, Toast(sentence_of(refusal), tone="danger"), secure=web.secure)
    return RedirectResponse(page.url, 303)


@router.get("/new")
async def ask(request: Request, house: TheHouse, _person: Person, pages: Pages, currency: str) -> Response:
    """A form whose card the payment company's script turns into a token."""
    script = payments.card_script(house, currency)
    if script is None:
        raise NotFound(N_("No card can be kept here in this currency: renewals are paid by invoice."))
    return pages.render_page(request, "billing/card.html", {"script": script, "currency": currency})


@router.post("/token", dependencies=[FromOurPage, Depends(rate_limit("10/minute"))])
async def keep(request: Request, house: TheHouse, person: Person, web: TheWeb) -> Response:
    """Keep the card behind a token: pressing the button under the sentence of consent is the consent."""
    form = await Form.read(request, GivenToken)
    if not form.is_valid:
        return redirect(request, _HOME)
    owner = ("person", person.person_id)
    try:
        await payments.keep_token(house, owner, form.data.token, currency=form.data.currency)
    except TransientError:
        return _asking(request, web)
    except DomainError as refusal:
        return redirect(request, _HOME, Toast(sentence_of(refusal), tone="danger"), secure=web.secure)
    return _kept(request, web)


@router.get("/{card_id}/given", dependencies=[Depends(rate_limit("30/minute"))])
async def given(request: Request, house: TheHouse, person: Person, web: TheWeb, card_id: UUID) -> Response:
    """Back from the gateway: it is asked, whatever the address says."""
    try:
        await payments.check_card(house, card_id)
    except TransientError:
        return _asking(request, web)
    async with house.database.reading() as session:
        mine = await payments.cards_of(session, "person", person.person_id)
    if any(card.id == card_id for card in mine):
        return _kept(request, web)
    said = Toast(gettext("No card was given"), gettext("Nothing has changed."), tone="info")
    return redirect(request, _HOME, said, secure=web.secure)


@router.post("/{card_id}/remove", dependencies=[FromOurPage, Depends(rate_limit("30/minute"))])
async def remove(request: Request, session: Write, person: Person, web: TheWeb, card_id: UUID) -> Response:
    """Charge a card no more."""
    await payments.remove_card(session, ("person", person.person_id), card_id)
    said = Toast(gettext("Your card is removed"), gettext("Your plan goes on: each renewal is an invoice to pay."))
    return redirect(request, _HOME, said, secure=web.secure)


def _asking(request: Request, web: TheWeb) -> Response:
    said = Toast(gettext("We are asking for your card"), gettext("It stands here in a few minutes."), tone="info")
    return redirect(request, _HOME, said, secure=web.secure)


def _kept(request: Request, web: TheWeb) -> Response:
    said = Toast(gettext("Your card is kept"), gettext("It pays for your renewals from now on."))
    return redirect(request, _HOME, said, secure=web.secure)
