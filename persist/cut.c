#include "persist/cut.h"

#include "engine/base/env.h"

#include <errno.h>
#include <inttypes.h>

#define ERROR_TEXT(errnum) strerrordesc_np(errnum)
#define TEMP_NAME "cut.tmp"

/* --- segments by their names ---------------------------------------------------------------------- */

typedef struct next
{
  uint64_t from;
  uint64_t found; /* lowest >= from; UINT64_MAX: none */
} next_t;

static void take_name(void *ctx, const char *name)
{
  next_t *next = ctx;
  uint64_t segment_no;
  if (wcx_segment_no_of(name, &segment_no) && segment_no >= next->from && segment_no < next->found)
    next->found = segment_no;
}

/* Names alone count here: the numbers that a damaged directory holds may lie far apart. */
static int next_segment(wcx_disk_t *disk, uint64_t from, uint64_t *segment_no)
{
  next_t next = {.from = from, .found = UINT64_MAX};
  int result = wcx_disk_list(disk, take_name, &next);
  *segment_no = next.found;
  return result;
}

/* --- what was found ------------------------------------------------------------------------------- */

/* Segment, place and bytes up to where reading ends, and why it ends there: a part that no disk gives back is as much of the finding as one that it does. */
static void digest_span(wcx_digest_t *digest, wcx_disk_t *disk, uint64_t segment_no, uint64_t off, uint8_t *buf)
{
  char name[WCX_SEGMENT_NAME_SZ];
  wcx_segment_name(name, segment_no);
  wcx_digest_update(digest, &segment_no, sizeof(segment_no));
  int64_t got = wcx_disk_file_open(disk, WCX_HANDLE_READ, name, false);
  bool open = got == 0;
  while (got >= 0)
  {
    got = wcx_disk_read(disk, WCX_HANDLE_READ, off, buf, WCX_JOURNAL_WALK_BUF_SZ);
    if (got <= 0)
      break;
    wcx_digest_update(digest, buf, (size_t)got);
    off += (uint64_t)got;
    if (got < (int64_t)WCX_JOURNAL_WALK_BUF_SZ)
      break;
  }
  if (open)
    wcx_disk_file_close(disk, WCX_HANDLE_READ);
  int64_t end[2] = {(int64_t)off, got < 0 ? got : 0};
  wcx_digest_update(digest, end, sizeof(end));
}

int wcx_cut_find(wcx_journal_finding_t *finding, const wcx_recovered_t *recovered, wcx_disk_t *disk, uint8_t *buf, char *err, size_t err_sz)
{
  const wcx_journal_end_t *end = &recovered->end;
  *finding = (wcx_journal_finding_t){.segment_no = end->segment_no,
                                     .off = end->off,
                                     .last_block_no = end->last_block_no,
                                     .last_seq = end->last_seq,
                                     .digest = end->digest,
                                     .bytes = {.lo = WCX_JOURNAL_DECISION_MAGIC},
                                     .committed_hint = end->committed_hint,
                                     .acked_seq = end->committed_hint > recovered->anchor_seq ? end->committed_hint : recovered->anchor_seq,
                                     .verdict = end->verdict,
                                     .row = wcx_journal_decide_row(&end->facts),
                                     .place = end->facts.place,
                                     .anchored_beyond = recovered->anchored_beyond};
  digest_span(&finding->bytes, disk, end->segment_no, end->off, buf);
  uint64_t segment_no = end->segment_no;
  int result = next_segment(disk, segment_no + 1, &segment_no);
  while (result == 0 && segment_no != UINT64_MAX)
  {
    digest_span(&finding->bytes, disk, segment_no, 0, buf);
    result = next_segment(disk, segment_no + 1, &segment_no);
  }
  if (result < 0)
    snprintf(err, err_sz, "the journal directory cannot be listed: %s", ERROR_TEXT(-result));
  return result < 0 ? -1 : 0;
}

