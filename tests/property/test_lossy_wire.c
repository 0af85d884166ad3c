/* A wire that loses, doubles, reorders, delays and damages frames both ways, the real loop behind it, the real client library before it.

       makers (4 sessions, client library) --.                             .--> journal stand-in --> reference engine (the truth)
                                             wire (faults) <-> loop <-> ring
       book keeper (feed A and B, re-request)'

   The truth is what became durable: every record is applied by a second engine, whose messages are what each client must have received in the end, all of
   them, once each, in order. A request may be journaled once or never, as sent, and its maker must know which.

       build/tests/property/test_lossy_wire [--requests N] [--seed S]      WCX_SEED=S is the same as --seed S */
#include "tests/unit/loop_fixture.h"

#include "dataplane/client/book.h"
#include "dataplane/client/feed.h"
#include "dataplane/client/orders.h"
#include "dataplane/client/session.h"
#include "dataplane/client/sign.h"
#include "tests/sim/env_sim.h"

#include <stdio.h>
#include <time.h>

#define MAKERS 4u
#define KEEPER_PORT 50000u
#define UNDECIDED_MAX 64u
#define TAGGED_FROM 2u /* makers from this one on ask for tags */
#define SECRET "none"
#define BURST_MAX 8u
#define ORDERS_AT_END 500u
#define DEAF_REQUESTS 100u
#define DEAF_TURNS 500u
#define TURN_NS 40000u
#define TURNS_TO_REST_MAX 2000000u
#define REF_LOG_SZ (8u << 20)
#define OF_100(percent) ((percent)*65536u / 100u)

/* One request as its maker knows it. */
typedef struct asked
{
  uint64_t hash; /* of template and block as sent, 0: never sent */
  uint8_t journaled;
  uint8_t fate; /* enum wcx_client_fate, 0: none yet */
  uint8_t pad[6];
} asked_t;

/* A stream of numbered messages, folded. */
typedef struct told
{
  wcx_digest_t chain;
  uint64_t cnt;
} told_t;

/* The datagram of orders before: sometimes it goes again in front of the next one. */
typedef struct before
{
  uint8_t bytes[WCX_CLIENT_DATAGRAM_MAX];
  size_t sz; /* 0: none */
} before_t;

typedef struct maker
{
  uint32_t idx;
  before_t before;
  wcx_client_session_t session;
  asked_t *asked; /* by ClOrdID, up to the requests of the run */
  told_t told;
} maker_t;

static struct
{
  uint64_t requests;
  uint64_t seed;
  uint64_t random;
  world_t world;
  maker_t makers[MAKERS];
  wcx_client_feed_t feed;
  wcx_client_books_t books;
  told_t feed_told;
  uint64_t sent;
  uint64_t overlapping; /* datagrams that begin with what was sent before */
  uint64_t damaged;     /* frames a client's network card would not have passed on */

  wcx_engine_t *reference;
  void *reference_mem;
  void *reference_log_mem;
  wcx_outlog_t reference_log;
  told_t must_session[MAKERS];
  told_t must_feed;
  uint64_t applied;
} run;

static uint64_t draw_below(uint64_t bound)
{
  uint64_t x = run.random += UINT64_C(0x9e3779b97f4a7c15);
  x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
  x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
  return (x ^ (x >> 31)) % bound;
}

static void tell(told_t *told, uint64_t number, const void *message, size_t sz)
{
  assert_int_equal(number, told->cnt + 1);
  told->cnt++;
  wcx_digest_update(&told->chain, message, sz);
}

static uint64_t hash_of(uint16_t template_id, const void *block, size_t sz)
{
  wcx_digest_t digest = wcx_digest_of(template_id, block, sz);
  return digest.lo | 1;
}

/* --- the truth ------------------------------------------------------------------------------------------------------------------------------ */

