/* Random clients of the same sessions over TCP and UDP at once, cut links, held releases and crashes of the loop, and what must hold whatever they do:
   - a number of a session means the same bytes whenever and over whatever transport it is seen;
   - a request is applied at most once: one ER_New for a ClOrdID, however often it is sent;
   - after a last recovery the stream from 1 on is whole, ends where the engine says, and answers the last ClOrdID that was decided. */
#include "tests/unit/link_fixture.h"

#define ROUND_CNT 40u
#define ACTIONS_MAX 700u
#define SESSION_CNT 3u
#define KNOWN_MAX 1000u /* fewer than a session retains: everything can be asked for */

typedef struct both /* a session and its two clients */
{
  peer_t *peer;
  bool connected;
  uint32_t absorbed; /* messages of the peer that are in `known` */
  client_t udp;
  bool udp_open;
  uint64_t udp_uuid; /* of the Establish sent last */
  uint64_t uuid;
  uint64_t cl_ord_id;
  uint64_t highest;       /* number seen */
  uint32_t new_cnt[4096]; /* ER_New of a ClOrdID, in `known` */
  peer_message_t known[KNOWN_MAX + 200];
} both_t;

static uint64_t rng;
static uint64_t message_cnt, tcp_cnt, accepted_cnt, refused_cnt, crash_cnt; /* what the rounds came to */

static uint64_t any(uint64_t below)
{
  rng ^= rng << 13;
  rng ^= rng >> 7;
  rng ^= rng << 17;
  return (rng * UINT64_C(0x2545F4914F6CDD1D) >> 20) % below;
}

static void tune(wcx_params_t *params)
{
  params->establish_per_source_per_s = 1000000;
}

/* --- what is known ------------------------------------------------------------------------------------------------------------------------------- */

static void absorb(both_t *s, uint64_t number, const uint8_t *data, uint16_t len)
{
  assert_true(number >= 1 && number < KNOWN_MAX + 200);
  peer_message_t *known = &s->known[number];
  if (known->len != 0)
  {
    assert_int_equal(known->len, len);
    assert_memory_equal(known->data, data, len);
    return;
  }
  wcx_message_header_t header;
  memcpy(&header, data, 8);
  *known = (peer_message_t){.number = number, .template_id = header.template_id, .len = len};
  memcpy(known->data, data, len);
  s->highest = number > s->highest ? number : s->highest;
  if (header.template_id != WCX_TEMPLATE_EXECUTION_REPORT_NEW)
    return;
  wcx_execution_report_new_t report;
  memcpy(&report, data + 8, sizeof(report));
  assert_true(report.cl_ord_id < 4096);
  assert_int_equal(++s->new_cnt[report.cl_ord_id], 1);
}

static void read_tcp(world_t *w, both_t *s)
{
  if (!s->connected)
    return;
  peer_pump(w, s->peer);
  for (; s->absorbed < s->peer->message_cnt; s->absorbed++)
  {
    const peer_message_t *message = &s->peer->messages[s->absorbed];
    if (message->number != 0)
      absorb(s, message->number, message->data, message->len);
  }
  if (peer_ended(w, s->peer))
  {
    peer_forget(w, s->peer);
    s->connected = false;
  }
}

static void take_datagram(both_t *s, const sent_t *sent)
{
  const uint8_t *at = sent->mold.blocks;
  bool sequenced = !wcx_mold_no_session(&sent->mold);
  for (uint32_t i = 0; i < sent->mold.count; i++)
  {
    const uint8_t *message = NULL;
    uint16_t len = 0;
    assert_true(wcx_mold_next(&sent->mold, &at, &message, &len));
    wcx_message_header_t header;
    memcpy(&header, message, 8);
    if (sequenced)
      absorb(s, sent->mold.sequence + i, message, len);
    else if (header.template_id == WCX_TEMPLATE_ESTABLISH_ACK)
    {
      wcx_establish_ack_t ack;
      memcpy(&ack, message + 8, sizeof(ack));
      absorb(s, ack.next_server_seq_no - 1, message, len);
      if (ack.uuid != s->udp_uuid)
        continue;
      memcpy(s->udp.mold, ack.mold_session, 10);
      s->udp.next_seq = ack.next_client_seq_no;
      s->udp_open = true;
    }
    else if (header.template_id == WCX_TEMPLATE_TERMINATE)
      s->udp_open = false;
  }
}

static void read_udp(world_t *w, both_t *sessions)
{
  sent_t sent;
  while (world_next(w, &sent))
    for (uint32_t i = 0; i < SESSION_CNT; i++)
      if (sent.to_ip == CLIENT_IP && sent.datagram.to_port == sessions[i].udp.port && any(10) != 0) /* some are lost */
        take_datagram(&sessions[i], &sent);
}

/* --- what is done -------------------------------------------------------------------------------------------------------------------------------- */

