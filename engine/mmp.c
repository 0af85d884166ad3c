#include "engine/mmp.h"

#include "engine/emit.h"
#include "engine/report.h"

#define UNTIL_RESET WCX_U64_NULL
#define KEY_GROUP (UINT64_C(0x4d4d5047) << 32) /* last words of their records: no order's record ends so */
#define KEY_ENTRY (UINT64_C(0x4d4d5045) << 32)

/* --- the map ---------------------------------------------------------------------------------------------------------------------------- */

uint32_t wcx_mmp_groups_max(const wcx_engine_limits_t *limits)
{
  return WCX_MMP_GROUPS_PER_SESSION * limits->sessions_max;
}

uint64_t wcx_mmp_map_cap(const wcx_engine_limits_t *limits)
{
  return wcx_idmap_cap(wcx_mmp_groups_max(limits));
}

static inline uint64_t id_of(uint32_t session, uint16_t group)
{
  return (uint64_t)session << 16 | group;
}

/* Clients choose the numbers of their groups: as in the ClOrdID index, nobody without the process's secret can aim at a place. */
static inline uint32_t home_of(const wcx_engine_t *engine, uint64_t id)
{
  return (uint32_t)wcx_digest_fold(id ^ engine->index.hash_key, WCX_DIGEST_K0) & engine->mmp_map_mask;
}

static wcx_mmp_group_t *find(const wcx_engine_t *engine, const wcx_session_t *session, uint16_t number)
{
  uint32_t idx = (uint32_t)(session - engine->sessions);
  for (uint32_t at = home_of(engine, id_of(idx, number)); engine->mmp_map[at] != 0; at = (at + 1) & engine->mmp_map_mask)
  {
    wcx_mmp_group_t *group = &engine->mmp_groups[engine->mmp_map[at] - 1];
    if (group->session == idx && group->group == number)
      return group;
  }
  return NULL;
}

static void map_add(wcx_engine_t *engine, uint32_t group_idx)
{
  const wcx_mmp_group_t *group = &engine->mmp_groups[group_idx];
  uint32_t at = home_of(engine, id_of(group->session, group->group));
  while (engine->mmp_map[at] != 0)
    at = (at + 1) & engine->mmp_map_mask;
  engine->mmp_map[at] = group_idx + 1;
}

void wcx_mmp_rebuild_map(wcx_engine_t *engine)
{
  for (uint32_t i = 0; i < engine->mmp_cnt; i++)
    map_add(engine, i);
}

static wcx_mmp_group_t *add(wcx_engine_t *engine, wcx_session_t *session, uint16_t number)
{
  uint32_t idx = (uint32_t)(session - engine->sessions);
  wcx_mmp_group_t *group = &engine->mmp_groups[engine->mmp_cnt++];
  group->session = idx;
  group->group = number;
  group->next = session->mmp_head;
  session->mmp_head = engine->mmp_cnt;
  map_add(engine, engine->mmp_cnt - 1);
  return group;
}

/* --- digest ----------------------------------------------------------------------------------------------------------------------------- */

static wcx_digest_t group_hash(const wcx_mmp_group_t *group)
{
  uint64_t words[8] = {id_of(group->session, group->group),
                       (uint64_t)group->max_qty,
                       (uint64_t)group->max_notional,
                       group->window_ns,
                       group->freeze_ns,
                       group->frozen_until_ns,
                       group->max_cnt,
                       KEY_GROUP};
  return wcx_words8_hash(words);
}

static wcx_digest_t entry_hash(const wcx_mmp_group_t *group, const wcx_mmp_entry_t *entry)
{
  uint64_t words[8] = {id_of(group->session, group->group), entry->stamp_ns, entry->qty, entry->notional, entry->fill_cnt, 0, 0, KEY_ENTRY};
  return wcx_words8_hash(words);
}

/* Its configuration or freeze has changed. */
static void renew(wcx_engine_t *engine, wcx_mmp_group_t *group)
{
  wcx_digest_sub(&engine->record_digest, group->hash);
  group->hash = group_hash(group);
  wcx_digest_add(&engine->record_digest, group->hash);
}

/* --- the window ------------------------------------------------------------------------------------------------------------------------- */

