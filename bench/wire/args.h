/* The command lines of the programs of bench/wire: numbers, --help, and what is said of a wrong one.

   Owner:     the main thread.
   Result:    what is wrong ends the program with exit status 2, as bench/cli.h has it: nothing was measured.
   Pinned by: tests/bench/test_wire_args.py. */
#ifndef WCX_BENCH_WIRE_ARGS_H
#define WCX_BENCH_WIRE_ARGS_H

#include <errno.h>
#include <getopt.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* The last two entries of a list of options. */
#define WCX_WIRE_HELP 1
#define WCX_WIRE_OPTIONS_END                                                                                                                                                       \
  {"help", no_argument, NULL, WCX_WIRE_HELP},                                                                                                                                      \
  {                                                                                                                                                                                \
    NULL, 0, NULL, 0                                                                                                                                                               \
  }

/* End with the usage: on stdout and with 0 where `key`, what getopt_long has returned, asks for it, else on stderr and with 2. */
static inline _Noreturn void wcx_wire_usage(const char *usage, int key)
{
  fputs(usage, key == WCX_WIRE_HELP ? stdout : stderr);
  exit(key == WCX_WIRE_HELP ? 0 : 2);
}

/* A decimal number in min..max, both included, nothing around it; `name` is the option's, without --. */
static inline uint32_t wcx_wire_number(const char *name, const char *text, uint32_t min, uint32_t max)
{
  char *end;
  errno = 0;
  unsigned long value = strtoul(text, &end, 10);
  if (text[0] >= '0' && text[0] <= '9' && *end == '\0' && errno == 0 && value >= min && value <= max)
    return (uint32_t)value;
  fprintf(stderr, "wcx: error: --%s %s: a number from %u to %u\n", name, text, min, max);
  exit(2);
}

#endif
