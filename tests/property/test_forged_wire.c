/* What an attacker can send: frames he made up, and frames he recorded. None is accepted, and the state digest never moves.

   The real loop and the real judge of signatures; three victims with live sessions, resting orders and a past (earlier bindings, a take-over, a goodbye).

   A forger knows everything but secrets: addresses, session numbers, access keys, and for some frames a live MoldSession, which only the victim's own address
   may use; of the session that has tags he may use even that. A replayer sends what victims sent, from their addresses and from his own, as it was and with one bit turned.

       build/tests/property/test_forged_wire [--frames N] [--seed S]      WCX_SEED=S is the same as --seed S */
#include "tests/unit/loop_fixture.h"

#include "control/auth.h"
#include "dataplane/client/sign.h"
#include "tests/sim/env_sim.h"

#include <stdio.h>
#include <unistd.h>

#define VICTIMS 3u
#define SOURCES 2048u
#define SOURCE_IP 0x0b000001u
#define RECORDS_MAX 512u
#define FRAMES_PER_TURN 4u
#define ESTABLISH_PAYLOAD_SZ (20u + 2u + 8u + 112u)

#define TAGGED 2u /* index of the victim whose datagrams carry tags */

typedef struct recorded
{
  uint32_t ip;
  uint16_t port;
  uint16_t to_port;
  uint32_t len;
  bool establish;
  uint8_t payload[256];
} recorded_t;

/* Payload bytes on the order port. */
typedef struct source
{
  uint64_t in, out;
} source_t;

static struct
{
  uint64_t frames;
  uint64_t seed;
  uint64_t random;
  world_t world;
  wcx_secrets_t *secrets;
  wcx_auth_t *auth;
  client_t victims[VICTIMS];
  wcx_tag_key_t tag_key; /* of the one that has tags */
  recorded_t records[RECORDS_MAX];
  uint32_t record_cnt;
  source_t sources[SOURCES];
  uint64_t answers; /* to sources */
  uint64_t answers_by_code[256];
} run;

static uint64_t draw(void)
{
  uint64_t x = run.random += UINT64_C(0x9e3779b97f4a7c15);
  x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
  x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
  return x ^ (x >> 31);
}

static uint32_t below(uint32_t bound)
{
  return (uint32_t)(draw() % bound);
}

static void draw_bytes(void *to, uint32_t sz)
{
  uint8_t *at = to;
  for (uint32_t i = 0; i < sz; i++)
    at[i] = (uint8_t)draw();
}

/* --- the world ------------------------------------------------------------------------------------------------------------------------------ */

static void judge(void *ctx, wcx_auth_slot_t *slot)
{
  wcx_auth_judge(ctx, slot);
}

static void keys(wcx_params_t *params)
{
  params->establish_per_source_per_s = 100000; /* so that they come as far as the judge */
  for (uint32_t i = 0; i < params->session_cnt; i++)
  {
    char key[21];
    snprintf(key, sizeof(key), "DEMO-MM-%-12u", i + 1);
    memcpy(params->sessions[i].access_key_id[0], key, 20);
  }
}

static void slow_keys(wcx_params_t *params)
{
  keys(params);
  params->establish_per_source_per_s = 20;
}

static wcx_secrets_t *make_secrets(void)
{
  char path[] = "/tmp/wcx-test-forged-XXXXXX";
  static const char text[] = "DEMO-MM-1: demo-secret-1\nDEMO-MM-2: demo-secret-2\nDEMO-MM-3: demo-secret-3\nDEMO-MM-4: demo-secret-4\n";
  int fd = mkstemp(path);
  assert_true(fd >= 0);
  assert_int_equal(write(fd, text, sizeof(text) - 1), (ssize_t)sizeof(text) - 1);
  close(fd);
  char err[256];
  wcx_secrets_t *secrets = wcx_secrets_load(path, false, err, sizeof(err));
  unlink(path);
  if (secrets == NULL)
    fail_msg("%s", err);
  return secrets;
}

static void begin(world_tune_t *tune)
{
  run.random = run.seed;
  wcx_sim_env_reset(run.seed);
  run.record_cnt = 0;
  run.answers = 0;
  memset(run.sources, 0, sizeof(run.sources));
  memset(run.answers_by_code, 0, sizeof(run.answers_by_code));
  world_t *w = &run.world;
  world_new(w, tune);
  w->forget = true;
  run.secrets = make_secrets();
  char err[256];
  run.auth = wcx_auth_new(w->region, run.secrets, err, sizeof(err));
  if (run.auth == NULL)
    fail_msg("%s", err);
  w->ctx = run.auth;
  w->tags = true;
  w->judge = judge;
}

