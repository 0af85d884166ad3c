/* What a drop copy holds: the execution reports of some sessions, in the order the engine said them, numbered from 1 at the start of each day.

   A function of the journal alone: the data plane sends it (dataplane/drop_copy.h), and wcxctl regenerates it byte for byte.

   Owner:     the engine's thread.
   Source:    the scope of a session stands in the configuration; which account a session trades for and whose firm that is, in the journal.
   Pinned by: tests/e2e/test_tcp_services.py. */
#ifndef WCX_ENGINE_DROP_SCOPE_H
#define WCX_ENGINE_DROP_SCOPE_H

#include "engine/engine.h"
#include "engine/shm/params.h"

#include <string.h>

typedef struct wcx_drop_scope
{
  uint32_t kind; /* enum wcx_drop_scope_kind */
  uint32_t id;   /* SessionID, Account, or firm */
} wcx_drop_scope_t;

/* Whether a message of session `session_id`'s stream is one that is copied: an execution report, and of its own order. A cancel that another session asked for is
   told to both of them; the copy has it once. */
static inline bool wcx_drop_copied(const uint8_t *message, uint32_t session_id)
{
  wcx_message_header_t header;
  memcpy(&header, message, sizeof(header));
  if (header.template_id != WCX_TEMPLATE_EXECUTION_REPORT_CANCEL)
    return header.template_id >= WCX_TEMPLATE_EXECUTION_REPORT_NEW && header.template_id <= WCX_TEMPLATE_EXECUTION_REPORT_TRADE_BREAK;
  uint32_t owner;
  memcpy(&owner, message + sizeof(header) + offsetof(wcx_execution_report_cancel_t, session_id), sizeof(owner));
  return owner == session_id;
}

/* The scope of this kind that a session belongs to; id 0: none (a session of every account has no account and no firm). */
wcx_drop_scope_t wcx_drop_scope_of(const wcx_engine_t *engine, uint32_t session_id, enum wcx_drop_scope_kind kind);

#endif
