/* The state of an engine: everything behind wcx_engine_t. Internal to engine/; others use engine/engine.h.

   Owner:      the engine's thread.
   Memory:     one arena, laid out by engine.c. Records name each other by index or slot; the pointers here lead to the arena's tables only.
   Invariants: wcx_engine_verify (verify.c) states and checks them all.
   Digest:     the state digest is the sum of hashes of live orders, free slots, sessions, instruments, accounts and scalars (state_digest.c). What does
               not follow from the inputs (hash key, sizes of memory, slots of levels and nodes) is not part of it. */
#ifndef WCX_ENGINE_STATE_H
#define WCX_ENGINE_STATE_H

#include "engine/balance.h"
#include "engine/base/check.h"
#include "engine/divider.h"
#include "engine/engine.h"
#include "engine/idmap.h"
#include "engine/index.h"
#include "engine/ladder.h"
#include "engine/out_digest.h"
#include "engine/pool.h"
#include "engine/reject.h"
#include "engine/timers.h"

#define WCX_PUBLIC_ID_REFRESHED (UINT64_C(1) << 63) /* no OrderID has it: display refreshes count on from here */
#define WCX_ACCOUNT_ALL UINT32_MAX                  /* a session that may trade for every account */

typedef struct wcx_instrument
{
  /* what a request is checked against */
  uint32_t security_id;
  uint8_t status; /* enum wcx_security_trading_status */
  uint8_t used;   /* has had an order: the definition is final */
  uint16_t flags; /* WCX_INSTRUMENT_F_* */
  wcx_divider_t increment;
  wcx_divider_t lot;
  int64_t px_low;              /* present band; INT64_MIN: none */
  int64_t px_high;             /* INT64_MAX: none */
  wcx_u128_t product_min;      /* price * qty below: MinNotional */
  wcx_u128_t product_max;      /* price * qty above: MaxNotional */
  wcx_u128_t product_overflow; /* price * qty above: the notional does not fit an int64 */
  wcx_ladder_t side[2];        /* the book, by enum wcx_side - 1 */
  wcx_ladder_t stops[2];       /* waiting stops by StopPx: the next to be triggered first */
  int64_t last_px;             /* of the last trade; 0: none */
  int64_t reference_px;        /* for auctions: of the last trade or PriceBand; 0: none */
  /* volatility rule and schedule */
  uint64_t range; /* 1e-9 of the last price; 0: no rule */
  uint64_t pause_ns;
  uint64_t auction_ns;
  uint64_t resume_ns; /* scheduled change of status; 0: none */
  uint64_t resume_arm;
  /* what the feed was told of the auction last */
  int64_t told_px; /* WCX_I64_NULL: no price */
  int64_t told_paired_qty;
  int64_t told_imbalance_qty;
  uint8_t told_side;
  uint8_t group; /* for entitlements (entitle.h): a term of the digest of its own */
  uint8_t pad[2];
  uint32_t timer_pos;     /* in the heap of deadlines; 0: none */
  uint32_t phase_head[2]; /* orders of the opening, of the closing auction, by place: unseen before it, in the book while it holds */
  uint32_t phase_tail[2];
  uint32_t special_cnt; /* live hidden orders and icebergs */
  uint32_t base_asset;  /* index */
  uint32_t quote_asset;
  uint32_t plain_px_max; /* prices from 1 to here and quantities from 1 to there break no rule of the instrument; 0: look */
  uint32_t plain_qty_max;
  int8_t notional_scale; /* an amount is price x qty x 10^this */
  int8_t base_scale;     /* a base amount is qty x 10^this */
  uint8_t pad2[2];
  wcx_digest_t hash; /* as in the state's sum */
  wcx_security_definition_t definition;
} wcx_instrument_t;
static_assert(sizeof(wcx_instrument_t) <= 464, "an idle instrument: with its timer and its place in the map at most 512 bytes");

#define WCX_INSTRUMENT_F_FEES 0x0001u     /* a fee rate is not 0 */
#define WCX_INSTRUMENT_F_BALANCES 0x0002u /* its exponents agree with its assets': checked accounts may trade it */
#define WCX_INSTRUMENT_F_TOUCHED 0x0004u  /* in an auction, and its book may have changed in this input */
#define WCX_INSTRUMENT_F_UNIT 0x0010u     /* increment and lot are 1 */
#define WCX_INSTRUMENT_F_PLAIN 0x0020u    /* takes any order now, and its definition is final: derived, not hashed */
#define WCX_INSTRUMENT_F_VOLATILE 0x0008u /* paused by its volatility rule: an auction follows */

