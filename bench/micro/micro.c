#include "bench/micro/micro.h"

#include "bench/rig.h"
#include "engine/base/crc32c.h"
#include "engine/base/env.h"
#include "engine/ladder.h"
#include "engine/out_digest.h"
#include "engine/report.h"
#include "engine/shm/jring.h"
#include "engine/state.h"

#include <stdlib.h>

#define DRAWN (1u << 14) /* keys that a case walks through: drawn before, at random */

static void *zeroed(size_t cnt, size_t sz)
{
  void *mem = aligned_alloc(64, (cnt * sz + 63) & ~(size_t)63);
  if (mem == NULL)
    WCX_DIE("no memory for %zu of %zu bytes", cnt, sz);
  memset(mem, 0, cnt * sz);
  return mem;
}

/* --- pool --------------------------------------------------------------------------------------------------------------------------------- */

static void *pool_setup(uint32_t size)
{
  wcx_pool_t *pool = zeroed(1, sizeof(*pool));
  pool->max = size;
  pool->orders = zeroed((size_t)size + 1, sizeof(wcx_order_t));
  return pool;
}

static void pool_teardown(void *world)
{
  free(((wcx_pool_t *)world)->orders);
  free(world);
}

static uint64_t pool_alloc_free(void *world, uint32_t cnt)
{
  wcx_pool_t *pool = world;
  for (uint32_t i = 0; i < cnt; i++)
    wcx_pool_free(pool, wcx_pool_alloc(pool));
  return pool->free_hash;
}

/* --- ladder ------------------------------------------------------------------------------------------------------------------------------- */

typedef struct ladder_world
{
  wcx_ladders_t pools;
  wcx_ladder_t ladder;
  uint32_t pos;
  uint32_t level;         /* where the walk is */
  uint64_t there[DRAWN];  /* keys of levels */
  uint64_t absent[DRAWN]; /* keys between them */
} ladder_world_t;

/* Keys 2 * stride * i: the odd multiples of the stride are absent. */
static void *ladder_setup(uint32_t levels, uint64_t stride)
{
  ladder_world_t *world = zeroed(1, sizeof(*world));
  uint32_t max = levels + 1;
  world->pools.max = max;
  world->pools.levels = zeroed((size_t)max + 1, sizeof(wcx_level_t));
  world->pools.nodes = zeroed((size_t)max + 1, sizeof(wcx_ladder_node_t));
  for (uint32_t i = 0; i < levels; i++)
    wcx_ladder_insert(&world->pools, &world->ladder, 2 * stride * i, 1);
  uint64_t random = 1;
  for (uint32_t i = 0; i < DRAWN; i++)
  {
    world->there[i] = 2 * stride * wcx_rig_draw(&random, levels);
    world->absent[i] = 2 * stride * wcx_rig_draw(&random, levels) + stride;
  }
  return world;
}

static void *ladder_dense(uint32_t levels)
{
  return ladder_setup(levels, 1);
}

static void *ladder_sparse(uint32_t levels)
{
  return ladder_setup(levels, 1000003);
}

static void ladder_teardown(void *of)
{
  ladder_world_t *world = of;
  free(world->pools.levels);
  free(world->pools.nodes);
  free(world);
}

static uint64_t ladder_find(void *of, uint32_t cnt)
{
  ladder_world_t *world = of;
  uint64_t sum = 0;
  for (uint32_t i = 0; i < cnt; i++)
    sum += wcx_ladder_find(&world->pools, &world->ladder, world->there[world->pos++ % DRAWN]);
  return sum;
}

static uint64_t ladder_insert_remove(void *of, uint32_t cnt)
{
  ladder_world_t *world = of;
  for (uint32_t i = 0; i < cnt; i++)
    wcx_ladder_remove(&world->pools, &world->ladder, wcx_ladder_insert(&world->pools, &world->ladder, world->absent[world->pos++ % DRAWN], 1));
  return world->pools.level_live;
}

static uint64_t ladder_next(void *of, uint32_t cnt)
{
  ladder_world_t *world = of;
  uint32_t level = world->level;
  for (uint32_t i = 0; i < cnt; i++)
    level = level != 0 ? wcx_ladder_next(&world->pools, level) : world->ladder.best;
  world->level = level;
  return level;
}

/* --- index -------------------------------------------------------------------------------------------------------------------------------- */

typedef struct index_world
{
  wcx_index_t index;
  wcx_order_t *orders;
  uint32_t size;
  uint32_t pos;
  uint32_t *ids; /* `size` ClOrdIDs of orders that are there */
} index_world_t;

