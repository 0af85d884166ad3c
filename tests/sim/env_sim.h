/* The simulated environment: one seed decides randomness, clocks move only when told, and a crash point may end the running component.

   A crash is a longjmp out of the component: it must not run any further, and whoever armed it decides what of the world survives.

   Owner:  one thread, one world. Memory of the component is its owner's (nothing is freed by a crash). */
#ifndef WCX_SIM_ENV_SIM_H
#define WCX_SIM_ENV_SIM_H

#include "engine/base/env.h"

#include <setjmp.h>
#include <stdbool.h>
#include <stdint.h>

void wcx_sim_env_reset(uint64_t seed);

uint64_t wcx_sim_random(void);
/* 0..bound-1. */
uint64_t wcx_sim_below(uint64_t bound);
/* True in `percent` of 100 cases. */
bool wcx_sim_chance(uint32_t percent);

void wcx_sim_advance_ns(uint64_t ns);

/* The `after`-th crash point from now (1: the next) jumps to *at with value 1. One at a time; disarmed by firing. */
void wcx_sim_crash_arm(jmp_buf *at, uint64_t after);
void wcx_sim_crash_disarm(void);
/* Name of the point that fired last. */
const char *wcx_sim_crash_name(void);
/* Crash points passed since the reset. */
uint64_t wcx_sim_crash_points(void);

#endif
