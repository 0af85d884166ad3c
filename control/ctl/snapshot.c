#include "control/ctl/replay.h"
#include "engine/resume.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#define TAKE_PATIENCE_S 60u
#define TAKE_POLL_NS 50000000

/* --- take -------------------------------------------------------------------------------------- */

/* The row of a shard in a status; the caller gives `parsed` back. */
static const json_t *ask_shard(const wcx_ctl_t *ctl, uint32_t shard, json_t **parsed, int *status)
{
  static char answer[WCX_CTL_ANSWER_SZ];
  *parsed = NULL;
  *status = wcx_ctl_ask(ctl, "{\"Status\":{}}\n", answer, sizeof(answer));
  if (*status != WCX_CTL_OK)
    return NULL;
  *parsed = json_loads(answer, 0, NULL);
  const json_t *shards = json_object_get(json_object_get(*parsed, "Status"), "Shards");
  for (size_t i = 0; i < json_array_size(shards); i++)
    if (json_integer_value(json_object_get(json_array_get(shards, i), "Shard")) == shard)
      return json_array_get(shards, i);
  *status = wcx_ctl_fail(WCX_CTL_FAILED, "the running appliance has no shard %u", shard);
  return NULL;
}

static int await_taken(const wcx_ctl_t *ctl, uint32_t shard, json_int_t asked)
{
  for (uint32_t i = 0; i < TAKE_PATIENCE_S * 20; i++)
  {
    json_t *parsed;
    int status;
    const json_t *row = ask_shard(ctl, shard, &parsed, &status);
    bool halted = json_integer_value(json_object_get(row, "ReplicaHalted")) != 0;
    bool taken = json_integer_value(json_object_get(row, "TakeAnswered")) >= asked;
    json_int_t seq = json_integer_value(json_object_get(row, "SnapshotSeq"));
    json_decref(parsed);
    if (status != WCX_CTL_OK)
      return status;
    if (halted)
      return wcx_ctl_fail(WCX_CTL_FAILED, "shard %u: the replica has halted: see its log", shard);
    if (taken)
    {
      printf(ctl->json ? "{\"SnapshotTaken\":{\"Shard\":%u,\"Seq\":%" PRIu64 "}}\n" : "shard %u: a snapshot up to input %" PRIu64 " is on disk\n", shard, (uint64_t)seq);
      return WCX_CTL_OK;
    }
    struct timespec pause = {.tv_nsec = TAKE_POLL_NS};
    nanosleep(&pause, NULL);
  }
  return wcx_ctl_fail(WCX_CTL_UNKNOWN, "shard %u: no snapshot within %u s; it may still come: wcxctl status shows SnapshotSeq, the log of wcx-replica why", shard, TAKE_PATIENCE_S);
}

static int take_of_shard(const wcx_ctl_t *ctl, uint32_t shard)
{
  char request[64];
  char answer[1024];
  snprintf(request, sizeof(request), "{\"SnapshotTake\":{\"Shard\":%u}}\n", shard);
  int status = wcx_ctl_ask(ctl, request, answer, sizeof(answer));
  if (status != WCX_CTL_OK)
    return status;
  json_t *parsed = json_loads(answer, 0, NULL);
  const json_t *asked = json_object_get(json_object_get(parsed, "SnapshotAsked"), "Asked");
  const char *error = json_string_value(json_object_get(json_object_get(parsed, "Error"), "Text"));
  if (!json_is_integer(asked))
    status = wcx_ctl_fail(WCX_CTL_REFUSED, "shard %u: %s", shard, error != NULL ? error : answer);
  json_int_t number = json_integer_value(asked);
  json_decref(parsed);
  return status == WCX_CTL_OK ? await_taken(ctl, shard, number) : status;
}

int wcx_ctl_snapshot_take(const wcx_ctl_t *ctl)
{
  return wcx_ctl_each_shard(ctl, take_of_shard);
}

/* --- list -------------------------------------------------------------------------------------- */

