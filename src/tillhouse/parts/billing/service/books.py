"""How what is sold is booked.

sold        Dr wallet   Cr deferred:<subscriptions|points>, its tax Cr tax:<name>
earned      Dr deferred:…   Cr sales:…      (with time, or as points are spent or end)
given back  Dr deferred:…, Dr tax:<name>   Cr wallet

What was paid in advance is owed until it is earned. Accounts are locked in one order everywhere: the owner's wallet,
their points, rows of billing, then the house's accounts, `deferred` before `lots:issued`.
"""

from tillhouse.kernel.db import Session
from tillhouse.kernel.ids import new_id
from tillhouse.kernel.money import Money, register_unit
from tillhouse.kernel.text import N_
from tillhouse.parts.billing.domain import Owner
from tillhouse.parts.billing.models import InvoiceRow
from tillhouse.parts.ledger import api as ledger
from tillhouse.parts.wallets import api as wallets

POINTS = "PTS"
POINTS_CODE = "points"
GRANTED = "billing.points"
register_unit(POINTS, digits=0)

_WALLETS = ("person/wallet", "organisation/wallet")
_OWED = ("house/deferred:*", "house/tax:*")

ACCOUNT_KINDS = (
    ledger.AccountKind(
        owner_kind="house", code="deferred:*", number="2400", type="liability", floor=0, title=N_("Paid in advance")
    ),
    ledger.AccountKind(owner_kind="house", code="tax:*", number="2500", type="liability", title=N_("Tax to be paid")),
    ledger.AccountKind(owner_kind="house", code="sales:*", number="4100", type="income", title=N_("Sales")),
    ledger.AccountKind(
        owner_kind="person", code=POINTS_CODE, number="2410", type="liability", floor=0, lots=True, title=N_("Points")
    ),
    ledger.AccountKind(
        owner_kind="organisation",
        code=POINTS_CODE,
        number="2420",
        type="liability",
        floor=0,
        lots=True,
        title=N_("Points"),
    ),
)

TRANSACTION_KINDS = (
    ledger.TransactionKind(name="billing.sale", title=N_("Paid for a plan or points"), legs=(*_WALLETS, *_OWED)),
    ledger.TransactionKind(name="billing.given_back", title=N_("Unused part given back"), legs=(*_WALLETS, *_OWED)),
    ledger.TransactionKind(
        name="billing.earned",
        title=N_("Earned of what was paid in advance"),
        legs=("house/deferred:*", "house/sales:*"),
    ),
    ledger.TransactionKind(
        name=GRANTED, title=N_("Points"), legs=("house/lots:*", "person/points", "organisation/points")
    ),
)


def wallet_of(owner: Owner, unit: str) -> ledger.AccountRef:
    """The wallet that an owner pays from."""
    return ledger.AccountRef(owner.kind, owner.id, wallets.ACCOUNT_CODE, unit)


def points_of(owner: Owner, unit: str = POINTS) -> ledger.AccountRef:
    """The owner's points."""
    return ledger.AccountRef(owner.kind, owner.id, POINTS_CODE, unit)


async def lock_owner(session: Session, owner: Owner, currency: str) -> None:
    """Lock what an owner pays from and gets, in the order that all of billing keeps, before any row of billing."""
    await ledger.lock_accounts(session, [wallet_of(owner, currency)])
    await ledger.lock_accounts(session, [points_of(owner)])


def owner_of(invoice: InvoiceRow) -> Owner:
    """Whose an invoice is."""
    return Owner(invoice.owner_kind, invoice.owner_id)


async def book_sale(session: Session, invoice: InvoiceRow) -> int | None:
    """Take what an invoice asks for out of its owner's wallet; None: it asks for nothing.

    Raises `InsufficientFunds`.
    """
    if not invoice.total:
        return None
    legs = [ledger.debit(wallet_of(owner_of(invoice), invoice.currency), invoice.money)]
    if invoice.net:
        legs.append(ledger.credit(_deferred(invoice), invoice.net))
    if invoice.tax:
        legs.append(ledger.credit(_tax(invoice), Money(invoice.tax, invoice.currency)))
    posting = ledger.Posting(
        key=f"billing.sale:{invoice.id}",
        kind="billing.sale",
        legs=tuple(legs),
        metadata={"invoice": str(invoice.id), "offer": invoice.offer},
    )
    return (await ledger.post(session, posting)).id


async def book_earned(session: Session, invoice: InvoiceRow, amount: Money) -> None:
    """Book what was earned of an invoice; below zero: what was earned is owed again."""
    sales = ledger.house_account(f"sales:{_what(invoice)}", invoice.currency)
    whence, whither = (_deferred(invoice), sales) if amount.minor > 0 else (sales, _deferred(invoice))
    earned = amount if amount.minor > 0 else -amount
    posting = ledger.Posting(
        key=f"billing.earned:{invoice.id}:{new_id()}",
        kind="billing.earned",
        legs=(ledger.debit(whence, earned), ledger.credit(whither, earned)),
        metadata={"invoice": str(invoice.id)},
    )
    await ledger.post(session, posting)


async def book_given_back(session: Session, invoice: InvoiceRow, *, net: Money, tax: Money, key: str) -> None:
    """Put money of an invoice back into its owner's wallet."""
    legs = [ledger.credit(wallet_of(owner_of(invoice), invoice.currency), net + tax)]
    if net:
        legs.append(ledger.debit(_deferred(invoice), net))
    if tax:
        legs.append(ledger.debit(_tax(invoice), tax))
    posting = ledger.Posting(
        key=f"billing.given_back:{key}",
        kind="billing.given_back",
        legs=tuple(legs),
        metadata={"invoice": str(invoice.id)},
    )
    await ledger.post(session, posting)


def _deferred(invoice: InvoiceRow) -> ledger.AccountRef:
    return ledger.house_account(f"deferred:{_what(invoice)}", invoice.currency)


def _tax(invoice: InvoiceRow) -> ledger.AccountRef:
    return ledger.house_account(f"tax:{(invoice.tax_name or '').lower()}", invoice.currency)


def _what(invoice: InvoiceRow) -> str:
    return "subscriptions" if invoice.subscription_id else "points"
