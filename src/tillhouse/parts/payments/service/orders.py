"""Orders for money: begun, tied to the gateway's, refused, expired, claimed."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import timedelta
from uuid import UUID

from tillhouse.kernel import clock
from tillhouse.kernel.db import ReadSession, Session, house_of
from tillhouse.kernel.errors import Conflict, FieldError, InvalidInput, NotFound
from tillhouse.kernel.house import House
from tillhouse.kernel.ids import new_id
from tillhouse.kernel.money import Money
from tillhouse.kernel.text import N_
from tillhouse.kernel.work import enqueue
from tillhouse.parts.identity import api as identity
from tillhouse.parts.ledger import api as ledger
from tillhouse.parts.payments import store
from tillhouse.parts.payments.domain import (
    Choice,
    Method,
    Offer,
    OrderState,
    choose,
    link_token,
    next_order_check,
    order_id_in,
    order_step,
)
from tillhouse.parts.payments.domain.cards import CardKind
from tillhouse.parts.payments.events import CapturePayment
from tillhouse.parts.payments.models import OrderRow, SavedCardRow
from tillhouse.parts.payments.ports import (
    Checkout,
    CheckoutForm,
    CheckoutQr,
    CheckoutRedirect,
    CheckoutScript,
    GatewayOrder,
    InstalledGateway,
    Refused,
)
from tillhouse.parts.payments.service.attention import count_deposit, order_moved
from tillhouse.parts.payments.service.books import wallet_of
from tillhouse.parts.payments.service.cards import begin_card, kept_by_paying
from tillhouse.parts.payments.service.registry import installed_gateway, purpose, settings_of
from tillhouse.parts.payments.service.returns import collect_debt
from tillhouse.parts.payments.service.transfers import partly_paid_too_late
from tillhouse.parts.payments.settings import PaymentsSettings
from tillhouse.parts.payments.store import cards as card_store

_FINAL = (OrderState.CAPTURED, OrderState.PARTIALLY_REFUNDED, OrderState.REFUNDED, OrderState.DISPUTED)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewOrder:
    """Someone wants to pay `amount` for `purpose`. The same owner and `request_key` mean the same order.

    `method` None lets the gateways' order of preference decide. `return_path` is a page of ours to go on to when it is
    paid; `email` gets the receipt and, for a payer without an account, may claim the order later. `keep_card`: its
    owner has agreed that what they pay with (`method` card or upi; None: a card) is kept for later charges, of up to
    `keep_up_to` each where their bank is told of that (None: of this amount). `card_id`: the saved card to be charged,
    for `charge_card` alone. `lasts` None: as long as the settings say.
    """

    owner_kind: str
    owner_id: UUID
    amount: Money
    purpose: str
    request_key: str
    reference: str | None = None
    method: Method | None = Method.CHECKOUT
    country: str | None = None
    bank: str | None = None
    token: str | None = None
    email: str | None = None
    locale: str | None = None
    return_path: str | None = None
    keep_card: bool = False
    keep_up_to: Money | None = None
    card_id: UUID | None = None
    lasts: timedelta | None = None
    id: UUID = field(default_factory=new_id)


class OverLimit(InvalidInput):
    """More, or less, than may be paid in or out at once."""

    code = "over_limit"


async def begin_order(session: Session, wish: NewOrder) -> OrderRow:
    """Write the wish down before the gateway is asked, or return what was written for the same key.

    Raises `InvalidInput` (unknown purpose, currency), `OverLimit`, and `Conflict` for another wish under the same key.
    """
    house, now = house_of(session), clock.now()
    if purpose(house, wish.purpose) is None:
        message = N_("This is not something that can be paid for here.")
        raise InvalidInput(message, errors=[FieldError("/purpose", "unknown_purpose", message)])
    card = await card_store.card_by_id(session, wish.card_id) if wish.card_id else None
    choice = _choice(session, wish, card)
    row = OrderRow(
        id=wish.id,
        owner_kind=wish.owner_kind,
        owner_id=wish.owner_id,
        request_key=wish.request_key,
        purpose=wish.purpose,
        purpose_reference=wish.reference,
        amount=wish.amount.minor,
        currency=wish.amount.unit,
        provider=choice.gateway,
        method=choice.offer.method,
        country=wish.country,
        return_path=wish.return_path,
        email=wish.email,
        locale=wish.locale,
        state=OrderState.CREATED,
        created_at=now,
        updated_at=now,
        expires_at=now + (wish.lasts or timedelta(minutes=settings_of(session).order_minutes)),
        saved_card_id=wish.card_id,
        next_check_at=next_order_check(now, now),
    )
    found = await store.insert_order(session, row)
    if found.id == wish.id:
        count_deposit(session, found.provider, OrderState.CREATED)
        if wish.keep_card:
            kind: CardKind = "upi" if found.method == Method.UPI else "card"
            await begin_card(session, found.owner_kind, found.owner_id, found.provider, kind=kind, order_id=found.id)
    elif (found.money, found.purpose, found.purpose_reference) != (wish.amount, wish.purpose, wish.reference):
        raise Conflict(N_("This request was made before with other details: start again."))
    return found


def check_limits(amount: Money, *, least: int, most: int) -> None:
    """Raise `OverLimit` unless `amount` is between the two, in minor units of its own currency."""
    if amount.minor < least:
        errors = [FieldError("/amount", "too_small", N_("This is less than the smallest amount."))]
        raise OverLimit(N_("The smallest amount is {least}."), errors=errors, least=Money(least, amount.unit))
    if amount.minor > most:
        errors = [FieldError("/amount", "too_large", N_("This is more than the largest amount."))]
        raise OverLimit(N_("The largest amount is {most}."), errors=errors, most=Money(most, amount.unit))


async def attach_order(session: Session, order_id: UUID, made: GatewayOrder) -> OrderRow:
    """Remember the gateway's id: from now on it can be paid. The first id stays when two were made."""
    order = await store.lock_order(session, order_id)
    assert order is not None
    if order.provider_order_id is None:
        order.provider_order_id = made.order_id
        if order.saved_card_id and (keeper := installed_gateway(house_of(session), order.provider).cards):
            order.expires_at = max(order.expires_at, order.created_at + keeper.answers_within)
        if made.checkout:
            order.checkout = house_of(session).vault.seal(json.dumps(asdict(made.checkout)))
        if order_step(OrderState(order.state), OrderState.PENDING):
            order.state, order.updated_at = OrderState.PENDING, clock.now()
        await session.flush()
    return order


