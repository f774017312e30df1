"""Billing: what was sold on which terms, subscriptions, invoices, coupons, metered work, quotas.

Terms that were sold, trials and redemptions are only added to.
"""

from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("CREATE SCHEMA billing")
    _offers()
    _subscriptions()
    _invoices()
    _coupons()
    _work()
    _privileges()


def _offers() -> None:
    op.execute("""
        CREATE TABLE billing.offers (
            code text NOT NULL,
            version integer NOT NULL,
            terms jsonb NOT NULL,
            sold_first_at timestamptz NOT NULL,
            CONSTRAINT pk_offers PRIMARY KEY (code, version)
        );
    """)


def _subscriptions() -> None:
    op.execute("""
        CREATE TABLE billing.subscriptions (
            id uuid CONSTRAINT pk_subscriptions PRIMARY KEY,
            owner_kind text NOT NULL,
            owner_id uuid NOT NULL,
            family text NOT NULL,
            plan text NOT NULL,
            plan_version integer NOT NULL,
            currency text NOT NULL,
            months integer NOT NULL CONSTRAINT ck_subscriptions_months CHECK (months > 0),
            next_plan text,
            next_plan_version integer,
            next_months integer,
            state text NOT NULL CONSTRAINT ck_subscriptions_state CHECK
                (state IN ('pending', 'trialing', 'active', 'past_due', 'grace', 'cancelled', 'expired')),
            zone text NOT NULL,
            anchor timestamptz NOT NULL,
            periods integer NOT NULL,
            paid_until timestamptz NOT NULL,
            pays_from_wallet boolean NOT NULL,
            ends_at_period_end boolean NOT NULL,
            coupon text,
            coupon_periods_left integer,
            begun_at timestamptz NOT NULL,
            updated_at timestamptz NOT NULL,
            ended_at timestamptz,
            next_look_at timestamptz,
            CONSTRAINT ck_subscriptions_ended CHECK ((ended_at IS NOT NULL) = (state IN ('cancelled', 'expired'))),
            CONSTRAINT ck_subscriptions_next CHECK
                (num_nulls(next_plan, next_plan_version, next_months) IN (0, 3))
        );
        CREATE UNIQUE INDEX uq_subscriptions_owner_kind_owner_id_family
            ON billing.subscriptions (owner_kind, owner_id, family)
            WHERE state IN ('pending', 'trialing', 'active', 'past_due', 'grace');
        CREATE INDEX ix_subscriptions_owner_id_id ON billing.subscriptions (owner_id, id);
        CREATE INDEX ix_subscriptions_next_look_at ON billing.subscriptions (next_look_at)
            WHERE next_look_at IS NOT NULL;
        CREATE TABLE billing.trials (
            owner_kind text NOT NULL,
            owner_id uuid NOT NULL,
            family text NOT NULL,
            begun_at timestamptz NOT NULL,
            CONSTRAINT pk_trials PRIMARY KEY (owner_kind, owner_id, family)
        );
    """)


def _invoices() -> None:
    op.execute("""
        CREATE TABLE billing.invoices (
            id uuid CONSTRAINT pk_invoices PRIMARY KEY,
            owner_kind text NOT NULL,
            owner_id uuid NOT NULL,
            subscription_id uuid
                CONSTRAINT fk_invoices_subscription_id_subscriptions REFERENCES billing.subscriptions (id),
            offer text NOT NULL,
            offer_version integer NOT NULL,
            months integer,
            currency text NOT NULL,
            price bigint NOT NULL,
            discount bigint NOT NULL,
            credit bigint NOT NULL,
            total bigint NOT NULL,
            tax bigint NOT NULL,
            tax_name text,
            tax_basis_points integer NOT NULL,
            coupon text,
            state text NOT NULL
                CONSTRAINT ck_invoices_state CHECK (state IN ('open', 'paid', 'void', 'uncollectible')),
            asked integer NOT NULL,
            starts_anew boolean NOT NULL,
            period_start timestamptz,
            period_end timestamptz,
            payment_id uuid,
            transaction_id bigint,
            lot_id bigint CONSTRAINT uq_invoices_lot_id UNIQUE,
            recognised bigint NOT NULL,
            refunded bigint NOT NULL,
            tax_refunded bigint NOT NULL,
            credited bigint NOT NULL,
            earned boolean NOT NULL,
            written_at timestamptz NOT NULL,
            paid_at timestamptz,
            updated_at timestamptz NOT NULL,
            CONSTRAINT ck_invoices_total CHECK (total = price - discount - credit AND total >= 0),
            CONSTRAINT ck_invoices_parts CHECK
                (price > 0 AND discount >= 0 AND credit >= 0 AND tax >= 0 AND tax <= total),
            CONSTRAINT ck_invoices_given_back CHECK
                (refunded >= 0 AND tax_refunded >= 0 AND credited >= 0 AND tax_refunded <= tax
                 AND recognised + refunded <= total - tax),
            CONSTRAINT ck_invoices_paid CHECK ((paid_at IS NOT NULL) = (state = 'paid')),
            CONSTRAINT ck_invoices_period CHECK
                (subscription_id IS NULL OR state <> 'paid' OR period_end > period_start)
        );
        CREATE UNIQUE INDEX uq_invoices_subscription_id ON billing.invoices (subscription_id)
            WHERE state = 'open' AND subscription_id IS NOT NULL;
        CREATE INDEX ix_invoices_owner_id_id ON billing.invoices (owner_id, id);
        CREATE INDEX ix_invoices_unearned ON billing.invoices (id) WHERE state = 'paid' AND NOT earned;
    """)