static wcx_new_order_single_t an_order(both_t *s)
{
  bool again = s->cl_ord_id > 1 && any(6) == 0;
  client_t client = {.session_id = s->udp.session_id, .cl_ord_id = again ? any(s->cl_ord_id) : s->cl_ord_id};
  bool rests = any(3) == 0;
  wcx_new_order_single_t order =
      client_order(&client, 1, rests && any(2) ? WCX_SIDE_SELL : WCX_SIDE_BUY, rests ? 95 + (int64_t)any(10) : 1, 5, rests ? WCX_TIME_IN_FORCE_GTC : WCX_TIME_IN_FORCE_IOC);
  s->cl_ord_id = client.cl_ord_id > s->cl_ord_id ? client.cl_ord_id : s->cl_ord_id;
  return order;
}

/* Sign on from the first number that is not known, or from an earlier one; sometimes cut somewhere on the way. */
static void open_tcp(world_t *w, both_t *s)
{
  uint64_t from = 1;
  while (s->known[from].len != 0)
    from++;
  from = any(3) == 0 ? 1 + any(from) : from;
  uint8_t data[512];
  char user[16];
  snprintf(user, sizeof(user), "mm%u", s->udp.session_id);
  uint32_t len = soup_put_login(data, user, "", any(8) == 0 ? 0 : from);
  client_t client = {.session_id = s->udp.session_id, .uuid = s->uuid};
  wcx_establish_t establish = client_establish(w, &client);
  s->uuid = client.uuid;
  establish.flags = FLAG_COD | (any(2) ? FLAG_TAKE_OVER : 0);
  len += soup_put_message(data + len, WCX_TEMPLATE_ESTABLISH, &establish, sizeof(establish));
  wcx_new_order_single_t order = an_order(s);
  len += soup_put_message(data + len, WCX_TEMPLATE_NEW_ORDER_SINGLE, &order, sizeof(order)); /* behind it in the same bytes */
  uint32_t cut = any(4) == 0 ? (uint32_t)any(len) : len;
  peer_connect(w, s->peer);
  s->connected = true;
  s->absorbed = 0;
  peer_write(w, s->peer, data, cut);
  if (cut < len)
  {
    world_turns(w, (uint32_t)any(6));
    peer_cut(w, s->peer, any(2));
  }
}

static void open_udp(world_t *w, both_t *s)
{
  client_t client = s->udp;
  client.uuid = s->uuid;
  wcx_establish_t establish = client_establish(w, &client);
  establish.flags = FLAG_COD | FLAG_TAKE_OVER;
  s->uuid = s->udp_uuid = client.uuid;
  s->udp_open = false;
  client_send_establish(w, &s->udp, &establish);
}

static void send_udp(world_t *w, both_t *s)
{
  wcx_new_order_single_t order = an_order(s);
  if (any(10) == 0)
    s->udp.next_seq++; /* one that was lost */
  client_send(w, &s->udp, WCX_TEMPLATE_NEW_ORDER_SINGLE, &order, sizeof(order));
}

static void leave_tcp(world_t *w, both_t *s)
{
  wcx_terminate_t terminate = {.uuid = s->peer->client.uuid};
  uint8_t part[3] = {0, 100, 'U'};
  switch (any(5))
  {
  case 0:
    peer_send(w, s->peer, WCX_TEMPLATE_TERMINATE, &terminate, sizeof(terminate));
    break;
  case 1:
    peer_say(w, s->peer, any(2) ? 'O' : 'X');
    break;
  case 2:
    peer_write(w, s->peer, part, 1 + (uint32_t)any(3)); /* in the middle of a packet */
    peer_cut(w, s->peer, true);
    break;
  default:
    peer_cut(w, s->peer, any(2));
    break;
  }
}

static void crash(world_t *w, both_t *sessions)
{
  world_crash(w);
  crash_cnt++;
  w->hold = w->dead = w->auth_silent = false;
  world_start(w);
  for (uint32_t i = 0; i < SESSION_CNT; i++)
    sessions[i].udp_open = false;
}

static bool is_open(const world_t *w, const both_t *s)
{
  return s->connected && wcx_tcp_conn(w->tcp, s->peer->conn)->state == WCX_TCP_OPEN && !wcx_tcp_sim_ended(w->tcp, s->peer->conn);
}

static void act(world_t *w, both_t *sessions)
{
  both_t *s = &sessions[any(SESSION_CNT)];
  switch (any(40))
  {
  case 0:
    w->hold = !w->hold;
    break;
  case 1:
    w->dead = any(3) == 0;
    break;
  case 2:
    w->auth_silent = any(4) == 0;
    break;
  case 3:
    if (any(3) == 0)
      crash(w, sessions);
    break;
  case 4:
    world_pass(w, any(400) * 1000000);
    break;
  case 5:
  case 6:
    if (is_open(w, s))
      leave_tcp(w, s);
    break;
  case 7:
  case 8:
    open_udp(w, s);
    break;
  case 9:
  case 10:
  case 11:
  case 12:
    if (!s->connected)
      open_tcp(w, s);
    break;
  case 13:
    if (is_open(w, s))
      peer_say(w, s->peer, 'R');
    break;
  default:
    if (any(2) == 0 && is_open(w, s) && s->peer->message_cnt > 0)
    {
      wcx_new_order_single_t order = an_order(s);
      peer_send(w, s->peer, WCX_TEMPLATE_NEW_ORDER_SINGLE, &order, sizeof(order));
    }
    else if (s->udp_open)
      send_udp(w, s);
    break;
  }
  world_turns(w, (uint32_t)any(5));
  if (any(3) != 0)
    read_udp(w, sessions);
  if (any(3) != 0)
    read_tcp(w, s);
}

