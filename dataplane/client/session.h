/* A market maker's session over UDP or TCP: sign-on, both numbered flows, recovery, and the fate of every request. No sockets: bytes in, bytes out.

        CLOSED --open--> ESTABLISHING --EstablishAck--> RECOVERING --missed messages are here--> READY --terminate--> TERMINATING --> CLOSED
                              ^                              |                                     |
                              +---------- silence of the server, Terminate by the server ----------+

   Every request given to wcx_client_session_request is decided exactly once, by the first of:
     - its answer in the server flow (WCX_CLIENT_ANSWERED), or a BusinessMessageReject (WCX_CLIENT_REFUSED);
     - NotApplied from the server, or the proof that it never arrived: a gated statement of the server's state (EstablishAck, SessionStatusResponse) lies
       behind it and all messages before that statement are here (WCX_CLIENT_NOT_APPLIED).
   So nothing depends on an unsequenced answer arriving.

   Over TCP the same holds with less: every message comes in its turn, missed ones before the EstablishAck. A lost link is dialled again and asks for the
   first number that is not here. A Terminate that ends the link is not counted, because the server may not count it: if it does, it comes again, in its turn.
   The ports for purge, drop copy and market-data replay have numbers of their own, and do not count their EstablishAck: that is seen from what it says.
   The streams of drop copy and replay end with their day: on_state is told ESTABLISHING with code 0, and the next one is asked for, from number 1. What a day had left when
   the link was down at its end is in the drop-copy file only.
   Server numbers and ClOrdIDs are those of the session, whatever carries them: what UDP has missed, a second session object can have over TCP (recover_from), from the same
   window of the server, and hands over with wcx_client_session_message.

   Owner:      one thread per session.
   Memory:     allocated by init (1.5 MB for reordering), freed by free. Messages given to the callbacks live until the callback returns.
   Units:      now_ns is monotonic; UTC for Establish comes from env.h.
   Result:     callbacks run inside datagram(), link_*() and step(). They may call request(), never open(), terminate() or free(). dial() and hang_up() only
               note what is wanted: they call nothing of the session.
   Bounds:     ClOrdIDs less than WCX_CLIENT_REQUEST_MAX / 2 above that of the oldest undecided request.
   Invariants: server numbers reach on_message in order, once each, over restarts of either side; one that has left the server's window is left out and counted in
               inbound.message_lost_cnt. ClOrdIDs only rise.
   Pinned by:  tests/unit/test_client_session.c, tests/unit/test_client_link.c (TCP), tests/unit/test_client_tag.c. */
#ifndef WCX_CLIENT_SESSION_H
#define WCX_CLIENT_SESSION_H

#include "dataplane/client/link.h"
#include "dataplane/client/packet.h"
#include "dataplane/client/sign.h"
#include "dataplane/client/stream.h"

#define WCX_CLIENT_REQUEST_MAX 65536u /* a power of two: also how far back a ClOrdID can be looked up */

/* Bits of Establish.Flags; bit 3, WCX_CLIENT_FLAG_TAG, is in packet.h. */
#define WCX_CLIENT_FLAG_CANCEL_ON_DISCONNECT 0x0001u /* cancel the session's orders when its last connection is gone */
#define WCX_CLIENT_FLAG_DROP_COPY 0x0002u            /* required on the drop-copy port, refused on others */
#define WCX_CLIENT_FLAG_TAKE_OVER 0x0004u            /* end the connection of the session that is up; without it a second one is refused */

enum wcx_client_state
{
  WCX_CLIENT_CLOSED = 1,
  WCX_CLIENT_ESTABLISHING = 2,
  WCX_CLIENT_RECOVERING = 3,
  WCX_CLIENT_READY = 4,
  WCX_CLIENT_TERMINATING = 5,
};

/* Where a datagram goes. */
enum wcx_client_port
{
  WCX_CLIENT_PORT_ORDER = 1,
  WCX_CLIENT_PORT_REREQUEST = 2,
};

enum wcx_client_fate
{
  WCX_CLIENT_UNDECIDED = 1,
  WCX_CLIENT_ANSWERED = 2,
  WCX_CLIENT_REFUSED = 3,
  WCX_CLIENT_NOT_APPLIED = 4,
};

