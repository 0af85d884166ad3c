#include "engine/shm/journal_walk.h"

#include "engine/base/check.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#define FIRST_READ_SZ (2 * WCX_JOURNAL_BLOCK_SZ_MAX) /* whatever is within the first half can be walked over: the largest block fits behind it */
#define ERROR_TEXT(errnum) strerrordesc_np(errnum)   /* unlike strerror: no shared buffer */

static uint32_t super_crc(const wcx_journal_super_t *super)
{
  wcx_journal_super_t copy = *super;
  copy.copy = 0;
  copy.crc32c = 0;
  return wcx_crc32c(0, &copy, sizeof(copy));
}

static bool super_sound(const wcx_journal_super_t *super)
{
  bool sound = super->shard > 0 && super->segment_sz % WCX_JOURNAL_ALIGN == 0 && super->segment_sz >= (256u << 10);
  sound = sound && super->in_flight_max > 0 && super->in_flight_max <= WCX_JOURNAL_IN_FLIGHT_MAX && super->first_segment_no > 0;
  if (super->first_segment_no == 1)
    return sound && wcx_journal_all_zero((const uint8_t *)&super->start, sizeof(super->start));
  return sound && super->start.next_block_no > 1 && super->start.next_seq > 0;
}

/* Any valid copy serves. A copy of another version is reported as such only when none of ours is there. */
static int read_super(wcx_journal_walk_t *walk, char *err, size_t err_sz)
{
  int64_t got = walk->source.read(walk->source.ctx, 0, 0, walk->buf, WCX_JOURNAL_SUPER_COPIES * WCX_JOURNAL_ALIGN);
  if (got == -ENOENT)
  {
    snprintf(err, err_sz, "there is no journal (no superblock)");
    return WCX_JOURNAL_OPEN_MISSING;
  }
  if (got < 0)
  {
    snprintf(err, err_sz, "the superblock cannot be read: %s", ERROR_TEXT((int)-got));
    return WCX_JOURNAL_OPEN_BAD;
  }
  uint32_t foreign_version = 0;
  for (uint32_t i = 0; (int64_t)(i + 1) * WCX_JOURNAL_ALIGN <= got; i++)
  {
    wcx_journal_super_t super;
    memcpy(&super, walk->buf + (size_t)i * WCX_JOURNAL_ALIGN, sizeof(super));
    if (super.magic != WCX_JOURNAL_SUPER_MAGIC)
      continue;
    if (super.version != WCX_JOURNAL_VERSION)
    {
      foreign_version = super.version;
      continue;
    }
    if (super_crc(&super) != super.crc32c || !super_sound(&super))
      continue;
    walk->super = super;
    return WCX_JOURNAL_OPEN_OK;
  }
  if (foreign_version != 0)
    snprintf(err, err_sz, "the journal has format version %u, this program reads version %u: use the release that wrote it", foreign_version, (unsigned)WCX_JOURNAL_VERSION);
  else
    snprintf(err, err_sz, "no copy of the superblock is valid: restore the file `superblock` from a backup or another member");
  return WCX_JOURNAL_OPEN_BAD;
}

wcx_journal_start_t wcx_journal_start_of(const wcx_journal_anchor_t *anchor)
{
  return (wcx_journal_start_t){.next_block_no = anchor->chain.next_block_no,
                               .next_seq = anchor->chain.next_seq,
                               .epoch = anchor->chain.epoch,
                               .digest = anchor->chain.digest,
                               .incarnation = anchor->incarnation,
                               .last_stamp_ns = anchor->last_stamp_ns,
                               .committed_hint = anchor->committed_hint};
}

wcx_journal_anchor_t wcx_journal_anchor_at(uint32_t shard, uint64_t segment_no, uint64_t off, const wcx_journal_start_t *start)
{
  wcx_journal_chain_t chain = {.shard = shard, .next_block_no = start->next_block_no, .next_seq = start->next_seq, .epoch = start->epoch, .digest = start->digest};
  return (wcx_journal_anchor_t){
      .segment_no = segment_no, .off = off, .chain = chain, .incarnation = start->incarnation, .last_stamp_ns = start->last_stamp_ns, .committed_hint = start->committed_hint};
}

