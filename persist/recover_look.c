/* The half of recovery that changes nothing: whoever decides about a journal's end (control/ctl/decide.c) sees it with the same eyes as its worker. */
#include "persist/anchors.h"
#include "persist/recover.h"

#include <errno.h>
#include <inttypes.h>

/* --- the disk as a source of the walk --------------------------------------------------------- */

typedef struct disk_source
{
  wcx_disk_t *disk;
  uint32_t handle;
  uint64_t segment_no;
  bool open;
} disk_source_t;

static void source_done(void *ctx)
{
  disk_source_t *source = ctx;
  if (source->open)
    wcx_disk_file_close(source->disk, source->handle);
  source->open = false;
}

static int64_t source_read(void *ctx, uint64_t segment_no, uint64_t off, void *buf, size_t sz)
{
  disk_source_t *source = ctx;
  if (!source->open || source->segment_no != segment_no)
  {
    char name[WCX_SEGMENT_NAME_SZ];
    wcx_segment_name(name, segment_no);
    source_done(source);
    int result = wcx_disk_file_open(source->disk, source->handle, segment_no == 0 ? "superblock" : name, false);
    if (result < 0)
      return result;
    source->open = true;
    source->segment_no = segment_no;
  }
  return wcx_disk_read(source->disk, source->handle, off, buf, sz);
}

static uint64_t source_last_segment(void *ctx)
{
  disk_source_t *source = ctx;
  uint64_t last;
  return wcx_segment_last(source->disk, &last) < 0 ? UINT64_MAX : last; /* cannot tell: a missing segment must not look like the end */
}

/* --- walk --------------------------------------------------------------------------------------- */

/* The two newest anchors, the newer first; less than two when a page does not serve. */
static uint32_t recent_anchors(wcx_disk_t *disk, uint8_t *buf, const wcx_journal_super_t *super, wcx_journal_anchor_t recent[WCX_JOURNAL_ANCHOR_RECENT])
{
  uint32_t cnt = 0;
  for (uint32_t i = 0; i < WCX_JOURNAL_ANCHOR_RECENT; i++)
    cnt += wcx_anchors_read(disk, buf, WCX_HANDLE_ANCHORS, super, i, &recent[cnt]);
  if (cnt == 2 && recent[0].chain.next_block_no < recent[1].chain.next_block_no)
  {
    wcx_journal_anchor_t older = recent[0];
    recent[0] = recent[1];
    recent[1] = older;
  }
  return cnt;
}

/* Put the walk at the newest anchor that the block behind it vouches for (rule 10), or leave it at the journal's first place. */
static int start_near_end(wcx_journal_walk_t *walk, const wcx_journal_source_t *reads, uint8_t *buf, const wcx_journal_anchor_t *recent, uint32_t cnt, char *err, size_t err_sz)
{
  for (uint32_t i = 0; i < cnt; i++)
  {
    wcx_journal_block_t block;
    const uint8_t *body;
    bool vouched = wcx_journal_walk_over_at(walk, reads, buf, &recent[i], err, err_sz) == WCX_JOURNAL_OPEN_OK && wcx_journal_walk_next_block(walk, &block, &body) == 1;
    if (vouched)
      return wcx_journal_walk_over_at(walk, reads, buf, &recent[i], err, err_sz);
  }
  return wcx_journal_walk_over(walk, reads, buf, err, err_sz);
}

bool wcx_recover_vouched(wcx_disk_t *disk, uint32_t handle, const wcx_journal_anchor_t *anchor, uint8_t *buf)
{
  disk_source_t source = {.disk = disk, .handle = handle};
  wcx_journal_source_t reads = {.ctx = &source, .read = source_read, .last_segment = source_last_segment, .close = source_done};
  wcx_journal_walk_t walk;
  wcx_journal_block_t block;
  const uint8_t *body;
  char err[WCX_JOURNAL_TEXT_SZ];
  bool vouched = wcx_journal_walk_over_at(&walk, &reads, buf, anchor, err, sizeof(err)) == WCX_JOURNAL_OPEN_OK && wcx_journal_walk_next_block(&walk, &block, &body) == 1;
  source_done(&source);
  return vouched;
}

/* An anchor is a witness: everything before it was durable. */
static int check_anchors(const wcx_journal_walk_t *walk, const wcx_journal_anchor_t *newest, char *err, size_t err_sz)
{
  if (walk->chain.next_block_no >= newest->chain.next_block_no)
    return 0;
  snprintf(err, err_sz,
           "acknowledged data is damaged at block %" PRIu64 " (segment %" PRIu64 ", offset %" PRIu64 ", after seq %" PRIu64 "): an anchor says that everything up to seq %" PRIu64
           " was durable. Restore the journal from a backup or another member",
           walk->chain.next_block_no, walk->end.segment_no, walk->end.off, walk->end.last_seq, newest->chain.next_seq - 1);
  return -1;
}

