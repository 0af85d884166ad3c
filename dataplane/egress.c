#include "dataplane/egress.h"
#include "engine/base/check.h"

bool wcx_egress_open(wcx_egress_t *egress, wcx_packet_t *packet, const wcx_peer_t *to, const char *session, uint64_t sequence)
{
  if (!wcx_egress_room(egress, 1) || !wcx_port_alloc(egress->port, &packet->frame))
    return false;
  egress->open_cnt++;
  packet->payload = packet->frame.data + wcx_net_headers_sz(to);
  packet->len = wcx_mold_begin(packet->payload, session, sequence, 0);
  packet->tail = to->tag != NULL ? WCX_TAG_SZ : 0;
  packet->max_input_seq = 0;
  return true;
}

void wcx_egress_queue(wcx_egress_t *egress, const wcx_frame_t *frame, uint64_t max_input_seq)
{
  egress->frames[egress->cnt] = *frame;
  egress->max_input_seq[egress->cnt] = max_input_seq;
  egress->cnt++;
}

bool wcx_egress_alloc(wcx_egress_t *egress, wcx_frame_t *frame)
{
  return wcx_egress_room(egress, 1) && wcx_port_alloc(egress->port, frame);
}

void wcx_egress_send(wcx_egress_t *egress, wcx_packet_t *packet, const wcx_peer_t *to, uint16_t from_port)
{
  if (packet->tail != 0)
    packet->len = wcx_tag_append(to->tag, packet->payload, packet->len);
  packet->frame.len = wcx_net_finish_udp(&egress->net, packet->frame.data, to, from_port, (uint16_t)packet->len);
  egress->open_cnt--;
  wcx_egress_queue(egress, &packet->frame, packet->max_input_seq);
}

void wcx_egress_abandon(wcx_egress_t *egress, wcx_packet_t *packet)
{
  egress->open_cnt--;
  wcx_port_free(egress->port, &packet->frame);
}

bool wcx_egress_answer(wcx_egress_t *egress, const wcx_peer_t *to, uint16_t from_port, const void *message, uint16_t len, uint64_t input_seq)
{
  wcx_packet_t packet;
  if (!wcx_egress_open(egress, &packet, to, NULL, 0))
  {
    wcx_stat_add(&egress->stats->tx_drop, 1);
    return false;
  }
  wcx_packet_add(&packet, message, len, input_seq);
  wcx_egress_send(egress, &packet, to, from_port);
  return true;
}

bool wcx_egress_heartbeat(wcx_egress_t *egress, const wcx_peer_t *to, uint16_t from_port, const char *session, uint64_t next_number)
{
  wcx_packet_t packet;
  if (!wcx_egress_open(egress, &packet, to, session, next_number))
    return false;
  wcx_egress_send(egress, &packet, to, from_port);
  return true;
}

bool wcx_egress_end_of_session(wcx_egress_t *egress, const wcx_peer_t *to, uint16_t from_port, const char *session, uint64_t next_number, uint64_t input_seq)
{
  wcx_packet_t packet;
  if (!wcx_egress_open(egress, &packet, to, session, next_number))
    return false;
  (void)wcx_mold_begin(packet.payload, session, next_number, WCX_MOLD_END_OF_SESSION);
  packet.max_input_seq = input_seq;
  wcx_egress_send(egress, &packet, to, from_port);
  return true;
}

bool wcx_egress_frame(wcx_egress_t *egress, wcx_frame_t *frame)
{
  if (!wcx_egress_room(egress, 1))
    return false;
  wcx_egress_queue(egress, frame, 0);
  return true;
}

uint32_t wcx_egress_flush(wcx_egress_t *egress, uint64_t release_seq)
{
  uint32_t sent = 0;
  while (sent < egress->cnt)
  {
    uint32_t burst = egress->cnt - sent < WCX_PORT_BURST_MAX ? egress->cnt - sent : WCX_PORT_BURST_MAX;
    uint64_t bytes = 0;
    for (uint32_t i = sent; i < sent + burst; i++)
      WCX_CHECK(egress->max_input_seq[i] <= release_seq, "a frame that depends on input %llu would leave while %llu is released", (unsigned long long)egress->max_input_seq[i],
                (unsigned long long)release_seq);
    wcx_frame_t copy[WCX_PORT_BURST_MAX];
    memcpy(copy, egress->frames + sent, burst * sizeof(copy[0]));
    uint32_t took = wcx_port_tx(egress->port, copy, burst);
    for (uint32_t i = 0; i < took; i++)
      bytes += egress->frames[sent + i].len;
    wcx_stat_add(&egress->stats->tx_frames, took);
    wcx_stat_add(&egress->stats->tx_bytes, bytes);
    sent += took;
    if (took < burst)
    {
      wcx_stat_add(&egress->stats->tx_busy, burst - took);
      break;
    }
  }
  if (sent > 0 && sent < egress->cnt)
  {
    memmove(egress->frames, egress->frames + sent, (egress->cnt - sent) * sizeof(egress->frames[0]));
    memmove(egress->max_input_seq, egress->max_input_seq + sent, (egress->cnt - sent) * sizeof(egress->max_input_seq[0]));
  }
  egress->cnt -= sent;
  return sent;
}
