/* The whole appliance in one thread: the real poll loop, engine and journal worker on a simulated wire, disk and clock, two clients, and crashes.

       client <-> wire <-> loop <-> region (ring, words) <-> journal worker <-> disk
                    |                                                            |
                    '-- every frame that leaves is told to the oracle            '-- torn, lost and reordered when the power goes

   One seed decides everything: its plan (plan.h), who steps, what is sent, when and how it crashes. A cycle is work until requests are in flight, a crash,
   and the recovery, into which the next cycle's work runs. At the end of a seed all comes to rest and is judged: judge.h.

   Time is simulated: it passes by microseconds while something happens, and by milliseconds while everybody waits.

   Owner:     one thread, one world at a time.
   Memory:    allocated by init, reused by every seed. */
#ifndef WCX_TESTS_SIM_WORLD_H
#define WCX_TESTS_SIM_WORLD_H

#include "dataplane/client/session.h"
#include "dataplane/loop.h"
#include "dataplane/port_sim.h"
#include "persist/journal.h"
#include "tests/sim/oracle.h"
#include "tests/sim/plan.h"

#define WCX_WORLD_REQUESTS_MAX 65536u /* of a client in a seed */

typedef struct wcx_world wcx_world_t;

typedef struct wcx_world_client
{
  wcx_world_t *world;
  uint32_t idx;
  wcx_client_session_t session;
  bool begun;
} wcx_world_client_t;

/* What a run adds to. */
typedef struct wcx_world_counts
{
  uint64_t cycles;
  uint64_t in_flight; /* of them: requests were without an answer when the crash came */
  uint64_t crashes[WCX_CRASH_POWER + 1];
  uint64_t disk_failures; /* writes and syncs that failed */
  uint64_t requests;
  uint64_t told;
  uint64_t points; /* calls of the environment */
  uint64_t lost, phantom, duplicated, divergences;
  uint64_t stuck; /* seeds that did not come to rest: a liveness failure */
} wcx_world_counts_t;

struct wcx_world
{
  wcx_plan_t plan;
  uint64_t prng;
  uint64_t mono_ns;
  bool trace;
  char dir[64];     /* of the journal */
  uint32_t running; /* WCX_CRASH_DATAPLANE or _JOURNAL: whose code runs, should a crash point fire */

  wcx_params_t *params;
  wcx_region_t *region;
  size_t region_sz;
  void *loop_mem;
  size_t loop_mem_sz;
  wcx_wire_t *wire;
  wcx_port_t *port; /* NULL: the data plane is dead */
  wcx_loop_t *loop;
  bool served;            /* it has been seen serving */
  wcx_journal_t *journal; /* memory, 4 KiB aligned */
  bool journal_alive;
  uint64_t dataplane_back; /* turn at which a dead part is started again */
  uint64_t journal_back;
  uint64_t turn;
  uint64_t quiet_since; /* turn at which something happened last */
  uint64_t progress;    /* what had happened by then */

  wcx_world_client_t clients[WCX_PLAN_CLIENTS_MAX];
  wcx_oracle_t oracle;
  uint64_t advertised[1 + WCX_PLAN_CLIENTS_MAX]; /* the highest next number said of the feed and of each session */
  uint64_t not_applied[WCX_PLAN_CLIENTS_MAX][WCX_WORLD_REQUESTS_MAX / 64]; /* bit per ClOrdID: it was told that it will never apply */
  uint64_t feed_sent[2];                         /* on a good wire: the next number of each line that was not sent yet */
  uint64_t epoch;                                /* of the last data plane that served */
  uint64_t incarnation;                          /* of the last worker that was ready */
  uint64_t failures_seen;                        /* of the disk, when the worker started */
  void *replay_mem;
  size_t replay_sz;
  uint8_t *replay_log;

  wcx_world_counts_t counts;
};

void wcx_world_init(wcx_world_t *world);
void wcx_world_free(wcx_world_t *world);

/* Run one seed. Adds to world->counts. */
void wcx_world_run(wcx_world_t *world, uint64_t seed);

/* A short workload of `seed`, `turns` long, that crashes at the nth call of the environment, and again at the again-th after that (0: not again); then rest
   and judgement. False when fewer calls were made: no such crash. */
bool wcx_world_crash_at(wcx_world_t *world, uint64_t seed, uint32_t turns, uint64_t nth, enum wcx_crash kind, uint64_t again, enum wcx_crash again_kind);

/* Capacities of the engine under test. */
wcx_engine_limits_t wcx_world_limits(const wcx_world_t *world);

#endif
