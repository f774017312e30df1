"""Ledger: lots of points and credits, what moved them, and which of them a hold has pinned.

A lot's number is that of the transaction that granted it. The app role reads the tables; the functions write them, and
refuse whatever the entries of the named transaction do not say.
"""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _tables()
    _guards()
    _functions()
    _privileges()


def _tables() -> None:
    op.execute("""
        CREATE TABLE ledger.lots (
            id bigint CONSTRAINT pk_lots PRIMARY KEY,
            account_id bigint NOT NULL CONSTRAINT fk_lots_account_id_accounts REFERENCES ledger.accounts,
            granted bigint NOT NULL CONSTRAINT ck_lots_granted CHECK (granted > 0),
            remaining bigint NOT NULL CONSTRAINT ck_lots_remaining CHECK (remaining BETWEEN 0 AND granted),
            price bigint CONSTRAINT ck_lots_price CHECK (price >= 0),
            expires_at timestamptz,
            priority integer NOT NULL,
            source text NOT NULL
                CONSTRAINT ck_lots_source CHECK (source IN ('purchased', 'earned', 'promotional')),
            price_unit text,
            CONSTRAINT ck_lots_price_unit CHECK ((price IS NULL) = (price_unit IS NULL))
        );
        COMMENT ON COLUMN ledger.lots.price IS 'paid for the whole lot, in minor units of price_unit';

        CREATE INDEX ix_lots_account_id_id ON ledger.lots (account_id, id);
        CREATE INDEX ix_lots_open ON ledger.lots (account_id) WHERE remaining > 0;
        CREATE INDEX ix_lots_expiring ON ledger.lots (expires_at) WHERE remaining > 0 AND expires_at IS NOT NULL;

        CREATE TABLE ledger.lot_movements (
            transaction_id bigint NOT NULL,
            lot_id bigint NOT NULL CONSTRAINT fk_lot_movements_lot_id_lots REFERENCES ledger.lots,
            amount bigint NOT NULL CONSTRAINT ck_lot_movements_amount CHECK ((amount > 0) = (kind = 'refund')),
            remaining bigint NOT NULL,
            spend_id bigint,
            extends_to timestamptz,
            place integer NOT NULL,
            kind text NOT NULL CONSTRAINT ck_lot_movements_kind CHECK (kind IN ('spend', 'refund', 'expire', 'revoke')),
            CONSTRAINT pk_lot_movements PRIMARY KEY (transaction_id, lot_id),
            CONSTRAINT ck_lot_movements_spend CHECK ((spend_id IS NOT NULL) = (kind = 'refund')),
            CONSTRAINT ck_lot_movements_extends CHECK (extends_to IS NULL OR kind = 'refund')
        );
        CREATE INDEX ix_lot_movements_lot_id_transaction_id ON ledger.lot_movements (lot_id, transaction_id);
        CREATE INDEX ix_lot_movements_spend_id ON ledger.lot_movements (spend_id) WHERE spend_id IS NOT NULL;

        CREATE TABLE ledger.lot_pins (
            hold_id bigint NOT NULL CONSTRAINT fk_lot_pins_hold_id_holds REFERENCES ledger.holds,
            lot_id bigint NOT NULL CONSTRAINT fk_lot_pins_lot_id_lots REFERENCES ledger.lots,
            amount bigint NOT NULL CONSTRAINT ck_lot_pins_amount CHECK (amount > 0),
            CONSTRAINT pk_lot_pins PRIMARY KEY (hold_id, lot_id)
        );
        CREATE INDEX ix_lot_pins_lot_id ON ledger.lot_pins (lot_id);
    """)


def _guards() -> None:
    op.execute("""
        CREATE FUNCTION ledger.keep_lot() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF (OLD.id, OLD.account_id, OLD.granted, OLD.price, OLD.price_unit, OLD.priority, OLD.source)
               IS DISTINCT FROM
               (NEW.id, NEW.account_id, NEW.granted, NEW.price, NEW.price_unit, NEW.priority, NEW.source)
               OR NEW.expires_at IS DISTINCT FROM OLD.expires_at
               AND (NEW.expires_at > OLD.expires_at) IS NOT TRUE
            THEN
                RAISE EXCEPTION 'lot % stays as it was granted: its remainder moves, and its end to later', OLD.id
                    USING ERRCODE = 'restrict_violation';
            END IF;
            RETURN NEW;
        END
        $$;

        CREATE TRIGGER identity BEFORE UPDATE ON ledger.lots FOR EACH ROW EXECUTE FUNCTION ledger.keep_lot();
        CREATE TRIGGER kept BEFORE DELETE ON ledger.lots FOR EACH ROW EXECUTE FUNCTION ledger.refuse_change();
        CREATE TRIGGER kept BEFORE UPDATE OR DELETE ON ledger.lot_movements
            FOR EACH ROW EXECUTE FUNCTION ledger.refuse_change();
        CREATE TRIGGER kept BEFORE UPDATE OR DELETE ON ledger.lot_pins
            FOR EACH ROW EXECUTE FUNCTION ledger.refuse_change();
        CREATE TRIGGER not_emptied BEFORE TRUNCATE ON ledger.lots
            FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();
        CREATE TRIGGER not_emptied BEFORE TRUNCATE ON ledger.lot_movements
            FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();
        CREATE TRIGGER not_emptied BEFORE TRUNCATE ON ledger.lot_pins
            FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();
    """)


_AS_OWNER = """
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan
    SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
"""


