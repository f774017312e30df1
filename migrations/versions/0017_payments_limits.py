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
    """)
