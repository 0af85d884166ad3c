#include "tests/sim/world.h"

#include "dataplane/client/orders.h"
#include "dataplane/mold.h"
#include "dataplane/net.h"
#include "engine/shm/journal_walk.h"
#include "tests/sim/disk_sim.h"
#include "tests/sim/env_sim.h"
#include "tests/sim/judge.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SHARD 1u
#define WIRE "sim"
#define STATE_DIR "/sim"
#define SERVER_IP 0x0a4d0002u
#define CLIENT_IP 0x0a4d0001u
#define ORDER_PORT 7002u
#define REREQUEST_PORT 7003u
#define FEED_A_PORT 7101u
#define SNAPSHOT_A_PORT 7103u
#define CLIENT_PORT 20000u /* + index */
#define ORDERS_MAX 256u
#define LOG_SZ (2u << 20)
#define REPLAY_LOG_SZ (32u << 20)
#define WORK_TURNS_EXTRA 400u /* until requests are in flight */
#define TURNS_TO_REST_MAX 400000u
#define QUIET_TURNS 16u /* without progress: everybody waits */

static uint64_t draw(wcx_world_t *world)
{
  world->prng += UINT64_C(0x9e3779b97f4a7c15);
  return wcx_digest_fold(world->prng ^ WCX_DIGEST_K1, world->prng ^ WCX_DIGEST_K2);
}

static uint64_t draw_below(wcx_world_t *world, uint64_t bound)
{
  return draw(world) % bound;
}

/* Whose code runs from here on, should a crash point fire; 0: nobody's. */
static void run_as(wcx_world_t *world, uint32_t who)
{
  world->running = who;
  wcx_sim_disk_process(who);
}

/* --- set-up --------------------------------------------------------------------------------------- */

static void pad_copy(char *to, size_t sz, const char *from)
{
  memset(to, ' ', sz);
  memcpy(to, from, strlen(from));
}

static void fill_params(wcx_params_t *p)
{
  p->magic = WCX_PARAMS_MAGIC;
  p->version = WCX_PARAMS_VERSION;
  p->sz = sizeof(*p);
  p->port_kind = WCX_PORT_AF_XDP;
  strcpy(p->port_device, WIRE);
  p->ip = SERVER_IP;
  p->order_udp_port = ORDER_PORT;
  p->rerequest_udp_port = REREQUEST_PORT;
  p->feed_heartbeat_ms = 1000;
  p->snapshot_cycle_ms = 5; /* often: each copies what is not released yet, and must not leave before it is */
  p->snapshot_packets_per_s = 100000;
  p->establish_per_source_per_s = 1000;
  p->rerequest_per_source_per_s = 1000000;
  p->cod_timeout_keepalives = 3;
  p->durability = WCX_DURABILITY_LEVEL_D1_LOCAL_FLUSH;
  p->journal_segment_sz = 256u << 10;
  p->journal_segments_ahead = 2;
  strcpy(p->state_dir, STATE_DIR);
  p->shard_cnt = 1;
  p->shards[0] = (wcx_params_shard_t){.shard = SHARD,
                                      .jring_slot_max = WCX_PLAN_RING_SLOTS_MAX,
                                      .orders_max = ORDERS_MAX,
                                      .levels_max = 128,
                                      .instruments_max = 1,
                                      .accounts_max = 2,
                                      .sessions_max = 2,
                                      .outlog_sz = LOG_SZ,
                                      .retain_session_msgs = 2048,
                                      .retain_feed_msgs = 2048,
                                      .group_a_ip = 0xef4d0001u,
                                      .group_b_ip = 0xef4d0002u,
                                      .group_a_port = FEED_A_PORT,
                                      .group_b_port = FEED_A_PORT + 1,
                                      .snapshot_group_a_ip = 0xef4d0003u,
                                      .snapshot_group_b_ip = 0xef4d0004u,
                                      .snapshot_group_a_port = SNAPSHOT_A_PORT,
                                      .snapshot_group_b_port = SNAPSHOT_A_PORT + 1,
                                      .snapshot_orders_max = ORDERS_MAX};
  p->session_cnt = p->account_cnt = WCX_PLAN_CLIENTS_MAX;
  for (uint32_t i = 0; i < WCX_PLAN_CLIENTS_MAX; i++)
  {
    p->accounts[i] = (wcx_account_definition_t){.account = i + 1, .credit = WCX_CREDIT_UNLIMITED, .status = WCX_ACCOUNT_STATUS_ACTIVE};
    p->sessions[i] = (wcx_params_session_t){
        .session_id = i + 1, .account = i + 1, .shard = SHARD, .key_cnt = 1, .throttle_per_s = 1000000, .throttle_burst = 100000, .cancel_per_s = 1000000, .cancel_burst = 100000};
    char key[21];
    snprintf(key, sizeof(key), "DEMO-MM-%u", i + 1);
    pad_copy(p->sessions[i].access_key_id[0], 20, key);
  }
  wcx_security_definition_t *d = &p->instruments[0];
  p->instrument_cnt = 1;
  *d = (wcx_security_definition_t){.security_id = 1,
                                   .security_trading_status = WCX_SECURITY_TRADING_STATUS_READY_TO_TRADE,
                                   .min_price_increment = 1,
                                   .round_lot = 1,
                                   .low_limit_price = WCX_I64_NULL,
                                   .high_limit_price = WCX_I64_NULL,
                                   .market_segment_id = SHARD};
  pad_copy(d->symbol, sizeof(d->symbol), "BTC-USDT");
  pad_copy(d->base_asset, sizeof(d->base_asset), "BTC");
  pad_copy(d->quote_asset, sizeof(d->quote_asset), "USDT");
}

