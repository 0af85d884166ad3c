/* wcx-crowd: what a crowd of TCP connections, some of whom do not read, costs those who trade.

     wcx-crowd --secrets FILE [--fast 20] [--slow 100] [--idle 880] [--count 20000] [--server A.B.C.D] [--interface NAME] [--cpu N]

   Session n signs on with AccessKeyID BENCH-n, whose secret stands in FILE. First the fast ones alone, one round trip after the other, in turn: an order sent ->
   its ExecutionReport_New; each order is canceled again, untimed. Then the idle ones (order entry, silent, what comes is read now and then) and the slow
   ones (feed replay from number 1 on, never reading, a small receive buffer) connect, the slow ones are fed until they are full, and the fast ones go on.
   Prints one JSON line. Exit status 1 when an order was lost or refused, or somebody of the crowd was not there to the end. */
#include "bench/wire/args.h"
#include "dataplane/client/orders.h"
#include "dataplane/client/wire.h"
#include "engine/base/check.h"
#include "engine/base/env.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define ORDER_PORT 7001u
#define REPLAY_PORT 7006u
#define FAST_MAX 100u
#define PEERS_MAX 4096u
#define SECRET_SZ 65u
#define WAIT_NS UINT64_C(1000000000)
#define SIGN_ON_NS UINT64_C(10000000000)
#define SLOW_BUFFER 4096     /* bytes a slow one's kernel keeps for it, as far as it can be made small */
#define FILL_TRIPS 2000u     /* orders whose feed fills what the appliance and a slow one's kernel hold for it several times */
#define KEEP_ALIVE_MS 60000u /* an idle one says nothing for as long as this takes */
#define DRAINED_PER_TRIP 1u

typedef struct fast
{
  wcx_client_transport_t transport;
  wcx_client_session_t session;
  wcx_client_wire_t wire;
  struct crowd *crowd;
} fast_t;

typedef struct crowd
{
  const char *server, *interface, *secrets_file;
  int cpu;
  uint32_t fast_cnt, slow_cnt, idle_cnt, count;
  char (*secrets)[SECRET_SZ]; /* by session */
  fast_t *fast;
  int peers[PEERS_MAX]; /* idle ones, then slow ones */
  uint32_t peer_cnt, drained;
  uint64_t *rtt_ns;
  uint64_t wanted_id;
  uint32_t answer_cnt, refused_cnt, lost_cnt, gone_cnt;
} crowd_t;

typedef struct figures
{
  double min_us, p50_us, p99_us;
} figures_t;

static int compare(const void *a, const void *b)
{
  uint64_t x = *(const uint64_t *)a;
  uint64_t y = *(const uint64_t *)b;
  return (x > y) - (x < y);
}

/* --- those who trade ------------------------------------------------------------------------------ */

static void on_decided(void *ctx, const wcx_client_request_t *request, const void *message, size_t sz, uint64_t now_ns)
{
  (void)now_ns;
  crowd_t *crowd = ((fast_t *)ctx)->crowd;
  uint16_t template_id = message == NULL ? 0 : wcx_client_message_template(message, sz);
  crowd->refused_cnt += template_id != WCX_TEMPLATE_EXECUTION_REPORT_NEW && template_id != WCX_TEMPLATE_EXECUTION_REPORT_CANCEL;
  crowd->answer_cnt += request->cl_ord_id == crowd->wanted_id;
}

static void serve_until(fast_t *fast, enum wcx_client_state state)
{
  uint64_t from_ns = wcx_env_mono_ns();
  while (fast->session.state != state)
  {
    wcx_client_transport_wait(&fast->transport, 1000);
    wcx_client_wire_turn(&fast->wire, wcx_env_mono_ns());
    if (wcx_env_mono_ns() - from_ns > SIGN_ON_NS)
      WCX_DIE("session %u does not sign on or off (state %d, reject code %u)", fast->session.config.session_id, (int)fast->session.state, fast->session.reject_code);
  }
}