def _functions() -> None:
    """Whoever works on lots locks their accounts first, by `lock_accounts`, and posts afterwards: every call comes by
    the same order, an account with lots before the accounts of the house.
    """
    op.execute(f"""
        CREATE FUNCTION ledger.lock_accounts(
            owner_kinds text[], owner_ids uuid[], codes text[], units text[], types text[], floors bigint[]
        ) RETURNS bigint[] LANGUAGE plpgsql {_AS_OWNER} AS $$
        DECLARE
            ids bigint[] := ledger.find_or_open(owner_kinds, owner_ids, codes, units, types, floors);
        BEGIN
            PERFORM FROM ledger.accounts WHERE id = ANY (ids) ORDER BY id FOR NO KEY UPDATE;
            RETURN ids;
        END
        $$;

        -- What an entry adds to its account, in the natural sign; null where there is no such entry.
        CREATE FUNCTION ledger.natural_change(transaction_number bigint, account_number bigint) RETURNS bigint
            LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
            RETURN (SELECT e.amount * ledger.natural_sign(a.type)
                    FROM ledger.entries AS e JOIN ledger.accounts AS a ON a.id = e.account_id
                    WHERE e.transaction_id = transaction_number AND e.account_id = account_number);

        CREATE FUNCTION ledger.open_lot(
            transaction_number bigint, account_number bigint, granted bigint, source text, price bigint,
            price_unit text, priority integer, expires timestamptz
        ) RETURNS void LANGUAGE plpgsql {_AS_OWNER} AS $$
        BEGIN
            IF ledger.natural_change(transaction_number, account_number) IS DISTINCT FROM granted THEN
                RAISE EXCEPTION 'transaction % grants no lot of % to account %', transaction_number, granted,
                    account_number USING ERRCODE = 'check_violation';
            END IF;
            INSERT INTO ledger.lots
                (id, account_id, granted, remaining, source, price, price_unit, priority, expires_at)
            VALUES ($1, $2, $3, $3, $4, $5, $6, $7, $8);
        END
        $$;

        CREATE FUNCTION ledger.move_lots(
            transaction_number bigint, account_number bigint, movement text, lot_ids bigint[], amounts bigint[],
            extensions timestamptz[], spend bigint
        ) RETURNS void LANGUAGE plpgsql {_AS_OWNER} AS $$
        DECLARE
            moved integer;
        BEGIN
            PERFORM FROM ledger.lots WHERE id = ANY (lot_ids) ORDER BY id FOR NO KEY UPDATE;
            IF ledger.natural_change(transaction_number, account_number)
                    IS DISTINCT FROM (SELECT sum(n) FROM unnest(amounts) AS n)
               OR EXISTS (SELECT FROM ledger.lot_movements WHERE transaction_id = transaction_number) THEN
                RAISE EXCEPTION 'transaction % does not move these lots of account %', transaction_number,
                    account_number USING ERRCODE = 'check_violation';
            END IF;
            WITH changed AS (
                UPDATE ledger.lots AS l
                SET remaining = l.remaining + new.amount, expires_at = coalesce(new.extension, l.expires_at)
                FROM unnest(lot_ids, amounts, extensions) WITH ORDINALITY AS new (id, amount, extension, place)
                WHERE l.id = new.id AND l.account_id = account_number
                RETURNING l.id, new.amount, l.remaining, new.extension, new.place
            )
            INSERT INTO ledger.lot_movements
                (transaction_id, lot_id, kind, amount, remaining, extends_to, spend_id, place)
            SELECT transaction_number, id, movement, amount, remaining, extension, spend, place FROM changed;
            GET DIAGNOSTICS moved = ROW_COUNT;
            IF moved <> cardinality(lot_ids) THEN
                RAISE EXCEPTION 'a lot is named twice, or is not of account %', account_number
                    USING ERRCODE = 'check_violation';
            END IF;
        END
        $$;

        CREATE FUNCTION ledger.pin_lots(hold bigint, lot_ids bigint[], amounts bigint[])
        RETURNS void LANGUAGE plpgsql {_AS_OWNER} AS $$
        DECLARE
            pinned bigint;
        BEGIN
            WITH pins AS (
                INSERT INTO ledger.lot_pins (hold_id, lot_id, amount)
                SELECT h.id, l.id, new.amount
                FROM unnest(lot_ids, amounts) AS new (id, amount)
                JOIN ledger.lots AS l ON l.id = new.id
                JOIN ledger.holds AS h ON h.id = hold AND h.account_id = l.account_id AND h.state = 'open'
                RETURNING amount
            )
            SELECT sum(amount) INTO pinned FROM pins;
            IF pinned IS NULL OR pinned IS DISTINCT FROM (SELECT amount FROM ledger.holds WHERE id = hold) THEN
                RAISE EXCEPTION 'these lots do not make hold %', hold USING ERRCODE = 'check_violation';
            END IF;
        END
        $$;
    """)


def _privileges() -> None:
    op.execute("""
        REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA ledger FROM PUBLIC;

        DO $$
        BEGIN
            IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'till_app') THEN
                REVOKE ALL ON ledger.lots, ledger.lot_movements, ledger.lot_pins FROM till_app;
                GRANT SELECT ON ledger.lots, ledger.lot_movements, ledger.lot_pins TO till_app;
                GRANT EXECUTE ON FUNCTION
                    ledger.lock_accounts, ledger.open_lot, ledger.move_lots, ledger.pin_lots
                TO till_app;
            END IF;
        END
        $$;
    """)
