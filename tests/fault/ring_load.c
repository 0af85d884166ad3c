/* The data plane's half of the journal ring without a network: makes the shared region, asks for an epoch, commits records, says what was released.
   Beside a real wcx-journal it is the load of every test that takes the power or the disk away (tests/fault/README.md).

     ring_load serve --region FILE --state-dir DIR --life N --seed S [--segment BYTES] [--pause-us U] [--seconds T]
     ring_load check --state-dir DIR --seed S

   `serve` says on its standard output, each a line: `life N cut SEQ epoch E` before the first record, then `r SEQ` when the release word moved, `free N` and
   `halted` when the worker says so. `check` walks the journal without changing it: `run LIFE FIRST LAST` for each run of records of one life,
   and at last `end VERDICT last SEQ blocks N`, or `bad ...`.

   What a record holds is a function of (seed, life, seq), and `life` differs from start to start. So a record is lost when it was told as released
   and is not in the journal, and false when it belongs to a life that was over: a record that was cut away and came back has the right seq and the wrong
   life. tests/fault/lives.py draws the conclusions. */
#include "engine/base/check.h"
#include "engine/shm/journal_walk.h"
#include "engine/shm/region_file.h"

#include <argp.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define SHARD 1u
#define SLOT_MAX 1024u
#define BURST_MAX 24u
#define BODY_MIN 16u

typedef struct args
{
  const char *command;
  const char *region;
  const char *state_dir;
  uint64_t life;
  uint64_t seed;
  uint32_t segment_sz;
  uint64_t pause_us;
  double seconds;
} args_t;

static uint64_t mix(uint64_t x)
{
  x += UINT64_C(0x9e3779b97f4a7c15);
  x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
  x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
  return x ^ (x >> 31);
}

/* Fills body; returns its size. */
static uint16_t make_body(uint8_t body[WCX_RECORD_BODY_SZ_MAX], uint64_t seed, uint64_t life, uint64_t seq)
{
  uint64_t state = mix(seed ^ mix(life ^ mix(seq)));
  uint32_t range = state % 8 == 0 ? WCX_RECORD_BODY_SZ_MAX - BODY_MIN + 1 : 128;
  uint16_t sz = (uint16_t)(BODY_MIN + (state >> 8) % range);
  memcpy(body, &life, 8);
  memcpy(body + 8, &seq, 8);
  for (uint32_t at = BODY_MIN; at < sz; at += 8)
  {
    state = mix(state);
    memcpy(body + at, &state, sz - at < 8 ? sz - at : 8);
  }
  return sz;
}

static void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void say(const char *fmt, ...)
{
  char line[256];
  va_list list;
  va_start(list, fmt);
  int len = vsnprintf(line, sizeof(line), fmt, list);
  va_end(list);
  if (write(STDOUT_FILENO, line, (size_t)len) != len)
    exit(1); /* nobody listens any more */
}

static void pause_us(uint64_t us)
{
  struct timespec pause = {.tv_sec = (time_t)(us / 1000000u), .tv_nsec = (long)(us % 1000000u * 1000u)};
  nanosleep(&pause, NULL);
}

