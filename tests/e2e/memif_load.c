/* A market maker at the other end of a memif: no kernel between it and the appliance. Signs on, sends COUNT limit orders (a buy, a sell that takes it, and so
   on: the book stays empty), signs off.

     memif_load client:/path LCORE COUNT [SESSION]

   Prints "connected" when the appliance answers ARP, and goes on when it reads a line or the end of its input: what connecting costs is over by then.
   At most WINDOW orders are undecided at any time. Prints one JSON line: orders, answered, refused, not_applied, lost, trades, feed_packets, seconds.
   Exit status 1 unless every order was answered. */
#include "dataplane/client/orders.h"
#include "dataplane/client/session.h"
#include "dataplane/net.h"
#include "dataplane/port.h"
#include "engine/base/check.h"
#include "engine/base/env.h"
#include "engine/shm/params.h"

#include <errno.h>
#include <sched.h>
#include <string.h>

#define WINDOW 512u
#define BURST 64u
#define OUR_IP 0x0a4d0001u
#define SERVER_IP 0x0a4d0002u
#define OUR_PORT 40000u
#define ORDER_PORT 7002u
#define GIVE_UP_NS UINT64_C(60000000000)
#define FLAG_TAKE_OVER 0x0004u

typedef struct load
{
  wcx_port_t *port;
  wcx_net_t net;
  wcx_peer_t server;
  wcx_client_session_t session;
  uint32_t account;
  uint32_t want_cnt, sent_cnt, answered_cnt, refused_cnt, not_applied_cnt, trade_cnt, feed_cnt;
  uint64_t from_ns, until_ns, progress_ns;
  bool has_server;
} load_t;

static void send_frame(load_t *load, wcx_frame_t *frame)
{
  if (wcx_port_tx(load->port, frame, 1) == 0)
    wcx_port_free(load->port, frame); /* lost, like any datagram: the session recovers */
}

static void on_send(void *ctx, enum wcx_client_port port, const void *datagram, size_t sz)
{
  load_t *load = ctx;
  wcx_frame_t frame;
  if (!wcx_port_alloc(load->port, &frame))
    return;
  load->server.port = port == WCX_CLIENT_PORT_ORDER ? ORDER_PORT : ORDER_PORT + 1;
  memcpy(frame.data + wcx_net_headers_sz(&load->server), datagram, sz);
  frame.len = wcx_net_finish_udp(&load->net, frame.data, &load->server, OUR_PORT, (uint16_t)sz);
  send_frame(load, &frame);
}

static void on_decided(void *ctx, const wcx_client_request_t *request, const void *message, size_t sz, uint64_t now_ns)
{
  (void)message;
  (void)sz;
  load_t *load = ctx;
  load->progress_ns = now_ns;
  load->answered_cnt += request->fate == WCX_CLIENT_ANSWERED;
  load->refused_cnt += request->fate == WCX_CLIENT_REFUSED;
  load->not_applied_cnt += request->fate == WCX_CLIENT_NOT_APPLIED;
}

static void on_message(void *ctx, uint64_t number, const void *message, size_t sz)
{
  (void)number;
  ((load_t *)ctx)->trade_cnt += wcx_client_message_template(message, sz) == WCX_TEMPLATE_EXECUTION_REPORT_TRADE;
}

static void receive_frame(load_t *load, uint64_t now_ns, wcx_frame_t *frame)
{
  static const uint8_t arp_reply[] = {8, 6, 0, 1, 8, 0, 6, 4, 0, 2};
  wcx_datagram_t datagram;
  enum wcx_net_verdict verdict = wcx_net_parse(&load->net, frame->data, frame->len, &datagram);
  if (verdict == WCX_NET_UDP && datagram.to_port == OUR_PORT)
    wcx_client_session_datagram(&load->session, now_ns, datagram.payload, datagram.len);
  else if (verdict == WCX_NET_ARP_REQUEST)
  {
    frame->len = wcx_net_arp_reply(&load->net, frame->data);
    send_frame(load, frame);
    return;
  }
  else if (frame->len >= 42 && memcmp(frame->data + 12, arp_reply, sizeof(arp_reply)) == 0)
  {
    memcpy(load->server.mac, frame->data + 22, 6);
    load->has_server = true;
  }
  else
    load->feed_cnt += frame->data[0] & 1;
  wcx_port_free(load->port, frame);
}

static uint32_t receive(load_t *load, uint64_t now_ns)
{
  wcx_frame_t frames[WCX_PORT_BURST_MAX];
  uint32_t cnt = wcx_port_rx(load->port, frames, WCX_PORT_BURST_MAX);
  for (uint32_t i = 0; i < cnt; i++)
    receive_frame(load, now_ns, &frames[i]);
  return cnt;
}