wcx_journal_anchor_t wcx_journal_first_anchor(const wcx_journal_super_t *super)
{
  wcx_journal_start_t start = super->start;
  if (super->first_segment_no == 1)
    start = (wcx_journal_start_t){.next_block_no = 1, .next_seq = 1, .digest = wcx_journal_chain_start(super->journal_id)};
  return wcx_journal_anchor_at(super->shard, super->first_segment_no, WCX_JOURNAL_ALIGN, &start);
}

static int check_anchor(const wcx_journal_super_t *super, const wcx_journal_anchor_t *anchor, char *err, size_t err_sz)
{
  bool place = anchor->off >= WCX_JOURNAL_ALIGN && anchor->off <= super->segment_sz && anchor->off % WCX_JOURNAL_ALIGN == 0;
  if (!place || anchor->chain.shard != super->shard || anchor->chain.next_block_no == 0 || anchor->chain.next_seq == 0)
  {
    snprintf(err, err_sz, "the place to start from (segment %" PRIu64 ", offset %" PRIu64 ", shard %u) is not one of this journal", anchor->segment_no, anchor->off,
             anchor->chain.shard);
    return WCX_JOURNAL_OPEN_BAD;
  }
  if (anchor->segment_no < super->first_segment_no)
  {
    snprintf(err, err_sz, "the place to start from is in segment %" PRIu64 ", the oldest segment kept is %" PRIu64 ": take it from the archive", anchor->segment_no,
             super->first_segment_no);
    return WCX_JOURNAL_OPEN_BAD;
  }
  return WCX_JOURNAL_OPEN_OK;
}

/* Applying what was signed away is worse than not to start: a page that does not serve refuses. */
static int read_overrides(wcx_journal_walk_t *walk, char *err, size_t err_sz)
{
  if (walk->source.override_page == NULL)
    return WCX_JOURNAL_OPEN_OK;
  int result = 1;
  for (uint32_t page_no = 0; result == 1; page_no++)
  {
    result = walk->source.override_page(walk->source.ctx, page_no, walk->buf);
    if (result == 1 && !wcx_journal_overrides_take(&walk->overrides, walk->buf, &walk->super))
      result = -EBADMSG;
  }
  if (result == 0)
    return WCX_JOURNAL_OPEN_OK;
  snprintf(err, err_sz, "the file `overrides` does not serve: %s: restore it from a backup or another member",
           result == -EBADMSG ? "a page is damaged or of another journal" : ERROR_TEXT(-result));
  return WCX_JOURNAL_OPEN_BAD;
}

/* anchor NULL: the first place. */
static int start_over(wcx_journal_walk_t *walk, const wcx_journal_source_t *source, uint8_t *buf, const wcx_journal_anchor_t *anchor, char *err, size_t err_sz)
{
  *walk = (wcx_journal_walk_t){.source = *source, .buf = buf, .buf_sz = WCX_JOURNAL_WALK_BUF_SZ};
  int result = read_super(walk, err, err_sz);
  if (result != WCX_JOURNAL_OPEN_OK)
    return result;
  wcx_journal_anchor_t first = wcx_journal_first_anchor(&walk->super);
  if (anchor == NULL)
    anchor = &first;
  walk->segment_no = anchor->segment_no;
  walk->off = anchor->off;
  walk->chain = anchor->chain;
  walk->incarnation = anchor->incarnation;
  walk->last_stamp_ns = anchor->last_stamp_ns;
  walk->committed_hint = anchor->committed_hint;
  result = check_anchor(&walk->super, anchor, err, err_sz);
  return result == WCX_JOURNAL_OPEN_OK ? read_overrides(walk, err, err_sz) : result;
}

int wcx_journal_walk_over(wcx_journal_walk_t *walk, const wcx_journal_source_t *source, uint8_t *buf, char *err, size_t err_sz)
{
  return start_over(walk, source, buf, NULL, err, err_sz);
}

int wcx_journal_walk_over_at(wcx_journal_walk_t *walk, const wcx_journal_source_t *source, uint8_t *buf, const wcx_journal_anchor_t *anchor, char *err, size_t err_sz)
{
  return start_over(walk, source, buf, anchor, err, err_sz);
}

