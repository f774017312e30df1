"""Payments: what came back of a payout has lines of its own, and disputes are lost in part (docs/adr/0110, 0111)."""

from alembic import op

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        ALTER TABLE payments.recon_lines DROP CONSTRAINT ck_recon_lines_kind;
        ALTER TABLE payments.recon_lines ADD CONSTRAINT ck_recon_lines_kind
            CHECK (kind IN ('payment', 'refund', 'dispute', 'reinstated', 'payout', 'returned', 'adjustment'));
        UPDATE payments.recon_lines SET kind = 'returned' WHERE kind = 'payout' AND gross > 0;
        ALTER TABLE payments.disputes
            ADD COLUMN lost_part bigint
                CONSTRAINT ck_disputes_lost_part CHECK (lost_part > 0 AND lost_part < amount AND taken <= lost_part);
    """)
