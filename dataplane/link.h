/* Links: the TCP connections of clients, from the Soup login over a signed Establish to the session's stream.

       free --connect--> LOGIN --L--> ESTABLISH --first U--> JUDGED --SessionOpened--> OPEN --SessionClosed--> DRAIN --stream written--> free
                           |             |                     |                        |                        |
                           '-- J --------+---- 5 s, other -----+--- EstablishReject     '---- slow consumer -----'-- 5 s, reset --> free

   A port serves one of four streams: ORDER the session's, PURGE the reports of its mass cancels, DROP_COPY the reports of a scope (drop_copy.h), REPLAY the
   feed. The last three bind nothing: they have numbers of their own, their ack and their end are not counted, and nothing is canceled when they go.

   What a link is sent is not queued: it has a cursor into the retained messages of its stream and writes from there as far as they are released and the peer reads.
   So missed messages come before new ones by themselves, and a slow reader is one whose next message is retained no more; nobody waits for it.
   To stop reading is how a link is throttled. Nothing but the answer to the login is sent before a valid Establish.

   Owner:      the loop.
   Memory:     the caller's: one link for each connection of the TCP stack, by the same number.
   Units:      monotonic ns.
   Bounds:     a turn handles WCX_LINKS_READY_MAX connections, WCX_LINK_PACKETS_MAX packets each and WCX_LINKS_PACKETS_MAX in all, and writes WCX_LINK_MESSAGES_MAX messages each.
   Invariants: at most one OPEN link of a session and service; session->links names it.
   Pinned by:  tests/unit/test_link.c, tests/e2e/test_tcp.py. */
#ifndef WCX_DATAPLANE_LINK_H
#define WCX_DATAPLANE_LINK_H

#include "dataplane/binding.h"
#include "dataplane/drop_copy.h"
#include "dataplane/feed.h"
#include "dataplane/input.h"
#include "dataplane/soup.h"
#include "dataplane/tcp.h"

#define WCX_LINKS_READY_MAX 64u
#define WCX_LINK_PACKETS_MAX 32u
#define WCX_LINKS_PACKETS_MAX 256u /* of all links in a turn */
#define WCX_LINK_MESSAGES_MAX 64u
#define WCX_LINK_PATIENCE_NS UINT64_C(5000000000) /* for a login, for an Establish, for a reader of its last messages */
#define WCX_LINK_HEARTBEAT_NS UINT64_C(1000000000)

enum wcx_link_state
{
  WCX_LINK_FREE = 0, /* so that a zeroed table is an empty one */
  WCX_LINK_LOGIN = 1,
  WCX_LINK_ESTABLISH = 2,
  WCX_LINK_JUDGED = 3,
  WCX_LINK_OPEN = 4,
  WCX_LINK_DRAIN = 5,
};

typedef struct wcx_link
{
  uint8_t state;   /* enum wcx_link_state */
  uint8_t dirty;   /* stands in the list of links to write */
  uint8_t waiting; /* stands in the queue of links to read again */
  uint8_t slow;    /* its next message is gone: to be closed */
  uint8_t service; /* enum wcx_service */
  uint8_t full;    /* what it is owed found no room: it is written again when its peer has read, not before */
  uint8_t pad[2];
  uint32_t drop_stream; /* DROP_COPY: which */
  uint32_t session_idx;
  uint32_t generation; /* of this place: a verdict for an earlier peer is not this one's */
  uint32_t used_pos;   /* place in the list of used links */
  uint32_t reader_pos; /* OPEN of DROP_COPY or REPLAY: place in the list of readers */
  uint64_t since_ns;   /* of the state */
  uint64_t last_rx_ns;
  uint64_t last_tx_ns;
  uint64_t timeout_ns;    /* silence after which it ends */
  uint64_t cursor;        /* number of the next message to write */
  uint64_t opened_number; /* ORDER: its EstablishAck, before whose release nothing is written; else 0 */
  uint64_t day_seq;       /* DROP_COPY, REPLAY: the input that began the day of its numbers */
  uint64_t end;           /* DRAIN: the number after the last to write */
  uint64_t uuid;
  uint64_t request_cnt; /* since the Establish: what numbers its requests */
  uint32_t in_off;      /* [in_off, in_len) is not handled yet */
  uint32_t in_len;
  uint8_t in[WCX_SOUP_SZ_MAX];
} wcx_link_t;

struct wcx_signon;
struct wcx_sequencer;

