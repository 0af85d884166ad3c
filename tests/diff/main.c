/* wcx-diff: the engine and the reference on the same random records, over many seeds. The first difference ends the run with what is needed to repeat it. */
#include "engine/base/check.h"
#include "engine/json.h"
#include "engine/sbe_meta.h"
#include "tests/diff/compare.h"
#include "tests/diff/flow.h"

#include <getopt.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define BURST_MAX 256u
#define STATE_EVERY 16384u
#define JOBS_MAX 64u

typedef struct options
{
  uint64_t first_seed;
  uint64_t last_seed;
  uint64_t ops;                  /* per seed, definitions of the world included */
  const flow_profile_t *profile; /* NULL: seed by seed in turn */
  uint64_t snapshot_every;       /* commands between two snapshots; 0: none */
  uint32_t burst;
  uint32_t jobs;
  bool json;
  bool trace;
  bool alone; /* the reference only, checked against itself */
} options_t;

/* What the processes share. Sums and xors, so that the order of seeds does not matter; nothing is published by them, relaxed is enough. */
typedef struct shared
{
  _Atomic uint64_t next_seed;
  _Atomic uint64_t seeds;
  _Atomic uint64_t commands;
  _Atomic uint64_t refused; /* definitions that the engine would not take, skipped on both sides */
  _Atomic uint64_t messages;
  _Atomic uint64_t seen[sizeof(seen_t) / sizeof(uint64_t)];
  _Atomic uint64_t differences;
  _Atomic uint64_t digest[4]; /* output lo, hi; state lo, hi */
} shared_t;

/* --- one record ------------------------------------------------------------------------------------------------------------------------ */

typedef struct slot
{
  wcx_record_hdr_t hdr;
  uint64_t op;
  ref_out_list_t said;
  uint8_t body[WCX_RECORD_BODY_SZ_MAX + 8];       /* with the reference's ids */
  uint8_t translated[WCX_RECORD_BODY_SZ_MAX + 8]; /* with the engine's, from an odd address */
} slot_t;

typedef struct run
{
  const options_t *options;
  const flow_profile_t *profile;
  uint64_t seed;
  pair_t pair;
  flow_t flow;
  uint64_t seq;
  uint64_t refused;
  uint32_t slot_cnt;
  slot_t *slots;
} run_t;

/* For the handler of an abort inside the engine. */
static volatile sig_atomic_t in_run;
static char abort_hint[256];

static void say_repeat(const run_t *run, uint64_t op, FILE *to)
{
  fprintf(to, "repeat: build/bin/wcx-diff --seeds %llu..%llu --ops %llu --profile %s --burst %u --snapshot-every %llu --jobs 1\n", (unsigned long long)run->seed,
          (unsigned long long)run->seed, (unsigned long long)op + 1, run->profile->name, run->options->burst, (unsigned long long)run->options->snapshot_every);
}

static void print_record(const slot_t *slot, FILE *to)
{
  static char line[32768];
  if (wcx_json_record(line, sizeof(line), 0, &slot->hdr, slot->body) < 0)
    snprintf(line, sizeof(line), "(template %u, %u bytes)", slot->hdr.template_id, slot->hdr.body_sz);
  fprintf(to, "%s\n", line);
}

static void report(const run_t *run, const slot_t *slot)
{
  FILE *to = stdout;
  flockfile(to);
  fprintf(to, "difference: seed %llu, profile %s, op %llu: %s\n", (unsigned long long)run->seed, run->profile->name, (unsigned long long)slot->op, run->pair.why);
  print_record(slot, to);
  fprintf(to, "engine:\n");
  pair_print_engine(&run->pair, to);
  fprintf(to, "reference:\n");
  pair_print_reference(&slot->said, to);
  say_repeat(run, slot->op, to);
  fflush(to);
  funlockfile(to);
}

static bool apply_alone(run_t *run, const slot_t *slot)
{
  ref_check(run->pair.ref);
  pair_count(&run->pair, &slot->said);
  if (run->options->trace)
  {
    print_record(slot, stdout);
    pair_print_reference(&slot->said, stdout);
  }
  return true;
}

