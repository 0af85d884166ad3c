/* wcx-controld: configuration to region, and one worker executable per duty kept alive. The data plane is not its child. */
#include "control/config.h"
#include "control/log.h"
#include "control/operators.h"
#include "control/supervisor.h"
#include "engine/base/check.h"
#include "engine/base/env.h"

#include <argp.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define OPT_UNSAFE 1
#define OPT_SET 2
#define SIGNED_NS UINT64_C(1000000000)

typedef struct options
{
  const char *config;
  wcx_config_sets_t sets;
  bool check;
  bool unsafe;
} options_t;

static const struct argp_option argp_options[] = {{"config", 'c', "FILE", 0, "the configuration (configs/wcx.yaml explains every key)", 0},
                                                  {"set", OPT_SET, "KEY=VALUE", 0, "override one value of the file for this run, as in network.device=wcx-dp1", 0},
                                                  {"check", 'n', NULL, 0, "check the configuration and exit", 0},
                                                  {"unsafe", OPT_UNSAFE, NULL, 0, "allow durability D0: no journal, everything is lost at a restart", 0},
                                                  {0}};

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
  options_t *options = state->input;
  switch (key)
  {
  case 'c':
    options->config = arg;
    return 0;
  case 'n':
    options->check = true;
    return 0;
  case OPT_UNSAFE:
    options->unsafe = true;
    return 0;
  case OPT_SET:
    if (options->sets.set_cnt == WCX_CONFIG_SET_MAX)
      argp_error(state, "more than %u --set", WCX_CONFIG_SET_MAX);
    options->sets.sets[options->sets.set_cnt++] = arg;
    return 0;
  case ARGP_KEY_END:
    if (options->config == NULL)
      argp_error(state, "--config is needed");
    return 0;
  default:
    return ARGP_ERR_UNKNOWN;
  }
}

/* Keys of --set, at the end of --help. */
static char *extend_help(int key, const char *text, void *input)
{
  (void)input;
  if (key != ARGP_KEY_HELP_POST_DOC)
    return (char *)(uintptr_t)text;
  char keys[1024] = "Keys of --set:";
  for (const char *const *name = wcx_config_settable(); *name != NULL; name++)
  {
    strncat(keys, " ", sizeof(keys) - strlen(keys) - 1);
    strncat(keys, *name, sizeof(keys) - strlen(keys) - 1);
  }
  return strdup(keys);
}

/* --- folders and files ------------------------------------------------------------------------- */

static void make_dir(const char *path, mode_t mode)
{
  char part[WCX_CONFIG_PATH_MAX];
  snprintf(part, sizeof(part), "%s", path);
  for (char *at = strchr(part + 1, '/'); at != NULL; at = strchr(at + 1, '/'))
  {
    *at = '\0';
    mkdir(part, 0755);
    *at = '/';
  }
  if (mkdir(path, mode) != 0 && errno != EEXIST)
    WCX_DIE("cannot make the folder %s: %s; choose another one in paths, or run as a user who may write there", path, strerror(errno));
}

/* One supervisor per control_dir, before anything is touched; held until the process ends. */
static void take_control_dir(const wcx_config_t *config)
{
  char path[WCX_CONFIG_PATH_MAX + 16];
  snprintf(path, sizeof(path), "%s/lock", config->control_dir);
  int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
  if (fd < 0)
    WCX_DIE("cannot open %s: %s", path, strerror(errno));
  if (flock(fd, LOCK_EX | LOCK_NB) != 0)
    WCX_DIE("another wcx-controld runs on %s: stop it first (make down)", config->control_dir);
}

