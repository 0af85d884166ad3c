/* TCP on lwIP, on simulated frames: streams over a bad wire, slow readers, no room, ends of every kind, numbers, forged segments, and memory. */
#include "tests/unit/tcp_fixture.h"

static uint8_t *pattern(uint32_t len, uint32_t seed)
{
  uint8_t *data = malloc(len);
  for (uint32_t i = 0; i < len; i++)
    data[i] = (uint8_t)((seed = seed * 1103515245u + 12345u) >> 16);
  return data;
}

/* --- streams --------------------------------------------------------------------------------------------------------------------------------- */

static void test_echo(void **state)
{
  (void)state;
  net_t *net = net_new(1);
  tcp_client_t *c = net_connect(net, 40001);
  net_say(c, "hello", 5);
  net_steps(net, 5);
  assert_int_equal(c->rx_len, 5);
  assert_memory_equal(c->rx, "hello", 5);
  c->closing = true;
  net_steps(net, 5);
  assert_true(c->fin);
  assert_null(net_app(net, c));
  net_close(net);
}

/* Loss, duplication and reordering both ways: the bytes come, in order, each once. */
static void test_bad_wire(void **state)
{
  (void)state;
  enum
  {
    SZ = 400000,
    CLIENTS = 3
  };
  net_t *net = net_new(2);
  wcx_wire_faults_t faults = {
      .seed = 7, .to_port_loss = 6554, .to_port_dup = 6554, .to_port_reorder = 13107, .from_port_loss = 6554, .from_port_dup = 6554, .from_port_reorder = 13107};
  wcx_wire_set_faults(net->wire, &faults);
  tcp_client_t *clients[CLIENTS];
  uint8_t *data[CLIENTS];
  for (uint16_t i = 0; i < CLIENTS; i++)
  {
    clients[i] = net_connect(net, (uint16_t)(40001 + i));
    data[i] = pattern(SZ, i + 1u);
    net_say(clients[i], data[i], SZ);
    clients[i]->closing = true;
  }
  bool done = false;
  for (uint32_t step = 0; step < 400000 && !done; step++)
  {
    net_step(net);
    done = true;
    for (uint32_t i = 0; i < CLIENTS; i++)
      done = done && clients[i]->fin;
  }
  for (uint32_t i = 0; i < CLIENTS; i++)
  {
    assert_false(clients[i]->reset);
    assert_true(clients[i]->fin);
    assert_int_equal(clients[i]->rx_len, SZ);
    assert_memory_equal(clients[i]->rx, data[i], SZ);
    free(data[i]);
  }
  net_close(net);
}

/* A client that reads nothing: no more than the bound is queued for it; when it reads again, everything comes. */
static void test_zero_window(void **state)
{
  (void)state;
  net_t *net = net_new(3);
  net->mode = APP_HOLD;
  tcp_client_t *c = net_client(net, 40001);
  c->window = 0;
  client_connect(c, net->mono_ns);
  net_steps(net, 5);
  tcp_client_t *other = net_connect(net, 40002);
  uint32_t conn = net_conn(net, c);
  net->apps[net_conn(net, other)].mode = APP_ECHO;
  uint8_t *data = pattern(WCX_TCP_QUEUE_MAX, 1);
  uint32_t wrote = 0;
  while (wrote + 1000 <= WCX_TCP_QUEUE_MAX && wcx_tcp_write(net->tcp, conn, data + wrote, 1000))
    wrote += 1000;
  assert_in_range(wrote, 20000, WCX_TCP_QUEUE_MAX);
  assert_false(wcx_tcp_write(net->tcp, conn, data, 20000));
  wcx_tcp_push(net->tcp, conn, 0);
  net_say(other, "quick", 5);
  net_steps(net, 3000);
  assert_int_equal(other->rx_len, 5);
  assert_true(c->rx_len <= 10); /* probes */
  assert_false(c->reset);
  c->window = 3000;
  client_ack(c);
  for (uint32_t i = 0; i < 3000 && c->rx_len < wrote; i++)
    net_step(net);
  assert_int_equal(c->rx_len, wrote);
  assert_memory_equal(c->rx, data, wrote);
  net_steps(net, 5);
  assert_int_equal(wcx_tcp_room(net->tcp, conn), WCX_TCP_QUEUE_MAX);
  free(data);
  net_close(net);
}

