#include "bench/wire/wire_bench.h"

#include "bench/cli.h"
#include "bench/wire/wire_report.h"
#include "engine/base/check.h"
#include "engine/base/env.h"

#include <errno.h>
#include <inttypes.h>
#include <libgen.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#define PATIENCE_NS UINT64_C(3000000000)
#define SHOWN_S 2          /* what takes longer shows progress */
#define FILL_PER_S 50000.0 /* below the development throttle of 100,000 requests a second */
#define UDP_PORT 7002u
#define TCP_PORT 7001u

typedef struct options
{
  const char *server, *interface, *dpdk, *address, *far, *secrets_path, *key_prefix, *transport, *profile, *mix, *flow_path, *due_path, *out_path;
  uint32_t resting, port, first, sessions, window, rate, to_rate, times, on_ms, off_ms, p99_us, step_ms, warm_ms;
  uint64_t seconds, seed;
  int cpu;
  bool json, tcp, sleeps;
  uint32_t far_pid;
  const char *far_interface;
} options_t;

typedef struct stage
{
  options_t options;
  wcx_flow_t flow;
  uint64_t *due_ns; /* of the flow's records, as they came; NULL: by the rate */
  wcx_crew_t *crew;
  wcx_mix_t *mix;
  wcx_reference_t reference;
  wcx_wire_run_t run;
  wcx_ramp_t ramp;
  wcx_wire_report_t report;
  wcx_run_folder_t folder;
  int argc;
  char **argv;
  int status;
} stage_t;

static const char help[] =
    "wcx-bench wire: open-loop load against an appliance that runs\n"
    "  --secrets FILE     'ACCESSKEY: secret' a line; the key of session N is PREFIX with N behind it\n"
    "  --key-prefix TEXT  (DEMO-MM-)   --first N  the first session (5)   --sessions N  (1)\n"
    "  --server A.B.C.D   (10.77.0.2)  --interface NAME   --port N  (7002; over TCP 7001)\n"
    "  --transport udp|tcp  (udp)\n"
    "  --dpdk PORT        UDP over a DPDK port of this process instead of kernel sockets; wants --cpu. PORT is af_xdp:INTERFACE, af_packet:INTERFACE,\n"
    "       memif:client:/path, or any device as DPDK writes it: net_tap0,iface=NAME, or the address of a PCI function that is bound to vfio-pci, 0000:03:00.2\n"
    "  --address A.B.C.D  of that port  (10.77.0.1)\n"
    "  --far PID:NAME     the kernel interface of the appliance's port, where process PID is: what it drops makes the run invalid, too\n"
    "  --profile constant|poisson|burst|soak|ramp|replay  (poisson)\n"
    "       when requests are due; burst: --on-ms N (10), --off-ms N (90); soak: constant, with the drift of its p99;\n"
    "       ramp: the rate grows until the corrected p99 leaves --p99-us N (1000) or answers fall behind, from --rate to at most --to-rate;\n"
    "             stretches of --step-ms N (500); replay: --flow FILE (bench/flow.h), --rate a second, or with --due FILE when each record came (wire/journal_flow.py\n"
    "             makes both of a journal), --times N (1) as fast, for at most --seconds\n"
    "  --mix pair|cross|storm|hot|sweep|mass  what they are (pair): an order and its cancel; a buy and the sell that takes it; orders, then all their\n"
    "       cancels; everybody at one price; many prices, then the order that takes them all; one session's --resting N (100000) orders, which a mass cancel\n"
    "       ends in the middle, the others: pair\n"
    "  --rate N           requests a second on average (10000)   --seconds N  (5)   --seed N  (1)\n"
    "  --window N         at most so many undecided requests a session; what is due beyond waits, and counts as late (32768)\n"
    "  --warm-ms N        the same before the clock starts (200; replay: none)\n"
    "  --cpu N            send and receive on this CPU\n"
    "  --sleep            between requests: where the journal worker needs this CPU\n"
    "  --out DIR          a folder of the run below DIR, with report.html; DIR/latest links to it\n"
    "  --json             one line of JSON\n"
    "A run is invalid when a request was lost, refused or not answered, when a port dropped anything, or when the trades are not those of a reference run.\n"
    "Answers are stamped by the network card where the DPDK port has a clock of its own; the result says which clock it was.\n"
    "exit status: 0; 1 the run is invalid (it says why), or nothing answers; 2 a wrong command line\n";

