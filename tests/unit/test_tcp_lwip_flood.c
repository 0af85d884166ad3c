/* TCP on lwIP against peers that mean it: what one of them can take of memory and of turns is bounded, and a client that is connected does not notice. */
#include "tests/unit/tcp_fixture.h"

/* The client is answered within a few turns, whatever goes on. */
static void assert_served(net_t *net, tcp_client_t *c)
{
  static uint8_t text[1u << 16];
  uint32_t before = c->rx_len;
  net_say(c, text, c->out_len + 10);
  for (uint32_t i = 0; i < 60 && c->rx_len < before + 10; i++)
    net_step(net);
  assert_false(c->reset);
  assert_int_equal(c->rx_len, before + 10);
}

/* --- memory ------------------------------------------------------------------------------------------------------------------------------------ */

static void test_scarce_memory(void **state)
{
  (void)state;
  net_t *net = net_new(1);
  tcp_client_t *c = net_connect(net, 40001);
  static const size_t sizes[] = {100, 200, 400, 2000};
  static void *held[20000];
  for (uint32_t i = 0; i < 4; i++)
  {
    uint32_t cnt = 0;
    while (!wcx_tcp_memory_scarce())
      held[cnt++] = mem_malloc(sizes[i]);
    for (uint32_t n = 0; n < 8; n++) /* what is in use comes and goes */
      held[cnt++] = mem_malloc(sizes[i]);
    tcp_client_t *stranger = net_client(net, (uint16_t)(41000 + i));
    stranger->mute = true;
    client_connect(stranger, net->mono_ns);
    assert_served(net, c);
    assert_int_equal(stranger->segment_cnt, 0);
    assert_true(atomic_load(&net->stats.tcp_drop_stranger) > i);
    while (cnt > 0)
      mem_free(held[--cnt]);
    assert_served(net, net_connect(net, (uint16_t)(42000 + i)));
  }
  net_close(net);
}

/* No memory at all: segments are lost as on a lossy wire, and come again when there is some. */
static void test_no_memory(void **state)
{
  (void)state;
  net_t *net = net_new(2);
  tcp_client_t *c = net_connect(net, 40001);
  static void *held[60000];
  uint32_t cnt = 0;
  while ((held[cnt] = mem_malloc(1)) != NULL)
    cnt++;
  assert_null(mem_malloc(WCX_TCP_BLOCK_SZ_MAX));
  net_say(c, "later", 5);
  net_steps(net, 200);
  assert_int_equal(c->rx_len, 0);
  while (cnt > 0)
    mem_free(held[--cnt]);
  for (uint32_t i = 0; i < 1000 && c->rx_len < 5; i++)
    net_step(net);
  assert_int_equal(c->rx_len, 5);
  net_close(net);
}

/* Single bytes with holes between them, as many as the window has room for: on an open connection, and on one the server has ended. */
static void test_out_of_order(void **state)
{
  (void)state;
  for (uint32_t ended = 0; ended < 2; ended++)
  {
    net_t *net = net_new(3);
    net->mode = APP_SINK;
    tcp_client_t *bad = net_connect(net, 40001);
    net->mode = APP_ECHO;
    tcp_client_t *good = net_connect(net, 40002);
    bad->mute = true;
    if (ended)
      app_end(net, net_conn(net, bad), false);
    net_steps(net, 3);
    uint32_t before = wcx_tcp_memory_used();
    for (uint32_t i = 1; i < 20000; i++)
    {
      client_segment(bad, TCP_ACK_F | TCP_PSH_F, bad->snd_nxt + 2 * i, "x", 1);
      if (i % 200 == 0)
      {
        net_step(net);
        if (i % 2000 == 0)
          assert_served(net, good);
        assert_true(wcx_tcp_memory_used() - before < 150);
      }
    }
    assert_true(atomic_load(&net->stats.tcp_drop_ahead) + atomic_load(&net->stats.tcp_drop_stranger) > 15000);
    assert_false(wcx_tcp_memory_scarce());
    if (!ended) /* the connection itself goes on when what is missing comes */
    {
      static uint8_t data[5000];
      bad->mute = false;
      net_say(bad, memset(data, 'x', sizeof(data)), sizeof(data));
      net_steps(net, 3000);
      assert_int_equal(net_app(net, bad)->rx_len, sizeof(data));
      assert_memory_equal(net_app(net, bad)->rx, data, sizeof(data));
    }
    net_close(net);
  }
}