/* A server that does not read closes the window; when it reads, all is there: with segments of any size. */
static void test_slow_server(void **state)
{
  (void)state;
  static const uint16_t mss[] = {1, 7, 100, 1460};
  for (uint32_t i = 0; i < 4; i++)
  {
    net_t *net = net_new(4);
    net->mode = APP_HOLD;
    tcp_client_t *c = net_connect(net, 40001);
    uint32_t sz = mss[i] < 100 ? 3000 : 200000;
    uint8_t *data = pattern(sz, i);
    c->mss = mss[i];
    net_say(c, data, sz);
    uint32_t before = wcx_tcp_memory_used();
    net_steps(net, 500);
    assert_true(wcx_tcp_memory_used() - before < 400); /* not a block for each of 3,000 segments */
    app_t *app = net_app(net, c);
    app->mode = APP_SINK;
    app_run(net, net_conn(net, c));
    for (uint32_t step = 0; step < 60000 && app->rx_len < sz; step++)
      net_step(net);
    assert_int_equal(app->rx_len, sz);
    assert_memory_equal(app->rx, data, sz);
    free(data);
    net_close(net);
  }
}

/* --- no room among the frames --------------------------------------------------------------------------------------------------------------------- */

static void fill_egress(net_t *net)
{
  net->tcp_hold = true;
  wcx_frame_t frame;
  while (wcx_egress_alloc(&net->egress, &frame))
  {
    frame.len = client_frame(net->clients[0], frame.data, TCP_ACK_F, 1, 1, NULL, 0); /* to the appliance itself: nobody's */
    frame.data[0] = 0x0a;
    wcx_egress_queue(&net->egress, &frame, 0);
  }
}

static void drop_egress(net_t *net)
{
  for (uint32_t i = 0; i < net->egress.cnt; i++)
    wcx_port_free(net->port, &net->egress.frames[i]);
  net->egress.cnt = 0;
  net->tcp_hold = false;
}

/* What found no room leaves soon after there is some, without a word from the peer; an orderly end, too. */
static void test_no_room(void **state)
{
  (void)state;
  for (uint32_t end = 0; end < 3; end++)
    for (uint32_t alloc_fails = 0; alloc_fails < 2; alloc_fails++)
    {
      net_t *net = net_new(5);
      net->mode = APP_HOLD;
      tcp_client_t *c = net_connect(net, 40001);
      uint32_t conn = net_conn(net, c);
      c->mute = true;
      if (alloc_fails)
        wcx_wire_set_faults(net->wire, &(wcx_wire_faults_t){.alloc_fail = 1});
      else
        fill_egress(net);
      uint32_t seen = c->segment_cnt;
      if (end < 2)
      {
        assert_true(wcx_tcp_write(net->tcp, conn, (const uint8_t *)"answer", 6));
        wcx_tcp_push(net->tcp, conn, 0);
      }
      if (end > 0)
        app_end(net, conn, false);
      net_steps(net, 50);
      assert_int_equal(c->segment_cnt, seen);
      wcx_wire_set_faults(net->wire, &(wcx_wire_faults_t){0});
      if (!alloc_fails)
        drop_egress(net);
      net_steps(net, 40);
      assert_int_equal(c->rx_len, end < 2 ? 6 : 0);
      assert_int_equal(c->fin, end > 0);
      net_close(net);
    }
}

/* A port that takes few frames a turn only slows things down. */
static void test_little_room(void **state)
{
  (void)state;
  enum
  {
    SZ = 100000
  };
  net_t *net = net_new(6);
  wcx_wire_set_faults(net->wire, &(wcx_wire_faults_t){.tx_room = 2});
  uint8_t *data = pattern(SZ, 3);
  tcp_client_t *clients[NET_CONNS];
  for (uint16_t i = 0; i < NET_CONNS; i++)
  {
    clients[i] = net_connect(net, (uint16_t)(40001 + i));
    net_say(clients[i], data, SZ);
  }
  for (uint32_t step = 0; step < 20000; step++)
    net_step(net);
  for (uint32_t i = 0; i < NET_CONNS; i++)
  {
    assert_int_equal(clients[i]->rx_len, SZ);
    assert_memory_equal(clients[i]->rx, data, SZ);
  }
  free(data);
  net_close(net);
}