static void on_record(void *ctx, const wcx_record_hdr_t *hdr, const uint8_t *body)
{
  (void)ctx;
  if (hdr->client_seq != 0 && hdr->template_id >= WCX_TEMPLATE_NEW_ORDER_SINGLE && hdr->template_id <= WCX_TEMPLATE_MMP_CONFIG_REQUEST)
  {
    uint64_t cl_ord_id;
    memcpy(&cl_ord_id, body, sizeof(cl_ord_id));
    assert_in_range(hdr->session_id, 1, MAKERS);
    assert_in_range(cl_ord_id, 1, run.requests);
    asked_t *asked = &run.makers[hdr->session_id - 1].asked[cl_ord_id];
    if (asked->journaled++ != 0)
      fail_msg("session %u: request %llu is applied twice", hdr->session_id, (unsigned long long)cl_ord_id);
    assert_int_equal(asked->hash, hash_of(hdr->template_id, body, hdr->body_sz)); /* as it was sent, bit for bit */
    run.applied++;
  }
  wcx_outlog_t *log = &run.reference_log;
  uint64_t at = log->write_pos;
  wcx_engine_apply(run.reference, hdr, body, log);
  for (at = wcx_outlog_settle(log, at, log->write_pos); at < log->write_pos; at = wcx_outlog_settle(log, at, log->write_pos))
  {
    wcx_out_entry_t *entry = wcx_outlog_at(log, at);
    if (entry->stream == WCX_STREAM_SESSION)
      tell(&run.must_session[entry->stream_id - 1], entry->number, wcx_out_message(entry), entry->len);
    else if (entry->stream == WCX_STREAM_FEED)
      tell(&run.must_feed, entry->number, wcx_out_message(entry), entry->len);
    at += entry->entry_sz;
  }
  log->sent_pos = log->write_pos;
}

/* Every signature is right; who asks for tags gets the key that his secret makes. */
static void judge(void *ctx, wcx_auth_slot_t *slot)
{
  (void)ctx;
  slot->verdict = WCX_AUTH_VALID;
  char text[16];
  snprintf(text, sizeof(text), "Mold%06u", ++run.world.mold_cnt % 1000000u);
  memcpy(slot->mold_session, text, 10);
  if ((slot->establish.flags & WCX_CLIENT_FLAG_TAG) != 0)
    wcx_client_tag_key(slot->tag_key, SECRET, slot->establish.uuid);
}

static void make_reference(void)
{
  const wcx_params_shard_t *s = &run.world.region->params.shards[0];
  wcx_engine_limits_t limits = {.shard = s->shard,
                                .orders_max = s->orders_max,
                                .levels_max = s->levels_max,
                                .instruments_max = s->instruments_max,
                                .accounts_max = s->accounts_max,
                                .sessions_max = s->sessions_max,
                                .hash_key = 7};
  size_t sz = wcx_engine_footprint(&limits);
  run.reference_mem = aligned_alloc(4096, (sz + 4095) & ~(size_t)4095);
  run.reference_log_mem = aligned_alloc(64, REF_LOG_SZ);
  run.reference = wcx_engine_new(run.reference_mem, sz, &limits);
  wcx_outlog_init(&run.reference_log, run.reference_log_mem, REF_LOG_SZ);
}

/* --- the makers ----------------------------------------------------------------------------------------------------------------------------- */

/* A datagram that begins with what the server may have: [before][this], from the sequence of the first. 0: they do not hang together or do not fit.
   Only of makers without tags: nobody but the library makes those. */
static size_t overlap(const before_t *before, const wcx_client_packet_t *packet, const uint8_t *datagram, size_t sz, uint8_t *out)
{
  wcx_client_packet_t first;
  if (before->sz == 0 || before->sz + sz - WCX_CLIENT_PACKET_HDR_SZ > WCX_CLIENT_DATAGRAM_MAX || !wcx_client_packet_open(&first, before->bytes, before->sz))
    return 0;
  if (first.sequence + first.count != packet->sequence || memcmp(first.session, packet->session, sizeof(first.session)) != 0)
    return 0;
  memcpy(out, before->bytes, before->sz);
  memcpy(out + before->sz, datagram + WCX_CLIENT_PACKET_HDR_SZ, sz - WCX_CLIENT_PACKET_HDR_SZ);
  wcx_client_packet_header(out, first.session, first.sequence, (uint16_t)(first.count + packet->count));
  return before->sz + sz - WCX_CLIENT_PACKET_HDR_SZ;
}

