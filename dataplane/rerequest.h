/* The re-request port: a MoldUDP64 request in, ordinary downstream packets out, released messages only.

   A session's stream is served to the address that is bound, under its current session string; the feed to anyone. What cannot be served is answered by a
   RetransmitReject outside the sequence. A token bucket per source pays for messages.

   Owner:      the loop.
   Bounds:     WCX_REREQUEST_PACKETS_MAX datagrams an answer; who needs more asks again.
   Pinned by:  tests/unit/test_loop_feed.c. */
#ifndef WCX_DATAPLANE_REREQUEST_H
#define WCX_DATAPLANE_REREQUEST_H

#include "dataplane/feed.h"
#include "dataplane/signon.h"

#define WCX_REREQUEST_PACKETS_MAX 32u

typedef struct wcx_rerequest
{
  wcx_outlog_t *log;
  wcx_sessions_t *sessions;
  wcx_feed_t *feed;
  wcx_egress_t *egress;
  wcx_stats_t *stats;
  uint32_t shard;
  uint16_t port;
  uint16_t pad;
  wcx_sources_t sources;
} wcx_rerequest_t;

/* A datagram on the re-request port. */
void wcx_rerequest_receive(wcx_rerequest_t *rerequest, const wcx_datagram_t *datagram, uint64_t mono_ns);

#endif
