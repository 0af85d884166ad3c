/* Crash simulation of the journal worker alone: one seed plays a data plane, a worker and a preparing thread, kills them or cuts the power at random
   crash points (also during recovery), and checks after each recovery:
     lost      everything that was ever released is there, byte for byte
     phantom   nothing is there that the present lineage did not write: no discarded record comes back
     chain     the walk ends clean or cut, and the worker never refuses to start after a crash
   Any number of runs in one process; not reentrant. */
#ifndef WCX_SIM_JOURNAL_CRASH_H
#define WCX_SIM_JOURNAL_CRASH_H

#include <stddef.h>
#include <stdint.h>

typedef struct wcx_journal_crash_counts
{
  uint64_t crashes;
  uint64_t power_losses;
  uint64_t cuts;      /* recoveries that threw something away */
  uint64_t discarded; /* whole blocks thrown away */
  uint64_t anchored;  /* recoveries that did not read from the start */
  uint64_t trimmed;   /* walks of a journal whose oldest segments were removed */
  uint64_t released;  /* records */
  uint64_t points;    /* crash points passed */
} wcx_journal_crash_counts_t;

/* Play `seed` with this many crashes. NULL when all held, else what did not. Adds to *counts. */
const char *wcx_journal_crash_run(uint64_t seed, uint32_t crash_cnt, wcx_journal_crash_counts_t *counts);

#endif
