"""Queries that find what must never be there. Each returns one line of text per breach, at most twenty."""

from collections.abc import Awaitable, Callable, Sequence

from sqlalchemy import text

from tillhouse.kernel.db import ReadSession
from tillhouse.parts.ledger.domain import AccountKind

# What must be guarded by which trigger, and how many partitions of entries and transactions carry theirs.
_GUARDS = """
    WITH wanted (relation, trigger) AS (VALUES
        ('accounts', 'identity'), ('accounts', 'kept'), ('accounts', 'not_emptied'),
        ('transactions', 'kept'), ('transactions', 'not_emptied'),
        ('entries', 'zero_sum'), ('entries', 'kept'), ('entries', 'not_emptied'),
        ('keys', 'kept'), ('keys', 'not_emptied'), ('reversals', 'kept'), ('reversals', 'not_emptied'),
        ('holds', 'once'), ('holds', 'kept'), ('holds', 'not_emptied'),
        ('displaced_runs', 'kept'), ('displaced_runs', 'not_emptied'),
        ('displaced_sums', 'kept'), ('displaced_sums', 'not_emptied'),
        ('blocks', 'kept'), ('blocks', 'not_emptied'),
        ('closed_periods', 'only_the_past'), ('closed_periods', 'kept'), ('closed_periods', 'not_emptied'),
        ('lots', 'identity'), ('lots', 'kept'), ('lots', 'not_emptied'),
        ('lot_movements', 'kept'), ('lot_movements', 'not_emptied'), ('lot_pins', 'kept'), ('lot_pins', 'not_emptied')
    ), tables AS (
        SELECT c.oid, c.relname AS name, c.relname AS kind FROM pg_class AS c
        WHERE c.relnamespace = 'ledger'::regnamespace AND c.relkind IN ('r', 'p')
        UNION ALL
        SELECT c.oid, 'partition ' || c.relname, parent.relname
        FROM pg_inherits AS i
        JOIN pg_class AS c ON c.oid = i.inhrelid JOIN pg_class AS parent ON parent.oid = i.inhparent
        WHERE parent.relnamespace = 'ledger'::regnamespace AND parent.relkind = 'p'
    )
    SELECT format('trigger %s of %s is missing or disabled', wanted.trigger, tables.name)
    FROM wanted JOIN tables ON tables.kind = wanted.relation
    LEFT JOIN pg_trigger AS t ON t.tgrelid = tables.oid AND t.tgname = wanted.trigger AND t.tgenabled IN ('O', 'A')
    WHERE t.oid IS NULL
"""

_ZERO_SUM = """
    SELECT format('transaction %s: its entries in %s sum to %s', transaction_id, unit, sum(amount))
    FROM ledger.entries GROUP BY transaction_id, unit HAVING sum(amount) <> 0
"""

_STORED_BALANCE = """
    SELECT format('account %s: stored %s after %s entries, its entries make %s after %s', a.id, a.balance, a.sequence,
                  coalesce(e.total, 0), coalesce(e.entries, 0))
    FROM ledger.accounts AS a
    LEFT JOIN (
        SELECT account_id, sum(amount) AS total, count(*) AS entries, max(transaction_id) AS last
        FROM ledger.entries GROUP BY account_id
    ) AS e ON e.account_id = a.id
    WHERE (a.balance, a.sequence, a.last_transaction_id)
        <> (coalesce(e.total, 0), coalesce(e.entries, 0), coalesce(e.last, 0))
"""

_RUNNING_BALANCE = """
    SELECT format('account %s, transaction %s: entry %s leaves %s, expected entry %s leaving %s', account_id,
                  transaction_id, sequence, balance, place, total)
    FROM (
        SELECT *, row_number() OVER own AS place, sum(amount) OVER own AS total
        FROM ledger.entries WINDOW own AS (PARTITION BY account_id ORDER BY transaction_id)
    ) AS e
    WHERE sequence <> place OR balance <> total
"""

