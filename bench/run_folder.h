/* A run's folder, which needs nothing beside itself: OUT/<UTC stamp>-<command>/, and OUT/latest links to the newest.

       env.json          commit and digest of the program, command line, host, preflight
       result.json       what the command printed
       hist.hlog         histograms, a tag each (hdr_log.h); of a tag GROUP/NAME those of one group share their plots
       percentiles.csv   the same as numbers: tag,percentile,value_ns,count
       samples.csv       figures in the order they were taken (samples.h): what wcx-bench compare pairs
       *.svg             percentile curve, histogram, parts and samples over time; figures that were given
       report.html       all of it on one page, plots inline

   Owner:      the main thread. One folder at a time.
   Memory:     the struct, with room for WCX_RUN_FOLDER_HISTS_MAX histograms: make it static.
   Result:     open and close: false with errno, or with what is said to stderr.
   Bounds:     WCX_RUN_FOLDER_SAMPLES_MAX samples, WCX_RUN_FOLDER_HISTS_MAX tags with WCX_RUN_FOLDER_PARTS_MAX parts drawn of each: more are left out. A plot
               shows the first WCX_CHART_SERIES_MAX tags of its group.
   Pinned by:  tests/bench/test_run_folder.py; the page in a browser: tests/bench/long_report.py. */
#ifndef WCX_BENCH_RUN_FOLDER_H
#define WCX_BENCH_RUN_FOLDER_H

#include "bench/hdr_log.h"
#include "bench/preflight.h"
#include "engine/base/hist.h"

#define WCX_RUN_FOLDER_HISTS_MAX 24u
#define WCX_RUN_FOLDER_PARTS_MAX 256u
#define WCX_RUN_FOLDER_SAMPLES_MAX 4096u

/* A figure of the run for people: what was measured, the figure, what it is compared with, the command that measures it. */
typedef struct wcx_run_row
{
  const char *what, *result, *against, *command;
} wcx_run_row_t;

/* An <svg> element that somebody else drew. */
typedef struct wcx_run_figure
{
  const char *name; /* of its file, without .svg */
  const char *svg;
} wcx_run_figure_t;

typedef struct wcx_run_folder
{
  char path[3072];
  const char *out, *command, *sample_label;
  uint64_t base_ns; /* UTC */
  int argc;
  char **argv;
  wcx_preflight_t preflight;
  wcx_hdr_log_t log;
  uint32_t hist_cnt, sample_cnt;
  const char *tags[WCX_RUN_FOLDER_HISTS_MAX];
  wcx_hdr_t hists[WCX_RUN_FOLDER_HISTS_MAX];
  uint32_t part_cnt[WCX_RUN_FOLDER_HISTS_MAX];
  double part_at_s[WCX_RUN_FOLDER_HISTS_MAX][WCX_RUN_FOLDER_PARTS_MAX];
  double part_p50[WCX_RUN_FOLDER_HISTS_MAX][WCX_RUN_FOLDER_PARTS_MAX];
  const wcx_run_row_t *rows; /* the owner's; set before close, as are the figures */
  const wcx_run_figure_t *figures;
  uint32_t row_cnt, figure_cnt;
  double at_s[WCX_RUN_FOLDER_SAMPLES_MAX];
  double samples[WCX_RUN_FOLDER_SAMPLES_MAX];
} wcx_run_folder_t;

/* Look at the host and make the folder. cpu: what is measured on, -1: any. sample_label: what samples are, with their unit. Texts are kept, not copied. */
bool wcx_run_folder_open(wcx_run_folder_t *folder, const char *out, const char *command, int argc, char **argv, int cpu, const char *sample_label)
    __attribute__((warn_unused_result));

/* A histogram of the whole run, or of a part of it that begins at from_ns (UTC): those of one tag are added up for the plots. */
void wcx_run_folder_hist(wcx_run_folder_t *folder, const char *tag, uint64_t from_ns, uint64_t to_ns, const wcx_hdr_t *hdr);

/* The same from counted ticks: as exact as these, within 0.8 %. */
void wcx_run_folder_ticks(wcx_run_folder_t *folder, const char *tag, uint64_t from_ns, uint64_t to_ns, const wcx_hist_t *ticks, double ns_per_tick);

void wcx_run_folder_sample(wcx_run_folder_t *folder, double value);

/* One that was taken at_s seconds after the run began. */
void wcx_run_folder_sample_at(wcx_run_folder_t *folder, double at_s, double value);

/* result_json: what the run found. valid: whether what was measured was right. */
bool wcx_run_folder_close(wcx_run_folder_t *folder, const char *result_json, bool valid) __attribute__((warn_unused_result));

#endif
