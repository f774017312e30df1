"""Documents that are searched: collections, pages, passages and their vectors."""

from alembic import op
from sqlalchemy import text

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

_NO_VECTOR = (
    "This database has no extension `vector` (pgvector 0.8 or newer), and the role of DATABASE_OWNER_URL may not make "
    "it. Install pgvector on the server, then run once as a superuser in this database: CREATE EXTENSION vector"
)
# Vectors of other lengths are compared one by one, which is right up to some ten thousand a collection.
_INDEXED = (256, 384, 512, 768, 1024, 1536)


def upgrade() -> None:
    _require_vector()
    op.execute("CREATE SCHEMA IF NOT EXISTS ai")
    op.execute("""
        CREATE TABLE ai.collections (
            id uuid CONSTRAINT pk_collections PRIMARY KEY,
            number bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT uq_collections_number UNIQUE,
            owner_id uuid NOT NULL,
            name text NOT NULL,
            created_at timestamptz NOT NULL,
            CONSTRAINT uq_collections_owner_id_name UNIQUE (owner_id, name)
        );

        CREATE TABLE ai.documents (
            id uuid CONSTRAINT pk_documents PRIMARY KEY,
            collection_id uuid NOT NULL CONSTRAINT fk_documents_collection_id_collections
                REFERENCES ai.collections ON DELETE CASCADE,
            owner_id uuid NOT NULL,
            file_id uuid NOT NULL,
            name text NOT NULL,
            media_type text NOT NULL,
            sha256 bytea NOT NULL,
            languages text[] NOT NULL,
            state text NOT NULL CONSTRAINT ck_documents_state
                CHECK (state IN ('received', 'parsing', 'indexing', 'ready', 'failed', 'deleting')),
            revision bigint NOT NULL,
            job_id uuid,
            title text NOT NULL,
            pages_read bigint NOT NULL,
            pages_total bigint NOT NULL,
            passages_indexed bigint NOT NULL,
            passages_total bigint NOT NULL,
            hidden_pages bigint[] NOT NULL,
            failure text,
            failure_page bigint,
            failure_most bigint,
            created_at timestamptz NOT NULL,
            changed_at timestamptz NOT NULL,
            CONSTRAINT ck_documents_failure CHECK ((failure IS NOT NULL) = (state = 'failed'))
        );
        CREATE UNIQUE INDEX uq_documents_collection_id_sha256 ON ai.documents (collection_id, sha256)
            WHERE state <> 'deleting';
        CREATE INDEX ix_documents_owner_id_id ON ai.documents (owner_id, id);

        CREATE TABLE ai.pages (
            document_id uuid NOT NULL CONSTRAINT fk_pages_document_id_documents
                REFERENCES ai.documents ON DELETE CASCADE,
            number bigint NOT NULL,
            revision bigint NOT NULL,
            fingerprint text NOT NULL,
            source text NOT NULL CONSTRAINT ck_pages_source CHECK (source IN ('text', 'ocr')),
            content jsonb NOT NULL,
            CONSTRAINT pk_pages PRIMARY KEY (document_id, number)
        );

        CREATE TABLE ai.passages (
            id uuid CONSTRAINT pk_passages PRIMARY KEY,
            document_id uuid NOT NULL CONSTRAINT fk_passages_document_id_documents
                REFERENCES ai.documents ON DELETE CASCADE,
            collection_id uuid NOT NULL,
            owner_id uuid NOT NULL,
            place bigint NOT NULL,
            page bigint NOT NULL,
            start_at bigint NOT NULL,
            end_at bigint NOT NULL,
            headings text[] NOT NULL,
            context text NOT NULL,
            text text NOT NULL,
            boxes jsonb NOT NULL,
            fingerprint bytea NOT NULL,
            length bigint NOT NULL,
            terms tsvector STORAGE MAIN NOT NULL,
            CONSTRAINT ck_passages_span CHECK (start_at >= 0 AND end_at > start_at)
        );
        CREATE INDEX ix_passages_document_id_place ON ai.passages (document_id, place);
        CREATE INDEX ix_passages_collection_id ON ai.passages (collection_id) INCLUDE (length);
        CREATE INDEX ix_passages_terms ON ai.passages USING gin (terms);

        CREATE TABLE ai.vectors (
            passage_id uuid CONSTRAINT pk_vectors PRIMARY KEY CONSTRAINT fk_vectors_passage_id_passages
                REFERENCES ai.passages ON DELETE CASCADE,
            collection_id uuid NOT NULL,
            owner_id uuid NOT NULL,
            model text NOT NULL,
            dimensions bigint NOT NULL,
            embedding vector NOT NULL,
            CONSTRAINT ck_vectors_dimensions CHECK (dimensions = vector_dims(embedding))
        );
        CREATE INDEX ix_vectors_collection_id_model ON ai.vectors (collection_id, model);
    """)
    for dimensions in _INDEXED:
        op.execute(f"""
            CREATE INDEX ix_vectors_{dimensions} ON ai.vectors
                USING hnsw ((embedding::vector({dimensions})) vector_cosine_ops) WHERE dimensions = {dimensions}
        """)


def _require_vector() -> None:
    connection = op.get_bind()
    if connection.execute(text("SELECT 1 FROM pg_extension WHERE extname = 'vector'")).first():
        return
    try:
        with connection.begin_nested():
            connection.execute(text("CREATE EXTENSION vector"))
    except Exception as error:
        raise RuntimeError(_NO_VECTOR) from error