/* One session, ClOrdIDs 1.. in slots 1..; one slot more for what comes and goes. */
static void *index_setup(uint32_t size)
{
  index_world_t *world = zeroed(1, sizeof(*world));
  world->size = size;
  uint64_t cap = wcx_index_cap(size + 1);
  uint64_t spill_cap = wcx_index_spill_cap(size + 1);
  world->index = (wcx_index_t){.entries = zeroed(cap, sizeof(uint64_t)),
                               .spill = zeroed(spill_cap, sizeof(uint64_t)),
                               .mask = cap - 1,
                               .spill_mask = spill_cap - 1,
                               .hash_key = UINT64_C(0x9d3f5b1c77a1e42d)};
  world->orders = zeroed((size_t)size + 2, sizeof(wcx_order_t));
  for (uint32_t slot = 1; slot <= size; slot++)
  {
    world->orders[slot].cl_ord_id = slot;
    wcx_index_add(&world->index, 0, slot, slot);
  }
  world->ids = zeroed(size, sizeof(*world->ids));
  uint64_t random = 1;
  for (uint32_t i = 0; i < size; i++)
    world->ids[i] = 1 + wcx_rig_draw(&random, size);
  return world;
}

static void index_teardown(void *of)
{
  index_world_t *world = of;
  free(world->index.entries);
  free(world->index.spill);
  free(world->orders);
  free(world->ids);
  free(world);
}

static uint32_t next_id(index_world_t *world)
{
  world->pos = world->pos + 1 < world->size ? world->pos + 1 : 0;
  return world->ids[world->pos];
}

static uint64_t index_find(void *of, uint32_t cnt)
{
  index_world_t *world = of;
  uint64_t sum = 0;
  for (uint32_t i = 0; i < cnt; i++)
    sum += wcx_index_find(&world->index, world->orders, 0, next_id(world));
  return sum;
}

static uint64_t index_add_remove(void *of, uint32_t cnt)
{
  index_world_t *world = of;
  uint32_t slot = world->size + 1;
  for (uint32_t i = 0; i < cnt; i++)
  {
    uint64_t cl_ord_id = (uint64_t)world->size + next_id(world);
    wcx_index_add(&world->index, 0, cl_ord_id, slot);
    wcx_index_remove(&world->index, 0, cl_ord_id, slot);
  }
  return world->index.entries[0];
}

/* --- codec -------------------------------------------------------------------------------------------------------------------------------- */

typedef struct codec_world
{
  wcx_rig_t rig;
  wcx_engine_t *engine;
  wcx_new_order_single_t request;
  uint8_t record[WCX_RECORD_SZ_MAX];
} codec_world_t;

static void *codec_setup(uint32_t size)
{
  codec_world_t *world = zeroed(1, sizeof(*world));
  wcx_engine_limits_t limits = {.orders_max = 1, .levels_max = 1, .instruments_max = 1, .accounts_max = 1, .sessions_max = 1};
  wcx_rig_init(&world->rig, &limits, size);
  wcx_rig_restart(&world->rig);
  wcx_rig_session(&world->rig, 1, UINT32_MAX);
  world->engine = world->rig.engine;
  world->engine->out = &world->rig.log;
  world->request = (wcx_new_order_single_t){.price = 100, .order_qty = 5, .security_id = 1, .account = 1, .side = WCX_SIDE_BUY, .ord_type = WCX_ORD_TYPE_LIMIT};
  return world;
}

static void codec_teardown(void *of)
{
  codec_world_t *world = of;
  wcx_rig_free(&world->rig);
  free(world);
}

/* A NewOrderSingle as a journal record. */
static uint64_t codec_encode_new_order(void *of, uint32_t cnt)
{
  codec_world_t *world = of;
  uint64_t sum = 0;
  for (uint32_t i = 0; i < cnt; i++)
  {
    world->request.cl_ord_id = i;
    sum += wcx_rig_encode(&world->rig, world->record, WCX_TEMPLATE_NEW_ORDER_SINGLE, 1, i, &world->request, sizeof(world->request)).hdr->seq;
    __asm__ volatile("" ::: "memory"); /* each is written whole */
  }
  return sum;
}

/* An ER_New appended to the output log. */
static uint64_t codec_emit_er_new(void *of, uint32_t cnt)
{
  codec_world_t *world = of;
  for (uint32_t i = 0; i < cnt; i++)
  {
    world->rig.log.sent_pos = world->rig.log.write_pos;
    wcx_report_new(world->engine, &world->engine->sessions[0], &world->request, i, 100);
  }
  return world->rig.log.write_pos;
}

