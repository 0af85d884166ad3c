#include "tests/fuzz/rewind.h"

#include "engine/base/check.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PASS_STEPS 8u

typedef struct memory /* what is as it was before each input */
{
  uint8_t *live;
  uint8_t *tail; /* a copy of what lies behind the last whole page */
  size_t sz;     /* of the whole pages */
  size_t tail_sz;
} memory_t;

static memory_t memories[2];
static world_t saved_world;
static wcx_journal_chain_t saved_chain;

/* The fixture's assertions, outside any test of cmocka's, would end the program without a word. */
void _fail(const char *const file, const int line)
{
  wcx_check_failed(file, line, "fixture", "an assertion of the fixture failed");
}

static void small(wcx_params_t *params)
{
  wcx_params_shard_t *shard = &params->shards[0];
  shard->orders_max = 128;
  shard->levels_max = 128;
  shard->instruments_max = 2;
  shard->accounts_max = 4;
  shard->sessions_max = 4;
  shard->outlog_sz = 2u << 20;
  shard->retain_session_msgs = 64;
  shard->retain_feed_msgs = 64;
  params->purge_tcp_port = 7004;
  params->drop_copy_tcp_port = 7005;
  params->replay_tcp_port = 7006;
}

void rewind_new(world_t *w)
{
  world_new(w, small);
  w->forget = true;
}

static void keep(memory_t *memory, void *live, size_t sz)
{
  size_t whole = sz & ~(size_t)4095;
  *memory = (memory_t){.live = live, .tail = malloc(sz - whole + 1), .sz = whole, .tail_sz = sz - whole};
  memcpy(memory->tail, memory->live + whole, memory->tail_sz);
  int file = memfd_create("fuzz-rewind", 0);
  if (file < 0 || write(file, live, whole) != (ssize_t)whole || mmap(live, whole, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, file, 0) != live)
    WCX_DIE("no memory file of %zu bytes: %s", whole, strerror(errno));
  close(file);
}

void rewind_keep(const world_t *w)
{
  keep(&memories[0], w->mem, wcx_loop_footprint(&w->region->params, 0));
  keep(&memories[1], w->region, w->region->shard_off[0] + wcx_region_shard_footprint(w->region->params.shards[0].jring_slot_max));
  saved_chain = *w->chain;
  saved_world = *w;
}

void rewind_back(world_t *w)
{
  for (uint32_t i = 0; i < 2; i++)
  {
    if (madvise(memories[i].live, memories[i].sz, MADV_DONTNEED) != 0)
      WCX_DIE("the pages of an input stay: %s", strerror(errno));
    memcpy(memories[i].live + memories[i].sz, memories[i].tail, memories[i].tail_sz);
  }
  *w = saved_world;
  *w->chain = saved_chain;
}

void rewind_turns(world_t *w, uint32_t cnt)
{
  for (uint32_t i = 0; i < cnt; i++)
  {
    w->mono_ns -= 10000;
    w->utc_ns -= 10000;
    world_turn(w);
  }
}

void rewind_pass(world_t *w, uint32_t ms)
{
  for (uint32_t step = 0; step < PASS_STEPS; step++)
  {
    world_stall(w, ms * UINT64_C(1000000) / PASS_STEPS);
    rewind_turns(w, 1);
  }
}
