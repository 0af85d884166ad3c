#include "dataplane/cycle.h"
#include "engine/base/crc32c.h"

#define MESSAGE_SZ_MAX (sizeof(wcx_message_header_t) + sizeof(wcx_snapshot_order_t)) /* the longest of them */

static_assert(sizeof(wcx_snapshot_start_t) <= sizeof(wcx_snapshot_order_t), "MESSAGE_SZ_MAX");
static_assert(sizeof(wcx_snapshot_order_t) == 40, "SnapshotEnd.Checksum is over 40-byte blocks");

void wcx_cycle_start(wcx_cycle_t *cycle, uint64_t epoch, uint64_t mono_ns)
{
  cycle->phase = cycle->interval_ns != 0 ? WCX_CYCLE_WAIT : WCX_CYCLE_OFF;
  cycle->next_ns = mono_ns;
  cycle->first_number = (epoch << WCX_CYCLE_EPOCH_SHIFT) + 1;
  cycle->next_number = cycle->first_number;
}

/* --- copying ----------------------------------------------------------------------------------------------------------------------------------- */

static void begin(wcx_cycle_t *cycle, uint64_t mono_ns)
{
  cycle->next_ns += cycle->interval_ns;
  if (cycle->next_ns < mono_ns)
    cycle->next_ns = mono_ns; /* a cycle took longer than the interval: they follow each other */
  cycle->cycle_id++;
  cycle->said_cnt = 0;
  cycle->next_idx = 0;
  cycle->ended = 0;
  cycle->phase = WCX_CYCLE_COPY;
}

static uint32_t copy_batch(wcx_cycle_t *cycle)
{
  cycle->batch_seq = wcx_engine_applied_seq(cycle->engine);
  wcx_engine_feed_session(cycle->engine, cycle->batch_session);
  cycle->batch_session[0] = 'N';
  uint32_t cnt = 0;
  uint32_t order_cnt = 0;
  uint32_t walked = 0;
  while (cnt < WCX_CYCLE_BOOKS_MAX && walked < WCX_CYCLE_COPY_MAX)
  {
    uint32_t room = cycle->orders_max - order_cnt;
    wcx_snapshot_start_t *start = &cycle->starts[cnt];
    cycle->last = !wcx_engine_snapshot_at(cycle->engine, cycle->next_idx, start, cycle->orders + order_cnt, room);
    if (cycle->last || (start->tot_num_orders > room && order_cnt > 0))
      break; /* a book that finds no room behind others is the first of the next batch */
    cycle->next_idx++;
    walked += start->tot_num_orders;
    if (start->tot_num_orders > room)
    {
      wcx_stat_add(&cycle->stats->snapshot_too_deep, 1);
      continue;
    }
    start->snapshot_id = ++cycle->snapshot_id;
    order_cnt += start->tot_num_orders;
    cnt++;
  }
  cycle->book_cnt = cnt;
  cycle->book_idx = 0;
  cycle->block_idx = 0;
  cycle->order_off = 0;
  cycle->phase = WCX_CYCLE_SEND;
  return cnt;
}

/* --- sending ----------------------------------------------------------------------------------------------------------------------------------- */

static bool batch_done(const wcx_cycle_t *cycle)
{
  return cycle->book_idx == cycle->book_cnt && (!cycle->last || cycle->ended);
}

static uint16_t put(uint8_t *message, uint16_t template_id, const void *block, uint16_t block_sz)
{
  wcx_message_header_t header = {.block_length = block_sz, .template_id = template_id, .schema_id = WCX_SCHEMA_ID};
  memcpy(message, &header, sizeof(header));
  memcpy(message + sizeof(header), block, block_sz);
  return (uint16_t)(sizeof(header) + block_sz);
}

/* Write the message at the cursor and step over it. The batch is not done. */
static uint16_t next_message(wcx_cycle_t *cycle, uint8_t *message)
{
  if (cycle->book_idx == cycle->book_cnt)
  {
    wcx_end_of_cycle_t end = {.cycle_id = cycle->cycle_id, .tot_num_securities = cycle->said_cnt};
    cycle->ended = 1;
    wcx_stat_add(&cycle->stats->snapshot_cycles, 1);
    return put(message, WCX_TEMPLATE_END_OF_CYCLE, &end, sizeof(end));
  }
  const wcx_snapshot_start_t *start = &cycle->starts[cycle->book_idx];
  uint32_t block = cycle->block_idx++;
  if (block == 0)
  {
    cycle->crc = 0;
    return put(message, WCX_TEMPLATE_SNAPSHOT_START, start, sizeof(*start));
  }
  if (block <= start->tot_num_orders)
  {
    const wcx_snapshot_order_t *order = &cycle->orders[cycle->order_off + block - 1];
    cycle->crc = wcx_crc32c(cycle->crc, order, sizeof(*order));
    return put(message, WCX_TEMPLATE_SNAPSHOT_ORDER, order, sizeof(*order));
  }
  wcx_snapshot_end_t end = {.last_msg_seq_num_processed = start->last_msg_seq_num_processed,
                            .security_id = start->security_id,
                            .tot_num_orders = start->tot_num_orders,
                            .snapshot_id = start->snapshot_id,
                            .checksum = cycle->crc};
  cycle->order_off += start->tot_num_orders;
  cycle->block_idx = 0;
  cycle->book_idx++;
  cycle->said_cnt++;
  return put(message, WCX_TEMPLATE_SNAPSHOT_END, &end, sizeof(end));
}