def checkout_in(house: House, order: OrderRow) -> Checkout | None:
    """How the gateway wants the order paid; None when nothing more is asked of the payer."""
    if order.checkout is None:
        return None
    details = json.loads(house.vault.open(order.checkout))
    return _CHECKOUTS[details.pop("kind")](**details)


def pay_path(house: House, order_id: UUID) -> str:
    """The order's link within this house: whoever has it may see and pay the order."""
    return f"/pay/{link_token(house.settings.secret_key, order_id)}"


async def refuse_order(session: Session, order_id: UUID, refused: Refused) -> None:
    """The gateway would not make this order: it can never be paid."""
    order = await store.lock_order(session, order_id)
    assert order is not None
    if order.state == OrderState.CREATED:
        order.state, order.updated_at = OrderState.FAILED, clock.now()
        order.failure_code, order.failure_message = refused.reason, refused.description
        order.next_check_at = None
        order_moved(session, order)
        await session.flush()


async def after_check(session: Session, order_id: UUID) -> None:
    """The gateway was asked and what it told is settled: expire the order, plan a capture, plan the next time."""
    order = await store.lock_order(session, order_id)
    assert order is not None
    now, settings = clock.now(), settings_of(session)
    if order.expires_at <= now and order.state in (OrderState.CREATED, OrderState.PENDING):
        order.state, order.updated_at = OrderState.EXPIRED, now
        order_moved(session, order)
        await partly_paid_too_late(session, order)
    never = order.provider_order_id is None and order.state != OrderState.CREATED
    order.next_check_at = None if never or order.state in _FINAL else next_order_check(order.created_at, now)
    wait = settings.capture_after
    for payment in await store.payments_of_order(session, order.id):
        if payment.state == OrderState.AUTHORIZED and payment.updated_at + wait <= now:
            await enqueue(session, CapturePayment(payment_id=payment.id))
    await session.flush()


