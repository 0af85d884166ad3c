#include "control/ctl/ctl.h"
#include "engine/shm/params.h"

#include <dirent.h>
#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char usage_commands[] = "usage: wcxctl [options] noun verb\n"
                                     "of the running appliance, over its control socket:\n"
                                     "  status                 processes, phases and sequences\n"
                                     "  stage list             how long requests stay in each stage of the data plane\n"
                                     "  snapshot take          ask the replica for one of everything durable now, and wait until it is on disk\n"
                                     "  clock confirm          UTC has jumped ahead and is right: follow it now, not after 10 s\n"
                                     "from the durable journal, replayed in this process, without a lock, whether the appliance runs or not; while it runs, up to the last\n"
                                     "input whose outputs may have left (as_of_seq); those with a * from a snapshot on where one will do:\n"
                                     "  instrument list      * instruments with their present status\n"
                                     "  session list         * sessions with their sequences\n"
                                     "  book show            * books, best price first: [price, displayed quantity, orders]\n"
                                     "  feed show            * market data of a day, in the numbers under which it was sent\n"
                                     "  drop-copy show         execution reports of a scope as its drop copy numbers them\n"
                                     "  journal dump           every record\n"
                                     "  journal verify         chain, end and digests of the journal\n"
                                     "  journal replay         apply everything up to --until and print the digests there\n"
                                     "  snapshot verify        load each one; bytes, digests, invariants, and whether the journal goes on from it\n"
                                     "  verify integrity       chain, replay, state, snapshots, and --archive, of everything in the state directory\n"
                                     "what two operators decide:\n"
                                     "  quarantine list        inputs that two operators have signed away\n"
                                     "  quarantine sign        print an operator's signature on --seq, --hash and --reason; each of two does it with a key of their own\n"
                                     "  quarantine override    with both signatures: whoever replays the journal passes over that input\n"
                                     "  journal finding        where a journal ends that the worker does not start with, what would be cut there and what of it was acknowledged\n"
                                     "  journal sign           print an operator's signature on a cut there, with --reason; each of two does it with a key of their own\n"
                                     "  journal decide         with both signatures: the worker's next start cuts there, and keeps what it cuts away\n"
                                     "files:\n"
                                     "  snapshot list          what lies in the state directory, newest first\n"
                                     "  backup                 journal and snapshots into --into, full, --incremental, or an increment --since another\n"
                                     "  restore                journal and snapshots of --backup (full, then increments) to --state-dir, which must hold none\n";
static const char usage_options[] = "options:\n"
                                    "  -o, --output table|json|raw   raw: drop-copy show and feed show alone, the S packets of the wire\n"
                                    "      --control-dir DIR  folder with appliance.json and control.sock (default: what make up started)\n"
                                    "      --socket PATH      control socket\n"
                                    "      --state-dir DIR    state directory, its journal is in DIR/journal\n"
                                    "      --region PATH      shared region\n"
                                    "      --shard N          this shard only\n"
                                    "      --security ID      book show: this instrument only\n"
                                    "      --session ID | --account ID | --firm ID   drop-copy show: whose reports\n"
                                    "      --date YYYYMMDD    drop-copy show, feed show: of this day (default: the last)\n"
                                    "      --at SEQ           book show, session list, instrument list: as of SEQ; journal verify: digests at SEQ (repeatable)\n"
                                    "      --from N --to N    journal dump: these records only; feed show: these messages only\n"
                                    "      --until SEQ        journal replay: the last input to apply; refused when it is not there\n"
                                    "      --marks REGION     journal verify: compare with the digests the data plane has published there\n"
                                    "      --archive DIR      verify integrity: compare the closed segments with the archive\n"
                                    "      --into DIR         backup: where to; a backup is a state directory that every command here takes\n"
                                    "      --incremental      backup: --into holds one already, add what is new\n"
                                    "      --since DIR        backup: only what is not in the closed segments of the backup DIR\n"
                                    "      --backup DIR       restore: where from (repeatable, in order)\n"
                                    "      --seq SEQ --hash HASH        quarantine sign, override: the input, as the refused start has told it\n"
                                    "      --reason TEXT                quarantine sign, override, journal sign, decide: why; it is signed, too\n"
                                    "      --lose-acknowledged A..B     journal sign, decide: the acknowledged seqs that the cut gives up, all of them typed out\n"
                                    "      --operator NAME --key FILE   quarantine sign, journal sign: who signs, and the private key (PEM, Ed25519, mode 0600)\n"
                                    "      --approve NAME:SIGNATURE     quarantine override, journal decide: what sign has printed (twice, of two persons)\n"
                                    "      --operators FILE             quarantine override, journal decide: whose signatures hold (paths.operators_file of the configuration)\n"
                                    "exit status: 0 ok, 1 failed, 2 usage, 3 refused, 4 not leader, 5 no answer in time\n";

