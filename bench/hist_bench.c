#include "bench/hist_bench.h"

#include "bench/cli.h"
#include "bench/hdr_log.h"
#include "engine/base/check.h"
#include "engine/base/env.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

typedef struct options
{
  const char *values_path, *hlog_path, *tag;
  uint64_t interval_ns;
  bool json;
} options_t;

static const char help[] = "wcx-bench hist: an HDR histogram from durations, or from a log\n"
                           "  --values FILE      ns, one a line\n"
                           "  --interval NS      what was meant to lie between two of them: corrects for coordinated omission (0: as they are)\n"
                           "  --hlog FILE        with --values: where the histogram is written; without: what is read, its lines added up\n"
                           "  --tag TAG          of the lines written or read (all that have none)\n"
                           "  --json             one line of JSON\n";

static int parse(options_t *options, int argc, char **argv)
{
  *options = (options_t){0};
  const wcx_cli_option_t known[] = {{"values", WCX_CLI_TEXT, &options->values_path, 0, 0, 0}, {"interval", WCX_CLI_U64, &options->interval_ns, 0, WCX_HDR_VALUE_MAX, 0},
                                    {"hlog", WCX_CLI_TEXT, &options->hlog_path, 0, 0, 0},     {"tag", WCX_CLI_TEXT, &options->tag, 0, 0, 0},
                                    {"json", WCX_CLI_FLAG, &options->json, 0, 0, 0},          {0}};
  int status = wcx_cli_options("hist", help, known, argc, argv);
  if (status != 0)
    return status;
  if (options->values_path != NULL || options->hlog_path != NULL)
    return 0;
  fputs("wcx-bench hist: give --values FILE or --hlog FILE\n", stderr);
  return 2;
}

static int wrong(const char *path, const char *what)
{
  fprintf(stderr, "wcx-bench hist: %s: %s\n", path, what);
  return 1;
}

static int read_values(const options_t *options, wcx_hdr_t *hdr)
{
  FILE *file = fopen(options->values_path, "re");
  if (file == NULL)
    return wrong(options->values_path, strerror(errno));
  char line[64];
  int status = 0;
  errno = 0;
  while (status == 0 && fgets(line, sizeof(line), file) != NULL)
  {
    uint64_t value;
    line[strcspn(line, "\n")] = 0;
    if (wcx_cli_number(line, 0, UINT64_MAX, &value))
      wcx_hdr_record_corrected(hdr, value, options->interval_ns);
    else
      status = wrong(options->values_path, "not a number of ns a line");
  }
  if (status == 0 && ferror(file) != 0)
    status = wrong(options->values_path, strerror(errno));
  else if (status == 0 && hdr->cnt == 0)
    status = wrong(options->values_path, "holds no number of ns");
  fclose(file);
  return status;
}

static int write_log(const options_t *options, const wcx_hdr_t *hdr)
{
  wcx_hdr_log_t log;
  uint64_t now_ns = wcx_env_utc_ns();
  if (wcx_hdr_log_open(&log, options->hlog_path, now_ns, "wcx-bench hist") != 0)
    return wrong(options->hlog_path, strerror(errno));
  wcx_hdr_log_interval(&log, options->tag, now_ns, now_ns, hdr);
  return wcx_hdr_log_close(&log) == 0 ? 0 : wrong(options->hlog_path, strerror(errno));
}

typedef struct sum
{
  const char *tag; /* NULL: what has none */
  wcx_hdr_t *hdr;
  bool any; /* a histogram, whatever its tag */
} sum_t;

static void add(void *ctx, const char *tag, uint64_t from_ns, uint64_t to_ns, const wcx_hdr_t *hdr)
{
  (void)from_ns;
  (void)to_ns;
  sum_t *sum = ctx;
  sum->any = true;
  if (tag == NULL || sum->tag == NULL ? tag == sum->tag : strcmp(tag, sum->tag) == 0)
    wcx_hdr_add(sum->hdr, hdr);
}

static int read_log(const options_t *options, wcx_hdr_t *hdr)
{
  sum_t sum = {.tag = options->tag, .hdr = hdr};
  if (wcx_hdr_log_read(options->hlog_path, add, &sum) == 0)
    return sum.any ? 0 : wrong(options->hlog_path, "holds no histogram");
  return wrong(options->hlog_path, errno == EINVAL ? "a line holds no histogram of 1 ns to an hour with 3 digits" : strerror(errno));
}

int wcx_hist_bench(int argc, char **argv)
{
  static wcx_hdr_t hdr;
  options_t options;
  int status = parse(&options, argc, argv);
  if (status != 0)
    return status;
  status = options.values_path != NULL ? read_values(&options, &hdr) : read_log(&options, &hdr);
  if (status == 0 && options.values_path != NULL && options.hlog_path != NULL)
    status = write_log(&options, &hdr);
  if (status != 0)
    return status;
  printf(options.json ? "{\"count\":%" PRIu64 ",\"mean_ns\":%.1f,\"p50_ns\":%" PRIu64 ",\"p90_ns\":%" PRIu64 ",\"p99_ns\":%" PRIu64 ",\"p999_ns\":%" PRIu64 ",\"p9999_ns\":%" PRIu64
                        ",\"max_ns\":%" PRIu64 "}\n"
                      : "count %" PRIu64 ", mean %.1f ns\np50 %" PRIu64 " p90 %" PRIu64 " p99 %" PRIu64 " p99.9 %" PRIu64 " p99.99 %" PRIu64 " max %" PRIu64 " ns\n",
         hdr.cnt, wcx_hdr_mean(&hdr), wcx_hdr_percentile(&hdr, 500000), wcx_hdr_percentile(&hdr, 900000), wcx_hdr_percentile(&hdr, 990000), wcx_hdr_percentile(&hdr, 999000),
         wcx_hdr_percentile(&hdr, 999900), hdr.max);
  return 0;
}
