"""Authorisations by UPI that gateways keep, beside cards: how much may be charged, until when, and whether paused."""

from alembic import op

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        ALTER TABLE payments.saved_cards
            ADD COLUMN kind text NOT NULL DEFAULT 'card' CONSTRAINT ck_saved_cards_kind CHECK (kind IN ('card', 'upi')),
            ADD COLUMN authorised_by text,
            ADD COLUMN address text,
            ADD COLUMN most bigint CONSTRAINT ck_saved_cards_most CHECK (most > 0),
            ADD COLUMN most_unit text,
            ADD COLUMN ends_at timestamptz,
            ADD COLUMN paused_at timestamptz,
            ADD CONSTRAINT ck_saved_cards_most_unit CHECK ((most IS NULL) = (most_unit IS NULL)),
            DROP CONSTRAINT ck_saved_cards_known,
            ADD CONSTRAINT ck_saved_cards_known CHECK (
                state <> 'active' OR (
                    num_nulls(customer_ref, method_ref, saved_at) = 0
                    AND CASE kind WHEN 'upi' THEN address IS NOT NULL ELSE last4 IS NOT NULL END
                )
            );
        ALTER TABLE payments.saved_cards ALTER COLUMN kind DROP DEFAULT;
        CREATE INDEX ix_saved_cards_method_ref ON payments.saved_cards (provider, method_ref)
            WHERE method_ref IS NOT NULL;
        ALTER TABLE payments.provider_events ADD COLUMN authorisation_id text;
    """)
