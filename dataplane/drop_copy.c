#include "dataplane/drop_copy.h"

static uint32_t kinds_asked(const wcx_params_t *params, const wcx_params_shard_t *shard)
{
  uint32_t cnt = 0;
  for (uint32_t i = 0; i < params->session_cnt; i++)
    cnt += params->sessions[i].shard == shard->shard && params->sessions[i].drop_copy != 0;
  return cnt < WCX_DROP_SCOPES_MAX ? cnt : WCX_DROP_SCOPES_MAX;
}

size_t wcx_drop_copy_footprint(const wcx_params_t *params, const wcx_params_shard_t *shard)
{
  return (size_t)kinds_asked(params, shard) * shard->retain_session_msgs * sizeof(uint64_t) + 64;
}

/* What a session's scope of a kind is, by the configuration: while the journal is empty the engine does not know. */
static wcx_drop_scope_t scope_by_params(const wcx_params_t *params, const wcx_params_session_t *session)
{
  wcx_drop_scope_t scope = {.kind = session->drop_copy, .id = session->session_id};
  if (scope.kind == WCX_DROP_ACCOUNT)
    scope.id = session->account;
  else if (scope.kind == WCX_DROP_FIRM)
  {
    scope.id = 0;
    for (uint32_t i = 0; i < params->account_cnt; i++)
      scope.id = params->accounts[i].account == session->account ? params->accounts[i].firm : scope.id;
  }
  return scope;
}

static uint32_t find(const wcx_drop_copy_t *drop, wcx_drop_scope_t scope)
{
  for (uint32_t i = 0; i < drop->stream_cnt; i++)
    if (drop->streams[i].scope.kind == scope.kind && drop->streams[i].scope.id == scope.id)
      return i;
  return WCX_DROP_NONE;
}

void wcx_drop_copy_init(wcx_drop_copy_t *drop, void *mem, const wcx_params_t *params, const wcx_params_shard_t *shard, const wcx_engine_t *engine, const wcx_outlog_t *log)
{
  *drop = (wcx_drop_copy_t){.engine = engine, .log = log, .max = shard->retain_session_msgs};
  uint64_t *positions = mem;
  for (uint32_t i = 0; i < params->session_cnt; i++)
  {
    const wcx_params_session_t *session = &params->sessions[i];
    wcx_drop_scope_t scope = scope_by_params(params, session);
    if (session->shard != shard->shard || scope.kind == 0 || scope.id == 0 || find(drop, scope) != WCX_DROP_NONE || drop->stream_cnt == WCX_DROP_SCOPES_MAX)
      continue;
    drop->streams[drop->stream_cnt] = (wcx_drop_stream_t){.scope = scope, .next = 1, .positions = positions + (size_t)drop->stream_cnt * drop->max};
    drop->stream_cnt++;
  }
  wcx_drop_copy_clear(drop);
}

void wcx_drop_copy_clear(wcx_drop_copy_t *drop)
{
  wcx_drop_copy_roll(drop);
  for (uint32_t i = 0; i < drop->stream_cnt; i++)
    memset(drop->streams[i].positions, 0xff, drop->max * sizeof(uint64_t)); /* a place that no log has come to */
}

void wcx_drop_copy_roll(wcx_drop_copy_t *drop)
{
  for (uint32_t i = 0; i < drop->stream_cnt; i++)
    drop->streams[i].next = 1;
}

/* The streams of a session, looked up once: neither its account nor the firm of that changes after its first order. */
static void look_up(const wcx_drop_copy_t *drop, wcx_session_t *session)
{
  for (uint32_t kind = WCX_DROP_SESSION; kind <= WCX_DROP_FIRM; kind++)
    session->drop_streams[kind - 1] = find(drop, wcx_drop_scope_of(drop->engine, session->session_id, kind));
  session->drop_known = 1;
}

bool wcx_drop_copy_enter(wcx_drop_copy_t *drop, wcx_session_t *session, const wcx_out_entry_t *entry, uint64_t pos)
{
  if (!wcx_drop_copied((const uint8_t *)(entry + 1), entry->stream_id))
    return false;
  if (!session->drop_known)
    look_up(drop, session);
  bool entered = false;
  for (uint32_t i = 0; i < WCX_DROP_FIRM; i++)
  {
    if (session->drop_streams[i] == WCX_DROP_NONE)
      continue;
    wcx_drop_stream_t *stream = &drop->streams[session->drop_streams[i]];
    stream->positions[stream->next++ & (drop->max - 1)] = pos;
    entered = true;
  }
  return entered;
}

void wcx_drop_copy_resume(wcx_drop_copy_t *drop, wcx_session_t *session, uint64_t report_cnt)
{
  if (report_cnt == 0)
    return; /* it may have no account yet */
  look_up(drop, session);
  for (uint32_t i = 0; i < WCX_DROP_FIRM; i++)
    if (session->drop_streams[i] != WCX_DROP_NONE)
      drop->streams[session->drop_streams[i]].next += report_cnt;
}

uint32_t wcx_drop_copy_of(const wcx_drop_copy_t *drop, uint32_t session_id, uint8_t kind)
{
  return kind == 0 ? WCX_DROP_NONE : find(drop, wcx_drop_scope_of(drop->engine, session_id, kind));
}

const wcx_out_entry_t *wcx_drop_copy_get(const wcx_drop_copy_t *drop, uint32_t stream, uint64_t number)
{
  const wcx_drop_stream_t *of = &drop->streams[stream];
  if (number == 0 || number >= of->next || number + drop->max < of->next)
    return NULL;
  uint64_t pos = of->positions[number & (drop->max - 1)];
  return wcx_outlog_retained(drop->log, pos) ? wcx_outlog_at(drop->log, pos) : NULL;
}

void wcx_drop_copy_session(char text[10], const wcx_drop_scope_t *scope, const char feed_session[10])
{
  static const char kinds[] = " saf";
  memcpy(text, feed_session, 10); /* M, shard, day */
  text[0] = kinds[scope->kind];
  text[1] = (char)('0' + scope->id / 100 % 10);
  text[2] = (char)('0' + scope->id / 10 % 10);
  text[3] = (char)('0' + scope->id % 10);
}
