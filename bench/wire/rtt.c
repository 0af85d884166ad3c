/* wcx-rtt: round trips, one at a time, over a kernel socket that is polled without sleeping; or bare durable writes.

     wcx-rtt echo  --count N             datagrams of an order's size to a port that echoes
     wcx-rtt order --count N             limit orders to the appliance: sent -> ExecutionReport_New; each is canceled again, untimed
     wcx-rtt tcp-echo --count N          bytes as many as an order's over TCP to tcp-echo-server, which answers as many as an ExecutionReport_New's
     wcx-rtt tcp-echo-server             the kernel's TCP, polled without sleeping, until it is killed
     wcx-rtt write --count N --file F    4 KiB writes with O_DIRECT and RWF_DSYNC into a file that was written before

   Options: --transport udp|tcp (of order), --server A.B.C.D, --interface NAME, --port N (7002; over TCP 7001), --session N, --cpu N (where this process polls),
   --sleep (block instead of polling), --hlog F (every round trip, as one interval of an HDR log).
   Prints one JSON line. Exit status 1 when a round trip was lost or refused. */
#include "bench/hdr_log.h"
#include "bench/wire/args.h"
#include "bench/wire/tcp_echo.h"
#include "dataplane/client/orders.h"
#include "dataplane/client/wire.h"
#include "engine/base/check.h"
#include "engine/base/env.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#define ORDER_SZ (WCX_CLIENT_PACKET_HDR_SZ + 2 + sizeof(wcx_message_header_t) + sizeof(wcx_new_order_single_t))
#define TCP_ORDER_SZ (3 + sizeof(wcx_message_header_t) + sizeof(wcx_new_order_single_t))
#define TCP_ACK_SZ (3 + sizeof(wcx_message_header_t) + sizeof(wcx_execution_report_new_t))
#define WAIT_NS UINT64_C(1000000000)
#define SIGN_ON_NS UINT64_C(10000000000)
#define PERIOD_NS 30000u /* of an order and its cancel: below the development throttle of 100,000 requests a second */
#define WRITE_SZ 4096u
#define FILE_BLOCKS 4096u

typedef struct run
{
  const char *server, *interface, *file, *hlog;
  uint16_t port;
  uint32_t session_id;
  int cpu;
  bool sleeps, tcp;
  uint32_t count, warm;
  uint64_t *rtt_ns; /* count + warm */
  uint32_t done_cnt, lost_cnt, refused_cnt;
  wcx_client_transport_t transport;
  wcx_client_session_t session;
  wcx_client_wire_t wire;
  uint64_t wanted_id; /* the ClOrdID, or the number of the echo, that is waited for */
  uint32_t answer_cnt;
  uint32_t stream_idx; /* tcp-echo: its socket, and the answer as far as it is here */
  size_t answer_sz;
  uint8_t answer[TCP_ACK_SZ];
} run_t;

static int compare(const void *a, const void *b)
{
  uint64_t x = *(const uint64_t *)a;
  uint64_t y = *(const uint64_t *)b;
  return (x > y) - (x < y);
}

static void pin(int cpu)
{
  if (cpu < 0)
    return;
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET((size_t)cpu, &set);
  if (sched_setaffinity(0, sizeof(set), &set) != 0)
    WCX_DIE("--cpu %d: %s", cpu, strerror(errno));
}

static void rest(run_t *run)
{
  if (run->sleeps)
    wcx_client_transport_wait(&run->transport, 1000);
}

/* --- echo ---------------------------------------------------------------------------------------- */

static void on_echo(void *ctx, uint64_t now_ns, const void *datagram, size_t sz)
{
  (void)now_ns;
  run_t *run = ctx;
  uint64_t number = 0;
  if (sz == ORDER_SZ)
    memcpy(&number, datagram, sizeof(number));
  run->answer_cnt += number == run->wanted_id;
}

