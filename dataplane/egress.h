/* Frames on their way out: made here, checked here, sent here. The only caller of wcx_port_tx.

   Every frame carries the newest input it depends on. wcx_egress_flush gives a frame to the port only after checking that this input is released; a frame
   that breaks the rule ends the process, in release builds too.

   Owner:      the loop.
   Memory:     WCX_EGRESS_MAX frames of the port's pool at most, opened or waiting.
   Room:       wcx_egress_open says no when there is none; whoever holds a sequenced message tries again next turn, an unsequenced answer is dropped and counted.
   Invariants: frames leave in the order they were sent to the queue.
   Pinned by:  tests/unit/test_loop_gate.c. */
#ifndef WCX_DATAPLANE_EGRESS_H
#define WCX_DATAPLANE_EGRESS_H

#include "dataplane/mold.h"
#include "dataplane/net.h"
#include "dataplane/port.h"
#include "engine/shm/stats.h"

#define WCX_EGRESS_MAX 128u

typedef struct wcx_egress
{
  wcx_port_t *port;
  wcx_stats_t *stats;
  wcx_net_t net;
  uint32_t cnt;      /* waiting */
  uint32_t open_cnt; /* opened and not yet sent */
  wcx_frame_t frames[WCX_EGRESS_MAX];
  uint64_t max_input_seq[WCX_EGRESS_MAX];
} wcx_egress_t;

/* A MoldUDP64 packet being filled. */
typedef struct wcx_packet
{
  wcx_frame_t frame;
  uint8_t *payload;
  uint32_t len;           /* of the payload */
  uint32_t tail;          /* bytes of the tag that follows the last block */
  uint64_t max_input_seq; /* newest input its messages depend on */
} wcx_packet_t;

/* Room for `cnt` more frames. */
static inline bool wcx_egress_room(const wcx_egress_t *egress, uint32_t cnt)
{
  return egress->cnt + egress->open_cnt + cnt <= WCX_EGRESS_MAX;
}

/* Start a packet to a peer; session NULL: ten spaces. */
bool wcx_egress_open(wcx_egress_t *egress, wcx_packet_t *packet, const wcx_peer_t *to, const char *session, uint64_t sequence);

static inline bool wcx_packet_fits(const wcx_packet_t *packet, uint16_t len)
{
  return packet->len + 2u + len + packet->tail <= WCX_MOLD_SZ_MAX;
}

static inline void wcx_packet_add(wcx_packet_t *packet, const void *message, uint16_t len, uint64_t input_seq)
{
  packet->len = wcx_mold_add(packet->payload, packet->len, message, len);
  packet->max_input_seq = input_seq > packet->max_input_seq ? input_seq : packet->max_input_seq;
}

/* Finish the packet and queue its frame. */
void wcx_egress_send(wcx_egress_t *egress, wcx_packet_t *packet, const wcx_peer_t *to, uint16_t from_port);

/* Give back a packet that will not be sent. */
void wcx_egress_abandon(wcx_egress_t *egress, wcx_packet_t *packet);

/* One message outside any sequence. False, and counted, when there was no room. */
bool wcx_egress_answer(wcx_egress_t *egress, const wcx_peer_t *to, uint16_t from_port, const void *message, uint16_t len, uint64_t input_seq);

/* A heartbeat. False when there was no room. */
bool wcx_egress_heartbeat(wcx_egress_t *egress, const wcx_peer_t *to, uint16_t from_port, const char *session, uint64_t next_number);

/* The end of a session: there is no message from `next_number` on. It depends on the input that ended it. False when there was no room. */
bool wcx_egress_end_of_session(wcx_egress_t *egress, const wcx_peer_t *to, uint16_t from_port, const char *session, uint64_t next_number, uint64_t input_seq);

/* Queue a frame that is complete (ARP). Takes the frame when true. */
bool wcx_egress_frame(wcx_egress_t *egress, wcx_frame_t *frame);

/* A frame to fill and queue at once (TCP): false when there is no room. The caller checks nothing else in between. */
bool wcx_egress_alloc(wcx_egress_t *egress, wcx_frame_t *frame);
void wcx_egress_queue(wcx_egress_t *egress, const wcx_frame_t *frame, uint64_t max_input_seq);

/* Check and transmit what waits. Returns the frames sent. */
uint32_t wcx_egress_flush(wcx_egress_t *egress, uint64_t release_seq);

#endif
