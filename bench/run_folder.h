/* A run of a command and, where one is asked for, its folder, which needs nothing beside itself: OUT/<UTC stamp>-<command>/, and OUT/latest links to the newest.

       env.json          commit and digest of the program, command line, host, preflight; whether the run is valid, and if not why
       config.json       every option and what it was, defaults among them
       result.json       what the command printed
       hist.hlog         histograms, a tag each (hdr_log.h); of a tag GROUP/NAME those of one group share their plots
       figures.tsv       the table of figures and the charts that were given, in the lines of bench/gather.h, which takes them from here
       percentiles.csv   the same as numbers: tag,percentile,value_ns,count
       samples.csv       figures in the order they were taken (samples.h): what wcx-bench compare pairs
       *.svg             percentile curve, histogram, parts and samples over time; charts and figures that were given
       report.html       all of it on one page, plots inline

   What a command has decides what there is: no file is empty. A folder says that it is invalid from its first moment until it is closed.

   Owner:      the main thread. One run at a time.
   Memory:     the struct, with room for WCX_RUN_FOLDER_HISTS_MAX histograms: make it static. Texts given to it are copied, unless it says otherwise.
   Result:     open, begin and close: false with what is said to stderr. What is kept of a run without a folder goes nowhere: nobody has to ask whether there is one.
   Bounds:     WCX_RUN_FOLDER_SAMPLES_MAX samples, WCX_RUN_FOLDER_HISTS_MAX tags with WCX_RUN_FOLDER_PARTS_MAX parts drawn of each, WCX_RUN_FOLDER_ROWS_MAX rows,
               WCX_RUN_FOLDER_FIGURES_MAX figures: more are left out. A plot shows the first WCX_CHART_COLORS tags of its group.
   Pinned by:  tests/bench/test_run_folder.py, tests/bench/test_bench.py; the page in a browser: tests/bench/long_report.py. */
#ifndef WCX_BENCH_RUN_FOLDER_H
#define WCX_BENCH_RUN_FOLDER_H

#include "bench/chart.h"
#include "bench/cli.h"
#include "bench/hdr_log.h"
#include "bench/preflight.h"
#include "engine/base/hist.h"

#define WCX_RUN_FOLDER_HISTS_MAX 32u
#define WCX_RUN_FOLDER_PARTS_MAX 256u
#define WCX_RUN_FOLDER_SAMPLES_MAX 4096u
#define WCX_RUN_FOLDER_ROWS_MAX 96u
#define WCX_RUN_FOLDER_FIGURES_MAX 16u

/* What every command that measures is asked, and its entries among the command's options. */
typedef struct wcx_run_asked
{
  const char *out_path; /* NULL: no folder */
  int cpu;              /* -1: any */
  bool json;
} wcx_run_asked_t;
#define WCX_RUN_ASKED(asked)                                                                                                                                                       \
  {"cpu", WCX_CLI_CPU, &(asked)->cpu, 0, 0, 0}, {"out", WCX_CLI_TEXT, &(asked)->out_path, 0, 0, 0},                                                                                \
  {                                                                                                                                                                                \
    "json", WCX_CLI_FLAG, &(asked)->json, 0, 0, 0                                                                                                                                  \
  }
#define WCX_RUN_ASKED_HELP                                                                                                                                                         \
  "  --out DIR          a folder of the run below DIR, with report.html; DIR/latest links to it\n"                                                                                 \
  "  --json             one line of JSON\n"

enum wcx_verdict
{
  WCX_RUN_NOTED = 0, /* nothing is wanted */
  WCX_RUN_HELD = 1,
  WCX_RUN_MISSED = 2,
  WCX_RUN_VERDICTS,
};

/* How a figure's verdict is written: nothing, held or missed. */
extern const char *const wcx_run_verdicts[WCX_RUN_VERDICTS];

/* A figure of the run for people: what was measured, the figure, what it is compared with, and in a folder of several commands the one that measures it. */
typedef struct wcx_run_row
{
  enum wcx_verdict verdict;
  const char *what, *result, *against, *command; /* command NULL: the run's own */
} wcx_run_row_t;

/* What a figure should be. */
enum wcx_wanted
{
  WCX_WANTED_NOTHING = 0,
  WCX_WANTED_AT_MOST,
  WCX_WANTED_AT_LEAST,
};

/* An <svg> element that somebody else drew. */
typedef struct wcx_run_figure
{
  char *name; /* of its file, without .svg */
  char *svg;
} wcx_run_figure_t;

