/* wcx-gateway: the appliance's loop and engine behind kernel sockets: what a gateway without DPDK would be. A baseline, and a server for tests of load generators.

     wcx-gateway --secrets FILE [--address 127.0.0.1] [--port 7002] [--first 5] [--sessions 4] [--key-prefix DEMO-MM-] [--cpu N]

   One thread turns the loop of dataplane/loop.h at D0 (no journal), over UDP sockets that are asked without sleeping, recvmmsg in and sendmmsg out (port_socket.c); another
   one judges sign-ons, as wcx-auth does. No TCP, no snapshot channel; the feed leaves as multicast. Session N trades for account N on instrument 1.
   Prints "ready" once it serves; ends with SIGTERM or SIGINT. */
#include "bench/rig.h"
#include "bench/wire/args.h"
#include "bench/worker_rig.h"
#include "control/auth.h"
#include "dataplane/loop.h"
#include "engine/base/check.h"
#include "engine/base/env.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#define ORDERS_MAX 200000u
#define LEVELS_MAX 50000u
#define AUTH_WAIT_NS 100000000u

static atomic_bool is_stopping;

typedef struct gateway
{
  const char *address, *secrets_path, *key_prefix;
  uint16_t port;
  uint32_t first, session_cnt;
  int cpu;
  wcx_region_file_t file;
  wcx_secrets_t *secrets;
  wcx_auth_t *auth;
  wcx_loop_t *loop;
} gateway_t;

static void stop(int signal_number)
{
  (void)signal_number;
  atomic_store_explicit(&is_stopping, true, memory_order_relaxed);
}

static bool stopping(void)
{
  return atomic_load_explicit(&is_stopping, memory_order_relaxed);
}

static wcx_params_t *make_params(const gateway_t *gateway)
{
  wcx_params_t *params = wcx_worker_rig_params("/nowhere", gateway->cpu < 0 ? 0 : gateway->cpu, 1 << 20);
  struct in_addr address;
  if (inet_pton(AF_INET, gateway->address, &address) != 1)
    WCX_DIE("--address %s: not an IPv4 address", gateway->address);
  params->ip = ntohl(address.s_addr);
  params->order_udp_port = gateway->port;
  params->rerequest_udp_port = (uint16_t)(gateway->port + 1);
  params->order_tcp_port = 0;
  params->durability = WCX_DURABILITY_LEVEL_D0_NONE;
  params->establish_per_source_per_s = 10000;
  params->shards[0].orders_max = ORDERS_MAX;
  params->shards[0].levels_max = LEVELS_MAX;
  params->shards[0].outlog_sz = UINT64_C(512) << 20;
  params->shards[0].accounts_max = params->shards[0].sessions_max = WCX_PARAMS_SESSIONS_MAX;
  params->shards[0].retain_session_msgs = 4096;
  params->session_cnt = params->account_cnt = gateway->session_cnt;
  for (uint32_t i = 0; i < gateway->session_cnt; i++)
  {
    wcx_params_session_t *session = &params->sessions[i];
    *session = wcx_worker_rig_session(gateway->first + i, gateway->first + i, params->shards[0].shard);
    session->drop_copy = WCX_DROP_SESSION;
    char key[32];
    memset(session->access_key_id, ' ', sizeof(session->access_key_id));
    int len = snprintf(key, sizeof(key), "%s%u", gateway->key_prefix, session->session_id);
    if (len < 1 || (size_t)len > sizeof(session->access_key_id[0]))
      WCX_DIE("--key-prefix %s: an access key has at most %zu characters", gateway->key_prefix, sizeof(session->access_key_id[0]));
    memcpy(session->access_key_id[0], key, (size_t)len);
    params->accounts[i] = (wcx_account_definition_t){.account = session->account, .credit = WCX_CREDIT_UNLIMITED, .status = WCX_ACCOUNT_STATUS_ACTIVE};
  }
  params->instrument_cnt = 1;
  params->instruments[0] = wcx_rig_security(1, params->shards[0].shard);
  return params;
}

static void *judge(void *arg)
{
  gateway_t *gateway = arg;
  wcx_doorbell_t *bell = &wcx_region_shard(gateway->file.region, 0)->auth.bell;
  while (!stopping())
  {
    if (wcx_auth_step(gateway->auth, wcx_env_mono_ns()) > 0)
      continue;
    wcx_doorbell_prepare(bell);
    if (wcx_auth_step(gateway->auth, wcx_env_mono_ns()) > 0)
      wcx_doorbell_cancel(bell);
    else
      wcx_doorbell_wait(bell, AUTH_WAIT_NS);
  }
  return NULL;
}

static void turn_until_stopped(void *arg)
{
  gateway_t *gateway = arg;
  bool told = false;
  while (!stopping())
  {
    (void)wcx_loop_step(gateway->loop, wcx_env_mono_ns(), wcx_env_utc_ns());
    if (told || !wcx_loop_serving(gateway->loop))
      continue;
    printf("ready\n");
    fflush(stdout);
    told = true;
  }
}

