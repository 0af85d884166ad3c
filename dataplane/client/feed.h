/* The incremental feed at its receiver: lines A and B arbitrated, gaps asked for again, messages in order. No sockets: bytes in, bytes out.

   Session strings are "M" shard(3) YYMMDD. A day roll changes the string and numbers start again at 1; the end of a session tells what of it is missing.

   Owner:      one thread.
   Memory:     allocated by init, freed by free. Messages given to on_message live until it returns.
   Units:      monotonic ns, passed in.
   Invariants: on_message sees each number of a day once, in order; numbers that could not be had are counted in stream.message_lost_cnt.
   Pinned by:  tests/unit/test_client_feed.c. */
#ifndef WCX_CLIENT_FEED_H
#define WCX_CLIENT_FEED_H

#include "dataplane/client/packet.h"
#include "dataplane/client/stream.h"

enum wcx_client_line
{
  WCX_CLIENT_LINE_A = 0,
  WCX_CLIENT_LINE_B = 1,
  WCX_CLIENT_LINE_REREQUEST = 2,
};

/* How what comes next follows what came before. */
enum wcx_client_start
{
  WCX_CLIENT_START_JOIN = 1, /* it is the first */
  WCX_CLIENT_START_ROLL = 2, /* the next day; the end of the last was heard and nothing of it was missed */
  WCX_CLIENT_START_GAP = 3,  /* something between was lost for good, or may have been: books must be joined anew */
};

typedef struct wcx_client_feed_config
{
  uint16_t shard;
  bool from_start; /* ask for everything since number 1; false: begin with the first message seen */
  void *ctx;
  void (*send)(void *ctx, const void *datagram, size_t sz); /* to the re-request port */
  void (*on_message)(void *ctx, uint64_t number, const void *message, size_t sz);
  /* The next message is `number` of this session. May be NULL. */
  void (*on_start)(void *ctx, const char session[10], uint64_t number, enum wcx_client_start start);
} wcx_client_feed_config_t;

typedef struct wcx_client_feed
{
  wcx_client_feed_config_t config;
  wcx_client_stream_t stream;
  char session[10];
  bool joined;
  bool incomplete;     /* the past could not be had: books start without it */
  uint64_t end_number; /* the session is over: nothing has this number; 0: it is not */
  uint64_t last_rx_ns;
  uint64_t first_cnt[3]; /* messages by the line whose copy came first */
  uint64_t heartbeat_cnt;
  uint64_t bad_datagram_cnt;
  uint64_t foreign_cnt; /* of another shard or an older day */
  uint64_t roll_cnt;
  uint64_t missed_at_roll_cnt; /* days that ended with a hole */
} wcx_client_feed_t;

void wcx_client_feed_init(wcx_client_feed_t *feed, const wcx_client_feed_config_t *config);
void wcx_client_feed_free(wcx_client_feed_t *feed);

void wcx_client_feed_datagram(wcx_client_feed_t *feed, uint64_t now_ns, enum wcx_client_line line, const void *datagram, size_t sz);

/* Timers: re-requests. */
void wcx_client_feed_step(wcx_client_feed_t *feed, uint64_t now_ns);

/* Holes that are left: given up, and what is missing right now. */
static inline uint64_t wcx_client_feed_gaps(const wcx_client_feed_t *feed)
{
  return feed->stream.hole_lost_cnt + feed->missed_at_roll_cnt + (wcx_client_stream_missing(&feed->stream) != 0);
}

#endif