static void end(void)
{
  wcx_auth_free(run.auth);
  wcx_secrets_free(run.secrets);
  world_close(&run.world);
}

/* --- the victims, and what they send -------------------------------------------------------------------------------------------------------- */

static bool is_tagged(const client_t *victim)
{
  return victim->session_id == TAGGED + 1;
}

static void record(const client_t *victim, uint16_t to_port, uint8_t *payload, uint32_t len)
{
  bool establish = payload[0] == ' ';
  if (is_tagged(victim) && !establish)
    len = wcx_tag_append(&run.tag_key, payload, len);
  assert_true(run.record_cnt < RECORDS_MAX && len <= sizeof(run.records[0].payload));
  recorded_t *r = &run.records[run.record_cnt++];
  *r = (recorded_t){.ip = victim->ip, .port = victim->port, .to_port = to_port, .len = len, .establish = establish};
  memcpy(r->payload, payload, len);
  world_send(&run.world, victim->ip, victim->port, to_port, payload, len);
  world_turns(&run.world, 3);
}

static wcx_establish_t fresh_establish(client_t *victim)
{
  wcx_establish_t establish = client_establish(&run.world, victim);
  char text[32];
  snprintf(text, sizeof(text), "DEMO-MM-%-12u", victim->session_id);
  memcpy(establish.access_key_id, text, 20);
  establish.keep_alive_interval = 60000;
  snprintf(text, sizeof(text), "demo-secret-%u", victim->session_id);
  wcx_client_sign(&establish, text, WCX_CLIENT_UDP, 7002);
  return establish;
}

static uint32_t establish_payload(uint8_t *payload, const wcx_establish_t *establish)
{
  uint32_t len = wcx_mold_begin(payload, NULL, 0, 1);
  return len + client_block(payload + len, WCX_TEMPLATE_ESTABLISH, establish, sizeof(*establish));
}

static void victim_signs_on(client_t *victim, uint16_t flags)
{
  uint8_t payload[256];
  wcx_establish_t establish = fresh_establish(victim);
  establish.flags |= flags;
  if (is_tagged(victim))
    establish.flags |= FLAG_TAG;
  char secret[32];
  snprintf(secret, sizeof(secret), "demo-secret-%u", victim->session_id);
  if (is_tagged(victim))
    wcx_client_tag_key(run.tag_key.bytes, secret, establish.uuid);
  wcx_client_sign(&establish, secret, WCX_CLIENT_UDP, 7002);
  world_turns(&run.world, 3);
  world_drain(&run.world); /* a re-request brought the acks of before again */
  record(victim, 7002, payload, establish_payload(payload, &establish));
  assert_true(world_expect(&run.world, victim, WCX_TEMPLATE_ESTABLISH_ACK, &victim->ack, sizeof(victim->ack)));
  assert_int_equal(victim->ack.uuid, establish.uuid);
  memcpy(victim->mold, victim->ack.mold_session, 10);
  victim->next_seq = victim->ack.next_client_seq_no;
  victim->cl_ord_id = victim->ack.last_cl_ord_id;
}

static uint32_t request_payload(const client_t *victim, uint64_t seq, uint8_t *payload, uint16_t template_id, const void *body, uint16_t sz)
{
  uint32_t len = wcx_mold_begin(payload, victim->mold, seq, 1);
  return len + client_block(payload + len, template_id, body, sz);
}

static void victim_trades(client_t *victim, uint32_t cnt)
{
  uint8_t payload[256];
  for (uint32_t i = 0; i < cnt; i++)
  {
    wcx_new_order_single_t order = client_order(victim, 1, i % 2 == 0 ? WCX_SIDE_BUY : WCX_SIDE_SELL, i % 2 == 0 ? 90 : 100, 5, WCX_TIME_IN_FORCE_GTC);
    record(victim, 7002, payload, request_payload(victim, victim->next_seq++, payload, WCX_TEMPLATE_NEW_ORDER_SINGLE, &order, sizeof(order)));
  }
  wcx_order_mass_cancel_request_t all = {
      .cl_ord_id = ++victim->cl_ord_id, .account = victim->session_id, .security_id = 2, .mass_cancel_request_type = WCX_MASS_CANCEL_REQUEST_TYPE_CANCEL_FOR_SESSION};
  record(victim, 7002, payload, request_payload(victim, victim->next_seq++, payload, WCX_TEMPLATE_ORDER_MASS_CANCEL_REQUEST, &all, sizeof(all)));
  record(victim, 7002, payload, wcx_mold_begin(payload, victim->mold, victim->next_seq, 0)); /* a heartbeat */
  record(victim, 7003, payload, wcx_mold_begin(payload, victim->mold, 1, 5));                /* a re-request */
}

