/* An engine with an output log, driven by hand: what the engine's tests share.

   The world: shard 1, instrument 1 (increment 1, lot 1, no limits, ready to trade), accounts 1..8, sessions 1..8 (account n), session 9 for every account.
   Each helper applies one record (stamp + 1), checks that the outputs kept within the bound announced, and leaves them in `said`. */
#ifndef WCX_TESTS_ENGINE_FIXTURE_H
#define WCX_TESTS_ENGINE_FIXTURE_H

#include "engine/engine.h"
#include "engine/snapshot.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SAID_MAX 4096
#define BUY WCX_SIDE_BUY
#define SELL WCX_SIDE_SELL
#define GTC WCX_TIME_IN_FORCE_GTC
#define IOC WCX_TIME_IN_FORCE_IOC
#define FOK WCX_TIME_IN_FORCE_FOK

/* One output, as the consumer of the log sees it. */
typedef struct said
{
  uint8_t stream;
  uint32_t stream_id;
  uint32_t tag;
  uint64_t number;
  uint16_t template_id;
  const uint8_t *block;
} said_t;

typedef struct world
{
  wcx_engine_t *engine;
  void *mem;
  void *log_mem;
  wcx_outlog_t out;
  uint64_t client_seq[16];
  uint64_t cl_ord_id[16]; /* last used per session */
  said_t said[SAID_MAX];
  uint32_t said_cnt;
  uint64_t bound; /* of the last record */
} world_t;

static const wcx_engine_limits_t world_limits = {
    .shard = 1, .orders_max = 1000, .levels_max = 500, .instruments_max = 8, .accounts_max = 32, .sessions_max = 16, .hash_key = 0x1234567};

/* Read the outputs between two positions of the log. */
static inline void world_listen(world_t *w, uint64_t from)
{
  w->said_cnt = 0;
  for (uint64_t pos = wcx_outlog_settle(&w->out, from, w->out.write_pos); pos < w->out.write_pos;)
  {
    wcx_out_entry_t *entry = wcx_outlog_at(&w->out, pos);
    wcx_message_header_t header;
    memcpy(&header, wcx_out_message(entry), sizeof(header));
    uint32_t len = (uint32_t)sizeof(header) + header.block_length;
    if (header.template_id == WCX_TEMPLATE_MASS_QUOTE_ACK) /* the one message with a group */
    {
      wcx_group_size_t group;
      memcpy(&group, wcx_out_message(entry) + len, sizeof(group));
      len += (uint32_t)sizeof(group) + (uint32_t)group.num_in_group * group.block_length;
    }
    assert_int_equal(entry->len, len);
    assert_int_equal(header.schema_id, WCX_SCHEMA_ID);
    assert_int_equal(entry->input_seq, wcx_engine_applied_seq(w->engine));
    if (w->said_cnt < SAID_MAX)
      w->said[w->said_cnt] = (said_t){entry->stream, entry->stream_id, entry->tag, entry->number, header.template_id, wcx_out_message(entry) + sizeof(header)};
    w->said_cnt++;
    pos = wcx_outlog_settle(&w->out, pos + entry->entry_sz, w->out.write_pos);
  }
}

/* Apply one record, from an unaligned body. */
static inline void world_apply_at(world_t *w, uint64_t stamp_ns, uint16_t template_id, uint32_t session_id, uint64_t client_seq, const void *body, uint16_t body_sz)
{
  uint8_t buf[2048];
  memcpy(buf + 1, body, body_sz);
  wcx_record_hdr_t hdr = {
      .format = WCX_RECORD_FORMAT,
      .template_id = template_id,
      .shard = 1,
      .session_id = session_id,
      .seq = wcx_engine_applied_seq(w->engine) + 1,
      .stamp_ns = stamp_ns,
      .receive_ns = client_seq != 0 ? stamp_ns - 1 : 0,
      .client_seq = client_seq,
      .body_sz = body_sz,
  };
  w->bound = wcx_engine_output_bound(w->engine, &hdr, buf + 1);
  wcx_engine_prefetch(w->engine, &(wcx_engine_input_t){.hdr = &hdr, .body = buf + 1}, 1);
  uint64_t from = w->out.write_pos;
  w->out.sent_pos = from;
  wcx_engine_apply(w->engine, &hdr, buf + 1, &w->out);
  world_listen(w, from);
  uint64_t used = 0;
  for (uint64_t pos = wcx_outlog_settle(&w->out, from, w->out.write_pos); pos < w->out.write_pos; pos = wcx_outlog_settle(&w->out, pos, w->out.write_pos))
  {
    used += wcx_outlog_at(&w->out, pos)->entry_sz;
    pos += wcx_outlog_at(&w->out, pos)->entry_sz;
  }
  assert_true(used <= w->bound);
}

static inline void world_apply(world_t *w, uint16_t template_id, uint32_t session_id, uint64_t client_seq, const void *body, uint16_t body_sz)
{
  world_apply_at(w, wcx_engine_last_stamp_ns(w->engine) + 1, template_id, session_id, client_seq, body, body_sz);
}

