/* The store of wcx-sink-pg: PostgreSQL, with or without TimescaleDB. Tables: persist/sql/. */
#include "persist/pg_rows.h"
#include "persist/secret_file.h"
#include "persist/store.h"

#include "engine/shm/region.h"

#include <inttypes.h>
#include <libpq-fe.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define SCHEMA_VERSION 2
#define DAY_NS UINT64_C(86400000000000)
#define PARAMS_MAX 6
#define SINK_NAME "wcx-sink-pg"
#define STOPPED_AFTER "10s"                      /* a transaction that waits for its sink for longer is ended */
#define STOPPED_SETTING "wcx.sink_stopped_after" /* of the role, the database or the connection: another time */

const char wcx_store_process[] = SINK_NAME;
const uint32_t wcx_store_kind = WCX_SINK_PG;
const bool wcx_store_rebuilds = false;

struct wcx_store
{
  const char *file;
  char shard[12];
  PGconn *conn;
  wcx_pg_rows_t rows;
  uint64_t day_made;    /* days since 1970 whose partitions are known to be there, the last of them; 0: none */
  uint64_t settled_seq; /* flushed by the database */
  uint64_t asked_seq;   /* flushed once its log is flushed up to asked_lsn */
  char asked_lsn[24];
  char text[WCX_STORE_TEXT_SZ];
};

/* --- statements ------------------------------------------------------------------------------------------- */

static __attribute__((format(printf, 2, 3))) int fail(wcx_store_t *store, const char *fmt, ...)
{
  va_list args;
  va_start(args, fmt);
  vsnprintf(store->text, sizeof(store->text), fmt, args);
  va_end(args);
  for (char *at = store->text; *at != '\0'; at++)
    *at = *at == '\n' ? ' ' : *at;
  return WCX_STORE_FAILED;
}

/* One statement that must end as `wanted`; the result, which the caller clears, or NULL. */
static PGresult *query(wcx_store_t *store, ExecStatusType wanted, const char *sql, int cnt, const char *const *params)
{
  PGresult *result = cnt == 0 ? PQexec(store->conn, sql) : PQexecParams(store->conn, sql, cnt, NULL, params, NULL, NULL, 0);
  if (PQresultStatus(result) == wanted)
    return result;
  (void)fail(store, "%.40s...: %.300s", sql, PQerrorMessage(store->conn));
  PQclear(result);
  return NULL;
}

static bool run(wcx_store_t *store, const char *sql)
{
  PGresult *result = query(store, PGRES_COMMAND_OK, sql, 0, NULL);
  PQclear(result);
  return result != NULL;
}

static bool run_with(wcx_store_t *store, ExecStatusType wanted, const char *sql, int cnt, const char *const *params)
{
  PGresult *result = query(store, wanted, sql, cnt, params);
  PQclear(result);
  return result != NULL;
}

static bool copy_in(wcx_store_t *store, const char *sql, const wcx_pg_copy_t *copy)
{
  if (copy->len == 0)
    return true;
  if (!run_with(store, PGRES_COPY_IN, sql, 0, NULL))
    return false;
  static const size_t piece = 1u << 20; /* the length of a piece is an int */
  for (size_t off = 0; off < copy->len; off += piece)
  {
    int sz = (int)(copy->len - off < piece ? copy->len - off : piece);
    if (PQputCopyData(store->conn, (const char *)copy->base + off, sz) != 1)
    {
      (void)fail(store, "%.300s", PQerrorMessage(store->conn));
      return false;
    }
  }
  if (PQputCopyEnd(store->conn, NULL) != 1)
  {
    (void)fail(store, "%.300s", PQerrorMessage(store->conn));
    return false;
  }
  PGresult *result = PQgetResult(store->conn);
  bool good = PQresultStatus(result) == PGRES_COMMAND_OK;
  if (!good)
    (void)fail(store, "%.40s...: %.300s", sql, PQerrorMessage(store->conn));
  while (result != NULL)
  {
    PQclear(result);
    result = PQgetResult(store->conn);
  }
  return good;
}

/* --- connection ----------------------------------------------------------------------------------------------- */

