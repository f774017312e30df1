"""Payments: how an order is paid, refunds, disputes, bank transfers.

Refunds, disputes and transfers are never deleted: the app role may not.
"""

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _orders()
    _refunds()
    _disputes()
    _transfers()
    _privileges()


def _orders() -> None:
    op.execute("""
        ALTER TABLE payments.orders
            ADD COLUMN method text NOT NULL DEFAULT 'checkout',
            ADD COLUMN country text,
            ADD COLUMN return_path text,
            ADD COLUMN email text,
            ADD COLUMN locale text,
            ADD COLUMN checkout bytea;
        ALTER TABLE payments.orders ALTER COLUMN method DROP DEFAULT;

        ALTER TABLE payments.provider_events
            ADD COLUMN receipt text,
            ADD COLUMN refund_id text,
            ADD COLUMN dispute_id text,
            ADD COLUMN transfer_id text;
    """)


def _refunds() -> None:
    op.execute("""
        CREATE TABLE payments.refunds (
            id uuid CONSTRAINT pk_refunds PRIMARY KEY,
            payment_id uuid NOT NULL CONSTRAINT fk_refunds_payment_id_payments REFERENCES payments.payments (id),
            request_key text NOT NULL,
            origin text NOT NULL CONSTRAINT ck_refunds_origin CHECK (origin IN ('house', 'gateway')),
            requested_by uuid,
            reason text NOT NULL,
            amount bigint NOT NULL CONSTRAINT ck_refunds_amount CHECK (amount > 0),
            currency text NOT NULL,
            provider text NOT NULL,
            provider_refund_id text,
            state text NOT NULL CONSTRAINT ck_refunds_state
                CHECK (state IN ('created', 'sending', 'unknown', 'pending', 'processed', 'failed')),
            advanced bigint NOT NULL CONSTRAINT ck_refunds_advanced CHECK (advanced BETWEEN 0 AND amount),
            hold_id bigint,
            transaction_id bigint,
            reversal_id bigint,
            failure_code text,
            failure_message text,
            created_at timestamptz NOT NULL,
            updated_at timestamptz NOT NULL,
            sent_at timestamptz,
            finished_at timestamptz,
            next_check_at timestamptz,
            CONSTRAINT uq_refunds_payment_id_request_key UNIQUE (payment_id, request_key),
            CONSTRAINT uq_refunds_provider_provider_refund_id UNIQUE (provider, provider_refund_id),
            CONSTRAINT ck_refunds_booked CHECK (state <> 'processed' OR transaction_id IS NOT NULL),
            CONSTRAINT ck_refunds_returned
                CHECK (state <> 'failed' OR (transaction_id IS NULL) = (reversal_id IS NULL))
        );
        CREATE INDEX ix_refunds_next_check_at ON payments.refunds (next_check_at) WHERE next_check_at IS NOT NULL;
    """)


def _disputes() -> None:
    op.execute("""
        CREATE TABLE payments.disputes (
            id uuid CONSTRAINT pk_disputes PRIMARY KEY,
            payment_id uuid NOT NULL CONSTRAINT fk_disputes_payment_id_payments REFERENCES payments.payments (id),
            provider text NOT NULL,
            provider_dispute_id text NOT NULL,
            state text NOT NULL CONSTRAINT ck_disputes_state CHECK (state IN ('open', 'under_review', 'won', 'lost')),
            reason text NOT NULL,
            amount bigint NOT NULL CONSTRAINT ck_disputes_amount CHECK (amount > 0),
            currency text NOT NULL,
            fee bigint NOT NULL CONSTRAINT ck_disputes_fee CHECK (fee >= 0),
            taken bigint NOT NULL CONSTRAINT ck_disputes_taken CHECK (taken BETWEEN 0 AND amount),
            advanced bigint NOT NULL CONSTRAINT ck_disputes_advanced CHECK (advanced BETWEEN 0 AND taken),
            hold_id bigint,
            transaction_id bigint,
            respond_by timestamptz,
            opened_at timestamptz NOT NULL,
            updated_at timestamptz NOT NULL,
            closed_at timestamptz,
            next_check_at timestamptz,
            CONSTRAINT uq_disputes_provider_provider_dispute_id UNIQUE (provider, provider_dispute_id),
            CONSTRAINT ck_disputes_closed CHECK ((state IN ('won', 'lost')) = (closed_at IS NOT NULL)),
            CONSTRAINT ck_disputes_booked CHECK ((state = 'lost') = (transaction_id IS NOT NULL))
        );
        CREATE INDEX ix_disputes_payment_id ON payments.disputes (payment_id);
        CREATE INDEX ix_disputes_next_check_at ON payments.disputes (next_check_at) WHERE next_check_at IS NOT NULL;
    """)


def _transfers() -> None:
    op.execute("""
        CREATE TABLE payments.transfers (
            id uuid CONSTRAINT pk_transfers PRIMARY KEY,
            provider text NOT NULL,
            transfer_id text NOT NULL,
            account text NOT NULL,
            direction text NOT NULL CONSTRAINT ck_transfers_direction CHECK (direction IN ('in', 'out')),
            amount bigint NOT NULL CONSTRAINT ck_transfers_amount CHECK (amount > 0),
            currency text NOT NULL,
            content bytea NOT NULL,
            bank_reference text NOT NULL,
            state text NOT NULL CONSTRAINT ck_transfers_state
                CHECK (state IN ('placed', 'waiting', 'unplaced', 'outgoing', 'parked')),
            placed bigint NOT NULL CONSTRAINT ck_transfers_placed CHECK (placed BETWEEN 0 AND amount),
            order_id uuid CONSTRAINT fk_transfers_order_id_orders REFERENCES payments.orders (id),
            reason text,
            transaction_id bigint,
            happened_at timestamptz NOT NULL,
            recorded_at timestamptz NOT NULL,
            updated_at timestamptz NOT NULL,
            CONSTRAINT uq_transfers_provider_transfer_id UNIQUE (provider, transfer_id),
            CONSTRAINT ck_transfers_booked
                CHECK ((state IN ('outgoing', 'parked')) = (transaction_id IS NULL)),
            CONSTRAINT ck_transfers_all_placed CHECK ((state = 'placed') = (placed = amount)),
            CONSTRAINT ck_transfers_waits_for CHECK (state <> 'waiting' OR order_id IS NOT NULL)
        );
        CREATE INDEX ix_transfers_order_id ON payments.transfers (order_id);
        CREATE INDEX ix_transfers_unplaced ON payments.transfers (id) WHERE state IN ('waiting', 'unplaced');

        CREATE TABLE payments.transfer_cursors (
            provider text CONSTRAINT pk_transfer_cursors PRIMARY KEY,
            transfer_id text NOT NULL
        );
    """)


def _privileges() -> None:
    op.execute("""
        DO $$
        BEGIN
            IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'till_app') THEN
                REVOKE DELETE ON payments.refunds, payments.disputes, payments.transfers, payments.transfer_cursors
                    FROM till_app;
            END IF;
        END
        $$;
    """)
