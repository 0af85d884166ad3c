/* All resting orders that a filter names, taken away by one input: what mass cancels and the kill switch come down to.

   Owner:      the engine's thread, inside an input of the long way.
   Room:       reserved by the caller of apply (wcx_engine_output_bound).
   Result:     how many went. Session by session in order of definition, each one's orders in order of acceptance: ER_Cancel to the session, and the same to the one that
               asked when that is another; DeleteOrders are noted.
   Pinned by:  tests/unit/test_purge.c, tests/diff. */
#ifndef WCX_ENGINE_PURGE_H
#define WCX_ENGINE_PURGE_H

#include "engine/state.h"

#define WCX_PURGE_ANY UINT32_MAX /* every session, account, instrument */
static_assert(WCX_PURGE_ANY == WCX_ACCOUNT_ALL, "a session for every account filters none");

typedef struct wcx_purge_filter
{
  uint32_t session;    /* index */
  uint32_t account;    /* id */
  uint32_t instrument; /* index */
  uint16_t mmp_group;  /* 0: with and without */
  uint8_t side;        /* 0: both */
} wcx_purge_filter_t;

/* Why orders go, and what is said of it. */
typedef struct wcx_purge_cause
{
  wcx_session_t *requester;   /* NULL: nobody's request */
  uint64_t request_cl_ord_id; /* WCX_U64_NULL: likewise */
  uint64_t receive_ns;        /* WCX_U64_NULL: likewise */
  uint8_t reason;             /* enum wcx_cancel_reason */
} wcx_purge_cause_t;

uint32_t wcx_purge(wcx_engine_t *engine, const wcx_purge_filter_t *filter, const wcx_purge_cause_t *cause);

#endif
