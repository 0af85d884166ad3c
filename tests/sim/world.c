#include "tests/sim/world.h"

#include "dataplane/client/orders.h"
#include "dataplane/mold.h"
#include "dataplane/net.h"
#include "engine/shm/journal_walk.h"
#include "tests/sim/disk_sim.h"
#include "tests/sim/env_sim.h"

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
#define REPLAY_LOG_SZ (UINT64_C(8) << 20)
#define TURNS_TO_REST_MAX 400000u

static uint64_t draw(wcx_world_t *world)
{
  world->prng += UINT64_C(0x9e3779b97f4a7c15);
  return wcx_digest_fold(world->prng ^ WCX_DIGEST_K1, world->prng ^ WCX_DIGEST_K2);
}

static uint64_t draw_below(wcx_world_t *world, uint64_t bound)
{
  return draw(world) % bound;
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
                                      .jring_slot_max = 128,
                                      .orders_max = 2048,
                                      .levels_max = 512,
                                      .instruments_max = 4,
                                      .accounts_max = 8,
                                      .sessions_max = 8,
                                      .outlog_sz = 8u << 20,
                                      .retain_session_msgs = 4096,
                                      .retain_feed_msgs = 8192,
                                      .group_a_ip = 0xef4d0001u,
                                      .group_b_ip = 0xef4d0002u,
                                      .group_a_port = FEED_A_PORT,
                                      .group_b_port = FEED_A_PORT + 1,
                                      .snapshot_group_a_ip = 0xef4d0003u,
                                      .snapshot_group_b_ip = 0xef4d0004u,
                                      .snapshot_group_a_port = SNAPSHOT_A_PORT,
                                      .snapshot_group_b_port = SNAPSHOT_A_PORT + 1,
                                      .snapshot_orders_max = 2048};
  p->session_cnt = p->account_cnt = WCX_WORLD_CLIENTS;
  for (uint32_t i = 0; i < WCX_WORLD_CLIENTS; i++)
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

/* What a new boot finds: a region made by wcx-controld, nothing in it. */
static void fresh_region(wcx_world_t *world)
{
  wcx_region_t *region = world->region;
  memset(region, 0, world->region_sz);
  region->magic = WCX_REGION_MAGIC;
  region->layout = WCX_REGION_LAYOUT;
  region->shard_cnt = 1;
  region->sz = world->region_sz;
  region->shard_off[0] = (sizeof(*region) + WCX_REGION_ALIGN - 1) & ~(WCX_REGION_ALIGN - 1);
  region->params = *world->params;
  region->params.digest = wcx_params_digest(&region->params);
  wcx_region_shard(region, 0)->jring.slot_max = world->params->shards[0].jring_slot_max;
  atomic_store_explicit(&region->params_ready, 1, memory_order_release);
}

static wcx_engine_limits_t replay_limits(const wcx_world_t *world)
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
  world->loop_mem_sz = wcx_loop_footprint(world->params, 0);
  WCX_CHECK(world->loop_mem_sz != 0, "the simulator's own parameters are out of range");
  world->loop_mem = must_alloc(4096, world->loop_mem_sz);
  world->journal = must_alloc(4096, sizeof(wcx_journal_t));
  wcx_engine_limits_t limits = replay_limits(world);
  world->replay_sz = wcx_engine_footprint(&limits);
  world->replay_mem = must_alloc(4096, world->replay_sz);
  world->replay_log = must_alloc(64, REPLAY_LOG_SZ);
  wcx_oracle_init(&world->oracle);
}

void wcx_world_free(wcx_world_t *world)
{
  wcx_oracle_free(&world->oracle);
  free(world->params);
  free(world->region);
  free(world->loop_mem);
  free(world->journal);
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
  wcx_port_close(world->port);
  world->port = NULL;
  world->loop = NULL;
}

