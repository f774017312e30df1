"""Ledger: recorded time never runs back, whatever the clock does, nor under what was called final (docs/adr/0101).

`ledger.latest` is a sequence that holds the last microsecond (since 2024) that was noted as given to a posting, or was
passed without one. It never falls: every posting is recorded later than what it said before, and so later than anything
that the watermark, the seal or a closed period was told from it. A sequence, because it is seen before its transaction
commits, and stays raised when that fails.
"""

from alembic import op

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None

_CLOCK = "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint - 1704067200000000"


def _raised(to: str, result: str, lock: str = "pg_advisory_lock(7414155004) IS NOT NULL") -> str:
    """Raise `ledger.latest` to `to`, which may read it, and give `result`; NULL where there was no lock to be had.

    One expression, in the order of its CASEs: a cancelled statement is not stopped between the lock and its end.
    """
    return f"""CASE WHEN {lock} THEN
                CASE WHEN setval('ledger.latest', {to}) IS NOT NULL THEN
                    CASE WHEN pg_advisory_unlock(7414155004) THEN {result} END
                END
            END"""


def upgrade() -> None:
    _latest()
    _watermark()
    _post()
    _seal()
    _close_only_the_past()
    _metadata()
    _privileges()


def _latest() -> None:
    passed = _raised(f"greatest({_CLOCK}, pg_sequence_last_value('ledger.latest') + 100)", "currval('ledger.latest')")
    op.execute(f"""
        CREATE SEQUENCE ledger.latest;
        COMMENT ON SEQUENCE ledger.latest IS 'microseconds since 2024 below which nothing is recorded any more';
        SELECT setval('ledger.latest', greatest(
            {_CLOCK}, (SELECT max(last_transaction_id) >> 12 FROM ledger.accounts),
            (SELECT max(last_id) >> 12 FROM ledger.blocks)) + 1);

        -- Nothing is recorded at the present instant, or before it, any more.
        CREATE FUNCTION ledger.pass_time() RETURNS bigint LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
        BEGIN
            RETURN {passed};
        END
        $$;
    """)


def _watermark() -> None:
    """Below it no recorded time can appear any more.

    What was given is read first, the open postings (0008) after it, the rows in a later statement: that order is the
    proof. A posting that is seen open records nothing before its second; one that is not seen had ended, or reads
    `latest` after this did and records something later. The clock has no part in it.
    """
    op.execute("""
        CREATE OR REPLACE FUNCTION ledger.watermark() RETURNS timestamptz LANGUAGE plpgsql
            SET search_path = pg_catalog, pg_temp AS $$
        DECLARE
            latest bigint := pg_sequence_last_value('ledger.latest');
            open_since bigint;
        BEGIN
            IF pg_is_in_recovery() THEN
                RAISE EXCEPTION 'a replica does not see the postings that are open on its primary'
                    USING ERRCODE = 'feature_not_supported';
            END IF;
            SELECT min(objid::bigint) INTO open_since FROM pg_locks
            WHERE locktype = 'advisory' AND classid = 7414155 AND objid > 0 AND objsubid = 2
                AND database = (SELECT oid FROM pg_database WHERE datname = current_database());
            RETURN timestamptz '2024-01-01 00:00:00+00'
                + least(latest + 1, open_since * 1000000) * interval '1 microsecond';
        END
        $$;
    """)


