/* A market maker at the other end of a memif: no kernel between it and the appliance. Signs on, sends COUNT limit orders (a buy, a sell that takes it, and so
   on: the book stays empty), signs off.

     memif_load client:/path LCORE COUNT [SESSION]

   Prints "connected" when the appliance answers ARP, and goes on when it reads a line or the end of its input: what connecting costs is over by then.
   At most WINDOW orders are undecided at any time. Prints one JSON line: orders, answered, refused, not_applied, lost, trades, feed_packets, seconds.
   Exit status 1 unless every order was answered. */
#include "bench/wire/port_client.h"
#include "dataplane/client/orders.h"
#include "engine/base/check.h"
#include "engine/base/env.h"

#include <sched.h>
#include <string.h>

#define WINDOW 4096u
#define BURST 64u
#define GIVE_UP_NS UINT64_C(60000000000)
#define FLAG_TAKE_OVER 0x0004u

typedef struct load
{
  wcx_port_client_t client;
  uint32_t account;
  uint32_t want_cnt, sent_cnt, answered_cnt, refused_cnt, not_applied_cnt, trade_cnt;
  uint64_t from_ns, until_ns, progress_ns;
} load_t;

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

static void send_orders(load_t *load, uint64_t now_ns)
{
  for (uint32_t i = 0; i < BURST && load->sent_cnt < load->want_cnt && load->client.session.undecided_cnt < WINDOW; i++)
  {
    uint64_t id = wcx_client_session_next_id(&load->client.session);
    wcx_new_order_single_t order = wcx_client_limit_order(id, load->account, 1, load->sent_cnt % 2 ? WCX_SIDE_SELL : WCX_SIDE_BUY, 100, 5, WCX_TIME_IN_FORCE_GTC);
    uint8_t message[WCX_CLIENT_REQUEST_SZ_MAX];
    if (!wcx_client_session_request(&load->client.session, now_ns, message, wcx_client_put_new(message, &order), 0))
      break;
    load->sent_cnt++;
  }
  wcx_client_session_flush(&load->client.session, now_ns);
}

static void run_load(void *arg)
{
  load_t *load = arg;
  load->from_ns = load->progress_ns = wcx_env_mono_ns();
  if (!wcx_port_client_find(&load->client, GIVE_UP_NS))
    return;
  printf("connected\n");
  fflush(stdout);
  (void)getchar();
  load->from_ns = load->progress_ns = wcx_env_mono_ns();
  wcx_client_session_open(&load->client.session, wcx_env_mono_ns());
  bool is_ending = false;
  while (load->client.session.state != WCX_CLIENT_CLOSED)
  {
    uint64_t now_ns = wcx_env_mono_ns();
    if (load->client.session.state == WCX_CLIENT_READY)
      send_orders(load, now_ns);
    if (wcx_port_client_take(&load->client, now_ns) == 0)
      sched_yield(); /* the journal worker may have no other CPU than this one */
    wcx_client_session_step(&load->client.session, now_ns);
    bool is_decided = load->sent_cnt == load->want_cnt && load->client.session.undecided_cnt == 0;
    bool is_stuck = now_ns - load->progress_ns > GIVE_UP_NS;
    if (!is_ending && (is_decided || is_stuck))
    {
      is_ending = true;
      load->until_ns = now_ns;
      wcx_client_session_terminate(&load->client.session, now_ns);
    }
  }
}

int main(int argc, char **argv)
{
  if (argc < 4)
    WCX_DIE("usage: memif_load client:/path LCORE COUNT [SESSION]");
  static load_t load;
  load.want_cnt = (uint32_t)strtoul(argv[3], NULL, 10);
  load.account = argc > 4 ? (uint32_t)strtoul(argv[4], NULL, 10) : 5;
  wcx_client_session_config_t config = {.session_id = load.account, .flags = FLAG_TAKE_OVER, .keep_alive_ms = 1000, .ctx = &load};
  snprintf(config.access_key_id, sizeof(config.access_key_id), "DEMO-MM-%u", load.account);
  snprintf(config.secret, sizeof(config.secret), "demo-secret-%u", load.account);
  config.on_decided = on_decided;
  config.on_message = on_message;
  wcx_port_client_session(&load.client, &config);
  wcx_port_client_open(&load.client, argv[1], (uint32_t)strtoul(argv[2], NULL, 10));
  wcx_port_run(load.client.port, run_load, &load);
  printf("{\"orders\":%u,\"answered\":%u,\"refused\":%u,\"not_applied\":%u,\"lost\":%u,\"trades\":%u,\"feed_packets\":%u,\"seconds\":%.3f}\n", load.sent_cnt, load.answered_cnt,
         load.refused_cnt, load.not_applied_cnt, load.sent_cnt - load.answered_cnt - load.refused_cnt - load.not_applied_cnt, load.trade_cnt, (unsigned)load.client.multicast_cnt,
         (double)(load.until_ns - load.from_ns) / 1e9);
  bool is_good = load.sent_cnt == load.want_cnt && load.answered_cnt == load.want_cnt;
  wcx_port_client_close(&load.client);
  return is_good ? 0 : 1;
}
