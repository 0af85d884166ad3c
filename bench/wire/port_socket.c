/* The port of wcx-gateway: kernel UDP sockets behind the seam of dataplane/port.h, asked without sleeping.

   What the kernel has taken off a datagram is put back around it, so that the loop above finds the frames it knows; sums over payloads are left out both ways, the kernel
   has looked at them. Device: "A.B.C.D:PORT", order entry there, re-requests on the next port. The feed leaves through the same sockets. */
#include "dataplane/net.h"
#include "dataplane/port.h"
#include "engine/base/check.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define POOL_CNT 4096u
#define SOCKETS 2u
#define SECOND_EVERY 16u /* turns: re-requests are rare, and asking for them is a system call */
#define HEADERS_SZ 42u
#define BUFFER_SZ (8 << 20)
#define BUSY_POLL_US 50

static const uint8_t mac_ours[6] = {2, 0, 0, 0, 0, 2};
static const uint8_t mac_theirs[6] = {2, 0, 0, 0, 0, 1};

struct wcx_port
{
  int fds[SOCKETS];
  uint16_t ports[SOCKETS];
  uint32_t ip; /* host order */
  uint32_t turn;
  uint32_t free_cnt;
  uint8_t *free_frames[POOL_CNT];
  uint8_t *pool;
};

static void put16(uint8_t *at, uint16_t value)
{
  at[0] = (uint8_t)(value >> 8);
  at[1] = (uint8_t)value;
}

static uint16_t get16(const uint8_t *at)
{
  return (uint16_t)(at[0] << 8 | at[1]);
}

static int open_socket(const struct in_addr *address, uint16_t port)
{
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0)
    WCX_DIE("socket: %s", strerror(errno));
  int sz = BUFFER_SZ;
  int poll_us = BUSY_POLL_US;
  int none = 0;
  if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &sz, sizeof(sz)) != 0)
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &sz, sizeof(sz));
  (void)setsockopt(fd, SOL_SOCKET, SO_BUSY_POLL, &poll_us, sizeof(poll_us)); /* where the driver has it and we may */
  (void)setsockopt(fd, IPPROTO_IP, IP_MULTICAST_LOOP, &none, sizeof(none));
  (void)setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, address, sizeof(*address));
  struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = *address};
  if (bind(fd, (struct sockaddr *)&at, sizeof(at)) != 0)
    WCX_DIE("port %u: %s: choose another address or port", port, strerror(errno));
  return fd;
}

wcx_port_t *wcx_port_open(uint32_t kind, const char *device, uint32_t lcore, bool hugepages)
{
  (void)kind;
  (void)lcore;
  (void)hugepages;
  char text[64];
  snprintf(text, sizeof(text), "%s", device);
  char *colon = strchr(text, ':');
  struct in_addr address;
  WCX_CHECK(colon != NULL, "device '%s': A.B.C.D:PORT", device);
  *colon = 0;
  if (inet_pton(AF_INET, text, &address) != 1)
    WCX_DIE("'%s' is not an IPv4 address", text);
  wcx_port_t *port = calloc(1, sizeof(*port));
  WCX_CHECK(port != NULL, "out of memory");
  port->ip = ntohl(address.s_addr);
  port->pool = calloc(POOL_CNT, WCX_FRAME_SZ_MAX);
  WCX_CHECK(port->pool != NULL, "out of memory");
  for (uint32_t i = 0; i < POOL_CNT; i++)
    port->free_frames[port->free_cnt++] = port->pool + (size_t)i * WCX_FRAME_SZ_MAX;
  for (uint32_t i = 0; i < SOCKETS; i++)
  {
    port->ports[i] = (uint16_t)(strtoul(colon + 1, NULL, 10) + i);
    port->fds[i] = open_socket(&address, port->ports[i]);
  }
  return port;
}

void wcx_port_close(wcx_port_t *port)
{
  for (uint32_t i = 0; i < SOCKETS; i++)
    close(port->fds[i]);
  free(port->pool);
  free(port);
}

void wcx_port_mac(const wcx_port_t *port, uint8_t mac[6])
{
  (void)port;
  memcpy(mac, mac_ours, sizeof(mac_ours));
}

void wcx_port_run(wcx_port_t *port, void (*fn)(void *arg), void *arg)
{
  (void)port;
  fn(arg);
}

/* Ethernet, IPv4 and UDP headers as they came; a UDP checksum of 0 says that none was computed. */
static uint32_t put_headers(const wcx_port_t *port, uint8_t *frame, const struct sockaddr_in *from, uint32_t socket_idx, uint32_t payload_sz)
{
  static const uint8_t ip_head[12] = {0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, 17, 0, 0};
  uint8_t *ip = frame + 14;
  uint32_t ours_be = htonl(port->ip);
  memcpy(frame, mac_ours, 6);
  memcpy(frame + 6, mac_theirs, 6);
  put16(frame + 12, 0x0800);
  memcpy(ip, ip_head, sizeof(ip_head));
  put16(ip + 2, (uint16_t)(28 + payload_sz));
  memcpy(ip + 12, &from->sin_addr, 4);
  memcpy(ip + 16, &ours_be, 4);
  uint32_t sum = 0;
  for (uint32_t i = 0; i < 20; i += 2)
    sum += get16(ip + i);
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  put16(ip + 10, (uint16_t)~sum);
  memcpy(ip + 20, &from->sin_port, 2);
  put16(ip + 22, port->ports[socket_idx]);
  put16(ip + 24, (uint16_t)(8 + payload_sz));
  put16(ip + 26, 0);
  return HEADERS_SZ + payload_sz;
}

