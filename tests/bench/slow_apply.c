/* An engine that is 5 % slower, planted below wcx-bench by the linker (--wrap=wcx_engine_apply): after every 256 calls it idles for a twenty-fifth of the time that
   passed since the last 256, whatever the engine, the bench around it and the machine took for them. The call of the wrapper itself is the other 1 %: with a twentieth,
   compare found 5.6 to 7.2 %. */
#include "engine/engine.h"

#include <x86intrin.h>

#define CALLS 256u
#define LONG_TICKS UINT64_C(10000000) /* set-up lies between, or the CPU was away: nothing to copy */

void __real_wcx_engine_apply(wcx_engine_t *engine, const wcx_record_hdr_t *hdr, const void *body, wcx_outlog_t *log);
void __wrap_wcx_engine_apply(wcx_engine_t *engine, const wcx_record_hdr_t *hdr, const void *body, wcx_outlog_t *log);

void __wrap_wcx_engine_apply(wcx_engine_t *engine, const wcx_record_hdr_t *hdr, const void *body, wcx_outlog_t *log)
{
  static uint64_t call_cnt, from;
  __real_wcx_engine_apply(engine, hdr, body, log);
  if (++call_cnt % CALLS != 0)
    return;
  uint64_t took = __rdtsc() - from;
  uint64_t until = __rdtsc() + (took < LONG_TICKS ? took / 25 : 0);
  while (__rdtsc() < until)
    ;
  from = __rdtsc();
}
