/* Decisions carried out (persist/cut.c) over the simulated disk: each kind of end that a recovery refuses, what it takes to be obeyed, and crashes on the way. */
#include "persist/cut.h"
#include "tests/unit/journal_fixture.h"

#include <errno.h>

static _Alignas(4096) uint8_t scratch[WCX_JOURNAL_WALK_BUF_SZ];
static _Alignas(4096) uint8_t segment[SEGMENT_SZ];
static _Alignas(4096) uint8_t before[SEGMENT_SZ];
static wcx_recovered_t recovered;
static wcx_journal_finding_t finding;
static wcx_journal_decision_t decision;

static bool unlistable;

int __real_wcx_disk_list(wcx_disk_t *disk, void (*visit)(void *ctx, const char *name), void *ctx);
int __wrap_wcx_disk_list(wcx_disk_t *disk, void (*visit)(void *ctx, const char *name), void *ctx);

int __wrap_wcx_disk_list(wcx_disk_t *disk, void (*visit)(void *ctx, const char *name), void *ctx)
{
  return unlistable ? -EIO : __real_wcx_disk_list(disk, visit, ctx);
}

/* --- places ---------------------------------------------------------------------------------------- */

typedef struct place
{
  uint64_t segment_no, off, block_no, last_seq;
  uint32_t sz;
} place_t;

static place_t places[4096];
static uint32_t place_cnt;

static void list_places(void)
{
  wcx_journal_walk_t walk;
  char err[512];
  wcx_journal_block_t block;
  const uint8_t *body;
  assert_int_equal(wcx_journal_walk_open(&walk, DIR, err, sizeof(err)), WCX_JOURNAL_OPEN_OK);
  for (place_cnt = 0; wcx_journal_walk_next_block(&walk, &block, &body) == 1; place_cnt++)
    places[place_cnt] =
        (place_t){.segment_no = walk.segment_no, .off = walk.off - block.block_sz, .block_no = block.block_no, .last_seq = wcx_journal_last_seq(&block), .sz = block.block_sz};
  wcx_journal_walk_close(&walk);
}

static wcx_disk_t *open_disk(void)
{
  wcx_disk_t *disk;
  assert_int_equal(wcx_disk_open(&disk, DIR, WCX_JOURNAL_LANES, WCX_JOURNAL_LANES, WCX_JOURNAL_BLOCK_SZ_MAX, 0), 0);
  return disk;
}

static void read_segment(uint64_t segment_no, uint8_t *to)
{
  char name[WCX_SEGMENT_NAME_SZ];
  wcx_segment_name(name, segment_no);
  wcx_disk_t *disk = open_disk();
  assert_int_equal(wcx_disk_file_open(disk, WCX_HANDLE_READ, name, false), 0);
  assert_int_equal(wcx_disk_read(disk, WCX_HANDLE_READ, 0, to, SEGMENT_SZ), SEGMENT_SZ);
  wcx_disk_file_close(disk, WCX_HANDLE_READ);
  wcx_disk_close(disk);
}

static void rot(uint64_t segment_no, uint64_t off)
{
  char name[WCX_SEGMENT_NAME_SZ];
  wcx_segment_name(name, segment_no);
  assert_true(wcx_sim_disk_rot(DIR, name, off));
}

static void remove_file(const char *name)
{
  wcx_disk_t *disk = open_disk();
  assert_int_equal(wcx_disk_remove(disk, name), 0);
  wcx_disk_close(disk);
}

/* --- the decision ---------------------------------------------------------------------------------- */

static void look(void)
{
  char err[512];
  wcx_disk_t *disk = open_disk();
  (void)!wcx_recover_look(&recovered, disk, scratch, err, sizeof(err));
  assert_int_not_equal(recovered.end.verdict, 0);
  assert_int_equal(wcx_cut_find(&finding, &recovered, disk, scratch, err, sizeof(err)), 0);
  wcx_disk_close(disk);
}

static void decide(void)
{
  look();
  decision = (wcx_journal_decision_t){.magic = WCX_JOURNAL_DECISION_MAGIC, .version = WCX_JOURNAL_VERSION, .shard = SHARD, .finding = finding, .reason = "why"};
  memcpy(decision.journal_id, recovered.super.journal_id, 16);
  if (finding.acked_seq > finding.last_seq)
  {
    decision.lost_from = finding.last_seq + 1;
    decision.lost_to = finding.acked_seq;
  }
}

