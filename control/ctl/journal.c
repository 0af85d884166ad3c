#include "control/ctl/replay.h"
#include "engine/base/env.h"
#include "engine/json.h"
#include "engine/shm/region_file.h"

#include <inttypes.h>
#include <stdlib.h>

/* --- dump -------------------------------------------------------------------------------------- */

static int print_record(const wcx_ctl_t *ctl, uint64_t epoch, const wcx_record_hdr_t *hdr, const uint8_t *body)
{
  static char text[64 << 10];
  if (!ctl->json)
  {
    const wcx_sbe_msg_t *msg = wcx_sbe_find(hdr->template_id);
    printf("%12" PRIu64 " %6" PRIu64 " %20" PRIu64 " %9u %12" PRIu64 " %s\n", hdr->seq, epoch, hdr->stamp_ns, hdr->session_id, hdr->client_seq, msg != NULL ? msg->name : "?");
    return WCX_CTL_OK;
  }
  if (wcx_json_record(text, sizeof(text), epoch, hdr, body) < 0)
    return wcx_ctl_fail(WCX_CTL_FAILED, "seq %" PRIu64 " (template %u, %u bytes) cannot be shown", hdr->seq, hdr->template_id, hdr->body_sz);
  fputs(text, stdout);
  fputc('\n', stdout);
  return WCX_CTL_OK;
}

static int dump_shard(const wcx_ctl_t *ctl, uint32_t shard)
{
  wcx_journal_walk_t walk;
  int status = wcx_ctl_walk_open(&walk, ctl, shard);
  if (status != WCX_CTL_OK)
    return status;
  uint64_t limit_seq = wcx_ctl_limit_seq(ctl, shard);
  limit_seq = limit_seq < ctl->to ? limit_seq : ctl->to;
  if (!ctl->json)
    printf("shard %u\n%12s %6s %20s %9s %12s %s\n", shard, "seq", "epoch", "stamp", "session", "client seq", "message");
  uint64_t epoch;
  wcx_record_hdr_t hdr;
  const uint8_t *body;
  int got = 0;
  for (uint64_t seq = 0; status == WCX_CTL_OK && seq < limit_seq; seq = hdr.seq)
  {
    got = wcx_journal_walk_next(&walk, &epoch, &hdr, &body);
    if (got != 1)
      break;
    if (hdr.seq >= ctl->from)
      status = print_record(ctl, epoch, &hdr, body);
  }
  if (got < 0)
    status = wcx_ctl_fail(WCX_CTL_FAILED, "shard %u: %s", shard, walk.text);
  wcx_journal_walk_close(&walk);
  return status;
}

int wcx_ctl_journal_dump(const wcx_ctl_t *ctl)
{
  static char buffer[1 << 20];
  setvbuf(stdout, buffer, _IOFBF, sizeof(buffer));
  return wcx_ctl_each_shard(ctl, dump_shard);
}

/* --- verify ------------------------------------------------------------------------------------ */

typedef struct verify
{
  wcx_ctl_replay_t replay;
  wcx_digest_mark_t marks[WCX_DIGEST_MARK_MAX]; /* ascending by seq; of equal seqs the newest */
  uint32_t mark_cnt;
  uint32_t marks_compared, marks_different;
  uint64_t first_different_seq;
  wcx_digest_mark_t at[WCX_CTL_AT_MAX];
  uint32_t at_cnt;
} verify_t;

static int compare_marks(const void *a, const void *b)
{
  uint64_t seq_a = ((const wcx_digest_mark_t *)a)->seq;
  uint64_t seq_b = ((const wcx_digest_mark_t *)b)->seq;
  return seq_a < seq_b ? -1 : seq_a > seq_b;
}

/* A data plane that died may have published marks of inputs that were never durable, and its successor others at the same seq: the newest counts. */
static void add_mark(verify_t *verify, const wcx_digest_mark_t *mark)
{
  for (uint32_t i = 0; i < verify->mark_cnt; i++)
    if (verify->marks[i].seq == mark->seq)
    {
      verify->marks[i] = *mark;
      return;
    }
  verify->marks[verify->mark_cnt++] = *mark;
}

