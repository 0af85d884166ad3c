#include "bench/engine_run.h"

#include "bench/rig.h"
#include "engine/base/check.h"
#include "engine/base/env.h"
#include "engine/out_digest.h"

#include <sys/mman.h>
#include <x86intrin.h>

#define SESSION_ID 1u
#define SECURITY_ID 1u
#define RECORD_MAX (sizeof(wcx_record_hdr_t) + sizeof(wcx_new_order_single_t))
#define RING_SZ (UINT64_C(1) << 20)
#define LOG_TURN (UINT64_C(1) << 19) /* bytes after which the emptied log starts over, so that it stays as small as a drained one is */
#define FILL_SZ UINT64_C(512)        /* no fill says more bytes than this */

/* A record of the flow as it is sent: what a gateway would have decoded. */
typedef struct command
{
  uint64_t orig_cl_ord_id;
  int64_t px;
  uint32_t qty;     /* total */
  uint32_t account; /* 0: the request names none */
  uint16_t template_id;
  uint16_t pad;
  uint8_t side; /* enum wcx_side; this and the next three as a new order has them */
  uint8_t ord_type;
  uint8_t time_in_force;
  uint8_t self_match_prevention_inst;
} command_t;
static_assert(sizeof(command_t) == 32, "command");
static_assert(offsetof(command_t, side) == 28 && offsetof(command_t, self_match_prevention_inst) == 31, "command: one word, as in a new order");

typedef struct kept_trade
{
  uint64_t maker_cl_ord_id;
  uint64_t taker_cl_ord_id;
  int64_t px;
  int64_t qty;
} kept_trade_t;

typedef struct sink
{
  kept_trade_t *trades;
  uint64_t trade_cnt;
  uint64_t maker_cl_ord_id; /* of the fill whose taker is still to come */
  uint64_t next_number[2];  /* session, feed */
  uint64_t event_cnt;
  uint64_t reject_cnt;
  uint64_t check; /* of a field of every event */
} sink_t;

struct wcx_run
{
  const wcx_flow_t *flow;
  command_t *commands;
  wcx_rig_t rig;
  enum wcx_credit credit;
  uint8_t *ring;
  uint64_t ring_pos;
  sink_t sink;
};

/* --- set-up ----------------------------------------------------------------------------------------------------------------------------- */

static void translate(wcx_run_t *run)
{
  const wcx_flow_t *flow = run->flow;
  uint64_t *latest = wcx_rig_map((flow->id_max + 1) * sizeof(uint64_t)); /* ClOrdID by id */
  uint32_t *total = wcx_rig_map((flow->id_max + 1) * sizeof(uint32_t));
  for (uint64_t i = 0; i < flow->cnt; i++)
  {
    const wcx_flow_record_t *record = &flow->records[i];
    command_t *command = &run->commands[i];
    *command =
        (command_t){.px = record->px, .side = (uint8_t)(record->side + 1), .ord_type = WCX_ORD_TYPE_LIMIT, .self_match_prevention_inst = WCX_SELF_MATCH_PREVENTION_INST_NONE};
    if (record->op == WCX_FLOW_NEW)
    {
      command->template_id = WCX_TEMPLATE_NEW_ORDER_SINGLE;
      command->account = (uint32_t)record->aux;
      command->time_in_force = (record->flags & WCX_FLOW_F_IOC) != 0 ? WCX_TIME_IN_FORCE_IOC : WCX_TIME_IN_FORCE_GTC;
      total[record->id] = record->qty;
    }
    else
      command->template_id = record->op == WCX_FLOW_MOVE ? WCX_TEMPLATE_ORDER_CANCEL_REPLACE_REQUEST : WCX_TEMPLATE_ORDER_CANCEL_REQUEST;
    command->qty = total[record->id];
    command->orig_cl_ord_id = latest[record->id];
    if (record->op != WCX_FLOW_CANCEL)
      latest[record->id] = i + 1;
  }
  munmap(latest, (flow->id_max + 1) * sizeof(uint64_t));
  munmap(total, (flow->id_max + 1) * sizeof(uint32_t));
}

