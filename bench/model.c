#include "bench/model.h"

#include "engine/base/check.h"

static void *zeroed(uint64_t cnt, size_t sz)
{
  void *mem = calloc(cnt, sz);
  if (mem == NULL)
    WCX_DIE("no memory for %llu x %zu bytes: use fewer ops", (unsigned long long)cnt, sz);
  return mem;
}

wcx_model_t *wcx_model_new(int64_t px_min, int64_t px_max, uint64_t id_max)
{
  wcx_model_t *model = zeroed(1, sizeof(*model));
  uint64_t px_cnt = (uint64_t)(px_max - px_min) + 1;
  for (int side = 0; side < 2; side++)
  {
    model->head[side] = zeroed(px_cnt, sizeof(uint64_t));
    model->tail[side] = zeroed(px_cnt, sizeof(uint64_t));
  }
  model->orders = zeroed(id_max + 1, sizeof(*model->orders));
  model->live = zeroed(id_max + 1, sizeof(uint64_t));
  model->id_max = id_max;
  model->px_min = px_min;
  model->px_max = px_max;
  model->best[0] = px_min - 1;
  model->best[1] = px_max + 1;
  model->trade_hash = WCX_TRADE_HASH_START;
  return model;
}

void wcx_model_free(wcx_model_t *model)
{
  for (int side = 0; side < 2; side++)
  {
    free(model->head[side]);
    free(model->tail[side]);
  }
  free(model->orders);
  free(model->live);
  free(model);
}

static bool has_best(const wcx_model_t *model, int side)
{
  return model->best[side] >= model->px_min && model->best[side] <= model->px_max;
}

static void rest(wcx_model_t *model, uint64_t id)
{
  wcx_model_order_t *order = &model->orders[id];
  uint64_t at = (uint64_t)(order->px - model->px_min);
  uint64_t *tail = &model->tail[order->side][at];
  order->next = 0;
  order->prev = *tail;
  if (*tail != 0)
    model->orders[*tail].next = id;
  else
    model->head[order->side][at] = id;
  *tail = id;
  if (order->side == 0 ? order->px > model->best[0] : order->px < model->best[1])
    model->best[order->side] = order->px;
  order->live_idx = (uint32_t)model->live_cnt;
  model->live[model->live_cnt++] = id;
}

static void unrest(wcx_model_t *model, uint64_t id)
{
  wcx_model_order_t *order = &model->orders[id];
  int side = order->side;
  uint64_t at = (uint64_t)(order->px - model->px_min);
  if (order->prev != 0)
    model->orders[order->prev].next = order->next;
  else
    model->head[side][at] = order->next;
  if (order->next != 0)
    model->orders[order->next].prev = order->prev;
  else
    model->tail[side][at] = order->prev;
  while (has_best(model, side) && model->head[side][model->best[side] - model->px_min] == 0)
    model->best[side] += side == 0 ? -1 : 1;
  uint64_t last = model->live[--model->live_cnt];
  model->live[order->live_idx] = last;
  model->orders[last].live_idx = order->live_idx;
}

static void match(wcx_model_t *model, uint64_t id)
{
  wcx_model_order_t *taker = &model->orders[id];
  int other = 1 - taker->side;
  while (taker->qty > 0 && has_best(model, other) && (taker->side == 0 ? model->best[1] <= taker->px : model->best[0] >= taker->px))
  {
    uint64_t maker_id = model->head[other][model->best[other] - model->px_min];
    wcx_model_order_t *maker = &model->orders[maker_id];
    uint32_t qty = maker->qty < taker->qty ? maker->qty : taker->qty;
    model->trade_cnt++;
    model->volume += qty;
    model->trade_hash = wcx_trade_hash(model->trade_hash, maker_id, id, maker->px, qty);
    maker->qty -= qty;
    taker->qty -= qty;
    if (maker->qty == 0)
      unrest(model, maker_id);
  }
}

void wcx_model_apply(wcx_model_t *model, const wcx_flow_record_t *record)
{
  WCX_CHECK(record->id <= model->id_max && record->px >= model->px_min && record->px <= model->px_max, "record of id %llu at %lld is outside the model",
            (unsigned long long)record->id, (long long)record->px);
  wcx_model_order_t *order = &model->orders[record->id];
  if (record->op == WCX_FLOW_NEW)
    *order = (wcx_model_order_t){.px = record->px, .qty = record->qty, .side = record->side};
  else if (order->qty == 0 || (record->op == WCX_FLOW_MOVE && record->px == order->px)) /* gone, or stays in its place */
    return;
  else
    unrest(model, record->id);
  if (record->op == WCX_FLOW_CANCEL)
  {
    order->qty = 0;
    return;
  }
  order->px = record->px;
  match(model, record->id);
  if (record->op == WCX_FLOW_NEW && (record->flags & WCX_FLOW_F_IOC) != 0)
    order->qty = 0;
  if (order->qty > 0)
    rest(model, record->id);
}
