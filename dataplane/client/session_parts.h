/* What the files of a session share. It is for them alone: who uses a session includes session.h.

   session.c              memory, the state, whose timers run
   session_establish.c    sign-on: Establish made, sent again, answered
   session_request.c      a request from request() to its fate
   session_inbound.c      the server flow message by message, in order, whatever carries it
   session_end.c          how a binding ends: by the server, by silence, by our Terminate
   session_udp_send.c     datagrams that leave: requests packed, heartbeats, re-requests, tags
   session_udp_receive.c  datagrams that came: which are believed, what is outside the sequence
   session_tcp.c          both flows over a link, which is dialled again when it is lost

   Owner, memory, units and bounds are those of session.h. None of these calls may be made from a callback of the configuration.
   Whatever may end the binding says so below: state, link and statement are others afterwards, and a caller that goes on looks at them again.

   Pinned by: tests/unit/test_client_session.c, tests/unit/test_client_link.c, tests/unit/test_client_tag.c. */
#ifndef WCX_CLIENT_SESSION_PARTS_H
#define WCX_CLIENT_SESSION_PARTS_H

#include "dataplane/client/session.h"

#define WCX_CLIENT_MS_NS UINT64_C(1000000)
#define WCX_CLIENT_PAUSE_NS (250 * WCX_CLIENT_MS_NS)   /* between a sign-on that failed and the next */
#define WCX_CLIENT_GOODBYE_NS (200 * WCX_CLIENT_MS_NS) /* between two of the same Terminate */
#define WCX_CLIENT_GOODBYE_MAX 10u                     /* then nobody answers it any more */

static inline bool wcx_client_over_tcp(const wcx_client_session_t *session)
{
  return session->link != NULL;
}

static inline bool wcx_client_tagged(const wcx_client_session_t *session)
{
  return (session->config.flags & WCX_CLIENT_FLAG_TAG) != 0;
}

/* Where a ClOrdID stands in `requests`, and a client sequence in `cl_ord_id_of`. */
static inline uint32_t wcx_client_slot_of(uint64_t key)
{
  return (uint32_t)(key & (WCX_CLIENT_REQUEST_MAX - 1));
}

/* --- session.c ---------------------------------------------------------------------------------------- */

/* The state is this one now, and on_state is told. `code`: as on_state has it. */
void wcx_client_session_enter(wcx_client_session_t *session, enum wcx_client_state state, uint8_t code);

/* --- session_establish.c ------------------------------------------------------------------------------ */

/* A new Establish in session->establish, signed: its UUID is above all before, its numbers are those of now. With tags also their key. */
void wcx_client_establish_make(wcx_client_session_t *session, uint64_t now_ns);

/* ESTABLISHING from now on; what was being filled is dropped, with it the statement of the binding before. Over TCP step() dials. */
void wcx_client_establish_begin(wcx_client_session_t *session, uint64_t now_ns, uint8_t code);

/* An answer to the Establish that is out; to any other, or in another state: nothing. Accepted: RECOVERING, and what was said is the statement that decides
   requests. Rejected: the next one leaves after a pause. */
void wcx_client_establish_accepted(wcx_client_session_t *session, uint64_t now_ns, const void *message, uint16_t len);
void wcx_client_establish_rejected(wcx_client_session_t *session, uint64_t now_ns, const void *message, uint16_t len);

/* Timer, over UDP: the same bytes again, or a new Establish when they have aged. */
void wcx_client_establish_step(wcx_client_session_t *session, uint64_t now_ns);

/* --- session_request.c -------------------------------------------------------------------------------- */

/* The fate of a request, unless it has one or is none of ours (cl_ord_id 0 included); on_decided is told. `message`: the answer, or NULL. */
void wcx_client_request_decide(wcx_client_session_t *session, uint64_t cl_ord_id, enum wcx_client_fate fate, const void *message, size_t sz, uint64_t now_ns);

/* BusinessMessageReject, sequenced or not: by the ClOrdID it names, else by the client sequence. */
void wcx_client_request_refused(wcx_client_session_t *session, uint64_t now_ns, const void *message, uint16_t len);

/* NotApplied: the client sequences of a range. Ignored unless bound: what it spoke of the EstablishAck decides. */
void wcx_client_request_not_applied(wcx_client_session_t *session, uint64_t now_ns, const void *message, uint16_t len);

/* SessionStatusResponse: a new statement. */
void wcx_client_request_status(wcx_client_session_t *session, const void *message, uint16_t len);

/* Apply the statement if everything below its number is here: what has no answer then never arrived, and RECOVERING becomes READY. */
void wcx_client_request_settle(wcx_client_session_t *session, uint64_t now_ns);

/* --- session_inbound.c -------------------------------------------------------------------------------- */

/* Give out what is next in order, as far as it is here, then settle. May end the binding: a Terminate has its place in the order. */
void wcx_client_inbound_drain(wcx_client_session_t *session, uint64_t now_ns);

/* --- session_end.c ------------------------------------------------------------------------------------ */

/* The binding is over, `code` says why: CLOSED when we asked for it, else sign on again. Nothing unless one was bound. */
void wcx_client_binding_ended(wcx_client_session_t *session, uint64_t now_ns, uint8_t code);

/* A Terminate; only that of this binding ends it. */
void wcx_client_binding_terminated(wcx_client_session_t *session, uint64_t now_ns, const void *message, uint16_t len);

/* Timer, over UDP: our Terminate again, CLOSED when it was sent often enough. */
void wcx_client_goodbye_step(wcx_client_session_t *session, uint64_t now_ns);

/* --- session_udp_send.c ------------------------------------------------------------------------------- */

/* Send a datagram of ours, which has room for a tag behind `sz`; all but an Establish get one when tags were asked for. */
void wcx_client_udp_send(wcx_client_session_t *session, uint64_t now_ns, enum wcx_client_port port, const void *datagram, size_t sz);

/* Bytes of header and blocks that a datagram holds. */
size_t wcx_client_udp_room(const wcx_client_session_t *session);

/* Put a block of at most wcx_client_udp_room() less header and length into the datagram being filled, which is sent first when it has no room left. Returns the
   block's client sequence. */
uint64_t wcx_client_udp_add(wcx_client_session_t *session, uint64_t now_ns, const void *message, size_t sz);

/* Send the datagram being filled, if there is one. */
void wcx_client_udp_flush(wcx_client_session_t *session, uint64_t now_ns);

/* Timers of a binding: silence, undecided requests, heartbeats, re-requests. May end the binding. */
void wcx_client_udp_step(wcx_client_session_t *session, uint64_t now_ns);

/* --- session_tcp.c ------------------------------------------------------------------------------------ */

/* Hand what the link has to say to the socket, as much as it takes. */
void wcx_client_tcp_write(wcx_client_session_t *session, uint64_t now_ns);

/* Drop the connection and every byte of the link; the state stays. */
void wcx_client_tcp_hang_up(wcx_client_session_t *session, uint64_t now_ns);

/* Timers of the link: dialling, logins, heartbeats, an Establish or a Terminate that nobody answers. May end the binding. */
void wcx_client_tcp_step(wcx_client_session_t *session, uint64_t now_ns);

#endif
