/* samples.csv of a run folder: the figures of a run in the order they were taken, for plots of time and for comparing.

       sample,at_s,value
       0,0.412,151.20

   Owner:      the caller.
   Result:     false when the file cannot be read or written, or holds something else.
   Pinned by:  tests/bench/test_compare.py. */
#ifndef WCX_BENCH_SAMPLES_H
#define WCX_BENCH_SAMPLES_H

#include <stdbool.h>
#include <stdint.h>

bool wcx_samples_write(const char *folder, const double *at_s, const double *values, uint32_t cnt) __attribute__((warn_unused_result));

/* At most `max` values, all above 0; the rest is left out. */
bool wcx_samples_read(const char *folder, double *values, uint32_t max, uint32_t *cnt) __attribute__((warn_unused_result));

#endif
