#include "bench/miss.h"

#include "bench/cli.h"
#include "bench/rig.h"
#include "engine/base/env.h"

#include <sys/mman.h>

#define BURST 32u
#define BATCH 256u
#define BATCHES_MAX 10000u
#define LOADS UINT64_C(20000)
#define LOAD_ROUNDS 11u

typedef struct line
{
  _Alignas(64) uint32_t names[15]; /* random: fractions of a table, in 2^-32 */
  uint32_t touched;
} line_t;
static_assert(sizeof(line_t) == 64, "one line");

struct wcx_miss
{
  line_t *lines[WCX_MISS_TABLES];
  uint64_t line_cnt[WCX_MISS_TABLES];
  uint64_t random;
};

wcx_miss_t *wcx_miss_new(const uint64_t line_cnt[WCX_MISS_TABLES])
{
  wcx_miss_t *miss = wcx_rig_map(sizeof(*miss));
  miss->random = 1;
  for (uint32_t table = 0; table < WCX_MISS_TABLES; table++)
  {
    miss->line_cnt[table] = line_cnt[table];
    miss->lines[table] = wcx_rig_map(line_cnt[table] * sizeof(line_t));
    for (uint64_t i = 0; i < line_cnt[table]; i++)
      for (uint32_t name = 0; name < 15; name++)
        miss->lines[table][i].names[name] = (uint32_t)(wcx_rig_random(&miss->random) >> 32);
  }
  return miss;
}

void wcx_miss_free(wcx_miss_t *miss)
{
  for (uint32_t table = 0; table < WCX_MISS_TABLES; table++)
    munmap(miss->lines[table], miss->line_cnt[table] * sizeof(line_t));
  munmap(miss, sizeof(*miss));
}

static inline line_t *named(const wcx_miss_t *miss, uint8_t table, uint32_t name)
{
  return &miss->lines[table][(name * miss->line_cnt[table]) >> 32];
}

/* The lines of one operation, as far as they can be known: those whose namer stands at `depth` - 1. */
static inline void find(const wcx_miss_t *miss, const wcx_miss_shape_t *shape, const uint8_t *depths, uint8_t depth, const uint32_t *request, line_t **lines)
{
  for (uint32_t i = 0; i < shape->touch_cnt; i++)
  {
    if (depths[i] != depth)
      continue;
    uint8_t by = shape->touches[i].by;
    lines[i] = named(miss, shape->touches[i].table, by == WCX_MISS_REQUEST ? request[i] : lines[by]->names[i]);
    __builtin_prefetch(lines[i], 1);
  }
}

/* One burst. request[op][touch]: what the requests name; when chained, only together with the first line of the operation before (else a random walk would soon run
   in a small circle). */
static void burst(const wcx_miss_t *miss, const wcx_miss_shape_t *shape, const uint8_t *depths, uint8_t depth_max, uint32_t request[BURST][WCX_MISS_TOUCH_MAX],
                  const line_t **before)
{
  line_t *lines[BURST][WCX_MISS_TOUCH_MAX];
  for (uint8_t depth = 0; shape->prefetched && depth <= depth_max; depth++)
    for (uint32_t op = 0; op < BURST; op++)
      find(miss, shape, depths, depth, request[op], lines[op]);
  for (uint32_t op = 0; op < BURST; op++)
  {
    for (uint32_t i = 0; shape->chained && i < shape->touch_cnt; i++)
      request[op][i] ^= (*before)->names[i];
    for (uint8_t depth = 0; !shape->prefetched && depth <= depth_max; depth++)
      find(miss, shape, depths, depth, request[op], lines[op]);
    for (uint32_t i = 0; i < shape->touch_cnt; i++)
      lines[op][i]->touched++;
    *before = lines[op][0];
  }
}

double wcx_miss_op_ns(wcx_miss_t *miss, const wcx_miss_shape_t *shape, uint32_t batches)
{
  static double per_op[BATCHES_MAX];
  uint8_t depths[WCX_MISS_TOUCH_MAX] = {0};
  uint8_t depth_max = 0;
  WCX_CHECK(shape->touch_cnt <= WCX_MISS_TOUCH_MAX && batches >= 1 && batches <= BATCHES_MAX, "%u touches, %u batches", shape->touch_cnt, batches);
  for (uint32_t i = 0; i < shape->touch_cnt; i++)
  {
    uint8_t by = shape->touches[i].by;
    WCX_CHECK(by == WCX_MISS_REQUEST || by < i, "touch %u is named by touch %u", i, by);
    depths[i] = by == WCX_MISS_REQUEST ? 0 : (uint8_t)(depths[by] + 1);
    depth_max = depths[i] > depth_max ? depths[i] : depth_max;
  }
  const line_t *before = miss->lines[0];
  for (uint32_t batch = 0; batch < batches; batch++)
  {
    uint32_t request[BATCH / BURST][BURST][WCX_MISS_TOUCH_MAX];
    for (uint32_t i = 0; i < BATCH; i++)
      for (uint32_t name = 0; name < WCX_MISS_TOUCH_MAX; name++)
        request[i / BURST][i % BURST][name] = (uint32_t)(wcx_rig_random(&miss->random) >> 32);
    uint64_t from_ns = wcx_env_mono_ns();
    for (uint32_t i = 0; i < BATCH / BURST; i++)
      burst(miss, shape, depths, depth_max, request[i], &before);
    per_op[batch] = (double)(wcx_env_mono_ns() - from_ns) / BATCH;
  }
  return wcx_cli_median(per_op, batches);
}

double wcx_miss_load_ns(uint64_t line_cnt)
{
  line_t *lines = wcx_rig_map(line_cnt * sizeof(line_t));
  uint64_t random = 1;
  for (uint64_t i = 0; i < line_cnt; i++)
    lines[i].names[0] = (uint32_t)i;
  for (uint64_t i = line_cnt - 1; i > 0; i--) /* Sattolo: one cycle through all of them */
  {
    uint32_t other = wcx_rig_draw(&random, (uint32_t)i);
    uint32_t name = lines[i].names[0];
    lines[i].names[0] = lines[other].names[0];
    lines[other].names[0] = name;
  }
  double per_load[LOAD_ROUNDS];
  uint32_t at = 0;
  for (uint32_t round = 0; round < LOAD_ROUNDS; round++)
  {
    uint64_t from_ns = wcx_env_mono_ns();
    for (uint64_t i = 0; i < LOADS; i++)
      at = lines[at].names[0];
    per_load[round] = (double)(wcx_env_mono_ns() - from_ns) / (double)LOADS;
  }
  lines[0].touched = at; /* so that the loads are made */
  __asm__ volatile("" ::"r"(lines) : "memory");
  munmap(lines, line_cnt * sizeof(line_t));
  return wcx_cli_median(per_load, LOAD_ROUNDS);
}