wcx_run_t *wcx_run_new(const wcx_flow_t *flow, enum wcx_credit credit)
{
  wcx_run_t *run = wcx_rig_map(sizeof(*run));
  uint64_t live_max = flow->live_max + 1; /* a taker has a slot while it takes */
  if (live_max > WCX_RUN_LIVE_MAX)
    WCX_DIE("the flow may hold %llu orders at once, an engine at most %u", (unsigned long long)live_max, WCX_RUN_LIVE_MAX);
  uint64_t px_cnt = (uint64_t)(flow->px_max - flow->px_min) + 1;
  uint64_t levels = 2 * px_cnt < live_max ? 2 * px_cnt : live_max;
  run->flow = flow;
  run->credit = credit;
  run->commands = wcx_rig_map(flow->cnt * sizeof(command_t));
  translate(run);
  run->sink.trades = wcx_rig_map((flow->new_cnt + 1) * sizeof(kept_trade_t)); /* every trade completes at least one order */
  memset(run->sink.trades, 0, (flow->new_cnt + 1) * sizeof(kept_trade_t));    /* no page fault on the clock */
  run->ring = wcx_rig_map(RING_SZ);
  memset(run->ring, 0, RING_SZ);
  uint64_t log_sz = 2 * LOG_TURN;
  while (log_sz < LOG_TURN + live_max * FILL_SZ + 8192)
    log_sz *= 2;
  wcx_engine_limits_t limits = {.orders_max = (uint32_t)live_max, .levels_max = (uint32_t)levels, .instruments_max = 1, .accounts_max = WCX_FLOW_OWNER_MAX, .sessions_max = 1};
  wcx_rig_init(&run->rig, &limits, log_sz);
  memset(run->rig.log.base, 0, 2 * LOG_TURN);
  return run;
}

void wcx_run_free(wcx_run_t *run)
{
  wcx_rig_free(&run->rig);
  munmap(run->ring, RING_SZ);
  munmap(run->sink.trades, (run->flow->new_cnt + 1) * sizeof(kept_trade_t));
  munmap(run->commands, run->flow->cnt * sizeof(command_t));
  munmap(run, sizeof(*run));
}

/* --- the sink --------------------------------------------------------------------------------------------------------------------------- */

static inline void read_trade(sink_t *sink, const uint8_t *block)
{
  const wcx_execution_report_trade_t *er = (const void *)block; /* entries and blocks are 8-aligned */
  if (er->last_liquidity_ind == WCX_LAST_LIQUIDITY_IND_ADDED_LIQUIDITY)
  {
    sink->maker_cl_ord_id = er->cl_ord_id;
    return;
  }
  sink->trades[sink->trade_cnt++] = (kept_trade_t){.maker_cl_ord_id = sink->maker_cl_ord_id, .taker_cl_ord_id = er->cl_ord_id, .px = er->last_px, .qty = er->last_qty};
}

/* Bits of the events that say more than their first words: by the low bits of their template, so others may look alike. */
#define READ_ON(template_id) (UINT64_C(1) << ((template_id)&63u))
#define READ_ON_MASK (READ_ON(WCX_TEMPLATE_EXECUTION_REPORT_TRADE) | READ_ON(WCX_TEMPLATE_EXECUTION_REPORT_REJECT) | READ_ON(WCX_TEMPLATE_ORDER_CANCEL_REJECT))

static inline void read_on(sink_t *sink, uint16_t template_id, const uint8_t *block)
{
  if (template_id == WCX_TEMPLATE_EXECUTION_REPORT_TRADE)
    read_trade(sink, block);
  else if (template_id == WCX_TEMPLATE_EXECUTION_REPORT_REJECT || template_id == WCX_TEMPLATE_ORDER_CANCEL_REJECT)
    sink->reject_cnt++;
}

