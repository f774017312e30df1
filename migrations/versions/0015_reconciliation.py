"""Payments: reconciliation.

Nothing that was reported, imported or decided is ever deleted: the app role may not. Open items are derived from the
ledger's entries, and may be.
"""

from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _recon_lines()
    _bank()
    _resolutions()
    _open_items()
    _privileges()


def _recon_lines() -> None:
    op.execute("""
        CREATE TABLE payments.recon_lines (
            id uuid CONSTRAINT pk_recon_lines PRIMARY KEY,
            provider text NOT NULL,
            kind text NOT NULL CONSTRAINT ck_recon_lines_kind
                CHECK (kind IN ('payment', 'refund', 'dispute', 'payout', 'adjustment')),
            subject_id text NOT NULL,
            class text NOT NULL CONSTRAINT ck_recon_lines_class CHECK (class IN ('matched', 'late', 'missing', 'extra',
                'amount', 'currency', 'fee', 'duplicate')),
            line_id text,
            occurrence bigint NOT NULL,
            settlement_id text,
            settled_on date,
            bank_reference text,
            gross bigint,
            fee bigint,
            tax bigint,
            currency text NOT NULL,
            our_id uuid,
            ours bigint,
            our_fee bigint,
            our_currency text,
            other jsonb,
            transaction_id bigint,
            found_at timestamptz NOT NULL,
            CONSTRAINT ck_recon_lines_theirs CHECK ((class = 'missing') = (line_id IS NULL)
                AND (line_id IS NULL) = (gross IS NULL) AND (line_id IS NULL) = (fee IS NULL)
                AND (line_id IS NULL) = (tax IS NULL) AND (line_id IS NULL) = (settled_on IS NULL)
                AND (line_id IS NULL) = (settlement_id IS NULL)),
            CONSTRAINT ck_recon_lines_ours CHECK ((class = 'extra') = (our_id IS NULL)),
            CONSTRAINT ck_recon_lines_agreed CHECK (class NOT IN ('matched', 'late')
                OR (gross = ours AND currency = our_currency AND (our_fee IS NULL OR our_fee = fee))),
            CONSTRAINT ck_recon_lines_booked CHECK (transaction_id IS NULL OR class IN ('matched', 'late')
                OR (class = 'extra' AND kind = 'adjustment'))
        );
        CREATE UNIQUE INDEX uq_recon_lines_line ON payments.recon_lines (provider, line_id, occurrence)
            WHERE line_id IS NOT NULL;
        CREATE UNIQUE INDEX uq_recon_lines_claim ON payments.recon_lines (provider, kind, subject_id)
            WHERE class IN ('matched', 'late', 'missing');
        CREATE INDEX ix_recon_lines_provider_kind_subject_id ON payments.recon_lines (provider, kind, subject_id);
        CREATE INDEX ix_recon_lines_unclaimed ON payments.recon_lines (provider, id) WHERE class = 'extra';
        CREATE INDEX ix_recon_lines_provider_settled_on ON payments.recon_lines (provider, settled_on);
        CREATE INDEX ix_recon_lines_bank_reference ON payments.recon_lines (bank_reference);
    """)


def _bank() -> None:
    op.execute("""
        CREATE TABLE payments.bank_statements (
            id uuid CONSTRAINT pk_bank_statements PRIMARY KEY,
            account text NOT NULL,
            currency text NOT NULL,
            first_day date NOT NULL,
            last_day date NOT NULL,
            opening bigint,
            closing bigint,
            content_hash bytea NOT NULL,
            source text NOT NULL,
            cursor text,
            imported_by uuid,
            imported_at timestamptz NOT NULL,
            CONSTRAINT uq_bank_statements_account_content_hash UNIQUE (account, content_hash),
            CONSTRAINT ck_bank_statements_days CHECK (first_day <= last_day)
        );
        CREATE INDEX ix_bank_statements_source_imported_at ON payments.bank_statements (source, imported_at);
        CREATE TABLE payments.bank_lines (
            id uuid CONSTRAINT pk_bank_lines PRIMARY KEY,
            statement_id uuid NOT NULL CONSTRAINT fk_bank_lines_statement_id_bank_statements
                REFERENCES payments.bank_statements (id),
            account text NOT NULL,
            day date NOT NULL,
            reference text NOT NULL,
            amount bigint NOT NULL,
            currency text NOT NULL,
            sequence bigint NOT NULL,
            source_id text,
            text bytea NOT NULL,
            class text NOT NULL CONSTRAINT ck_bank_lines_class
                CHECK (class IN ('matched', 'unknown', 'amount', 'currency', 'duplicate')),
            target text,
            transaction_id bigint,
            matched_transaction_id bigint,
            found_at timestamptz NOT NULL,
            CONSTRAINT uq_bank_lines_account_reference_amount_day_sequence
                UNIQUE (account, reference, amount, day, sequence),
            CONSTRAINT ck_bank_lines_target CHECK (class <> 'matched' OR target IS NOT NULL)
        );
        CREATE UNIQUE INDEX uq_bank_lines_target ON payments.bank_lines (target) WHERE class = 'matched';
        CREATE INDEX ix_bank_lines_open ON payments.bank_lines (id) WHERE class <> 'matched';
        CREATE INDEX ix_bank_lines_reference ON payments.bank_lines (reference);
    """)


def _resolutions() -> None:
    op.execute("""
        CREATE TABLE payments.resolutions (
            id uuid CONSTRAINT pk_resolutions PRIMARY KEY,
            exception_id uuid NOT NULL CONSTRAINT fk_resolutions_exception_id_exceptions
                REFERENCES payments.exceptions (id),
            state text NOT NULL CONSTRAINT ck_resolutions_state CHECK (state IN ('proposed', 'approved', 'rejected')),
            explanation text NOT NULL,
            legs jsonb NOT NULL,
            proposed_by uuid NOT NULL,
            proposed_at timestamptz NOT NULL,
            decided_by uuid,
            decided_at timestamptz,
            transaction_id bigint,
            CONSTRAINT ck_resolutions_decided CHECK ((state = 'proposed') = (decided_by IS NULL)
                AND (decided_by IS NULL) = (decided_at IS NULL)),
            CONSTRAINT ck_resolutions_two_people CHECK (state <> 'approved' OR decided_by <> proposed_by)
        );
        CREATE UNIQUE INDEX uq_resolutions_proposed ON payments.resolutions (exception_id) WHERE state = 'proposed';
    """)


def _open_items() -> None:
    op.execute("""
        CREATE TABLE payments.open_items (
            account text NOT NULL,
            unit text NOT NULL,
            item text NOT NULL,
            amount bigint NOT NULL CONSTRAINT ck_open_items_amount CHECK (amount <> 0),
            since timestamptz NOT NULL,
            CONSTRAINT pk_open_items PRIMARY KEY (account, unit, item)
        );
        CREATE TABLE payments.open_item_cursors (
            account text NOT NULL,
            unit text NOT NULL,
            sequence bigint NOT NULL,
            balance bigint NOT NULL,
            CONSTRAINT pk_open_item_cursors PRIMARY KEY (account, unit)
        );
    """)


def _privileges() -> None:
    op.execute("""
        DO $$
        BEGIN
            IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'till_app') THEN
                REVOKE DELETE ON payments.recon_lines, payments.bank_statements, payments.bank_lines,
                    payments.resolutions, payments.open_item_cursors FROM till_app;
            END IF;
        END
        $$;
    """)