static uint64_t sum_er_new(const wcx_execution_report_new_t *er)
{
  return er->transact_time + er->exec_id + er->order_id + er->cl_ord_id + er->security_id + er->account + er->session_id + er->side + er->ord_status + er->ord_type +
         er->time_in_force + (uint64_t)er->price + (uint64_t)er->order_qty + (uint64_t)er->leaves_qty + (uint64_t)er->display_qty + (uint64_t)er->stop_px + er->receive_time +
         er->exec_inst + er->self_match_prevention_inst + er->self_match_prevention_id + er->expire_time + (uint64_t)er->min_qty;
}

static void *codec_decode_setup(uint32_t size)
{
  codec_world_t *world = codec_setup(size);
  wcx_rig_clear_log(&world->rig);
  codec_emit_er_new(world, 256);
  return world;
}

/* An entry of the output log walked to, its header told apart, every field of an ER_New read. */
static uint64_t codec_decode_er_new(void *of, uint32_t cnt)
{
  const codec_world_t *world = of;
  const wcx_outlog_t *log = &world->rig.log;
  uint64_t sum = 0;
  uint64_t pos = 0;
  for (uint32_t i = 0; i < cnt; i++)
  {
    pos = pos < log->write_pos ? wcx_outlog_settle(log, pos, log->write_pos) : 0;
    wcx_out_entry_t *entry = wcx_outlog_at(log, pos);
    const uint8_t *message = wcx_out_message(entry);
    wcx_message_header_t header;
    memcpy(&header, message, sizeof(header));
    WCX_CHECK(header.template_id == WCX_TEMPLATE_EXECUTION_REPORT_NEW, "template %u", header.template_id);
    sum += sum_er_new((const void *)(message + sizeof(header)));
    pos += entry->entry_sz;
  }
  return sum;
}

/* --- journal ring ------------------------------------------------------------------------------------------------------------------------- */

typedef struct ring_world
{
  wcx_jring_producer_t producer;
  wcx_jring_consumer_t consumer;
  wcx_rig_t rig; /* seq and stamps only */
  uint8_t record[WCX_RECORD_SZ_MAX];
  uint8_t taken[WCX_RECORD_SZ_MAX];
} ring_world_t;

static void *ring_setup(uint32_t slots)
{
  ring_world_t *world = zeroed(1, sizeof(*world));
  wcx_jring_t *ring = zeroed(1, wcx_jring_footprint(slots));
  ring->slot_max = slots;
  wcx_jring_producer_init(&world->producer, ring, zeroed(slots, sizeof(uint64_t)), 0);
  world->consumer = (wcx_jring_consumer_t){.ring = ring, .next_seq = 1};
  return world;
}

static void ring_teardown(void *of)
{
  ring_world_t *world = of;
  free(world->producer.end_pos);
  free(world->producer.ring);
  free(world);
}

/* A NewOrderSingle's record committed by the producer, then taken by the consumer, who checks it. */
static uint64_t jring_commit_take(void *of, uint32_t cnt)
{
  ring_world_t *world = of;
  wcx_new_order_single_t request = {.price = 100};
  uint64_t sum = 0;
  for (uint32_t i = 0; i < cnt; i++)
  {
    wcx_engine_input_t input = wcx_rig_encode(&world->rig, world->record, WCX_TEMPLATE_NEW_ORDER_SINGLE, 1, 1, &request, sizeof(request));
    WCX_CHECK(wcx_jring_room(&world->producer, input.hdr->seq - 1) >= WCX_JRING_RECORD_SLOTS_MAX, "no room for seq %llu", (unsigned long long)input.hdr->seq);
    wcx_jring_commit(&world->producer, input.hdr, input.body);
    uint32_t sz = 0;
    int got = wcx_jring_take(&world->consumer, WCX_RIG_SHARD, world->taken, &sz);
    WCX_CHECK(got == WCX_JRING_RECORD, "seq %llu: %d", (unsigned long long)input.hdr->seq, got);
    sum += sz;
  }
  return sum;
}

/* --- digests ------------------------------------------------------------------------------------------------------------------------------ */

typedef struct digest_world
{
  wcx_out_digest_t digest;
  wcx_digest_t sum;
  wcx_order_t order;
  uint32_t size;
  uint8_t bytes[4096];
} digest_world_t;

static void *digest_setup(uint32_t size)
{
  digest_world_t *world = zeroed(1, sizeof(*world));
  world->size = size;
  for (uint32_t i = 0; i < sizeof(world->bytes); i++)
    world->bytes[i] = (uint8_t)i;
  return world;
}