/* --- the command line ------------------------------------------------------------------------------------------------------------------- */

/* "PID:NAME" */
static bool parse_far(options_t *options)
{
  const char *colon = strchr(options->far, ':');
  char pid[16];
  uint64_t value;
  if (colon == NULL || colon[1] == 0 || (size_t)(colon - options->far) >= sizeof(pid))
    return false;
  memcpy(pid, options->far, (size_t)(colon - options->far));
  pid[colon - options->far] = 0;
  if (!wcx_cli_number(pid, 1, INT32_MAX, &value))
    return false;
  options->far_pid = (uint32_t)value;
  options->far_interface = colon + 1;
  return true;
}

static int check_port(options_t *options)
{
  if (options->far != NULL && !parse_far(options))
    return wcx_cli_wrong("wire", "far", options->far, "is not PID:INTERFACE");
  if (options->dpdk == NULL)
    return 0;
  if (options->tcp)
    return wcx_cli_wrong("wire", "dpdk", options->dpdk, "carries UDP only: TCP goes over kernel sockets");
  if (options->cpu < 0)
    return wcx_cli_wrong("wire", "dpdk", options->dpdk, "wants a CPU: --cpu");
  return 0;
}

static int check(options_t *options)
{
  static const char *const profiles[] = {"constant", "poisson", "burst", "soak", "ramp", "replay"};
  bool known = false;
  for (uint32_t i = 0; i < sizeof(profiles) / sizeof(profiles[0]); i++)
    known = known || strcmp(profiles[i], options->profile) == 0;
  if (!known)
    return wcx_cli_wrong("wire", "profile", options->profile, "is none of constant, poisson, burst, soak, ramp, replay");
  options->tcp = strcmp(options->transport, "tcp") == 0;
  if (!options->tcp && strcmp(options->transport, "udp") != 0)
    return wcx_cli_wrong("wire", "transport", options->transport, "is neither udp nor tcp");
  if (wcx_mix_kind_of(options->mix) == 0)
    return wcx_cli_wrong("wire", "mix", options->mix, "is none of pair, cross, storm, hot, sweep, mass");
  if (options->secrets_path == NULL)
    return wcx_cli_wrong("wire", "secrets", "", "is missing: a file of 'ACCESSKEY: secret' lines");
  if (wcx_mix_kind_of(options->mix) == WCX_MIX_MASS && (options->sessions < 2 || strcmp(options->profile, "ramp") == 0))
    return wcx_cli_wrong("wire", "mix", options->mix, "wants at least two sessions, and no ramp");
  if ((strcmp(options->profile, "replay") == 0) != (options->flow_path != NULL))
    return wcx_cli_wrong("wire", "flow", options->flow_path == NULL ? "" : options->flow_path, "goes with --profile replay, and that needs one");
  if (options->due_path != NULL && options->flow_path == NULL)
    return wcx_cli_wrong("wire", "due", options->due_path, "goes with --flow");
  int status = check_port(options);
  if (status != 0)
    return status;
  if (options->port == 0)
    options->port = options->tcp ? TCP_PORT : UDP_PORT;
  if ((double)options->rate * options->times * (double)options->seconds <= (double)WCX_OPEN_LOOP_MAX)
    return 0;
  fprintf(stderr, "wcx-bench wire: more than %llu requests: lower --rate or --seconds\n", (unsigned long long)WCX_OPEN_LOOP_MAX);
  return 2;
}