/* --- ends ----------------------------------------------------------------------------------------------------------------------------------------- */

enum stage
{
  IN_SYN_RCVD,
  IN_ESTABLISHED,
  IN_UNREAD,  /* with bytes the server has not read */
  IN_UNACKED, /* with bytes the client has not acknowledged */
  IN_FIN_WAIT_1,
  IN_FIN_WAIT_2,
  IN_CLOSE_WAIT,
  IN_LAST_ACK,
  IN_TIME_WAIT,
  STAGE_CNT,
};

static tcp_client_t *bring_to(net_t *net, enum stage stage)
{
  net->mode = APP_HOLD;
  tcp_client_t *c = net_client(net, 40001);
  if (stage == IN_SYN_RCVD)
  {
    c->mute = true;
    client_connect(c, net->mono_ns);
    net_steps(net, 3);
    assert_int_equal(c->synack_cnt, 1);
    return c;
  }
  client_connect(c, net->mono_ns);
  net_steps(net, 5);
  uint32_t conn = net_conn(net, c);
  if (stage == IN_UNREAD)
    net_say(c, "12345678", 8);
  if (stage == IN_CLOSE_WAIT || stage == IN_LAST_ACK)
    c->closing = true;
  net_steps(net, 3);
  c->mute = stage != IN_FIN_WAIT_2 && stage != IN_TIME_WAIT;
  if (stage == IN_UNACKED)
  {
    assert_true(wcx_tcp_write(net->tcp, conn, (const uint8_t *)"answer", 6));
    wcx_tcp_push(net->tcp, conn, 0);
  }
  if (stage >= IN_FIN_WAIT_1 && stage != IN_CLOSE_WAIT)
    app_end(net, conn, false);
  net_steps(net, 3);
  if (stage == IN_TIME_WAIT)
  {
    c->closing = true;
    net_steps(net, 3);
  }
  return c;
}

/* RST, FIN and silence at every stage: the place comes free when the server is told or has let go, and all memory comes back. */
static void test_ends(void **state)
{
  (void)state;
  for (enum stage stage = IN_SYN_RCVD; stage < STAGE_CNT; stage++)
    for (uint32_t way = 0; way < 4; way++) /* reset, FIN, end by the server in order, end by the server at once */
    {
      net_t *net = net_new(7);
      tcp_client_t *c = bring_to(net, stage);
      bool owned = net_app(net, c) != NULL;
      assert_int_equal(owned, stage != IN_SYN_RCVD && (stage < IN_FIN_WAIT_1 || stage == IN_CLOSE_WAIT));
      if (way == 0)
        client_reset(c);
      else if (way == 1)
        client_segment(c, TCP_ACK_F | TCP_FIN_F, c->snd_nxt, NULL, 0);
      else if (owned)
        app_end(net, net_conn(net, c), way == 3);
      net_steps(net, 5);
      if (owned && way == 0)
        assert_int_equal(wcx_tcp_conn(net->tcp, net_conn(net, c))->state, WCX_TCP_GONE);
      if (owned && way == 1)
        assert_int_equal(wcx_tcp_conn(net->tcp, net_conn(net, c))->state, WCX_TCP_HALF);
      if (owned && way == 2)
        assert_true(c->fin || stage == IN_UNACKED);
      if (owned && way == 3)
        assert_true(c->reset);
      /* an unknown is not in anybody's way */
      net->mode = APP_ECHO;
      tcp_client_t *next = net_connect(net, 40002);
      net_say(next, "x", 1);
      net_steps(net, 5);
      assert_int_equal(next->rx_len, 1);
      net_close(net);
    }
}

