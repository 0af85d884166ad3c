-- Migration 2: the sink sends each order once a batch as its reports leave it; it asks the database for that no longer. Run like migration 1, as its owner.
BEGIN;
SET LOCAL ROLE wcx_owner;
DROP FUNCTION wcx.move_orders(integer, bigint, bigint, timestamptz, timestamptz);
INSERT INTO wcx.migration (version, name) VALUES (2, 'orders');
COMMIT;