int wcx_cut_read(wcx_cut_t *cut, wcx_disk_t *disk, const wcx_journal_super_t *super, uint8_t *buf, char *err, size_t err_sz)
{
  *cut = (wcx_cut_t){0};
  int result = wcx_disk_file_open(disk, WCX_HANDLE_DECISIONS, WCX_JOURNAL_DECISIONS_NAME, false);
  if (result == -ENOENT)
    return 0;
  int64_t sz = result < 0 ? result : wcx_disk_file_sz(disk, WCX_HANDLE_DECISIONS);
  bool sized = sz > 0 && sz % WCX_JOURNAL_DECISION_PAIR_SZ == 0 && sz / WCX_JOURNAL_DECISION_PAIR_SZ <= WCX_JOURNAL_DECISIONS_MAX;
  int64_t got = sized ? wcx_disk_read(disk, WCX_HANDLE_DECISIONS, (uint64_t)sz - WCX_JOURNAL_DECISION_PAIR_SZ, buf, WCX_JOURNAL_DECISION_PAIR_SZ) : sz < 0 ? sz : -EBADMSG;
  if (result == 0)
    wcx_disk_file_close(disk, WCX_HANDLE_DECISIONS);
  if (got == WCX_JOURNAL_DECISION_PAIR_SZ && wcx_journal_decision_read(buf, super, &cut->decision))
  {
    uint64_t at_ns;
    cut->pair = (uint32_t)(sz / WCX_JOURNAL_DECISION_PAIR_SZ) - 1;
    cut->digest = wcx_journal_decision_digest(buf);
    cut->state = wcx_journal_carried_read(buf + WCX_JOURNAL_ALIGN, cut->digest, &at_ns);
    return cut->state == WCX_JOURNAL_CARRIED_DONE ? 0 : 1;
  }
  snprintf(err, err_sz, "the file `decisions` does not serve (%s): it is damaged or of another journal; take it away, then two persons decide anew",
           got < 0 && got != -EBADMSG ? ERROR_TEXT((int)-got) : "bytes");
  return -1;
}

/* --- cutting -------------------------------------------------------------------------------------- */

bool wcx_cut_can(const wcx_recovered_t *recovered)
{
  const wcx_journal_end_t *end = &recovered->end;
  return end->facts.place != WCX_JOURNAL_PLACE_UNREADABLE || (end->off == WCX_JOURNAL_ALIGN && end->segment_no > recovered->super.first_segment_no);
}

static void kept_name(char name[WCX_CUT_NAME_SZ], const wcx_cut_t *cut, uint64_t segment_no, uint64_t off)
{
  snprintf(name, WCX_CUT_NAME_SZ, "cut-%02x-%016" PRIx64 "-%08" PRIx64, cut->pair, segment_no, off);
}

static int mark(const wcx_cut_t *cut, wcx_disk_t *disk, enum wcx_journal_carried_state state, uint8_t *buf)
{
  wcx_journal_carried_page(buf, state, cut->digest, wcx_env_utc_ns());
  int result = wcx_disk_file_open(disk, WCX_HANDLE_DECISIONS, WCX_JOURNAL_DECISIONS_NAME, false);
  if (result < 0)
    return result;
  result = wcx_disk_write(disk, WCX_HANDLE_DECISIONS, (uint64_t)cut->pair * WCX_JOURNAL_DECISION_PAIR_SZ + WCX_JOURNAL_ALIGN, buf, WCX_JOURNAL_ALIGN);
  wcx_disk_file_close(disk, WCX_HANDLE_DECISIONS);
  return result;
}

static bool exists(wcx_disk_t *disk, const char *name)
{
  bool there = wcx_disk_file_open(disk, WCX_HANDLE_READ, name, false) == 0;
  if (there)
    wcx_disk_file_close(disk, WCX_HANDLE_READ);
  return there;
}

/* Give it another name; it may have it already. */
static int keep_whole(wcx_disk_t *disk, const char *name, const char *kept)
{
  int result = wcx_disk_rename(disk, name, kept);
  return result == -ENOENT ? 0 : result;
}

static int copy_rest(wcx_disk_t *disk, uint64_t off, uint64_t segment_sz, uint8_t *buf)
{
  int result = wcx_disk_remove(disk, TEMP_NAME); /* what an earlier attempt left may be longer */
  if (result == 0 || result == -ENOENT)
    result = wcx_disk_file_open(disk, WCX_HANDLE_PREPARE, TEMP_NAME, true);
  if (result < 0)
    return result;
  for (uint64_t done = 0; result == 0 && off + done < segment_sz;)
  {
    uint64_t left = segment_sz - off - done;
    size_t want = left < WCX_JOURNAL_WALK_BUF_SZ ? (size_t)left : WCX_JOURNAL_WALK_BUF_SZ;
    int got = wcx_disk_read(disk, WCX_HANDLE_READ, off + done, buf, want);
    result = got < 0 ? got : (size_t)got < want ? -EIO : wcx_disk_write(disk, WCX_HANDLE_PREPARE, done, buf, want);
    done += want;
  }
  if (result == 0)
    result = wcx_disk_sync(disk, WCX_HANDLE_PREPARE);
  wcx_disk_file_close(disk, WCX_HANDLE_PREPARE);
  return result;
}