/* Who has SERVER_IP? Asked until answered: the other side may not be connected yet. */
static void find_server(load_t *load)
{
  uint64_t asked_ns = 0;
  for (uint64_t now_ns = load->from_ns; !load->has_server && now_ns - load->from_ns < GIVE_UP_NS; now_ns = wcx_env_mono_ns())
  {
    wcx_frame_t frame;
    if (now_ns - asked_ns > 10000000 && wcx_port_alloc(load->port, &frame))
    {
      static const uint8_t head[22] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 8, 6, 0, 1, 8, 0, 6, 4, 0, 1};
      static const uint8_t ips[] = {10, 77, 0, 1, 0, 0, 0, 0, 0, 0, 10, 77, 0, 2};
      memcpy(frame.data, head, sizeof(head));
      memcpy(frame.data + 6, load->net.mac, 6);
      memcpy(frame.data + 22, load->net.mac, 6);
      memcpy(frame.data + 28, ips, sizeof(ips));
      frame.len = 42;
      send_frame(load, &frame);
      asked_ns = now_ns;
    }
    (void)receive(load, now_ns);
    sched_yield();
  }
}

static void send_orders(load_t *load, uint64_t now_ns)
{
  for (uint32_t i = 0; i < BURST && load->sent_cnt < load->want_cnt && load->session.undecided_cnt < WINDOW; i++)
  {
    uint64_t id = wcx_client_session_next_id(&load->session);
    wcx_new_order_single_t order = wcx_client_limit_order(id, load->account, 1, load->sent_cnt % 2 ? WCX_SIDE_SELL : WCX_SIDE_BUY, 100, 5, WCX_TIME_IN_FORCE_GTC);
    uint8_t message[WCX_CLIENT_REQUEST_SZ_MAX];
    if (!wcx_client_session_request(&load->session, now_ns, message, wcx_client_put_new(message, &order), 0))
      break;
    load->sent_cnt++;
  }
  wcx_client_session_flush(&load->session, now_ns);
}

static void run_load(void *arg)
{
  load_t *load = arg;
  load->from_ns = load->progress_ns = wcx_env_mono_ns();
  find_server(load);
  if (!load->has_server)
    return;
  printf("connected\n");
  fflush(stdout);
  (void)getchar();
  load->from_ns = load->progress_ns = wcx_env_mono_ns();
  wcx_client_session_open(&load->session, wcx_env_mono_ns());
  bool is_ending = false;
  while (load->session.state != WCX_CLIENT_CLOSED)
  {
    uint64_t now_ns = wcx_env_mono_ns();
    if (load->session.state == WCX_CLIENT_READY)
      send_orders(load, now_ns);
    if (receive(load, now_ns) == 0)
      sched_yield(); /* the journal worker may have no other CPU than this one */
    wcx_client_session_step(&load->session, now_ns);
    bool is_decided = load->sent_cnt == load->want_cnt && load->session.undecided_cnt == 0;
    bool is_stuck = now_ns - load->progress_ns > GIVE_UP_NS;
    if (!is_ending && (is_decided || is_stuck))
    {
      is_ending = true;
      load->until_ns = now_ns;
      wcx_client_session_terminate(&load->session, now_ns);
    }
  }
}

int main(int argc, char **argv)
{
  if (argc < 4)
    WCX_DIE("usage: memif_load client:/path LCORE COUNT [SESSION]");
  static load_t load = {.net = {.ip = OUR_IP}, .server = {.ip = SERVER_IP}};
  load.want_cnt = (uint32_t)strtoul(argv[3], NULL, 10);
  load.account = argc > 4 ? (uint32_t)strtoul(argv[4], NULL, 10) : 5;
  wcx_client_session_config_t config = {.session_id = load.account, .server_port = ORDER_PORT, .flags = FLAG_TAKE_OVER, .keep_alive_ms = 1000, .ctx = &load};
  snprintf(config.access_key_id, sizeof(config.access_key_id), "DEMO-MM-%u", load.account);
  snprintf(config.secret, sizeof(config.secret), "demo-secret-%u", load.account);
  config.send = on_send;
  config.on_decided = on_decided;
  config.on_message = on_message;
  wcx_client_session_init(&load.session, &config);
  /* all of this process on one CPU: on the appliance's poll core its main thread would hardly ever run */
  uint32_t lcore = (uint32_t)strtoul(argv[2], NULL, 10);
  cpu_set_t only;
  CPU_ZERO(&only);
  CPU_SET(lcore, &only);
  if (sched_setaffinity(0, sizeof(only), &only) != 0)
    WCX_DIE("CPU %u: %s", lcore, strerror(errno));
  load.port = wcx_port_open(WCX_PORT_MEMIF, argv[1], lcore, false);
  wcx_port_mac(load.port, load.net.mac);
  wcx_port_run(load.port, run_load, &load);
  printf("{\"orders\":%u,\"answered\":%u,\"refused\":%u,\"not_applied\":%u,\"lost\":%u,\"trades\":%u,\"feed_packets\":%u,\"seconds\":%.3f}\n", load.sent_cnt, load.answered_cnt,
         load.refused_cnt, load.not_applied_cnt, load.sent_cnt - load.answered_cnt - load.refused_cnt - load.not_applied_cnt, load.trade_cnt, load.feed_cnt,
         (double)(load.until_ns - load.from_ns) / 1e9);
  bool is_good = load.sent_cnt == load.want_cnt && load.answered_cnt == load.want_cnt;
  wcx_client_session_free(&load.session);
  wcx_port_close(load.port);
  return is_good ? 0 : 1;
}