/* Read every event: its stream's numbering must have no gap, its first words go into a sum, trades are kept. */
static inline void drain(wcx_outlog_t *log, sink_t *sink)
{
  const uint64_t end = log->write_pos;
  uint64_t check = sink->check;
  uint64_t event_cnt = sink->event_cnt;
  for (uint64_t pos = log->sent_pos; pos < end;)
  {
    wcx_out_entry_t *entry = wcx_outlog_at(log, pos);
    const uint8_t stream = entry->stream;
    pos += entry->entry_sz;
    if (__builtin_expect(stream == WCX_STREAM_SKIP, 0))
      continue;
    const uint8_t *block = wcx_out_message(entry) + sizeof(wcx_message_header_t);
    const uint16_t template_id = (uint16_t)(wcx_digest_load64(block - sizeof(wcx_message_header_t)) >> 16);
    uint64_t *number = &sink->next_number[stream == WCX_STREAM_FEED];
    WCX_CHECK(entry->number == *number, "stream %u: number %llu, expected %llu", stream, (unsigned long long)entry->number, (unsigned long long)*number);
    ++*number;
    event_cnt++;
    check += wcx_digest_load64(block) ^ wcx_digest_load64(block + 8) ^ wcx_digest_load64(block + 16);
    if ((READ_ON_MASK & READ_ON(template_id)) != 0)
      read_on(sink, template_id, block);
  }
  sink->check = check;
  sink->event_cnt = event_cnt;
  log->sent_pos = end;
}
static_assert(offsetof(wcx_message_header_t, template_id) == 2, "message header: one word");

/* --- one burst -------------------------------------------------------------------------------------------------------------------------- */

/* Records are written where they will stand, all of them, as 64-bit words: that is how the engine reads them, and narrower stores would have to leave
   the store buffer first. */
static inline void put(uint8_t *to, size_t off, uint64_t word)
{
  memcpy(to + off, &word, sizeof(word));
}

static inline uint16_t encode_new(uint8_t *to, const command_t *command, uint64_t cl_ord_id)
{
  put(to, offsetof(wcx_new_order_single_t, cl_ord_id), cl_ord_id);
  put(to, offsetof(wcx_new_order_single_t, price), (uint64_t)command->px);
  put(to, offsetof(wcx_new_order_single_t, order_qty), command->qty);
  put(to, offsetof(wcx_new_order_single_t, display_qty), (uint64_t)WCX_I64_NULL);
  put(to, offsetof(wcx_new_order_single_t, min_qty), (uint64_t)WCX_I64_NULL);
  put(to, offsetof(wcx_new_order_single_t, stop_px), (uint64_t)WCX_I64_NULL);
  put(to, offsetof(wcx_new_order_single_t, expire_time), WCX_U64_NULL);
  put(to, offsetof(wcx_new_order_single_t, security_id), SECURITY_ID | (uint64_t)command->account << 32);
  uint32_t kind;
  memcpy(&kind, &command->side, sizeof(kind));
  put(to, offsetof(wcx_new_order_single_t, self_match_prevention_id), (uint64_t)kind << 32);
  put(to, offsetof(wcx_new_order_single_t, exec_inst), 0);
  return sizeof(wcx_new_order_single_t);
}
static_assert(sizeof(wcx_new_order_single_t) == 80 && offsetof(wcx_new_order_single_t, expire_time) == 48, "new order: ten words");
static_assert(offsetof(wcx_new_order_single_t, security_id) == 56 && offsetof(wcx_new_order_single_t, account) == 60, "new order: word of ids");
static_assert(offsetof(wcx_new_order_single_t, self_match_prevention_id) == 64 && offsetof(wcx_new_order_single_t, side) == 68, "new order: word of small fields");
static_assert(offsetof(wcx_new_order_single_t, self_match_prevention_inst) == 71 && offsetof(wcx_new_order_single_t, exec_inst) == 72, "new order: last word");

