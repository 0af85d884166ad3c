/* A file of the simulated disk: what a read returns, apart from what a power loss leaves.

       fill_zero     seen, not synced: a power loss leaves none, all or any sectors of it
       write         seen and durable at once: the caller decides when a write ends, and whether whole or torn
       sync          what is seen is durable; one that fails forgets what it was asked to write

   Contents are pages that are shared until they are written: segments are mostly zeros, and what is durable is mostly what is seen. Beyond what was written a file
   holds garbage, not zeros.

   Owner:     the one thread of a simulation; what is torn and lost is drawn from env_sim.
   Memory:    pages from malloc, kept for the next file; a zeroed wcx_sim_file_t is an empty file.
   Units:     bytes; off and sz are multiples of WCX_SIM_PAGE_SZ, as O_DIRECT wants them, but for wcx_sim_file_rot.
   Pinned by: tests/fault/test_journal_crash.c, tests/fault/test_journal_faults.c, tests/sim/test_crash.py. */
#ifndef WCX_SIM_SIM_FILE_H
#define WCX_SIM_SIM_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WCX_SIM_PAGE_SZ 4096u

typedef struct wcx_sim_page wcx_sim_page_t;

typedef struct wcx_sim_file
{
  bool used;   /* the disk's */
  bool failed; /* a sync of it failed */
  uint32_t page_cnt;
  uint64_t sz, durable_sz;
  wcx_sim_page_t **seen;    /* what a read returns */
  wcx_sim_page_t **durable; /* what survives */
  uint8_t *unsynced;        /* per page, a bit per sector: seen differs from durable and was not synced */
} wcx_sim_file_t;

/* An empty file again. */
void wcx_sim_file_free(wcx_sim_file_t *file);

/* Whole, or each sector with a chance of its own. NULL: zeros. */
void wcx_sim_file_write(wcx_sim_file_t *file, uint64_t off, const uint8_t *bytes, uint32_t sz);
void wcx_sim_file_write_torn(wcx_sim_file_t *file, uint64_t off, const uint8_t *bytes, uint32_t sz);

void wcx_sim_file_fill_zero(wcx_sim_file_t *file, uint64_t off, uint64_t sz);
void wcx_sim_file_sync(wcx_sim_file_t *file, bool fails);
void wcx_sim_file_lose_unsynced(wcx_sim_file_t *file);

/* A bit of the byte at off, which is below sz, is another one from now on. */
void wcx_sim_file_rot(wcx_sim_file_t *file, uint64_t off);

/* Bytes read, 0 at the end. */
int64_t wcx_sim_file_read(const wcx_sim_file_t *file, uint64_t off, void *buf, size_t sz);

/* bytes: 8-aligned, sz a multiple of 8. */
bool wcx_sim_all_zero(const void *bytes, size_t sz);

#endif