static void run_echo(run_t *run)
{
  uint8_t datagram[ORDER_SZ] = {0};
  wcx_client_transport_add_unicast(&run->transport);
  for (uint32_t i = 0; i < run->count + run->warm; i++)
  {
    run->wanted_id = i + UINT64_C(1);
    run->answer_cnt = 0;
    memcpy(datagram, &run->wanted_id, sizeof(run->wanted_id));
    uint64_t sent_ns = wcx_env_mono_ns();
    uint64_t now_ns = sent_ns;
    wcx_client_transport_send(&run->transport, 0, run->port, datagram, sizeof(datagram));
    for (; run->answer_cnt == 0 && now_ns - sent_ns < WAIT_NS; now_ns = wcx_env_mono_ns())
    {
      if (wcx_client_transport_take(&run->transport, 0, now_ns, on_echo, run) == 0)
        rest(run);
    }
    run->rtt_ns[i] = now_ns - sent_ns;
    run->lost_cnt += run->answer_cnt == 0;
    if (run->lost_cnt > 10)
      WCX_DIE("nothing echoes at %s:%u", run->server, run->port);
  }
}

/* --- echo over TCP --------------------------------------------------------------------------------- */

static void on_up(void *ctx, uint64_t now_ns)
{
  (void)ctx;
  (void)now_ns;
}

static void on_down(void *ctx, uint64_t now_ns)
{
  (void)now_ns;
  const run_t *run = ctx;
  WCX_DIE("nothing echoes over TCP at %s:%u", run->server, run->port);
}

static void on_bytes(void *ctx, uint64_t now_ns, const void *bytes, size_t sz)
{
  (void)now_ns;
  run_t *run = ctx;
  if (sz > sizeof(run->answer) - run->answer_sz)
    WCX_DIE("%s:%u answers more than was asked: is it wcx-rtt tcp-echo-server?", run->server, run->port);
  memcpy(run->answer + run->answer_sz, bytes, sz);
  run->answer_sz += sz;
  if (run->answer_sz < sizeof(run->answer))
    return;
  uint64_t number;
  memcpy(&number, run->answer, sizeof(number));
  run->answer_sz = 0;
  run->answer_cnt += number == run->wanted_id;
}

static void run_tcp_echo(run_t *run)
{
  uint8_t request[TCP_ORDER_SZ] = {0};
  run->stream_idx = wcx_client_transport_add_stream(&run->transport);
  wcx_client_transport_dial(&run->transport, run->stream_idx, run->port);
  uint64_t from_ns = wcx_env_mono_ns();
  while (run->transport.streams[run->stream_idx] != WCX_CLIENT_STREAM_UP)
  {
    wcx_client_transport_wait(&run->transport, 1000);
    (void)wcx_client_transport_take_stream(&run->transport, run->stream_idx, wcx_env_mono_ns(), on_up, on_bytes, on_down, run);
    if (wcx_env_mono_ns() - from_ns > SIGN_ON_NS)
      WCX_DIE("%s:%u does not accept a TCP connection", run->server, run->port);
  }
  for (uint32_t i = 0; i < run->count + run->warm; i++)
  {
    run->wanted_id = i + UINT64_C(1);
    run->answer_cnt = 0;
    memcpy(request, &run->wanted_id, sizeof(run->wanted_id));
    uint64_t sent_ns = wcx_env_mono_ns();
    uint64_t now_ns = sent_ns;
    if (wcx_client_transport_write(&run->transport, run->stream_idx, request, sizeof(request)) != sizeof(request))
      WCX_DIE("%s:%u does not read", run->server, run->port);
    for (; run->answer_cnt == 0; now_ns = wcx_env_mono_ns())
    {
      if (!wcx_client_transport_take_stream(&run->transport, run->stream_idx, now_ns, on_up, on_bytes, on_down, run))
        rest(run);
      if (now_ns - sent_ns > SIGN_ON_NS)
        WCX_DIE("%s:%u does not echo any more", run->server, run->port);
    }
    run->rtt_ns[i] = now_ns - sent_ns;
  }
}

/* --- order --------------------------------------------------------------------------------------- */

