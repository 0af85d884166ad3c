#include "dataplane/binding.h"
#include "engine/base/check.h"

static uint32_t map_size(uint32_t session_max)
{
  uint32_t size = 16;
  while (size < session_max * 2)
    size *= 2;
  return size;
}

size_t wcx_sessions_footprint(uint32_t session_max, uint32_t ring_max, uint32_t retain_max)
{
  size_t binding_max = (size_t)session_max * WCX_SESSION_BINDINGS_MAX;
  size_t sz = session_max * sizeof(wcx_session_t) + binding_max * sizeof(wcx_binding_t);
  sz += 2 * (size_t)map_size(session_max) * sizeof(uint32_t) + binding_max * sizeof(uint32_t);
  sz += (size_t)ring_max * retain_max * sizeof(uint64_t);
  return sz + 64;
}

void wcx_sessions_init(wcx_sessions_t *sessions, void *mem, uint32_t session_max, uint32_t ring_max, uint32_t retain_max, uint64_t hash_key)
{
  size_t binding_max = (size_t)session_max * WCX_SESSION_BINDINGS_MAX;
  uint32_t size = map_size(session_max);
  memset(mem, 0, wcx_sessions_footprint(session_max, ring_max, retain_max));
  *sessions = (wcx_sessions_t){.hash_key = hash_key, .session_max = session_max, .map_mask = size - 1, .retain_max = retain_max, .ring_max = ring_max};
  sessions->retained = mem;
  sessions->bindings = (wcx_binding_t *)(sessions->retained + (size_t)ring_max * retain_max);
  sessions->sessions = (wcx_session_t *)(sessions->bindings + binding_max);
  sessions->by_id = (uint32_t *)(sessions->sessions + session_max);
  sessions->by_mold = sessions->by_id + size;
  sessions->used = sessions->by_mold + size;
  for (uint32_t i = 0; i < binding_max; i++)
    sessions->bindings[i].idx = i;
}

static uint32_t id_place(const wcx_sessions_t *sessions, uint32_t session_id)
{
  uint64_t hash = (session_id ^ sessions->hash_key) * UINT64_C(0x9E3779B97F4A7C15);
  return (uint32_t)(hash >> 32) & sessions->map_mask;
}

static uint32_t mold_place(const wcx_sessions_t *sessions, const char mold[WCX_MOLD_SESSION_SZ])
{
  uint64_t low;
  uint16_t high;
  memcpy(&low, mold, 8);
  memcpy(&high, mold + 8, 2);
  uint64_t hash = (low ^ sessions->hash_key ^ ((uint64_t)high << 24)) * UINT64_C(0xC2B2AE3D27D4EB4F);
  return (uint32_t)(hash >> 32) & sessions->map_mask;
}

wcx_session_t *wcx_sessions_find(wcx_sessions_t *sessions, uint32_t session_id)
{
  for (uint32_t place = id_place(sessions, session_id); sessions->by_id[place] != 0; place = (place + 1) & sessions->map_mask)
    if (sessions->sessions[sessions->by_id[place] - 1].session_id == session_id)
      return &sessions->sessions[sessions->by_id[place] - 1];
  return NULL;
}

wcx_session_t *wcx_sessions_get(wcx_sessions_t *sessions, uint32_t session_id)
{
  wcx_session_t *session = wcx_sessions_find(sessions, session_id);
  if (session != NULL)
    return session;
  WCX_CHECK(sessions->session_cnt < sessions->session_max, "session %u beyond the %u of the configuration", session_id, sessions->session_max);
  uint32_t place = id_place(sessions, session_id);
  while (sessions->by_id[place] != 0)
    place = (place + 1) & sessions->map_mask;
  uint32_t idx = sessions->session_cnt++;
  sessions->by_id[place] = idx + 1;
  session = &sessions->sessions[idx];
  *session = (wcx_session_t){.session_id = session_id, .idx = idx, .next_released = 1, .throttle = wcx_throttle_least()};
  if (idx < sessions->ring_max)
    session->retain = (wcx_retain_t){.positions = sessions->retained + (size_t)idx * sessions->retain_max, .max = sessions->retain_max};
  return session;
}

