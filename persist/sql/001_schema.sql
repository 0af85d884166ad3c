-- Migration 1: what wcx-sink-pg writes. Run as a role that may create schemas, once per database, after configs/sql/roles.sql:
--
--     psql -v ON_ERROR_STOP=1 -f configs/sql/roles.sql -f persist/sql/001_schema.sql -f persist/sql/002_orders.sql
--
-- Every row is a function of the journal: of input `seq` of a shard, and `ord` counts the rows that this input made. Ids of the wire are 64 bits without a sign; a
-- bigint holds the same bits, and wcx.u64() shows them. Prices, quantities and amounts are mantissas at the exponents in wcx.instrument and wcx.balance.
-- Time is the journaled stamp: stamp_ns exactly, `stamp` cut to microseconds; it is what tables are partitioned by, so every unique key contains it.
BEGIN;

CREATE SCHEMA wcx AUTHORIZATION wcx_owner;
SET LOCAL ROLE wcx_owner;

CREATE TABLE wcx.migration (
  version integer PRIMARY KEY,
  name text NOT NULL,
  applied timestamptz NOT NULL DEFAULT now()
);

-- How far each shard's sink has come: one row a shard, moved by compare-and-set in the transaction that carries the rows.
CREATE TABLE wcx.watermark (
  shard integer PRIMARY KEY,
  journal_id bytea NOT NULL,
  epoch bigint NOT NULL,
  seq bigint NOT NULL,
  stamp_ns bigint NOT NULL,
  updated timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE wcx.instrument (
  shard integer NOT NULL,
  security_id bigint NOT NULL,
  symbol text NOT NULL,
  base_asset text NOT NULL,
  quote_asset text NOT NULL,
  trading_status smallint NOT NULL,
  price_exponent smallint NOT NULL,
  qty_exponent smallint NOT NULL,
  amt_exponent smallint NOT NULL,
  min_price_increment bigint NOT NULL,
  round_lot bigint NOT NULL,
  seq bigint NOT NULL,
  PRIMARY KEY (shard, security_id)
);

-- As of input seq, for accounts whose credit is checked.
CREATE TABLE wcx.balance (
  shard integer NOT NULL,
  account bigint NOT NULL,
  asset text NOT NULL,
  exponent smallint NOT NULL,
  available bigint NOT NULL,
  held bigint NOT NULL,
  seq bigint NOT NULL,
  PRIMARY KEY (shard, account, asset)
);

-- The latest state of every order; what no report has said of it is null (a quote has no report of its own).
CREATE TABLE wcx.orders (
  shard integer NOT NULL,
  order_id bigint NOT NULL,
  cl_ord_id bigint,
  session_id bigint NOT NULL,
  account bigint NOT NULL,
  security_id bigint NOT NULL,
  side smallint NOT NULL,
  ord_status smallint NOT NULL,
  ord_type smallint,
  time_in_force smallint,
  price bigint,
  order_qty bigint,
  leaves_qty bigint,
  cum_qty bigint,
  seq bigint NOT NULL,
  stamp timestamptz NOT NULL,
  PRIMARY KEY (shard, order_id)
);
CREATE INDEX orders_account ON wcx.orders (account, stamp);

CREATE TABLE wcx.trade_break (
  shard integer NOT NULL,
  seq bigint NOT NULL,
  ord integer NOT NULL,
  stamp timestamptz NOT NULL,
  stamp_ns bigint NOT NULL,
  trd_match_id bigint NOT NULL,
  security_id bigint NOT NULL,
  reason smallint NOT NULL,
  PRIMARY KEY (shard, seq, ord)
);

-- The two large tables: hypertables where TimescaleDB is, native range partitions of a day where it is not.
DO $make$
DECLARE
  hyper boolean := EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb');
  by_day text := CASE WHEN hyper THEN '' ELSE ' PARTITION BY RANGE (stamp)' END;
BEGIN
  -- Every execution report (templates 201..207), each once: what the drop copies of all sessions hold.
  EXECUTE $table$CREATE TABLE wcx.execution (
    shard integer NOT NULL,
    seq bigint NOT NULL,
    ord integer NOT NULL,
    stamp timestamptz NOT NULL,
    stamp_ns bigint NOT NULL,
    session_id bigint NOT NULL,
    number bigint NOT NULL,
    kind smallint NOT NULL,
    exec_id bigint NOT NULL,
    order_id bigint,
    cl_ord_id bigint NOT NULL,
    orig_cl_ord_id bigint,
    security_id bigint NOT NULL,
    account bigint NOT NULL,
    side smallint NOT NULL,
    ord_status smallint NOT NULL,
    ord_type smallint,
    time_in_force smallint,
    reason smallint,
    flags integer,
    price bigint,
    stop_px bigint,
    order_qty bigint,
    leaves_qty bigint,
    cum_qty bigint,
    display_qty bigint,
    canceled_qty bigint,
    last_px bigint,
    last_qty bigint,
    commission bigint,
    liquidity smallint,
    trd_match_id bigint,
    match_event_id bigint,
    exec_ref_id bigint,
    secondary_order_id bigint,
    receive_ns bigint,
    PRIMARY KEY (shard, seq, ord, stamp)
  )$table$ || by_day;
  -- Every fill, once: the public trades.
  EXECUTE $table$CREATE TABLE wcx.trade (
    shard integer NOT NULL,
    seq bigint NOT NULL,
    ord integer NOT NULL,
    stamp timestamptz NOT NULL,
    stamp_ns bigint NOT NULL,
    trd_match_id bigint NOT NULL,
    security_id bigint NOT NULL,
    last_px bigint NOT NULL,
    last_qty bigint NOT NULL,
    aggressor_side smallint NOT NULL,
    trd_type smallint,
    PRIMARY KEY (shard, trd_match_id, stamp)
  )$table$ || by_day;
  IF hyper THEN
    PERFORM create_hypertable('wcx.execution', 'stamp', chunk_time_interval => interval '1 day', create_default_indexes => false);
    PERFORM create_hypertable('wcx.trade', 'stamp', chunk_time_interval => interval '1 day', create_default_indexes => false);
  END IF;
END
$make$;
CREATE INDEX execution_account ON wcx.execution (account, stamp);
CREATE INDEX execution_order ON wcx.execution (shard, order_id);
CREATE INDEX trade_security ON wcx.trade (security_id, stamp);

-- The days from `first` to `last`, both included, where days are partitions. Called by the sink before its rows: it may not create tables itself.
CREATE FUNCTION wcx.make_days(first timestamptz, last timestamptz) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $body$
DECLARE
  day date := (first AT TIME ZONE 'UTC')::date;
  large text;
BEGIN
  IF EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb') THEN
    RETURN;
  END IF;
  WHILE day <= (last AT TIME ZONE 'UTC')::date LOOP
    FOREACH large IN ARRAY ARRAY['execution', 'trade'] LOOP
      EXECUTE format('CREATE TABLE IF NOT EXISTS wcx.%I PARTITION OF wcx.%I FOR VALUES FROM (%L) TO (%L)',
                     large || to_char(day, '_YYYYMMDD'), large, (day::timestamp AT TIME ZONE 'UTC'), ((day + 1)::timestamp AT TIME ZONE 'UTC'));
    END LOOP;
    day := day + 1;
  END LOOP;
END
$body$;

-- The latest state of the orders that inputs after_seq + 1 .. last_seq speak of, whose rows are in wcx.execution already. Called by the sink within its transaction.
CREATE FUNCTION wcx.move_orders(of_shard integer, after_seq bigint, last_seq bigint, first_stamp timestamptz, last_stamp timestamptz) RETURNS void
LANGUAGE sql AS $body$
  INSERT INTO wcx.orders AS o (shard, order_id, cl_ord_id, session_id, account, security_id, side, ord_status, ord_type, time_in_force, price, order_qty, leaves_qty, cum_qty,
                               seq, stamp)
  SELECT shard, order_id,
         (array_agg(cl_ord_id ORDER BY seq DESC, ord DESC))[1],
         (array_agg(session_id ORDER BY seq DESC, ord DESC))[1],
         (array_agg(account ORDER BY seq DESC, ord DESC))[1],
         (array_agg(security_id ORDER BY seq DESC, ord DESC))[1],
         (array_agg(side ORDER BY seq DESC, ord DESC))[1],
         (array_agg(ord_status ORDER BY seq DESC, ord DESC))[1],
         max(ord_type), max(time_in_force), -- one report at most says them
         (array_agg(price ORDER BY seq DESC, ord DESC) FILTER (WHERE price IS NOT NULL))[1],
         (array_agg(order_qty ORDER BY seq DESC, ord DESC) FILTER (WHERE order_qty IS NOT NULL))[1],
         (array_agg(CASE WHEN kind = 204 THEN 0 ELSE leaves_qty END ORDER BY seq DESC, ord DESC) FILTER (WHERE kind = 204 OR leaves_qty IS NOT NULL))[1],
         (array_agg(cum_qty ORDER BY seq DESC, ord DESC) FILTER (WHERE cum_qty IS NOT NULL))[1],
         max(seq), max(stamp)
  FROM wcx.execution
  WHERE shard = of_shard AND seq > after_seq AND seq <= last_seq AND stamp >= first_stamp - interval '1 ms' AND stamp <= last_stamp + interval '1 ms'
    AND kind IN (201, 203, 204, 205, 206)
  GROUP BY shard, order_id
  ON CONFLICT (shard, order_id) DO UPDATE SET
    cl_ord_id = excluded.cl_ord_id, ord_status = excluded.ord_status, ord_type = coalesce(o.ord_type, excluded.ord_type),
    time_in_force = coalesce(o.time_in_force, excluded.time_in_force), price = coalesce(excluded.price, o.price), order_qty = coalesce(excluded.order_qty, o.order_qty),
    leaves_qty = coalesce(excluded.leaves_qty, o.leaves_qty), cum_qty = coalesce(excluded.cum_qty, o.cum_qty), seq = excluded.seq, stamp = excluded.stamp
$body$;

CREATE FUNCTION wcx.u64(bits bigint) RETURNS numeric
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$ SELECT CASE WHEN bits >= 0 THEN bits::numeric ELSE bits::numeric + 18446744073709551616 END $$;

-- Bars of a minute over the trades that stand.
CREATE VIEW wcx.candle_1m AS
SELECT t.security_id,
       date_trunc('minute', t.stamp) AS minute,
       (array_agg(t.last_px ORDER BY t.seq, t.ord))[1] AS open_px,
       max(t.last_px) AS high_px,
       min(t.last_px) AS low_px,
       (array_agg(t.last_px ORDER BY t.seq DESC, t.ord DESC))[1] AS close_px,
       sum(t.last_qty) AS volume_qty,
       count(*) AS trade_cnt
FROM wcx.trade t
WHERE NOT EXISTS (SELECT FROM wcx.trade_break b WHERE b.shard = t.shard AND b.trd_match_id = t.trd_match_id)
GROUP BY 1, 2;

-- Least privilege: the sink adds rows and moves states; it deletes nothing and owns nothing.
GRANT USAGE ON SCHEMA wcx TO wcx_sink, wcx_reader;
GRANT SELECT ON ALL TABLES IN SCHEMA wcx TO wcx_sink, wcx_reader;
GRANT INSERT ON wcx.execution, wcx.trade, wcx.trade_break, wcx.watermark, wcx.instrument, wcx.balance, wcx.orders TO wcx_sink;
GRANT UPDATE ON wcx.watermark, wcx.instrument, wcx.balance, wcx.orders TO wcx_sink;
REVOKE EXECUTE ON FUNCTION wcx.make_days(timestamptz, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION wcx.make_days(timestamptz, timestamptz) TO wcx_sink;

INSERT INTO wcx.migration (version, name) VALUES (1, 'schema');
COMMIT;
