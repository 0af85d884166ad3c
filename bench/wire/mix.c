#include "bench/wire/mix.h"

#include "dataplane/client/orders.h"
#include "engine/base/check.h"

#include <stdlib.h>
#include <string.h>

#define PRICE 100
#define FAR_PRICE 100000 /* of what rests, so that nothing meets it */
#define SECURITY 1u

typedef struct member
{
  uint64_t ids[WCX_MIX_DEPTH]; /* of this round's orders */
  uint32_t step;               /* of the round */
} member_t;

typedef struct placed
{
  uint64_t cl_ord_id; /* the order's current one */
  uint32_t qty;       /* total */
  uint32_t session;
} placed_t;

struct wcx_mix
{
  enum wcx_mix_kind kind;
  uint32_t session_cnt;
  member_t *members;
  const wcx_flow_t *flow;
  placed_t *placed; /* flow: by id */
  bool is_filled;   /* mass */
  uint64_t mass_at;
};

enum wcx_mix_kind wcx_mix_kind_of(const char *name)
{
  static const char *const names[] = {
      [WCX_MIX_PAIR] = "pair", [WCX_MIX_CROSS] = "cross", [WCX_MIX_STORM] = "storm", [WCX_MIX_HOT] = "hot", [WCX_MIX_SWEEP] = "sweep", [WCX_MIX_MASS] = "mass"};
  for (uint32_t kind = WCX_MIX_PAIR; kind <= WCX_MIX_MASS; kind++)
    if (strcmp(names[kind], name) == 0)
      return kind;
  return 0;
}

wcx_mix_t *wcx_mix_new(enum wcx_mix_kind kind, uint32_t session_cnt, const wcx_flow_t *flow)
{
  wcx_mix_t *mix = calloc(1, sizeof(*mix));
  WCX_CHECK(mix != NULL, "out of memory");
  *mix = (wcx_mix_t){.kind = kind, .session_cnt = session_cnt, .flow = flow, .members = calloc(session_cnt, sizeof(*mix->members))};
  mix->placed = kind == WCX_MIX_FLOW ? calloc(flow->id_max + 1, sizeof(*mix->placed)) : NULL;
  WCX_CHECK(mix->members != NULL && (kind != WCX_MIX_FLOW || mix->placed != NULL), "out of memory");
  return mix;
}

void wcx_mix_free(wcx_mix_t *mix)
{
  free(mix->members);
  free(mix->placed);
  free(mix);
}

bool wcx_mix_races(const wcx_mix_t *mix)
{
  return mix->kind == WCX_MIX_HOT || mix->kind == WCX_MIX_FLOW;
}

/* A cancel or move follows its order, whatever owner it names. */
static uint32_t flow_session(const wcx_mix_t *mix, const wcx_flow_record_t *record)
{
  if (record->op != WCX_FLOW_NEW)
    return mix->placed[record->id].session;
  return (uint32_t)record->aux % mix->session_cnt;
}

uint32_t wcx_mix_session(const wcx_mix_t *mix, uint64_t idx)
{
  if (mix->kind == WCX_MIX_FLOW)
    return flow_session(mix, &mix->flow->records[idx]);
  if (mix->kind != WCX_MIX_MASS)
    return (uint32_t)(idx % mix->session_cnt);
  return !mix->is_filled || idx == mix->mass_at ? 0 : 1 + (uint32_t)(idx % (mix->session_cnt - 1));
}

void wcx_mix_filled(wcx_mix_t *mix, uint64_t at)
{
  mix->is_filled = true;
  mix->mass_at = at;
}

static size_t put_order(uint8_t *out, uint64_t id, uint32_t account, uint8_t side, int64_t px, int64_t qty, uint8_t time_in_force)
{
  wcx_new_order_single_t order = wcx_client_limit_order(id, account, SECURITY, side, px, qty, time_in_force);
  return wcx_client_put_new(out, &order);
}

static size_t put_flow(const wcx_mix_t *mix, uint64_t idx, uint32_t account, uint64_t id, uint8_t *out)
{
  const wcx_flow_record_t *record = &mix->flow->records[idx];
  const placed_t *placed = &mix->placed[record->id];
  uint8_t side = record->side == 0 ? WCX_SIDE_BUY : WCX_SIDE_SELL;
  switch (record->op)
  {
  case WCX_FLOW_CANCEL:
    return wcx_client_put_cancel(out, id, placed->cl_ord_id, SECURITY);
  case WCX_FLOW_MOVE:
    return wcx_client_put_replace(out, id, placed->cl_ord_id, SECURITY, record->px, placed->qty);
  default:
    return put_order(out, id, account, side, record->px, record->qty, (record->flags & WCX_FLOW_F_IOC) != 0 ? WCX_TIME_IN_FORCE_IOC : WCX_TIME_IN_FORCE_GTC);
  }
}

