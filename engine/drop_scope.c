#include "engine/drop_scope.h"
#include "engine/state.h"

wcx_drop_scope_t wcx_drop_scope_of(const wcx_engine_t *engine, uint32_t session_id, enum wcx_drop_scope_kind kind)
{
  wcx_drop_scope_t scope = {.kind = kind};
  uint32_t idx = wcx_idmap_find(&engine->session_map, session_id);
  if (idx == WCX_IDX_NONE)
    return scope;
  const wcx_session_t *session = &engine->sessions[idx];
  const wcx_account_t *account = wcx_state_account(engine, session->account);
  if (kind == WCX_DROP_SESSION)
    scope.id = session_id;
  else if (kind == WCX_DROP_ACCOUNT && account != NULL)
    scope.id = session->account;
  else if (kind == WCX_DROP_FIRM && account != NULL)
    scope.id = account->definition.firm;
  return scope;
}