/* What runs where, for wcxctl: also readable when nothing runs. */
static void write_appliance_file(const wcx_config_t *config)
{
  char path[WCX_CONFIG_PATH_MAX + 32];
  char temp[WCX_CONFIG_PATH_MAX + 40];
  snprintf(path, sizeof(path), "%s/appliance.json", config->control_dir);
  snprintf(temp, sizeof(temp), "%s.new", path);
  FILE *file = fopen(temp, "we");
  if (file == NULL)
    WCX_DIE("cannot write %s: %s", temp, strerror(errno));
  fprintf(file, "{\"StateDir\":\"%s\",\"Region\":\"%s\",\"Socket\":\"%s/control.sock\",\"Http\":\"%s:%u\",\"Config\":\"%s\"}\n", config->state_dir, config->region,
          config->control_dir, config->http_ip, config->http_tcp_port, config->path);
  if (fclose(file) != 0 || rename(temp, path) != 0)
    WCX_DIE("cannot write %s: %s", path, strerror(errno));
}

/* --- the region -------------------------------------------------------------------------------- */

static const char *living_user(const wcx_region_file_t *file)
{
  if (wcx_region_alive(file, WCX_REGION_LOCK_CONTROLD))
    return "wcx-controld";
  if (wcx_region_alive(file, WCX_REGION_LOCK_DATAPLANE))
    return "wcx-dataplane";
  if (wcx_region_alive(file, WCX_REGION_LOCK_AUTH))
    return "wcx-auth";
  if (wcx_region_alive(file, WCX_REGION_LOCK_API))
    return "wcx-api";
  for (uint32_t i = 0; i < WCX_SHARDS_MAX; i++)
  {
    if (wcx_region_alive(file, WCX_REGION_LOCK_JOURNAL + i))
      return "wcx-journal";
    if (wcx_region_alive(file, WCX_REGION_LOCK_KEEPER + i))
      return "wcx-keeper";
    if (wcx_region_alive(file, WCX_REGION_LOCK_REPLICA + i))
      return "wcx-replica";
    if (wcx_region_alive(file, WCX_REGION_LOCK_SINK + WCX_SINK_PG * WCX_SHARDS_MAX + i))
      return "wcx-sink-pg";
    if (wcx_region_alive(file, WCX_REGION_LOCK_SINK + WCX_SINK_REDIS * WCX_SHARDS_MAX + i))
      return "wcx-sink-redis";
  }
  return NULL;
}

static void create_region(wcx_region_file_t *file, const wcx_config_t *config, const char *why)
{
  char err[512];
  if (!wcx_region_create(file, config->region, &config->params, err, sizeof(err)))
    WCX_DIE("%s", err);
  wcx_log_info("region made", "%s, %zu bytes: %s", config->region, file->sz, why);
}

static void open_region(wcx_region_file_t *file, const wcx_config_t *config)
{
  char err[512];
  switch (wcx_region_open(file, config->region, true, err, sizeof(err)))
  {
  case WCX_REGION_MISSING:
    create_region(file, config, "there was none");
    break;
  case WCX_REGION_OTHER_BOOT:
    create_region(file, config, "the old one belonged to another boot");
    break;
  case WCX_REGION_OK:
  {
    wcx_digest_t have = file->region->params.digest;
    if (have.lo == config->params.digest.lo && have.hi == config->params.digest.hi)
    {
      wcx_log_info("region reused", "%s, %zu bytes", config->region, file->sz);
      break;
    }
    const char *user = living_user(file);
    if (user != NULL)
      WCX_DIE("the configuration differs from the one that %s runs with (region %s): stop the appliance first (make down), or start with the configuration it has", user,
              config->region);
    wcx_region_close(file);
    create_region(file, config, "the configuration has changed and nobody used the old one");
    break;
  }
  default:
    WCX_DIE("%s", err);
  }
  if (!wcx_region_lock(file, WCX_REGION_LOCK_CONTROLD))
    WCX_DIE("another wcx-controld holds the region %s: stop it first (make down)", config->region);
}

/* --- the workers ------------------------------------------------------------------------------- */

