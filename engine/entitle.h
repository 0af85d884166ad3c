/* Entitlements of a session beyond its account: which groups of instruments it may trade, and which order types it may enter.

   Both are journaled commands that may come at any time: SessionEntitlement replaces a session's, InstrumentGroup an instrument's group. A session without
   restrictions is the rule, and an engine without restricted sessions asks nothing. Cancels are always allowed.

   Owner:      the engine's thread, inside wcx_engine_apply.
   Ranges:     groups 0..63, an instrument is in group 0 at first; order types by number, 1..15.
   Errors:     orders and replaces WCX_REJECT_NOT_GRANTED, each side of a quote set alike.
   Digest:     a restriction, and a group other than 0, is a term of the sum of its own.
   Source:     the codes are those of dataplane/client/PROTOCOL.md section 12 (SessionNotEntitled, NotEntitled).
   Pinned by:  tests/unit/test_entitle.c, tests/golden/entitlement_groups.play. */
#ifndef WCX_ENGINE_ENTITLE_H
#define WCX_ENGINE_ENTITLE_H

#include "engine/state.h"

#define WCX_INSTRUMENT_GROUPS_MAX 64u
#define WCX_ORD_TYPES_KNOWN 0x7eu /* bits 1..6 */

static inline bool wcx_entitlement_restricts(const wcx_entitlement_t *may)
{
  return may->groups != 0 || may->ord_types != 0;
}

/* Whether a session may trade an instrument at all. */
static inline bool wcx_entitled_to(const wcx_engine_t *engine, const wcx_session_t *session, const wcx_instrument_t *instrument)
{
  if (__builtin_expect(engine->restricted_cnt == 0, 1))
    return true;
  const wcx_entitlement_t *may = &engine->entitlements[session - engine->sessions];
  return may->groups == 0 || (may->groups >> instrument->group & 1) != 0;
}

/* The same with a new order of a type; a number that is no type is in no list of types. */
static inline bool wcx_entitled(const wcx_engine_t *engine, const wcx_session_t *session, const wcx_instrument_t *instrument, uint8_t ord_type)
{
  if (__builtin_expect(engine->restricted_cnt == 0, 1))
    return true;
  const wcx_entitlement_t *may = &engine->entitlements[session - engine->sessions];
  bool type = may->ord_types == 0 || (ord_type < 16 && (may->ord_types >> ord_type & 1) != 0);
  return type && wcx_entitled_to(engine, session, instrument);
}

/* Whether there is anything it may not do: such sessions take the long way. */
static inline bool wcx_restricted(const wcx_engine_t *engine, const wcx_session_t *session)
{
  if (__builtin_expect(engine->restricted_cnt == 0, 1))
    return false;
  return wcx_entitlement_restricts(&engine->entitlements[session - engine->sessions]);
}

const char *wcx_entitlement_error(const wcx_engine_t *engine, const wcx_session_entitlement_t *entitlement);
const char *wcx_group_error(const wcx_engine_t *engine, const wcx_instrument_group_t *group);
void wcx_entitlement_set(wcx_engine_t *engine, const wcx_session_entitlement_t *entitlement);
void wcx_group_set(wcx_engine_t *engine, const wcx_instrument_group_t *group);

/* How many of the sessions are restricted, counted anew. */
uint32_t wcx_entitle_count(const wcx_engine_t *engine);

/* What they add to the sum of the state's digest. */
wcx_digest_t wcx_entitle_digest_full(const wcx_engine_t *engine);

#endif
