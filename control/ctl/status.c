#include "control/ctl/ctl.h"

#include <errno.h>
#include <jansson.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define ANSWER_MS 2000

int wcx_ctl_ask(const wcx_ctl_t *ctl, const char *request, char *answer, size_t answer_sz)
{
  struct sockaddr_un addr = {.sun_family = AF_UNIX};
  if (ctl->socket[0] == '\0' || strlen(ctl->socket) >= sizeof(addr.sun_path))
    return wcx_ctl_fail(WCX_CTL_FAILED, "no control socket is known: make up, or give --socket PATH (at most %zu characters)", sizeof(addr.sun_path) - 1);
  memcpy(addr.sun_path, ctl->socket, strlen(ctl->socket) + 1);
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0 || connect(fd, (struct sockaddr *)&addr, sizeof(addr)) != 0 || send(fd, request, strlen(request), MSG_NOSIGNAL) != (ssize_t)strlen(request))
  {
    int error = errno;
    if (fd >= 0)
      close(fd);
    return wcx_ctl_fail(WCX_CTL_FAILED, "%s: %s: does the appliance run (make up)?", ctl->socket, strerror(error));
  }
  size_t len = 0;
  int status = WCX_CTL_OK;
  while (status == WCX_CTL_OK && memchr(answer, '\n', len) == NULL)
  {
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    int ready = poll(&wait, 1, ANSWER_MS);
    ssize_t got = ready > 0 ? recv(fd, answer + len, answer_sz - 1 - len, 0) : 0;
    if (ready == 0)
      status = wcx_ctl_fail(WCX_CTL_UNKNOWN, "%s does not answer: is wcx-api stopped?", ctl->socket);
    else if (got <= 0)
      status = wcx_ctl_fail(WCX_CTL_FAILED, "%s: the connection ended before the answer", ctl->socket);
    else
      len += (size_t)got;
  }
  answer[len] = '\0';
  close(fd);
  return status;
}

static void print_members(json_t *object)
{
  for (void *at = json_object_iter(object); at != NULL; at = json_object_iter_next(object, at))
  {
    const json_t *value = json_object_iter_value(at);
    if (json_is_string(value))
      printf("  %-16s %s\n", json_object_iter_key(at), json_string_value(value));
    else
      printf("  %-16s %" JSON_INTEGER_FORMAT "\n", json_object_iter_key(at), json_integer_value(value));
  }
}

static void print_table(const json_t *status)
{
  printf("%s%s\n", json_is_true(json_object_get(status, "Ready")) ? "ready" : "not ready: ", json_string_value(json_object_get(status, "NotReady")));
  printf("durability %s, state in %s\n", json_string_value(json_object_get(status, "Durability")), json_string_value(json_object_get(status, "StateDir")));
  print_members(json_object_get(status, "Processes"));
  const json_t *shards = json_object_get(status, "Shards");
  for (size_t i = 0; i < json_array_size(shards); i++)
    print_members(json_array_get(shards, i));
}

int wcx_ctl_status(const wcx_ctl_t *ctl)
{
  static char answer[WCX_CTL_ANSWER_SZ];
  int status = wcx_ctl_ask(ctl, "{\"Status\":{}}\n", answer, sizeof(answer));
  if (status != WCX_CTL_OK)
    return status;
  json_t *parsed = json_loads(answer, 0, NULL);
  json_t *inner = json_object_get(parsed, "Status");
  if (inner == NULL)
    status = wcx_ctl_fail(WCX_CTL_FAILED, "unexpected answer: %s", answer);
  else if (ctl->json)
    fputs(answer, stdout);
  else
    print_table(inner);
  json_decref(parsed);
  return status;
}
