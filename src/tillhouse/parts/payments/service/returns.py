"""How money that goes back to payers is booked: taken from where it is, and advanced where it no longer is.

What a wallet lacks for a refund that the house advances, for one made at the gateway's own dashboard, for a lost
dispute, or for a payout or refund that was made after all, becomes a debt of its owner (`receivable`). Money that comes
into the wallet later buys first what it was paid for; what is left pays the debt, before anything can be withdrawn.
"""

from collections import Counter
from collections.abc import Callable
from uuid import UUID

from tillhouse.kernel.db import JsonObject, ReadSession, Session
from tillhouse.kernel.errors import TransientError
from tillhouse.kernel.money import Money
from tillhouse.kernel.text import N_
from tillhouse.parts.ledger import api as ledger
from tillhouse.parts.payments.models import DisputeRow, OrderRow, PaymentRow, PayoutRow, RefundRow
from tillhouse.parts.payments.service.attention import look_into
from tillhouse.parts.payments.service.books import account_of, clearing, give_back, wallet_of

_TRIES = 5


def debt_account(owner_kind: str, owner_id: UUID, unit: str) -> ledger.AccountRef:
    """What an owner owes to the house."""
    return ledger.AccountRef(owner_kind, owner_id, "receivable", unit)


async def source_of(session: ReadSession, order: OrderRow, payment: PaymentRow) -> ledger.AccountRef:
    """Where the money of a payment is: the owner's wallet, or suspense where that could not take it."""
    assert payment.transaction_id is not None
    booked = await ledger.transaction(session, payment.transaction_id)
    suspense = ledger.house_account("suspense:payments", payment.currency)
    return suspense if any(account == suspense for account, _ in booked.legs) else wallet_of(order)


async def set_aside(
    session: Session, order: OrderRow, payment: PaymentRow, refund: RefundRow, *, advance: bool
) -> None:
    """Hold a refund's money where the payment's is. With `advance` the house lends what is missing.

    Raises the ledger's `InsufficientFunds` and, without `advance`, `AccountClosed`.
    """
    source = await source_of(session, order, payment)
    for _ in range(_TRIES):
        try:
            held = await ledger.hold(
                session,
                key=f"payments.refund:{refund.id}",
                account=source,
                amount=refund.money,
                metadata={"refund": str(refund.id), "order": str(order.id)},
            )
        except ledger.InsufficientFunds as short:
            if not advance:
                raise
            refund.advanced += await _advance(session, order, refund.money - short.available, f"{refund.id}")
        except ledger.AccountClosed:
            if not advance:
                raise
            await look_into(session, "refund", str(refund.id), "wallet_refused", code="account_closed")
            source = ledger.house_account("suspense:payments", refund.currency)
        else:
            refund.hold_id = held.id
            return
    raise _busy()


async def book_refund(session: Session, refund: RefundRow) -> int:
    """Turn the hold into money that went back to the payer."""
    assert refund.hold_id is not None
    held = await ledger.get_hold(session, refund.hold_id)
    posting = ledger.Posting(
        key=f"payments.refunded:{refund.id}",
        kind="payments.refund",
        legs=(
            ledger.debit(held.account, refund.money),
            ledger.credit(clearing(refund.provider, refund.currency), refund.money),
        ),
        metadata={"refund": str(refund.id), "payment": str(refund.payment_id)},
    )
    return (await ledger.capture(session, refund.hold_id, posting)).id


async def free_refund(session: Session, refund: RefundRow) -> None:
    """Give the held money back: it never went."""
    assert refund.hold_id is not None
    await ledger.void(session, refund.hold_id)


async def return_refund(session: Session, refund: RefundRow) -> int:
    """Give back money that went to the payer's bank and was sent back by it."""
    assert refund.transaction_id is not None
    origin = ledger.debit(clearing(refund.provider, refund.currency), refund.money)
    key = f"payments.refund_returned:{refund.id}:{refund.transaction_id}"
    about, item = ("refund", refund.id), str(refund.transaction_id)
    return await give_back(session, refund.transaction_id, origin, key=key, about=about, item=item)


