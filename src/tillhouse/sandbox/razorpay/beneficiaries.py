"""RazorpayX: contacts and fund accounts. The same details twice give the same object."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from tillhouse.sandbox import ids
from tillhouse.sandbox.razorpay.access import require_key
from tillhouse.sandbox.razorpay.errors import no_such_id, payout_error
from tillhouse.sandbox.razorpay.schemas import ListQuery, Wire, collection
from tillhouse.sandbox.razorpay.x_schemas import (
    ActiveBody,
    BankAccount,
    Contact,
    ContactBody,
    ContactPatch,
    Destination,
    FundAccount,
    FundAccountBody,
    Vpa,
)
from tillhouse.sandbox.world import Here, World

router = APIRouter(prefix="/razorpay/v1", dependencies=[Depends(require_key)])


class FundAccountQuery(ListQuery):
    """Filters of the list of fund accounts."""

    contact_id: str | None = None


@router.post("/contacts")
async def create_contact(world: Here, body: ContactBody) -> Wire:
    """Make a contact, or find the one with these details."""
    return contact_for(world, body).wire()


@router.get("/contacts")
async def list_contacts(world: Here, query: Annotated[ListQuery, Query()]) -> Wire:
    """Contacts, newest first."""
    contacts = world.store.find(Contact, since=query.since, until=query.until, limit=query.count, skip=query.skip)
    return collection([contact.wire() for contact in contacts])


@router.get("/contacts/{contact_id}")
async def get_contact(world: Here, contact_id: str) -> Wire:
    """One contact."""
    return find_contact(world, contact_id).wire()


@router.patch("/contacts/{contact_id}")
async def patch_contact(world: Here, contact_id: str, body: ContactPatch) -> Wire:
    """Change a contact."""
    contact = find_contact(world, contact_id).model_copy(update=body.model_dump(exclude_unset=True))
    world.store.put(contact)
    return contact.wire()


@router.post("/fund_accounts")
async def create_fund_account(world: Here, body: FundAccountBody) -> Wire:
    """Make a fund account, or find the one with these details."""
    contact = find_contact(world, body.contact_id)
    return fund_account_for(world, contact, body).wire()


@router.get("/fund_accounts")
async def list_fund_accounts(world: Here, query: Annotated[FundAccountQuery, Query()]) -> Wire:
    """Fund accounts, newest first."""
    accounts = world.store.find(
        FundAccount,
        {"contact_id": query.contact_id},
        since=query.since,
        until=query.until,
        limit=query.count,
        skip=query.skip,
    )
    return collection([account.wire() for account in accounts])


@router.get("/fund_accounts/{fund_account_id}")
async def get_fund_account(world: Here, fund_account_id: str) -> Wire:
    """One fund account."""
    return find_fund_account(world, fund_account_id).wire()


@router.patch("/fund_accounts/{fund_account_id}")
async def patch_fund_account(world: Here, fund_account_id: str, body: ActiveBody) -> Wire:
    """Activate or deactivate: all that can be changed."""
    account = find_fund_account(world, fund_account_id)
    account.active = body.active
    world.store.put(account)
    return account.wire()


def find_contact(world: World, contact_id: str) -> Contact:
    """The contact.

    Raises:
        RazorpayError: there is none.
    """
    contact = world.store.get(Contact, contact_id)
    if contact is None:
        raise no_such_id()
    return contact


def find_fund_account(world: World, fund_account_id: str) -> FundAccount:
    """The fund account.

    Raises:
        RazorpayError: there is none.
    """
    account = world.store.get(FundAccount, fund_account_id)
    if account is None:
        raise no_such_id()
    return account


def contact_for(world: World, body: ContactBody) -> Contact:
    """The contact with exactly these details, made when there is none."""
    details = body.model_dump(exclude={"notes"})
    for known in world.store.find(Contact, {"name": body.name}, limit=10_000):
        if known.model_dump(include=set(details)) == details and known.notes == body.notes:
            return known
    contact = Contact(id=ids.razorpay_id("cont"), created_at=world.clock.now_s(), notes=body.notes, **details)
    world.store.put(contact)
    return contact


def fund_account_for(world: World, contact: Contact, where: Destination) -> FundAccount:
    """The contact's fund account with exactly these details, made when there is none.

    Raises:
        RazorpayError: the details of its type are missing.
    """
    account = FundAccount(
        id=ids.razorpay_id("fa"),
        created_at=world.clock.now_s(),
        contact_id=contact.id,
        account_type=where.account_type,
        bank_account=_bank_account(where),
        vpa=_vpa(where),
    )
    for known in world.store.find(FundAccount, {"contact_id": contact.id}, limit=10_000):
        if (known.bank_account, known.vpa) == (account.bank_account, account.vpa):
            return known
    world.store.put(account)
    return account


def _bank_account(where: Destination) -> BankAccount | None:
    if where.account_type != "bank_account":
        return None
    if where.bank_account is None:
        raise payout_error("The bank_account field is required.", "bank_account")
    bank_name = _BANK_NAMES.get(where.bank_account.ifsc[:4], "Bank")
    return BankAccount(**where.bank_account.model_dump(), bank_name=bank_name)


def _vpa(where: Destination) -> Vpa | None:
    if where.account_type != "vpa":
        return None
    if where.vpa is None:
        raise payout_error("The vpa field is required.", "vpa")
    username, _, handle = where.vpa.address.partition("@")
    return Vpa(username=username, handle=handle, address=where.vpa.address)


_BANK_NAMES = {
    "HDFC": "HDFC Bank",
    "ICIC": "ICICI Bank",
    "SBIN": "State Bank of India",
    "UTIB": "Axis Bank",
    "KKBK": "Kotak Mahindra Bank",
    "YESB": "Yes Bank",
}
