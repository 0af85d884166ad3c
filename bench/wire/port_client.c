#include "bench/wire/port_client.h"

#include "dataplane/port_dpdk.h"
#include "engine/base/check.h"
#include "engine/base/env.h"
#include "engine/shm/params.h"

#include <arpa/inet.h>
#include <sched.h>
#include <string.h>

#define OUR_IP 0x0a4d0001u
#define SERVER_IP 0x0a4d0002u
#define ASK_NS 10000000u
#define ARP_SZ 42u

static void send_frame(wcx_port_client_t *client, wcx_frame_t *frame)
{
  if (wcx_port_tx(client->port, frame, 1) == 1)
    return;
  client->unsent_cnt++;
  wcx_port_free(client->port, frame);
}

void wcx_port_client_open(wcx_port_client_t *client, const char *device, uint32_t cpu)
{
  cpu_set_t only; /* on the server's poll core the main thread of DPDK would hardly ever run */
  CPU_ZERO(&only);
  CPU_SET(cpu, &only);
  if (sched_setaffinity(0, sizeof(only), &only) != 0)
    WCX_DIE("CPU %u is not to be had", cpu);
  wcx_port_client_use(client, wcx_port_open(WCX_PORT_MEMIF, device, cpu, false), OUR_IP, SERVER_IP);
}

void wcx_port_client_use(wcx_port_client_t *client, wcx_port_t *port, uint32_t our_ip, uint32_t server_ip)
{
  client->port = port;
  client->port_cnt = 1;
  client->net = (wcx_net_t){.ip = our_ip};
  client->server = (wcx_peer_t){.ip = server_ip};
  wcx_port_mac(port, client->net.mac);
}

void wcx_port_client_close(wcx_port_client_t *client)
{
  if (client->has_session)
    wcx_client_session_free(&client->session);
  wcx_port_close(client->port);
}

static void on_send(void *ctx, enum wcx_client_port port, const void *datagram, size_t sz)
{
  wcx_port_client_send(ctx, port == WCX_CLIENT_PORT_ORDER ? WCX_PORT_CLIENT_SERVER_PORT : WCX_PORT_CLIENT_SERVER_PORT + 1, datagram, sz);
}

void wcx_port_client_session(wcx_port_client_t *client, const wcx_client_session_config_t *config)
{
  wcx_client_session_config_t full = *config;
  full.server_port = WCX_PORT_CLIENT_SERVER_PORT;
  full.wire = client;
  full.send = on_send;
  wcx_client_session_init(&client->session, &full);
  client->has_session = true;
}

void wcx_port_client_send(wcx_port_client_t *client, uint16_t port, const void *payload, size_t sz)
{
  wcx_port_client_send_from(client, WCX_PORT_CLIENT_PORT, port, payload, sz);
}

void wcx_port_client_send_from(wcx_port_client_t *client, uint16_t our_port, uint16_t port, const void *payload, size_t sz)
{
  wcx_frame_t frame;
  if (!wcx_port_alloc(client->port, &frame))
  {
    client->unsent_cnt++;
    return;
  }
  client->server.port = port;
  memcpy(frame.data + wcx_net_headers_sz(&client->server), payload, sz);
  frame.len = wcx_net_finish_udp(&client->net, frame.data, &client->server, our_port, (uint16_t)sz);
  send_frame(client, &frame);
}

static void take_frame(wcx_port_client_t *client, uint64_t now_ns, wcx_frame_t *frame)
{
  static const uint8_t arp_reply[] = {8, 6, 0, 1, 8, 0, 6, 4, 0, 2};
  wcx_datagram_t datagram;
  enum wcx_net_verdict verdict = wcx_net_parse(&client->net, frame->data, frame->len, &datagram);
  bool is_ours = verdict == WCX_NET_UDP && datagram.to_port >= WCX_PORT_CLIENT_PORT && datagram.to_port < WCX_PORT_CLIENT_PORT + client->port_cnt;
  client->came_ns = wcx_port_came_ns(client->port, frame);
  if (is_ours && client->has_session)
    wcx_client_session_datagram(&client->session, now_ns, datagram.payload, datagram.len);
  else if (is_ours && client->on_datagram != NULL)
    client->on_datagram(client->ctx, now_ns, datagram.to_port, datagram.payload, datagram.len);
  else if (verdict == WCX_NET_ARP_REQUEST)
  {
    frame->len = wcx_net_arp_reply(&client->net, frame->data);
    send_frame(client, frame);
    return;
  }
  else if (frame->len >= ARP_SZ && memcmp(frame->data + 12, arp_reply, sizeof(arp_reply)) == 0)
  {
    memcpy(client->server.mac, frame->data + 22, 6);
    client->has_server = true;
  }
  else
    client->multicast_cnt += frame->data[0] & 1;
  wcx_port_free(client->port, frame);
}

uint32_t wcx_port_client_take(wcx_port_client_t *client, uint64_t now_ns)
{
  wcx_frame_t frames[WCX_PORT_BURST_MAX];
  uint32_t cnt = wcx_port_rx(client->port, frames, WCX_PORT_BURST_MAX);
  for (uint32_t i = 0; i < cnt; i++)
    take_frame(client, now_ns, &frames[i]);
  return cnt;
}

static void ask(wcx_port_client_t *client)
{
  static const uint8_t head[22] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 8, 6, 0, 1, 8, 0, 6, 4, 0, 1};
  uint32_t ours = htonl(client->net.ip), theirs = htonl(client->server.ip);
  wcx_frame_t frame;
  if (!wcx_port_alloc(client->port, &frame))
    return;
  memcpy(frame.data, head, sizeof(head));
  memcpy(frame.data + 6, client->net.mac, 6);
  memcpy(frame.data + 22, client->net.mac, 6);
  memcpy(frame.data + 28, &ours, sizeof(ours));
  memset(frame.data + 32, 0, 6);
  memcpy(frame.data + 38, &theirs, sizeof(theirs));
  frame.len = ARP_SZ;
  send_frame(client, &frame);
}

bool wcx_port_client_find(wcx_port_client_t *client, uint64_t patience_ns)
{
  uint64_t from_ns = wcx_env_mono_ns();
  uint64_t asked_ns = 0;
  for (uint64_t now_ns = from_ns; !client->has_server && now_ns - from_ns < patience_ns; now_ns = wcx_env_mono_ns())
  {
    if (now_ns - asked_ns > ASK_NS)
    {
      ask(client);
      asked_ns = now_ns;
    }
    (void)wcx_port_client_take(client, now_ns);
    sched_yield();
  }
  return client->has_server;
}