static bool apply_slot(run_t *run, slot_t *slot)
{
  if (run->options->alone)
    return apply_alone(run, slot);
  pair_translate(&run->pair, slot->hdr.template_id, slot->body, slot->hdr.body_sz, slot->translated + 1);
  snprintf(abort_hint, sizeof(abort_hint), "aborted: seed %llu, profile %s, op %llu, template %u\n", (unsigned long long)run->seed, run->profile->name,
           (unsigned long long)slot->op, slot->hdr.template_id);
  bool same = pair_apply(&run->pair, &slot->hdr, slot->translated + 1, &slot->said);
  if (run->options->trace)
  {
    print_record(slot, stdout);
    pair_print_engine(&run->pair, stdout);
  }
  if (!same)
    report(run, slot);
  if (same && run->options->snapshot_every != 0 && slot->hdr.seq % run->options->snapshot_every == 0)
    pair_go_through_snapshot(&run->pair);
  return same;
}

/* The engine's turn: what the reference has done already. */
static bool flush(run_t *run)
{
  wcx_engine_input_t inputs[BURST_MAX];
  for (uint32_t i = 0; i < run->slot_cnt && run->options->burst > 1; i++)
  {
    slot_t *slot = &run->slots[i];
    pair_translate(&run->pair, slot->hdr.template_id, slot->body, slot->hdr.body_sz, slot->translated + 1);
    inputs[i] = (wcx_engine_input_t){.hdr = &slot->hdr, .body = slot->translated + 1};
  }
  if (run->options->burst > 1)
    wcx_engine_prefetch(run->pair.engine, inputs, run->slot_cnt);
  for (uint32_t i = 0; i < run->slot_cnt; i++)
    if (!apply_slot(run, &run->slots[i]))
      return false;
  run->slot_cnt = 0;
  return true;
}

/* --- definitions are asked about first ------------------------------------------------------------------------------------------------- */

static bool is_definition(uint16_t template_id)
{
  switch (template_id)
  {
  case WCX_TEMPLATE_SECURITY_DEFINITION:
  case WCX_TEMPLATE_SECURITY_STATUS:
  case WCX_TEMPLATE_PRICE_BAND:
  case WCX_TEMPLATE_ASSET_DEFINITION:
  case WCX_TEMPLATE_ACCOUNT_DEFINITION:
  case WCX_TEMPLATE_BALANCE_ADJUSTMENT:
  case WCX_TEMPLATE_LIMIT_UPDATE:
  case WCX_TEMPLATE_SESSION_DEFINITION:
  case WCX_TEMPLATE_DAY_ROLL:
  case WCX_TEMPLATE_KILL_SWITCH:
  case WCX_TEMPLATE_TRADE_BREAK_COMMAND:
  case WCX_TEMPLATE_CAPACITY:
  case WCX_TEMPLATE_FEE_TIER_DEFINITION:
  case WCX_TEMPLATE_VOLATILITY_RULE:
  case WCX_TEMPLATE_SESSION_ENTITLEMENT:
  case WCX_TEMPLATE_INSTRUMENT_GROUP:
    return true;
  default:
    return false;
  }
}

enum verdict
{
  TAKE = 1,
  SKIP = 2,
  DIFFER = 3,
};

/* Without an engine to ask: instruments and sessions stay as they were set up. */
static bool is_open_to_change(const run_t *run, uint16_t template_id)
{
  return !run->flow.set_up_done || (template_id != WCX_TEMPLATE_SECURITY_DEFINITION && template_id != WCX_TEMPLATE_SESSION_DEFINITION);
}

