/* No result depends on what was asked of memory ahead, nor on how many requests a poll finds.

   The whole loop above so many resting orders that it asks ahead (dataplane/ahead.h). One script of frames: requests of four clients, one or many in a datagram, sound ones, some
   with damaged bytes inside or outside their checksums, copies, gaps, foreign addresses and sessions, frames of other kinds, sign-offs and sign-ons. It goes

     - to a loop that asks ahead and to one that is told that few orders rest: journal, everything sent, counters and digests are the same byte by byte, also where the ring
       was full and a frame was kept for the next turn;
     - the same over TCP, requests in a stream that is cut anywhere;
     - without sign-offs, while time stands still, in bursts of 1, 7 and 32: the records of the journal and the digests are the same.

   WCX_SEED=n repeats a round. */
#include "tests/unit/link_fixture.h"

#include "engine/base/crc32c.h"

#include <stdio.h>

#define RESTING 17000u /* the most that wcx_engine_prefetch wants to see before it asks for everything */
#define CLIENTS 4u
#define BURSTS 300u
#define FRAMES_MAX (BURSTS * 40u)
#define ROUND_CNT 4u
#define MANY_BLOCKS 14u
#define FEW_BLOCKS 2u
#define MID 100000
#define AWAY 1500u

static uint64_t rng;

static uint64_t draw(uint64_t below)
{
  rng = rng * UINT64_C(6364136223846793005) + 1442695040888963407;
  return (rng >> 33) % below;
}

/* --- seen from inside the loop: linked with --wrap --------------------------------------------------------------------------------------------- */

static bool told_few;       /* the loop believes that no order rests */
static uint64_t asked_cnt;  /* requests it asked memory for */
static uint64_t record_cnt; /* that became durable */
static uint32_t record_crc;

uint32_t __real_wcx_engine_orders_live(const wcx_engine_t *engine);
uint32_t __wrap_wcx_engine_orders_live(const wcx_engine_t *engine);
uint32_t __wrap_wcx_engine_orders_live(const wcx_engine_t *engine)
{
  return told_few ? 0 : __real_wcx_engine_orders_live(engine);
}

void __real_wcx_engine_prefetch(const wcx_engine_t *engine, const wcx_engine_input_t *inputs, uint32_t cnt);
void __wrap_wcx_engine_prefetch(const wcx_engine_t *engine, const wcx_engine_input_t *inputs, uint32_t cnt);
void __wrap_wcx_engine_prefetch(const wcx_engine_t *engine, const wcx_engine_input_t *inputs, uint32_t cnt)
{
  asked_cnt += cnt;
  __real_wcx_engine_prefetch(engine, inputs, cnt);
}

static void on_record(void *ctx, const wcx_record_hdr_t *hdr, const uint8_t *body)
{
  (void)ctx;
  record_cnt++;
  record_crc = wcx_crc32c(wcx_crc32c(record_crc, hdr, sizeof(*hdr)), body, hdr->body_sz);
}

/* --- the script -------------------------------------------------------------------------------------------------------------------------------- */

typedef struct frame
{
  uint32_t len; /* 0: the burst ends */
  uint8_t bytes[WCX_FRAME_SZ_MAX];
} frame_t;

static frame_t script[FRAMES_MAX];
static uint32_t script_cnt;
static uint32_t mold_cnt; /* sign-ons so far: what the next MoldSession is called */

static void put(const uint8_t *bytes, uint32_t len)
{
  assert_true(script_cnt < FRAMES_MAX && len > 0);
  script[script_cnt].len = len;
  memcpy(script[script_cnt++].bytes, bytes, len);
}

static void end_burst(void)
{
  assert_true(script_cnt < FRAMES_MAX);
  script[script_cnt++].len = 0;
}

static void put_payload(uint32_t ip, uint16_t port, uint16_t to_port, const uint8_t *payload, uint32_t len)
{
  uint8_t frame[WCX_FRAME_SZ_MAX];
  put(frame, world_frame(frame, ip, port, to_port, payload, len));
}

static wcx_new_order_single_t any_order(client_t *client)
{
  uint8_t side = (uint8_t)(1 + draw(2));
  bool takes = draw(5) == 0;
  int64_t away = takes ? -(int64_t)draw(3) : (int64_t)draw(AWAY);
  uint8_t tif = takes && draw(2) == 0 ? WCX_TIME_IN_FORCE_IOC : WCX_TIME_IN_FORCE_GTC;
  return client_order(client, 1, side, side == WCX_SIDE_BUY ? MID - 1 - away : MID + away, 1 + (int64_t)draw(9), tif);
}