static int read_marks(verify_t *verify, const char *path, uint32_t shard)
{
  wcx_region_file_t file;
  char err[512];
  if (wcx_region_open(&file, path, false, err, sizeof(err)) != WCX_REGION_OK)
    return wcx_ctl_fail(WCX_CTL_FAILED, "--marks: %s", err);
  static wcx_digest_marks_t copy;
  for (uint32_t i = 0; i < file.region->shard_cnt; i++)
  {
    if (file.region->params.shards[i].shard != shard)
      continue;
    const wcx_digest_marks_t *marks = &wcx_region_shard(file.region, i)->marks;
    uint64_t before, after;
    do
    {
      before = atomic_load_explicit((_Atomic uint64_t *)(uintptr_t)&marks->cnt, memory_order_acquire); /* pairs with the data plane's release */
      memcpy(&copy, marks, sizeof(copy));
      atomic_thread_fence(memory_order_acquire);
      after = atomic_load_explicit((_Atomic uint64_t *)(uintptr_t)&marks->cnt, memory_order_relaxed);
    } while (before != after);
    uint64_t from = before > WCX_DIGEST_MARK_MAX ? before - WCX_DIGEST_MARK_MAX : 0;
    for (uint64_t n = from; n < before; n++)
      add_mark(verify, &copy.marks[n & (WCX_DIGEST_MARK_MAX - 1)]);
  }
  wcx_region_close(&file);
  qsort(verify->marks, verify->mark_cnt, sizeof(verify->marks[0]), compare_marks);
  return WCX_CTL_OK;
}

static wcx_digest_mark_t mark_now(const wcx_engine_t *engine)
{
  wcx_digest_t output = wcx_engine_output_digest(engine);
  wcx_digest_t state = wcx_engine_state_digest(engine);
  return (wcx_digest_mark_t){.seq = wcx_engine_applied_seq(engine), .output_lo = output.lo, .output_hi = output.hi, .state_lo = state.lo, .state_hi = state.hi};
}

static int replay_all(verify_t *verify, const wcx_ctl_t *ctl)
{
  uint32_t next_mark = 0;
  uint32_t next_at = 0;
  int got = 1;
  while (got == 1)
  {
    uint64_t seq = wcx_engine_applied_seq(verify->replay.engine);
    while (next_mark < verify->mark_cnt && verify->marks[next_mark].seq < seq)
      next_mark++;
    if (next_mark < verify->mark_cnt && verify->marks[next_mark].seq == seq)
    {
      wcx_digest_mark_t mine = mark_now(verify->replay.engine);
      bool different = memcmp(&mine, &verify->marks[next_mark], sizeof(mine)) != 0;
      if (different && verify->marks_different++ == 0)
        verify->first_different_seq = seq;
      verify->marks_compared++;
    }
    for (; next_at < ctl->at_cnt && ctl->at[next_at] == seq; next_at++)
      verify->at[verify->at_cnt++] = mark_now(verify->replay.engine);
    got = wcx_ctl_replay_step(&verify->replay);
  }
  return got;
}

static void print_mark(const wcx_digest_mark_t *mark)
{
  char output[33];
  char state[33];
  wcx_ctl_digest_text((wcx_digest_t){.lo = mark->output_lo, .hi = mark->output_hi}, output);
  wcx_ctl_digest_text((wcx_digest_t){.lo = mark->state_lo, .hi = mark->state_hi}, state);
  printf("{\"Seq\":%" PRIu64 ",\"OutputDigest\":\"%s\",\"StateDigest\":\"%s\"}", mark->seq, output, state);
}

static void report(const verify_t *verify, const wcx_ctl_t *ctl)
{
  const wcx_journal_walk_t *walk = &verify->replay.walk;
  const wcx_journal_end_t *end = &walk->end;
  wcx_digest_mark_t last = mark_now(verify->replay.engine);
  const char *verdict = wcx_journal_verdict_name(end->verdict);
  if (ctl->json)
  {
    printf("{\"JournalVerify\":{\"Shard\":%u,\"Verdict\":\"%s\",\"LastSeq\":%" PRIu64 ",\"Blocks\":%" PRIu64 ",\"Records\":%" PRIu64 ",\"Epoch\":%" PRIu64
           ",\"Incarnation\":%" PRIu64 ",\"Segment\":%" PRIu64 ",\"Offset\":%" PRIu64 ",\"Discarded\":%" PRIu64 ",\"CommittedHint\":%" PRIu64 ",\"Last\":",
           verify->replay.shard, verdict, end->last_seq, walk->blocks, walk->records, end->epoch, walk->incarnation, end->segment_no, end->off, end->discarded,
           end->committed_hint);
    print_mark(&last);
    printf(",\"MarksCompared\":%u,\"MarksDifferent\":%u,\"At\":[", verify->marks_compared, verify->marks_different);
    for (uint32_t i = 0; i < verify->at_cnt; i++)
    {
      fputs(i == 0 ? "" : ",", stdout);
      print_mark(&verify->at[i]);
    }
    printf("]}}\n");
    return;
  }
  printf("shard %u: %s; last seq %" PRIu64 " in %" PRIu64 " blocks, epoch %" PRIu64 ", ends in segment %" PRIu64 " at %" PRIu64 "\n  digests ", verify->replay.shard, verdict,
         end->last_seq, walk->blocks, end->epoch, end->segment_no, end->off);
  print_mark(&last);
  printf("\n");
  for (uint32_t i = 0; i < verify->at_cnt; i++)
  {
    printf("  at      ");
    print_mark(&verify->at[i]);
    printf("\n");
  }
  if (ctl->marks != NULL)
    printf("  %u published digests compared, %u different\n", verify->marks_compared, verify->marks_different);
}