typedef struct wcx_account
{
  wcx_account_definition_t definition;
  uint8_t used; /* has had an order: Credit is final */
  uint8_t lock; /* enum wcx_locked_by; 0: open */
  uint8_t risk; /* WCX_ACCOUNT_R_*: 0 is the way of an account without balances and limits */
  uint8_t pad;
  uint32_t open_orders;     /* kept for limited accounts only */
  uint32_t max_open_orders; /* UINT32_MAX: no limit */
  uint32_t pad2;
  int64_t max_order_qty; /* INT64_MAX: no limit */
  wcx_digest_t hash;
} wcx_account_t;
static_assert(sizeof(wcx_account_t) == 64, "account: one line");

#define WCX_ACCOUNT_R_CHECKED 0x01u /* has balances */
#define WCX_ACCOUNT_R_LIMITED 0x02u /* has, or has had, limits of its own or its tier's */
#define WCX_ACCOUNT_R_ADOPT 0x80u   /* within one input: its orders are to be counted */

typedef struct wcx_session
{
  /* every request */
  _Alignas(64) uint64_t next_client_seq;
  uint64_t next_server_seq;
  uint64_t last_cl_ord_id;
  uint32_t session_id;
  uint32_t account;
  uint32_t order_head; /* its live orders, in order of acceptance */
  uint32_t order_tail;
  uint32_t open_orders;
  uint8_t dirty;     /* its hash in the sum is out of date; it stands in the dirty list */
  uint8_t open_mask; /* bit per transport with a binding */
  uint8_t cod;       /* enum wcx_cod */
  uint8_t lock;      /* enum wcx_locked_by; 0: open */
  uint64_t cod_arm;  /* of its deadline among equal ones */
  uint32_t timer_pos;
  uint32_t mmp_head; /* index + 1 of its newest protection group */
  /* sign-on and sign-off */
  uint64_t cod_deadline_ns; /* 0: none pending */
  uint64_t uuid;
  uint64_t key_uuid[2];
  uint32_t cod_window_ms;
  char mold_session[10];
  uint8_t pad2[2];
  wcx_digest_t hash;
} wcx_session_t;
static_assert(sizeof(wcx_session_t) == 128, "session: two lines");
static_assert(offsetof(wcx_session_t, cod_deadline_ns) == 64, "session: second line");

/* What a session may do beside its account; all zero: everything. */
typedef struct wcx_entitlement
{
  uint64_t groups;    /* bit per group of instruments; 0: all */
  uint16_t ord_types; /* bit per OrdType; 0: all */
  uint8_t pad[6];
} wcx_entitlement_t;
static_assert(sizeof(wcx_entitlement_t) == 16, "entitlement");

#define WCX_DIRTY_MAX 64u

