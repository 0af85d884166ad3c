#include "control/api.h"

#include "control/log.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define CLIENTS_MAX 16u
#define REQUEST_SZ_MAX 4096u

typedef struct client
{
  int fd;
  uint32_t len;
  char request[REQUEST_SZ_MAX];
} client_t;

struct wcx_api_socket
{
  int fd;
  uint32_t client_cnt;
  struct sockaddr_un addr;
  client_t clients[CLIENTS_MAX];
};

wcx_api_socket_t *wcx_api_socket_open(const char *control_dir, char *err, size_t err_sz)
{
  wcx_api_socket_t *sock = calloc(1, sizeof(*sock));
  if (sock == NULL)
  {
    snprintf(err, err_sz, "no memory for the control socket");
    return NULL;
  }
  sock->addr.sun_family = AF_UNIX;
  int len = snprintf(sock->addr.sun_path, sizeof(sock->addr.sun_path), "%s/control.sock", control_dir);
  sock->fd = -1;
  if (len < 0 || (size_t)len >= sizeof(sock->addr.sun_path))
    snprintf(err, err_sz, "%s/control.sock is longer than %zu characters, what a socket can be called: set a shorter paths.control_dir", control_dir,
             sizeof(sock->addr.sun_path) - 1);
  else
  {
    sock->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    unlink(sock->addr.sun_path); /* a dead predecessor's: the lock in the region says that there is no living one */
    if (sock->fd >= 0 && bind(sock->fd, (struct sockaddr *)&sock->addr, sizeof(sock->addr)) == 0 && chmod(sock->addr.sun_path, 0660) == 0 && listen(sock->fd, 16) == 0)
      return sock;
    snprintf(err, err_sz, "cannot listen on %s: %s", sock->addr.sun_path, strerror(errno));
  }
  if (sock->fd >= 0)
    close(sock->fd);
  free(sock);
  return NULL;
}

static void take_client(wcx_api_socket_t *sock)
{
  int fd = accept4(sock->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (fd < 0)
    return;
  struct ucred who = {0};
  socklen_t len = sizeof(who);
  if (sock->client_cnt == CLIENTS_MAX || getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) != 0)
  {
    close(fd);
    return;
  }
  wcx_log_info("control connection", "pid %d, uid %u, gid %u", who.pid, who.uid, who.gid);
  client_t *client = &sock->clients[sock->client_cnt++];
  client->fd = fd;
  client->len = 0;
}

static bool send_all(int fd, const char *text)
{
  size_t len = strlen(text);
  while (len > 0)
  {
    ssize_t sent = send(fd, text, len, MSG_NOSIGNAL);
    struct pollfd wait = {.fd = fd, .events = POLLOUT};
    if (sent < 0 && errno == EAGAIN && poll(&wait, 1, 1000) == 1)
      continue;
    if (sent <= 0)
      return false;
    text += sent;
    len -= (size_t)sent;
  }
  return true;
}

/* False when the connection is over. */
static bool serve_client(client_t *client, const wcx_region_file_t *file)
{
  ssize_t got = recv(client->fd, client->request + client->len, REQUEST_SZ_MAX - 1 - client->len, 0);
  if (got <= 0)
    return got < 0 && errno == EAGAIN;
  client->len += (uint32_t)got;
  client->request[client->len] = '\0';
  for (char *end = memchr(client->request, '\n', client->len); end != NULL; end = memchr(client->request, '\n', client->len))
  {
    *end = '\0';
    char *answer = wcx_api_answer(file, client->request);
    bool sent = send_all(client->fd, answer);
    free(answer);
    if (!sent)
      return false;
    client->len -= (uint32_t)(end + 1 - client->request);
    memmove(client->request, end + 1, client->len + 1);
  }
  return client->len < REQUEST_SZ_MAX - 1;
}

void wcx_api_socket_step(wcx_api_socket_t *sock, const wcx_region_file_t *file, int timeout_ms)
{
  struct pollfd fds[CLIENTS_MAX + 1] = {{.fd = sock->fd, .events = POLLIN}};
  for (uint32_t i = 0; i < sock->client_cnt; i++)
    fds[i + 1] = (struct pollfd){.fd = sock->clients[i].fd, .events = POLLIN};
  if (poll(fds, sock->client_cnt + 1, timeout_ms) <= 0)
    return;
  for (uint32_t i = sock->client_cnt; i > 0; i--)
    if (fds[i].revents != 0 && !serve_client(&sock->clients[i - 1], file))
    {
      close(sock->clients[i - 1].fd);
      sock->clients[i - 1] = sock->clients[--sock->client_cnt];
    }
  if (fds[0].revents != 0)
    take_client(sock);
}

void wcx_api_socket_close(wcx_api_socket_t *sock)
{
  for (uint32_t i = 0; i < sock->client_cnt; i++)
    close(sock->clients[i].fd);
  close(sock->fd);
  unlink(sock->addr.sun_path);
  free(sock);
}
