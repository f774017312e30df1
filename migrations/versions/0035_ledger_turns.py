"""Ledger: who runs ahead of the server's clock takes turns, and a refused pass of time keeps no lock (docs/adr/0101).

`setval` writes what it was told, whatever `nextval` gave meanwhile. A process that was not given the processor between
reading `ledger.latest` and writing it back put it below what more than a hundred others had been given: numbers came a
second time, and recorded times ran back, as nothing but `latest` orders them while the clock is behind. Now nobody
counts it up where it lies more than 10 ms ahead: it is read and written under the lock alone, and the lock is waited
for. What lies nearer (a bulk notes 10 ms at most) is past before a hundred others could have written.

`setval` is refused in a read-only transaction, and may wait for whoever alters the sequence; both ended with the
session's lock held, which no rollback gives back. `nextval` before the lock is refused first, and waits first.
"""

from alembic import op

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None

_CLOCK = "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint - 1704067200000000"

_COUNTED = "latest := nextval('ledger.latest');"
_TURN = f"""latest := pg_sequence_last_value('ledger.latest');
            IF latest - 10000 > {_CLOCK} THEN
                -- One expression, as in 0033.
                microsecond := CASE WHEN pg_advisory_lock(7414155004) IS NOT NULL THEN
                    CASE WHEN setval('ledger.latest', postings_count + greatest(
                            (microsecond >> 12) + 1, second * 1000000::bigint,
                            pg_sequence_last_value('ledger.latest') + 100)) IS NOT NULL THEN
                        CASE WHEN pg_advisory_unlock(7414155004) THEN currval('ledger.latest') - postings_count END
                    END
                END;
            ELSE
            latest := nextval('ledger.latest');"""
_NOTED = "IF cardinality(array_remove(effective, NULL)) > 0 THEN"


def upgrade() -> None:
    _change("ledger.post", {_COUNTED: _TURN, _NOTED: f"END IF;\n            {_NOTED}"})
    _change("ledger.pass_time", {"BEGIN": "BEGIN\n            PERFORM nextval('ledger.latest');"})


def _change(function: str, parts: dict[str, str]) -> None:
    """Replace parts of a function that stand in it once; the rest stays as it is (0033)."""
    replaced = "body"
    for old, new in parts.items():
        replaced = f"replace({replaced}, $part${old}$part$, $part${new}$part$)"
    once = " OR ".join(
        f"length(body) - length(replace(body, $part${old}$part$, '')) <> length($part${old}$part$)" for old in parts
    )
    op.execute(f"""
        DO $change$
        DECLARE
            body text := pg_get_functiondef('{function}'::regproc);
        BEGIN
            IF {once} THEN
                RAISE EXCEPTION '{function} is not what this migration changes';
            END IF;
            EXECUTE {replaced};
        END
        $change$
    """)