/* Three bindings each, the second ended by a goodbye or a take-over from another port; orders rest in the end. */
static void victims_live(void)
{
  uint8_t payload[256];
  for (uint32_t v = 0; v < VICTIMS; v++)
  {
    client_t *victim = &run.victims[v];
    *victim = client_of(v + 1);
    victim_signs_on(victim, 0);
    victim_trades(victim, 10);
    victim->port = (uint16_t)(victim->port + 100 * (v == 1));
    victim_signs_on(victim, v == 1 ? 4 : 0);
    victim_trades(victim, 10);
    if (v == 2)
    {
      wcx_terminate_t terminate = {.uuid = victim->uuid, .code = WCX_TERMINATE_CODE_FINISHED};
      record(victim, 7002, payload, request_payload(victim, victim->next_seq++, payload, WCX_TEMPLATE_TERMINATE, &terminate, sizeof(terminate)));
    }
    victim_signs_on(victim, 0);
    victim_trades(victim, 20);
  }
  world_turns(&run.world, 20);
  world_drain(&run.world);
}

/* --- the attacker --------------------------------------------------------------------------------------------------------------------------- */

/* Answers that went to his addresses, which are not the victims'. On the order port he never gets back more than he sent. */
static void take_answers(void)
{
  sent_t sent;
  while (world_next(&run.world, &sent))
  {
    uint32_t idx = sent.to_ip - SOURCE_IP;
    if (idx >= SOURCES || sent.datagram.from.port != 7002)
      continue;
    source_t *source = &run.sources[idx];
    source->out += sent.datagram.len;
    assert_true(source->out <= source->in);
    assert_true(sent.datagram.len <= ESTABLISH_PAYLOAD_SZ);
    wcx_message_header_t header;
    const uint8_t *at = sent.mold.blocks;
    const uint8_t *block = NULL;
    uint16_t block_sz = 0;
    assert_int_equal(sent.mold.count, 1);
    assert_true(wcx_mold_next(&sent.mold, &at, &block, &block_sz));
    memcpy(&header, block, 8);
    assert_int_equal(header.template_id, WCX_TEMPLATE_ESTABLISH_REJECT); /* nothing else is for strangers */
    wcx_establish_reject_t reject;
    memcpy(&reject, block + 8, sizeof(reject));
    run.answers_by_code[reject.code]++;
    run.answers++;
  }
}

static void attack(uint32_t ip, uint16_t port, uint16_t to_port, const uint8_t *payload, uint32_t len)
{
  if (ip - SOURCE_IP < SOURCES && to_port == 7002)
    run.sources[ip - SOURCE_IP].in += len;
  world_send(&run.world, ip, port, to_port, payload, len);
}

static void attack_from_anywhere(uint16_t to_port, const uint8_t *payload, uint32_t len)
{
  attack(SOURCE_IP + below(SOURCES), (uint16_t)(1024 + below(60000)), to_port, payload, len);
}

static const client_t *any_victim(void)
{
  return &run.victims[below(VICTIMS)];
}

static void guess_mold(char mold[10])
{
  static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
  for (uint32_t i = 0; i < 10; i++)
    mold[i] = digits[below(62)];
}

static uint32_t guessed_request(uint8_t *payload, const client_t *as)
{
  wcx_new_order_single_t order = client_order(&(client_t){.session_id = as->session_id, .cl_ord_id = as->cl_ord_id + below(9)}, 1 + below(2), (uint8_t)(1 + below(2)),
                                              50 + below(100), 1 + below(50), WCX_TIME_IN_FORCE_GTC);
  wcx_order_mass_cancel_request_t all = {
      .cl_ord_id = order.cl_ord_id, .account = as->session_id, .security_id = WCX_U32_NULL, .mass_cancel_request_type = WCX_MASS_CANCEL_REQUEST_TYPE_CANCEL_ALL_ORDERS};
  wcx_terminate_t terminate = {.uuid = as->uuid, .code = WCX_TERMINATE_CODE_FINISHED};
  uint64_t seq = as->next_seq + below(4);
  switch (below(3))
  {
  case 0:
    return request_payload(as, seq, payload, WCX_TEMPLATE_ORDER_MASS_CANCEL_REQUEST, &all, sizeof(all));
  case 1:
    return request_payload(as, seq, payload, WCX_TEMPLATE_TERMINATE, &terminate, sizeof(terminate));
  default:
    return request_payload(as, seq, payload, WCX_TEMPLATE_NEW_ORDER_SINGLE, &order, sizeof(order));
  }
}

