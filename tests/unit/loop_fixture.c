#include "tests/unit/loop_fixture.h"

#include "engine/shm/journal_walk.h"

#include <errno.h>
#include <stdio.h>

#define SLOTS 256u

static world_t *journal_of; /* the world whose journal wcx_journal_source_open gives; by shard below */
static world_t *journals[8];

/* --- the journal as the walker reads it: stands in for engine/shm/journal_dir.c ------------------------------------------------------------- */

static int64_t memory_read(void *ctx, uint64_t segment_no, uint64_t off, void *buf, size_t sz)
{
  const world_t *w = ctx;
  if (segment_no > 1)
    return -ENOENT;
  uint64_t base = segment_no == 0 ? 0 : WCX_JOURNAL_ALIGN;
  uint64_t end = segment_no == 0 ? WCX_JOURNAL_ALIGN : WORLD_JOURNAL_SZ;
  uint64_t avail = off < end ? end - off : 0;
  size_t part = sz < avail ? sz : (size_t)avail;
  memcpy(buf, w->journal + base + off, part);
  return (int64_t)part;
}

static uint64_t memory_last(void *ctx)
{
  (void)ctx;
  return 1;
}

static int memory_override_page(void *ctx, uint32_t page_no, uint8_t page[WCX_JOURNAL_ALIGN])
{
  const world_t *w = ctx;
  if (page_no > 0 || w->override_page == NULL)
    return 0;
  memcpy(page, w->override_page, WCX_JOURNAL_ALIGN);
  return 1;
}

int wcx_journal_source_open(wcx_journal_source_t *source, const char *dir, char *err, size_t err_sz)
{
  (void)err;
  (void)err_sz;
  uint32_t shard = (uint32_t)strtoul(strrchr(dir, '-') + 1, NULL, 10);
  journal_of = journals[shard];
  *source = (wcx_journal_source_t){.ctx = journal_of, .read = memory_read, .last_segment = memory_last, .override_page = memory_override_page};
  return WCX_JOURNAL_OPEN_OK;
}

static void journal_make(world_t *w)
{
  uint32_t shard = w->region->params.shards[w->shard_idx].shard;
  w->journal = calloc(1, WORLD_JOURNAL_SZ + WCX_JOURNAL_ALIGN);
  wcx_journal_super_t super = {.magic = WCX_JOURNAL_SUPER_MAGIC,
                               .version = WCX_JOURNAL_VERSION,
                               .shard = shard,
                               .journal_id = "a test's journal",
                               .segment_sz = WORLD_JOURNAL_SZ,
                               .in_flight_max = WCX_JOURNAL_IN_FLIGHT_MAX,
                               .first_segment_no = 1};
  super.crc32c = wcx_crc32c(0, &super, sizeof(super));
  memcpy(w->journal, &super, sizeof(super));
  wcx_journal_segment_t segment = {.magic = WCX_JOURNAL_SEGMENT_MAGIC, .version = WCX_JOURNAL_VERSION, .shard = shard, .segment_no = 1, .segment_sz = WORLD_JOURNAL_SZ};
  memcpy(segment.journal_id, super.journal_id, 16);
  segment.crc32c = wcx_crc32c(0, &segment, sizeof(segment));
  memcpy(w->journal + WCX_JOURNAL_ALIGN, &segment, sizeof(segment));
  w->journal_off = 2 * WCX_JOURNAL_ALIGN;
  w->chain = calloc(1, sizeof(*w->chain));
  *w->chain = (wcx_journal_chain_t){.shard = shard, .next_block_no = 1, .next_seq = 1, .digest = wcx_journal_chain_start(super.journal_id)};
  journals[shard] = w;
}