/* A region as wcx-controld makes it. */
static void make_region(wcx_world_t *world)
{
  wcx_region_t *region = world->region;
  region->magic = WCX_REGION_MAGIC;
  region->layout = WCX_REGION_LAYOUT;
  region->shard_cnt = 1;
  region->sz = world->region_sz;
  region->shard_off[0] = (sizeof(*region) + WCX_REGION_ALIGN - 1) & ~(WCX_REGION_ALIGN - 1);
  region->params = *world->params;
  atomic_store_explicit(&region->params_ready, 1, memory_order_release);
}

/* What a new boot finds in it: nothing. */
static void fresh_region(wcx_world_t *world)
{
  wcx_region_shard_t *shard = wcx_region_shard(world->region, 0);
  memset(shard, 0, sizeof(*shard) + (size_t)world->plan.ring_slots * sizeof(wcx_jring_slot_t));
  shard->jring.slot_max = world->plan.ring_slots;
}

wcx_engine_limits_t wcx_world_limits(const wcx_world_t *world)
{
  const wcx_params_shard_t *s = &world->params->shards[0];
  return (wcx_engine_limits_t){.shard = SHARD,
                               .orders_max = s->orders_max,
                               .levels_max = s->levels_max,
                               .instruments_max = s->instruments_max,
                               .accounts_max = s->accounts_max,
                               .sessions_max = s->sessions_max,
                               .hash_key = 99};
}

static void *must_alloc(size_t align, size_t sz)
{
  void *mem = aligned_alloc(align, (sz + align - 1) / align * align);
  WCX_CHECK(mem != NULL, "no memory: %zu bytes", sz);
  memset(mem, 0, sz);
  return mem;
}

void wcx_world_init(wcx_world_t *world)
{
  *world = (wcx_world_t){0};
  world->params = must_alloc(64, sizeof(wcx_params_t));
  fill_params(world->params);
  WCX_CHECK(wcx_journal_dir(world->dir, sizeof(world->dir), STATE_DIR, SHARD), "journal directory");
  world->region_sz = ((sizeof(wcx_region_t) + WCX_REGION_ALIGN - 1) & ~(WCX_REGION_ALIGN - 1)) + wcx_region_shard_footprint(world->params->shards[0].jring_slot_max);
  world->region = must_alloc(WCX_REGION_ALIGN, world->region_sz);
  WCX_CHECK(wcx_snapshot_dir(world->snapshot_dir, sizeof(world->snapshot_dir), STATE_DIR, SHARD), "snapshot directory");
  world->replica = must_alloc(64, sizeof(wcx_replica_t));
  world->replica_sz = wcx_replica_footprint(&world->params->shards[0]);
  world->replica_mem = must_alloc(4096, world->replica_sz);
  world->loop_mem_sz = wcx_loop_footprint(world->params, 0);
  WCX_CHECK(world->loop_mem_sz != 0, "the simulator's own parameters are out of range");
  world->loop_mem = must_alloc(4096, world->loop_mem_sz);
  world->journal = must_alloc(4096, sizeof(wcx_journal_t));
  wcx_engine_limits_t limits = wcx_world_limits(world);
  world->replay_sz = wcx_engine_footprint(&limits);
  world->replay_mem = must_alloc(4096, world->replay_sz);
  world->replay_log = aligned_alloc(64, REPLAY_LOG_SZ); /* touched as far as it is used */
  WCX_CHECK(world->replay_log != NULL, "no memory");
  wcx_oracle_init(&world->oracle);
  world->wire = wcx_wire_get(WIRE);
  make_region(world);
}

