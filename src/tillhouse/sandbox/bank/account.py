"""`/_sandbox/bank`: the house's bank account, day by day. Its books are RazorpayX's: the account is one."""

from datetime import date
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from tillhouse.sandbox.bank.statements import FORMS, Entry, Format, Statement
from tillhouse.sandbox.razorpay.settling import seconds_of, today
from tillhouse.sandbox.razorpay.transactions import BankTransfer, Transaction, balance_of
from tillhouse.sandbox.rendering import answer
from tillhouse.sandbox.world import Here, World

router = APIRouter(prefix="/_sandbox/bank")

_EVERYTHING = 1_000_000
_Day = Annotated[date | None, Query(alias="date", description="Day in India; today's when left out.")]


@router.get("")
async def account(request: Request, world: Here, day: _Day = None) -> Response:
    """One day of the account, with the statements to download."""
    statement = statement_of(world, day or today(world))
    context = {
        "statement": statement,
        "day": statement.day.isoformat(),
        "balance": balance_of(world).amount,
        "forms": list(FORMS),
    }
    twin = {
        "account_number": statement.account,
        "date": statement.day,
        "opening": statement.opening,
        "closing": statement.closing,
        "items": statement.entries,
    }
    return answer(request, "bank.html", context, twin)


@router.get("/statement")
async def download(
    world: Here, day: _Day = None, form: Annotated[Format, Query(alias="format")] = "camt053"
) -> Response:
    """The statement of one day (`date`, India's) as `camt053`, `mt940` or `csv`."""
    statement = statement_of(world, day or today(world))
    chosen = FORMS[form]
    name = f"statement-{statement.account}-{statement.day}.{chosen.ending}"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return Response(chosen.write(statement), media_type=chosen.media_type, headers=headers)


def statement_of(world: World, day: date) -> Statement:
    """The account on one day: money and its fees in entries of their own."""
    start, end = seconds_of(day)
    now = balance_of(world)
    since = world.store.find(Transaction, since=start, limit=_EVERYTHING, oldest_first=True)
    opening = balance = now.amount - sum(t.credit - t.debit for t in since)
    entries: list[Entry] = []
    for transaction in since:
        if transaction.created_at < end:
            entries += _entries(transaction, balance)
            balance = transaction.balance
    return Statement(now.id, "INR", day, opening, tuple(entries))


def _entries(transaction: Transaction, before: int) -> list[Entry]:
    """A transaction as the bank books it: what was sent or came in, then the fee."""
    source, sign = transaction.source, 1 if transaction.credit else -1
    money = Entry(
        id=transaction.id,
        change=sign * transaction.amount,
        reference=transaction.bank_reference,
        text=transaction.narration,
        balance=before + sign * transaction.amount,
        code="TRF",
        is_return=transaction.credit > 0 and not isinstance(source, BankTransfer),
    )
    if not transaction.fees:
        return [money]
    fee = Entry(
        id=f"{transaction.id}-fee",
        change=sign * transaction.fees,
        reference=transaction.bank_reference,
        text=f"PAYOUT FEE INCL GST {source.id.replace('_', '-')} {transaction.bank_reference}",
        balance=money.balance + sign * transaction.fees,
        code="CHG",
        is_return=money.is_return,
    )
    return [money, fee]