static void journal_block(world_t *w, uint16_t kind, const uint8_t *body, uint32_t body_sz, uint32_t count)
{
  wcx_journal_block_t block = {.magic = WCX_JOURNAL_BLOCK_MAGIC,
                               .version = WCX_JOURNAL_VERSION,
                               .kind = kind,
                               .shard = w->chain->shard,
                               .epoch = w->epoch,
                               .block_no = w->chain->next_block_no,
                               .first_seq = w->chain->next_seq,
                               .count = count,
                               .body_sz = body_sz,
                               .in_flight_max = WCX_JOURNAL_IN_FLIGHT_MAX,
                               .prev_digest = w->chain->digest,
                               .body_digest = wcx_journal_body_digest(body, body_sz)};
  block.block_sz = (uint32_t)((sizeof(block) + body_sz + WCX_JOURNAL_ALIGN - 1) / WCX_JOURNAL_ALIGN * WCX_JOURNAL_ALIGN);
  block.crc32c = wcx_journal_block_crc(&block, body);
  assert_true(w->journal_off + block.block_sz <= WORLD_JOURNAL_SZ);
  memcpy(w->journal + w->journal_off, &block, sizeof(block));
  memcpy(w->journal + w->journal_off + sizeof(block), body, body_sz);
  w->journal_off += block.block_sz;
  wcx_journal_chain_advance(w->chain, &block);
}

static void journal_drain(world_t *w)
{
  static uint8_t body[WCX_JOURNAL_BLOCK_SZ_MAX];
  uint32_t shard = w->chain->shard;
  uint32_t body_sz = 0;
  uint32_t count = 0;
  for (;;)
  {
    uint32_t sz = 0;
    int got = wcx_jring_take(&w->consumer, shard, body + body_sz, &sz);
    assert_int_not_equal(got, WCX_JRING_CORRUPT);
    if (got == WCX_JRING_RECORD)
    {
      wcx_record_hdr_t hdr;
      memcpy(&hdr, body + body_sz, sizeof(hdr));
      if (w->on_record != NULL)
        w->on_record(w->ctx, &hdr, body + body_sz + sizeof(hdr));
      body_sz += sz;
      count++;
    }
    if (count > 0 && (got == WCX_JRING_EMPTY || body_sz + WCX_RECORD_SZ_MAX > sizeof(body) - sizeof(wcx_journal_block_t)))
    {
      if (!w->forget)
        journal_block(w, WCX_JOURNAL_DATA, body, body_sz, count);
      w->durable_seq += count;
      body_sz = 0;
      count = 0;
    }
    if (got == WCX_JRING_EMPTY)
      return;
  }
}

void world_release(world_t *w)
{
  atomic_store(&w->shm->release.flushed_seq, w->durable_seq);
  atomic_store(&w->shm->release.release_word, wcx_release_pack(w->epoch, w->durable_seq));
}

static void journal_step(world_t *w)
{
  if (w->dead || w->region->params.durability == WCX_DURABILITY_LEVEL_D0_NONE)
    return;
  journal_drain(w);
  wcx_region_handshake_t *handshake = &w->shm->handshake;
  if (atomic_load(&handshake->asked) != atomic_load(&handshake->answered))
  {
    w->epoch++;
    wcx_journal_recovery_t recovery = {.epoch = w->epoch, .incarnation = 1, .cut_seq = w->durable_seq, .cut_digest = w->chain->digest};
    if (!w->forget)
      journal_block(w, WCX_JOURNAL_RECOVERY, (const uint8_t *)&recovery, sizeof(recovery), 0);
    atomic_store(&w->shm->release.epoch, w->epoch);
    world_release(w);
    atomic_store(&handshake->granted_epoch, w->epoch);
    atomic_store(&handshake->cut_seq, w->durable_seq);
    atomic_store(&handshake->answered, atomic_load(&handshake->asked));
    w->consumer = (wcx_jring_consumer_t){.ring = &w->shm->jring, .next_seq = w->durable_seq + 1};
  }
  else if (!w->hold)
    world_release(w);
  atomic_store(&handshake->ready, 1);
}