static inline uint16_t encode_cancel(uint8_t *to, const command_t *command, uint64_t cl_ord_id)
{
  put(to, offsetof(wcx_order_cancel_request_t, cl_ord_id), cl_ord_id);
  put(to, offsetof(wcx_order_cancel_request_t, orig_cl_ord_id), command->orig_cl_ord_id);
  put(to, offsetof(wcx_order_cancel_request_t, order_id), WCX_U64_NULL);
  put(to, offsetof(wcx_order_cancel_request_t, security_id), SECURITY_ID);
  return sizeof(wcx_order_cancel_request_t);
}
static_assert(sizeof(wcx_order_cancel_request_t) == 32 && offsetof(wcx_order_cancel_request_t, security_id) == 24, "cancel: four words");

static inline uint16_t encode_move(uint8_t *to, const command_t *command, uint64_t cl_ord_id)
{
  put(to, offsetof(wcx_order_cancel_replace_request_t, cl_ord_id), cl_ord_id);
  put(to, offsetof(wcx_order_cancel_replace_request_t, orig_cl_ord_id), command->orig_cl_ord_id);
  put(to, offsetof(wcx_order_cancel_replace_request_t, order_id), WCX_U64_NULL);
  put(to, offsetof(wcx_order_cancel_replace_request_t, price), (uint64_t)command->px);
  put(to, offsetof(wcx_order_cancel_replace_request_t, order_qty), command->qty);
  put(to, offsetof(wcx_order_cancel_replace_request_t, display_qty), (uint64_t)WCX_I64_NULL);
  put(to, offsetof(wcx_order_cancel_replace_request_t, security_id), SECURITY_ID);
  put(to, offsetof(wcx_order_cancel_replace_request_t, stop_px), (uint64_t)WCX_I64_NULL);
  return sizeof(wcx_order_cancel_replace_request_t);
}
static_assert(sizeof(wcx_order_cancel_replace_request_t) == 64 && offsetof(wcx_order_cancel_replace_request_t, security_id) == 48, "cancel/replace: eight words");
static_assert(offsetof(wcx_order_cancel_replace_request_t, stop_px) == 56, "cancel/replace: eight words");

static inline uint16_t encode_body(uint8_t *to, const command_t *command, uint64_t cl_ord_id)
{
  if (command->template_id == WCX_TEMPLATE_NEW_ORDER_SINGLE)
    return encode_new(to, command, cl_ord_id);
  if (command->template_id == WCX_TEMPLATE_ORDER_CANCEL_REQUEST)
    return encode_cancel(to, command, cl_ord_id);
  return encode_move(to, command, cl_ord_id);
}

static inline void encode_header(uint8_t *to, const command_t *command, uint64_t seq, uint64_t client_seq, uint16_t body_sz)
{
  put(to, offsetof(wcx_record_hdr_t, format), WCX_RECORD_FORMAT | (uint64_t)command->template_id << 16);
  put(to, offsetof(wcx_record_hdr_t, shard), WCX_RIG_SHARD | (uint64_t)SESSION_ID << 32);
  put(to, offsetof(wcx_record_hdr_t, seq), seq);
  put(to, offsetof(wcx_record_hdr_t, stamp_ns), WCX_RIG_STAMP_START_NS + seq);
  put(to, offsetof(wcx_record_hdr_t, receive_ns), WCX_RIG_STAMP_START_NS + seq);
  put(to, offsetof(wcx_record_hdr_t, client_seq), client_seq);
  put(to, offsetof(wcx_record_hdr_t, account), command->account | (uint64_t)body_sz << 32);
  put(to, offsetof(wcx_record_hdr_t, reserved1), 0);
}
static_assert(offsetof(wcx_record_hdr_t, template_id) == 2 && offsetof(wcx_record_hdr_t, session_id) == 12 && offsetof(wcx_record_hdr_t, body_sz) == 52,
              "record header: eight words");