def _coupons() -> None:
    op.execute("""
        CREATE TABLE billing.coupons (
            code text CONSTRAINT pk_coupons PRIMARY KEY,
            basis_points integer,
            amount bigint,
            currency text,
            offers text[] NOT NULL,
            starts_at timestamptz,
            ends_at timestamptz,
            most integer,
            redeemed integer NOT NULL,
            once_per_owner boolean NOT NULL,
            periods integer,
            made_by uuid,
            made_at timestamptz NOT NULL,
            CONSTRAINT ck_coupons_discount CHECK
                ((basis_points BETWEEN 1 AND 10000 AND amount IS NULL AND currency IS NULL)
                 OR (basis_points IS NULL AND amount > 0 AND currency IS NOT NULL)),
            CONSTRAINT ck_coupons_redeemed CHECK (redeemed >= 0 AND (most IS NULL OR redeemed <= most))
        );
        CREATE TABLE billing.redemptions (
            invoice_id uuid CONSTRAINT pk_redemptions PRIMARY KEY
                CONSTRAINT fk_redemptions_invoice_id_invoices REFERENCES billing.invoices (id),
            coupon text NOT NULL CONSTRAINT fk_redemptions_coupon_coupons REFERENCES billing.coupons (code),
            owner_kind text NOT NULL,
            owner_id uuid NOT NULL,
            redeemed_at timestamptz NOT NULL
        );
        CREATE INDEX ix_redemptions_owner_id_coupon ON billing.redemptions (owner_id, coupon);
    """)


def _work() -> None:
    op.execute("""
        CREATE TABLE billing.charges (
            id uuid CONSTRAINT pk_charges PRIMARY KEY,
            key text NOT NULL CONSTRAINT uq_charges_key UNIQUE,
            owner_kind text NOT NULL,
            owner_id uuid NOT NULL,
            action text NOT NULL,
            price_version integer NOT NULL,
            unit text NOT NULL,
            reserved bigint NOT NULL CONSTRAINT ck_charges_reserved CHECK (reserved > 0),
            captured bigint NOT NULL,
            given_back bigint NOT NULL,
            state text NOT NULL
                CONSTRAINT ck_charges_state CHECK (state IN ('open', 'captured', 'released', 'expired')),
            hold_id bigint NOT NULL,
            transaction_id bigint,
            reserved_at timestamptz NOT NULL,
            expires_at timestamptz NOT NULL,
            ended_at timestamptz,
            CONSTRAINT ck_charges_captured CHECK
                (captured BETWEEN 0 AND reserved AND given_back BETWEEN 0 AND captured
                 AND (captured > 0) = (state = 'captured')),
            CONSTRAINT ck_charges_ended CHECK ((ended_at IS NULL) = (state = 'open'))
        );
        CREATE INDEX ix_charges_owner_id_id ON billing.charges (owner_id, id);
        CREATE INDEX ix_charges_open ON billing.charges (expires_at) WHERE state = 'open';
        CREATE INDEX ix_charges_unit_reserved_at ON billing.charges (unit, reserved_at);
        CREATE TABLE billing.spend_caps (
            id uuid CONSTRAINT pk_spend_caps PRIMARY KEY,
            owner_kind text NOT NULL,
            owner_id uuid,
            unit text NOT NULL,
            window_kind text NOT NULL CONSTRAINT ck_spend_caps_window CHECK (window_kind IN ('day', 'month')),
            most bigint NOT NULL CONSTRAINT ck_spend_caps_most CHECK (most >= 0),
            set_at timestamptz NOT NULL,
            CONSTRAINT uq_spend_caps_owner_kind_owner_id_unit_window_kind
                UNIQUE NULLS NOT DISTINCT (owner_kind, owner_id, unit, window_kind),
            CONSTRAINT ck_spend_caps_owner CHECK ((owner_kind = 'house') = (owner_id IS NULL))
        );
        CREATE TABLE billing.quota_uses (
            owner_kind text NOT NULL,
            owner_id uuid NOT NULL,
            metric text NOT NULL,
            window_start timestamptz NOT NULL,
            used bigint NOT NULL CONSTRAINT ck_quota_uses_used CHECK (used >= 0),
            CONSTRAINT pk_quota_uses PRIMARY KEY (owner_kind, owner_id, metric, window_start)
        );
    """)


def _privileges() -> None:
    op.execute("""
        DO $$
        BEGIN
            IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'till_app') THEN
                REVOKE UPDATE, DELETE ON billing.offers, billing.trials FROM till_app;
                REVOKE DELETE ON billing.subscriptions, billing.invoices, billing.charges, billing.coupons
                    FROM till_app;
            END IF;
        END
        $$;
    """)
