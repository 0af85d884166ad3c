#include "bench/replay.h"

#include "bench/engine_run.h"
#include "bench/image.h"
#include "bench/profile.h"
#include "bench/rig.h"
#include "bench/run_folder.h"
#include "engine/base/check.h"
#include "engine/base/env.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

#define OPS_DEFAULT UINT64_C(1000000)
#define PASSES_DEFAULT 3u
#define PASSES_MAX 101u
#define BURST 32u
#define LOG_SZ (UINT64_C(256) << 20) /* the appliance's default */
#define WANTED_PER_S 5000000.0

enum part
{
  PART_WALK,
  PART_APPLY,
  PART_REPLAY,
  PART_FILE,
  PART_READ,
  PARTS,
};
static const char *const part_names[PARTS] = {"walk", "apply", "replay", "file", "read"};

typedef struct options
{
  const char *dir; /* NULL: no files */
  char profile;
  uint64_t ops, seed, block_sz;
  uint32_t passes;
  wcx_run_asked_t asked;
} options_t;

typedef struct journal
{
  const options_t *options;
  uint8_t *records;
  uint64_t records_sz; /* mapped */
  uint64_t sz;
  uint64_t cnt;
  wcx_image_t image;
  wcx_rig_t rig;
  uint8_t *buf; /* of a walk */
  wcx_digest_t output_digest;
  wcx_digest_t state_digest;
  double least_ns[PARTS]; /* of a whole pass; 0: not measured */
  double per_record_ns[PARTS][PASSES_MAX];
} journal_t;

static const char help[] = "wcx-bench replay: from a journal back to an engine, parts and whole\n"
                           "  --profile a|b|c    a made flow (bench/profile.h): --ops N (1000000), --seed S (1)\n"
                           "  --block N          bytes of a full block, 4096..65536 (65536)\n"
                           "  --dir DIR          a new directory for the journal's files; without it only memory is read\n"
                           "  --passes N         the least counts (3)\n"
                           "  --cpu N            run on this CPU\n" WCX_RUN_ASKED_HELP;

/* --- the command line ------------------------------------------------------------------------------------------------------------------- */

static int parse(options_t *options, int argc, char **argv)
{
  *options = (options_t){.profile = 'a', .ops = OPS_DEFAULT, .seed = 1, .block_sz = WCX_JOURNAL_BLOCK_SZ_MAX, .passes = PASSES_DEFAULT, .asked = {.cpu = -1}};
  const wcx_cli_option_t known[] = {{"dir", WCX_CLI_TEXT, &options->dir, 0, 0, 0},
                                    {"profile", WCX_CLI_PROFILE, &options->profile, 0, 0, 0},
                                    {"ops", WCX_CLI_U64, &options->ops, 1, 10000000, 0},
                                    {"seed", WCX_CLI_U64, &options->seed, 0, UINT64_MAX, 0},
                                    {"block", WCX_CLI_U64, &options->block_sz, WCX_JOURNAL_ALIGN, WCX_JOURNAL_BLOCK_SZ_MAX, WCX_JOURNAL_ALIGN},
                                    {"passes", WCX_CLI_U32, &options->passes, 1, PASSES_MAX, 0},
                                    WCX_RUN_ASKED(&options->asked),
                                    {0}};
  return wcx_cli_options("replay", help, known, argc, argv);
}

/* --- the journal ------------------------------------------------------------------------------------------------------------------------ */

