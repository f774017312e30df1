"""Ledger: accounts, transactions, entries, holds, and the functions that alone may write them.

Transactions and entries are partitioned by month of the recorded time, which is the upper part of the transaction's
number; partitions live in the schema `ledger_partitions`, which the app role cannot see. The app role reads the tables
and calls the functions; it can write no table of the ledger directly.
"""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _accounts()
    _journal()
    _holds()
    _guards()
    _partitions()
    _accounts_by_name()
    _post()
    _hold()
    _release()
    _close()
    _privileges()


def _accounts() -> None:
    """The row of an account is what every posting updates: short, with room on its page for the next versions, and no
    index on a column that changes, so that an update is heap-only and its predecessor is pruned without vacuum.
    """
    op.execute("""
        CREATE SCHEMA ledger;
        CREATE SCHEMA ledger_partitions;

        CREATE TABLE ledger.accounts (
            id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT pk_accounts PRIMARY KEY,
            balance bigint NOT NULL DEFAULT 0,
            held bigint NOT NULL DEFAULT 0 CONSTRAINT ck_accounts_held CHECK (held >= 0),
            sequence bigint NOT NULL DEFAULT 0,
            last_transaction_id bigint NOT NULL DEFAULT 0,
            floor bigint,
            opened_at timestamptz NOT NULL DEFAULT clock_timestamp(),
            owner_id uuid NOT NULL,
            closed boolean NOT NULL DEFAULT false,
            owner_kind text NOT NULL,
            code text NOT NULL,
            unit text NOT NULL,
            type text NOT NULL
                CONSTRAINT ck_accounts_type CHECK (type IN ('asset', 'liability', 'equity', 'income', 'expense')),
            CONSTRAINT uq_accounts_owner_kind_owner_id_code_unit UNIQUE (owner_kind, owner_id, code, unit)
        ) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02);

        COMMENT ON COLUMN ledger.accounts.balance IS 'debits positive; the last entry''s running balance';
        COMMENT ON COLUMN ledger.accounts.floor IS 'least that may be left available, in the natural sign';
        COMMENT ON COLUMN ledger.accounts.owner_id IS 'all zeros for an account of the house';

        CREATE FUNCTION ledger.natural_sign(type text) RETURNS integer
            LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
            RETURN CASE WHEN type IN ('asset', 'expense') THEN 1 ELSE -1 END;
    """)


def _journal() -> None:
    """A number is 51 bits of microseconds since 2024 (the recorded time) and 12 bits of a sequence: unique across
    partitions, growing with every account's own sequence, and itself the partition key.
    """
    op.execute("""
        CREATE SEQUENCE ledger.numbers CYCLE;

        CREATE FUNCTION ledger.number_at(instant timestamptz) RETURNS bigint
            LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
            RETURN ((extract(epoch FROM instant) * 1000000)::bigint - 1704067200000000) << 12;

        CREATE TABLE ledger.transactions (
            id bigint NOT NULL,
            effective_at timestamptz NOT NULL,
            recorded_at timestamptz NOT NULL,
            reverses bigint,
            captures bigint,
            kind text NOT NULL,
            metadata jsonb,
            CONSTRAINT pk_transactions PRIMARY KEY (id)
        ) PARTITION BY RANGE (id);

        CREATE TABLE ledger.entries (
            transaction_id bigint NOT NULL,
            account_id bigint NOT NULL,
            sequence bigint NOT NULL,
            amount bigint NOT NULL CONSTRAINT ck_entries_amount CHECK (amount <> 0),
            balance bigint NOT NULL,
            effective_at timestamptz NOT NULL,
            recorded_at timestamptz NOT NULL,
            unit text NOT NULL,
            CONSTRAINT pk_entries PRIMARY KEY (account_id, transaction_id)
        ) PARTITION BY RANGE (transaction_id);

        CREATE INDEX ix_entries_transaction_id ON ledger.entries (transaction_id);

        -- Only entries whose business time is not the moment they were recorded: what a balance at a past effective
        -- time has to add to, or take from, the running balance at that recorded time.
        CREATE INDEX ix_entries_displaced ON ledger.entries (account_id, effective_at, transaction_id)
            INCLUDE (amount) WHERE effective_at <> recorded_at;

        CREATE TABLE ledger.keys (
            key text CONSTRAINT pk_keys PRIMARY KEY,
            input_hash bytea NOT NULL,
            transaction_id bigint,
            hold_id bigint,
            CONSTRAINT ck_keys_result CHECK (num_nonnulls(transaction_id, hold_id) = 1)
        );

        CREATE TABLE ledger.reversals (
            transaction_id bigint CONSTRAINT pk_reversals PRIMARY KEY,
            reversed_by bigint NOT NULL CONSTRAINT uq_reversals_reversed_by UNIQUE
        );
    """)


