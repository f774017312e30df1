"""How settlements, lines of our bank and corrections are booked. Between report and bank the money is *settling*.

reported    Dr settling:<provider>  Dr fees:<provider>   Cr clearing:<provider>   (refunds and disputes: the mirror)
            a payout that a gateway paid from what it owes us: Dr payouts:<provider>   Cr settling:<provider>
            (what came back of it: the mirror)
            what no record of ours explains: Cr suspense:settlements instead of clearing
in the bank Dr bank   Cr settling:<provider>;   Dr payouts:<provider>   Cr bank;   its fee: Dr fees:<provider>   Cr bank
            what nobody expected: Dr bank   Cr suspense:bank, and from there on once it is clear what it was

`items` of a posting's metadata name the open item that each leg belongs to: what the ageing report counts.
"""

from collections.abc import Sequence
from uuid import UUID

from tillhouse.kernel.db import JsonObject
from tillhouse.kernel.money import Money
from tillhouse.kernel.text import N_
from tillhouse.parts.ledger import api as ledger
from tillhouse.parts.payments.domain.reconciliation import CORRECTABLE, CorrectionLeg, Expected
from tillhouse.parts.payments.models import BankLineRow, ReconLineRow

ACCOUNT_KINDS = (
    ledger.AccountKind(
        owner_kind="house", code="settling:*", number="1210", type="asset", title=N_("On its way to the bank")
    ),
    ledger.AccountKind(
        owner_kind="house",
        code="suspense:settlements",
        number="2920",
        type="liability",
        title=N_("Settled, not yet explained"),
    ),
    ledger.AccountKind(
        owner_kind="house", code="suspense:bank", number="2930", type="liability", title=N_("In the bank, not placed")
    ),
    ledger.AccountKind(owner_kind="house", code="write-off", number="5200", type="expense", title=N_("Written off")),
)

SETTLEMENT = "payments.settlement"
TRANSACTION_KINDS = (
    ledger.TransactionKind(
        name=SETTLEMENT,
        title=N_("Settlement of a gateway"),
        legs=("house/settling:*", "house/fees:*", "house/clearing:*", "house/payouts:*", "house/suspense:settlements"),
    ),
    ledger.TransactionKind(
        name="payments.bank_line",
        title=N_("Line of the bank"),
        legs=(
            "house/bank", "house/settling:*", "house/clearing:*", "house/payouts:*", "house/fees:*",
            "house/suspense:bank",
        ),
    ),
    ledger.TransactionKind(
        name="payments.bank_match",
        title=N_("Line of the bank, explained"),
        legs=("house/suspense:bank", "house/settling:*", "house/clearing:*", "house/payouts:*", "house/fees:*"),
    ),
    ledger.TransactionKind(name="payments.correction", title=N_("Correction by two people"), legs=CORRECTABLE),
)  # fmt: skip

_SUSPENSE_OF_BANK = "suspense:bank"


def settlement_posting(row: ReconLineRow, item: str | None) -> ledger.Posting | None:
    """What a line of a report books: against the open item `item` of its claim, or into suspense. None for nothing."""
    assert row.gross is not None
    assert row.fee is not None
    assert row.settled_on is not None
    settling = f"settling:{row.provider}"
    owed = "payouts" if row.kind in ("payout", "returned") else "clearing"
    counter = f"{owed}:{row.provider}" if item else "suspense:settlements"
    metadata: JsonObject = {
        "settlement": row.settlement_id,
        "day": row.settled_on.isoformat(),
        "subject": row.subject_id,
        "items": {settling: row.settlement_id, counter: item or subject_of_line(row)},
    }
    if row.tax:
        metadata["tax"] = row.tax
    amounts = ((settling, row.gross - row.fee), (f"fees:{row.provider}", row.fee), (counter, -row.gross))
    key = f"{SETTLEMENT}:{row.provider}:{row.line_id}#{row.occurrence}"
    return _posting(key, SETTLEMENT, [(account, Money(minor, row.currency)) for account, minor in amounts], metadata)


def bank_posting(row: BankLineRow, expected: Expected | None) -> ledger.Posting:
    """What a line of our bank books: against what was expected, or into suspense."""
    account = expected.account if expected else _SUSPENSE_OF_BANK
    item = expected.item if expected else subject_of_bank_line(row)
    posting = _posting(
        f"payments.bank_line:{row.id}",
        "payments.bank_line",
        [("bank", row.change), (account, -row.change)],
        {"bank_line": str(row.id), "day": row.day.isoformat(), "items": {account: item} if item else {}},
    )
    assert posting is not None  # no bank books nothing
    return posting


def match_posting(row: BankLineRow, expected: Expected) -> ledger.Posting:
    """A line of our bank that waited in suspense leaves it for what it turned out to be."""
    items: JsonObject = {_SUSPENSE_OF_BANK: subject_of_bank_line(row)}
    if expected.item:
        items[expected.account] = expected.item
    posting = _posting(
        f"payments.bank_match:{row.id}",
        "payments.bank_match",
        [(_SUSPENSE_OF_BANK, row.change), (expected.account, -row.change)],
        {"bank_line": str(row.id), "items": items},
    )
    assert posting is not None
    return posting


def correction_posting(resolution_id: UUID, exception_id: UUID, legs: Sequence[CorrectionLeg]) -> ledger.Posting:
    """Exactly what two people agreed on."""
    items: JsonObject = {leg.account: leg.item for leg in legs if leg.item}
    return ledger.Posting(
        key=f"payments.correction:{resolution_id}",
        kind="payments.correction",
        legs=tuple((ledger.house_account(leg.account, leg.amount.unit), leg.amount) for leg in legs),
        metadata={"exception": str(exception_id), "items": items},
    )


def subject_of_line(row: ReconLineRow) -> str:
    """What exceptions and open items call a line of a report."""
    return f"recon:{row.id}"


def subject_of_bank_line(row: BankLineRow) -> str:
    """What exceptions and open items call a line of our bank."""
    return f"bank:{row.id}"


def _posting(key: str, kind: str, amounts: Sequence[tuple[str, Money]], metadata: JsonObject) -> ledger.Posting | None:
    legs = tuple((ledger.house_account(account, amount.unit), amount) for account, amount in amounts if amount)
    return ledger.Posting(key=key, kind=kind, legs=legs, metadata=metadata) if legs else None
