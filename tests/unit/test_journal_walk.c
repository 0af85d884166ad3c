/* The walk over a journal made by hand: each verdict of rule 7 of engine/shm/journal_format.h from the bytes that cause it, and walks that begin at an anchor
   (rule 10) or behind segments that were removed. */
#include "tests/unit/hand_journal.h"

#include "engine/shm/journal_walk.h"
#include "persist/block.h"

#include <dirent.h>
#include <errno.h>
#include <sys/resource.h>
#include <unistd.h>

#define RECORDS_IN_SECTORS 8u /* of a block whose header and body take three sectors of 512 bytes */

static uint32_t segment_cnt;    /* in the directory */
static uint64_t cut_segment_no; /* 0: none; else that one has only cut_sz bytes */
static uint64_t cut_sz;
static uint64_t far_segment_no; /* 0: none; else a name of that number is in the directory, too */
static uint32_t reads;
static uint64_t read_sz;    /* in them */
static uint32_t written_at; /* 0: never; else at this read a living worker has written everything up to the second segment */
static void write_on(void);
static uint8_t *walk_buf;

static int64_t read_file(void *ctx, uint64_t segment_no, uint64_t off, void *buf, size_t sz)
{
  (void)ctx;
  reads++;
  assert_true(reads < 1000000); /* a walk that does not end */
  if (reads == written_at)
    write_on();
  if (segment_no > segment_cnt) /* 0 is the superblock */
    return -ENOENT;
  const uint8_t *file = segment_no == 0 ? super_file : segment_files[segment_no - 1];
  uint64_t file_sz = segment_no == 0 ? 4 * 4096 : segment_no == cut_segment_no ? cut_sz : segment_sz;
  if (off >= file_sz)
    return 0;
  size_t got = file_sz - off < sz ? file_sz - off : sz;
  memcpy(buf, file + off, got);
  read_sz += got;
  return (int64_t)got;
}

static uint64_t last_segment(void *ctx)
{
  (void)ctx;
  return far_segment_no != 0 ? far_segment_no : segment_cnt;
}

static const wcx_journal_source_t source = {.read = read_file, .last_segment = last_segment};

static int set_up(void **state)
{
  walk_buf = aligned_alloc(4096, WCX_JOURNAL_WALK_BUF_SZ);
  segment_cnt = SEGMENTS;
  far_segment_no = 0;
  reads = 0;
  read_sz = 0;
  written_at = 0;
  return make_journal(state);
}

static int tear_down(void **state)
{
  free(walk_buf);
  return free_journal(state);
}

static wcx_journal_end_t walk_to_end(int wanted_result)
{
  wcx_journal_walk_t walk;
  char err[256];
  assert_int_equal(wcx_journal_walk_over(&walk, &source, walk_buf, err, sizeof(err)), WCX_JOURNAL_OPEN_OK);
  uint64_t epoch;
  wcx_record_hdr_t hdr;
  const uint8_t *body;
  int result;
  uint64_t seq = 0;
  while ((result = wcx_journal_walk_next(&walk, &epoch, &hdr, &body)) == 1)
  {
    assert_int_equal(hdr.seq, ++seq);
    assert_int_equal(epoch, 2);
    assert_int_equal(body[79], 0x5a);
  }
  assert_int_equal(result, wanted_result);
  assert_int_equal(walk.end.last_seq, seq);
  assert_true((walk.text[0] == 0) == (walk.end.verdict == WCX_JOURNAL_CLEAN));
  return walk.end;
}

/* --- verdicts ------------------------------------------------------------------------------------- */

static void ends_clean(void **state)
{
  (void)state;
  assert_int_equal(walk_to_end(0).verdict, WCX_JOURNAL_CLEAN); /* empty */
  for (uint32_t i = 0; i < 70; i++)                            /* into the second segment */
    put(1, i);
  wcx_journal_end_t end = walk_to_end(0);
  assert_int_equal(end.verdict, WCX_JOURNAL_CLEAN);
  assert_int_equal(end.last_seq, 70);
  assert_int_equal(end.segment_no, 2);
  assert_int_equal(end.committed_hint, 69);
  assert_int_equal(end.last_block_no, 70);
}

static void ends_at_the_last_segment(void **state)
{
  (void)state;
  segment_cnt = 1;
  for (uint32_t i = 0; i < 63; i++)
    put(1, i);
  wcx_journal_end_t end = walk_to_end(0);
  assert_int_equal(end.facts.place, WCX_JOURNAL_PLACE_END);
  assert_int_equal(end.segment_no, 2);
  assert_int_equal(end.off, 4096);
}