void wcx_world_free(wcx_world_t *world)
{
  for (uint32_t i = 0; i < WCX_PLAN_CLIENTS_MAX; i++)
    if (world->clients[i].begun)
      wcx_client_session_free(&world->clients[i].session);
  wcx_wire_drop(world->wire);
  wcx_sim_disk_reset();
  wcx_oracle_free(&world->oracle);
  free(world->params);
  free(world->region);
  free(world->loop_mem);
  free(world->journal);
  free(world->replica);
  free(world->replica_mem);
  free(world->replay_mem);
  free(world->replay_log);
}

/* --- the appliance's parts ------------------------------------------------------------------------ */

static void start_dataplane(wcx_world_t *world)
{
  world->port = wcx_port_open(WCX_PORT_AF_XDP, WIRE, 0, false);
  wcx_loop_config_t config = {.region = world->region, .port = world->port, .mem = world->loop_mem, .mem_sz = world->loop_mem_sz, .hash_key = draw(world)};
  world->loop = wcx_loop_new(&config);
}

static void kill_dataplane(wcx_world_t *world)
{
  if (world->port == NULL)
    return;
  wcx_sim_disk_process_dies(WCX_CRASH_DATAPLANE);
  wcx_port_close(world->port);
  world->port = NULL;
  world->loop = NULL;
  world->served = false;
}

/* A failed disk ends the worker; nothing else may. */
static void check_failed(const wcx_world_t *world)
{
  WCX_CHECK(wcx_sim_disk_dead(world->dir) || wcx_sim_disk_failures(world->dir) > world->failures_seen, "the worker stops on a good disk: %s", world->journal->text);
}

static void kill_journal(wcx_world_t *world)
{
  wcx_sim_disk_process_dies(WCX_CRASH_JOURNAL);
  wcx_sim_disk_kill(world->dir);
  world->journal_alive = false;
}

static void start_journal(wcx_world_t *world)
{
  wcx_journal_config_t config = {.dir = world->dir,
                                 .snapshot_dir = world->plan.snapshot_every > 0 ? world->snapshot_dir : NULL,
                                 .shard = SHARD,
                                 .segment_sz = world->params->journal_segment_sz,
                                 .segments_ahead = world->plan.segments_ahead,
                                 .eager_lanes = world->plan.eager_lanes};
  world->failures_seen = wcx_sim_disk_failures(world->dir);
  world->journal_alive = wcx_journal_open(world->journal, &config, wcx_region_shard(world->region, 0)) == 0;
  if (!world->journal_alive)
  {
    check_failed(world);
    kill_journal(world);
    return;
  }
  uint64_t incarnation = atomic_load(&wcx_region_shard(world->region, 0)->handshake.incarnation);
  WCX_CHECK(incarnation > world->incarnation, "incarnation %llu of the worker after %llu", (unsigned long long)incarnation, (unsigned long long)world->incarnation);
  world->incarnation = incarnation;
}

static void start_replica(wcx_world_t *world)
{
  wcx_disk_t *disk;
  WCX_CHECK(wcx_disk_open(&disk, world->snapshot_dir, 0, 0, 0, 0) == 0, "the replica's disk");
  /* its memory is that of the one before, not zeroed again: it clears what it needs, and 7 MB a start are more than all the rest of a cycle */
  wcx_replica_config_t config = {.journal_dir = world->dir,
                                 .snapshot_dir = world->snapshot_dir,
                                 .shared = wcx_region_shard(world->region, 0),
                                 .disk = disk,
                                 .shard = &world->region->params.shards[0],
                                 .every_ns = UINT64_C(1) << 62,
                                 .every_inputs = world->plan.snapshot_every,
                                 .keep = 2};
  wcx_replica_init(world->replica, &config, world->replica_mem);
  world->replica_alive = true;
}

static void kill_replica(wcx_world_t *world)
{
  if (world->replica_alive)
    world->counts.snapshots += atomic_load(&wcx_region_shard(world->region, 0)->replica.snapshots);
  wcx_sim_disk_process_dies(WCX_CRASH_REPLICA);
  wcx_sim_disk_kill(world->snapshot_dir);
  world->replica_alive = false;
}

static void step_replica(wcx_world_t *world)
{
  (void)wcx_replica_step(world->replica, world->mono_ns);
  WCX_CHECK(world->replica->phase != WCX_REPLICA_HALTED, "the replica halted: %s", world->replica->text);
  WCX_CHECK(wcx_sim_disk_failures(world->dir) > 0 || world->replica->said[0] == 0, "the replica complains: %s", world->replica->said);
}

