"""`/v1/customers`, as far as paying needs it."""

from typing import Annotated, ClassVar, Literal

from fastapi import APIRouter, Depends
from pydantic import JsonValue

from tillhouse.sandbox import ids
from tillhouse.sandbox.stripe.calls import PREFIX, Calling, StripeRoute
from tillhouse.sandbox.stripe.events import emit
from tillhouse.sandbox.stripe.forms import params
from tillhouse.sandbox.stripe.listing import expandable, find, listed, searched, shown
from tillhouse.sandbox.stripe.payment_schemas import PaymentMethod
from tillhouse.sandbox.stripe.schemas import Entity, ListQuery, Metadata, Params, SearchQuery, Wire, merged

router = APIRouter(prefix=f"{PREFIX}/v1/customers", route_class=StripeRoute)


class Customer(Entity):
    """Someone who pays more than once."""

    kind: ClassVar[str] = "stripe_customer"
    noun: ClassVar[str] = "customer"

    object: Literal["customer"] = "customer"
    address: dict[str, JsonValue] | None = None
    balance: int = 0
    currency: None = None
    default_source: None = None
    delinquent: bool = False
    description: str | None = None
    discount: None = None
    email: str | None = None
    invoice_prefix: str
    livemode: Literal[False] = False
    name: str | None = None
    phone: str | None = None
    preferred_locales: list[str] = []
    shipping: dict[str, JsonValue] | None = None
    tax_exempt: Literal["none"] = "none"


class CustomerBody(Params):
    """Body of `POST /customers` and of updates."""

    address: dict[str, JsonValue] | None = None
    description: str | None = None
    email: str | None = None
    metadata: Metadata = {}
    name: str | None = None
    phone: str | None = None
    preferred_locales: list[str] = []
    shipping: dict[str, JsonValue] | None = None


class CustomerQuery(ListQuery):
    """Filters of the list of customers."""

    email: str | None = None


expandable("cus", Customer)


@router.post("")
async def create_customer(call: Calling, body: Annotated[CustomerBody, Depends(params(CustomerBody))]) -> Wire:
    """Make a customer."""
    customer = Customer(
        id=ids.stripe_id("cus"),
        created_at=call.world.clock.now_s(),
        account=call.account,
        invoice_prefix=ids.token(8).upper(),
        **body.model_dump(exclude={"expand"}),
    )
    with call.world.store.transaction():
        call.world.store.put(customer)
        emit(call.world, "customer.created", customer)
    return shown(call, customer, body)


@router.get("")
async def list_customers(call: Calling, query: Annotated[CustomerQuery, Depends(params(CustomerQuery))]) -> Wire:
    """Customers, newest first."""
    return listed(call, Customer, query, {"email": query.email}, "/v1/customers")


@router.get("/search")
async def search_customers(call: Calling, query: Annotated[SearchQuery, Depends(params(SearchQuery))]) -> Wire:
    """Customers by e-mail, metadata and so on."""
    return searched(call, Customer, query, "/v1/customers/search")


@router.get("/{customer_id}")
async def get_customer(call: Calling, customer_id: str, query: Annotated[Params, Depends(params(Params))]) -> Wire:
    """One customer."""
    return shown(call, find(call.world, Customer, customer_id, call.account), query)


@router.post("/{customer_id}")
async def update_customer(
    call: Calling, customer_id: str, body: Annotated[CustomerBody, Depends(params(CustomerBody))]
) -> Wire:
    """Change a customer."""
    old = find(call.world, Customer, customer_id, call.account)
    change = body.model_dump(exclude_unset=True, exclude={"expand"})
    change["metadata"] = merged(old.metadata, body.metadata)
    customer = old.model_copy(update=change)
    with call.world.store.transaction():
        call.world.store.put(customer)
        emit(call.world, "customer.updated", customer)
    return shown(call, customer, body)


@router.delete("/{customer_id}")
async def delete_customer(call: Calling, customer_id: str) -> Wire:
    """Delete a customer, and forget what they pay with; payments stay."""
    customer = find(call.world, Customer, customer_id, call.account)
    with call.world.store.transaction():
        for method in call.world.store.find(PaymentMethod, {"customer": customer.id}):
            method.customer, method.set_up, method.used_up = None, False, True
            call.world.store.put(method)
        call.world.store.delete(Customer, customer.id)
        emit(call.world, "customer.deleted", customer)
    return {"id": customer.id, "object": "customer", "deleted": True}
