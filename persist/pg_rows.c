#include "persist/pg_rows.h"

#include "engine/base/check.h"
#include "engine/drop_scope.h"

#include <endian.h>
#include <stdlib.h>

static const uint8_t signature[19] = "PGCOPY\n\377\r\n\0"; /* and two words of zero: flags, length of an extension */

/* --- bytes ---------------------------------------------------------------------------------------------- */

static uint8_t *room(wcx_pg_copy_t *copy, size_t sz)
{
  if (copy->len + sz > copy->cap)
  {
    copy->cap = (copy->len + sz) * 2 < 65536 ? 65536 : (copy->len + sz) * 2;
    copy->base = realloc(copy->base, copy->cap);
    WCX_CHECK(copy->base != NULL, "no memory for %zu bytes of rows", copy->cap);
  }
  uint8_t *at = copy->base + copy->len;
  copy->len += sz;
  return at;
}

static void put16(wcx_pg_copy_t *copy, uint16_t value)
{
  value = htobe16(value);
  memcpy(room(copy, 2), &value, 2);
}

static void put32(wcx_pg_copy_t *copy, uint32_t value)
{
  value = htobe32(value);
  memcpy(room(copy, 4), &value, 4);
}

static void put64(wcx_pg_copy_t *copy, uint64_t value)
{
  value = htobe64(value);
  memcpy(room(copy, 8), &value, 8);
}

static void small(wcx_pg_copy_t *copy, int64_t value)
{
  put32(copy, 2);
  put16(copy, (uint16_t)value);
}

static void integer(wcx_pg_copy_t *copy, int64_t value)
{
  put32(copy, 4);
  put32(copy, (uint32_t)value);
}

static void big(wcx_pg_copy_t *copy, int64_t value)
{
  put32(copy, 8);
  put64(copy, (uint64_t)value);
}

static void null(wcx_pg_copy_t *copy)
{
  put32(copy, UINT32_MAX);
}

/* Padded with blanks or NULs. */
static void text(wcx_pg_copy_t *copy, const char *chars, size_t sz)
{
  while (sz > 0 && (chars[sz - 1] == ' ' || chars[sz - 1] == '\0'))
    sz--;
  put32(copy, (uint32_t)sz);
  if (sz > 0)
    memcpy(room(copy, sz), chars, sz);
}

static wcx_pg_copy_t *begin_row(wcx_pg_rows_t *rows, enum wcx_pg_table table, uint16_t columns)
{
  wcx_pg_copy_t *copy = &rows->copy[table];
  if (copy->len == 0)
    memcpy(room(copy, sizeof(signature)), signature, sizeof(signature));
  put16(copy, columns);
  copy->rows++;
  rows->rows++;
  return copy;
}

/* shard, seq, ord, stamp, stamp_ns: the first columns of what happened at an input. */
static wcx_pg_copy_t *begin_event(wcx_pg_rows_t *rows, enum wcx_pg_table table, uint16_t columns, const wcx_record_hdr_t *hdr, uint32_t ord)
{
  wcx_pg_copy_t *copy = begin_row(rows, table, columns);
  integer(copy, rows->shard);
  big(copy, (int64_t)hdr->seq);
  integer(copy, ord);
  big(copy, wcx_pg_time(hdr->stamp_ns));
  big(copy, (int64_t)hdr->stamp_ns);
  return copy;
}

/* --- execution reports ---------------------------------------------------------------------------------- */

/* Columns of wcx.execution behind `kind`, in their order there. */
enum column
{
  EXEC_ID,
  ORDER_ID,
  CL_ORD_ID,
  ORIG_CL_ORD_ID,
  SECURITY_ID,
  ACCOUNT,
  SIDE,
  ORD_STATUS,
  ORD_TYPE,
  TIME_IN_FORCE,
  REASON,
  FLAGS,
  PRICE,
  STOP_PX,
  ORDER_QTY,
  LEAVES_QTY,
  CUM_QTY,
  DISPLAY_QTY,
  CANCELED_QTY,
  LAST_PX,
  LAST_QTY,
  COMMISSION,
  LIQUIDITY,
  TRD_MATCH_ID,
  MATCH_EVENT_ID,
  EXEC_REF_ID,
  SECONDARY_ORDER_ID,
  RECEIVE_NS,
  COLUMNS,
};