/* The server ends a connection while bytes of the peer are unread, also more small ones than are kept: what it has written arrives, and a FIN, not a reset. */
static void test_end_with_unread(void **state)
{
  (void)state;
  for (uint32_t cnt = 0; cnt < 200; cnt += 10)
  {
    net_t *net = net_new(8);
    net->mode = APP_HOLD;
    tcp_client_t *c = net_connect(net, 40001);
    uint8_t *data = pattern(cnt + 1, cnt);
    c->mss = 1;
    net_say(c, data, cnt);
    net_steps(net, 3);
    uint32_t conn = net_conn(net, c);
    assert_true(wcx_tcp_write(net->tcp, conn, (const uint8_t *)"farewell", 8));
    wcx_tcp_push(net->tcp, conn, 0);
    app_end(net, conn, false);
    for (uint32_t i = 0; i < 20 && !c->fin && !c->reset; i++)
      net_step(net);
    assert_int_equal(c->rx_len, 8);
    assert_memory_equal(c->rx, "farewell", 8);
    assert_true(c->fin);
    assert_false(c->reset);
    free(data);
    net_close(net);
  }
}

static void test_table_full(void **state)
{
  (void)state;
  net_t *net = net_new(9);
  tcp_client_t *clients[NET_CONNS];
  for (uint16_t i = 0; i < NET_CONNS; i++)
    clients[i] = net_connect(net, (uint16_t)(40001 + i));
  tcp_client_t *late = net_client(net, 41000);
  client_connect(late, net->mono_ns);
  net_steps(net, 20);
  assert_true(late->reset);
  assert_int_equal(net->accepted_cnt, NET_CONNS);
  for (uint32_t i = 0; i < NET_CONNS; i++)
  {
    net_say(clients[i], "still", 5);
    net_steps(net, 4);
    assert_int_equal(clients[i]->rx_len, 5);
  }
  client_reset(clients[3]);
  net_steps(net, 3);
  (void)net_connect(net, 41001);
  net_close(net);
}

/* The caller's process has died and come back: connections of before are gone, new ones work. */
static void test_attach_again(void **state)
{
  (void)state;
  net_t *net = net_new(10);
  net->mode = APP_HOLD;
  tcp_client_t *c = net_connect(net, 40001);
  net_say(c, "unread", 6);
  net_steps(net, 15); /* it is acknowledged after a tick */
  wcx_tcp_attach(net->tcp, &net->egress);
  net->apps[net_conn(net, c)].used = false;
  uint32_t seen = c->segment_cnt;
  c->mute = true;
  net_steps(net, 50);
  assert_int_equal(c->segment_cnt, seen); /* not a word: the process would be gone */
  c->mute = false;
  c->out_len = 7;
  c->out = (const uint8_t *)"unread!";
  net_steps(net, 50);
  assert_true(c->reset);
  net->mode = APP_ECHO;
  tcp_client_t *next = net_connect(net, 40002);
  net_say(next, "x", 1);
  net_steps(net, 5);
  assert_int_equal(next->rx_len, 1);
  net_close(net);
}

/* --- numbers -------------------------------------------------------------------------------------------------------------------------------------- */

static uint32_t first_number(net_t *net, uint32_t ip, uint16_t port)
{
  tcp_client_t *c = net_client(net, port);
  c->ip = ip;
  c->mute = true;
  client_connect(c, net->mono_ns);
  net_steps(net, 2);
  assert_true(c->synack_cnt > 0);
  client_reset(c);
  net_steps(net, 1);
  c->port = 0;
  return c->peer_iss;
}

/* RFC 6528: a clock of 4 us and a keyed offset of each quadruple. */
static void test_first_numbers(void **state)
{
  (void)state;
  uint32_t of_key[2][3];
  for (uint32_t key = 0; key < 2; key++)
  {
    net_t *net = net_new(100 + key);
    uint64_t began_ns = net->mono_ns;
    of_key[key][0] = first_number(net, NET_CLIENT_IP, 40001);
    net_steps(net, 1000 - 3);
    uint32_t again = first_number(net, NET_CLIENT_IP, 40001);
    assert_int_equal(again - of_key[key][0], 250000); /* a second later */
    uint32_t drift = (uint32_t)((net->mono_ns - began_ns) / 4000);
    of_key[key][1] = first_number(net, NET_CLIENT_IP, 40002) - drift;
    of_key[key][2] = first_number(net, NET_CLIENT_IP + 8, 40001) - drift;
    for (uint32_t i = 1; i < 3; i++)
      assert_true(of_key[key][i] - of_key[key][0] + 1000000 > 2000000); /* far apart */
    net_close(net);
  }
  assert_true(of_key[1][1] - of_key[1][0] != of_key[0][1] - of_key[0][0]);
  assert_true(of_key[1][2] - of_key[1][0] != of_key[0][2] - of_key[0][0]);
}