/* Both must agree on money, broken trades and entitlements; for the rest the engine's word is enough. */
static enum verdict judge_definition(run_t *run, slot_t *slot)
{
  if (run->options->alone)
    return ref_definition_error(run->pair.ref, &slot->hdr, slot->body) == NULL && is_open_to_change(run, slot->hdr.template_id) ? TAKE : SKIP;
  pair_translate(&run->pair, slot->hdr.template_id, slot->body, slot->hdr.body_sz, slot->translated + 1);
  const char *engine = wcx_engine_definition_error(run->pair.engine, &slot->hdr, slot->translated + 1);
  const char *reference = ref_definition_error(run->pair.ref, &slot->hdr, slot->body);
  uint16_t id = slot->hdr.template_id;
  bool both = id == WCX_TEMPLATE_BALANCE_ADJUSTMENT || id == WCX_TEMPLATE_TRADE_BREAK_COMMAND || id == WCX_TEMPLATE_SESSION_ENTITLEMENT || id == WCX_TEMPLATE_INSTRUMENT_GROUP;
  if (both && (engine == NULL) != (reference == NULL))
  {
    snprintf(run->pair.why, sizeof(run->pair.why), "refused as an input? engine: %s; reference: %s", engine == NULL ? "no" : engine, reference == NULL ? "no" : reference);
    report(run, slot);
    return DIFFER;
  }
  return engine == NULL ? TAKE : SKIP;
}

/* --- a seed ---------------------------------------------------------------------------------------------------------------------------- */

static bool step(run_t *run, uint64_t op)
{
  slot_t *slot = &run->slots[run->slot_cnt];
  flow_next(&run->flow, &slot->hdr, slot->body);
  slot->op = op;
  if (is_definition(slot->hdr.template_id))
  {
    slot_t *first = &run->slots[0];
    slot_t copy = *slot;
    if (!flush(run))
      return false;
    /* the buffers stay where they are, the record moves */
    first->hdr = copy.hdr;
    first->op = copy.op;
    memcpy(first->body, copy.body, sizeof(copy.body));
    slot = first;
    enum verdict verdict = judge_definition(run, slot);
    if (verdict == DIFFER)
      return false;
    if (verdict == SKIP)
    {
      run->refused++;
      return true;
    }
  }
  slot->hdr.seq = ++run->seq;
  slot->said.cnt = 0;
  slot->said.sz = 0;
  ref_apply(run->pair.ref, &slot->hdr, slot->body, &slot->said);
  flow_observe(&run->flow, &slot->said);
  run->slot_cnt++;
  return run->slot_cnt < run->options->burst || flush(run);
}

static bool same_state(run_t *run, uint64_t op)
{
  if (!flush(run))
    return false;
  snprintf(abort_hint, sizeof(abort_hint), "aborted: seed %llu, profile %s, verifying behind op %llu\n", (unsigned long long)run->seed, run->profile->name, (unsigned long long)op);
  if (run->options->alone || pair_same_state(&run->pair))
    return true;
  printf("difference: seed %llu, profile %s, behind op %llu: %s\n", (unsigned long long)run->seed, run->profile->name, (unsigned long long)op, run->pair.why);
  say_repeat(run, op, stdout);
  fflush(stdout);
  return false;
}