static wcx_binding_t *bindings_of(const wcx_sessions_t *sessions, const wcx_session_t *session)
{
  return &sessions->bindings[(size_t)session->idx * WCX_SESSION_BINDINGS_MAX];
}

wcx_binding_t *wcx_session_binding(wcx_sessions_t *sessions, const wcx_session_t *session)
{
  wcx_binding_t *bindings = bindings_of(sessions, session);
  for (uint32_t i = 0; i < WCX_SESSION_BINDINGS_MAX; i++)
    if (bindings[i].opened_seq != 0 && bindings[i].closed_seq == UINT64_MAX)
      return &bindings[i];
  return NULL;
}

wcx_binding_t *wcx_session_binding_at(wcx_sessions_t *sessions, const wcx_session_t *session, uint64_t seq)
{
  wcx_binding_t *bindings = bindings_of(sessions, session);
  for (uint32_t i = 0; i < WCX_SESSION_BINDINGS_MAX; i++)
    if (bindings[i].opened_seq != 0 && bindings[i].opened_seq <= seq && seq <= bindings[i].closed_seq)
      return &bindings[i];
  return NULL;
}

bool wcx_session_has_place(const wcx_sessions_t *sessions, const wcx_session_t *session)
{
  const wcx_binding_t *bindings = bindings_of(sessions, session);
  for (uint32_t i = 0; i < WCX_SESSION_BINDINGS_MAX; i++)
    if (bindings[i].opened_seq == 0)
      return true;
  return false;
}

wcx_binding_t *wcx_sessions_by_mold(wcx_sessions_t *sessions, const char mold[WCX_MOLD_SESSION_SZ])
{
  uint32_t at = sessions->by_mold[mold_place(sessions, mold)];
  for (; at != 0; at = sessions->bindings[at - 1].hash_next)
    if (memcmp(sessions->bindings[at - 1].mold, mold, WCX_MOLD_SESSION_SZ) == 0)
      return &sessions->bindings[at - 1];
  return NULL;
}

wcx_binding_t *wcx_binding_open(wcx_sessions_t *sessions, wcx_session_t *session, const char mold[WCX_MOLD_SESSION_SZ], uint64_t opened_seq)
{
  WCX_CHECK(wcx_session_binding(sessions, session) == NULL, "session %u is bound already", session->session_id);
  wcx_binding_t *binding = bindings_of(sessions, session);
  uint32_t left = WCX_SESSION_BINDINGS_MAX;
  for (; left > 0 && binding->opened_seq != 0; left--)
    binding++;
  WCX_CHECK(left > 0, "session %u has no place for a binding", session->session_id);
  uint32_t place = mold_place(sessions, mold);
  *binding = (wcx_binding_t){.idx = binding->idx, .session_idx = session->idx, .opened_seq = opened_seq, .closed_seq = UINT64_MAX};
  memcpy(binding->mold, mold, WCX_MOLD_SESSION_SZ);
  binding->hash_next = sessions->by_mold[place];
  sessions->by_mold[place] = binding->idx + 1;
  binding->used_pos = sessions->used_cnt;
  sessions->used[sessions->used_cnt++] = binding->idx;
  return binding;
}

void wcx_binding_close(wcx_sessions_t *sessions, wcx_binding_t *binding, uint64_t closed_seq)
{
  uint32_t *link = &sessions->by_mold[mold_place(sessions, binding->mold)];
  while (*link != binding->idx + 1)
    link = &sessions->bindings[*link - 1].hash_next;
  *link = binding->hash_next;
  binding->closed_seq = closed_seq;
  sessions->closing_cnt++;
}

void wcx_sessions_reap(wcx_sessions_t *sessions, uint64_t passed_seq)
{
  for (uint32_t i = sessions->used_cnt; i-- > 0;)
  {
    wcx_binding_t *binding = &sessions->bindings[sessions->used[i]];
    if (binding->closed_seq > passed_seq)
      continue;
    uint32_t last = sessions->used[--sessions->used_cnt];
    sessions->used[i] = last;
    sessions->bindings[last].used_pos = i;
    binding->opened_seq = 0;
    binding->tag_key = (wcx_tag_key_t){0};
    sessions->closing_cnt--;
  }
}