static void pin(int cpu)
{
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET((size_t)cpu, &set);
  if (sched_setaffinity(0, sizeof(set), &set) != 0)
    WCX_DIE("CPU %d is not to be had", cpu);
}

/* The region is this process's alone: its name goes as soon as it is mapped. */
static void make_region(gateway_t *gateway)
{
  char path[64], err[512];
  wcx_params_t *params = make_params(gateway);
  snprintf(path, sizeof(path), "/dev/shm/wcx-gateway-%d", (int)getpid());
  if (!wcx_region_create(&gateway->file, path, params, err, sizeof(err)))
    WCX_DIE("%s", err);
  unlink(path);
  free(params);
  gateway->secrets = wcx_secrets_load(gateway->secrets_path, false, err, sizeof(err));
  if (gateway->secrets == NULL)
    WCX_DIE("%s", err);
  gateway->auth = wcx_auth_new(gateway->file.region, gateway->secrets, err, sizeof(err));
  if (gateway->auth == NULL)
    WCX_DIE("%s", err);
}

static void serve(gateway_t *gateway)
{
  const wcx_params_t *params = &gateway->file.region->params;
  const char *error = wcx_loop_params_error(params, 0);
  char device[64];
  pthread_t judging;
  WCX_CHECK(error == NULL, "%s", error);
  if (pthread_create(&judging, NULL, judge, gateway) != 0)
    WCX_DIE("no thread for sign-ons");
  if (gateway->cpu >= 0)
    pin(gateway->cpu);
  snprintf(device, sizeof(device), "%s:%u", gateway->address, gateway->port);
  wcx_port_t *port = wcx_port_open(WCX_PORT_AF_PACKET, device, 0, false);
  wcx_loop_config_t config = {.region = gateway->file.region, .port = port, .mem_sz = wcx_loop_footprint(params, 0)};
  config.mem = wcx_rig_map(config.mem_sz);
  wcx_env_random(&config.hash_key, sizeof(config.hash_key));
  gateway->loop = wcx_loop_new(&config);
  wcx_port_run(port, turn_until_stopped, gateway);
  pthread_join(judging, NULL);
  wcx_port_close(port);
}

static const char usage[] = "usage: wcx-gateway --secrets FILE [options]\n"
                            "  --secrets FILE     'ACCESSKEY: secret' a line; the key of session N is PREFIX with N behind it\n"
                            "  --key-prefix TEXT  (DEMO-MM-)   --first N  the first session (5)   --sessions N  (4)\n"
                            "  --address A.B.C.D  (127.0.0.1)  --port N  order entry; re-requests on the next one (7002)\n"
                            "  --cpu N            where the loop polls\n";

static void parse(gateway_t *gateway, int argc, char **argv)
{
  static const struct option options[] = {{"secrets", 1, NULL, 'k'},  {"address", 1, NULL, 'a'},    {"port", 1, NULL, 'p'}, {"first", 1, NULL, 'f'},
                                          {"sessions", 1, NULL, 's'}, {"key-prefix", 1, NULL, 'x'}, {"cpu", 1, NULL, 'c'},  WCX_WIRE_OPTIONS_END};
  for (int key; (key = getopt_long(argc, argv, "", options, NULL)) != -1;)
  {
    switch (key)
    {
    case 'k':
      gateway->secrets_path = optarg;
      break;
    case 'a':
      gateway->address = optarg;
      break;
    case 'p':
      gateway->port = (uint16_t)wcx_wire_number("port", optarg, 1, 65534);
      break;
    case 'f':
      gateway->first = wcx_wire_number("first", optarg, 1, UINT32_MAX - WCX_PARAMS_SESSIONS_MAX);
      break;
    case 's':
      gateway->session_cnt = wcx_wire_number("sessions", optarg, 1, WCX_PARAMS_SESSIONS_MAX);
      break;
    case 'x':
      gateway->key_prefix = optarg;
      break;
    case 'c':
      gateway->cpu = (int)wcx_wire_number("cpu", optarg, 0, CPU_SETSIZE - 1);
      break;
    default:
      wcx_wire_usage(usage, key);
    }
  }
  if (gateway->secrets_path == NULL || optind < argc)
    wcx_wire_usage(usage, '?');
}

int main(int argc, char **argv)
{
  static gateway_t gateway = {.address = "127.0.0.1", .key_prefix = "DEMO-MM-", .port = 7002, .first = 5, .session_cnt = 4, .cpu = -1};
  parse(&gateway, argc, argv);
  struct sigaction action = {.sa_handler = stop};
  sigaction(SIGTERM, &action, NULL);
  sigaction(SIGINT, &action, NULL);
  make_region(&gateway);
  serve(&gateway);
  wcx_auth_free(gateway.auth);
  wcx_secrets_free(gateway.secrets);
  wcx_region_close(&gateway.file);
  return 0;
}
