/* Counting, outside the engine, the inputs that end the process which replays them.

       replay: note(seq) -> apply -> note(0)        fault within (a failed check, SIGSEGV, ...): the handler writes {seq, build, count + 1} and the process ends as it would have
       next start: at that seq, same build, count = WCX_POISON_TRIES: quarantine, it refuses to go on; an override (engine/shm/journal_override.h) lets it

   The page is a file mapped shared: a store to it outlives the process without a system call. Only faults of the process itself count: kill -9 says nothing
   about an input. Another program (its bytes are digested) begins to count anew: it may have been mended. wcxctl signs nothing away that the page does not name.

   Owner:     the thread that replays; one page a process.
   Memory:    the mapping, for the life of the process.
   Result:    as each says.
   Pinned by: tests/unit/test_poison.c, tests/e2e/test_quarantine.py. */
#ifndef WCX_DATAPLANE_POISON_H
#define WCX_DATAPLANE_POISON_H

#include "engine/shm/poison_page.h"

#include <stdatomic.h>
#include <stdbool.h>

typedef struct wcx_poison
{
  wcx_poison_page_t *page;   /* NULL: nothing is counted */
  wcx_digest_t build;        /* of this program */
  _Atomic uint64_t applying; /* read by the handler of the same thread; 0: none */
} wcx_poison_t;

/* Map the page at `path` (made when missing), digest the program, catch the faults. False: err says why; nothing is counted then. */
bool wcx_poison_open(wcx_poison_t *poison, const char *path, char *err, size_t err_sz);

/* Whether this program has ended at `seq` as often as it may. */
bool wcx_poison_quarantined(const wcx_poison_t *poison, uint64_t seq);

/* What is applied from now on; 0: nothing. */
static inline void wcx_poison_note(wcx_poison_t *poison, uint64_t seq)
{
  atomic_store_explicit(&poison->applying, seq, memory_order_relaxed);
}

/* What the handler does before the process ends: for tests, and for the handler. */
void wcx_poison_record(wcx_poison_t *poison);

/* Replay is over: faults from now on are not those of a replayed input. */
void wcx_poison_close(wcx_poison_t *poison);

#endif
