#include "control/api.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>

struct wcx_api_http
{
  struct MHD_Daemon *daemon;
  const wcx_region_file_t *file;
};

static enum MHD_Result answer_text(struct MHD_Connection *connection, unsigned status, const char *type, char *text, enum MHD_ResponseMemoryMode mode)
{
  struct MHD_Response *response = MHD_create_response_from_buffer(strlen(text), text, mode);
  if (response == NULL)
    return MHD_NO;
  MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
  enum MHD_Result result = MHD_queue_response(connection, status, response);
  MHD_destroy_response(response);
  return result;
}

static enum MHD_Result on_request(void *ctx, struct MHD_Connection *connection, const char *url, const char *method, const char *version, const char *upload, size_t *upload_sz,
                                  void **request)
{
  (void)version;
  (void)upload;
  (void)upload_sz;
  (void)request;
  const wcx_region_file_t *file = ((wcx_api_http_t *)ctx)->file;
  const char *plain = "text/plain; charset=utf-8";
  static char get_only[] = "only GET is answered here\n";
  static char fine[] = "ok\n";
  static char unknown[] = "there is /healthz, /readyz and /metrics\n";
  if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
    return answer_text(connection, MHD_HTTP_METHOD_NOT_ALLOWED, plain, get_only, MHD_RESPMEM_PERSISTENT);
  if (strcmp(url, "/healthz") == 0)
    return answer_text(connection, MHD_HTTP_OK, plain, fine, MHD_RESPMEM_PERSISTENT);
  if (strcmp(url, "/metrics") == 0)
    return answer_text(connection, MHD_HTTP_OK, "text/plain; version=0.0.4; charset=utf-8", wcx_api_metrics(file), MHD_RESPMEM_MUST_FREE);
  if (strcmp(url, "/readyz") != 0)
    return answer_text(connection, MHD_HTTP_NOT_FOUND, plain, unknown, MHD_RESPMEM_PERSISTENT);
  const char *not_ready = wcx_api_not_ready(file);
  if (not_ready == NULL)
    return answer_text(connection, MHD_HTTP_OK, plain, fine, MHD_RESPMEM_PERSISTENT);
  char text[160];
  snprintf(text, sizeof(text), "not ready: %s\n", not_ready);
  return answer_text(connection, MHD_HTTP_SERVICE_UNAVAILABLE, plain, text, MHD_RESPMEM_MUST_COPY);
}

/* The library reports its own failures on stderr; we report them ourselves. */
static void ignore_log(void *ctx, const char *fmt, va_list args)
{
  (void)ctx;
  (void)fmt;
  (void)args;
}

wcx_api_http_t *wcx_api_http_open(const char *ip, uint16_t port, const wcx_region_file_t *file, char *err, size_t err_sz)
{
  wcx_api_http_t *http = calloc(1, sizeof(*http));
  struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons(port)};
  if (http == NULL || inet_pton(AF_INET, ip, &addr.sin_addr) != 1)
  {
    snprintf(err, err_sz, "http.listen_ip '%s' is not an address", ip);
    free(http);
    return NULL;
  }
  http->file = file;
  errno = 0;
  http->daemon = MHD_start_daemon(MHD_USE_AUTO | MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_ERROR_LOG, port, NULL, NULL, on_request, http, MHD_OPTION_EXTERNAL_LOGGER, ignore_log,
                                  NULL, MHD_OPTION_SOCK_ADDR, &addr, MHD_OPTION_CONNECTION_LIMIT, 64u, MHD_OPTION_CONNECTION_TIMEOUT, 10u, MHD_OPTION_END);
  if (http->daemon != NULL)
    return http;
  snprintf(err, err_sz, "cannot listen on %s:%u (%s): end what uses it, or set http.listen_tcp_port to a free port", ip, port,
           errno != 0 ? strerror(errno) : "is the port in use?");
  free(http);
  return NULL;
}

void wcx_api_http_close(wcx_api_http_t *http)
{
  if (http == NULL)
    return;
  MHD_stop_daemon(http->daemon);
  free(http);
}
