"""Ledger: the seal. What lies below the watermark is hashed into a chain of blocks.

docs/howto/check-the-seal.md says byte by byte what is hashed, so that anybody can do it again without this code.
A block covers every number after the last of the block before it up to its own last, whether a row is there or not:
a row that appears, disappears or changes in that range gives another hash.
"""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

# A block is some thousands of neighbouring rows: the numbers decide the plan (and the partitions), each time anew.
_OWN_PLANS = "SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_custom_plan SET enable_seqscan = off"


def upgrade() -> None:
    _blocks()
    _leaves()
    _block_hash()
    _seal()
    _privileges()


def _blocks() -> None:
    """The index on the keys' transactions grows at its right end alone; BRIN would wait for a vacuum to be of use."""
    op.execute("""
        CREATE INDEX ix_keys_transaction_id ON ledger.keys (transaction_id);

        CREATE TABLE ledger.blocks (
            number bigint NOT NULL CONSTRAINT pk_blocks PRIMARY KEY CONSTRAINT ck_blocks_number CHECK (number > 0),
            first_id bigint NOT NULL,
            last_id bigint NOT NULL,
            transactions bigint NOT NULL CONSTRAINT ck_blocks_transactions CHECK (transactions > 0),
            entries bigint NOT NULL,
            hash bytea NOT NULL,
            previous_hash bytea NOT NULL,
            sealed_at timestamptz NOT NULL
        );

        CREATE TRIGGER kept BEFORE UPDATE OR DELETE ON ledger.blocks
            FOR EACH ROW EXECUTE FUNCTION ledger.refuse_change();
        CREATE TRIGGER not_emptied BEFORE TRUNCATE ON ledger.blocks
            FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();
    """)


def _leaves() -> None:
    """STABLE, as what they call is: so they are put into the query itself, which halves the time of a block."""
    op.execute("""
        CREATE FUNCTION ledger.microseconds(instant timestamptz) RETURNS bigint
            LANGUAGE sql STABLE STRICT PARALLEL SAFE RETURN (extract(epoch FROM instant) * 1000000)::bigint;

        CREATE FUNCTION ledger.transaction_leaf(t ledger.transactions, key text, input_hash bytea) RETURNS bytea
            LANGUAGE sql STABLE PARALLEL SAFE RETURN sha256(convert_to(json_build_array('transaction',
                t.id, ledger.microseconds(t.effective_at), ledger.microseconds(t.recorded_at), t.kind, t.reverses,
                t.captures, t.metadata, key, encode(input_hash, 'hex'))::text, 'UTF8'));

        CREATE FUNCTION ledger.entry_leaf(e ledger.entries, a ledger.accounts) RETURNS bytea
            LANGUAGE sql STABLE PARALLEL SAFE RETURN sha256(convert_to(json_build_array('entry',
                e.transaction_id, e.account_id, e.sequence, e.amount, e.balance, ledger.microseconds(e.effective_at),
                ledger.microseconds(e.recorded_at), e.unit, a.owner_kind, a.owner_id, a.code, a.unit,
                a.type)::text, 'UTF8'));
    """)