static void maker_send(void *ctx, enum wcx_client_port port, const void *datagram, size_t sz)
{
  maker_t *maker = ctx;
  wcx_client_packet_t packet;
  uint8_t both[WCX_CLIENT_DATAGRAM_MAX];
  if (port == WCX_CLIENT_PORT_ORDER && wcx_client_packet_open(&packet, datagram, sz) && packet.count > 0 && packet.sequence > 0)
  {
    size_t both_sz = maker->idx < TAGGED_FROM && draw_below(4) == 0 ? overlap(&maker->before, &packet, datagram, sz, both) : 0;
    memcpy(maker->before.bytes, datagram, sz);
    maker->before.sz = sz;
    if (both_sz != 0)
    {
      run.overlapping++;
      datagram = both;
      sz = both_sz;
    }
  }
  world_send(&run.world, CLIENT_IP, (uint16_t)(40001 + maker->idx), port == WCX_CLIENT_PORT_ORDER ? 7002 : 7003, datagram, (uint32_t)sz);
}

static void maker_message(void *ctx, uint64_t number, const void *message, size_t sz)
{
  maker_t *maker = ctx;
  tell(&maker->told, number, message, sz);
}

static void maker_decided(void *ctx, const wcx_client_request_t *request, const void *message, size_t sz, uint64_t now_ns)
{
  (void)message;
  (void)sz;
  (void)now_ns;
  maker_t *maker = ctx;
  asked_t *asked = &maker->asked[request->cl_ord_id];
  assert_int_equal(asked->fate, 0);
  asked->fate = request->fate;
}

static void open_maker(uint32_t idx)
{
  maker_t *maker = &run.makers[idx];
  maker->idx = idx;
  maker->asked = calloc(run.requests + 1, sizeof(asked_t));
  assert_non_null(maker->asked);
  wcx_client_session_config_t config = {.session_id = idx + 1,
                                        .secret = SECRET,
                                        .flags = idx >= TAGGED_FROM ? WCX_CLIENT_FLAG_TAG : 0,
                                        .server_port = 7002,
                                        .keep_alive_ms = 1000,
                                        .recover_from = 1,
                                        .ctx = maker,
                                        .send = maker_send,
                                        .on_message = maker_message,
                                        .on_decided = maker_decided};
  snprintf(config.access_key_id, sizeof(config.access_key_id), "DEMO-MM-%u", idx + 1);
  wcx_client_session_init(&maker->session, &config);
}

static void send_one(maker_t *maker)
{
  wcx_client_session_t *s = &maker->session;
  uint64_t id = wcx_client_session_next_id(s);
  uint8_t message[WCX_CLIENT_REQUEST_SZ_MAX];
  uint64_t kind = run.requests - run.sent > ORDERS_AT_END ? draw_below(20) : 0; /* so that there is a book to compare */
  uint64_t back = id < 200 ? id : 200;                                          /* what rests is mostly young */
  uint64_t other = id > 1 ? id - 1 - draw_below(back - 1) : 1;
  uint32_t security = 1 + (uint32_t)draw_below(2);
  int64_t offset = (int64_t)draw_below(30);
  int64_t qty = 1 + (int64_t)draw_below(20);
  uint8_t side = (uint8_t)(1 + draw_below(2));
  uint8_t tif = draw_below(4) == 0 ? WCX_TIME_IN_FORCE_IOC : WCX_TIME_IN_FORCE_GTC;
  size_t sz;
  if (kind < 14)
  {
    wcx_new_order_single_t order = wcx_client_limit_order(id, maker->idx + 1, security, side, (side == WCX_SIDE_BUY ? 980 : 990) + offset, qty, tif);
    sz = wcx_client_put_new(message, &order);
  }
  else if (kind < 18)
    sz = wcx_client_put_cancel(message, id, other, security);
  else if (kind < 19 || draw_below(50) != 0)
    sz = wcx_client_put_replace(message, id, other, security, 985 + offset, qty);
  else
    sz = wcx_client_put_mass_cancel(message, id, maker->idx + 1);
  uint16_t template_id = wcx_client_message_template(message, sz);
  asked_t *asked = &maker->asked[id];
  if (!wcx_client_session_request(s, run.world.mono_ns, message, sz, 0))
    return;
  asked->hash = hash_of(template_id, message + 8, sz - 8);
  run.sent++;
}

