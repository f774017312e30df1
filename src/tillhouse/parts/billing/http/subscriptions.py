"""Plans, subscriptions and invoices of the caller."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from fastapi.responses import Response

from tillhouse.kernel.access import Principal, open_to_all, require
from tillhouse.kernel.http import Read, TheHouse, Write
from tillhouse.kernel.idempotency import IdempotentRoute, RequiredKey
from tillhouse.kernel.limits import rate_limit
from tillhouse.kernel.paging import MAX_PAGE, Page
from tillhouse.kernel.web.downloads import PDF_ANSWER, pdf_download
from tillhouse.kernel.web.i18n import reader
from tillhouse.parts.billing import api, schemas
from tillhouse.parts.billing.flows import CARD_PATH
from tillhouse.parts.billing.http.shapes import invoice_out, plan_out, subscription_out
from tillhouse.parts.payments import api as payments

Subscriber = Annotated[Principal, Depends(require("billing.own"))]

router = APIRouter(prefix="/subscriptions", route_class=IdempotentRoute)


@router.get("/plans", dependencies=[Depends(open_to_all("prices are public")), Depends(rate_limit("120/minute"))])
async def list_plans(house: TheHouse) -> list[schemas.PlanOut]:
    """The plans on offer."""
    return [plan_out(plan) for plan in api.plans(house)]


@router.get("/mine")
async def list_mine(session: Read, subscriber: Subscriber) -> list[schemas.SubscriptionOut]:
    """One's own subscriptions, newest first."""
    found = await api.subscriptions_of(session, api.person(subscriber.person_id))
    return [subscription_out(one) for one in found]


@router.post("", status_code=201, dependencies=[Depends(rate_limit("20/minute"))])
async def subscribe(
    session: Write, subscriber: Subscriber, key: RequiredKey, body: schemas.SubscriptionIn
) -> schemas.SubscriptionOut:
    """Begin a plan. It starts when its invoice is paid, or at once with a trial."""
    view, due = await api.subscribe(
        session,
        api.person(subscriber.person_id),
        plan=body.plan,
        currency=body.currency,
        months=body.months,
        zone=subscriber.zone,
        coupon=body.coupon,
        pays_from_wallet=body.pays_from_wallet,
    )
    return subscription_out(view, due)


@router.post("/activate", dependencies=[Depends(rate_limit("60/minute"))])
async def activate(session: Write, subscriber: Subscriber, body: schemas.ActivateIn) -> schemas.InvoiceOut:
    """Have an invoice paid from the wallet, where its money waits, if it is not paid: repeating it changes nothing."""
    return invoice_out(await api.pay_from_wallet(session, api.person(subscriber.person_id), body.invoice_id))


@router.get("/invoices")
async def list_invoices(
    session: Read,
    subscriber: Subscriber,
    *,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 50,
) -> Page[schemas.InvoiceOut]:
    """One's own invoices, newest first."""
    owner = api.person(subscriber.person_id)
    found, next_cursor = await api.invoices_of(session, owner, limit=limit, cursor=cursor)
    return Page(items=[invoice_out(one) for one in found], next_cursor=next_cursor)


@router.get("/invoices/{invoice_id}")
async def get_invoice(session: Read, subscriber: Subscriber, invoice_id: UUID) -> schemas.InvoiceOut:
    """One of one's own invoices."""
    return invoice_out(await api.invoice(session, api.person(subscriber.person_id), invoice_id))


@router.get(
    "/invoices/{invoice_id}/receipt.pdf",
    dependencies=[Depends(rate_limit("30/minute"))],
    response_class=Response,
    responses=PDF_ANSWER,
)
async def receipt_pdf(house: TheHouse, subscriber: Subscriber, invoice_id: UUID) -> Response:
    """The receipt of a paid invoice as PDF, in the reader's language: one's own, or one's organisation's."""
    pdf = await api.receipt_pdf(house, invoice_id, person_id=subscriber.person_id)
    return pdf_download(f"receipt-{invoice_id}", pdf)