typedef struct wcx_client_request
{
  uint64_t cl_ord_id; /* 0 = empty */
  uint64_t client_seq;
  uint64_t sent_ns;
  uint32_t tag; /* the caller's */
  uint16_t template_id;
  uint8_t fate; /* enum wcx_client_fate */
} wcx_client_request_t;

typedef struct wcx_client_session wcx_client_session_t;

typedef struct wcx_client_session_config
{
  uint32_t session_id;
  char access_key_id[21];
  char secret[65];
  char user[7];           /* TCP: of the SoupBinTCP login */
  char password[11];      /* TCP: of the SoupBinTCP login */
  uint8_t transport;      /* WCX_CLIENT_UDP (also 0) or WCX_CLIENT_TCP */
  uint16_t server_port;   /* the one this session speaks to: it is signed */
  uint16_t flags;         /* of Establish; with WCX_CLIENT_FLAG_TAG datagrams carry tags both ways, and what has none is not believed */
  uint32_t keep_alive_ms; /* 100..60000: how often each side is to be heard */
  uint32_t cod_window_ms; /* 0: the server's default */
  bool any_stream;        /* TCP: not the session's own stream but the one its port has (drop copy, market-data replay); link->session names it, and is blank between two */
  uint64_t recover_from;  /* first server number wanted; 0: from now */

  void *ctx;
  void *wire; /* what send, dial, hang_up and write get instead of ctx; NULL: ctx */
  /* UDP only. */
  void (*send)(void *ctx, enum wcx_client_port port, const void *datagram, size_t sz);
  /* TCP only. Make a connection, then call link_up or link_down; end it (link_down need not be called). Take bytes: returns how many, 0 when none fit. */
  void (*dial)(void *ctx);
  void (*hang_up)(void *ctx);
  size_t (*write)(void *ctx, const void *bytes, size_t sz);
  /* A message of the server flow, in order. Runs after on_decided of the request it answers. May be NULL. */
  void (*on_message)(void *ctx, uint64_t number, const void *message, size_t sz);
  /* A request was decided. `message` is the answer, NULL when it never arrived. May be NULL. */
  void (*on_decided)(void *ctx, const wcx_client_request_t *request, const void *message, size_t sz, uint64_t now_ns);
  /* The state changed, or a sign-on was refused: ESTABLISHING, told while it was that already, has an EstablishReject code. Behind RECOVERING, READY or TERMINATING
     `code` is that of the Terminate that ended the connection; silence counts as KEEP_ALIVE_EXPIRED, a link that broke as UNSPECIFIED. 0 otherwise. May be NULL. */
  void (*on_state)(void *ctx, enum wcx_client_state state, uint8_t code);
} wcx_client_session_config_t;

/* A statement about the server's state: once every message below server_next is here, what lies behind it and has no answer never arrived. */
typedef struct wcx_client_statement
{
  bool active;
  uint64_t server_next;
  uint64_t client_next;
  uint64_t cl_ord_id_min; /* it speaks of higher ones only */
  uint64_t cl_ord_id_max;
} wcx_client_statement_t;

struct wcx_client_session
{
  wcx_client_session_config_t config;
  enum wcx_client_state state;
  wcx_client_stream_t inbound;
  bool inbound_started;
  wcx_client_link_t *link; /* TCP only */
  bool own_numbers;        /* TCP: the port's EstablishAck is not counted: purge, drop copy, market-data replay */

  wcx_establish_t establish; /* what is out */
  uint64_t establish_made_ns;
  uint64_t establish_sent_ns;
  uint64_t last_uuid;
  uint8_t tag_key[WCX_SIPHASH_KEY_SZ]; /* of this Establish, when tags were asked for */
  uint64_t retry_not_before;
  uint8_t reject_code; /* of the last EstablishReject, 0 none */
  wcx_establish_ack_t ack;

  uint64_t next_client_seq;
  uint64_t last_cl_ord_id;
  uint64_t oldest_undecided; /* no undecided request has a lower ClOrdID */
  uint32_t undecided_cnt;
  wcx_client_request_t *requests; /* by ClOrdID & mask */
  uint64_t *cl_ord_id_of;         /* by client sequence & mask */
  wcx_client_statement_t statement;
  uint64_t status_sent_ns;
  uint64_t progress_ns; /* last time a request was decided, or the first of a new batch sent */