def _holds() -> None:
    op.execute("""
        CREATE TABLE ledger.holds (
            id bigint CONSTRAINT pk_holds PRIMARY KEY,
            account_id bigint NOT NULL CONSTRAINT fk_holds_account_id_accounts REFERENCES ledger.accounts,
            amount bigint NOT NULL CONSTRAINT ck_holds_amount CHECK (amount > 0),
            captured bigint NOT NULL DEFAULT 0 CONSTRAINT ck_holds_captured CHECK (captured BETWEEN 0 AND amount),
            transaction_id bigint,
            created_at timestamptz NOT NULL,
            expires_at timestamptz,
            ended_at timestamptz,
            state text NOT NULL DEFAULT 'open'
                CONSTRAINT ck_holds_state CHECK (state IN ('open', 'captured', 'voided', 'expired')),
            metadata jsonb,
            CONSTRAINT ck_holds_ended CHECK ((ended_at IS NULL) = (state = 'open')),
            CONSTRAINT ck_holds_capture CHECK (
                (transaction_id IS NOT NULL) = (state = 'captured') AND (captured > 0) = (state = 'captured')
            )
        );

        CREATE INDEX ix_holds_open ON ledger.holds (account_id, id) WHERE state = 'open';
        CREATE INDEX ix_holds_expiring ON ledger.holds (expires_at) WHERE state = 'open' AND expires_at IS NOT NULL;
    """)