static void torn_is_cut(void **state)
{
  (void)state;
  put(2, 0);
  uint8_t *torn = put(RECORDS_IN_SECTORS, 2);
  put(2, 2);
  put(2, 2);
  memset(torn + 512, 0, 512);
  wcx_journal_end_t end = walk_to_end(0);
  assert_int_equal(end.verdict, WCX_JOURNAL_CUT);
  assert_int_equal(end.last_seq, 2);
  assert_int_equal(end.discarded, 2);
  memset(torn, 0, 4096); /* lost whole */
  assert_int_equal(walk_to_end(0).verdict, WCX_JOURNAL_CUT);
}

/* Whatever sectors of the last block arrived: valid, or torn, or nothing. */
static void every_tear_is_cut(void **state)
{
  (void)state;
  put(2, 0);
  uint8_t *last = put(RECORDS_IN_SECTORS, 2);
  uint8_t whole[4096];
  memcpy(whole, last, sizeof(whole));
  for (uint32_t mask = 0; mask < 256; mask++)
  {
    for (uint32_t i = 0; i < 8; i++)
      memcpy(last + i * 512, whole + i * 512, 512);
    for (uint32_t i = 0; i < 8; i++)
      if ((mask & (1u << i)) == 0)
        memset(last + i * 512, 0, 512);
    wcx_journal_end_t end = walk_to_end(0);
    assert_true(end.last_seq == 2 || (end.last_seq == 2 + RECORDS_IN_SECTORS && (mask & 7) == 7));
    assert_int_equal(end.verdict, end.last_seq == 2 && (mask & 7) != 0 ? WCX_JOURNAL_CUT : WCX_JOURNAL_CLEAN);
  }
}

static void rotten_is_halt(void **state)
{
  (void)state;
  put(2, 0);
  uint8_t *last = put(RECORDS_IN_SECTORS, 2);
  for (uint32_t i = 0; i < 4096; i++)
  {
    last[i] ^= (uint8_t)(1u << i % 8);
    assert_int_equal(walk_to_end(-1).verdict, WCX_JOURNAL_HALT);
    last[i] ^= (uint8_t)(1u << i % 8);
  }
  for (uint32_t i = 0; i < 512; i++) /* sectors that changed places */
  {
    uint8_t byte = last[i];
    last[i] = last[512 + i];
    last[512 + i] = byte;
  }
  assert_int_equal(walk_to_end(-1).verdict, WCX_JOURNAL_HALT);
}

