"""What is always true of the ledger, as sentences with the query that looks for the contrary."""

from collections.abc import Sequence

from tillhouse.kernel.db import ReadSession
from tillhouse.kernel.manifest import Invariant
from tillhouse.parts.ledger.service import sealing
from tillhouse.parts.ledger.service.charts import chart_of
from tillhouse.parts.ledger.store import auditing


async def _lots(session: ReadSession) -> Sequence[str]:
    return await auditing.lots(session, [kind for kind in chart_of(session).accounts if kind.lots])


INVARIANTS = (
    Invariant("ledger.zero_sum", "Every transaction sums to zero in each unit.", auditing.zero_sum),
    Invariant(
        "ledger.stored_balance",
        "What an account stores (balance, number of entries, last transaction) is what its entries make.",
        auditing.stored_balance,
    ),
    Invariant(
        "ledger.running_balance",
        "An account's entries are numbered without a gap in the order they were recorded, and each running balance is "
        "the one before plus the amount.",
        auditing.running_balance,
    ),
    Invariant(
        "ledger.entries_match",
        "Every entry has its transaction and its account and agrees with them; every transaction has entries.",
        auditing.entries_match,
    ),
    Invariant("ledger.held", "What an account stores as held is the sum of its open holds.", auditing.held),
    Invariant(
        "ledger.captures",
        "A captured hold and the transaction that captured it name each other and the same amount.",
        auditing.captures,
    ),
    Invariant("ledger.floors", "No account has less available than its floor.", auditing.floors),
    Invariant("ledger.keys", "Every transaction and hold has one idempotency key, and every key one.", auditing.keys),
    Invariant(
        "ledger.reversals", "A transaction is reversed once at most, by its exact mirror image.", auditing.reversals
    ),
    Invariant("ledger.guards", "The triggers that keep the ledger are all in place and enabled.", auditing.guards),
    Invariant(
        "ledger.displaced",
        "The sums that reads of the past stand on are those of the entries they were made of.",
        auditing.displaced_recently,
        thorough=lambda session, progress: auditing.displaced(session),
    ),
    Invariant(
        "ledger.seal",
        "Every sealed block carries the hash of the one before, and its rows are as they were sealed.",
        sealing.broken_recent,
        thorough=sealing.broken,
    ),
    Invariant(
        "ledger.anchors",
        "Every head that was kept outside the database is in the chain.",
        sealing.not_as_anchored_recent,
        thorough=sealing.not_as_anchored,
    ),
    Invariant("ledger.partitions", "No row lies in a default partition.", auditing.partitions),
    Invariant("ledger.lots", "The balance of an account with lots is what its lots have left.", _lots),
    Invariant(
        "ledger.lot_movements",
        "What a lot has left is what was granted and moved, and every movement is in an entry of its account.",
        auditing.lot_movements,
    ),
    Invariant(
        "ledger.lot_refunds", "No more is given back to a lot than its spend took from it.", auditing.lot_refunds
    ),
    Invariant(
        "ledger.lot_pins",
        "An open hold on lots has pinned its whole amount, and a lot has at least what is pinned of it.",
        auditing.lot_pins,
    ),
)
