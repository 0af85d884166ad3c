#include "dataplane/client/snapshot.h"

#include "engine/base/check.h"
#include "engine/base/crc32c.h"

#include <stdio.h>
#include <stdlib.h>

#define GRACE_NS 20000000u /* the other line is given this long */
#define STREAM_CAP 8192u   /* messages of a few hundred packets: what one line may be ahead of the other */
#define MESSAGE_MAX 64u

void wcx_client_snapshot_init(wcx_client_snapshot_t *snapshot, const wcx_client_snapshot_config_t *config)
{
  *snapshot = (wcx_client_snapshot_t){.config = *config};
  wcx_client_stream_init(&snapshot->stream, STREAM_CAP, MESSAGE_MAX, GRACE_NS);
}

void wcx_client_snapshot_free(wcx_client_snapshot_t *snapshot)
{
  wcx_client_stream_free(&snapshot->stream);
  free(snapshot->orders);
  snapshot->orders = NULL;
  snapshot->order_max = 0;
}

static void tear(wcx_client_snapshot_t *snapshot)
{
  snapshot->torn_cnt += snapshot->collecting;
  snapshot->collecting = false;
}

/* The session of the feed that the numbers of this channel count in. */
static void feed_session(const wcx_client_snapshot_t *snapshot, char session[10])
{
  memcpy(session, snapshot->session, 10);
  session[0] = 'M';
}

static void on_start(wcx_client_snapshot_t *snapshot, const void *message, size_t sz)
{
  tear(snapshot); /* its end was lost with a hole */
  wcx_client_message_block(&snapshot->start, sizeof(snapshot->start), message, sz);
  snapshot->collecting = true;
  snapshot->order_cnt = 0;
  snapshot->crc = 0;
}

static void on_order(wcx_client_snapshot_t *snapshot, const void *message, size_t sz)
{
  if (!snapshot->collecting)
    return;
  if (snapshot->order_cnt == snapshot->order_max)
  {
    snapshot->order_max = snapshot->order_max == 0 ? 1024 : snapshot->order_max * 2;
    snapshot->orders = realloc(snapshot->orders, snapshot->order_max * sizeof(*snapshot->orders));
    if (snapshot->orders == NULL)
      WCX_DIE("no memory for a book of %u orders", snapshot->order_max);
  }
  wcx_snapshot_order_t *order = &snapshot->orders[snapshot->order_cnt++];
  wcx_client_message_block(order, sizeof(*order), message, sz);
  snapshot->crc = wcx_crc32c(snapshot->crc, order, sizeof(*order));
}

static void on_end(wcx_client_snapshot_t *snapshot, const void *message, size_t sz)
{
  if (!snapshot->collecting)
    return;
  wcx_snapshot_end_t end;
  wcx_client_message_block(&end, sizeof(end), message, sz);
  const wcx_snapshot_start_t *start = &snapshot->start;
  bool same = end.snapshot_id == start->snapshot_id && end.security_id == start->security_id && end.last_msg_seq_num_processed == start->last_msg_seq_num_processed;
  if (!same || end.tot_num_orders != snapshot->order_cnt || start->tot_num_orders != snapshot->order_cnt)
  {
    tear(snapshot);
    return;
  }
  snapshot->collecting = false;
  if (end.checksum != snapshot->crc)
  {
    snapshot->bad_checksum_cnt++;
    return;
  }
  snapshot->book_cnt++;
  snapshot->cycle_book_cnt++;
  char session[10];
  feed_session(snapshot, session);
  snapshot->config.on_book(snapshot->config.ctx, session, start, snapshot->orders);
}

static void on_end_of_cycle(wcx_client_snapshot_t *snapshot, const void *message, size_t sz)
{
  wcx_end_of_cycle_t end;
  wcx_client_message_block(&end, sizeof(end), message, sz);
  bool whole = end.tot_num_securities == snapshot->cycle_book_cnt;
  tear(snapshot);
  snapshot->cycle_cnt++;
  snapshot->cycle_book_cnt = 0;
  char session[10];
  feed_session(snapshot, session);
  snapshot->config.on_cycle(snapshot->config.ctx, session, whole);
}