static inline const wcx_mmp_entry_t *entry_at(const wcx_mmp_group_t *group, uint32_t idx)
{
  return &group->entries[(group->first + idx) % WCX_MMP_FILLS];
}

static wcx_mmp_entry_t take_oldest(wcx_engine_t *engine, wcx_mmp_group_t *group)
{
  wcx_mmp_entry_t entry = *entry_at(group, 0);
  wcx_digest_sub(&engine->record_digest, entry_hash(group, &entry));
  group->first = (uint8_t)((group->first + 1) % WCX_MMP_FILLS);
  group->entry_cnt--;
  group->fill_cnt -= entry.fill_cnt;
  group->qty -= entry.qty;
  group->notional -= entry.notional;
  return entry;
}

/* At a place of the ring that is the oldest's or the newest's. */
static void put(wcx_engine_t *engine, wcx_mmp_group_t *group, uint32_t place, wcx_mmp_entry_t entry)
{
  group->entries[place % WCX_MMP_FILLS] = entry;
  group->entry_cnt++;
  group->fill_cnt += entry.fill_cnt;
  group->qty += entry.qty;
  group->notional += entry.notional;
  wcx_digest_add(&engine->record_digest, entry_hash(group, &entry));
}

static inline uint64_t sum(uint64_t a, uint64_t b)
{
  return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

static void merge_oldest(wcx_engine_t *engine, wcx_mmp_group_t *group)
{
  wcx_mmp_entry_t older = take_oldest(engine, group);
  wcx_mmp_entry_t later = take_oldest(engine, group);
  later.qty = sum(older.qty, later.qty);
  later.notional = sum(older.notional, later.notional);
  later.fill_cnt += older.fill_cnt;
  group->first = (uint8_t)((group->first + WCX_MMP_FILLS - 1) % WCX_MMP_FILLS);
  put(engine, group, group->first, later);
}

static void count(wcx_engine_t *engine, wcx_mmp_group_t *group, const wcx_fill_t *fill)
{
  while (group->entry_cnt != 0 && engine->stamp_ns - entry_at(group, 0)->stamp_ns >= group->window_ns)
    take_oldest(engine, group);
  if (group->entry_cnt == WCX_MMP_FILLS)
    merge_oldest(engine, group);
  wcx_mmp_entry_t entry = {.stamp_ns = engine->stamp_ns, .qty = (uint64_t)fill->qty, .notional = (uint64_t)fill->notional, .fill_cnt = 1};
  put(engine, group, (uint32_t)group->first + group->entry_cnt, entry);
}

static void clear(wcx_engine_t *engine, wcx_mmp_group_t *group)
{
  while (group->entry_cnt != 0)
    take_oldest(engine, group);
}

/* --- freezing --------------------------------------------------------------------------------------------------------------------------- */

static inline bool frozen(const wcx_engine_t *engine, const wcx_mmp_group_t *group)
{
  return engine->stamp_ns < group->frozen_until_ns;
}

bool wcx_mmp_frozen(const wcx_engine_t *engine, const wcx_session_t *session, uint16_t group)
{
  const wcx_mmp_group_t *found = find(engine, session, group);
  return found != NULL && frozen(engine, found);
}

bool wcx_mmp_any_frozen(const wcx_engine_t *engine, const wcx_session_t *session)
{
  for (uint32_t at = session->mmp_head; at != 0; at = engine->mmp_groups[at - 1].next)
    if (frozen(engine, &engine->mmp_groups[at - 1]))
      return true;
  return false;
}

static void report(wcx_engine_t *engine, wcx_session_t *session, const wcx_mmp_group_t *group, uint8_t event, uint64_t level, uint64_t frozen_until_ns)
{
  wcx_mmp_event_t *er = wcx_emit_session(engine, session, WCX_TEMPLATE_MMP_EVENT, sizeof(*er));
  *er = (wcx_mmp_event_t){
      .transact_time = engine->stamp_ns,
      .exec_id = ++engine->exec_id,
      .frozen_until = frozen_until_ns,
      .session_id = session->session_id,
      .mmp_group = group->group,
      .event = event,
      .level = level,
  };
}

/* --- a fill ----------------------------------------------------------------------------------------------------------------------------- */

static inline uint64_t level_of(wcx_u128_t value)
{
  return value > UINT64_MAX ? UINT64_MAX : (uint64_t)value;
}

/* The first limit that the window reaches, or 0. */
static uint8_t reached(const wcx_mmp_group_t *group, uint64_t *level)
{
  if (group->max_cnt != 0 && group->fill_cnt >= group->max_cnt)
  {
    *level = group->fill_cnt;
    return WCX_MMP_EVENT_TYPE_TRIGGERED_BY_COUNT;
  }
  if (group->max_qty != WCX_I64_NULL && group->qty >= (uint64_t)group->max_qty)
  {
    *level = level_of(group->qty);
    return WCX_MMP_EVENT_TYPE_TRIGGERED_BY_QTY;
  }
  if (group->max_notional != WCX_I64_NULL && group->notional >= (uint64_t)group->max_notional)
  {
    *level = level_of(group->notional);
    return WCX_MMP_EVENT_TYPE_TRIGGERED_BY_NOTIONAL;
  }
  return 0;
}

static void cancel_group(wcx_engine_t *engine, const wcx_session_t *session, uint16_t group, wcx_taker_t *taker)
{
  uint32_t next;
  for (uint32_t slot = session->order_head; slot != 0; slot = next)
  {
    next = engine->pool.links[slot].next;
    if ((engine->pool.orders[slot].flags & WCX_ORDER_F_MMP) != 0 && engine->pool.extras[slot].mmp_group == group && slot != engine->taker_slot)
      wcx_cancel(engine, slot, WCX_CANCEL_REASON_MARKET_MAKER_PROTECTION, WCX_U64_NULL, NULL);
  }
  if (taker != NULL && taker->leaves != 0 && taker->session == session && (taker->flags & WCX_ORDER_F_MMP) != 0 && taker->mmp_group == group)
    wcx_match_cancel_taker(engine, taker, WCX_CANCEL_REASON_MARKET_MAKER_PROTECTION);
}

void wcx_mmp_fill(wcx_engine_t *engine, wcx_session_t *session, uint16_t group, const wcx_fill_t *fill, wcx_taker_t *taker)
{
  wcx_mmp_group_t *found = find(engine, session, group);
  if (found == NULL)
    return;
  count(engine, found, fill);
  uint64_t level;
  uint8_t event = frozen(engine, found) ? 0 : reached(found, &level);
  if (event == 0)
    return;
  bool until_reset = found->freeze_ns == 0 || found->freeze_ns >= UNTIL_RESET - engine->stamp_ns;
  found->frozen_until_ns = until_reset ? UNTIL_RESET : engine->stamp_ns + found->freeze_ns;
  renew(engine, found);
  clear(engine, found);
  report(engine, session, found, event, level, found->frozen_until_ns);
  cancel_group(engine, session, group, taker);
}

/* --- requests --------------------------------------------------------------------------------------------------------------------------- */

void wcx_mmp_configure(wcx_engine_t *engine, wcx_session_t *session, const wcx_mmp_config_request_t *request)
{
  bool fine = wcx_session_take_cl_ord_id(session, request->cl_ord_id) && request->mmp_group != 0 && request->window_nanos != 0 &&
              (request->max_qty >= 0 || request->max_qty == WCX_I64_NULL) && (request->max_notional_window >= 0 || request->max_notional_window == WCX_I64_NULL);
  wcx_mmp_group_t *group = fine ? find(engine, session, request->mmp_group) : NULL;
  if (fine && group == NULL && engine->mmp_cnt < (uint64_t)WCX_MMP_GROUPS_PER_SESSION * engine->capacity.max_sessions)
    group = add(engine, session, request->mmp_group);
  if (group == NULL)
  {
    wcx_report_business_reject(engine, session, request->cl_ord_id, WCX_TEMPLATE_MMP_CONFIG_REQUEST, WCX_BUSINESS_REJECT_REASON_OTHER);
    return;
  }
  clear(engine, group);
  group->max_qty = request->max_qty;
  group->max_notional = request->max_notional_window;
  group->window_ns = request->window_nanos;
  group->freeze_ns = request->freeze_nanos;
  group->max_cnt = request->max_count;
  group->frozen_until_ns = 0;
  renew(engine, group);
  report(engine, session, group, WCX_MMP_EVENT_TYPE_CONFIGURED, 0, WCX_U64_NULL);
}

bool wcx_mmp_reset(wcx_engine_t *engine, wcx_session_t *session, uint16_t group)
{
  wcx_mmp_group_t *found = find(engine, session, group);
  if (found == NULL)
    return false;
  clear(engine, found);
  found->frozen_until_ns = 0;
  renew(engine, found);
  report(engine, session, found, WCX_MMP_EVENT_TYPE_RESET, 0, WCX_U64_NULL);
  return true;
}

void wcx_mmp_reset_request(wcx_engine_t *engine, wcx_session_t *session, const wcx_mmp_reset_request_t *request)
{
  if (!wcx_session_take_cl_ord_id(session, request->cl_ord_id) || !wcx_mmp_reset(engine, session, request->mmp_group))
    wcx_report_business_reject(engine, session, request->cl_ord_id, WCX_TEMPLATE_MMP_RESET_REQUEST, WCX_BUSINESS_REJECT_REASON_OTHER);
}

void wcx_mmp_freeze(wcx_engine_t *engine, wcx_session_t *session, uint16_t group)
{
  wcx_mmp_group_t *found = find(engine, session, group);
  if (found == NULL)
    return;
  found->frozen_until_ns = UNTIL_RESET;
  renew(engine, found);
  report(engine, session, found, WCX_MMP_EVENT_TYPE_FROZEN_BY_CLIENT, 0, UNTIL_RESET);
}

/* --- from scratch ----------------------------------------------------------------------------------------------------------------------- */

wcx_digest_t wcx_mmp_digest(const wcx_engine_t *engine)
{
  wcx_digest_t digest = {0};
  for (uint32_t i = 0; i < engine->mmp_cnt; i++)
  {
    const wcx_mmp_group_t *group = &engine->mmp_groups[i];
    wcx_digest_add(&digest, group_hash(group));
    for (uint32_t k = 0; k < group->entry_cnt; k++)
      wcx_digest_add(&digest, entry_hash(group, entry_at(group, k)));
  }
  return digest;
}

static void verify_group(const wcx_engine_t *engine, const wcx_mmp_group_t *group)
{
  wcx_mmp_entry_t last = {0};
  wcx_u128_t qty = 0;
  wcx_u128_t notional = 0;
  uint64_t fill_cnt = 0;
  for (uint32_t k = 0; k < group->entry_cnt; k++)
  {
    const wcx_mmp_entry_t *entry = entry_at(group, k);
    WCX_CHECK(entry->stamp_ns >= last.stamp_ns && entry->stamp_ns <= engine->stamp_ns && entry->fill_cnt != 0, "group %u of session %u: stamp %llu behind %llu", group->group,
              group->session, (unsigned long long)entry->stamp_ns, (unsigned long long)last.stamp_ns);
    last = *entry;
    qty += entry->qty;
    notional += entry->notional;
    fill_cnt += entry->fill_cnt;
  }
  WCX_CHECK(group->qty == qty && group->notional == notional && group->fill_cnt == fill_cnt, "group %u of session %u: %llu fills of %llu, its window says %llu of %llu",
            group->group, group->session, (unsigned long long)group->fill_cnt, (unsigned long long)group->qty, (unsigned long long)fill_cnt, (unsigned long long)qty);
}

void wcx_mmp_verify(const wcx_engine_t *engine)
{
  uint32_t listed = 0;
  for (uint32_t i = 0; i < engine->session_cnt; i++)
    for (uint32_t at = engine->sessions[i].mmp_head; at != 0; at = engine->mmp_groups[at - 1].next)
    {
      const wcx_mmp_group_t *group = &engine->mmp_groups[at - 1];
      WCX_CHECK(group->session == i && find(engine, &engine->sessions[i], group->group) == group, "group %u in the list of session %u", group->group, i);
      verify_group(engine, group);
      listed++;
    }
  WCX_CHECK(listed == engine->mmp_cnt, "%u groups in lists, %u counted", listed, engine->mmp_cnt);
}
