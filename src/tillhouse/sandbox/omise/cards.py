"""`/tokens` of the vault and `/customers`: cards for one use, and cards that are remembered."""

import hashlib
from typing import NamedTuple

from fastapi import APIRouter, Depends, Request, Response

from tillhouse.sandbox.omise.access import Listing, OmiseRoute, listed, read, require_public_key, require_secret_key
from tillhouse.sandbox.omise.errors import OmiseError, not_found
from tillhouse.sandbox.omise.schemas import Card, CardBody, Customer, CustomerBody, Token, TokenBody, Wire, new_id
from tillhouse.sandbox.omise.sources import READABLE_ANYWHERE
from tillhouse.sandbox.world import Here, World

router = APIRouter(route_class=OmiseRoute)


class CardTest(NamedTuple):
    """One of Omise's test cards; `refusal` is the failure code of those that never work."""

    brand: str
    refusal: str | None = None


TEST_CARDS = {
    "4242424242424242": CardTest("Visa"),
    "5555555555554444": CardTest("MasterCard"),
    "4111111111140011": CardTest("Visa", "insufficient_fund"),
    "4111111111130012": CardTest("Visa", "stolen_or_lost_card"),
    "4111111111120013": CardTest("Visa", "failed_processing"),
    "4111111111110014": CardTest("Visa", "payment_rejected"),
}


@router.options("/tokens")
@router.options("/sources")
async def preflight() -> Response:
    """Let Omise.js call from any shop's page."""
    headers = {
        READABLE_ANYWHERE: "*",
        "Access-Control-Allow-Headers": "Authorization, Content-Type, Omise-Version",
        "Access-Control-Allow-Methods": "POST",
    }
    return Response(status_code=204, headers=headers)


@router.post("/tokens", dependencies=[Depends(require_public_key)])
async def create_token(request: Request, response: Response, world: Here) -> Wire:
    """Turn a card into a token, as Omise.js does in the browser."""
    response.headers[READABLE_ANYWHERE] = "*"
    body = await read(request, TokenBody)
    with world.store.transaction():
        card = _card(world, body.card)
        token = Token(id=new_id("tokn"), created_at=world.clock.now_s(), card_id=card.id)
        world.store.put(token)
    return _token_wire(world, token)


@router.get("/tokens/{token_id}", dependencies=[Depends(require_public_key)])
async def get_token(world: Here, token_id: str) -> Wire:
    """One token."""
    token = world.store.get(Token, token_id)
    if token is None:
        raise not_found("token", token_id)
    return _token_wire(world, token)


@router.post("/customers", dependencies=[Depends(require_secret_key)])
async def create_customer(request: Request, world: Here) -> Wire:
    """Remember a payer, and the card behind a token."""
    body = await read(request, CustomerBody)
    customer = Customer(
        id=new_id("cust"),
        created_at=world.clock.now_s(),
        email=body.email,
        description=body.description,
        metadata=body.metadata or {},
    )
    with world.store.transaction():
        _attach(world, customer, body)
    return _customer_wire(world, customer)


@router.get("/customers", dependencies=[Depends(require_secret_key)])
async def list_customers(world: Here, query: Listing) -> Wire:
    """All customers."""
    return listed(world, Customer, query, "/customers", wire=lambda customer: _customer_wire(world, customer))


@router.get("/customers/{customer_id}", dependencies=[Depends(require_secret_key)])
async def get_customer(world: Here, customer_id: str) -> Wire:
    """One customer."""
    return _customer_wire(world, find_customer(world, customer_id))


@router.patch("/customers/{customer_id}", dependencies=[Depends(require_secret_key)])
async def patch_customer(request: Request, world: Here, customer_id: str) -> Wire:
    """Change a customer, or give them one more card."""
    body = await read(request, CustomerBody)
    changes = body.model_dump(exclude_none=True, exclude={"card", "default_card"})
    customer = find_customer(world, customer_id).model_copy(update=changes)
    with world.store.transaction():
        _attach(world, customer, body)
    return _customer_wire(world, customer)