static void put(void)
{
  static _Alignas(4096) uint8_t pair[WCX_JOURNAL_DECISION_PAIR_SZ];
  memset(pair, 0, sizeof(pair));
  wcx_journal_decision_page(pair, &decision);
  wcx_disk_t *disk = open_disk();
  assert_int_equal(wcx_disk_file_open(disk, WCX_HANDLE_READ, WCX_JOURNAL_DECISIONS_NAME, true), 0);
  assert_int_equal(wcx_disk_write(disk, WCX_HANDLE_READ, 0, pair, sizeof(pair)), 0);
  assert_int_equal(wcx_disk_sync_dir(disk), 0);
  wcx_disk_file_close(disk, WCX_HANDLE_READ);
  wcx_disk_close(disk);
}

/* What wcx-controld does when the signatures hold. */
static void found_good(void)
{
  wcx_journal_decision_page(page, &decision);
  wcx_digest_t digest = wcx_journal_decision_digest(page);
  atomic_store(&shared->quarantine.decision_hi, digest.hi);
  atomic_store(&shared->quarantine.decision_lo, digest.lo);
}

/* The next start, in another boot. */
static int start(bool good)
{
  wcx_sim_disk_kill(DIR);
  fresh_region();
  if (good)
    found_good();
  return try_open();
}

static void refused(bool good, const char *says)
{
  assert_int_equal(start(good), -1);
  if (strstr(journal->text, says) == NULL)
    fail_msg("%s", journal->text);
}

static bool exists(const char *name)
{
  wcx_disk_t *disk = open_disk();
  bool there = wcx_disk_file_open(disk, WCX_HANDLE_READ, name, false) == 0;
  wcx_disk_close(disk);
  return there;
}

/* --- the kinds of end ------------------------------------------------------------------------------ */

/* The last block has one bit wrong. */
static void rotten(void)
{
  const place_t *last = &places[place_cnt - 1];
  rot(last->segment_no, last->off + 3); /* no header any more: a tear would have left it or zeros */
}

/* A segment that was prepared and is empty has lost its header. */
static void spare_segment(void)
{
  rot(places[place_cnt - 1].segment_no + 1, 5);
}

/* A block in the middle: later ones say that it was acknowledged. */
static void acknowledged(void)
{
  const place_t *at = &places[place_cnt - 12];
  rot(at->segment_no, at->off + 3);
}

/* The block before the newest anchor, and the one behind it, so that a recovery begins at the older one. */
static void anchored_beyond(void)
{
  wcx_disk_t *disk = open_disk();
  wcx_journal_anchor_t anchor, newest = {0};
  for (uint32_t i = 0; i < WCX_JOURNAL_ANCHOR_RECENT; i++)
    if (wcx_anchors_read(disk, page, WCX_HANDLE_READ, &journal->recovered.super, i, &anchor) && anchor.chain.next_block_no > newest.chain.next_block_no)
      newest = anchor;
  wcx_disk_close(disk);
  for (uint32_t i = 0; i < place_cnt; i++)
    if (places[i].block_no == newest.chain.next_block_no - 1 || places[i].block_no == newest.chain.next_block_no)
      rot(places[i].segment_no, places[i].off + 3);
}

/* The header of a segment that is full of acknowledged blocks. */
static void header(void)
{
  rot(places[place_cnt - 1].segment_no, 5);
}

static const struct kind
{
  const char *name;
  void (*damage)(void);
  bool anchors; /* the file stays; false: taken away, as whoever damages a disk may do */
  enum wcx_journal_verdict verdict;
  enum wcx_journal_place place;
  bool loses;
} kinds[] = {{"rotten", rotten, true, WCX_JOURNAL_HALT, WCX_JOURNAL_PLACE_ROTTEN, false},
             {"spare segment", spare_segment, true, WCX_JOURNAL_HALT, WCX_JOURNAL_PLACE_ZERO, false},
             {"acknowledged", acknowledged, false, WCX_JOURNAL_DAMAGED, WCX_JOURNAL_PLACE_ROTTEN, true},
             {"acknowledged, anchored beyond", anchored_beyond, true, WCX_JOURNAL_DAMAGED, WCX_JOURNAL_PLACE_ROTTEN, true},
             {"segment header", header, false, WCX_JOURNAL_DAMAGED, WCX_JOURNAL_PLACE_UNREADABLE, false}};
#define KIND_CNT (sizeof(kinds) / sizeof(kinds[0]))

static void damaged(const struct kind *kind)
{
  void *state = NULL;
  assert_int_equal(set_up(&state), 0);
  commit(1500);
  wcx_sim_disk_kill(DIR);
  list_places();
  kind->damage();
  if (!kind->anchors)
    remove_file("anchors");
}

