"""`/sources` and `/capability`: ways to pay other than a card."""

from typing import Literal

from fastapi import APIRouter, Depends, Request, Response
from pydantic import JsonValue

from tillhouse.sandbox.omise.access import OmiseRoute, read, require_any_key, require_secret_key
from tillhouse.sandbox.omise.errors import OmiseError, bad_request, not_found
from tillhouse.sandbox.omise.schemas import Source, SourceBody, Wire, new_id
from tillhouse.sandbox.world import Here, World

router = APIRouter(route_class=OmiseRoute)

READABLE_ANYWHERE = "Access-Control-Allow-Origin"

# Whether the payer scans a code here or is sent to a bank. The names of the banks are the sandbox's own.
FLOWS: dict[str, Literal["offline", "redirect"]] = {
    "promptpay": "offline",
    "internet_banking_bay": "redirect",
    "internet_banking_bbl": "redirect",
    "mobile_banking_bay": "redirect",
    "mobile_banking_bbl": "redirect",
    "mobile_banking_kbank": "redirect",
    "mobile_banking_ktb": "redirect",
    "mobile_banking_scb": "redirect",
}
BANKS = {
    "bay": "Krungsri",
    "bbl": "Bangkok Bank",
    "kbank": "Kasikornbank",
    "ktb": "Krungthai Bank",
    "scb": "Siam Commercial Bank",
    "test": "Test Bank",
}


@router.post("/sources", dependencies=[Depends(require_any_key)])
async def create_source(request: Request, response: Response, world: Here) -> Wire:
    """Make a source, from a shop's page or from its server."""
    response.headers[READABLE_ANYWHERE] = "*"
    body = await read(request, SourceBody)
    if body.amount is None or body.currency is None:
        raise bad_request("amount is missing" if body.amount is None else "currency is missing")
    return make_source(world, body, body.amount, body.currency).wire()


@router.get("/sources/{source_id}", dependencies=[Depends(require_secret_key)])
async def get_source(world: Here, source_id: str) -> Wire:
    """One source."""
    return find_source(world, source_id).wire()


@router.get("/capability", dependencies=[Depends(require_any_key)])
async def get_capability(response: Response) -> Wire:
    """What the account can do."""
    response.headers[READABLE_ANYWHERE] = "*"
    methods: list[JsonValue] = [_method("card", ["JCB", "Visa", "MasterCard"]), *(_method(name) for name in FLOWS)]
    return {
        "object": "capability",
        "location": "/capability",
        "country": "TH",
        "banks": list(BANKS),
        "payment_methods": methods,
        "limits": {
            "charge_amount": {"min": MIN_CHARGE, "max": MAX_CHARGE},
            "transfer_amount": {"min": 3_000, "max": 50_000_000},
        },
        "zero_interest_installments": False,
    }


# UNCONFIRMED: pages disagree on the least (1 or 20 baht); 20 is chosen. The most by PromptPay is from two sources,
# the most by anything else is the sandbox's choice.
MIN_CHARGE, MAX_CHARGE, MAX_PROMPTPAY = 2_000, 100_000_000, 15_000_000


def make_source(world: World, body: SourceBody, amount: int, currency: str) -> Source:
    """A new source of this amount.

    Raises:
        OmiseError: the type or currency is not supported, or the amount is above the type's limit.
    """
    if body.type not in FLOWS:
        raise bad_request(f"source type {body.type} is not supported")
    if currency.upper() != "THB":
        raise bad_request("currency is not supported")
    if body.type == "promptpay" and amount > MAX_PROMPTPAY:
        raise OmiseError("invalid_charge", f"amount must be at most {MAX_PROMPTPAY} by PromptPay")
    source = Source(
        id=new_id("src"),
        created_at=world.clock.now_s(),
        type=body.type,
        flow=FLOWS[body.type],
        amount=amount,
        currency="THB",
        phone_number=body.phone_number,
        email=body.email,
        name=body.name,
    )
    world.store.put(source)
    return source


def find_source(world: World, source_id: str) -> Source:
    """The source.

    Raises:
        OmiseError: there is none.
    """
    source = world.store.get(Source, source_id)
    if source is None:
        raise not_found("source", source_id)
    return source


def bank_of(source_type: str) -> str:
    """The name of the bank behind a source's type."""
    return BANKS.get(source_type.rpartition("_")[2], "Your bank")


def _method(name: str, brands: list[str] | None = None) -> dict[str, JsonValue]:
    return {
        "object": "payment_method",
        "name": name,
        "currencies": ["THB"],
        "card_brands": list(brands) if brands else None,
        "installment_terms": None,
    }