static void auth_step(world_t *w)
{
  wcx_auth_slot_t slot;
  while (!w->auth_silent && wcx_auth_pop(&w->shm->auth.dataplane_auth, &slot))
  {
    if (w->judge != NULL)
      w->judge(w->ctx, &slot);
    else
    {
      slot.verdict = slot.establish.hmac_signature[0] == 0xbb ? WCX_AUTH_BAD_CREDENTIALS : WCX_AUTH_VALID;
      char text[16];
      snprintf(text, sizeof(text), "Mold%06u", ++w->mold_cnt % 1000000u);
      memcpy(slot.mold_session, text, 10);
    }
    assert_true(wcx_auth_push(&w->shm->auth.auth_dataplane, &slot));
  }
}

/* --- the world ------------------------------------------------------------------------------------------------------------------------------ */

static void default_params(wcx_params_t *params, uint32_t shard_cnt)
{
  *params = (wcx_params_t){.magic = WCX_PARAMS_MAGIC,
                           .version = WCX_PARAMS_VERSION,
                           .sz = sizeof(*params),
                           .ip = WORLD_IP,
                           .order_udp_port = 7002,
                           .rerequest_udp_port = 7003,
                           .order_tcp_port = 7001,
                           .tcp_connections_max = 16,
                           .feed_heartbeat_ms = 1000,
                           .snapshot_packets_per_s = 10000, /* no cycles: whoever wants them sets snapshot_cycle_ms */
                           .establish_per_source_per_s = 20,
                           .rerequest_per_source_per_s = 10000,
                           .cod_timeout_keepalives = 3,
                           .durability = WCX_DURABILITY_LEVEL_D1_LOCAL_FLUSH,
                           .state_dir = "nowhere",
                           .shard_cnt = shard_cnt};
  for (uint32_t i = 0; i < shard_cnt; i++)
  {
    params->shards[i] = (wcx_params_shard_t){.shard = (uint16_t)(i + 1),
                                             .jring_slot_max = SLOTS,
                                             .orders_max = 2000,
                                             .levels_max = 1000,
                                             .instruments_max = 8,
                                             .accounts_max = 32,
                                             .sessions_max = 16,
                                             .outlog_sz = 8u << 20,
                                             .retain_session_msgs = 1024,
                                             .retain_feed_msgs = 4096,
                                             .group_a_ip = 0xef4d0001u,
                                             .group_b_ip = 0xef4d0002u,
                                             .group_a_port = 7101,
                                             .group_b_port = 7102,
                                             .snapshot_group_a_ip = 0xef4d0003u,
                                             .snapshot_group_b_ip = 0xef4d0004u,
                                             .snapshot_group_a_port = 7103,
                                             .snapshot_group_b_port = 7104,
                                             .snapshot_orders_max = 2000};
    for (uint32_t n = 1; n <= 4; n++)
    {
      uint32_t id = i * 4 + n;
      params->sessions[params->session_cnt++] = (wcx_params_session_t){.session_id = id,
                                                                       .account = id,
                                                                       .shard = (uint16_t)(i + 1),
                                                                       .key_cnt = 1,
                                                                       .throttle_per_s = 1000000,
                                                                       .throttle_burst = 100000,
                                                                       .cancel_per_s = 1000000,
                                                                       .cancel_burst = 100000};
      params->accounts[params->account_cnt++] = (wcx_account_definition_t){.account = id, .credit = WCX_CREDIT_UNLIMITED, .status = WCX_ACCOUNT_STATUS_ACTIVE};
    }
    for (uint32_t n = 1; n <= 2; n++)
      params->instruments[params->instrument_cnt++] = (wcx_security_definition_t){.security_id = i * 2 + n,
                                                                                  .security_trading_status = WCX_SECURITY_TRADING_STATUS_READY_TO_TRADE,
                                                                                  .min_price_increment = 1,
                                                                                  .round_lot = 1,
                                                                                  .low_limit_price = WCX_I64_NULL,
                                                                                  .high_limit_price = WCX_I64_NULL,
                                                                                  .market_segment_id = i + 1};
  }
}