/* A request of a client, at `to`: an order, a cancel, a move, or what the engine sees seldom. */
static uint32_t put_request(uint8_t *to, client_t *client)
{
  uint64_t named = 1 + draw(client->cl_ord_id + 1);
  uint64_t kind = draw(64);
  if (kind < 24)
  {
    wcx_new_order_single_t order = any_order(client);
    return client_block(to, WCX_TEMPLATE_NEW_ORDER_SINGLE, &order, sizeof(order));
  }
  if (kind < 40)
  {
    uint64_t order_id = draw(4) == 0 ? draw(4) << 24 | draw(RESTING) : WCX_U64_NULL;
    wcx_order_cancel_request_t request = {
        .cl_ord_id = ++client->cl_ord_id, .orig_cl_ord_id = order_id == WCX_U64_NULL ? named : WCX_U64_NULL, .order_id = order_id, .security_id = 1};
    return client_block(to, WCX_TEMPLATE_ORDER_CANCEL_REQUEST, &request, sizeof(request));
  }
  if (kind < 62)
  {
    wcx_order_cancel_replace_request_t request = {.cl_ord_id = ++client->cl_ord_id,
                                                  .orig_cl_ord_id = named,
                                                  .order_id = WCX_U64_NULL,
                                                  .price = draw(2) == 0 ? MID - 1 - (int64_t)draw(AWAY) : MID + (int64_t)draw(AWAY),
                                                  .order_qty = 1 + (int64_t)draw(9),
                                                  .display_qty = WCX_I64_NULL,
                                                  .security_id = 1,
                                                  .stop_px = WCX_I64_NULL};
    return client_block(to, WCX_TEMPLATE_ORDER_CANCEL_REPLACE_REQUEST, &request, sizeof(request));
  }
  if (kind == 62)
  {
    wcx_session_status_request_t request = {.request_id = draw(100)};
    return client_block(to, WCX_TEMPLATE_SESSION_STATUS_REQUEST, &request, sizeof(request));
  }
  wcx_establish_t unknown = {.uuid = draw(100)}; /* nothing that may be sent here */
  return client_block(to, (uint16_t)draw(400), &unknown, (uint16_t)(draw(8) * 8));
}

static uint32_t put_datagram(uint8_t *payload, client_t *client, uint64_t sequence, uint32_t blocks)
{
  uint32_t len = wcx_mold_begin(payload, client->mold, sequence, (uint16_t)blocks);
  for (uint32_t i = 0; i < blocks; i++)
    len += put_request(payload + len, client);
  return len;
}

/* Something that is not simply the next request. */
static void put_odd(client_t *client, const client_t *other)
{
  uint8_t payload[WCX_FRAME_SZ_MAX];
  client_t copy = *client; /* what is said in its name does not count for it */
  uint32_t len = put_datagram(payload, &copy, client->next_seq, 1 + (uint32_t)draw(2));
  uint8_t frame[WCX_FRAME_SZ_MAX];
  uint32_t sz = world_frame(frame, client->ip, client->port, 7002, payload, len);
  switch (draw(10))
  {
  case 0: /* a bit turned: a checksum does not fit, or it is not for us */
    frame[draw(sz)] ^= (uint8_t)(1u << draw(8));
    put(frame, sz);
    break;
  case 1: /* cut short */
    put(frame, 1 + (uint32_t)draw(sz));
    break;
  case 2: /* damaged before the checksums were made: lengths, templates, fields; not prices and quantities, which would empty the book */
    for (uint64_t turns = 1 + draw(3); turns > 0; turns--)
      payload[draw(2) == 0 ? 20 + draw(10) : len - 1 - draw(20)] = (uint8_t)draw(256);
    put_payload(client->ip, client->port, 7002, payload, len);
    client->next_seq += 2; /* it may be taken, and it may not */
    break;
  case 3: /* a count that does not fit */
    payload[19] = (uint8_t)draw(8);
    put_payload(client->ip, client->port, 7002, payload, len);
    break;
  case 4: /* from another's address */
    put_payload(other->ip, other->port, 7002, payload, len);
    break;
  case 5: /* nobody's session */
    payload[9] = 'x';
    put_payload(client->ip, client->port, 7002, payload, len);
    break;
  case 6: /* a copy of what came before */
    if (script_cnt > 0 && script[script_cnt - 1].len > 0)
      put(script[script_cnt - 1].bytes, script[script_cnt - 1].len);
    break;
  case 7: /* to the re-request port, to no port */
    put_payload(client->ip, client->port, (uint16_t)(7003 + draw(2)), payload, len);
    break;
  case 8: /* the next one is missing */
    client->next_seq += 1 + draw(3);
    break;
  default: /* anything */
    for (uint32_t i = (uint32_t)draw(60); i < sz; i++)
      frame[i] = (uint8_t)draw(256);
    put(frame, sz);
    break;
  }
}