def _guards() -> None:
    """Triggers that hold for everyone, the owner of the tables included."""
    op.execute("""
        CREATE FUNCTION ledger.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION '% on %.% is refused: the ledger is only added to; correct it by a reversal',
                TG_OP, TG_TABLE_SCHEMA, TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
        END
        $$;

        CREATE FUNCTION ledger.require_zero_sum() RETURNS trigger LANGUAGE plpgsql
            SET search_path = pg_catalog, pg_temp AS $$
        DECLARE
            unbalanced bigint;
        BEGIN
            SELECT transaction_id INTO unbalanced FROM inserted
            GROUP BY transaction_id, unit HAVING sum(amount) <> 0 LIMIT 1;
            IF FOUND THEN
                RAISE EXCEPTION 'the entries of transaction % do not sum to zero', unbalanced
                    USING ERRCODE = 'check_violation';
            END IF;
            RETURN NULL;
        END
        $$;

        CREATE FUNCTION ledger.keep_account_identity() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF (OLD.owner_kind, OLD.owner_id, OLD.code, OLD.unit, OLD.type)
               IS DISTINCT FROM (NEW.owner_kind, NEW.owner_id, NEW.code, NEW.unit, NEW.type) THEN
                RAISE EXCEPTION 'account % keeps its owner, code, unit and type for ever', OLD.id
                    USING ERRCODE = 'restrict_violation';
            END IF;
            RETURN NEW;
        END
        $$;

        CREATE FUNCTION ledger.end_hold_once() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF OLD.state <> 'open' OR (OLD.id, OLD.account_id, OLD.amount) <> (NEW.id, NEW.account_id, NEW.amount) THEN
                RAISE EXCEPTION 'hold % has ended (%) or would change its amount or account', OLD.id, OLD.state
                    USING ERRCODE = 'restrict_violation';
            END IF;
            RETURN NEW;
        END
        $$;

        CREATE TRIGGER zero_sum AFTER INSERT ON ledger.entries REFERENCING NEW TABLE AS inserted
            FOR EACH STATEMENT EXECUTE FUNCTION ledger.require_zero_sum();
        CREATE TRIGGER identity BEFORE UPDATE OF owner_kind, owner_id, code, unit, type ON ledger.accounts
            FOR EACH ROW EXECUTE FUNCTION ledger.keep_account_identity();
        CREATE TRIGGER once BEFORE UPDATE ON ledger.holds FOR EACH ROW EXECUTE FUNCTION ledger.end_hold_once();

        CREATE TRIGGER kept BEFORE UPDATE OR DELETE ON ledger.transactions
            FOR EACH ROW EXECUTE FUNCTION ledger.refuse_change();
        CREATE TRIGGER kept BEFORE UPDATE OR DELETE ON ledger.entries
            FOR EACH ROW EXECUTE FUNCTION ledger.refuse_change();
        CREATE TRIGGER kept BEFORE UPDATE OR DELETE ON ledger.keys
            FOR EACH ROW EXECUTE FUNCTION ledger.refuse_change();
        CREATE TRIGGER kept BEFORE UPDATE OR DELETE ON ledger.reversals
            FOR EACH ROW EXECUTE FUNCTION ledger.refuse_change();
        CREATE TRIGGER kept BEFORE DELETE ON ledger.accounts FOR EACH ROW EXECUTE FUNCTION ledger.refuse_change();
        CREATE TRIGGER kept BEFORE DELETE ON ledger.holds FOR EACH ROW EXECUTE FUNCTION ledger.refuse_change();

        DO $$
        DECLARE
            name text;
        BEGIN
            FOREACH name IN ARRAY ARRAY['accounts', 'transactions', 'entries', 'keys', 'reversals', 'holds'] LOOP
                EXECUTE format('CREATE TRIGGER not_emptied BEFORE TRUNCATE ON ledger.%I
                                FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change()', name);
            END LOOP;
        END
        $$;
    """)


def _partitions() -> None:
    """A partition is built apart and attached, so that postings go on meanwhile. The default partition catches what no
    month was made for; an invariant says so before anything else notices.
    """
    op.execute("""
        CREATE FUNCTION ledger.add_partition(parent text, name text, bounds text) RETURNS void LANGUAGE plpgsql AS $$
        BEGIN
            EXECUTE format('CREATE TABLE ledger_partitions.%I
                            (LIKE ledger.%I INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', name, parent);
            EXECUTE format('ALTER TABLE ledger.%I ATTACH PARTITION ledger_partitions.%I %s', parent, name, bounds);
            EXECUTE format('CREATE TRIGGER not_emptied BEFORE TRUNCATE ON ledger_partitions.%I
                            FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change()', name);
            IF parent = 'entries' THEN
                EXECUTE format('CREATE TRIGGER zero_sum AFTER INSERT ON ledger_partitions.%I
                                REFERENCING NEW TABLE AS inserted
                                FOR EACH STATEMENT EXECUTE FUNCTION ledger.require_zero_sum()', name);
            END IF;
        END
        $$;

        -- Returns the names of the partitions it made. SECURITY DEFINER: the worker that calls it owns nothing.
        CREATE FUNCTION ledger.ensure_partitions(months_ahead integer) RETURNS SETOF text LANGUAGE plpgsql
            SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' SET lock_timeout = '2s' AS $$
        DECLARE
            month timestamptz;
            parent text;
            name text;
        BEGIN
            PERFORM pg_advisory_xact_lock(7414155002);
            FOR month IN SELECT date_trunc('month', now()) + n * interval '1 month'
                         FROM generate_series(0, months_ahead) AS n LOOP
                FOREACH parent IN ARRAY ARRAY['transactions', 'entries'] LOOP
                    name := parent || '_' || to_char(month, 'YYYY_MM');
                    IF to_regclass('ledger_partitions.' || name) IS NULL THEN
                        PERFORM ledger.add_partition(parent, name, format('FOR VALUES FROM (%s) TO (%s)',
                            ledger.number_at(month), ledger.number_at(month + interval '1 month')));
                        RETURN NEXT name;
                    END IF;
                END LOOP;
            END LOOP;
        END
        $$;

        SELECT ledger.add_partition('transactions', 'transactions_other', 'DEFAULT');
        SELECT ledger.add_partition('entries', 'entries_other', 'DEFAULT');
        SELECT ledger.ensure_partitions(3);
    """)