wcx_region_t *world_region(uint32_t shard_cnt, world_tune_t *tune)
{
  wcx_params_t *params = calloc(1, sizeof(*params));
  default_params(params, shard_cnt);
  if (tune != NULL)
    tune(params);
  size_t header_sz = (sizeof(wcx_region_t) + WCX_REGION_ALIGN - 1) & ~(size_t)(WCX_REGION_ALIGN - 1);
  size_t shard_sz = wcx_region_shard_footprint(SLOTS);
  wcx_region_t *region = aligned_alloc(WCX_REGION_ALIGN, header_sz + shard_cnt * shard_sz);
  memset(region, 0, header_sz + shard_cnt * shard_sz);
  region->magic = WCX_REGION_MAGIC;
  region->layout = WCX_REGION_LAYOUT;
  region->shard_cnt = shard_cnt;
  memcpy(&region->params, params, sizeof(*params));
  free(params);
  for (uint32_t i = 0; i < shard_cnt; i++)
  {
    region->shard_off[i] = header_sz + i * shard_sz;
    wcx_region_shard(region, i)->jring.slot_max = region->params.shards[i].jring_slot_max;
    wcx_region_shard(region, i)->journal.segments_free = 4;
  }
  atomic_store(&region->params_ready, 1);
  return region;
}

static void make_loop(world_t *w)
{
  char name[32];
  snprintf(name, sizeof(name), "shard-%u", w->shard_idx);
  w->port = wcx_port_open(WCX_PORT_AF_XDP, name, 0, false);
  size_t sz = wcx_loop_footprint(&w->region->params, w->shard_idx);
  assert_true(sz != 0);
  w->mem = aligned_alloc(4096, sz);
  memset(w->mem, 0xa5, sz); /* a loop must not depend on fresh memory */
  wcx_loop_config_t config = {.region = w->region, .shard_idx = w->shard_idx, .mem = w->mem, .mem_sz = sz, .hash_key = 0x5eed + w->mono_ns};
  w->loop = wcx_loop_new(&config);
  w->plugged = false; /* as late as it may be */
}

void world_open(world_t *w, wcx_region_t *region, uint32_t shard_idx)
{
  memset(w, 0, sizeof(*w));
  w->region = region;
  w->shard_idx = shard_idx;
  w->shm = wcx_region_shard(region, shard_idx);
  w->utc_ns = WORLD_UTC_NS;
  w->mono_ns = 1000000000;
  char name[32];
  snprintf(name, sizeof(name), "shard-%u", shard_idx);
  w->wire = wcx_wire_get(name);
  w->consumer = (wcx_jring_consumer_t){.ring = &w->shm->jring, .next_seq = 1};
  journal_make(w);
  wcx_tcp_config_t tcp_config = wcx_loop_tcp_config(&region->params);
  w->tcp = wcx_tcp_open(&tcp_config);
  make_loop(w);
}

void world_start(world_t *w)
{
  for (uint32_t i = 0; i < 10000 && !wcx_loop_serving(w->loop); i++)
    world_turn(w);
  assert_true(wcx_loop_serving(w->loop));
  world_turns(w, 4);
}

void world_new(world_t *w, world_tune_t *tune)
{
  world_open(w, world_region(1, tune), 0);
  world_start(w);
  world_drain(w);
}

void world_crash(world_t *w)
{
  wcx_port_close(w->port);
  free(w->mem);
  world_drain(w);
  make_loop(w);
}

void world_close(world_t *w)
{
  wcx_port_close(w->port);
  wcx_tcp_close(w->tcp);
  wcx_wire_drop(w->wire);
  journals[w->chain->shard] = NULL;
  free(w->mem);
  free(w->journal);
  free(w->chain);
  if (w->region->shard_cnt == 1)
    free(w->region);
}

void world_turn(world_t *w)
{
  w->mono_ns += 10000;
  w->utc_ns += 10000;
  if (!w->jumps_unconfirmed)
    atomic_store(&w->shm->clock.confirmed, atomic_load(&w->shm->clock.jumps) + 1);
  if (!w->plugged && wcx_loop_replayed(w->loop))
  {
    wcx_loop_plug(w->loop, w->port, w->tcp);
    w->plugged = true;
  }
  (void)wcx_loop_step(w->loop, w->mono_ns, w->utc_ns);
  journal_step(w);
  auth_step(w);
}

