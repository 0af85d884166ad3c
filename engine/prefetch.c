/* What a burst of requests will touch, asked of memory before it is applied. What is to be fetched hangs on what was fetched before, so a chunk of records goes
   through steps, all of it through one before the next begins: the index entry of an order that is named, the node below which one joins a level; the order, the
   level; its neighbours, the node below which it moves; the tail of the level; the level that is moved to; the tail of that. Whatever a look leads to is a guess that costs nothing when it is wrong. */
#include "engine/book.h"

#define LIVE_ANY 2048u  /* with fewer orders they and their entries stay in the caches as well */
#define LIVE_MIN 16384u /* with fewer orders, all but the orders themselves and their entries in the index stays in the caches */
#define CHUNK 32u

/* What a chunk leads to. Orders that requests name, by number: where the index has them, or what it would have there. */
typedef struct looks
{
  uint32_t named_cnt;
  uint32_t joined_cnt;
  const uint64_t *entry[CHUNK];
  uint64_t by_id[CHUNK];      /* an entry, for one that is named by its OrderID */
  uint32_t home[CHUNK];       /* of an entry in the index, else 0 */
  uint32_t slot[CHUNK];       /* of the order */
  const uint8_t *move[CHUNK]; /* the request, when it is a cancel/replace, else NULL */
  uint32_t joined[CHUNK];     /* levels that orders join; before that, what leads there */
  uint64_t joined_key[CHUNK];
} looks_t;

/* An order of this price joins a level: near the end of the way to it. */
static inline void approach_level(const wcx_engine_t *engine, looks_t *looks, uint32_t security_id, uint8_t side, int64_t price)
{
  uint32_t idx = wcx_idmap_find(&engine->instrument_map, security_id);
  if (idx == WCX_IDX_NONE || price <= 0)
    return;
  const wcx_instrument_t *instrument = &engine->instruments[idx];
  uint64_t rest;
  uint64_t key = wcx_book_key(side, wcx_divide(&instrument->increment, (uint64_t)price, &rest));
  uint32_t at = wcx_ladder_approach(&engine->ladders, &instrument->side[side - 1], key);
  if ((int32_t)at > 0)
  {
    const wcx_ladder_node_t *node = &engine->ladders.nodes[at];
    __builtin_prefetch(node);
    __builtin_prefetch(&node->child[key & 63]);
  }
  looks->joined[looks->joined_cnt] = at;
  looks->joined_key[looks->joined_cnt++] = key;
}

static inline void fetch_level(const wcx_engine_t *engine, looks_t *looks, uint32_t at)
{
  looks->joined[at] = wcx_ladder_arrive(&engine->ladders, looks->joined[at], looks->joined_key[at]);
  __builtin_prefetch(&engine->ladders.levels[looks->joined[at]], 1);
}

static inline void look_at_new(const wcx_engine_t *engine, looks_t *looks, const uint8_t *body)
{
  wcx_new_order_single_t request;
  memcpy(&request, body, sizeof(request));
  if (request.time_in_force == WCX_TIME_IN_FORCE_IOC || (uint8_t)(request.side - 1) > 1)
    return;
  approach_level(engine, looks, request.security_id, request.side, request.price);
}

static inline void look_at_name(const wcx_engine_t *engine, looks_t *looks, const wcx_record_hdr_t *hdr, const uint8_t *body)
{
  uint32_t session = wcx_idmap_find(&engine->session_map, hdr->session_id);
  if (__builtin_expect(session == WCX_IDX_NONE, 0))
    return;
  uint32_t at = looks->named_cnt++;
  uint64_t order_id = wcx_digest_load64(body + offsetof(wcx_order_cancel_request_t, order_id));
  looks->move[at] = hdr->template_id == WCX_TEMPLATE_ORDER_CANCEL_REPLACE_REQUEST ? body : NULL;
  if (__builtin_expect(order_id != WCX_U64_NULL, 0))
  {
    uint32_t slot = (uint32_t)order_id & WCX_ORDER_SLOT_MAX;
    looks->by_id[at] = slot <= engine->pool.bump ? slot : 0;
    looks->entry[at] = &looks->by_id[at];
    looks->home[at] = 0;
    return;
  }
  uint32_t home = wcx_index_home(&engine->index, session, wcx_digest_load64(body + offsetof(wcx_order_cancel_request_t, orig_cl_ord_id)));
  looks->home[at] = home;
  looks->entry[at] = &engine->index.entries[home & engine->index.mask];
  __builtin_prefetch(looks->entry[at], 1);
}
static_assert(offsetof(wcx_order_cancel_request_t, orig_cl_ord_id) == offsetof(wcx_order_cancel_replace_request_t, orig_cl_ord_id), "look_at_name");
static_assert(offsetof(wcx_order_cancel_request_t, order_id) == offsetof(wcx_order_cancel_replace_request_t, order_id), "look_at_name");