static void step_maker(maker_t *maker)
{
  wcx_client_session_t *s = &maker->session;
  if (s->state == WCX_CLIENT_CLOSED)
    wcx_client_session_open(s, run.world.mono_ns);
  uint32_t undecided_max = run.sent + DEAF_REQUESTS < run.requests ? UNDECIDED_MAX : 2 * UNDECIDED_MAX; /* nobody hears of a decision while they are deaf */
  if (run.sent < run.requests && s->state == WCX_CLIENT_READY && s->undecided_cnt < undecided_max)
    for (uint64_t n = draw_below(BURST_MAX); n > 0 && run.sent < run.requests; n--)
      send_one(maker);
  (void)wcx_client_session_step(s, run.world.mono_ns);
}

/* --- the book keeper ------------------------------------------------------------------------------------------------------------------------ */

static void keeper_send(void *ctx, const void *datagram, size_t sz)
{
  (void)ctx;
  world_send(&run.world, CLIENT_IP, KEEPER_PORT, 7003, datagram, (uint32_t)sz);
}

static void keeper_message(void *ctx, uint64_t number, const void *message, size_t sz)
{
  (void)ctx;
  tell(&run.feed_told, number, message, sz);
  assert_true(wcx_client_books_apply(&run.books, message, sz));
}

/* --- the wire's other end --------------------------------------------------------------------------------------------------------------------- */

static void deliver(const uint8_t *frame, uint32_t len)
{
  static const uint8_t card[6] = {2, 0, 0, 0, 0, 9};
  const wcx_params_shard_t *shard = &run.world.region->params.shards[0];
  uint64_t now_ns = run.world.mono_ns;
  wcx_net_t self = {.ip = CLIENT_IP};
  memcpy(self.mac, card, sizeof(card));
  wcx_datagram_t d;
  if (wcx_net_parse(&self, frame, len, &d) == WCX_NET_UDP)
  {
    if (d.to_port == KEEPER_PORT)
      wcx_client_feed_datagram(&run.feed, now_ns, WCX_CLIENT_LINE_REREQUEST, d.payload, d.len);
    else if (d.to_port > 40000 && d.to_port <= 40000 + MAKERS)
      wcx_client_session_datagram(&run.makers[d.to_port - 40001].session, now_ns, d.payload, d.len);
    return;
  }
  uint32_t groups[2] = {shard->group_a_ip, shard->group_b_ip};
  for (uint32_t line = 0; line < 2; line++)
  {
    wcx_net_t group = {.ip = groups[line]};
    wcx_peer_t peer = wcx_net_group(groups[line], 0);
    memcpy(group.mac, peer.mac, 6);
    if (wcx_net_parse(&group, frame, len, &d) != WCX_NET_UDP)
      continue;
    wcx_client_feed_datagram(&run.feed, now_ns, line == 0 ? WCX_CLIENT_LINE_A : WCX_CLIENT_LINE_B, d.payload, d.len);
    return;
  }
  run.damaged++;
}