/* Signatures are not what is tested here: everything is valid. */
static void answer_signons(wcx_world_t *world)
{
  wcx_auth_ring_t *ring = &wcx_region_shard(world->region, 0)->auth;
  wcx_auth_slot_t slot;
  while (wcx_auth_pop(&ring->dataplane_auth, &slot))
  {
    slot.verdict = WCX_AUTH_VALID;
    for (uint32_t i = 0; i < sizeof(slot.mold_session); i++)
      slot.mold_session[i] = (char)('a' + draw_below(world, 26));
    (void)wcx_auth_push(&ring->auth_dataplane, &slot);
  }
}

/* --- clients --------------------------------------------------------------------------------------- */

static void client_send(void *ctx, enum wcx_client_port port, const void *datagram, size_t sz)
{
  wcx_world_client_t *client = ctx;
  wcx_world_t *world = client->world;
  if (world->port == NULL)
    return;
  wcx_net_t self = {.ip = CLIENT_IP, .mac = {2, 0, 0, 0, 0, 9}};
  wcx_peer_t to = {.ip = SERVER_IP, .port = port == WCX_CLIENT_PORT_ORDER ? ORDER_PORT : REREQUEST_PORT};
  wcx_port_mac(world->port, to.mac);
  uint8_t frame[WCX_FRAME_SZ_MAX];
  memcpy(frame + wcx_net_headers_sz(&to), datagram, sz);
  uint32_t len = wcx_net_finish_udp(&self, frame, &to, (uint16_t)(CLIENT_PORT + client->idx), (uint16_t)sz);
  (void)wcx_wire_send(world->wire, frame, len);
}

static void send_one(wcx_world_t *world, wcx_world_client_t *client)
{
  wcx_client_session_t *s = &client->session;
  uint64_t id = wcx_client_session_next_id(s);
  uint8_t message[WCX_CLIENT_REQUEST_SZ_MAX];
  uint64_t kind = draw_below(world, 100);
  uint64_t other = id > 1 ? 1 + draw_below(world, id - 1) : 1;
  size_t sz;
  if (kind >= world->plan.cancel_percent + world->plan.replace_percent)
  {
    static const uint8_t tifs[] = {WCX_TIME_IN_FORCE_GTC, WCX_TIME_IN_FORCE_GTC, WCX_TIME_IN_FORCE_IOC, WCX_TIME_IN_FORCE_FOK};
    wcx_new_order_single_t order = wcx_client_limit_order(id, client->idx + 1, 1, (uint8_t)(1 + draw_below(world, 2)), 100 + (int64_t)draw_below(world, 9),
                                                          1 + (int64_t)draw_below(world, 20), tifs[draw_below(world, 4)]);
    sz = wcx_client_put_new(message, &order);
  }
  else if (kind < world->plan.cancel_percent)
    sz = wcx_client_put_cancel(message, id, other, 1);
  else
    sz = wcx_client_put_replace(message, id, other, 1, 100 + (int64_t)draw_below(world, 9), 1 + (int64_t)draw_below(world, 30));
  wcx_oracle_sent(&world->oracle, client->idx + 1, message + sizeof(wcx_message_header_t), sz - sizeof(wcx_message_header_t));
  if (wcx_client_session_request(s, world->mono_ns, message, sz, 0))
    world->counts.requests++;
}

static void step_client(wcx_world_t *world, wcx_world_client_t *client, bool work)
{
  wcx_client_session_t *s = &client->session;
  if (s->state == WCX_CLIENT_CLOSED)
    wcx_client_session_open(s, world->mono_ns);
  if (work && s->state == WCX_CLIENT_READY && s->undecided_cnt < world->plan.undecided_max)
    for (uint64_t n = draw_below(world, world->plan.burst_max + 1); n > 0; n--)
      send_one(world, client);
  (void)wcx_client_session_step(s, world->mono_ns);
}

static void open_client(wcx_world_t *world, uint32_t idx)
{
  wcx_world_client_t *client = &world->clients[idx];
  if (client->begun)
    wcx_client_session_free(&client->session);
  *client = (wcx_world_client_t){.world = world, .idx = idx, .begun = true};
  wcx_client_session_config_t config = {
      .session_id = idx + 1, .secret = "none", .server_port = ORDER_PORT, .keep_alive_ms = 1000, .recover_from = 1, .ctx = client, .send = client_send};
  snprintf(config.access_key_id, sizeof(config.access_key_id), "DEMO-MM-%u", idx + 1);
  wcx_client_session_init(&client->session, &config);
}

/* A next number was said: what is below it has been released. */
static void advertise(wcx_world_t *world, uint32_t stream, uint64_t next)
{
  if (next > world->advertised[stream])
    world->advertised[stream] = next;
}

