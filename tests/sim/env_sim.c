#include "tests/sim/env_sim.h"

#include <string.h>

static struct
{
  uint64_t random;
  uint64_t mono_ns;
  uint64_t utc_ns;
  jmp_buf *crash_at;
  uint64_t crash_after;
  uint64_t crash_points;
  const char *crash_name;
} world;

void wcx_sim_env_reset(uint64_t seed)
{
  memset(&world, 0, sizeof(world));
  world.random = seed;
  world.mono_ns = 1000000000u;
  world.utc_ns = UINT64_C(1750000000000000000);
  world.crash_name = "none";
}

uint64_t wcx_sim_random(void) /* splitmix64 */
{
  uint64_t x = world.random += UINT64_C(0x9e3779b97f4a7c15);
  x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
  x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
  return x ^ (x >> 31);
}

uint64_t wcx_sim_below(uint64_t bound)
{
  return wcx_sim_random() % bound;
}

bool wcx_sim_chance(uint32_t percent)
{
  return wcx_sim_below(100) < percent;
}

void wcx_sim_advance_ns(uint64_t ns)
{
  world.mono_ns += ns;
  world.utc_ns += ns;
}

void wcx_sim_crash_arm(jmp_buf *at, uint64_t after)
{
  world.crash_at = at;
  world.crash_after = after;
}

void wcx_sim_crash_disarm(void)
{
  world.crash_at = NULL;
}

const char *wcx_sim_crash_name(void)
{
  return world.crash_name;
}

uint64_t wcx_sim_crash_points(void)
{
  return world.crash_points;
}

uint64_t wcx_env_utc_ns(void)
{
  return world.utc_ns;
}

uint64_t wcx_env_mono_ns(void)
{
  return world.mono_ns;
}

uint64_t wcx_env_ticks(void)
{
  return world.mono_ns;
}

void wcx_env_random(void *buf, size_t sz)
{
  uint8_t *at = buf;
  for (size_t i = 0; i < sz; i++)
    at[i] = (uint8_t)wcx_sim_random();
}

void wcx_env_crash_point(const char *name)
{
  world.crash_points++;
  if (world.crash_at == NULL || --world.crash_after > 0)
    return;
  jmp_buf *at = world.crash_at;
  world.crash_at = NULL;
  world.crash_name = name;
  longjmp(*at, 1);
}