static double now_s(void)
{
  struct timespec ts;
  clock_gettime(CLOCK_MONOTONIC, &ts);
  return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* --- serve ---------------------------------------------------------------------------------------- */

static void make_region(wcx_region_file_t *file, const args_t *args)
{
  static wcx_params_t params;
  params.magic = WCX_PARAMS_MAGIC;
  params.version = WCX_PARAMS_VERSION;
  params.sz = sizeof(params);
  params.durability = WCX_DURABILITY_LEVEL_D1_LOCAL_FLUSH;
  params.journal_segment_sz = args->segment_sz;
  params.journal_segments_ahead = 2;
  params.shard_cnt = 1;
  params.shards[0] = (wcx_params_shard_t){.shard = SHARD, .lcore = UINT16_MAX, .jring_slot_max = SLOT_MAX}; /* no such CPU: the worker may use all */
  if (snprintf(params.state_dir, sizeof(params.state_dir), "%s", args->state_dir) >= (int)sizeof(params.state_dir))
    WCX_DIE("--state-dir is too long");
  char err[512];
  if (!wcx_region_create(file, args->region, &params, err, sizeof(err)))
    WCX_DIE("%s", err);
}

static uint64_t get_epoch(wcx_region_shard_t *shared, uint64_t *cut_seq)
{
  wcx_region_handshake_t *handshake = &shared->handshake;
  uint64_t asked = atomic_load_explicit(&handshake->asked, memory_order_relaxed) + 1;
  atomic_store_explicit(&handshake->asked, asked, memory_order_release);            /* pairs with the worker's acquire */
  while (atomic_load_explicit(&handshake->answered, memory_order_acquire) != asked) /* pairs with the worker's release */
  {
    (void)wcx_doorbell_ring(&shared->jring.bell);
    pause_us(500);
  }
  *cut_seq = atomic_load_explicit(&handshake->cut_seq, memory_order_relaxed);
  return atomic_load_explicit(&handshake->granted_epoch, memory_order_relaxed);
}

/* Commit a burst as far as there is room. */
static void commit_burst(wcx_jring_producer_t *producer, const args_t *args, uint64_t released, uint32_t cnt)
{
  uint8_t body[WCX_RECORD_BODY_SZ_MAX];
  for (; cnt > 0 && wcx_jring_room(producer, released) >= WCX_JRING_RECORD_SLOTS_MAX; cnt--)
  {
    uint64_t seq = producer->next_seq;
    uint16_t sz = make_body(body, args->seed, args->life, seq);
    wcx_record_hdr_t hdr = {.format = WCX_RECORD_FORMAT, .template_id = 1, .shard = SHARD, .seq = seq, .stamp_ns = (args->life << 40) + seq, .body_sz = sz};
    wcx_jring_commit(producer, &hdr, body);
  }
}

static void tell(const wcx_region_shard_t *shared, uint64_t *free_told, uint64_t *halted_told)
{
  uint64_t free_cnt = atomic_load_explicit(&shared->journal.segments_free, memory_order_relaxed);
  uint64_t halted = atomic_load_explicit(&shared->journal.halted, memory_order_relaxed);
  if (free_cnt < 2 && free_cnt != *free_told)
    say("free %" PRIu64 "\n", free_cnt);
  if (halted != *halted_told)
    say(halted ? "halted\n" : "resumed\n");
  *free_told = free_cnt;
  *halted_told = halted;
}

static int serve(const args_t *args)
{
  static uint64_t end_pos[SLOT_MAX];
  wcx_region_file_t file;
  make_region(&file, args);
  wcx_region_shard_t *shared = wcx_region_shard(file.region, 0);
  uint64_t cut_seq;
  uint64_t epoch = get_epoch(shared, &cut_seq);
  say("life %" PRIu64 " cut %" PRIu64 " epoch %" PRIu64 "\n", args->life, cut_seq, epoch);
  (void)tcdrain(STDOUT_FILENO); /* over a serial line: whoever counts lives must know this one before it leaves a trace */
  wcx_jring_producer_t producer;
  wcx_jring_producer_init(&producer, &shared->jring, end_pos, cut_seq);
  uint64_t told = cut_seq;
  uint64_t free_told = UINT64_MAX;
  uint64_t halted_told = 0;
  uint64_t dice = mix(args->seed ^ args->life);
  for (double end = now_s() + args->seconds; args->seconds <= 0 || now_s() < end;)
  {
    uint64_t word = atomic_load_explicit(&shared->release.release_word, memory_order_acquire); /* pairs with the worker's release */
    uint64_t released = wcx_release_seq(word);
    if (wcx_release_epoch16(word) != (uint16_t)epoch || released < told || released >= producer.next_seq)
    {
      say("bad release word: epoch %u seq %" PRIu64 ", told %" PRIu64 ", committed %" PRIu64 "\n", wcx_release_epoch16(word), released, told, producer.next_seq - 1);
      return 1;
    }
    if (released > told)
      say("r %" PRIu64 "\n", released);
    told = released;
    tell(shared, &free_told, &halted_told);
    dice = mix(dice);
    commit_burst(&producer, args, released, 1 + (uint32_t)(dice % BURST_MAX));
    (void)wcx_doorbell_ring(&shared->jring.bell);
    pause_us(1 + (dice >> 32) % (2 * args->pause_us + 1));
  }
  return 0;
}

/* --- check ---------------------------------------------------------------------------------------- */

static int check(const args_t *args)
{
  char dir[512];
  char err[512];
  wcx_journal_walk_t walk;
  if (!wcx_journal_dir(dir, sizeof(dir), args->state_dir, SHARD))
    WCX_DIE("--state-dir is too long");
  int opened = wcx_journal_walk_open(&walk, dir, err, sizeof(err));
  if (opened == WCX_JOURNAL_OPEN_MISSING)
  {
    say("end none last 0 blocks 0\n");
    return 0;
  }
  if (opened != WCX_JOURNAL_OPEN_OK)
  {
    say("bad open: %s\n", err);
    return 1;
  }
  uint64_t epoch;
  wcx_record_hdr_t hdr;
  const uint8_t *body;
  uint8_t wanted[WCX_RECORD_BODY_SZ_MAX];
  uint64_t life = 0;
  uint64_t first = 0;
  uint64_t last = 0;
  int got;
  while ((got = wcx_journal_walk_next(&walk, &epoch, &hdr, &body)) == 1)
  {
    uint64_t its = 0;
    if (hdr.body_sz >= BODY_MIN)
      memcpy(&its, body, 8);
    if (make_body(wanted, args->seed, its, hdr.seq) != hdr.body_sz || memcmp(wanted, body, hdr.body_sz) != 0)
    {
      say("bad record: seq %" PRIu64 " is not what any life has written\n", hdr.seq);
      return 1;
    }
    if (its != life && life != 0)
      say("run %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", life, first, last);
    first = its != life ? hdr.seq : first;
    life = its;
    last = hdr.seq;
  }
  if (life != 0)
    say("run %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", life, first, last);
  if (got < 0)
    say("bad end: %s\n", walk.text);
  say("end %s last %" PRIu64 " blocks %" PRIu64 "\n", wcx_journal_verdict_name(walk.end.verdict), walk.end.last_seq, walk.blocks);
  wcx_journal_walk_close(&walk);
  return got < 0;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
  args_t *args = state->input;
  switch (key)
  {
  case 'r':
    args->region = arg;
    return 0;
  case 'd':
    args->state_dir = arg;
    return 0;
  case 'l':
    args->life = strtoull(arg, NULL, 0);
    return 0;
  case 's':
    args->seed = strtoull(arg, NULL, 0);
    return 0;
  case 'g':
    args->segment_sz = (uint32_t)strtoul(arg, NULL, 0);
    return 0;
  case 'p':
    args->pause_us = strtoull(arg, NULL, 0);
    return 0;
  case 't':
    args->seconds = strtod(arg, NULL);
    return 0;
  case ARGP_KEY_ARG:
    args->command = arg;
    return 0;
  case ARGP_KEY_END:
    if (args->command == NULL || args->state_dir == NULL)
      argp_error(state, "a command (serve or check) and --state-dir are needed");
    return 0;
  default:
    return ARGP_ERR_UNKNOWN;
  }
}

int main(int argc, char **argv)
{
  static const struct argp_option options[] = {{"region", 'r', "FILE", 0, "the shared region, made anew", 0},
                                               {"state-dir", 'd', "DIR", 0, "as in the configuration", 0},
                                               {"life", 'l', "N", 0, "from 1, one more with each start", 0},
                                               {"seed", 's', "N", 0, "of what the records hold", 0},
                                               {"segment", 'g', "BYTES", 0, "segment size", 0},
                                               {"pause-us", 'p', "US", 0, "mean pause between bursts", 0},
                                               {"seconds", 't', "T", 0, "0: until killed", 0},
                                               {0}};
  static const struct argp argp = {options, parse, "serve|check", "Load for the journal worker that tells what was released, and the check of what is there.", NULL, NULL, NULL};
  args_t args = {.life = 1, .seed = 1, .segment_sz = 256u << 10, .pause_us = 500};
  argp_parse(&argp, argc, argv, 0, NULL, &args);
  if (strcmp(args.command, "check") == 0)
    return check(&args);
  if (strcmp(args.command, "serve") != 0 || args.region == NULL || args.life == 0)
    WCX_DIE("serve needs --region and a --life from 1");
  return serve(&args);
}