static bool open_packets(wcx_cycle_t *cycle, wcx_packet_t packets[2])
{
  if (!wcx_egress_open(cycle->egress, &packets[0], &cycle->groups[0], cycle->session, cycle->next_number))
    return false;
  if (wcx_egress_open(cycle->egress, &packets[1], &cycle->groups[1], cycle->session, cycle->next_number))
    return true;
  wcx_egress_abandon(cycle->egress, &packets[0]);
  return false;
}

/* One packet on both sides. False when there was no room. */
static bool send_packet(wcx_cycle_t *cycle)
{
  wcx_packet_t packets[2];
  if (!open_packets(cycle, packets))
    return false;
  uint32_t cnt = 0;
  while (!batch_done(cycle) && wcx_packet_fits(&packets[0], MESSAGE_SZ_MAX))
  {
    uint8_t message[MESSAGE_SZ_MAX];
    uint16_t len = next_message(cycle, message);
    wcx_packet_add(&packets[0], message, len, cycle->batch_seq);
    wcx_packet_add(&packets[1], message, len, cycle->batch_seq);
    cnt++;
  }
  for (uint32_t side = 0; side < 2; side++)
    wcx_egress_send(cycle->egress, &packets[side], &cycle->groups[side], cycle->from_port);
  cycle->next_number += cnt;
  wcx_stat_add(&cycle->stats->messages_snapshot, cnt);
  return true;
}

/* The batch is released: its session is the one of the channel from here on. */
static void enter_session(wcx_cycle_t *cycle)
{
  if (memcmp(cycle->session, cycle->batch_session, WCX_MOLD_SESSION_SZ) == 0)
    return;
  if (cycle->session[0] != '\0')
    wcx_ending_begin(&cycle->ending, cycle->session, cycle->next_number, cycle->batch_seq);
  memcpy(cycle->session, cycle->batch_session, WCX_MOLD_SESSION_SZ);
  cycle->next_number = cycle->first_number;
}

static uint32_t send_batch(wcx_cycle_t *cycle, uint64_t mono_ns)
{
  enter_session(cycle);
  uint32_t sent = 0;
  uint64_t paced = wcx_bucket_tokens(&cycle->paced, &cycle->pace, mono_ns);
  while (sent < WCX_CYCLE_PACKETS_MAX && sent < paced && !batch_done(cycle))
  {
    if (!wcx_egress_room(cycle->egress, WCX_EGRESS_MAX / 2) || !wcx_ending_say(&cycle->ending, cycle->egress, cycle->groups, cycle->from_port, mono_ns, cycle->heartbeat_ns) ||
        !send_packet(cycle))
      break;
    sent++;
  }
  if (sent == 0)
    return 0;
  wcx_bucket_take(&cycle->paced, &cycle->pace, mono_ns, sent);
  cycle->last_tx_ns = mono_ns;
  return 2 * sent;
}

static uint32_t heartbeat(wcx_cycle_t *cycle, uint64_t mono_ns)
{
  if (cycle->session[0] == '\0' || mono_ns - cycle->last_tx_ns < cycle->heartbeat_ns || !wcx_egress_room(cycle->egress, WCX_EGRESS_MAX / 2))
    return 0;
  uint32_t sent = 0;
  for (uint32_t side = 0; side < 2; side++)
    sent += wcx_egress_heartbeat(cycle->egress, &cycle->groups[side], cycle->from_port, cycle->session, cycle->next_number);
  cycle->last_tx_ns = mono_ns;
  return sent;
}

uint32_t wcx_cycle_step(wcx_cycle_t *cycle, uint64_t release_seq, uint64_t mono_ns)
{
  if (cycle->phase == WCX_CYCLE_OFF)
    return 0;
  uint32_t work = 0;
  if (cycle->phase == WCX_CYCLE_WAIT && mono_ns >= cycle->next_ns)
    begin(cycle, mono_ns);
  if (cycle->phase == WCX_CYCLE_COPY)
    work += copy_batch(cycle) + 1;
  if (cycle->phase == WCX_CYCLE_SEND && cycle->batch_seq <= release_seq)
  {
    work += send_batch(cycle, mono_ns);
    if (batch_done(cycle))
      cycle->phase = cycle->ended ? WCX_CYCLE_WAIT : WCX_CYCLE_COPY;
  }
  (void)wcx_ending_say(&cycle->ending, cycle->egress, cycle->groups, cycle->from_port, mono_ns, cycle->heartbeat_ns);
  return work + heartbeat(cycle, mono_ns);
}