/* An Establish its session did not sign: random signature, signature of a wrong secret, of another session's secret for another port, by the owner of session 4
   with his own key, or a fresh valid one with one bit of its block turned. */
static uint32_t forged_establish(uint8_t *payload, const client_t *as)
{
  client_t copy = *as;
  copy.uuid += 1 + below(1000);
  wcx_establish_t establish = fresh_establish(&copy);
  uint8_t kind = (uint8_t)below(5);
  if (kind == 0)
    draw_bytes(establish.hmac_signature, sizeof(establish.hmac_signature));
  else if (kind == 1)
    wcx_client_sign(&establish, "demo-secret-0", WCX_CLIENT_UDP, 7002);
  else if (kind == 2)
    wcx_client_sign(&establish, "demo-secret-4", below(2) == 0 ? WCX_CLIENT_UDP : WCX_CLIENT_TCP, 7001);
  else if (kind == 3)
  {
    memcpy(establish.access_key_id, "DEMO-MM-4 ", 10);
    wcx_client_sign(&establish, "demo-secret-4", WCX_CLIENT_UDP, 7002);
  }
  else
  {
    uint8_t *bytes = (uint8_t *)&establish;
    uint32_t bit = below(sizeof(establish) * 8);
    bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
  }
  return establish_payload(payload, &establish);
}

/* From the tagged victim's own address, with its live session string and its next sequence: all that is missing is the key. */
static void forge_tagged(uint8_t *payload)
{
  const client_t *victim = &run.victims[TAGGED];
  uint16_t to_port = below(4) == 0 ? 7003 : 7002;
  uint32_t len = to_port == 7003 ? wcx_mold_begin(payload, victim->mold, 1, 20) : guessed_request(payload, victim);
  if (to_port == 7002 && below(8) == 0)
    len = wcx_mold_begin(payload, victim->mold, victim->next_seq + below(70000), 0);
  wcx_tag_key_t key;
  draw_bytes(key.bytes, sizeof(key.bytes));
  switch (below(3))
  {
  case 0:
    break;
  case 1:
    draw_bytes(payload + len, WCX_TAG_SZ);
    len += WCX_TAG_SZ;
    break;
  default:
    len = wcx_tag_append(&key, payload, len);
    break;
  }
  attack(victim->ip, victim->port, to_port, payload, len);
}

static void forge_one(void)
{
  uint8_t payload[WCX_FRAME_SZ_MAX];
  const client_t *victim = any_victim();
  client_t as = *victim;
  uint32_t len;
  switch (below(9))
  {
  case 0: /* noise */
    len = below(300);
    draw_bytes(payload, len);
    attack_from_anywhere((uint16_t)(7001 + below(4)), payload, len);
    break;
  case 1: /* a guessed session from the victim's own address */
    guess_mold(as.mold);
    len = guessed_request(payload, &as);
    attack(victim->ip, victim->port, 7002, payload, len);
    break;
  case 2: /* and from anywhere */
    guess_mold(as.mold);
    len = guessed_request(payload, &as);
    attack_from_anywhere(7002, payload, len);
    break;
  case 3: /* the true session, from elsewhere */
    len = guessed_request(payload, victim);
    attack(victim->ip, (uint16_t)(victim->port + 1 + below(5000)), 7002, payload, len);
    break;
  case 4:
    len = guessed_request(payload, victim);
    attack_from_anywhere(7002, payload, len);
    break;
  case 5: /* re-requests: the true session from elsewhere, or a guessed one */
    if (below(2) == 0)
      guess_mold(as.mold);
    len = wcx_mold_begin(payload, as.mold, 1 + below(40), (uint16_t)(1 + below(100)));
    attack_from_anywhere(7003, payload, len);
    break;
  case 6:
    len = forged_establish(payload, victim);
    attack(victim->ip, victim->port, 7002, payload, len);
    break;
  case 7:
    forge_tagged(payload);
    break;
  default:
    len = forged_establish(payload, victim);
    attack_from_anywhere(7002, payload, len);
    break;
  }
}

