"""Ledger: what was held at a past effective time, as known at a past recorded time.

Let `meeting` be the earlier of the two times E (effective) and K (recorded). Entries that took effect when they were
recorded count when they were recorded by `meeting`: the running balance there, less the *displaced* entries in it
(effective ≠ recorded). Added to that come the displaced entries recorded by K that took effect by E:

    balance(E, K) = running(meeting) − displaced(∞, meeting) + displaced(E, K)

`displaced(E, K)` is a sum over a corner of the plane (effective × recorded) and must not cost more on an account whose
every entry is backdated. So displaced entries are gathered, in the order they were recorded, into *runs* that never
change: 512 entries make a run of level 0, sixteen runs of a level one of the next. A run keeps, for every effective
time in it, the sum up to there. Any prefix in recorded order is then at most fifteen runs of each level, one index
look-up each, and fewer than 512 entries besides (and those that the job has not come to yet).
"""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_FIXED_PLANS = """
    SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan
    SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
"""


def upgrade() -> None:
    _watermark()
    _runs()
    _extend_runs()
    _balance_at()
    _privileges()


def _watermark() -> None:
    """Below it no recorded time can appear any more.

    The clock is read first, the open postings (0008) after it, the rows in a later statement: that order is the proof.
    A prepared transaction keeps its locks and so holds the watermark back; a killed backend loses them with its rows.
    """
    op.execute("""
        CREATE FUNCTION ledger.watermark() RETURNS timestamptz LANGUAGE plpgsql
            SET search_path = pg_catalog, pg_temp AS $$
        DECLARE
            looked_at timestamptz := clock_timestamp();
            open_since bigint;
        BEGIN
            IF pg_is_in_recovery() THEN
                RAISE EXCEPTION 'a replica does not see the postings that are open on its primary'
                    USING ERRCODE = 'feature_not_supported';
            END IF;
            SELECT min(objid::bigint) INTO open_since FROM pg_locks
            WHERE locktype = 'advisory' AND classid = 7414155 AND objid > 0 AND objsubid = 2
                AND database = (SELECT oid FROM pg_database WHERE datname = current_database());
            RETURN least(looked_at, timestamptz '2024-01-01 00:00:00+00' + open_since * interval '1 second');
        END
        $$;
    """)


def _runs() -> None:
    op.execute("""
        CREATE INDEX ix_entries_displaced_recorded ON ledger.entries (account_id, transaction_id)
            INCLUDE (effective_at, amount) WHERE effective_at <> recorded_at;

        CREATE TABLE ledger.displaced_runs (
            account_id bigint NOT NULL,
            level integer NOT NULL,
            position bigint NOT NULL,
            last_id bigint NOT NULL,
            CONSTRAINT pk_displaced_runs PRIMARY KEY (account_id, level, last_id)
        );

        CREATE TABLE ledger.displaced_sums (
            account_id bigint NOT NULL,
            level integer NOT NULL,
            position bigint NOT NULL,
            effective_at timestamptz NOT NULL,
            total numeric NOT NULL,
            CONSTRAINT pk_displaced_sums PRIMARY KEY (account_id, level, position, effective_at)
        );
        COMMENT ON COLUMN ledger.displaced_sums.total IS 'of the run''s entries in effect by then; may pass a bigint';

        DO $$
        DECLARE
            name text;
        BEGIN
            FOREACH name IN ARRAY ARRAY['displaced_runs', 'displaced_sums'] LOOP
                EXECUTE format('CREATE TRIGGER kept BEFORE UPDATE OR DELETE ON ledger.%I
                                FOR EACH ROW EXECUTE FUNCTION ledger.refuse_change()', name);
                EXECUTE format('CREATE TRIGGER not_emptied BEFORE TRUNCATE ON ledger.%I
                                FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change()', name);
            END LOOP;
        END
        $$;
    """)


