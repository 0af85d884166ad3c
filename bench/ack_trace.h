/* Where the time of an ack goes, found from outside: the schedule, the release word as the poll loop's side sees it, and afterwards the journal itself, whose records say when
   they were received and whose blocks say when they were sealed. The journal worker does nothing for it.

       due --received--> in the ring --sealed--> in a block --released--> gate open --answered--> off the wire
              the loop          the write before it   its own write, and        answers packed, sent,
              was late          is still in flight    what is done around it    read by the other side

   Owner:      the thread of the poll loop; wcx_ack_trace_read when the loop rests.
   Memory:     84 bytes for each request that is expected.
   Units:      ns, UTC as the journal has it: the difference of the two clocks is taken at the beginning of each round.
   Bounds:     the release word is looked at once a turn of the loop, so `released` is late by a turn at most.
   Invariants: the stages of a request add up to what became of it: answered - due.
   Pinned by:  tests/bench/test_bench.py. */
#ifndef WCX_BENCH_ACK_TRACE_H
#define WCX_BENCH_ACK_TRACE_H

#include "engine/base/hist.h"

#include <stdbool.h>

enum wcx_ack_stage
{
  WCX_ACK_RECEIVED, /* from when it was due until the loop had it */
  WCX_ACK_SEALED,   /* .. until the block that takes it is sealed: it waits for the write in flight */
  WCX_ACK_WRITTEN,  /* .. its block's write, as the worker times it */
  WCX_ACK_RELEASED, /* .. what else there is between seal and the loop's sight of the release word */
  WCX_ACK_ANSWERED, /* .. until the answer was read off the wire */
  WCX_ACK_STAGES,
};

typedef struct wcx_ack_request
{
  uint64_t due_ns; /* 0: not one of these */
  uint64_t answered_ns;
  uint32_t stages[WCX_ACK_STAGES]; /* when the journal has been read */
} wcx_ack_request_t;

typedef struct wcx_ack_release
{
  uint64_t seq;
  uint64_t seen_ns;
  uint64_t write_ns; /* of the block that was complete last */
} wcx_ack_release_t;

typedef struct wcx_ack_trace
{
  wcx_ack_request_t *requests; /* by ClOrdID */
  wcx_ack_release_t *releases;
  uint64_t request_max;
  uint64_t release_max;
  uint64_t release_cnt;
  uint64_t utc_ns; /* what is added to a monotonic time */
} wcx_ack_trace_t;

/* Of all requests, and of those in the slowest hundredth. */
typedef struct wcx_ack_found
{
  double mean_ns[WCX_ACK_STAGES];
  double slow_ns[WCX_ACK_STAGES];
  uint64_t request_cnt;
  uint64_t block_cnt; /* those they stand in */
  uint64_t block_bytes;
} wcx_ack_found_t;

/* ClOrdIDs 1..request_max. */
void wcx_ack_trace_open(wcx_ack_trace_t *trace, uint64_t request_max);

/* Compare the two clocks. */
void wcx_ack_trace_begin(wcx_ack_trace_t *trace);

/* Once a turn; a word that was seen before is passed over. write_ns: of the block that was complete last. */
void wcx_ack_trace_release(wcx_ack_trace_t *trace, uint64_t seq, uint64_t write_ns, uint64_t mono_ns);

void wcx_ack_trace_answer(wcx_ack_trace_t *trace, uint64_t cl_ord_id, uint64_t due_mono_ns, uint64_t mono_ns);

/* The journal in `dir` holds all of them now. Requests that were refused before they had a place in it are left out, and those
   released after more releases than there was room for. */
void wcx_ack_trace_read(wcx_ack_trace_t *trace, const char *dir, uint32_t session_id, wcx_ack_found_t *found);

void wcx_ack_trace_close(wcx_ack_trace_t *trace);

#endif