/* Sectors that are missing explain neither a header of another place nor something in the padding. */
static void a_tear_explains_no_more_than_it_leaves(void **state)
{
  (void)state;
  put(2, 0);
  uint8_t *last = put(RECORDS_IN_SECTORS, 2);
  memset(last + 512, 0, 512);
  assert_int_equal(walk_to_end(0).verdict, WCX_JOURNAL_CUT);
  static const size_t wrong[] = {offsetof(wcx_journal_block_t, block_no), offsetof(wcx_journal_block_t, first_seq), offsetof(wcx_journal_block_t, prev_digest), 4095, 2048};
  for (uint32_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
  {
    last[wrong[i]] ^= 1;
    assert_int_equal(walk_to_end(-1).verdict, WCX_JOURNAL_HALT);
    last[wrong[i]] ^= 1;
  }
}

/* A block of the number that is missing can stand at its place alone. */
static void the_missing_number_elsewhere_is_halt(void **state)
{
  (void)state;
  put(2, 0);
  wcx_journal_chain_t before = chain;
  uint8_t *torn = put(RECORDS_IN_SECTORS, 0);
  chain = before;
  put(2, 0);
  memset(torn + 512, 0, 512);
  assert_int_equal(walk_to_end(-1).verdict, WCX_JOURNAL_HALT);
}

static void below_the_hint_is_damage(void **state)
{
  (void)state;
  put(2, 0);
  uint8_t *rotten = put(2, 2);
  put(2, 4);
  rotten[200] ^= 1;
  wcx_journal_end_t end = walk_to_end(-1);
  assert_int_equal(end.verdict, WCX_JOURNAL_DAMAGED);
  assert_int_equal(end.committed_hint, 4);
  memset(rotten, 0, 4096); /* a zero place is no better */
  assert_int_equal(walk_to_end(-1).verdict, WCX_JOURNAL_DAMAGED);
}

static void more_than_k_behind_is_halt(void **state)
{
  (void)state;
  put(2, 0);
  uint8_t *torn = put(RECORDS_IN_SECTORS, 2);
  for (uint32_t i = 0; i < 3; i++)
    put(2, 2);
  memset(torn + 512, 0, 512);
  assert_int_equal(walk_to_end(0).verdict, WCX_JOURNAL_CUT); /* L + K */
  put(2, 2);
  assert_int_equal(walk_to_end(-1).verdict, WCX_JOURNAL_HALT); /* L + K + 1 */
}

static void far_away_is_seen(void **state)
{
  (void)state;
  put(2, 0);
  place = SEGMENT_SZ - 4096; /* the first place of segment 2, with nothing between */
  for (uint32_t i = 0; i < 5; i++)
    put(2, 2);
  assert_int_equal(walk_to_end(-1).verdict, WCX_JOURNAL_HALT);
}

static void a_far_name_ends_the_look(void **state)
{
  (void)state;
  static const uint64_t far[] = {SEGMENTS + 2, UINT64_MAX - 1, UINT64_MAX};
  put(2, 0);
  uint8_t *torn = put(2, 2);
  for (uint32_t i = 0; i < sizeof(far) / sizeof(far[0]); i++)
  {
    far_segment_no = far[i];
    torn[200] ^= 1;
    assert_int_equal(walk_to_end(-1).verdict, WCX_JOURNAL_HALT);
    torn[200] ^= 1;
    assert_int_equal(walk_to_end(-1).verdict, WCX_JOURNAL_HALT); /* behind a clean end */
  }
}

/* When the names cannot be listed, a segment that is missing is not the end. */
static void names_that_cannot_be_listed(void **state)
{
  (void)state;
  char dir[] = "build/test-journal-walk-XXXXXX";
  char err[256];
  wcx_journal_source_t files;
  assert_non_null(mkdtemp(dir));
  assert_int_equal(wcx_journal_source_open(&files, dir, err, sizeof(err)), WCX_JOURNAL_OPEN_OK);
  assert_int_equal(files.last_segment(files.ctx), 0);
  struct rlimit before, none;
  assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
  none = (struct rlimit){.rlim_cur = 0, .rlim_max = before.rlim_max};
  assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
  uint64_t last = files.last_segment(files.ctx);
  assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
  assert_true(last == UINT64_MAX);
  files.close(files.ctx);
  assert_int_equal(rmdir(dir), 0);
}

static uint32_t breaks_off; /* at the name of the n-th segment; 0: never */

struct dirent *__real_readdir(DIR *dir);
struct dirent *__wrap_readdir(DIR *dir);

struct dirent *__wrap_readdir(DIR *dir)
{
  struct dirent *entry = __real_readdir(dir);
  if (breaks_off == 0 || entry == NULL || strncmp(entry->d_name, "seg-", 4) != 0 || --breaks_off > 0)
    return entry;
  errno = EIO; /* this name and those behind it are not told */
  return NULL;
}

static void a_listing_that_breaks_off(void **state)
{
  (void)state;
  char dir[] = "build/test-journal-walk-XXXXXX";
  char err[256], path[2][128];
  wcx_journal_source_t files;
  assert_non_null(mkdtemp(dir));
  for (uint32_t i = 0; i < 2; i++)
  {
    snprintf(path[i], sizeof(path[i]), "%s/seg-%016x.wcj", dir, i + 1);
    FILE *file = fopen(path[i], "we");
    assert_non_null(file);
    fclose(file);
  }
  assert_int_equal(wcx_journal_source_open(&files, dir, err, sizeof(err)), WCX_JOURNAL_OPEN_OK);
  assert_int_equal(files.last_segment(files.ctx), 2);
  for (uint32_t at = 1; at <= 2; at++)
  {
    breaks_off = at;
    assert_true(files.last_segment(files.ctx) == UINT64_MAX);
  }
  breaks_off = 1;
  assert_int_equal(unlink(path[0]), 0);
  assert_true(files.last_segment(files.ctx) == UINT64_MAX);
  files.close(files.ctx);
  assert_int_equal(unlink(path[1]), 0);
  assert_int_equal(rmdir(dir), 0);
}

static void another_history_is_halt(void **state)
{
  (void)state;
  put(2, 0);
  chain.digest.hi ^= 1;
  put(2, 0);
  assert_int_equal(walk_to_end(-1).verdict, WCX_JOURNAL_HALT);
}

static void segment_header_counts(void **state)
{
  (void)state;
  for (uint32_t i = 0; i < 70; i++)
    put(1, i);
  segment_files[1][16] ^= 1;
  assert_int_equal(walk_to_end(-1).verdict, WCX_JOURNAL_DAMAGED);
  segment_files[1][16] ^= 1;
  segment_cnt = 0; /* the first segment is made before the superblock */
  assert_int_equal(walk_to_end(-1).verdict, WCX_JOURNAL_DAMAGED);
}

/* Blocks that went into a damaged segment would be acknowledged and then lost: damage of one that is still empty counts. */
static void an_empty_segment_must_be_whole(void **state)
{
  (void)state;
  put(2, 0);
  assert_int_equal(walk_to_end(0).verdict, WCX_JOURNAL_CLEAN);
  static const uint64_t left[] = {0, 4096, 3 * 4096, SEGMENT_SZ - 4096, SEGMENT_SZ - 1};
  for (cut_segment_no = 1; cut_segment_no <= SEGMENTS; cut_segment_no++)
    for (uint32_t i = 0; i < sizeof(left) / sizeof(left[0]); i++)
    {
      cut_sz = left[i];
      walk_to_end(-1);
    }
  cut_segment_no = 0;
  segment_files[1][1000] ^= 4;
  assert_int_equal(walk_to_end(-1).verdict, WCX_JOURNAL_HALT);
  segment_files[1][1000] ^= 4;
  assert_int_equal(walk_to_end(0).verdict, WCX_JOURNAL_CLEAN);
}

/* The same of a segment that is longer than what is read at once: its first place is whole, and its last is gone. */
static void a_long_empty_segment_must_be_whole(void **state)
{
  (void)state;
  segment_sz = LONG_SEGMENT_SZ;
  make_super();
  make_segment(1);
  make_segment(2);
  put(2, 0);
  assert_int_equal(walk_to_end(0).verdict, WCX_JOURNAL_CLEAN);
  for (cut_segment_no = 1; cut_segment_no <= SEGMENTS; cut_segment_no++)
  {
    cut_sz = LONG_SEGMENT_SZ - 4096;
    assert_int_equal(walk_to_end(-1).verdict, WCX_JOURNAL_HALT);
  }
  cut_segment_no = 0;
}

/* Of K blocks in flight the last alone has arrived, as far behind the end as it can stand: in the same segment, and in the next one. It says that what is lost was
   acknowledged. */
static void the_last_of_k_is_seen(void **state)
{
  (void)state;
  static const uint64_t ends[] = {4096, SEGMENT_SZ - 4096 - 4096};
  for (uint32_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
  {
    assert_int_equal(set_up(NULL), 0);
    while (place < ends[i])
      put(2, 0);
    wcx_journal_chain_t before = chain;
    chain.next_block_no += 3;
    chain.next_seq += 6;
    place += i == 0 ? 3 * (uint64_t)WCX_JOURNAL_BLOCK_SZ_MAX : 3 * 4096;
    put(2, before.next_seq);
    assert_int_equal(walk_to_end(-1).verdict, WCX_JOURNAL_DAMAGED);
    if (i == 0)
      assert_int_equal(tear_down(NULL), 0);
  }
}

static void goes_on_after_the_end(void **state)
{
  (void)state;
  put(3, 0);
  wcx_journal_walk_t walk;
  char err[256];
  assert_int_equal(wcx_journal_walk_over(&walk, &source, walk_buf, err, sizeof(err)), WCX_JOURNAL_OPEN_OK);
  uint64_t epoch;
  wcx_record_hdr_t hdr;
  const uint8_t *body;
  for (uint32_t i = 0; i < 3; i++)
    assert_int_equal(wcx_journal_walk_next(&walk, &epoch, &hdr, &body), 1);
  assert_int_equal(wcx_journal_walk_next(&walk, &epoch, &hdr, &body), 0);
  put(1, 3);
  assert_int_equal(wcx_journal_walk_next(&walk, &epoch, &hdr, &body), 1);
  assert_int_equal(hdr.seq, 4);
  assert_int_equal(wcx_journal_walk_next(&walk, &epoch, &hdr, &body), 0);
}

/* The disk is the worker's: who follows it block by block reads no whole buffer for each, who walks over all of it reads it once, in few reads. */
static void reads_as_much_as_there_is(void **state)
{
  (void)state;
  wcx_journal_walk_t walk;
  char err[256];
  assert_int_equal(wcx_journal_walk_over(&walk, &source, walk_buf, err, sizeof(err)), WCX_JOURNAL_OPEN_OK);
  uint32_t cnt = 0;
  for (; place < SEGMENT_SZ - 4096; cnt++)
  {
    put(1, 0);
    wcx_journal_block_t block;
    const uint8_t *body;
    uint64_t before = read_sz;
    assert_int_equal(wcx_journal_walk_next_block(&walk, &block, &body), 1);
    assert_in_range(read_sz - before, 0, 2 * WCX_JOURNAL_BLOCK_SZ_MAX + 4096);
  }
  assert_int_equal(cnt, SEGMENT_SZ / 4096 - 1);
  assert_int_equal(wcx_journal_walk_over(&walk, &source, walk_buf, err, sizeof(err)), WCX_JOURNAL_OPEN_OK);
  uint64_t before = read_sz;
  uint32_t reads_before = reads;
  for (uint32_t i = 0; i < cnt; i++)
  {
    wcx_journal_block_t block;
    const uint8_t *body;
    assert_int_equal(wcx_journal_walk_next_block(&walk, &block, &body), 1);
  }
  assert_int_equal(reads - reads_before, 2);
  assert_in_range(read_sz - before, SEGMENT_SZ, SEGMENT_SZ + WCX_JOURNAL_BLOCK_SZ_MAX);
}

/* Looking ahead takes nothing, ends with its block, and a burst is what was seen. */
static void looks_ahead_in_a_block(void **state)
{
  (void)state;
  put(5, 0);
  put(2, 0);
  wcx_journal_walk_t walk;
  char err[256];
  assert_int_equal(wcx_journal_walk_over(&walk, &source, walk_buf, err, sizeof(err)), WCX_JOURNAL_OPEN_OK);
  const wcx_record_hdr_t *ahead[8];
  assert_int_equal(wcx_journal_walk_ahead(&walk, ahead, 8), 0);
  uint64_t epoch;
  wcx_record_hdr_t hdr;
  const uint8_t *body;
  assert_int_equal(wcx_journal_walk_next(&walk, &epoch, &hdr, &body), 1);
  for (uint32_t again = 0; again < 2; again++)
  {
    assert_int_equal(wcx_journal_walk_ahead(&walk, ahead, 8), 4);
    for (uint32_t i = 0; i < 4; i++)
      assert_int_equal(ahead[i]->seq, 2 + i);
  }
  assert_int_equal(wcx_journal_walk_ahead(&walk, ahead, 3), 3);
  const wcx_record_hdr_t *burst[8];
  assert_int_equal(wcx_journal_walk_burst(&walk, &epoch, burst, 3), 3);
  assert_memory_equal(burst, ahead, 3 * sizeof(burst[0]));
  assert_int_equal(wcx_journal_walk_next(&walk, &epoch, &hdr, &body), 1);
  assert_int_equal(hdr.seq, 5);
  assert_int_equal(wcx_journal_walk_ahead(&walk, ahead, 8), 0);
  assert_int_equal(wcx_journal_walk_burst(&walk, &epoch, burst, 8), 2);
  assert_int_equal(burst[0]->seq, 6);
  assert_int_equal(wcx_journal_walk_burst(&walk, &epoch, burst, 8), 0);
}

static void write_on(void)
{
  for (uint32_t i = 0; i < 100; i++)
    put(3, chain.next_seq - 1);
}

/* What a living worker writes while the place before it is looked at: its blocks behind do not count against a place that was empty a moment ago. */
static void a_living_worker_is_no_damage(void **state)
{
  (void)state;
  uint32_t seen = 0;
  for (uint32_t at = 1; at < 12; at++)
  {
    void *again = NULL;
    tear_down(&again);
    set_up(&again);
    put(3, 0);
    wcx_journal_walk_t walk;
    char err[256];
    assert_int_equal(wcx_journal_walk_over(&walk, &source, walk_buf, err, sizeof(err)), WCX_JOURNAL_OPEN_OK);
    wcx_journal_block_t block;
    const uint8_t *body;
    assert_int_equal(wcx_journal_walk_next_block(&walk, &block, &body), 1);
    written_at = reads + at;
    int result = wcx_journal_walk_next_block(&walk, &block, &body);
    if (result < 0)
      fail_msg("read %u: %s", at, walk.text);
    seen += result == 1;
  }
  assert_true(seen > 1);
}

/* --- anchors -------------------------------------------------------------------------------------- */

#define BLOCKS 90u

typedef struct seen
{
  int result;
  uint64_t records;
  uint64_t last_stamp_ns;
  uint64_t incarnation;
  uint64_t committed_hint;
  wcx_journal_end_t end;
  char text[WCX_JOURNAL_TEXT_SZ];
} seen_t;

/* The rest of a walk: what it saw, and the anchors at its block ends. */
static seen_t walk_rest(wcx_journal_walk_t *walk, uint64_t next_seq, wcx_journal_anchor_t *anchors, uint32_t *anchor_cnt)
{
  seen_t seen = {0};
  uint64_t epoch;
  wcx_record_hdr_t hdr;
  const uint8_t *body;
  while ((seen.result = wcx_journal_walk_next(walk, &epoch, &hdr, &body)) == 1)
  {
    assert_int_equal(hdr.seq, next_seq++);
    seen.records++;
    if (anchors != NULL && wcx_journal_walk_at_block_end(walk))
      wcx_journal_walk_anchor(walk, &anchors[(*anchor_cnt)++]);
  }
  seen.last_stamp_ns = walk->last_stamp_ns;
  seen.incarnation = walk->incarnation;
  seen.committed_hint = walk->committed_hint;
  seen.end = walk->end;
  memcpy(seen.text, walk->text, sizeof(seen.text));
  return seen;
}

static void put_recovery(uint64_t epoch, uint64_t incarnation)
{
  wcx_block_words_t words = {.kind = WCX_JOURNAL_RECOVERY, .epoch = epoch, .committed_hint = chain.next_seq - 1, .in_flight_max = 4};
  place += wcx_block_recovery(at_place(place), &chain, &words, incarnation);
}

/* The walk from every anchor sees what the whole walk sees behind it. */
static void compare_from_anchors(int wanted_result)
{
  static wcx_journal_anchor_t anchors[BLOCKS + 1];
  wcx_journal_walk_t walk;
  char err[256];
  assert_int_equal(wcx_journal_walk_over(&walk, &source, walk_buf, err, sizeof(err)), WCX_JOURNAL_OPEN_OK);
  uint32_t anchor_cnt = 1;
  wcx_journal_walk_anchor(&walk, &anchors[0]);
  seen_t whole = walk_rest(&walk, 1, anchors, &anchor_cnt);
  assert_int_equal(whole.result, wanted_result);
  for (uint32_t i = 0; i < anchor_cnt; i++)
  {
    assert_int_equal(wcx_journal_walk_over_at(&walk, &source, walk_buf, &anchors[i], err, sizeof(err)), WCX_JOURNAL_OPEN_OK);
    seen_t part = walk_rest(&walk, anchors[i].chain.next_seq, NULL, NULL);
    assert_int_equal(part.records, whole.records - (anchors[i].chain.next_seq - 1));
    part.records = whole.records;
    assert_memory_equal(&part, &whole, sizeof(part));
  }
}

static void from_every_block_end(void **state)
{
  (void)state;
  for (uint32_t i = 0; i < BLOCKS; i++) /* over the end of the first segment */
  {
    if (i % 17 == 16)
      put_recovery(2, i);
    else
      put(1 + i % 3, chain.next_seq - 1);
  }
  compare_from_anchors(0);
  uint8_t *last = put(RECORDS_IN_SECTORS, chain.next_seq - 1);
  uint8_t sector[512];
  memcpy(sector, last + 512, sizeof(sector));
  memset(last + 512, 0, sizeof(sector));
  compare_from_anchors(0); /* torn */
  memcpy(last + 512, sector, sizeof(sector));
  for (uint32_t i = 0; i < 5; i++)
    put(1, chain.next_seq - 1);
  last[200] ^= 1;
  compare_from_anchors(-1); /* damaged */
}

static void from_the_end_of_a_segment(void **state)
{
  (void)state;
  segment_cnt = 1;
  for (uint32_t i = 0; i < 63; i++)
    put(1, i);
  compare_from_anchors(0);
  wcx_journal_walk_t walk;
  char err[256];
  assert_int_equal(wcx_journal_walk_over(&walk, &source, walk_buf, err, sizeof(err)), WCX_JOURNAL_OPEN_OK);
  assert_int_equal(walk_rest(&walk, 1, NULL, NULL).result, 0);
  wcx_journal_anchor_t anchor;
  wcx_journal_walk_anchor(&walk, &anchor);
  assert_int_equal(anchor.segment_no, 2); /* the place of the next block, in a segment that does not exist yet */
  assert_int_equal(wcx_journal_walk_over_at(&walk, &source, walk_buf, &anchor, err, sizeof(err)), WCX_JOURNAL_OPEN_OK);
  assert_int_equal(walk_rest(&walk, 64, NULL, NULL).end.verdict, WCX_JOURNAL_CLEAN);
  segment_cnt = 0; /* and when the segment before it is gone, that is no end */
  assert_int_equal(wcx_journal_walk_over_at(&walk, &source, walk_buf, &anchor, err, sizeof(err)), WCX_JOURNAL_OPEN_OK);
  assert_int_equal(walk_rest(&walk, 64, NULL, NULL).end.verdict, WCX_JOURNAL_DAMAGED);
}

static void an_anchor_checks_its_segment(void **state)
{
  (void)state;
  for (uint32_t i = 0; i < 70; i++)
    put(1, i);
  wcx_journal_walk_t walk;
  char err[256];
  assert_int_equal(wcx_journal_walk_over(&walk, &source, walk_buf, err, sizeof(err)), WCX_JOURNAL_OPEN_OK);
  wcx_journal_anchor_t anchors[BLOCKS];
  uint32_t anchor_cnt = 0;
  assert_int_equal(walk_rest(&walk, 1, anchors, &anchor_cnt).result, 0);
  segment_files[1][16] ^= 1;
  assert_int_equal(wcx_journal_walk_over_at(&walk, &source, walk_buf, &anchors[66], err, sizeof(err)), WCX_JOURNAL_OPEN_OK);
  assert_int_equal(walk_rest(&walk, 68, NULL, NULL).end.verdict, WCX_JOURNAL_DAMAGED);
  segment_files[1][16] ^= 1;
  wcx_journal_anchor_t other = anchors[66]; /* of another history: no block continues it, and later ones say that they were acknowledged */
  other.chain.digest.lo ^= 1;
  assert_int_equal(wcx_journal_walk_over_at(&walk, &source, walk_buf, &other, err, sizeof(err)), WCX_JOURNAL_OPEN_OK);
  assert_int_equal(walk_rest(&walk, 68, NULL, NULL).end.verdict, WCX_JOURNAL_DAMAGED);
  other = anchors[66];
  other.chain.shard++;
  assert_int_equal(wcx_journal_walk_over_at(&walk, &source, walk_buf, &other, err, sizeof(err)), WCX_JOURNAL_OPEN_BAD);
  other = anchors[66];
  other.off = SEGMENT_SZ + 4096;
  assert_int_equal(wcx_journal_walk_over_at(&walk, &source, walk_buf, &other, err, sizeof(err)), WCX_JOURNAL_OPEN_BAD);
}

static void blocks_tell_the_stamp(void **state)
{
  (void)state;
  for (uint32_t i = 0; i < 10; i++)
    put(1 + i % 3, i);
  put_recovery(2, 5);
  wcx_journal_walk_t walk;
  char err[256];
  assert_int_equal(wcx_journal_walk_over(&walk, &source, walk_buf, err, sizeof(err)), WCX_JOURNAL_OPEN_OK);
  wcx_journal_block_t block;
  const uint8_t *body;
  while (wcx_journal_walk_next_block(&walk, &block, &body) == 1)
    assert_int_equal(walk.last_stamp_ns, 1000 + walk.chain.next_seq - 1);
  wcx_journal_anchor_t anchor;
  wcx_journal_walk_anchor(&walk, &anchor);
  assert_int_equal(anchor.incarnation, 5);
  assert_int_equal(anchor.last_stamp_ns, 1000 + chain.next_seq - 1);
}

/* A sound superblock of words that no worker writes: more blocks in flight than a reader has room for, no room at all, no size of a segment. */
static void a_superblock_must_be_possible(void **state)
{
  (void)state;
  static const struct
  {
    uint32_t shard, segment_sz, in_flight_max;
    uint64_t first_segment_no;
    int result;
  } rows[] = {{SHARD, SEGMENT_SZ, 4, 1, WCX_JOURNAL_OPEN_OK},        {SHARD, SEGMENT_SZ, 1, 1, WCX_JOURNAL_OPEN_OK},      {SHARD, SEGMENT_SZ, 5, 1, WCX_JOURNAL_OPEN_BAD},
              {SHARD, SEGMENT_SZ, 0, 1, WCX_JOURNAL_OPEN_BAD},       {SHARD, SEGMENT_SZ, 4, 0, WCX_JOURNAL_OPEN_BAD},     {SHARD, SEGMENT_SZ, 4, 2, WCX_JOURNAL_OPEN_BAD},
              {SHARD, SEGMENT_SZ + 512, 4, 1, WCX_JOURNAL_OPEN_BAD}, {SHARD, SEGMENT_SZ / 2, 4, 1, WCX_JOURNAL_OPEN_BAD}, {0, SEGMENT_SZ, 4, 1, WCX_JOURNAL_OPEN_BAD}};
  for (uint32_t row = 0; row < sizeof(rows) / sizeof(rows[0]); row++)
  {
    wcx_journal_super_t super = {.magic = WCX_JOURNAL_SUPER_MAGIC, .version = 1, .shard = rows[row].shard, .segment_sz = rows[row].segment_sz};
    super.in_flight_max = rows[row].in_flight_max;
    super.first_segment_no = rows[row].first_segment_no; /* from the second on it needs the chain there */
    super.crc32c = wcx_crc32c(0, &super, sizeof(super));
    for (uint16_t i = 0; i < 4; i++)
    {
      super.copy = i;
      memcpy(super_file + 4096 * i, &super, sizeof(super));
    }
    wcx_journal_walk_t walk;
    char err[256];
    assert_int_equal(wcx_journal_walk_over(&walk, &source, walk_buf, err, sizeof(err)), rows[row].result);
  }
}

/* A journal whose first segment was removed starts at the chain in its superblock. */
static void first_segment_removed(void **state)
{
  (void)state;
  for (uint32_t i = 0; i < 63; i++)
    put(1, i);
  put(3, 63);
  wcx_journal_walk_t walk;
  char err[256];
  assert_int_equal(wcx_journal_walk_over(&walk, &source, walk_buf, err, sizeof(err)), WCX_JOURNAL_OPEN_OK);
  wcx_journal_anchor_t anchors[BLOCKS];
  uint32_t anchor_cnt = 0;
  seen_t whole = walk_rest(&walk, 1, anchors, &anchor_cnt);
  const wcx_journal_anchor_t *at = &anchors[62];
  assert_int_equal(at->off, SEGMENT_SZ);
  wcx_journal_super_t super;
  memcpy(&super, super_file, sizeof(super));
  super.first_segment_no = 2;
  super.start = wcx_journal_start_of(at);
  super.crc32c = 0;
  super.crc32c = wcx_crc32c(0, &super, sizeof(super));
  memcpy(super_file, &super, sizeof(super));
  memset(segment_files[0], 0xee, SEGMENT_SZ);
  assert_int_equal(wcx_journal_walk_over(&walk, &source, walk_buf, err, sizeof(err)), WCX_JOURNAL_OPEN_OK);
  seen_t part = walk_rest(&walk, 64, NULL, NULL);
  assert_int_equal(part.records, 3);
  part.records = whole.records;
  assert_memory_equal(&part, &whole, sizeof(part));
  assert_int_equal(wcx_journal_walk_over_at(&walk, &source, walk_buf, &anchors[3], err, sizeof(err)), WCX_JOURNAL_OPEN_BAD);
  assert_int_equal(wcx_journal_walk_over_at(&walk, &source, walk_buf, &anchors[63], err, sizeof(err)), WCX_JOURNAL_OPEN_OK);
  assert_int_equal(walk_rest(&walk, 67, NULL, NULL).end.verdict, WCX_JOURNAL_CLEAN);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(ends_clean, set_up, tear_down),
      cmocka_unit_test_setup_teardown(ends_at_the_last_segment, set_up, tear_down),
      cmocka_unit_test_setup_teardown(torn_is_cut, set_up, tear_down),
      cmocka_unit_test_setup_teardown(every_tear_is_cut, set_up, tear_down),
      cmocka_unit_test_setup_teardown(rotten_is_halt, set_up, tear_down),
      cmocka_unit_test_setup_teardown(a_tear_explains_no_more_than_it_leaves, set_up, tear_down),
      cmocka_unit_test_setup_teardown(the_missing_number_elsewhere_is_halt, set_up, tear_down),
      cmocka_unit_test_setup_teardown(below_the_hint_is_damage, set_up, tear_down),
      cmocka_unit_test_setup_teardown(more_than_k_behind_is_halt, set_up, tear_down),
      cmocka_unit_test_setup_teardown(far_away_is_seen, set_up, tear_down),
      cmocka_unit_test_setup_teardown(a_far_name_ends_the_look, set_up, tear_down),
      cmocka_unit_test_setup_teardown(names_that_cannot_be_listed, set_up, tear_down),
      cmocka_unit_test_setup_teardown(a_listing_that_breaks_off, set_up, tear_down),
      cmocka_unit_test_setup_teardown(a_living_worker_is_no_damage, set_up, tear_down),
      cmocka_unit_test_setup_teardown(another_history_is_halt, set_up, tear_down),
      cmocka_unit_test_setup_teardown(segment_header_counts, set_up, tear_down),
      cmocka_unit_test_setup_teardown(an_empty_segment_must_be_whole, set_up, tear_down),
      cmocka_unit_test_setup_teardown(a_long_empty_segment_must_be_whole, set_up, tear_down),
      cmocka_unit_test_teardown(the_last_of_k_is_seen, tear_down),
      cmocka_unit_test_setup_teardown(goes_on_after_the_end, set_up, tear_down),
      cmocka_unit_test_setup_teardown(looks_ahead_in_a_block, set_up, tear_down),
      cmocka_unit_test_setup_teardown(reads_as_much_as_there_is, set_up, tear_down),
      cmocka_unit_test_setup_teardown(from_every_block_end, set_up, tear_down),
      cmocka_unit_test_setup_teardown(from_the_end_of_a_segment, set_up, tear_down),
      cmocka_unit_test_setup_teardown(an_anchor_checks_its_segment, set_up, tear_down),
      cmocka_unit_test_setup_teardown(blocks_tell_the_stamp, set_up, tear_down),
      cmocka_unit_test_setup_teardown(a_superblock_must_be_possible, set_up, tear_down),
      cmocka_unit_test_setup_teardown(first_segment_removed, set_up, tear_down),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
