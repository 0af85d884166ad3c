/* What a fuzz target is: one file tests/fuzz/test_<name>.c that defines wcx_fuzz_one, and one function in seeds.py that gives it its first inputs.

   The same file is built twice: with replay.c and the tests' compiler, as a test of `make test` that runs the seeds, the kept corpus and their damaged copies;
   with clang and libFuzzer under `make fuzz`, which looks for new ones.

   Owner:     one thread.
   Memory:    data is a heap copy of exactly sz bytes, so that a read beyond it shows under the sanitizers; what a target keeps between inputs must not let
              one input change what the next one does.
   Result:    a finding is a crash: WCX_CHECK for what a target asserts itself, the sanitizers for the rest.
   Bounds:    sz <= WCX_FUZZ_SZ_MAX.
   Pinned by: tests/fuzz/run.py. */
#ifndef WCX_TESTS_FUZZ_H
#define WCX_TESTS_FUZZ_H

#include "engine/base/check.h"

#include <stddef.h>
#include <stdint.h>

#define WCX_FUZZ_SZ_MAX 4096u

void wcx_fuzz_one(const uint8_t *data, size_t sz);

/* What libFuzzer calls; libfuzzer.c hands it on. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t sz);

#endif