/* --- the end of a round --------------------------------------------------------------------------------------------------------------------------- */

/* The answer to a request, whatever it was, stands in the stream. */
static bool answered(const both_t *s, uint64_t cl_ord_id)
{
  for (uint64_t n = 1; n <= s->highest; n++)
    for (uint32_t at = 8; at + 8 <= s->known[n].len && at <= 64; at += 8)
    {
      uint64_t value;
      memcpy(&value, s->known[n].data + at, 8);
      if (value == cl_ord_id)
        return true;
    }
  return false;
}

static void recover(world_t *w, both_t *s)
{
  peer_t *peer = s->peer;
  if (s->connected)
    peer_forget(w, peer);
  s->connected = true;
  s->absorbed = 0;
  peer->client.uuid = s->uuid + 100;
  peer_open(w, peer, 1);
  world_turns(w, 20);
  read_tcp(w, s);
  wcx_session_view_t view;
  assert_true(wcx_engine_session(wcx_loop_engine(w->loop), s->udp.session_id, &view));
  for (uint64_t n = 1; n < view.next_server_seq; n++)
    if (s->known[n].len == 0)
      fail_msg("session %u: message %llu of %llu is missing", s->udp.session_id, (unsigned long long)n, (unsigned long long)view.next_server_seq - 1);
  assert_int_equal(s->highest, view.next_server_seq - 1); /* and nothing was ever seen that is not history */
  if (view.last_cl_ord_id != 0)
    assert_true(answered(s, view.last_cl_ord_id));
  for (uint64_t id = view.last_cl_ord_id + 1; id < 4096; id++)
    assert_int_equal(s->new_cnt[id], 0);
}

static void run_round(void)
{
  world_t w;
  world_new(&w, tune);
  both_t *sessions = calloc(SESSION_CNT, sizeof(*sessions));
  for (uint32_t i = 0; i < SESSION_CNT; i++)
  {
    sessions[i].peer = peer_new(i + 1);
    sessions[i].peer->loose = true;
    sessions[i].udp = client_of(i + 1);
    sessions[i].udp.port = (uint16_t)(30001 + i);
    sessions[i].uuid = 100;
  }
  bool room = true;
  for (uint32_t n = 0; n < ACTIONS_MAX && room; n++)
  {
    act(&w, sessions);
    wcx_session_view_t view;
    for (uint32_t i = 0; i < SESSION_CNT; i++)
    {
      assert_true(wcx_engine_session(wcx_loop_engine(w.loop), i + 1, &view));
      room = room && view.next_server_seq < KNOWN_MAX - 100;
    }
  }
  if (any(2))
    crash(&w, sessions);
  w.hold = w.dead = w.auth_silent = false;
  world_turns(&w, 100);
  for (uint32_t i = 0; i < SESSION_CNT; i++) /* whoever is left is sent away, so that the last words are heard */
  {
    read_tcp(&w, &sessions[i]);
    if (is_open(&w, &sessions[i]))
      peer_cut(&w, sessions[i].peer, true);
  }
  world_turns(&w, 50);
  read_udp(&w, sessions);
  for (uint32_t i = 0; i < SESSION_CNT; i++)
    recover(&w, &sessions[i]);
  accepted_cnt += atomic_load(&w.shm->stats.establish_accepted);
  refused_cnt += atomic_load(&w.shm->stats.establish_refused);
  tcp_cnt += atomic_load(&w.shm->stats.messages_tcp);
  for (uint32_t i = 0; i < SESSION_CNT; i++)
  {
    message_cnt += sessions[i].highest;
    free(sessions[i].peer);
  }
  free(sessions);
  world_close(&w);
}

static void whatever_comes(void **state)
{
  (void)state;
  const char *seed = getenv("WCX_SEED");
  rng = seed != NULL ? strtoull(seed, NULL, 0) : UINT64_C(0x5eed0007);
  for (uint32_t i = 0; i < ROUND_CNT; i++)
  {
    print_message("# WCX_SEED=%llu\n", (unsigned long long)rng);
    run_round();
  }
  print_message("# %llu messages, %llu written to links, %llu sign-ons, %llu refused, %llu crashes\n", (unsigned long long)message_cnt, (unsigned long long)tcp_cnt,
                (unsigned long long)accepted_cnt, (unsigned long long)refused_cnt, (unsigned long long)crash_cnt);
  assert_true(message_cnt > 2000 && accepted_cnt > 500 && crash_cnt > 20); /* it has not tested nothing */
}

int main(void)
{
  const struct CMUnitTest tests[] = {cmocka_unit_test(whatever_comes)};
  return cmocka_run_group_tests_name("link_random", tests, NULL, NULL);
}
