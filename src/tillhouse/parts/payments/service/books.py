"""How money that comes in and goes out is booked: the accounts, the kinds of transactions, and what posts them.

captured    Dr clearing:<gateway>   Cr wallet
settled     see `reconciliation.books`
paid out    Dr wallet   Cr payouts:<provider>      (by capturing the hold)
reversed    the mirror image
refunded    Dr wallet   Cr clearing:<gateway>      (by capturing the hold; sent back by the bank: the mirror image)
paid after all  Dr wallet   Cr payouts:<provider>      (its money had been freed: what the wallet lacks is advanced)
charged back    Dr wallet   Cr clearing:<gateway>, its fee Dr fees:<gateway>   Cr clearing:<gateway>
advanced    Dr receivable   Cr wallet, what the wallet lacks for one of these; paid back: Dr wallet   Cr receivable
transferred     Dr clearing:<provider>   Cr suspense:transfers, then Dr suspense:transfers   Cr wallet
sent back       Dr suspense:transfers   Cr clearing:<provider>, when the bank tells of the transfer that did it

"Wallet" is the person's, or, for a payer without an account, that of the order.
"""

from uuid import UUID

from tillhouse.kernel.db import JsonObject, Session
from tillhouse.kernel.text import N_
from tillhouse.parts.ledger import api as ledger
from tillhouse.parts.payments.domain import PaymentFacts
from tillhouse.parts.payments.models import OrderRow, PayoutRow
from tillhouse.parts.payments.service.attention import look_into
from tillhouse.parts.wallets import api as wallets

_WALLETS = ("person/wallet", "organisation/wallet", "order/wallet")
_DEBTS = ("person/receivable", "organisation/receivable", "order/receivable")

ACCOUNT_KINDS = (
    ledger.AccountKind(
        owner_kind="house", code="clearing:*", number="1200", type="asset", title=N_("With the gateway")
    ),
    ledger.AccountKind(
        owner_kind="house", code="payouts:*", number="2300", type="liability", title=N_("Payouts to be debited")
    ),
    ledger.AccountKind(owner_kind="house", code="fees:*", number="5100", type="expense", title=N_("Fees of gateways")),
    ledger.AccountKind(owner_kind="house", code="bank", number="1100", type="asset", title=N_("Bank")),
    ledger.AccountKind(
        owner_kind="house",
        code="suspense:payments",
        number="2900",
        type="liability",
        title=N_("Received, not yet placed"),
    ),
    ledger.AccountKind(
        owner_kind="house",
        code="suspense:transfers",
        number="2910",
        type="liability",
        floor=0,
        title=N_("Transfers not yet placed"),
    ),
    ledger.AccountKind(
        owner_kind="order", code="wallet", number="2110", type="liability", floor=0, title=N_("Paid for an order")
    ),
    # The floor keeps a debt from being paid back twice; there is no limit to how far it grows.
    ledger.AccountKind(
        owner_kind="person", code="receivable", number="1300", type="asset", floor=0, title=N_("Owed to the house")
    ),
    ledger.AccountKind(
        owner_kind="order", code="receivable", number="1310", type="asset", floor=0, title=N_("Owed to the house")
    ),
    ledger.AccountKind(
        owner_kind="organisation",
        code="receivable",
        number="1320",
        type="asset",
        floor=0,
        title=N_("Owed to the house"),
    ),
)

TRANSACTION_KINDS = (
    ledger.TransactionKind(
        name="payments.deposit",
        title=N_("Money added"),
        legs=("house/clearing:*", "house/suspense:transfers", *_WALLETS),
    ),
    ledger.TransactionKind(
        name="payments.unplaced",
        title=N_("Received, not yet placed"),
        legs=("house/clearing:*", "house/payouts:*", "house/suspense:*"),
    ),
    ledger.TransactionKind(
        name="payments.withdrawal",
        title=N_("Withdrawal"),
        legs=("person/wallet", "organisation/wallet", "house/payouts:*"),
    ),
    ledger.TransactionKind(
        name="payments.refund",
        title=N_("Refund to the payer"),
        legs=(*_WALLETS, "house/suspense:payments", "house/clearing:*"),
    ),
    ledger.TransactionKind(
        name="payments.chargeback",
        title=N_("Taken back by the payer's bank"),
        legs=(*_WALLETS, "house/suspense:payments", "house/clearing:*"),
    ),
    ledger.TransactionKind(name="payments.advance", title=N_("Advanced by the house"), legs=(*_WALLETS, *_DEBTS)),
    ledger.TransactionKind(name="payments.debt_paid", title=N_("Debt paid back"), legs=(*_WALLETS, *_DEBTS)),
    ledger.TransactionKind(
        name="payments.transfer", title=N_("Bank transfer"), legs=("house/clearing:*", "house/suspense:transfers")
    ),
    ledger.TransactionKind(
        name="payments.transfer_surplus",
        title=N_("Transferred beyond what was asked for"),
        legs=("house/suspense:transfers", "house/suspense:payments", *_WALLETS),
    ),
    ledger.TransactionKind(
        name="payments.transfer_sent_back",
        title=N_("Transfer sent back"),
        legs=("house/suspense:transfers", "house/clearing:*"),
    ),
    ledger.TransactionKind(
        name="payments.paid_after_all",
        title=N_("Withdrawal, confirmed later"),
        legs=(*_WALLETS, "house/suspense:payments", "house/payouts:*"),
    ),
    ledger.TransactionKind(name="payments.claim", title=N_("Claimed from a payment"), legs=_WALLETS),
)