static void start_journal(wcx_world_t *world)
{
  wcx_journal_config_t config = {.dir = world->dir,
                                 .shard = SHARD,
                                 .segment_sz = world->params->journal_segment_sz,
                                 .segments_ahead = world->params->journal_segments_ahead,
                                 .eager_lanes = WCX_JOURNAL_LANES};
  int result = wcx_journal_open(world->journal, &config, wcx_region_shard(world->region, 0));
  WCX_CHECK(result == 0, "recovery refused: %s", world->journal->text);
  world->journal_alive = true;
}

static void kill_journal(wcx_world_t *world)
{
  wcx_sim_disk_kill(world->dir);
  world->journal_alive = false;
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
  uint64_t kind = draw_below(world, 10);
  uint64_t other = id > 1 ? 1 + draw_below(world, id - 1) : 1;
  size_t sz;
  if (kind < 7)
  {
    static const uint8_t tifs[] = {WCX_TIME_IN_FORCE_GTC, WCX_TIME_IN_FORCE_GTC, WCX_TIME_IN_FORCE_IOC, WCX_TIME_IN_FORCE_FOK};
    wcx_new_order_single_t order = wcx_client_limit_order(id, client->idx + 1, 1, (uint8_t)(1 + draw_below(world, 2)), 100 + (int64_t)draw_below(world, 9),
                                                          1 + (int64_t)draw_below(world, 20), tifs[draw_below(world, 4)]);
    sz = wcx_client_put_new(message, &order);
  }
  else if (kind < 9)
    sz = wcx_client_put_cancel(message, id, other, 1);
  else
    sz = wcx_client_put_replace(message, id, other, 1, 100 + (int64_t)draw_below(world, 9), 1 + (int64_t)draw_below(world, 30));
  wcx_oracle_sent(&world->oracle, client->idx + 1, message + sizeof(wcx_message_header_t), sz - sizeof(wcx_message_header_t));
  if (wcx_client_session_request(s, world->mono_ns, message, sz, 0))
    world->requests++;
}

static void step_client(wcx_world_t *world, wcx_world_client_t *client, bool work)
{
  wcx_client_session_t *s = &client->session;
  if (s->state == WCX_CLIENT_CLOSED)
    wcx_client_session_open(s, world->mono_ns);
  if (work && s->state == WCX_CLIENT_READY && s->undecided_cnt < 64)
    for (uint64_t n = draw_below(world, 6); n > 0; n--)
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
    if (to_port == SNAPSHOT_A_PORT || to_port == SNAPSHOT_A_PORT + 1)
      continue; /* numbered by each life of the data plane for itself: the oracle knows nothing of it; that it waits for the gate is checked at transmit */
    bool feed = to_port == FEED_A_PORT || to_port == FEED_A_PORT + 1;
    uint32_t idx = (uint32_t)to_port - CLIENT_PORT;
    const uint8_t *at = mold.blocks;
    const uint8_t *block;
    uint16_t block_sz;
    for (uint32_t i = 0; i < mold.count && wcx_mold_next(&mold, &at, &block, &block_sz); i++)
    {
      wcx_message_header_t hdr;
      memcpy(&hdr, block, sizeof(hdr));
      uint64_t number = mold.sequence + i;
      if (hdr.template_id == WCX_TEMPLATE_ESTABLISH_ACK)
      {
        wcx_establish_ack_t ack;
        memcpy(&ack, block + sizeof(hdr), sizeof(ack));
        number = ack.next_server_seq_no - 1; /* sent outside the sequence, but it is message k of the stream */
      }
      else if (wcx_mold_no_session(&mold))
        continue;
      wcx_oracle_told(&world->oracle, feed ? WCX_STREAM_FEED : WCX_STREAM_SESSION, feed ? SHARD : idx + 1, number, block, block_sz);
    }
    if (idx < WCX_WORLD_CLIENTS)
      wcx_client_session_datagram(&world->clients[idx].session, world->mono_ns, frame + 42, payload_sz);
  }
}

/* --- turns ----------------------------------------------------------------------------------------- */