static int parse(options_t *options, int argc, char **argv)
{
  *options = (options_t){.server = "10.77.0.2",
                         .interface = "",
                         .address = "10.77.0.1",
                         .far_interface = "",
                         .key_prefix = "DEMO-MM-",
                         .transport = "udp",
                         .profile = "poisson",
                         .mix = "pair",
                         .first = 5,
                         .sessions = 1,
                         .window = WCX_CREW_WINDOW_MAX,
                         .rate = 10000,
                         .to_rate = 10000000,
                         .times = 1,
                         .resting = 100000,
                         .on_ms = 10,
                         .off_ms = 90,
                         .p99_us = 1000,
                         .step_ms = 500,
                         .warm_ms = 200,
                         .seconds = 5,
                         .seed = 1,
                         .cpu = -1};
  const wcx_cli_option_t known[] = {{"server", WCX_CLI_TEXT, &options->server, 0, 0, 0},
                                    {"interface", WCX_CLI_TEXT, &options->interface, 0, 0, 0},
                                    {"dpdk", WCX_CLI_TEXT, &options->dpdk, 0, 0, 0},
                                    {"address", WCX_CLI_TEXT, &options->address, 0, 0, 0},
                                    {"far", WCX_CLI_TEXT, &options->far, 0, 0, 0},
                                    {"secrets", WCX_CLI_TEXT, &options->secrets_path, 0, 0, 0},
                                    {"key-prefix", WCX_CLI_TEXT, &options->key_prefix, 0, 0, 0},
                                    {"transport", WCX_CLI_TEXT, &options->transport, 0, 0, 0},
                                    {"profile", WCX_CLI_TEXT, &options->profile, 0, 0, 0},
                                    {"mix", WCX_CLI_TEXT, &options->mix, 0, 0, 0},
                                    {"flow", WCX_CLI_TEXT, &options->flow_path, 0, 0, 0},
                                    {"due", WCX_CLI_TEXT, &options->due_path, 0, 0, 0},
                                    {"out", WCX_CLI_TEXT, &options->out_path, 0, 0, 0},
                                    {"port", WCX_CLI_U32, &options->port, 1, 65534, 0},
                                    {"first", WCX_CLI_U32, &options->first, 1, UINT32_MAX - WCX_CREW_MAX, 0},
                                    {"sessions", WCX_CLI_U32, &options->sessions, 1, WCX_CREW_MAX, 0},
                                    {"window", WCX_CLI_U32, &options->window, 1, WCX_CREW_WINDOW_MAX, 0},
                                    {"rate", WCX_CLI_U32, &options->rate, 1, 10000000, 0},
                                    {"to-rate", WCX_CLI_U32, &options->to_rate, 1, 10000000, 0},
                                    {"times", WCX_CLI_U32, &options->times, 1, 1000, 0},
                                    {"resting", WCX_CLI_U32, &options->resting, 1, 10000000, 0},
                                    {"on-ms", WCX_CLI_U32, &options->on_ms, 1, 60000, 0},
                                    {"off-ms", WCX_CLI_U32, &options->off_ms, 0, 60000, 0},
                                    {"p99-us", WCX_CLI_U32, &options->p99_us, 1, 10000000, 0},
                                    {"step-ms", WCX_CLI_U32, &options->step_ms, 10, 60000, 0},
                                    {"warm-ms", WCX_CLI_U32, &options->warm_ms, 0, 60000, 0},
                                    {"seconds", WCX_CLI_U64, &options->seconds, 1, 86400, 0},
                                    {"seed", WCX_CLI_U64, &options->seed, 0, UINT64_MAX, 0},
                                    {"cpu", WCX_CLI_CPU, &options->cpu, 0, 0, 0},
                                    {"sleep", WCX_CLI_FLAG, &options->sleeps, 0, 0, 0},
                                    {"json", WCX_CLI_FLAG, &options->json, 0, 0, 0},
                                    {0}};
  int status = wcx_cli_options("wire", help, known, argc, argv);
  return status != 0 ? status : check(options);
}

/* --- measuring -------------------------------------------------------------------------------------------------------------------------- */

static bool is_profile(const stage_t *stage, const char *name)
{
  return strcmp(stage->options.profile, name) == 0;
}