_ENTRIES_MATCH = """
    SELECT format('transaction %s: an entry disagrees with its transaction or account, or one of them is missing',
                  coalesce(e.transaction_id, t.id))
    FROM ledger.entries AS e
    FULL JOIN ledger.transactions AS t ON t.id = e.transaction_id
    LEFT JOIN ledger.accounts AS a ON a.id = e.account_id
    WHERE e.transaction_id IS NULL OR t.id IS NULL OR a.id IS NULL OR a.unit <> e.unit
        OR (t.effective_at, t.recorded_at) <> (e.effective_at, e.recorded_at)
        OR ledger.number_at(t.recorded_at) >> 12 <> t.id >> 12
"""

_HELD = """
    SELECT format('account %s: %s is stored as held, its open holds make %s', a.id, a.held, coalesce(h.total, 0))
    FROM ledger.accounts AS a
    LEFT JOIN (
        SELECT account_id, sum(amount) AS total FROM ledger.holds WHERE state = 'open' GROUP BY account_id
    ) AS h ON h.account_id = a.id
    WHERE a.held <> coalesce(h.total, 0)
"""

_CAPTURES = """
    SELECT format('hold %s (%s) and transaction %s do not name each other', h.id, h.state,
                  coalesce(t.id, h.transaction_id))
    FROM (SELECT * FROM ledger.holds WHERE state = 'captured') AS h
    FULL JOIN (SELECT * FROM ledger.transactions WHERE captures IS NOT NULL) AS t
        ON t.captures = h.id AND t.id = h.transaction_id
    LEFT JOIN ledger.entries AS e ON e.transaction_id = t.id AND e.account_id = h.account_id
    WHERE h.id IS NULL OR t.id IS NULL OR abs(e.amount) IS DISTINCT FROM h.captured
"""

_FLOORS = """
    SELECT format('account %s: %s is available, its floor is %s', id,
                  balance * ledger.natural_sign(type) - held, floor)
    FROM ledger.accounts WHERE balance * ledger.natural_sign(type) - held < floor
"""

_KEYS = """
    WITH results AS (
        SELECT id, 'transaction' AS kind FROM ledger.transactions UNION ALL SELECT id, 'hold' FROM ledger.holds
    ), keys AS (
        SELECT coalesce(transaction_id, hold_id) AS id,
               CASE WHEN hold_id IS NULL THEN 'transaction' ELSE 'hold' END AS kind, count(*) AS keys, min(key) AS key
        FROM ledger.keys GROUP BY 1, 2
    )
    SELECT format('%s %s has %s keys (%s)', coalesce(results.kind, keys.kind), coalesce(results.id, keys.id),
                  coalesce(keys.keys, 0), CASE WHEN results.id IS NULL THEN 'it does not exist' ELSE 'one is right' END)
    FROM results FULL JOIN keys USING (id, kind)
    WHERE results.id IS NULL OR keys.keys IS DISTINCT FROM 1
"""

_REVERSALS = """
    SELECT format('transaction %s and its reversal %s do not mirror each other',
                  coalesce(r.transaction_id, t.reverses), coalesce(r.reversed_by, t.id))
    FROM ledger.reversals AS r
    FULL JOIN (SELECT id, reverses FROM ledger.transactions WHERE reverses IS NOT NULL) AS t
        ON t.id = r.reversed_by AND t.reverses = r.transaction_id
    WHERE r.transaction_id IS NULL OR t.id IS NULL OR EXISTS (
        SELECT FROM (SELECT * FROM ledger.entries WHERE transaction_id = r.transaction_id) AS first
        FULL JOIN (SELECT * FROM ledger.entries WHERE transaction_id = r.reversed_by) AS second USING (account_id)
        WHERE first.amount IS DISTINCT FROM -second.amount
    )
"""

