"""`/razorpay/v1/customers`: whom later payments are charged to."""

from typing import Annotated, ClassVar, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import Field

from tillhouse.sandbox import ids
from tillhouse.sandbox.razorpay.access import require_key
from tillhouse.sandbox.razorpay.errors import RazorpayError, no_such_id
from tillhouse.sandbox.razorpay.schemas import Body, Entity, ListQuery, Notes, Wire, collection
from tillhouse.sandbox.world import Here, World

router = APIRouter(prefix="/razorpay/v1/customers", dependencies=[Depends(require_key)])


class Customer(Entity):
    """Someone who may be charged again."""

    kind: ClassVar[str] = "customer"

    entity: Literal["customer"] = "customer"
    name: str
    email: str | None = None
    contact: str | None = None
    gstin: str | None = None
    notes: Notes = {}


class CustomerPatch(Body):
    """Body of `PUT /customers/{id}`."""

    name: str | None = Field(None, min_length=3, max_length=50)
    email: str | None = Field(None, max_length=64)
    contact: str | int | None = None
    gstin: str | None = None
    notes: Notes | None = None


class CustomerBody(CustomerPatch):
    """Body of `POST /customers`. `fail_existing` "0": the one with the same e-mail address and number is answered."""

    name: str = Field(min_length=3, max_length=50)
    fail_existing: Literal["0", "1", 0, 1] = "1"


@router.post("")
async def create_customer(world: Here, body: CustomerBody) -> Wire:
    """Make a customer. Who has neither an address nor a number is like nobody else."""
    contact = str(body.contact) if body.contact is not None else None
    for known in world.store.find(Customer, limit=100_000) if body.email or contact else ():
        if (known.email, known.contact) == (body.email, contact):
            if str(body.fail_existing) == "0":
                return known.wire()
            raise RazorpayError("Customer already exists for the merchant")
    customer = Customer(
        id=ids.razorpay_id("cust"),
        created_at=world.clock.now_s(),
        name=body.name,
        email=body.email,
        contact=contact,
        gstin=body.gstin,
        notes=body.notes or {},
    )
    world.store.put(customer)
    return customer.wire()


@router.get("")
async def list_customers(world: Here, query: Annotated[ListQuery, Query()]) -> Wire:
    """Customers, newest first."""
    found = world.store.find(Customer, since=query.since, until=query.until, limit=query.count, skip=query.skip)
    return collection([customer.wire() for customer in found])


@router.get("/{customer_id}")
async def get_customer(world: Here, customer_id: str) -> Wire:
    """One customer."""
    return find_customer(world, customer_id).wire()


@router.put("/{customer_id}")
async def edit_customer(world: Here, customer_id: str, body: CustomerPatch) -> Wire:
    """Change a customer."""
    change = body.model_dump(exclude_unset=True)
    if body.contact is not None:
        change["contact"] = str(body.contact)
    customer = find_customer(world, customer_id).model_copy(update=change)
    world.store.put(customer)
    return customer.wire()


def find_customer(world: World, customer_id: str) -> Customer:
    """The customer.

    Raises:
        RazorpayError: there is none.
    """
    customer = world.store.get(Customer, customer_id)
    if customer is None:
        raise no_such_id()
    return customer
