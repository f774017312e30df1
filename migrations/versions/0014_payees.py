"""Payments: payees, what is known of them, and what people decide about payouts that wait.

A payee is never deleted: a removed one remembers that it was there. A decision is never changed.
"""

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _payees()
    _payouts()
    _payout_reviews()
    op.execute("ALTER TABLE payments.provider_events ADD COLUMN check_id text")
    _privileges()


def _payees() -> None:
    op.execute("""
        CREATE TABLE payments.payees (
            id uuid CONSTRAINT pk_payees PRIMARY KEY,
            owner_kind text NOT NULL,
            owner_id uuid NOT NULL,
            kind text NOT NULL,
            destination bytea NOT NULL,
            masked text NOT NULL,
            fingerprint bytea NOT NULL,
            state text NOT NULL CONSTRAINT ck_payees_state
                CHECK (state IN ('new', 'checking', 'verified', 'refused', 'removed')),
            registered_name bytea,
            name_match text CONSTRAINT ck_payees_name_match
                CHECK (name_match IN ('match', 'partial', 'mismatch', 'unknown')),
            usable_from timestamptz NOT NULL,
            provider text,
            check_key uuid,
            check_id text,
            check_reason text,
            check_sent_at timestamptz,
            checked_at timestamptz,
            next_check_at timestamptz,
            added_at timestamptz NOT NULL,
            updated_at timestamptz NOT NULL,
            CONSTRAINT uq_payees_owner_kind_owner_id_fingerprint UNIQUE (owner_kind, owner_id, fingerprint),
            CONSTRAINT uq_payees_provider_check_id UNIQUE (provider, check_id),
            CONSTRAINT ck_payees_asked CHECK (state <> 'checking' OR (provider IS NOT NULL AND check_key IS NOT NULL)),
            CONSTRAINT ck_payees_known CHECK (state <> 'verified' OR name_match IS NOT NULL)
        );
        CREATE INDEX ix_payees_owner_id_id ON payments.payees (owner_id, id);
        CREATE INDEX ix_payees_next_check_at ON payments.payees (next_check_at) WHERE next_check_at IS NOT NULL;
    """)


def _payouts() -> None:
    op.execute("""
        ALTER TABLE payments.payouts
            ADD COLUMN payee_id uuid CONSTRAINT fk_payouts_payee_id_payees REFERENCES payments.payees (id),
            ADD COLUMN fingerprint bytea,
            ADD COLUMN reasons text[] NOT NULL DEFAULT '{}';
        CREATE INDEX ix_payouts_payee_id ON payments.payouts (payee_id, created_at) WHERE payee_id IS NOT NULL;
        CREATE INDEX ix_payouts_fingerprint ON payments.payouts (fingerprint, created_at)
            WHERE fingerprint IS NOT NULL;
        CREATE INDEX ix_payouts_created_at ON payments.payouts (created_at);
        CREATE INDEX ix_payouts_awaiting ON payments.payouts (id) WHERE state = 'awaiting_approval';
    """)


def _payout_reviews() -> None:
    op.execute("""
        CREATE TABLE payments.payout_reviews (
            id uuid CONSTRAINT pk_payout_reviews PRIMARY KEY,
            payout_id uuid NOT NULL CONSTRAINT fk_payout_reviews_payout_id_payouts REFERENCES payments.payouts (id),
            decision text NOT NULL CONSTRAINT ck_payout_reviews_decision
                CHECK (decision IN ('approved', 'rejected', 'released')),
            reason text NOT NULL,
            by uuid,
            note text NOT NULL,
            at timestamptz NOT NULL,
            CONSTRAINT uq_payout_reviews_payout_id_by_decision UNIQUE (payout_id, by, decision),
            CONSTRAINT ck_payout_reviews_by CHECK ((decision = 'released') = (by IS NULL))
        );
    """)


def _privileges() -> None:
    op.execute("""
        DO $$
        BEGIN
            IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'till_app') THEN
                REVOKE DELETE ON payments.payees FROM till_app;
                REVOKE UPDATE, DELETE ON payments.payout_reviews FROM till_app;
            END IF;
        END
        $$;
    """)
