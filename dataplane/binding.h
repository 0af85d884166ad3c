/* Sessions and their bindings over UDP (those over TCP are links, link.h): which address speaks for which session, and from which input to which.

   A binding lives from the journaled SessionOpened to the journaled SessionClosed and goes on a little longer, until the gate has passed everything it is
   owed; a later binding of the same session may be live by then. Every message of a session belongs to the binding whose inputs [opened_seq, closed_seq]
   hold the message's input, so an answer never goes to an address that did not own the session when it was produced.

       free --SessionOpened--> opened --ack passes the gate--> live --SessionClosed--> closing --gate passes closed_seq--> free

   Owner:      the loop.
   Memory:     the caller's, for sessions_max sessions and WCX_SESSION_BINDINGS_MAX bindings each,
               and positions for re-requests of ring_max sessions.
   Units:      monotonic ns.
   Invariants: at most one binding of a session is not closing; a MoldSession is found only while its binding is not closing.
   Pinned by:  tests/unit/test_loop_signon.c. */
#ifndef WCX_DATAPLANE_BINDING_H
#define WCX_DATAPLANE_BINDING_H

#include "dataplane/mold.h"
#include "dataplane/net.h"
#include "dataplane/retain.h"
#include "dataplane/throttle.h"
#include "engine/sbe.h"
#include "engine/shm/params.h"

#define WCX_SESSION_BINDINGS_MAX 4u
#define WCX_TRANSPORT_TCP 1u /* as in Establish's signature and the journal */
#define WCX_TRANSPORT_UDP 2u

/* What a TCP port serves. In the journal a service beside order entry is a transport of its own, from 3 on. */
enum wcx_service
{
  WCX_SERVICE_ORDER = 0,
  WCX_SERVICE_PURGE = 1,
  WCX_SERVICE_DROP_COPY = 2,
  WCX_SERVICE_REPLAY = 3,
};
#define WCX_SERVICES 4u
#define WCX_TRANSPORT_OF(service) ((uint8_t)((service) == WCX_SERVICE_ORDER ? WCX_TRANSPORT_TCP : WCX_TRANSPORT_UDP + (service)))
#define WCX_BINDING_ACK_SZ 72u /* SBE header and EstablishAck */

typedef struct wcx_binding
{
  wcx_peer_t peer;
  uint16_t server_port;
  uint8_t acked;       /* the EstablishAck has passed the gate */
  uint8_t open_packet; /* the gate's, WCX_GATE_NO_PACKET: none */
  uint32_t session_idx;
  char mold[WCX_MOLD_SESSION_SZ];
  uint16_t pad;
  uint32_t idx;
  uint64_t opened_seq; /* 0: free */
  uint64_t closed_seq; /* UINT64_MAX: not closed */
  uint64_t expected;   /* next sequence of the client's flow */
  uint64_t last_rx_ns;
  uint64_t last_tx_ns;
  uint64_t last_stale_ns;
  uint64_t heartbeat_ns; /* silence after which we send one: half the keep-alive interval */
  uint64_t timeout_ns;   /* silence after which the binding ends */
  uint64_t uuid;
  uint32_t pending;   /* place of the Establish in the table of sign-ons, until acked */
  uint32_t hash_next; /* chain of a bucket */
  uint32_t used_pos;  /* place in the list of used bindings */
  uint32_t pad2;
  wcx_tag_key_t tag_key;           /* peer.tag points here when datagrams carry a tag */
  wcx_establish_t establish;       /* as received */
  uint8_t ack[WCX_BINDING_ACK_SZ]; /* as sent */
} wcx_binding_t;

typedef struct wcx_session
{
  uint32_t session_id;
  uint32_t idx;
  uint64_t next_released;       /* number of the next message of its stream */
  uint32_t links[WCX_SERVICES]; /* its TCP link by service, index + 1; 0: none */
  uint32_t drop_streams[3];     /* the drop copies that hold its reports, by kind */
  uint8_t drop_known;           /* these have been looked up */
  uint8_t drop_copy;            /* enum wcx_drop_scope_kind: what it may read */
  uint16_t pad;
  wcx_throttle_t throttle;
  wcx_retain_t retain;
} wcx_session_t;

typedef struct wcx_sessions
{
  uint64_t hash_key;
  uint32_t session_max;
  uint32_t session_cnt;
  uint32_t closing_cnt;
  uint32_t used_cnt;
  uint32_t map_mask;
  uint32_t pad;
  wcx_session_t *sessions;
  uint32_t *by_id; /* map_mask + 1 places, session index + 1 */
  wcx_binding_t *bindings;
  uint32_t *by_mold; /* map_mask + 1 chains, binding index + 1 */
  uint32_t *used;    /* indexes of bindings that are not free */
  uint64_t *retained;
  uint32_t retain_max; /* messages a session */
  uint32_t ring_max;   /* sessions that have such a ring: the first ones to speak */
} wcx_sessions_t;

size_t wcx_sessions_footprint(uint32_t session_max, uint32_t ring_max, uint32_t retain_max);
void wcx_sessions_init(wcx_sessions_t *sessions, void *mem, uint32_t session_max, uint32_t ring_max, uint32_t retain_max, uint64_t hash_key);

/* The session of an id, or NULL. */
wcx_session_t *wcx_sessions_find(wcx_sessions_t *sessions, uint32_t session_id);
/* The same; made on first use. A check failure beyond session_max. */
wcx_session_t *wcx_sessions_get(wcx_sessions_t *sessions, uint32_t session_id);

/* The binding that is not closed, or NULL. */
wcx_binding_t *wcx_session_binding(wcx_sessions_t *sessions, const wcx_session_t *session);
/* The binding that owns what input `seq` said, or NULL. */
wcx_binding_t *wcx_session_binding_at(wcx_sessions_t *sessions, const wcx_session_t *session, uint64_t seq);
/* Whether another binding of the session could be opened. */
bool wcx_session_has_place(const wcx_sessions_t *sessions, const wcx_session_t *session);

/* The binding of a session string, or NULL. */
wcx_binding_t *wcx_sessions_by_mold(wcx_sessions_t *sessions, const char mold[WCX_MOLD_SESSION_SZ]);

/* Bind: a zeroed binding with session_idx, mold and opened_seq set, found by its string. There must be a place. */
wcx_binding_t *wcx_binding_open(wcx_sessions_t *sessions, wcx_session_t *session, const char mold[WCX_MOLD_SESSION_SZ], uint64_t opened_seq);
/* From now on closing: not found by its string. */
void wcx_binding_close(wcx_sessions_t *sessions, wcx_binding_t *binding, uint64_t closed_seq);
/* Free the closing bindings whose last input the gate has passed. */
void wcx_sessions_reap(wcx_sessions_t *sessions, uint64_t passed_seq);

static inline wcx_session_t *wcx_binding_session(wcx_sessions_t *sessions, const wcx_binding_t *binding)
{
  return &sessions->sessions[binding->session_idx];
}

#endif