static int start_open(wcx_journal_walk_t *walk, const char *dir, const wcx_journal_anchor_t *anchor, char *err, size_t err_sz)
{
  *walk = (wcx_journal_walk_t){0};
  wcx_journal_source_t source;
  int result = wcx_journal_source_open(&source, dir, err, err_sz);
  if (result != WCX_JOURNAL_OPEN_OK)
    return result;
  uint8_t *buf = aligned_alloc(WCX_JOURNAL_ALIGN, WCX_JOURNAL_WALK_BUF_SZ);
  if (buf == NULL)
  {
    snprintf(err, err_sz, "no memory for a read buffer");
    result = WCX_JOURNAL_OPEN_BAD;
  }
  else
    result = start_over(walk, &source, buf, anchor, err, err_sz);
  walk->source = source;
  walk->buf = buf;
  walk->buf_own = true;
  if (result != WCX_JOURNAL_OPEN_OK)
    wcx_journal_walk_close(walk);
  return result;
}

int wcx_journal_walk_open(wcx_journal_walk_t *walk, const char *dir, char *err, size_t err_sz)
{
  return start_open(walk, dir, NULL, err, err_sz);
}

int wcx_journal_walk_open_at(wcx_journal_walk_t *walk, const char *dir, const wcx_journal_anchor_t *anchor, char *err, size_t err_sz)
{
  return start_open(walk, dir, anchor, err, err_sz);
}

bool wcx_journal_walk_at_block_end(const wcx_journal_walk_t *walk)
{
  return walk->body == NULL || walk->block.kind != WCX_JOURNAL_DATA || walk->record_off == walk->block.body_sz;
}

void wcx_journal_walk_anchor(const wcx_journal_walk_t *walk, wcx_journal_anchor_t *anchor)
{
  WCX_CHECK(wcx_journal_walk_at_block_end(walk), "an anchor within a block, %u of %u bytes", walk->record_off, walk->block.body_sz);
  *anchor = (wcx_journal_anchor_t){.segment_no = walk->segment_no,
                                   .off = walk->off,
                                   .chain = walk->chain,
                                   .incarnation = walk->incarnation,
                                   .last_stamp_ns = walk->last_stamp_ns,
                                   .committed_hint = walk->committed_hint};
}

void wcx_journal_walk_close(wcx_journal_walk_t *walk)
{
  if (walk->source.close != NULL)
    walk->source.close(walk->source.ctx);
  if (walk->buf_own)
    free(walk->buf);
  *walk = (wcx_journal_walk_t){0};
}

static bool segment_sound(const wcx_journal_walk_t *walk, const uint8_t *at, uint64_t segment_no)
{
  wcx_journal_segment_t segment;
  memcpy(&segment, at, sizeof(segment));
  wcx_journal_segment_t copy = segment;
  copy.crc32c = 0;
  bool sound = segment.magic == WCX_JOURNAL_SEGMENT_MAGIC && segment.version == WCX_JOURNAL_VERSION && segment.reserved16 == 0 && segment.shard == walk->super.shard;
  sound = sound && memcmp(segment.journal_id, walk->super.journal_id, 16) == 0 && segment.segment_no == segment_no && segment.segment_sz == walk->super.segment_sz;
  return sound && wcx_crc32c(0, &copy, sizeof(copy)) == segment.crc32c && wcx_journal_all_zero(at + sizeof(segment), WCX_JOURNAL_ALIGN - sizeof(segment));
}

/* Who follows a worker finds a few blocks at a time, who replays finds all that fits: a read that goes on where the last one ended is twice as long. A whole buffer for
   each look would take from the disk, which the worker's commits need, many times what was written since the last. */
static uint32_t next_read_sz(const wcx_journal_walk_t *walk, uint64_t segment_no, uint64_t off)
{
  bool goes_on = walk->buf_segment_no == segment_no && off > walk->buf_off && off <= walk->buf_off + walk->buf_len;
  uint32_t sz = goes_on ? 2 * walk->read_sz : FIRST_READ_SZ;
  return sz < walk->buf_sz ? sz : walk->buf_sz;
}

/* The bytes from `off` to the end of the largest block there could be, or to the end of the segment. NULL: *why says what is wrong; -ENOENT when the
   segment does not exist. The header of a segment is checked on the way, whenever its first place is read. */
