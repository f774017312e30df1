"""Kernel: who may do what, events, jobs, schedules, idempotency keys, and the embedded broker's queues.

Roles are made before the first migration (`till_owner` runs it, `till_app` is what the processes sign in as). Where
`till_app` does not exist the house runs as the owner, and there is nothing to grant.
"""

from alembic import op
from pgmq import get_embedded_install_sql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    _privileges()
    _events()
    _jobs()
    _idempotency_keys()
    _broker()


def _privileges() -> None:
    """What the owner creates from now on, the app role may read and write; later migrations revoke what is too much."""
    op.execute("""
        CREATE SCHEMA kernel;

        DO $$
        BEGIN
            IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'till_app') THEN
                ALTER DEFAULT PRIVILEGES GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO till_app;
                ALTER DEFAULT PRIVILEGES GRANT USAGE, SELECT ON SEQUENCES TO till_app;
                ALTER DEFAULT PRIVILEGES GRANT USAGE ON SCHEMAS TO till_app;
                GRANT USAGE ON SCHEMA kernel TO till_app;
                GRANT SELECT ON public.alembic_version TO till_app;
            END IF;
        END
        $$;
    """)


def _events() -> None:
    op.execute("""
        CREATE TABLE kernel.events (
            id uuid CONSTRAINT pk_events PRIMARY KEY,
            name text NOT NULL,
            payload jsonb NOT NULL,
            request_id text,
            emitted_at timestamptz NOT NULL,
            dispatched_at timestamptz
        ) WITH (fillfactor = 90, autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.05);

        -- Only what the relay has still to look at is indexed: a dispatched event costs its row and its key.
        CREATE INDEX ix_events_undispatched ON kernel.events (id) WHERE dispatched_at IS NULL;
    """)


def _jobs() -> None:
    """`wake_at` is when the relay looks at an unfinished job again: queued, when it is due; sent, when it is sent
    again; running, when its lease ends. One column and one partial index serve all three.
    """
    op.execute("""
        CREATE TABLE kernel.jobs (
            id uuid CONSTRAINT pk_jobs PRIMARY KEY,
            name text NOT NULL,
            lane text NOT NULL CONSTRAINT ck_jobs_lane CHECK (lane IN ('money', 'quick', 'slow')),
            payload jsonb NOT NULL,
            unique_key text,
            request_id text,
            state text NOT NULL DEFAULT 'queued' CONSTRAINT ck_jobs_state
                CHECK (state IN ('queued', 'sent', 'running', 'done', 'dead', 'cancelled')),
            attempt bigint NOT NULL DEFAULT 0,
            sends bigint NOT NULL DEFAULT 0,
            run_at timestamptz NOT NULL,
            wake_at timestamptz NOT NULL,
            lease_holder text,
            deadline timestamptz,
            cancel_requested boolean NOT NULL DEFAULT false,
            progress_done bigint,
            progress_total bigint,
            progress_note text,
            error_code text,
            error_message text,
            created_at timestamptz NOT NULL,
            finished_at timestamptz,
            CONSTRAINT ck_jobs_finished CHECK ((finished_at IS NULL) = (state IN ('queued', 'sent', 'running'))),
            CONSTRAINT ck_jobs_lease CHECK ((lease_holder IS NULL) = (state <> 'running'))
        ) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.05);

        CREATE INDEX ix_jobs_wake_at ON kernel.jobs (wake_at) WHERE state IN ('queued', 'sent', 'running');
        CREATE INDEX ix_jobs_dead ON kernel.jobs (finished_at) WHERE state = 'dead';
        CREATE UNIQUE INDEX uq_jobs_name_unique_key ON kernel.jobs (name, unique_key) WHERE unique_key IS NOT NULL;

        CREATE TABLE kernel.schedules (
            name text CONSTRAINT pk_schedules PRIMARY KEY,
            fired_at timestamptz NOT NULL
        );
    """)


def _idempotency_keys() -> None:
    op.execute("""
        CREATE TABLE kernel.idempotency_keys (
            caller text NOT NULL,
            route text NOT NULL,
            key text NOT NULL,
            request_hash bytea NOT NULL,
            claim uuid,
            claimed_until timestamptz,
            status bigint,
            headers jsonb,
            body bytea,
            created_at timestamptz NOT NULL,
            CONSTRAINT pk_idempotency_keys PRIMARY KEY (caller, route, key),
            CONSTRAINT ck_idempotency_keys_answer CHECK ((status IS NULL) = (body IS NULL))
        ) WITH (fillfactor = 80);

        CREATE INDEX ix_idempotency_keys_created_at ON kernel.idempotency_keys (created_at);
    """)


def _broker() -> None:
    """pgmq's SQL as its wheel ships it, owned by the owner.

    A queue is made by whoever first uses it, which is the app role; that role owns nothing and makes no tables, so the
    one function that makes a queue runs as the owner. Default privileges let the app role into what it makes.
    """
    connection = op.get_bind().connection.driver_connection
    assert connection is not None
    if connection.execute("SELECT FROM pg_namespace WHERE nspname = 'pgmq'").fetchone():
        return
    connection.execute(get_embedded_install_sql())
    op.execute("""
        ALTER FUNCTION pgmq.create_non_partitioned(text) SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
        REVOKE EXECUTE ON FUNCTION pgmq.create_non_partitioned(text) FROM PUBLIC;

        DO $$
        BEGIN
            IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'till_app') THEN
                GRANT USAGE ON SCHEMA pgmq TO till_app;
                GRANT EXECUTE ON FUNCTION pgmq.create_non_partitioned(text) TO till_app;
            END IF;
        END
        $$;
    """)
