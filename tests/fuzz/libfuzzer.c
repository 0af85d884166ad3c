/* libFuzzer calls a target by this name. */
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t sz)
{
  if (sz <= WCX_FUZZ_SZ_MAX)
    wcx_fuzz_one(data, sz);
  return 0;
}