def _seal() -> None:
    """As in 0010; the time since the last posting is passed first, so that the posting lies behind, and is sealed."""
    op.execute("""
        CREATE OR REPLACE FUNCTION ledger.seal(margin interval, most integer) RETURNS SETOF ledger.blocks
            LANGUAGE plpgsql SECURITY DEFINER
            SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_custom_plan SET enable_seqscan = off AS $$
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
            new.sealed_at := timestamptz '2024-01-01 00:00:00+00' + ledger.pass_time() * interval '1 microsecond';
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


def _close_only_the_past() -> None:
    """As in 0008; and what is recorded from now on lies after it, also when the clock is set back."""
    op.execute("""
        CREATE OR REPLACE FUNCTION ledger.close_only_the_past() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            PERFORM pg_advisory_xact_lock(7414155, 0);
            NEW.closed_at := timestamptz '2024-01-01 00:00:00+00' + ledger.pass_time() * interval '1 microsecond';
            IF NEW.closed_until > NEW.closed_at THEN
                RAISE EXCEPTION 'a period is closed up to now at the latest, not up to %', NEW.closed_until
                    USING ERRCODE = 'check_violation';
            END IF;
            RETURN NEW;
        END
        $$;
    """)


def _metadata() -> None:
    """Whatever metadata says is found, not only its tags; what has none costs nothing (docs/adr/0029)."""
    op.execute("""
        CREATE INDEX ix_transactions_metadata ON ledger.transactions USING gin (metadata jsonb_path_ops)
            WITH (fastupdate = off) WHERE metadata IS NOT NULL;
        DROP INDEX ledger.ix_transactions_tags;
    """)


def _privileges() -> None:
    """The app role reads the sequence, for the watermark; only the functions raise it."""
    op.execute("""
        REVOKE EXECUTE ON FUNCTION ledger.pass_time FROM PUBLIC;

        DO $$
        BEGIN
            IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'till_app') THEN
                REVOKE ALL ON SEQUENCE ledger.latest FROM till_app;
                GRANT SELECT ON SEQUENCE ledger.latest TO till_app;
            END IF;
        END
        $$;
    """)


# Plans are fixed to index look-ups: what is planned while the tables are small must still be right when they are not.
_AS_OWNER = """
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan
    SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off