/* Nearly all connections are filled with bytes that nobody reads, in segments of every size: the others have memory. */
static void test_unread(void **state)
{
  (void)state;
  static const uint16_t mss[] = {1, 40, 200, 500, 1460};
  static uint8_t data[65000];
  for (uint32_t i = 0; i < sizeof(mss) / sizeof(mss[0]); i++)
  {
    net_t *net = net_new(4);
    tcp_client_t *good = net_connect(net, 40000);
    net->mode = APP_HOLD;
    tcp_client_t *bad[NET_CONNS - 2];
    for (uint16_t n = 0; n < NET_CONNS - 2; n++)
    {
      bad[n] = net_connect(net, (uint16_t)(40001 + n));
      bad[n]->mss = mss[i];
      net_say(bad[n], data, mss[i] == 1 ? 2000 : sizeof(data));
    }
    for (uint32_t step = 0; step < 300; step++)
    {
      net_step(net);
      if (step % 20 == 0)
        assert_served(net, good);
      assert_false(wcx_tcp_memory_scarce());
    }
    for (uint32_t n = 0; n < NET_CONNS - 2; n++)
      bad[n]->mute = true;
    for (uint32_t n = 0; n < NET_CONNS - 2; n++) /* and as much again out of order */
      for (uint32_t k = 0; k < 40; k++)
        client_segment(bad[n], TCP_ACK_F, bad[n]->snd_una + 1500 + 1460 * k, data, 1400);
    net_steps(net, 10);
    assert_served(net, good);
    net->mode = APP_ECHO;
    assert_served(net, net_connect(net, 41000)); /* a newcomer as well */
    net_close(net);
  }
}

/* Nearly all connections are read by nobody: their queues are bounded, and bounded closer when memory is tight. */
static void test_unacknowledged(void **state)
{
  (void)state;
  static const uint32_t part[] = {20, 200, 500, 1400};
  static uint8_t data[2000];
  for (uint32_t i = 0; i < sizeof(part) / sizeof(part[0]); i++)
  {
    net_t *net = net_new(5);
    tcp_client_t *good = net_connect(net, 40000);
    net->mode = APP_HOLD;
    uint32_t conns[NET_CONNS - 2];
    for (uint16_t n = 0; n < NET_CONNS - 2; n++)
    {
      tcp_client_t *bad = net_connect(net, (uint16_t)(40001 + n));
      bad->mute = true;
      conns[n] = net_conn(net, bad);
    }
    for (uint32_t step = 0; step < 200; step++)
    {
      for (uint32_t n = 0; n < NET_CONNS - 2; n++)
        if (wcx_tcp_room(net->tcp, conns[n]) >= part[i] && wcx_tcp_write(net->tcp, conns[n], data, part[i]))
          wcx_tcp_push(net->tcp, conns[n], 0);
      net_step(net);
      assert_false(wcx_tcp_memory_scarce());
    }
    assert_served(net, good);
    net->mode = APP_ECHO;
    assert_served(net, net_connect(net, 41000));
    net_close(net);
  }
}

/* --- strangers ----------------------------------------------------------------------------------------------------------------------------------- */

static uint32_t random_of(uint32_t *seed)
{
  *seed = *seed * 1664525u + 1013904223u;
  return *seed >> 8;
}