static void add_keeper(wcx_supervisor_t *supervisor, const wcx_config_t *config, uint32_t shard_idx)
{
  char name[24];
  char idx[12];
  char rate[12];
  snprintf(name, sizeof(name), "wcx-keeper-%u", shard_idx);
  snprintf(idx, sizeof(idx), "%u", shard_idx);
  snprintf(rate, sizeof(rate), "%u", config->scrub_mib_per_s);
  const char *args[WCX_SUPERVISOR_ARGS_MAX + 1] = {"--region", config->region, "--shard-idx", idx, "--scrub-mib-per-s", rate};
  uint32_t cnt = 6;
  if (config->archive_dir[0] != '\0')
  {
    args[cnt++] = "--archive-dir";
    args[cnt++] = config->archive_dir;
  }
  if (config->archive_command[0] != '\0')
  {
    args[cnt++] = "--archive-command";
    args[cnt++] = config->archive_command;
    args[cnt++] = "--fetch-command";
    args[cnt++] = config->archive_fetch_command;
  }
  wcx_supervisor_add(supervisor, name, "wcx-keeper", WCX_REGION_LOCK_KEEPER + shard_idx, config->control_dir, args);
}

static void add_sink(wcx_supervisor_t *supervisor, const wcx_config_t *config, uint32_t shard_idx, const char *exe, uint32_t kind, const char *connection_file)
{
  if (connection_file[0] == '\0')
    return;
  char name[24];
  char idx[12];
  snprintf(name, sizeof(name), "%s-%u", exe, shard_idx);
  snprintf(idx, sizeof(idx), "%u", shard_idx);
  const char *args[] = {"--region", config->region, "--shard-idx", idx, "--connection-file", connection_file, NULL};
  wcx_supervisor_add(supervisor, name, exe, WCX_REGION_LOCK_SINK + kind * WCX_SHARDS_MAX + shard_idx, config->control_dir, args);
}

static void add_of_shard(wcx_supervisor_t *supervisor, const wcx_config_t *config, uint32_t shard_idx)
{
  char name[24];
  char idx[12];
  char numbers[6][12];
  uint32_t sinks = (config->pg_connection_file[0] != '\0' ? 1u << WCX_SINK_PG : 0) | (config->redis_connection_file[0] != '\0' ? 1u << WCX_SINK_REDIS : 0);
  const uint32_t values[6] = {config->snapshot_every_s, config->snapshot_every_inputs, config->snapshots_kept, config->snapshot_mib_per_s, sinks, config->hold_inputs_max};
  for (uint32_t i = 0; i < 6; i++)
    snprintf(numbers[i], sizeof(numbers[i]), "%u", values[i]);
  snprintf(idx, sizeof(idx), "%u", shard_idx);
  snprintf(name, sizeof(name), "wcx-journal-%u", shard_idx);
  const char *journal_args[] = {"--region", config->region, "--shard-idx", idx, NULL};
  wcx_supervisor_add(supervisor, name, "wcx-journal", WCX_REGION_LOCK_JOURNAL + shard_idx, config->control_dir, journal_args);
  snprintf(name, sizeof(name), "wcx-replica-%u", shard_idx);
  const char *replica_args[] = {"--region", config->region,     "--shard-idx", idx,       "--every-s", numbers[0],      "--every-inputs", numbers[1], "--keep",
                                numbers[2], "--pace-mib-per-s", numbers[3],    "--sinks", numbers[4],  "--hold-inputs", numbers[5],       NULL};
  wcx_supervisor_add(supervisor, name, "wcx-replica", WCX_REGION_LOCK_REPLICA + shard_idx, config->control_dir, replica_args);
}