static void put_sound(client_t *client, uint32_t blocks)
{
  uint8_t payload[WCX_FRAME_SZ_MAX];
  uint32_t len = put_datagram(payload, client, client->next_seq, blocks);
  client->next_seq += blocks;
  put_payload(client->ip, client->port, 7002, payload, len);
}

/* A client leaves and comes again: its Terminate among other frames, its Establish alone, and the turns until it is judged. */
static void come_again(const world_t *w, client_t *client)
{
  uint8_t payload[256];
  wcx_terminate_t terminate = {.uuid = client->uuid, .code = WCX_TERMINATE_CODE_FINISHED};
  uint32_t len = wcx_mold_begin(payload, client->mold, client->next_seq, 1);
  len += client_block(payload + len, WCX_TEMPLATE_TERMINATE, &terminate, sizeof(terminate));
  put_payload(client->ip, client->port, 7002, payload, len);
  put_sound(client, 1); /* in the name of a session that is over */
  end_burst();
  wcx_establish_t establish = client_establish(w, client);
  len = wcx_mold_begin(payload, NULL, 0, 1);
  len += client_block(payload + len, WCX_TEMPLATE_ESTABLISH, &establish, sizeof(establish));
  put_payload(client->ip, client->port, 7002, payload, len);
  for (uint32_t i = 0; i < 6; i++)
    end_burst();
  char text[16];
  snprintf(text, sizeof(text), "Mold%06u", ++mold_cnt % 1000000u);
  memcpy(client->mold, text, sizeof(client->mold));
  client->next_seq += 2; /* its numbers go on */
}

static void write_script(const world_t *w, const client_t start[CLIENTS], bool leaves, uint32_t blocks_max)
{
  client_t clients[CLIENTS];
  memcpy(clients, start, sizeof(clients));
  script_cnt = 0;
  mold_cnt = CLIENTS;
  for (uint32_t burst = 0; burst < BURSTS; burst++)
  {
    for (uint64_t frames = draw(3) == 0 ? draw(34) : draw(4); frames > 0; frames--)
    {
      client_t *client = &clients[draw(2) == 0 ? 0 : draw(CLIENTS)];
      if (draw(6) == 0)
        put_odd(client, &clients[draw(CLIENTS)]);
      else
        put_sound(client, draw(4) == 0 ? 1 + (uint32_t)draw(blocks_max) : 1);
    }
    if (leaves && burst % 16 == 15)
      come_again(w, &clients[1 + draw(CLIENTS - 1)]);
    end_burst();
  }
}

/* --- a run of it ------------------------------------------------------------------------------------------------------------------------------- */

typedef struct outcome
{
  uint64_t applied_seq, asked_cnt, sent_cnt, record_cnt, kept_cnt, refused_cnt;
  uint32_t sent_crc, record_crc, journal_crc, pad;
  uint64_t journal_sz;
  wcx_digest_t output, state;
  wcx_stats_t stats;
} outcome_t;

static void tune(wcx_params_t *params)
{
  params->establish_per_source_per_s = 100000;
  wcx_params_shard_t *shard = &params->shards[0];
  shard->orders_max = 24000;
  shard->levels_max = 8 * AWAY;
  shard->outlog_sz = 64u << 20;
}

static void enter_orders(world_t *w, client_t clients[CLIENTS])
{
  for (uint32_t at = 0; wcx_engine_applied_seq(wcx_loop_engine(w->loop)) < RESTING + 1000; at++)
  {
    for (uint32_t frame = 0; frame < 4; frame++)
    {
      client_t *client = &clients[0]; /* who stays: who leaves takes its orders along */
      uint8_t blocks[1400];
      uint32_t sz = 0;
      for (uint32_t i = 0; i < 8; i++)
      {
        uint8_t side = (uint8_t)(1 + (at + i) % 2);
        int64_t away = (int64_t)((at * 37 + frame * 11 + i * 101) % AWAY);
        wcx_new_order_single_t order = client_order(client, 1, side, side == WCX_SIDE_BUY ? MID - 1 - away : MID + away, 5, WCX_TIME_IN_FORCE_GTC);
        sz += client_block(blocks + sz, WCX_TEMPLATE_NEW_ORDER_SINGLE, &order, sizeof(order));
      }
      client_send_at(w, client, client->next_seq, 8, blocks, sz);
      client->next_seq += 8;
    }
    world_turn(w);
    world_drain(w);
  }
  assert_true(__real_wcx_engine_orders_live(wcx_loop_engine(w->loop)) > RESTING);
}