static inline const char *world_definition_error(const world_t *w, uint16_t template_id, const void *body)
{
  wcx_record_hdr_t hdr = {.format = WCX_RECORD_FORMAT, .template_id = template_id, .shard = 1};
  return wcx_engine_definition_error(w->engine, &hdr, body);
}

static inline wcx_security_definition_t an_instrument(uint32_t security_id)
{
  return (wcx_security_definition_t){
      .security_id = security_id,
      .security_trading_status = WCX_SECURITY_TRADING_STATUS_READY_TO_TRADE,
      .symbol = "BTC-USDT",
      .base_asset = "BTC",
      .quote_asset = "USDT",
      .min_price_increment = 1,
      .round_lot = 1,
      .low_limit_price = WCX_I64_NULL,
      .high_limit_price = WCX_I64_NULL,
      .market_segment_id = 1,
  };
}

static inline void world_define(world_t *w, const wcx_security_definition_t *definition)
{
  world_apply(w, WCX_TEMPLATE_SECURITY_DEFINITION, 0, 0, definition, sizeof(*definition));
}

static inline void world_account(world_t *w, uint32_t account, uint8_t status)
{
  wcx_account_definition_t def = {.account = account, .credit = WCX_CREDIT_UNLIMITED, .status = status};
  world_apply(w, WCX_TEMPLATE_ACCOUNT_DEFINITION, 0, 0, &def, sizeof(def));
}

static inline void world_session(world_t *w, uint32_t session_id, uint32_t account)
{
  wcx_session_definition_t def = {.session_id = session_id, .account = account};
  world_apply(w, WCX_TEMPLATE_SESSION_DEFINITION, 0, 0, &def, sizeof(def));
}

static inline void world_make(world_t *w, const wcx_engine_limits_t *limits, uint64_t log_cap)
{
  memset(w, 0, sizeof(*w));
  size_t sz = wcx_engine_footprint(limits);
  assert_true(sz > 0);
  w->mem = aligned_alloc(64, sz);
  w->log_mem = aligned_alloc(64, log_cap);
  assert_non_null(w->mem);
  assert_non_null(w->log_mem);
  w->engine = wcx_engine_new(w->mem, sz, limits);
  wcx_outlog_init(&w->out, w->log_mem, log_cap);
}

/* A snapshot of the engine, to be freed. */
static inline uint8_t *world_save(const world_t *w, uint64_t *sz)
{
  *sz = wcx_engine_snapshot_sz(w->engine);
  uint8_t *snapshot = malloc(*sz);
  assert_non_null(snapshot);
  assert_int_equal(wcx_engine_snapshot_save(w->engine, snapshot, *sz), *sz);
  return snapshot;
}

/* Go on with an engine of these limits that is loaded from the snapshot. */
static inline void world_load(world_t *w, const wcx_engine_limits_t *limits, const uint8_t *snapshot, uint64_t snapshot_sz)
{
  char error[256] = "";
  size_t sz = wcx_engine_footprint(limits);
  void *mem = aligned_alloc(64, sz);
  assert_non_null(mem);
  wcx_engine_t *engine = wcx_engine_snapshot_load(mem, sz, limits, snapshot, snapshot_sz, error, sizeof(error));
  assert_string_equal(error, "");
  assert_non_null(engine);
  free(w->mem);
  w->mem = mem;
  w->engine = engine;
}

static inline void world_populate(world_t *w)
{
  wcx_security_definition_t definition = an_instrument(1);
  world_define(w, &definition);
  for (uint32_t i = 1; i <= 8; i++)
  {
    world_account(w, i, WCX_ACCOUNT_STATUS_ACTIVE);
    world_session(w, i, i);
  }
  world_session(w, 9, WCX_U32_NULL);
}

static inline void world_free(world_t *w)
{
  wcx_engine_verify(w->engine);
  free(w->mem);
  free(w->log_mem);
}

static inline int world_setup(void **state)
{
  world_t *w = malloc(sizeof(*w));
  world_make(w, &world_limits, 1 << 20);
  world_populate(w);
  *state = w;
  return 0;
}

static inline int world_teardown(void **state)
{
  world_free(*state);
  free(*state);
  return 0;
}

/* --- requests ------------------------------------------------------------------------------------------------------------------------- */

static inline wcx_new_order_single_t an_order(uint64_t cl_ord_id, uint32_t account, uint8_t side, int64_t price, int64_t qty)
{
  return (wcx_new_order_single_t){
      .cl_ord_id = cl_ord_id,
      .price = price,
      .order_qty = qty,
      .display_qty = WCX_I64_NULL,
      .min_qty = WCX_I64_NULL,
      .stop_px = WCX_I64_NULL,
      .expire_time = WCX_U64_NULL,
      .security_id = 1,
      .account = account,
      .side = side,
      .ord_type = WCX_ORD_TYPE_LIMIT,
      .time_in_force = GTC,
  };
}

static inline void send_order(world_t *w, uint32_t session_id, const wcx_new_order_single_t *order)
{
  if (order->cl_ord_id > w->cl_ord_id[session_id])
    w->cl_ord_id[session_id] = order->cl_ord_id;
  world_apply(w, WCX_TEMPLATE_NEW_ORDER_SINGLE, session_id, ++w->client_seq[session_id], order, sizeof(*order));
}

