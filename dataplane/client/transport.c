#include "dataplane/client/transport.h"

#include "engine/base/check.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define RECEIVE_BUFFER (8 << 20)

void wcx_client_transport_init(wcx_client_transport_t *transport, const char *interface, const char *server, uint16_t order_port, uint16_t rerequest_port)
{
  memset(transport, 0, sizeof(*transport));
  struct in_addr ip;
  if (inet_pton(AF_INET, server, &ip) != 1)
    WCX_DIE("server address '%s' is not an IPv4 address: give --server a.b.c.d", server);
  transport->server_ip = ntohl(ip.s_addr);
  transport->order_port = order_port;
  transport->rerequest_port = rerequest_port;
  if (interface == NULL)
    return;
  if (strlen(interface) >= sizeof(transport->interface))
    WCX_DIE("interface name '%s' is too long", interface);
  memcpy(transport->interface, interface, strlen(interface) + 1);
  if (interface[0] != 0 && if_nametoindex(interface) == 0)
    WCX_DIE("interface '%s' does not exist here: run inside the clients' network namespace, or give --interface", interface);
}

void wcx_client_transport_close(wcx_client_transport_t *transport)
{
  for (uint32_t i = 0; i < transport->fd_cnt; i++)
    if (transport->fds[i] >= 0)
      close(transport->fds[i]);
  transport->fd_cnt = 0;
}

static int add_socket(wcx_client_transport_t *transport)
{
  WCX_CHECK(transport->fd_cnt < WCX_CLIENT_SOCKETS_MAX, "%u sockets", transport->fd_cnt);
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0)
    WCX_DIE("socket: %s", strerror(errno));
  int sz = RECEIVE_BUFFER;
  if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &sz, sizeof(sz)) != 0)
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &sz, sizeof(sz)); /* as much as an ordinary user gets: losses are recovered */
  transport->fds[transport->fd_cnt++] = fd;
  return fd;
}

static void bind_to_interface(const wcx_client_transport_t *transport, int fd)
{
  if (transport->interface[0] != 0 && setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, transport->interface, (socklen_t)strlen(transport->interface)) != 0 && errno != EPERM)
    WCX_DIE("binding a socket to interface '%s': %s", transport->interface, strerror(errno));
}

uint32_t wcx_client_transport_add_unicast(wcx_client_transport_t *transport)
{
  int fd = add_socket(transport);
  bind_to_interface(transport, fd);
  struct sockaddr_in any = {.sin_family = AF_INET};
  if (bind(fd, (struct sockaddr *)&any, sizeof(any)) != 0)
    WCX_DIE("bind: %s", strerror(errno));
  return transport->fd_cnt - 1;
}

uint32_t wcx_client_transport_add_group(wcx_client_transport_t *transport, const char *group, uint16_t port)
{
  int fd = add_socket(transport);
  int one = 1;
  if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) != 0)
    WCX_DIE("SO_REUSEADDR: %s", strerror(errno));
  struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port)};
  if (inet_pton(AF_INET, group, &at.sin_addr) != 1)
    WCX_DIE("multicast group '%s' is not an IPv4 address", group);
  if (bind(fd, (struct sockaddr *)&at, sizeof(at)) != 0)
    WCX_DIE("bind to %s:%u: %s (is another listener using the port without SO_REUSEADDR?)", group, port, strerror(errno));
  struct ip_mreqn join = {.imr_multiaddr = at.sin_addr};
  if (transport->interface[0] != 0)
    join.imr_ifindex = (int)if_nametoindex(transport->interface);
  if (setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &join, sizeof(join)) != 0)
    WCX_DIE("joining %s on '%s': %s (does the interface have an address and a route for 224.0.0.0/4?)", group, transport->interface, strerror(errno));
  int all = 0;
  (void)setsockopt(fd, IPPROTO_IP, IP_MULTICAST_ALL, &all, sizeof(all));
  return transport->fd_cnt - 1;
}

uint32_t wcx_client_transport_add_stream(wcx_client_transport_t *transport)
{
  WCX_CHECK(transport->fd_cnt < WCX_CLIENT_SOCKETS_MAX, "%u sockets", transport->fd_cnt);
  transport->fds[transport->fd_cnt] = -1;
  transport->streams[transport->fd_cnt] = WCX_CLIENT_STREAM_IDLE;
  return transport->fd_cnt++;
}

void wcx_client_transport_hang_up(wcx_client_transport_t *transport, uint32_t socket_idx)
{
  if (transport->fds[socket_idx] >= 0)
    close(transport->fds[socket_idx]);
  transport->fds[socket_idx] = -1;
  transport->blocked[socket_idx] = false;
  transport->streams[socket_idx] = WCX_CLIENT_STREAM_IDLE;
}

void wcx_client_transport_dial(wcx_client_transport_t *transport, uint32_t socket_idx, uint16_t port)
{
  wcx_client_transport_hang_up(transport, socket_idx);
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0)
    WCX_DIE("socket: %s", strerror(errno));
  int one = 1;
  (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)); /* a request does not wait for company */
  bind_to_interface(transport, fd);
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(transport->server_ip)}};
  bool under_way = connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0 || errno == EINPROGRESS;
  transport->fds[socket_idx] = fd;
  transport->streams[socket_idx] = under_way ? WCX_CLIENT_STREAM_CONNECTING : WCX_CLIENT_STREAM_FAILED;
}

