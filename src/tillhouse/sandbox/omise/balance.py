"""`/balance` and `/transactions`: what is on the account and how it came there; and what things cost.

Real money becomes transferable days after a charge. Here it does at once, so that a payout can be tried.
"""

from typing import Literal

from fastapi import APIRouter, Depends

from tillhouse.sandbox.omise.access import Listing, OmiseRoute, listed, require_secret_key
from tillhouse.sandbox.omise.errors import not_found
from tillhouse.sandbox.omise.schemas import Account, Transaction, Wire, new_id
from tillhouse.sandbox.world import Here, World

router = APIRouter(dependencies=[Depends(require_secret_key)], route_class=OmiseRoute)

_ACCOUNT = "account_test_tillhouse"
FEE_RATE, VAT_RATE = "1.65", "7.0"


def fee_and_vat(amount: int) -> tuple[int, int]:
    """What Omise keeps of a charge, in satang: 1.65 % of it, and 7 % VAT on that fee; both rounded, halves up."""
    fee = (amount * 165 + 5_000) // 10_000
    return fee, (fee * 7 + 50) // 100


def account_of(world: World) -> Account:
    """The account."""
    opening = world.settings.omise_opening_balance
    return world.store.get(Account, _ACCOUNT) or Account(id=_ACCOUNT, created_at=world.clock.now_s(), amount=opening)


def set_balance(world: World, amount: int) -> Account:
    """Put `amount` satang on the account, whatever was there."""
    account = account_of(world).model_copy(update={"amount": amount})
    world.store.put(account)
    return account


def book(world: World, direction: Literal["credit", "debit"], amount: int, key: str, origin: str) -> Transaction:
    """Move the balance; the movement. Needs a transaction."""
    now = world.clock.now_s()
    transaction = Transaction(
        id=new_id("trxn"),
        created_at=now,
        amount=amount,
        direction=direction,
        key=key,
        origin=origin,
        transferable_at=now,
    )
    account = account_of(world)
    account.amount += amount if direction == "credit" else -amount
    world.store.put(account)
    world.store.put(transaction)
    return transaction


@router.get("/balance")
async def get_balance(world: Here) -> Wire:
    """What is on the account."""
    amount = account_of(world).amount
    return {
        "object": "balance",
        "location": "/balance",
        "livemode": False,
        "total": amount,
        "transferable": max(0, amount),
        "reserve": 0,
        "on_hold": 0,
        "currency": "THB",
    }


@router.get("/account")
async def get_account(world: Here) -> Wire:
    """Whose keys these are."""
    settings = world.settings
    return {
        "object": "account",
        "id": _ACCOUNT,
        "livemode": False,
        "location": "/account",
        "email": settings.merchant_email,
        "country": "TH",
        "currency": "THB",
        "api_version": "2019-05-29",
        "webhook_uri": settings.omise_webhook_url,
        "supported_currencies": ["THB"],
    }


@router.get("/transactions")
async def list_transactions(world: Here, query: Listing) -> Wire:
    """Every movement of the balance."""
    return listed(world, Transaction, query, "/transactions")


@router.get("/transactions/{transaction_id}")
async def get_transaction(world: Here, transaction_id: str) -> Wire:
    """One movement."""
    transaction = world.store.get(Transaction, transaction_id)
    if transaction is None:
        raise not_found("transaction", transaction_id)
    return transaction.wire()
