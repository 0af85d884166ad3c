/* Sign-on: Establish in, over the ring to the auth worker and back, then one journaled decision.

       received --limit, copies--> judged by the auth worker --VALID--> judged by state --> SessionOpened   --> EstablishAck    (gated)
                                        |                                           '----> SessionRefused  --> EstablishReject (gated)
                                        '--BAD_CREDENTIALS--> EstablishReject(Credentials): depends on bytes and configuration only, so it leaves at once

   An Establish holds one place of the table from its arrival until its answer has left (or the auth worker was too slow): while it does, identical copies
   are dropped. Afterwards a copy from the address it bound gets the same ack again.

   Secrets:    a verdict may carry the key of the binding's datagram tags; it is wiped here once the binding has it.
   Owner:      the loop.
   Memory:     WCX_SIGNON_MAX places; a table of sources for the limit.
   Bounds:     at most WCX_SIGNON_VERDICTS_MAX verdicts a turn.
   Pinned by:  tests/unit/test_loop_signon.c. */
#ifndef WCX_DATAPLANE_SIGNON_H
#define WCX_DATAPLANE_SIGNON_H

#include "dataplane/binding.h"
#include "dataplane/egress.h"
#include "dataplane/input.h"
#include "dataplane/link.h"

#define WCX_SIGNON_MAX 256u
#define WCX_SIGNON_VERDICTS_MAX 8u

enum wcx_pending_state
{
  WCX_PENDING_FREE = 0, /* so that a zeroed table is an empty one */
  WCX_PENDING_JUDGED = 1,
  WCX_PENDING_GATED = 2, /* journaled; the answer waits in the output log */
};

typedef struct wcx_pending
{
  uint8_t state;     /* enum wcx_pending_state */
  uint8_t transport; /* 1 TCP, 2 UDP */
  uint16_t server_port;
  uint32_t link; /* TCP: the link and its generation */
  uint32_t generation;
  uint32_t service; /* enum wcx_service, once judged */
  uint64_t nonce;
  uint64_t asked_ns;
  wcx_peer_t peer;
  wcx_establish_t establish;
} wcx_pending_t;

typedef struct wcx_signon
{
  wcx_input_t *input;
  wcx_sessions_t *sessions;
  wcx_links_t *links;
  wcx_egress_t *egress;
  wcx_auth_ring_t *auth;
  wcx_stats_t *stats;
  const wcx_params_t *params;
  uint64_t next_nonce;
  uint32_t scan_idx; /* next place to look for one that waits too long */
  uint8_t auth_dirty;
  uint8_t held; /* a verdict taken from the ring that had no credit */
  uint16_t pad;
  wcx_auth_slot_t verdict;
  wcx_sources_t sources;
  wcx_pending_t pending[WCX_SIGNON_MAX];
} wcx_signon_t;

/* A datagram outside any session on the order port. */
void wcx_signon_receive(wcx_signon_t *signon, const wcx_datagram_t *datagram, const wcx_mold_t *mold, uint64_t mono_ns);

/* The first U of a link. */
enum wcx_signon_result
{
  WCX_SIGNON_ASKED = 1, /* the auth worker judges it */
  WCX_SIGNON_LATER = 2, /* no tokens or no place now */
  WCX_SIGNON_BAD = 3,   /* not an Establish */
};
enum wcx_signon_result wcx_signon_receive_tcp(wcx_signon_t *signon, const wcx_peer_t *from, uint16_t server_port, uint32_t link_idx, const uint8_t *block, uint16_t block_sz,
                                              uint64_t mono_ns);

/* Take verdicts, journal decisions, drop what waits too long. Returns the work done. */
uint32_t wcx_signon_poll(wcx_signon_t *signon, uint64_t mono_ns);

/* The place behind the tag of a gated answer, or NULL when it is not waiting (an answer of an earlier process). */
const wcx_pending_t *wcx_signon_pending(const wcx_signon_t *signon, uint32_t tag);
/* The answer has left: the place is free. */
void wcx_signon_answered(wcx_signon_t *signon, uint32_t tag);

/* Close a live binding over UDP by a journaled SessionClosed, which carries the last client sequence: what was refused or skipped is in no other record, and the next
   EstablishAck must not go back behind it. False when there is no room now. */
bool wcx_signon_close(wcx_signon_t *signon, wcx_binding_t *binding, const wcx_session_closed_t *closed);

#endif