static void make_journal(journal_t *journal, const options_t *options)
{
  wcx_flow_t flow;
  uint64_t setup_cnt;
  if (wcx_profile_generate(&flow, &setup_cnt, options->profile, options->ops, options->seed) != 0)
    WCX_DIE("profile %c", options->profile);
  wcx_run_t *run = wcx_run_new(&flow, WCX_CREDIT_UNLIMITED);
  wcx_run_result_t live = wcx_run_pass(run, 0, BURST, NULL);
  journal->output_digest = live.output_digest;
  journal->state_digest = live.state_digest;
  journal->records_sz = wcx_run_records_sz(run);
  journal->records = wcx_rig_map(journal->records_sz);
  journal->cnt = wcx_run_records(run, journal->records, &journal->sz);
  wcx_engine_limits_t limits = wcx_run_limits(run);
  wcx_run_free(run);
  wcx_flow_free(&flow);
  wcx_image_make(&journal->image, WCX_RIG_SHARD, journal->records, journal->sz, (uint32_t)options->block_sz);
  wcx_rig_init(&journal->rig, &limits, LOG_SZ);
  memset(journal->rig.log.base, 0, LOG_SZ); /* no page fault on the clock */
  journal->buf = aligned_alloc(WCX_JOURNAL_ALIGN, WCX_JOURNAL_WALK_BUF_SZ);
  WCX_CHECK(journal->buf != NULL, "out of memory");
}

static void free_journal(journal_t *journal)
{
  free(journal->buf);
  wcx_rig_free(&journal->rig);
  wcx_image_free(&journal->image);
  munmap(journal->records, journal->records_sz);
}

/* Only what wcx_image_save has written. */
static void remove_files(const char *dir)
{
  DIR *list = opendir(dir);
  for (struct dirent *entry = list == NULL ? NULL : readdir(list); entry != NULL; entry = readdir(list))
    if (strcmp(entry->d_name, "superblock") == 0 || strncmp(entry->d_name, "seg-", 4) == 0)
      (void)unlinkat(dirfd(list), entry->d_name, 0);
  if (list != NULL)
    closedir(list);
  rmdir(dir);
}

/* --- the parts -------------------------------------------------------------------------------------------------------------------------- */

static wcx_journal_source_t files(const options_t *options)
{
  wcx_journal_source_t source;
  char err[WCX_JOURNAL_TEXT_SZ];
  if (wcx_journal_source_open(&source, options->dir, err, sizeof(err)) != WCX_JOURNAL_OPEN_OK)
    WCX_DIE("%s", err);
  return source;
}

static void walk_open(journal_t *journal, wcx_journal_walk_t *walk, const wcx_journal_source_t *source)
{
  char err[WCX_JOURNAL_TEXT_SZ];
  if (wcx_journal_walk_over(walk, source, journal->buf, err, sizeof(err)) != WCX_JOURNAL_OPEN_OK)
    WCX_DIE("%s", err);
}

static __attribute__((noinline)) void walk_alone(journal_t *journal, const wcx_journal_source_t *source)
{
  wcx_journal_walk_t walk;
  walk_open(journal, &walk, source);
  const wcx_record_hdr_t *hdrs[BURST];
  uint64_t epoch;
  uint64_t cnt = 0;
  int got;
  while ((got = wcx_journal_walk_burst(&walk, &epoch, hdrs, BURST)) > 0)
    cnt += (uint64_t)got;
  WCX_CHECK(got == 0 && cnt == journal->cnt, "%llu records of %llu: %s", (unsigned long long)cnt, (unsigned long long)journal->cnt, walk.text);
}

static inline void apply(wcx_rig_t *rig, const wcx_record_hdr_t *const *hdrs, uint32_t cnt)
{
  wcx_engine_input_t inputs[BURST];
  for (uint32_t i = 0; i < cnt; i++)
    inputs[i] = (wcx_engine_input_t){.hdr = hdrs[i], .body = hdrs[i] + 1};
  wcx_engine_prefetch(rig->engine, inputs, cnt);
  for (uint32_t i = 0; i < cnt; i++)
  {
    wcx_engine_apply(rig->engine, hdrs[i], hdrs[i] + 1, &rig->log);
    rig->log.sent_pos = rig->log.write_pos;
  }
}

static __attribute__((noinline)) void apply_alone(journal_t *journal)
{
  const wcx_record_hdr_t *hdrs[BURST];
  const uint8_t *at = journal->records;
  for (uint64_t done = 0; done < journal->cnt;)
  {
    uint32_t cnt = 0;
    for (; cnt < BURST && done + cnt < journal->cnt; cnt++)
    {
      hdrs[cnt] = (const wcx_record_hdr_t *)(const void *)at; /* records are multiples of 8 */
      at += wcx_record_sz(hdrs[cnt]->body_sz);
    }
    apply(&journal->rig, hdrs, cnt);
    done += cnt;
  }
}

