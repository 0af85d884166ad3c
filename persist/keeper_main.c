/* wcx-keeper: the keeper of one shard's journal as a process. Ships what is durable to the archive, reads closed segments again, repairs what is damaged.

   It never writes to a segment that the worker writes to, holds no ring and no lock of the journal; without it trading goes on and nothing is removed. */
#include "engine/base/check.h"
#include "engine/base/env.h"
#include "persist/pace.h"
#include "persist/recheck.h"
#include "persist/scrub.h"
#include "persist/worker.h"

#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#define IDLE_NS 5000000u
#define SYNC_NS UINT64_C(100000000) /* how often the tail in an archive directory is made durable */
#define BATCH 64u

typedef struct args
{
  wcx_worker_args_t worker;
  const char *archive_dir;
  const char *command;
  const char *fetch_command;
  uint32_t scrub_mib_per_s;
} args_t;

typedef struct keeper
{
  wcx_archive_t archive;
  wcx_scrub_t scrub;
  wcx_scrub_t archive_scrub; /* of a directory archive */
  wcx_recheck_t recheck;     /* of an archive by commands */
  bool archive_turn;         /* of the last step */
  uint32_t said_copies;      /* damaged copies of the superblock that were told */
  wcx_region_shard_t *shared;
  char said[1400]; /* last failure of the archive that was told */
  uint64_t synced_ns;
  wcx_pace_t scrub_pace; /* bytes_per_s 0: none */
} keeper_t;

static keeper_t keeper;

enum
{
  OPT_DIR = 256,
  OPT_COMMAND,
  OPT_FETCH,
  OPT_SCRUB,
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
  args_t *args = state->input;
  switch (key)
  {
  case ARGP_KEY_INIT:
    state->child_inputs[0] = &args->worker;
    return 0;
  case OPT_DIR:
    args->archive_dir = arg;
    return 0;
  case OPT_COMMAND:
    args->command = arg;
    return 0;
  case OPT_FETCH:
    args->fetch_command = arg;
    return 0;
  case OPT_SCRUB:
    args->scrub_mib_per_s = wcx_worker_number("--scrub-mib-per-s", arg, 0, 4096);
    return 0;
  case ARGP_KEY_END:
    if ((args->command == NULL) != (args->fetch_command == NULL) || (args->command != NULL && args->archive_dir != NULL))
      argp_error(state, "give --archive-dir, or --archive-command and --fetch-command, or none of them");
    return 0;
  default:
    return ARGP_ERR_UNKNOWN;
  }
}

static uint64_t load(const _Atomic uint64_t *word)
{
  return atomic_load_explicit((_Atomic uint64_t *)(uintptr_t)word, memory_order_acquire); /* pairs with the worker's release */
}

static void set(_Atomic uint64_t *word, uint64_t value)
{
  atomic_store_explicit(word, value, memory_order_release); /* pairs with retention's acquire */
}

/* --- archive ---------------------------------------------------------------------------------------- */

static void tell_archive(void)
{
  wcx_region_keeper_t *words = &keeper.shared->keeper;
  set(&words->archived_segment, keeper.archive.archived_segment);
  set(&words->shipped_seq, keeper.archive.shipped_seq);
  set(&words->failing, keeper.archive.failing);
  if (keeper.archive.failing && strcmp(keeper.said, keeper.archive.text) != 0)
  {
    wcx_worker_say("alarm: cannot archive: %s; nothing is removed meanwhile, trying again", keeper.archive.text);
    memcpy(keeper.said, keeper.archive.text, sizeof(keeper.said));
  }
  else if (!keeper.archive.failing && keeper.said[0] != '\0')
  {
    wcx_worker_say("archiving goes on at segment %" PRIu64, keeper.archive.archived_segment + 1);
    keeper.said[0] = '\0';
  }
}