/* --- forged segments ------------------------------------------------------------------------------------------------------------------------------ */

static void test_wrong_checksums(void **state)
{
  (void)state;
  net_t *net = net_new(11);
  tcp_client_t *c = net_connect(net, 40001);
  uint64_t frames = net->frame_cnt;
  uint8_t frame[WCX_FRAME_SZ_MAX];
  uint32_t sz = client_frame(c, frame, TCP_ACK_F | TCP_PSH_F, c->snd_nxt, c->rcv_nxt, "data", 4);
  for (uint32_t bit = 0; bit < (sz - 34) * 8; bit++) /* each bit of the TCP header and of the data */
  {
    frame[34 + bit / 8] ^= (uint8_t)(1u << bit % 8);
    (void)wcx_wire_send(net->wire, frame, sz);
    net_frames_in(net);
    frame[34 + bit / 8] ^= (uint8_t)(1u << bit % 8);
  }
  net_steps(net, 5);
  assert_int_equal(net->frame_cnt, frames); /* not one of them is answered */
  assert_int_equal(c->rx_len, 0);
  (void)wcx_wire_send(net->wire, frame, sz);
  c->snd_nxt += 4;
  net_steps(net, 5);
  assert_int_equal(c->rx_len, 4);
  tcp_client_t *stranger = net_client(net, 40002);
  stranger->mute = true;
  sz = client_frame(stranger, frame, TCP_SYN_F, 5, 0, NULL, 0);
  frame[sz - 1] ^= 1;
  (void)wcx_wire_send(net->wire, frame, sz);
  net_steps(net, 5);
  assert_int_equal(stranger->segment_cnt, 0);
  net_close(net);
}

static void fix_ip_sum(uint8_t *frame)
{
  put_be16(frame + 24, 0);
  put_be16(frame + 24, ~sum_be(0, frame + 14, (frame[14] & 15u) * 4) & 0xffffu);
}