TRANSFERS = "suspense:transfers"


def account_of(owner_kind: str, owner_id: UUID, unit: str) -> ledger.AccountRef:
    """The wallet of an owner: a person's, an organisation's, or that of an order whose payer has no account."""
    if owner_kind == "person":
        return wallets.account_ref(owner_id, unit)
    return ledger.AccountRef(owner_kind, owner_id, wallets.ACCOUNT_CODE, unit)


def wallet_of(row: OrderRow | PayoutRow) -> ledger.AccountRef:
    """The wallet of an order's or payout's owner."""
    return account_of(row.owner_kind, row.owner_id, row.currency)


def clearing(provider: str, unit: str) -> ledger.AccountRef:
    """What a gateway owes us."""
    return ledger.house_account(f"clearing:{provider}", unit)


async def book_deposit(session: Session, order: OrderRow, facts: PaymentFacts, *, source: str = "") -> int:
    """Book captured money into the owner's wallet, once per payment; returns the ledger's transaction.

    `source` is the house's account that it comes from, if not the gateway's clearing account.
    Where the wallet cannot take it (closed), it waits in suspense, and somebody is told: money that came in is booked.
    """
    deposit = deposit_posting(order, facts, source=source)
    subject = f"{facts.provider}:{facts.payment_id}"
    try:
        return (await ledger.post(session, deposit)).id
    except (ledger.AccountClosed, ledger.BalanceTooLarge) as refusal:
        await look_into(session, "payment", subject, "wallet_refused", code=refusal.code)
        suspense = ledger.house_account("suspense:payments", facts.amount.unit)
        posting = ledger.Posting(
            key=f"payments.unplaced:{subject}",
            kind="payments.unplaced",
            legs=(deposit.legs[0], ledger.credit(suspense, facts.amount)),
            metadata=deposit.metadata,
        )
        return (await ledger.post(session, posting)).id


def deposit_posting(order: OrderRow, facts: PaymentFacts, *, source: str = "") -> ledger.Posting:
    """What books captured money into the owner's wallet: its key, and so its effect, is one for each payment."""
    origin = ledger.house_account(source or f"clearing:{facts.provider}", facts.amount.unit)
    return ledger.Posting(
        key=f"payments.deposit:{facts.provider}:{facts.payment_id}",
        kind="payments.deposit",
        legs=(ledger.debit(origin, facts.amount), ledger.credit(wallet_of(order), facts.amount)),
        metadata={"order": str(order.id), "purpose": order.purpose},
    )


async def hold_for(session: Session, payout: PayoutRow) -> int:
    """Set the payout's money aside in its owner's wallet. Raises `InsufficientFunds`."""
    held = await ledger.hold(
        session,
        key=f"payments.payout:{payout.id}",
        account=wallet_of(payout),
        amount=payout.money,
        metadata={"payout": str(payout.id)},
    )
    return held.id


async def book_payout(session: Session, payout: PayoutRow) -> int:
    """Turn the hold into money that has left."""
    assert payout.hold_id is not None
    posting = ledger.Posting(
        key=f"payments.withdrawal:{payout.id}",
        kind="payments.withdrawal",
        legs=(
            ledger.debit(wallet_of(payout), payout.money),
            ledger.credit(ledger.house_account(f"payouts:{payout.provider}", payout.currency), payout.money),
        ),
        metadata={"payout": str(payout.id), "to": payout.destination_masked},
    )
    return (await ledger.capture(session, payout.hold_id, posting)).id


async def free_payout(session: Session, payout: PayoutRow) -> None:
    """Give the held money back: it never left."""
    assert payout.hold_id is not None
    await ledger.void(session, payout.hold_id)


async def reverse_payout(session: Session, payout: PayoutRow) -> int:
    """Give back money that left and was returned by the bank."""
    assert payout.transaction_id is not None
    origin = ledger.debit(ledger.house_account(f"payouts:{payout.provider}", payout.currency), payout.money)
    key = f"payments.returned:{payout.id}:{payout.transaction_id}"
    about, item = ("payout", payout.id), str(payout.id)
    return await give_back(session, payout.transaction_id, origin, key=key, about=about, item=item)


async def give_back(
    session: Session, transaction_id: int, origin: ledger.Leg, *, key: str, about: tuple[str, UUID], item: str
) -> int:
    """Reverse what took money from somebody's wallet; `origin` is the leg of the house's account that it comes from,
    and `item` the open item that ends there by it.

    The money of an owner who is gone waits in suspense, and a person looks.
    """
    kind, number = about
    try:
        return (await ledger.reverse(session, transaction_id, key=key, metadata={kind: str(number)})).id
    except ledger.AccountClosed as refusal:
        await look_into(session, kind, str(number), "wallet_refused", code=refusal.code)
        account, amount = origin
        items: JsonObject = {account.code: item}
        suspense = ledger.house_account("suspense:payments", amount.unit)
        posting = ledger.Posting(
            key=key,
            kind="payments.unplaced",
            legs=(origin, ledger.credit(suspense, amount)),
            metadata={kind: str(number), "items": items},
        )
        return (await ledger.post(session, posting)).id
