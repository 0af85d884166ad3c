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
void wcx_report_add(wcx_engine_t *engine, const wcx_instrument_t *instrument, const wcx_order_t *order, int64_t price);
void wcx_report_delete(wcx_engine_t *engine, uint32_t security_id, uint64_t order_id, uint8_t side);

void wcx_report_reduce(wcx_engine_t *engine, uint32_t security_id, uint64_t order_id, int64_t leaves, uint8_t side);

/* Cancel a resting order: ER_Cancel to its session (and to `also`, when another session asked), DeleteOrder to the feed, slot freed. */
void wcx_cancel_resting(wcx_engine_t *engine, uint32_t slot, uint8_t reason, uint64_t request_cl_ord_id, wcx_session_t *also);

/* The same in two steps, for inputs that cancel many: the private half of each order, then DeleteOrder for each ER_Cancel said since position `from` of the
   output log. Everything private that one input says stands before everything public. */
void wcx_cancel_private(wcx_engine_t *engine, uint32_t slot, uint8_t reason, uint64_t request_cl_ord_id, wcx_session_t *also);
void wcx_cancel_public(wcx_engine_t *engine, uint64_t from);

#endif
