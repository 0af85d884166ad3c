/* The reference engine: the same records in, the same messages out, written from the protocol and engine/RULES.md alone.

   Nothing here is shared with the engine but the schema. State is plain lists that are scanned; every rule stands once, in the order the rules page has it.
   Obvious beats fast: work per input grows with the number of live orders.

   Owner:       one thread per reference.
   Memory:      malloc; grows with what is live, never aborts a run short of exhaustion.
   Ids:         OrderIDs and display ids are counted from 1 in one sequence. They are opaque, so a comparison renames them (tests/diff/compare.h).
   Result:      a record that breaks the journal's own rules (an unknown template, session or instrument in a definition) is a check failure.
   Pinned by:   tests/diff/test_diff.py, which runs it against the engine. */
#ifndef WCX_TESTS_DIFF_REFERENCE_H
#define WCX_TESTS_DIFF_REFERENCE_H

#include "engine/engine.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct ref ref_t;

/* One message said. `off` and `len` are its bytes (8-byte SBE header, block, group) in ref_out_list_t.bytes. */
typedef struct ref_out
{
  uint8_t stream; /* enum wcx_stream */
  uint32_t stream_id;
  uint32_t tag;
  uint64_t number;
  uint32_t off;
  uint32_t len;
} ref_out_t;

/* What one input said, in order. Zero-initialised is empty; ref_apply appends, the caller sets the counts to 0 between inputs. */
typedef struct ref_out_list
{
  uint8_t *bytes;
  uint32_t sz;
  uint32_t cap;
  ref_out_t *at;
  uint32_t cnt;
  uint32_t at_cap;
} ref_out_list_t;

void ref_out_free(ref_out_list_t *list);

/* limits: shard and the capacities that hold before a Capacity record. */
ref_t *ref_new(const wcx_engine_limits_t *limits);
void ref_free(ref_t *ref);

/* Apply one record; its outputs go to the end of `out`. `body` need not be aligned. */
void ref_apply(ref_t *ref, const wcx_record_hdr_t *hdr, const void *body, ref_out_list_t *out);

/* Why a BalanceAdjustment [403] or a TradeBreakCommand [412] would be refused now, or NULL. Other templates: NULL. */
const char *ref_definition_error(const ref_t *ref, const wcx_record_hdr_t *hdr, const void *body);

/* Abort when the reference contradicts itself. O(state). */
void ref_check(const ref_t *ref);

/* --- looking at it: what a generator of records and a comparison of states need --------------------------------------------------------- */

typedef struct ref_order_view
{
  uint64_t order_id;
  uint64_t public_id; /* on the feed */
  uint64_t cl_ord_id;
  int64_t price; /* 0 when it has none */
  int64_t stop_px;
  int64_t order_qty;
  int64_t cum_qty;
  int64_t display_qty; /* 0: plain */
  uint32_t session_id;
  uint32_t account;
  uint32_t security_id;
  uint16_t exec_inst;
  uint16_t mmp_group;
  uint8_t side;
  uint8_t ord_type;
  uint8_t time_in_force;
  bool quote;
  bool waiting; /* a stop that was not triggered */
  bool unseen;  /* AtTheOpening, AtTheClose before their phase */
} ref_order_view_t;

/* Live orders in order of acceptance: 0 .. ref_live_cnt - 1. */
uint32_t ref_live_cnt(const ref_t *ref);
void ref_live_at(const ref_t *ref, uint32_t idx, ref_order_view_t *view);

/* Like wcx_engine_book_orders. */
bool ref_book_orders(const ref_t *ref, uint32_t security_id, uint8_t side, wcx_order_visit_t *visit, void *ctx);

/* Whether new orders of the session for the account are refused by a lock. */
bool ref_is_locked(const ref_t *ref, uint32_t session_id, uint32_t account);

/* 0 when unknown. */
uint8_t ref_status(const ref_t *ref, uint32_t security_id);
uint64_t ref_last_cl_ord_id(const ref_t *ref, uint32_t session_id);
uint64_t ref_last_match_id(const ref_t *ref);

/* Earliest deadline, or UINT64_MAX. Whether stops wait for the next input is not in it. */
uint64_t ref_next_deadline_ns(const ref_t *ref);

/* Available amount of a Checked account, false when there is none. */
bool ref_available(const ref_t *ref, uint32_t account, const char asset[8], int64_t *amount);

/* Next number of the feed and of a session's stream; open and cancel-on-disconnect of a session. */
uint64_t ref_feed_next_number(const ref_t *ref);
bool ref_session(const ref_t *ref, uint32_t session_id, wcx_session_view_t *view);

#endif
