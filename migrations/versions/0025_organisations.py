"""organisations: companies and groups that own things, their members, invitations."""

from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        CREATE TABLE identity.organisations (
            id uuid CONSTRAINT pk_organisations PRIMARY KEY,
            name text NOT NULL,
            slug text NOT NULL CONSTRAINT uq_organisations_slug UNIQUE,
            country text NOT NULL CONSTRAINT ck_organisations_country CHECK (country ~ '^[A-Z]{2}$'),
            status text NOT NULL CONSTRAINT ck_organisations_status CHECK (status IN ('active', 'closed')),
            created_at timestamptz NOT NULL,
            updated_at timestamptz NOT NULL
        );

        CREATE TABLE identity.memberships (
            organisation_id uuid NOT NULL CONSTRAINT fk_memberships_organisation_id_organisations
                REFERENCES identity.organisations ON DELETE CASCADE,
            person_id uuid NOT NULL CONSTRAINT fk_memberships_person_id_persons REFERENCES identity.persons,
            role text NOT NULL CONSTRAINT ck_memberships_role
                CHECK (role IN ('owner', 'admin', 'accountant', 'member')),
            joined_at timestamptz NOT NULL,
            CONSTRAINT pk_memberships PRIMARY KEY (organisation_id, person_id)
        );
        CREATE INDEX ix_memberships_person_id ON identity.memberships (person_id);

        CREATE TABLE identity.invitations (
            id uuid CONSTRAINT pk_invitations PRIMARY KEY,
            organisation_id uuid NOT NULL CONSTRAINT fk_invitations_organisation_id_organisations
                REFERENCES identity.organisations ON DELETE CASCADE,
            email text NOT NULL,
            role text NOT NULL CONSTRAINT ck_invitations_role
                CHECK (role IN ('owner', 'admin', 'accountant', 'member')),
            state text NOT NULL CONSTRAINT ck_invitations_state
                CHECK (state IN ('open', 'accepted', 'declined', 'withdrawn')),
            locale text NOT NULL,
            invited_by uuid CONSTRAINT fk_invitations_invited_by_persons REFERENCES identity.persons,
            sent_at timestamptz NOT NULL,
            expires_at timestamptz NOT NULL,
            created_at timestamptz NOT NULL,
            answered_at timestamptz
        );
        CREATE UNIQUE INDEX uq_invitations_open ON identity.invitations (organisation_id, email) WHERE state = 'open';
        CREATE INDEX ix_invitations_email ON identity.invitations (email) WHERE state = 'open';

        DO $$
        BEGIN
            IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'till_app') THEN
                REVOKE DELETE, TRUNCATE ON identity.organisations FROM till_app;
            END IF;
        END
        $$;
    """)