static const uint8_t *fetch(wcx_journal_walk_t *walk, uint64_t segment_no, uint64_t off, uint32_t *avail, int *why)
{
  uint64_t left = walk->super.segment_sz - off;
  *avail = left < WCX_JOURNAL_BLOCK_SZ_MAX ? (uint32_t)left : WCX_JOURNAL_BLOCK_SZ_MAX;
  if (walk->buf_segment_no == segment_no && off >= walk->buf_off && off + *avail <= walk->buf_off + walk->buf_len)
    return walk->buf + (off - walk->buf_off);

  uint64_t from = off == WCX_JOURNAL_ALIGN ? 0 : off;
  walk->read_sz = next_read_sz(walk, segment_no, off);
  uint64_t want = off - from + walk->read_sz;
  if (want > walk->buf_sz)
    want = walk->buf_sz;
  if (want > walk->super.segment_sz - from)
    want = walk->super.segment_sz - from;
  walk->buf_segment_no = 0;
  int64_t got = walk->source.read(walk->source.ctx, segment_no, from, walk->buf, want);
  if (got < 0 || (uint64_t)got < want)
  {
    *why = got < 0 ? (int)got : -EPIPE; /* shorter than the superblock says */
    return NULL;
  }
  if (from == 0 && !segment_sound(walk, walk->buf, segment_no))
  {
    *why = -EBADMSG;
    return NULL;
  }
  walk->buf_segment_no = segment_no;
  walk->buf_off = from;
  walk->buf_len = (uint32_t)want;
  return walk->buf + (off - from);
}

/* What is found behind P, and what is known of it. */
typedef struct look
{
  wcx_journal_facts_t facts;
  uint64_t hint;
  uint64_t discarded;
  uint64_t seen_seq;
  uint64_t foreign_block_no; /* 0: the segment itself is foreign, see foreign_why */
  uint64_t foreign_segment_no;
  uint64_t foreign_off;
  int foreign_why;
  int why;
} look_t;

static void look_at_block(const wcx_journal_walk_t *walk, look_t *look, const wcx_journal_block_t *block, uint64_t segment_no, uint64_t off)
{
  if (block->committed_hint > look->hint)
    look->hint = block->committed_hint;
  look->discarded++;
  if (wcx_journal_last_seq(block) > look->seen_seq)
    look->seen_seq = wcx_journal_last_seq(block);
  uint64_t last_block_no = walk->chain.next_block_no - 1;
  bool at_p = segment_no == walk->segment_no && off == walk->off;
  if (at_p || block->block_no < last_block_no + 2 || block->block_no > last_block_no + walk->super.in_flight_max)
  {
    look->facts.foreign = true;
    look->foreign_block_no = block->block_no;
    look->foreign_segment_no = segment_no;
    look->foreign_off = off;
  }
}

/* A segment that has its name is whole (rule 2): blocks that went into one which is not would be lost with it. At P it may not exist yet. */
static void look_at_missing(const wcx_journal_walk_t *walk, look_t *look, uint64_t segment_no, int why)
{
  if (why == -ENOENT && segment_no == walk->segment_no)
    return;
  look->facts.dirty = true;
  look->facts.foreign = true;
  look->foreign_block_no = 0;
  look->foreign_segment_no = segment_no;
  look->foreign_why = why;
}

/* Look at the places [off, to) of a segment. */
static void look_span(wcx_journal_walk_t *walk, look_t *look, uint64_t segment_no, uint64_t off, uint64_t to)
{
  while (off < to)
  {
    uint32_t avail;
    int why = 0;
    const uint8_t *at = fetch(walk, segment_no, off, &avail, &why);
    if (at == NULL)
    {
      look_at_missing(walk, look, segment_no, why);
      return;
    }
    wcx_journal_block_t block;
    enum wcx_journal_state state = wcx_journal_check_block(&walk->chain, at, avail, &block);
    bool whole = state == WCX_JOURNAL_WHOLE || state == WCX_JOURNAL_VALID;
    bool at_p = segment_no == walk->segment_no && off == walk->off;
    if (state != WCX_JOURNAL_ZERO && !at_p)
      look->facts.dirty = true;
    if (whole)
      look_at_block(walk, look, &block, segment_no, off);
    off += whole ? block.block_sz : WCX_JOURNAL_ALIGN;
  }
}