static void on_decided(void *ctx, const wcx_client_request_t *request, const void *message, size_t sz, uint64_t now_ns)
{
  (void)now_ns;
  run_t *run = ctx;
  uint16_t template_id = message == NULL ? 0 : wcx_client_message_template(message, sz);
  bool is_good = template_id == WCX_TEMPLATE_EXECUTION_REPORT_NEW || template_id == WCX_TEMPLATE_EXECUTION_REPORT_CANCEL;
  run->refused_cnt += !is_good;
  run->answer_cnt += request->cl_ord_id == run->wanted_id;
}

/* Serve the session until `state` is reached. */
static void await_state(run_t *run, enum wcx_client_state state)
{
  uint64_t from_ns = wcx_env_mono_ns();
  while (run->session.state != state)
  {
    wcx_client_transport_wait(&run->transport, 1000);
    uint64_t now_ns = wcx_env_mono_ns();
    wcx_client_wire_turn(&run->wire, now_ns);
    if (now_ns - from_ns > SIGN_ON_NS)
      WCX_DIE("session %u at %s:%u does not sign on or off (state %d, reject code %u)", run->session_id, run->server, run->port, (int)run->session.state, run->session.reject_code);
  }
}

/* Send one request and wait for its answer; returns the round trip. */
static uint64_t request(run_t *run, const uint8_t *message, size_t sz, uint64_t cl_ord_id)
{
  run->wanted_id = cl_ord_id;
  run->answer_cnt = 0;
  uint64_t sent_ns = wcx_env_mono_ns();
  uint64_t now_ns = sent_ns;
  if (!wcx_client_session_request(&run->session, now_ns, message, sz, 0))
    WCX_DIE("session %u was ended by the appliance", run->session_id);
  wcx_client_session_flush(&run->session, now_ns);
  while (run->answer_cnt == 0 && now_ns - sent_ns < WAIT_NS)
  {
    wcx_client_wire_take(&run->wire, now_ns);
    if (run->answer_cnt == 0)
    {
      wcx_client_session_step(&run->session, now_ns);
      rest(run);
    }
    now_ns = wcx_env_mono_ns();
  }
  run->lost_cnt += run->answer_cnt == 0;
  if (run->lost_cnt > 10)
    WCX_DIE("orders are not answered by %s:%u", run->server, run->port);
  return now_ns - sent_ns;
}

static void run_order(run_t *run)
{
  wcx_client_session_config_t config = {.session_id = run->session_id,
                                        .transport = run->tcp ? WCX_CLIENT_TCP : WCX_CLIENT_UDP,
                                        .server_port = run->port,
                                        .flags = WCX_CLIENT_FLAG_CANCEL_ON_DISCONNECT | WCX_CLIENT_FLAG_TAKE_OVER,
                                        .keep_alive_ms = 1000,
                                        .ctx = run,
                                        .on_decided = on_decided};
  snprintf(config.access_key_id, sizeof(config.access_key_id), "DEMO-MM-%u", run->session_id);
  snprintf(config.secret, sizeof(config.secret), "demo-secret-%u", run->session_id);
  snprintf(config.user, sizeof(config.user), "mm%u", run->session_id % 10000);
  wcx_client_wire_open(&run->wire, &run->transport, &run->session, &config);
  wcx_client_session_open(&run->session, wcx_env_mono_ns());
  await_state(run, WCX_CLIENT_READY);
  uint8_t message[WCX_CLIENT_REQUEST_SZ_MAX];
  uint64_t next_ns = 0;
  for (uint32_t i = 0; i < run->count + run->warm; i++)
  {
    while (wcx_env_mono_ns() < next_ns)
      ;
    next_ns = wcx_env_mono_ns() + PERIOD_NS;
    uint64_t new_id = wcx_client_session_next_id(&run->session);
    wcx_new_order_single_t order = wcx_client_limit_order(new_id, run->session_id, 1, WCX_SIDE_BUY, 100, 1, WCX_TIME_IN_FORCE_GTC);
    run->rtt_ns[i] = request(run, message, wcx_client_put_new(message, &order), new_id);
    uint64_t cancel_id = wcx_client_session_next_id(&run->session);
    (void)request(run, message, wcx_client_put_cancel(message, cancel_id, new_id, 1), cancel_id);
  }
  wcx_client_session_terminate(&run->session, wcx_env_mono_ns());
  await_state(run, WCX_CLIENT_CLOSED);
  wcx_client_session_free(&run->session);
}