# Plans are fixed to index look-ups: what is planned while the tables are small must still be right when they are not.
_AS_OWNER = """
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan
    SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
"""


def _accounts_by_name() -> None:
    """Accounts are opened in the order of their names before any is locked, and locked in the order of their ids:
    calls cannot deadlock with each other, and an account that never was cannot be overdrawn by two at once.
    """
    op.execute("""
        CREATE FUNCTION ledger.find_or_open(
            owner_kinds text[], owner_ids uuid[], codes text[], units text[], types text[], floors bigint[]
        ) RETURNS bigint[] LANGUAGE plpgsql AS $$
        DECLARE
            found_ids bigint[];
            opened boolean := false;
        BEGIN
            LOOP
                SELECT array_agg(account.id ORDER BY named.n) INTO found_ids
                FROM unnest(owner_kinds, owner_ids, codes, units) WITH ORDINALITY
                    AS named (owner_kind, owner_id, code, unit, n)
                JOIN ledger.accounts AS account
                    ON account.owner_kind = named.owner_kind AND account.owner_id = named.owner_id
                    AND account.code = named.code AND account.unit = named.unit;
                IF cardinality(found_ids) = cardinality(codes) THEN
                    RETURN found_ids;
                ELSIF opened THEN
                    RAISE EXCEPTION 'an account is named twice, or is being opened elsewhere'
                        USING ERRCODE = 'serialization_failure';
                END IF;
                INSERT INTO ledger.accounts (owner_kind, owner_id, code, unit, type, floor)
                SELECT * FROM unnest(owner_kinds, owner_ids, codes, units, types, floors)
                    AS named (owner_kind, owner_id, code, unit, type, floor)
                ORDER BY owner_kind, owner_id, code, unit
                ON CONFLICT DO NOTHING;
                opened := true;
            END LOOP;
        END
        $$;
    """)


