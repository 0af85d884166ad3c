/* wcx-memif-rtt: round trips, one at a time, over a memif that is polled without sleeping: no kernel in between.

     wcx-memif-rtt echo  --device client:/path --cpu N --count N     datagrams of an order's size to a port that echoes (port_echo); each second one is untimed
     wcx-memif-rtt order --device client:/path --cpu N --count N     limit orders to the appliance: sent -> ExecutionReport_New; each is canceled again, untimed

   Session 5 (--session N) with its development secret. Prints one JSON line, as wcx-rtt does. Exit status 1 when a round trip was lost or refused. */
#include "bench/wire/args.h"
#include "bench/wire/port_client.h"
#include "dataplane/client/orders.h"
#include "engine/base/check.h"
#include "engine/base/env.h"

#include <sched.h>
#include <string.h>

#define ORDER_SZ (WCX_CLIENT_PACKET_HDR_SZ + 2 + sizeof(wcx_message_header_t) + sizeof(wcx_new_order_single_t))
#define WAIT_NS UINT64_C(1000000000)
#define FIND_NS UINT64_C(10000000000)
#define PERIOD_NS 30000u /* of an order and its cancel, or two echoes: below the development throttle of 100,000 requests a second */
#define LOST_MAX 10u

typedef struct run
{
  const char *mode, *device;
  uint32_t cpu, count, warm, session_id;
  wcx_port_client_t client;
  uint64_t wanted_id; /* the ClOrdID, or the number of the echo, that is waited for */
  uint32_t answer_cnt, lost_cnt, refused_cnt;
  uint64_t *rtt_ns; /* count + warm */
} run_t;

static int compare(const void *a, const void *b)
{
  uint64_t x = *(const uint64_t *)a;
  uint64_t y = *(const uint64_t *)b;
  return (x > y) - (x < y);
}

static void on_echo(void *ctx, uint64_t now_ns, uint16_t to_port, const void *payload, size_t sz)
{
  (void)now_ns;
  (void)to_port;
  run_t *run = ctx;
  uint64_t number = 0;
  if (sz == ORDER_SZ)
    memcpy(&number, payload, sizeof(number));
  run->answer_cnt += number == run->wanted_id;
}

static void on_decided(void *ctx, const wcx_client_request_t *request, const void *message, size_t sz, uint64_t now_ns)
{
  (void)now_ns;
  run_t *run = ctx;
  uint16_t template_id = message == NULL ? 0 : wcx_client_message_template(message, sz);
  run->refused_cnt += template_id != WCX_TEMPLATE_EXECUTION_REPORT_NEW && template_id != WCX_TEMPLATE_EXECUTION_REPORT_CANCEL;
  run->answer_cnt += request->cl_ord_id == run->wanted_id;
}

/* Until the answer is here; returns when. */
static uint64_t await_answer(run_t *run, uint64_t sent_ns)
{
  uint64_t now_ns = sent_ns;
  while (run->answer_cnt == 0 && now_ns - sent_ns < WAIT_NS)
  {
    if (wcx_port_client_take(&run->client, now_ns) == 0 && run->client.has_session)
      wcx_client_session_step(&run->client.session, now_ns);
    now_ns = wcx_env_mono_ns();
  }
  run->lost_cnt += run->answer_cnt == 0;
  if (run->lost_cnt > LOST_MAX)
    WCX_DIE("nothing answers on %s", run->device);
  return now_ns;
}

static uint64_t echo(run_t *run, uint32_t idx)
{
  uint8_t datagram[ORDER_SZ] = {0};
  run->wanted_id = idx + UINT64_C(1);
  run->answer_cnt = 0;
  memcpy(datagram, &run->wanted_id, sizeof(run->wanted_id));
  uint64_t sent_ns = wcx_env_mono_ns();
  wcx_port_client_send(&run->client, WCX_PORT_CLIENT_SERVER_PORT, datagram, sizeof(datagram));
  return await_answer(run, sent_ns) - sent_ns;
}

static uint64_t request(run_t *run, const uint8_t *message, size_t sz, uint64_t cl_ord_id)
{
  run->wanted_id = cl_ord_id;
  run->answer_cnt = 0;
  uint64_t sent_ns = wcx_env_mono_ns();
  if (!wcx_client_session_request(&run->client.session, sent_ns, message, sz, 0))
    WCX_DIE("session %u was ended by the appliance", run->session_id);
  wcx_client_session_flush(&run->client.session, sent_ns);
  return await_answer(run, sent_ns) - sent_ns;
}

static uint64_t order(run_t *run)
{
  uint8_t message[WCX_CLIENT_REQUEST_SZ_MAX];
  uint64_t new_id = wcx_client_session_next_id(&run->client.session);
  wcx_new_order_single_t body = wcx_client_limit_order(new_id, run->session_id, 1, WCX_SIDE_BUY, 100, 1, WCX_TIME_IN_FORCE_GTC);
  uint64_t rtt_ns = request(run, message, wcx_client_put_new(message, &body), new_id);
  uint64_t cancel_id = wcx_client_session_next_id(&run->client.session);
  (void)request(run, message, wcx_client_put_cancel(message, cancel_id, new_id, 1), cancel_id);
  return rtt_ns;
}