static void turn(wcx_world_t *world, bool work)
{
  world->turn++;
  uint64_t passed = draw_below(world, 64) == 0 ? draw_below(world, 2000000) : 1000 + draw_below(world, 20000);
  wcx_sim_advance_ns(passed);
  world->mono_ns = wcx_env_mono_ns();

  world->running = WCX_CRASH_DATAPLANE;
  if (world->port == NULL && world->turn >= world->dataplane_back)
    start_dataplane(world);
  world->running = WCX_CRASH_JOURNAL;
  if (!world->journal_alive && world->turn >= world->journal_back)
    start_journal(world);

  uint64_t who = draw(world);
  if (world->port != NULL && (who & 3) != 0)
  {
    world->running = WCX_CRASH_DATAPLANE;
    (void)wcx_loop_step(world->loop, world->mono_ns, wcx_env_utc_ns());
    take_frames(world);
  }
  if (world->journal_alive && (who >> 2 & 3) != 0)
  {
    world->running = WCX_CRASH_JOURNAL;
    (void)wcx_journal_step(world->journal, world->mono_ns);
    if (draw_below(world, 4) == 0)
      (void)wcx_journal_prepare_step(world->journal);
    WCX_CHECK(!world->journal->halted, "the journal halted: %s", world->journal->text);
  }
  if ((who >> 4 & 3) == 0)
    answer_signons(world);
  if ((who >> 6 & 3) == 0)
    step_client(world, &world->clients[who >> 8 & 1], work);
}

/* Run until the crash point armed for it is reached: inside whatever component passes it. */
static void run_into_crash_point(wcx_world_t *world)
{
  static jmp_buf at;
  world->running = 0;
  if (setjmp(at) == 0)
  {
    wcx_sim_crash_arm(&at, 1 + draw_below(world, 40));
    for (uint32_t i = 0; i < 500; i++)
      turn(world, true);
    wcx_sim_crash_disarm();
    world->running = 0;
  }
}

static void crash(wcx_world_t *world, enum wcx_crash kind)
{
  world->crashes[kind]++;
  world->running = 0;
  if (draw_below(world, 3) != 0)
    run_into_crash_point(world);
  if (world->trace)
    printf("turn %llu crash %d at %s\n", (unsigned long long)world->turn, kind, world->running != 0 ? wcx_sim_crash_name() : "rest");
  if (kind != WCX_CRASH_JOURNAL || world->running == WCX_CRASH_DATAPLANE)
    kill_dataplane(world);
  if (kind == WCX_CRASH_JOURNAL || kind == WCX_CRASH_BOTH || world->running == WCX_CRASH_JOURNAL)
    kill_journal(world);
  if (kind == WCX_CRASH_POWER)
  {
    wcx_sim_disk_power_loss(world->dir);
    world->journal_alive = false;
    fresh_region(world);
  }
  world->dataplane_back = world->turn + draw_below(world, 400);
  world->journal_back = world->turn + draw_below(world, 400);
}

/* Everything sent is decided, everything applied is released. */
static bool at_rest(wcx_world_t *world)
{
  if (world->port == NULL || !world->journal_alive || !wcx_loop_serving(world->loop) || !wcx_journal_idle(world->journal))
    return false;
  for (uint32_t i = 0; i < WCX_WORLD_CLIENTS; i++)
    if (world->clients[i].session.state != WCX_CLIENT_READY || world->clients[i].session.undecided_cnt > 0)
      return false;
  uint64_t released = wcx_release_seq(atomic_load(&wcx_region_shard(world->region, 0)->release.release_word));
  return wcx_engine_applied_seq(wcx_loop_engine(world->loop)) == released;
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
  for (uint32_t i = 0; i < WCX_WORLD_CLIENTS; i++)
    printf("stuck: client %u in state %d (reject code %u), %u undecided\n", i + 1, (int)world->clients[i].session.state, world->clients[i].session.reject_code,
           world->clients[i].session.undecided_cnt);
}

