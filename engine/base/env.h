/* The link-time seam to the world: clock, randomness and crash points.

   Production links engine/base/env_prod.c, the simulator tests/sim/env_sim.c; nothing else in the project reads a clock or asks for
   randomness. The two other seams of the same kind live beside their only users: the disk in persist/disk.h, the port in dataplane/port.h.

   Owner:   any thread. The engine itself (engine/ outside base/) never calls this: time reaches it as journaled stamps.
   Units:   nanoseconds.
   Calls:   wcx_env_utc_ns and wcx_env_mono_ns cost one vDSO read and no system call where the clock source is the TSC
            (preflight checks that); wcx_env_random is for set-up and for workers, not for the poll loop. */
#ifndef WCX_BASE_ENV_H
#define WCX_BASE_ENV_H

#include <stddef.h>
#include <stdint.h>

/* UTC, ns since 1970. May step backwards; the sequencer clamps. */
uint64_t wcx_env_utc_ns(void);

/* Monotonic, arbitrary origin: time-outs and intervals. */
uint64_t wcx_env_mono_ns(void);

/* What the CPU counts, at an even pace that nobody tells: for spans that wcx_env_mono_ns is too slow for. Of two CPUs they may differ. */
uint64_t wcx_env_ticks(void);

/* Fill with randomness fit for keys and session strings. Aborts when the system has none. */
void wcx_env_random(void *buf, size_t sz);

/* A place where a crash would be interesting. Nothing in production; the simulator may decide to end the process here. `name` is a static string. */
void wcx_env_crash_point(const char *name);

#endif
