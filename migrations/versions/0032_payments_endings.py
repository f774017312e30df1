"""Payouts that people say were made after all, disputes won after they were lost, large transfers placed by two."""

from alembic import op

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        ALTER TABLE payments.payouts
            ADD COLUMN found_under text,
            ADD COLUMN advanced bigint NOT NULL DEFAULT 0
                CONSTRAINT ck_payouts_advanced CHECK (advanced BETWEEN 0 AND amount);
        CREATE TABLE payments.transfer_proposals (
            transfer_id uuid CONSTRAINT pk_transfer_proposals PRIMARY KEY
                CONSTRAINT fk_transfer_proposals_transfer_id_transfers REFERENCES payments.transfers (id),
            what text NOT NULL
                CONSTRAINT ck_transfer_proposals_what CHECK (what IN ('place', 'release', 'sent_back')),
            target uuid NOT NULL,
            by uuid NOT NULL,
            at timestamptz NOT NULL
        );
        CREATE INDEX ix_exceptions_subject_reason ON payments.exceptions (subject, reason);
        ALTER TABLE payments.disputes
            ADD COLUMN reversal_id bigint,
            DROP CONSTRAINT ck_disputes_booked,
            ADD CONSTRAINT ck_disputes_booked CHECK (state <> 'lost' OR transaction_id IS NOT NULL),
            ADD CONSTRAINT ck_disputes_reinstated
                CHECK ((reversal_id IS NOT NULL) = (state <> 'lost' AND transaction_id IS NOT NULL));
    """)