static void open_fast(crowd_t *crowd, uint32_t idx)
{
  fast_t *fast = &crowd->fast[idx];
  uint32_t session_id = idx + 1;
  wcx_client_session_config_t config = {
      .session_id = session_id, .transport = WCX_CLIENT_TCP, .server_port = ORDER_PORT, .keep_alive_ms = KEEP_ALIVE_MS, .ctx = fast, .on_decided = on_decided};
  snprintf(config.access_key_id, sizeof(config.access_key_id), "BENCH-%u", session_id);
  snprintf(config.user, sizeof(config.user), "mm%u", session_id % 10000);
  memcpy(config.secret, crowd->secrets[session_id], SECRET_SZ);
  fast->crowd = crowd;
  wcx_client_transport_init(&fast->transport, crowd->interface, crowd->server, ORDER_PORT, ORDER_PORT);
  wcx_client_wire_open(&fast->wire, &fast->transport, &fast->session, &config);
  wcx_client_session_open(&fast->session, wcx_env_mono_ns());
  serve_until(fast, WCX_CLIENT_READY);
}

static uint64_t request(crowd_t *crowd, fast_t *fast, const uint8_t *message, size_t sz, uint64_t cl_ord_id)
{
  crowd->wanted_id = cl_ord_id;
  crowd->answer_cnt = 0;
  uint64_t sent_ns = wcx_env_mono_ns();
  uint64_t now_ns = sent_ns;
  if (!wcx_client_session_request(&fast->session, now_ns, message, sz, 0))
    WCX_DIE("session %u was ended by the appliance", fast->session.config.session_id);
  wcx_client_session_flush(&fast->session, now_ns);
  for (; crowd->answer_cnt == 0 && now_ns - sent_ns < WAIT_NS; now_ns = wcx_env_mono_ns())
  {
    wcx_client_wire_take(&fast->wire, now_ns);
    if (crowd->answer_cnt == 0)
      wcx_client_session_step(&fast->session, now_ns);
  }
  crowd->lost_cnt += crowd->answer_cnt == 0;
  if (crowd->lost_cnt > 10)
    WCX_DIE("orders of session %u are not answered", fast->session.config.session_id);
  return now_ns - sent_ns;
}

/* An order and its cancel; returns the round trip of the order. */
static uint64_t trip(crowd_t *crowd, fast_t *fast)
{
  uint8_t message[WCX_CLIENT_REQUEST_SZ_MAX];
  uint32_t session_id = fast->session.config.session_id;
  uint64_t new_id = wcx_client_session_next_id(&fast->session);
  wcx_new_order_single_t order = wcx_client_limit_order(new_id, session_id, 1, WCX_SIDE_BUY, 100, 1, WCX_TIME_IN_FORCE_GTC);
  uint64_t rtt_ns = request(crowd, fast, message, wcx_client_put_new(message, &order), new_id);
  uint64_t cancel_id = wcx_client_session_next_id(&fast->session);
  (void)request(crowd, fast, message, wcx_client_put_cancel(message, cancel_id, new_id, 1), cancel_id);
  return rtt_ns;
}

/* --- those who are there ---------------------------------------------------------------------------- */

/* Receive until a packet of `type` is whole; what comes before it is skipped. */
static void await_packet(const crowd_t *crowd, int fd, uint32_t session_id, char type)
{
  uint8_t packet[2 + 2048];
  for (;;)
  {
    size_t have = 0;
    size_t want = 2;
    while (have < want)
    {
      ssize_t got = recv(fd, packet + have, want - have, 0);
      if (got <= 0)
        WCX_DIE("session %u at %s: no '%c' comes (%s)", session_id, crowd->server, type, got == 0 ? "the connection was ended" : strerror(errno));
      have += (size_t)got;
      if (have == 2)
        want = 2u + ((uint32_t)packet[0] << 8 | packet[1]);
      WCX_CHECK(want <= sizeof(packet), "a packet of %zu bytes", want);
    }
    if (packet[2] == (uint8_t)type)
      return;
  }
}

