/* The whole appliance in one thread: the real poll loop, engine and journal worker on a simulated wire, disk and clock, two clients, and crashes.

       client <-> wire <-> loop <-> region (ring, words) <-> journal worker <-> disk
                    |                                                            |
                    '-- every frame that leaves is told to the oracle            '-- torn, lost and reordered when the power goes

   One seed decides everything: who steps, what is sent, when and how it crashes. A cycle is: work, crash, recovery, work, quiescence, judgement.

   Owner:     one thread, one world at a time.
   Memory:    allocated by init, reused by every seed. */
#ifndef WCX_TESTS_SIM_WORLD_H
#define WCX_TESTS_SIM_WORLD_H

#include "dataplane/client/session.h"
#include "dataplane/loop.h"
#include "dataplane/port_sim.h"
#include "persist/journal.h"
#include "tests/sim/oracle.h"

#define WCX_WORLD_CLIENTS 2u

enum wcx_crash
{
  WCX_CRASH_DATAPLANE = 1,
  WCX_CRASH_JOURNAL = 2,
  WCX_CRASH_BOTH = 3,
  WCX_CRASH_POWER = 4,
};

typedef struct wcx_world wcx_world_t;

typedef struct wcx_world_client
{
  wcx_world_t *world;
  uint32_t idx;
  wcx_client_session_t session;
  bool begun;
} wcx_world_client_t;

struct wcx_world
{
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
  wcx_journal_t *journal; /* memory, 4 KiB aligned */
  bool journal_alive;
  uint64_t dataplane_back; /* turn at which a dead part is started again */
  uint64_t journal_back;
  uint64_t turn;

  wcx_world_client_t clients[WCX_WORLD_CLIENTS];
  wcx_oracle_t oracle;
  void *replay_mem;
  size_t replay_sz;
  uint8_t *replay_log;

  uint64_t requests;
  uint64_t crashes[WCX_CRASH_POWER + 1];
  uint64_t stuck; /* cycles that did not come to rest: a liveness failure */
};

void wcx_world_init(wcx_world_t *world);
void wcx_world_free(wcx_world_t *world);

/* Run one seed: `cycles` crash cycles over one journal. Adds to the oracle's counts, which the caller reads and resets. */
void wcx_world_run(wcx_world_t *world, uint64_t seed, uint32_t cycles);

#endif
