/* The poll loop of a shard: one call is one turn, from frames in to frames out.

       clock (arguments) -> housekeeping -> credit -> bounded poll -> parse, sequence, commit, apply -> doorbell -> verdicts -> gate, transmit -> accounting

   A new loop starts by itself: its first turns ask for an epoch, replay the journal, journal the genesis or check it, and close the sessions that
   were open; only then does it receive. A data plane that restarts is a new loop over the same region and the same journal.

   Owner:       one thread per loop; one loop per shard and port.
   Memory:      all of it given to wcx_loop_new; nothing is allocated later, except by the source of the journal's walker while it replays. No pointer into it is kept by
                anyone else: to simulate a death, stop calling and forget it.
   Time:        an argument, never read. mono_ns must not fall; utc_ns may (the sequencer clamps), and jump (dataplane/clock.h).
   Calls:       none of its own but the doorbell of a sleeping worker; a start reads the journal's files through engine/shm/journal_walk.h.
   Result:      wcx_loop_step returns the work done (frames, inputs, messages); 0 = idle.
   Bounds:      a turn reads at most WCX_PORT_BURST_MAX frames and packs a bounded number.
   Failures:    WCX_DIE while starting (what and how to fix it); WCX_CHECK on a release word of a foreign epoch, and on a frame that would leave before the
                inputs it depends on are released.
   Pinned by:   tests/unit/test_loop_*.c. */
#ifndef WCX_DATAPLANE_LOOP_H
#define WCX_DATAPLANE_LOOP_H

#include "dataplane/port.h"
#include "dataplane/tcp.h"
#include "engine/engine.h"
#include "engine/shm/region.h"

typedef struct wcx_loop wcx_loop_t;

typedef struct wcx_loop_config
{
  wcx_region_t *region; /* params_ready */
  uint32_t shard_idx;   /* into region->params.shards */
  uint32_t pad;
  wcx_port_t *port; /* NULL: wcx_loop_plug gives port and TCP later */
  wcx_tcp_t *tcp;   /* NULL: no TCP */
  void *mem;        /* wcx_loop_footprint bytes, 4,096-aligned (huge pages are better) */
  size_t mem_sz;
  uint64_t hash_key; /* random: against chosen ids and addresses; has no effect on any output */
  bool watch_faults; /* replayed inputs that end this process are counted (dataplane/poison.h): it is the only loop in it */
} wcx_loop_config_t;

/* Why a loop cannot run with these parameters (a text that names the key), or NULL. */
const char *wcx_loop_params_error(const wcx_params_t *params, uint32_t shard_idx);

/* Bytes of memory for this shard; 0 when a parameter is out of range. */
size_t wcx_loop_footprint(const wcx_params_t *params, uint32_t shard_idx);

/* The ports and sizes of a TCP stack with these parameters; without its key. */
wcx_tcp_config_t wcx_loop_tcp_config(const wcx_params_t *params);

/* Set-up. The durability level is that of the parameters: D0 needs no journal worker, all others do. */
wcx_loop_t *wcx_loop_new(const wcx_loop_config_t *config);

/* The port and the TCP stack (NULL: none) of a loop that was made without. The turns up to wcx_loop_replayed need neither: another thread may open them meanwhile. */
void wcx_loop_plug(wcx_loop_t *loop, wcx_port_t *port, wcx_tcp_t *tcp);

/* One turn. */
uint32_t wcx_loop_step(wcx_loop_t *loop, uint64_t mono_ns, uint64_t utc_ns);

/* True once the history of the journal is applied: from here on a loop needs its port. */
bool wcx_loop_replayed(const wcx_loop_t *loop);

/* True once the loop receives. */
bool wcx_loop_serving(const wcx_loop_t *loop);

/* What a loop that is not serving waits for: a static string for people. */
const char *wcx_loop_waiting_for(const wcx_loop_t *loop);

/* Last input of the snapshot it began with; 0: it replayed the whole journal. */
uint64_t wcx_loop_snapshot_seq(const wcx_loop_t *loop);

/* A definition that an operator makes while the loop serves, as an input of its own between two turns: journaled, applied, said when it is released. The
   caller has asked wcx_engine_definition_error. Returns its seq, or 0 when there is no room now. Tests, until operators have a way to it. */
uint64_t wcx_loop_define(wcx_loop_t *loop, uint16_t template_id, const void *body, uint16_t body_sz);

/* The engine, to look at: tests, simulator. */
const wcx_engine_t *wcx_loop_engine(const wcx_loop_t *loop);

#endif