typedef struct wcx_links
{
  wcx_tcp_t *tcp; /* NULL: no TCP, no links */
  wcx_input_t *input;
  wcx_sessions_t *sessions;
  struct wcx_signon *signon;
  struct wcx_sequencer *sequencer;
  const wcx_feed_t *feed;
  wcx_drop_copy_t *drop;
  wcx_stats_t *stats;
  uint16_t ports[WCX_SERVICES];
  uint32_t max;
  uint32_t used_cnt;
  uint32_t dirty_cnt;
  uint32_t scan_idx;
  uint32_t reader_cnt;
  uint32_t readers_due;  /* something passed that they may want */
  uint32_t packets_left; /* of this turn */
  uint64_t day_seq;      /* input that began the day the gate is in: of the numbers of DROP_COPY and REPLAY */
  uint32_t waiting_head;
  uint32_t waiting_cnt;
  uint32_t heard; /* no frame is unread: who has said nothing is silent */
  uint32_t pad;
  wcx_link_t *links;
  uint32_t *used;
  uint32_t *dirty;
  uint32_t *waiting; /* ring of max */
  uint32_t *readers; /* open links of DROP_COPY and REPLAY */
} wcx_links_t;

size_t wcx_links_footprint(uint32_t link_max);
void wcx_links_init(wcx_links_t *links, void *mem, uint32_t link_max);

/* Logins, requests, ends. Returns the work done. */
uint32_t wcx_links_step(wcx_links_t *links, uint64_t mono_ns);

/* The stream of this link has a newly released message. */
void wcx_links_touch(wcx_links_t *links, uint32_t link_idx);
/* A day is over, and everything of it has passed the gate: what is still owed to DROP_COPY and REPLAY is written; who has it all is told the end of the session,
   who reads too slowly for that, that it does. Numbers may start again then. */
void wcx_links_end_day(wcx_links_t *links, uint64_t mono_ns);
/* Write what is released to all that were touched. */
void wcx_links_write(wcx_links_t *links, uint64_t mono_ns);

/* The open link of a session for a service, or NULL. */
static inline wcx_link_t *wcx_links_of(const wcx_links_t *links, const wcx_session_t *session, enum wcx_service service)
{
  return session->links[service] != 0 ? &links->links[session->links[service] - 1] : NULL;
}

static inline uint32_t wcx_link_idx(const wcx_links_t *links, const wcx_link_t *link)
{
  return (uint32_t)(link - links->links);
}

/* The link that waits for the verdict on its Establish, or NULL when that peer is gone. */
wcx_link_t *wcx_links_judged(const wcx_links_t *links, uint32_t link_idx, uint32_t generation);

/* An Establish was refused: the message goes out as a last S that is not counted, and the connection ends. */
void wcx_links_refuse(wcx_links_t *links, wcx_link_t *link, const void *message, uint16_t len, uint64_t input_seq);

/* The number of the next message of a link's stream, and a released one by its number: NULL when it is kept no more. */
uint64_t wcx_link_next(const wcx_links_t *links, const wcx_link_t *link);
const wcx_out_entry_t *wcx_link_entry(const wcx_links_t *links, const wcx_link_t *link, uint64_t number);

/* One message under the link's own next number (PURGE). False, and the link is slow, when there is no room. */
bool wcx_links_say(wcx_links_t *links, wcx_link_t *link, const void *message, uint16_t len, uint64_t input_seq, uint64_t mono_ns);

/* The ack of a service beside order entry was released: it goes out as an S that is not counted, and the stream begins. */
void wcx_links_acked(wcx_links_t *links, wcx_link_t *link, const void *message, uint16_t len, uint64_t input_seq, uint64_t mono_ns);

/* End an open link of a service beside order entry with a Terminate that is not counted. */
void wcx_links_dismiss(wcx_links_t *links, wcx_link_t *link, uint8_t code);

/* SessionOpened was journaled for ORDER; the engine's ack has `number`. */
void wcx_links_opened(wcx_links_t *links, wcx_link_t *link, wcx_session_t *session, const wcx_session_opened_t *opened, uint64_t number, uint64_t mono_ns);

/* Close an open link of ORDER by a journaled SessionClosed; the connection ends when everything up to it is written. False when there is no room now. */
bool wcx_links_close(wcx_links_t *links, wcx_link_t *link, const wcx_session_closed_t *closed, uint64_t mono_ns);

/* --- between link.c and link_stream.c ------------------------------------------------------------------------------------------------------------- */

/* Look at it again next turn. */
void wcx_link_wait(wcx_links_t *links, wcx_link_t *link);
/* The connection is the stack's again. Lists that still name the link pass over a free one. */
void wcx_link_release(wcx_links_t *links, wcx_link_t *link, bool at_once);

#endif
