/* From a new process to a loop that receives: epoch, snapshot, replay of what follows it, genesis, the sessions left open.

       ask --asked--> wait --answered--> load --newest good snapshot, or none--> replay --cut_seq--> genesis --> day --> close sessions --> serving
        '---------------------------------- D0: no journal ------------------------------------------^

   From a snapshot comes what a replay from the first input would have left: the engine, and the window of what may be asked for again. One that cannot be used
   is named in an alarm on stderr and the next older one is tried. One that goes further than the journal ends the start: what it holds was acknowledged.

   An empty journal gets its genesis from the parameters, each record flagged WCX_RECORD_F_GENESIS. A genesis that was cut short by a crash is continued:
   record n of it has seq n. With a journal that has its genesis the parameters must say the same, or the process refuses to start.

   Owner:     the loop's thread, before it receives; one step does a bounded part, or loads one snapshot.
   Calls:     reads files of snapshots and of the journal; nothing else here may block.
   Failures:  WCX_DIE: what differs or is missing, and what to do.
   Pinned by: tests/unit/test_loop_start.c, tests/property/test_loop_snapshot.c. */
#ifndef WCX_DATAPLANE_START_H
#define WCX_DATAPLANE_START_H

#include "dataplane/gate.h"
#include "dataplane/poison.h"
#include "engine/resume.h"

enum wcx_start_phase
{
  WCX_START_ASK = 1,
  WCX_START_WAIT = 2,
  WCX_START_LOAD = 3,
  WCX_START_REPLAY = 4,
  WCX_START_GENESIS = 5,
  WCX_START_DAY = 6,
  WCX_START_CLOSE = 7,
  WCX_START_DONE = 8,
};

typedef struct wcx_start
{
  wcx_input_t *input;
  wcx_gate_t *gate;
  wcx_feed_t *feed;
  const wcx_params_t *params;
  const wcx_params_shard_t *shard;
  uint64_t *end_pos; /* memory for the ring's producer */
  uint8_t *walk_buf; /* and for the walk: WCX_JOURNAL_WALK_BUF_SZ bytes, 4 KiB aligned */
  void *engine_mem;  /* where the engine is */
  size_t engine_sz;
  wcx_engine_limits_t limits;
  uint32_t phase; /* enum wcx_start_phase */
  uint32_t pad;
  uint64_t asked;
  uint64_t epoch;
  uint64_t cut_seq;
  uint64_t genesis_seq;  /* records of the journal that are genesis, from the first on */
  uint32_t genesis_next; /* item to journal or to check */
  uint32_t close_next;   /* session to look at */
  uint64_t snapshot_seq; /* of the snapshot it began with; 0: none */
  char journal_dir[512];
  char snapshot_dir[512];
  wcx_poison_t poison;
  bool watch_faults; /* set by the process: count the replayed inputs that end it */
  wcx_resume_t resume;
  wcx_journal_walk_t walk;
} wcx_start_t;

/* One step; returns the work done. */
uint32_t wcx_start_step(wcx_start_t *start);

/* What is being waited for: a static string. */
const char *wcx_start_waiting_for(const wcx_start_t *start);

/* YYYYMMDD of a UTC time. */
uint32_t wcx_start_date_of(uint64_t utc_ns);

/* Journal the day of this turn's time when it is later than the engine's. True when the engine has it. */
bool wcx_start_day(wcx_input_t *input, wcx_feed_t *feed, uint16_t flags);

#endif