def _post() -> None:
    """One call writes any number of postings, each with its own outcome.

    In: the distinct accounts (the legs name them by position), the postings in order, their legs in the same order.
    Out: one row per posting, in order. `outcome` is posted, replayed, key_reused, insufficient_funds, account_closed,
    balance_too_large, already_reversed, hold_not_found, hold_ended or capture_not_covered; a refused posting has
    changed nothing but that its accounts may be open now.

    The recorded time is taken after the locks and pushed past the last one of each account, so that recorded order and
    sequence agree whatever the clock does. The same key with the same input means the same accounts, so looking keys up
    after the locks is enough to see the one that came first; the same key with other input is found by the insert.
    """
    op.execute(f"""
        CREATE FUNCTION ledger.post(
            owner_kinds text[], owner_ids uuid[], codes text[], units text[], types text[], floors bigint[],
            keys text[], hashes bytea[], kinds text[], effective timestamptz[], metadata text[],
            reverse_ids bigint[], capture_ids bigint[],
            leg_postings integer[], leg_accounts integer[], leg_amounts bigint[],
            OUT outcome text, OUT number bigint, OUT account integer, OUT available bigint
        ) RETURNS SETOF record LANGUAGE plpgsql {_AS_OWNER} AS $$
        #variable_conflict use_column
        DECLARE
            account_ids bigint[];
            signs integer[];
            balances bigint[];
            helds bigint[];
            sequences bigint[];
            account_floors bigint[];
            closeds boolean[];
            last_numbers bigint[];
            known_hashes bytea[];
            known_numbers bigint[];
            known_hold record;
            hold_account integer;
            hold_amount bigint;
            ended_holds bigint[] := '{{}}';
            ended_reversals bigint[] := '{{}}';
            postings_count integer := cardinality(keys);
            legs_count integer := cardinality(leg_postings);
            outcomes text[] := array_fill(NULL::text, ARRAY[postings_count]);
            numbers bigint[] := array_fill(NULL::bigint, ARRAY[postings_count]);
            recorded timestamptz[] := array_fill(NULL::timestamptz, ARRAY[postings_count]);
            refused_accounts integer[] := array_fill(NULL::integer, ARRAY[postings_count]);
            refused_available bigint[] := numbers;
            hold_takes bigint[] := numbers;
            leg_numbers bigint[] := array_fill(NULL::bigint, ARRAY[legs_count]);
            leg_sequences bigint[] := leg_numbers;
            leg_balances bigint[] := leg_numbers;
            microsecond bigint;
            low_bits bigint;
            next_number bigint;
            first_leg integer := 1;
            last_leg integer := 0;
            written integer := 0;
            stored integer;
            total numeric;
            change bigint;
            at integer;
        BEGIN
            account_ids := ledger.find_or_open(owner_kinds, owner_ids, codes, units, types, floors);

            SELECT array_agg(ledger.natural_sign(locked.type) ORDER BY locked.n),
                   array_agg(locked.balance ORDER BY locked.n), array_agg(locked.held ORDER BY locked.n),
                   array_agg(locked.sequence ORDER BY locked.n), array_agg(locked.floor ORDER BY locked.n),
                   array_agg(locked.closed ORDER BY locked.n),
                   array_agg(locked.last_transaction_id ORDER BY locked.n), max(locked.last_transaction_id)
            INTO signs, balances, helds, sequences, account_floors, closeds, last_numbers, microsecond
            FROM (
                SELECT a.*, wanted.n FROM unnest(account_ids) WITH ORDINALITY AS wanted (id, n)
                JOIN ledger.accounts AS a ON a.id = wanted.id
                ORDER BY a.id FOR NO KEY UPDATE OF a
            ) AS locked;

            SELECT array_agg(known.input_hash ORDER BY asked.n),
                   array_agg(coalesce(known.transaction_id, known.hold_id) ORDER BY asked.n)
            INTO known_hashes, known_numbers
            FROM unnest(keys) WITH ORDINALITY AS asked (key, n) LEFT JOIN ledger.keys AS known ON known.key = asked.key;

            microsecond := greatest(ledger.number_at(clock_timestamp()) >> 12, (microsecond >> 12) + 1);
            low_bits := nextval('ledger.numbers') & 4095;

            <<postings>>
            FOR i IN 1..postings_count LOOP
                first_leg := last_leg + 1;
                WHILE last_leg < legs_count AND leg_postings[last_leg + 1] = i LOOP
                    last_leg := last_leg + 1;
                END LOOP;

                IF known_numbers[i] IS NOT NULL THEN
                    outcomes[i] := CASE WHEN known_hashes[i] = hashes[i] THEN 'replayed' ELSE 'key_reused' END;
                    numbers[i] := known_numbers[i];
                    CONTINUE;
                END IF;

                IF reverse_ids[i] IS NOT NULL THEN
                    SELECT reversed_by INTO next_number FROM ledger.reversals WHERE transaction_id = reverse_ids[i];
                    IF FOUND OR reverse_ids[i] = ANY (ended_reversals) THEN
                        outcomes[i] := 'already_reversed';
                        numbers[i] := next_number;
                        CONTINUE;
                    END IF;
                END IF;

                hold_account := NULL;
                hold_amount := 0;
                IF capture_ids[i] IS NOT NULL THEN
                    SELECT account_id, amount, state INTO known_hold FROM ledger.holds WHERE id = capture_ids[i];
                    IF NOT FOUND THEN
                        outcomes[i] := 'hold_not_found';
                        CONTINUE;
                    ELSIF known_hold.state <> 'open' OR capture_ids[i] = ANY (ended_holds) THEN
                        outcomes[i] := 'hold_ended';
                        CONTINUE;
                    END IF;
                    hold_account := array_position(account_ids, known_hold.account_id);
                    hold_amount := known_hold.amount;
                    hold_takes[i] := 0;
                END IF;

                total := 0;
                FOR leg IN first_leg..last_leg LOOP
                    at := leg_accounts[leg];
                    change := leg_amounts[leg] * signs[at];
                    total := total + leg_amounts[leg];
                    IF closeds[at] THEN
                        outcomes[i] := 'account_closed';
                        refused_accounts[i] := at;
                        CONTINUE postings;
                    END IF;
                    IF abs(balances[at] + leg_amounts[leg]::numeric) > 9223372036854775807 THEN
                        outcomes[i] := 'balance_too_large';
                        refused_accounts[i] := at;
                        CONTINUE postings;
                    END IF;
                    IF at = hold_account THEN
                        hold_takes[i] := -change;
                    ELSIF change < 0 AND balances[at] * signs[at] - helds[at] + change < account_floors[at] THEN
                        outcomes[i] := 'insufficient_funds';
                        refused_accounts[i] := at;
                        refused_available[i] := balances[at] * signs[at] - helds[at];
                        CONTINUE postings;
                    END IF;
                END LOOP;
                IF capture_ids[i] IS NOT NULL AND hold_takes[i] NOT BETWEEN 1 AND hold_amount THEN
                    outcomes[i] := 'capture_not_covered';
                    CONTINUE;
                END IF;
                IF total <> 0 OR last_leg < first_leg THEN
                    RAISE EXCEPTION 'the legs of posting % do not sum to zero', keys[i]
                        USING ERRCODE = 'check_violation';
                END IF;

                next_number := ((microsecond + written) << 12) | low_bits;
                written := written + 1;
                outcomes[i] := 'posted';
                numbers[i] := next_number;
                recorded[i] := timestamptz '2024-01-01 00:00:00+00' + (next_number >> 12) * interval '1 microsecond';
                IF capture_ids[i] IS NOT NULL THEN
                    helds[hold_account] := helds[hold_account] - hold_amount;
                    ended_holds := ended_holds || capture_ids[i];
                END IF;
                IF reverse_ids[i] IS NOT NULL THEN
                    ended_reversals := ended_reversals || reverse_ids[i];
                END IF;
                FOR leg IN first_leg..last_leg LOOP
                    at := leg_accounts[leg];
                    balances[at] := balances[at] + leg_amounts[leg];
                    sequences[at] := sequences[at] + 1;
                    last_numbers[at] := next_number;
                    leg_numbers[leg] := next_number;
                    leg_sequences[leg] := sequences[at];
                    leg_balances[leg] := balances[at];
                END LOOP;
            END LOOP;

            IF written > 0 THEN
                INSERT INTO ledger.keys (key, input_hash, transaction_id)
                SELECT new.key, new.hash, new.number
                FROM unnest(keys, hashes, numbers, outcomes) AS new (key, hash, number, outcome)
                WHERE new.outcome = 'posted'
                ORDER BY new.key
                ON CONFLICT DO NOTHING;
                GET DIAGNOSTICS stored = ROW_COUNT;
                IF stored <> written THEN
                    IF postings_count > 1 THEN
                        RAISE EXCEPTION 'a key was used elsewhere at the same moment'
                            USING ERRCODE = 'serialization_failure';
                    END IF;
                    outcome := 'key_reused';
                    RETURN NEXT;
                    RETURN;
                END IF;

                INSERT INTO ledger.transactions (id, kind, effective_at, recorded_at, reverses, captures, metadata)
                SELECT new.number, new.kind, coalesce(new.effective_at, new.recorded_at), new.recorded_at,
                       new.reverses, new.captures, new.metadata::jsonb
                FROM unnest(numbers, outcomes, kinds, effective, recorded, reverse_ids, capture_ids, metadata)
                    AS new (number, outcome, kind, effective_at, recorded_at, reverses, captures, metadata)
                WHERE new.outcome = 'posted';

                INSERT INTO ledger.entries
                    (transaction_id, account_id, sequence, amount, balance, effective_at, recorded_at, unit)
                SELECT new.number, account_ids[new.account], new.sequence, new.amount, new.balance,
                       coalesce(effective[new.posting], recorded[new.posting]), recorded[new.posting],
                       units[new.account]
                FROM unnest(leg_numbers, leg_postings, leg_accounts, leg_sequences, leg_amounts, leg_balances)
                    AS new (number, posting, account, sequence, amount, balance)
                WHERE new.number IS NOT NULL;

                UPDATE ledger.accounts AS a
                SET balance = new.balance, held = new.held, sequence = new.sequence, last_transaction_id = new.number
                FROM unnest(account_ids, balances, helds, sequences, last_numbers)
                    AS new (id, balance, held, sequence, number)
                WHERE a.id = new.id AND a.sequence <> new.sequence;
            END IF;

            IF cardinality(ended_reversals) > 0 THEN
                INSERT INTO ledger.reversals (transaction_id, reversed_by)
                SELECT new.reverses, new.number
                FROM unnest(reverse_ids, numbers, outcomes) AS new (reverses, number, outcome)
                WHERE new.reverses IS NOT NULL AND new.outcome = 'posted';
            END IF;
            IF cardinality(ended_holds) > 0 THEN
                UPDATE ledger.holds AS h
                SET state = 'captured', captured = new.take, transaction_id = new.number, ended_at = new.recorded_at
                FROM unnest(capture_ids, hold_takes, numbers, recorded, outcomes)
                    AS new (id, take, number, recorded_at, outcome)
                WHERE h.id = new.id AND new.outcome = 'posted';
            END IF;

            FOR i IN 1..postings_count LOOP
                outcome := outcomes[i];
                number := numbers[i];
                account := refused_accounts[i];
                available := refused_available[i];
                RETURN NEXT;
            END LOOP;
        END
        $$;
    """)