async def hold_disputed(
    session: Session, order: OrderRow, payment: PaymentRow, dispute: DisputeRow, *, again: str = ""
) -> None:
    """Set aside what there is of the disputed money: until the bank has decided, it cannot be spent. `again` tells a
    later hold apart from the first one.
    """
    source = await source_of(session, order, payment)
    available = (await ledger.balance(session, source)).available
    amount = min(dispute.amount, available.minor) if source.owner_id else dispute.amount
    if amount <= 0:
        return
    try:
        held = await ledger.hold(
            session,
            key=f"payments.dispute:{dispute.id}{again}",
            account=source,
            amount=Money(amount, dispute.currency),
            metadata={"dispute": str(dispute.id), "order": str(order.id)},
        )
    except (ledger.InsufficientFunds, ledger.AccountClosed):
        return  # spent this very moment, or the owner is gone: a lost dispute then becomes a debt, or suspense
    dispute.hold_id = held.id


async def free_disputed(session: Session, dispute: DisputeRow) -> None:
    """Give back what was set aside for a dispute."""
    if dispute.hold_id is not None and (await ledger.get_hold(session, dispute.hold_id)).state == "open":
        await ledger.void(session, dispute.hold_id)


async def book_chargeback(session: Session, order: OrderRow, payment: PaymentRow, dispute: DisputeRow) -> int:
    """Book that the payer's bank took its money: `dispute.taken` from the owner, what is beyond it from suspense."""
    source = await source_of(session, order, payment)
    taken = Money(dispute.taken, dispute.currency)
    booked, lent = await _take(
        session, order, source, taken, lambda account: _chargeback(dispute, account), about=("dispute", dispute.id)
    )
    dispute.advanced += lent
    return booked


async def take_rest_of_chargeback(
    session: Session, order: OrderRow, payment: PaymentRow, dispute: DisputeRow, amount: Money
) -> None:
    """Take `amount` of a lost dispute from the owner after all, which suspense bore meanwhile: `dispute.taken` grows.

    The loss of an owner who is gone stays in suspense, and a person looks.
    """
    source, suspense = await source_of(session, order, payment), _suspense(dispute)
    posting = ledger.Posting(
        key=f"payments.chargeback_rest:{dispute.id}:{dispute.taken}",
        kind="payments.chargeback",
        legs=(ledger.debit(source, amount), ledger.credit(suspense, amount)),
        metadata=_about_rest(dispute),
    )
    for _ in range(_TRIES):
        try:
            if source != suspense:
                await ledger.post(session, posting)
        except ledger.InsufficientFunds as short:
            missing = amount - short.available
            dispute.advanced += await _advance(session, order, missing, f"{dispute.id}:{dispute.taken}")
        except ledger.AccountClosed:
            await look_into(session, "dispute", str(dispute.id), "wallet_refused", code="account_closed")
            return
        else:
            dispute.taken += amount.minor
            return
    raise _busy()


async def return_chargeback(
    session: Session, order: OrderRow, payment: PaymentRow, dispute: DisputeRow, *, key: str
) -> int:
    """The payer's bank gave back what it had taken: it goes to where it came from, or to whoever claimed the order
    since. The money of an owner who is gone waits in suspense, and a person looks. `key` is used once.
    """
    assert dispute.transaction_id is not None
    about = {"dispute": str(dispute.id)}
    try:
        returned = await ledger.reverse(session, dispute.transaction_id, key=f"payments.{key}", metadata=about)
    except ledger.AccountClosed:
        await look_into(session, "dispute", str(dispute.id), "wallet_refused", code="account_closed")
        owed = clearing(dispute.provider, dispute.currency)
        legs = (ledger.debit(owed, dispute.lost), ledger.credit(_suspense(dispute), dispute.lost))
        # The open item of the chargeback ends by it, as it would by its reversal.
        items: JsonObject = {owed.code: str(dispute.transaction_id)}
        posting = ledger.Posting(
            key=f"payments.{key}", kind="payments.chargeback", legs=legs, metadata={**about, "items": items}
        )
        return (await ledger.post(session, posting)).id
    taken = await ledger.transaction(session, dispute.transaction_id)
    home = wallet_of(order)
    for account, amount in taken.legs:
        if account.owner_kind == "order" and account != home:
            await _claim(session, order, account, amount, key)
    at_first = sum(amount.minor for account, amount in taken.legs if account.owner_id)
    if dispute.taken > at_first and await source_of(session, order, payment) != _suspense(dispute):
        await _return_rest(session, order, dispute, Money(dispute.taken - at_first, dispute.currency), key)
    return returned.id


