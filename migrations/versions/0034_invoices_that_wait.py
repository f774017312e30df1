"""Invoices that nobody pays are found without reading all of them."""

from alembic import op

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        CREATE INDEX ix_invoices_waiting ON billing.invoices (written_at)
            WHERE state = 'open' AND subscription_id IS NULL
    """)
