#include "bench/pump.h"

#include "bench/records.h"
#include "engine/base/env.h"

#define BURST 32u
#define LOG_SZ (UINT64_C(256) << 20)  /* the appliance's default */
#define LOG_ROOM (UINT64_C(16) << 20) /* more than any input of a flow says */
#define TURNS_UNSEEN 0xfffffu         /* between two looks at the worker */

void wcx_pump_open(wcx_pump_t *pump, const wcx_worker_rig_t *worker, const wcx_engine_limits_t *limits)
{
  *pump = (wcx_pump_t){.worker = worker};
  wcx_rig_init(&pump->rig, limits, LOG_SZ);
  memset(pump->rig.log.base, 0, LOG_SZ); /* no page fault on the clock */
  wcx_rig_restart(&pump->rig);
  pump->end_pos = calloc(worker->shm->jring.slot_max, sizeof(*pump->end_pos));
  WCX_CHECK(pump->end_pos != NULL, "out of memory");
  wcx_jring_producer_init(&pump->producer, &worker->shm->jring, pump->end_pos, 0);
}

void wcx_pump_close(wcx_pump_t *pump)
{
  wcx_rig_free(&pump->rig);
  free(pump->end_pos);
}

static void publish_marks(wcx_pump_t *pump)
{
  wcx_digest_marks_t *marks = &pump->worker->shm->marks;
  for (; pump->mark_tail != pump->mark_head && pump->marks[pump->mark_tail % WCX_DIGEST_MARK_MAX].seq <= pump->released_seq; pump->mark_tail++)
  {
    uint64_t cnt = atomic_load_explicit(&marks->cnt, memory_order_relaxed);
    marks->marks[cnt % WCX_DIGEST_MARK_MAX] = pump->marks[pump->mark_tail % WCX_DIGEST_MARK_MAX];
    atomic_store_explicit(&marks->cnt, cnt + 1, memory_order_release); /* pairs with the replica's acquire */
  }
}

static void take_released(wcx_pump_t *pump)
{
  uint64_t word = atomic_load_explicit(&pump->worker->shm->release.release_word, memory_order_acquire); /* pairs with the worker's release after its flush */
  pump->released_seq = wcx_release_seq(word);
  wcx_outlog_t *log = &pump->rig.log;
  for (uint64_t pos = wcx_outlog_settle(log, log->sent_pos, log->write_pos); pos < log->write_pos; pos = wcx_outlog_settle(log, pos, log->write_pos))
  {
    wcx_out_entry_t *entry = wcx_outlog_at(log, pos);
    if (entry->input_seq > pump->released_seq)
      break;
    pump->check += wcx_digest_load64(wcx_out_message(entry) + sizeof(wcx_message_header_t));
    pos += entry->entry_sz;
    log->sent_pos = pos;
  }
  publish_marks(pump);
}

static bool has_room(wcx_pump_t *pump, uint32_t cnt)
{
  if (cnt == 0 || wcx_jring_room(&pump->producer, pump->released_seq) < cnt * WCX_JRING_RECORD_SLOTS_MAX)
    return false;
  if (pump->mark_head - pump->mark_tail == WCX_DIGEST_MARK_MAX || wcx_outlog_room(&pump->rig.log) < LOG_ROOM)
    return false;
  uint64_t compared = atomic_load_explicit(&pump->worker->shm->replica.digest_seq, memory_order_relaxed);
  return pump->replica_lag == 0 || pump->producer.next_seq <= compared + pump->replica_lag;
}

static void apply(wcx_pump_t *pump, const wcx_engine_input_t *input)
{
  wcx_engine_t *engine = pump->rig.engine;
  wcx_jring_commit(&pump->producer, input->hdr, input->body);
  wcx_engine_apply(engine, input->hdr, input->body, &pump->rig.log);
  if (input->hdr->seq % WCX_DIGEST_MARK_EVERY != 0)
    return;
  wcx_digest_t output = wcx_engine_output_digest(engine);
  wcx_digest_t state = wcx_engine_state_digest(engine);
  wcx_digest_mark_t mark = {.seq = input->hdr->seq, .output_lo = output.lo, .output_hi = output.hi, .state_lo = state.lo, .state_hi = state.hi};
  WCX_CHECK(pump->kept == NULL || pump->mark_head < pump->kept_max, "more than %llu marks", (unsigned long long)pump->kept_max);
  if (pump->kept != NULL)
    pump->kept[pump->mark_head] = mark;
  pump->marks[pump->mark_head++ % WCX_DIGEST_MARK_MAX] = mark;
}

/* Commit before apply, as the sequencer does; the bell once a burst. False when there is no room, or nothing left. */
static bool put_burst(wcx_pump_t *pump, uint64_t left)
{
  wcx_engine_input_t inputs[BURST];
  uint32_t cnt = left < BURST ? (uint32_t)left : BURST;
  if (!has_room(pump, cnt))
    return false;
  for (uint32_t i = 0; i < cnt; i++)
  {
    inputs[i] = (wcx_engine_input_t){.hdr = pump->at, .body = pump->at + 1};
    pump->at = wcx_records_next(pump->at);
  }
  wcx_engine_prefetch(pump->rig.engine, inputs, cnt);
  for (uint32_t i = 0; i < cnt; i++)
    apply(pump, &inputs[i]);
  (void)wcx_doorbell_ring(&pump->worker->shm->jring.bell);
  return true;
}

uint64_t wcx_pump_run(wcx_pump_t *pump, const void *first, uint64_t cnt)
{
  uint64_t from_ns = wcx_env_mono_ns();
  uint64_t idle_from_ns = 0;
  uint64_t last_seq = pump->producer.next_seq - 1 + cnt;
  pump->at = first;
  pump->stalled_ns = 0;
  for (uint64_t turn = 1;; turn++)
  {
    take_released(pump);
    bool busy = put_burst(pump, last_seq + 1 - pump->producer.next_seq);
    if ((turn & TURNS_UNSEEN) == 0)
      wcx_worker_rig_check(pump->worker);
    if (busy == (idle_from_ns == 0) && pump->released_seq != last_seq)
      continue;
    uint64_t now_ns = wcx_env_mono_ns();
    pump->stalled_ns += idle_from_ns == 0 ? 0 : now_ns - idle_from_ns;
    idle_from_ns = busy ? 0 : now_ns;
    if (pump->released_seq == last_seq)
      return now_ns - from_ns;
  }
}