static void print_listed(const wcx_ctl_t *ctl, uint32_t shard, uint64_t seq, int64_t sz, const wcx_snapshot_file_t *hdr, const char *err)
{
  if (ctl->json)
    printf("{\"Snapshot\":{\"Shard\":%u,\"Seq\":%" PRIu64 ",\"Bytes\":%" PRId64 ",\"StampNs\":%" PRIu64 ",\"TakenNs\":%" PRIu64 ",\"OrdersLive\":%" PRIu64
           ",\"WindowBytes\":%" PRIu64 ",\"Segment\":%" PRIu64 ",\"Header\":\"%s\"}}\n",
           shard, seq, sz, hdr->stamp_ns, hdr->taken_ns, hdr->orders_live, hdr->window_sz, hdr->anchor.segment_no, err[0] == 0 ? "Good" : "Bad");
  else if (err[0] == 0)
    printf("%12" PRIu64 " %12" PRId64 " %20" PRIu64 " %10" PRIu64 " %8" PRIu64 "\n", seq, sz, hdr->taken_ns, hdr->orders_live, hdr->anchor.segment_no);
  else
    printf("%12" PRIu64 " %12" PRId64 " %s\n", seq, sz, err);
}

static bool open_snapshots(const wcx_ctl_t *ctl, uint32_t shard, char *dir, size_t dir_sz, wcx_snapshot_source_t *source)
{
  if (!wcx_snapshot_dir(dir, dir_sz, ctl->state_dir, shard))
  {
    wcx_ctl_fail(WCX_CTL_FAILED, "the path of the state directory is too long");
    return false;
  }
  int result = wcx_snapshot_source_open(source, dir);
  if (result < 0)
    wcx_ctl_fail(WCX_CTL_FAILED, "%s: %s", dir, result == -ENOENT ? "there are no snapshots yet" : strerrordesc_np(-result));
  return result == 0;
}

static int list_of_shard(const wcx_ctl_t *ctl, uint32_t shard)
{
  char dir[WCX_CTL_PATH_MAX + 64];
  wcx_snapshot_source_t source;
  if (!open_snapshots(ctl, shard, dir, sizeof(dir), &source))
    return WCX_CTL_FAILED;
  if (!ctl->json)
    printf("shard %u\n%12s %12s %20s %10s %8s\n", shard, "seq", "bytes", "taken", "orders", "segment");
  uint64_t seq = UINT64_MAX;
  int result;
  while ((result = source.older(source.ctx, seq, &seq)) == 1)
  {
    const uint8_t *bytes;
    char err[160] = "";
    wcx_snapshot_file_t hdr = {0};
    int64_t sz = source.map(source.ctx, seq, &bytes);
    if (sz < (int64_t)WCX_SNAPSHOT_FILE_ALIGN)
      snprintf(err, sizeof(err), "%s", sz < 0 ? strerrordesc_np((int)-sz) : "it is shorter than a header");
    else if (!wcx_snapshot_check_header(bytes, (uint64_t)sz, &hdr, err, sizeof(err)))
      hdr = (wcx_snapshot_file_t){0};
    print_listed(ctl, shard, seq, sz < 0 ? 0 : sz, &hdr, err);
    source.unmap(source.ctx);
  }
  source.close(source.ctx);
  return result < 0 ? wcx_ctl_fail(WCX_CTL_FAILED, "%s: %s", dir, strerrordesc_np(-result)) : WCX_CTL_OK;
}

int wcx_ctl_snapshot_list(const wcx_ctl_t *ctl)
{
  return wcx_ctl_each_shard(ctl, list_of_shard);
}

/* --- verify ------------------------------------------------------------------------------------ */