struct wcx_engine
{
  /* the input being applied, and the position */
  uint64_t seq;
  uint64_t stamp_ns;
  uint64_t receive_ns;
  uint64_t client_seq;
  wcx_outlog_t *out;
  uint64_t wake_ns; /* inputs from here on take the long way, which has deadlines and stops to see to: wcx_state_set_wake */
  /* numbers given out */
  uint64_t exec_id;        /* last */
  uint64_t match_id;       /* last */
  uint64_t match_event_id; /* last */
  uint64_t feed_number;    /* next */
  uint64_t display_no;     /* last: public ids after display refreshes */
  uint64_t place_no;       /* last: places of waiting stops and unseen orders */
  /* the input being applied, continued: 0 between inputs */
  uint64_t notes_from; /* positions of the first note and of the last, when there is one */
  uint64_t notes_last;
  wcx_order_executed_t *last_print; /* the note that says the event's last fill, so far */
  uint64_t digested_pos;            /* what the input said before here is in the output digest */
  uint32_t digested_blocks;         /* as many blocks of it */
  uint32_t pad[3];
  uint32_t note_cnt;
  uint32_t noted;       /* something was */
  uint32_t taker_slot;  /* the order that takes now */
  uint32_t trigger_cnt; /* stops triggered by this input */
  uint32_t refresh_cnt; /* display refreshes in it */
  uint32_t touched_cnt; /* instruments in auctions whose books may have changed */
  wcx_out_digest_t output_digest;
  wcx_digest_t order_digest;  /* sum over live orders */
  wcx_digest_t record_digest; /* sum over sessions, instruments, accounts, as last settled */
  /* tables */
  wcx_pool_t pool;
  wcx_index_t index;
  wcx_ladders_t ladders;
  wcx_timers_t timers;
  wcx_assets_t assets;
  wcx_balances_t balances;
  wcx_instrument_t *instruments;
  wcx_session_t *sessions;
  wcx_account_t *accounts;
  wcx_entitlement_t *entitlements; /* by session index */
  uint8_t *account_plain;          /* by account: may send any order, with nothing to look up for it; dense, so that it needs no line of the account */
  wcx_idmap_t instrument_map;
  wcx_idmap_t session_map;
  wcx_idmap_t account_map;
  uint32_t instrument_cnt;
  uint32_t session_cnt;
  uint32_t account_cnt;
  uint32_t restricted_cnt; /* sessions that may not do everything */
  /* sessions whose hash must be renewed before the digest is read; apply() settles them when there are WCX_DIRTY_MAX */
  uint32_t dirty_cnt;
  uint32_t *dirty; /* sessions_max */
  /* trades broken: the last WCX_BREAKS_MAX, in a ring */
  uint64_t break_cnt;
  uint64_t *breaks; /* TrdMatchIDs; the newest at (break_cnt - 1) % WCX_BREAKS_MAX; 0: none yet */
  /* day and deadlines */
  uint32_t trade_date;
  uint32_t special_total;  /* live hidden orders and icebergs of all instruments */
  uint32_t stop_cnt;       /* waiting stops */
  uint32_t stop_level_cnt; /* of the ladders' levels, those of waiting stops */
  uint32_t stops_due;      /* triggered ones may wait for the next input */
  /* market-maker protection: groups in order of first configuration, and the map to them */
  struct wcx_mmp_group *mmp_groups;
  uint32_t *mmp_map; /* index + 1; 0: empty */
  uint32_t mmp_map_mask;
  uint32_t mmp_cnt;
  uint32_t mmp_orders; /* live orders that fall with a group */
  /* rules: the journaled Capacity, or the memory's limits before there is one */
  wcx_capacity_t capacity;
  uint32_t capacity_journaled;
  wcx_engine_limits_t limits;
  uint64_t rejects[WCX_REJECT_CNT]; /* by reason; a statistic, not state */
};

/* engine.c: the arena, table by table; the first is the engine itself. */
typedef struct wcx_table
{
  uint64_t off; /* bytes from the engine */
  uint64_t cnt;
  uint32_t sz;  /* of an element */
  bool derived; /* a snapshot leaves it out */
} wcx_table_t;
#define WCX_TABLES_MAX 64u
uint32_t wcx_engine_tables(const wcx_engine_limits_t *limits, wcx_table_t tables[WCX_TABLES_MAX]);

/* engine.c: a record that the short way does not take, everything of it noted in the engine. */
void wcx_engine_apply_long(wcx_engine_t *engine, const wcx_record_hdr_t *hdr, const void *body);

/* state_digest.c */
wcx_digest_t wcx_session_hash(const wcx_session_t *session, uint32_t idx);
wcx_digest_t wcx_instrument_hash(const wcx_instrument_t *instrument, uint32_t idx);
wcx_digest_t wcx_account_hash(const wcx_account_t *account, uint32_t idx);
void wcx_state_settle(wcx_engine_t *engine);
wcx_digest_t wcx_state_settled_digest(const wcx_engine_t *engine); /* what record_digest is once it is settled */
void wcx_state_renew_instrument(wcx_engine_t *engine, wcx_instrument_t *instrument);
void wcx_state_renew_account(wcx_engine_t *engine, wcx_account_t *account);
bool wcx_state_account_is_plain(const wcx_account_t *account); /* what account_plain holds */

/* The first order makes the definitions final. */
static inline void wcx_state_mark_used(wcx_engine_t *engine, wcx_instrument_t *instrument, wcx_account_t *account)
{
  if (__builtin_expect(!instrument->used, 0))
  {
    instrument->used = 1;
    wcx_state_renew_instrument(engine, instrument);
  }
  if (__builtin_expect(!account->used, 0))
  {
    account->used = 1;
    wcx_state_renew_account(engine, account);
  }
}