# Each run by its last sum, the whole of it, and the runs of an account by their order.
_DISPLACED = """
    WITH runs AS (
        SELECT *, row_number() OVER own - 1 AS place, coalesce(lag(last_id) OVER own, 0) AS after
        FROM ledger.displaced_runs WINDOW own AS (PARTITION BY account_id, level ORDER BY last_id)
    )
    SELECT format('account %s: run %s of level %s does not sum up its entries', account_id, position, level)
    FROM runs
    WHERE last_id > {above} AND (position <> place
        OR EXISTS (
            SELECT FROM (
                SELECT e.effective_at, sum(sum(e.amount)) OVER (ORDER BY e.effective_at) AS total
                FROM ledger.entries AS e
                WHERE e.account_id = runs.account_id AND e.transaction_id > after AND e.transaction_id <= last_id
                    AND e.effective_at <> e.recorded_at
                GROUP BY e.effective_at
            ) AS made
            FULL JOIN (
                SELECT s.effective_at, s.total FROM ledger.displaced_sums AS s
                WHERE s.account_id = runs.account_id AND s.level = runs.level AND s.position = runs.position
            ) AS stored USING (effective_at)
            WHERE made.total IS DISTINCT FROM stored.total
        ))
    UNION ALL
    SELECT format('account %s: sums of run %s of level %s, which does not exist', account_id, position, level)
    FROM (
        SELECT account_id, level, position FROM ledger.displaced_sums
        EXCEPT SELECT account_id, level, position FROM ledger.displaced_runs
    ) AS strays
"""

_BEFORE_RECENT_BLOCKS = "coalesce((SELECT last_id FROM ledger.blocks ORDER BY number DESC OFFSET 32 LIMIT 1), 0)"

_PARTITIONS = """
    SELECT format('%s rows lie in the default partition of transactions', count(*)) FROM ledger.transactions
    WHERE tableoid IN (SELECT oid FROM pg_class WHERE relname = 'transactions_other') HAVING count(*) > 0
    UNION ALL
    SELECT format('%s rows lie in the default partition of entries', count(*)) FROM ledger.entries
    WHERE tableoid IN (SELECT oid FROM pg_class WHERE relname = 'entries_other') HAVING count(*) > 0
"""

# An account that carries lots is one the chart says so of, or one that has any.
_LOTS = """
    SELECT format('account %s: its balance is %s, its lots have %s left', a.id,
                  a.balance * ledger.natural_sign(a.type), coalesce(l.total, 0))
    FROM ledger.accounts AS a
    LEFT JOIN (SELECT account_id, sum(remaining) AS total FROM ledger.lots GROUP BY account_id) AS l
        ON l.account_id = a.id
    WHERE a.balance * ledger.natural_sign(a.type) <> coalesce(l.total, 0) AND (
        l.account_id IS NOT NULL OR EXISTS (
            SELECT FROM unnest(cast(:owner_kinds AS text[]), cast(:codes AS text[])) AS kind (owner_kind, code)
            WHERE a.owner_kind = kind.owner_kind
                AND (a.code = kind.code OR right(kind.code, 1) = '*' AND starts_with(a.code, rtrim(kind.code, '*')))
        )
    )
"""

_LOT_MOVEMENTS = """
    SELECT format('lot %s: %s granted and %s moved make no %s left', l.id, l.granted, coalesce(m.total, 0), l.remaining)
    FROM ledger.lots AS l
    LEFT JOIN (SELECT lot_id, sum(amount) AS total FROM ledger.lot_movements GROUP BY lot_id) AS m ON m.lot_id = l.id
    WHERE l.granted + coalesce(m.total, 0) <> l.remaining
    UNION ALL
    SELECT format('lot %s: transaction %s left %s, expected %s', lot_id, transaction_id, remaining, expected)
    FROM (
        SELECT m.*, l.granted + sum(m.amount) OVER (PARTITION BY m.lot_id ORDER BY m.transaction_id) AS expected
        FROM ledger.lot_movements AS m JOIN ledger.lots AS l ON l.id = m.lot_id
    ) AS chain
    WHERE remaining <> expected
    UNION ALL
    SELECT format('transaction %s moves %s on account %s, and %s of its lots', c.transaction_id,
                  coalesce(e.amount * ledger.natural_sign(a.type), 0), c.account_id, c.amount)
    FROM (
        SELECT transaction_id, account_id, sum(amount) AS amount FROM (
            SELECT id AS transaction_id, account_id, granted AS amount FROM ledger.lots
            UNION ALL
            SELECT m.transaction_id, l.account_id, m.amount
            FROM ledger.lot_movements AS m JOIN ledger.lots AS l ON l.id = m.lot_id
        ) AS every GROUP BY transaction_id, account_id
    ) AS c
    JOIN ledger.accounts AS a ON a.id = c.account_id
    LEFT JOIN ledger.entries AS e ON e.transaction_id = c.transaction_id AND e.account_id = c.account_id
    WHERE e.amount * ledger.natural_sign(a.type) IS DISTINCT FROM c.amount
"""

