/* `wcx-bench preflight`: is this host fit to be measured on? What is asked of it, what was found, and what to do about it, item by item.

   Owner:      the main thread; noise is measured on the CPU asked for.
   Result:     the command's exit status: 0 fit, 1 not, 2 for a wrong command line. What a kernel does not tell is UNKNOWN and makes nobody unfit.
   Bounds:     texts are cut at their room.
   Pinned by:  tests/unit/test_preflight.c on made hosts, tests/bench/test_preflight.py on this one. */
#ifndef WCX_BENCH_PREFLIGHT_H
#define WCX_BENCH_PREFLIGHT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define WCX_PREFLIGHT_ITEMS_MAX 16u

enum wcx_fitness
{
  WCX_FITNESS_FIT = 1,
  WCX_FITNESS_UNFIT = 2,
  WCX_FITNESS_UNKNOWN = 3, /* not told here */
  WCX_FITNESS_NOTE = 4,    /* told for the record: nothing is wanted */
};

typedef struct wcx_preflight_item
{
  const char *name;
  enum wcx_fitness fitness;
  char state[512];
  char wanted[128];
  char fix[512]; /* empty: nothing to do */
} wcx_preflight_item_t;

typedef struct wcx_preflight
{
  bool fit;
  uint32_t item_cnt;
  wcx_preflight_item_t items[WCX_PREFLIGHT_ITEMS_MAX];
} wcx_preflight_t;

typedef struct wcx_preflight_config
{
  const char *root; /* "" for this host: what /proc and /sys stand below */
  int cpu;          /* of the poll loop */
  const char *nic;  /* NULL: none */
  uint32_t huge_mib;
  uint32_t noise_ms; /* 0: the noise floor is not measured */
} wcx_preflight_config_t;

void wcx_preflight_check(wcx_preflight_t *preflight, const wcx_preflight_config_t *config);

const char *wcx_fitness_text(enum wcx_fitness fitness);

/* One JSON object, no newline. */
void wcx_preflight_json(const wcx_preflight_t *preflight, FILE *file);

int wcx_preflight_bench(int argc, char **argv);

#endif