/* --- write --------------------------------------------------------------------------------------- */

static void run_write(run_t *run)
{
  if (run->file == NULL)
    WCX_DIE("write needs --file: a new file on the disk of the journal");
  int fd = open(run->file, O_RDWR | O_CREAT | O_EXCL | O_DIRECT | O_CLOEXEC, 0600);
  if (fd < 0)
    WCX_DIE("%s: %s (it must not exist, and its file system must know O_DIRECT)", run->file, strerror(errno));
  void *block = aligned_alloc(WRITE_SZ, WRITE_SZ);
  WCX_CHECK(block != NULL, "out of memory");
  memset(block, 0, WRITE_SZ);
  struct iovec vec = {.iov_base = block, .iov_len = WRITE_SZ};
  for (uint32_t i = 0; i < FILE_BLOCKS; i++)
  {
    if (pwrite(fd, block, WRITE_SZ, (off_t)i * WRITE_SZ) != WRITE_SZ)
      WCX_DIE("%s: %s", run->file, strerror(errno));
  }
  if (fsync(fd) != 0)
    WCX_DIE("%s: fsync: %s", run->file, strerror(errno));
  for (uint32_t i = 0; i < run->count + run->warm; i++)
  {
    uint64_t from_ns = wcx_env_mono_ns();
    if (pwritev2(fd, &vec, 1, (off_t)(i % FILE_BLOCKS) * WRITE_SZ, RWF_DSYNC) != WRITE_SZ)
      WCX_DIE("%s: durable write: %s", run->file, strerror(errno));
    run->rtt_ns[i] = wcx_env_mono_ns() - from_ns;
  }
  free(block);
  close(fd);
  unlink(run->file);
}

/* --- main ---------------------------------------------------------------------------------------- */

static const char usage[] = "usage: wcx-rtt echo|order|tcp-echo|tcp-echo-server|write [options]\n"
                            "  echo              datagrams of an order's size to a port that echoes\n"
                            "  order             limit orders to the appliance, each canceled again\n"
                            "  tcp-echo          bytes as many as an order's to tcp-echo-server, which answers as many as an ExecutionReport_New's, until it is killed\n"
                            "  write             bare durable writes of 4 KiB into --file F, a new file on the disk of the journal\n"
                            "  --transport udp|tcp  of order (udp)\n"
                            "  --count N         timed round trips or writes (10000)\n"
                            "  --server A.B.C.D  (10.77.0.2)   --interface NAME   --port N  (7002; over TCP 7001)   --session N  with its development secret (5)\n"
                            "  --cpu N           where this process polls   --sleep  block instead of polling\n"
                            "  --hlog F          every round trip, as one interval of an HDR log\n";

/* The mode. */
static const char *parse(run_t *run, int argc, char **argv)
{
  static const struct option options[] = {{"server", 1, NULL, 's'},    {"interface", 1, NULL, 'i'}, {"port", 1, NULL, 'p'}, {"session", 1, NULL, 'S'},
                                          {"cpu", 1, NULL, 'c'},       {"count", 1, NULL, 'n'},     {"file", 1, NULL, 'f'}, {"sleep", 0, NULL, 'w'},
                                          {"transport", 1, NULL, 't'}, {"hlog", 1, NULL, 'h'},      WCX_WIRE_OPTIONS_END};
  for (int key; (key = getopt_long(argc, argv, "", options, NULL)) != -1;)
  {
    switch (key)
    {
    case 's':
      run->server = optarg;
      break;
    case 'i':
      run->interface = optarg;
      break;
    case 'p':
      run->port = (uint16_t)wcx_wire_number("port", optarg, 0, 65534);
      break;
    case 'S':
      run->session_id = wcx_wire_number("session", optarg, 0, UINT32_MAX);
      break;
    case 'c':
      run->cpu = (int)wcx_wire_number("cpu", optarg, 0, CPU_SETSIZE - 1);
      break;
    case 'n':
      run->count = wcx_wire_number("count", optarg, 1, 100000000);
      break;
    case 'f':
      run->file = optarg;
      break;
    case 'w':
      run->sleeps = true;
      break;
    case 'h':
      run->hlog = optarg;
      break;
    case 't':
      run->tcp = strcmp(optarg, "tcp") == 0;
      if (!run->tcp && strcmp(optarg, "udp") != 0)
        WCX_DIE("--transport %s: udp or tcp", optarg);
      break;
    default:
      wcx_wire_usage(usage, key);
    }
  }
  static const char *const modes[] = {"echo", "order", "tcp-echo", "tcp-echo-server", "write"};
  for (size_t i = 0; optind + 1 == argc && i < sizeof(modes) / sizeof(modes[0]); i++)
    if (strcmp(argv[optind], modes[i]) == 0)
      return argv[optind];
  wcx_wire_usage(usage, '?');
}

