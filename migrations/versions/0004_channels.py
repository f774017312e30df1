"""Channels: messages to people and what became of them."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        CREATE SCHEMA channels;

        CREATE TABLE channels.messages (
            id uuid CONSTRAINT pk_messages PRIMARY KEY,
            channel text NOT NULL CONSTRAINT ck_messages_channel CHECK (channel IN ('email', 'sms')),
            address text NOT NULL,
            locale text NOT NULL,
            template text NOT NULL,
            data jsonb NOT NULL,
            status text NOT NULL CONSTRAINT ck_messages_status
                CHECK (status IN ('queued', 'unknown', 'sent', 'delivered', 'failed')),
            provider text,
            provider_id text,
            error_code text,
            attempted_at timestamptz,
            created_at timestamptz NOT NULL,
            updated_at timestamptz NOT NULL
        );
        CREATE INDEX ix_messages_address ON channels.messages (address);
        CREATE INDEX ix_messages_created_at ON channels.messages (created_at);
    """)
