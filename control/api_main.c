/* wcx-api: answers wcxctl on the control socket and probes and Prometheus over HTTP. What it may write into the region: api.h. */
#include "control/api.h"
#include "control/log.h"
#include "engine/base/check.h"
#include "engine/base/env.h"

#include <argp.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>

#define OPT_CONTROL_DIR 1
#define OPT_IP 2
#define OPT_PORT 3
#define STEP_MS 200
#define HTTP_RETRY_NS UINT64_C(1000000000)

typedef struct options
{
  const char *region;
  const char *control_dir;
  const char *ip;
  unsigned long port;
} options_t;

static volatile sig_atomic_t stopping;

static void on_stop(int signal_no)
{
  (void)signal_no;
  stopping = 1;
}

static const struct argp_option argp_options[] = {{"region", 'r', "PATH", 0, "the shared region", 0},
                                                  {"control-dir", OPT_CONTROL_DIR, "DIR", 0, "folder of the control socket", 0},
                                                  {"listen-ip", OPT_IP, "ADDRESS", 0, "IPv4 address of HTTP", 0},
                                                  {"listen-tcp-port", OPT_PORT, "PORT", 0, "of HTTP, 1..65535", 0},
                                                  {0}};

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
  options_t *options = state->input;
  switch (key)
  {
  case 'r':
    options->region = arg;
    return 0;
  case OPT_CONTROL_DIR:
    options->control_dir = arg;
    return 0;
  case OPT_IP:
    options->ip = arg;
    return 0;
  case OPT_PORT:
  {
    char *end;
    options->port = strtoul(arg, &end, 10);
    if (arg[0] < '0' || arg[0] > '9' || *end != '\0' || options->port == 0 || options->port > 65535)
      argp_error(state, "--listen-tcp-port %s: 1..65535", arg);
    return 0;
  }
  case ARGP_KEY_END:
    if (options->region == NULL || options->control_dir == NULL || options->ip == NULL || options->port == 0)
      argp_error(state, "--region, --control-dir, --listen-ip and --listen-tcp-port are needed");
    return 0;
  default:
    return ARGP_ERR_UNKNOWN;
  }
}

/* A busy port is no reason to be without the control socket: say it once and try again every second. */
static wcx_api_http_t *try_http(const options_t *options, const wcx_region_file_t *file, bool *complained)
{
  char err[256];
  wcx_api_http_t *http = wcx_api_http_open(options->ip, (uint16_t)options->port, file, err, sizeof(err));
  if (http != NULL)
    wcx_log_info("http open", "http://%s:%lu /healthz /readyz /metrics", options->ip, options->port);
  else if (!*complained)
    wcx_log_alarm("http closed", "%s; trying again every second", err);
  *complained = http == NULL;
  return http;
}

int main(int argc, char **argv)
{
  options_t options = {0};
  const struct argp argp = {.options = argp_options, .parser = parse_option, .doc = "wcx-api: status, health and metrics (started by wcx-controld)"};
  argp_parse(&argp, argc, argv, 0, NULL, &options);
  wcx_log_name("wcx-api");
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
    WCX_DIE("cannot give up privileges: %s", strerror(errno));

  char err[512];
  wcx_region_file_t file;
  if (wcx_region_open(&file, options.region, true, err, sizeof(err)) != WCX_REGION_OK)
    WCX_DIE("wcx-api: %s", err);
  if (!wcx_region_lock(&file, WCX_REGION_LOCK_API))
    WCX_DIE("wcx-api: another one runs on %s: stop it first", options.region);
  wcx_api_socket_t *socket = wcx_api_socket_open(options.control_dir, err, sizeof(err));
  if (socket == NULL)
    WCX_DIE("wcx-api: %s", err);
  struct sigaction action = {.sa_handler = on_stop};
  sigaction(SIGTERM, &action, NULL);
  sigaction(SIGINT, &action, NULL);

  bool complained = false;
  wcx_api_http_t *http = NULL;
  uint64_t retry_ns = 0;
  wcx_log_info("started", "control socket %s/control.sock", options.control_dir);
  while (!stopping)
  {
    uint64_t now_ns = wcx_env_mono_ns();
    if (http == NULL && now_ns >= retry_ns)
    {
      http = try_http(&options, &file, &complained);
      retry_ns = now_ns + HTTP_RETRY_NS;
    }
    wcx_api_socket_step(socket, &file, STEP_MS);
  }
  wcx_api_http_close(http);
  wcx_api_socket_close(socket);
  wcx_region_close(&file);
  wcx_log_info("stopped", "nothing left");
  return 0;
}