int wcx_ctl_fail(int status, const char *fmt, ...)
{
  fputs("wcxctl: ", stderr);
  va_list args;
  va_start(args, fmt);
  vfprintf(stderr, fmt, args);
  va_end(args);
  fputc('\n', stderr);
  return status;
}

void wcx_ctl_digest_text(wcx_digest_t digest, char text[33])
{
  snprintf(text, 33, "%016llx%016llx", (unsigned long long)digest.hi, (unsigned long long)digest.lo);
}

int wcx_ctl_list_shards(const wcx_ctl_t *ctl, wcx_ctl_shards_t *shards)
{
  *shards = (wcx_ctl_shards_t){0};
  if (ctl->state_dir[0] == '\0')
    return wcx_ctl_fail(WCX_CTL_FAILED, "no state directory is known: make up, or give --state-dir DIR");
  if (ctl->shard != 0)
  {
    shards->shards[shards->cnt++] = ctl->shard;
    return WCX_CTL_OK;
  }
  char path[WCX_CTL_PATH_MAX + 16];
  snprintf(path, sizeof(path), "%s/journal", ctl->state_dir);
  struct dirent **names = NULL;
  int cnt = scandir(path, &names, NULL, alphasort);
  for (int i = 0; i < cnt; i++)
  {
    unsigned shard = 0;
    char rest;
    if (sscanf(names[i]->d_name, "shard-%5u%c", &shard, &rest) == 1 && shard > 0 && shards->cnt < WCX_CTL_SHARDS_MAX)
      shards->shards[shards->cnt++] = shard;
    free(names[i]);
  }
  free(names);
  return shards->cnt > 0 ? WCX_CTL_OK : wcx_ctl_fail(WCX_CTL_FAILED, "%s holds no journal: was the appliance ever started there (and not at durability D0)?", path);
}

int wcx_ctl_each_shard(const wcx_ctl_t *ctl, wcx_ctl_shard_command_t *command)
{
  wcx_ctl_shards_t shards;
  int status = wcx_ctl_list_shards(ctl, &shards);
  for (uint32_t i = 0; status == WCX_CTL_OK && i < shards.cnt; i++)
    status = command(ctl, shards.shards[i]);
  return status;
}

bool wcx_ctl_same_dir(const char *a, const char *b)
{
  char real_a[PATH_MAX];
  char real_b[PATH_MAX];
  return realpath(a, real_a) != NULL && realpath(b, real_b) != NULL && strcmp(real_a, real_b) == 0;
}

/* --- defaults ---------------------------------------------------------------------------------- */

static void copy_path(char to[WCX_CTL_PATH_MAX], const char *from)
{
  size_t len = strlen(from);
  if (len < WCX_CTL_PATH_MAX)
    memcpy(to, from, len + 1);
}

static void default_control_dir(char dir[WCX_CTL_PATH_MAX])
{
  const char *run = getenv("WCX_RUN_DIR");
  char exe[WCX_CTL_PATH_MAX];
  ssize_t len = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
  int made = -1;
  if (run != NULL)
    made = snprintf(dir, WCX_CTL_PATH_MAX, "%s/control", run);
  else if (len > 0)
  {
    exe[len] = '\0';
    *strrchr(exe, '/') = '\0';
    made = snprintf(dir, WCX_CTL_PATH_MAX, "%s/../run/control", exe);
  }
  if (made < 0 || (size_t)made >= WCX_CTL_PATH_MAX)
    dir[0] = '\0';
}

/* What was not given comes from the appliance.json that wcx-controld wrote. */
static void fill_defaults(wcx_ctl_t *ctl, const char *control_dir)
{
  char path[WCX_CTL_PATH_MAX + 32];
  snprintf(path, sizeof(path), "%s/appliance.json", control_dir);
  json_t *known = json_load_file(path, 0, NULL);
  const char *state_dir = json_string_value(json_object_get(known, "StateDir"));
  const char *region = json_string_value(json_object_get(known, "Region"));
  const char *socket = json_string_value(json_object_get(known, "Socket"));
  bool same = state_dir != NULL && (ctl->state_dir[0] == '\0' || strcmp(ctl->state_dir, state_dir) == 0);
  if (same)
    copy_path(ctl->state_dir, state_dir);
  if (same && region != NULL && ctl->region[0] == '\0')
    copy_path(ctl->region, region);
  if (socket != NULL && ctl->socket[0] == '\0')
    copy_path(ctl->socket, socket);
  json_decref(known);
}

