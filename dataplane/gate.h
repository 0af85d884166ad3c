/* The gate: a cursor over the output log. What lies before it has been released and packed; what lies behind it waits for its input.

   A turn walks from the cursor to the first message whose input is not released, packs messages into datagrams per binding and for the feed, and queues them:
   every private datagram before a feed datagram that may print the same event. It has two halves, so that the port can be given the private ones in between.

   Owner:      the loop.
   Memory:     WCX_GATE_PACKETS_MAX open datagrams.
   Bounds:     at most WCX_GATE_MESSAGES_MAX messages a turn; stops early when the port has no frames.
   Invariants: the cursor never passes a message whose input_seq > release_seq; numbers of a stream pass in order, each once.
   Pinned by:  tests/unit/test_loop_gate.c. */
#ifndef WCX_DATAPLANE_GATE_H
#define WCX_DATAPLANE_GATE_H

#include "dataplane/feed.h"
#include "dataplane/signon.h"

#define WCX_GATE_PACKETS_MAX 16u
#define WCX_GATE_NO_PACKET UINT8_MAX
#define WCX_GATE_MESSAGES_MAX 512u

typedef struct wcx_gate
{
  wcx_outlog_t *log;
  wcx_sessions_t *sessions;
  wcx_signon_t *signon;
  wcx_links_t *links;
  wcx_drop_copy_t *drop;
  wcx_feed_t *feed;
  wcx_egress_t *egress;
  wcx_stats_t *stats;
  uint64_t passed_seq; /* of the last walk: everything up to this input is in a datagram or needs none */
  uint32_t packet_cnt;
  uint32_t pad;
  wcx_packet_t packets[WCX_GATE_PACKETS_MAX];
  uint32_t packet_binding[WCX_GATE_PACKETS_MAX];
} wcx_gate_t;

/* Walk, and queue what is private. Returns the messages that passed. */
uint32_t wcx_gate_run(wcx_gate_t *gate, uint64_t release_seq, uint64_t mono_ns);

/* Queue what the last walk left for the feed; days and bindings that end with it. After each walk. */
void wcx_gate_publish(wcx_gate_t *gate, uint64_t mono_ns);

/* Replay: everything in the log left the appliance in an earlier life; enter it for re-requests and pass it unsent. */
void wcx_gate_skip(wcx_gate_t *gate, uint64_t applied_seq);

#endif