static void drain(wcx_client_snapshot_t *snapshot)
{
  uint64_t number;
  uint16_t len;
  const uint8_t *message;
  while ((message = wcx_client_stream_take(&snapshot->stream, &number, &len)) != NULL)
    switch (wcx_client_message_template(message, len))
    {
    case WCX_TEMPLATE_SNAPSHOT_START:
      on_start(snapshot, message, len);
      break;
    case WCX_TEMPLATE_SNAPSHOT_ORDER:
      on_order(snapshot, message, len);
      break;
    case WCX_TEMPLATE_SNAPSHOT_END:
      on_end(snapshot, message, len);
      break;
    case WCX_TEMPLATE_END_OF_CYCLE:
      on_end_of_cycle(snapshot, message, len);
      break;
    default:
      break;
    }
}

/* What the hole took with it: the book being collected, and the right to call this cycle whole. */
static void on_hole(wcx_client_snapshot_t *snapshot)
{
  tear(snapshot);
  snapshot->cycle_book_cnt = 0;
}

/* Whether the packet belongs to the stream we follow; joins and rolls on the way. */
static bool follow(wcx_client_snapshot_t *snapshot, const wcx_client_packet_t *packet)
{
  char prefix[8];
  snprintf(prefix, sizeof(prefix), "N%03u", snapshot->config.shard % 1000u);
  if (memcmp(packet->session, prefix, 4) != 0)
    return false;
  int order = snapshot->joined ? memcmp(packet->session, snapshot->session, 10) : 1;
  if (order > 0)
  {
    snapshot->joined = true;
    memcpy(snapshot->session, packet->session, 10);
    on_hole(snapshot);
    wcx_client_stream_start(&snapshot->stream, packet->sequence, false);
  }
  return order >= 0;
}

void wcx_client_snapshot_datagram(wcx_client_snapshot_t *snapshot, uint64_t now_ns, enum wcx_client_line line, const void *datagram, size_t sz)
{
  wcx_client_packet_t packet;
  if (!wcx_client_packet_open(&packet, datagram, sz) || packet.sequence == 0)
  {
    snapshot->bad_datagram_cnt++;
    return;
  }
  if (!follow(snapshot, &packet))
  {
    snapshot->foreign_cnt++;
    return;
  }
  uint16_t count = packet.count != WCX_CLIENT_END_OF_SESSION ? packet.count : 0;
  if (packet.sequence > snapshot->stream.next && packet.sequence + count - snapshot->stream.next > STREAM_CAP)
  {
    /* both lines were lost for long, or the data plane has started again: go on from here */
    on_hole(snapshot);
    wcx_client_stream_start(&snapshot->stream, packet.sequence, false);
  }
  for (uint16_t block = 0; block < count; block++)
  {
    uint16_t len;
    const uint8_t *message = wcx_client_packet_next(&packet, &len);
    snapshot->first_cnt[line == WCX_CLIENT_LINE_B] += wcx_client_stream_put(&snapshot->stream, packet.sequence + block, message, len);
  }
  wcx_client_stream_exists(&snapshot->stream, packet.sequence + count);
  drain(snapshot);
  wcx_client_snapshot_step(snapshot, now_ns);
}

void wcx_client_snapshot_step(wcx_client_snapshot_t *snapshot, uint64_t now_ns)
{
  uint64_t from;
  uint16_t cnt;
  if (!snapshot->joined || !wcx_client_stream_due(&snapshot->stream, now_ns, &from, &cnt))
    return;
  on_hole(snapshot);
  wcx_client_stream_skip(&snapshot->stream);
  drain(snapshot);
}