static uint32_t step_archive(uint64_t now_ns)
{
  uint32_t done = 0;
  while (done < BATCH && wcx_archive_step(&keeper.archive, load(&keeper.shared->segments.durable_block), load(&keeper.shared->segments.closed_segment), now_ns) == 1)
    done++;
  if (now_ns - keeper.synced_ns > SYNC_NS)
  {
    keeper.synced_ns = now_ns;
    (void)wcx_archive_sync(&keeper.archive, now_ns); /* a failure shows in `failing` */
  }
  tell_archive();
  return done;
}

/* --- scrub ------------------------------------------------------------------------------------------ */

static void tell_scrub(void)
{
  wcx_region_keeper_t *words = &keeper.shared->keeper;
  set(&words->scrub_segment, keeper.scrub.segment_no);
  set(&words->scrub_passes, keeper.scrub.passes);
  set(&words->damaged,
      (keeper.scrub.damaged_segment != 0 ? 1u : 0u) + ((keeper.archive_scrub.damaged_segment | keeper.recheck.damaged_segment) != 0 ? 1u : 0u)); /* either way one copy is left */
  set(&words->repaired, keeper.scrub.repaired);
  set(&words->super_damaged, keeper.scrub.bad_copies);
  if (keeper.scrub.bad_copies > keeper.said_copies)
    wcx_worker_say("alarm: damage: %u of %u copies of the superblock: the next start of wcx-journal writes them anew", keeper.scrub.bad_copies, WCX_JOURNAL_SUPER_COPIES);
  keeper.said_copies = keeper.scrub.bad_copies;
}

static enum wcx_scrub_result scrub_archive(uint64_t now_ns, uint32_t *sz)
{
  bool commands = keeper.archive_scrub.journal_dir == NULL;
  enum wcx_scrub_result result = commands ? wcx_recheck_step(&keeper.recheck, now_ns, sz) : wcx_scrub_step(&keeper.archive_scrub, 1, keeper.archive.archived_segment, now_ns, sz);
  const char *text = commands ? keeper.recheck.text : keeper.archive_scrub.text;
  if (result == WCX_SCRUB_DAMAGED)
    wcx_worker_say("alarm: damage in the archive: %s", text);
  else if (result == WCX_SCRUB_REPAIRED)
    wcx_worker_say("%s", text);
  else if (result == WCX_SCRUB_PASS && commands && keeper.recheck.passes == 1)
    wcx_worker_say("the archive was read again, up to segment %" PRIu64, keeper.archive.archived_segment);
  return result;
}

static enum wcx_scrub_result scrub_journal(uint64_t now_ns, uint32_t *sz)
{
  const wcx_region_segments_t *segments = &keeper.shared->segments;
  enum wcx_scrub_result result = wcx_scrub_step(&keeper.scrub, load(&segments->first_segment), load(&segments->closed_segment), now_ns, sz);
  if (result == WCX_SCRUB_DAMAGED)
    wcx_worker_say("alarm: damage: %s", keeper.scrub.text);
  else if (result == WCX_SCRUB_REPAIRED)
    wcx_worker_say("%s", keeper.scrub.text);
  return result;
}

/* Journal and archive in turn. */
static enum wcx_scrub_result scrub_some(uint64_t now_ns, uint32_t *sz)
{
  keeper.archive_turn = !keeper.archive_turn && wcx_archive_wanted(&keeper.archive.config);
  enum wcx_scrub_result result = keeper.archive_turn ? scrub_archive(now_ns, sz) : scrub_journal(now_ns, sz);
  tell_scrub();
  return result;
}

static uint32_t step_scrub(uint64_t now_ns)
{
  uint32_t done = 0;
  enum wcx_scrub_result result = WCX_SCRUB_READ;
  while (keeper.scrub_pace.bytes_per_s != 0 && wcx_pace_allows(&keeper.scrub_pace, now_ns) && result == WCX_SCRUB_READ)
  {
    uint32_t sz;
    result = scrub_some(now_ns, &sz);
    wcx_pace_pay(&keeper.scrub_pace, result == WCX_SCRUB_READ ? sz : 0);
    done += result == WCX_SCRUB_READ || result == WCX_SCRUB_DAMAGED;
  }
  return done;
}

