#include "tests/sim/sim_file.h"

#include "engine/base/check.h"
#include "tests/sim/env_sim.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define SECTOR 512u
#define PAGE_SZ WCX_SIM_PAGE_SZ
#define PAGE_SECTORS (PAGE_SZ / SECTOR)
#define ALL_SECTORS 0xffu
#define GARBAGE 0xdb

struct wcx_sim_page
{
  union
  {
    uint64_t refs; /* tables of files that point here */
    wcx_sim_page_t *next_free;
  } as;
  uint8_t bytes[PAGE_SZ];
};

static wcx_sim_page_t zero_page;
static wcx_sim_page_t garbage_page;
static wcx_sim_page_t *free_pages; /* kept for the next seed */

/* --- pages ---------------------------------------------------------------------------------------- */

static wcx_sim_page_t *new_page(void)
{
  wcx_sim_page_t *page = free_pages;
  if (page != NULL)
    free_pages = page->as.next_free;
  else
    page = malloc(sizeof(*page));
  WCX_CHECK(page != NULL, "memory");
  page->as.refs = 0;
  return page;
}

static void point(wcx_sim_page_t **place, wcx_sim_page_t *page)
{
  wcx_sim_page_t *before = *place;
  page->as.refs++;
  *place = page;
  if (before == NULL || before == &zero_page || before == &garbage_page || --before->as.refs > 0)
    return;
  before->as.next_free = free_pages;
  free_pages = before;
}

bool wcx_sim_all_zero(const void *bytes, size_t sz)
{
  const uint64_t *at = bytes; /* what is written is aligned to 4 KiB, sizes too */
  uint64_t any = 0;
  for (size_t i = 0; i < sz / 8; i++)
    any |= at[i];
  return any == 0;
}

void wcx_sim_file_free(wcx_sim_file_t *file)
{
  for (uint32_t i = 0; i < file->page_cnt; i++)
  {
    point(&file->seen[i], &zero_page);
    point(&file->durable[i], &zero_page);
  }
  free(file->seen);
  free(file->durable);
  free(file->unsynced);
  *file = (wcx_sim_file_t){0};
}

/* --- content -------------------------------------------------------------------------------------- */

static void grow(wcx_sim_file_t *file, uint64_t sz)
{
  uint32_t pages = (uint32_t)((sz + PAGE_SZ - 1) / PAGE_SZ);
  if (pages > file->page_cnt)
  {
    uint32_t cnt = file->page_cnt == 0 ? 64 : file->page_cnt;
    while (cnt < pages)
      cnt *= 2;
    file->seen = realloc(file->seen, cnt * sizeof(wcx_sim_page_t *));
    file->durable = realloc(file->durable, cnt * sizeof(wcx_sim_page_t *));
    file->unsynced = realloc(file->unsynced, cnt);
    WCX_CHECK(file->seen != NULL && file->durable != NULL && file->unsynced != NULL, "memory");
    memset(garbage_page.bytes, GARBAGE, PAGE_SZ);
    for (uint32_t i = file->page_cnt; i < cnt; i++)
    {
      file->seen[i] = file->durable[i] = &garbage_page;
      file->unsynced[i] = 0;
    }
    file->page_cnt = cnt;
  }
  if (sz > file->sz)
    file->sz = sz;
}

/* Sectors of `mask` become those of `from`; the page is taken over when they are all of it. */
static void mix(wcx_sim_page_t **place, wcx_sim_page_t *from, uint32_t mask)
{
  if (mask == ALL_SECTORS)
    point(place, from);
  if (mask == ALL_SECTORS || mask == 0)
    return;
  wcx_sim_page_t *page = new_page();
  for (uint32_t i = 0; i < PAGE_SECTORS; i++)
    memcpy(page->bytes + i * SECTOR, ((mask >> i & 1) != 0 ? from : *place)->bytes + i * SECTOR, SECTOR);
  point(place, page);
}