static void print_verified(const wcx_ctl_t *ctl, const wcx_resume_t *resume, bool good)
{
  char digest[33] = "";
  if (good)
    wcx_ctl_digest_text(resume->hdr.state_digest, digest);
  json_t *text = json_string(good ? "" : resume->text);
  char *quoted = text != NULL ? json_dumps(text, JSON_ENCODE_ANY) : NULL;
  if (ctl->json)
    printf("{\"SnapshotVerify\":{\"Shard\":%u,\"Seq\":%" PRIu64 ",\"Good\":%s,\"StateDigest\":\"%s\",\"Text\":%s}}\n", resume->limits->shard, resume->seq, good ? "true" : "false",
           digest, quoted != NULL ? quoted : "\"\"");
  else
    printf("shard %u: snapshot %" PRIu64 ": %s%s\n", resume->limits->shard, resume->seq, good ? "good, state digest " : "", good ? digest : resume->text);
  free(quoted);
  json_decref(text);
}

/* As a start does it, but every one of them. */
static int verify_all(const wcx_ctl_t *ctl, wcx_resume_t *resume)
{
  uint32_t bad = 0;
  uint32_t good = 0;
  for (;;)
  {
    wcx_journal_walk_t walk;
    enum wcx_resume_result result = wcx_resume_next(resume, &walk);
    if (result == WCX_RESUME_NONE)
      break;
    print_verified(ctl, resume, result == WCX_RESUME_LOADED);
    bad += result == WCX_RESUME_REFUSED;
    good += result == WCX_RESUME_LOADED;
    if (result != WCX_RESUME_LOADED)
      continue;
    wcx_engine_verify(resume->engine);
    wcx_resume_refuse(resume, &walk, "it is verified");
  }
  if (bad > 0)
    return wcx_ctl_fail(WCX_CTL_FAILED, "shard %u: %u of %u snapshots are not good", resume->limits->shard, bad, bad + good);
  return good > 0 ? WCX_CTL_OK : wcx_ctl_fail(WCX_CTL_FAILED, "shard %u: there are no snapshots yet", resume->limits->shard);
}

static int verify_of_shard(const wcx_ctl_t *ctl, uint32_t shard)
{
  char journal_dir[WCX_CTL_PATH_MAX + 64];
  char snapshot_dir[WCX_CTL_PATH_MAX + 64];
  if (!wcx_journal_dir(journal_dir, sizeof(journal_dir), ctl->state_dir, shard) || !wcx_snapshot_dir(snapshot_dir, sizeof(snapshot_dir), ctl->state_dir, shard))
    return wcx_ctl_fail(WCX_CTL_FAILED, "the path of the state directory is too long");
  wcx_engine_limits_t limits = {.shard = shard, .orders_max = 1, .levels_max = 2, .instruments_max = 1, .accounts_max = 1, .sessions_max = 1, .hash_key = 1};
  wcx_resume_t resume = {.snapshot_dir = snapshot_dir, .journal_dir = journal_dir, .limits = &limits};
  wcx_snapshot_source_t source;
  if (!open_snapshots(ctl, shard, snapshot_dir, sizeof(snapshot_dir), &source))
    return WCX_CTL_FAILED;
  source.close(source.ctx);
  wcx_ctl_grow_to_snapshots(ctl, shard, &limits);
  int status = wcx_ctl_last_seq(ctl, shard, &resume.last_seq);
  if (status != WCX_CTL_OK)
    return status;
  resume.engine_sz = wcx_engine_footprint(&limits);
  if (resume.engine_sz == 0)
    return wcx_ctl_fail(WCX_CTL_FAILED, "shard %u: sizes in a snapshot's header are out of range", shard);
  size_t sz = wcx_snapshot_round(resume.engine_sz) + WCX_JOURNAL_WALK_BUF_SZ;
  uint8_t *mem = mmap(NULL, sz, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mem == MAP_FAILED)
    return wcx_ctl_fail(WCX_CTL_FAILED, "no memory for an engine of %u orders: %s", limits.orders_max, strerror(errno));
  resume.engine_mem = mem;
  resume.walk_buf = mem + wcx_snapshot_round(resume.engine_sz);
  status = verify_all(ctl, &resume);
  munmap(mem, sz);
  return status;
}

int wcx_ctl_snapshot_verify(const wcx_ctl_t *ctl)
{
  return wcx_ctl_each_shard(ctl, verify_of_shard);
}