static void turn(void)
{
  world_t *w = &run.world;
  world_stall(w, TURN_NS - 10000); /* the turn adds the rest */
  wcx_sim_advance_ns(w->utc_ns + 10000 - wcx_env_utc_ns());
  world_turn(w);
  uint8_t frame[WCX_FRAME_SZ_MAX];
  for (uint32_t len; (len = wcx_wire_recv(w->wire, frame)) != 0;)
    deliver(frame, len);
  for (uint32_t i = 0; i < MAKERS; i++)
    step_maker(&run.makers[i]);
  wcx_client_feed_step(&run.feed, w->mono_ns);
}

/* Everybody knows everything. */
static bool at_rest(void)
{
  bool rest = run.feed.joined && run.feed_told.cnt == run.must_feed.cnt;
  for (uint32_t i = 0; i < MAKERS; i++)
    rest = rest && run.makers[i].session.state == WCX_CLIENT_READY && run.makers[i].session.undecided_cnt == 0 && run.makers[i].told.cnt == run.must_session[i].cnt;
  return rest && wcx_engine_applied_seq(wcx_loop_engine(run.world.loop)) == wcx_engine_applied_seq(run.reference);
}

/* --- the judgement -------------------------------------------------------------------------------------------------------------------------- */

static void judge_requests(void)
{
  uint64_t fates[WCX_CLIENT_NOT_APPLIED + 1] = {0};
  for (uint32_t i = 0; i < MAKERS; i++)
  {
    const maker_t *maker = &run.makers[i];
    for (uint64_t id = 1; id <= run.requests; id++)
    {
      const asked_t *asked = &maker->asked[id];
      if (asked->hash == 0)
        continue;
      assert_in_range(asked->fate, WCX_CLIENT_ANSWERED, WCX_CLIENT_NOT_APPLIED);
      if ((asked->fate == WCX_CLIENT_ANSWERED) != (asked->journaled == 1))
        fail_msg("session %u: request %llu is %s and its maker was told the contrary", i + 1, (unsigned long long)id, asked->journaled ? "applied" : "not applied");
      fates[asked->fate]++;
    }
    assert_int_equal(maker->session.sequence_conflict_cnt, 0);
    assert_true(maker->session.bad_tag_cnt == 0 || i >= TAGGED_FROM);
    assert_int_equal(maker->session.inbound.message_lost_cnt, 0);
    assert_memory_equal(&maker->told, &run.must_session[i], sizeof(told_t));
  }
  assert_int_equal(fates[WCX_CLIENT_ANSWERED], run.applied);
  print_message("# %llu requests: %llu applied and answered, %llu told as not applied, %llu refused; 0 twice, 0 in doubt\n", (unsigned long long)run.sent,
                (unsigned long long)fates[WCX_CLIENT_ANSWERED], (unsigned long long)fates[WCX_CLIENT_NOT_APPLIED], (unsigned long long)fates[WCX_CLIENT_REFUSED]);
}

/* Where the book keeper's book is compared with the engine's. */
typedef struct walk
{
  const wcx_client_level_t *level;
  uint32_t left; /* levels after this one, better ones last */
  uint32_t order;
  uint64_t cnt;
} walk_t;

static bool compare_order(void *ctx, uint64_t order_id, int64_t price, int64_t displayed_qty)
{
  walk_t *walk = ctx;
  if (walk->order == 0)
  {
    assert_true(walk->left > 0);
    walk->left--;
    walk->level--;
    walk->order = walk->level->head;
  }
  const wcx_client_order_t *order = &run.books.orders[walk->order - 1];
  assert_int_equal(order->order_id, order_id);
  assert_int_equal(order->price, price);
  assert_int_equal(order->qty, displayed_qty);
  walk->order = order->next;
  walk->cnt++;
  return true;
}

