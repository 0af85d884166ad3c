/* The parts of wcx-mm, the sample market makers: what its files share.

   mm_main.c options   mm_probe.c readiness probe   mm_run.c the loop   mm_maker.c the two strategies   mm_board.c terminal   mm_audit.c journal against acks

   Owner:  one thread. Uses the client library (session, feed, book, transport) as any market maker would. */
#ifndef WCX_CLIENT_MM_H
#define WCX_CLIENT_MM_H

#include "dataplane/client/book.h"
#include "dataplane/client/feed.h"
#include "dataplane/client/join.h"
#include "dataplane/client/session.h"
#include "dataplane/client/snapshot.h"
#include "dataplane/client/transport.h"
#include "dataplane/client/wire.h"
#include "engine/base/hist.h"

#define WCX_MM_SESSIONS_MAX 8u
#define WCX_MM_TCP_PORT 7001u
#define WCX_MM_ORDER_PORT 7002u
#define WCX_MM_REREQUEST_PORT 7003u
#define WCX_MM_NO_QUOTE UINT32_MAX

typedef struct wcx_mm_options
{
  const char *server;
  const char *interface;
  uint8_t order_entry; /* WCX_CLIENT_UDP or WCX_CLIENT_TCP */
  double timeout_s;    /* of the probe */
  double seconds;      /* 0: until interrupted */
  double rate;         /* requests a second and session */
  uint32_t window;     /* undecided requests a session */
  uint32_t session_ids[WCX_MM_SESSIONS_MAX];
  uint32_t session_cnt;
  uint64_t seed;
  uint64_t random_orders; /* 0: make markets; else send so many random requests in all, then stop */
  bool cancel_on_disconnect;
  bool late; /* books from snapshot and feed, without asking for the feed's past */
  int board; /* 1 ncurses, 0 plain lines, -1 by what stdout is */
  const char *wcxctl;
  const char *state_dir;
  const char *control_socket;
  const char *summary;    /* file for the JSON instead of stdout */
  const char *dump_books; /* file for the books at the end */
} wcx_mm_options_t;

enum wcx_mm_quote_state
{
  WCX_MM_FREE = 0,
  WCX_MM_NEW_SENT = 1,
  WCX_MM_LIVE = 2,
  WCX_MM_CANCEL_SENT = 3,
  WCX_MM_REPLACE_SENT = 4,
  WCX_MM_SEND_AGAIN = 5, /* the new order never arrived */
};

typedef struct wcx_mm_quote
{
  uint64_t cl_ord_id; /* what the order answers to now */
  int64_t price, qty; /* qty: total */
  uint32_t security_id;
  uint32_t live_idx; /* place in live[], while LIVE */
  uint8_t side;
  uint8_t state; /* enum wcx_mm_quote_state */
} wcx_mm_quote_t;

/* A bitmap or map that grows with the numbers it sees. */
typedef struct wcx_mm_numbers
{
  uint64_t *values; /* by number - base */
  uint64_t base, max;
} wcx_mm_numbers_t;

/* The place of `number`, made if needed; NULL for a number below the first one seen or absurdly far from it. */
uint64_t *wcx_mm_number(wcx_mm_numbers_t *numbers, uint64_t number);

typedef struct wcx_mm wcx_mm_t;

typedef struct wcx_maker
{
  wcx_mm_t *mm;
  wcx_client_session_t session;
  wcx_client_wire_t wire;
  wcx_mm_quote_t *quotes;
  uint32_t quote_max;
  uint32_t *free_quotes; /* stack */
  uint32_t free_cnt;
  uint32_t *live; /* quotes that may be changed */
  uint32_t live_cnt;
  uint32_t again_cnt;
  uint32_t *quote_of; /* by ClOrdID & mask */
  double tokens;
  wcx_mm_numbers_t fates;   /* by ClOrdID: enum wcx_client_fate; the audit marks what it finds */
  wcx_mm_numbers_t witness; /* by server number: hash of the message */
} wcx_maker_t;

struct wcx_mm
{
  const wcx_mm_options_t *options;
  wcx_client_transport_t transport;
  wcx_maker_t makers[WCX_MM_SESSIONS_MAX];
  wcx_client_feed_t feed;
  wcx_client_snapshot_t snapshot;
  wcx_client_join_t join;
  wcx_client_books_t books;
  uint32_t feed_sockets[3]; /* A, B, re-requests */
  uint32_t snapshot_sockets[2];
  uint64_t random;
  int64_t mids[64]; /* by instrument index */
  uint64_t start_ns, now_ns;
  bool stopping; /* no new requests */

  wcx_hist_t rtt;        /* round trips, ns: all */
  wcx_hist_t rtt_second; /* since the board was shown last */
  wcx_mm_numbers_t trade_ids;
  wcx_mm_numbers_t feed_witness;
  char feed_day[10];

  uint64_t ack_cnt, reject_cnt, trade_cnt, md_cnt;
  uint64_t conflict_cnt; /* a number that carried two contents */
  uint64_t pending_random;

  /* of the control socket; reachable false: unknown */
  bool status_known;
  uint64_t applied_seq, release_seq;

  /* of the audit */
  bool audited;
  uint64_t journal_records, journal_last_seq, missing_cnt, duplicate_cnt;
};

static inline uint64_t wcx_mm_roll(wcx_mm_t *mm, uint64_t below)
{
  mm->random ^= mm->random << 13;
  mm->random ^= mm->random >> 7;
  mm->random ^= mm->random << 17;
  return (mm->random >> 11) % below;
}

/* The development access key of a session (DEMO-MM-n, demo-secret-n), as the development configuration has it. */
void wcx_mm_session_config(wcx_client_session_config_t *config, uint32_t session_id, const wcx_mm_options_t *options);

/* Sign on, end in order. Exit status: 0 when Establish was acked. */
int wcx_mm_probe(const wcx_mm_options_t *options);

/* Trade. Exit status: 0 when nothing was lost and no gap stayed. */
int wcx_mm_run(const wcx_mm_options_t *options);

/* One maker's strategy: what to send, and what the answers mean. */
void wcx_maker_init(wcx_maker_t *maker, wcx_mm_t *mm, uint32_t quote_max);
void wcx_maker_step(wcx_maker_t *maker, uint64_t elapsed_ns);
void wcx_maker_decided(wcx_maker_t *maker, const wcx_client_request_t *request, const void *message, size_t sz);
void wcx_maker_message(wcx_maker_t *maker, const void *message, size_t sz);

/* The board: once a second, and at the end. */
void wcx_mm_board_open(wcx_mm_t *mm);
void wcx_mm_board_show(wcx_mm_t *mm);
bool wcx_mm_board_wants_end(wcx_mm_t *mm);
void wcx_mm_board_close(wcx_mm_t *mm);

/* Ask the api worker for the release position; sets status_known. Blocks 50 ms at most. */
void wcx_mm_status(wcx_mm_t *mm);

/* When the feed's past is out of reach (another day, or beyond the re-request window): take the instruments from `wcxctl instrument list`. Blocks while
   it runs. */
void wcx_mm_learn(wcx_mm_t *mm);

/* Let a fresh process dump the journal and look for every acknowledged request in it. False when the dump could not be made. */
bool wcx_mm_audit(wcx_mm_t *mm);

#endif