/* The same, and whether the segment is there to its last byte. */
static void look_segment(wcx_journal_walk_t *walk, look_t *look, uint64_t segment_no, uint64_t off, uint64_t to)
{
  look_span(walk, look, segment_no, off, to);
  uint32_t avail;
  int why = 0;
  if (fetch(walk, segment_no, walk->super.segment_sz - WCX_JOURNAL_ALIGN, &avail, &why) == NULL)
    look_at_missing(walk, look, segment_no, why);
}

/* Whether a segment that must be there has no name. Whatever stands behind it, no crash explains that, and numbers that a directory names may lie far apart. */
static bool found_missing(const look_t *look, uint64_t segment_no)
{
  return look->facts.foreign && look->foreign_block_no == 0 && look->foreign_segment_no == segment_no && look->foreign_why == -ENOENT;
}

/* Look behind P: the room of K blocks, the first place of each later segment, and, when anything there is not zero, everything. */
static void look_behind(wcx_journal_walk_t *walk, look_t *look, uint64_t last_segment_no)
{
  uint64_t segment_sz = walk->super.segment_sz;
  uint64_t room = (uint64_t)walk->super.in_flight_max * WCX_JOURNAL_BLOCK_SZ_MAX;
  bool all = look->facts.place != WCX_JOURNAL_PLACE_ZERO && look->facts.place != WCX_JOURNAL_PLACE_END;
  if (!all)
  {
    look_t near = *look;
    look_segment(walk, &near, walk->segment_no, walk->off, walk->off + room < segment_sz ? walk->off + room : segment_sz);
    for (uint64_t i = walk->segment_no + 1; i <= last_segment_no && !near.facts.dirty; i++)
    {
      uint64_t to = i == walk->segment_no + 1 && walk->off + room > segment_sz ? WCX_JOURNAL_ALIGN + room : 2 * WCX_JOURNAL_ALIGN;
      look_segment(walk, &near, i, WCX_JOURNAL_ALIGN, to < segment_sz ? to : segment_sz);
    }
    all = near.facts.dirty;
  }
  if (!all)
    return;
  for (uint64_t i = walk->segment_no; i <= last_segment_no && !found_missing(look, i - 1); i++)
    look_segment(walk, look, i, i == walk->segment_no ? walk->off : WCX_JOURNAL_ALIGN, segment_sz);
}

#define PLACE_VALID 0

/* What stands at P: PLACE_VALID (block and body are set) or an enum wcx_journal_place. */
static int read_place(wcx_journal_walk_t *walk, wcx_journal_block_t *block, const uint8_t **body, int *why)
{
  if (walk->off == walk->super.segment_sz)
  {
    walk->segment_no++;
    walk->off = WCX_JOURNAL_ALIGN;
  }
  uint32_t avail;
  const uint8_t *at = NULL;
  bool header = walk->header_segment_no == walk->segment_no || walk->off == WCX_JOURNAL_ALIGN; /* fetch checks it on the way; an anchor lies behind it */
  if (header || fetch(walk, walk->segment_no, WCX_JOURNAL_ALIGN, &avail, why) != NULL)
    at = fetch(walk, walk->segment_no, walk->off, &avail, why);
  if (at != NULL)
    walk->header_segment_no = walk->segment_no;
  if (at == NULL)
  {
    bool end = *why == -ENOENT && walk->off == WCX_JOURNAL_ALIGN && walk->segment_no > walk->super.first_segment_no;
    end = end && walk->source.last_segment(walk->source.ctx) == walk->segment_no - 1;
    return end ? WCX_JOURNAL_PLACE_END : WCX_JOURNAL_PLACE_UNREADABLE;
  }
  *body = at + sizeof(*block);
  switch (wcx_journal_check_block(&walk->chain, at, avail, block))
  {
  case WCX_JOURNAL_VALID:
    return PLACE_VALID;
  case WCX_JOURNAL_ZERO:
    return WCX_JOURNAL_PLACE_ZERO;
  case WCX_JOURNAL_WHOLE:
    return WCX_JOURNAL_PLACE_FOREIGN;
  default:
    return wcx_journal_can_be_torn(&walk->chain, at, avail) ? WCX_JOURNAL_PLACE_TORN : WCX_JOURNAL_PLACE_ROTTEN;
  }
}

