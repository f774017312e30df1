"""kyc: cases, papers and their pages, decisions."""

from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        CREATE SCHEMA kyc;

        CREATE TABLE kyc.cases (
            id uuid CONSTRAINT pk_cases PRIMARY KEY,
            owner_kind text NOT NULL CONSTRAINT ck_cases_owner_kind CHECK (owner_kind IN ('person', 'organisation')),
            owner_id uuid NOT NULL,
            level text NOT NULL,
            state text NOT NULL CONSTRAINT ck_cases_state
                CHECK (state IN ('not_started', 'submitted', 'in_review', 'approved', 'rejected', 'expired')),
            details bytea,
            fingerprint bytea,
            findings jsonb NOT NULL,
            attempt bigint NOT NULL,
            submitted_by uuid,
            submitted_at timestamptz,
            taken_by uuid,
            taken_until timestamptz,
            decided_at timestamptz,
            expires_at timestamptz,
            reminded_at timestamptz,
            erase_at timestamptz,
            created_at timestamptz NOT NULL,
            updated_at timestamptz NOT NULL
        );
        CREATE UNIQUE INDEX uq_cases_open ON kyc.cases (owner_kind, owner_id, level)
            WHERE state IN ('not_started', 'submitted', 'in_review', 'rejected');
        CREATE INDEX ix_cases_owner_id_id ON kyc.cases (owner_id, id);
        CREATE INDEX ix_cases_waiting ON kyc.cases (submitted_at) WHERE state IN ('submitted', 'in_review');
        CREATE INDEX ix_cases_fingerprint ON kyc.cases (fingerprint) WHERE fingerprint IS NOT NULL;
        CREATE INDEX ix_cases_expires_at ON kyc.cases (expires_at) WHERE state = 'approved';
        CREATE INDEX ix_cases_erase_at ON kyc.cases (erase_at) WHERE erase_at IS NOT NULL;

        CREATE TABLE kyc.papers (
            id uuid CONSTRAINT pk_papers PRIMARY KEY,
            case_id uuid NOT NULL CONSTRAINT fk_papers_case_id_cases REFERENCES kyc.cases,
            kind text NOT NULL,
            pages bigint NOT NULL,
            added_by uuid NOT NULL,
            added_at timestamptz NOT NULL,
            CONSTRAINT uq_papers_case_id_kind UNIQUE (case_id, kind)
        );

        CREATE TABLE kyc.pages (
            id uuid CONSTRAINT pk_pages PRIMARY KEY,
            paper_id uuid NOT NULL CONSTRAINT fk_pages_paper_id_papers REFERENCES kyc.papers ON DELETE CASCADE,
            number bigint NOT NULL,
            content bytea NOT NULL,
            CONSTRAINT uq_pages_paper_id_number UNIQUE (paper_id, number)
        );
        ALTER TABLE kyc.pages ALTER COLUMN content SET STORAGE EXTERNAL; -- ciphertext does not compress

        CREATE TABLE kyc.decisions (
            id uuid CONSTRAINT pk_decisions PRIMARY KEY,
            case_id uuid NOT NULL CONSTRAINT fk_decisions_case_id_cases REFERENCES kyc.cases,
            attempt bigint NOT NULL,
            decision text NOT NULL CONSTRAINT ck_decisions_decision
                CHECK (decision IN ('approved', 'rejected', 'taken_back')),
            reasons text[] NOT NULL,
            note text NOT NULL,
            by uuid NOT NULL,
            at timestamptz NOT NULL,
            CONSTRAINT uq_decisions_case_id_attempt_by_decision UNIQUE (case_id, attempt, by, decision)
        );

        DO $$
        BEGIN
            IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'till_app') THEN
                REVOKE DELETE, TRUNCATE ON kyc.cases FROM till_app;
                REVOKE UPDATE, DELETE, TRUNCATE ON kyc.decisions FROM till_app;
            END IF;
        END
        $$;
    """)