/* A new order of session n for account n with the next ClOrdID, which it returns. */
static inline uint64_t order_tif(world_t *w, uint32_t session_id, uint8_t side, int64_t price, int64_t qty, uint8_t tif)
{
  wcx_new_order_single_t order = an_order(w->cl_ord_id[session_id] + 1, session_id, side, price, qty);
  order.time_in_force = tif;
  send_order(w, session_id, &order);
  return order.cl_ord_id;
}

static inline uint64_t order(world_t *w, uint32_t session_id, uint8_t side, int64_t price, int64_t qty)
{
  return order_tif(w, session_id, side, price, qty, GTC);
}

static inline void cancel_either(world_t *w, uint32_t session_id, uint64_t orig_cl_ord_id, uint64_t order_id, uint32_t security_id)
{
  wcx_order_cancel_request_t request = {.cl_ord_id = ++w->cl_ord_id[session_id], .orig_cl_ord_id = orig_cl_ord_id, .order_id = order_id, .security_id = security_id};
  world_apply(w, WCX_TEMPLATE_ORDER_CANCEL_REQUEST, session_id, ++w->client_seq[session_id], &request, sizeof(request));
}

static inline void cancel(world_t *w, uint32_t session_id, uint64_t orig_cl_ord_id)
{
  cancel_either(w, session_id, orig_cl_ord_id, WCX_U64_NULL, 1);
}

static inline wcx_order_cancel_replace_request_t a_replace(uint64_t cl_ord_id, uint64_t orig_cl_ord_id, int64_t price, int64_t qty)
{
  return (wcx_order_cancel_replace_request_t){
      .cl_ord_id = cl_ord_id,
      .orig_cl_ord_id = orig_cl_ord_id,
      .order_id = WCX_U64_NULL,
      .price = price,
      .order_qty = qty,
      .display_qty = WCX_I64_NULL,
      .security_id = 1,
      .stop_px = WCX_I64_NULL,
  };
}

static inline void send_replace(world_t *w, uint32_t session_id, const wcx_order_cancel_replace_request_t *request)
{
  if (request->cl_ord_id > w->cl_ord_id[session_id])
    w->cl_ord_id[session_id] = request->cl_ord_id;
  world_apply(w, WCX_TEMPLATE_ORDER_CANCEL_REPLACE_REQUEST, session_id, ++w->client_seq[session_id], request, sizeof(*request));
}

static inline uint64_t replace(world_t *w, uint32_t session_id, uint64_t orig_cl_ord_id, int64_t price, int64_t qty)
{
  wcx_order_cancel_replace_request_t request = a_replace(w->cl_ord_id[session_id] + 1, orig_cl_ord_id, price, qty);
  send_replace(w, session_id, &request);
  return request.cl_ord_id;
}

/* --- what was said -------------------------------------------------------------------------------------------------------------------- */

/* The templates said by the last record, in order, and nothing else: expect_said(w, 201, 303, 0). */
static inline void expect_said(const world_t *w, ...)
{
  va_list args;
  va_start(args, w);
  uint32_t i = 0;
  for (int want = va_arg(args, int); want != 0; want = va_arg(args, int), i++)
  {
    assert_true(i < w->said_cnt);
    assert_int_equal(w->said[i].template_id, want);
  }
  va_end(args);
  assert_int_equal(w->said_cnt, i);
}

/* The i-th output as its struct. */
#define SAID(w, i, type) (*(const type *)(const void *)(w)->said[i].block)

/* OrderID in the first output, an execution report. */
static inline uint64_t said_order_id(const world_t *w)
{
  return SAID(w, 0, wcx_execution_report_new_t).order_id;
}

/* A side of a book as "price x qty x orders" triples, best first: expect_book(w, BUY, 2, 100, 5, 1, 99, 3, 2). */
typedef struct book_copy
{
  uint32_t cnt;
  int64_t px[64], qty[64];
  uint32_t order_cnt[64];
} book_copy_t;

static inline bool book_visit(void *ctx, int64_t price, int64_t qty, uint32_t order_cnt)
{
  book_copy_t *copy = ctx;
  assert_true(copy->cnt < 64);
  copy->px[copy->cnt] = price;
  copy->qty[copy->cnt] = qty;
  copy->order_cnt[copy->cnt++] = order_cnt;
  return true;
}

static inline void expect_book(const world_t *w, uint8_t side, uint32_t level_cnt, ...)
{
  book_copy_t copy = {0};
  assert_true(wcx_engine_book(w->engine, 1, side, book_visit, &copy));
  assert_int_equal(copy.cnt, level_cnt);
  va_list args;
  va_start(args, level_cnt);
  for (uint32_t i = 0; i < level_cnt; i++)
  {
    assert_int_equal(copy.px[i], va_arg(args, int));
    assert_int_equal(copy.qty[i], va_arg(args, int));
    assert_int_equal(copy.order_cnt[i], va_arg(args, int));
  }
  va_end(args);
}

#define world_test(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)

#endif
