"""Payments: orders, payments, payouts, providers' events, exceptions.

Orders, payments and payouts are never deleted: the app role may not. Events are kept for as long as the settings say.
"""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("CREATE SCHEMA payments")
    _orders()
    _payments()
    _payouts()
    _provider_events()
    _exceptions()
    _privileges()


def _orders() -> None:
    op.execute("""
        CREATE TABLE payments.orders (
            id uuid CONSTRAINT pk_orders PRIMARY KEY,
            owner_kind text NOT NULL,
            owner_id uuid NOT NULL,
            request_key text NOT NULL,
            purpose text NOT NULL,
            purpose_reference text,
            amount bigint NOT NULL CONSTRAINT ck_orders_amount CHECK (amount > 0),
            currency text NOT NULL,
            provider text NOT NULL,
            provider_order_id text,
            state text NOT NULL CONSTRAINT ck_orders_state CHECK (state IN ('created', 'pending', 'authorized',
                'captured', 'partially_refunded', 'refunded', 'failed', 'expired', 'disputed')),
            failure_code text,
            failure_message text,
            created_at timestamptz NOT NULL,
            updated_at timestamptz NOT NULL,
            expires_at timestamptz NOT NULL,
            paid_at timestamptz,
            next_check_at timestamptz,
            CONSTRAINT uq_orders_owner_kind_owner_id_request_key UNIQUE (owner_kind, owner_id, request_key),
            CONSTRAINT uq_orders_provider_provider_order_id UNIQUE (provider, provider_order_id),
            CONSTRAINT ck_orders_payable
                CHECK (state IN ('created', 'failed', 'expired') OR provider_order_id IS NOT NULL)
        );
        CREATE INDEX ix_orders_owner_id_id ON payments.orders (owner_id, id);
        CREATE INDEX ix_orders_next_check_at ON payments.orders (next_check_at) WHERE next_check_at IS NOT NULL;
    """)


def _payments() -> None:
    op.execute("""
        CREATE TABLE payments.payments (
            id uuid CONSTRAINT pk_payments PRIMARY KEY,
            order_id uuid NOT NULL CONSTRAINT fk_payments_order_id_orders REFERENCES payments.orders (id),
            provider text NOT NULL,
            provider_payment_id text NOT NULL,
            state text NOT NULL CONSTRAINT ck_payments_state CHECK (state IN ('created', 'pending', 'authorized',
                'captured', 'partially_refunded', 'refunded', 'failed', 'expired', 'disputed')),
            amount bigint NOT NULL CONSTRAINT ck_payments_amount CHECK (amount > 0),
            currency text NOT NULL,
            method text NOT NULL,
            fee bigint,
            tax bigint,
            refunded bigint NOT NULL CONSTRAINT ck_payments_refunded CHECK (refunded BETWEEN 0 AND amount),
            error_code text,
            error_message text,
            transaction_id bigint,
            purpose_state text CONSTRAINT ck_payments_purpose_state
                CHECK (purpose_state IN ('done', 'refused', 'crashed', 'surplus')),
            purpose_reason text,
            created_at timestamptz NOT NULL,
            updated_at timestamptz NOT NULL,
            captured_at timestamptz,
            CONSTRAINT uq_payments_provider_provider_payment_id UNIQUE (provider, provider_payment_id),
            CONSTRAINT ck_payments_booked CHECK ((captured_at IS NULL) = (transaction_id IS NULL))
        );
        CREATE INDEX ix_payments_order_id ON payments.payments (order_id);
        CREATE INDEX ix_payments_authorized ON payments.payments (order_id) WHERE state = 'authorized';
    """)


