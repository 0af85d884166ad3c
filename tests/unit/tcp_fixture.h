/* The real TCP stack (dataplane/tcp_lwip.c) on simulated frames, with a server that echoes, swallows or holds still, and clients of tcp_client.h.

   net_step is a turn of a millisecond: frames in, timers, the server, frames out, the clients. `tcp_hold` leaves what the stack sends among the egress frames. */
#ifndef WCX_TESTS_TCP_FIXTURE_H
#define WCX_TESTS_TCP_FIXTURE_H

#include "dataplane/tcp.h"
#include "dataplane/tcp_memory.h"
#include "engine/shm/params.h"
#include "tests/unit/tcp_client.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define NET_IP 0x0a4d0002u
#define NET_CLIENT_IP 0x0a4d0001u
#define NET_PORT 7001u
#define NET_CONNS 16u
#define NET_CLIENTS_MAX 512u
#define NET_KEEP (1u << 21)

enum app_mode
{
  APP_ECHO,
  APP_SINK, /* reads all, says nothing */
  APP_HOLD, /* does nothing, not even when the peer ends */
};

typedef struct app /* the server's view of a connection */
{
  bool used;
  enum app_mode mode;
  uint16_t client_port;
  uint32_t rx_len; /* read so far */
  uint32_t unsent; /* echo: in rx, not written yet: [rx_len - unsent, rx_len) */
  uint8_t *rx;
} app_t;

typedef struct net
{
  wcx_wire_t *wire;
  wcx_port_t *port;
  wcx_tcp_t *tcp;
  uint64_t mono_ns;
  enum app_mode mode; /* of new connections */
  bool tcp_hold;
  uint32_t client_cnt;
  uint32_t accepted_cnt, lost_cnt; /* connections that were named, that ended by reset */
  uint32_t drops[16];              /* by verdict of the parser */
  uint64_t frame_cnt;              /* the stack sent */
  uint32_t reset_cnt;              /* frames with RST to nobody we know */
  uint32_t synack_cnt;             /* frames with SYN to nobody we know */
  wcx_egress_t egress;
  wcx_stats_t stats;
  app_t apps[NET_CONNS];
  tcp_client_t *clients[NET_CLIENTS_MAX];
} net_t;

static uint32_t net_base; /* blocks lwIP itself keeps from its first connection on */

static inline net_t *net_new(uint64_t key)
{
  static uint64_t mono_ns = 1000000000; /* lwIP's clock goes on from test to test */
  net_t *net = calloc(1, sizeof(*net));
  mono_ns += UINT64_C(3600000000000);
  net->mono_ns = mono_ns;
  net->wire = wcx_wire_get("tcp");
  net->port = wcx_port_open(WCX_PORT_AF_XDP, "tcp", 0, false);
  net->egress.port = net->port;
  net->egress.stats = &net->stats;
  net->egress.net.ip = NET_IP;
  wcx_port_mac(net->port, net->egress.net.mac);
  wcx_tcp_config_t config = {.ip = NET_IP, .conn_max = NET_CONNS, .ports = {NET_PORT}, .key = {key, key * 31 + 7}};
  net->tcp = wcx_tcp_open(&config);
  wcx_tcp_attach(net->tcp, &net->egress);
  (void)wcx_tcp_step(net->tcp, net->mono_ns); /* it knows the time */
  return net;
}

static inline tcp_client_t *net_client(net_t *net, uint16_t port)
{
  assert_true(net->client_cnt < NET_CLIENTS_MAX);
  tcp_client_t *c = client_new(net->wire, NET_IP, NET_PORT, NET_CLIENT_IP, port);
  net->clients[net->client_cnt++] = c;
  return c;
}

static inline void app_end(net_t *net, uint32_t conn, bool at_once)
{
  wcx_tcp_end(net->tcp, conn, at_once);
  net->apps[conn].used = false;
}

static inline void app_start(net_t *net, uint32_t conn)
{
  app_t *app = &net->apps[conn];
  uint8_t *rx = app->rx != NULL ? app->rx : malloc(NET_KEEP);
  *app = (app_t){.used = true, .mode = net->mode, .client_port = wcx_tcp_conn(net->tcp, conn)->peer.port, .rx = rx};
  net->accepted_cnt++;
}

/* What the stack said about a connection is acted on until nothing moves: it will say when that changes. */
static inline void app_run(net_t *net, uint32_t conn)
{
  app_t *app = &net->apps[conn];
  if (!app->used)
    app_start(net, conn);
  if (app->mode == APP_HOLD)
    return;
  for (;;)
  {
    uint32_t part = app->unsent == 0 ? wcx_tcp_read(net->tcp, conn, app->rx + app->rx_len, 3000) : 0;
    assert_true(app->rx_len + part <= NET_KEEP - 3000);
    app->rx_len += part;
    app->unsent += app->mode == APP_ECHO ? part : 0;
    uint32_t room = wcx_tcp_room(net->tcp, conn);
    uint32_t out = app->unsent < room ? app->unsent : room;
    bool wrote = out > 0 && wcx_tcp_write(net->tcp, conn, app->rx + app->rx_len - app->unsent, out);
    if (wrote)
    {
      app->unsent -= out;
      wcx_tcp_push(net->tcp, conn, 0);
    }
    if (part == 0 && !wrote)
      break;
  }
  uint8_t state = wcx_tcp_conn(net->tcp, conn)->state;
  net->lost_cnt += state == WCX_TCP_GONE;
  if (state == WCX_TCP_GONE || (state == WCX_TCP_HALF && app->unsent == 0))
    app_end(net, conn, state == WCX_TCP_GONE);
}