static void send_packet(int fd, char type, const void *payload, size_t sz)
{
  uint8_t packet[3 + 256];
  WCX_CHECK(sz <= 256, "a packet of %zu bytes", sz);
  packet[0] = (uint8_t)((sz + 1) >> 8);
  packet[1] = (uint8_t)(sz + 1);
  packet[2] = (uint8_t)type;
  memcpy(packet + 3, payload, sz);
  if (send(fd, packet, 3 + sz, MSG_NOSIGNAL) != (ssize_t)(3 + sz))
    WCX_DIE("sending a sign-on: %s", strerror(errno));
}

static int dial(const crowd_t *crowd, uint16_t port, int receive_buffer)
{
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
  if (inet_pton(AF_INET, crowd->server, &to.sin_addr) != 1)
    WCX_DIE("server address '%s' is not an IPv4 address: give --server a.b.c.d", crowd->server);
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  struct timeval patience = {.tv_sec = 10};
  if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) != 0)
    WCX_DIE("socket: %s (ulimit -n?)", strerror(errno));
  /* As the fast ones: to the kernel a bound and an unbound socket differ, it would give both the same port, and the second one's SYN ends the first one's connection. */
  if (setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, crowd->interface, (socklen_t)strlen(crowd->interface)) != 0)
    WCX_DIE("binding a socket to interface '%s': %s", crowd->interface, strerror(errno));
  if (receive_buffer > 0 && setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof(receive_buffer)) != 0)
    WCX_DIE("SO_RCVBUF: %s", strerror(errno));
  if (connect(fd, (struct sockaddr *)&to, sizeof(to)) != 0)
    WCX_DIE("connecting to %s:%u: %s", crowd->server, port, strerror(errno));
  return fd;
}

/* Connect, log in, establish. */
static int sign_on(const crowd_t *crowd, uint32_t session_id, uint16_t port, bool is_slow)
{
  int fd = dial(crowd, port, is_slow ? SLOW_BUFFER : 0);
  char login[6 + 10 + 10 + 20 + 1];
  snprintf(login, sizeof(login), "mm%-4u%-10s%-10s%20u", session_id % 10000, "any", "", is_slow ? 1u : 0u);
  send_packet(fd, 'L', login, sizeof(login) - 1);
  await_packet(crowd, fd, session_id, 'A');
  uint64_t now_ns = wcx_env_utc_ns();
  wcx_establish_t establish = {.session_id = session_id,
                               .uuid = now_ns,
                               .request_timestamp = now_ns,
                               .next_client_seq_no = 1,
                               .keep_alive_interval = KEEP_ALIVE_MS,
                               .hmac_version = 1,
                               .schema_version = WCX_SCHEMA_VERSION};
  char key[sizeof(establish.access_key_id) + 1];
  snprintf(key, sizeof(key), "BENCH-%-*u", (int)sizeof(establish.access_key_id) - 6, session_id);
  memcpy(establish.access_key_id, key, sizeof(establish.access_key_id));
  wcx_client_sign(&establish, crowd->secrets[session_id], WCX_CLIENT_TCP, port);
  uint8_t message[sizeof(wcx_message_header_t) + sizeof(establish)];
  send_packet(fd, 'U', message, wcx_client_message_write(message, WCX_TEMPLATE_ESTABLISH, &establish, sizeof(establish)));
  await_packet(crowd, fd, session_id, 'S');
  return fd;
}

static void gather(crowd_t *crowd)
{
  uint32_t session_id = crowd->fast_cnt;
  for (uint32_t i = 0; i < crowd->idle_cnt + crowd->slow_cnt; i++)
  {
    bool is_slow = i >= crowd->idle_cnt;
    crowd->peers[crowd->peer_cnt++] = sign_on(crowd, ++session_id, is_slow ? REPLAY_PORT : ORDER_PORT, is_slow);
  }
  for (uint32_t i = 0; i < FILL_TRIPS && crowd->slow_cnt > 0; i++)
    (void)trip(crowd, &crowd->fast[i % crowd->fast_cnt]);
}