/* Fragments, options, other addresses and half headers never reach lwIP, which would forward or reassemble. */
static void test_dropped_before(void **state)
{
  (void)state;
  net_t *net = net_new(12);
  tcp_client_t *c = net_connect(net, 40001);
  uint64_t frames = net->frame_cnt;
  uint32_t passed = net->drops[WCX_NET_TCP];
  uint8_t good[WCX_FRAME_SZ_MAX];
  uint8_t frame[WCX_FRAME_SZ_MAX];
  uint32_t sz = client_frame(c, good, TCP_ACK_F | TCP_PSH_F, c->snd_nxt, c->rcv_nxt, "data", 4);
  static const struct
  {
    uint32_t off;
    uint8_t value;
    enum wcx_net_verdict verdict;
  } cases[] = {
      {20, 0x20, WCX_NET_DROP_IP_FRAGMENT},
      {21, 1, WCX_NET_DROP_IP_FRAGMENT},
      {20, 0x80, WCX_NET_DROP_IP_FRAGMENT},
      {14, 0x46, WCX_NET_DROP_IP_OPTION},
      {14, 0x65, WCX_NET_DROP_IP},
      {33, 9, WCX_NET_DROP_ETHERNET},
      {30, 224, WCX_NET_DROP_ETHERNET},
      {23, 1, WCX_NET_DROP_IP},
      {17, 39, WCX_NET_DROP_IP},
      {29, 2, WCX_NET_DROP_IP}, /* from ourselves */
      {0, 4, WCX_NET_DROP_ETHERNET},
  };
  for (uint32_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
  {
    memcpy(frame, good, sz);
    frame[cases[i].off] = cases[i].value;
    fix_ip_sum(frame);
    uint32_t before = net->drops[cases[i].verdict];
    (void)wcx_wire_send(net->wire, frame, sz);
    net_steps(net, 2);
    if (net->drops[cases[i].verdict] != before + 1)
      fail_msg("byte %u = %u has another verdict than %d", cases[i].off, cases[i].value, (int)cases[i].verdict);
  }
  assert_int_equal(net->drops[WCX_NET_TCP], passed);
  assert_int_equal(net->frame_cnt, frames);
  static const uint8_t sources[][4] = {{224, 0, 0, 1}, {255, 255, 255, 255}}; /* nobody's address: no answer may go there */
  for (uint32_t i = 0; i < 2; i++)
  {
    c->ip = get_be32(sources[i]);
    client_segment(c, TCP_SYN_F, 1, NULL, 0);
    net_steps(net, 2);
  }
  assert_int_equal(net->frame_cnt, frames);
  c->ip = NET_CLIENT_IP;
  net_close(net);
}

/* A forged segment from another MAC or VLAN does not lead a connection's frames there. */
static void test_forged_mac(void **state)
{
  (void)state;
  net_t *net = net_new(13);
  tcp_client_t *c = net_connect(net, 40001);
  tcp_client_t thief = *c;
  memset(thief.mac, 0x66, 6);
  thief.mac[0] = 2;
  uint8_t frame[WCX_FRAME_SZ_MAX];
  uint32_t sz = client_frame(&thief, frame, TCP_ACK_F, c->snd_nxt, c->rcv_nxt, NULL, 0);
  frame[50] ^= 1; /* a wrong checksum */
  (void)wcx_wire_send(net->wire, frame, sz);
  sz = client_frame(&thief, frame, TCP_ACK_F | TCP_PSH_F, c->snd_nxt + 1000000, c->rcv_nxt + 5, "blind", 5); /* numbers that are not theirs */
  (void)wcx_wire_send(net->wire, frame, sz);
  sz = client_frame(&thief, frame, TCP_RST_F, c->snd_nxt + 70000, 0, NULL, 0);
  (void)wcx_wire_send(net->wire, frame, sz);
  thief.vlan = 5;
  sz = client_frame(&thief, frame, TCP_ACK_F | TCP_PSH_F, c->snd_nxt, c->rcv_nxt, "vlan!", 5);
  (void)wcx_wire_send(net->wire, frame, sz);
  net_steps(net, 3);
  uint32_t conn = net_conn(net, c);
  assert_true(wcx_tcp_write(net->tcp, conn, (const uint8_t *)"private", 7));
  wcx_tcp_push(net->tcp, conn, 0);
  net_steps(net, 3);
  assert_int_equal(c->rx_len, 7);
  assert_memory_equal(c->frame_mac, c->mac, 6);
  /* the peer itself may move: what advances the connection comes from it */
  c->mac[5] ^= 0x80;
  net_say(c, "moved", 5);
  net_steps(net, 5);
  assert_int_equal(c->rx_len, 12);
  assert_true(wcx_tcp_write(net->tcp, conn, (const uint8_t *)"private", 7));
  wcx_tcp_push(net->tcp, conn, 0);
  net_steps(net, 3);
  assert_memory_equal(c->frame_mac, c->mac, 6);
  net_close(net);
}

/* Full segments to a tagged peer: frames of at most WCX_FRAME_SZ_MAX bytes (the fixture asserts it). */
static void test_vlan(void **state)
{
  (void)state;
  net_t *net = net_new(14);
  tcp_client_t *c = net_client(net, 40001);
  c->vlan = 77;
  client_connect(c, net->mono_ns);
  net_steps(net, 5);
  c->mss = 1456;
  uint8_t *data = pattern(50000, 9);
  net_say(c, data, 50000);
  net_steps(net, 2000);
  assert_int_equal(c->rx_len, 50000);
  assert_memory_equal(c->rx, data, 50000);
  free(data);
  net_close(net);
}

/* A segment with the MSS option that only the first one should carry. */
static void say_mss(net_t *net, tcp_client_t *c, uint8_t flags, uint16_t mss)
{
  uint8_t frame[WCX_FRAME_SZ_MAX];
  c->mss = mss;
  uint32_t sz = client_frame(c, frame, TCP_SYN_F | TCP_ACK_F, (flags & TCP_SYN_F) != 0 ? c->iss : c->snd_nxt, c->rcv_nxt, NULL, 0);
  frame[47] = flags;
  put_be16(frame + 50, 0);
  put_be16(frame + 50, ~tcp_sum(frame + 14, frame + 34, sz - 34) & 0xffffu);
  (void)wcx_wire_send(net->wire, frame, sz);
  net_frames_in(net);
}

static void write_all(net_t *net, const tcp_client_t *c, const uint8_t *data, uint32_t sz)
{
  assert_true(wcx_tcp_write(net->tcp, net_conn(net, c), data, sz));
  wcx_tcp_push(net->tcp, net_conn(net, c), 0);
}

/* lwIP believes any segment that names a maximum. What waits to be sent is not joined to larger segments, nor fragmented, nor does it end the process. */
static void test_late_mss(void **state)
{
  (void)state;
  static const uint16_t named[] = {1460, 65535, 100, 1};
  uint8_t *data = pattern(6000, 3);
  for (uint32_t i = 0; i < 4; i++)
  {
    net_t *net = net_new(15);
    net->mode = APP_HOLD;
    tcp_client_t *c = net_connect(net, 40001);
    c->window = 0;
    client_ack(c);
    net_steps(net, 2);
    write_all(net, c, data, 1000);
    say_mss(net, c, TCP_ACK_F, named[i]);
    write_all(net, c, data + 1000, 5000);
    c->window = 65535;
    client_ack(c);
    net_steps(net, 3000);
    assert_int_equal(c->rx_len, 6000);
    assert_memory_equal(c->rx, data, 6000);
    assert_false(c->reset);
    net_close(net);
  }
  free(data);
}

/* The same before the handshake is done, by a SYN that comes twice. */
static void test_second_syn(void **state)
{
  (void)state;
  net_t *net = net_new(17);
  net->mode = APP_HOLD;
  tcp_client_t *c = net_client(net, 40001);
  c->mute = true;
  c->mss = 1000;
  client_connect(c, net->mono_ns);
  net_steps(net, 2);
  say_mss(net, c, TCP_SYN_F, 1460);
  c->mute = false;
  client_connect(c, net->mono_ns);
  net_steps(net, 1000);
  uint8_t *data = pattern(6000, 5);
  write_all(net, c, data, 6000);
  net_steps(net, 3000);
  assert_int_equal(c->rx_len, 6000);
  assert_memory_equal(c->rx, data, 6000);
  free(data);
  net_close(net);
}

/* A window that was 0 from the start opens a little while a large segment waits: that is the largest window so far, and lwIP sizes segments by its half. */
static void test_small_window(void **state)
{
  (void)state;
  net_t *net = net_new(16);
  net->mode = APP_HOLD;
  tcp_client_t *c = net_client(net, 40001);
  c->window = 0;
  client_connect(c, net->mono_ns);
  net_steps(net, 5);
  uint8_t *data = pattern(6000, 4);
  write_all(net, c, data, 1000);
  c->window = 10;
  client_ack(c);
  net_steps(net, 2);
  write_all(net, c, data + 1000, 5000);
  c->window = 65535;
  client_ack(c);
  net_steps(net, 3000);
  assert_int_equal(c->rx_len, 6000);
  assert_memory_equal(c->rx, data, 6000);
  free(data);
  net_close(net);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_echo),           cmocka_unit_test(test_bad_wire),     cmocka_unit_test(test_zero_window),   cmocka_unit_test(test_slow_server),
      cmocka_unit_test(test_no_room),        cmocka_unit_test(test_little_room),  cmocka_unit_test(test_ends),          cmocka_unit_test(test_end_with_unread),
      cmocka_unit_test(test_table_full),     cmocka_unit_test(test_attach_again), cmocka_unit_test(test_first_numbers), cmocka_unit_test(test_wrong_checksums),
      cmocka_unit_test(test_dropped_before), cmocka_unit_test(test_forged_mac),   cmocka_unit_test(test_vlan),          cmocka_unit_test(test_late_mss),
      cmocka_unit_test(test_small_window),   cmocka_unit_test(test_second_syn),
  };
  return cmocka_run_group_tests_name("tcp_lwip", tests, NULL, NULL);
}