static wcx_open_loop_t *plan(const stage_t *stage, uint64_t cnt, double per_s)
{
  const options_t *options = &stage->options;
  wcx_open_loop_t *loop = wcx_open_loop_new(cnt);
  WCX_CHECK(loop != NULL, "no memory for %llu requests", (unsigned long long)cnt);
  wcx_schedule_t schedule = {.kind = WCX_SCHEDULE_CONSTANT, .on_ms = options->on_ms, .off_ms = options->off_ms, .per_s = per_s, .seed = options->seed};
  if (is_profile(stage, "poisson"))
    schedule.kind = WCX_SCHEDULE_POISSON;
  else if (is_profile(stage, "burst"))
    schedule.kind = WCX_SCHEDULE_BURST;
  wcx_schedule_make(&schedule, loop->due_ns, cnt);
  return loop;
}

/* The part of a flow that is replayed: what comes within --seconds. */
static uint64_t replayed_cnt(const stage_t *stage, uint64_t cnt)
{
  const options_t *options = &stage->options;
  if (stage->due_ns == NULL)
    return stage->flow.cnt < cnt ? stage->flow.cnt : cnt;
  cnt = stage->flow.cnt;
  while (cnt > 1 && stage->due_ns[cnt - 1] / options->times > options->seconds * UINT64_C(1000000000))
    cnt--;
  return cnt;
}

/* Corrected p99 of requests [from, to). */
static double p99_of(const wcx_open_loop_t *loop, uint64_t from, uint64_t to)
{
  static wcx_hdr_t hdr;
  memset(&hdr, 0, sizeof(hdr));
  wcx_open_loop_delays(loop, from, to, &hdr, NULL, NULL);
  return (double)wcx_hdr_percentile(&hdr, 990000);
}

/* Requests before the clock: orders that are to rest, or what warms. False: something was not as it must be. */
static bool prepared(stage_t *stage, uint64_t cnt, double per_s)
{
  if (cnt == 0)
    return true;
  wcx_open_loop_t *loop = plan(stage, cnt, per_s);
  (void)wcx_wire_run_stretch(&stage->run, loop);
  wcx_open_loop_free(loop);
  stage->report.fault = wcx_wire_run_fault(&stage->run);
  return stage->report.fault == NULL;
}

/* With the same requests through the engine alone. Returns what is not as it must be, or NULL. */
static const char *compare(stage_t *stage)
{
  wcx_wire_run_sweep(&stage->run);
  wcx_reference_finish(&stage->reference);
  const char *fault = wcx_wire_run_fault(&stage->run);
  return fault != NULL ? fault : wcx_reference_difference(&stage->reference);
}

/* Returns the books, for the report. */
static wcx_open_loop_t *measure(stage_t *stage, uint64_t *began_ns)
{
  const options_t *options = &stage->options;
  wcx_wire_report_t *report = &stage->report;
  uint64_t cnt = (uint64_t)options->rate * options->times * options->seconds;
  if (options->flow_path != NULL)
    cnt = replayed_cnt(stage, cnt);
  uint64_t warm_cnt = options->flow_path != NULL ? 0 : (uint64_t)options->rate * options->warm_ms / 1000;
  bool is_mass = wcx_mix_kind_of(options->mix) == WCX_MIX_MASS;
  if (!is_mass && warm_cnt + cnt <= WCX_REFERENCE_MAX)
  {
    wcx_reference_new(&stage->reference, warm_cnt + cnt, options->first, options->sessions);
    stage->run.reference = &stage->reference;
  }
  if (is_mass && !prepared(stage, options->resting, FILL_PER_S))
    return NULL;
  if (is_mass)
    wcx_mix_filled(stage->mix, stage->run.base + warm_cnt + cnt / 2);
  if (!prepared(stage, warm_cnt, (double)options->rate * options->times))
    return NULL;
  stage->run.resting_cnt = is_mass ? options->resting : 0;
  stage->run.mass_idx = cnt / 2;
  wcx_open_loop_t *loop = plan(stage, cnt, (double)options->rate * options->times);
  for (uint64_t i = 0; stage->due_ns != NULL && i < cnt; i++)
    loop->due_ns[i] = stage->due_ns[i] / options->times;
  wcx_wire_run_count_anew(&stage->run);
  *began_ns = wcx_env_utc_ns();
  (void)wcx_wire_run_stretch(&stage->run, loop);
  uint64_t took_ns = wcx_env_mono_ns() - loop->start_ns;
  report->fault = wcx_wire_run_fault(&stage->run);
  if (report->fault == NULL && stage->run.reference != NULL)
    report->fault = compare(stage);
  report->answered_per_s = (double)loop->answered_cnt * 1e9 / (double)took_ns;
  wcx_open_loop_delays(loop, 0, cnt, &report->corrected, &report->uncorrected, &report->late);
  if (stage->due_ns != NULL)
    report->per_s = (double)cnt * 1e9 / fmax((double)wcx_open_loop_end_ns(loop), 1);
  if (is_profile(stage, "soak") && cnt >= 1000)
    report->drift_p99 = p99_of(loop, cnt - cnt / 10, cnt) / fmax(p99_of(loop, 0, cnt / 10), 1);
  return loop;
}

