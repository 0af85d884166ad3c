/* wcx-wire: what `wcx-bench wire --dpdk PORT` becomes. */
#include "bench/wire/wire_bench.h"

int main(int argc, char **argv)
{
  return wcx_wire_bench(argc, argv);
}