/* An order's hash: its line with the price of its level in place of the links. */
static inline wcx_digest_t wcx_order_hash(const wcx_order_t *order, int64_t price)
{
  const uint8_t *line = (const uint8_t *)order;
  __m128i owner = _mm_insert_epi32(wcx_out_digest_load(line + offsetof(wcx_order_t, level)), 0, 0);
  __m128i named = _mm_set_epi64x(price, (long long)order->cl_ord_id);
  return wcx_blocks4_hash(wcx_out_digest_load(line), wcx_out_digest_load(line + offsetof(wcx_order_t, priority)), named, owner);
}

static_assert(offsetof(wcx_order_t, order_qty) == 8 && offsetof(wcx_order_t, priority) == 16 && offsetof(wcx_order_t, level) == 48, "wcx_order_hash reads blocks of the line");

/* All of an order: what the sum over live orders holds of it while it stands somewhere. */
static inline wcx_digest_t wcx_order_full_hash(const wcx_engine_t *engine, uint32_t slot)
{
  const wcx_order_t *order = &engine->pool.orders[slot];
  int64_t price = __builtin_expect(order->level != WCX_LEVEL_UNSEEN, 1) ? engine->ladders.levels[order->level].price : 0;
  wcx_digest_t hash = wcx_order_hash(order, price);
  if (__builtin_expect((order->flags & WCX_ORDER_F_EXTRA) != 0, 0))
    wcx_digest_add(&hash, wcx_pool_extra_hash(&engine->pool, slot));
  return hash;
}

static inline void wcx_order_sum_add(wcx_engine_t *engine, uint32_t slot)
{
  wcx_digest_add(&engine->order_digest, wcx_order_full_hash(engine, slot));
}

static inline void wcx_order_sum_sub(wcx_engine_t *engine, uint32_t slot)
{
  wcx_digest_sub(&engine->order_digest, wcx_order_full_hash(engine, slot));
}

static inline void wcx_session_touch(wcx_engine_t *engine, wcx_session_t *session)
{
  if (session->dirty)
    return;
  session->dirty = 1;
  engine->dirty[engine->dirty_cnt++] = (uint32_t)(session - engine->sessions);
}

/* The prices of an instrument that trades change: a small record of their own in the sum. */
static inline wcx_digest_t wcx_instrument_px_hash(const wcx_instrument_t *instrument)
{
  return wcx_pair_hash((uint64_t)instrument->last_px + instrument->security_id * WCX_DIGEST_K3, (uint64_t)instrument->reference_px ^ WCX_DIGEST_K1);
}

static inline void wcx_state_set_prices(wcx_engine_t *engine, wcx_instrument_t *instrument, int64_t last_px, int64_t reference_px)
{
  wcx_digest_sub(&engine->record_digest, wcx_instrument_px_hash(instrument));
  instrument->last_px = last_px;
  instrument->reference_px = reference_px;
  wcx_digest_add(&engine->record_digest, wcx_instrument_px_hash(instrument));
}

/* When something happens by itself; 0: stops are left over. */
static inline uint64_t wcx_state_deadline(const wcx_engine_t *engine)
{
  return engine->stops_due != 0 ? 0 : engine->timers.cnt != 0 ? engine->timers.heap[1].at_ns : UINT64_MAX;
}

/* After whatever may have changed a deadline: the short way does not. */
static inline void wcx_state_set_wake(wcx_engine_t *engine)
{
  engine->wake_ns = engine->limits.long_way_only ? 0 : wcx_state_deadline(engine);
}

/* From the rules of the instrument and its present band. */
static inline void wcx_state_set_plain_terms(wcx_instrument_t *instrument)
{
  const uint64_t most = UINT32_MAX;
  wcx_u128_t product = instrument->product_max < instrument->product_overflow ? instrument->product_max : instrument->product_overflow;
  wcx_u128_t qty = product / most;
  uint64_t qty_most = instrument->definition.max_trade_vol != 0 ? (uint64_t)instrument->definition.max_trade_vol : most;
  bool simple = (instrument->flags & WCX_INSTRUMENT_F_UNIT) != 0 && instrument->px_low <= 1 && instrument->definition.min_trade_vol <= 1 && instrument->product_min <= 1;
  qty_most = qty_most < most ? qty_most : most;
  instrument->plain_px_max = (uint32_t)(!simple || instrument->px_high < 1 ? 0 : (uint64_t)instrument->px_high < most ? (uint64_t)instrument->px_high : most);
  instrument->plain_qty_max = (uint32_t)(qty < qty_most ? (uint64_t)qty : qty_most);
}

