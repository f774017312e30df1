"""Files: bytes shared by what an owner has twice, uploads that resume, renditions, and the pictures of people."""

from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        CREATE TABLE files.blobs (
            id uuid CONSTRAINT pk_blobs PRIMARY KEY,
            owner_id uuid NOT NULL,
            sha256 bytea NOT NULL,
            size bigint NOT NULL,
            state text NOT NULL CONSTRAINT ck_blobs_state CHECK (state IN ('writing', 'stored', 'waste')),
            changed_at timestamptz NOT NULL
        );
        CREATE UNIQUE INDEX uq_blobs_owner_id_sha256 ON files.blobs (owner_id, sha256) WHERE state = 'stored';
        CREATE INDEX ix_blobs_waste ON files.blobs (changed_at) WHERE state <> 'stored';

        -- What an owner stored twice is kept once from here on; all other bytes go with the next sweep.
        INSERT INTO files.blobs
            SELECT id, owner_id, sha256, size,
                   CASE WHEN state = 'stored'
                         AND row_number() OVER (PARTITION BY owner_id, sha256, state ORDER BY id) = 1
                        THEN 'stored' ELSE 'waste' END,
                   changed_at
              FROM files.files;

        ALTER TABLE files.files
            DROP CONSTRAINT ck_files_state,
            ALTER sha256 DROP NOT NULL,
            ADD kind text NOT NULL DEFAULT 'file',
            ADD reason text,
            ADD blob_id uuid CONSTRAINT fk_files_blob_id_blobs REFERENCES files.blobs,
            ADD parent_id uuid CONSTRAINT fk_files_parent_id_files REFERENCES files.files ON DELETE CASCADE,
            ADD rendition text,
            ADD facts jsonb NOT NULL DEFAULT '{}',
            ADD expires_at timestamptz;
        ALTER TABLE files.files ALTER kind DROP DEFAULT, ALTER facts DROP DEFAULT;
        DROP INDEX files.ix_files_waste;

        DELETE FROM files.files WHERE state <> 'stored';
        UPDATE files.files f SET state = 'ready', blob_id = b.id
          FROM files.blobs b
         WHERE b.owner_id = f.owner_id AND b.sha256 = f.sha256 AND b.state = 'stored';
        ALTER TABLE files.files
            ADD CONSTRAINT ck_files_state
                CHECK (state IN ('uploading', 'scanning', 'processing', 'ready', 'refused', 'deleted')),
            ADD CONSTRAINT ck_files_ready CHECK (state <> 'ready' OR (blob_id IS NOT NULL AND sha256 IS NOT NULL)),
            ADD CONSTRAINT ck_files_refused CHECK ((state = 'refused') = (reason IS NOT NULL));
        CREATE INDEX ix_files_waste ON files.files (changed_at) WHERE state = 'deleted';
        CREATE INDEX ix_files_refused ON files.files (changed_at) WHERE state = 'refused';
        CREATE INDEX ix_files_expires_at ON files.files (expires_at) WHERE expires_at IS NOT NULL;
        CREATE INDEX ix_files_blob_id ON files.files (blob_id);
        CREATE UNIQUE INDEX uq_files_parent_id_rendition ON files.files (parent_id, rendition)
            WHERE state <> 'deleted';

        CREATE TABLE files.uploads (
            file_id uuid CONSTRAINT pk_uploads PRIMARY KEY
                CONSTRAINT fk_uploads_file_id_files REFERENCES files.files ON DELETE CASCADE,
            way text NOT NULL CONSTRAINT ck_uploads_way CHECK (way IN ('tus', 'direct')),
            length bigint NOT NULL,
            received bigint NOT NULL,
            writer uuid,
            expires_at timestamptz NOT NULL,
            CONSTRAINT ck_uploads_received CHECK (received BETWEEN 0 AND length)
        );
        CREATE INDEX ix_uploads_expires_at ON files.uploads (expires_at);

        CREATE TABLE files.chunks (
            file_id uuid NOT NULL CONSTRAINT fk_chunks_file_id_uploads
                REFERENCES files.uploads ON DELETE CASCADE,
            start bigint NOT NULL,
            size bigint NOT NULL CONSTRAINT ck_chunks_size CHECK (size > 0),
            object_id uuid NOT NULL,
            CONSTRAINT pk_chunks PRIMARY KEY (file_id, start)
        );

        ALTER TABLE identity.persons ADD picture_id uuid;
    """)
