/* The lines of wcx-bench: a kernel socket for each session, asked without sleeping. */
#include "bench/wire/lines.h"

#include "dataplane/client/wire.h"
#include "engine/base/check.h"
#include "engine/base/env.h"

#include <errno.h>
#include <linux/sock_diag.h>
#include <sys/epoll.h>
#include <unistd.h>

#define POLLED_MAX 2u /* so many sockets are asked in turn; more are waited for together */
#define EVENTS_MAX 64

typedef struct line
{
  wcx_client_transport_t transport;
  wcx_client_wire_t wire;
} line_t;

struct wcx_lines
{
  wcx_lines_config_t config;
  uint32_t opened_cnt;
  int epoll_fd;
  line_t *lines;
};

const bool wcx_lines_are_dpdk = false;

wcx_lines_t *wcx_lines_new(const wcx_lines_config_t *config)
{
  wcx_lines_t *lines = calloc(1, sizeof(*lines));
  WCX_CHECK(lines != NULL, "out of memory");
  *lines = (wcx_lines_t){.config = *config, .epoll_fd = -1, .lines = calloc(config->cnt, sizeof(*lines->lines))};
  WCX_CHECK(lines->lines != NULL, "out of memory");
  return lines;
}

void wcx_lines_free(wcx_lines_t *lines)
{
  for (uint32_t i = 0; i < lines->opened_cnt; i++)
    wcx_client_transport_close(&lines->lines[i].transport);
  if (lines->epoll_fd >= 0)
    close(lines->epoll_fd);
  free(lines->lines);
  free(lines);
}

void wcx_lines_run(wcx_lines_t *lines, void (*fn)(void *arg), void *arg)
{
  (void)lines;
  fn(arg);
}

void wcx_lines_open(wcx_lines_t *lines, uint32_t idx, wcx_client_session_t *session, const wcx_client_session_config_t *config)
{
  WCX_CHECK(idx == lines->opened_cnt, "line %u behind %u", idx, lines->opened_cnt);
  line_t *line = &lines->lines[lines->opened_cnt++];
  wcx_client_transport_init(&line->transport, lines->config.interface, lines->config.server, lines->config.port, (uint16_t)(lines->config.port + 1));
  wcx_client_wire_open(&line->wire, &line->transport, session, config);
}

bool wcx_lines_find(wcx_lines_t *lines, uint64_t patience_ns)
{
  (void)lines;
  (void)patience_ns;
  return true; /* who is not there does not answer a sign-on either */
}

/* Not before: a session over TCP has its socket by now. */
void wcx_lines_settle(wcx_lines_t *lines)
{
  if (lines->config.cnt <= POLLED_MAX && !lines->config.sleeps)
    return;
  lines->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  WCX_CHECK(lines->epoll_fd >= 0, "epoll_create1: %s", strerror(errno));
  for (uint32_t i = 0; i < lines->config.cnt; i++)
  {
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = i};
    int fd = lines->lines[i].transport.fds[lines->lines[i].wire.socket_idx];
    if (epoll_ctl(lines->epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0)
      WCX_DIE("epoll: %s", strerror(errno));
  }
}

void wcx_lines_take(wcx_lines_t *lines, uint64_t now_ns)
{
  struct epoll_event events[EVENTS_MAX];
  if (lines->epoll_fd < 0)
  {
    for (uint32_t i = 0; i < lines->opened_cnt; i++)
      wcx_client_wire_take(&lines->lines[i].wire, now_ns);
    return;
  }
  int cnt = epoll_wait(lines->epoll_fd, events, EVENTS_MAX, 0);
  for (int i = 0; i < cnt; i++)
    wcx_client_wire_take(&lines->lines[events[i].data.u32].wire, now_ns);
}

uint64_t wcx_lines_came_ns(const wcx_lines_t *lines)
{
  (void)lines;
  return wcx_env_mono_ns();
}

void wcx_lines_wait(wcx_lines_t *lines, uint64_t timeout_ns)
{
  struct epoll_event event;
  struct timespec timeout = {.tv_sec = (time_t)(timeout_ns / 1000000000), .tv_nsec = (long)(timeout_ns % 1000000000)};
  (void)epoll_pwait2(lines->epoll_fd, &event, 1, &timeout, NULL);
}

void wcx_lines_rest(wcx_lines_t *lines, uint64_t now_ns)
{
  (void)lines;
  (void)now_ns;
}

uint64_t wcx_lines_unsent(const wcx_lines_t *lines)
{
  uint64_t unsent = 0;
  for (uint32_t i = 0; i < lines->opened_cnt; i++)
    unsent += lines->lines[i].transport.send_failed_cnt;
  return unsent;
}

/* Over TCP the kernel has them sent again, and what it throws away need not be missing. */
uint64_t wcx_lines_lost(const wcx_lines_t *lines)
{
  uint64_t lost = 0;
  for (uint32_t i = 0; i < lines->opened_cnt && !lines->config.tcp; i++)
  {
    const line_t *line = &lines->lines[i];
    uint32_t told[SK_MEMINFO_VARS] = {0};
    socklen_t sz = sizeof(told);
    int status = getsockopt(line->transport.fds[line->wire.socket_idx], SOL_SOCKET, SO_MEMINFO, told, &sz);
    WCX_CHECK(status == 0, "SO_MEMINFO: %s", strerror(errno));
    lost += told[SK_MEMINFO_DROPS];
  }
  return lost;
}

const char *wcx_lines_stamps(const wcx_lines_t *lines)
{
  (void)lines;
  return "software: this process's clock, read when a request is given to the kernel and when its answer was taken from it (a kernel socket has no others)";
}