/* --- options ----------------------------------------------------------------------------------- */

enum
{
  OPT_CONTROL_DIR = 256,
  OPT_SOCKET,
  OPT_STATE_DIR,
  OPT_REGION,
  OPT_SHARD,
  OPT_SECURITY,
  OPT_AT,
  OPT_FROM,
  OPT_TO,
  OPT_UNTIL,
  OPT_INTO,
  OPT_INCREMENTAL,
  OPT_SINCE,
  OPT_BACKUP,
  OPT_ARCHIVE,
  OPT_SEQ,
  OPT_HASH,
  OPT_REASON,
  OPT_OPERATOR,
  OPT_KEY,
  OPT_APPROVE,
  OPT_OPERATORS,
  OPT_LOSE,
  OPT_MARKS,
  OPT_SESSION,
  OPT_ACCOUNT,
  OPT_FIRM,
  OPT_DATE,
};

static const struct option longopts[] = {{"output", required_argument, NULL, 'o'},
                                         {"control-dir", required_argument, NULL, OPT_CONTROL_DIR},
                                         {"socket", required_argument, NULL, OPT_SOCKET},
                                         {"state-dir", required_argument, NULL, OPT_STATE_DIR},
                                         {"region", required_argument, NULL, OPT_REGION},
                                         {"shard", required_argument, NULL, OPT_SHARD},
                                         {"security", required_argument, NULL, OPT_SECURITY},
                                         {"at", required_argument, NULL, OPT_AT},
                                         {"from", required_argument, NULL, OPT_FROM},
                                         {"to", required_argument, NULL, OPT_TO},
                                         {"until", required_argument, NULL, OPT_UNTIL},
                                         {"into", required_argument, NULL, OPT_INTO},
                                         {"incremental", no_argument, NULL, OPT_INCREMENTAL},
                                         {"since", required_argument, NULL, OPT_SINCE},
                                         {"backup", required_argument, NULL, OPT_BACKUP},
                                         {"archive", required_argument, NULL, OPT_ARCHIVE},
                                         {"seq", required_argument, NULL, OPT_SEQ},
                                         {"hash", required_argument, NULL, OPT_HASH},
                                         {"reason", required_argument, NULL, OPT_REASON},
                                         {"operator", required_argument, NULL, OPT_OPERATOR},
                                         {"key", required_argument, NULL, OPT_KEY},
                                         {"approve", required_argument, NULL, OPT_APPROVE},
                                         {"operators", required_argument, NULL, OPT_OPERATORS},
                                         {"lose-acknowledged", required_argument, NULL, OPT_LOSE},
                                         {"marks", required_argument, NULL, OPT_MARKS},
                                         {"session", required_argument, NULL, OPT_SESSION},
                                         {"account", required_argument, NULL, OPT_ACCOUNT},
                                         {"firm", required_argument, NULL, OPT_FIRM},
                                         {"date", required_argument, NULL, OPT_DATE},
                                         {"help", no_argument, NULL, 'h'},
                                         {NULL, 0, NULL, 0}};

static bool number(const char *text, uint64_t max, uint64_t *value)
{
  char *end;
  errno = 0;
  *value = strtoull(text, &end, 10);
  if (text[0] >= '0' && text[0] <= '9' && *end == '\0' && errno == 0 && *value <= max)
    return true;
  wcx_ctl_fail(WCX_CTL_USAGE, "'%s' is not a number in 0..%llu", text, (unsigned long long)max);
  return false;
}

/* What every command that joins paths relies on. */
static bool take_dir(const char **to, const char *from)
{
  *to = from;
  if (from[0] != '\0' && strlen(from) < WCX_CTL_PATH_MAX)
    return true;
  wcx_ctl_fail(WCX_CTL_USAGE, "'%s' is empty or longer than %u characters", from, WCX_CTL_PATH_MAX - 1);
  return false;
}