static int take_block(wcx_journal_walk_t *walk, const wcx_journal_block_t *block, const uint8_t *body)
{
  wcx_journal_chain_advance(&walk->chain, block);
  walk->off += block->block_sz;
  walk->blocks++;
  walk->records += block->count;
  if (block->committed_hint > walk->committed_hint)
    walk->committed_hint = block->committed_hint;
  if (block->kind == WCX_JOURNAL_RECOVERY)
  {
    wcx_journal_recovery_t recovery;
    memcpy(&recovery, body, sizeof(recovery));
    walk->incarnation = recovery.incarnation;
  }
  return 1;
}

static const char *why_text(int why)
{
  return why == -EPIPE ? "the segment is shorter than it must be" : why == -EBADMSG ? "the segment's header is damaged" : ERROR_TEXT(-why);
}

static void describe(wcx_journal_walk_t *walk, const look_t *look)
{
  const wcx_journal_end_t *end = &walk->end;
  char where[160];
  snprintf(where, sizeof(where), "block %" PRIu64 " (segment %" PRIu64 ", offset %" PRIu64 ", after seq %" PRIu64 ")", end->last_block_no + 1, end->segment_no, end->off,
           end->last_seq);
  walk->text[0] = 0;
  if (end->verdict == WCX_JOURNAL_CUT)
    snprintf(walk->text, sizeof(walk->text), "torn at %s: %" PRIu64 " whole blocks behind it were never released and do not count", where, end->discarded);
  else if (end->verdict == WCX_JOURNAL_DAMAGED && end->facts.below_hint)
    snprintf(walk->text, sizeof(walk->text),
             "acknowledged data is damaged at %s: a later block says that everything up to seq %" PRIu64 " was acknowledged. Restore the journal from a backup or another member",
             where, end->committed_hint);
  else if (end->verdict == WCX_JOURNAL_DAMAGED)
    snprintf(walk->text, sizeof(walk->text), "%s cannot be read: %s. Restore the segment from a backup or another member", where, why_text(look->why));
  else if (end->verdict == WCX_JOURNAL_HALT && end->facts.place == WCX_JOURNAL_PLACE_ROTTEN)
    snprintf(walk->text, sizeof(walk->text),
             "the chain ends at %s, and what stands there is damaged: a write that a crash tore leaves no such bytes, so it may have been acknowledged. Restore the journal "
             "from a backup or another member, or two persons decide where it ends",
             where);
  else if (end->verdict == WCX_JOURNAL_HALT && look->foreign_block_no == 0)
    snprintf(walk->text, sizeof(walk->text),
             "the journal ends before %s, but segment %" PRIu64
             " behind it cannot be used (%s), and no crash can have left it so: restore it from a backup or another member, or two "
             "persons decide that nothing is in it and remove it",
             where, look->foreign_segment_no, why_text(look->foreign_why));
  else if (end->verdict == WCX_JOURNAL_HALT)
    snprintf(walk->text, sizeof(walk->text),
             "the chain ends at %s, but block %" PRIu64 " stands in segment %" PRIu64 " at offset %" PRIu64
             ", where no crash can have left it: two persons must decide where the journal ends",
             where, look->foreign_block_no, look->foreign_segment_no, look->foreign_off);
}

static int finish(wcx_journal_walk_t *walk, look_t *look)
{
  uint64_t last_seq = walk->chain.next_seq - 1;
  look->facts.below_hint = look->hint > last_seq;
  walk->end = (wcx_journal_end_t){.verdict = wcx_journal_decide(&look->facts),
                                  .facts = look->facts,
                                  .last_seq = last_seq,
                                  .last_block_no = walk->chain.next_block_no - 1,
                                  .epoch = walk->chain.epoch,
                                  .digest = walk->chain.digest,
                                  .segment_no = walk->segment_no,
                                  .off = walk->off,
                                  .discarded = look->discarded,
                                  .seen_seq = look->seen_seq,
                                  .committed_hint = look->hint};
  describe(walk, look);
  return walk->end.verdict == WCX_JOURNAL_CLEAN || walk->end.verdict == WCX_JOURNAL_CUT ? 0 : -1;
}

