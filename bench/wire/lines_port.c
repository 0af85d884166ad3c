/* The lines of wcx-wire: one DPDK port, a UDP port of ours for each session. */
#include "bench/wire/lines.h"

#include "bench/wire/port_client.h"
#include "dataplane/port_dpdk.h"
#include "engine/base/check.h"
#include "engine/base/env.h"

#include <arpa/inet.h>
#include <unistd.h>

#define CLOCK_NS UINT64_C(100000000) /* from one reading of the device's clock to the next */
#define LOOK_US 50u
#define BURSTS_MAX 16u /* a take, as of a socket */

typedef struct line
{
  struct wcx_lines *lines;
  wcx_client_session_t *session;
  uint16_t our_port;
} line_t;

struct wcx_lines
{
  wcx_lines_config_t config;
  wcx_port_client_t client;
  uint32_t opened_cnt;
  uint64_t clock_read_ns;
  line_t *lines;
  char stamps[256];
};

const bool wcx_lines_are_dpdk = true;

static uint32_t address_of(const char *option, const char *text)
{
  struct in_addr address;
  if (inet_pton(AF_INET, text, &address) != 1)
    WCX_DIE("--%s %s: not an IPv4 address", option, text);
  return ntohl(address.s_addr);
}

static void on_datagram(void *ctx, uint64_t now_ns, uint16_t to_port, const void *payload, size_t sz)
{
  const wcx_lines_t *lines = ctx;
  uint32_t idx = to_port - WCX_PORT_CLIENT_PORT;
  wcx_client_session_datagram(lines->lines[idx].session, now_ns, payload, sz);
}

static void describe_stamps(wcx_lines_t *lines)
{
  const char *unstamped = wcx_port_unstamped(lines->client.port);
  if (unstamped == NULL)
    snprintf(lines->stamps, sizeof(lines->stamps),
             "hardware: an answer by the clock of port %s, held against this process's; a request by the latter, before it is given to the port", lines->config.device);
  else
    snprintf(lines->stamps, sizeof(lines->stamps), "software (port %s: %s): this process's clock, read before a request is given to the port and when its answer was taken from it",
             lines->config.device, unstamped);
}

wcx_lines_t *wcx_lines_new(const wcx_lines_config_t *config)
{
  wcx_lines_t *lines = calloc(1, sizeof(*lines));
  WCX_CHECK(lines != NULL, "out of memory");
  *lines = (wcx_lines_t){.config = *config, .lines = calloc(config->cnt, sizeof(*lines->lines))};
  WCX_CHECK(lines->lines != NULL, "out of memory");
  lines->client.ctx = lines;
  lines->client.on_datagram = on_datagram;
  uint32_t ours = address_of("address", config->address);
  wcx_port_client_use(&lines->client, wcx_port_open_named(config->device, (uint32_t)config->cpu), ours, address_of("server", config->server));
  wcx_port_read_clock(lines->client.port);
  describe_stamps(lines);
  return lines;
}

void wcx_lines_free(wcx_lines_t *lines)
{
  wcx_port_client_close(&lines->client);
  free(lines->lines);
  free(lines);
}

void wcx_lines_run(wcx_lines_t *lines, void (*fn)(void *arg), void *arg)
{
  wcx_port_run(lines->client.port, fn, arg);
}

static void on_send(void *ctx, enum wcx_client_port port, const void *datagram, size_t sz)
{
  const line_t *line = ctx;
  uint16_t to = line->lines->config.port;
  wcx_port_client_send_from(&line->lines->client, line->our_port, port == WCX_CLIENT_PORT_ORDER ? to : (uint16_t)(to + 1), datagram, sz);
}

void wcx_lines_open(wcx_lines_t *lines, uint32_t idx, wcx_client_session_t *session, const wcx_client_session_config_t *config)
{
  WCX_CHECK(idx == lines->opened_cnt, "line %u behind %u", idx, lines->opened_cnt);
  line_t *line = &lines->lines[lines->opened_cnt++];
  *line = (line_t){.lines = lines, .session = session, .our_port = (uint16_t)(WCX_PORT_CLIENT_PORT + idx)};
  lines->client.port_cnt = lines->opened_cnt;
  wcx_client_session_config_t full = *config;
  full.wire = line;
  full.send = on_send;
  wcx_client_session_init(session, &full);
}

bool wcx_lines_find(wcx_lines_t *lines, uint64_t patience_ns)
{
  return wcx_port_client_find(&lines->client, patience_ns);
}

void wcx_lines_settle(wcx_lines_t *lines)
{
  wcx_port_read_clock(lines->client.port);
}

void wcx_lines_take(wcx_lines_t *lines, uint64_t now_ns)
{
  for (uint32_t bursts = 0; bursts < BURSTS_MAX; bursts++)
    if (wcx_port_client_take(&lines->client, now_ns) < WCX_PORT_BURST_MAX)
      break;
}

uint64_t wcx_lines_came_ns(const wcx_lines_t *lines)
{
  return lines->client.came_ns != 0 ? lines->client.came_ns : wcx_env_mono_ns();
}

void wcx_lines_wait(wcx_lines_t *lines, uint64_t timeout_ns)
{
  (void)lines;
  usleep(timeout_ns / 1000 < LOOK_US ? (useconds_t)(timeout_ns / 1000) : LOOK_US);
}

void wcx_lines_rest(wcx_lines_t *lines, uint64_t now_ns)
{
  if (now_ns - lines->clock_read_ns < CLOCK_NS)
    return;
  wcx_port_read_clock(lines->client.port);
  lines->clock_read_ns = now_ns;
}

uint64_t wcx_lines_unsent(const wcx_lines_t *lines)
{
  return lines->client.unsent_cnt;
}

uint64_t wcx_lines_lost(const wcx_lines_t *lines)
{
  return wcx_port_missed(lines->client.port);
}

const char *wcx_lines_stamps(const wcx_lines_t *lines)
{
  return lines->stamps;
}