size_t wcx_client_transport_write(wcx_client_transport_t *transport, uint32_t socket_idx, const void *bytes, size_t sz)
{
  if (transport->streams[socket_idx] != WCX_CLIENT_STREAM_UP)
    return 0;
  ssize_t written = send(transport->fds[socket_idx], bytes, sz, MSG_NOSIGNAL);
  if (written < 0 && errno != EAGAIN && errno != EINTR)
    transport->streams[socket_idx] = WCX_CLIENT_STREAM_FAILED;
  transport->blocked[socket_idx] = written < (ssize_t)sz;
  transport->sent_cnt += written > 0;
  return written > 0 ? (size_t)written : 0;
}

void wcx_client_transport_send(wcx_client_transport_t *transport, uint32_t socket_idx, uint16_t port, const void *datagram, size_t sz)
{
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(transport->server_ip)}};
  if (sendto(transport->fds[socket_idx], datagram, sz, 0, (struct sockaddr *)&to, sizeof(to)) == (ssize_t)sz)
    transport->sent_cnt++;
  else
    transport->send_failed_cnt++; /* lost like any datagram: the protocol notices */
}

void wcx_client_transport_wait(wcx_client_transport_t *transport, uint32_t timeout_us)
{
  struct pollfd polls[WCX_CLIENT_SOCKETS_MAX];
  for (uint32_t i = 0; i < transport->fd_cnt; i++)
    polls[i] = (struct pollfd){.fd = transport->fds[i], .events = (short)(POLLIN | (transport->blocked[i] || transport->streams[i] == WCX_CLIENT_STREAM_CONNECTING ? POLLOUT : 0))};
  struct timespec timeout = {.tv_sec = timeout_us / 1000000u, .tv_nsec = (long)(timeout_us % 1000000u) * 1000};
  (void)ppoll(polls, transport->fd_cnt, &timeout, NULL);
}

uint32_t wcx_client_transport_take(wcx_client_transport_t *transport, uint32_t socket_idx, uint64_t now_ns, wcx_client_take_t *take, void *ctx)
{
  struct mmsghdr headers[WCX_CLIENT_BURST];
  struct iovec iov[WCX_CLIENT_BURST];
  memset(headers, 0, sizeof(headers));
  for (uint32_t i = 0; i < WCX_CLIENT_BURST; i++)
  {
    iov[i] = (struct iovec){.iov_base = transport->buf[i], .iov_len = sizeof(transport->buf[i])};
    headers[i].msg_hdr.msg_iov = &iov[i];
    headers[i].msg_hdr.msg_iovlen = 1;
  }
  int cnt = recvmmsg(transport->fds[socket_idx], headers, WCX_CLIENT_BURST, MSG_DONTWAIT, NULL);
  for (int i = 0; i < cnt; i++)
    take(ctx, now_ns, transport->buf[i], headers[i].msg_len);
  if (cnt > 0)
    transport->received_cnt += (uint64_t)cnt;
  return cnt > 0 ? (uint32_t)cnt : 0;
}

/* Whether a connection under way has come to something. */
static void settle_connect(wcx_client_transport_t *transport, uint32_t socket_idx)
{
  struct pollfd poll_fd = {.fd = transport->fds[socket_idx], .events = POLLOUT};
  if (poll(&poll_fd, 1, 0) != 1)
    return;
  int error = 0;
  socklen_t sz = sizeof(error);
  bool stands = getsockopt(transport->fds[socket_idx], SOL_SOCKET, SO_ERROR, &error, &sz) == 0 && error == 0;
  transport->streams[socket_idx] = stands ? WCX_CLIENT_STREAM_UP : WCX_CLIENT_STREAM_FAILED;
}

bool wcx_client_transport_take_stream(wcx_client_transport_t *transport, uint32_t socket_idx, uint64_t now_ns, wcx_client_link_take_t *up, wcx_client_take_t *take,
                                      wcx_client_link_take_t *down, void *ctx)
{
  bool any = false;
  if (transport->streams[socket_idx] == WCX_CLIENT_STREAM_CONNECTING)
  {
    settle_connect(transport, socket_idx);
    any = transport->streams[socket_idx] != WCX_CLIENT_STREAM_CONNECTING;
    if (transport->streams[socket_idx] == WCX_CLIENT_STREAM_UP)
      up(ctx, now_ns);
  }
  for (uint32_t i = 0; i < WCX_CLIENT_BURST && transport->streams[socket_idx] == WCX_CLIENT_STREAM_UP; i++)
  {
    ssize_t sz = recv(transport->fds[socket_idx], transport->buf, sizeof(transport->buf), 0);
    if (sz < 0 && (errno == EAGAIN || errno == EINTR))
      break;
    any = true;
    if (sz <= 0)
    {
      transport->streams[socket_idx] = WCX_CLIENT_STREAM_FAILED;
      break;
    }
    transport->received_cnt++;
    take(ctx, now_ns, transport->buf, (size_t)sz);
  }
  if (transport->streams[socket_idx] != WCX_CLIENT_STREAM_FAILED)
    return any;
  wcx_client_transport_hang_up(transport, socket_idx);
  down(ctx, now_ns);
  return true;
}