/* The segment that P is in stays, up to P. A copy that is there was made whole before anything was zeroed, and is not made again. */
static int cut_in(const wcx_cut_t *cut, const wcx_recovered_t *recovered, wcx_disk_t *disk, uint8_t *buf)
{
  uint64_t off = recovered->end.off;
  uint64_t segment_sz = recovered->super.segment_sz;
  char name[WCX_SEGMENT_NAME_SZ], kept[WCX_CUT_NAME_SZ];
  wcx_segment_name(name, recovered->end.segment_no);
  kept_name(kept, cut, recovered->end.segment_no, off);
  int result = 0;
  if (!exists(disk, kept))
  {
    result = wcx_disk_file_open(disk, WCX_HANDLE_READ, name, false);
    if (result < 0)
      return result;
    result = copy_rest(disk, off, segment_sz, buf);
    wcx_disk_file_close(disk, WCX_HANDLE_READ);
    if (result == 0)
      result = wcx_disk_rename(disk, TEMP_NAME, kept);
    if (result == 0)
      result = wcx_disk_sync_dir(disk);
  }
  wcx_env_crash_point("cut.kept");
  if (result == 0)
    result = wcx_disk_file_open(disk, WCX_HANDLE_READ, name, false);
  if (result < 0)
    return result;
  memset(buf, 0, WCX_JOURNAL_WALK_BUF_SZ);
  while (result == 0 && off < segment_sz)
  {
    uint64_t left = segment_sz - off;
    size_t sz = left < WCX_JOURNAL_WALK_BUF_SZ ? (size_t)left : WCX_JOURNAL_WALK_BUF_SZ;
    result = wcx_disk_write(disk, WCX_HANDLE_READ, off, buf, sz);
    wcx_env_crash_point("cut.zero");
    off += sz;
  }
  wcx_disk_file_close(disk, WCX_HANDLE_READ);
  return result;
}

static int cut_all(const wcx_cut_t *cut, const wcx_recovered_t *recovered, wcx_disk_t *disk, uint8_t *buf)
{
  uint64_t from = recovered->end.segment_no;
  bool whole = recovered->end.off == WCX_JOURNAL_ALIGN && from > recovered->super.first_segment_no; /* nothing of it is left: it goes like those behind it */
  int result = whole ? 0 : cut_in(cut, recovered, disk, buf);
  uint64_t segment_no = UINT64_MAX;
  if (result == 0)
    result = next_segment(disk, whole ? from : from + 1, &segment_no);
  while (result == 0 && segment_no != UINT64_MAX)
  {
    char name[WCX_SEGMENT_NAME_SZ], kept[WCX_CUT_NAME_SZ];
    wcx_segment_name(name, segment_no);
    kept_name(kept, cut, segment_no, 0);
    result = keep_whole(disk, name, kept);
    wcx_env_crash_point("cut.away");
    if (result == 0)
      result = next_segment(disk, segment_no + 1, &segment_no);
  }
  if (result == 0 && cut->decision.finding.anchored_beyond)
  {
    char kept[WCX_CUT_NAME_SZ];
    snprintf(kept, sizeof(kept), "cut-%02x-anchors", cut->pair);
    result = keep_whole(disk, "anchors", kept);
  }
  return result == 0 ? wcx_disk_sync_dir(disk) : result;
}

int wcx_cut_carry_out(const wcx_cut_t *cut, const wcx_recovered_t *recovered, wcx_disk_t *disk, uint8_t *buf, char *err, size_t err_sz)
{
  int result = cut->state == WCX_JOURNAL_CARRIED_BEGUN ? 0 : mark(cut, disk, WCX_JOURNAL_CARRIED_BEGUN, buf);
  wcx_env_crash_point("cut.begun");
  if (result == 0)
    result = cut_all(cut, recovered, disk, buf);
  wcx_env_crash_point("cut.all");
  if (result == 0)
    result = mark(cut, disk, WCX_JOURNAL_CARRIED_DONE, buf);
  wcx_env_crash_point("cut.done");
  if (result == 0)
    return 0;
  snprintf(err, err_sz, "the decision cannot be carried out: %s%s; what is cut away is kept first, and the next start goes on with it", ERROR_TEXT(-result),
           result == -ENOSPC ? ": make room" : "");
  return -1;
}