/* Requests that have something to fetch, with all of their block there: apply() has not looked at them yet. */
static inline __attribute__((always_inline)) void look(const wcx_engine_t *engine, looks_t *looks, const wcx_engine_input_t *inputs, uint32_t cnt, bool many)
{
  looks->named_cnt = 0;
  looks->joined_cnt = 0;
  for (uint32_t i = 0; i < cnt; i++)
  {
    const wcx_record_hdr_t *hdr = inputs[i].hdr;
    if (hdr->template_id == WCX_TEMPLATE_NEW_ORDER_SINGLE)
    {
      if (many && hdr->body_sz >= sizeof(wcx_new_order_single_t))
        look_at_new(engine, looks, inputs[i].body);
    }
    else if ((hdr->template_id == WCX_TEMPLATE_ORDER_CANCEL_REQUEST && hdr->body_sz >= sizeof(wcx_order_cancel_request_t)) ||
             (hdr->template_id == WCX_TEMPLATE_ORDER_CANCEL_REPLACE_REQUEST && hdr->body_sz >= sizeof(wcx_order_cancel_replace_request_t)))
      look_at_name(engine, looks, hdr, inputs[i].body);
  }
}

static inline void fetch_tail(const wcx_engine_t *engine, uint32_t level)
{
  __builtin_prefetch(&engine->pool.orders[engine->ladders.levels[level].tail], 1);
}

/* With few orders what another key's entry leads to will do: most stand where their keys lead. */
static inline void fetch_order(const wcx_engine_t *engine, looks_t *looks, uint32_t at, bool many)
{
  uint64_t entry = *looks->entry[at];
  uint32_t slot = (uint32_t)entry;
  if (many && __builtin_expect((uint32_t)(entry >> 32) != looks->home[at], 0))
    slot = wcx_index_peek(&engine->index, looks->home[at]);
  __builtin_prefetch(&engine->pool.orders[slot], 1);
  looks->slot[at] = slot;
  if (many && looks->move[at] == NULL) /* who moves keeps its place among its session's */
    __builtin_prefetch(&engine->pool.links[slot], 1);
}

static inline void fetch_neighbours(const wcx_engine_t *engine, looks_t *looks, uint32_t at)
{
  const wcx_order_t *order = &engine->pool.orders[looks->slot[at]];
  const wcx_level_t *level = &engine->ladders.levels[order->level != WCX_LEVEL_UNSEEN ? order->level : 0];
  if (__builtin_expect(looks->home[at] == 0, 0)) /* named by its OrderID: only the order says where its ClOrdID stands */
    wcx_index_fetch(&engine->index, wcx_index_home(&engine->index, order->session, order->cl_ord_id));
  const int64_t price = *(const volatile int64_t *)&level->price; /* loaded, not prefetched: a tenth of profile c's time */
  wcx_order_cancel_replace_request_t request;
  if (looks->move[at] != NULL)
  {
    memcpy(&request, looks->move[at], sizeof(request));
    if (request.price == price) /* it stays where it is */
      return;
  }
  __builtin_prefetch(&engine->pool.orders[order->next], 1);
  __builtin_prefetch(&engine->pool.orders[order->prev], 1);
  if (looks->move[at] == NULL)
  {
    const wcx_order_links_t links = engine->pool.links[looks->slot[at]];
    __builtin_prefetch(&engine->pool.links[links.next], 1);
    __builtin_prefetch(&engine->pool.links[links.prev], 1);
  }
  else if ((uint8_t)(order->side - 1) <= 1)
    approach_level(engine, looks, request.security_id, order->side, request.price);
}

static inline __attribute__((always_inline)) void prefetch(const wcx_engine_t *engine, looks_t *looks, const wcx_engine_input_t *inputs, uint32_t cnt, bool many)
{
  look(engine, looks, inputs, cnt, many);
  for (uint32_t i = 0; i < looks->named_cnt; i++)
    fetch_order(engine, looks, i, many);
  if (!many)
    return;
  const uint32_t entered_cnt = looks->joined_cnt;
  for (uint32_t i = 0; i < entered_cnt; i++)
    fetch_level(engine, looks, i);
  for (uint32_t i = 0; i < looks->named_cnt; i++)
    fetch_neighbours(engine, looks, i);
  for (uint32_t i = 0; i < entered_cnt; i++)
    fetch_tail(engine, looks->joined[i]);
  for (uint32_t i = entered_cnt; i < looks->joined_cnt; i++)
    fetch_level(engine, looks, i);
  for (uint32_t i = entered_cnt; i < looks->joined_cnt; i++)
    fetch_tail(engine, looks->joined[i]);
}

void wcx_engine_prefetch(const wcx_engine_t *engine, const wcx_engine_input_t *inputs, uint32_t cnt)
{
  if (engine->pool.live < LIVE_ANY)
    return;
  const bool many = engine->pool.live >= LIVE_MIN;
  looks_t looks;
  for (uint32_t from = 0; from < cnt; from += CHUNK)
  {
    uint32_t here = cnt - from < CHUNK ? cnt - from : CHUNK;
    if (many)
      prefetch(engine, &looks, &inputs[from], here, true);
    else
      prefetch(engine, &looks, &inputs[from], here, false);
  }
}