def _block_hash() -> None:
    """What the rows after `after_id` up to `last_id` make now; `first_id` is null when there is no transaction."""
    op.execute(f"""
        CREATE FUNCTION ledger.block_hash(
            number bigint, after_id bigint, last_id bigint, previous_hash bytea, sealed_at timestamptz,
            OUT first_id bigint, OUT transactions bigint, OUT entries bigint, OUT hash bytea
        ) LANGUAGE plpgsql STABLE {_OWN_PLANS} AS $$
        DECLARE
            transactions_hash bytea;
            entries_hash bytea;
        BEGIN
            SELECT min(t.id), count(*),
                   sha256(coalesce(string_agg(ledger.transaction_leaf(t, k.key, k.input_hash), ''
                                              ORDER BY t.id, k.key COLLATE "C"), ''))
            INTO block_hash.first_id, block_hash.transactions, transactions_hash
            FROM ledger.transactions AS t
            LEFT JOIN (
                SELECT * FROM ledger.keys AS own
                WHERE own.transaction_id > after_id AND own.transaction_id <= block_hash.last_id
            ) AS k ON k.transaction_id = t.id
            WHERE t.id > after_id AND t.id <= block_hash.last_id;

            SELECT count(*),
                   sha256(coalesce(string_agg(ledger.entry_leaf(e, a), '' ORDER BY e.transaction_id, e.account_id), ''))
            INTO block_hash.entries, entries_hash
            FROM ledger.entries AS e LEFT JOIN ledger.accounts AS a ON a.id = e.account_id
            WHERE e.transaction_id > after_id AND e.transaction_id <= block_hash.last_id;

            hash := sha256(convert_to(json_build_array('block', number, block_hash.first_id, block_hash.last_id,
                block_hash.transactions, block_hash.entries, ledger.microseconds(sealed_at),
                encode(previous_hash, 'hex'), encode(transactions_hash, 'hex'), encode(entries_hash, 'hex')
            )::text, 'UTF8'));
        END
        $$;
    """)


def _seal() -> None:
    """Seals the next block of at most `most` transactions and returns it; nothing when there is nothing to seal.

    The watermark is taken in one statement and the rows in the next, each with a snapshot of its own: in a transaction
    with one snapshot for all, a row could be missed that is below the watermark. `margin` is how far the server's clock
    may be set back without a recorded time getting under a sealed block.
    """
    op.execute(f"""
        CREATE FUNCTION ledger.seal(margin interval, most integer) RETURNS SETOF ledger.blocks LANGUAGE plpgsql
            SECURITY DEFINER {_OWN_PLANS} AS $$
        DECLARE
            head ledger.blocks;
            new ledger.blocks;
            below bigint;
        BEGIN
            IF current_setting('transaction_isolation') <> 'read committed' THEN
                RAISE EXCEPTION 'sealing needs a snapshot for each statement (READ COMMITTED)'
                    USING ERRCODE = 'invalid_transaction_state';
            END IF;
            PERFORM pg_advisory_xact_lock(7414155003);
            SELECT * INTO head FROM ledger.blocks AS b ORDER BY b.number DESC LIMIT 1;
            new.number := coalesce(head.number, 0) + 1;
            new.previous_hash := coalesce(head.hash, '');
            new.sealed_at := clock_timestamp();
            below := ledger.number_at(ledger.watermark() - greatest(margin, interval '0'));
            SELECT max(next.id) INTO new.last_id FROM (
                SELECT t.id FROM ledger.transactions AS t
                WHERE t.id > coalesce(head.last_id, 0) AND t.id < below ORDER BY t.id LIMIT most
            ) AS next;
            IF new.last_id IS NULL THEN
                RETURN;
            END IF;
            SELECT made.first_id, made.transactions, made.entries, made.hash
            INTO new.first_id, new.transactions, new.entries, new.hash
            FROM ledger.block_hash(
                new.number, coalesce(head.last_id, 0), new.last_id, new.previous_hash, new.sealed_at) AS made;
            INSERT INTO ledger.blocks SELECT new.*;
            PERFORM ledger.extend_runs(coalesce(head.last_id, 0), new.last_id);
            RETURN NEXT new;
        END
        $$;
    """)


def _privileges() -> None:
    op.execute("""
        REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA ledger FROM PUBLIC;

        DO $$
        BEGIN
            IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'till_app') THEN
                REVOKE ALL ON ledger.blocks FROM till_app;
                GRANT SELECT ON ledger.blocks TO till_app;
                GRANT EXECUTE ON FUNCTION
                    ledger.seal, ledger.block_hash, ledger.transaction_leaf, ledger.entry_leaf, ledger.microseconds
                TO till_app;
            END IF;
        END
        $$;
    """)