async def _return_rest(session: Session, order: OrderRow, dispute: DisputeRow, amount: Money, key: str) -> None:
    """What was taken from the owner later than the rest (`take_rest_of_chargeback`) is theirs again, too."""
    legs = (ledger.debit(_suspense(dispute), amount), ledger.credit(wallet_of(order), amount))
    posting = ledger.Posting(
        key=f"payments.{key}:rest", kind="payments.chargeback", legs=legs, metadata=_about_rest(dispute)
    )
    try:
        await ledger.post(session, posting)
    except ledger.AccountClosed:
        await look_into(session, "dispute", str(dispute.id), "wallet_refused", code="account_closed")


async def pay_after_all(session: Session, payout: PayoutRow) -> int:
    """Book a payout that was made although its money had been freed: what was spent meanwhile becomes a debt."""
    # One key for each time that it came back: it may be freed again, and be made after all again.
    again = f"{payout.id}:{payout.reversal_id or 0}"

    def posting(source: ledger.AccountRef) -> ledger.Posting:
        out = ledger.house_account(f"payouts:{payout.provider}", payout.currency)
        return ledger.Posting(
            key=f"payments.paid_after_all:{again}",
            kind="payments.paid_after_all",
            legs=(ledger.debit(source, payout.money), ledger.credit(out, payout.money)),
            metadata={"payout": str(payout.id), "to": payout.destination_masked},
        )

    wallet, about = wallet_of(payout), ("payout", payout.id)
    booked, lent = await _take(session, payout, wallet, payout.money, posting, about=about, again=again)
    payout.advanced = min(payout.advanced + lent, payout.amount)
    return booked


async def refund_after_all(session: Session, order: OrderRow, payment: PaymentRow, refund: RefundRow) -> int:
    """Book a refund that was made although its money had been freed: what was spent meanwhile becomes a debt."""
    again = f"{refund.id}:{refund.reversal_id or 0}"

    def posting(source: ledger.AccountRef) -> ledger.Posting:
        back = clearing(refund.provider, refund.currency)
        return ledger.Posting(
            key=f"payments.refunded_after_all:{again}",
            kind="payments.refund",
            legs=(ledger.debit(source, refund.money), ledger.credit(back, refund.money)),
            metadata={"refund": str(refund.id), "payment": str(refund.payment_id)},
        )

    source, about = await source_of(session, order, payment), ("refund", refund.id)
    booked, lent = await _take(session, order, source, refund.money, posting, about=about, again=again)
    refund.advanced = min(refund.advanced + lent, refund.amount)
    return booked


async def collect_debt(session: Session, owner_kind: str, owner_id: UUID, unit: str, *, key: str) -> int:
    """Pay what an owner owes out of what is free in their wallet; returns how many minor units. `key` is used once."""
    debt = debt_account(owner_kind, owner_id, unit)
    wallet = account_of(owner_kind, owner_id, unit)
    for _ in range(_TRIES):
        found = await ledger.balances(session, [debt, wallet])
        amount = min(found[debt].posted.minor, found[wallet].available.minor)
        if amount <= 0:
            return 0
        legs = (ledger.debit(wallet, Money(amount, unit)), ledger.credit(debt, Money(amount, unit)))
        try:
            await ledger.post(
                session, ledger.Posting(key=f"payments.debt_paid:{key}", kind="payments.debt_paid", legs=legs)
            )
        except ledger.InsufficientFunds:
            continue  # somebody was faster, with the debt or with the money: look again
        else:
            return amount
    return 0