static __attribute__((noinline)) void replay(journal_t *journal, const wcx_journal_source_t *source)
{
  wcx_journal_walk_t walk;
  walk_open(journal, &walk, source);
  const wcx_record_hdr_t *hdrs[BURST];
  uint64_t epoch;
  int got;
  while ((got = wcx_journal_walk_burst(&walk, &epoch, hdrs, BURST)) > 0)
    apply(&journal->rig, hdrs, (uint32_t)got);
  WCX_CHECK(got == 0, "%s", walk.text);
}

static void read_alone(const journal_t *journal, const wcx_journal_source_t *source)
{
  for (uint64_t i = 1; i <= journal->image.segment_cnt; i++)
  {
    uint64_t end = i == journal->image.segment_cnt ? journal->image.off : WCX_IMAGE_SEGMENT_SZ;
    for (uint64_t off = 0; off < end; off += WCX_JOURNAL_WALK_BUF_SZ)
      WCX_CHECK(source->read(source->ctx, i, off, journal->buf, WCX_JOURNAL_WALK_BUF_SZ) == WCX_JOURNAL_WALK_BUF_SZ, "segment %llu", (unsigned long long)i);
  }
}

static void check_digest(wcx_run_folder_t *run, const char *what, wcx_digest_t ours, wcx_digest_t live)
{
  if (ours.lo != live.lo || ours.hi != live.hi)
    wcx_run_fault(run, "%s digest %016" PRIx64 "%016" PRIx64 ", live it was %016" PRIx64 "%016" PRIx64, what, ours.hi, ours.lo, live.hi, live.lo);
}

static void measure_part(journal_t *journal, enum part part, uint32_t pass, wcx_run_folder_t *run)
{
  bool applies = part == PART_APPLY || part == PART_REPLAY || part == PART_FILE;
  bool reads = part == PART_FILE || part == PART_READ;
  if (applies)
    wcx_rig_restart(&journal->rig);
  wcx_journal_source_t source = reads ? files(journal->options) : wcx_image_source(&journal->image);
  uint64_t from_ns = wcx_env_mono_ns();
  if (part == PART_WALK)
    walk_alone(journal, &source);
  else if (part == PART_APPLY)
    apply_alone(journal);
  else if (part == PART_READ)
    read_alone(journal, &source);
  else
    replay(journal, &source);
  double took_ns = (double)(wcx_env_mono_ns() - from_ns);
  if (source.close != NULL)
    source.close(source.ctx);
  if (applies)
  {
    check_digest(run, "output", wcx_engine_output_digest(journal->rig.engine), journal->output_digest);
    check_digest(run, "state", wcx_engine_state_digest(journal->rig.engine), journal->state_digest);
  }
  journal->per_record_ns[part][pass] = took_ns / (double)journal->cnt;
  if (part == PART_REPLAY)
    wcx_run_folder_sample(run, journal->per_record_ns[part][pass]);
  if (journal->least_ns[part] == 0 || took_ns < journal->least_ns[part])
    journal->least_ns[part] = took_ns;
}

/* --- what is told ----------------------------------------------------------------------------------------------------------------------- */

static void tell_json(FILE *file, const void *found)
{
  const journal_t *journal = found;
  double cnt = (double)journal->cnt;
  fprintf(file, ",\"profile\":\"%c\",\"records\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"blocks\":%" PRIu64 ",\"passes\":%u,\"wanted_per_s\":%.0f", journal->options->profile,
          journal->cnt, journal->sz, journal->image.block_cnt, journal->options->passes, WANTED_PER_S);
  for (uint32_t part = 0; part < PARTS; part++)
    if (journal->least_ns[part] != 0)
      fprintf(file, ",\"%s_ns\":%.2f,\"%s_per_s\":%.0f", part_names[part], journal->least_ns[part] / cnt, part_names[part], cnt * 1e9 / journal->least_ns[part]);
}

static double million_per_s(const journal_t *journal, enum part part)
{
  return (double)journal->cnt * 1e3 / journal->least_ns[part];
}

