/* The incremental feed: the same messages in the same order to group A and group B, and a heartbeat on both when there is nothing to say.

   The session string names the day, so a packet never mixes messages of two days: the days of the last rolls are kept with the input they began at. A day
   that was heard is ended (ending.h) before the first packet of the next one.

   Owner:      the loop.
   Memory:     two frames of the port's pool while a packet is open.
   Invariants: a message's day is that of its input; heartbeats carry the number after the last message that passed the gate.
   Pinned by:  tests/unit/test_loop_feed.c. */
#ifndef WCX_DATAPLANE_FEED_H
#define WCX_DATAPLANE_FEED_H

#include "dataplane/ending.h"
#include "dataplane/retain.h"
#include "engine/engine.h"

#define WCX_FEED_DAYS_MAX 4u

typedef struct wcx_feed_day
{
  uint64_t from_seq;    /* first input of that day */
  uint64_t next_number; /* when it has ended: after its last message */
  char session[WCX_MOLD_SESSION_SZ];
  uint8_t pad[6];
} wcx_feed_day_t;

typedef struct wcx_feed
{
  wcx_egress_t *egress;
  wcx_peer_t groups[2];
  uint16_t from_port;
  uint8_t open;     /* a packet is being filled */
  uint8_t heard;    /* something of the day of passed_seq has left: its end is worth saying */
  uint32_t day_cnt; /* days ever begun; the last at (day_cnt - 1) % WCX_FEED_DAYS_MAX */
  wcx_feed_day_t days[WCX_FEED_DAYS_MAX];
  wcx_packet_t packets[2];
  const wcx_feed_day_t *packet_day;
  uint64_t next_released;  /* number of the next message; 1 again at the start of a day */
  uint64_t passed_seq;     /* input up to which the gate has passed everything */
  uint64_t passed_day_seq; /* first input of the day of passed_seq */
  uint64_t heartbeat_ns;
  uint64_t last_tx_ns;
  wcx_ending_t ending;
  wcx_retain_t retain;
} wcx_feed_t;

/* Tell the feed that input `seq` was applied and may have begun a day. */
void wcx_feed_roll(wcx_feed_t *feed, const wcx_engine_t *engine, uint64_t seq);

/* The day of an input, or NULL when it is forgotten. */
const wcx_feed_day_t *wcx_feed_day_of(const wcx_feed_t *feed, uint64_t seq);

/* The gate has passed everything up to input `seq`: enter its day. */
void wcx_feed_pass(wcx_feed_t *feed, uint64_t seq);

/* Add a released message to the open packets; starts them as needed. FULL: flush first, then add again. NO_ROOM: not now. */
enum wcx_feed_result
{
  WCX_FEED_ADDED = 1,
  WCX_FEED_FULL = 2,
  WCX_FEED_NO_ROOM = 3,
};
enum wcx_feed_result wcx_feed_pack(wcx_feed_t *feed, const wcx_out_entry_t *entry, const uint8_t *message, uint64_t mono_ns);

/* Queue the open packets, if any. */
void wcx_feed_flush(wcx_feed_t *feed, uint64_t mono_ns);

/* Send heartbeats and the end of yesterday's session when they are due. Returns packets queued. */
uint32_t wcx_feed_heartbeat(wcx_feed_t *feed, uint64_t mono_ns);

#endif