/* A recorded frame: from where it came, from a neighbouring port, from anywhere; as it was or, when it is an Establish, with one bit turned somewhere. */
static void replay_one(void)
{
  recorded_t r = run.records[below(run.record_cnt)];
  for (uint32_t tries = below(3) == 0 ? 1000 : 0; tries > 0 && !r.establish; tries--) /* every third one an Establish */
    r = run.records[below(run.record_cnt)];
  if (r.establish && below(3) == 0)
  {
    uint32_t bit = below(r.len * 8);
    r.payload[bit / 8] ^= (uint8_t)(1u << bit % 8);
  }
  switch (below(3))
  {
  case 0:
    attack(r.ip, r.port, r.to_port, r.payload, r.len);
    break;
  case 1:
    attack(r.ip, (uint16_t)(r.port + 1 + below(5000)), r.to_port, r.payload, r.len);
    break;
  default:
    attack_from_anywhere(r.to_port, r.payload, r.len);
    break;
  }
}

/* --- the two attacks ------------------------------------------------------------------------------------------------------------------------ */

typedef struct standing
{
  wcx_digest_t state;
  uint64_t accepted, sequenced, closed, refused, applied;
  uint32_t orders;
} standing_t;

static standing_t standing(void)
{
  const wcx_engine_t *engine = wcx_loop_engine(run.world.loop);
  const wcx_stats_t *stats = &run.world.shm->stats;
  wcx_digest_t full = wcx_engine_state_digest_full(engine);
  standing_t s = {.state = wcx_engine_state_digest(engine),
                  .accepted = atomic_load(&stats->establish_accepted),
                  .sequenced = atomic_load(&stats->requests_sequenced),
                  .closed = atomic_load(&stats->sessions_closed),
                  .refused = atomic_load(&stats->establish_refused),
                  .applied = wcx_engine_applied_seq(engine),
                  .orders = wcx_engine_orders_live(engine)};
  assert_memory_equal(&s.state, &full, sizeof(full));
  return s;
}

/* The state digest is looked at all the time, so that a change that is undone is seen, too. */
static void attack_with(void (*one)(void))
{
  standing_t before = standing();
  for (uint64_t i = 1; i <= run.frames; i++)
  {
    one();
    if (i % FRAMES_PER_TURN != 0)
      continue;
    world_turn(&run.world);
    take_answers();
    wcx_digest_t now = wcx_engine_state_digest(wcx_loop_engine(run.world.loop));
    assert_memory_equal(&now, &before.state, sizeof(now));
  }
  world_turns(&run.world, 100);
  take_answers();
  standing_t after = standing();
  assert_memory_equal(&after.state, &before.state, sizeof(after.state));
  assert_int_equal(after.accepted, before.accepted);
  assert_int_equal(after.sequenced, before.sequenced);
  assert_int_equal(after.closed, before.closed);
  assert_int_equal(after.orders, before.orders);
  assert_int_equal(after.applied - before.applied, after.refused - before.refused); /* validly signed and stale: journaled as refused, nothing else is */
  print_message("# %llu frames: 0 accepted, state digest %016llx as before; %llu rejects to strangers (%llu Credentials, %llu StaleUUID), %llu journaled as refused\n",
                (unsigned long long)run.frames, (unsigned long long)after.state.lo, (unsigned long long)run.answers,
                (unsigned long long)run.answers_by_code[WCX_ESTABLISH_REJECT_CODE_CREDENTIALS], (unsigned long long)run.answers_by_code[WCX_ESTABLISH_REJECT_CODE_STALE_UUID],
                (unsigned long long)(after.refused - before.refused));
}

/* After all that a victim trades on, from where it was. */
static void victims_trade_on(void)
{
  for (uint32_t v = 0; v < VICTIMS; v++)
  {
    client_t *victim = &run.victims[v];
    wcx_new_order_single_t order = client_order(victim, 2, WCX_SIDE_BUY, 10, 1, WCX_TIME_IN_FORCE_GTC);
    uint8_t payload[256];
    record(victim, 7002, payload, request_payload(victim, victim->next_seq++, payload, WCX_TEMPLATE_NEW_ORDER_SINGLE, &order, sizeof(order)));
    wcx_execution_report_new_t report;
    assert_true(world_expect(&run.world, victim, WCX_TEMPLATE_EXECUTION_REPORT_NEW, &report, sizeof(report)));
    assert_int_equal(report.cl_ord_id, order.cl_ord_id);
  }
}