static const uint8_t column_sz[COLUMNS] = {
    [EXEC_ID] = 8,        [ORDER_ID] = 8,    [CL_ORD_ID] = 8,          [ORIG_CL_ORD_ID] = 8, [SECURITY_ID] = 8, [ACCOUNT] = 8,
    [SIDE] = 2,           [ORD_STATUS] = 2,  [ORD_TYPE] = 2,           [TIME_IN_FORCE] = 2,  [REASON] = 2,      [FLAGS] = 4,
    [PRICE] = 8,          [STOP_PX] = 8,     [ORDER_QTY] = 8,          [LEAVES_QTY] = 8,     [CUM_QTY] = 8,     [DISPLAY_QTY] = 8,
    [CANCELED_QTY] = 8,   [LAST_PX] = 8,     [LAST_QTY] = 8,           [COMMISSION] = 8,     [LIQUIDITY] = 2,   [TRD_MATCH_ID] = 8,
    [MATCH_EVENT_ID] = 8, [EXEC_REF_ID] = 8, [SECONDARY_ORDER_ID] = 8, [RECEIVE_NS] = 8,
};

enum null_kind
{
  NEVER,
  IF_U64, /* null when all bits are set */
  IF_I64, /* null at the lowest number */
};

typedef struct place
{
  uint8_t column;
  uint8_t off, sz, null;
} place_t;