/* Heartbeats of idle ones, a few at a time. */
static void drain_some(crowd_t *crowd)
{
  uint8_t bytes[512];
  for (uint32_t i = 0; i < DRAINED_PER_TRIP && crowd->peer_cnt > 0 && crowd->idle_cnt > 0; i++)
  {
    crowd->drained = crowd->drained + 1 < crowd->idle_cnt ? crowd->drained + 1 : 0;
    crowd->gone_cnt += recv(crowd->peers[crowd->drained], bytes, sizeof(bytes), MSG_DONTWAIT) == 0;
  }
}

/* Nobody was sent away, and no slow one was read for. Returns the fewest bytes that wait for a slow one. */
static int look_around(crowd_t *crowd)
{
  int least = 0;
  for (uint32_t i = 0; i < crowd->peer_cnt; i++)
  {
    struct tcp_info info;
    socklen_t sz = sizeof(info);
    bool stands = getsockopt(crowd->peers[i], IPPROTO_TCP, TCP_INFO, &info, &sz) == 0 && info.tcpi_state == TCP_ESTABLISHED;
    crowd->gone_cnt += !stands;
    int waiting = 0;
    if (i >= crowd->idle_cnt && ioctl(crowd->peers[i], FIONREAD, &waiting) == 0)
      least = i == crowd->idle_cnt || waiting < least ? waiting : least;
  }
  return least;
}

/* --- measuring -------------------------------------------------------------------------------------- */

static figures_t measure(crowd_t *crowd)
{
  uint32_t warm = crowd->count / 10;
  for (uint32_t i = 0; i < crowd->count + warm; i++)
  {
    uint64_t rtt_ns = trip(crowd, &crowd->fast[i % crowd->fast_cnt]);
    if (i >= warm)
      crowd->rtt_ns[i - warm] = rtt_ns;
    drain_some(crowd);
  }
  qsort(crowd->rtt_ns, crowd->count, sizeof(uint64_t), compare);
  return (figures_t){
      .min_us = (double)crowd->rtt_ns[0] / 1e3, .p50_us = (double)crowd->rtt_ns[crowd->count / 2] / 1e3, .p99_us = (double)crowd->rtt_ns[(uint64_t)crowd->count * 99 / 100] / 1e3};
}

static void read_secrets(crowd_t *crowd, uint32_t session_max)
{
  FILE *file = fopen(crowd->secrets_file, "re");
  if (file == NULL)
    WCX_DIE("--secrets %s: %s", crowd->secrets_file, strerror(errno));
  char line[256];
  uint32_t found = 0;
  while (fgets(line, sizeof(line), file) != NULL)
  {
    unsigned session_id;
    char secret[SECRET_SZ];
    if (sscanf(line, "BENCH-%u: %64s", &session_id, secret) == 2 && session_id >= 1 && session_id <= session_max)
    {
      memcpy(crowd->secrets[session_id], secret, SECRET_SZ);
      found++;
    }
  }
  fclose(file);
  if (found != session_max)
    WCX_DIE("--secrets %s: holds %u of the keys BENCH-1 to BENCH-%u", crowd->secrets_file, found, session_max);
}

static const char usage[] = "usage: wcx-crowd --secrets FILE [options]\n"
                            "  --secrets FILE     a line 'BENCH-n: secret' for every session\n"
                            "  --fast N           connections that trade, one round trip after the other (20)\n"
                            "  --slow N           that replay the feed and do not read (100)   --idle N  that are silent (880)\n"
                            "  --count N          timed round trips alone and among the others (20000)\n"
                            "  --server A.B.C.D   (10.77.0.2)   --interface NAME   --cpu N  where this process polls\n";

