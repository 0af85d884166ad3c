/* The state of an engine: everything behind wcx_engine_t. Internal to engine/; others use engine/engine.h.

   Owner:      the engine's thread.
   Memory:     one arena, laid out by engine.c. Records name each other by index or slot; the pointers here lead to the arena's tables only.
   Invariants: wcx_engine_verify (verify.c) states and checks them all.
   Digest:     the state digest is the sum of hashes of live orders, free slots, sessions, instruments, accounts and scalars (state_digest.c). What does
               not follow from the inputs (hash key, sizes of memory, slots of levels and nodes) is not part of it. */
#ifndef WCX_ENGINE_STATE_H
#define WCX_ENGINE_STATE_H

#include "engine/base/check.h"
#include "engine/divider.h"
#include "engine/engine.h"
#include "engine/idmap.h"
#include "engine/index.h"
#include "engine/ladder.h"
#include "engine/pool.h"
#include "engine/reject.h"

#define WCX_ACCOUNT_ALL UINT32_MAX /* a session that may trade for every account */

typedef struct wcx_instrument
{
  /* what a request is checked against */
  _Alignas(64) uint32_t security_id;
  uint8_t status; /* enum wcx_security_trading_status */
  uint8_t used;   /* has had an order: the definition is final */
  uint16_t pad;
  wcx_divider_t increment;
  wcx_divider_t lot;
  int64_t qty_min;             /* 0: none */
  int64_t qty_max;             /* INT64_MAX: none */
  int64_t px_low;              /* INT64_MIN: none */
  int64_t px_high;             /* INT64_MAX: none */
  wcx_u128_t product_min;      /* price * qty below: MinNotional */
  wcx_u128_t product_max;      /* price * qty above: MaxNotional */
  wcx_u128_t product_overflow; /* price * qty above: the notional does not fit an int64 */
  wcx_ladder_t side[2];        /* by enum wcx_side - 1 */
  wcx_digest_t hash;           /* as in the state's sum */
  wcx_security_definition_t definition;
} wcx_instrument_t;

typedef struct wcx_account
{
  wcx_account_definition_t definition;
  uint32_t used; /* has had an order: the definition is final */
  uint32_t lock; /* enum wcx_locked_by; 0: open */
  wcx_digest_t hash;
} wcx_account_t;
static_assert(sizeof(wcx_account_t) == 48, "account");

typedef struct wcx_session
{
  /* every request */
  _Alignas(64) uint64_t next_client_seq;
  uint64_t next_server_seq;
  uint64_t last_cl_ord_id;
  uint32_t session_id;
  uint32_t account;
  uint32_t order_head; /* its resting orders, in order of priority */
  uint32_t order_tail;
  uint32_t open_orders;
  uint8_t dirty;     /* its hash in the sum is out of date; it stands in the dirty list */
  uint8_t open_mask; /* bit per transport with a binding */
  uint8_t cod;       /* enum wcx_cod */
  uint8_t lock;      /* enum wcx_locked_by; 0: open */
  uint8_t pad[16];
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

#define WCX_DIRTY_MAX 64u

struct wcx_engine
{
  /* the input being applied, and the position */
  uint64_t seq;
  uint64_t stamp_ns;
  uint64_t receive_ns;
  wcx_outlog_t *out;
  /* numbers given out */
  uint64_t exec_id;        /* last */
  uint64_t match_id;       /* last */
  uint64_t match_event_id; /* last */
  uint64_t feed_number;    /* next */
  wcx_digest_t output_digest;
  wcx_digest_t order_digest;  /* sum over live orders */
  wcx_digest_t record_digest; /* sum over sessions, instruments, accounts, as last settled */
  /* tables */
  wcx_pool_t pool;
  wcx_index_t index;
  wcx_ladders_t ladders;
  wcx_instrument_t *instruments;
  wcx_session_t *sessions;
  wcx_account_t *accounts;
  wcx_idmap_t instrument_map;
  wcx_idmap_t session_map;
  wcx_idmap_t account_map;
  uint32_t instrument_cnt;
  uint32_t session_cnt;
  uint32_t account_cnt;
  /* sessions whose hash must be renewed before the digest is read; apply() settles them when there are WCX_DIRTY_MAX */
  uint32_t dirty_cnt;
  uint32_t *dirty; /* sessions_max */
  /* day and deadlines */
  uint32_t trade_date;
  uint32_t cod_pending_orders; /* open orders of the sessions with a deadline */
  uint64_t next_deadline_ns;
  /* rules: the journaled Capacity, or the memory's limits before there is one */
  wcx_capacity_t capacity;
  uint32_t capacity_journaled;
  wcx_engine_limits_t limits;
  uint64_t rejects[WCX_REJECT_CNT]; /* by reason; a statistic, not state */
};

/* state_digest.c */
wcx_digest_t wcx_session_hash(const wcx_session_t *session, uint32_t idx);
wcx_digest_t wcx_instrument_hash(const wcx_instrument_t *instrument, uint32_t idx);
wcx_digest_t wcx_account_hash(const wcx_account_t *account, uint32_t idx);
void wcx_state_settle(wcx_engine_t *engine);
void wcx_state_renew_instrument(wcx_engine_t *engine, wcx_instrument_t *instrument);
void wcx_state_renew_account(wcx_engine_t *engine, wcx_account_t *account);

/* An order's hash: its line with the price of its level in place of the links. */
static inline wcx_digest_t wcx_order_hash(const wcx_order_t *order, int64_t price)
{
  uint64_t words[8] = {order->order_id,
                       order->cl_ord_id,
                       (uint64_t)order->leaves,
                       (uint64_t)order->order_qty,
                       order->priority,
                       (uint64_t)price,
                       (uint64_t)order->session << 32 | order->account,
                       (uint64_t)order->instrument << 16 | (uint64_t)order->side << 8 | order->flags};
  return wcx_words8_hash(words);
}

static inline void wcx_session_touch(wcx_engine_t *engine, wcx_session_t *session)
{
  if (session->dirty)
    return;
  session->dirty = 1;
  engine->dirty[engine->dirty_cnt++] = (uint32_t)(session - engine->sessions);
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
void wcx_session_fire_deadlines(wcx_engine_t *engine);

/* request.c */
void wcx_request_new(wcx_engine_t *engine, wcx_session_t *session, const wcx_new_order_single_t *request);
void wcx_request_cancel(wcx_engine_t *engine, wcx_session_t *session, const wcx_order_cancel_request_t *request);
void wcx_request_replace(wcx_engine_t *engine, wcx_session_t *session, const wcx_order_cancel_replace_request_t *request);
/* Slot of the order a cancel or replace of this session names, or 0. */
uint32_t wcx_request_resolve(const wcx_engine_t *engine, const wcx_session_t *session, uint64_t orig_cl_ord_id, uint64_t order_id, uint32_t security_id);

/* mass_cancel.c */
void wcx_mass_cancel(wcx_engine_t *engine, wcx_session_t *session, const wcx_order_mass_cancel_request_t *request);
void wcx_unlock_trading(wcx_engine_t *engine, wcx_session_t *session, const wcx_unlock_trading_request_t *request);
void wcx_kill_switch(wcx_engine_t *engine, const wcx_kill_switch_t *kill);
const char *wcx_kill_switch_error(const wcx_engine_t *engine, const wcx_kill_switch_t *kill);

/* define.c */
void wcx_define(wcx_engine_t *engine, const wcx_record_hdr_t *hdr, const void *body);

#endif