#define AT(column, report, member, null)                                                                                                                                           \
  {                                                                                                                                                                                \
    column, offsetof(wcx_execution_report_##report##_t, member), sizeof(((wcx_execution_report_##report##_t *)0)->member), null                                                    \
  }
#define COMMON(report)                                                                                                                                                             \
  AT(EXEC_ID, report, exec_id, NEVER), AT(CL_ORD_ID, report, cl_ord_id, NEVER), AT(SECURITY_ID, report, security_id, NEVER), AT(ACCOUNT, report, account, NEVER),                  \
      AT(SIDE, report, side, NEVER), AT(ORD_STATUS, report, ord_status, NEVER)

static const place_t new_places[] = {COMMON(new),
                                     AT(ORDER_ID, new, order_id, NEVER),
                                     AT(ORD_TYPE, new, ord_type, NEVER),
                                     AT(TIME_IN_FORCE, new, time_in_force, NEVER),
                                     AT(FLAGS, new, exec_inst, NEVER),
                                     AT(PRICE, new, price, IF_I64),
                                     AT(STOP_PX, new, stop_px, IF_I64),
                                     AT(ORDER_QTY, new, order_qty, NEVER),
                                     AT(LEAVES_QTY, new, leaves_qty, NEVER),
                                     AT(DISPLAY_QTY, new, display_qty, IF_I64),
                                     AT(RECEIVE_NS, new, receive_time, NEVER)};
static const place_t reject_places[] = {COMMON(reject), AT(ORDER_ID, reject, order_id, IF_U64), AT(REASON, reject, ord_rej_reason, NEVER),
                                        AT(RECEIVE_NS, reject, receive_time, NEVER)};
static const place_t trade_places[] = {COMMON(trade),
                                       AT(ORDER_ID, trade, order_id, NEVER),
                                       AT(FLAGS, trade, flags, NEVER),
                                       AT(LEAVES_QTY, trade, leaves_qty, NEVER),
                                       AT(CUM_QTY, trade, cum_qty, NEVER),
                                       AT(LAST_PX, trade, last_px, NEVER),
                                       AT(LAST_QTY, trade, last_qty, NEVER),
                                       AT(COMMISSION, trade, commission, NEVER),
                                       AT(LIQUIDITY, trade, last_liquidity_ind, NEVER),
                                       AT(TRD_MATCH_ID, trade, trd_match_id, NEVER),
                                       AT(MATCH_EVENT_ID, trade, match_event_id, NEVER)};
static const place_t cancel_places[] = {COMMON(cancel),
                                        AT(ORDER_ID, cancel, order_id, NEVER),
                                        AT(ORIG_CL_ORD_ID, cancel, request_cl_ord_id, IF_U64),
                                        AT(REASON, cancel, cancel_reason, NEVER),
                                        AT(FLAGS, cancel, flags, NEVER),
                                        AT(CUM_QTY, cancel, cum_qty, NEVER),
                                        AT(CANCELED_QTY, cancel, canceled_qty, NEVER),
                                        AT(RECEIVE_NS, cancel, receive_time, IF_U64)};
static const place_t replace_places[] = {COMMON(replace),
                                         AT(ORDER_ID, replace, order_id, NEVER),
                                         AT(ORIG_CL_ORD_ID, replace, orig_cl_ord_id, NEVER),
                                         AT(FLAGS, replace, flags, NEVER),
                                         AT(PRICE, replace, price, IF_I64),
                                         AT(ORDER_QTY, replace, order_qty, NEVER),
                                         AT(LEAVES_QTY, replace, leaves_qty, NEVER),
                                         AT(DISPLAY_QTY, replace, display_qty, IF_I64),
                                         AT(RECEIVE_NS, replace, receive_time, NEVER)};
static const place_t restated_places[] = {COMMON(restated),
                                          AT(ORDER_ID, restated, order_id, NEVER),
                                          AT(REASON, restated, exec_restatement_reason, NEVER),
                                          AT(FLAGS, restated, flags, NEVER),
                                          AT(PRICE, restated, price, IF_I64),
                                          AT(LEAVES_QTY, restated, leaves_qty, NEVER),
                                          AT(DISPLAY_QTY, restated, display_qty, IF_I64),
                                          AT(SECONDARY_ORDER_ID, restated, secondary_order_id, IF_U64)};
static const place_t break_places[] = {COMMON(trade_break),
                                       AT(ORDER_ID, trade_break, order_id, NEVER),
                                       AT(REASON, trade_break, break_reason, NEVER),
                                       AT(FLAGS, trade_break, flags, NEVER),
                                       AT(LAST_PX, trade_break, last_px, IF_I64),
                                       AT(LAST_QTY, trade_break, last_qty, IF_I64),
                                       AT(COMMISSION, trade_break, commission, NEVER),
                                       AT(TRD_MATCH_ID, trade_break, trd_match_id, NEVER),
                                       AT(EXEC_REF_ID, trade_break, exec_ref_id, NEVER)};

#define PLACES(places, report)                                                                                                                                                     \
  {                                                                                                                                                                                \
    places, sizeof(places) / sizeof(places[0]), sizeof(wcx_execution_report_##report##_t)                                                                                          \
  }
static const struct
{
  const place_t *places;
  size_t cnt, block_sz;
} reports[] = {PLACES(new_places, new),         PLACES(reject_places, reject),     PLACES(trade_places, trade),      PLACES(cancel_places, cancel),
               PLACES(replace_places, replace), PLACES(restated_places, restated), PLACES(break_places, trade_break)};
static_assert(sizeof(reports) / sizeof(reports[0]) == WCX_TEMPLATE_EXECUTION_REPORT_TRADE_BREAK - WCX_TEMPLATE_EXECUTION_REPORT_NEW + 1, "one a report");

static void touch(wcx_pg_rows_t *rows, uint32_t account)
{
  if (rows->account_cnt > 0 && rows->accounts[rows->account_cnt - 1] == account)
    return;
  if (rows->account_cnt == rows->account_cap)
  {
    rows->account_cap = rows->account_cap == 0 ? 1024 : rows->account_cap * 2;
    rows->accounts = realloc(rows->accounts, rows->account_cap * sizeof(rows->accounts[0]));
    WCX_CHECK(rows->accounts != NULL, "no memory for %zu accounts", rows->account_cap);
  }
  rows->accounts[rows->account_cnt++] = account;
}

/* False: the report leaves it open. */
static bool read_column(const place_t *place, const uint8_t *block, int64_t *value)
{
  if (place == NULL)
    return false;
  *value = 0;
  memcpy(value, block + place->off, place->sz);
  return !(place->null == IF_U64 && (uint64_t)*value == WCX_U64_NULL) && !(place->null == IF_I64 && *value == WCX_I64_NULL);
}

static void put_column(wcx_pg_copy_t *copy, uint32_t sz, bool known, int64_t value)
{
  if (!known)
    null(copy);
  else if (sz == 8)
    big(copy, value);
  else if (sz == 4)
    integer(copy, value);
  else
    small(copy, value);
}

/* A reject makes no order, and a break of a trade leaves the order as it is. */
static void move_order(wcx_pg_rows_t *rows, const wcx_record_hdr_t *hdr, const wcx_out_entry_t *entry, uint16_t template_id, const place_t *const of_column[COLUMNS],
                       const uint8_t *block)
{
  static const uint8_t column_of[WCX_PG_ORDER_COLUMNS] = {[WCX_PG_ORDER_CL_ORD_ID] = CL_ORD_ID,
                                                          [WCX_PG_ORDER_ACCOUNT] = ACCOUNT,
                                                          [WCX_PG_ORDER_SECURITY_ID] = SECURITY_ID,
                                                          [WCX_PG_ORDER_SIDE] = SIDE,
                                                          [WCX_PG_ORDER_ORD_STATUS] = ORD_STATUS,
                                                          [WCX_PG_ORDER_ORD_TYPE] = ORD_TYPE,
                                                          [WCX_PG_ORDER_TIME_IN_FORCE] = TIME_IN_FORCE,
                                                          [WCX_PG_ORDER_PRICE] = PRICE,
                                                          [WCX_PG_ORDER_ORDER_QTY] = ORDER_QTY,
                                                          [WCX_PG_ORDER_LEAVES_QTY] = LEAVES_QTY,
                                                          [WCX_PG_ORDER_CUM_QTY] = CUM_QTY};
  if (template_id == WCX_TEMPLATE_EXECUTION_REPORT_REJECT || template_id == WCX_TEMPLATE_EXECUTION_REPORT_TRADE_BREAK)
    return;
  int64_t order_id, value;
  bool known = read_column(of_column[ORDER_ID], block, &order_id);
  WCX_CHECK(known, "a report %u of no order", template_id);
  wcx_pg_order_t *order = wcx_pg_orders_at(&rows->orders, (uint64_t)order_id);
  order->seq = hdr->seq;
  order->stamp_ns = hdr->stamp_ns;
  for (uint32_t i = 0; i < WCX_PG_ORDER_COLUMNS; i++)
    if (i != WCX_PG_ORDER_SESSION_ID && read_column(of_column[column_of[i]], block, &value))
      wcx_pg_order_say(order, i, value);
  wcx_pg_order_say(order, WCX_PG_ORDER_SESSION_ID, entry->stream_id);
  if (template_id == WCX_TEMPLATE_EXECUTION_REPORT_CANCEL)
    wcx_pg_order_say(order, WCX_PG_ORDER_LEAVES_QTY, 0); /* it says what was canceled, not that nothing is left */
}

static void add_report(wcx_pg_rows_t *rows, const wcx_record_hdr_t *hdr, const wcx_out_entry_t *entry, uint32_t ord)
{
  const uint8_t *message = (const uint8_t *)(entry + 1);
  wcx_message_header_t header;
  memcpy(&header, message, sizeof(header));
  uint32_t idx = header.template_id - WCX_TEMPLATE_EXECUTION_REPORT_NEW;
  WCX_CHECK(entry->len >= sizeof(header) + reports[idx].block_sz, "a report %u of %u bytes", header.template_id, entry->len);
  const uint8_t *block = message + sizeof(header);
  const place_t *of_column[COLUMNS] = {NULL};
  for (size_t i = 0; i < reports[idx].cnt; i++)
    of_column[reports[idx].places[i].column] = &reports[idx].places[i];
  wcx_pg_copy_t *copy = begin_event(rows, WCX_PG_EXECUTION, 8 + COLUMNS, hdr, ord);
  big(copy, entry->stream_id);
  big(copy, (int64_t)entry->number);
  small(copy, header.template_id);
  for (uint32_t column = 0; column < COLUMNS; column++)
  {
    int64_t value = 0;
    bool known = read_column(of_column[column], block, &value);
    put_column(copy, column_sz[column], known, value);
  }
  move_order(rows, hdr, entry, header.template_id, of_column, block);
  uint32_t account;
  memcpy(&account, block + of_column[ACCOUNT]->off, sizeof(account));
  touch(rows, account);
}

/* --- the feed -------------------------------------------------------------------------------------------- */

static void add_trade(wcx_pg_rows_t *rows, const wcx_record_hdr_t *hdr, uint32_t ord, const wcx_trade_t *trade, bool displayed)
{
  wcx_pg_copy_t *copy = begin_event(rows, WCX_PG_TRADE, 11, hdr, ord);
  big(copy, (int64_t)trade->trd_match_id);
  big(copy, trade->security_id);
  big(copy, trade->last_px);
  big(copy, trade->last_qty);
  small(copy, trade->aggressor_side);
  if (displayed)
    null(copy);
  else
    small(copy, trade->trd_type);
}

static void add_break(wcx_pg_rows_t *rows, const wcx_record_hdr_t *hdr, uint32_t ord, const wcx_trade_break_t *broken)
{
  wcx_pg_copy_t *copy = begin_event(rows, WCX_PG_TRADE_BREAK, 8, hdr, ord);
  big(copy, (int64_t)broken->trd_match_id);
  big(copy, broken->security_id);
  small(copy, broken->reason);
}

static void add_instrument(wcx_pg_rows_t *rows, const wcx_record_hdr_t *hdr, const wcx_security_definition_t *definition)
{
  wcx_pg_copy_t *copy = begin_row(rows, WCX_PG_INSTRUMENT, 12);
  integer(copy, rows->shard);
  big(copy, definition->security_id);
  text(copy, definition->symbol, sizeof(definition->symbol));
  text(copy, definition->base_asset, sizeof(definition->base_asset));
  text(copy, definition->quote_asset, sizeof(definition->quote_asset));
  small(copy, definition->security_trading_status);
  small(copy, definition->price_exponent);
  small(copy, definition->qty_exponent);
  small(copy, definition->amt_exponent);
  big(copy, definition->min_price_increment);
  big(copy, definition->round_lot);
  big(copy, (int64_t)hdr->seq);
}

/* An uncross says a fill for each displayed side: the last match that was added is not added again. */
static void add_public(wcx_pg_rows_t *rows, const wcx_record_hdr_t *hdr, const wcx_out_entry_t *entry, uint32_t ord, uint64_t *last_match)
{
  const uint8_t *block = (const uint8_t *)(entry + 1) + sizeof(wcx_message_header_t);
  wcx_message_header_t header;
  memcpy(&header, entry + 1, sizeof(header));
  if (header.template_id == WCX_TEMPLATE_ORDER_EXECUTED)
  {
    wcx_order_executed_t fill;
    memcpy(&fill, block, sizeof(fill));
    wcx_trade_t trade = {
        .trd_match_id = fill.trd_match_id, .last_px = fill.last_px, .last_qty = fill.last_qty, .security_id = fill.security_id, .aggressor_side = fill.aggressor_side};
    if (fill.trd_match_id != *last_match)
      add_trade(rows, hdr, ord, &trade, true);
    *last_match = fill.trd_match_id;
  }
  else if (header.template_id == WCX_TEMPLATE_TRADE)
  {
    wcx_trade_t trade;
    memcpy(&trade, block, sizeof(trade));
    add_trade(rows, hdr, ord, &trade, false);
  }
  else if (header.template_id == WCX_TEMPLATE_TRADE_BREAK)
  {
    wcx_trade_break_t broken;
    memcpy(&broken, block, sizeof(broken));
    add_break(rows, hdr, ord, &broken);
  }
  else if (header.template_id == WCX_TEMPLATE_SECURITY_DEFINITION)
  {
    wcx_security_definition_t definition;
    memcpy(&definition, block, sizeof(definition));
    add_instrument(rows, hdr, &definition);
  }
}

void wcx_pg_rows_add(wcx_pg_rows_t *rows, const wcx_record_hdr_t *hdr, const void *body, const wcx_outlog_t *log)
{
  if (rows->first_stamp_ns == 0)
    rows->first_stamp_ns = hdr->stamp_ns;
  rows->last_stamp_ns = hdr->stamp_ns;
  if (hdr->template_id == WCX_TEMPLATE_BALANCE_ADJUSTMENT)
  {
    wcx_balance_adjustment_t adjustment;
    memcpy(&adjustment, body, sizeof(adjustment));
    touch(rows, adjustment.account);
  }
  uint32_t ord = 0;
  uint64_t last_match = 0;
  for (uint64_t pos = wcx_outlog_settle(log, 0, log->write_pos); pos < log->write_pos; pos = wcx_outlog_settle(log, pos, log->write_pos))
  {
    const wcx_out_entry_t *entry = wcx_outlog_at(log, pos);
    pos += entry->entry_sz;
    if (entry->stream == WCX_STREAM_FEED)
      add_public(rows, hdr, entry, ord, &last_match);
    else if (entry->stream == WCX_STREAM_SESSION && wcx_drop_copied((const uint8_t *)(entry + 1), entry->stream_id))
      add_report(rows, hdr, entry, ord);
    ord++;
  }
}

/* --- orders, balances and the end ---------------------------------------------------------------------------------- */

static void add_order(wcx_pg_rows_t *rows, const wcx_pg_order_t *order)
{
  static const uint8_t sz[WCX_PG_ORDER_COLUMNS] = {
      [WCX_PG_ORDER_CL_ORD_ID] = 8, [WCX_PG_ORDER_SESSION_ID] = 8, [WCX_PG_ORDER_ACCOUNT] = 8,    [WCX_PG_ORDER_SECURITY_ID] = 8,
      [WCX_PG_ORDER_SIDE] = 2,      [WCX_PG_ORDER_ORD_STATUS] = 2, [WCX_PG_ORDER_ORD_TYPE] = 2,   [WCX_PG_ORDER_TIME_IN_FORCE] = 2,
      [WCX_PG_ORDER_PRICE] = 8,     [WCX_PG_ORDER_ORDER_QTY] = 8,  [WCX_PG_ORDER_LEAVES_QTY] = 8, [WCX_PG_ORDER_CUM_QTY] = 8,
  };
  wcx_pg_copy_t *copy = begin_row(rows, WCX_PG_ORDER, 4 + WCX_PG_ORDER_COLUMNS);
  integer(copy, rows->shard);
  big(copy, (int64_t)order->order_id);
  for (uint32_t column = 0; column < WCX_PG_ORDER_COLUMNS; column++)
    put_column(copy, sz[column], (order->known >> column & 1) != 0, order->value[column]);
  big(copy, (int64_t)order->seq);
  big(copy, wcx_pg_time(order->stamp_ns));
}

static int by_number(const void *a, const void *b)
{
  uint32_t x = *(const uint32_t *)a;
  uint32_t y = *(const uint32_t *)b;
  return (x > y) - (x < y);
}

static void add_balances(wcx_pg_rows_t *rows, const wcx_engine_t *engine, uint32_t account)
{
  wcx_asset_view_t asset;
  wcx_balance_view_t balance;
  for (uint32_t idx = 0; wcx_engine_asset_at(engine, idx, &asset); idx++)
  {
    if (!wcx_engine_balance(engine, account, asset.asset, &balance))
      continue;
    wcx_pg_copy_t *copy = begin_row(rows, WCX_PG_BALANCE, 7);
    integer(copy, rows->shard);
    big(copy, account);
    text(copy, asset.asset, sizeof(asset.asset));
    small(copy, asset.exponent);
    big(copy, balance.available);
    big(copy, balance.held);
    big(copy, (int64_t)wcx_engine_applied_seq(engine));
  }
}

void wcx_pg_rows_end(wcx_pg_rows_t *rows, const wcx_engine_t *engine)
{
  for (size_t i = 0; i < rows->orders.cnt; i++)
    add_order(rows, &rows->orders.base[i]);
  if (rows->account_cnt > 0)
    qsort(rows->accounts, rows->account_cnt, sizeof(rows->accounts[0]), by_number);
  for (size_t i = 0; i < rows->account_cnt; i++)
    if (i == 0 || rows->accounts[i] != rows->accounts[i - 1])
      add_balances(rows, engine, rows->accounts[i]);
  for (uint32_t table = 0; table < WCX_PG_TABLES; table++)
    if (rows->copy[table].len > 0)
      put16(&rows->copy[table], UINT16_MAX);
}

void wcx_pg_rows_clear(wcx_pg_rows_t *rows)
{
  for (uint32_t table = 0; table < WCX_PG_TABLES; table++)
    rows->copy[table].len = rows->copy[table].rows = 0;
  wcx_pg_orders_clear(&rows->orders);
  rows->account_cnt = 0;
  rows->first_stamp_ns = rows->last_stamp_ns = 0;
  rows->rows = 0;
}

void wcx_pg_rows_free(wcx_pg_rows_t *rows)
{
  for (uint32_t table = 0; table < WCX_PG_TABLES; table++)
    free(rows->copy[table].base);
  wcx_pg_orders_free(&rows->orders);
  free(rows->accounts);
  *rows = (wcx_pg_rows_t){.shard = rows->shard};
}