static void judge_books(void)
{
  assert_memory_equal(&run.feed_told, &run.must_feed, sizeof(told_t));
  assert_int_equal(wcx_client_feed_gaps(&run.feed), 0);
  assert_true(wcx_client_books_verify(&run.books));
  uint64_t orders = 0;
  for (uint32_t security = 1; security <= 2; security++)
    for (uint8_t side = WCX_SIDE_BUY; side <= WCX_SIDE_SELL; side++)
    {
      const wcx_client_ladder_t *ladder = &wcx_client_books_find(&run.books, security)->sides[side == WCX_SIDE_SELL];
      walk_t walk = {.level = ladder->levels + ladder->cnt, .left = ladder->cnt};
      assert_true(wcx_engine_book_orders(wcx_loop_engine(run.world.loop), security, side, compare_order, &walk));
      assert_int_equal(walk.left, 0);
      assert_int_equal(walk.order, 0);
      orders += walk.cnt;
    }
  assert_int_equal(orders, run.books.live_cnt);
  assert_true(orders > 50);
  print_message("# %llu feed messages, %llu orders rest, the same in both books\n", (unsigned long long)run.feed_told.cnt, (unsigned long long)orders);
}

static void judge_engines(void)
{
  const wcx_engine_t *live = wcx_loop_engine(run.world.loop);
  wcx_digest_t a = wcx_engine_output_digest(live);
  wcx_digest_t b = wcx_engine_output_digest(run.reference);
  assert_memory_equal(&a, &b, sizeof(a));
  a = wcx_engine_state_digest(live);
  b = wcx_engine_state_digest_full(run.reference);
  assert_memory_equal(&a, &b, sizeof(a));
  wcx_engine_verify(live);
}

/* The faults were there, and the ways around them were used. */
static void judge_faults(void)
{
  wcx_wire_counts_t c = wcx_wire_counts(run.world.wire);
  const wcx_stats_t *stats = &run.world.shm->stats;
  uint64_t asked_again = run.feed.stream.ask_cnt;
  for (uint32_t i = 0; i < MAKERS; i++)
    asked_again += run.makers[i].session.inbound.ask_cnt;
  print_message("# frames: %llu in, %llu of them lost; %llu out, %llu of them lost; %llu doubled, %llu damaged, %llu changed places, %llu late, %llu overlapping\n",
                (unsigned long long)c.to_port, (unsigned long long)c.to_port_lost, (unsigned long long)c.from_port, (unsigned long long)c.from_port_lost,
                (unsigned long long)c.duplicated, (unsigned long long)c.corrupted, (unsigned long long)c.reordered, (unsigned long long)c.late,
                (unsigned long long)run.overlapping);
  print_message("# server: %llu blocks stale, %llu told as gaps, %llu checksums wrong; clients: %llu damaged, %llu re-requests, %llu messages sent again\n",
                (unsigned long long)atomic_load(&stats->requests_stale), (unsigned long long)atomic_load(&stats->requests_gap),
                (unsigned long long)(atomic_load(&stats->rx_drop_udp_checksum) + atomic_load(&stats->rx_drop_ip_checksum)), (unsigned long long)run.damaged,
                (unsigned long long)asked_again, (unsigned long long)atomic_load(&stats->rerequest_messages));
  assert_true(c.to_port_lost > c.to_port / 4 && c.from_port_lost > c.from_port / 4);
  assert_true(c.duplicated > (c.to_port + c.from_port) / 10);
  assert_true(run.overlapping > 0);
  assert_true(c.corrupted > 0 && c.reordered > 0 && c.late > 0);
  assert_true(atomic_load(&stats->requests_stale) > 0 && atomic_load(&stats->requests_gap) > 0 && atomic_load(&stats->rx_drop_udp_checksum) > 0 && run.damaged > 0);
  assert_true(asked_again > 0 && atomic_load(&stats->rerequest_messages) > 0);
}

static void plenty(wcx_params_t *params)
{
  params->establish_per_source_per_s = 1000;
  params->rerequest_per_source_per_s = 10000000;
  params->shards[0].outlog_sz = 64u << 20;
  params->shards[0].retain_session_msgs = 16384;
  params->shards[0].retain_feed_msgs = 65536;
}