static int verify_shard(const wcx_ctl_t *ctl, uint32_t shard)
{
  verify_t *verify = calloc(1, sizeof(*verify));
  if (verify == NULL)
    return wcx_ctl_fail(WCX_CTL_FAILED, "no memory");
  int status = wcx_ctl_replay_open(&verify->replay, ctl, shard);
  verify->replay.limit_seq = UINT64_MAX; /* the whole chain: nothing of it is shown as a fact to anybody */
  if (status == WCX_CTL_OK && ctl->marks != NULL)
    status = read_marks(verify, ctl->marks, shard);
  if (status == WCX_CTL_OK)
  {
    int got = replay_all(verify, ctl);
    report(verify, ctl);
    wcx_digest_t state = wcx_engine_state_digest(verify->replay.engine);
    wcx_digest_t full = wcx_engine_state_digest_full(verify->replay.engine);
    if (got < 0)
      status = wcx_ctl_fail(WCX_CTL_FAILED, "shard %u: %s", shard, verify->replay.walk.text);
    else if (state.lo != full.lo || state.hi != full.hi)
      status = wcx_ctl_fail(WCX_CTL_FAILED, "shard %u: the state digest differs from one computed from scratch: this engine is broken", shard);
    else if (verify->marks_different > 0)
      status = wcx_ctl_fail(WCX_CTL_FAILED, "shard %u: %u digests differ, the first at seq %" PRIu64, shard, verify->marks_different, verify->first_different_seq);
    else if (verify->at_cnt < ctl->at_cnt)
      status = wcx_ctl_fail(WCX_CTL_FAILED, "shard %u: not every --at lies in the journal, which ends at seq %" PRIu64, shard, verify->replay.walk.end.last_seq);
  }
  wcx_ctl_replay_close(&verify->replay);
  free(verify);
  int told = wcx_ctl_decisions_report(ctl, shard);
  return status == WCX_CTL_OK ? told : status;
}

int wcx_ctl_journal_verify(const wcx_ctl_t *ctl)
{
  return wcx_ctl_each_shard(ctl, verify_shard);
}

/* --- replay ------------------------------------------------------------------------------------ */

static int replay_until(wcx_ctl_replay_t *replay, const wcx_ctl_t *ctl)
{
  bool until = ctl->until != UINT64_MAX;
  if (until && ctl->until > replay->limit_seq)
    return wcx_ctl_fail(WCX_CTL_REFUSED, "shard %u: seq %" PRIu64 " is refused: what the appliance has released ends at %" PRIu64, replay->shard, ctl->until, replay->limit_seq);
  replay->limit_seq = until ? ctl->until : replay->limit_seq;
  uint64_t from_ns = wcx_env_mono_ns();
  int got = wcx_ctl_replay_step(replay);
  while (got == 1)
    got = wcx_ctl_replay_step(replay);
  uint64_t took_ns = wcx_env_mono_ns() - from_ns;
  if (got < 0)
    return wcx_ctl_fail(WCX_CTL_FAILED, "shard %u: %s", replay->shard, replay->walk.text);
  wcx_digest_mark_t mark = mark_now(replay->engine);
  if (until && mark.seq < ctl->until)
    return wcx_ctl_fail(WCX_CTL_REFUSED, "shard %u: seq %" PRIu64 " is refused: the journal ends at %" PRIu64, replay->shard, ctl->until, mark.seq);
  wcx_digest_t full = wcx_engine_state_digest_full(replay->engine);
  if (full.lo != mark.state_lo || full.hi != mark.state_hi)
    return wcx_ctl_fail(WCX_CTL_FAILED, "shard %u: the state digest differs from one computed from scratch: this engine is broken", replay->shard);
  printf(ctl->json ? "{\"JournalReplay\":{\"Shard\":%u,\"At\":" : "shard %u: ", replay->shard);
  print_mark(&mark);
  printf(ctl->json ? ",\"OrdersLive\":%u,\"ReplayNs\":%" PRIu64 "}}\n" : ", %u orders live, replayed in %" PRIu64 " ns\n", wcx_engine_orders_live(replay->engine), took_ns);
  return WCX_CTL_OK;
}

static int replay_shard(const wcx_ctl_t *ctl, uint32_t shard)
{
  static wcx_ctl_replay_t replay;
  int status = wcx_ctl_replay_open(&replay, ctl, shard);
  if (status == WCX_CTL_OK)
    status = replay_until(&replay, ctl);
  wcx_ctl_replay_close(&replay);
  return status;
}

int wcx_ctl_journal_replay(const wcx_ctl_t *ctl)
{
  return wcx_ctl_each_shard(ctl, replay_shard);
}
