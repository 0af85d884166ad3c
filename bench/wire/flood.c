/* wcx-flood: what strangers cost a client that signed on.

     wcx-flood --secrets FILE --mac MAC [--rate 3000] [--times 10] [--seconds 5] [--server A.B.C.D] [--interface NAME] [--cpu N]

   Session 1 sends requests over UDP by a schedule made before: an order, its cancel, and so on, `rate` a second; the delay of each is from when it was due
   to its answer, so what waits behind a stall counts. First alone, then beside `times` as many frames of strangers through the same interface, by a schedule
   of their own: datagrams of an order's size with random sessions, Establishes with random signatures, and first segments of TCP connections, in turn, each
   from another address. One thread does both, so that the machine's two CPUs are the poll loop's and ours: a frame of a stranger delays ours by its system call.
   Needs CAP_NET_RAW. Prints one JSON line; `lost` are requests that were not answered, `not_applied` those of them that the session
   knows never arrived. Exit status 1 when an order was lost or refused. */
#include "bench/wire/args.h"
#include "bench/wire/stranger.h"
#include "dataplane/client/orders.h"
#include "dataplane/client/wire.h"
#include "engine/base/check.h"
#include "engine/base/env.h"

#include <errno.h>
#include <sched.h>
#include <string.h>

#define ORDER_PORT 7002u
#define SIGN_ON_NS UINT64_C(10000000000)
#define PATIENCE_NS UINT64_C(3000000000) /* for the last answers */
#define LAG_MAX_NS UINT64_C(50000000)    /* strangers who are later than this are not sent any more: the CPU does not carry them */

typedef struct figures
{
  double p50_us, p99_us, p999_us;
  uint32_t lost_cnt, not_applied_cnt, refused_cnt;
  uint64_t strangers_due, strangers_sent;
} figures_t;

typedef struct flood
{
  const char *server, *interface, *secrets_file, *mac;
  int cpu;
  uint32_t rate, times, seconds;
  wcx_client_transport_t transport;
  wcx_client_session_t session;
  wcx_client_wire_t wire;
  wcx_stranger_t stranger;
  uint64_t start_ns;
  uint32_t request_cnt;
  uint64_t *delay_ns; /* by request; 0: not answered */
  uint32_t answered_cnt, not_applied_cnt, refused_cnt;
  uint64_t new_id;
} flood_t;

static int compare(const void *a, const void *b)
{
  uint64_t x = *(const uint64_t *)a;
  uint64_t y = *(const uint64_t *)b;
  return (x > y) - (x < y);
}

static uint64_t due_ns(const flood_t *flood, uint64_t idx, uint64_t per_s)
{
  return flood->start_ns + idx * UINT64_C(1000000000) / per_s;
}

static void on_decided(void *ctx, const wcx_client_request_t *request, const void *message, size_t sz, uint64_t now_ns)
{
  flood_t *flood = ctx;
  uint16_t template_id = message == NULL ? 0 : wcx_client_message_template(message, sz);
  if (message == NULL)
  {
    flood->not_applied_cnt++; /* lost, and we know it */
    return;
  }
  flood->refused_cnt += template_id != WCX_TEMPLATE_EXECUTION_REPORT_NEW && template_id != WCX_TEMPLATE_EXECUTION_REPORT_CANCEL;
  flood->delay_ns[request->tag] = now_ns - due_ns(flood, request->tag, flood->rate);
  flood->answered_cnt++;
}

static void serve_until(flood_t *flood, enum wcx_client_state state)
{
  uint64_t from_ns = wcx_env_mono_ns();
  while (flood->session.state != state)
  {
    wcx_client_transport_wait(&flood->transport, 1000);
    wcx_client_wire_turn(&flood->wire, wcx_env_mono_ns());
    if (wcx_env_mono_ns() - from_ns > SIGN_ON_NS)
      WCX_DIE("session 1 at %s does not sign on or off (state %d, reject code %u)", flood->server, (int)flood->session.state, flood->session.reject_code);
  }
}