/* Encode `cnt` commands from `first` as journal records, one behind the other at `to`; at[i] is where record i stands. Returns where they end. */
static inline uint8_t *encode_at(const wcx_run_t *run, uint8_t *to, uint64_t first, uint32_t cnt, wcx_engine_input_t *at)
{
  const command_t *command = &run->commands[first];
  const uint64_t seq = run->rig.seq + 1;
  for (uint32_t i = 0; i < cnt; i++)
  {
    uint64_t cl_ord_id = first + i + 1; /* and client_seq */
    uint16_t body_sz = encode_body(to + sizeof(wcx_record_hdr_t), &command[i], cl_ord_id);
    encode_header(to, &command[i], seq + i, cl_ord_id, body_sz);
    at[i] = (wcx_engine_input_t){.hdr = (const wcx_record_hdr_t *)(const void *)to, .body = to + sizeof(wcx_record_hdr_t)};
    to += wcx_record_sz(body_sz);
  }
  return to;
}

static inline void encode(wcx_run_t *run, uint64_t first, uint32_t cnt, wcx_engine_input_t *at)
{
  if (run->ring_pos + cnt * RECORD_MAX > RING_SZ)
    run->ring_pos = 0;
  run->ring_pos = (uint64_t)(encode_at(run, run->ring + run->ring_pos, first, cnt, at) - run->ring);
}

/* A run of bursts; `ticks` is a constant where this is inlined. */
static inline __attribute__((always_inline)) void apply_range(wcx_run_t *run, uint64_t from, uint64_t to, uint32_t burst, wcx_hist_t *ticks)
{
  wcx_engine_input_t at[WCX_RUN_BURST_MAX];
  uint64_t then = ticks != NULL ? __rdtsc() : 0;
  for (uint64_t first = from; first < to;)
  {
    uint32_t cnt = to - first < burst ? (uint32_t)(to - first) : burst;
    encode(run, first, cnt, at);
    wcx_engine_prefetch(run->rig.engine, at, cnt);
    uint64_t share = 0;
    if (ticks != NULL)
    {
      uint64_t now = __rdtsc();
      share = (now - then) / cnt;
      then = now;
    }
    for (uint32_t i = 0; i < cnt; i++)
    {
      wcx_engine_apply(run->rig.engine, at[i].hdr, at[i].body, &run->rig.log);
      drain(&run->rig.log, &run->sink);
      if (ticks != NULL)
      {
        uint64_t now = __rdtsc();
        wcx_hist_record(ticks, now - then + share);
        then = __rdtsc();
      }
    }
    if (run->rig.log.write_pos >= LOG_TURN)
      wcx_rig_clear_log(&run->rig);
    run->rig.seq += cnt;
    first += cnt;
  }
}

static __attribute__((noinline)) void apply_untimed(wcx_run_t *run, uint64_t from, uint64_t to, uint32_t burst)
{
  apply_range(run, from, to, burst, NULL);
}

static __attribute__((noinline)) void apply_per_op(wcx_run_t *run, uint64_t from, uint64_t to, uint32_t burst, wcx_hist_t *ticks)
{
  apply_range(run, from, to, burst, ticks);
}

/* --- one pass --------------------------------------------------------------------------------------------------------------------------- */

#define PLENTY (INT64_MAX / 2) /* covers every order of a run */

/* What the flow trades with. */
static void populate(wcx_run_t *run)
{
  wcx_rig_instrument(&run->rig, SECURITY_ID);
  for (uint32_t account = 1; account <= WCX_FLOW_OWNER_MAX; account++)
  {
    wcx_rig_account(&run->rig, account, run->credit);
    if (run->credit != WCX_CREDIT_CHECKED)
      continue;
    wcx_rig_balance(&run->rig, account, "BTC", PLENTY);
    wcx_rig_balance(&run->rig, account, "USDT", PLENTY);
  }
  wcx_rig_session(&run->rig, SESSION_ID, UINT32_MAX);
  drain(&run->rig.log, &run->sink);
}

static bool take_best(void *ctx, int64_t price, int64_t displayed_qty, uint32_t order_cnt)
{
  (void)displayed_qty, (void)order_cnt;
  *(int64_t *)ctx = price;
  return false;
}

