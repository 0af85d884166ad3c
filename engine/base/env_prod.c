#include "engine/base/check.h"
#include "engine/base/env.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <x86intrin.h>

static uint64_t read_clock(clockid_t id)
{
  struct timespec ts;
  clock_gettime(id, &ts);
  return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

uint64_t wcx_env_utc_ns(void)
{
  return read_clock(CLOCK_REALTIME);
}

uint64_t wcx_env_mono_ns(void)
{
  return read_clock(CLOCK_MONOTONIC);
}

uint64_t wcx_env_ticks(void)
{
  return __rdtsc();
}

void wcx_env_random(void *buf, size_t sz)
{
  uint8_t *at = buf;
  while (sz > 0)
  {
    ssize_t got = getrandom(at, sz, 0);
    if (got < 0 && errno == EINTR)
      continue;
    WCX_CHECK(got > 0, "getrandom: %s", strerror(errno));
    at += got;
    sz -= (size_t)got;
  }
}

void wcx_env_crash_point(const char *name)
{
  (void)name;
}