/* --- the process --------------------------------------------------------------------------------------- */

static void set_up(const args_t *args, const wcx_region_file_t *file)
{
  const wcx_params_t *params = &file->region->params;
  static char journal_dir[400], work_dir[400];
  uint32_t shard = wcx_worker_shard(params, args->worker.shard_idx)->shard;
  int len = snprintf(work_dir, sizeof(work_dir), "%s/archive/shard-%05u", params->state_dir, shard);
  if (!wcx_journal_dir(journal_dir, sizeof(journal_dir), params->state_dir, shard) || len < 0 || (size_t)len >= sizeof(work_dir))
    WCX_DIE("state_dir is too long");
  wcx_archive_config_t config = {
      .journal_dir = journal_dir, .dir = args->archive_dir, .command = args->command, .fetch_command = args->fetch_command, .work_dir = work_dir, .shard = shard};
  if (!wcx_archive_init(&keeper.archive, &config))
    WCX_DIE("--archive-dir is too long");
  wcx_scrub_init(&keeper.scrub, journal_dir, wcx_archive_wanted(&config) ? &keeper.archive : NULL);
  wcx_recheck_init(&keeper.recheck, args->command != NULL ? &keeper.archive : NULL);
  if (args->archive_dir != NULL)
    wcx_scrub_init(&keeper.archive_scrub, keeper.archive.dir, NULL);
  keeper.scrub_pace.bytes_per_s = (uint64_t)args->scrub_mib_per_s << 20;
  keeper.shared = wcx_region_shard(file->region, args->worker.shard_idx);
}

int main(int argc, char **argv)
{
  static const struct argp_option options[] = {{"archive-dir", OPT_DIR, "DIR", 0, "ship the journal to this directory", 0},
                                               {"archive-command", OPT_COMMAND, "CMD", 0, "or store each closed segment with this command", 0},
                                               {"fetch-command", OPT_FETCH, "CMD", 0, "and get it back with this one", 0},
                                               {"scrub-mib-per-s", OPT_SCRUB, "N", 0, "how fast closed segments are read again; 0: not at all", 0},
                                               {0}};
  static const struct argp_child children[] = {{&wcx_worker_argp, 0, NULL, 0}, {0}};
  static const struct argp argp = {options, parse, NULL, "The keeper of one shard's journal: archive, scrub and repair.", children, NULL, NULL};
  args_t args = {0};
  argp_parse(&argp, argc, argv, 0, NULL, &args);
  wcx_worker_init("wcx-keeper");
  wcx_region_file_t file;
  wcx_worker_wait_region(&file, args.worker.region);
  if (!wcx_region_lock(&file, WCX_REGION_LOCK_KEEPER + args.worker.shard_idx))
    WCX_DIE("another wcx-keeper runs for shard index %u of %s: only one may", args.worker.shard_idx, args.worker.region);
  wcx_worker_leave_poll_cpus(&file.region->params);
  set_up(&args, &file);
  while (!wcx_worker_stopping() && load(&keeper.shared->handshake.ready) == 0)
    wcx_worker_pause_ns(IDLE_NS);
  while (!wcx_worker_stopping())
  {
    uint64_t now_ns = wcx_env_mono_ns();
    uint32_t done = wcx_archive_wanted(&keeper.archive.config) ? step_archive(now_ns) : 0;
    done += step_scrub(now_ns);
    if (done == 0)
      wcx_worker_pause_ns(IDLE_NS);
  }
  (void)wcx_archive_sync(&keeper.archive, wcx_env_mono_ns());
  wcx_archive_close(&keeper.archive);
  wcx_scrub_close(&keeper.scrub);
  wcx_scrub_close(&keeper.archive_scrub);
  return 0;
}
