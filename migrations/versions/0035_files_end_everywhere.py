"""Files end everywhere: whose words are in the index is known, and which files are still on their way in."""

from alembic import op

revision = "0035"
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
    """)
