/* Prefetching reads what clients wrote before anything has judged it: it may not believe it, and may not change a result. Enough orders live for it to be at work. */
#include "tests/unit/engine_fixture.h"

#define FEW 4000u     /* of whose orders prefetch.c asks for the lines alone */
#define ORDERS 24000u /* more than it leaves to the caches in anything */
#define BURST 37u

static const wcx_engine_limits_t large_limits = {
    .shard = 1, .orders_max = 30000, .levels_max = 20000, .instruments_max = 4, .accounts_max = 16, .sessions_max = 16, .hash_key = UINT64_C(0x5eed)};

static uint64_t rng;

static uint64_t draw(uint64_t below)
{
  rng = rng * UINT64_C(6364136223846793005) + 1442695040888963407;
  return (rng >> 33) % below;
}

typedef struct request
{
  wcx_record_hdr_t hdr;
  uint8_t *body; /* of hdr.body_sz bytes and no more: a sanitizer sees who reads on */
} request_t;

/* Words from nowhere, and words that are nearly right. */
static uint64_t any_word(void)
{
  static const uint64_t words[] = {0, 1, 2, 100, 1000, UINT32_MAX, UINT64_C(1) << 62, INT64_MAX, UINT64_C(1) << 63, UINT64_MAX};
  uint64_t kind = draw(4);
  if (kind == 0)
    return words[draw(sizeof(words) / sizeof(words[0]))];
  if (kind == 1)
    return draw(1 << 24) << 40 | draw(1 << 20) << 20 | draw(1 << 20);
  return kind == 2 ? draw(ORDERS) : draw(3) << 24 | draw(32768);
}

static request_t any_request(void)
{
  request_t request = {.hdr = {.format = WCX_RECORD_FORMAT, .template_id = (uint16_t)(99 + draw(12)), .shard = 1, .session_id = (uint32_t)draw(12)}};
  request.hdr.body_sz = (uint16_t)(8 * (draw(4) == 0 ? 1 + draw(12) : 16));
  request.body = malloc(request.hdr.body_sz);
  assert_non_null(request.body);
  for (size_t at = 0; at < request.hdr.body_sz; at += 8)
  {
    uint64_t word = any_word();
    memcpy(request.body + at, &word, sizeof(word));
  }
  return request;
}

/* Sides and instruments that exist, everything else as it comes. */
static void make_plausible(request_t *request)
{
  if (request->hdr.template_id != WCX_TEMPLATE_NEW_ORDER_SINGLE || request->hdr.body_sz < sizeof(wcx_new_order_single_t))
    return;
  wcx_new_order_single_t order;
  memcpy(&order, request->body, sizeof(order));
  order.side = (uint8_t)(1 + draw(2));
  order.security_id = 1;
  memcpy(request->body, &order, sizeof(order));
}

static void crowd(world_t *w, uint32_t cnt)
{
  for (uint32_t i = 0; i < cnt; i++)
  {
    uint32_t session = 1 + i % 8;
    uint8_t side = (uint8_t)(1 + draw(2));
    int64_t away = (int64_t)(draw(2) == 0 ? draw(3000) : draw(20) * draw(UINT64_C(1) << 30));
    order(w, session, side, side == BUY ? INT64_C(1000000000000) - 1 - away : INT64_C(1000000000000) + away, 1 + (int64_t)draw(9));
    if (draw(16) == 0)
      cancel(w, session, 1 + draw(w->cl_ord_id[session]));
  }
}

static void prefetch_among(uint32_t cnt, uint64_t live_min)
{
  static world_t w;
  static request_t requests[BURST];
  wcx_engine_input_t inputs[BURST];
  rng = 0x5eed;
  world_make(&w, &large_limits, 1 << 20);
  world_populate(&w);
  crowd(&w, cnt);
  assert_true(wcx_engine_orders_live(w.engine) > live_min);
  wcx_digest_t before = wcx_engine_state_digest(w.engine);
  uint64_t seq = wcx_engine_applied_seq(w.engine);
  for (uint32_t round = 0; round < 3000; round++)
  {
    for (uint32_t i = 0; i < BURST; i++)
    {
      requests[i] = any_request();
      if (draw(2) == 0)
        make_plausible(&requests[i]);
      inputs[i] = (wcx_engine_input_t){.hdr = &requests[i].hdr, .body = requests[i].body};
    }
    wcx_engine_prefetch(w.engine, inputs, 1 + round % BURST);
    for (uint32_t i = 0; i < BURST; i++)
      free(requests[i].body);
  }
  wcx_digest_t after = wcx_engine_state_digest_full(w.engine);
  assert_memory_equal(&before, &after, sizeof(before));
  assert_int_equal(wcx_engine_applied_seq(w.engine), seq);
  world_free(&w);
}

static void nothing_is_believed_and_nothing_changes(void **state)
{
  (void)state;
  prefetch_among(FEW, 2048);
  prefetch_among(ORDERS, 16384);
}

int main(void)
{
  const struct CMUnitTest tests[] = {cmocka_unit_test(nothing_is_believed_and_nothing_changes)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