@router.post("/invoices/{invoice_id}/pay", dependencies=[Depends(rate_limit("30/minute"))])
async def pay(
    house: TheHouse, subscriber: Subscriber, key: RequiredKey, invoice_id: UUID, body: schemas.PayIn
) -> schemas.PayOut:
    """Pay an invoice from the wallet, or begin to pay it at a gateway: the answer says where."""
    owner = api.person(subscriber.person_id)
    if body.from_wallet:
        async with house.database.transaction() as session:
            paid = await api.pay_from_wallet(session, owner, invoice_id)
        return schemas.PayOut(invoice=invoice_out(paid), order_id=None, pay_url=None)
    how = api.How(
        method=body.method,
        country=body.country,
        bank=body.bank,
        token=body.token,
        locale=reader().language.tag,
        keep_card=body.keep_card,
    )
    order = await api.begin_payment(house, owner, invoice_id, how, request_key=str(key))
    async with house.database.reading() as session:
        view = await api.invoice(session, owner, invoice_id)
    pay_url = house.settings.address(payments.pay_path(house, order.id))
    return schemas.PayOut(invoice=invoice_out(view), order_id=order.id, pay_url=pay_url)


@router.post("/card", status_code=201, dependencies=[Depends(rate_limit("10/minute"))])
async def give_card(
    house: TheHouse, subscriber: Subscriber, key: RequiredKey, body: schemas.CardPageIn
) -> schemas.CardPageOut:
    """A page on which one gives a card: giving it is one's consent that it is charged for each renewal until it is
    removed. Cards are seen and removed at `/payments/cards`.
    """
    page = await payments.open_card_page(
        house, ("person", subscriber.person_id), return_path=CARD_PATH, currency=body.currency
    )
    return schemas.CardPageOut(id=page.card_id, url=page.url)


@router.post("/card/token", status_code=201, dependencies=[Depends(rate_limit("10/minute"))])
async def keep_card(
    house: TheHouse, subscriber: Subscriber, key: RequiredKey, body: schemas.CardTokenIn
) -> schemas.CardKeptOut:
    """Keep a card by a gateway's token of it, for gateways without a page of their own. Sending it is one's consent."""
    card = await payments.keep_token(house, ("person", subscriber.person_id), body.token, currency=body.currency)
    return schemas.CardKeptOut(id=card.id, brand=card.brand, last4=card.last4)


@router.get("/{subscription_id}")
async def get_subscription(session: Read, subscriber: Subscriber, subscription_id: UUID) -> schemas.SubscriptionOut:
    """One of one's own subscriptions."""
    return subscription_out(await api.subscription(session, api.person(subscriber.person_id), subscription_id))


@router.post("/{subscription_id}/change", dependencies=[Depends(rate_limit("20/minute"))])
async def change(
    session: Write, subscriber: Subscriber, key: RequiredKey, subscription_id: UUID, body: schemas.ChangeIn
) -> schemas.SubscriptionOut:
    """Change to another plan: upwards once the difference is paid, downwards from the next period on."""
    owner = api.person(subscriber.person_id)
    view, due = await api.change_plan(session, owner, subscription_id, plan=body.plan, months=body.months)
    return subscription_out(view, due)


@router.post("/{subscription_id}/cancel", dependencies=[Depends(rate_limit("20/minute"))])
async def cancel(
    session: Write, subscriber: Subscriber, subscription_id: UUID, body: schemas.CancelIn
) -> schemas.SubscriptionOut:
    """End a subscription with the time that is paid for, or at once."""
    owner = api.person(subscriber.person_id)
    return subscription_out(await api.cancel(session, owner, subscription_id, at_once=body.at_once))


@router.post("/{subscription_id}/resume", dependencies=[Depends(rate_limit("20/minute"))])
async def resume(session: Write, subscriber: Subscriber, subscription_id: UUID) -> schemas.SubscriptionOut:
    """Take a cancellation back before it took effect."""
    return subscription_out(await api.resume(session, api.person(subscriber.person_id), subscription_id))
