"""Files end everywhere: whose words are in the index is known, and which files are still on their way in."""

from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        ALTER TABLE ai.documents ADD indexed_file_id uuid;
        UPDATE ai.documents SET indexed_file_id = file_id;
        CREATE INDEX ix_documents_file_id ON ai.documents (file_id);
        CREATE INDEX ix_documents_indexed_file_id ON ai.documents (indexed_file_id)
            WHERE indexed_file_id IS NOT NULL;
        ALTER TABLE ai.documents ADD unsure_pages bigint[] NOT NULL DEFAULT '{}';
        UPDATE ai.documents SET unsure_pages = found.pages
          FROM (SELECT document_id, array_agg(number ORDER BY number) AS pages
                  FROM ai.pages
                 WHERE source = 'ocr' AND content ->> 'text' <> '' AND (content ->> 'confidence')::float8 < 0.8
                 GROUP BY document_id) AS found
         WHERE documents.id = found.document_id;
        ALTER TABLE ai.documents ALTER unsure_pages DROP DEFAULT;
        CREATE INDEX ix_files_uploading ON files.files (changed_at) WHERE state = 'uploading';

        -- What was left behind until now: files of contacts that became one with another, or are gone, and documents
        -- whose file is.
        DO $$
        DECLARE
            one record;
        BEGIN
            FOR one IN
                SELECT DISTINCT f.owner_id AS before, i.contact_id AS after
                  FROM channels.inbound i JOIN files.files f ON f.id = i.file_id
                 WHERE f.kind = 'channels.inbound' AND f.owner_id <> i.contact_id
            LOOP
                UPDATE files.files f SET blob_id = kept.id
                  FROM files.blobs spare JOIN files.blobs kept
                    ON kept.owner_id = one.after AND kept.sha256 = spare.sha256 AND kept.state = 'stored'
                 WHERE f.blob_id = spare.id AND spare.owner_id = one.before AND spare.state = 'stored';
                UPDATE files.blobs spare SET state = 'waste', changed_at = now()
                  FROM files.blobs kept
                 WHERE kept.owner_id = one.after AND kept.sha256 = spare.sha256 AND kept.state = 'stored'
                   AND spare.owner_id = one.before AND spare.state = 'stored';
                UPDATE files.blobs SET owner_id = one.after WHERE owner_id = one.before;
                UPDATE files.files SET owner_id = one.after WHERE owner_id = one.before;
            END LOOP;
        END
        $$;
        UPDATE files.files f SET state = 'deleted', reason = NULL, name = 'file', facts = '{}', changed_at = now()
         WHERE f.kind = 'channels.inbound' AND f.state <> 'deleted'
           AND NOT EXISTS (SELECT FROM channels.chat_contacts c WHERE c.id = f.owner_id);
        UPDATE files.files SET expires_at = created_at + interval '180 days' -- CHANNELS_CHAT_KEEP_DAYS by itself
         WHERE kind = 'channels.inbound' AND state <> 'deleted' AND expires_at IS NULL;
        DELETE FROM ai.documents d
         WHERE NOT EXISTS (SELECT FROM files.files f WHERE f.id = d.file_id AND f.state <> 'deleted');
    """)
