/* What the commands of wcx-bench share: their exit statuses, their options, numbers and CPUs on the command line, what the machine is, progress, medians.

   Owner:      the main thread.
   Result:     texts of errors go to stderr, progress too and only when that is a terminal: stdout holds nothing but results. */
#ifndef WCX_BENCH_CLI_H
#define WCX_BENCH_CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Exit statuses, the same in every command. A failed check of the program itself aborts, as everywhere. */
enum wcx_cli_status
{
  WCX_CLI_GOOD = 0,    /* measured, and what was measured was right; compare: B is equal or faster; preflight: fit; memory: within its bound */
  WCX_CLI_BAD = 1,     /* a run that is invalid, or could not be made or kept; compare: B is slower; preflight: not fit; memory: above its bound */
  WCX_CLI_USAGE = 2,   /* a wrong command line: nothing was measured */
  WCX_CLI_UNCLEAR = 3, /* compare: neither can be said */
  WCX_CLI_FAILED = 4,  /* compare: one of the two cannot be measured or read */
};

/* A decimal number within min..max, nothing around it. */
bool wcx_cli_number(const char *text, uint64_t min, uint64_t max, uint64_t *value);

/* Says "wcx-bench COMMAND: --NAME TEXT: WANTED", without a TEXT "--NAME WANTED"; returns 2, the exit status of a wrong command line. */
int wcx_cli_wrong(const char *command, const char *name, const char *text, const char *wanted);

enum wcx_cli_kind
{
  WCX_CLI_FLAG = 1, /* bool */
  WCX_CLI_TEXT,     /* const char * */
  WCX_CLI_U64,      /* uint64_t, uint32_t: min..max, a multiple of `step` unless that is 0 */
  WCX_CLI_U32,
  WCX_CLI_CPU,     /* int */
  WCX_CLI_PROFILE, /* char: a, b or c */
};

typedef struct wcx_cli_option
{
  const char *name;
  enum wcx_cli_kind kind;
  void *value; /* where it goes; what is there already is the default */
  uint64_t min, max, step;
} wcx_cli_option_t;

/* Read a command's options, up to an entry without a name. 0; 2 after saying what is wrong, also of a word beside options; --help prints `help` and exits. */
int wcx_cli_options(const char *command, const char *help, const wcx_cli_option_t *options, int argc, char **argv);

/* Every option of the command that was read last and what it is, defaults among them, as a JSON object: {"ops":5000,"dir":null,..}. */
const char *wcx_cli_config(void);

/* Run on this CPU from now on; dies when it cannot be had. */
void wcx_cli_pin(int cpu);

/* ns that a process's first thread was on a CPU, and that it waited for one while others were; 0 where the kernel does not tell. */
typedef struct wcx_cli_cpu
{
  uint64_t on_ns;
  uint64_t waited_ns;
} wcx_cli_cpu_t;
wcx_cli_cpu_t wcx_cli_cpu(pid_t pid);

/* One line that replaces the one before it; an empty text clears it. */
void wcx_cli_progress(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* The same with a bar in front, of `part` 0 .. 1, and the seconds since the first one behind a cleared line. Drawn at most ten times a second. */
void wcx_cli_bar(double part, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* CPU model, CPUs, memory, kernel, load of the last minute: "AMD EPYC, 2 CPUs, 23 GiB, Linux 6.1.0, load 0.3". */
void wcx_cli_host(char *text, size_t text_sz);

/* The middle one (the upper of two). Leaves them sorted. cnt >= 1. */
double wcx_cli_median(double *values, size_t cnt);

#endif
