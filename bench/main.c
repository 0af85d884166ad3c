/* wcx-bench: what the performance team runs. The first word says what is measured.

   Result:   the exit status, the same in every command: cli.h. */
#include "bench/burst.h"
#include "bench/cli.h"
#include "bench/compare.h"
#include "bench/digests.h"
#include "bench/durable.h"
#include "bench/engine_bench.h"
#include "bench/gather.h"
#include "bench/hist_bench.h"
#include "bench/kill.h"
#include "bench/memory.h"
#include "bench/preflight.h"
#include "bench/replay.h"
#include "bench/scale.h"
#include "bench/snapshot.h"
#include "bench/wire/wire_bench.h"

#include <stdio.h>
#include <string.h>

typedef struct command
{
  const char *name;
  int (*run)(int argc, char **argv);
} command_t;

static const command_t commands[] = {
    {"engine", wcx_engine_bench},       {"scale", wcx_scale_bench},     {"kill", wcx_kill_bench},       {"memory", wcx_memory_bench}, {"snapshot", wcx_snapshot_bench},
    {"replay", wcx_replay_bench},       {"durable", wcx_durable_bench}, {"digests", wcx_digests_bench}, {"hist", wcx_hist_bench},     {"compare", wcx_compare_bench},
    {"preflight", wcx_preflight_bench}, {"gather", wcx_gather_bench},   {"wire", wcx_wire_bench},       {"burst", wcx_burst_bench},
};

static const char help[] = "usage: wcx-bench engine|scale|kill|memory|snapshot|replay|durable|digests|hist|compare|preflight|gather|wire|burst [options]\n"
                           "       wcx-bench engine --help: a flow through the engine, beside the floors of the same run\n"
                           "       wcx-bench scale --help: cost of an operation against the number of resting orders\n"
                           "       wcx-bench kill --help: one input that cancels a member's 100,000 orders\n"
                           "       wcx-bench memory --help: what an engine of which size takes\n"
                           "       wcx-bench snapshot --help: how long copying a book for a snapshot cycle takes\n"
                           "       wcx-bench replay --help: from a journal back to an engine\n"
                           "       wcx-bench durable --help: what durability costs, throughput and acks\n"
                           "       wcx-bench digests --help: live, replica and replay come to the same digests\n"
                           "       wcx-bench hist --help: an HDR histogram from durations or a log\n"
                           "       wcx-bench compare --help: is one build slower than another\n"
                           "       wcx-bench preflight --help: is this host fit to be measured on\n"
                           "       wcx-bench gather --help: one folder of several measurements\n"
                           "       wcx-bench wire --help: open-loop load against an appliance that runs\n"
                           "       wcx-bench burst --help: what a request costs the poll loop by how many come at once\n"
                           "exit status: 0 good, 1 invalid, failed, slower, not fit or above a bound, 2 a wrong command line, 3 compare: unclear, 4 compare: could not measure\n";

int main(int argc, char **argv)
{
  for (size_t i = 0; argc >= 2 && i < sizeof(commands) / sizeof(commands[0]); i++)
    if (strcmp(argv[1], commands[i].name) == 0)
      return commands[i].run(argc - 1, argv + 1);
  bool asked = argc == 2 && strcmp(argv[1], "--help") == 0;
  fputs(help, asked ? stdout : stderr);
  return asked ? WCX_CLI_GOOD : WCX_CLI_USAGE;
}
