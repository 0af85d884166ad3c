#include "dataplane/tcp_sim.h"
#include "engine/base/check.h"

#include <stdlib.h>

#define WINDOW_SZ 65536u

typedef struct pipe_buf
{
  uint8_t *data;
  uint32_t len;
} pipe_buf_t;

typedef struct conn
{
  wcx_tcp_conn_t seen;
  pipe_buf_t in;  /* from the client */
  pipe_buf_t out; /* to the client */
  uint8_t owned;
  uint8_t queued;
  uint8_t ended;  /* by the server */
  uint8_t client; /* has the other end */
} conn_t;

struct wcx_tcp
{
  wcx_tcp_config_t config;
  wcx_egress_t *egress;
  uint64_t newest_seq;
  conn_t *conns;
  uint32_t *ready;
  uint32_t ready_head;
  uint32_t ready_cnt;
};

static void tell(wcx_tcp_t *tcp, uint32_t number)
{
  conn_t *conn = &tcp->conns[number];
  if (conn->queued || !conn->owned)
    return;
  conn->queued = 1;
  tcp->ready[(tcp->ready_head + tcp->ready_cnt++) % tcp->config.conn_max] = number;
}

static uint32_t take(pipe_buf_t *pipe, void *to, uint32_t max)
{
  uint32_t part = pipe->len < max ? pipe->len : max;
  memcpy(to, pipe->data, part);
  memmove(pipe->data, pipe->data + part, pipe->len - part);
  pipe->len -= part;
  return part;
}

static void put(pipe_buf_t *pipe, const void *data, uint32_t len)
{
  memcpy(pipe->data + pipe->len, data, len);
  pipe->len += len;
}

static void *must_calloc(size_t cnt, size_t sz)
{
  void *mem = calloc(cnt, sz);
  if (mem == NULL)
    WCX_DIE("simulated TCP: no memory for %zu bytes", cnt * sz);
  return mem;
}

wcx_tcp_t *wcx_tcp_open(const wcx_tcp_config_t *config)
{
  wcx_tcp_t *tcp = must_calloc(1, sizeof(*tcp));
  tcp->config = *config;
  tcp->conns = must_calloc(config->conn_max, sizeof(conn_t));
  tcp->ready = must_calloc(config->conn_max, sizeof(uint32_t));
  for (uint32_t i = 0; i < config->conn_max; i++)
  {
    tcp->conns[i].in.data = must_calloc(1, WINDOW_SZ);
    tcp->conns[i].out.data = must_calloc(1, WINDOW_SZ);
  }
  return tcp;
}

void wcx_tcp_close(wcx_tcp_t *tcp)
{
  for (uint32_t i = 0; i < tcp->config.conn_max; i++)
  {
    free(tcp->conns[i].in.data);
    free(tcp->conns[i].out.data);
  }
  free(tcp->conns);
  free(tcp->ready);
  free(tcp);
}

static void reuse_if_left(wcx_tcp_t *tcp, conn_t *conn)
{
  (void)tcp;
  if (conn->owned || conn->client)
    return;
  *conn = (conn_t){.in = {.data = conn->in.data}, .out = {.data = conn->out.data}, .queued = conn->queued};
}

void wcx_tcp_attach(wcx_tcp_t *tcp, wcx_egress_t *egress)
{
  tcp->egress = egress;
  tcp->newest_seq = 0;
  for (uint32_t i = 0; i < tcp->config.conn_max; i++)
    if (tcp->conns[i].owned)
    {
      tcp->conns[i].owned = 0;
      tcp->conns[i].ended = 1;
      tcp->conns[i].out.len = 0;
      reuse_if_left(tcp, &tcp->conns[i]);
    }
}

void wcx_tcp_receive(wcx_tcp_t *tcp, const wcx_datagram_t *segment)
{
  (void)tcp;
  (void)segment;
}

uint32_t wcx_tcp_step(wcx_tcp_t *tcp, uint64_t mono_ns)
{
  (void)tcp;
  (void)mono_ns;
  return 0;
}

bool wcx_tcp_ready(wcx_tcp_t *tcp, uint32_t *number)
{
  while (tcp->ready_cnt > 0)
  {
    *number = tcp->ready[tcp->ready_head];
    tcp->ready_head = (tcp->ready_head + 1) % tcp->config.conn_max;
    tcp->ready_cnt--;
    tcp->conns[*number].queued = 0;
    if (tcp->conns[*number].owned)
      return true;
  }
  return false;
}