static void add_workers(wcx_supervisor_t *supervisor, const wcx_config_t *config)
{
  if (config->params.durability != WCX_DURABILITY_LEVEL_D0_NONE)
    for (uint32_t i = 0; i < config->params.shard_cnt; i++)
    {
      add_of_shard(supervisor, config, i);
      add_keeper(supervisor, config, i);
      add_sink(supervisor, config, i, "wcx-sink-pg", WCX_SINK_PG, config->pg_connection_file);
      add_sink(supervisor, config, i, "wcx-sink-redis", WCX_SINK_REDIS, config->redis_connection_file);
    }
  const char *auth_args[] = {"--region", config->region, "--secrets", config->secrets_file, NULL};
  wcx_supervisor_add(supervisor, "wcx-auth", "wcx-auth", WCX_REGION_LOCK_AUTH, config->control_dir, auth_args);
  char port[12];
  snprintf(port, sizeof(port), "%u", config->http_tcp_port);
  const char *api_args[] = {"--region", config->region, "--control-dir", config->control_dir, "--listen-ip", config->http_ip, "--listen-tcp-port", port, NULL};
  wcx_supervisor_add(supervisor, "wcx-api", "wcx-api", WCX_REGION_LOCK_API, config->control_dir, api_args);
}

/* What two operators have signed, looked at again and again: it may be made while we run. */
typedef struct signed_words
{
  const char *event; /* of the alarm, once for each new reason */
  bool (*check)(const wcx_operators_t *operators, const char *dir, wcx_digest_t *digest, char *err, size_t err_sz);
  char said[WCX_SHARDS_MAX][512];
} signed_words_t;

/* The digest of what is good in the journal of shard `i`; zero: nothing is. */
static wcx_digest_t check_signed(signed_words_t *words, const wcx_config_t *config, const wcx_operators_t *operators, uint32_t i)
{
  uint32_t shard = config->params.shards[i].shard;
  char dir[WCX_CONFIG_PATH_MAX + 64];
  char err[sizeof(words->said[0])] = "the path is too long";
  wcx_digest_t digest = {0};
  bool good = wcx_journal_dir(dir, sizeof(dir), config->state_dir, shard) && words->check(operators, dir, &digest, err, sizeof(err));
  if (!good && strcmp(words->said[i], err) != 0)
    wcx_log_alarm(words->event, "shard %u: %s", shard, err);
  snprintf(words->said[i], sizeof(words->said[i]), "%s", good ? "" : err);
  return digest;
}

/* Data plane and replica take overrides, the journal worker a decision, only when its digest stands here. */
static void publish_signed(const wcx_config_t *config, const wcx_operators_t *operators, const wcx_region_file_t *region)
{
  static signed_words_t overrides = {.event = "overrides refused", .check = wcx_operators_check_journal};
  static signed_words_t decisions = {.event = "decision refused", .check = wcx_operators_check_decision};
  for (uint32_t i = 0; i < config->params.shard_cnt; i++)
  {
    wcx_region_quarantine_t *words = &wcx_region_shard(region->region, i)->quarantine;
    wcx_digest_t digest = check_signed(&overrides, config, operators, i);
    atomic_store_explicit(&words->overrides_hi, digest.hi, memory_order_relaxed);
    atomic_store_explicit(&words->overrides_lo, digest.lo, memory_order_release); /* pairs with the acquire of data plane and replica */
    atomic_fetch_add_explicit(&words->checks, 1, memory_order_release);
    digest = check_signed(&decisions, config, operators, i);
    atomic_store_explicit(&words->decision_hi, digest.hi, memory_order_relaxed);
    atomic_store_explicit(&words->decision_lo, digest.lo, memory_order_release); /* pairs with the acquire of the journal worker */
  }
}