static void measure_ramp(stage_t *stage)
{
  const options_t *options = &stage->options;
  wcx_wire_report_t *report = &stage->report;
  stage->ramp =
      (wcx_ramp_t){.bound_ns = (uint64_t)options->p99_us * 1000, .step_ms = options->step_ms, .from_per_s = options->rate, .to_per_s = options->to_rate, .seed = options->seed};
  wcx_ramp_run(&stage->ramp, &stage->run, &report->corrected, &report->uncorrected, &report->late);
  report->answered_per_s = stage->ramp.knee_per_s;
  report->ramp = &stage->ramp;
  report->fault = stage->ramp.knee_per_s > 0 ? NULL : "not even the first rate held: lower --rate, or give --p99-us more";
}

static bool close_folder(stage_t *stage, uint64_t began_ns)
{
  char *json = NULL;
  size_t sz = 0;
  FILE *file = open_memstream(&json, &sz);
  WCX_CHECK(file != NULL, "out of memory");
  wcx_wire_report_json(file, &stage->report);
  fclose(file);
  if (stage->report.loop != NULL || stage->report.ramp != NULL)
    wcx_wire_report_keep(&stage->report, began_ns, &stage->folder);
  if (stage->report.fault != NULL)
    snprintf(stage->folder.fault, sizeof(stage->folder.fault), "%s", stage->report.fault);
  bool written = wcx_run_folder_close(&stage->folder, json, stage->report.fault == NULL);
  free(json);
  return written;
}

static int measure_and_tell(stage_t *stage, wcx_run_folder_t *folder)
{
  const options_t *options = &stage->options;
  wcx_wire_report_t *report = &stage->report;
  uint64_t began_ns = wcx_env_utc_ns();
  wcx_open_loop_t *loop = NULL;
  if (is_profile(stage, "ramp"))
    measure_ramp(stage);
  else
    loop = measure(stage, &began_ns);
  report->loop = loop;
  if (options->json)
    wcx_wire_report_json(stdout, report);
  else
    wcx_wire_report_table(report);
  fflush(stdout);
  bool written = folder == NULL || close_folder(stage, began_ns);
  if (loop != NULL)
    wcx_open_loop_free(loop);
  wcx_crew_sign_off(stage->crew);
  if (report->fault != NULL)
    fprintf(stderr, "wcx-bench wire: the run is invalid: %s\n", report->fault);
  return written && report->fault == NULL ? 0 : 1;
}

static void describe(stage_t *stage)
{
  const options_t *options = &stage->options;
  stage->report = (wcx_wire_report_t){.transport = options->transport,
                                      .profile = options->profile,
                                      .mix = options->flow_path != NULL ? "flow" : options->mix,
                                      .server = options->server,
                                      .port = options->dpdk != NULL ? options->dpdk : "kernel sockets",
                                      .per_s = (double)options->rate * options->times,
                                      .seconds = is_profile(stage, "ramp") ? 0 : (double)options->seconds,
                                      .sessions = options->sessions,
                                      .window = options->window,
                                      .seed = options->seed,
                                      .run = &stage->run};
}

