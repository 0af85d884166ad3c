/* The client's flow: from a datagram of a bound session, or a packet of a link, to journaled inputs, or to the answer that client/PROTOCOL.md gives (3.2 and 4).

   Flow over UDP (E expected, s sequence of the datagram, n blocks)
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

enum wcx_request_result
{
  WCX_REQUEST_DONE = 1,
  WCX_REQUEST_WAIT = 2,    /* no room now, or over TCP no tokens: offer it again */
  WCX_REQUEST_GOODBYE = 3, /* done, and the binding is gone */
};

/* One request on its way: of a binding over UDP, or of a link. */
typedef struct wcx_request
{
  wcx_session_t *session;
  wcx_binding_t *binding; /* NULL over TCP */
  wcx_link_t *link;       /* NULL over UDP */
  uint64_t client_seq;    /* over TCP the requests since the Establish are counted */
  const uint8_t *body;
  uint16_t avail; /* bytes after the SBE header */
  uint16_t pad;
  wcx_message_header_t header;
} wcx_request_t;

typedef struct wcx_sequencer
{
  wcx_input_t *input;
  wcx_sessions_t *sessions;
  wcx_signon_t *signon;
  wcx_links_t *links;
  wcx_egress_t *egress;
  wcx_stats_t *stats;
  wcx_pressure_t pressure;
} wcx_sequencer_t;

/* One request. Over UDP a refusal is an answer outside the sequence; over TCP everything has a number, so a refusal and a status are inputs too, and who is
   too fast is read no further. */
enum wcx_request_result wcx_sequencer_request(wcx_sequencer_t *sequencer, const wcx_request_t *request, uint64_t mono_ns);

/* A datagram on the order port that names a session; `mold` is its parsed header. */
bool wcx_sequencer_receive(wcx_sequencer_t *sequencer, const wcx_datagram_t *datagram, const wcx_mold_t *mold, uint64_t mono_ns);

#endif