static void send_request(flood_t *flood, uint32_t idx, uint64_t now_ns)
{
  uint8_t message[WCX_CLIENT_REQUEST_SZ_MAX];
  uint64_t id = wcx_client_session_next_id(&flood->session);
  size_t sz;
  if (idx % 2 == 0)
  {
    wcx_new_order_single_t order = wcx_client_limit_order(id, 1, 1, WCX_SIDE_BUY, 100, 1, WCX_TIME_IN_FORCE_GTC);
    flood->new_id = id;
    sz = wcx_client_put_new(message, &order);
  }
  else
    sz = wcx_client_put_cancel(message, id, flood->new_id, 1);
  if (!wcx_client_session_request(&flood->session, now_ns, message, sz, idx))
    WCX_DIE("request %u of session 1 cannot be sent: the session ended, or too many are not answered (state %d)", idx, (int)flood->session.state);
  wcx_client_session_flush(&flood->session, now_ns);
}

static figures_t measure(flood_t *flood, uint64_t strangers_per_s)
{
  uint32_t next = 0;
  uint64_t stranger = 0;
  flood->answered_cnt = flood->not_applied_cnt = flood->refused_cnt = 0;
  memset(flood->delay_ns, 0, flood->request_cnt * sizeof(uint64_t));
  flood->start_ns = wcx_env_mono_ns() + 1000000;
  figures_t out = {.strangers_due = strangers_per_s * flood->seconds};
  uint64_t end_ns = due_ns(flood, flood->request_cnt, flood->rate);
  for (uint64_t now_ns = wcx_env_mono_ns(); now_ns < end_ns || (flood->answered_cnt + flood->not_applied_cnt < flood->request_cnt && now_ns < end_ns + PATIENCE_NS);
       now_ns = wcx_env_mono_ns())
  {
    wcx_client_wire_turn(&flood->wire, now_ns);
    if (next < flood->request_cnt && now_ns >= due_ns(flood, next, flood->rate))
      send_request(flood, next++, now_ns);
    else if (stranger < out.strangers_due && now_ns >= due_ns(flood, stranger, strangers_per_s))
    {
      if (now_ns - due_ns(flood, stranger, strangers_per_s) < LAG_MAX_NS)
        out.strangers_sent += wcx_stranger_send(&flood->stranger, stranger);
      stranger++;
    }
  }
  qsort(flood->delay_ns, flood->request_cnt, sizeof(uint64_t), compare); /* what is lost stands first */
  const uint64_t *answered = flood->delay_ns + (flood->request_cnt - flood->answered_cnt);
  uint64_t cnt = flood->answered_cnt;
  out.lost_cnt = flood->request_cnt - flood->answered_cnt;
  out.not_applied_cnt = flood->not_applied_cnt;
  out.refused_cnt = flood->refused_cnt;
  if (cnt == 0)
    WCX_DIE("no order was answered by %s", flood->server);
  out.p50_us = (double)answered[cnt / 2] / 1e3;
  out.p99_us = (double)answered[cnt * 99 / 100] / 1e3;
  out.p999_us = (double)answered[cnt * 999 / 1000] / 1e3;
  return out;
}

static void read_secret(const flood_t *flood, char secret[65])
{
  FILE *file = fopen(flood->secrets_file, "re");
  if (file == NULL)
    WCX_DIE("--secrets %s: %s", flood->secrets_file, strerror(errno));
  if (fscanf(file, "BENCH-1: %64s", secret) != 1)
    WCX_DIE("--secrets %s: does not begin with 'BENCH-1: secret'", flood->secrets_file);
  fclose(file);
}

static void open_session(flood_t *flood)
{
  wcx_client_session_config_t config = {
      .session_id = 1, .access_key_id = "BENCH-1", .transport = WCX_CLIENT_UDP, .server_port = ORDER_PORT, .keep_alive_ms = 1000, .ctx = flood, .on_decided = on_decided};
  read_secret(flood, config.secret);
  wcx_client_transport_init(&flood->transport, flood->interface, flood->server, ORDER_PORT, ORDER_PORT + 1);
  wcx_client_wire_open(&flood->wire, &flood->transport, &flood->session, &config);
  wcx_client_session_open(&flood->session, wcx_env_mono_ns());
  serve_until(flood, WCX_CLIENT_READY);
}

static const char usage[] = "usage: wcx-flood --secrets FILE --mac MAC --interface NAME [options]\n"
                            "  --secrets FILE     begins with 'BENCH-1: secret'\n"
                            "  --mac MAC          the appliance's   --interface NAME  where it and this client meet\n"
                            "  --rate N           requests a second (3000)   --times N  so many frames of strangers a request (10)   --seconds N  of each part (5)\n"
                            "  --server A.B.C.D   (10.77.0.2)   --cpu N  where this process polls\n";