static void write_log(const run_t *run, const char *mode, uint64_t from_ns)
{
  static wcx_hdr_t hdr;
  wcx_hdr_log_t log;
  for (uint32_t i = run->warm; i < run->warm + run->count; i++)
    wcx_hdr_record(&hdr, run->rtt_ns[i], 1);
  if (wcx_hdr_log_open(&log, run->hlog, from_ns, "wcx-rtt") != 0)
    WCX_DIE("%s: %s", run->hlog, strerror(errno));
  wcx_hdr_log_interval(&log, mode, from_ns, wcx_env_utc_ns(), &hdr);
  if (wcx_hdr_log_close(&log) != 0)
    WCX_DIE("%s: %s", run->hlog, strerror(errno));
}

int main(int argc, char **argv)
{
  static run_t run = {.server = "10.77.0.2", .session_id = 5, .cpu = -1, .count = 10000};
  const char *mode = parse(&run, argc, argv);
  run.tcp = run.tcp || strncmp(mode, "tcp-", 4) == 0;
  if (run.port == 0)
    run.port = run.tcp ? 7001 : 7002;
  run.warm = run.count / 10;
  run.rtt_ns = calloc(run.count + run.warm, sizeof(uint64_t));
  WCX_CHECK(run.rtt_ns != NULL, "out of memory");
  pin(run.cpu);
  if (strcmp(mode, "tcp-echo-server") == 0)
    wcx_tcp_echo_serve(run.server, run.port, TCP_ORDER_SZ, TCP_ACK_SZ);
  uint64_t from_ns = wcx_env_utc_ns();
  bool is_wire = strcmp(mode, "write") != 0;
  if (is_wire)
    wcx_client_transport_init(&run.transport, run.interface, run.server, run.port, (uint16_t)(run.port + 1));
  if (strcmp(mode, "echo") == 0)
    run_echo(&run);
  else if (strcmp(mode, "tcp-echo") == 0)
    run_tcp_echo(&run);
  else if (strcmp(mode, "order") == 0)
    run_order(&run);
  else
    run_write(&run);
  if (is_wire)
    wcx_client_transport_close(&run.transport);
  if (run.hlog != NULL)
    write_log(&run, mode, from_ns);
  uint64_t *timed = run.rtt_ns + run.warm;
  qsort(timed, run.count, sizeof(uint64_t), compare);
  printf("{\"mode\":\"%s\",\"count\":%u,\"lost\":%u,\"refused\":%u,\"min_us\":%.2f,\"p50_us\":%.2f,\"p99_us\":%.2f,\"p999_us\":%.2f}\n", mode, run.count, run.lost_cnt,
         run.refused_cnt, (double)timed[0] / 1e3, (double)timed[run.count / 2] / 1e3, (double)timed[(uint64_t)run.count * 99 / 100] / 1e3,
         (double)timed[(uint64_t)run.count * 999 / 1000] / 1e3);
  free(run.rtt_ns);
  return run.lost_cnt + run.refused_cnt == 0 ? 0 : 1;
}