static void carries_out(const struct kind *kind)
{
  if (start(true) != 0)
    fail_msg("%s: %s", kind->name, journal->text);
  assert_true(journal->recovered.obeyed || journal->recovered.chain.next_seq == finding.last_seq + 1);
  assert_int_equal(journal->flushed_seq, finding.last_seq);
  assert_int_equal(atomic_load(&shared->release.flushed_seq), finding.last_seq);
  assert_int_equal(start(false), 0); /* it is done, and nobody asks for it again */
  assert_false(journal->recovered.obeyed);
  assert_int_equal(journal->flushed_seq, finding.last_seq);
}

/* Of an earlier attempt, for a place further ahead. */
static void leave_a_longer_copy(void)
{
  wcx_disk_t *disk = open_disk();
  memset(segment, 0x5a, SEGMENT_SZ);
  assert_int_equal(wcx_disk_file_open(disk, WCX_HANDLE_PREPARE, "cut.tmp", true), 0);
  assert_int_equal(wcx_disk_write(disk, WCX_HANDLE_PREPARE, 0, segment, SEGMENT_SZ), 0);
  wcx_disk_file_close(disk, WCX_HANDLE_PREPARE);
  wcx_disk_close(disk);
}

static void obeyed(void **state)
{
  for (size_t i = 0; i < KIND_CNT; i++)
  {
    const struct kind *kind = &kinds[i];
    damaged(kind);
    if (start(false) != -1)
      fail_msg("%s: a start goes on", kind->name);
    wcx_sim_disk_kill(DIR);
    decide();
    if (finding.verdict != kind->verdict || finding.place != kind->place || kind->loses != (finding.acked_seq > finding.last_seq))
      fail_msg("%s: verdict %u, place %u, acknowledged %lu of %lu", kind->name, finding.verdict, finding.place, finding.acked_seq, finding.last_seq);
    read_segment(finding.segment_no, before);
    put();
    leave_a_longer_copy();
    carries_out(kind);
    wcx_sim_disk_kill(DIR);
    read_segment(finding.segment_no, segment);
    assert_memory_equal(before + WCX_JOURNAL_ALIGN, segment + WCX_JOURNAL_ALIGN, finding.off - WCX_JOURNAL_ALIGN); /* what stands before the cut is what stood there */
    wcx_journal_block_t block;
    memcpy(&block, segment + finding.off, sizeof(block));
    assert_int_equal(block.kind, WCX_JOURNAL_RECOVERY);
    assert_int_equal(block.first_seq, finding.last_seq + 1);
    assert_int_equal(block.prev_digest.lo, finding.digest.lo);
    char kept[WCX_CUT_NAME_SZ];
    bool whole = finding.off == WCX_JOURNAL_ALIGN;
    snprintf(kept, sizeof(kept), "cut-00-%016lx-%08lx", finding.segment_no, whole ? 0 : finding.off);
    wcx_disk_t *disk = open_disk();
    assert_int_equal(wcx_disk_file_open(disk, WCX_HANDLE_READ, kept, false), 0);
    size_t sz = whole ? SEGMENT_SZ : SEGMENT_SZ - finding.off;
    assert_int_equal(wcx_disk_file_sz(disk, WCX_HANDLE_READ), sz);
    assert_int_equal(wcx_disk_read(disk, WCX_HANDLE_READ, 0, segment, sz), sz);
    assert_memory_equal(segment, before + (whole ? 0 : finding.off), sz);
    wcx_disk_close(disk);
    assert_int_equal(exists("cut-00-anchors"), kind->loses && kind->anchors);
    tear_down(state);
  }
}

/* False: no crash point was left. */
static bool crashes(uint64_t after, const struct kind *kind)
{
  jmp_buf at;
  if (setjmp(at) != 0)
    return true;
  wcx_sim_crash_arm(&at, after);
  if (try_open() != 0)
    fail_msg("%s: %s", kind->name, journal->text);
  wcx_sim_crash_disarm();
  return false;
}

/* Every end again, with a crash at each point of the recovery that obeys: whatever is left, the next one ends at the same place. */
static void interrupted(void **state)
{
  for (size_t i = 0; i < KIND_CNT; i++)
  {
    const struct kind *kind = &kinds[i];
    bool fired = true;
    for (uint64_t after = 1; fired; after++)
    {
      damaged(kind);
      decide();
      put();
      wcx_sim_disk_kill(DIR);
      fresh_region();
      found_good();
      fired = crashes(after, kind);
      if (fired && after % 2 == 0)
        wcx_sim_disk_power_loss(DIR);
      if (start(true) != 0)
        fail_msg("%s, crash %lu at %s: %s", kind->name, after, wcx_sim_crash_name(), journal->text);
      assert_int_equal(journal->flushed_seq, finding.last_seq);
      assert_int_equal(start(false), 0);
      tear_down(state);
    }
  }
}