static wcx_run_result_t summarize(const wcx_run_t *run)
{
  const sink_t *sink = &run->sink;
  wcx_run_result_t result = {
      .events = sink->event_cnt,
      .rejects = sink->reject_cnt,
      .trades = sink->trade_cnt,
      .trade_hash = WCX_TRADE_HASH_START,
      .live_orders = wcx_engine_orders_live(run->rig.engine),
      .output_digest = wcx_engine_output_digest(run->rig.engine),
      .state_digest = wcx_engine_state_digest(run->rig.engine),
  };
  for (uint64_t i = 0; i < sink->trade_cnt; i++)
  {
    const kept_trade_t *trade = &sink->trades[i];
    uint64_t maker = run->flow->records[trade->maker_cl_ord_id - 1].id;
    uint64_t taker = run->flow->records[trade->taker_cl_ord_id - 1].id;
    result.trade_hash = wcx_trade_hash(result.trade_hash, maker, taker, trade->px, (uint64_t)trade->qty);
    result.volume += (uint64_t)trade->qty;
  }
  wcx_engine_book(run->rig.engine, SECURITY_ID, WCX_SIDE_BUY, take_best, &result.best_bid);
  wcx_engine_book(run->rig.engine, SECURITY_ID, WCX_SIDE_SELL, take_best, &result.best_ask);
  return result;
}

static void begin_pass(wcx_run_t *run)
{
  wcx_rig_restart(&run->rig);
  run->ring_pos = 0;
  run->sink = (sink_t){.trades = run->sink.trades, .next_number = {1, 1}};
  populate(run);
}

wcx_run_result_t wcx_run_pass(wcx_run_t *run, uint64_t setup_cnt, uint32_t burst, wcx_hist_t *ticks)
{
  WCX_CHECK(setup_cnt < run->flow->cnt && burst >= 1 && burst <= WCX_RUN_BURST_MAX, "set-up %llu of %llu, burst %u", (unsigned long long)setup_cnt,
            (unsigned long long)run->flow->cnt, burst);
  begin_pass(run);
  apply_untimed(run, 0, setup_cnt, burst);
  uint64_t from_ns = wcx_env_mono_ns();
  uint64_t from_tsc = __rdtsc();
  if (ticks == NULL)
    apply_untimed(run, setup_cnt, run->flow->cnt, burst);
  else
    apply_per_op(run, setup_cnt, run->flow->cnt, burst, ticks);
  uint64_t elapsed_ns = wcx_env_mono_ns() - from_ns;
  uint64_t elapsed_tsc = __rdtsc() - from_tsc;
  wcx_run_result_t result = summarize(run);
  result.ops = run->flow->cnt - setup_cnt;
  result.elapsed_ns = elapsed_ns;
  result.ns_per_tick = (double)elapsed_ns / (double)elapsed_tsc;
  return result;
}

/* --- the same without an engine ------------------------------------------------------------------------------------------------------------ */

#define SAID_OPS 1024u
#define SAID_ROUNDS 200u

typedef struct said
{
  uint64_t first; /* record of the flow */
  uint32_t cnt;
  uint64_t next_number[2]; /* before the first, as in the sink */
  uint32_t sz[SAID_OPS];   /* bytes said to each */
  _Alignas(64) uint8_t bytes[SAID_OPS * FILL_SZ];
} said_t;

static void keep_said(wcx_run_t *run, said_t *said)
{
  wcx_outlog_t *log = &run->rig.log;
  wcx_engine_input_t at;
  uint64_t end = 0;
  memcpy(said->next_number, run->sink.next_number, sizeof(said->next_number));
  for (uint32_t i = 0; i < said->cnt; i++)
  {
    wcx_rig_clear_log(&run->rig);
    encode(run, said->first + i, 1, &at);
    wcx_engine_apply(run->rig.engine, at.hdr, at.body, log);
    said->sz[i] = (uint32_t)log->write_pos;
    WCX_CHECK(end + said->sz[i] <= sizeof(said->bytes), "%u inputs said more than %zu bytes", i + 1, sizeof(said->bytes));
    memcpy(said->bytes + end, log->base, said->sz[i]);
    end += said->sz[i];
    run->rig.seq++;
  }
}