static size_t put_hot(const member_t *member, uint32_t account, uint64_t id, uint8_t *out)
{
  if (member->step < 2)
    return put_order(out, id, account, WCX_SIDE_BUY, PRICE, 1, WCX_TIME_IN_FORCE_GTC);
  if (member->step == 2)
    return put_order(out, id, account, WCX_SIDE_SELL, PRICE, 1, WCX_TIME_IN_FORCE_IOC);
  return wcx_client_put_cancel(out, id, member->ids[1], SECURITY);
}

static size_t put_pair(const member_t *member, uint32_t account, uint64_t id, uint8_t *out)
{
  return member->step == 0 ? put_order(out, id, account, WCX_SIDE_BUY, PRICE, 1, WCX_TIME_IN_FORCE_GTC) : wcx_client_put_cancel(out, id, member->ids[0], SECURITY);
}

static size_t put_mass(const wcx_mix_t *mix, uint64_t idx, uint32_t account, uint64_t id, uint8_t *out)
{
  if (mix->is_filled)
    return wcx_client_put_mass_cancel(out, id, account);
  return put_order(out, id, account, WCX_SIDE_SELL, FAR_PRICE + (int64_t)(idx % WCX_MIX_DEPTH), 1, WCX_TIME_IN_FORCE_GTC);
}

size_t wcx_mix_put(const wcx_mix_t *mix, uint64_t idx, uint32_t session, uint32_t account, uint64_t cl_ord_id, uint8_t *out)
{
  const member_t *member = &mix->members[session];
  uint32_t step = member->step;
  switch (mix->kind)
  {
  case WCX_MIX_PAIR:
    return put_pair(member, account, cl_ord_id, out);
  case WCX_MIX_CROSS:
    return put_order(out, cl_ord_id, account, step == 0 ? WCX_SIDE_BUY : WCX_SIDE_SELL, PRICE, 1, WCX_TIME_IN_FORCE_GTC);
  case WCX_MIX_STORM:
    return step < WCX_MIX_DEPTH ? put_order(out, cl_ord_id, account, WCX_SIDE_BUY, PRICE + step, 1, WCX_TIME_IN_FORCE_GTC)
                                : wcx_client_put_cancel(out, cl_ord_id, member->ids[step - WCX_MIX_DEPTH], SECURITY);
  case WCX_MIX_HOT:
    return put_hot(member, account, cl_ord_id, out);
  case WCX_MIX_SWEEP:
    return step < WCX_MIX_DEPTH ? put_order(out, cl_ord_id, account, WCX_SIDE_SELL, PRICE + step, 1, WCX_TIME_IN_FORCE_GTC)
                                : put_order(out, cl_ord_id, account, WCX_SIDE_BUY, PRICE + WCX_MIX_DEPTH, WCX_MIX_DEPTH, WCX_TIME_IN_FORCE_IOC);
  case WCX_MIX_MASS:
    return session == 0 ? put_mass(mix, idx, account, cl_ord_id, out) : put_pair(member, account, cl_ord_id, out);
  case WCX_MIX_FLOW:
    return put_flow(mix, idx, account, cl_ord_id, out);
  }
  return 0;
}

void wcx_mix_sent(wcx_mix_t *mix, uint64_t idx, uint32_t session, uint64_t cl_ord_id)
{
  static const uint32_t steps[] = {
      [WCX_MIX_PAIR] = 2, [WCX_MIX_CROSS] = 2, [WCX_MIX_STORM] = 2 * WCX_MIX_DEPTH, [WCX_MIX_HOT] = 4, [WCX_MIX_SWEEP] = WCX_MIX_DEPTH + 1, [WCX_MIX_MASS] = 2};
  if (mix->kind == WCX_MIX_FLOW)
  {
    const wcx_flow_record_t *record = &mix->flow->records[idx];
    placed_t *placed = &mix->placed[record->id];
    if (record->op == WCX_FLOW_NEW)
      *placed = (placed_t){.qty = record->qty, .session = session};
    if (record->op != WCX_FLOW_CANCEL)
      placed->cl_ord_id = cl_ord_id;
    return;
  }
  member_t *member = &mix->members[session];
  if (member->step < WCX_MIX_DEPTH)
    member->ids[member->step] = cl_ord_id;
  member->step = (member->step + 1) % steps[mix->kind];
}