/* A place that is not valid is read again after the look behind it: a living worker may have written it meanwhile, and what it wrote after that
   must not count against it. */
#define REREADS_MAX 8

static int next_block(wcx_journal_walk_t *walk, wcx_journal_block_t *block, const uint8_t **body)
{
  int why = 0;
  int place = read_place(walk, block, body, &why);
  look_t look;
  for (int i = 0; place != PLACE_VALID && i < REREADS_MAX; i++)
  {
    walk->buf_segment_no = 0;
    place = read_place(walk, block, body, &why);
    if (place == PLACE_VALID)
      break;
    look = (look_t){.facts = {.place = (enum wcx_journal_place)place}, .hint = walk->committed_hint, .why = why};
    look_behind(walk, &look, walk->source.last_segment(walk->source.ctx));
    walk->buf_segment_no = 0;
    int again = read_place(walk, block, body, &why);
    bool same = again == place;
    place = again;
    if (same)
      break;
  }
  return place == PLACE_VALID ? take_block(walk, block, *body) : finish(walk, &look);
}

int wcx_journal_walk_next_block(wcx_journal_walk_t *walk, wcx_journal_block_t *block, const uint8_t **body)
{
  int result = next_block(walk, block, body);
  if (result != 1 || block->kind != WCX_JOURNAL_DATA)
    return result;
  uint32_t off = 0;
  wcx_record_hdr_t hdr;
  const uint8_t *record_body;
  while (wcx_journal_next_record(block, *body, &off, &hdr, &record_body))
    walk->last_stamp_ns = hdr.stamp_ns;
  return result;
}

int wcx_journal_walk_next(wcx_journal_walk_t *walk, uint64_t *epoch, wcx_record_hdr_t *hdr, const uint8_t **body)
{
  while (walk->body == NULL || walk->block.kind != WCX_JOURNAL_DATA || !wcx_journal_next_record(&walk->block, walk->body, &walk->record_off, hdr, body))
  {
    walk->body = NULL;
    walk->record_off = 0;
    const uint8_t *block_body;
    int result = next_block(walk, &walk->block, &block_body);
    if (result != 1)
      return result;
    walk->body = block_body;
  }
  *epoch = walk->block.epoch;
  walk->last_stamp_ns = hdr->stamp_ns;
  if (__builtin_expect(walk->overrides.cnt != 0, 0))
    (void)wcx_journal_overrides_apply(&walk->overrides, hdr, body);
  return 1;
}

uint32_t wcx_journal_walk_ahead(const wcx_journal_walk_t *walk, const wcx_record_hdr_t **hdrs, uint32_t max)
{
  if (walk->body == NULL || walk->block.kind != WCX_JOURNAL_DATA)
    return 0;
  uint32_t cnt = 0;
  for (uint32_t off = walk->record_off; cnt < max && off < walk->block.body_sz; cnt++)
  {
    /* places and records are 8-aligned, and a valid block is records to its end */
    hdrs[cnt] = (const wcx_record_hdr_t *)(const void *)(walk->body + off);
    off += wcx_record_sz(hdrs[cnt]->body_sz);
  }
  return cnt;
}

int wcx_journal_walk_burst(wcx_journal_walk_t *walk, uint64_t *epoch, const wcx_record_hdr_t **hdrs, uint32_t max)
{
  while (walk->body == NULL || walk->block.kind != WCX_JOURNAL_DATA || walk->record_off == walk->block.body_sz)
  {
    walk->body = NULL;
    walk->record_off = 0;
    const uint8_t *block_body;
    int result = wcx_journal_walk_next_block(walk, &walk->block, &block_body);
    if (result != 1)
      return result;
    walk->body = block_body;
  }
  uint32_t cnt = wcx_journal_walk_ahead(walk, hdrs, max);
  for (uint32_t i = 0; i < cnt; i++)
    walk->record_off += wcx_record_sz(hdrs[i]->body_sz);
  *epoch = walk->block.epoch;
  walk->last_stamp_ns = hdrs[cnt - 1]->stamp_ns;
  return (int)cnt;
}