static bool prepare(stage_t *stage, char *err, size_t err_sz)
{
  const options_t *options = &stage->options;
  wcx_crew_config_t config = {.lines = {.server = options->server,
                                        .interface = options->interface,
                                        .device = options->dpdk,
                                        .address = options->address,
                                        .port = (uint16_t)options->port,
                                        .tcp = options->tcp,
                                        .sleeps = options->sleeps,
                                        .cnt = options->sessions,
                                        .cpu = options->cpu},
                              .far_interface = options->far_interface,
                              .far_pid = options->far_pid,
                              .secrets_path = options->secrets_path,
                              .key_prefix = options->key_prefix,
                              .first = options->first,
                              .window = options->window,
                              .ctx = &stage->run,
                              .on_decided = wcx_wire_run_decided,
                              .on_message = wcx_wire_run_message};
  if (options->flow_path != NULL && wcx_flow_load(&stage->flow, options->flow_path, err, err_sz) != 0)
    return false;
  stage->due_ns = options->due_path != NULL ? wcx_schedule_load(options->due_path, stage->flow.cnt, err, err_sz) : NULL;
  if (options->due_path != NULL && stage->due_ns == NULL)
    return false;
  stage->mix = wcx_mix_new(options->flow_path != NULL ? WCX_MIX_FLOW : wcx_mix_kind_of(options->mix), options->sessions, &stage->flow);
  stage->crew = wcx_crew_new(&config, err, err_sz);
  if (stage->crew == NULL)
    return false;
  stage->run = (wcx_wire_run_t){
      .crew = stage->crew, .mix = stage->mix, .patience_ns = PATIENCE_NS, .sleeps = options->sleeps, .shows = options->seconds > SHOWN_S || is_profile(stage, "ramp")};
  return true;
}

static void sign_on_and_measure(void *arg)
{
  stage_t *stage = arg;
  const options_t *options = &stage->options;
  char err[512];
  wcx_run_folder_t *folder = options->out_path != NULL ? &stage->folder : NULL;
  stage->status = 1;
  bool signed_on = wcx_crew_sign_on(stage->crew, err, sizeof(err));
  wcx_wire_run_count_anew(&stage->run); /* what was lost before the link stood does not matter */
  if (!signed_on)
    fprintf(stderr, "wcx-bench wire: %s\n", err);
  else if (folder == NULL || wcx_run_folder_open(folder, options->out_path, "wire", stage->argc, stage->argv, options->cpu, "corrected p99, us"))
    stage->status = measure_and_tell(stage, folder);
}

/* wcx-wire, beside this program, is the same behind lines over a DPDK port: what knows no such port needs none of DPDK. */
static int become_dpdk(char **argv)
{
  char self[4096], path[4096 + 16];
  ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);
  WCX_CHECK(len > 0, "/proc/self/exe: %s", strerror(errno));
  self[len] = 0;
  snprintf(path, sizeof(path), "%s/wcx-wire", dirname(self));
  execv(path, argv);
  fprintf(stderr, "wcx-bench wire: %s: %s: make build makes it\n", path, strerror(errno));
  return 1;
}

int wcx_wire_bench(int argc, char **argv)
{
  static stage_t stage;
  char err[512];
  int status = parse(&stage.options, argc, argv);
  if (status != 0)
    return status;
  if ((stage.options.dpdk != NULL) != wcx_lines_are_dpdk)
    return wcx_lines_are_dpdk ? wcx_cli_wrong("wire", "dpdk", "", "is missing: wcx-bench wire is the program for kernel sockets") : become_dpdk(argv);
  if (stage.options.cpu >= 0)
    wcx_cli_pin(stage.options.cpu);
  if (stage.options.sleeps && prctl(PR_SET_TIMERSLACK, 1UL, 0, 0, 0) != 0)
    WCX_DIE("timer slack: %s", strerror(errno));
  stage.argc = argc;
  stage.argv = argv;
  stage.status = 1;
  describe(&stage);
  if (prepare(&stage, err, sizeof(err)))
    wcx_crew_run(stage.crew, sign_on_and_measure, &stage);
  else
    fprintf(stderr, "wcx-bench wire: %s\n", err);
  if (stage.crew != NULL)
    wcx_crew_free(stage.crew);
  if (stage.mix != NULL)
    wcx_mix_free(stage.mix);
  if (stage.options.flow_path != NULL)
    wcx_flow_free(&stage.flow);
  free(stage.due_ns);
  wcx_reference_free(&stage.reference);
  return stage.status;
}