static void parse(flood_t *flood, int argc, char **argv)
{
  static const struct option options[] = {{"secrets", 1, NULL, 'k'}, {"mac", 1, NULL, 'm'},       {"rate", 1, NULL, 'r'}, {"times", 1, NULL, 't'}, {"seconds", 1, NULL, 's'},
                                          {"server", 1, NULL, 'a'},  {"interface", 1, NULL, 'i'}, {"cpu", 1, NULL, 'c'},  WCX_WIRE_OPTIONS_END};
  for (int key; (key = getopt_long(argc, argv, "", options, NULL)) != -1;)
  {
    switch (key)
    {
    case 'k':
      flood->secrets_file = optarg;
      break;
    case 'm':
      flood->mac = optarg;
      break;
    case 'r':
      flood->rate = wcx_wire_number("rate", optarg, 100, 100000);
      break;
    case 't':
      flood->times = wcx_wire_number("times", optarg, 1, 100);
      break;
    case 's':
      flood->seconds = wcx_wire_number("seconds", optarg, 1, 3600);
      break;
    case 'a':
      flood->server = optarg;
      break;
    case 'i':
      flood->interface = optarg;
      break;
    case 'c':
      flood->cpu = (int)wcx_wire_number("cpu", optarg, 0, CPU_SETSIZE - 1);
      break;
    default:
      wcx_wire_usage(usage, key);
    }
  }
  if (flood->secrets_file == NULL || flood->mac == NULL || flood->interface == NULL || optind < argc)
    wcx_wire_usage(usage, '?');
}

static void print_figures(const char *name, const figures_t *figures)
{
  printf("\"%s\":{\"p50_us\":%.2f,\"p99_us\":%.2f,\"p999_us\":%.2f,\"lost\":%u,\"not_applied\":%u,\"refused\":%u,\"strangers_due\":%llu,\"strangers_sent\":%llu},", name,
         figures->p50_us, figures->p99_us, figures->p999_us, figures->lost_cnt, figures->not_applied_cnt, figures->refused_cnt, (unsigned long long)figures->strangers_due,
         (unsigned long long)figures->strangers_sent);
}

int main(int argc, char **argv)
{
  static flood_t flood = {.server = "10.77.0.2", .cpu = -1, .rate = 3000, .times = 10, .seconds = 5};
  parse(&flood, argc, argv);
  flood.request_cnt = flood.rate * flood.seconds & ~1u;
  flood.delay_ns = calloc(flood.request_cnt, sizeof(uint64_t));
  WCX_CHECK(flood.delay_ns != NULL, "out of memory");
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET((size_t)(flood.cpu < 0 ? 0 : flood.cpu), &set);
  if (flood.cpu >= 0 && sched_setaffinity(0, sizeof(set), &set) != 0)
    WCX_DIE("--cpu %d: %s", flood.cpu, strerror(errno));
  wcx_stranger_open(&flood.stranger, flood.interface, flood.mac, flood.server);
  open_session(&flood);
  (void)measure(&flood, 0); /* warm */
  figures_t alone = measure(&flood, 0);
  figures_t beside = measure(&flood, (uint64_t)flood.rate * flood.times);
  wcx_client_session_terminate(&flood.session, wcx_env_mono_ns());
  serve_until(&flood, WCX_CLIENT_CLOSED);
  printf("{\"rate\":%u,\"times\":%u,\"count\":%u,", flood.rate, flood.times, flood.request_cnt);
  print_figures("alone", &alone);
  print_figures("beside", &beside);
  printf("\"p50_ratio\":%.3f,\"p99_ratio\":%.3f,\"p999_ratio\":%.3f}\n", beside.p50_us / alone.p50_us, beside.p99_us / alone.p99_us, beside.p999_us / alone.p999_us);
  wcx_client_session_free(&flood.session);
  wcx_client_transport_close(&flood.transport);
  wcx_stranger_close(&flood.stranger);
  free(flood.delay_ns);
  return alone.lost_cnt + alone.refused_cnt + beside.lost_cnt + beside.refused_cnt == 0 ? 0 : 1;
}
