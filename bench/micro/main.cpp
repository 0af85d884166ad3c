// wcx-micro: the engine's parts by themselves, timed by Google Benchmark. All flags of its (--benchmark_filter, --benchmark_format=json, ..) hold.
// The cases are C (micro.c): the engine's headers are C17 and stay out of C++.
#include "bench/micro/micro.h"

#include <benchmark/benchmark.h>

namespace
{

constexpr uint32_t batch = 256; // repetitions in one call of a case: what the call costs does not show

void run(benchmark::State &state, const wcx_micro_case_t *of)
{
  void *world = of->setup(of->size);
  while (state.KeepRunningBatch(batch))
    benchmark::DoNotOptimize(of->run(world, batch));
  of->teardown(world);
}

} // namespace

int main(int argc, char **argv)
{
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv))
    return 2;
  for (uint32_t i = 0; wcx_micro_at(i) != nullptr; i++)
    benchmark::RegisterBenchmark(wcx_micro_at(i)->name, run, wcx_micro_at(i));
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