static inline app_t *net_app(net_t *net, const tcp_client_t *c)
{
  for (uint32_t i = 0; i < NET_CONNS; i++)
    if (net->apps[i].used && net->apps[i].client_port == c->port)
      return &net->apps[i];
  return NULL;
}

static inline uint32_t net_conn(net_t *net, const tcp_client_t *c)
{
  app_t *app = net_app(net, c);
  assert_non_null(app);
  return (uint32_t)(app - net->apps);
}

static inline void net_frames_in(net_t *net)
{
  wcx_frame_t frames[WCX_PORT_BURST_MAX];
  uint32_t cnt;
  while ((cnt = wcx_port_rx(net->port, frames, WCX_PORT_BURST_MAX)) > 0)
    for (uint32_t i = 0; i < cnt; i++)
    {
      wcx_datagram_t datagram;
      enum wcx_net_verdict verdict = wcx_net_parse(&net->egress.net, frames[i].data, frames[i].len, &datagram);
      net->drops[verdict]++;
      if (verdict == WCX_NET_TCP)
        wcx_tcp_receive(net->tcp, &datagram);
      wcx_port_free(net->port, &frames[i]);
      if (!net->tcp_hold && net->egress.cnt >= 64)
        (void)wcx_egress_flush(&net->egress, 0);
    }
}

static inline void net_frames_out(net_t *net)
{
  uint8_t frame[WCX_FRAME_SZ_MAX];
  uint32_t len;
  while ((len = wcx_wire_recv(net->wire, frame)) != 0)
  {
    segment_t segment = {0};
    assert_true(len <= WCX_FRAME_SZ_MAX);
    assert_true(segment_parse(frame, len, &segment));
    assert_int_equal(segment.from_port, NET_PORT);
    net->frame_cnt++;
    bool known = false;
    for (uint32_t i = 0; i < net->client_cnt; i++)
      if (net->clients[i]->port == segment.port && net->clients[i]->ip == segment.ip)
      {
        assert_int_equal(segment.vlan, net->clients[i]->vlan);
        client_receive(net->clients[i], &segment, net->mono_ns);
        known = true;
      }
    net->reset_cnt += !known && (segment.flags & TCP_RST_F) != 0;
    net->synack_cnt += !known && (segment.flags & TCP_SYN_F) != 0;
  }
}

static inline void net_step(net_t *net)
{
  net->mono_ns += 1000000;
  net_frames_in(net);
  (void)wcx_tcp_step(net->tcp, net->mono_ns);
  uint32_t conn;
  while (wcx_tcp_ready(net->tcp, &conn))
    app_run(net, conn);
  if (!net->tcp_hold)
    (void)wcx_egress_flush(&net->egress, 0);
  net_frames_out(net);
  for (uint32_t i = 0; i < net->client_cnt; i++)
    client_step(net->clients[i], net->mono_ns);
}

static inline void net_steps(net_t *net, uint32_t cnt)
{
  for (uint32_t i = 0; i < cnt; i++)
    net_step(net);
}

/* A connected client; asserts that it is. */
static inline tcp_client_t *net_connect(net_t *net, uint16_t port)
{
  tcp_client_t *c = net_client(net, port);
  client_connect(c, net->mono_ns);
  for (uint32_t i = 0; i < 2000 && net_app(net, c) == NULL; i++)
    net_step(net);
  assert_non_null(net_app(net, c));
  return c;
}

static inline void net_say(tcp_client_t *c, const void *data, uint32_t len)
{
  c->out = data;
  c->out_len = len;
}

/* Everything ends; after the longest timer all memory must have come back. */
static inline void net_close(net_t *net)
{
  wcx_wire_set_faults(net->wire, &(wcx_wire_faults_t){0});
  net->tcp_hold = false;
  for (uint32_t i = 0; i < NET_CONNS; i++)
    if (net->apps[i].used)
      app_end(net, i, true);
  for (uint32_t i = 0; i < net->client_cnt; i++)
    net->clients[i]->mute = true;
  net_steps(net, 20);
  for (uint32_t i = 0; i < net->client_cnt; i++)
    client_reset(net->clients[i]);
  net_steps(net, 8000); /* TIME_WAIT and LAST_ACK: 4.8 s */
  wcx_tcp_close(net->tcp);
  if (net_base == 0)
    net_base = wcx_tcp_memory_used();
  if (wcx_tcp_memory_used() != net_base || net_base > 8)
    fail_msg("%u blocks of the TCP memory are in use, %u at first", wcx_tcp_memory_used(), net_base);
  for (uint32_t i = 0; i < net->client_cnt; i++)
    client_free(net->clients[i]);
  for (uint32_t i = 0; i < NET_CONNS; i++)
    free(net->apps[i].rx);
  wcx_port_close(net->port);
  wcx_wire_drop(net->wire);
  free(net);
}

#endif
