#include "dataplane/input.h"

#define CLOCK_BACKWARDS_NS 1000000u

void wcx_input_prepare(const wcx_input_t *input, wcx_record_hdr_t *hdr)
{
  hdr->format = WCX_RECORD_FORMAT;
  hdr->shard = input->shard;
  hdr->seq = input->applied_seq + 1;
  hdr->stamp_ns = input->utc_ns > input->last_stamp_ns ? input->utc_ns : input->last_stamp_ns + 1;
}

bool wcx_input_room(wcx_input_t *input, uint32_t record_cnt, uint64_t bound)
{
  if (input->journaled && wcx_jring_room(&input->ring, input->release_seq) < record_cnt * WCX_JRING_RECORD_SLOTS_MAX)
    return false;
  return input->mark_head - input->mark_tail < WCX_DIGEST_MARK_MAX && wcx_outlog_room(input->log) >= bound + WCX_INPUT_LOG_RESERVE;
}

static void input_mark(wcx_input_t *input)
{
  wcx_digest_t output = wcx_engine_output_digest(input->engine);
  wcx_digest_t state = wcx_engine_state_digest(input->engine);
  input->marks[input->mark_head++ % WCX_DIGEST_MARK_MAX] =
      (wcx_digest_mark_t){.seq = input->applied_seq, .output_lo = output.lo, .output_hi = output.hi, .state_lo = state.lo, .state_hi = state.hi};
}

uint64_t wcx_input_apply(wcx_input_t *input, const wcx_record_hdr_t *hdr, const void *body)
{
  if (input->journaled)
  {
    wcx_jring_commit(&input->ring, hdr, body);
    input->ring_dirty = 1;
  }
  wcx_trace_committed(&input->trace);
  if (hdr->stamp_ns > input->utc_ns + CLOCK_BACKWARDS_NS) /* a burst alone moves the stamp on by a few hundred ns */
    wcx_stat_add(&input->shm->stats.clock_backwards, 1);
  wcx_engine_apply(input->engine, hdr, body, input->log);
  wcx_trace_applied(&input->trace, hdr->seq);
  input->applied_seq = hdr->seq;
  input->last_stamp_ns = hdr->stamp_ns;
  if (hdr->seq % WCX_DIGEST_MARK_EVERY == 0)
    input_mark(input);
  return hdr->seq;
}

uint64_t wcx_input_internal(wcx_input_t *input, uint16_t template_id, uint32_t session_id, uint16_t flags, const void *body, uint16_t body_sz)
{
  wcx_record_hdr_t hdr = {.template_id = template_id, .session_id = session_id, .flags = flags, .body_sz = body_sz};
  wcx_input_prepare(input, &hdr);
  if (!wcx_input_credit(input, &hdr, body))
    return 0;
  wcx_stat_add(&input->shm->stats.internal_sequenced, 1);
  return wcx_input_apply(input, &hdr, body);
}

void wcx_input_publish_marks(wcx_input_t *input)
{
  wcx_digest_marks_t *marks = &input->shm->marks;
  while (input->mark_tail != input->mark_head && input->marks[input->mark_tail % WCX_DIGEST_MARK_MAX].seq <= input->release_seq)
  {
    uint64_t cnt = atomic_load_explicit(&marks->cnt, memory_order_relaxed);
    marks->marks[cnt % WCX_DIGEST_MARK_MAX] = input->marks[input->mark_tail++ % WCX_DIGEST_MARK_MAX];
    atomic_store_explicit(&marks->cnt, cnt + 1, memory_order_release); /* pairs with the acquire of whoever compares digests */
  }
}