static uint32_t receive(wcx_port_t *port, uint32_t socket_idx, wcx_frame_t *frames, uint32_t max)
{
  struct mmsghdr headers[WCX_PORT_BURST_MAX];
  struct iovec parts[WCX_PORT_BURST_MAX];
  struct sockaddr_in froms[WCX_PORT_BURST_MAX];
  max = max < port->free_cnt ? max : port->free_cnt;
  for (uint32_t i = 0; i < max; i++)
  {
    parts[i] = (struct iovec){.iov_base = port->free_frames[port->free_cnt - 1 - i] + HEADERS_SZ, .iov_len = WCX_FRAME_SZ_MAX - HEADERS_SZ};
    headers[i] = (struct mmsghdr){.msg_hdr = {.msg_name = &froms[i], .msg_namelen = sizeof(froms[i]), .msg_iov = &parts[i], .msg_iovlen = 1}};
  }
  int got = max == 0 ? 0 : recvmmsg(port->fds[socket_idx], headers, max, MSG_DONTWAIT, NULL);
  for (int i = 0; i < got; i++)
  {
    uint8_t *data = port->free_frames[--port->free_cnt];
    frames[i] = (wcx_frame_t){.data = data, .handle = data, .len = put_headers(port, data, &froms[i], socket_idx, headers[i].msg_len)};
  }
  return got > 0 ? (uint32_t)got : 0;
}

uint32_t wcx_port_rx(wcx_port_t *port, wcx_frame_t *frames, uint32_t max)
{
  max = max < WCX_PORT_BURST_MAX ? max : WCX_PORT_BURST_MAX;
  uint32_t cnt = receive(port, 0, frames, max);
  if (++port->turn % SECOND_EVERY == 0 && cnt < max)
    cnt += receive(port, 1, frames + cnt, max - cnt);
  return cnt;
}

bool wcx_port_alloc(wcx_port_t *port, wcx_frame_t *frame)
{
  if (port->free_cnt == 0)
    return false;
  uint8_t *data = port->free_frames[--port->free_cnt];
  *frame = (wcx_frame_t){.data = data, .handle = data};
  return true;
}

void wcx_port_free(wcx_port_t *port, wcx_frame_t *frame)
{
  port->free_frames[port->free_cnt++] = frame->handle;
}

static uint32_t socket_of(const wcx_port_t *port, const wcx_frame_t *frame)
{
  return get16(frame->data + 34) == port->ports[1] ? 1 : 0;
}

/* Frames of one socket, at most a burst. What the kernel refuses for good is lost, as on a wire. */
static uint32_t transmit(wcx_port_t *port, uint32_t socket_idx, const wcx_frame_t *frames, uint32_t cnt)
{
  struct mmsghdr headers[WCX_PORT_BURST_MAX];
  struct iovec parts[WCX_PORT_BURST_MAX];
  struct sockaddr_in tos[WCX_PORT_BURST_MAX];
  for (uint32_t i = 0; i < cnt; i++)
  {
    uint8_t *data = frames[i].data;
    tos[i] = (struct sockaddr_in){.sin_family = AF_INET};
    memcpy(&tos[i].sin_addr, data + 30, 4);
    memcpy(&tos[i].sin_port, data + 36, 2);
    parts[i] = (struct iovec){.iov_base = data + HEADERS_SZ, .iov_len = (size_t)get16(data + 38) - 8};
    headers[i] = (struct mmsghdr){.msg_hdr = {.msg_name = &tos[i], .msg_namelen = sizeof(tos[i]), .msg_iov = &parts[i], .msg_iovlen = 1}};
  }
  int sent = sendmmsg(port->fds[socket_idx], headers, cnt, MSG_DONTWAIT);
  if (sent < 0)
    return errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS ? 0 : 1;
  return (uint32_t)sent;
}

uint32_t wcx_port_tx(wcx_port_t *port, wcx_frame_t *frames, uint32_t cnt)
{
  uint32_t done = 0;
  while (done < cnt)
  {
    uint32_t socket_idx = socket_of(port, &frames[done]);
    uint32_t part = 1;
    while (done + part < cnt && part < WCX_PORT_BURST_MAX && socket_of(port, &frames[done + part]) == socket_idx)
      part++;
    uint32_t sent = transmit(port, socket_idx, frames + done, part);
    for (uint32_t i = 0; i < sent; i++)
      wcx_port_free(port, &frames[done + i]);
    done += sent;
    if (sent < part && sent == 0)
      break;
  }
  return done;
}
