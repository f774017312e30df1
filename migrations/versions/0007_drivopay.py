"""DrivoPay: drivers, what platforms paid them, what the road cost them."""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        CREATE SCHEMA drivopay;

        CREATE TABLE drivopay.drivers (
            person_id uuid CONSTRAINT pk_drivers PRIMARY KEY,
            zone text NOT NULL DEFAULT 'Asia/Kolkata',
            platforms text[] NOT NULL DEFAULT '{}',
            vehicle text CONSTRAINT ck_drivers_vehicle
                CHECK (vehicle IN ('bicycle', 'two_wheeler', 'auto', 'car', 'van')),
            created_at timestamptz NOT NULL
        );

        CREATE TABLE drivopay.earnings (
            id uuid CONSTRAINT pk_earnings PRIMARY KEY,
            driver_id uuid NOT NULL
                CONSTRAINT fk_earnings_driver_id_drivers REFERENCES drivopay.drivers ON DELETE CASCADE,
            platform text NOT NULL CONSTRAINT ck_earnings_platform
                CHECK (platform IN ('uber', 'ola', 'rapido', 'namma_yatri', 'swiggy', 'zomato', 'other')),
            unit text NOT NULL,
            gross bigint NOT NULL,
            commission bigint NOT NULL,
            incentive bigint NOT NULL,
            tip bigint NOT NULL,
            paid_in text NOT NULL CONSTRAINT ck_earnings_paid_in CHECK (paid_in IN ('cash', 'digital')),
            trips bigint NOT NULL,
            minutes bigint NOT NULL,
            metres bigint NOT NULL,
            started_at timestamptz,
            business_date date NOT NULL,
            external_ref text,
            note text NOT NULL DEFAULT '',
            created_at timestamptz NOT NULL,
            updated_at timestamptz NOT NULL,
            CONSTRAINT ck_earnings_amounts CHECK (
                gross >= 0 AND commission >= 0 AND incentive >= 0 AND tip >= 0
                AND commission <= gross + incentive + tip
            ),
            CONSTRAINT ck_earnings_work CHECK (trips >= 0 AND minutes >= 0 AND metres >= 0)
        );

        -- One index answers the list (newest first), the chart of 30 days and every sum over a period.
        CREATE INDEX ix_earnings_driver_id_business_date_id ON drivopay.earnings (driver_id, business_date, id);

        -- The same trip imported twice is one trip.
        CREATE UNIQUE INDEX uq_earnings_driver_id_platform_external_ref
            ON drivopay.earnings (driver_id, platform, external_ref) WHERE external_ref IS NOT NULL;

        CREATE TABLE drivopay.expenses (
            id uuid CONSTRAINT pk_expenses PRIMARY KEY,
            driver_id uuid NOT NULL
                CONSTRAINT fk_expenses_driver_id_drivers REFERENCES drivopay.drivers ON DELETE CASCADE,
            category text NOT NULL CONSTRAINT ck_expenses_category CHECK (category IN (
                'fuel', 'maintenance', 'food', 'toll', 'parking', 'insurance', 'emi', 'phone', 'fine', 'other'
            )),
            unit text NOT NULL,
            amount bigint NOT NULL CONSTRAINT ck_expenses_amount CHECK (amount > 0),
            spent_at timestamptz,
            business_date date NOT NULL,
            note text NOT NULL DEFAULT '',
            created_at timestamptz NOT NULL,
            updated_at timestamptz NOT NULL
        );

        CREATE INDEX ix_expenses_driver_id_business_date_id ON drivopay.expenses (driver_id, business_date, id);
    """)
