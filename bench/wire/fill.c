/* wcx-fill: a book full of resting orders, for whoever measures what a full book costs.

     wcx-fill --secrets FILE --orders N [--prices 10000] [--window 1024] [--server A.B.C.D] [--interface NAME] [--cpu N]

   Session 1 buys one lot each at prices 1 to `prices` of instrument 1, in turn, over UDP, at most `window` not answered at once. Its orders stay when it is gone: it
   signs on without cancel-on-disconnect and falls silent. Prints one JSON line; exit status 1 when an order was refused. */
#include "bench/wire/args.h"
#include "dataplane/client/orders.h"
#include "dataplane/client/wire.h"
#include "engine/base/check.h"
#include "engine/base/env.h"

#include <errno.h>
#include <sched.h>
#include <string.h>

#define ORDER_PORT 7002u
#define PATIENCE_NS UINT64_C(20000000000) /* without any answer */

typedef struct fill
{
  const char *server, *interface, *secrets_file;
  int cpu;
  uint32_t order_cnt, price_cnt, window;
  wcx_client_transport_t transport;
  wcx_client_session_t session;
  wcx_client_wire_t wire;
  uint32_t sent_cnt, answered_cnt, refused_cnt, again_cnt;
} fill_t;

/* What never arrived is not sent again: its place is taken by another order. */
static void on_decided(void *ctx, const wcx_client_request_t *request, const void *message, size_t sz, uint64_t now_ns)
{
  (void)request;
  (void)now_ns;
  fill_t *fill = ctx;
  if (message == NULL)
  {
    fill->sent_cnt--;
    fill->again_cnt++;
    return;
  }
  fill->answered_cnt++;
  fill->refused_cnt += wcx_client_message_template(message, sz) != WCX_TEMPLATE_EXECUTION_REPORT_NEW;
}

static void send_orders(fill_t *fill, uint64_t now_ns)
{
  uint8_t message[WCX_CLIENT_REQUEST_SZ_MAX];
  while (fill->sent_cnt < fill->order_cnt && fill->sent_cnt - fill->answered_cnt < fill->window)
  {
    uint64_t id = wcx_client_session_next_id(&fill->session);
    wcx_new_order_single_t order = wcx_client_limit_order(id, 1, 1, WCX_SIDE_BUY, 1 + fill->sent_cnt % fill->price_cnt, 1, WCX_TIME_IN_FORCE_GTC);
    if (!wcx_client_session_request(&fill->session, now_ns, message, wcx_client_put_new(message, &order), 0))
      return;
    fill->sent_cnt++;
  }
  wcx_client_session_flush(&fill->session, now_ns);
}

static void run(fill_t *fill)
{
  uint32_t seen_cnt = 0;
  uint64_t moved_ns = wcx_env_mono_ns();
  while (fill->answered_cnt < fill->order_cnt)
  {
    uint64_t now_ns = wcx_env_mono_ns();
    wcx_client_wire_turn(&fill->wire, now_ns);
    if (fill->session.state == WCX_CLIENT_READY)
      send_orders(fill, now_ns);
    moved_ns = fill->answered_cnt != seen_cnt ? now_ns : moved_ns;
    seen_cnt = fill->answered_cnt;
    if (now_ns - moved_ns > PATIENCE_NS)
      WCX_DIE("session 1 at %s is not answered (state %d, reject code %u, %u orders in)", fill->server, (int)fill->session.state, fill->session.reject_code, fill->answered_cnt);
  }
}

static const char usage[] = "usage: wcx-fill --secrets FILE --orders N [options]\n"
                            "  --secrets FILE     begins with 'BENCH-1: secret'\n"
                            "  --orders N         that rest in the end   --prices N  of one lot each at prices 1 to N, in turn (10000)\n"
                            "  --window N         orders that are not answered at once (1024)\n"
                            "  --server A.B.C.D   (10.77.0.2)   --interface NAME   --cpu N  where this process polls\n";

static void parse(fill_t *fill, int argc, char **argv)
{
  static const struct option options[] = {{"secrets", 1, NULL, 'k'}, {"orders", 1, NULL, 'n'}, {"prices", 1, NULL, 'p'},    {"window", 1, NULL, 'w'},
                                          {"server", 1, NULL, 'a'},  {"cpu", 1, NULL, 'c'},    {"interface", 1, NULL, 'i'}, WCX_WIRE_OPTIONS_END};
  for (int key; (key = getopt_long(argc, argv, "", options, NULL)) != -1;)
  {
    switch (key)
    {
    case 'k':
      fill->secrets_file = optarg;
      break;
    case 'n':
      fill->order_cnt = wcx_wire_number("orders", optarg, 1, 10000000);
      break;
    case 'p':
      fill->price_cnt = wcx_wire_number("prices", optarg, 1, 1000000);
      break;
    case 'w':
      fill->window = wcx_wire_number("window", optarg, 1, WCX_CLIENT_REQUEST_MAX / 4);
      break;
    case 'a':
      fill->server = optarg;
      break;
    case 'i':
      fill->interface = optarg;
      break;
    case 'c':
      fill->cpu = (int)wcx_wire_number("cpu", optarg, 0, CPU_SETSIZE - 1);
      break;
    default:
      wcx_wire_usage(usage, key);
    }
  }
  if (fill->secrets_file == NULL || fill->order_cnt == 0 || optind < argc)
    wcx_wire_usage(usage, '?');
}

static void read_secret(const fill_t *fill, char secret[65])
{
  FILE *file = fopen(fill->secrets_file, "re");
  if (file == NULL)
    WCX_DIE("--secrets %s: %s", fill->secrets_file, strerror(errno));
  if (fscanf(file, "BENCH-1: %64s", secret) != 1)
    WCX_DIE("--secrets %s: does not begin with 'BENCH-1: secret'", fill->secrets_file);
  fclose(file);
}

int main(int argc, char **argv)
{
  static fill_t fill = {.server = "10.77.0.2", .cpu = -1, .price_cnt = 10000, .window = 1024};
  parse(&fill, argc, argv);
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET((size_t)(fill.cpu < 0 ? 0 : fill.cpu), &set);
  if (fill.cpu >= 0 && sched_setaffinity(0, sizeof(set), &set) != 0)
    WCX_DIE("--cpu %d: %s", fill.cpu, strerror(errno));
  wcx_client_session_config_t config = {
      .session_id = 1, .access_key_id = "BENCH-1", .transport = WCX_CLIENT_UDP, .server_port = ORDER_PORT, .keep_alive_ms = 1000, .ctx = &fill, .on_decided = on_decided};
  read_secret(&fill, config.secret);
  wcx_client_transport_init(&fill.transport, fill.interface, fill.server, ORDER_PORT, ORDER_PORT + 1);
  wcx_client_wire_open(&fill.wire, &fill.transport, &fill.session, &config);
  uint64_t from_ns = wcx_env_mono_ns();
  wcx_client_session_open(&fill.session, from_ns);
  run(&fill);
  double took_s = (double)(wcx_env_mono_ns() - from_ns) / 1e9;
  printf("{\"orders\":%u,\"refused\":%u,\"again\":%u,\"seconds\":%.2f,\"per_s\":%.0f}\n", fill.answered_cnt, fill.refused_cnt, fill.again_cnt, took_s, fill.answered_cnt / took_s);
  wcx_client_session_free(&fill.session);
  wcx_client_transport_close(&fill.transport);
  return fill.refused_cnt == 0 ? 0 : 1;
}
