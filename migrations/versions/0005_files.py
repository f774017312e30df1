"""Files: what is stored, whose it is, and where its bytes are."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        CREATE SCHEMA files;

        CREATE TABLE files.files (
            id uuid CONSTRAINT pk_files PRIMARY KEY,
            owner_id uuid NOT NULL,
            name text NOT NULL,
            media_type text NOT NULL,
            size bigint NOT NULL,
            sha256 bytea NOT NULL,
            state text NOT NULL CONSTRAINT ck_files_state CHECK (state IN ('pending', 'stored', 'deleted')),
            created_at timestamptz NOT NULL,
            changed_at timestamptz NOT NULL
        );
        CREATE INDEX ix_files_owner_id ON files.files (owner_id, id);
        CREATE INDEX ix_files_waste ON files.files (changed_at) WHERE state <> 'stored';
    """)
