/* wcx-auth: holds the secrets and judges sign-ons. It opens no socket and, once it is set up, no file either. */
#include "control/auth.h"
#include "control/log.h"
#include "engine/base/check.h"
#include "engine/base/env.h"
#include "engine/shm/region_file.h"

#include <argp.h>
#include <errno.h>
#include <linux/capability.h>
#include <openssl/crypto.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SLEEP_NS 200000000u    /* one shard: the doorbell wakes us */
#define SLEEP_MANY_NS 1000000u /* several shards: only the first one's doorbell does */

typedef struct options
{
  const char *region;
  const char *secrets;
} options_t;

static volatile sig_atomic_t stopping;

static void on_stop(int signal_no)
{
  (void)signal_no;
  stopping = 1;
}

static const struct argp_option argp_options[] = {{"region", 'r', "PATH", 0, "the shared region", 0}, {"secrets", 's', "FILE", 0, "AccessKeyID: secret, one a line", 0}, {0}};

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
  options_t *options = state->input;
  if (key == 'r')
    options->region = arg;
  else if (key == 's')
    options->secrets = arg;
  else if (key == ARGP_KEY_END && (options->region == NULL || options->secrets == NULL))
    argp_error(state, "--region and --secrets are needed");
  else if (key != ARGP_KEY_END)
    return ARGP_ERR_UNKNOWN;
  return 0;
}

/* Before the secrets are read: no core dump, no ptrace by others, no new privileges. */
static void close_up(void)
{
  if (prctl(PR_SET_DUMPABLE, 0) != 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
    WCX_DIE("cannot give up privileges: %s: this kernel is too old", strerror(errno));
}

static void drop_capabilities(void)
{
  struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
  struct __user_cap_data_struct none[2] = {{0}};
  if (syscall(SYS_capset, &header, none) != 0)
    WCX_DIE("cannot drop capabilities: %s", strerror(errno));
}

/* From here on: sleep, clock, randomness, memory, log, exit. Anything else kills the process. */
static void restrict_calls(void)
{
#ifndef __SANITIZE_ADDRESS__
  static const int allowed[] = {SCMP_SYS(futex),        SCMP_SYS(getrandom),  SCMP_SYS(clock_gettime),   SCMP_SYS(write),      SCMP_SYS(brk),
                                SCMP_SYS(mmap),         SCMP_SYS(munmap),     SCMP_SYS(mprotect),        SCMP_SYS(madvise),    SCMP_SYS(rt_sigreturn),
                                SCMP_SYS(exit),         SCMP_SYS(exit_group), SCMP_SYS(getpid),          SCMP_SYS(gettid),     SCMP_SYS(tgkill),
                                SCMP_SYS(rt_sigaction), SCMP_SYS(close),      SCMP_SYS(restart_syscall), SCMP_SYS(newfstatat), SCMP_SYS(rt_sigprocmask)};
  scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
  int result = filter == NULL ? -ENOMEM : 0;
  for (size_t i = 0; result == 0 && i < sizeof(allowed) / sizeof(allowed[0]); i++)
    result = seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed[i], 0);
  if (result == 0)
    result = seccomp_load(filter);
  if (result != 0)
    WCX_DIE("cannot restrict system calls: %s: the kernel needs CONFIG_SECCOMP_FILTER", strerror(-result));
  seccomp_release(filter);
#endif
}

static void run(wcx_auth_t *auth, wcx_region_t *region)
{
  wcx_doorbell_t *bell = &wcx_region_shard(region, 0)->auth.bell;
  while (!stopping)
  {
    if (wcx_auth_step(auth, wcx_env_mono_ns()) > 0)
      continue;
    wcx_doorbell_prepare(bell);
    if (wcx_auth_step(auth, wcx_env_mono_ns()) > 0)
      wcx_doorbell_cancel(bell);
    else
      wcx_doorbell_wait(bell, region->shard_cnt == 1 ? SLEEP_NS : SLEEP_MANY_NS);
  }
}

int main(int argc, char **argv)
{
  options_t options = {0};
  const struct argp argp = {.options = argp_options, .parser = parse_option, .doc = "wcx-auth: judge sign-ons (started by wcx-controld)"};
  argp_parse(&argp, argc, argv, 0, NULL, &options);
  wcx_log_name("wcx-auth");
  close_up();

  char err[512];
  wcx_region_file_t file;
  if (wcx_region_open(&file, options.region, true, err, sizeof(err)) != WCX_REGION_OK)
    WCX_DIE("wcx-auth: %s", err);
  if (!wcx_region_lock(&file, WCX_REGION_LOCK_AUTH))
    WCX_DIE("wcx-auth: another one runs on %s: stop it first", options.region);
  wcx_secrets_t *secrets = wcx_secrets_load(options.secrets, file.region->params.production != 0, err, sizeof(err));
  if (secrets == NULL)
    WCX_DIE("wcx-auth: %s", err);
  wcx_auth_t *auth = wcx_auth_new(file.region, secrets, err, sizeof(err));
  if (auth == NULL)
    WCX_DIE("wcx-auth: %s", err);

  struct sigaction action = {.sa_handler = on_stop};
  sigaction(SIGTERM, &action, NULL);
  sigaction(SIGINT, &action, NULL);
  OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL);
  wcx_auth_slot_t warm_up = {0};
  wcx_auth_judge(auth, &warm_up); /* OpenSSL fetches its algorithms at first use: before files are out of reach */
  wcx_log_info("started", "%u keys, %u sessions", secrets->cnt, file.region->params.session_cnt);
  drop_capabilities();
  restrict_calls();

  run(auth, file.region);
  wcx_auth_free(auth);
  wcx_secrets_free(secrets);
  wcx_log_info("stopped", "secrets wiped");
  _exit(0); /* no exit handlers: OpenSSL's would call what is out of reach now */
}