/* Packets of the snapshots are numbered by each life of the data plane for itself; of the engine's state they say up to which message of the feed they are true. */
static void hear_snapshot(wcx_world_t *world, const wcx_mold_t *mold)
{
  const uint8_t *at = mold->blocks;
  const uint8_t *block;
  uint16_t block_sz;
  for (uint32_t i = 0; i < mold->count && wcx_mold_next(mold, &at, &block, &block_sz); i++)
  {
    wcx_message_header_t hdr;
    wcx_snapshot_end_t end;
    memcpy(&hdr, block, sizeof(hdr));
    if (hdr.template_id != WCX_TEMPLATE_SNAPSHOT_END)
      continue;
    memcpy(&end, block + sizeof(hdr), sizeof(end));
    advertise(world, 0, end.last_msg_seq_num_processed + 1);
    wcx_oracle_told(&world->oracle, WCX_STREAM_SNAPSHOT, SHARD, end.last_msg_seq_num_processed, &end.checksum, sizeof(end.checksum));
  }
}

/* These requests will never apply. Numbers are given again in another life, so it counts which ClOrdIDs they carry now; a frame that comes late cannot say. */
static void hear_not_applied(wcx_world_t *world, uint32_t idx, const wcx_not_applied_t *not_applied)
{
  const wcx_client_session_t *session = &world->clients[idx].session;
  for (uint64_t k = 0; k < not_applied->count && world->plan.wire_odds < WCX_PLAN_ODDS_LATE; k++)
  {
    uint64_t id = session->cl_ord_id_of[(not_applied->from_seq_no + k) % WCX_CLIENT_REQUEST_MAX];
    WCX_CHECK(id < WCX_WORLD_REQUESTS_MAX, "more than %u requests", WCX_WORLD_REQUESTS_MAX);
    world->not_applied[idx][id / 64] |= UINT64_C(1) << id % 64;
  }
}

static void hear_messages(wcx_world_t *world, const wcx_mold_t *mold, bool feed, uint32_t idx)
{
  const uint8_t *at = mold->blocks;
  const uint8_t *block;
  uint16_t block_sz;
  for (uint32_t i = 0; i < mold->count && wcx_mold_next(mold, &at, &block, &block_sz); i++)
  {
    wcx_message_header_t hdr;
    memcpy(&hdr, block, sizeof(hdr));
    uint64_t number = mold->sequence + i;
    if (hdr.template_id == WCX_TEMPLATE_NOT_APPLIED)
    {
      wcx_not_applied_t not_applied;
      memcpy(&not_applied, block + sizeof(hdr), sizeof(not_applied));
      hear_not_applied(world, idx, &not_applied);
    }
    if (hdr.template_id == WCX_TEMPLATE_SESSION_STATUS_RESPONSE)
    {
      wcx_session_status_response_t status;
      memcpy(&status, block + sizeof(hdr), sizeof(status));
      advertise(world, idx + 1, status.next_server_seq_no);
    }
    if (hdr.template_id == WCX_TEMPLATE_ESTABLISH_ACK)
    {
      wcx_establish_ack_t ack;
      memcpy(&ack, block + sizeof(hdr), sizeof(ack));
      WCX_CHECK(ack.durability_level == WCX_DURABILITY_LEVEL_D1_LOCAL_FLUSH, "EstablishAck says durability %u", ack.durability_level);
      number = ack.next_server_seq_no - 1; /* sent outside the sequence, but it is message k of the stream */
    }
    else if (wcx_mold_no_session(mold))
      continue;
    wcx_oracle_told(&world->oracle, feed ? WCX_STREAM_FEED : WCX_STREAM_SESSION, feed ? SHARD : idx + 1, number, block, block_sz);
  }
}

/* Nothing is sent again unasked, not by a new life either. The wire's own faults hide that. */
static void check_once(wcx_world_t *world, const wcx_mold_t *mold, uint32_t side)
{
  if (world->plan.wire_odds > 0 || mold->count == 0 || mold->count == WCX_MOLD_END_OF_SESSION)
    return;
  world->oracle.duplicated += mold->sequence < world->feed_sent[side];
  world->feed_sent[side] = mold->sequence + mold->count;
}