/* Durably, the sectors of `mask` of the page at `off`. NULL: zeros. */
static void write_page(wcx_sim_file_t *file, uint64_t off, const uint8_t *bytes, uint32_t mask)
{
  uint64_t i = off / PAGE_SZ;
  wcx_sim_page_t *page = bytes == NULL ? &zero_page : new_page();
  if (bytes != NULL)
    memcpy(page->bytes, bytes, PAGE_SZ);
  page->as.refs++; /* ours */
  bool same = file->seen[i] == file->durable[i];
  mix(&file->seen[i], page, mask);
  if (same)
    point(&file->durable[i], file->seen[i]);
  else
    mix(&file->durable[i], page, mask);
  point(&page, &zero_page);
  file->unsynced[i] = (uint8_t)(file->unsynced[i] & ~mask);
  if (mask != 0 && file->durable_sz < off + PAGE_SZ)
    file->durable_sz = off + PAGE_SZ;
}

void wcx_sim_file_write(wcx_sim_file_t *file, uint64_t off, const uint8_t *bytes, uint32_t sz)
{
  grow(file, off + sz);
  for (uint32_t at = 0; at < sz; at += PAGE_SZ)
    write_page(file, off + at, bytes == NULL ? NULL : bytes + at, ALL_SECTORS);
}

void wcx_sim_file_write_torn(wcx_sim_file_t *file, uint64_t off, const uint8_t *bytes, uint32_t sz)
{
  uint32_t percent = (uint32_t)wcx_sim_below(101);
  for (uint32_t at = 0; at < sz; at += PAGE_SZ)
  {
    uint32_t mask = 0;
    for (uint32_t i = 0; i < PAGE_SECTORS; i++)
      mask |= (uint32_t)wcx_sim_chance(percent) << i;
    if (mask == 0)
      continue;
    grow(file, off + at + PAGE_SZ);
    write_page(file, off + at, bytes == NULL ? NULL : bytes + at, mask);
  }
}

void wcx_sim_file_lose_unsynced(wcx_sim_file_t *file)
{
  uint64_t kind = wcx_sim_below(3); /* none, all, any */
  uint64_t sz = kind == 0 ? file->durable_sz : kind == 1 ? file->sz : wcx_sim_chance(50) ? file->sz : file->durable_sz;
  for (uint32_t i = 0; i < file->page_cnt; i++)
  {
    uint32_t mask = file->unsynced[i];
    if (mask != 0 && kind == 2)
      mask &= (uint32_t)wcx_sim_random();
    if (kind != 0)
      mix(&file->durable[i], file->seen[i], mask);
    point(&file->seen[i], file->durable[i]);
    file->unsynced[i] = 0;
  }
  file->sz = sz;
  file->durable_sz = sz;
}

void wcx_sim_file_fill_zero(wcx_sim_file_t *file, uint64_t off, uint64_t sz)
{
  grow(file, off + sz);
  for (uint64_t i = off / PAGE_SZ; i < (off + sz) / PAGE_SZ; i++)
  {
    point(&file->seen[i], &zero_page);
    file->unsynced[i] = ALL_SECTORS;
  }
}

/* One that fails has cleaned the pages: what it did not write, no later one writes. */
void wcx_sim_file_sync(wcx_sim_file_t *file, bool fails)
{
  for (uint32_t i = 0; i < file->page_cnt; i++)
  {
    if (!fails)
      mix(&file->durable[i], file->seen[i], file->unsynced[i]);
    file->unsynced[i] = 0;
  }
  file->failed = fails;
  if (!fails)
    file->durable_sz = file->sz;
}

void wcx_sim_file_rot(wcx_sim_file_t *file, uint64_t off)
{
  wcx_sim_page_t *page = new_page();
  memcpy(page->bytes, file->seen[off / PAGE_SZ]->bytes, PAGE_SZ);
  page->bytes[off % PAGE_SZ] ^= (uint8_t)(1u << wcx_sim_below(8));
  point(&file->seen[off / PAGE_SZ], page);
  point(&file->durable[off / PAGE_SZ], page);
}

int64_t wcx_sim_file_read(const wcx_sim_file_t *file, uint64_t off, void *buf, size_t sz)
{
  WCX_CHECK(off % 4096 == 0 && sz % 4096 == 0 && (uintptr_t)buf % 4096 == 0, "O_DIRECT: off %" PRIu64 " sz %zu", off, sz);
  if (off >= file->sz)
    return 0;
  uint64_t got = file->sz - off < sz ? file->sz - off : sz;
  for (uint64_t at = 0; at < got; at += PAGE_SZ)
    memcpy((uint8_t *)buf + at, file->seen[(off + at) / PAGE_SZ]->bytes, got - at < PAGE_SZ ? got - at : PAGE_SZ);
  return (int64_t)got;
}
