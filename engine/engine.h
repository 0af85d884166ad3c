/* The deterministic core: inputs in, outputs out, nothing else.

   wcx_engine_apply is a pure function of the engine's state and the record. No clock, no randomness, no I/O, no allocation, no float, no
   dependence on pointers, on the size of its memory, or on how inputs are grouped. Two engines that applied the same records are equal in
   every output byte and in both digests, on every build.

   Owner:       one thread per engine. An engine owns one shard: its instruments, accounts, and sessions (sequences, ClOrdID, open or closed, UUIDs).
   Memory:      all of it given to wcx_engine_new; nothing is allocated later. State is free of pointers between records (32-bit slots).
   Units:       prices, quantities: int64 mantissas of the instrument; amounts: int64 at the asset's exponent; time: UTC ns, from record stamps.
   Result:      bad requests of clients are outputs (rejects), never errors. A record that breaks the journal's own rules (seq not the next, stamp not
                rising, wrong shard, unknown template) is a check failure: it can only come from a damaged journal or a bug.
   Pinned by:   tests/unit/test_engine*.c, tests/property/, tests/golden/. */
#ifndef WCX_ENGINE_ENGINE_H
#define WCX_ENGINE_ENGINE_H

#include "engine/base/digest.h"
#include "engine/outlog.h"
#include "engine/shm/record.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct wcx_engine wcx_engine_t;

/* Sizes of the memory, not of the rules: what clients can observe (a full pool) comes from the journaled Capacity record,
   which must not exceed these. All inclusive. */
typedef struct wcx_engine_limits
{
  uint32_t shard;           /* 1..65535 */
  uint32_t orders_max;      /* 1..16,777,215 */
  uint32_t levels_max;      /* 1..1,073,741,823 price levels of all books together */
  uint32_t instruments_max; /* 1..65,535 */
  uint32_t accounts_max;    /* 1..1,073,741,824 */
  uint32_t sessions_max;    /* 1..16,777,216 */
  bool long_way_only;       /* no request takes the short way (plain.h): for tests that compare */
  uint64_t hash_key;        /* secret of the process, against chosen ids; never visible in any output or digest */
} wcx_engine_limits_t;

/* Bytes of memory, alignment 64 (huge-page alignment is better). 0 when a limit is out of range. */
size_t wcx_engine_footprint(const wcx_engine_limits_t *limits);

/* Make an empty engine in `mem` (zeroed by this call). Set-up only. */
wcx_engine_t *wcx_engine_new(void *mem, size_t sz, const wcx_engine_limits_t *limits);

/* Upper bound of the bytes apply() would append to the output log for this record in this state. O(1). */
uint64_t wcx_engine_output_bound(const wcx_engine_t *engine, const wcx_record_hdr_t *hdr, const void *body);

/* The most that wcx_engine_output_bound says in any state of an engine of these limits, of any input: a log with less room could stop an engine for good. */
uint64_t wcx_engine_output_bound_max(const wcx_engine_limits_t *limits);

/* A record in a burst. */
typedef struct wcx_engine_input
{
  const wcx_record_hdr_t *hdr;
  const void *body;
} wcx_engine_input_t;

/* Ask the caches for what apply() of these records will touch. Has no effect on any result. */
void wcx_engine_prefetch(const wcx_engine_t *engine, const wcx_engine_input_t *inputs, uint32_t cnt);

/* Apply one record: hdr->seq must be applied_seq + 1. `body` need not be aligned. Appends the outputs to `out` (room: wcx_engine_output_bound). */
void wcx_engine_apply(wcx_engine_t *engine, const wcx_record_hdr_t *hdr, const void *body, wcx_outlog_t *out);

/* Why a definition in a record (401..405, 410..413, 416, 417, 301, 302, 311) would be refused at this state, or NULL when it is fine. The text names the
   value. Whoever journals a definition asks first; apply() treats a bad one as a check failure. */
const char *wcx_engine_definition_error(const wcx_engine_t *engine, const wcx_record_hdr_t *hdr, const void *body);

/* Whether the definition in a genesis record (as above) says the same as the state. NULL: equal; else a text that names what differs. */
const char *wcx_engine_genesis_differs(const wcx_engine_t *engine, uint16_t template_id, const void *body);

/* Position and digests. output: chained over every output in order (stream, id, number, bytes). state: sum of keyed hashes of all records of state. */
uint64_t wcx_engine_applied_seq(const wcx_engine_t *engine);
uint64_t wcx_engine_last_stamp_ns(const wcx_engine_t *engine);
wcx_digest_t wcx_engine_output_digest(const wcx_engine_t *engine);
wcx_digest_t wcx_engine_state_digest(const wcx_engine_t *engine);
/* The same computed from scratch over the whole state: equal to the incremental one, or the engine is broken. O(state): tests and tools. */
wcx_digest_t wcx_engine_state_digest_full(const wcx_engine_t *engine);