static inline wcx_account_t *wcx_state_account(const wcx_engine_t *engine, uint32_t account)
{
  uint32_t idx = wcx_idmap_find(&engine->account_map, account);
  return idx == WCX_IDX_NONE ? NULL : &engine->accounts[idx];
}

static inline wcx_instrument_t *wcx_state_instrument(const wcx_engine_t *engine, uint32_t security_id)
{
  uint32_t idx = wcx_idmap_find(&engine->instrument_map, security_id);
  return idx == WCX_IDX_NONE ? NULL : &engine->instruments[idx];
}

/* The feed is told of an auction's indicative price: its book may have changed. */
static inline void wcx_instrument_touch(wcx_engine_t *engine, wcx_instrument_t *instrument)
{
  if (__builtin_expect(instrument->status == WCX_SECURITY_TRADING_STATUS_READY_TO_TRADE, 1) || (instrument->flags & WCX_INSTRUMENT_F_TOUCHED) != 0)
    return;
  instrument->flags |= WCX_INSTRUMENT_F_TOUCHED;
  engine->touched_cnt++;
}

static inline bool wcx_session_entitled(const wcx_session_t *session, uint32_t account)
{
  return session->account == account || session->account == WCX_ACCOUNT_ALL;
}

/* Takes the ClOrdID when it may be used: rising, never 0. A request that is refused afterwards has consumed it. */
static inline bool wcx_session_take_cl_ord_id(wcx_session_t *session, uint64_t cl_ord_id)
{
  if (cl_ord_id <= session->last_cl_ord_id)
    return false;
  session->last_cl_ord_id = cl_ord_id;
  return true;
}

/* session.c */
enum wcx_cod
{
  WCX_COD_OFF = 0, /* orders with ExecInst CancelOnDisconnect only */
  WCX_COD_ON = 1,  /* every order */
};
void wcx_session_open(wcx_engine_t *engine, wcx_session_t *session, const wcx_session_opened_t *opened);
void wcx_session_close(wcx_engine_t *engine, wcx_session_t *session, const wcx_session_closed_t *closed);
void wcx_session_refuse(wcx_engine_t *engine, wcx_session_t *session, const wcx_session_refused_t *refused);
void wcx_session_status(wcx_engine_t *engine, wcx_session_t *session, const wcx_session_status_request_t *request); /* over TCP, where its answer has a number */
void wcx_request_refused(wcx_engine_t *engine, wcx_session_t *session, const wcx_request_refused_t *refused);
void wcx_session_disconnect_due(wcx_engine_t *engine, wcx_session_t *session);

/* request.c, replace.c */
void wcx_request_new(wcx_engine_t *engine, wcx_session_t *session, const wcx_new_order_single_t *request);
void wcx_request_cancel(wcx_engine_t *engine, wcx_session_t *session, const wcx_order_cancel_request_t *request);
void wcx_request_replace(wcx_engine_t *engine, wcx_session_t *session, const wcx_order_cancel_replace_request_t *request);
/* OrderCancelReject: `of` names the order, the rest is filled in. */
void wcx_report_cancel_reject(wcx_engine_t *engine, wcx_session_t *session, const wcx_order_cancel_reject_t *of, enum wcx_reject reject);
/* Above zero, a multiple of the increment. */
bool wcx_stop_px_sound(const wcx_instrument_t *instrument, int64_t stop_px);
/* Slot of the order a cancel or replace of this session names, or 0. */
uint32_t wcx_request_resolve(const wcx_engine_t *engine, const wcx_session_t *session, uint64_t orig_cl_ord_id, uint64_t order_id, uint32_t security_id);

/* mass_cancel.c */
void wcx_mass_cancel(wcx_engine_t *engine, wcx_session_t *session, const wcx_order_mass_cancel_request_t *request);
void wcx_unlock_trading(wcx_engine_t *engine, wcx_session_t *session, const wcx_unlock_trading_request_t *request);
void wcx_kill_switch(wcx_engine_t *engine, const wcx_kill_switch_t *kill);
const char *wcx_kill_switch_error(const wcx_engine_t *engine, const wcx_kill_switch_t *kill);

/* trade_break.c */
#define WCX_BREAKS_MAX 1024u

/* define.c */
void wcx_define(wcx_engine_t *engine, const wcx_record_hdr_t *hdr, const void *body);

#endif