typedef struct wcx_run_folder
{
  char path[3072]; /* empty: there is none */
  const char *out, *command, *sample_label;
  uint64_t base_ns; /* UTC */
  int argc;
  char **argv;
  char fault[256]; /* the first; empty: what was measured was right */
  wcx_preflight_t preflight;
  wcx_hdr_log_t log;
  uint32_t hist_cnt, sample_cnt, row_cnt, figure_cnt;
  char *tags[WCX_RUN_FOLDER_HISTS_MAX];
  wcx_hdr_t hists[WCX_RUN_FOLDER_HISTS_MAX];
  uint32_t part_cnt[WCX_RUN_FOLDER_HISTS_MAX];
  double part_at_s[WCX_RUN_FOLDER_HISTS_MAX][WCX_RUN_FOLDER_PARTS_MAX];
  double part_p50[WCX_RUN_FOLDER_HISTS_MAX][WCX_RUN_FOLDER_PARTS_MAX];
  wcx_run_row_t rows[WCX_RUN_FOLDER_ROWS_MAX];
  wcx_run_figure_t figures[WCX_RUN_FOLDER_FIGURES_MAX];
  double at_s[WCX_RUN_FOLDER_SAMPLES_MAX];
  double samples[WCX_RUN_FOLDER_SAMPLES_MAX];
} wcx_run_folder_t;

/* --- a run ------------------------------------------------------------------------------------------------------------------------------ */

/* What a command found, written to `file`. JSON: members alone, each with a comma before it (",\"orders\":5"). */
typedef void wcx_run_tell_t(FILE *file, const void *found);

/* Run on the CPU asked for; look at the host and make the folder that is asked for. sample_label: what samples are, with their unit; NULL: they are kept for
   wcx-bench compare and not drawn. command, argv, sample_label are kept, not copied. */
bool wcx_run_begin(wcx_run_folder_t *run, const wcx_run_asked_t *asked, const char *command, int argc, char **argv, const char *sample_label) __attribute__((warn_unused_result));

/* Print the table, or with --json {"command":..,"host":..,"valid":..,"fault":.. and the members}; close the folder. Returns the exit status. */
int wcx_run_end(wcx_run_folder_t *run, const wcx_run_asked_t *asked, wcx_run_tell_t *json, wcx_run_tell_t *table, const void *found);

/* What was measured was not right: the run goes on, is marked invalid and ends with exit status 1. */
void wcx_run_fault(wcx_run_folder_t *run, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* --- what is kept of it ----------------------------------------------------------------------------------------------------------------- */

/* A histogram of the whole run, or of a part of it that begins at from_ns (UTC): those of one tag are added up for the plots. */
void wcx_run_folder_hist(wcx_run_folder_t *folder, const char *tag, uint64_t from_ns, uint64_t to_ns, const wcx_hdr_t *hdr);

/* The same from counted ticks: as exact as these, within 0.8 %. */
void wcx_run_folder_ticks(wcx_run_folder_t *folder, const char *tag, uint64_t from_ns, uint64_t to_ns, const wcx_hist_t *ticks, double ns_per_tick);

/* One duration that has just ended: a part of its own. */
void wcx_run_folder_duration(wcx_run_folder_t *folder, const char *tag, double ns);

void wcx_run_folder_sample(wcx_run_folder_t *folder, double value);

/* One that was taken at_s seconds after the run began. */
void wcx_run_folder_sample_at(wcx_run_folder_t *folder, double at_s, double value);

/* A row of the table of figures. False: one too many. */
bool wcx_run_folder_row(wcx_run_folder_t *folder, const wcx_run_row_t *row);

/* The same of a number, e.g. "KillSwitch", 6.9, " ms", WCX_WANTED_AT_MOST, 5; beside: what else it is compared with, or NULL. A bound says whether it is held. */
void wcx_run_folder_value(wcx_run_folder_t *folder, const char *what, double value, const char *unit, enum wcx_wanted wanted, double bound, const char *beside);

/* An <svg> element drawn elsewhere, and a chart. svg is the folder's from now on, and is freed by it. False: one too many. */
bool wcx_run_folder_figure(wcx_run_folder_t *folder, const char *name, char *svg);
void wcx_run_folder_chart(wcx_run_folder_t *folder, const char *name, const wcx_chart_t *chart);

/* --- a folder whose command tells by itself ---------------------------------------------------------------------------------------------- */

/* Look at the host and make the folder. cpu: what is measured on, -1: any. */
bool wcx_run_folder_open(wcx_run_folder_t *folder, const char *out, const char *command, int argc, char **argv, int cpu, const char *sample_label)
    __attribute__((warn_unused_result));

/* result_json: what the run found. valid: whether what was measured was right, as far as no fault was told. */
bool wcx_run_folder_close(wcx_run_folder_t *folder, const char *result_json, bool valid) __attribute__((warn_unused_result));

#endif