static bool take_path(char to[WCX_CTL_PATH_MAX], const char *from)
{
  bool fits = take_dir(&from, from);
  if (fits)
    copy_path(to, from);
  return fits;
}

static bool add_at(wcx_ctl_t *ctl, uint64_t seq)
{
  if (ctl->at_cnt == WCX_CTL_AT_MAX)
  {
    wcx_ctl_fail(WCX_CTL_USAGE, "more than %u --at", WCX_CTL_AT_MAX);
    return false;
  }
  uint32_t i = ctl->at_cnt++;
  for (; i > 0 && ctl->at[i - 1] > seq; i--)
    ctl->at[i] = ctl->at[i - 1];
  ctl->at[i] = seq;
  return true;
}

/* A..B, both written out. */
static bool take_range(wcx_ctl_t *ctl, const char *arg)
{
  unsigned long long from, to;
  int end = 0;
  if (sscanf(arg, "%20llu..%20llu%n", &from, &to, &end) == 2 && arg[end] == '\0' && arg[0] != '-' && from > 0 && from <= to)
  {
    ctl->lost_from = from;
    ctl->lost_to = to;
    return true;
  }
  wcx_ctl_fail(WCX_CTL_USAGE, "--lose-acknowledged '%s': write it as A..B, the first and the last seq that are given up", arg);
  return false;
}

/* What is signed, by whom, and whose signatures hold. */
static bool take_signing(wcx_ctl_t *ctl, int option, const char *arg)
{
  if (option == OPT_SEQ)
    return number(arg, UINT64_MAX - 1, &ctl->seq);
  if (option == OPT_APPROVE && ctl->approve_cnt == 2)
    return wcx_ctl_fail(0, "more than two --approve") != 0;
  const char **to = option == OPT_HASH       ? &ctl->hash
                    : option == OPT_REASON   ? &ctl->reason
                    : option == OPT_OPERATOR ? &ctl->operator_name
                    : option == OPT_KEY      ? &ctl->key
                    : option == OPT_APPROVE  ? &ctl->approvals[ctl->approve_cnt++]
                                             : &ctl->operators;
  *to = arg;
  return true;
}

static bool take_option(wcx_ctl_t *ctl, int option, const char *arg, char control_dir[WCX_CTL_PATH_MAX])
{
  uint64_t value = 0;
  switch (option)
  {
  case 'o':
    ctl->json = strcmp(arg, "json") == 0;
    ctl->raw = strcmp(arg, "raw") == 0;
    return ctl->json || ctl->raw || strcmp(arg, "table") == 0 || wcx_ctl_fail(0, "-o '%s': table, json or raw", arg) != 0;
  case OPT_CONTROL_DIR:
    return take_path(control_dir, arg);
  case OPT_SOCKET:
    return take_path(ctl->socket, arg);
  case OPT_STATE_DIR:
    return take_path(ctl->state_dir, arg);
  case OPT_REGION:
    return take_path(ctl->region, arg);
  case OPT_SHARD:
  case OPT_SECURITY:
    if (!number(arg, option == OPT_SHARD ? 65535 : UINT32_MAX, &value))
      return false;
    *(option == OPT_SHARD ? &ctl->shard : &ctl->security_id) = (uint32_t)value;
    return true;
  case OPT_AT:
    return number(arg, UINT64_MAX - 1, &value) && add_at(ctl, value);
  case OPT_FROM:
    return number(arg, UINT64_MAX, &ctl->from);
  case OPT_TO:
    return number(arg, UINT64_MAX, &ctl->to);
  case OPT_UNTIL:
    return number(arg, UINT64_MAX - 1, &ctl->until);
  case OPT_SESSION:
  case OPT_ACCOUNT:
  case OPT_FIRM:
    if (!number(arg, UINT32_MAX, &value))
      return false;
    ctl->scope_kind = option == OPT_SESSION ? WCX_DROP_SESSION : option == OPT_ACCOUNT ? WCX_DROP_ACCOUNT : WCX_DROP_FIRM;
    ctl->scope_id = (uint32_t)value;
    return true;
  case OPT_DATE:
    if (!number(arg, 99991231, &value))
      return false;
    ctl->date = (uint32_t)value;
    return true;
  case OPT_INTO:
    return take_dir(&ctl->to_dir, arg);
  case OPT_INCREMENTAL:
    ctl->incremental = true;
    return true;
  case OPT_SINCE:
    return take_dir(&ctl->since_dir, arg);
  case OPT_BACKUP:
    if (ctl->from_cnt == WCX_CTL_FROM_MAX)
      return wcx_ctl_fail(0, "more than %u --backup", WCX_CTL_FROM_MAX) != 0;
    return take_dir(&ctl->from_dirs[ctl->from_cnt++], arg);
  case OPT_ARCHIVE:
    return take_dir(&ctl->archive_dir, arg);
  case OPT_SEQ:
  case OPT_HASH:
  case OPT_REASON:
  case OPT_OPERATOR:
  case OPT_KEY:
  case OPT_APPROVE:
  case OPT_OPERATORS:
    return take_signing(ctl, option, arg);
  case OPT_LOSE:
    return take_range(ctl, arg);
  case OPT_MARKS:
    ctl->marks = arg;
    return true;
  default:
    return wcx_ctl_fail(0, "--help lists the commands and their options") != 0;
  }
}

