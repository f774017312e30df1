"""Payouts that people say were made after all, and disputes that are won after they were lost."""

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
        CREATE INDEX ix_exceptions_subject_reason ON payments.exceptions (subject, reason);
        ALTER TABLE payments.disputes
            ADD COLUMN reversal_id bigint,
            DROP CONSTRAINT ck_disputes_booked,
            ADD CONSTRAINT ck_disputes_booked CHECK (state <> 'lost' OR transaction_id IS NOT NULL),
            ADD CONSTRAINT ck_disputes_reinstated
                CHECK ((reversal_id IS NOT NULL) = (state <> 'lost' AND transaction_id IS NOT NULL));
    """)