static void test_forged_frames(void **state)
{
  (void)state;
  print_message("# WCX_SEED=%llu\n", (unsigned long long)run.seed);
  begin(keys);
  victims_live();
  uint64_t refused = atomic_load(&run.world.shm->stats.establish_refused);
  attack_with(forge_one);
  assert_int_equal(atomic_load(&run.world.shm->stats.establish_refused), refused); /* nothing forged gets beyond Credentials */
  assert_true(run.answers_by_code[WCX_ESTABLISH_REJECT_CODE_CREDENTIALS] > run.frames / 20);
  assert_int_equal(run.answers_by_code[WCX_ESTABLISH_REJECT_CODE_CREDENTIALS], run.answers);
  assert_true(atomic_load(&run.world.shm->stats.rx_drop_session) > run.frames / 4);
  assert_true(atomic_load(&run.world.shm->stats.rx_drop_tag) > run.frames / 20);
  victims_trade_on();
  end();
}

static void test_replayed_frames(void **state)
{
  (void)state;
  print_message("# WCX_SEED=%llu\n", (unsigned long long)run.seed);
  begin(keys);
  victims_live();
  attack_with(replay_one);
  assert_true(run.answers_by_code[WCX_ESTABLISH_REJECT_CODE_STALE_UUID] > 0 && run.answers_by_code[WCX_ESTABLISH_REJECT_CODE_CREDENTIALS] > 0);
  assert_int_equal(run.answers_by_code[WCX_ESTABLISH_REJECT_CODE_STALE_UUID] + run.answers_by_code[WCX_ESTABLISH_REJECT_CODE_CREDENTIALS], run.answers);
  assert_true(atomic_load(&run.world.shm->stats.establish_repeated) > 0);
  assert_true(atomic_load(&run.world.shm->stats.requests_stale) > run.frames / 40);
  victims_trade_on();
  end();
}

/* One source asks a thousand times a second, forty others twenty times a second each: nobody gets fewer than 20 answers a second, the loud one gets no more. */
static void test_twenty_a_second_are_answered(void **state)
{
  (void)state;
  begin(slow_keys);
  client_t as = client_of(1);
  uint8_t payload[256];
  uint64_t answers[41] = {0};
  enum
  {
    SECONDS = 5
  };
  for (uint32_t ms = 0; ms < SECONDS * 1000; ms++)
  {
    as.uuid += 1001; /* no two are equal: copies of what is being judged get no answer of their own */
    attack(SOURCE_IP, 5000, 7002, payload, forged_establish(payload, &as));
    if (ms % 50 == 0)
      for (uint32_t i = 1; i <= 40; i++, as.uuid += 1001)
        attack(SOURCE_IP + i, 5000, 7002, payload, forged_establish(payload, &as));
    world_turns(&run.world, 10);
    world_stall(&run.world, 900000);
    sent_t sent;
    while (world_next(&run.world, &sent))
      if (sent.to_ip - SOURCE_IP <= 40)
        answers[sent.to_ip - SOURCE_IP]++;
  }
  for (uint32_t i = 0; i <= 40; i++)
    assert_true(answers[i] >= 20 * SECONDS);
  assert_in_range(answers[0], 20 * SECONDS, 20 * (SECONDS + 1));
  assert_int_equal(atomic_load(&run.world.shm->stats.establish_accepted), 0);
  end();
}

int main(int argc, char **argv)
{
  const char *seed = getenv("WCX_SEED");
  run.seed = seed != NULL ? strtoull(seed, NULL, 0) : 5;
  run.frames = 100000;
  for (int i = 1; i + 1 < argc; i += 2)
  {
    if (strcmp(argv[i], "--frames") == 0)
      run.frames = strtoull(argv[i + 1], NULL, 0);
    else if (strcmp(argv[i], "--seed") == 0)
      run.seed = strtoull(argv[i + 1], NULL, 0);
  }
  if (argc % 2 == 0 || run.frames == 0)
  {
    fprintf(stderr, "usage: test_forged_wire [--frames N] [--seed S]\n");
    return 2;
  }
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_forged_frames), cmocka_unit_test(test_replayed_frames), cmocka_unit_test(test_twenty_a_second_are_answered)};
  return cmocka_run_group_tests_name("forged_wire", tests, NULL, NULL);
}