static void tell_table(FILE *file, const void *found)
{
  const journal_t *journal = found;
  double cnt = (double)journal->cnt;
  fprintf(file, "profile %c, %" PRIu64 " records of %.0f bytes in %" PRIu64 " blocks; least of %u passes, one core\n", journal->options->profile, journal->cnt,
          (double)journal->sz / cnt, journal->image.block_cnt, journal->options->passes);
  for (uint32_t part = 0; part < PARTS; part++)
    if (journal->least_ns[part] != 0)
      fprintf(file, "%-8s %8.1f ns a record   %6.2f million/s\n", part_names[part], journal->least_ns[part] / cnt, million_per_s(journal, part));
  fprintf(file, "wanted of replay          %6.2f million/s   %s\n", WANTED_PER_S / 1e6, million_per_s(journal, PART_REPLAY) * 1e6 >= WANTED_PER_S ? "held" : "not held");
}

static void keep(const journal_t *journal, wcx_run_folder_t *run)
{
  static const char *const names[PARTS] = {"a journal walked, no engine, from memory", "its records applied, no walker, from memory", "replay: walked and applied, from memory",
                                           "replay from files", "these files read, nothing else"};
  double passes[PASSES_MAX];
  wcx_chart_t chart = {.title = "A record, by pass",
                       .x_label = "pass",
                       .y_label = "ns a record",
                       .x_scale = WCX_CHART_LINEAR,
                       .y_scale = WCX_CHART_LINEAR,
                       .x_unit = WCX_CHART_NUMBER,
                       .y_unit = WCX_CHART_NS};
  for (uint32_t pass = 0; pass < journal->options->passes; pass++)
    passes[pass] = pass + 1;
  for (uint32_t part = 0; part < PARTS; part++)
  {
    char beside[64];
    if (journal->least_ns[part] == 0)
      continue;
    snprintf(beside, sizeof(beside), "%.1f ns a record", journal->least_ns[part] / (double)journal->cnt);
    wcx_run_folder_value(run, names[part], million_per_s(journal, part), " million/s", part == PART_REPLAY ? WCX_WANTED_AT_LEAST : WCX_WANTED_NOTHING, WANTED_PER_S / 1e6, beside);
    chart.series[chart.series_cnt++] =
        (wcx_chart_series_t){.name = part_names[part], .x = passes, .y = journal->per_record_ns[part], .cnt = journal->options->passes, .color = part};
  }
  wcx_run_folder_chart(run, "replay", &chart);
}

static void measure(journal_t *journal, wcx_run_folder_t *run)
{
  uint32_t parts = journal->options->dir == NULL ? PART_FILE : PARTS;
  uint32_t passes = journal->options->passes;
  for (uint32_t pass = 0; pass < passes; pass++)
    for (uint32_t part = 0; part < parts; part++)
    {
      wcx_cli_bar((double)(pass * parts + part) / (passes * parts), "%s: %u of %u", part_names[part], pass + 1, passes);
      measure_part(journal, (enum part)part, pass, run);
    }
}

int wcx_replay_bench(int argc, char **argv)
{
  static wcx_run_folder_t run;
  options_t options;
  int status = parse(&options, argc, argv);
  if (status != 0)
    return status;
  if (!wcx_run_begin(&run, &options.asked, "replay", argc, argv, "ns a record, replay from memory"))
    return WCX_CLI_BAD;
  wcx_cli_bar(0, "the journal is made");
  journal_t journal = {.options = &options};
  make_journal(&journal, &options);
  if (options.dir != NULL && wcx_image_save(&journal.image, options.dir) != 0)
  {
    fprintf(stderr, "wcx-bench replay: %s: %s\n", options.dir, strerror(errno));
    free_journal(&journal);
    return WCX_CLI_BAD;
  }
  measure(&journal, &run);
  keep(&journal, &run);
  status = wcx_run_end(&run, &options.asked, tell_json, tell_table, &journal);
  if (options.dir != NULL)
    remove_files(options.dir);
  free_journal(&journal);
  return status;
}