def _hold() -> None:
    op.execute(f"""
        CREATE FUNCTION ledger.hold(
            owner_kind text, owner_id uuid, code text, unit text, type text, floor bigint,
            key text, hash bytea, amount bigint, expires timestamptz, metadata text,
            OUT outcome text, OUT number bigint, OUT available bigint
        ) LANGUAGE plpgsql {_AS_OWNER} AS $$
        #variable_conflict use_column
        DECLARE
            locked ledger.accounts;
            known ledger.keys;
            ids bigint[];
            instant timestamptz;
        BEGIN
            ids := ledger.find_or_open(ARRAY[$1], ARRAY[$2], ARRAY[$3], ARRAY[$4], ARRAY[$5], ARRAY[$6]);
            SELECT * INTO locked FROM ledger.accounts WHERE id = ids[1] FOR NO KEY UPDATE;
            SELECT * INTO known FROM ledger.keys WHERE key = $7;
            IF FOUND THEN
                outcome := CASE WHEN known.input_hash = $8 THEN 'replayed' ELSE 'key_reused' END;
                number := known.hold_id;
                RETURN;
            END IF;
            available := locked.balance * ledger.natural_sign(locked.type) - locked.held;
            IF locked.closed THEN
                outcome := 'account_closed';
                RETURN;
            ELSIF available - $9 < locked.floor THEN
                outcome := 'insufficient_funds';
                RETURN;
            END IF;

            instant := clock_timestamp();
            number := ledger.number_at(instant) | (nextval('ledger.numbers') & 4095);
            INSERT INTO ledger.keys (key, input_hash, hold_id) VALUES ($7, $8, number) ON CONFLICT DO NOTHING;
            IF NOT FOUND THEN
                outcome := 'key_reused';
                RETURN;
            END IF;
            INSERT INTO ledger.holds (id, account_id, amount, created_at, expires_at, metadata)
            VALUES (number, locked.id, $9, instant, $10, $11::jsonb);
            UPDATE ledger.accounts SET held = held + $9 WHERE id = locked.id;
            available := available - $9;
            outcome := 'held';
        END
        $$;
    """)