void world_turns(world_t *w, uint32_t cnt)
{
  for (uint32_t i = 0; i < cnt; i++)
    world_turn(w);
}

void world_stall(world_t *w, uint64_t ns)
{
  w->mono_ns += ns;
  w->utc_ns += ns;
}

void world_pass(world_t *w, uint64_t ns)
{
  for (uint64_t at = 0; at < ns; at += 1000000)
  {
    world_stall(w, 990000);
    world_turn(w);
  }
}

/* --- frames --------------------------------------------------------------------------------------------------------------------------------- */

bool world_next(world_t *w, sent_t *sent)
{
  uint32_t len = wcx_wire_recv(w->wire, sent->frame);
  if (len == 0)
    return false;
  /* read it with the eyes of its receiver */
  wcx_net_t receiver = {0};
  memcpy(receiver.mac, sent->frame, 6);
  receiver.ip = (uint32_t)sent->frame[30] << 24 | (uint32_t)sent->frame[31] << 16 | (uint32_t)sent->frame[32] << 8 | sent->frame[33];
  sent->to_ip = receiver.ip;
  assert_int_equal(wcx_net_parse(&receiver, sent->frame, len, &sent->datagram), WCX_NET_UDP);
  assert_int_equal(sent->datagram.from.ip, WORLD_IP);
  assert_true(sent->datagram.len <= 1400);
  assert_true(wcx_mold_parse(sent->datagram.payload, sent->datagram.len, &sent->mold));
  if (w->tags && !wcx_mold_sound(&sent->mold, 8) && sent->mold.end - sent->mold.blocks >= (int)WCX_TAG_SZ)
    sent->mold.end -= WCX_TAG_SZ;
  if (sent->mold.count == WCX_MOLD_END_OF_SESSION)
    assert_int_equal(sent->datagram.len, WCX_MOLD_HEADER_SZ);
  else
    assert_true(wcx_mold_sound(&sent->mold, 8));
  return true;
}

void world_drain(world_t *w)
{
  uint8_t frame[WCX_FRAME_SZ_MAX];
  while (wcx_wire_recv(w->wire, frame) != 0)
    ;
}

bool world_next_to(world_t *w, const client_t *client, sent_t *sent)
{
  while (world_next(w, sent))
    if (sent->to_ip == client->ip && sent->datagram.to_port == client->port)
      return true;
  return false;
}

bool world_expect(world_t *w, const client_t *client, uint16_t template_id, void *block, size_t sz)
{
  sent_t sent;
  while (world_next_to(w, client, &sent))
  {
    const uint8_t *at = sent.mold.blocks;
    for (uint32_t i = 0; i < sent.mold.count; i++)
    {
      const uint8_t *message = NULL;
      uint16_t message_sz = 0;
      assert_true(wcx_mold_next(&sent.mold, &at, &message, &message_sz));
      wcx_message_header_t header;
      memcpy(&header, message, 8);
      if (header.template_id != template_id)
        continue;
      assert_int_equal(header.block_length, sz);
      memcpy(block, message + 8, sz);
      return true;
    }
  }
  return false;
}

uint32_t world_frame(uint8_t *frame, uint32_t ip, uint16_t port, uint16_t to_port, const void *payload, uint32_t len)
{
  wcx_net_t sender = {.ip = ip, .mac = {2, 0, 0, 0, 0, 9}};
  wcx_peer_t to = {.ip = WORLD_IP, .port = to_port, .mac = {0x02, 0x77, 0x63, 0x78, 0x00, 0x01}};
  memcpy(frame + 42, payload, len);
  return wcx_net_finish_udp(&sender, frame, &to, port, (uint16_t)len);
}

void world_send(world_t *w, uint32_t ip, uint16_t port, uint16_t to_port, const void *payload, uint32_t len)
{
  uint8_t frame[WCX_FRAME_SZ_MAX];
  (void)wcx_wire_send(w->wire, frame, world_frame(frame, ip, port, to_port, payload, len));
}