  uint8_t out[WCX_CLIENT_DATAGRAM_MAX]; /* the datagram being filled */
  size_t out_sz;                        /* 0: empty */
  uint16_t out_cnt;
  uint64_t out_seq;

  uint8_t goodbye[64]; /* the Terminate datagram, sent again until answered */
  size_t goodbye_sz;
  uint32_t goodbye_cnt;
  uint64_t goodbye_ns; /* over TCP: when it was sent */

  uint64_t last_rx_ns;
  uint64_t last_tx_ns;

  /* totals */
  uint64_t sent_cnt, answered_cnt, refused_cnt, not_applied_cnt;
  uint32_t fruitless_cnt;             /* over TCP: logins in a row that brought no message: what is asked for is out of the server's reach, or nobody judges Establish */
  uint64_t established_cnt, lost_cnt; /* bindings opened; bindings ended without our wish */
  uint64_t stream_end_cnt;            /* with any_stream: days that ended */
  uint64_t bad_datagram_cnt;          /* over TCP: links dropped because of what came over them */
  uint64_t bad_tag_cnt;               /* datagrams that had no right tag, ignored */
  uint64_t sequence_conflict_cnt;     /* an answer to a request that was decided as never applied: must stay 0 */
};

void wcx_client_session_init(wcx_client_session_t *session, const wcx_client_session_config_t *config);
void wcx_client_session_free(wcx_client_session_t *session);

/* Start signing on; step() repeats until it is answered, and after a refusal begins anew, for as long as it takes: terminate() gives up. */
void wcx_client_session_open(wcx_client_session_t *session, uint64_t now_ns);

/* A datagram came to this session's socket, from any port of the server. */
void wcx_client_session_datagram(wcx_client_session_t *session, uint64_t now_ns, const void *datagram, size_t sz);

/* TCP: the connection that dial() asked for stands; it is gone, or could not be made; bytes came over it. */
void wcx_client_session_link_up(wcx_client_session_t *session, uint64_t now_ns);
void wcx_client_session_link_down(wcx_client_session_t *session, uint64_t now_ns);
void wcx_client_session_link_bytes(wcx_client_session_t *session, uint64_t now_ns, const void *bytes, size_t sz);

/* A message of this session's server flow that was had over another binding of it. */
void wcx_client_session_message(wcx_client_session_t *session, uint64_t now_ns, uint64_t number, const void *message, size_t sz);

/* Timers: sign-on, heartbeats, re-requests, silence. Also sends what request() left in the datagram being filled. Call it every few
   milliseconds at least. Returns 1 when something was sent to the order port, else 0: a hint for a loop that sleeps. */
uint32_t wcx_client_session_step(wcx_client_session_t *session, uint64_t now_ns);

/* The next ClOrdID to use. */
static inline uint64_t wcx_client_session_next_id(const wcx_client_session_t *session)
{
  return session->last_cl_ord_id + 1;
}

/* Send a request: any client message whose first field is its ClOrdID, higher than all before (checked), that fits a datagram (checked). Leaves with the next step() or
   flush(), over UDP also when the datagram is full. `tag` comes back in the request that on_decided gets. False, and nothing was sent, when the session is not READY, too
   many requests are undecided, or the server has stopped reading. */
bool wcx_client_session_request(wcx_client_session_t *session, uint64_t now_ns, const void *message, size_t sz, uint32_t tag);

/* Send what waits: the datagram being filled, or what the link has not taken yet. */
void wcx_client_session_flush(wcx_client_session_t *session, uint64_t now_ns);

/* End the session in order: Terminate, repeated until answered or given up after 2 s; then CLOSED. Where nothing is bound (purge, drop copy, market-data
   replay) the link is hung up. */
void wcx_client_session_terminate(wcx_client_session_t *session, uint64_t now_ns);

/* The request of a ClOrdID, NULL when it is not ours or too old. */
const wcx_client_request_t *wcx_client_session_find(const wcx_client_session_t *session, uint64_t cl_ord_id);

#endif
