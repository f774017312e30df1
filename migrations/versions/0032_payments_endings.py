"""Payouts that people say were made after all: what the house lent for them."""

from alembic import op

revision = "0032"
down_revision = "0029"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        ALTER TABLE payments.payouts
            ADD COLUMN found_under text,
            ADD COLUMN advanced bigint NOT NULL DEFAULT 0
                CONSTRAINT ck_payouts_advanced CHECK (advanced BETWEEN 0 AND amount);
    """)
