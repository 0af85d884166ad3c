/* What the next frames of a burst ask for, asked of memory before the first of them is applied. Where many orders rest, most of what a request costs is waiting for memory;
   requests that are asked for together wait together.

       burst: | frame | frame | frame | frame | ..      a look parses frames from looked_cnt on until it has WCX_AHEAD_BLOCKS requests, at least one frame, and hands them
                  ^ handled       ^ looked_cnt          to wcx_engine_prefetch; when the loop has handled those frames, it looks again

   A look is a guess and judges nothing: whether a datagram has its tag and its place, whether a request is sound and admitted, is decided when its turn comes, by the bytes
   alone. A damaged frame asks for nothing, nor does one of an address that is not bound; what a forged one asks for comes into a cache earlier, and that is all.

   Owner:      the loop.
   Memory:     in the loop. Parsed datagrams point into the frames of the burst.
   Bounds:     a look walks at most 2 x WCX_AHEAD_BLOCKS - 1 blocks, the first WCX_AHEAD_BLOCKS of a datagram; a frame is looked at once.
   Invariants: nothing but *ahead is written; no result depends on whether there was a look.
   Pinned by:  tests/unit/test_ahead.c, tests/unit/test_loop_ahead.c, tests/property/test_loop_bursts.c. */
#ifndef WCX_DATAPLANE_AHEAD_H
#define WCX_DATAPLANE_AHEAD_H

#include "dataplane/binding.h"
#include "dataplane/port.h"
#include "engine/engine.h"

#define WCX_AHEAD_BLOCKS 16u
#define WCX_AHEAD_ORDERS_MIN 12000u /* with fewer orders, a look costs more than it saves (README) */
#define WCX_AHEAD_FRAME_MIN 165u    /* bytes of a frame that can hold two requests: no order alone makes so long a one */
#define WCX_AHEAD_STREAM_MIN 92u    /* bytes of a stream that can: no order alone takes so many */

typedef struct wcx_ahead
{
  uint32_t looked_cnt; /* frames of the burst that were looked at, or are not to be */
  uint32_t parsed_cnt; /* frames of it that a look has parsed: [0, parsed_cnt) of these two */
  wcx_datagram_t datagrams[WCX_PORT_BURST_MAX];
  enum wcx_net_verdict verdicts[WCX_PORT_BURST_MAX];
} wcx_ahead_t;

/* A burst of cnt frames came. It is looked at when it can hold two requests and enough orders rest. */
static inline void wcx_ahead_burst(wcx_ahead_t *ahead, const wcx_engine_t *engine, const wcx_frame_t *frames, uint32_t cnt)
{
  bool several = cnt > 1 || (cnt == 1 && frames[0].len >= WCX_AHEAD_FRAME_MIN);
  ahead->parsed_cnt = 0;
  ahead->looked_cnt = several && wcx_engine_orders_live(engine) >= WCX_AHEAD_ORDERS_MIN ? 0 : cnt;
}

/* Look at the frames from looked_cnt on, of `cnt` in all; looked_cnt < cnt. order_port: where requests are sent to. */
void wcx_ahead_look(wcx_ahead_t *ahead, const wcx_engine_t *engine, wcx_sessions_t *sessions, const wcx_net_t *net, uint16_t order_port, const wcx_frame_t *frames, uint32_t cnt);

/* The same for the packets that have come over the TCP connection of a session, as far as they are whole. */
void wcx_ahead_look_at_stream(const wcx_engine_t *engine, uint32_t session_id, const uint8_t *data, uint32_t len);
static inline void wcx_ahead_stream(const wcx_engine_t *engine, uint32_t session_id, const uint8_t *data, uint32_t len)
{
  if (len >= WCX_AHEAD_STREAM_MIN && wcx_engine_orders_live(engine) >= WCX_AHEAD_ORDERS_MIN)
    wcx_ahead_look_at_stream(engine, session_id, data, len);
}

#endif
