/* What inputs said as rows for COPY ... (FORMAT binary): the tables of persist/sql/. Bytes only: no connection, no library.

   Owner:     one thread.
   Memory:    buffers grow as they must and are kept; wcx_pg_rows_free.
   Units:     as on the wire; 64 bits without a sign become a bigint of the same bits; stamps become microseconds since 2000-01-01 as well.
   Pinned by: tests/unit/test_pg_rows.c, tests/e2e/test_sinks.py. */
#ifndef WCX_PERSIST_PG_ROWS_H
#define WCX_PERSIST_PG_ROWS_H

#include "engine/engine.h"
#include "persist/pg_orders.h"

typedef struct wcx_pg_copy
{
  uint8_t *base;
  size_t len, cap;
  uint64_t rows;
} wcx_pg_copy_t;

enum wcx_pg_table
{
  WCX_PG_EXECUTION,
  WCX_PG_TRADE,
  WCX_PG_TRADE_BREAK,
  WCX_PG_INSTRUMENT,
  WCX_PG_BALANCE,
  WCX_PG_ORDER,
  WCX_PG_TABLES,
};

typedef struct wcx_pg_rows
{
  uint32_t shard;
  wcx_pg_copy_t copy[WCX_PG_TABLES];
  wcx_pg_orders_t orders;
  uint32_t *accounts; /* whose balances may have changed, some of them more than once */
  size_t account_cnt, account_cap;
  uint64_t first_stamp_ns, last_stamp_ns; /* of the inputs; 0: none */
  uint64_t rows;
} wcx_pg_rows_t;

/* Microseconds since 2000-01-01, what a timestamptz is. */
static inline int64_t wcx_pg_time(uint64_t stamp_ns)
{
  return (int64_t)(stamp_ns / 1000) - INT64_C(946684800000000);
}

void wcx_pg_rows_add(wcx_pg_rows_t *rows, const wcx_record_hdr_t *hdr, const void *body, const wcx_outlog_t *log);

/* The orders that were spoken of and the balances of the accounts that may have changed, as `engine` has them now; then the trailers. Between end and clear the copies can be sent. */
void wcx_pg_rows_end(wcx_pg_rows_t *rows, const wcx_engine_t *engine);

void wcx_pg_rows_clear(wcx_pg_rows_t *rows);
void wcx_pg_rows_free(wcx_pg_rows_t *rows);

#endif