static void test_nothing_twice_nothing_lost(void **state)
{
  (void)state;
  print_message("# WCX_SEED=%llu, %llu requests\n", (unsigned long long)run.seed, (unsigned long long)run.requests);
  run.random = run.seed;
  wcx_sim_env_reset(run.seed);
  world_t *w = &run.world;
  world_open(w, world_region(1, plenty), 0);
  w->forget = true;
  w->on_record = on_record;
  w->judge = judge;
  make_reference();
  world_start(w);
  wcx_wire_faults_t faults = {.seed = run.seed * 2 + 1};
  faults.to_port_loss = faults.from_port_loss = OF_100(30u);
  faults.to_port_dup = faults.from_port_dup = OF_100(20u);
  faults.to_port_reorder = faults.from_port_reorder = OF_100(10u);
  faults.to_port_corrupt = faults.from_port_corrupt = OF_100(2u);
  faults.to_port_late = faults.from_port_late = OF_100(1u);
  wcx_wire_set_faults(w->wire, &faults);
  wcx_client_books_init(&run.books);
  wcx_client_feed_init(&run.feed, &(wcx_client_feed_config_t){.shard = 1, .from_start = true, .send = keeper_send, .on_message = keeper_message});
  for (uint32_t i = 0; i < MAKERS; i++)
    open_maker(i);

  struct timespec begun, done;
  clock_gettime(CLOCK_MONOTONIC, &begun);
  uint64_t turns = 0;
  for (; run.sent + DEAF_REQUESTS < run.requests; turns++)
    turn();
  /* the end is the hardest part to recover: no later message shows that it is missing */
  wcx_wire_faults_t deaf = faults;
  deaf.from_port_loss = 65536;
  wcx_wire_set_faults(w->wire, &deaf);
  for (uint32_t left = DEAF_TURNS; left > 0; left--, turns++)
    turn();
  assert_int_equal(run.sent, run.requests);
  wcx_wire_set_faults(w->wire, &faults);
  for (uint32_t left = TURNS_TO_REST_MAX; left > 0 && !at_rest(); left--, turns++)
    turn();
  clock_gettime(CLOCK_MONOTONIC, &done);
  print_message("# %llu turns, %.1f s of the world, %.1f s of ours\n", (unsigned long long)turns, (double)(w->mono_ns - 1000000000) / 1e9,
                (double)(done.tv_sec - begun.tv_sec) + (double)(done.tv_nsec - begun.tv_nsec) / 1e9);
  assert_true(at_rest()); /* no gap is left, on a wire that still loses frames */
  judge_requests();
  judge_books();
  judge_engines();
  judge_faults();

  for (uint32_t i = 0; i < MAKERS; i++)
  {
    wcx_client_session_free(&run.makers[i].session);
    free(run.makers[i].asked);
  }
  wcx_client_feed_free(&run.feed);
  wcx_client_books_free(&run.books);
  free(run.reference_mem);
  free(run.reference_log_mem);
  world_close(w);
}

int main(int argc, char **argv)
{
  const char *seed = getenv("WCX_SEED");
  run.seed = seed != NULL ? strtoull(seed, NULL, 0) : 7;
  run.requests = 100000;
  for (int i = 1; i + 1 < argc; i += 2)
  {
    if (strcmp(argv[i], "--requests") == 0)
      run.requests = strtoull(argv[i + 1], NULL, 0);
    else if (strcmp(argv[i], "--seed") == 0)
      run.seed = strtoull(argv[i + 1], NULL, 0);
  }
  if (argc % 2 == 0 || run.requests < 1000)
  {
    fprintf(stderr, "usage: test_lossy_wire [--requests N, 1000 or more] [--seed S]\n");
    return 2;
  }
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_nothing_twice_nothing_lost)};
  return cmocka_run_group_tests_name("lossy_wire", tests, NULL, NULL);
}