static void await_state(run_t *run, enum wcx_client_state state)
{
  uint64_t from_ns = wcx_env_mono_ns();
  while (run->client.session.state != state)
  {
    uint64_t now_ns = wcx_env_mono_ns();
    (void)wcx_port_client_take(&run->client, now_ns);
    wcx_client_session_step(&run->client.session, now_ns);
    sched_yield(); /* who judges the sign-on may have no other CPU */
    if (now_ns - from_ns > FIND_NS)
      WCX_DIE("session %u does not sign on or off (state %d, reject code %u)", run->session_id, (int)run->client.session.state, run->client.session.reject_code);
  }
}

static void run_all(void *arg)
{
  run_t *run = arg;
  bool orders = strcmp(run->mode, "order") == 0;
  if (!wcx_port_client_find(&run->client, FIND_NS))
    WCX_DIE("nobody answers ARP on %s", run->device);
  if (orders)
  {
    wcx_client_session_open(&run->client.session, wcx_env_mono_ns());
    await_state(run, WCX_CLIENT_READY);
  }
  uint64_t next_ns = 0;
  for (uint32_t i = 0; i < run->count + run->warm; i++)
  {
    while (wcx_env_mono_ns() < next_ns)
      ;
    next_ns = wcx_env_mono_ns() + PERIOD_NS;
    run->rtt_ns[i] = orders ? order(run) : echo(run, 2 * i);
    if (!orders)
      (void)echo(run, 2 * i + 1);
  }
  if (orders)
  {
    wcx_client_session_terminate(&run->client.session, wcx_env_mono_ns());
    await_state(run, WCX_CLIENT_CLOSED);
  }
}

static const char usage[] = "usage: wcx-memif-rtt echo|order --device client:/path [options]\n"
                            "  echo    datagrams of an order's size to a port that echoes; order: limit orders to the appliance\n"
                            "  --cpu N       where this process polls (0)\n"
                            "  --count N     timed round trips (10000)   --session N  with its development secret (5)\n";

static void parse(run_t *run, int argc, char **argv)
{
  static const struct option options[] = {{"device", 1, NULL, 'd'}, {"cpu", 1, NULL, 'c'}, {"count", 1, NULL, 'n'}, {"session", 1, NULL, 'S'}, WCX_WIRE_OPTIONS_END};
  for (int key; (key = getopt_long(argc, argv, "", options, NULL)) != -1;)
  {
    switch (key)
    {
    case 'd':
      run->device = optarg;
      break;
    case 'c':
      run->cpu = wcx_wire_number("cpu", optarg, 0, CPU_SETSIZE - 1);
      break;
    case 'n':
      run->count = wcx_wire_number("count", optarg, 1, 100000000);
      break;
    case 'S':
      run->session_id = wcx_wire_number("session", optarg, 1, UINT32_MAX);
      break;
    default:
      wcx_wire_usage(usage, key);
    }
  }
  run->mode = optind + 1 == argc ? argv[optind] : "";
  if (run->device == NULL || (strcmp(run->mode, "echo") != 0 && strcmp(run->mode, "order") != 0))
    wcx_wire_usage(usage, '?');
}

int main(int argc, char **argv)
{
  static run_t run = {.session_id = 5, .count = 10000};
  parse(&run, argc, argv);
  run.warm = run.count / 10;
  run.rtt_ns = calloc((size_t)run.count + run.warm, sizeof(uint64_t));
  WCX_CHECK(run.rtt_ns != NULL, "out of memory");
  run.client.ctx = &run;
  run.client.on_datagram = on_echo;
  wcx_client_session_config_t config = {
      .session_id = run.session_id, .flags = WCX_CLIENT_FLAG_CANCEL_ON_DISCONNECT | WCX_CLIENT_FLAG_TAKE_OVER, .keep_alive_ms = 1000, .ctx = &run, .on_decided = on_decided};
  snprintf(config.access_key_id, sizeof(config.access_key_id), "DEMO-MM-%u", run.session_id);
  snprintf(config.secret, sizeof(config.secret), "demo-secret-%u", run.session_id);
  if (strcmp(run.mode, "order") == 0)
    wcx_port_client_session(&run.client, &config);
  wcx_port_client_open(&run.client, run.device, run.cpu);
  wcx_port_run(run.client.port, run_all, &run);
  wcx_port_client_close(&run.client);
  uint64_t *timed = run.rtt_ns + run.warm;
  qsort(timed, run.count, sizeof(uint64_t), compare);
  printf("{\"mode\":\"%s\",\"count\":%u,\"lost\":%u,\"refused\":%u,\"min_us\":%.2f,\"p50_us\":%.2f,\"p99_us\":%.2f,\"p999_us\":%.2f}\n", run.mode, run.count, run.lost_cnt,
         run.refused_cnt, (double)timed[0] / 1e3, (double)timed[run.count / 2] / 1e3, (double)timed[(uint64_t)run.count * 99 / 100] / 1e3,
         (double)timed[(uint64_t)run.count * 999 / 1000] / 1e3);
  free(run.rtt_ns);
  return run.lost_cnt + run.refused_cnt == 0 ? 0 : 1;
}
