#include "engine/entitle.h"
#include "engine/say.h"

enum
{
  KEY_ENTITLEMENT = 31,
  KEY_GROUP = 32,
};

static wcx_digest_t entitlement_hash(const wcx_entitlement_t *may, uint32_t idx)
{
  struct
  {
    uint64_t groups;
    uint32_t idx;
    uint32_t ord_types;
  } record = {.groups = may->groups, .idx = idx, .ord_types = may->ord_types};
  return wcx_digest_of(KEY_ENTITLEMENT, &record, sizeof(record));
}

static wcx_digest_t group_hash(const wcx_instrument_t *instrument)
{
  uint64_t record[2] = {instrument->security_id, instrument->group};
  return wcx_digest_of(KEY_GROUP, record, sizeof(record));
}

const char *wcx_entitlement_error(const wcx_engine_t *engine, const wcx_session_entitlement_t *entitlement)
{
  if (wcx_idmap_find(&engine->session_map, entitlement->session_id) == WCX_IDX_NONE)
    return say("SessionID %u is unknown", entitlement->session_id);
  if ((entitlement->ord_types & ~WCX_ORD_TYPES_KNOWN) != 0)
    return say("SessionID %u: OrdTypes %u has bits beside 1..6", entitlement->session_id, entitlement->ord_types);
  return NULL;
}

const char *wcx_group_error(const wcx_engine_t *engine, const wcx_instrument_group_t *group)
{
  if (wcx_idmap_find(&engine->instrument_map, group->security_id) == WCX_IDX_NONE)
    return say("SecurityID %u is unknown", group->security_id);
  if (group->group >= WCX_INSTRUMENT_GROUPS_MAX)
    return say("SecurityID %u: Group %u is outside 0..%u", group->security_id, group->group, WCX_INSTRUMENT_GROUPS_MAX - 1);
  return NULL;
}

void wcx_entitlement_set(wcx_engine_t *engine, const wcx_session_entitlement_t *entitlement)
{
  uint32_t idx = wcx_idmap_find(&engine->session_map, entitlement->session_id);
  wcx_entitlement_t *may = &engine->entitlements[idx];
  if (wcx_entitlement_restricts(may))
  {
    wcx_digest_sub(&engine->record_digest, entitlement_hash(may, idx));
    engine->restricted_cnt--;
  }
  *may = (wcx_entitlement_t){.groups = entitlement->instrument_groups, .ord_types = entitlement->ord_types};
  if (wcx_entitlement_restricts(may))
  {
    wcx_digest_add(&engine->record_digest, entitlement_hash(may, idx));
    engine->restricted_cnt++;
  }
}

void wcx_group_set(wcx_engine_t *engine, const wcx_instrument_group_t *group)
{
  wcx_instrument_t *instrument = &engine->instruments[wcx_idmap_find(&engine->instrument_map, group->security_id)];
  if (instrument->group != 0)
    wcx_digest_sub(&engine->record_digest, group_hash(instrument));
  instrument->group = group->group;
  if (instrument->group != 0)
    wcx_digest_add(&engine->record_digest, group_hash(instrument));
}

uint32_t wcx_entitle_count(const wcx_engine_t *engine)
{
  uint32_t cnt = 0;
  for (uint32_t i = 0; i < engine->session_cnt; i++)
    cnt += wcx_entitlement_restricts(&engine->entitlements[i]);
  return cnt;
}

wcx_digest_t wcx_entitle_digest_full(const wcx_engine_t *engine)
{
  wcx_digest_t sum = {0};
  for (uint32_t i = 0; i < engine->session_cnt; i++)
    if (wcx_entitlement_restricts(&engine->entitlements[i]))
      wcx_digest_add(&sum, entitlement_hash(&engine->entitlements[i], i));
  for (uint32_t i = 0; i < engine->instrument_cnt; i++)
    if (engine->instruments[i].group != 0)
      wcx_digest_add(&sum, group_hash(&engine->instruments[i]));
  return sum;
}