def _payouts() -> None:
    op.execute("""
        CREATE TABLE payments.payouts (
            id uuid CONSTRAINT pk_payouts PRIMARY KEY,
            owner_kind text NOT NULL,
            owner_id uuid NOT NULL,
            request_key text NOT NULL,
            origin text NOT NULL CONSTRAINT ck_payouts_origin CHECK (origin IN ('withdrawal', 'payout')),
            requested_by uuid,
            approved_by uuid,
            amount bigint NOT NULL CONSTRAINT ck_payouts_amount CHECK (amount > 0),
            currency text NOT NULL,
            provider text NOT NULL,
            provider_payout_id text,
            state text NOT NULL CONSTRAINT ck_payouts_state CHECK (state IN ('awaiting_approval', 'reserved', 'sending',
                'unknown', 'processing', 'processed', 'reversed', 'failed', 'rejected', 'cancelled')),
            destination_kind text NOT NULL,
            destination bytea NOT NULL,
            destination_masked text NOT NULL,
            hold_id bigint,
            transaction_id bigint,
            reversal_id bigint,
            utr text,
            fee bigint,
            tax bigint,
            failure_code text,
            failure_message text,
            created_at timestamptz NOT NULL,
            updated_at timestamptz NOT NULL,
            sent_at timestamptz,
            processed_at timestamptz,
            finished_at timestamptz,
            next_check_at timestamptz,
            CONSTRAINT uq_payouts_owner_kind_owner_id_request_key UNIQUE (owner_kind, owner_id, request_key),
            CONSTRAINT uq_payouts_provider_provider_payout_id UNIQUE (provider, provider_payout_id),
            CONSTRAINT ck_payouts_processed CHECK (state <> 'processed' OR transaction_id IS NOT NULL),
            CONSTRAINT ck_payouts_reversed CHECK
                (state <> 'reversed' OR (transaction_id IS NULL) = (reversal_id IS NULL)),
            CONSTRAINT ck_payouts_two_people CHECK (approved_by IS NULL OR approved_by IS DISTINCT FROM requested_by)
        );
        CREATE INDEX ix_payouts_owner_id_id ON payments.payouts (owner_id, id);
        CREATE INDEX ix_payouts_next_check_at ON payments.payouts (next_check_at) WHERE next_check_at IS NOT NULL;
    """)


def _provider_events() -> None:
    op.execute("""
        CREATE TABLE payments.provider_events (
            id uuid CONSTRAINT pk_provider_events PRIMARY KEY,
            provider text NOT NULL,
            event_id text NOT NULL,
            body_hash bytea NOT NULL,
            is_first boolean NOT NULL,
            name text NOT NULL,
            body bytea NOT NULL,
            payment_id text,
            order_id text,
            payout_id text,
            payout_reference text,
            amount bigint,
            currency text,
            state text NOT NULL CONSTRAINT ck_provider_events_state
                CHECK (state IN ('received', 'processed', 'ignored', 'parked')),
            reason text,
            received_at timestamptz NOT NULL,
            handled_at timestamptz,
            CONSTRAINT uq_provider_events_provider_event_id_body_hash UNIQUE (provider, event_id, body_hash),
            CONSTRAINT ck_provider_events_reason CHECK ((state = 'parked') = (reason IS NOT NULL)),
            CONSTRAINT ck_provider_events_handled CHECK ((state = 'received') = (handled_at IS NULL))
        );
        CREATE UNIQUE INDEX uq_provider_events_first ON payments.provider_events (provider, event_id) WHERE is_first;
        CREATE INDEX ix_provider_events_provider_body_hash ON payments.provider_events (provider, body_hash);
        CREATE INDEX ix_provider_events_received_at ON payments.provider_events (received_at);
    """)


def _exceptions() -> None:
    op.execute("""
        CREATE TABLE payments.exceptions (
            id uuid CONSTRAINT pk_exceptions PRIMARY KEY,
            kind text NOT NULL,
            subject text NOT NULL,
            reason text NOT NULL,
            details jsonb NOT NULL,
            opened_at timestamptz NOT NULL,
            closed_at timestamptz
        );
        CREATE UNIQUE INDEX uq_exceptions_open ON payments.exceptions (subject, reason) WHERE closed_at IS NULL;
    """)


def _privileges() -> None:
    op.execute("""
        DO $$
        BEGIN
            IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'till_app') THEN
                REVOKE DELETE ON payments.orders, payments.payments, payments.payouts, payments.exceptions
                    FROM till_app;
            END IF;
        END
        $$;
    """)
