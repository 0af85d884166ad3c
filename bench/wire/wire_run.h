/* One stretch of open-loop load: sends every request of the books at its time, takes the answers meanwhile, and counts what was not as it must be.

       answers off the sockets -> whatever is due by now, in order -> timers of one session -> again

   Nothing waits for an answer. A request that cannot leave now (window, socket) keeps those behind it waiting; all of them stay due when they were.

   Owner:      one thread, which should have its CPU for itself.
   Memory:     none of its own.
   Units:      monotonic ns; an answer came when the port's clock says, where it has one, otherwise the clock is read when it is handed out.
   Result:     stretch: whether every request came to an end; if not, its late answers would be taken for the next one's, so that there may be none. Counts are those since
               count_anew; wcx_wire_run_fault names what makes them invalid.
   Bounds:     returns when all is answered or not applied, or `patience_ns` after the last request was due.
   Pinned by:  tests/bench/test_wire.py. */
#ifndef WCX_BENCH_WIRE_WIRE_RUN_H
#define WCX_BENCH_WIRE_WIRE_RUN_H

#include "bench/wire/crew.h"
#include "bench/wire/mix.h"
#include "bench/wire/open_loop.h"
#include "bench/wire/reference.h"

typedef struct wcx_wire_run
{
  wcx_crew_t *crew;
  wcx_mix_t *mix;
  wcx_open_loop_t *loop;      /* during a stretch */
  uint64_t base;              /* request 0 of the books is this one of the mix */
  uint64_t patience_ns;       /* for the last answers */
  uint64_t resting_cnt;       /* orders that a mass cancel must end; 0: there is none */
  uint64_t mass_idx;          /* the request of the books that it is */
  wcx_reference_t *reference; /* told of every request and message; NULL: nothing to compare with */
  bool shows;                 /* progress, on a terminal */
  bool sleeps;                /* between requests, until something comes: who else needs this CPU has it, and a request leaves when the kernel wakes us */
  /* since count_anew */
  uint64_t request_cnt, answered_cnt, not_applied_cnt;
  uint64_t refused_cnt;  /* BusinessMessageReject: throttled, overloaded, malformed */
  uint64_t rejected_cnt; /* ExecutionReport_Reject */
  uint64_t missed_cnt;   /* OrderCancelReject: what it named was gone */
  uint64_t blocked_cnt;  /* turns in which a due request could not leave */
  uint64_t affected_cnt; /* orders that the mass cancel ended, as its report says; until that is here a stretch does not end */
  uint64_t mass_ns;      /* from when it was due to that report */
  wcx_crew_faults_t before;
} wcx_wire_run_t;

/* The callbacks for wcx_crew_config_t, whose ctx is the run. */
void wcx_wire_run_decided(void *ctx, uint32_t tag, uint8_t fate, const void *message, size_t sz);
void wcx_wire_run_message(void *ctx, const void *message, size_t sz);

/* Forget what was counted, faults too. */
void wcx_wire_run_count_anew(wcx_wire_run_t *run);

bool wcx_wire_run_stretch(wcx_wire_run_t *run, wcx_open_loop_t *loop);

/* Cancel everything that the sessions have resting, and wait for the reports: for the reference to count. */
void wcx_wire_run_sweep(wcx_wire_run_t *run);

/* What the sessions suffered since then. */
wcx_crew_faults_t wcx_wire_run_suffered(const wcx_wire_run_t *run);

/* Why what was measured is not right, or NULL; the reference is not asked. */
const char *wcx_wire_run_fault(const wcx_wire_run_t *run);

#endif