def _extend_runs() -> None:
    """Makes the runs that have become complete in the accounts that `after` … `until` touched.

    Only for one caller at a time, and only below the watermark: a run is never opened again.
    """
    op.execute(f"""
        CREATE FUNCTION ledger.add_run(account bigint, of_level integer, number bigint, after bigint, until bigint)
            RETURNS void LANGUAGE plpgsql {_FIXED_PLANS} AS $$
        BEGIN
            INSERT INTO ledger.displaced_runs (account_id, level, position, last_id)
            VALUES (account, of_level, number, until);
            INSERT INTO ledger.displaced_sums (account_id, level, position, effective_at, total)
            SELECT account, of_level, number, e.effective_at, sum(sum(e.amount)) OVER (ORDER BY e.effective_at)
            FROM ledger.entries AS e
            WHERE e.account_id = account AND e.transaction_id > after AND e.transaction_id <= until
                AND e.effective_at <> e.recorded_at
            GROUP BY e.effective_at;
        END
        $$;

        CREATE FUNCTION ledger.extend_runs(after bigint, until bigint) RETURNS void
            LANGUAGE plpgsql {_FIXED_PLANS} AS $$
        DECLARE
            account bigint;
            next_position bigint;
            last bigint;
            run_end bigint;
            run_start bigint;
            upper integer;
        BEGIN
            FOR account IN
                SELECT DISTINCT e.account_id FROM ledger.entries AS e
                WHERE e.transaction_id > after AND e.transaction_id <= until AND e.effective_at <> e.recorded_at
            LOOP
                SELECT r.position + 1, r.last_id INTO next_position, last FROM ledger.displaced_runs AS r
                WHERE r.account_id = account AND r.level = 0 ORDER BY r.last_id DESC LIMIT 1;
                next_position := coalesce(next_position, 0);
                last := coalesce(last, 0);
                LOOP
                    SELECT e.transaction_id INTO run_end FROM ledger.entries AS e
                    WHERE e.account_id = account AND e.transaction_id > last AND e.transaction_id <= until
                        AND e.effective_at <> e.recorded_at
                    ORDER BY e.transaction_id OFFSET 511 LIMIT 1;
                    EXIT WHEN NOT FOUND;
                    PERFORM ledger.add_run(account, 0, next_position, last, run_end);
                    last := run_end;
                    next_position := next_position + 1;
                    upper := 1;
                    WHILE next_position % (16 ^ upper)::bigint = 0 LOOP
                        SELECT max(r.last_id) INTO run_start FROM ledger.displaced_runs AS r
                        WHERE r.account_id = account AND r.level = upper;
                        PERFORM ledger.add_run(account, upper, next_position / (16 ^ upper)::bigint - 1,
                                               coalesce(run_start, 0), run_end);
                        upper := upper + 1;
                    END LOOP;
                END LOOP;
            END LOOP;
        END
        $$;
    """)


def _balance_at() -> None:
    """`known` and `meeting` are the greatest numbers that K, and the earlier of E and K, let in."""
    op.execute(f"""
        CREATE FUNCTION ledger.displaced(account bigint, effective timestamptz, known bigint) RETURNS numeric
            LANGUAGE plpgsql STABLE {_FIXED_PLANS} AS $$
        DECLARE
            runs bigint;
            last bigint;
            result numeric;
            at_level integer := 0;
        BEGIN
            SELECT r.position + 1, r.last_id INTO runs, last FROM ledger.displaced_runs AS r
            WHERE r.account_id = account AND r.level = 0 AND r.last_id <= known ORDER BY r.last_id DESC LIMIT 1;
            SELECT coalesce(sum(e.amount), 0) INTO result FROM ledger.entries AS e
            WHERE e.account_id = account AND e.transaction_id > coalesce(last, 0) AND e.transaction_id <= known
                AND e.effective_at <> e.recorded_at AND e.effective_at <= effective;
            WHILE runs > 0 LOOP
                SELECT result + coalesce(sum(up_to.total), 0) INTO result
                FROM generate_series(runs / 16 * 16, runs - 1) AS run (number), LATERAL (
                    SELECT s.total FROM ledger.displaced_sums AS s
                    WHERE s.account_id = account AND s.level = at_level AND s.position = run.number
                        AND s.effective_at <= effective
                    ORDER BY s.effective_at DESC LIMIT 1
                ) AS up_to;
                runs := runs / 16;
                at_level := at_level + 1;
            END LOOP;
            RETURN result;
        END
        $$;

        CREATE FUNCTION ledger.balance_at(account bigint, effective timestamptz, known bigint, meeting bigint)
            RETURNS numeric LANGUAGE plpgsql STABLE {_FIXED_PLANS} AS $$
        DECLARE
            running bigint;
        BEGIN
            SELECT e.balance INTO running FROM ledger.entries AS e
            WHERE e.account_id = account AND e.transaction_id <= meeting ORDER BY e.transaction_id DESC LIMIT 1;
            RETURN coalesce(running, 0) - ledger.displaced(account, 'infinity', meeting)
                + ledger.displaced(account, effective, known);
        END
        $$;
    """)


def _privileges() -> None:
    op.execute("""
        REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA ledger FROM PUBLIC;

        DO $$
        BEGIN
            IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'till_app') THEN
                REVOKE ALL ON ledger.displaced_runs, ledger.displaced_sums FROM till_app;
                GRANT SELECT ON ledger.displaced_runs, ledger.displaced_sums TO till_app;
                GRANT EXECUTE ON FUNCTION ledger.watermark, ledger.displaced, ledger.balance_at TO till_app;
            END IF;
        END
        $$;
    """)