static void parse(crowd_t *crowd, int argc, char **argv)
{
  static const struct option options[] = {{"secrets", 1, NULL, 'k'}, {"fast", 1, NULL, 'f'},      {"slow", 1, NULL, 's'}, {"idle", 1, NULL, 'd'}, {"count", 1, NULL, 'n'},
                                          {"server", 1, NULL, 'a'},  {"interface", 1, NULL, 'i'}, {"cpu", 1, NULL, 'c'},  WCX_WIRE_OPTIONS_END};
  for (int key; (key = getopt_long(argc, argv, "", options, NULL)) != -1;)
  {
    switch (key)
    {
    case 'k':
      crowd->secrets_file = optarg;
      break;
    case 'f':
      crowd->fast_cnt = wcx_wire_number("fast", optarg, 1, FAST_MAX);
      break;
    case 's':
      crowd->slow_cnt = wcx_wire_number("slow", optarg, 0, PEERS_MAX / 2);
      break;
    case 'd':
      crowd->idle_cnt = wcx_wire_number("idle", optarg, 0, PEERS_MAX / 2);
      break;
    case 'n':
      crowd->count = wcx_wire_number("count", optarg, 100, 10000000);
      break;
    case 'a':
      crowd->server = optarg;
      break;
    case 'i':
      crowd->interface = optarg;
      break;
    case 'c':
      crowd->cpu = (int)wcx_wire_number("cpu", optarg, 0, CPU_SETSIZE - 1);
      break;
    default:
      wcx_wire_usage(usage, key);
    }
  }
  if (crowd->secrets_file == NULL || optind < argc)
    wcx_wire_usage(usage, '?');
}

int main(int argc, char **argv)
{
  static crowd_t crowd = {.server = "10.77.0.2", .cpu = -1, .fast_cnt = 20, .slow_cnt = 100, .idle_cnt = 880, .count = 20000};
  parse(&crowd, argc, argv);
  uint32_t session_max = crowd.fast_cnt + crowd.slow_cnt + crowd.idle_cnt;
  crowd.secrets = calloc(session_max + 1, SECRET_SZ);
  crowd.fast = calloc(crowd.fast_cnt, sizeof(fast_t));
  crowd.rtt_ns = calloc(crowd.count, sizeof(uint64_t));
  WCX_CHECK(crowd.secrets != NULL && crowd.fast != NULL && crowd.rtt_ns != NULL, "out of memory");
  read_secrets(&crowd, session_max);
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET((size_t)(crowd.cpu < 0 ? 0 : crowd.cpu), &set);
  if (crowd.cpu >= 0 && sched_setaffinity(0, sizeof(set), &set) != 0)
    WCX_DIE("--cpu %d: %s", crowd.cpu, strerror(errno));
  for (uint32_t i = 0; i < crowd.fast_cnt; i++)
    open_fast(&crowd, i);
  figures_t alone = measure(&crowd);
  gather(&crowd);
  figures_t among = measure(&crowd);
  int unread = look_around(&crowd);
  for (uint32_t i = 0; i < crowd.peer_cnt; i++)
    close(crowd.peers[i]);
  for (uint32_t i = 0; i < crowd.fast_cnt; i++)
  {
    wcx_client_session_terminate(&crowd.fast[i].session, wcx_env_mono_ns());
    serve_until(&crowd.fast[i], WCX_CLIENT_CLOSED);
    wcx_client_session_free(&crowd.fast[i].session);
    wcx_client_transport_close(&crowd.fast[i].transport);
  }
  printf(
      "{\"fast\":%u,\"slow\":%u,\"idle\":%u,\"count\":%u,\"lost\":%u,\"refused\":%u,\"gone\":%u,\"slow_unread_min\":%d,\"alone\":{\"min_us\":%.2f,\"p50_us\":%.2f,\"p99_us\":%.2f},"
      "\"among\":{\"min_us\":%.2f,\"p50_us\":%.2f,\"p99_us\":%.2f},\"p50_ratio\":%.3f,\"p99_ratio\":%.3f}\n",
      crowd.fast_cnt, crowd.slow_cnt, crowd.idle_cnt, crowd.count, crowd.lost_cnt, crowd.refused_cnt, crowd.gone_cnt, unread, alone.min_us, alone.p50_us, alone.p99_us,
      among.min_us, among.p50_us, among.p99_us, among.p50_us / alone.p50_us, among.p99_us / alone.p99_us);
  free(crowd.rtt_ns);
  free(crowd.fast);
  free(crowd.secrets);
  return crowd.lost_cnt + crowd.refused_cnt + crowd.gone_cnt == 0 ? 0 : 1;
}