def _release() -> None:
    """Ends open holds as voided or expired, all of `hold_ids` that can be; returns those it ended.

    Accounts are locked first, in order, as `post` does: a capture and an expiry of the same hold take turns.
    """
    op.execute(f"""
        CREATE FUNCTION ledger.release(hold_ids bigint[], ending text, expired_by timestamptz)
        RETURNS SETOF bigint LANGUAGE plpgsql {_AS_OWNER} AS $$
        BEGIN
            PERFORM FROM ledger.accounts
            WHERE id IN (SELECT account_id FROM ledger.holds WHERE id = ANY (hold_ids))
            ORDER BY id FOR NO KEY UPDATE;

            RETURN QUERY
            WITH ended AS (
                UPDATE ledger.holds SET state = ending, ended_at = clock_timestamp()
                WHERE id = ANY (hold_ids) AND state = 'open' AND (ending <> 'expired' OR expires_at <= expired_by)
                RETURNING id, account_id, amount
            ), freed AS (
                UPDATE ledger.accounts AS a SET held = a.held - sums.amount
                FROM (SELECT account_id, sum(amount)::bigint AS amount FROM ended GROUP BY account_id) AS sums
                WHERE a.id = sums.account_id
            )
            SELECT id FROM ended;
        END
        $$;
    """)


