"""Webhooks out."""

from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        CREATE TABLE channels.webhook_endpoints (
            id uuid CONSTRAINT pk_webhook_endpoints PRIMARY KEY,
            machine_id uuid,
            created_by uuid,
            url text NOT NULL,
            description text NOT NULL,
            event_types text[] NOT NULL,
            status text NOT NULL CONSTRAINT ck_webhook_endpoints_status
                CHECK (status IN ('enabled', 'paused', 'disabled')),
            disabled_reason text,
            slow boolean NOT NULL,
            failing_since timestamptz,
            created_at timestamptz NOT NULL,
            updated_at timestamptz NOT NULL
        );
        CREATE INDEX ix_webhook_endpoints_machine_id ON channels.webhook_endpoints (machine_id);

        CREATE TABLE channels.webhook_secrets (
            id uuid CONSTRAINT pk_webhook_secrets PRIMARY KEY,
            endpoint_id uuid NOT NULL CONSTRAINT fk_webhook_secrets_endpoint_id_webhook_endpoints
                REFERENCES channels.webhook_endpoints ON DELETE CASCADE,
            secret bytea NOT NULL,
            created_at timestamptz NOT NULL,
            expires_at timestamptz
        );
        CREATE INDEX ix_webhook_secrets_endpoint_id ON channels.webhook_secrets (endpoint_id);

        CREATE TABLE channels.webhook_messages (
            id uuid CONSTRAINT pk_webhook_messages PRIMARY KEY,
            type text NOT NULL,
            body text NOT NULL,
            created_at timestamptz NOT NULL
        );
        CREATE INDEX ix_webhook_messages_created_at ON channels.webhook_messages (created_at);

        CREATE TABLE channels.webhook_deliveries (
            id uuid CONSTRAINT pk_webhook_deliveries PRIMARY KEY,
            message_id uuid NOT NULL CONSTRAINT fk_webhook_deliveries_message_id_webhook_messages
                REFERENCES channels.webhook_messages ON DELETE CASCADE,
            endpoint_id uuid NOT NULL CONSTRAINT fk_webhook_deliveries_endpoint_id_webhook_endpoints
                REFERENCES channels.webhook_endpoints ON DELETE CASCADE,
            state text NOT NULL CONSTRAINT ck_webhook_deliveries_state
                CHECK (state IN ('pending', 'delivered', 'dead')),
            attempts bigint NOT NULL,
            tries bigint NOT NULL,
            due_at timestamptz NOT NULL,
            waiting boolean NOT NULL,
            sending_job uuid,
            sending_until timestamptz,
            created_at timestamptz NOT NULL,
            finished_at timestamptz,
            CONSTRAINT uq_webhook_deliveries_message_id_endpoint_id UNIQUE (message_id, endpoint_id)
        );
        CREATE INDEX ix_webhook_deliveries_endpoint_id_id ON channels.webhook_deliveries (endpoint_id, id);
        CREATE INDEX ix_webhook_deliveries_pending ON channels.webhook_deliveries (endpoint_id, due_at)
            WHERE state = 'pending';

        CREATE TABLE channels.webhook_attempts (
            id uuid CONSTRAINT pk_webhook_attempts PRIMARY KEY,
            delivery_id uuid NOT NULL CONSTRAINT fk_webhook_attempts_delivery_id_webhook_deliveries
                REFERENCES channels.webhook_deliveries ON DELETE CASCADE,
            number bigint NOT NULL,
            started_at timestamptz NOT NULL,
            finished_at timestamptz,
            status bigint,
            error text,
            answer text NOT NULL,
            CONSTRAINT uq_webhook_attempts_delivery_id_number UNIQUE (delivery_id, number)
        );
    """)