wcx_store_t *wcx_store_new(const char *file, uint32_t shard)
{
  wcx_store_t *store = calloc(1, sizeof(*store));
  if (store == NULL)
    return NULL;
  store->file = file;
  store->rows.shard = shard;
  snprintf(store->shard, sizeof(store->shard), "%u", shard);
  return store;
}

void wcx_store_drop(wcx_store_t *store)
{
  wcx_pg_rows_clear(&store->rows);
  PQfinish(store->conn);
  store->conn = NULL;
}

void wcx_store_free(wcx_store_t *store)
{
  wcx_store_drop(store);
  wcx_pg_rows_free(&store->rows);
  free(store);
}

const char *wcx_store_text(const wcx_store_t *store)
{
  return store->text;
}

uint64_t wcx_store_rows(const wcx_store_t *store)
{
  return store->rows.rows;
}

static void say_nothing(void *ctx, const char *message)
{
  (void)ctx;
  (void)message;
}

static bool check_schema(wcx_store_t *store)
{
  PGresult *result = query(store, PGRES_TUPLES_OK, "SELECT coalesce(max(version), 0) FROM wcx.migration", 0, NULL);
  if (result == NULL)
  {
    char why[200];
    memcpy(why, store->text, sizeof(why) - 1);
    why[sizeof(why) - 1] = '\0';
    (void)fail(store, "the schema is not there: psql -f configs/sql/roles.sql, then each migration in persist/sql/ (%s)", why);
    return false;
  }
  int version = atoi(PQgetvalue(result, 0, 0));
  PQclear(result);
  if (version == SCHEMA_VERSION)
    return true;
  (void)fail(store, "the schema is of version %d, this build writes version %d: run the migrations in persist/sql/, or the build that belongs to it", version, SCHEMA_VERSION);
  return false;
}

/* Ends what a sink of this shard holds that is stopped within its transaction: it keeps the row of the mark, and in the middle of a COPY, where the server waits for rows, it
   obeys no timeout. Only who waits for its client is ended, so that two sinks before a slow server do not end each other for ever. Whoever is ended wrote nothing, and
   finds the mark elsewhere when it goes on. Whoever waits for the row gives up after the same time and comes here again. */
static bool end_stopped(wcx_store_t *store)
{
  static const char name_sql[] = "SELECT set_config('application_name', '" SINK_NAME
                                 "-' || $1, false), set_config('lock_timeout', coalesce(nullif(current_setting('" STOPPED_SETTING "', true), ''), '" STOPPED_AFTER "'), false)";
  static const char end_sql[] =
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND usename = current_user AND pid <> pg_backend_pid() AND "
      "application_name = current_setting('application_name') AND wait_event_type = 'Client' AND "
      "xact_start < clock_timestamp() - current_setting('lock_timeout')::interval";
  return run_with(store, PGRES_TUPLES_OK, name_sql, 1, (const char *const[]){store->shard}) && run_with(store, PGRES_TUPLES_OK, end_sql, 0, NULL);
}

/* Tables of the connection: rows go there first where the target is updated. */
static bool prepare(wcx_store_t *store)
{
  return check_schema(store) && end_stopped(store) &&
         run(store, "SET TimeZone = 'UTC'; SET client_min_messages = warning; SET idle_in_transaction_session_timeout = '5s'; SET statement_timeout = '30s'; "
                    "CREATE TEMP TABLE instrument_in (LIKE wcx.instrument) ON COMMIT DELETE ROWS; CREATE TEMP TABLE balance_in (LIKE wcx.balance) ON COMMIT DELETE ROWS; "
                    "CREATE TEMP TABLE orders_in (LIKE wcx.orders) ON COMMIT DELETE ROWS");
}

/* What the file says overrides what stands before it; a connection that is cut off in silence is given up. */
static PGconn *connect_as(const char *conninfo)
{
  static const char *const keys[] = {"connect_timeout",  "fallback_application_name", "keepalives_idle", "keepalives_interval",
                                     "keepalives_count", "tcp_user_timeout",          "dbname",          NULL};
  const char *values[] = {"5", wcx_store_process, "5", "2", "3", "10000", conninfo, NULL};
  return PQconnectdbParams(keys, values, 1);
}