def _close() -> None:
    op.execute(f"""
        CREATE FUNCTION ledger.close_account(owner_kind text, owner_id uuid, code text, unit text)
        RETURNS boolean LANGUAGE plpgsql {_AS_OWNER} AS $$
        #variable_conflict use_column
        DECLARE
            locked ledger.accounts;
        BEGIN
            SELECT * INTO locked FROM ledger.accounts
            WHERE owner_kind = $1 AND owner_id = $2 AND code = $3 AND unit = $4 FOR NO KEY UPDATE;
            IF locked.balance <> 0 OR locked.held <> 0 THEN
                RETURN false;
            END IF;
            UPDATE ledger.accounts SET closed = true WHERE id = locked.id AND NOT closed;
            RETURN true;
        END
        $$;
    """)


def _privileges() -> None:
    """The app role reads, and writes through the functions alone."""
    op.execute("""
        REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA ledger FROM PUBLIC;

        DO $$
        BEGIN
            IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'till_app') THEN
                REVOKE ALL ON SCHEMA ledger_partitions FROM till_app;
                REVOKE ALL ON ALL TABLES IN SCHEMA ledger_partitions FROM till_app;
                REVOKE ALL ON ALL TABLES IN SCHEMA ledger FROM till_app;
                REVOKE ALL ON ALL SEQUENCES IN SCHEMA ledger FROM till_app;
                GRANT USAGE ON SCHEMA ledger TO till_app;
                GRANT SELECT ON ALL TABLES IN SCHEMA ledger TO till_app;
                GRANT EXECUTE ON FUNCTION
                    ledger.post, ledger.hold, ledger.release, ledger.close_account, ledger.ensure_partitions,
                    ledger.number_at, ledger.natural_sign
                TO till_app;
            END IF;
        END
        $$;
    """)
