/* Bit flips, truncations and swaps in every file of a journal directory, one at a time: each is noticed or harmless.

     test_damage                                                     the subset of `make test`
     test_damage --flips 100000 --truncations 10000 --swaps 10000    the closing run
     test_damage --seed S --first N --flips 1                        repeats damage N of seed S

   After each damage everything is read as the data plane reads it, and the worker starts, in the same boot or a new one. Whoever does not refuse must hold
   every released record as it was written and nothing else; the worker then goes on, and everything is read once more.

   What no reader can notice is counted apart, as `unvouched`: released records at the end that no undamaged block vouches for, in a new boot, where no
   shared region remembers them either (the limit in rule 7 of engine/shm/journal_format.h). They are judged by what is in the undamaged blocks, not by what
   the reader says. The worker must say of every such start that the end has no witness, and must not say it after an orderly end that is undamaged. */
#include "engine/base/check.h"
#include "tests/fault/memory_disk.h"
#include "tests/fault/past.h"

#include <argp.h>
#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#define PER_PAST 200u /* damages of one past */
#define TOUCHED_MAX 2u
#define SECTOR 512u
#define PAGE WCX_JOURNAL_ALIGN
#define TRIES 100u

enum kind
{
  FLIP = 0,
  TRUNCATION = 1,
  SWAP = 2,
  KINDS = 3,
};

static const char *const kind_names[KINDS] = {"flip", "truncation", "swap"};

typedef struct counts
{
  uint64_t done[KINDS];
  uint64_t noticed;
  uint64_t noticed_by_reader; /* of these: the worker started at an anchor behind it; the data plane cannot replay up to the worker's cut and dies */
  uint64_t harmless;
  uint64_t unvouched;
  uint64_t unvouched_told; /* of these: as a torn end */
  uint64_t silent;         /* dropped, and the worker did not say that the end has no witness */
  uint64_t lost;
  uint64_t phantom;
  uint64_t failures; /* lost and phantom included */
} counts_t;

typedef struct touched
{
  const wcx_memory_file_t *file;
  uint64_t from;
  uint64_t to;
} touched_t;

typedef struct damage
{
  char text[256];
  touched_t touched[TOUCHED_MAX];
  uint32_t touched_cnt;
} damage_t;

static const wcx_past_t *past;
static damage_t damage;
static uint64_t dice;
static char repeat[128];

static uint64_t mix(uint64_t x)
{
  x += UINT64_C(0x9e3779b97f4a7c15);
  x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
  x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
  return x ^ (x >> 31);
}

static uint64_t below(uint64_t bound)
{
  dice = mix(dice);
  return dice % bound;
}

/* --- damage ------------------------------------------------------------------------------------------- */

static bool segment_of(const wcx_memory_file_t *file, uint64_t *segment_no)
{
  return sscanf(file->name, "seg-%16" SCNx64 ".wcj", segment_no) == 1;
}

static wcx_memory_file_t *any_file(void)
{
  for (;;)
  {
    wcx_memory_file_t *file = &wcx_memory_disk_files()[below(WCX_MEMORY_FILES_MAX)];
    if (file->name[0] != 0 && file->sz > 0)
      return file;
  }
}

static wcx_memory_file_t *segment_file(uint64_t segment_no)
{
  uint64_t its;
  wcx_memory_file_t *files = wcx_memory_disk_files();
  for (uint32_t i = 0; i < WCX_MEMORY_FILES_MAX; i++)
    if (segment_of(&files[i], &its) && its == segment_no)
      return &files[i];
  WCX_CHECK(false, "no segment %" PRIu64, segment_no);
}

/* A place for damage: anywhere, or in a block, more often in its header or at the end of the journal. */
static wcx_memory_file_t *any_place(uint64_t *off)
{
  if (below(100) < 30)
  {
    wcx_memory_file_t *file = any_file();
    *off = below(file->sz);
    return file;
  }
  uint64_t near = past->block_cnt < 12 ? past->block_cnt : 12;
  const wcx_past_block_t *block = &past->blocks[below(100) < 30 ? past->block_cnt - 1 - below(near) : below(past->block_cnt)];
  *off = block->off + below(below(100) < 40 ? sizeof(wcx_journal_block_t) : block->sz);
  return segment_file(block->segment_no);
}

static void touch(wcx_memory_file_t *file, uint64_t from, uint64_t to)
{
  file->changed = true;
  damage.touched[damage.touched_cnt++] = (touched_t){file, from, to};
}