async def bring_home(session: Session, order: OrderRow, hold_id: int | None, *, key: str) -> None:
    """Move what a hold has set free to the order's owner, where the order was claimed while it was held."""
    if hold_id is None:
        return
    held = await ledger.get_hold(session, hold_id)
    home = wallet_of(order)
    if held.account == home or held.account.owner_kind != "order":
        return
    await _claim(session, order, held.account, held.amount, key)


async def _claim(session: Session, order: OrderRow, held_in: ledger.AccountRef, amount: Money, key: str) -> None:
    legs = (ledger.debit(held_in, amount), ledger.credit(wallet_of(order), amount))
    posting = ledger.Posting(
        key=f"payments.claim:{key}", kind="payments.claim", legs=legs, metadata={"order": str(order.id)}
    )
    await ledger.post(session, posting)


async def _take(
    session: Session,
    owner: OrderRow | PayoutRow,
    source: ledger.AccountRef,
    amount: Money,
    posting: Callable[[ledger.AccountRef], ledger.Posting],
    *,
    about: tuple[str, UUID],
    again: str = "",
) -> tuple[int, int]:
    """Post what takes `amount` from `source`, whatever is there: returns the transaction, and what the house lent.

    Money of an owner who is gone comes from suspense, and a person looks.
    """
    kind, number = about
    lent = 0
    for _ in range(_TRIES):
        try:
            return (await ledger.post(session, posting(source))).id, lent
        except ledger.InsufficientFunds as short:
            lent += await _advance(session, owner, amount - short.available, again or f"{number}")
        except ledger.AccountClosed:
            await look_into(session, kind, str(number), "wallet_refused", code="account_closed")
            source = ledger.house_account("suspense:payments", amount.unit)
    raise _busy()


async def _advance(session: Session, owner: OrderRow | PayoutRow, missing: Money, key: str) -> int:
    posting = ledger.Posting(
        key=f"payments.advance:{key}:{missing.minor}",
        kind="payments.advance",
        legs=(
            ledger.debit(debt_account(owner.owner_kind, owner.owner_id, missing.unit), missing),
            ledger.credit(wallet_of(owner), missing),
        ),
        metadata={"order" if isinstance(owner, OrderRow) else "payout": str(owner.id)},
    )
    await ledger.post(session, posting)
    return missing.minor


def _suspense(dispute: DisputeRow) -> ledger.AccountRef:
    return ledger.house_account("suspense:payments", dispute.currency)


def _about_rest(dispute: DisputeRow) -> JsonObject:
    """It belongs to the open item that the chargeback left in suspense."""
    items: JsonObject = {_suspense(dispute).code: str(dispute.transaction_id)}
    return {"dispute": str(dispute.id), "payment": str(dispute.payment_id), "items": items}


def _chargeback(dispute: DisputeRow, source: ledger.AccountRef) -> ledger.Posting:
    legs: Counter[ledger.AccountRef] = Counter()
    legs[source] += dispute.taken
    legs[_suspense(dispute)] += dispute.lost.minor - dispute.taken
    legs[clearing(dispute.provider, dispute.currency)] -= dispute.lost.minor
    return ledger.Posting(
        key=f"payments.chargeback:{dispute.id}",
        kind="payments.chargeback",
        legs=tuple((account, Money(minor, dispute.currency)) for account, minor in legs.items() if minor),
        metadata={"dispute": str(dispute.id), "payment": str(dispute.payment_id)},
    )


def _busy() -> TransientError:
    return TransientError(N_("The wallet is busy just now. Nothing was changed: try again."))