static void judge(wcx_world_t *world)
{
  wcx_engine_limits_t limits = replay_limits(world);
  wcx_engine_t *engine = wcx_engine_new(world->replay_mem, world->replay_sz, &limits);
  wcx_outlog_t log;
  wcx_outlog_init(&log, world->replay_log, REPLAY_LOG_SZ);
  char err[512];
  wcx_journal_walk_t walk;
  WCX_CHECK(wcx_journal_walk_open(&walk, world->dir, err, sizeof(err)) == WCX_JOURNAL_OPEN_OK, "%s", err);
  uint64_t epoch;
  wcx_record_hdr_t hdr;
  const uint8_t *body;
  int more;
  while ((more = wcx_journal_walk_next(&walk, &epoch, &hdr, &body)) > 0)
  {
    wcx_oracle_journaled(&world->oracle, &hdr, body);
    uint64_t at = log.write_pos;
    wcx_engine_apply(engine, &hdr, body, &log);
    for (at = wcx_outlog_settle(&log, at, log.write_pos); at < log.write_pos; at = wcx_outlog_settle(&log, at, log.write_pos))
    {
      wcx_out_entry_t *entry = wcx_outlog_at(&log, at);
      wcx_oracle_replayed(&world->oracle, entry, wcx_out_message(entry));
      at += entry->entry_sz;
    }
    log.sent_pos = log.write_pos;
  }
  WCX_CHECK(more == 0, "%s", walk.text);
  wcx_journal_walk_close(&walk);
  wcx_oracle_finish(&world->oracle);

  wcx_digest_t live = wcx_engine_output_digest(wcx_loop_engine(world->loop));
  wcx_digest_t again = wcx_engine_output_digest(engine);
  wcx_digest_t live_state = wcx_engine_state_digest(wcx_loop_engine(world->loop));
  wcx_digest_t again_state = wcx_engine_state_digest_full(engine);
  bool equal = wcx_engine_applied_seq(engine) == wcx_engine_applied_seq(wcx_loop_engine(world->loop));
  equal = equal && live.lo == again.lo && live.hi == again.hi && live_state.lo == again_state.lo && live_state.hi == again_state.hi;
  if (!equal)
    world->oracle.divergences++;
  if (world->trace)
    printf("turn %llu judged: %llu inputs, %llu messages told, lost %llu phantom %llu duplicated %llu divergences %llu, digest %016llx\n", (unsigned long long)world->turn,
           (unsigned long long)wcx_engine_applied_seq(engine), (unsigned long long)world->oracle.told_cnt, (unsigned long long)world->oracle.lost,
           (unsigned long long)world->oracle.phantom, (unsigned long long)world->oracle.duplicated, (unsigned long long)world->oracle.divergences, (unsigned long long)again.lo);
}

void wcx_world_run(wcx_world_t *world, uint64_t seed, uint32_t cycles)
{
  world->prng = seed * UINT64_C(0x2545f4914f6cdd1d) + 1;
  world->turn = world->dataplane_back = world->journal_back = 0;
  wcx_sim_env_reset(draw(world));
  wcx_sim_disk_reset();
  fresh_region(world);
  world->wire = wcx_wire_get(WIRE);
  wcx_wire_faults_t faults = {.seed = draw(world)};
  if (draw_below(world, 2) == 0)
    faults.to_port_loss = faults.to_port_dup = faults.from_port_loss = faults.from_port_dup = faults.to_port_reorder = faults.from_port_reorder = 2000;
  wcx_wire_set_faults(world->wire, &faults);
  for (uint32_t i = 0; i < WCX_WORLD_CLIENTS; i++)
    open_client(world, i);

  for (uint32_t cycle = 0; cycle < cycles; cycle++)
  {
    for (uint64_t left = 200 + draw_below(world, 3000); left > 0; left--)
      turn(world, true);
    crash(world, (enum wcx_crash)(1 + draw_below(world, 4)));
    for (uint64_t left = draw_below(world, 1500); left > 0; left--)
      turn(world, true);
  }
  uint32_t turns = 0;
  for (; turns < TURNS_TO_REST_MAX && !at_rest(world); turns++)
    turn(world, false);
  if (turns == TURNS_TO_REST_MAX)
  {
    world->stuck++;
    if (world->trace)
      explain_stuck(world);
  }
  else
    judge(world);
  kill_dataplane(world);
  kill_journal(world);
  wcx_wire_drop(world->wire);
}
