"""Ledger: transactions found by the tags in their metadata.

Only what has tags is indexed: an index on all metadata costs every posting about 40 bytes (docs/adr/0029).
"""

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        CREATE INDEX ix_transactions_tags ON ledger.transactions USING gin ((metadata -> 'tags') jsonb_path_ops)
            WITH (fastupdate = off) WHERE metadata ? 'tags';
    """)
