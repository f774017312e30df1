"""Identity: persons and their identifiers, credentials, challenges, sessions, keys, and the audit log."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _people()
    _proofs()
    _sessions()
    _second_factor()
    _machines_and_audit()


def _people() -> None:
    op.execute("""
        CREATE SCHEMA identity;

        CREATE TABLE identity.persons (
            id uuid CONSTRAINT pk_persons PRIMARY KEY,
            status text NOT NULL CONSTRAINT ck_persons_status CHECK (status IN ('active', 'erased')),
            role text NOT NULL CONSTRAINT ck_persons_role CHECK (role IN ('user', 'staff', 'admin')),
            display_name text NOT NULL,
            locale text NOT NULL,
            zone text NOT NULL,
            created_at timestamptz NOT NULL,
            updated_at timestamptz NOT NULL
        );

        CREATE TABLE identity.identifiers (
            id uuid CONSTRAINT pk_identifiers PRIMARY KEY,
            person_id uuid NOT NULL CONSTRAINT fk_identifiers_person_id_persons REFERENCES identity.persons,
            kind text NOT NULL CONSTRAINT ck_identifiers_kind CHECK (kind IN ('email', 'phone')),
            value text NOT NULL,
            confirmed_at timestamptz NOT NULL,
            CONSTRAINT uq_identifiers_kind_value UNIQUE (kind, value)
        );
        CREATE INDEX ix_identifiers_person_id ON identity.identifiers (person_id);

        CREATE TABLE identity.credentials (
            person_id uuid CONSTRAINT pk_credentials PRIMARY KEY
                CONSTRAINT fk_credentials_person_id_persons REFERENCES identity.persons,
            password_hash text NOT NULL,
            changed_at timestamptz NOT NULL
        );
    """)


def _proofs() -> None:
    op.execute("""
        CREATE TABLE identity.challenges (
            id uuid CONSTRAINT pk_challenges PRIMARY KEY,
            purpose text NOT NULL CONSTRAINT ck_challenges_purpose
                CHECK (purpose IN ('register', 'sign_in', 'reset', 'link', 'step_up')),
            kind text NOT NULL,
            value text NOT NULL,
            person_id uuid CONSTRAINT fk_challenges_person_id_persons REFERENCES identity.persons ON DELETE CASCADE,
            session_id uuid,
            decoy boolean NOT NULL,
            locale text NOT NULL,
            data jsonb NOT NULL,
            tries bigint NOT NULL DEFAULT 0,
            sends bigint NOT NULL DEFAULT 0,
            sent_at timestamptz NOT NULL,
            expires_at timestamptz NOT NULL,
            used_at timestamptz,
            created_at timestamptz NOT NULL
        );
        CREATE INDEX ix_challenges_value ON identity.challenges (value, created_at);
        CREATE INDEX ix_challenges_created_at ON identity.challenges (created_at);

        CREATE TABLE identity.attempts (
            key bytea CONSTRAINT pk_attempts PRIMARY KEY,
            failures bigint NOT NULL,
            last_at timestamptz NOT NULL,
            locked_until timestamptz
        ) WITH (fillfactor = 80);
        CREATE INDEX ix_attempts_last_at ON identity.attempts (last_at);
    """)


def _sessions() -> None:
    op.execute("""
        CREATE TABLE identity.sessions (
            id uuid CONSTRAINT pk_sessions PRIMARY KEY,
            person_id uuid NOT NULL
                CONSTRAINT fk_sessions_person_id_persons REFERENCES identity.persons ON DELETE CASCADE,
            kind text NOT NULL CONSTRAINT ck_sessions_kind CHECK (kind IN ('api', 'pages')),
            cookie_hash bytea CONSTRAINT uq_sessions_cookie_hash UNIQUE,
            assurance bigint NOT NULL CONSTRAINT ck_sessions_assurance CHECK (assurance IN (1, 2)),
            fresh_until timestamptz,
            device text NOT NULL,
            created_at timestamptz NOT NULL,
            used_at timestamptz NOT NULL,
            expires_at timestamptz NOT NULL,
            ended_at timestamptz,
            end_reason text
        );
        CREATE INDEX ix_sessions_person_id ON identity.sessions (person_id) WHERE ended_at IS NULL;
        CREATE INDEX ix_sessions_expires_at ON identity.sessions (expires_at);

        CREATE TABLE identity.refresh_tokens (
            id uuid CONSTRAINT pk_refresh_tokens PRIMARY KEY,
            session_id uuid NOT NULL
                CONSTRAINT fk_refresh_tokens_session_id_sessions REFERENCES identity.sessions ON DELETE CASCADE,
            token_hash bytea NOT NULL CONSTRAINT uq_refresh_tokens_token_hash UNIQUE,
            created_at timestamptz NOT NULL,
            used_at timestamptz
        );
        CREATE INDEX ix_refresh_tokens_session_id ON identity.refresh_tokens (session_id);
    """)


def _second_factor() -> None:
    op.execute("""
        CREATE TABLE identity.totp (
            person_id uuid CONSTRAINT pk_totp PRIMARY KEY
                CONSTRAINT fk_totp_person_id_persons REFERENCES identity.persons ON DELETE CASCADE,
            secret bytea NOT NULL,
            counter bigint NOT NULL DEFAULT 0,
            confirmed_at timestamptz,
            created_at timestamptz NOT NULL
        );

        CREATE TABLE identity.recovery_codes (
            id uuid CONSTRAINT pk_recovery_codes PRIMARY KEY,
            person_id uuid NOT NULL
                CONSTRAINT fk_recovery_codes_person_id_persons REFERENCES identity.persons ON DELETE CASCADE,
            code_hash bytea NOT NULL,
            used_at timestamptz
        );
        CREATE INDEX ix_recovery_codes_person_id ON identity.recovery_codes (person_id);
    """)


def _machines_and_audit() -> None:
    op.execute("""
        CREATE TABLE identity.api_keys (
            id uuid CONSTRAINT pk_api_keys PRIMARY KEY,
            name text NOT NULL,
            hint text NOT NULL,
            key_hash bytea NOT NULL CONSTRAINT uq_api_keys_key_hash UNIQUE,
            scopes text[] NOT NULL,
            created_by uuid CONSTRAINT fk_api_keys_created_by_persons REFERENCES identity.persons,
            created_at timestamptz NOT NULL,
            expires_at timestamptz,
            used_at timestamptz,
            revoked_at timestamptz
        );

        CREATE TABLE identity.audit (
            id uuid CONSTRAINT pk_audit PRIMARY KEY,
            actor_kind text NOT NULL,
            actor_id uuid,
            action text NOT NULL,
            subject text NOT NULL,
            details jsonb NOT NULL,
            request_id text,
            at timestamptz NOT NULL
        );
        CREATE INDEX ix_audit_actor_id ON identity.audit (actor_id, at);
        CREATE INDEX ix_audit_subject ON identity.audit (subject, at);

        DO $$
        BEGIN
            IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'till_app') THEN
                REVOKE UPDATE, DELETE, TRUNCATE ON identity.audit FROM till_app;
                REVOKE DELETE, TRUNCATE ON identity.persons FROM till_app;
            END IF;
        END
        $$;
    """)