static int connect_now(wcx_store_t *store)
{
  if (store->conn != NULL && PQstatus(store->conn) == CONNECTION_OK)
    return WCX_STORE_DONE;
  wcx_store_drop(store);
  char conninfo[WCX_SECRET_FILE_SZ];
  int result = wcx_secret_file_read(store->file, conninfo);
  if (result != 0)
    return fail(store, "%.200s: %s", store->file, wcx_secret_file_why(result));
  store->conn = connect_as(conninfo);
  explicit_bzero(conninfo, sizeof(conninfo));
  if (PQstatus(store->conn) != CONNECTION_OK)
    (void)fail(store, "%.400s", PQerrorMessage(store->conn));
  else
  {
    PQsetNoticeProcessor(store->conn, say_nothing, NULL);
    store->settled_seq = store->asked_seq = 0;
    store->asked_lsn[0] = '\0';
    store->day_made = 0;
    if (prepare(store))
      return WCX_STORE_DONE;
  }
  wcx_store_drop(store);
  return WCX_STORE_FAILED;
}

/* --- mark ------------------------------------------------------------------------------------------------------ */

static int hex_digit(char c)
{
  return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* "\x" and two digits a byte. */
static bool parse_id(const char *text, uint8_t id[16])
{
  if (strlen(text) != 34 || text[0] != '\\' || text[1] != 'x')
    return false;
  for (int i = 0; i < 16; i++)
  {
    int high = hex_digit(text[2 + 2 * i]);
    int low = hex_digit(text[3 + 2 * i]);
    if (high < 0 || low < 0)
      return false;
    id[i] = (uint8_t)(high * 16 + low);
  }
  return true;
}

static void print_id(char text[36], const uint8_t id[16])
{
  text[0] = '\\';
  text[1] = 'x';
  for (int i = 0; i < 16; i++)
    snprintf(text + 2 + (size_t)i * 2, 3, "%02x", id[i]);
}

int wcx_store_mark(wcx_store_t *store, wcx_store_mark_t *mark)
{
  if (connect_now(store) != WCX_STORE_DONE)
    return WCX_STORE_FAILED;
  PGresult *result = query(store, PGRES_TUPLES_OK, "SELECT journal_id, epoch, seq FROM wcx.watermark WHERE shard = $1", 1, (const char *const[]){store->shard});
  if (result == NULL)
  {
    wcx_store_drop(store);
    return WCX_STORE_FAILED;
  }
  int rows = PQntuples(result);
  bool good = rows == 1 && parse_id(PQgetvalue(result, 0, 0), mark->journal_id);
  if (good)
  {
    mark->epoch = strtoull(PQgetvalue(result, 0, 1), NULL, 10);
    mark->seq = strtoull(PQgetvalue(result, 0, 2), NULL, 10);
  }
  PQclear(result);
  if (rows == 1 && !good)
    return fail(store, "the journal_id in wcx.watermark is none");
  return good ? WCX_STORE_DONE : WCX_STORE_STALE;
}

int wcx_store_begin(wcx_store_t *store, const wcx_store_mark_t *mark, const wcx_engine_t *engine)
{
  (void)engine;
  char id[36], epoch[24], seq[24];
  print_id(id, mark->journal_id);
  snprintf(epoch, sizeof(epoch), "%" PRIu64, mark->epoch);
  snprintf(seq, sizeof(seq), "%" PRIu64, mark->seq);
  const char *const params[] = {store->shard, id, epoch, seq};
  bool good = run_with(store, PGRES_COMMAND_OK, "INSERT INTO wcx.watermark (shard, journal_id, epoch, seq, stamp_ns) VALUES ($1, $2, $3, $4, 0) ON CONFLICT DO NOTHING", 4, params);
  return good ? WCX_STORE_DONE : WCX_STORE_FAILED;
}

/* --- batch -------------------------------------------------------------------------------------------------------- */

void wcx_store_add(wcx_store_t *store, const wcx_engine_t *engine, const wcx_record_hdr_t *hdr, const void *body, const wcx_outlog_t *log)
{
  (void)engine;
  wcx_pg_rows_add(&store->rows, hdr, body, log);
}

/* First in the transaction: whoever comes second waits here, and finds the mark moved. */
static int move_mark(wcx_store_t *store, const wcx_store_mark_t *mark, const wcx_store_mark_t *to)
{
  char id[36], from[24], epoch[24], seq[24], stamp[24];
  print_id(id, mark->journal_id);
  snprintf(from, sizeof(from), "%" PRIu64, mark->seq);
  snprintf(epoch, sizeof(epoch), "%" PRIu64, to->epoch);
  snprintf(seq, sizeof(seq), "%" PRIu64, to->seq);
  snprintf(stamp, sizeof(stamp), "%" PRIu64, store->rows.last_stamp_ns);
  const char *const params[PARAMS_MAX] = {store->shard, id, from, epoch, seq, stamp};
  static const char sql[] = "UPDATE wcx.watermark SET epoch = $4, seq = $5, stamp_ns = $6, updated = now() WHERE shard = $1 AND journal_id = $2 AND seq = $3 AND epoch <= $4";
  PGresult *result = query(store, PGRES_COMMAND_OK, sql, PARAMS_MAX, params);
  if (result == NULL)
    return WCX_STORE_FAILED;
  bool hit = strcmp(PQcmdTuples(result), "1") == 0;
  PQclear(result);
  return hit ? WCX_STORE_DONE : WCX_STORE_STALE;
}

static void stamp_text(char text[48], uint64_t stamp_ns)
{
  snprintf(text, 48, "%" PRIu64 ".%06u", stamp_ns / 1000000000u, (unsigned)(stamp_ns % 1000000000u / 1000u));
}

/* A day ahead too, so that midnight waits for nothing. */
static bool make_days(wcx_store_t *store)
{
  uint64_t last_day = store->rows.last_stamp_ns / DAY_NS;
  if (store->day_made >= last_day + 1)
    return true;
  char first[48], last[48];
  stamp_text(first, store->rows.first_stamp_ns);
  stamp_text(last, store->rows.last_stamp_ns + DAY_NS);
  if (!run_with(store, PGRES_TUPLES_OK, "SELECT wcx.make_days(to_timestamp($1::float8), to_timestamp($2::float8))", 2, (const char *const[]){first, last}))
    return false;
  store->day_made = last_day + 1; /* should the transaction fail, the connection is dropped and with it this */
  return true;
}

/* What no report of the batch says stays as it is; whose order it is never changes. */
static bool move_orders(wcx_store_t *store)
{
  static const char sql[] =
      "INSERT INTO wcx.orders AS o SELECT * FROM orders_in ON CONFLICT (shard, order_id) DO UPDATE SET (cl_ord_id, ord_status, ord_type, time_in_force, price, "
      "order_qty, leaves_qty, cum_qty, seq, stamp) = (excluded.cl_ord_id, excluded.ord_status, coalesce(o.ord_type, excluded.ord_type), "
      "coalesce(o.time_in_force, excluded.time_in_force), coalesce(excluded.price, o.price), coalesce(excluded.order_qty, o.order_qty), "
      "coalesce(excluded.leaves_qty, o.leaves_qty), coalesce(excluded.cum_qty, o.cum_qty), excluded.seq, excluded.stamp)";
  const wcx_pg_copy_t *copy = &store->rows.copy[WCX_PG_ORDER];
  return copy->rows == 0 || (copy_in(store, "COPY orders_in FROM STDIN (FORMAT binary)", copy) && run(store, sql));
}

static bool move_instruments(wcx_store_t *store)
{
  static const char sql[] = "INSERT INTO wcx.instrument SELECT DISTINCT ON (shard, security_id) * FROM instrument_in ORDER BY shard, security_id, seq DESC "
                            "ON CONFLICT (shard, security_id) DO UPDATE SET (symbol, base_asset, quote_asset, trading_status, price_exponent, qty_exponent, amt_exponent, "
                            "min_price_increment, round_lot, seq) = (excluded.symbol, excluded.base_asset, excluded.quote_asset, excluded.trading_status, excluded.price_exponent, "
                            "excluded.qty_exponent, excluded.amt_exponent, excluded.min_price_increment, excluded.round_lot, excluded.seq)";
  const wcx_pg_copy_t *copy = &store->rows.copy[WCX_PG_INSTRUMENT];
  return copy->rows == 0 || (copy_in(store, "COPY instrument_in FROM STDIN (FORMAT binary)", copy) && run(store, sql));
}

static bool move_balances(wcx_store_t *store)
{
  static const char sql[] = "INSERT INTO wcx.balance SELECT * FROM balance_in ON CONFLICT (shard, account, asset) DO UPDATE SET (exponent, available, held, seq) = "
                            "(excluded.exponent, excluded.available, excluded.held, excluded.seq)";
  const wcx_pg_copy_t *copy = &store->rows.copy[WCX_PG_BALANCE];
  return copy->rows == 0 || (copy_in(store, "COPY balance_in FROM STDIN (FORMAT binary)", copy) && run(store, sql));
}

static bool write_rows(wcx_store_t *store)
{
  const wcx_pg_copy_t *copy = store->rows.copy;
  return make_days(store) && copy_in(store, "COPY wcx.execution FROM STDIN (FORMAT binary)", &copy[WCX_PG_EXECUTION]) &&
         copy_in(store, "COPY wcx.trade FROM STDIN (FORMAT binary)", &copy[WCX_PG_TRADE]) &&
         copy_in(store, "COPY wcx.trade_break FROM STDIN (FORMAT binary)", &copy[WCX_PG_TRADE_BREAK]) && move_orders(store) && move_instruments(store) && move_balances(store);
}

int wcx_store_commit(wcx_store_t *store, wcx_store_mark_t *mark, const wcx_store_mark_t *to, const wcx_engine_t *engine)
{
  wcx_pg_rows_end(&store->rows, engine);
  int result = run(store, "BEGIN") ? move_mark(store, mark, to) : WCX_STORE_FAILED;
  if (result == WCX_STORE_STALE)
    result = run(store, "ROLLBACK") ? WCX_STORE_STALE : WCX_STORE_FAILED;
  else if (result == WCX_STORE_DONE && !(write_rows(store) && run(store, "COMMIT")))
    result = WCX_STORE_FAILED;
  if (result == WCX_STORE_FAILED)
    wcx_store_drop(store);
  wcx_pg_rows_clear(&store->rows);
  if (result == WCX_STORE_DONE)
    *mark = *to;
  return result;
}

/* --- what a crash of the database leaves ---------------------------------------------------------------------------- */

/* synchronous_commit is the server's or the role's, never ours: where it is on and names standbys, a commit that was answered is on them as well, and what is held outlives a
   fail-over of the database. Where it is off, a commit is flushed a moment later, in the order of the log: what was committed before an lsn was read is safe once the log is
   flushed to it. Nothing counts as held before that. */
int wcx_store_settled(wcx_store_t *store, const wcx_store_mark_t *mark, uint64_t *seq)
{
  *seq = store->settled_seq;
  if (store->settled_seq == mark->seq)
    return WCX_STORE_DONE;
  const char *sql = store->asked_lsn[0] == '\0' ? "SELECT true, pg_current_wal_insert_lsn()" : "SELECT pg_current_wal_flush_lsn() >= $1::pg_lsn, pg_current_wal_insert_lsn()";
  PGresult *result = query(store, PGRES_TUPLES_OK, sql, store->asked_lsn[0] != '\0', (const char *const[]){store->asked_lsn});
  if (result == NULL)
  {
    wcx_store_drop(store);
    return WCX_STORE_FAILED;
  }
  if (PQgetvalue(result, 0, 0)[0] == 't')
  {
    if (store->asked_lsn[0] != '\0')
      store->settled_seq = store->asked_seq;
    store->asked_seq = mark->seq;
    snprintf(store->asked_lsn, sizeof(store->asked_lsn), "%s", PQgetvalue(result, 0, 1));
  }
  PQclear(result);
  *seq = store->settled_seq;
  return WCX_STORE_DONE;
}
