"""Ledger: `ledger.post` does less for each posting. The same outcomes, rows and order of locks as in 0008.

What changed, by what a profile of a bulk showed (docs/adr/0057):

* *No function is called for a sign or a number.* `natural_sign` and `number_at` cannot be inlined by the planner (one
  is strict around a CASE, the other claims more than `extract` does): each call started an executor of its own.
* *Keys, and remembered refusals, are looked up once for all postings*, and told apart by posting only where some are
  known; before, a group asked for each posting's refusal with a statement of its own.
* *The judging takes fewer steps.* What only some calls have (keys known before, effective times under a closed period,
  reversals, captures, refusals that stay) is asked only in such calls; overflow is judged in whole numbers.
"""

from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


# Plans are fixed to index look-ups: what is planned while the tables are small must still be right when they are not.
_AS_OWNER = """
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan
    SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off
"""


def upgrade() -> None:
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

    The recorded time is taken after the locks and pushed past the last one of each account, so that recorded order and
    sequence agree whatever the clock does. The same key with the same input means the same accounts, so looking keys up
    after the locks is enough to see the one that came first; the same key with other input is found by the insert.
    """
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
            second integer := ((extract(epoch FROM clock_timestamp()) * 1000000)::bigint - 1704067200000000) / 1000000;
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

            microsecond := greatest(
                (extract(epoch FROM clock_timestamp()) * 1000000)::bigint - 1704067200000000,
                (microsecond >> 12) + 1, second * 1000000::bigint);
            IF cardinality(array_remove(effective, NULL)) > 0 THEN
                SELECT max(period.closed_until) INTO closed_until FROM ledger.closed_periods AS period;
            END IF;
            low_bits := nextval('ledger.numbers') & 4095;
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
