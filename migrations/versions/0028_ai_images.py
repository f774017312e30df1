"""Pictures by models, and Google accounts that people sign in with."""

from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        ALTER TABLE identity.identifiers
            DROP CONSTRAINT ck_identifiers_kind,
            ADD CONSTRAINT ck_identifiers_kind CHECK (kind IN ('email', 'phone', 'google')),
            ADD COLUMN label text;
    """)
