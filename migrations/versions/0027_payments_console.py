"""Payments: what the staff console looks up, and counts on each visit."""

from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        CREATE INDEX ix_provider_events_order_id ON payments.provider_events (provider, order_id)
            WHERE order_id IS NOT NULL;
        CREATE INDEX ix_provider_events_payment_id ON payments.provider_events (provider, payment_id)
            WHERE payment_id IS NOT NULL;
        CREATE INDEX ix_provider_events_payout_reference ON payments.provider_events (payout_reference)
            WHERE payout_reference IS NOT NULL;
        CREATE INDEX ix_provider_events_parked ON payments.provider_events (id) WHERE state = 'parked';
        CREATE INDEX ix_orders_email ON payments.orders (email) WHERE email IS NOT NULL;
        CREATE INDEX ix_payouts_utr ON payments.payouts (utr) WHERE utr IS NOT NULL;
        CREATE INDEX ix_payouts_unknown ON payments.payouts (id) WHERE state IN ('sending', 'unknown');
        CREATE INDEX ix_disputes_running ON payments.disputes (id) WHERE closed_at IS NULL;
        CREATE INDEX ix_exceptions_open ON payments.exceptions (id) WHERE closed_at IS NULL;
    """)