static void begin(world_t *w, client_t clients[CLIENTS])
{
  world_new(w, tune);
  for (uint32_t i = 0; i < CLIENTS; i++)
  {
    clients[i] = client_of(i + 1);
    client_sign_on(w, &clients[i]);
  }
  enter_orders(w, clients);
  world_turns(w, 4);
  world_drain(w);
  asked_cnt = record_cnt = 0;
  record_crc = 0;
  w->on_record = on_record;
}

static void sum_up(const world_t *w, outcome_t *outcome)
{
  const wcx_engine_t *engine = wcx_loop_engine(w->loop);
  outcome->applied_seq = wcx_engine_applied_seq(engine);
  outcome->output = wcx_engine_output_digest(engine);
  outcome->state = wcx_engine_state_digest(engine);
  outcome->asked_cnt = asked_cnt;
  outcome->record_cnt = record_cnt;
  outcome->record_crc = record_crc;
  outcome->journal_sz = w->journal_off;
  outcome->journal_crc = wcx_crc32c(0, w->journal, w->journal_off);
  outcome->kept_cnt = atomic_load(&w->shm->stats.backpressure_turns);
  outcome->refused_cnt = atomic_load(&w->shm->stats.rx_drop_framing) + atomic_load(&w->shm->stats.rx_drop_session) + atomic_load(&w->shm->stats.rx_drop_udp_checksum);
  memcpy(&outcome->stats, &w->shm->stats, sizeof(outcome->stats));
  wcx_digest_t full = wcx_engine_state_digest_full(engine);
  assert_memory_equal(&full, &outcome->state, sizeof(full));
}

static void take_turn(world_t *w, outcome_t *outcome)
{
  uint8_t frame[WCX_FRAME_SZ_MAX];
  world_turn(w);
  for (uint32_t len; (len = wcx_wire_recv(w->wire, frame)) != 0; outcome->sent_cnt++)
    outcome->sent_crc = wcx_crc32c(wcx_crc32c(outcome->sent_crc, &len, sizeof(len)), frame, len);
}

/* burst 0: as the script has it; else that many frames a turn, and time stands still. */
static outcome_t play(world_t *w, uint32_t burst)
{
  outcome_t outcome = {0};
  uint32_t given = 0;
  uint32_t turns = 0;
  for (uint32_t i = 0; i < script_cnt + 8; i++)
  {
    bool ends = i >= script_cnt || script[i].len == 0;
    if (!ends)
    {
      assert_true(wcx_wire_send(w->wire, script[i].bytes, script[i].len));
      given++;
    }
    if (burst == 0 ? !ends : given < burst && i < script_cnt)
      continue;
    if (burst != 0)
    {
      w->mono_ns -= 10000;
      w->utc_ns -= 10000;
    }
    given = 0;
    w->hold = burst == 0 && i < script_cnt && turns++ % 96 < 48; /* the ring fills up */
    take_turn(w, &outcome);
  }
  sum_up(w, &outcome);
  return outcome;
}

static outcome_t run(bool few, uint32_t burst, bool writes, bool leaves, uint32_t blocks_max)
{
  static world_t w;
  static client_t start[CLIENTS];
  client_t clients[CLIENTS];
  told_few = few;
  begin(&w, clients);
  if (writes)
  {
    memcpy(start, clients, sizeof(start));
    write_script(&w, clients, leaves, blocks_max);
  }
  assert_memory_equal(clients, start, sizeof(start));
  outcome_t outcome = play(&w, burst);
  world_close(&w);
  return outcome;
}

/* --- over TCP ---------------------------------------------------------------------------------------------------------------------------------- */

/* Packets at `to`: mostly requests, few of them damaged, some that are none. Returns their bytes. */
static uint32_t put_packets(uint8_t *to, client_t *client, uint32_t cnt)
{
  uint32_t len = 0;
  for (uint32_t i = 0; i < cnt; i++)
  {
    uint8_t block[256];
    uint32_t sz = put_request(block, client) - 2; /* behind its length */
    if (draw(30) == 0)
      block[2 + draw(8)] = (uint8_t)draw(256);
    uint64_t kind = draw(20);
    len += soup_put(to + len, kind == 0 ? '+' : 'U', block + 2, (uint16_t)sz);
    if (kind == 1)
      len += soup_put(to + len, 'R', NULL, 0);
  }
  return len;
}

