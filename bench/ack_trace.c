#include "bench/ack_trace.h"

#include "engine/base/check.h"
#include "engine/base/env.h"
#include "engine/shm/journal_walk.h"

#include <stdlib.h>

#define SLOWEST_PPM 990000u
#define RELEASES_BESIDE 4096u /* of inputs that are no requests */

void wcx_ack_trace_open(wcx_ack_trace_t *trace, uint64_t request_max)
{
  *trace = (wcx_ack_trace_t){.request_max = request_max, .release_max = request_max + RELEASES_BESIDE};
  trace->requests = calloc(request_max + 1, sizeof(*trace->requests));
  trace->releases = calloc(trace->release_max, sizeof(*trace->releases));
  WCX_CHECK(trace->requests != NULL && trace->releases != NULL, "out of memory");
}

void wcx_ack_trace_close(wcx_ack_trace_t *trace)
{
  free(trace->requests);
  free(trace->releases);
}

void wcx_ack_trace_begin(wcx_ack_trace_t *trace)
{
  trace->utc_ns = wcx_env_utc_ns() - wcx_env_mono_ns();
}

void wcx_ack_trace_release(wcx_ack_trace_t *trace, uint64_t seq, uint64_t write_ns, uint64_t mono_ns)
{
  bool seen = trace->release_cnt > 0 && trace->releases[trace->release_cnt - 1].seq >= seq;
  if (!seen && trace->release_cnt < trace->release_max)
    trace->releases[trace->release_cnt++] = (wcx_ack_release_t){.seq = seq, .seen_ns = mono_ns + trace->utc_ns, .write_ns = write_ns};
}

void wcx_ack_trace_answer(wcx_ack_trace_t *trace, uint64_t cl_ord_id, uint64_t due_mono_ns, uint64_t mono_ns)
{
  WCX_CHECK(cl_ord_id <= trace->request_max, "request %llu of %llu", (unsigned long long)cl_ord_id, (unsigned long long)trace->request_max);
  trace->requests[cl_ord_id].due_ns = due_mono_ns + trace->utc_ns;
  trace->requests[cl_ord_id].answered_ns = mono_ns + trace->utc_ns;
}

/* --- what became of them ---------------------------------------------------------------------------------------------------------------- */

static uint32_t between(uint64_t from_ns, uint64_t to_ns)
{
  uint64_t ns = to_ns > from_ns ? to_ns - from_ns : 0;
  return ns < UINT32_MAX ? (uint32_t)ns : UINT32_MAX;
}

static void divide(wcx_ack_request_t *request, const wcx_ack_release_t *release, uint64_t receive_ns, uint64_t sealed_ns)
{
  uint32_t durable = between(sealed_ns, release->seen_ns);
  uint32_t write = release->write_ns < durable ? (uint32_t)release->write_ns : durable;
  request->stages[WCX_ACK_RECEIVED] = between(request->due_ns, receive_ns);
  request->stages[WCX_ACK_SEALED] = between(receive_ns, sealed_ns);
  request->stages[WCX_ACK_WRITTEN] = write;
  request->stages[WCX_ACK_RELEASED] = durable - write;
  request->stages[WCX_ACK_ANSWERED] = between(release->seen_ns, request->answered_ns);
}

/* Requests of a block, divided; releases in turn. */
static uint32_t divide_block(wcx_ack_trace_t *trace, const wcx_journal_block_t *block, const uint8_t *body, uint32_t session_id, uint64_t *at)
{
  uint32_t off = 0, cnt = 0;
  wcx_record_hdr_t hdr;
  const uint8_t *record_body;
  while (wcx_journal_next_record(block, body, &off, &hdr, &record_body))
  {
    if (hdr.session_id != session_id || hdr.client_seq == 0 || hdr.client_seq > trace->request_max || trace->requests[hdr.client_seq].due_ns == 0)
      continue;
    while (*at < trace->release_cnt && trace->releases[*at].seq < hdr.seq)
      (*at)++;
    if (*at == trace->release_cnt)
      return cnt;
    divide(&trace->requests[hdr.client_seq], &trace->releases[*at], hdr.receive_ns, block->written_ns);
    cnt++;
  }
  return cnt;
}

static uint64_t total(const wcx_ack_request_t *request)
{
  uint64_t sum = 0;
  for (uint32_t stage = 0; stage < WCX_ACK_STAGES; stage++)
    sum += request->stages[stage];
  return sum;
}

static void add_up(const wcx_ack_trace_t *trace, wcx_ack_found_t *found)
{
  wcx_hist_t *hist = calloc(1, sizeof(*hist));
  WCX_CHECK(hist != NULL, "out of memory");
  for (uint64_t i = 1; i <= trace->request_max; i++)
    if (total(&trace->requests[i]) > 0)
      wcx_hist_record(hist, total(&trace->requests[i]));
  uint64_t slow_from_ns = wcx_hist_percentile(hist, SLOWEST_PPM);
  found->request_cnt = hist->cnt;
  uint64_t slow_cnt = 0;
  for (uint64_t i = 1; i <= trace->request_max; i++)
  {
    bool slow = total(&trace->requests[i]) >= slow_from_ns;
    slow_cnt += slow;
    for (uint32_t stage = 0; stage < WCX_ACK_STAGES; stage++)
    {
      found->mean_ns[stage] += trace->requests[i].stages[stage];
      found->slow_ns[stage] += slow ? trace->requests[i].stages[stage] : 0;
    }
  }
  for (uint32_t stage = 0; stage < WCX_ACK_STAGES; stage++)
  {
    found->mean_ns[stage] /= found->request_cnt > 0 ? (double)found->request_cnt : 1.0;
    found->slow_ns[stage] /= slow_cnt > 0 ? (double)slow_cnt : 1.0;
  }
  free(hist);
}

void wcx_ack_trace_read(wcx_ack_trace_t *trace, const char *dir, uint32_t session_id, wcx_ack_found_t *found)
{
  *found = (wcx_ack_found_t){0};
  wcx_journal_walk_t walk;
  char err[512];
  if (wcx_journal_walk_open(&walk, dir, err, sizeof(err)) != WCX_JOURNAL_OPEN_OK)
    WCX_DIE("%s", err);
  wcx_journal_block_t block;
  const uint8_t *body;
  uint64_t at = 0;
  int result;
  while ((result = wcx_journal_walk_next_block(&walk, &block, &body)) == 1)
  {
    bool holds = block.kind == WCX_JOURNAL_DATA && divide_block(trace, &block, body, session_id, &at) > 0;
    found->block_cnt += holds;
    found->block_bytes += holds ? block.block_sz : 0;
  }
  if (result < 0)
    WCX_DIE("%s", walk.text);
  wcx_journal_walk_close(&walk);
  add_up(trace, found);
}
