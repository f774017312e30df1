"""Ledger: open postings can be seen, closed periods take no more postings.

`ledger.post` is that of revision 0002 and two things more.

*A posting that is open can be seen*, so that a watermark can be told from `pg_locks`: before it locks any row it takes a
shared advisory lock (7414155, second), held until its transaction ends; every recorded time it gives is at or after
that second. Who reads the clock, then `pg_locks`, and then the rows in another statement, knows: a posting that is not
seen open either had ended, and its rows are visible, or has yet to begin, and records a later time.

*A period can be closed*: postings that take effect in it are refused from then on. Every posting holds the lock
(7414155, 0) in shared mode, closing takes it alone: it waits for the postings that are open and sees no new one until
it has ended, so that nothing is written into a closed period afterwards by one that had looked before.
"""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _closed_periods()
    _mark_open()
    _post()
    _privileges()


def _closed_periods() -> None:
    """Only what lies behind can be closed, so that a posting without an effective time of its own always passes."""
    op.execute("""
        CREATE TABLE ledger.closed_periods (
            id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT pk_closed_periods PRIMARY KEY,
            closed_until timestamptz NOT NULL,
            closed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
            closed_by uuid,
            reason text NOT NULL
        );
        CREATE INDEX ix_closed_periods_closed_until ON ledger.closed_periods (closed_until);

        CREATE FUNCTION ledger.close_only_the_past() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            PERFORM pg_advisory_xact_lock(7414155, 0);
            NEW.closed_at := clock_timestamp();
            IF NEW.closed_until > NEW.closed_at THEN
                RAISE EXCEPTION 'a period is closed up to now at the latest, not up to %', NEW.closed_until
                    USING ERRCODE = 'check_violation';
            END IF;
            RETURN NEW;
        END
        $$;

        CREATE TRIGGER only_the_past BEFORE INSERT ON ledger.closed_periods
            FOR EACH ROW EXECUTE FUNCTION ledger.close_only_the_past();
        CREATE TRIGGER kept BEFORE UPDATE OR DELETE ON ledger.closed_periods
            FOR EACH ROW EXECUTE FUNCTION ledger.refuse_change();
        CREATE TRIGGER not_emptied BEFORE TRUNCATE ON ledger.closed_periods
            FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();

        -- The app role's way to close a period. SECURITY DEFINER: it can write no table of the ledger.
        CREATE FUNCTION ledger.close_period(closed_until timestamptz, closed_by uuid, reason text) RETURNS bigint
            LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
            BEGIN ATOMIC
                INSERT INTO ledger.closed_periods (closed_until, closed_by, reason) VALUES ($1, $2, $3) RETURNING id;
            END;
    """)


def _mark_open() -> None:
    """Marks a posting as open until its transaction ends, and returns the microsecond (of a number) it began after.

    The second of the lock counts from 2024, as numbers do: four bytes last until 2092.
    """
    op.execute("""
        CREATE FUNCTION ledger.mark_open() RETURNS bigint LANGUAGE plpgsql AS $$
        DECLARE
            second integer := (ledger.number_at(clock_timestamp()) >> 12) / 1000000;
        BEGIN
            PERFORM pg_advisory_xact_lock_shared(7414155, 0), pg_advisory_xact_lock_shared(7414155, second);
            RETURN second * 1000000::bigint;
        END
        $$;
    """)


# Plans are fixed to index look-ups: what is planned while the tables are small must still be right when they are not.
_AS_OWNER = """
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan
    SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
"""


def _post() -> None:
    """As in revision 0002, with one more outcome: `period_closed`, for a new posting that would take effect in one."""
    op.execute(f"""
        CREATE OR REPLACE FUNCTION ledger.post(
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
            began bigint := ledger.mark_open();
            closed_until timestamptz;
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

            microsecond := greatest(ledger.number_at(clock_timestamp()) >> 12, (microsecond >> 12) + 1, began);
            IF cardinality(array_remove(effective, NULL)) > 0 THEN
                SELECT max(period.closed_until) INTO closed_until FROM ledger.closed_periods AS period;
            END IF;
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


def _privileges() -> None:
    op.execute("""
        REVOKE EXECUTE ON FUNCTION ledger.close_only_the_past, ledger.close_period, ledger.mark_open FROM PUBLIC;

        DO $$
        BEGIN
            IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'till_app') THEN
                REVOKE ALL ON ledger.closed_periods FROM till_app;
                REVOKE ALL ON SEQUENCE ledger.closed_periods_id_seq FROM till_app;
                GRANT SELECT ON ledger.closed_periods TO till_app;
                GRANT EXECUTE ON FUNCTION ledger.close_period TO till_app;
            END IF;
        END
        $$;
    """)