/* What one input said, absorbed. */
static uint64_t digest_output(void *of, uint32_t cnt)
{
  digest_world_t *world = of;
  for (uint32_t i = 0; i < cnt; i++)
    wcx_out_digest_absorb(&world->digest, world->bytes, world->size, 0);
  return wcx_out_digest_value(&world->digest).lo;
}

/* An order's hash added to the sum, right after a field of it was written: as in the engine, the wider loads wait for the narrower store. */
static uint64_t digest_order_hash(void *of, uint32_t cnt)
{
  digest_world_t *world = of;
  for (uint32_t i = 0; i < cnt; i++)
  {
    world->order.leaves = i;
    wcx_digest_add(&world->sum, wcx_order_hash(&world->order, 100));
  }
  return world->sum.lo;
}

static uint64_t digest_crc32c(void *of, uint32_t cnt)
{
  const digest_world_t *world = of;
  uint32_t crc = 0;
  for (uint32_t i = 0; i < cnt; i++)
    crc = wcx_crc32c(crc, world->bytes, world->size);
  return crc;
}

/* --- all of them -------------------------------------------------------------------------------------------------------------------------- */

#define LOG_SZ (1u << 16)

static const wcx_micro_case_t cases[] = {
    {"pool/alloc_free", 1000, pool_setup, pool_alloc_free, pool_teardown},
    {"ladder/find/dense/1", 1, ladder_dense, ladder_find, ladder_teardown},
    {"ladder/find/dense/100", 100, ladder_dense, ladder_find, ladder_teardown},
    {"ladder/find/dense/10000", 10000, ladder_dense, ladder_find, ladder_teardown},
    {"ladder/find/sparse/1", 1, ladder_sparse, ladder_find, ladder_teardown},
    {"ladder/find/sparse/100", 100, ladder_sparse, ladder_find, ladder_teardown},
    {"ladder/find/sparse/10000", 10000, ladder_sparse, ladder_find, ladder_teardown},
    {"ladder/insert_remove/dense/1", 1, ladder_dense, ladder_insert_remove, ladder_teardown},
    {"ladder/insert_remove/dense/100", 100, ladder_dense, ladder_insert_remove, ladder_teardown},
    {"ladder/insert_remove/dense/10000", 10000, ladder_dense, ladder_insert_remove, ladder_teardown},
    {"ladder/insert_remove/sparse/1", 1, ladder_sparse, ladder_insert_remove, ladder_teardown},
    {"ladder/insert_remove/sparse/100", 100, ladder_sparse, ladder_insert_remove, ladder_teardown},
    {"ladder/insert_remove/sparse/10000", 10000, ladder_sparse, ladder_insert_remove, ladder_teardown},
    {"ladder/next/dense/1", 1, ladder_dense, ladder_next, ladder_teardown},
    {"ladder/next/dense/100", 100, ladder_dense, ladder_next, ladder_teardown},
    {"ladder/next/dense/10000", 10000, ladder_dense, ladder_next, ladder_teardown},
    {"ladder/next/sparse/1", 1, ladder_sparse, ladder_next, ladder_teardown},
    {"ladder/next/sparse/100", 100, ladder_sparse, ladder_next, ladder_teardown},
    {"ladder/next/sparse/10000", 10000, ladder_sparse, ladder_next, ladder_teardown},
    {"index/find/1000", 1000, index_setup, index_find, index_teardown},
    {"index/find/100000", 100000, index_setup, index_find, index_teardown},
    {"index/find/1000000", 1000000, index_setup, index_find, index_teardown},
    {"index/add_remove/1000", 1000, index_setup, index_add_remove, index_teardown},
    {"index/add_remove/100000", 100000, index_setup, index_add_remove, index_teardown},
    {"index/add_remove/1000000", 1000000, index_setup, index_add_remove, index_teardown},
    {"codec/encode_new_order", LOG_SZ, codec_setup, codec_encode_new_order, codec_teardown},
    {"codec/emit_er_new", LOG_SZ, codec_setup, codec_emit_er_new, codec_teardown},
    {"codec/decode_er_new", LOG_SZ, codec_decode_setup, codec_decode_er_new, codec_teardown},
    {"jring/commit_take", 4096, ring_setup, jring_commit_take, ring_teardown},
    {"digest/output/240", 240, digest_setup, digest_output, free},
    {"digest/order_hash", 0, digest_setup, digest_order_hash, free},
    {"digest/crc32c/4096", 4096, digest_setup, digest_crc32c, free},
};

const wcx_micro_case_t *wcx_micro_at(uint32_t idx)
{
  return idx < sizeof(cases) / sizeof(cases[0]) ? &cases[idx] : NULL;
}
