"""`/razorpay/v1/transactions` and `/banking_balances`: the RazorpayX account, which is the house's bank account here.

Every change of the balance is one transaction: payouts and their fees, what came back, settlements, validations.
"""

from typing import Annotated, ClassVar, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel

from tillhouse.sandbox import ids
from tillhouse.sandbox.razorpay import events
from tillhouse.sandbox.razorpay.access import require_key
from tillhouse.sandbox.razorpay.errors import no_such_id, payout_error
from tillhouse.sandbox.razorpay.schemas import Entity, ListQuery, Notes, Wire, collection
from tillhouse.sandbox.store import Record
from tillhouse.sandbox.world import Here, World

router = APIRouter(prefix="/razorpay/v1", dependencies=[Depends(require_key)])


class Balance(Record):
    """What is on the RazorpayX account, in paise. Its id is the account number."""

    kind: ClassVar[str] = "balance"

    amount: int


class BankTransfer(BaseModel):
    """Money that came from another bank account: Razorpay's settlements, and the owner's own."""

    id: str
    entity: Literal["bank_transfer"] = "bank_transfer"
    payer_name: str = "RAZORPAY SOFTWARE PVT LTD"
    payer_account: str = "7878780080316316"
    payer_ifsc: str = "RATN0VAAPIS"
    mode: Literal["NEFT", "IMPS"] = "NEFT"
    bank_reference: str
    amount: int


class PayoutSource(BaseModel):
    """The payout that took money (`payout`) or gave it back (`reversal`)."""

    id: str
    entity: Literal["payout", "reversal"]
    fund_account_id: str
    amount: int
    notes: Notes = {}
    fees: int
    tax: int
    status: str
    utr: str | None
    mode: str
    created_at: int
    fee_type: str | None = None


class ValidationSource(BaseModel):
    """The penny that tried an account, or came back from it."""

    id: str
    entity: Literal["fund_account.validation"] = "fund_account.validation"
    fund_account_id: str
    amount: int
    utr: str | None


class ExternalSource(BaseModel):
    """Money that the owner of the account took away by another door."""

    id: str
    entity: Literal["external"] = "external"
    amount: int
    utr: str


Source = BankTransfer | PayoutSource | ValidationSource | ExternalSource


class Transaction(Entity):
    """One change of the balance, in paise. `amount` is without the fees; `debit` and `credit` are with them."""

    kind: ClassVar[str] = "transaction"
    private: ClassVar[frozenset[str]] = frozenset({"fees", "bank_reference", "narration"})

    entity: Literal["transaction"] = "transaction"
    account_number: str
    amount: int
    currency: Literal["INR"] = "INR"
    credit: int
    debit: int
    balance: int
    source: Source
    fees: int = 0
    bank_reference: str
    narration: str


class TransactionQuery(ListQuery):
    """Filters of the statement; the account number is required."""

    account_number: str


@router.get("/banking_balances")
async def list_balances(
    world: Here, account_type: Literal["current_account", "fixed_deposit", "razorpayx_lite"] | None = None
) -> Wire:
    """What is on every account: there is one, of RazorpayX Lite."""
    if account_type not in {None, "razorpayx_lite"}:
        return collection([])
    balance = balance_of(world)
    document: Wire = {
        "entity": "banking_balance",
        "currency": "INR",
        "account_number": balance.id,
        "account_type": "razorpayx_lite",
        "bank_name": None,
        "bank_code": None,
        "amount": balance.amount,
        "available_amount": balance.amount,
        "refreshed_at": world.clock.now_s(),
    }
    return collection([document])


@router.get("/transactions")
async def list_transactions(world: Here, query: Annotated[TransactionQuery, Query()]) -> Wire:
    """The statement, newest first."""
    if query.account_number != world.settings.razorpayx_account_number:
        raise payout_error("The account_number does not belong to you.", "account_number")
    found = world.store.find(Transaction, since=query.since, until=query.until, limit=query.count, skip=query.skip)
    return collection([transaction.wire() for transaction in found])


@router.get("/transactions/{transaction_id}")
async def get_transaction(world: Here, transaction_id: str) -> Wire:
    """One transaction."""
    transaction = world.store.get(Transaction, transaction_id)
    if transaction is None:
        raise no_such_id()
    return transaction.wire()


def balance_of(world: World) -> Balance:
    """The account's balance."""
    number = world.settings.razorpayx_account_number
    opening = world.settings.razorpayx_opening_balance
    return world.store.get(Balance, number) or Balance(id=number, created_at=world.clock.now_s(), amount=opening)


def book(world: World, change: int, source: Source, *, fees: int = 0) -> None:
    """Add `change` paise (below zero: take) and book it; `fees` are a part of it. Needs a transaction."""
    balance = balance_of(world)
    balance.amount += change
    transaction = Transaction(
        id=ids.razorpay_id("txn"),
        created_at=world.clock.now_s(),
        account_number=balance.id,
        amount=abs(change) - fees,
        credit=max(0, change),
        debit=max(0, -change),
        balance=balance.amount,
        source=source,
        fees=fees,
        bank_reference=_reference(source),
        narration=_narration(source),
    )
    world.store.put(balance)
    world.store.put(transaction)
    events.emit_payout(world, "transaction.created", transaction)


def _reference(source: Source) -> str:
    if isinstance(source, BankTransfer):
        return source.bank_reference
    return source.utr or "NONREF"


def _narration(source: Source) -> str:
    """What the bank prints, in the letters that every statement format takes."""
    if isinstance(source, BankTransfer):
        return f"{source.mode} CR {source.payer_name} {source.bank_reference}"
    words = {"payout": "PAYOUT", "reversal": "PAYOUT RETURNED", "external": "TRANSFER"}
    kind = words.get(source.entity, "ACCOUNT VALIDATION")
    mode = f"{source.mode} " if isinstance(source, PayoutSource) else ""
    return f"{mode}{kind} {source.id.replace('_', '-')} {source.utr or ''}".strip()