/* The loop logs nothing. */
static void watch_clocks(const wcx_config_t *config, const wcx_region_file_t *region)
{
  static uint64_t said[WCX_SHARDS_MAX];
  static bool held[WCX_SHARDS_MAX];
  for (uint32_t i = 0; i < config->params.shard_cnt; i++)
  {
    const wcx_region_clock_t *clock = &wcx_region_shard(region->region, i)->clock;
    uint64_t jumps = atomic_load_explicit(&clock->jumps, memory_order_acquire); /* pairs with the data plane's release */
    uint64_t ahead_ns = atomic_load_explicit(&clock->ahead_ns, memory_order_relaxed);
    if (jumps != said[i] && ahead_ns != 0)
      wcx_log_alarm("clock jumped", "shard %u: UTC is %llu ms ahead of where it was: nothing becomes due by it for 10 s; right: wcxctl clock confirm, wrong: set it back now",
                    config->params.shards[i].shard, (unsigned long long)(ahead_ns / 1000000u));
    if (held[i] && ahead_ns == 0)
      wcx_log_info("clock follows", "shard %u: the jump of UTC is over: %s", config->params.shards[i].shard,
                   atomic_load_explicit(&clock->confirmed, memory_order_relaxed) == jumps ? "an operator has confirmed it" : "10 s have passed, or UTC was set back");
    said[i] = jumps;
    held[i] = ahead_ns != 0;
  }
}

/* Before anything is made: who is told to end while starting ends as always, its workers first. */
static sigset_t hold_signals(void)
{
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGCHLD);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  sigprocmask(SIG_BLOCK, &signals, NULL);
  signal(SIGPIPE, SIG_IGN);
  return signals;
}

static void run(wcx_supervisor_t *supervisor, const wcx_config_t *config, const wcx_operators_t *operators, const sigset_t *signals)
{
  uint64_t checked_ns = 0;
  const struct timespec period = {.tv_nsec = (long)WCX_SUPERVISOR_PERIOD_NS};
  for (;;)
  {
    uint64_t now_ns = wcx_env_mono_ns();
    wcx_supervisor_step(supervisor, now_ns);
    watch_clocks(config, supervisor->region);
    if (now_ns - checked_ns > SIGNED_NS)
    {
      checked_ns = now_ns;
      publish_signed(config, operators, supervisor->region);
    }
    int got = sigtimedwait(signals, NULL, &period);
    if (got == SIGTERM || got == SIGINT)
      break;
  }
  wcx_log_info("stopping", "workers first");
  wcx_supervisor_stop(supervisor);
}

int main(int argc, char **argv)
{
  options_t options = {0};
  const struct argp argp = {.options = argp_options, .parser = parse_option, .doc = "wcx-controld: supervisor of the appliance\v", .help_filter = extend_help};
  argp_parse(&argp, argc, argv, 0, NULL, &options);
  wcx_log_name("wcx-controld");

  char err[1024];
  wcx_config_t *config = wcx_config_new();
  WCX_CHECK(config != NULL, "no memory");
  if (!wcx_config_load(config, options.config, &options.sets, err, sizeof(err)))
    WCX_DIE("%s", err);
  if (config->params.durability == WCX_DURABILITY_LEVEL_D0_NONE && !options.unsafe)
    WCX_DIE("%s: durability.level D0 keeps no journal: everything is lost at a restart. Set D1, or say --unsafe for a benchmark", config->path);
  wcx_operators_t operators;
  if (!wcx_operators_load(&operators, config->operators_file, config->params.production != 0, err, sizeof(err)))
    WCX_DIE("%s", err);
  if (options.check)
  {
    printf("%s: fine: %u shards, %u instruments, %u accounts, %u sessions\n", config->path, config->params.shard_cnt, config->params.instrument_cnt, config->params.account_cnt,
           config->params.session_cnt);
    return 0;
  }
  sigset_t signals = hold_signals();
  umask(0027);
  make_dir(config->run_dir, 0755);
  make_dir(config->state_dir, 0750);
  make_dir(config->control_dir, 0750);
  take_control_dir(config);
  wcx_region_file_t region;
  open_region(&region, config);
  write_appliance_file(config);

  static wcx_supervisor_t supervisor;
  supervisor.region = &region;
  add_workers(&supervisor, config);
  wcx_log_info("started", "config %s, state %s, durability D%u", config->path, config->state_dir, config->params.durability);
  run(&supervisor, config, &operators, &signals);
  wcx_region_close(&region);
  wcx_config_free(config);
  wcx_log_info("stopped", "all workers are gone");
  return 0;
}