static void only_that_finding(void **state)
{
  damaged(&kinds[0]);
  decide();
  put();
  rot(places[place_cnt - 1].segment_no, places[place_cnt - 1].off + 300); /* one more byte */
  refused(true, "other bytes behind the end");
  tear_down(state);
  damaged(&kinds[0]);
  decide();
  put();
  rot(places[place_cnt - 2].segment_no, places[place_cnt - 2].off + 3); /* and one before the place */
  refused(true, "another place");
  tear_down(state);
}

static void only_with_signatures(void **state)
{
  damaged(&kinds[0]);
  decide();
  put();
  refused(false, "has not found its signatures good");
  decision.made_ns++; /* another page was found good */
  refused(true, "has not found its signatures good");
  decision.made_ns--;
  carries_out(&kinds[0]);
  tear_down(state);
}

static void only_of_that_journal(void **state)
{
  damaged(&kinds[0]);
  decide();
  decision.journal_id[3] ^= 1;
  put();
  refused(true, "does not serve");
  tear_down(state);
}

static void not_below_what_was_acknowledged(void **state)
{
  damaged(&kinds[2]);
  decide();
  decision.lost_from = decision.lost_to = 0;
  put();
  refused(true, "does not say that this is lost");
  decide();
  decision.lost_to--;
  put();
  refused(true, "does not say that this is lost");
  decide();
  put();
  carries_out(&kinds[2]);
  tear_down(state);
}

static void not_against_the_region(void **state)
{
  damaged(&kinds[2]);
  decide();
  put();
  wcx_sim_disk_kill(DIR);
  fresh_region();
  found_good();
  atomic_store(&shared->release.epoch, 1);
  atomic_store(&shared->release.release_word, wcx_release_pack(1, finding.last_seq + 1));
  assert_int_equal(try_open(), -1);
  assert_non_null(strstr(journal->text, "remove the region"));
  decide(); /* nothing was changed: the finding is the same */
  wcx_journal_finding_t same = decision.finding;
  assert_memory_equal(&same, &finding, sizeof(same));
  carries_out(&kinds[2]);
  tear_down(state);
}

/* A directory that cannot be listed hides nothing: what stands in the segments behind is looked for by their numbers. */
static void an_unlistable_directory_hides_nothing(void **state)
{
  damaged(&kinds[1]);
  char err[512];
  wcx_disk_t *disk = open_disk();
  unlistable = true;
  int result = wcx_recover_look(&recovered, disk, scratch, err, sizeof(err));
  unlistable = false;
  assert_int_equal(result, -1);
  assert_int_equal(recovered.end.verdict, WCX_JOURNAL_HALT);
  wcx_disk_close(disk);
  tear_down(state);
}

static void a_sound_journal_is_left_alone(void **state)
{
  void *made = NULL;
  set_up(&made);
  commit(1500);
  wcx_sim_disk_kill(DIR);
  list_places();
  const place_t *last = &places[place_cnt - 1];
  read_segment(last->segment_no, before);
  rotten();
  decide();
  put();
  char name[WCX_SEGMENT_NAME_SZ];
  wcx_segment_name(name, last->segment_no);
  wcx_disk_t *disk = open_disk(); /* restored from elsewhere */
  assert_int_equal(wcx_disk_file_open(disk, WCX_HANDLE_READ, name, false), 0);
  assert_int_equal(wcx_disk_write(disk, WCX_HANDLE_READ, 0, before, SEGMENT_SZ), 0);
  wcx_disk_close(disk);
  int result = start(true);
  if (result != 0)
    fail_msg("%s", journal->text);
  assert_false(journal->recovered.obeyed);
  assert_int_equal(journal->flushed_seq, 1500);
  tear_down(state);
}

int main(void)
{
  const struct CMUnitTest tests[] = {cmocka_unit_test(obeyed),
                                     cmocka_unit_test(interrupted),
                                     cmocka_unit_test(only_that_finding),
                                     cmocka_unit_test(only_with_signatures),
                                     cmocka_unit_test(only_of_that_journal),
                                     cmocka_unit_test(not_below_what_was_acknowledged),
                                     cmocka_unit_test(not_against_the_region),
                                     cmocka_unit_test(an_unlistable_directory_hides_nothing),
                                     cmocka_unit_test(a_sound_journal_is_left_alone)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
