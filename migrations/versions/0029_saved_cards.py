"""Cards that gateways keep for people, and the renewals that are charged to them."""

from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        CREATE TABLE payments.saved_cards (
            id uuid CONSTRAINT pk_saved_cards PRIMARY KEY,
            owner_kind text NOT NULL
                CONSTRAINT ck_saved_cards_owner_kind CHECK (owner_kind IN ('person', 'organisation')),
            owner_id uuid NOT NULL,
            provider text NOT NULL,
            state text NOT NULL CONSTRAINT ck_saved_cards_state CHECK (state IN ('pending', 'active', 'removed')),
            reason text,
            order_id uuid,
            setup_ref text,
            customer_ref text,
            method_ref text,
            brand text,
            last4 text CONSTRAINT ck_saved_cards_last4 CHECK (last4 ~ '^[0-9]{4}$'),
            expires_year integer,
            expires_month integer CONSTRAINT ck_saved_cards_expires_month CHECK (expires_month BETWEEN 1 AND 12),
            consented_at timestamptz NOT NULL,
            saved_at timestamptz,
            removed_at timestamptz,
            forgotten_at timestamptz,
            next_check_at timestamptz,
            CONSTRAINT ck_saved_cards_removed CHECK ((state = 'removed') = (removed_at IS NOT NULL)),
            CONSTRAINT ck_saved_cards_reason CHECK ((state = 'removed') = (reason IS NOT NULL)),
            CONSTRAINT ck_saved_cards_known
                CHECK (state <> 'active' OR num_nulls(customer_ref, method_ref, last4, saved_at) = 0)
        );
        CREATE UNIQUE INDEX uq_saved_cards_active ON payments.saved_cards (owner_id, owner_kind, provider)
            WHERE state = 'active';
        CREATE UNIQUE INDEX uq_saved_cards_order_id ON payments.saved_cards (order_id) WHERE order_id IS NOT NULL;
        CREATE INDEX ix_saved_cards_next_check_at ON payments.saved_cards (next_check_at)
            WHERE next_check_at IS NOT NULL;
        ALTER TABLE payments.orders
            ADD COLUMN saved_card_id uuid CONSTRAINT fk_orders_saved_card_id_saved_cards
                REFERENCES payments.saved_cards;
        CREATE TABLE billing.card_charges (
            invoice_id uuid NOT NULL CONSTRAINT fk_card_charges_invoice_id_invoices REFERENCES billing.invoices,
            attempt integer NOT NULL CONSTRAINT ck_card_charges_attempt CHECK (attempt > 0),
            card_id uuid NOT NULL,
            order_id uuid,
            state text NOT NULL CONSTRAINT ck_card_charges_state CHECK (state IN ('open', 'paid', 'failed', 'dropped')),
            reason text,
            begun_at timestamptz NOT NULL,
            ended_at timestamptz,
            next_look_at timestamptz,
            CONSTRAINT pk_card_charges PRIMARY KEY (invoice_id, attempt),
            CONSTRAINT ck_card_charges_ended CHECK ((state = 'open') = (ended_at IS NULL)),
            CONSTRAINT ck_card_charges_looked_at CHECK ((state = 'open') = (next_look_at IS NOT NULL))
        );
        CREATE UNIQUE INDEX uq_card_charges_open ON billing.card_charges (invoice_id) WHERE state = 'open';
        CREATE INDEX ix_card_charges_next_look_at ON billing.card_charges (next_look_at)
            WHERE next_look_at IS NOT NULL;
        DO $$
        BEGIN
            IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'till_app') THEN
                REVOKE DELETE ON payments.saved_cards, billing.card_charges FROM till_app;
            END IF;
        END
        $$;
    """)