/* --- clients -------------------------------------------------------------------------------------------------------------------------------- */

client_t client_of(uint32_t session_id)
{
  return (client_t){.session_id = session_id, .ip = CLIENT_IP, .port = (uint16_t)(40000 + session_id), .uuid = 100};
}

wcx_establish_t client_establish(const world_t *w, client_t *client)
{
  wcx_establish_t establish = {.session_id = client->session_id,
                               .uuid = ++client->uuid,
                               .request_timestamp = w->utc_ns,
                               .next_client_seq_no = 1,
                               .keep_alive_interval = 1000,
                               .flags = FLAG_COD,
                               .hmac_version = 1};
  memset(establish.access_key_id, ' ', sizeof(establish.access_key_id));
  return establish;
}

uint32_t client_block(uint8_t *to, uint16_t template_id, const void *body, uint16_t sz)
{
  wcx_message_header_t header = {.block_length = sz, .template_id = template_id, .schema_id = WCX_SCHEMA_ID};
  uint16_t len_be = htobe16((uint16_t)(sz + 8));
  memcpy(to, &len_be, 2);
  memcpy(to + 2, &header, 8);
  memcpy(to + 10, body, sz);
  return 10u + sz;
}

void client_send_establish(world_t *w, const client_t *client, const wcx_establish_t *establish)
{
  uint8_t payload[256];
  uint32_t len = wcx_mold_begin(payload, NULL, 0, 1);
  len += client_block(payload + len, WCX_TEMPLATE_ESTABLISH, establish, sizeof(*establish));
  world_send(w, client->ip, client->port, 7002, payload, len);
}

void client_sign_on(world_t *w, client_t *client)
{
  wcx_establish_t establish = client_establish(w, client);
  client_send_establish(w, client, &establish);
  world_turns(w, 6);
  assert_true(world_expect(w, client, WCX_TEMPLATE_ESTABLISH_ACK, &client->ack, sizeof(client->ack)));
  assert_int_equal(client->ack.uuid, establish.uuid);
  memcpy(client->mold, client->ack.mold_session, 10);
  client->next_seq = client->ack.next_client_seq_no;
  client->cl_ord_id = client->ack.last_cl_ord_id;
}

void client_send_at(world_t *w, const client_t *client, uint64_t seq, uint16_t count, const uint8_t *blocks, uint32_t sz)
{
  uint8_t payload[1472];
  uint32_t len = wcx_mold_begin(payload, client->mold, seq, count);
  if (sz > 0)
    memcpy(payload + len, blocks, sz);
  world_send(w, client->ip, client->port, 7002, payload, len + sz);
}

void client_send(world_t *w, client_t *client, uint16_t template_id, const void *body, uint16_t sz)
{
  uint8_t block[256];
  client_send_at(w, client, client->next_seq++, 1, block, client_block(block, template_id, body, sz));
}

wcx_new_order_single_t client_order(client_t *client, uint32_t security_id, uint8_t side, int64_t price, int64_t qty, uint8_t tif)
{
  return (wcx_new_order_single_t){.cl_ord_id = ++client->cl_ord_id,
                                  .price = price,
                                  .order_qty = qty,
                                  .display_qty = WCX_I64_NULL,
                                  .min_qty = WCX_I64_NULL,
                                  .stop_px = WCX_I64_NULL,
                                  .expire_time = WCX_U64_NULL,
                                  .security_id = security_id,
                                  .account = client->session_id,
                                  .side = side,
                                  .ord_type = WCX_ORD_TYPE_LIMIT,
                                  .time_in_force = tif};
}

void client_send_order(world_t *w, client_t *client, uint32_t security_id, uint8_t side, int64_t price, int64_t qty, uint8_t tif)
{
  wcx_new_order_single_t order = client_order(client, security_id, side, price, qty, tif);
  client_send(w, client, WCX_TEMPLATE_NEW_ORDER_SINGLE, &order, sizeof(order));
}