async def claim_order(session: Session, order_id: UUID, person_id: UUID) -> OrderRow:
    """Make an order of a payer without an account that of a person who has confirmed its e-mail address, with what is
    left of its money. Claiming one's own is harmless. Raises `NotFound` for everybody else.
    """
    order = await store.lock_order(session, order_id)
    if order is not None and (order.owner_kind, order.owner_id) == ("person", person_id):
        return order
    addresses = {found.address for found in await identity.contacts(session, person_id) if found.kind == "email"}
    if order is None or order.owner_kind != "order" or order.email not in addresses:
        raise NotFound(N_("There is no such payment."))
    await collect_debt(session, order.owner_kind, order.owner_id, order.currency, key=f"claim:{order.id}")
    theirs = wallet_of(order)
    order.owner_kind, order.owner_id, order.request_key = "person", person_id, f"claimed:{order.id}"
    left = (await ledger.balance(session, theirs)).available
    if left:
        posting = ledger.Posting(
            key=f"payments.claim:{order.id}",
            kind="payments.claim",
            legs=(ledger.debit(theirs, left), ledger.credit(wallet_of(order), left)),
            metadata={"order": str(order.id)},
        )
        await ledger.post(session, posting)
    await session.flush()
    return order


async def order_for(session: ReadSession, order_id: UUID, *, owner: tuple[str, UUID] | None) -> OrderRow:
    """The order; for an `owner` only their own. Raises `NotFound`."""
    order = await store.order_by_id(session, order_id)
    if order is None or (owner is not None and (order.owner_kind, order.owner_id) != owner):
        raise NotFound(N_("There is no such payment."))
    return order


def _choice(session: Session, wish: NewOrder, card: SavedCardRow | None) -> Choice:
    house, settings = house_of(session), settings_of(session)
    offered = offers_of(house)
    if card:
        keeper = installed_gateway(house, card.provider).cards
        # What may be charged to it at most, its holder has said: `flows.cards` refuses more, with that reason.
        offered = {card.provider: [replace(offer, most=None) for offer in keeper.keeps] if keeper else ()}
        wish = replace(wish, method=Method.UPI if card.kind == "upi" else Method.CARD)
    elif wish.keep_card:
        offered = kept_by_paying(house)
        wish = replace(wish, method=wish.method if wish.method == Method.UPI else Method.CARD)
    suits = choose(offered, currency=wish.amount.unit, country=wish.country, method=wish.method)
    if not suits:
        pointer = "/currency" if wish.method in (None, Method.CHECKOUT) else "/method"
        message = N_("This currency cannot be paid with here.") if pointer == "/currency" else _NO_SUCH_WAY
        code = "currency_not_taken" if pointer == "/currency" else "method_not_offered"
        raise InvalidInput(message, errors=[FieldError(pointer, code, message)])
    most_asked = max(wish.amount.minor, wish.keep_up_to.minor if wish.keep_up_to else 0)
    choice = next((one for one in suits if one.offer.takes(most_asked)), suits[0])
    least, most = settings.deposit_range(wish.amount.unit)
    offer = choice.offer
    check_limits(wish.amount, least=max(least, offer.least), most=most if offer.most is None else min(most, offer.most))
    return choice


def offers_of(house: House) -> Mapping[str, Sequence[Offer]]:
    """What each gateway of this house offers, in the order in which they are preferred."""
    settings = house.settings_of(PaymentsSettings)
    offered = {found.gateway.name: found.gateway.offers for found in house.provided(InstalledGateway)}
    preferred = settings.gateways or (settings.gateway, *offered)
    return {name: offered[name] for name in dict.fromkeys(preferred) if name in offered}


_NO_SUCH_WAY = N_("This way to pay is not offered here: choose another one.")
_CHECKOUTS: dict[str, Callable[..., Checkout]] = {
    "script": CheckoutScript,
    "form": CheckoutForm,
    "redirect": CheckoutRedirect,
    "qr": CheckoutQr,
}


async def order_in_link(session: ReadSession, token: str) -> OrderRow:
    """The order that a pay link is of. Raises `NotFound` for a link that is none of ours."""
    order_id = order_id_in(house_of(session).settings.secret_key, token)
    if order_id is None:
        raise NotFound(N_("There is no such payment."))
    return await order_for(session, order_id, owner=None)
