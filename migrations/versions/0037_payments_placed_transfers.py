"""Payments: transfers in suspense are aged by their rows; what was counted of them goes."""

from alembic import op

revision = "0037"
down_revision = "0036"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        DELETE FROM payments.open_items WHERE account = 'suspense:transfers';
        DELETE FROM payments.open_item_cursors WHERE account = 'suspense:transfers';
    """)