/* Everything that leaves the wire: told to the oracle first, then delivered. */
static void take_frames(wcx_world_t *world)
{
  uint8_t frame[WCX_FRAME_SZ_MAX];
  for (uint32_t len; (len = wcx_wire_recv(world->wire, frame)) > 0;)
  {
    uint16_t to_port = (uint16_t)(frame[36] << 8 | frame[37]);
    uint32_t payload_sz = len - 42;
    wcx_mold_t mold;
    if (frame[12] != 8 || frame[23] != 17 || !wcx_mold_parse(frame + 42, payload_sz, &mold))
      continue;
    uint32_t idx = (uint32_t)to_port - CLIENT_PORT;
    bool feed = to_port == FEED_A_PORT || to_port == FEED_A_PORT + 1;
    if (to_port == SNAPSHOT_A_PORT || to_port == SNAPSHOT_A_PORT + 1)
      hear_snapshot(world, &mold);
    else if (feed || idx < WCX_PLAN_CLIENTS_MAX)
    {
      hear_messages(world, &mold, feed, idx);
      if (feed)
        check_once(world, &mold, to_port - FEED_A_PORT);
      if (!wcx_mold_no_session(&mold))
        advertise(world, feed ? 0 : idx + 1, mold.sequence + (mold.count < WCX_MOLD_END_OF_SESSION ? mold.count : 0));
    }
    if (idx < WCX_PLAN_CLIENTS_MAX)
      wcx_client_session_datagram(&world->clients[idx].session, world->mono_ns, frame + 42, payload_sz);
  }
}

/* A data plane that serves has an epoch above all before, and knows of every number that was ever advertised. */
static void check_served(wcx_world_t *world)
{
  if (world->served || world->port == NULL || !wcx_loop_serving(world->loop))
    return;
  world->served = true;
  uint64_t epoch = atomic_load(&wcx_region_shard(world->region, 0)->handshake.granted_epoch);
  WCX_CHECK(epoch > world->epoch, "epoch %llu after %llu", (unsigned long long)epoch, (unsigned long long)world->epoch);
  world->epoch = epoch;
  const wcx_engine_t *engine = wcx_loop_engine(world->loop);
  world->oracle.lost += wcx_engine_feed_next_number(engine) < world->advertised[0];
  for (uint32_t i = 0; i < WCX_PLAN_CLIENTS_MAX; i++)
  {
    wcx_session_view_t view;
    bool known = wcx_engine_session(engine, i + 1, &view);
    world->oracle.lost += world->advertised[i + 1] > (known ? view.next_server_seq : 1);
    WCX_CHECK(!known || view.open == 0, "session %u is open although its data plane died", i + 1);
  }
}

/* --- turns ----------------------------------------------------------------------------------------- */

/* What is on the wire has left. */
static void die(wcx_world_t *world, enum wcx_crash kind)
{
  world->counts.crashes[kind]++;
  if (world->trace)
    printf("turn %llu crash %d at %s\n", (unsigned long long)world->turn, kind, world->running != 0 ? wcx_sim_crash_name() : "rest");
  take_frames(world);
  if ((kind != WCX_CRASH_JOURNAL && kind != WCX_CRASH_REPLICA) || world->running == WCX_CRASH_DATAPLANE)
    kill_dataplane(world);
  if (kind == WCX_CRASH_JOURNAL || kind == WCX_CRASH_BOTH || world->running == WCX_CRASH_JOURNAL)
    kill_journal(world);
  if (kind == WCX_CRASH_REPLICA || kind == WCX_CRASH_POWER || world->running == WCX_CRASH_REPLICA)
    kill_replica(world);
  if (kind == WCX_CRASH_POWER)
  {
    wcx_sim_disk_power_loss(world->dir);
    wcx_sim_disk_power_loss(world->snapshot_dir);
    world->journal_alive = false;
    fresh_region(world);
  }
  world->replica_back = world->turn + draw_below(world, world->plan.down_turns_max);
  world->dataplane_back = world->turn + draw_below(world, world->plan.down_turns_max);
  world->journal_back = world->turn + draw_below(world, world->plan.down_turns_max);
}