/* The turns of one client that writes as many bytes as it likes, wherever that cuts a packet. */
static outcome_t run_stream(bool few, uint64_t seed)
{
  static world_t w;
  static uint8_t stream[1u << 16];
  client_t clients[CLIENTS];
  outcome_t outcome = {0};
  told_few = few;
  begin(&w, clients);
  peer_t *peer = peer_new(2);
  peer->client.uuid = clients[1].uuid; /* the session is bound over UDP as well */
  peer_open(&w, peer, 0);
  asked_cnt = 0;
  rng = seed;
  uint32_t len = 0;
  for (uint32_t turn = 0; turn < BURSTS + 40; turn++)
  {
    uint32_t packets = (uint32_t)(draw(3) == 0 ? draw(40) : draw(4));
    if (turn < BURSTS && len < sizeof(stream) / 2)
      len += put_packets(stream + len, &peer->client, packets);
    uint32_t part = draw(4) == 0 || turn >= BURSTS ? len : (uint32_t)draw(len + 1);
    uint32_t took = wcx_tcp_sim_send(w.tcp, peer->conn, stream, part);
    len -= took;
    memmove(stream, stream + took, len);
    w.hold = turn < BURSTS && turn % 96 < 48;
    take_turn(&w, &outcome);
    uint8_t answers[4096];
    for (uint32_t got; (got = wcx_tcp_sim_recv(w.tcp, peer->conn, answers, sizeof(answers))) != 0; outcome.sent_cnt++)
      outcome.sent_crc = wcx_crc32c(outcome.sent_crc, answers, got);
  }
  assert_int_equal(len, 0);
  sum_up(&w, &outcome);
  free(peer);
  world_close(&w);
  return outcome;
}

static void round_over_tcp(uint64_t seed)
{
  outcome_t with = run_stream(false, seed);
  outcome_t without = run_stream(true, seed);
  print_message("# over TCP %llu records, %llu asked ahead\n", (unsigned long long)with.record_cnt, (unsigned long long)with.asked_cnt);
  assert_true(with.record_cnt > 1000 && with.asked_cnt > 1000);
  assert_int_equal(without.asked_cnt, 0);
  without.asked_cnt = with.asked_cnt;
  assert_memory_equal(&with, &without, sizeof(with));
}

static void round_of(uint64_t seed)
{
  print_message("# WCX_SEED=%llu\n", (unsigned long long)seed);
  rng = seed;
  outcome_t with = run(false, 0, true, true, MANY_BLOCKS);
  outcome_t without = run(true, 0, false, true, MANY_BLOCKS);
  assert_true(with.asked_cnt > 1000);
  assert_int_equal(without.asked_cnt, 0);
  assert_true(with.kept_cnt > 0 && with.refused_cnt > 50); /* what is meant to happen did */
  without.asked_cnt = with.asked_cnt;
  assert_memory_equal(&with, &without, sizeof(with));
  print_message("# %u frames, %llu records, %llu sent, %llu asked ahead, %llu turns kept a frame\n", script_cnt, (unsigned long long)with.record_cnt,
                (unsigned long long)with.sent_cnt, (unsigned long long)with.asked_cnt, (unsigned long long)with.kept_cnt);

  round_over_tcp(seed);
  outcome_t alone = run(false, 1, true, false, FEW_BLOCKS);
  assert_true(alone.record_cnt > 1000);
  for (uint32_t burst = 7; burst <= 32; burst += 25)
  {
    outcome_t together = run(false, burst, false, false, FEW_BLOCKS);
    assert_true(together.asked_cnt > alone.asked_cnt + 1000);
    assert_int_equal(together.applied_seq, alone.applied_seq);
    assert_int_equal(together.record_cnt, alone.record_cnt);
    assert_int_equal(together.record_crc, alone.record_crc);
    assert_memory_equal(&together.output, &alone.output, sizeof(alone.output));
    assert_memory_equal(&together.state, &alone.state, sizeof(alone.state));
  }
}

static void no_result_depends_on_what_was_asked_ahead(void **state)
{
  (void)state;
  const char *seed = getenv("WCX_SEED");
  if (seed != NULL)
    round_of(strtoull(seed, NULL, 0));
  for (uint64_t i = 0; i < ROUND_CNT && seed == NULL; i++)
    round_of(UINT64_C(0x5eed0009) + i);
}

int main(void)
{
  const struct CMUnitTest tests[] = {cmocka_unit_test(no_result_depends_on_what_was_asked_ahead)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
