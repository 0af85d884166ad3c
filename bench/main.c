/* wcx-bench: what the performance team runs. The first word says what is measured.

   Result:   exit status 0; 1 when a flow or a run failed; 2 for a wrong command line. */
#include "bench/engine_bench.h"

#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
  if (argc >= 2 && strcmp(argv[1], "engine") == 0)
    return wcx_engine_bench(argc - 1, argv + 1);
  fputs("usage: wcx-bench engine (--flow FILE [--setup N] | --profile a|b|c --ops N [--seed S]) [--burst N] [--pass throughput] [--json]\n"
        "       wcx-bench engine --help\n",
        stderr);
  return 2;
}