static void flip(void)
{
  uint64_t off;
  wcx_memory_file_t *file = any_place(&off);
  uint64_t bit = below(8);
  file->data[off] ^= (uint8_t)(1u << bit);
  touch(file, off, off + 1);
  snprintf(damage.text, sizeof(damage.text), "bit %" PRIu64 " of byte %" PRIu64 " of %s", bit, off, file->name);
}

static void truncation(void)
{
  uint64_t off;
  wcx_memory_file_t *file = below(2) == 0 ? any_file() : any_place(&off);
  uint64_t pages = file->sz / PAGE;
  uint64_t choice = below(4);
  uint64_t sz = choice == 0 ? below(file->sz) : choice == 1 ? below(pages) * PAGE : choice == 2 ? 0 : file->sz - PAGE;
  memset(file->data + sz, 0, file->sz - sz);
  touch(file, sz, file->sz);
  snprintf(damage.text, sizeof(damage.text), "%s cut from %" PRIu64 " to %" PRIu64 " bytes", file->name, file->sz, sz);
  file->sz = sz;
}

static void swap_spans(wcx_memory_file_t *a, uint64_t a_off, wcx_memory_file_t *b, uint64_t b_off, uint64_t sz)
{
  for (uint64_t i = 0; i < sz; i++)
  {
    uint8_t byte = a->data[a_off + i];
    a->data[a_off + i] = b->data[b_off + i];
    b->data[b_off + i] = byte;
  }
  touch(a, a_off, a_off + sz);
  touch(b, b_off, b_off + sz);
  snprintf(damage.text, sizeof(damage.text), "%" PRIu64 " bytes at %" PRIu64 " of %s swapped with those at %" PRIu64 " of %s", sz, a_off, a->name, b_off, b->name);
}

static void swap_files(void)
{
  wcx_memory_file_t *a = any_file();
  wcx_memory_file_t *b = any_file();
  touch(a, 0, a->sz);
  touch(b, 0, b->sz);
  uint8_t *data = a->data;
  uint64_t sz = a->sz;
  a->data = b->data;
  a->sz = b->sz;
  b->data = data;
  b->sz = sz;
  snprintf(damage.text, sizeof(damage.text), "what %s and %s hold swapped", a->name, b->name);
}

static void swap_blocks(void)
{
  const wcx_past_block_t *a = &past->blocks[below(past->block_cnt)];
  const wcx_past_block_t *b = &past->blocks[below(2) == 0 ? past->block_cnt - 1 : below(past->block_cnt)];
  swap_spans(segment_file(a->segment_no), a->off, segment_file(b->segment_no), b->off, a->sz < b->sz ? a->sz : b->sz);
}

/* Sectors, pages, blocks or whole files. */
static void swap(void)
{
  uint64_t a_off;
  uint64_t b_off;
  uint64_t choice = below(4);
  if (choice == 0)
  {
    swap_files();
    return;
  }
  if (choice == 1)
  {
    swap_blocks();
    return;
  }
  uint64_t unit = choice == 2 ? SECTOR : PAGE;
  wcx_memory_file_t *a = any_place(&a_off);
  wcx_memory_file_t *b = any_place(&b_off);
  swap_spans(a, a_off / unit * unit, b, b_off / unit * unit, unit);
}

/* False when by chance nothing has changed. */
static bool changed_anything(void)
{
  for (uint32_t i = 0; i < WCX_MEMORY_FILES_MAX; i++)
    if (wcx_memory_disk_differs(i))
      return true;
  return false;
}

static void do_damage(enum kind kind)
{
  for (uint32_t i = 0; i < TRIES; i++)
  {
    damage = (damage_t){0};
    if (kind == FLIP)
      flip();
    else if (kind == TRUNCATION)
      truncation();
    else
      swap();
    if (changed_anything())
      return;
    wcx_past_restore();
  }
  WCX_CHECK(false, "no damage found");
}

/* --- judgement ---------------------------------------------------------------------------------------- */

static bool anchors_hit(void)
{
  for (uint32_t k = 0; k < damage.touched_cnt; k++)
    if (strcmp(damage.touched[k].file->name, "anchors") == 0)
      return true;
  return false;
}

/* The highest seq of which an undamaged block says that it was released, or an undamaged anchor at the end that it was durable. */
static uint64_t vouched_seq(void)
{
  uint64_t vouched = anchors_hit() ? 0 : past->anchored;
  for (uint32_t i = 0; i < past->block_cnt; i++)
  {
    const wcx_past_block_t *block = &past->blocks[i];
    const wcx_memory_file_t *file = segment_file(block->segment_no);
    bool hit = false;
    for (uint32_t k = 0; k < damage.touched_cnt; k++)
    {
      const touched_t *touched = &damage.touched[k];
      hit = hit || (touched->file == file && touched->from < block->off + block->sz && block->off < touched->to);
    }
    if (!hit && block->committed_hint > vouched)
      vouched = block->committed_hint;
  }
  return vouched;
}

