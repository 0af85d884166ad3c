#include "dataplane/tcp_memory.h"
#include "engine/base/check.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* A sanitized build sees who touches a block that is free, or goes beyond what was asked for. */
#if defined(__SANITIZE_ADDRESS__)
#define WATCHED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WATCHED 1
#endif
#endif
#ifdef WATCHED
#include <sanitizer/asan_interface.h>
#define FORBID(at, sz) __asan_poison_memory_region(at, sz)
#define ALLOW(at, sz) __asan_unpoison_memory_region(at, sz)
#else
#define FORBID(at, sz) ((void)(at), (void)(sz))
#define ALLOW(at, sz) ((void)(at), (void)(sz))
#endif

#define HUGE_PAGE_SZ ((size_t)2 << 20)
#define SIZE_CNT 4u
#define BLOCK_HEADER_SZ 16u /* keeps blocks 16-aligned */
#define BLOCK_USED 0x75736564u
#define BLOCK_FREE 0x66726565u

/* Stands before every block. */
typedef struct block
{
  uint32_t size_idx;
  uint32_t mark; /* BLOCK_USED or BLOCK_FREE: a block freed twice is our bug */
  struct block *next;
} block_t;
static_assert(sizeof(block_t) == BLOCK_HEADER_SZ, "block header");

static const uint32_t sizes[SIZE_CNT] = {128, 256, 512, WCX_TCP_BLOCK_SZ_MAX};
/* Blocks of each size a connection may come to hold: small segments, control blocks, middle ones, and a full queue of each direction. */
static const uint32_t per_conn[SIZE_CNT] = {64, 8, 8, 24};

typedef struct size_class
{
  block_t *free;
  uint32_t free_cnt;
  uint32_t block_cnt;
} size_class_t;

static size_class_t classes[SIZE_CNT];

void wcx_tcp_memory_init(uint32_t conn_max)
{
  if (classes[0].block_cnt != 0)
    return;
  for (uint32_t i = 0; i < SIZE_CNT; i++)
  {
    size_t stride = BLOCK_HEADER_SZ + sizes[i];
    uint32_t cnt = per_conn[i] * (conn_max + 8);
    size_t rounded = (cnt * stride + HUGE_PAGE_SZ - 1) & ~(HUGE_PAGE_SZ - 1);
    uint8_t *mem = aligned_alloc(HUGE_PAGE_SZ, rounded);
    if (mem == NULL)
      WCX_DIE("no %zu MiB of memory for TCP: lower tcp_connections_max", cnt * stride >> 20);
    (void)madvise(mem, rounded, MADV_HUGEPAGE); /* a restart waits for these pages */
    memset(mem, 0, cnt * stride);               /* no page is missing later */
    for (uint32_t n = cnt; n-- > 0;)
    {
      block_t *block = (block_t *)(void *)(mem + n * stride);
      *block = (block_t){.size_idx = i, .mark = BLOCK_FREE, .next = classes[i].free};
      classes[i].free = block;
      FORBID(block + 1, sizes[i]);
    }
    classes[i].block_cnt = classes[i].free_cnt = cnt;
  }
}

/* Whether less than one of `parts` is left for some size: of its own blocks and the larger ones, which stand in for them. */
static _Bool is_below(uint32_t parts)
{
  uint32_t free_cnt = 0;
  uint32_t block_cnt = 0;
  for (uint32_t i = SIZE_CNT; i-- > 0;)
  {
    free_cnt += classes[i].free_cnt;
    block_cnt += classes[i].block_cnt;
    if (free_cnt < block_cnt / parts)
      return 1;
  }
  return 0;
}

_Bool wcx_tcp_memory_scarce(void)
{
  return is_below(8);
}

_Bool wcx_tcp_memory_tight(void)
{
  return is_below(2);
}

uint32_t wcx_tcp_memory_used(void)
{
  uint32_t used = 0;
  for (uint32_t i = 0; i < SIZE_CNT; i++)
    used += classes[i].block_cnt - classes[i].free_cnt;
  return used;
}

void mem_init(void)
{
}

void *mem_malloc(size_t sz)
{
  for (uint32_t i = 0; i < SIZE_CNT; i++)
  {
    block_t *block = classes[i].free;
    if (sz > sizes[i] || block == NULL)
      continue;
    classes[i].free = block->next;
    classes[i].free_cnt--;
    block->mark = BLOCK_USED;
    ALLOW(block + 1, sz);
    return block + 1;
  }
  return NULL;
}

void *mem_calloc(size_t cnt, size_t sz)
{
  void *block = mem_malloc(cnt * sz);
  if (block != NULL)
    memset(block, 0, cnt * sz);
  return block;
}

void *mem_trim(void *block, size_t sz)
{
  (void)sz;
  return block;
}

void mem_free(void *mem)
{
  if (mem == NULL)
    return;
  block_t *block = (block_t *)mem - 1;
  WCX_CHECK(block->size_idx < SIZE_CNT && block->mark == BLOCK_USED, "TCP memory: a block freed that is not used: size %u mark %x", block->size_idx, block->mark);
  block->mark = BLOCK_FREE;
  FORBID(mem, sizes[block->size_idx]);
  block->next = classes[block->size_idx].free;
  classes[block->size_idx].free = block;
  classes[block->size_idx].free_cnt++;
}
