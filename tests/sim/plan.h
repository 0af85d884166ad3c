/* What a seed is about: each draws which faults may happen in it, how fast everything is and how long its cycles are, and leaves the rest out.

   Few things at a time, pushed far, find more than everything at once, a little ("swarm"): a seed without power loss keeps one lineage for all its
   crashes, one with a slow disk piles up blocks in flight, one with long cycles crosses segments.

   Owner:     a value.
   Result:    a function of the seed alone.
   Pinned by: tests/sim/test_crash.py. */
#ifndef WCX_TESTS_SIM_PLAN_H
#define WCX_TESTS_SIM_PLAN_H

#include <stdint.h>
#include <stdio.h>

enum wcx_crash
{
  WCX_CRASH_DATAPLANE = 1,
  WCX_CRASH_JOURNAL = 2,
  WCX_CRASH_BOTH = 3,
  WCX_CRASH_POWER = 4,
};

#define WCX_PLAN_RING_SLOTS_MAX 512u
#define WCX_PLAN_CLIENTS_MAX 2u
#define WCX_PLAN_ODDS_LATE 4000u /* at and above: frames of the appliance come late, too, even after another one has taken its place */

typedef struct wcx_plan
{
  uint32_t cycles;          /* 1..10 crashes */
  uint32_t kinds;           /* bit per enum wcx_crash that may happen */
  uint32_t work_turns_max;  /* of one cycle, before its crash */
  uint32_t down_turns_max;  /* until what died is started again */
  uint32_t inside_percent;  /* crash inside a step, at a call of the environment; else between two */
  uint32_t again_percent;   /* crash during the recovery, too */
  uint32_t fail_percent;    /* a write or a sync of the disk fails in a cycle */
  uint32_t clients;         /* 1..WCX_PLAN_CLIENTS_MAX */
  uint32_t burst_max;       /* requests that a client sends at once */
  uint32_t undecided_max;   /* requests of a client without an answer */
  uint32_t cancel_percent;  /* of the requests */
  uint32_t replace_percent; /* of the requests */
  uint32_t wire_odds;       /* of 65,536, for each fault of the wire each way; 0: a good wire; see WCX_PLAN_ODDS_LATE */
  uint32_t disk_pace;       /* percent of writes in flight found complete at each look */
  uint32_t prepare_one_in;  /* steps of the worker to one of the preparing thread */
  uint32_t loop_of_8;       /* turns of 8 in which it steps */
  uint32_t journal_of_8;
  uint32_t client_of_8;
  uint32_t eager_lanes;    /* of the worker */
  uint32_t segments_ahead; /* of the worker */
  uint32_t ring_slots;     /* a power of two, at most WCX_PLAN_RING_SLOTS_MAX */
  uint32_t cycle_ms;       /* of the market data's snapshots; 0: none */
} wcx_plan_t;

wcx_plan_t wcx_plan_of(uint64_t seed);

/* One line, `name value` pairs. */
void wcx_plan_print(const wcx_plan_t *plan, FILE *to);

#endif
