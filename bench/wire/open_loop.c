#include "bench/wire/open_loop.h"

#include <stdlib.h>
#include <string.h>

wcx_open_loop_t *wcx_open_loop_new(uint64_t cnt)
{
  wcx_open_loop_t *loop = calloc(1, sizeof(*loop));
  if (loop == NULL || cnt == 0 || cnt > WCX_OPEN_LOOP_MAX)
  {
    free(loop);
    return NULL;
  }
  loop->cnt = cnt;
  loop->due_ns = malloc(cnt * sizeof(uint64_t));
  loop->sent_ns = malloc(cnt * sizeof(uint64_t));
  loop->answered_ns = malloc(cnt * sizeof(uint64_t));
  if (loop->due_ns != NULL && loop->sent_ns != NULL && loop->answered_ns != NULL)
  {
    memset(loop->due_ns, 0, cnt * sizeof(uint64_t));
    wcx_open_loop_start(loop, 0);
    return loop;
  }
  wcx_open_loop_free(loop);
  return NULL;
}

void wcx_open_loop_free(wcx_open_loop_t *loop)
{
  free(loop->due_ns);
  free(loop->sent_ns);
  free(loop->answered_ns);
  free(loop);
}

void wcx_open_loop_start(wcx_open_loop_t *loop, uint64_t start_ns)
{
  loop->start_ns = start_ns;
  loop->sent_cnt = 0;
  loop->answered_cnt = 0;
  memset(loop->sent_ns, 0xff, loop->cnt * sizeof(uint64_t));
  memset(loop->answered_ns, 0xff, loop->cnt * sizeof(uint64_t));
}

uint64_t wcx_open_loop_end_ns(const wcx_open_loop_t *loop)
{
  return loop->due_ns[loop->cnt - 1];
}

static void record(wcx_hdr_t *hdr, uint64_t from_ns, uint64_t to_ns)
{
  if (hdr != NULL)
    wcx_hdr_record(hdr, to_ns - from_ns, 1);
}

void wcx_open_loop_delays(const wcx_open_loop_t *loop, uint64_t from, uint64_t to, wcx_hdr_t *corrected, wcx_hdr_t *uncorrected, wcx_hdr_t *late)
{
  to = to < loop->sent_cnt ? to : loop->sent_cnt;
  for (uint64_t i = from; i < to; i++)
  {
    record(late, loop->due_ns[i], loop->sent_ns[i]);
    if (loop->answered_ns[i] == WCX_OPEN_LOOP_NONE)
      continue;
    record(corrected, loop->due_ns[i], loop->answered_ns[i]);
    record(uncorrected, loop->sent_ns[i], loop->answered_ns[i]);
  }
}
