/* What a burst of requests will touch, asked of memory before it is applied. What is to be fetched hangs on what was fetched before, so a chunk of records goes
   through four steps, all of it through one before the next begins: index line and leaf of the ladder; order and level; neighbours; the level a replace joins. */
#include "engine/book.h"

#define LIVE_MIN 16384u /* the caches hold all that fewer orders are made of */
#define CHUNK 32u

/* A request on its way through the steps. Whatever it leads to is a guess that costs nothing when it is wrong. */
typedef struct look
{
  uint64_t key_px; /* price index it joins at; 0: joins nothing */
  const wcx_instrument_t *instrument;
  uint64_t orig_cl_ord_id;
  uint64_t order_id;
  uint32_t session;
  uint32_t slot;  /* of the order it names */
  uint32_t level; /* that it joins */
  uint8_t side;   /* 0: that of the order */
  uint8_t names;  /* an order */
  uint8_t pad[2];
} look_t;

static inline void set_price(const wcx_engine_t *engine, look_t *look, uint32_t security_id, int64_t price)
{
  uint32_t idx = wcx_idmap_find(&engine->instrument_map, security_id);
  if (idx == WCX_IDX_NONE || price <= 0)
    return;
  uint64_t rest;
  look->instrument = &engine->instruments[idx];
  look->key_px = wcx_divide(&look->instrument->increment, (uint64_t)price, &rest);
}

/* The node that hangs the level is the last but one step down: the nodes above it are few, and warm. */
static inline void fetch_leaf(const wcx_engine_t *engine, const look_t *look)
{
  const wcx_ladders_t *pools = &engine->ladders;
  uint64_t key = wcx_book_key(look->side, look->key_px);
  uint32_t at = look->instrument->side[look->side - 1].root;
  while (at != 0 && (at & WCX_LADDER_LEVEL) == 0 && pools->nodes[at].shift > 6)
    at = pools->nodes[at].child[key >> pools->nodes[at].shift & 63];
  if (at == 0 || (at & WCX_LADDER_LEVEL) != 0 || pools->nodes[at].shift == 0)
    return;
  uint32_t leaf = pools->nodes[at].child[key >> 6 & 63] & ~WCX_LADDER_LEVEL;
  if (leaf > pools->max)
    return;
  __builtin_prefetch(&pools->nodes[leaf]);
  __builtin_prefetch(&pools->nodes[leaf].child[key & 63]);
}

static inline void fetch_level(const wcx_engine_t *engine, look_t *look)
{
  look->level = wcx_ladder_peek(&engine->ladders, &look->instrument->side[look->side - 1], wcx_book_key(look->side, look->key_px));
  __builtin_prefetch(&engine->ladders.levels[look->level], 1);
}

static inline void fetch_tail(const wcx_engine_t *engine, const look_t *look)
{
  __builtin_prefetch(&engine->pool.orders[engine->ladders.levels[look->level].tail], 1);
}

/* A request that has something to fetch, with all of its block there: apply() has not looked at it yet. */
static inline bool is_request(const wcx_record_hdr_t *hdr)
{
  switch (hdr->template_id)
  {
  case WCX_TEMPLATE_NEW_ORDER_SINGLE:
    return hdr->body_sz >= sizeof(wcx_new_order_single_t);
  case WCX_TEMPLATE_ORDER_CANCEL_REQUEST:
    return hdr->body_sz >= sizeof(wcx_order_cancel_request_t);
  case WCX_TEMPLATE_ORDER_CANCEL_REPLACE_REQUEST:
    return hdr->body_sz >= sizeof(wcx_order_cancel_replace_request_t);
  default:
    return false;
  }
}