static void turn(wcx_world_t *world, bool work)
{
  const wcx_plan_t *plan = &world->plan;
  world->turn++;
  bool quiet = world->turn - world->quiet_since > QUIET_TURNS;
  wcx_sim_advance_ns(quiet ? draw_below(world, 30000000) : 1000 + draw_below(world, 20000));
  world->mono_ns = wcx_env_mono_ns();

  run_as(world, WCX_CRASH_DATAPLANE);
  if (world->port == NULL && world->turn >= world->dataplane_back)
    start_dataplane(world);
  run_as(world, WCX_CRASH_JOURNAL);
  if (!world->journal_alive && world->turn >= world->journal_back)
    start_journal(world);
  if (!world->journal_alive && wcx_sim_disk_dead(world->dir)) /* nothing but the operator's boot helps */
  {
    run_as(world, 0);
    die(world, WCX_CRASH_POWER);
  }

  uint64_t who = draw(world);
  if (world->port != NULL && (who & 7) < plan->loop_of_8)
  {
    run_as(world, WCX_CRASH_DATAPLANE);
    (void)wcx_loop_step(world->loop, world->mono_ns, wcx_env_utc_ns());
    check_served(world);
    take_frames(world);
  }
  if (world->journal_alive && (who >> 3 & 7) < plan->journal_of_8)
  {
    run_as(world, WCX_CRASH_JOURNAL);
    (void)wcx_journal_step(world->journal, world->mono_ns);
    if (draw_below(world, plan->prepare_one_in) == 0)
      (void)wcx_journal_prepare_step(world->journal);
    if (world->journal->halted)
    {
      check_failed(world);
      kill_journal(world);
    }
  }
  run_as(world, WCX_CRASH_REPLICA);
  if (plan->snapshot_every > 0 && !world->replica_alive && world->turn >= world->replica_back)
    start_replica(world);
  if (world->replica_alive && (who >> 12 & 1) != 0)
    step_replica(world);
  run_as(world, 0);
  answer_signons(world);
  if ((who >> 6 & 7) < plan->client_of_8)
    step_client(world, &world->clients[(who >> 9) % plan->clients], work);

  uint64_t progress = world->counts.requests + world->oracle.told_cnt + (world->journal_alive ? world->journal->chain.next_block_no : 0);
  if (progress != world->progress)
    world->quiet_since = world->turn;
  world->progress = progress;
}

/* --- crashes --------------------------------------------------------------------------------------- */

/* Run until the crash point armed for it is reached, inside whatever component passes it, or the turns are over. True: it was reached. */
static bool run_into(wcx_world_t *world, uint64_t nth, uint32_t turns)
{
  static jmp_buf at;
  run_as(world, 0);
  if (setjmp(at) != 0)
    return true;
  wcx_sim_crash_arm(&at, nth);
  for (uint32_t i = 0; i < turns; i++)
    turn(world, true);
  wcx_sim_crash_disarm();
  run_as(world, 0);
  return false;
}

static enum wcx_crash any_kind(wcx_world_t *world)
{
  uint32_t kind;
  do
    kind = 1 + (uint32_t)draw_below(world, WCX_CRASH_MAX);
  while ((world->plan.kinds & 1u << kind) == 0);
  return (enum wcx_crash)kind;
}

static bool in_flight(const wcx_world_t *world)
{
  for (uint32_t i = 0; i < world->plan.clients; i++)
    if (world->clients[i].session.undecided_cnt > 0)
      return true;
  return false;
}

/* Within this cycle a write, or a sync of the preparation or of a recovery. */
static void arm_failure(wcx_world_t *world)
{
  if (draw_below(world, 2) == 0)
    wcx_sim_disk_fail_sync(world->dir, 1 + draw_below(world, 6));
  else
    wcx_sim_disk_fail(world->dir, 1 + draw_below(world, 12), draw_below(world, 2) == 0 ? -EIO : 512 * (int64_t)draw_below(world, 8));
}

static void run_cycle(wcx_world_t *world)
{
  const wcx_plan_t *plan = &world->plan;
  if (draw_below(world, 100) < plan->fail_percent)
    arm_failure(world);
  uint64_t turns = 10 + draw_below(world, plan->work_turns_max);
  for (uint64_t i = 0; i < turns || (!in_flight(world) && i < turns + WORK_TURNS_EXTRA); i++)
    turn(world, true);
  run_as(world, 0);
  bool inside = draw_below(world, 100) < plan->inside_percent;
  if (inside)
    (void)run_into(world, 1 + draw_below(world, 30), 60);
  world->counts.in_flight += in_flight(world);
  die(world, any_kind(world));
  world->counts.cycles++;
  if (draw_below(world, 100) < plan->again_percent && run_into(world, 1 + draw_below(world, 60), 200))
    die(world, any_kind(world));
}

/* --- seeds ----------------------------------------------------------------------------------------- */

/* Everything sent is decided, everything applied is released. */
static bool at_rest(wcx_world_t *world)
{
  if (world->port == NULL || !world->journal_alive || !wcx_loop_serving(world->loop) || !wcx_journal_idle(world->journal))
    return false;
  for (uint32_t i = 0; i < world->plan.clients; i++)
    if (world->clients[i].session.state != WCX_CLIENT_READY || world->clients[i].session.undecided_cnt > 0)
      return false;
  wcx_region_shard_t *shared = wcx_region_shard(world->region, 0);
  uint64_t released = wcx_release_seq(atomic_load(&shared->release.release_word));
  bool followed = world->plan.snapshot_every == 0 || (world->replica_alive && world->replica->phase == WCX_REPLICA_FOLLOW && atomic_load(&shared->replica.applied_seq) == released);
  return followed && wcx_engine_applied_seq(wcx_loop_engine(world->loop)) == released;
}

