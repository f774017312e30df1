"""How money that comes in and goes out is booked: the accounts, the kinds of transactions, and what posts them.

captured    Dr clearing:<gateway>   Cr wallet
settled     see `reconciliation.books`
paid out    Dr wallet   Cr payouts:<provider>      (by capturing the hold)
reversed    the mirror image
"""

from tillhouse.kernel.db import Session
from tillhouse.kernel.text import N_
from tillhouse.parts.ledger import api as ledger
from tillhouse.parts.payments.domain import PaymentFacts
from tillhouse.parts.payments.models import OrderRow, PayoutRow
from tillhouse.parts.payments.service.attention import look_into
from tillhouse.parts.wallets import api as wallets

ACCOUNT_KINDS = (
    ledger.AccountKind(owner_kind="house", code="clearing:*", type="asset", title=N_("With the gateway")),
    ledger.AccountKind(owner_kind="house", code="payouts:*", type="liability", title=N_("Payouts to be debited")),
    ledger.AccountKind(owner_kind="house", code="fees:*", type="expense", title=N_("Fees of gateways")),
    ledger.AccountKind(owner_kind="house", code="bank", type="asset", title=N_("Bank")),
    ledger.AccountKind(
        owner_kind="house", code="suspense:payments", type="liability", title=N_("Received, not yet placed")
    ),
)

TRANSACTION_KINDS = (
    ledger.TransactionKind(
        name="payments.deposit", title=N_("Money added"), legs=("house/clearing:*", "person/wallet")
    ),
    ledger.TransactionKind(
        name="payments.unplaced", title=N_("Received, not yet placed"), legs=("house/clearing:*", "house/suspense:*")
    ),
    ledger.TransactionKind(
        name="payments.withdrawal", title=N_("Withdrawal"), legs=("person/wallet", "house/payouts:*")
    ),
)


def wallet_of(row: OrderRow | PayoutRow) -> ledger.AccountRef:
    """The wallet of an order's or payout's owner."""
    assert row.owner_kind == "person"
    return wallets.account_ref(row.owner_id, row.currency)


async def book_deposit(session: Session, order: OrderRow, facts: PaymentFacts) -> int:
    """Book captured money into the owner's wallet, once per payment; returns the ledger's transaction.

    Where the wallet cannot take it (closed), it waits in suspense, and somebody is told: money that came in is booked.
    """
    clearing = ledger.house_account(f"clearing:{facts.provider}", facts.amount.unit)
    subject = f"{facts.provider}:{facts.payment_id}"
    metadata = {"order": str(order.id), "purpose": order.purpose}
    try:
        posting = ledger.Posting(
            key=f"payments.deposit:{subject}",
            kind="payments.deposit",
            legs=(ledger.debit(clearing, facts.amount), ledger.credit(wallet_of(order), facts.amount)),
            metadata=metadata,
        )
        return (await ledger.post(session, posting)).id
    except (ledger.AccountClosed, ledger.BalanceTooLarge) as refusal:
        await look_into(session, "payment", subject, "wallet_refused", code=refusal.code)
        suspense = ledger.house_account("suspense:payments", facts.amount.unit)
        posting = ledger.Posting(
            key=f"payments.unplaced:{subject}",
            kind="payments.unplaced",
            legs=(ledger.debit(clearing, facts.amount), ledger.credit(suspense, facts.amount)),
            metadata=metadata,
        )
        return (await ledger.post(session, posting)).id


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
    key = f"payments.returned:{payout.id}"
    return (await ledger.reverse(session, payout.transaction_id, key=key, metadata={"payout": str(payout.id)})).id