static void finding(counts_t *counts, uint64_t *count, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static void finding(counts_t *counts, uint64_t *count, const char *fmt, ...)
{
  char text[700];
  va_list args;
  va_start(args, fmt);
  vsnprintf(text, sizeof(text), fmt, args);
  va_end(args);
  counts->failures++;
  if (count != NULL)
    (*count)++;
  print_message("# %s: %s: %s\n", repeat, damage.text, text);
}

/* The worker took the journal: what it holds, and whether it can go on. */
static void judge_accepted(counts_t *counts, const wcx_past_read_t *read, bool same_boot, const wcx_past_start_t *start)
{
  uint64_t last_seq = start->last_seq;
  if (last_seq < read->last_seq)
    finding(counts, NULL, "the worker ends at %" PRIu64 ", readers at %" PRIu64, last_seq, read->last_seq);
  const char *text;
  bool short_of = last_seq < past->released;
  bool witnessed = same_boot || (past->anchored == past->released && past->released > 0 && !anchors_hit());
  if (witnessed && start->unwitnessed)
    finding(counts, NULL, "the end has a witness, the worker says that it has none");
  if (short_of && (same_boot || last_seq < vouched_seq()))
  {
    finding(counts, &counts->lost, "lost: %" PRIu64 " was released, the worker goes on after %" PRIu64, past->released, last_seq);
    return;
  }
  if (!wcx_past_go_on(&text))
  {
    finding(counts, NULL, "the worker took it, but does not go on: %s", text);
    return;
  }
  wcx_past_stop();
  wcx_past_read_t again = wcx_past_read();
  if (again.result != 0 || again.wrong_seq != 0 || again.last_seq <= last_seq)
    finding(counts, again.wrong_seq != 0 ? &counts->phantom : NULL, "after going on: ends at %" PRIu64 ", wrong %" PRIu64 ": %s", again.last_seq, again.wrong_seq, again.text);
  if (short_of && !start->unwitnessed)
    finding(counts, &counts->silent, "%" PRIu64 " of %" PRIu64 " released records are dropped without a word", past->released - last_seq, past->released);
  counts->unvouched += short_of;
  counts->unvouched_told += short_of && start->cut;
  counts->harmless += !short_of;
}

static void judge(counts_t *counts)
{
  bool same_boot = below(2) == 0;
  wcx_past_read_t read = wcx_past_read();
  if (read.wrong_seq != 0)
    finding(counts, &counts->phantom, "phantom: seq %" PRIu64 " is not what was written", read.wrong_seq);
  if (read.result == 0 && read.last_seq > past->last_seq)
    finding(counts, &counts->phantom, "phantom: ends at %" PRIu64 ", held %" PRIu64 " undamaged", read.last_seq, past->last_seq);
  wcx_past_start_t start;
  const char *text;
  (void)wcx_memory_disk_writes();
  if (!wcx_past_start(same_boot, &start, &text))
  {
    counts->noticed++;
    if (text[0] == 0)
      finding(counts, NULL, "refused without a word");
    if (wcx_memory_disk_writes() != 0)
      finding(counts, NULL, "refused (%s), but written to", text);
    return;
  }
  if (read.result == 0 && read.last_seq >= start.last_seq)
    judge_accepted(counts, &read, same_boot, &start);
  else
  {
    counts->noticed++;
    counts->noticed_by_reader++;
  }
  wcx_past_stop();
}

/* --- running ---------------------------------------------------------------------------------------------- */

/* A check in the code under test that fires is a finding, too: say which damage it was. */
static void on_death(int number)
{
  char line[600];
  int len = snprintf(line, sizeof(line), "# %s: %s: signal %d\n", repeat, damage.text, number);
  if (len > 0 && write(STDOUT_FILENO, line, (size_t)len) < 0)
    _exit(2);
  signal(number, SIG_DFL);
  raise(number);
}

static void run(uint64_t seed, enum kind kind, uint64_t first, uint64_t cnt, counts_t *counts)
{
  uint64_t made = UINT64_MAX;
  for (uint64_t i = first; i < first + cnt; i++)
  {
    if (made != i / PER_PAST)
    {
      made = i / PER_PAST;
      past = wcx_past_make(mix(seed ^ mix(made)));
    }
    dice = mix(seed ^ mix(i ^ ((uint64_t)kind << 56)));
    snprintf(repeat, sizeof(repeat), "test_damage --seed %" PRIu64 " --first %" PRIu64 " --%ss 1", seed, i, kind_names[kind]);
    do_damage(kind);
    judge(counts);
    counts->done[kind]++;
    wcx_past_restore();
  }
}

/* The judge must be able to see: a record changed behind the reader's back, and a release that the journal does not have. */
static void judge_sees(void **state)
{
  (void)state;
  past = wcx_past_make(1);
  wcx_past_read_t read = wcx_past_read();
  assert_int_equal(read.result, 0);
  assert_int_equal(read.wrong_seq, 0);
  assert_int_equal(read.last_seq, past->last_seq);
  wcx_past_forget(past->released / 2);
  read = wcx_past_read();
  assert_int_equal(read.wrong_seq, past->released / 2);
  wcx_past_restore();
  damage = (damage_t){0};
  assert_true(vouched_seq() > 0 && vouched_seq() <= past->released);
}

static uint64_t seed = 1;
static counts_t counts;

static void every_damage(void **state)
{
  const uint64_t *cnt = *state;
  uint64_t first = cnt[KINDS];
  for (uint32_t kind = 0; kind < KINDS; kind++)
    run(seed, (enum kind)kind, first, cnt[kind], &counts);
  print_message("# %" PRIu64 " noticed (%" PRIu64 " by readers alone), %" PRIu64 " harmless, %" PRIu64 " unvouched of which %" PRIu64 " told as torn, %" PRIu64 " failures\n",
                counts.noticed, counts.noticed_by_reader, counts.harmless, counts.unvouched, counts.unvouched_told, counts.failures);
  assert_int_equal(counts.failures, 0);
  assert_true(first > 0 || (counts.noticed > 100 && counts.harmless > 100));
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
  uint64_t *cnt = state->input;
  uint64_t value = arg != NULL ? strtoull(arg, NULL, 0) : 0;
  switch (key)
  {
  case 'f':
    cnt[FLIP] = value;
    return 0;
  case 't':
    cnt[TRUNCATION] = value;
    return 0;
  case 'w':
    cnt[SWAP] = value;
    return 0;
  case 's':
    seed = value;
    return 0;
  case 'n':
    cnt[KINDS] = value;
    return 0;
  default:
    return ARGP_ERR_UNKNOWN;
  }
}

int main(int argc, char **argv)
{
  static const struct argp_option options[] = {{"flips", 'f', "N", 0, "flipped bits", 0},
                                               {"truncations", 't', "N", 0, "files cut short", 0},
                                               {"swaps", 'w', "N", 0, "sectors, pages, blocks or files swapped", 0},
                                               {"seed", 's', "S", 0, "of pasts and damages", 0},
                                               {"first", 'n', "N", 0, "number of the first damage", 0},
                                               {0}};
  static const struct argp argp = {options, parse, NULL, "Damages every file of a journal directory in every way, one at a time.", NULL, NULL, NULL};
  static uint64_t cnt[KINDS + 1];
  argp_parse(&argp, argc, argv, 0, NULL, cnt);
  bool subset = cnt[FLIP] + cnt[TRUNCATION] + cnt[SWAP] == 0;
  if (subset)
    memcpy(cnt, (const uint64_t[KINDS + 1]){4000, 600, 600, 0}, sizeof(cnt));
  signal(SIGABRT, on_death);
  signal(SIGSEGV, on_death);
  const struct CMUnitTest tests[] = {cmocka_unit_test(judge_sees), cmocka_unit_test_prestate(every_damage, cnt)};
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  if (!subset)
    printf("{\"fault\": \"damage\", \"seed_first\": %" PRIu64 ", \"seed_last\": %" PRIu64 ", \"flips\": %" PRIu64 ", \"truncations\": %" PRIu64 ", \"swaps\": %" PRIu64
           ", \"noticed\": %" PRIu64 ", \"noticed_by_reader\": %" PRIu64 ", \"harmless\": %" PRIu64 ", \"unvouched\": %" PRIu64 ", \"unvouched_told\": %" PRIu64
           ", \"silent\": %" PRIu64 ", \"lost\": %" PRIu64 ", \"phantom\": %" PRIu64 ", \"failures\": %" PRIu64 "}\n",
           seed, seed, counts.done[FLIP], counts.done[TRUNCATION], counts.done[SWAP], counts.noticed, counts.noticed_by_reader, counts.harmless, counts.unvouched,
           counts.unvouched_told, counts.silent, counts.lost, counts.phantom, counts.failures);
  return failed;
}
