/* One request at a time is followed through the loop, and how long it stayed in each stage goes to the histograms of the region (engine/shm/stages.h).

       REST --time--> BEGUN --burst--> PICKED --its frame--> DECODING --admitted--> SEQUENCING --committed--> APPLYING --applied--> WAITING
        ^                                                     |  '- TCP: STREAM until the links' turn -'                              | the gate has passed it
        |<----------------- no request in it -----------------'                                                                       v
        '<----------------------------------- the port has taken everything: recorded --------------------------------------------- SENDING

   Between two of them lies WCX_TRACE_REST_NS, so what following costs is bounded by time, whatever the load: a quiet appliance has every request followed. Which frame
   of a burst it is goes round. Over TCP it is the first request that the links bring in the turn of the segment.

   Owner:      the loop.
   Clock:      wcx_env_ticks, only while one is followed. ns are learned from the turns' own times: nothing is recorded in the first 100 ms, and a scale holds until twice the
               time it was learned over has passed.
   Cost:       one comparison a hook for a request that is not followed.
   Invariants: no decision of the loop depends on anything here.
   Pinned by:  tests/unit/test_loop_trace.c. */
#ifndef WCX_DATAPLANE_TRACE_H
#define WCX_DATAPLANE_TRACE_H

#include "engine/shm/stages.h"

#include <stdbool.h>

#define WCX_TRACE_REST_NS UINT64_C(1000000)
#define WCX_TRACE_LEARN_NS UINT64_C(100000000)
#define WCX_TRACE_NO_FRAME UINT32_MAX

enum wcx_trace_at
{
  WCX_TRACE_REST = 0,
  WCX_TRACE_BEGUN,
  WCX_TRACE_PICKED,
  WCX_TRACE_DECODING,
  WCX_TRACE_STREAM,
  WCX_TRACE_SEQUENCING,
  WCX_TRACE_APPLYING,
  WCX_TRACE_WAITING,
  WCX_TRACE_SENDING,
};

typedef struct wcx_trace
{
  wcx_stages_t *stages;
  uint32_t at;   /* enum wcx_trace_at */
  uint32_t pick; /* frame of the burst that is followed; WCX_TRACE_NO_FRAME: none */
  uint64_t seq;  /* of the request */
  uint64_t due_ns;
  uint64_t begun; /* ticks, as all below */
  uint64_t stamp;
  uint64_t took[WCX_STAGE_CNT];
  uint64_t round;

  /* the scale */
  uint64_t base_ticks;
  uint64_t base_ns;
  uint64_t learn_ns;      /* from base_ns on, when it is learned next */
  uint64_t ns_per_tick_q; /* times 2^32; 0: not known */
} wcx_trace_t;

void wcx_trace_init(wcx_trace_t *trace, wcx_stages_t *stages);

/* Before the port is polled. */
void wcx_trace_begin(wcx_trace_t *trace, uint64_t mono_ns);
static inline void wcx_trace_poll(wcx_trace_t *trace, uint64_t mono_ns)
{
  if (trace->at <= WCX_TRACE_BEGUN && mono_ns >= trace->due_ns)
    wcx_trace_begin(trace, mono_ns);
}

/* A burst of frame_cnt > 0 came. */
void wcx_trace_choose(wcx_trace_t *trace, uint32_t frame_cnt);
static inline void wcx_trace_burst(wcx_trace_t *trace, uint32_t frame_cnt)
{
  if (trace->at == WCX_TRACE_BEGUN)
    wcx_trace_choose(trace, frame_cnt);
}

/* Its frame is taken up; it was handled: without a request in it, another one is followed. */
void wcx_trace_frame(wcx_trace_t *trace);
void wcx_trace_settle(wcx_trace_t *trace);

/* It is a TCP segment; the links are about to be read; they were read. */
static inline void wcx_trace_segment(wcx_trace_t *trace)
{
  if (trace->at == WCX_TRACE_DECODING)
    trace->at = WCX_TRACE_STREAM;
}
static inline void wcx_trace_links(wcx_trace_t *trace)
{
  if (trace->at == WCX_TRACE_STREAM)
    trace->at = WCX_TRACE_DECODING;
}
static inline void wcx_trace_linked(wcx_trace_t *trace)
{
  if (trace->at > WCX_TRACE_PICKED && trace->at < WCX_TRACE_WAITING)
    wcx_trace_settle(trace);
}

/* The end of `stage` for the request that is followed, if it is where the stage's end is due. */
void wcx_trace_stamp(wcx_trace_t *trace, enum wcx_stage stage);
static inline void wcx_trace_admitted(wcx_trace_t *trace)
{
  if (trace->at == WCX_TRACE_DECODING)
    wcx_trace_stamp(trace, WCX_STAGE_decode);
}
static inline void wcx_trace_committed(wcx_trace_t *trace)
{
  if (trace->at == WCX_TRACE_SEQUENCING)
    wcx_trace_stamp(trace, WCX_STAGE_sequence);
}
static inline void wcx_trace_applied(wcx_trace_t *trace, uint64_t seq)
{
  if (trace->at != WCX_TRACE_APPLYING)
    return;
  trace->seq = seq;
  wcx_trace_stamp(trace, WCX_STAGE_apply);
}

/* The gate has passed everything up to passed_seq, and the port is about to be given what that brought. */
static inline void wcx_trace_passed(wcx_trace_t *trace, uint64_t passed_seq)
{
  if (trace->at == WCX_TRACE_WAITING && passed_seq >= trace->seq)
    wcx_trace_stamp(trace, WCX_STAGE_gate);
}

/* The port has taken everything. */
void wcx_trace_finish(wcx_trace_t *trace, uint64_t mono_ns);
static inline void wcx_trace_sent(wcx_trace_t *trace, uint64_t mono_ns)
{
  if (trace->at == WCX_TRACE_SENDING)
    wcx_trace_finish(trace, mono_ns);
}

#endif