static void add_seen(shared_t *shared, const seen_t *seen)
{
  uint64_t counts[sizeof(seen_t) / sizeof(uint64_t)];
  memcpy(counts, seen, sizeof(counts));
  for (uint32_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
    if (counts[i] != 0)
      atomic_fetch_add_explicit(&shared->seen[i], counts[i], memory_order_relaxed);
  for (uint32_t i = 0; i < SEEN_MAX; i++)
    atomic_fetch_add_explicit(&shared->messages, seen->messages[i], memory_order_relaxed);
}

static bool run_seed(const options_t *options, uint64_t seed, slot_t *slots, shared_t *shared)
{
  run_t run = {.options = options, .profile = options->profile != NULL ? options->profile : &flow_profiles[seed % flow_turn_cnt], .seed = seed, .slots = slots};
  pair_init(&run.pair);
  flow_init(&run.flow, run.profile, seed, run.pair.ref);
  in_run = 1;
  bool same = true;
  for (uint64_t op = 0; op < options->ops && same; op++)
  {
    same = step(&run, op);
    if (same && op % STATE_EVERY == STATE_EVERY - 1)
      same = same_state(&run, op);
  }
  same = same && same_state(&run, options->ops - 1);
  in_run = 0;
  wcx_digest_t output = wcx_engine_output_digest(run.pair.engine);
  wcx_digest_t state = wcx_engine_state_digest(run.pair.engine);
  uint64_t words[4] = {output.lo, output.hi, state.lo, state.hi};
  for (uint32_t i = 0; i < 4; i++)
    atomic_fetch_xor_explicit(&shared->digest[i], words[i], memory_order_relaxed);
  atomic_fetch_add_explicit(&shared->seeds, 1, memory_order_relaxed);
  atomic_fetch_add_explicit(&shared->commands, run.seq, memory_order_relaxed);
  atomic_fetch_add_explicit(&shared->refused, run.refused, memory_order_relaxed);
  add_seen(shared, &run.pair.seen);
  pair_free(&run.pair);
  return same;
}

/* --- processes ------------------------------------------------------------------------------------------------------------------------- */

static void on_abort(int signal_no)
{
  if (in_run)
    (void)!write(STDERR_FILENO, abort_hint, strlen(abort_hint));
  signal(signal_no, SIG_DFL);
  raise(signal_no);
}

static int work(const options_t *options, shared_t *shared)
{
  signal(SIGABRT, on_abort);
  signal(SIGSEGV, on_abort);
  slot_t *slots = calloc(options->burst, sizeof(*slots));
  WCX_CHECK(slots != NULL, "out of memory: burst %u", options->burst);
  int status = 0;
  for (;;)
  {
    uint64_t seed = atomic_fetch_add_explicit(&shared->next_seed, 1, memory_order_relaxed);
    if (seed > options->last_seed || atomic_load_explicit(&shared->differences, memory_order_relaxed) != 0)
      break;
    if (!run_seed(options, seed, slots, shared))
    {
      atomic_fetch_add_explicit(&shared->differences, 1, memory_order_relaxed);
      status = 1;
      break;
    }
  }
  for (uint32_t i = 0; i < options->burst; i++)
    ref_out_free(&slots[i].said);
  free(slots);
  return status;
}

static void progress(const options_t *options, const shared_t *shared)
{
  if (isatty(STDERR_FILENO))
    fprintf(stderr, "\r%llu of %llu seeds, %llu commands, %llu messages ", (unsigned long long)shared->seeds, (unsigned long long)(options->last_seed - options->first_seed + 1),
            (unsigned long long)shared->commands, (unsigned long long)shared->messages);
}

/* Status 0 when every process ended well. */
static int run_jobs(const options_t *options, shared_t *shared)
{
  pid_t pids[JOBS_MAX];
  uint32_t live = 0;
  int status = 0;
  fflush(stdout);
  for (uint32_t i = 0; i < options->jobs; i++)
  {
    pids[i] = fork();
    if (pids[i] < 0)
      WCX_DIE("fork failed: start fewer --jobs");
    if (pids[i] == 0)
    {
      int result = work(options, shared);
      fflush(stdout);
      exit(result); /* and not _exit: counters of coverage are written on the way out */
    }
    live++;
  }
  while (live > 0)
  {
    int how;
    pid_t ended = waitpid(-1, &how, WNOHANG);
    if (ended <= 0)
    {
      progress(options, shared);
      nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
      continue;
    }
    live--;
    if (!WIFEXITED(how) || WEXITSTATUS(how) != 0)
      status = 1;
    if (!WIFEXITED(how))
      atomic_fetch_add_explicit(&shared->differences, 1, memory_order_relaxed);
  }
  if (isatty(STDERR_FILENO))
    fprintf(stderr, "\n");
  return status;
}

/* --- the command ----------------------------------------------------------------------------------------------------------------------- */

static void usage(FILE *to)
{
  fprintf(to,
          "usage: wcx-diff [options]\n"
          "Runs the engine and the reference on the same random records and compares every message.\n"
          "  --seeds A..B        both included (1..%u: each profile once)\n"
          "  --ops N             records of a seed (20000)\n"
          "  --profile NAME      of every seed, instead of all in turn\n"
          "  --burst K           so many are asked of memory together, 1 to %u (1)\n"
          "  --snapshot-every N  the engine is replaced by its snapshot every N records (0: never)\n"
          "  --jobs J            processes, 1 to %u (one per CPU)\n"
          "  --json              one line of JSON   --trace  every record and what was said of it, in one process\n"
          "  --alone             the reference only, checked against itself\n"
          "exit status: 0 no difference, 1 the first one has been told, 2 a wrong command line\n"
          "profiles:\n",
          flow_turn_cnt, BURST_MAX, JOBS_MAX);
  for (uint32_t i = 0; i < flow_profile_cnt; i++)
    fprintf(to, "  %-12s %s\n", flow_profiles[i].name, flow_profiles[i].what);
}

static uint64_t number(const char *text, uint64_t low, uint64_t high, const char *what)
{
  char *end;
  uint64_t value = strtoull(text, &end, 10);
  if (*text >= '0' && *text <= '9' && *end == '\0' && value >= low && value <= high)
    return value;
  fprintf(stderr, "wcx: error: %s %s: a number in %llu..%llu\n", what, text, (unsigned long long)low, (unsigned long long)high);
  exit(2);
}

static void parse_seeds(options_t *options, char *text)
{
  char *dots = strstr(text, "..");
  if (dots != NULL)
    *dots = '\0';
  options->first_seed = number(text, 0, UINT32_MAX, "--seeds");
  options->last_seed = dots == NULL ? options->first_seed : number(dots + 2, options->first_seed, UINT32_MAX, "--seeds");
}

static options_t parse(int argc, char **argv)
{
  static const struct option longs[] = {
      {"seeds", required_argument, NULL, 's'},
      {"ops", required_argument, NULL, 'o'},
      {"profile", required_argument, NULL, 'p'},
      {"burst", required_argument, NULL, 'b'},
      {"jobs", required_argument, NULL, 'j'},
      {"json", no_argument, NULL, 'J'},
      {"trace", no_argument, NULL, 't'},
      {"alone", no_argument, NULL, 'a'},
      {"help", no_argument, NULL, 'h'},
      {"snapshot-every", required_argument, NULL, 'n'},
      {NULL, 0, NULL, 0},
  };
  long cpus = sysconf(_SC_NPROCESSORS_ONLN);
  options_t options = {.first_seed = 1, .last_seed = flow_turn_cnt, .ops = 20000, .burst = 1, .jobs = cpus < 1 ? 1 : cpus > JOBS_MAX ? JOBS_MAX : (uint32_t)cpus};
  for (int opt; (opt = getopt_long(argc, argv, "", longs, NULL)) != -1;)
    switch (opt)
    {
    case 's':
      parse_seeds(&options, optarg);
      break;
    case 'o':
      options.ops = number(optarg, 1, UINT32_MAX, "--ops");
      break;
    case 'p':
      options.profile = flow_profile_find(optarg);
      if (options.profile == NULL && strcmp(optarg, "all") != 0)
      {
        fprintf(stderr, "wcx: error: --profile %s: see --help for the list\n", optarg);
        exit(2);
      }
      break;
    case 'b':
      options.burst = (uint32_t)number(optarg, 1, BURST_MAX, "--burst");
      break;
    case 'n':
      options.snapshot_every = number(optarg, 0, UINT32_MAX, "--snapshot-every");
      break;
    case 'j':
      options.jobs = (uint32_t)number(optarg, 1, JOBS_MAX, "--jobs");
      break;
    case 'J':
      options.json = true;
      break;
    case 't':
      options.trace = true;
      break;
    case 'a':
      options.alone = true;
      options.burst = 1;
      break;
    case 'h':
      usage(stdout);
      exit(0);
    default:
      usage(stderr);
      exit(2);
    }
  if (optind != argc)
  {
    usage(stderr);
    exit(2);
  }
  if (options.trace)
    options.jobs = 1;
  return options;
}

static double seconds_now(void)
{
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* "messages":{"ExecutionReport_New":12,..}: what was seen of an enum, by name. */
static void print_seen(const char *title, const uint64_t *counts, uint16_t template_id, const char *field)
{
  const wcx_sbe_msg_t *msg = wcx_sbe_find(template_id);
  const char *comma = "";
  printf(",\"%s\":{", title);
  for (uint32_t i = 0; i < msg->field_cnt; i++)
    for (uint32_t v = 0; strcmp(msg->fields[i].name, field) == 0 && v < msg->fields[i].ref->value_cnt; v++)
    {
      const wcx_sbe_value_t *value = &msg->fields[i].ref->values[v];
      printf("%s\"%s\":%llu", comma, value->name, (unsigned long long)counts[value->value]);
      comma = ",";
    }
  printf("}");
}

static void print_json(const shared_t *shared, double rate)
{
  seen_t seen;
  memcpy(&seen, (const void *)shared->seen, sizeof(seen));
  printf("{\"seeds\":%llu,\"commands\":%llu,\"refused_definitions\":%llu,\"messages\":%llu,\"differences\":%llu,\"digest\":\"%016llx%016llx\","
         "\"state_digest\":\"%016llx%016llx\",\"commands_per_s\":%.0f,\"said\":{",
         (unsigned long long)shared->seeds, (unsigned long long)shared->commands, (unsigned long long)shared->refused, (unsigned long long)shared->messages,
         (unsigned long long)shared->differences, (unsigned long long)shared->digest[0], (unsigned long long)shared->digest[1], (unsigned long long)shared->digest[2],
         (unsigned long long)shared->digest[3], rate);
  const char *comma = "";
  for (uint16_t id = 0; id < SEEN_MAX; id++)
    if (seen.messages[id] != 0)
    {
      printf("%s\"%s\":%llu", comma, wcx_sbe_find(id)->name, (unsigned long long)seen.messages[id]);
      comma = ",";
    }
  printf("}");
  print_seen("rejected", seen.rejects, WCX_TEMPLATE_EXECUTION_REPORT_REJECT, "OrdRejReason");
  print_seen("cancel_rejected", seen.cxl_rejects, WCX_TEMPLATE_ORDER_CANCEL_REJECT, "CxlRejReason");
  print_seen("canceled", seen.cancels, WCX_TEMPLATE_EXECUTION_REPORT_CANCEL, "CancelReason");
  printf("}\n");
}

static void summarise(const options_t *options, const shared_t *shared, double seconds)
{
  double rate = seconds > 0 ? (double)shared->commands / seconds : 0;
  if (options->json)
  {
    print_json(shared, rate);
    return;
  }
  printf("%llu seeds, %llu commands (%llu definitions refused), %llu messages: %llu differences\ndigest over seeds: output %016llx%016llx, state %016llx%016llx\n%.0f commands/s\n",
         (unsigned long long)shared->seeds, (unsigned long long)shared->commands, (unsigned long long)shared->refused, (unsigned long long)shared->messages,
         (unsigned long long)shared->differences, (unsigned long long)shared->digest[0], (unsigned long long)shared->digest[1], (unsigned long long)shared->digest[2],
         (unsigned long long)shared->digest[3], rate);
}

int main(int argc, char **argv)
{
  options_t options = parse(argc, argv);
  shared_t *shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (shared == MAP_FAILED)
    WCX_DIE("mmap of %zu bytes failed", sizeof(*shared));
  atomic_store_explicit(&shared->next_seed, options.first_seed, memory_order_relaxed);
  double begin = seconds_now();
  int status = run_jobs(&options, shared);
  summarise(&options, shared, seconds_now() - begin);
  munmap(shared, sizeof(*shared));
  return status;
}
