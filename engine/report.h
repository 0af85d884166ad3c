/* The reports that more than one kind of input says, and the feed's messages about one order.

   Owner:      the engine's thread, inside wcx_engine_apply.
   Pinned by:  tests/unit/test_engine_match.c, tests/unit/test_engine_session.c. */
#ifndef WCX_ENGINE_REPORT_H
#define WCX_ENGINE_REPORT_H

#include "engine/state.h"

/* An order that ends: what ER_Cancel says of it, and to whom. */
typedef struct wcx_cancel_report
{
  uint64_t order_id;
  uint64_t cl_ord_id;
  uint64_t request_cl_ord_id; /* WCX_U64_NULL: unsolicited */
  uint64_t receive_ns;        /* WCX_U64_NULL: unsolicited */
  uint64_t exec_id;
  int64_t canceled_qty;
  int64_t cum_qty;
  uint32_t security_id;
  uint32_t account;
  uint32_t session_id; /* the owner's */
  uint8_t side;
  uint8_t reason; /* enum wcx_cancel_reason */
} wcx_cancel_report_t;

void wcx_report_cancel(wcx_engine_t *engine, wcx_session_t *to, const wcx_cancel_report_t *report);

/* A request that has no answer of its own kind for being refused. */
void wcx_report_business_reject(wcx_engine_t *engine, wcx_session_t *session, uint64_t cl_ord_id, uint16_t template_id, uint8_t reason);

/* AddOrder, DeleteOrder of an order in a book, as it shows: nothing when it shows nothing. `last`: nothing private of this input can follow. */
void wcx_report_shown(wcx_engine_t *engine, uint32_t slot, bool last);
void wcx_report_gone(wcx_engine_t *engine, uint32_t security_id, uint64_t public_id, uint8_t side, bool last);

/* ReduceOrder, when the order shows less than it `showed`. */
void wcx_report_reduced(wcx_engine_t *engine, uint32_t slot, int64_t showed);

/* Cancel a live order that does not take, wherever it stands: ER_Cancel to its session (and to `also`, when another session asked), DeleteOrder to the feed if it
   was displayed, nothing held any more, slot freed. */
void wcx_cancel(wcx_engine_t *engine, uint32_t slot, uint8_t reason, uint64_t request_cl_ord_id, wcx_session_t *also);

/* The same as the last thing an input does. */
void wcx_cancel_last(wcx_engine_t *engine, uint32_t slot, uint8_t reason, uint64_t request_cl_ord_id, wcx_session_t *also);

/* The same without a word to its session: a quote that is replaced. */
void wcx_cancel_silent(wcx_engine_t *engine, uint32_t slot);

#endif
