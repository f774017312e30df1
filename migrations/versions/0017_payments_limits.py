"""Payments' limits and what is around them: tickets that are good once."""

from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        -- A ticket for a stream is good once: its number is kept until it would be too old anyway.
        CREATE TABLE identity.spent_tickets (
            id uuid CONSTRAINT pk_spent_tickets PRIMARY KEY,
            expires_at timestamptz NOT NULL
        );

        -- Where a gateway that cannot pay back by itself asks the payer for a bank account.
        ALTER TABLE payments.refunds ADD COLUMN email text;

        -- Since when a provider's reports are read. Where they were read before, since the first day that was.
        CREATE TABLE payments.recon_starts (
            provider text CONSTRAINT pk_recon_starts PRIMARY KEY,
            since timestamptz NOT NULL
        );
        INSERT INTO payments.recon_starts (provider, since)
            SELECT provider, min(settled_on)::timestamp AT TIME ZONE 'UTC' FROM payments.recon_lines
            WHERE settled_on IS NOT NULL GROUP BY provider;

        -- What a provider took for a dispute and gave back when it was won are two lines: each has a kind of its own.
        ALTER TABLE payments.recon_lines DROP CONSTRAINT ck_recon_lines_kind;
        ALTER TABLE payments.recon_lines ADD CONSTRAINT ck_recon_lines_kind
            CHECK (kind IN ('payment', 'refund', 'dispute', 'reinstated', 'payout', 'adjustment'));
        UPDATE payments.recon_lines SET kind = 'reinstated' WHERE kind = 'dispute' AND gross > 0;
    """)