static __attribute__((noinline)) void say_again(wcx_run_t *run, const said_t *said, uint32_t burst, wcx_out_digest_t *digest)
{
  wcx_engine_input_t at[WCX_RUN_BURST_MAX];
  wcx_outlog_t *log = &run->rig.log;
  const uint8_t *from = said->bytes;
  memcpy(run->sink.next_number, said->next_number, sizeof(said->next_number));
  run->sink.trade_cnt = 0;
  for (uint32_t first = 0; first < said->cnt;)
  {
    const uint32_t cnt = said->cnt - first < burst ? said->cnt - first : burst;
    encode(run, said->first + first, cnt, at);
    for (uint32_t i = 0; i < cnt; i++)
    {
      uint8_t *to = log->base + log->write_pos;
      const uint32_t sz = said->sz[first + i];
      for (uint32_t off = 0; off < sz; off += 16)
        _mm_storeu_si128((__m128i *)(void *)(to + off), wcx_out_digest_load(from + off));
      wcx_out_digest_absorb(digest, from, sz, 0);
      from += sz;
      log->write_pos += sz;
      drain(log, &run->sink);
    }
    if (log->write_pos >= LOG_TURN)
      wcx_rig_clear_log(&run->rig);
    first += cnt;
  }
}

double wcx_run_said_ns(wcx_run_t *run, uint64_t setup_cnt, uint32_t burst, uint32_t passes)
{
  static said_t said;
  const uint64_t cnt = run->flow->cnt - setup_cnt;
  begin_pass(run);
  apply_untimed(run, 0, setup_cnt, burst);
  said.first = setup_cnt;
  said.cnt = cnt < SAID_OPS ? (uint32_t)cnt : SAID_OPS;
  keep_said(run, &said);
  wcx_rig_clear_log(&run->rig);
  wcx_out_digest_t digest = {0};
  uint64_t least_ns = UINT64_MAX;
  for (uint32_t i = 0; i < passes; i++)
  {
    uint64_t from_ns = wcx_env_mono_ns();
    for (uint32_t round = 0; round < SAID_ROUNDS; round++)
      say_again(run, &said, burst, &digest);
    uint64_t took_ns = wcx_env_mono_ns() - from_ns;
    least_ns = took_ns < least_ns ? took_ns : least_ns;
  }
  run->sink.check += wcx_out_digest_value(&digest).lo; /* wanted by somebody */
  return (double)least_ns / ((double)SAID_ROUNDS * said.cnt);
}

/* --- the same as records ------------------------------------------------------------------------------------------------------------------- */

#define DEFINITION_MAX 512u /* bytes of a definition's record, the largest of them */

uint64_t wcx_run_records_sz(const wcx_run_t *run)
{
  return (3 * (uint64_t)WCX_FLOW_OWNER_MAX + 2) * DEFINITION_MAX + run->flow->cnt * RECORD_MAX;
}

uint64_t wcx_run_records(wcx_run_t *run, uint8_t *to, uint64_t *sz)
{
  wcx_engine_input_t at[WCX_RUN_BURST_MAX];
  wcx_rig_restart(&run->rig);
  run->sink = (sink_t){.trades = run->sink.trades, .next_number = {1, 1}};
  run->rig.keep = to;
  populate(run);
  uint8_t *end = run->rig.keep;
  run->rig.keep = NULL;
  for (uint64_t first = 0; first < run->flow->cnt;)
  {
    uint32_t cnt = run->flow->cnt - first < WCX_RUN_BURST_MAX ? (uint32_t)(run->flow->cnt - first) : WCX_RUN_BURST_MAX;
    end = encode_at(run, end, first, cnt, at);
    run->rig.seq += cnt;
    first += cnt;
  }
  *sz = (uint64_t)(end - to);
  return run->rig.seq;
}

wcx_engine_limits_t wcx_run_limits(const wcx_run_t *run)
{
  return run->rig.limits;
}