/* Index lines: where the order is found, and where a new ClOrdID will stand. */
static inline bool begin(const wcx_engine_t *engine, const wcx_engine_input_t *input, look_t *look)
{
  uint16_t template_id = input->hdr->template_id;
  uint32_t session = wcx_idmap_find(&engine->session_map, input->hdr->session_id);
  const uint8_t *body = input->body;
  if (session == WCX_IDX_NONE || !is_request(input->hdr))
    return false;
  *look = (look_t){.session = session, .names = template_id != WCX_TEMPLATE_NEW_ORDER_SINGLE};
  if (template_id != WCX_TEMPLATE_ORDER_CANCEL_REQUEST)
    wcx_index_prefetch(&engine->index, session, wcx_digest_load64(body + offsetof(wcx_new_order_single_t, cl_ord_id)));
  if (!look->names)
  {
    wcx_new_order_single_t request;
    memcpy(&request, body, sizeof(request));
    look->side = request.side;
    if (request.side == WCX_SIDE_BUY || request.side == WCX_SIDE_SELL)
      set_price(engine, look, request.security_id, request.price);
    if (look->key_px != 0)
      fetch_leaf(engine, look);
    return look->key_px != 0;
  }
  look->orig_cl_ord_id = wcx_digest_load64(body + offsetof(wcx_order_cancel_request_t, orig_cl_ord_id));
  look->order_id = wcx_digest_load64(body + offsetof(wcx_order_cancel_request_t, order_id));
  if (template_id == WCX_TEMPLATE_ORDER_CANCEL_REPLACE_REQUEST)
  {
    wcx_order_cancel_replace_request_t request;
    memcpy(&request, body, sizeof(request));
    set_price(engine, look, request.security_id, request.price);
  }
  if (look->order_id == WCX_U64_NULL)
    wcx_index_prefetch(&engine->index, session, look->orig_cl_ord_id);
  return true;
}
static_assert(offsetof(wcx_new_order_single_t, cl_ord_id) == offsetof(wcx_order_cancel_replace_request_t, cl_ord_id), "begin");
static_assert(offsetof(wcx_order_cancel_request_t, orig_cl_ord_id) == offsetof(wcx_order_cancel_replace_request_t, orig_cl_ord_id), "begin");
static_assert(offsetof(wcx_order_cancel_request_t, order_id) == offsetof(wcx_order_cancel_replace_request_t, order_id), "begin");

static inline void find_order_or_level(const wcx_engine_t *engine, look_t *look)
{
  if (!look->names)
  {
    fetch_level(engine, look);
    return;
  }
  look->slot = look->order_id == WCX_U64_NULL ? wcx_index_peek(&engine->index, look->session, look->orig_cl_ord_id) : (uint32_t)look->order_id & WCX_ORDER_SLOT_MAX;
  if (look->slot > engine->pool.bump)
    look->slot = 0;
  __builtin_prefetch(&engine->pool.orders[look->slot], 1);
  __builtin_prefetch(&engine->pool.links[look->slot], 1);
}

static inline void find_neighbours(const wcx_engine_t *engine, look_t *look)
{
  if (!look->names)
  {
    fetch_tail(engine, look);
    return;
  }
  const wcx_order_t *order = &engine->pool.orders[look->slot];
  wcx_order_links_t links = engine->pool.links[look->slot];
  const wcx_level_t *level = &engine->ladders.levels[order->level != WCX_LEVEL_UNSEEN ? order->level : 0];
  (void)*(const volatile int64_t *)&level->price; /* loaded, not prefetched, as in mass_cancel.c: a tenth of profile c's time */
  __builtin_prefetch(&engine->pool.orders[order->next], 1);
  __builtin_prefetch(&engine->pool.orders[order->prev], 1);
  __builtin_prefetch(&engine->pool.links[links.next], 1);
  __builtin_prefetch(&engine->pool.links[links.prev], 1);
  look->side = order->side;
  if (look->key_px != 0 && look->slot != 0)
    fetch_level(engine, look);
}

void wcx_engine_prefetch(const wcx_engine_t *engine, const wcx_engine_input_t *inputs, uint32_t cnt)
{
  look_t looks[CHUNK];
  if (engine->pool.live < LIVE_MIN)
    return;
  for (uint32_t from = 0; from < cnt; from += CHUNK)
  {
    uint32_t to = cnt - from < CHUNK ? cnt : from + CHUNK;
    uint32_t look_cnt = 0;
    for (uint32_t i = from; i < to; i++)
      look_cnt += begin(engine, &inputs[i], &looks[look_cnt]);
    for (uint32_t i = 0; i < look_cnt; i++)
      find_order_or_level(engine, &looks[i]);
    for (uint32_t i = 0; i < look_cnt; i++)
      find_neighbours(engine, &looks[i]);
    for (uint32_t i = 0; i < look_cnt; i++)
      if (looks[i].names && looks[i].level != 0)
        fetch_tail(engine, &looks[i]);
  }
}