/* Any valid copy serves to start; the others are made anew before anything is written, or the next damage is one too many. */
static bool super_differs(wcx_journal_source_t *reads, const wcx_journal_super_t *super, uint8_t *buf)
{
  size_t sz = (size_t)WCX_JOURNAL_SUPER_COPIES * WCX_JOURNAL_ALIGN;
  static_assert(2 * WCX_JOURNAL_SUPER_COPIES * WCX_JOURNAL_ALIGN <= WCX_JOURNAL_WALK_BUF_SZ, "found and wanted");
  wcx_page_of_super(buf + sz, super);
  return reads->read(reads->ctx, 0, 0, buf, sz) != (int64_t)sz || memcmp(buf, buf + sz, sz) != 0;
}

/* What the anchors say of the end that was found. */
static void ask_anchors(wcx_recovered_t *recovered, const wcx_journal_anchor_t *recent, uint32_t cnt)
{
  const wcx_journal_chain_t *chain = &recovered->chain;
  for (uint32_t i = 0; i < cnt; i++)
  {
    const wcx_journal_chain_t *kept = &recent[i].chain;
    bool here = kept->next_block_no == chain->next_block_no && kept->digest.lo == chain->digest.lo && kept->digest.hi == chain->digest.hi;
    recovered->marked = recovered->marked || recent[i].closed;
    recovered->closed = recovered->closed || (recent[i].closed && here);
    if (kept->next_seq - 1 > recovered->vouched_seq)
      recovered->vouched_seq = kept->next_seq - 1;
  }
}

/* From the opened walk to the end of the journal. */
static int walk_to_end(wcx_recovered_t *recovered, wcx_disk_t *disk, wcx_journal_walk_t *walk, wcx_journal_source_t *reads, uint8_t *buf, char *err, size_t err_sz)
{
  bool super_damaged = super_differs(reads, &walk->super, buf);
  wcx_journal_anchor_t recent[WCX_JOURNAL_ANCHOR_RECENT];
  uint32_t recent_cnt = recent_anchors(disk, buf, &walk->super, recent);
  if (start_near_end(walk, reads, buf, recent, recent_cnt, err, err_sz) != WCX_JOURNAL_OPEN_OK)
    return -1;
  uint64_t from_segment_no = walk->segment_no;
  uint64_t from_off = walk->off;
  bool anchored = walk->chain.next_block_no != wcx_journal_first_anchor(&walk->super).chain.next_block_no;
  int result;
  uint64_t epoch;
  wcx_record_hdr_t hdr;
  const uint8_t *body;
  do
    result = wcx_journal_walk_next(walk, &epoch, &hdr, &body);
  while (result == 1);
  if (result < 0)
    snprintf(err, err_sz, "%s", walk->text);
  bool anchored_beyond = recent_cnt > 0 && recent[0].chain.next_block_no > walk->chain.next_block_no;
  if (recent_cnt > 0 && (result == 0 || walk->end.verdict == WCX_JOURNAL_HALT) && check_anchors(walk, &recent[0], err, err_sz) < 0)
    result = -1; /* what an anchor vouches for is cut away by nobody who does not say so */
  *recovered = (wcx_recovered_t){.super = walk->super,
                                 .chain = walk->chain,
                                 .segment_no = walk->end.segment_no,
                                 .off = walk->end.off,
                                 .last_segment_no = reads->last_segment(reads->ctx),
                                 .incarnation = walk->incarnation,
                                 .last_stamp_ns = walk->last_stamp_ns,
                                 .committed_hint = walk->committed_hint,
                                 .vouched_seq = walk->end.committed_hint,
                                 .super_damaged = super_damaged,
                                 .blocks = walk->blocks,
                                 .records = walk->records,
                                 .from_segment_no = from_segment_no,
                                 .from_off = from_off,
                                 .anchored = anchored,
                                 .discarded = walk->end.discarded,
                                 .cut = walk->end.verdict == WCX_JOURNAL_CUT,
                                 .end = walk->end,
                                 .anchor_seq = recent_cnt > 0 ? recent[0].chain.next_seq - 1 : 0,
                                 .anchored_beyond = anchored_beyond};
  ask_anchors(recovered, recent, recent_cnt);
  return result;
}

int wcx_recover_look(wcx_recovered_t *recovered, wcx_disk_t *disk, uint8_t *buf, char *err, size_t err_sz)
{
  *recovered = (wcx_recovered_t){0};
  disk_source_t source = {.disk = disk, .handle = WCX_HANDLE_READ};
  wcx_journal_source_t reads = {.ctx = &source, .read = source_read, .last_segment = source_last_segment, .close = source_done};
  wcx_journal_walk_t walk;
  int opened = wcx_journal_walk_over(&walk, &reads, buf, err, err_sz);
  int result = opened == WCX_JOURNAL_OPEN_MISSING ? 1 : -1;
  if (opened == WCX_JOURNAL_OPEN_OK)
    result = walk_to_end(recovered, disk, &walk, &reads, buf, err, err_sz);
  source_done(&source);
  return result;
}