/* First segments from everywhere, 20 times as many as are let in. */
static void test_syn_flood(void **state)
{
  (void)state;
  for (uint32_t one_source = 0; one_source < 2; one_source++)
  {
    net_t *net = net_new(6);
    tcp_client_t *c = net_connect(net, 40001);
    tcp_client_t bad = *c;
    uint32_t seed = 1;
    uint32_t sent = 0;
    for (uint32_t step = 0; step < 3000; step++)
    {
      for (uint32_t n = 0; n < 3; n++, sent++)
      {
        bad.ip = one_source ? 0x0a4d0063u : 0x0b000000u | random_of(&seed);
        bad.port = (uint16_t)(random_of(&seed) | 1024u);
        client_segment(&bad, TCP_SYN_F, random_of(&seed), NULL, 0);
      }
      if (step % 10 == 0)
        assert_served(net, c);
      else
        net_step(net);
      assert_false(wcx_tcp_memory_scarce());
      if (one_source && step % 300 == 200) /* other sources are let in at once meanwhile */
      {
        tcp_client_t *other = net_client(net, (uint16_t)(41000 + step));
        client_connect(other, net->mono_ns);
        net_steps(net, 6);
        assert_non_null(net_app(net, other));
      }
    }
    uint64_t dropped = atomic_load(&net->stats.tcp_drop_stranger);
    assert_true(dropped > sent / 2);
    assert_true(net->synack_cnt < sent / 2); /* and what is let in is answered a few times, not for ever */
    if (!one_source)
      assert_true(atomic_load(&net->stats.tcp_half_open_dropped) > 0);
    net_steps(net, 1000);
    assert_served(net, net_connect(net, 40003));
    net_close(net);
  }
}

/* Segments of connections that do not exist: resets are not sent faster than strangers are let in. */
static void test_junk(void **state)
{
  (void)state;
  net_t *net = net_new(7);
  tcp_client_t *c = net_connect(net, 40001);
  tcp_client_t bad = *c;
  uint32_t seed = 2;
  for (uint32_t step = 0; step < 1000; step++)
  {
    for (uint32_t n = 0; n < 10; n++)
    {
      bad.ip = 0x0b000000u | random_of(&seed);
      bad.port = (uint16_t)(random_of(&seed) | 1024u);
      client_segment(&bad, (uint8_t)(random_of(&seed) & 0x3fu), random_of(&seed), &seed, n % 5);
    }
    if (step % 10 == 0)
      assert_served(net, c);
    else
      net_step(net);
  }
  assert_in_range(net->reset_cnt, 1, 2 * NET_CONNS * 8 + 100);
  net_steps(net, 1000);
  assert_served(net, net_connect(net, 40003));
  net_close(net);
}

/* Half-open connections end by themselves, soon. */
static void test_half_open(void **state)
{
  (void)state;
  net_t *net = net_new(8);
  uint32_t before = wcx_tcp_memory_used();
  for (uint16_t i = 0; i < NET_CONNS; i++)
  {
    tcp_client_t *c = net_client(net, (uint16_t)(40001 + i));
    c->mute = true;
    client_connect(c, net->mono_ns);
  }
  net_steps(net, 3);
  assert_true(wcx_tcp_memory_used() > before + NET_CONNS);
  net_steps(net, 1500);
  assert_true(wcx_tcp_memory_used() <= before + 1); /* lwIP's own timer */
  for (uint32_t i = 0; i < NET_CONNS; i++)
    assert_in_range(net->clients[i]->synack_cnt, 1, 5);
  net_close(net);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_scarce_memory),  cmocka_unit_test(test_no_memory), cmocka_unit_test(test_out_of_order), cmocka_unit_test(test_unread),
      cmocka_unit_test(test_unacknowledged), cmocka_unit_test(test_syn_flood), cmocka_unit_test(test_junk),         cmocka_unit_test(test_half_open),
  };
  return cmocka_run_group_tests_name("tcp_lwip_flood", tests, NULL, NULL);
}
