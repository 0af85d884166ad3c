/* The client's flow: from a datagram of a bound session to journaled inputs, or to the answer PROTOCOL section 2 gives.

   Flow (E expected, s sequence of the datagram, n blocks)
       s == E          process
       s > E           NotApplied(E, s - E), then process from s; s - E > WCX_SEQUENCER_GAP_MAX: Terminate(ProtocolError)
       s < E < s + n   skip E - s blocks, process the rest
       s + n <= E      ignore and count; at most once a millisecond a heartbeat
   A block that is refused here (BusinessMessageReject) has consumed its sequence, and so has one that is journaled.

   Where tags are agreed (dataplane/tag.h) a datagram without its own is dropped before anything of it is believed.
   A request whose bytes are right may still be refused for want of a token (dataplane/throttle.h) or because ring, log or disk fill up (dataplane/pressure.h).

   A datagram is checked whole before its first block counts. When ring or log have no room for the next block, the datagram stays unread: the caller
   keeps it and offers it again; what was done is skipped then because E has moved on.

   Owner:      the loop.
   Result:     true when the datagram is done with.
   Pinned by:  tests/unit/test_loop_flow.c, tests/unit/test_loop_throttle.c, tests/unit/test_loop_tag.c. */
#ifndef WCX_DATAPLANE_SEQUENCER_H
#define WCX_DATAPLANE_SEQUENCER_H

#include "dataplane/pressure.h"
#include "dataplane/signon.h"

#define WCX_SEQUENCER_GAP_MAX 65536u

typedef struct wcx_sequencer
{
  wcx_input_t *input;
  wcx_sessions_t *sessions;
  wcx_signon_t *signon;
  wcx_egress_t *egress;
  wcx_stats_t *stats;
  wcx_pressure_t pressure;
} wcx_sequencer_t;

/* A datagram on the order port that names a session; `mold` is its parsed header. */
bool wcx_sequencer_receive(wcx_sequencer_t *sequencer, const wcx_datagram_t *datagram, const wcx_mold_t *mold, uint64_t mono_ns);

#endif
