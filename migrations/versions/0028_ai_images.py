"""Pictures by models, and Google accounts that people sign in with."""

from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        ALTER TABLE identity.identifiers
            DROP CONSTRAINT ck_identifiers_kind,
            ADD CONSTRAINT ck_identifiers_kind CHECK (kind IN ('email', 'phone', 'google')),
            ADD COLUMN label text;
        ALTER TABLE ai.calls
            DROP CONSTRAINT ck_calls_kind,
            ADD CONSTRAINT ck_calls_kind CHECK (kind IN ('chat', 'transcription', 'embedding', 'image')),
            ADD COLUMN pieces bigint NOT NULL DEFAULT 0,
            DROP CONSTRAINT ck_calls_amounts,
            ADD CONSTRAINT ck_calls_amounts CHECK (
                least(input_tokens, output_tokens, cached_tokens, milliseconds, pieces, most, cost) >= 0
            );
        ALTER TABLE ai.calls ALTER COLUMN pieces DROP DEFAULT;
        CREATE TABLE ai.image_jobs (
            id uuid CONSTRAINT pk_image_jobs PRIMARY KEY,
            kind text NOT NULL CONSTRAINT ck_image_jobs_kind CHECK (kind IN ('tune', 'prompt', 'pack')),
            owner_kind text NOT NULL CONSTRAINT ck_image_jobs_owner_kind
                CHECK (owner_kind IN ('person', 'organisation')),
            owner_id uuid NOT NULL,
            purpose text NOT NULL,
            endpoint text NOT NULL,
            state text NOT NULL CONSTRAINT ck_image_jobs_state
                CHECK (state IN ('queued', 'training', 'generating', 'ready', 'failed', 'cancelled')),
            reason text,
            tune_id uuid CONSTRAINT fk_image_jobs_tune_id_image_jobs REFERENCES ai.image_jobs,
            request jsonb NOT NULL,
            external_id text,
            call_id uuid NOT NULL,
            pictures uuid[] NOT NULL,
            sent_at timestamptz,
            look_at timestamptz NOT NULL,
            deadline_at timestamptz NOT NULL,
            created_at timestamptz NOT NULL,
            finished_at timestamptz,
            CONSTRAINT ck_image_jobs_reason CHECK ((state = 'failed') = (reason IS NOT NULL)),
            CONSTRAINT ck_image_jobs_finished
                CHECK ((state IN ('ready', 'failed', 'cancelled')) = (finished_at IS NOT NULL))
        );
        CREATE INDEX ix_image_jobs_owner_id_id ON ai.image_jobs (owner_id, id);
        CREATE INDEX ix_image_jobs_tune_id ON ai.image_jobs (tune_id);
        CREATE INDEX ix_image_jobs_open ON ai.image_jobs (look_at)
            WHERE state IN ('queued', 'training', 'generating');
        CREATE UNIQUE INDEX uq_image_jobs_external_id ON ai.image_jobs (endpoint, kind, external_id);
    """)