@router.delete("/customers/{customer_id}", dependencies=[Depends(require_secret_key)])
async def delete_customer(world: Here, customer_id: str) -> Wire:
    """Forget a customer."""
    find_customer(world, customer_id)
    world.store.delete(Customer, customer_id)
    return {"object": "customer", "id": customer_id, "livemode": False, "deleted": True}


@router.get("/customers/{customer_id}/cards", dependencies=[Depends(require_secret_key)])
async def list_cards(world: Here, customer_id: str, query: Listing) -> Wire:
    """A customer's cards."""
    find_customer(world, customer_id)
    return listed(world, Card, query, f"/customers/{customer_id}/cards", where={"customer": customer_id})


def find_customer(world: World, customer_id: str) -> Customer:
    """The customer.

    Raises:
        OmiseError: there is none.
    """
    customer = world.store.get(Customer, customer_id)
    if customer is None:
        raise not_found("customer", customer_id)
    return customer


def take_token(world: World, token_id: str, charge_status: str = "unknown") -> Card:
    """Use a token up; the card behind it. Needs a transaction.

    Raises:
        OmiseError: there is no such token, or it was used before.
    """
    token = world.store.get(Token, token_id)
    if token is None:
        raise not_found("token", token_id)
    if token.used:
        raise OmiseError("used_token", "token was already used")
    token.used, token.charge_status = True, charge_status
    world.store.put(token)
    return _get_card(world, token.card_id)


def card_of(world: World, customer: Customer, card_id: str | None) -> Card:
    """A customer's card: the one named, or the default.

    Raises:
        OmiseError: there is none.
    """
    wanted = card_id or customer.default_card
    if wanted is None:
        raise OmiseError("missing_card", "customer has no card")
    card = world.store.get(Card, wanted)
    if card is None or card.customer != customer.id:
        raise not_found("card", wanted)
    return card


def _card(world: World, body: CardBody) -> Card:
    number = "".join(character for character in body.number if character.isdigit())
    if not 12 <= len(number) <= 19 or not _passes_luhn(number):
        raise OmiseError("invalid_card", "number is invalid")
    now = world.clock.now()
    if (body.expiration_year, body.expiration_month) < (now.year, now.month):
        raise OmiseError("invalid_card", "expiration date cannot be in the past")
    test = TEST_CARDS.get(number, CardTest("MasterCard" if number.startswith("5") else "Visa"))
    card = Card(
        id=new_id("card"),
        created_at=world.clock.now_s(),
        name=body.name,
        brand=test.brand,
        last_digits=number[-4:],
        city=body.city,
        postal_code=None if body.postal_code is None else str(body.postal_code),
        country=body.country or "us",
        expiration_month=body.expiration_month,
        expiration_year=body.expiration_year,
        fingerprint=hashlib.sha256(number.encode()).hexdigest()[:44],
        security_code_check=body.security_code is not None,
        refusal=test.refusal,
    )
    world.store.put(card)
    return card


def _passes_luhn(number: str) -> bool:
    doubled = [int(digit) * (2 if place % 2 else 1) for place, digit in enumerate(reversed(number))]
    return sum(digit - 9 if digit > 9 else digit for digit in doubled) % 10 == 0


def _attach(world: World, customer: Customer, body: CustomerBody) -> None:
    if body.default_card is not None:
        customer.default_card = card_of(world, customer, body.default_card).id
    if body.card is not None:
        card = take_token(world, body.card)
        card.customer = customer.id
        world.store.put(card)
        customer.default_card = customer.default_card or card.id
    world.store.put(customer)


def _get_card(world: World, card_id: str) -> Card:
    card = world.store.get(Card, card_id)
    if card is None:
        raise not_found("card", card_id)
    return card


def _token_wire(world: World, token: Token) -> Wire:
    return {**token.wire(), "card": _get_card(world, token.card_id).wire()}


def _customer_wire(world: World, customer: Customer) -> Wire:
    cards: list[Wire] = [card.wire() for card in world.store.find(Card, {"customer": customer.id}, oldest_first=True)]
    envelope: Wire = {
        "object": "list",
        "data": list(cards),
        "limit": 20,
        "offset": 0,
        "total": len(cards),
        "location": f"/customers/{customer.id}/cards",
        "order": "chronological",
    }
    return {**customer.wire(), "cards": envelope}
