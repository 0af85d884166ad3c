/* Requests on a schedule through the whole poll loop: frames on a simulated wire at their times, a turn of the loop, the answers off the wire.

       schedule (made before) --due--> wire --> wcx_loop_step --> wire --> answers: now - due, into a histogram
                                                  |      ^
                                                  v      | release word
                                              journal worker, a process on another CPU

   A request is due at its time whatever became of the ones before it, and its delay counts from then: nothing is omitted while the loop is late. All of it
   is one thread, so the loop pays for the wire: two copies of a frame, and reading what it says to everybody.

   Owner:      one thread, pinned to the poll loop's CPU.
   Memory:     the loop's in anonymous memory advised for huge pages; frames of one round at a time.
   Units:      ns, monotonic.
   Result:     dies when a request is not answered. A request that is refused because the ring is nearly full counts as answered and is counted apart, as is a
               cancel of an order that was.
   Pinned by:  tests/bench/test_bench.py. */
#ifndef WCX_BENCH_PACED_H
#define WCX_BENCH_PACED_H

#include "bench/ack_trace.h"
#include "bench/worker_rig.h"
#include "dataplane/loop.h"
#include "dataplane/port_sim.h"
#include "engine/base/hist.h"

typedef struct wcx_paced
{
  wcx_worker_rig_t *worker;
  wcx_wire_t *wire;
  wcx_port_t *port;
  wcx_tcp_t *tcp;
  wcx_loop_t *loop;
  void *mem;
  size_t mem_sz;
  char mold[10];
  uint64_t random;
  const uint8_t *next_record; /* of the requests */
  uint64_t sent_cnt;          /* requests; the ClOrdID of the last one */
  uint64_t answered_cnt;
  uint64_t refused_cnt; /* of these: there was too little room in the ring */
  uint64_t first_cnt;   /* requests before this round */
  uint64_t *due_ns;     /* of this round; 0: answered */
  uint8_t *frames;      /* the same: FRAME_ROOM bytes each */
  uint32_t round_max;
  wcx_hist_t *hist;       /* NULL: warming up */
  wcx_ack_trace_t *trace; /* of the rounds that have a hist */
} wcx_paced_t;

#define WCX_PACED_SESSION_ID 1u

/* What the loop needs besides wcx_worker_rig_params: the instrument, accounts and session of a flow's records (bench/engine_run.h). */
void wcx_paced_params(wcx_params_t *params, uint32_t orders_max, uint32_t levels_max);

/* A loop over the worker's region, serving, its session signed on. requests: records of a flow, the first request of them; round_max: requests of a round;
   trace: open, for all requests of all rounds. */
void wcx_paced_open(wcx_paced_t *paced, wcx_worker_rig_t *worker, const uint8_t *requests, uint32_t round_max, wcx_ack_trace_t *trace);

/* The next `cnt` requests at `per_s` a second on average, gaps drawn from an exponential distribution; returns when all are answered. hist: NULL, or where delays go,
   and then each is traced. */
void wcx_paced_round(wcx_paced_t *paced, uint32_t cnt, double per_s, wcx_hist_t *hist);

/* Turn the loop, nothing to do, until *done is 1. */
void wcx_paced_rest(wcx_paced_t *paced, _Atomic uint32_t *done);

void wcx_paced_close(wcx_paced_t *paced);

#endif
