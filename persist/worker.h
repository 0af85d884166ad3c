/* What the processes of persist/ share: the options every one has, one line on stderr, waiting for the region, keeping off the poll loops, ending on a signal.

   Owner:     the main thread; wcx_worker_stopping from any.
   Result:    as each says.
   Pinned by: tests/e2e/test_control.py. */
#ifndef WCX_PERSIST_WORKER_H
#define WCX_PERSIST_WORKER_H

#include "engine/shm/region_file.h"

#include <argp.h>

typedef struct wcx_worker_args
{
  const char *region;
  uint32_t shard_idx;
  bool shard_given;
} wcx_worker_args_t;

/* --region and --shard-idx, both needed: the child of a process's own parser, with a wcx_worker_args_t as input. */
extern const struct argp wcx_worker_argp;

/* The name before every line, "wcx-journal"; SIGTERM and SIGINT set `stopping` from now on, and nothing that is started can gain privileges. */
void wcx_worker_init(const char *name);

void wcx_worker_say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

bool wcx_worker_stopping(void);

void wcx_worker_pause_ns(uint64_t ns);

/* Either side may start first. A region of another boot, or a half-made one, will be replaced by wcx-controld: wait for that too. Exits 0 when told to stop. */
void wcx_worker_wait_region(wcx_region_file_t *file, const char *path);

/* The shard that --shard-idx names; dies where the configuration has none, or keeps no journal (D0). */
const wcx_params_shard_t *wcx_worker_shard(const wcx_params_t *params, uint32_t shard_idx);

/* A poll loop never yields its CPU for long: what waits behind it waits for milliseconds. Threads made later inherit this. */
void wcx_worker_leave_poll_cpus(const wcx_params_t *params);

/* The number of an option; dies with the option's name when it is none in min..max. */
uint32_t wcx_worker_number(const char *option, const char *text, uint32_t min, uint32_t max);

#endif
