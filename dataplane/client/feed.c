#include "dataplane/client/feed.h"

#include <stdio.h>

#define GRACE_NS 5000000u /* the other line is given this long */
#define STREAM_CAP 16384u
#define MESSAGE_MAX 256u /* market data has no repeating groups: 152 bytes at most today */

void wcx_client_feed_init(wcx_client_feed_t *feed, const wcx_client_feed_config_t *config)
{
  *feed = (wcx_client_feed_t){.config = *config};
  wcx_client_stream_init(&feed->stream, STREAM_CAP, MESSAGE_MAX, GRACE_NS);
}

void wcx_client_feed_free(wcx_client_feed_t *feed)
{
  wcx_client_stream_free(&feed->stream);
}

static void drain(wcx_client_feed_t *feed)
{
  uint64_t number;
  uint16_t len;
  const uint8_t *message;
  while ((message = wcx_client_stream_take(&feed->stream, &number, &len)) != NULL)
    feed->config.on_message(feed->config.ctx, number, message, len);
}

static void started(wcx_client_feed_t *feed, enum wcx_client_start start)
{
  if (feed->config.on_start != NULL)
    feed->config.on_start(feed->config.ctx, feed->session, feed->stream.next, start);
}

static void on_reject(wcx_client_feed_t *feed, uint64_t now_ns, wcx_client_packet_t *packet)
{
  for (uint16_t block = 0; block < packet->count; block++)
  {
    uint16_t len;
    const uint8_t *message = wcx_client_packet_next(packet, &len);
    if (wcx_client_message_template(message, len) != WCX_TEMPLATE_RETRANSMIT_REJECT)
      continue;
    wcx_retransmit_reject_t reject;
    wcx_client_message_block(&reject, sizeof(reject), message, len);
    if (reject.code == WCX_RETRANSMIT_REJECT_CODE_TOO_LOW && reject.from_seq_no == feed->stream.next)
    {
      feed->incomplete = true;
      wcx_client_stream_skip(&feed->stream);
      started(feed, WCX_CLIENT_START_GAP);
      drain(feed);
    }
    else
      wcx_client_stream_refused(&feed->stream, now_ns, reject.retry_delay_nanos);
  }
}

/* Whether the packet belongs to the stream we follow; joins and rolls on the way. */
static bool follow(wcx_client_feed_t *feed, const wcx_client_packet_t *packet)
{
  char prefix[8];
  snprintf(prefix, sizeof(prefix), "M%03u", feed->config.shard);
  if (memcmp(packet->session, prefix, 4) != 0)
    return false;
  if (!feed->joined)
  {
    feed->joined = true;
    memcpy(feed->session, packet->session, 10);
    uint64_t first = feed->config.from_start ? 1 : packet->sequence;
    wcx_client_stream_start(&feed->stream, first, packet->sequence > first);
    started(feed, WCX_CLIENT_START_JOIN);
    return true;
  }
  int order = memcmp(packet->session, feed->session, 10);
  if (order < 0)
    return false;
  if (order > 0)
  {
    memcpy(feed->session, packet->session, 10);
    feed->roll_cnt++;
    bool ended = feed->stream.next == feed->end_number;
    bool missed = wcx_client_stream_missing(&feed->stream) != 0;
    feed->missed_at_roll_cnt += missed;
    wcx_client_stream_start(&feed->stream, 1, false);
    started(feed, ended ? WCX_CLIENT_START_ROLL : WCX_CLIENT_START_GAP);
    feed->end_number = 0;
  }
  return true;
}

void wcx_client_feed_datagram(wcx_client_feed_t *feed, uint64_t now_ns, enum wcx_client_line line, const void *datagram, size_t sz)
{
  wcx_client_packet_t packet;
  if (!wcx_client_packet_open(&packet, datagram, sz) || (packet.sequence == 0 && packet.session[0] == 'M'))
  {
    feed->bad_datagram_cnt++;
    return;
  }
  if (line == WCX_CLIENT_LINE_REREQUEST && memcmp(packet.session, WCX_CLIENT_NO_SESSION, 10) == 0)
  {
    on_reject(feed, now_ns, &packet);
    return;
  }
  if (!follow(feed, &packet))
  {
    feed->foreign_cnt++;
    return;
  }
  feed->last_rx_ns = now_ns;
  bool end = packet.count == WCX_CLIENT_END_OF_SESSION;
  if (end)
    packet.count = 0; /* as a heartbeat: there is nothing from this number on */
  feed->heartbeat_cnt += packet.count == 0;
  for (uint16_t block = 0; block < packet.count; block++)
  {
    uint16_t len;
    const uint8_t *message = wcx_client_packet_next(&packet, &len);
    feed->first_cnt[line] += wcx_client_stream_put(&feed->stream, packet.sequence + block, message, len);
  }
  wcx_client_stream_exists(&feed->stream, packet.sequence + packet.count);
  drain(feed);
  feed->end_number = end ? packet.sequence : feed->end_number;
}

void wcx_client_feed_step(wcx_client_feed_t *feed, uint64_t now_ns)
{
  uint64_t from;
  uint16_t cnt;
  if (!feed->joined || !wcx_client_stream_due(&feed->stream, now_ns, &from, &cnt))
    return;
  uint8_t datagram[WCX_CLIENT_PACKET_HDR_SZ];
  wcx_client_packet_header(datagram, feed->session, from, cnt);
  feed->config.send(feed->config.ctx, datagram, sizeof(datagram));
}