"""


def _post() -> None:
    """One call writes any number of postings, each with its own outcome, or all of them or none.

    In: the distinct accounts (the legs name them by position), the postings in order, their legs in the same order.
    `known_ids` are the accounts' ids where the caller has seen them all before, ascending; they spare the look-up by
    name and are compared with the names, so that a wrong one does no harm. Columns that hold nothing may be NULL.
    Out: one row per posting, in order. `outcome` is posted, replayed, key_reused, period_closed, insufficient_funds,
    account_closed, balance_too_large, already_reversed, hold_not_found, hold_ended or capture_not_covered; a refused
    posting has changed nothing but that its accounts may be open now. With `all_or_nothing` and a refusal among them
    the others are `withheld`, and nothing is written. With `remember_refusals` a refused key is refused again, whatever
    has changed since; without it a refused posting leaves nothing behind, and its key is free. `account_ids` stands in
    the first row where the accounts were looked up by name.

    The recorded time is taken after the locks and lies past those that were given before, so that recorded order and
    sequence agree whatever the clock does. The same key with the same input means the same accounts, so looking keys up
    after the locks is enough to see the one that came first; the same key with other input is found by the insert.
    """
    noted = "greatest(microsecond + postings_count, pg_sequence_last_value('ledger.latest') + 100)"
    tried = "pg_try_advisory_lock(7414155004)"
    op.execute(f"""
        CREATE OR REPLACE FUNCTION ledger.post(
            owner_kinds text[], owner_ids uuid[], codes text[], units text[], types text[], floors bigint[],
            known_ids bigint[],
            keys text[], hashes bytea[], kinds text[], effective timestamptz[], metadata text[],
            reverse_ids bigint[], capture_ids bigint[],
            leg_postings integer[], leg_accounts integer[], leg_amounts bigint[],
            all_or_nothing boolean, remember_refusals boolean,
            OUT outcome text, OUT number bigint, OUT account integer, OUT available bigint, OUT account_ids bigint[]
        ) RETURNS SETOF record LANGUAGE plpgsql {_AS_OWNER} AS $$
        #variable_conflict use_column
        DECLARE
            postings_count integer := cardinality(keys);
            -- Microseconds since 2024, as ledger.number_at counts them.
            second integer := greatest({_CLOCK}, pg_sequence_last_value('ledger.latest')) / 1000000;
            ids bigint[];
            places tid[];
            names_agree boolean;
            signs integer[];
            balances bigint[];
            helds bigint[];
            sequences bigint[];
            account_floors bigint[];
            closeds boolean[];
            last_numbers bigint[];
            some_known boolean;
            known_hashes bytea[];
            known_numbers bigint[];
            some_refused boolean := false;
            past_refusal ledger.refusals;
            known_hold record;
            hold_account integer;
            hold_amount bigint;
            ended_holds bigint[] := '{{}}';
            ended_reversals bigint[] := '{{}}';
            closed_until timestamptz;
            plain boolean;
            outcomes text[] := array_fill('posted'::text, ARRAY[postings_count]);
            numbers bigint[] := array_fill(NULL::bigint, ARRAY[postings_count]);
            recorded timestamptz[] := array_fill(NULL::timestamptz, ARRAY[postings_count]);
            refused_accounts integer[] := array_fill(NULL::integer, ARRAY[postings_count]);
            refused_available bigint[] := numbers;
            hold_takes bigint[] := numbers;
            leg_sequences bigint[] := array_fill(NULL::bigint, ARRAY[cardinality(leg_postings)]);
            leg_balances bigint[] := leg_sequences;
            microsecond bigint;
            latest bigint;
            now_at bigint;
            low_bits bigint;
            next_number bigint;
            first_leg integer;
            leg integer := 1;
            written integer := 0;
            total numeric;
            amount bigint;
            at integer;
        BEGIN
            PERFORM pg_advisory_xact_lock_shared(7414155, 0), pg_advisory_xact_lock_shared(7414155, second);

            IF known_ids IS NOT NULL THEN
                SELECT (array_agg(locked.owner_kind), array_agg(locked.owner_id), array_agg(locked.code),
                        array_agg(locked.unit)) IS NOT DISTINCT FROM (owner_kinds, owner_ids, codes, units),
                       array_agg(locked.id), array_agg(locked.place),
                       array_agg(CASE WHEN locked.type IN ('asset', 'expense') THEN 1 ELSE -1 END),
                       array_agg(locked.balance), array_agg(locked.held), array_agg(locked.sequence),
                       array_agg(locked.floor), array_agg(locked.closed), array_agg(locked.last_transaction_id),
                       max(locked.last_transaction_id)
                INTO names_agree, ids, places, signs, balances, helds, sequences, account_floors, closeds,
                     last_numbers, microsecond
                FROM (
                    SELECT a.*, a.ctid AS place FROM ledger.accounts AS a WHERE a.id = ANY (known_ids)
                    ORDER BY a.id FOR NO KEY UPDATE
                ) AS locked;
            END IF;

            IF names_agree IS NOT TRUE THEN
                ids := ledger.find_or_open(owner_kinds, owner_ids, codes, units, types, floors);
                account_ids := ids;

                SELECT array_agg(locked.place ORDER BY locked.n),
                       array_agg(CASE WHEN locked.type IN ('asset', 'expense') THEN 1 ELSE -1 END ORDER BY locked.n),
                       array_agg(locked.balance ORDER BY locked.n), array_agg(locked.held ORDER BY locked.n),
                       array_agg(locked.sequence ORDER BY locked.n), array_agg(locked.floor ORDER BY locked.n),
                       array_agg(locked.closed ORDER BY locked.n),
                       array_agg(locked.last_transaction_id ORDER BY locked.n), max(locked.last_transaction_id)
                INTO places, signs, balances, helds, sequences, account_floors, closeds, last_numbers, microsecond
                FROM (
                    SELECT a.*, a.ctid AS place, wanted.n FROM unnest(ids) WITH ORDINALITY AS wanted (id, n)
                    JOIN ledger.accounts AS a ON a.id = wanted.id
                    ORDER BY a.id FOR NO KEY UPDATE OF a
                ) AS locked;
            END IF;

            some_known := EXISTS (SELECT FROM unnest(keys) AS asked (key) JOIN ledger.keys AS known USING (key));
            IF some_known THEN
                SELECT array_agg(known.input_hash ORDER BY asked.n),
                       array_agg(coalesce(known.transaction_id, known.hold_id) ORDER BY asked.n)
                INTO known_hashes, known_numbers
                FROM unnest(keys) WITH ORDINALITY AS asked (key, n)
                LEFT JOIN ledger.keys AS known ON known.key = asked.key;
            END IF;
            IF remember_refusals THEN
                some_refused := EXISTS (
                    SELECT FROM unnest(keys) AS asked (key) JOIN ledger.refusals AS refused USING (key));
            END IF;

            -- One more than any that was read before: what comes next, and what tells two in one microsecond apart.
            latest := nextval('ledger.latest');
            now_at := {_CLOCK};
            microsecond := greatest(now_at, (microsecond >> 12) + 1, second * 1000000::bigint,
                                    latest + CASE WHEN now_at < latest THEN 100 ELSE 0 END);
            -- Noted every 100 microseconds, and nobody waits for it: who slept with the lock in prospect would keep it
            -- from all others until woken. What is not noted lies within that much of what is.
            IF microsecond + postings_count > latest + 100 THEN
                now_at := {_raised(noted, "0", tried)};
            END IF;
            IF cardinality(array_remove(effective, NULL)) > 0 THEN
                SELECT max(period.closed_until) INTO closed_until FROM ledger.closed_periods AS period;
            END IF;
            low_bits := latest & 4095;
            plain := NOT some_known AND NOT some_refused AND closed_until IS NULL
                AND reverse_ids IS NULL AND capture_ids IS NULL;

            <<postings>>
            FOR i IN 1..postings_count LOOP
                WHILE leg_postings[leg] < i LOOP  -- what a refusal left unread
                    leg := leg + 1;
                END LOOP;
                first_leg := leg;

                IF NOT plain THEN
                    IF known_numbers[i] IS NOT NULL THEN
                        outcomes[i] := CASE WHEN known_hashes[i] = hashes[i] THEN 'replayed' ELSE 'key_reused' END;
                        numbers[i] := known_numbers[i];
                        CONTINUE;
                    END IF;

                    IF some_refused THEN
                        SELECT * INTO past_refusal FROM ledger.refusals WHERE key = keys[i];
                        IF FOUND THEN
                            outcomes[i] := CASE WHEN past_refusal.input_hash = hashes[i] THEN past_refusal.outcome
                                                ELSE 'key_reused' END;
                            numbers[i] := past_refusal.number;
                            refused_accounts[i] := array_position(ids, past_refusal.account_id);
                            refused_available[i] := past_refusal.available;
                            CONTINUE;
                        END IF;
                    END IF;

                    IF effective[i] < closed_until THEN
                        outcomes[i] := 'period_closed';
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
                        hold_account := array_position(ids, known_hold.account_id);
                        hold_amount := known_hold.amount;
                        hold_takes[i] := 0;
                    END IF;
                END IF;

                total := 0;
                WHILE leg_postings[leg] = i LOOP
                    at := leg_accounts[leg];
                    amount := leg_amounts[leg];
                    total := total + amount;
                    IF closeds[at] THEN
                        outcomes[i] := 'account_closed';
                        refused_accounts[i] := at;
                        CONTINUE postings;
                    END IF;
                    IF (CASE WHEN amount > 0 THEN balances[at] > 9223372036854775807 - amount
                             ELSE balances[at] < -9223372036854775807 - amount END) THEN
                        outcomes[i] := 'balance_too_large';
                        refused_accounts[i] := at;
                        CONTINUE postings;
                    END IF;
                    IF at = hold_account THEN
                        hold_takes[i] := -amount * signs[at];
                    ELSIF amount * signs[at] < 0
                        AND (balances[at] + amount) * signs[at] - helds[at] < account_floors[at] THEN
                        outcomes[i] := 'insufficient_funds';
                        refused_accounts[i] := at;
                        refused_available[i] := balances[at] * signs[at] - helds[at];
                        CONTINUE postings;
                    END IF;
                    leg := leg + 1;
                END LOOP;
                IF NOT plain AND capture_ids[i] IS NOT NULL AND hold_takes[i] NOT BETWEEN 1 AND hold_amount THEN
                    outcomes[i] := 'capture_not_covered';
                    CONTINUE;
                END IF;
                IF total <> 0 OR leg = first_leg THEN
                    RAISE EXCEPTION 'the legs of posting % do not sum to zero', keys[i]
                        USING ERRCODE = 'check_violation';
                END IF;

                next_number := ((microsecond + written) << 12) | low_bits;
                written := written + 1;
                numbers[i] := next_number;
                recorded[i] := timestamptz '2024-01-01 00:00:00+00' + (next_number >> 12) * interval '1 microsecond';
                IF NOT plain THEN
                    IF capture_ids[i] IS NOT NULL THEN
                        helds[hold_account] := helds[hold_account] - hold_amount;
                        ended_holds := ended_holds || capture_ids[i];
                    END IF;
                    IF reverse_ids[i] IS NOT NULL THEN
                        ended_reversals := ended_reversals || reverse_ids[i];
                    END IF;
                END IF;
                FOR read IN first_leg..leg - 1 LOOP
                    at := leg_accounts[read];
                    balances[at] := balances[at] + leg_amounts[read];
                    sequences[at] := sequences[at] + 1;
                    last_numbers[at] := next_number;
                    leg_sequences[read] := sequences[at];
                    leg_balances[read] := balances[at];
                END LOOP;
            END LOOP;

            IF written > 0 AND written < postings_count AND all_or_nothing AND EXISTS (
                SELECT FROM unnest(outcomes) AS judged (outcome) WHERE outcome NOT IN ('posted', 'replayed')
            ) THEN
                RETURN QUERY
                SELECT CASE judged.outcome WHEN 'posted' THEN 'withheld' ELSE judged.outcome END,
                       CASE judged.outcome WHEN 'posted' THEN NULL ELSE judged.number END,
                       judged.account, judged.available, CASE judged.n WHEN 1 THEN account_ids END
                FROM unnest(outcomes, numbers, refused_accounts, refused_available) WITH ORDINALITY
                    AS judged (outcome, number, account, available, n);
                RETURN;
            END IF;

            IF written = 1 AND postings_count = 1 THEN
                INSERT INTO ledger.keys (key, input_hash, transaction_id) VALUES (keys[1], hashes[1], numbers[1])
                ON CONFLICT DO NOTHING;
                IF NOT FOUND THEN
                    outcome := 'key_reused';
                    RETURN NEXT;
                    RETURN;
                END IF;
            ELSIF written > 0 THEN
                BEGIN
                    INSERT INTO ledger.keys (key, input_hash, transaction_id)
                    SELECT new.key, new.hash, new.number
                    FROM unnest(keys, hashes, numbers, outcomes) AS new (key, hash, number, outcome)
                    WHERE new.outcome = 'posted'
                    ORDER BY new.key;
                EXCEPTION WHEN unique_violation THEN
                    -- Used elsewhere at the same moment, for something else. Nothing is written yet: judge again.
                    IF (SELECT count(*) FROM ledger.keys AS known WHERE known.key = ANY (post.keys))
                        = coalesce(cardinality(array_remove(known_numbers, NULL)), 0) THEN
                        RAISE EXCEPTION 'a key was used elsewhere at the same moment'
                            USING ERRCODE = 'serialization_failure';
                    END IF;
                    RETURN QUERY SELECT * FROM ledger.post(
                        owner_kinds, owner_ids, codes, units, types, floors, known_ids, keys, hashes, kinds, effective,
                        metadata, reverse_ids, capture_ids, leg_postings, leg_accounts, leg_amounts,
                        all_or_nothing, remember_refusals);
                    RETURN;
                END;
            END IF;

            IF written > 0 THEN
                INSERT INTO ledger.transactions (id, kind, effective_at, recorded_at, reverses, captures, metadata)
                SELECT new.number, new.kind, coalesce(new.effective_at, new.recorded_at), new.recorded_at,
                       new.reverses, new.captures, new.metadata::jsonb
                FROM unnest(numbers, outcomes, kinds, effective, recorded, reverse_ids, capture_ids, metadata)
                    AS new (number, outcome, kind, effective_at, recorded_at, reverses, captures, metadata)
                WHERE new.outcome = 'posted';

                INSERT INTO ledger.entries
                    (transaction_id, account_id, sequence, amount, balance, effective_at, recorded_at, unit)
                SELECT numbers[new.posting], ids[new.account], new.sequence, new.amount, new.balance,
                       coalesce(effective[new.posting], recorded[new.posting]), recorded[new.posting],
                       units[new.account]
                FROM unnest(leg_postings, leg_accounts, leg_sequences, leg_amounts, leg_balances)
                    AS new (posting, account, sequence, amount, balance)
                WHERE new.sequence IS NOT NULL;

                -- By the place of the row, which stays what it is while the row is locked.
                UPDATE ledger.accounts AS a
                SET balance = new.balance, held = new.held, sequence = new.sequence, last_transaction_id = new.number
                FROM unnest(places, balances, helds, sequences, last_numbers)
                    AS new (place, balance, held, sequence, number)
                WHERE a.ctid = new.place AND a.sequence <> new.sequence;
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

            IF remember_refusals AND written < postings_count THEN
                INSERT INTO ledger.refusals (key, input_hash, outcome, number, account_id, available)
                SELECT new.key, new.hash, new.outcome, new.number, ids[new.account], new.available
                FROM unnest(keys, hashes, outcomes, numbers, refused_accounts, refused_available)
                    AS new (key, hash, outcome, number, account, available)
                WHERE new.outcome NOT IN ('posted', 'replayed', 'key_reused')
                ORDER BY new.key
                ON CONFLICT DO NOTHING;
            END IF;

            RETURN QUERY
            SELECT judged.outcome, judged.number, judged.account, judged.available,
                   CASE judged.n WHEN 1 THEN account_ids END
            FROM unnest(outcomes, numbers, refused_accounts, refused_available) WITH ORDINALITY
                AS judged (outcome, number, account, available, n);
        END
        $$;
    """)
