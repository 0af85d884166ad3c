/* The cases of wcx-micro: one small C function each, timed by Google Benchmark (main.cpp). The one header that C and C++ share: it names no type of ours.

   Owner:      one thread.
   Memory:     setup allocates what a case works on and dies when there is none; teardown gives it back. Nothing is allocated in run.
   Units:      one repetition is what the case's name says: one look-up, one pair of insert and remove, one record.
   Result:     run repeats `cnt` times, leaves its world as it found it, and returns something that depends on every repetition, so that none is left out.
   Pinned by:  tests/bench/test_micro.py: no case disappears, every one runs. */
#ifndef WCX_BENCH_MICRO_H
#define WCX_BENCH_MICRO_H

#include <stdint.h>

#ifdef __cplusplus
extern "C"
{
#endif

  typedef struct wcx_micro_case
  {
    const char *name;
    uint32_t size; /* for setup: entries, levels, bytes; 0 when there is only one */
    void *(*setup)(uint32_t size);
    uint64_t (*run)(void *world, uint32_t cnt);
    void (*teardown)(void *world);
  } wcx_micro_case_t;

  /* By index from 0; NULL behind the last. */
  const wcx_micro_case_t *wcx_micro_at(uint32_t idx);

#ifdef __cplusplus
}
#endif

#endif