/* Earliest stamp at which a Tick must be journaled (a deadline is due), or UINT64_MAX. */
uint64_t wcx_engine_next_deadline_ns(const wcx_engine_t *engine);

/* Feed: session string of the day ("M" shard(3) YYMMDD, 10 characters, no NUL; before the first DayRoll the date is 000101) and the number of the next message. */
void wcx_engine_feed_session(const wcx_engine_t *engine, char session[10]);
uint64_t wcx_engine_feed_next_number(const wcx_engine_t *engine);
uint32_t wcx_engine_trade_date(const wcx_engine_t *engine); /* YYYYMMDD of the last DayRoll, 0 before */

/* A session as the engine holds it. */
typedef struct wcx_session_view
{
  uint32_t session_id;
  uint32_t account;
  uint64_t next_client_seq; /* from 1 */
  uint64_t next_server_seq; /* from 1 */
  uint64_t last_cl_ord_id;
  uint64_t uuid;        /* of the binding that is or was open */
  uint64_t key_uuid[2]; /* highest accepted per access key */
  uint32_t open_orders;
  uint8_t open;       /* bit per transport with a binding: 1 TCP, 2 UDP */
  uint8_t cod;        /* cancel-on-disconnect is on */
  uint8_t locked;     /* the session, or its account when it has one */
  uint8_t mmp_frozen; /* a protection group of it, at the last stamp */
  char mold_session[10];
} wcx_session_view_t;

bool wcx_engine_session(const wcx_engine_t *engine, uint32_t session_id, wcx_session_view_t *view);
/* SessionStatusResponse.Flags. */
static inline uint16_t wcx_session_flags(const wcx_session_view_t *view)
{
  return (uint16_t)(view->locked | view->mmp_frozen << 1 | view->cod << 2);
}
/* By index 0.. in order of definition; false at the end. */
bool wcx_engine_session_at(const wcx_engine_t *engine, uint32_t idx, wcx_session_view_t *view);

/* Instruments by index 0.. in order of definition: the definition as journaled, with its present SecurityTradingStatus. False at the end. */
bool wcx_engine_instrument_at(const wcx_engine_t *engine, uint32_t idx, wcx_security_definition_t *definition);
bool wcx_engine_account_at(const wcx_engine_t *engine, uint32_t idx, wcx_account_definition_t *definition);
uint32_t wcx_engine_orders_live(const wcx_engine_t *engine);

/* Assets by index 0.. in order of definition, false at the end; and what a checked account has of one, false where it never had any or has no balances.
   Amounts at the asset's exponent; what does not fit is shown as the nearest that does. */
typedef struct wcx_asset_view
{
  char asset[8]; /* padded with NULs */
  int64_t fees;  /* commissions collected, less rebates */
  int8_t exponent;
} wcx_asset_view_t;
bool wcx_engine_asset_at(const wcx_engine_t *engine, uint32_t idx, wcx_asset_view_t *view);

typedef struct wcx_balance_view
{
  int64_t available; /* may be below zero */
  int64_t held;      /* for open orders */
} wcx_balance_view_t;
bool wcx_engine_balance(const wcx_engine_t *engine, uint32_t account, const char asset[8], wcx_balance_view_t *view);

/* Walk a side of a book, best price first: calls `visit` with price, displayed quantity and number of displayed orders of each level until it returns
   false. Tools and tests. Returns false when the instrument is unknown. */
typedef bool wcx_level_visit_t(void *ctx, int64_t price, int64_t displayed_qty, uint32_t order_cnt);
bool wcx_engine_book(const wcx_engine_t *engine, uint32_t security_id, uint8_t side, wcx_level_visit_t *visit, void *ctx);

/* The same order by order in priority: public OrderID, price, displayed quantity. */
typedef bool wcx_order_visit_t(void *ctx, uint64_t order_id, int64_t price, int64_t displayed_qty);
bool wcx_engine_book_orders(const wcx_engine_t *engine, uint32_t security_id, uint8_t side, wcx_order_visit_t *visit, void *ctx);

/* An instrument by index 0.. as the snapshot channel shows it at this position: its displayed orders, bids then asks, best price first and in priority at a
   price; a hidden order or one that waits is not among them, an iceberg shows its displayed part under its present public id. PriorityTime is the seq of
   the input that queued the order: it rises along a price. start->snapshot_id is left 0. More than `max` orders: start->tot_num_orders is max + 1, and what
   `orders` holds is of no use. False at the end. Cost: one line of memory an order; no call goes back. max: 0..UINT32_MAX - 1. */
bool wcx_engine_snapshot_at(const wcx_engine_t *engine, uint32_t idx, wcx_snapshot_start_t *start, wcx_snapshot_order_t *orders, uint32_t max);

/* Abort if any invariant of the state is broken (book not crossed, level totals, list links, index, counts). O(state): tests. */
void wcx_engine_verify(const wcx_engine_t *engine);

#endif
