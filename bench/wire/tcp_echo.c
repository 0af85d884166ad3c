#include "bench/wire/tcp_echo.h"
#include "engine/base/check.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int listen_at(const char *ip, uint16_t port)
{
  struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port)};
  if (inet_pton(AF_INET, ip, &at.sin_addr) != 1)
    WCX_DIE("address '%s' is not an IPv4 address: give --server a.b.c.d", ip);
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  int one = 1;
  if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) != 0)
    WCX_DIE("socket: %s", strerror(errno));
  if (bind(fd, (struct sockaddr *)&at, sizeof(at)) != 0 || listen(fd, 1) != 0)
    WCX_DIE("listening on %s:%u: %s (does an interface here have this address?)", ip, port, strerror(errno));
  return fd;
}

/* Answer until the peer is gone. */
static void serve_peer(int fd, size_t request_sz, size_t answer_sz)
{
  uint8_t request[WCX_TCP_ECHO_SZ_MAX];
  uint8_t answer[WCX_TCP_ECHO_SZ_MAX] = {0};
  size_t have = 0;
  for (;;)
  {
    ssize_t got = recv(fd, request + have, request_sz - have, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
      continue;
    if (got <= 0)
      return;
    have += (size_t)got;
    if (have < request_sz)
      continue;
    have = 0;
    memcpy(answer, request, sizeof(uint64_t));
    if (send(fd, answer, answer_sz, MSG_NOSIGNAL) != (ssize_t)answer_sz) /* one round trip at a time: there is room */
      return;
  }
}

_Noreturn void wcx_tcp_echo_serve(const char *ip, uint16_t port, size_t request_sz, size_t answer_sz)
{
  WCX_CHECK(request_sz >= 8 && request_sz <= WCX_TCP_ECHO_SZ_MAX && answer_sz >= 8 && answer_sz <= WCX_TCP_ECHO_SZ_MAX, "sizes %zu and %zu", request_sz, answer_sz);
  int listener = listen_at(ip, port);
  for (;;)
  {
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0)
      continue; /* the peer was gone again */
    int one = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    serve_peer(fd, request_sz, answer_sz);
    close(fd);
  }
}