const wcx_tcp_conn_t *wcx_tcp_conn(const wcx_tcp_t *tcp, uint32_t number)
{
  return &tcp->conns[number].seen;
}

uint32_t wcx_tcp_read(wcx_tcp_t *tcp, uint32_t number, uint8_t *to, uint32_t max)
{
  return take(&tcp->conns[number].in, to, max);
}

uint32_t wcx_tcp_room(const wcx_tcp_t *tcp, uint32_t number)
{
  const conn_t *conn = &tcp->conns[number];
  if (conn->seen.state == WCX_TCP_GONE || conn->ended)
    return 0;
  return conn->out.len < WCX_TCP_QUEUE_MAX ? WCX_TCP_QUEUE_MAX - conn->out.len : 0;
}

bool wcx_tcp_write(wcx_tcp_t *tcp, uint32_t number, const uint8_t *data, uint32_t len)
{
  if (len > wcx_tcp_room(tcp, number))
    return false;
  put(&tcp->conns[number].out, data, len);
  return true;
}

void wcx_tcp_push(wcx_tcp_t *tcp, uint32_t number, uint64_t input_seq)
{
  (void)number;
  tcp->newest_seq = input_seq > tcp->newest_seq ? input_seq : tcp->newest_seq;
}

void wcx_tcp_end(wcx_tcp_t *tcp, uint32_t number, bool at_once)
{
  conn_t *conn = &tcp->conns[number];
  conn->owned = 0;
  conn->ended = 1;
  if (at_once)
    conn->out.len = 0;
  reuse_if_left(tcp, conn);
}

/* --- the client's end ----------------------------------------------------------------------------------------------------------------------------- */

uint32_t wcx_tcp_sim_connect(wcx_tcp_t *tcp, const wcx_peer_t *from, uint16_t to_port)
{
  bool listens = false;
  for (uint32_t i = 0; i < WCX_TCP_PORTS_MAX; i++)
    listens = listens || (tcp->config.ports[i] == to_port && to_port != 0);
  for (uint32_t i = 0; listens && i < tcp->config.conn_max; i++)
  {
    conn_t *conn = &tcp->conns[i];
    if (conn->owned || conn->client)
      continue;
    conn->seen = (wcx_tcp_conn_t){.peer = *from, .port = to_port, .state = WCX_TCP_OPEN};
    conn->owned = 1;
    conn->client = 1;
    tell(tcp, i);
    return i;
  }
  return WCX_TCP_SIM_NONE;
}

uint32_t wcx_tcp_sim_send(wcx_tcp_t *tcp, uint32_t client, const void *data, uint32_t len)
{
  conn_t *conn = &tcp->conns[client];
  if (conn->ended || conn->seen.state != WCX_TCP_OPEN)
    return 0;
  uint32_t part = WINDOW_SZ - conn->in.len < len ? WINDOW_SZ - conn->in.len : len;
  put(&conn->in, data, part);
  tell(tcp, client);
  return part;
}

uint32_t wcx_tcp_sim_recv(wcx_tcp_t *tcp, uint32_t client, void *data, uint32_t max)
{
  uint32_t part = take(&tcp->conns[client].out, data, max);
  if (part > 0)
    tell(tcp, client);
  return part;
}

bool wcx_tcp_sim_ended(const wcx_tcp_t *tcp, uint32_t client)
{
  return tcp->conns[client].ended && tcp->conns[client].out.len == 0;
}

void wcx_tcp_sim_finish(wcx_tcp_t *tcp, uint32_t client)
{
  tcp->conns[client].seen.state = WCX_TCP_HALF;
  tell(tcp, client);
}

void wcx_tcp_sim_reset(wcx_tcp_t *tcp, uint32_t client)
{
  conn_t *conn = &tcp->conns[client];
  conn->seen.state = WCX_TCP_GONE;
  conn->in.len = conn->out.len = 0;
  tell(tcp, client);
}

void wcx_tcp_sim_forget(wcx_tcp_t *tcp, uint32_t client)
{
  tcp->conns[client].client = 0;
  reuse_if_left(tcp, &tcp->conns[client]);
}