static const struct
{
  const char *noun;
  const char *verb; /* NULL: none */
  int (*run)(const wcx_ctl_t *ctl);
} commands[] = {{"status", NULL, wcx_ctl_status},
                {"stage", "list", wcx_ctl_stage_list},
                {"instrument", "list", wcx_ctl_instrument_list},
                {"session", "list", wcx_ctl_session_list},
                {"drop-copy", "show", wcx_ctl_drop_copy_show},
                {"feed", "show", wcx_ctl_feed_show},
                {"book", "show", wcx_ctl_book_show},
                {"journal", "verify", wcx_ctl_journal_verify},
                {"journal", "dump", wcx_ctl_journal_dump},
                {"journal", "replay", wcx_ctl_journal_replay},
                {"journal", "finding", wcx_ctl_journal_finding},
                {"journal", "sign", wcx_ctl_journal_sign},
                {"journal", "decide", wcx_ctl_journal_decide},
                {"backup", NULL, wcx_ctl_backup},
                {"restore", NULL, wcx_ctl_restore},
                {"verify", "integrity", wcx_ctl_verify_integrity},
                {"quarantine", "list", wcx_ctl_quarantine_list},
                {"quarantine", "sign", wcx_ctl_quarantine_sign},
                {"quarantine", "override", wcx_ctl_quarantine_override},
                {"clock", "confirm", wcx_ctl_clock_confirm},
                {"snapshot", "take", wcx_ctl_snapshot_take},
                {"snapshot", "list", wcx_ctl_snapshot_list},
                {"snapshot", "verify", wcx_ctl_snapshot_verify}};

int main(int argc, char **argv)
{
  static wcx_ctl_t ctl = {.to = UINT64_MAX, .until = UINT64_MAX};
  char control_dir[WCX_CTL_PATH_MAX];
  default_control_dir(control_dir);
  for (int option = getopt_long(argc, argv, "o:h", longopts, NULL); option != -1; option = getopt_long(argc, argv, "o:h", longopts, NULL))
  {
    if (option == 'h')
    {
      fputs(usage_commands, stdout);
      fputs(usage_options, stdout);
      return WCX_CTL_OK;
    }
    if (!take_option(&ctl, option, optarg, control_dir))
      return WCX_CTL_USAGE;
  }
  fill_defaults(&ctl, control_dir);
  const char *noun = optind < argc ? argv[optind] : "";
  const char *verb = optind + 1 < argc ? argv[optind + 1] : NULL;
  for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
  {
    bool verb_fits = commands[i].verb == NULL ? verb == NULL : verb != NULL && strcmp(verb, commands[i].verb) == 0;
    if (strcmp(noun, commands[i].noun) == 0 && verb_fits && optind + 2 >= argc)
    {
      if (ctl.raw && commands[i].run != wcx_ctl_drop_copy_show && commands[i].run != wcx_ctl_feed_show)
        return wcx_ctl_fail(WCX_CTL_USAGE, "-o raw: drop-copy show and feed show alone have it");
      int status = commands[i].run(&ctl);
      if (fflush(stdout) != 0 || ferror(stdout))
        return wcx_ctl_fail(WCX_CTL_FAILED, "the output could not be written");
      return status;
    }
  }
  fputs(usage_commands, stderr);
  fputs(usage_options, stderr);
  if (optind < argc)
    wcx_ctl_fail(WCX_CTL_USAGE, "'%s%s%s%s' is none of the commands above", noun, verb != NULL ? " " : "", verb != NULL ? verb : "", optind + 2 < argc ? " ..." : "");
  return WCX_CTL_USAGE;
}