static void explain_stuck(wcx_world_t *world)
{
  printf("stuck: data plane %s, journal %s\n",
         world->port == NULL             ? "dead"
         : wcx_loop_serving(world->loop) ? "serving"
                                         : wcx_loop_waiting_for(world->loop),
         !world->journal_alive              ? "dead"
         : wcx_journal_idle(world->journal) ? "idle"
                                            : "busy");
  for (uint32_t i = 0; i < world->plan.clients; i++)
    printf("stuck: client %u in state %d (reject code %u), %u undecided\n", i + 1, (int)world->clients[i].session.state, world->clients[i].session.reject_code,
           world->clients[i].session.undecided_cnt);
}

static void begin_seed(wcx_world_t *world, uint64_t seed)
{
  world->plan = wcx_plan_of(seed);
  world->prng = seed * UINT64_C(0x2545f4914f6cdd1d) + 1;
  world->turn = world->dataplane_back = world->journal_back = world->replica_back = world->quiet_since = world->progress = 0;
  world->served = false;
  world->epoch = world->incarnation = 0;
  memset(world->advertised, 0, sizeof(world->advertised));
  memset(world->feed_sent, 0, sizeof(world->feed_sent));
  memset(world->not_applied, 0, sizeof(world->not_applied));
  wcx_oracle_reset(&world->oracle);
  wcx_sim_env_reset(draw(world));
  wcx_sim_disk_reset();
}

/* Everything the plan says, once it is final. */
static void set_up(wcx_world_t *world)
{
  const wcx_plan_t *plan = &world->plan;
  if (world->trace)
    wcx_plan_print(plan, stdout);
  wcx_params_t *params = &world->region->params;
  params->shards[0].jring_slot_max = plan->ring_slots;
  params->snapshot_cycle_ms = plan->cycle_ms;
  params->digest = wcx_params_digest(params);
  fresh_region(world);
  wcx_sim_disk_set_pace(world->dir, plan->disk_pace);
  wcx_wire_reset(world->wire);
  uint32_t odds = plan->wire_odds;
  wcx_wire_faults_t faults = {.seed = draw(world),
                              .to_port_loss = odds,
                              .to_port_dup = odds,
                              .to_port_reorder = odds,
                              .to_port_corrupt = odds,
                              .to_port_late = odds,
                              .from_port_loss = odds,
                              .from_port_dup = odds,
                              .from_port_reorder = odds,
                              .from_port_late = odds < WCX_PLAN_ODDS_LATE ? 0 : odds};
  wcx_wire_set_faults(world->wire, &faults);
  for (uint32_t i = 0; i < plan->clients; i++)
    open_client(world, i);
}

static void end_seed(wcx_world_t *world)
{
  uint32_t turns = 0;
  for (; turns < TURNS_TO_REST_MAX && !at_rest(world); turns++)
    turn(world, false);
  if (turns < TURNS_TO_REST_MAX)
    wcx_judge(world);
  else
  {
    world->counts.stuck++;
    if (world->trace)
      explain_stuck(world);
  }
  kill_dataplane(world);
  kill_journal(world);
  kill_replica(world);
  world->counts.told += world->oracle.told_cnt;
  world->counts.points += wcx_sim_crash_points();
  world->counts.disk_failures += wcx_sim_disk_failures(world->dir);
  world->counts.lost += world->oracle.lost;
  world->counts.phantom += world->oracle.phantom;
  world->counts.duplicated += world->oracle.duplicated;
  world->counts.divergences += world->oracle.divergences;
}

void wcx_world_run(wcx_world_t *world, uint64_t seed)
{
  begin_seed(world, seed);
  set_up(world);
  for (uint32_t cycle = 0; cycle < world->plan.cycles; cycle++)
    run_cycle(world);
  end_seed(world);
}

bool wcx_world_crash_at(wcx_world_t *world, uint64_t seed, uint32_t turns, uint64_t nth, enum wcx_crash kind, uint64_t again, enum wcx_crash again_kind)
{
  begin_seed(world, seed);
  wcx_plan_t *plan = &world->plan; /* everybody steps often, so that few turns hold a sign-on, requests and their answers */
  plan->down_turns_max = 1;
  plan->loop_of_8 = plan->journal_of_8 = 7;
  plan->client_of_8 = 6;
  plan->disk_pace = 60;
  set_up(world);
  bool reached = run_into(world, nth, turns);
  if (reached)
  {
    world->counts.cycles++;
    world->counts.in_flight += in_flight(world);
    die(world, kind);
    if (again > 0 && (reached = run_into(world, again, turns)))
      die(world, again_kind);
  }
  end_seed(world);
  return reached;
}
