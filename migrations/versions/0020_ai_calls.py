"""ai calls."""

from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        CREATE SCHEMA ai;
        CREATE TABLE ai.price_lists (
            version text CONSTRAINT pk_price_lists PRIMARY KEY,
            unit text NOT NULL,
            models jsonb NOT NULL,
            first_used_at timestamptz NOT NULL
        );
        CREATE TABLE ai.calls (
            id uuid CONSTRAINT pk_calls PRIMARY KEY,
            request_id uuid NOT NULL,
            attempt bigint NOT NULL,
            kind text NOT NULL CONSTRAINT ck_calls_kind CHECK (kind IN ('chat', 'transcription', 'embedding')),
            owner_kind text NOT NULL CONSTRAINT ck_calls_owner_kind
                CHECK (owner_kind IN ('person', 'organisation', 'house')),
            owner_id uuid,
            purpose text NOT NULL,
            model text NOT NULL,
            state text NOT NULL CONSTRAINT ck_calls_state
                CHECK (state IN ('running', 'done', 'cut', 'cancelled', 'late', 'failed', 'lost')),
            failure text,
            input_tokens bigint NOT NULL,
            output_tokens bigint NOT NULL,
            cached_tokens bigint NOT NULL,
            milliseconds bigint NOT NULL,
            estimated boolean NOT NULL,
            price_version text NOT NULL CONSTRAINT fk_calls_price_version_price_lists REFERENCES ai.price_lists,
            unit text NOT NULL,
            most bigint NOT NULL,
            cost bigint NOT NULL,
            provider_request_id text,
            first_token_ms bigint,
            latency_ms bigint,
            created_at timestamptz NOT NULL,
            deadline_at timestamptz NOT NULL,
            finished_at timestamptz,
            CONSTRAINT ck_calls_owner CHECK ((owner_kind = 'house') = (owner_id IS NULL)),
            CONSTRAINT ck_calls_amounts
                CHECK (least(input_tokens, output_tokens, cached_tokens, milliseconds, most, cost) >= 0),
            CONSTRAINT ck_calls_finished CHECK ((state = 'running') = (finished_at IS NULL))
        );
        CREATE INDEX ix_calls_owner_id_id ON ai.calls (owner_id, id);
        CREATE INDEX ix_calls_created_at ON ai.calls (created_at);
        CREATE INDEX ix_calls_running ON ai.calls (deadline_at) WHERE state = 'running';
    """)