_LOT_REFUNDS = """
    SELECT format('spend %s took %s from lot %s, and %s was given back', r.spend_id, coalesce(-s.amount, 0), r.lot_id,
                  r.total)
    FROM (
        SELECT spend_id, lot_id, sum(amount) AS total FROM ledger.lot_movements WHERE kind = 'refund' GROUP BY 1, 2
    ) AS r
    LEFT JOIN ledger.lot_movements AS s
        ON s.transaction_id = r.spend_id AND s.lot_id = r.lot_id AND s.kind = 'spend'
    WHERE r.total > coalesce(-s.amount, 0)
"""

_LOT_PINS = """
    SELECT format('hold %s is of %s, the lots it has pinned of %s', h.id, h.amount, coalesce(p.total, 0))
    FROM ledger.holds AS h
    LEFT JOIN (SELECT hold_id, sum(amount) AS total FROM ledger.lot_pins GROUP BY hold_id) AS p ON p.hold_id = h.id
    WHERE h.state = 'open' AND h.amount <> coalesce(p.total, 0)
        AND EXISTS (SELECT FROM ledger.lots AS l WHERE l.account_id = h.account_id)
    UNION ALL
    SELECT format('lot %s has %s left, and open holds have pinned %s of it', l.id, l.remaining, sum(p.amount))
    FROM ledger.lots AS l
    JOIN ledger.lot_pins AS p ON p.lot_id = l.id
    JOIN ledger.holds AS h ON h.id = p.hold_id AND h.state = 'open'
    GROUP BY l.id HAVING sum(p.amount) > l.remaining
"""

Violations = Callable[[ReadSession], Awaitable[Sequence[str]]]


def _finding(query: str) -> Violations:
    statement = text(f"SELECT line FROM ({query}) AS breaches (line) LIMIT 20")  # noqa: S608  # the queries above

    async def violations(session: ReadSession) -> Sequence[str]:
        return (await session.execute(statement)).scalars().all()

    return violations


async def lots(session: ReadSession, kinds: Sequence[AccountKind]) -> Sequence[str]:
    """Accounts of `kinds`, or with lots, whose balance is not what their lots have left."""
    values = {"owner_kinds": [kind.owner_kind for kind in kinds], "codes": [kind.code for kind in kinds]}
    return (await session.execute(text(f"{_LOTS} LIMIT 20"), values)).scalars().all()


zero_sum = _finding(_ZERO_SUM)
stored_balance = _finding(_STORED_BALANCE)
running_balance = _finding(_RUNNING_BALANCE)
entries_match = _finding(_ENTRIES_MATCH)
held = _finding(_HELD)
captures = _finding(_CAPTURES)
floors = _finding(_FLOORS)
keys = _finding(_KEYS)
reversals = _finding(_REVERSALS)
guards = _finding(_GUARDS)
displaced = _finding(_DISPLACED.format(above="0"))
displaced_recently = _finding(_DISPLACED.format(above=_BEFORE_RECENT_BLOCKS))
partitions = _finding(_PARTITIONS)
lot_movements = _finding(_LOT_MOVEMENTS)
lot_refunds = _finding(_LOT_REFUNDS)
lot_pins = _finding(_LOT_PINS)
