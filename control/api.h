/* What the api worker says about the appliance: status and stages as JSON, health as a verdict, metrics as Prometheus text. Reads the shared region; it writes two
   words of a shard there, the wish for a snapshot and the number of the jump of UTC that an operator has confirmed.

   Owner:     the threads of wcx-api; no state besides the region.
   Memory:    answers are allocated and the caller's to free; never NULL.
   Metrics:   each row of stats.def is wcx_<name>_total{shard="n"}; gauges follow. One HELP and TYPE a name.
   Pinned by: tests/unit/test_api.c. */
#ifndef WCX_CONTROL_API_H
#define WCX_CONTROL_API_H

#include "engine/shm/region_file.h"

/* The answer to one request line, one JSON object and a newline:
       {"Status":{}}                          {"Status":{...}}
       {"Stages":{}}                          {"Stages":{...}}
       {"SnapshotTake":{"Shard":1}}           {"SnapshotAsked":{...}}
       {"ClockConfirm":{"Shard":1,"Jump":1}}  {"ClockConfirmed":{...}}
       anything else                          {"Error":{"Text":"..."}} */
char *wcx_api_answer(const wcx_region_file_t *file, const char *request);

char *wcx_api_metrics(const wcx_region_file_t *file);

/* NULL when orders can be served, else what is missing, for people. */
const char *wcx_api_not_ready(const wcx_region_file_t *file);

/* The control socket: <control_dir>/control.sock. */
typedef struct wcx_api_socket wcx_api_socket_t;
wcx_api_socket_t *wcx_api_socket_open(const char *control_dir, char *err, size_t err_sz);
/* Serve what arrives within timeout_ms: a request a line, an answer a line. Who asks is logged. */
void wcx_api_socket_step(wcx_api_socket_t *socket, const wcx_region_file_t *file, int timeout_ms);
void wcx_api_socket_close(wcx_api_socket_t *socket);

/* /healthz, /readyz and /metrics on a thread of the library. NULL and err when the address cannot be had. */
typedef struct wcx_api_http wcx_api_http_t;
wcx_api_http_t *wcx_api_http_open(const char *ip, uint16_t port, const wcx_region_file_t *file, char *err, size_t err_sz);
void wcx_api_http_close(wcx_api_http_t *http);

#endif
