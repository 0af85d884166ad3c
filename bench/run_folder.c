#include "bench/run_folder.h"

#include "bench/commit.h"
#include "bench/json_text.h"
#include "bench/report.h"
#include "bench/samples.h"
#include "engine/base/check.h"
#include "engine/base/env.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <openssl/evp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define NOISE_MS 200u
#define SAME_SECOND_MAX 100u

const char *const wcx_run_verdicts[WCX_RUN_VERDICTS] = {[WCX_RUN_NOTED] = "", [WCX_RUN_HELD] = "held", [WCX_RUN_MISSED] = "missed"};

static bool complain(const wcx_run_folder_t *folder)
{
  fprintf(stderr, "wcx-bench %s: %s: %s\n", folder->command, folder->path, strerror(errno));
  return false;
}

static bool is_kept(const wcx_run_folder_t *folder)
{
  return folder->path[0] != 0;
}

static char *keep(const char *text)
{
  char *copy = strdup(text);
  WCX_CHECK(copy != NULL, "out of memory");
  return copy;
}

static FILE *open_in(const wcx_run_folder_t *folder, const char *name)
{
  char path[4096];
  snprintf(path, sizeof(path), "%s/%s", folder->path, name);
  return fopen(path, "we");
}

static bool end(FILE *file)
{
  bool bad = ferror(file) != 0;
  return fclose(file) == 0 && !bad;
}

static bool write_text(const wcx_run_folder_t *folder, const char *name, const char *text)
{
  FILE *file = open_in(folder, name);
  if (file == NULL)
    return false;
  fputs(text, file);
  return end(file);
}

/* --- the host --------------------------------------------------------------------------------------------------------------------------- */

/* SHA-256 of this program: two runs of one commit may still be of different builds. */
static void digest_self(char text[65])
{
  unsigned char bytes[EVP_MAX_MD_SIZE];
  unsigned char part[65536];
  unsigned int sz = 0;
  EVP_MD_CTX *ctx = EVP_MD_CTX_new();
  FILE *file = fopen("/proc/self/exe", "re");
  text[0] = 0;
  if (ctx != NULL && file != NULL && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) == 1)
  {
    for (size_t got; (got = fread(part, 1, sizeof(part), file)) > 0;)
      EVP_DigestUpdate(ctx, part, got);
    EVP_DigestFinal_ex(ctx, bytes, &sz);
  }
  for (unsigned int i = 0; i < sz; i++)
    snprintf(text + (size_t)2 * i, 3, "%02x", bytes[i]);
  if (file != NULL)
    fclose(file);
  EVP_MD_CTX_free(ctx);
}

/* fault NULL: what was measured was right. */
static bool write_env(const wcx_run_folder_t *folder, const char *host, const char *fault)
{
  char digest[65];
  FILE *file = open_in(folder, "env.json");
  if (file == NULL)
    return false;
  digest_self(digest);
  fprintf(file, "{\"command\":[\"wcx-bench\"");
  for (int i = 0; i < folder->argc; i++)
  {
    fputc(',', file);
    wcx_json_text(file, folder->argv[i]);
  }
  fprintf(file, "],\"commit\":\"%s\",\"program_sha256\":\"%s\",\"started_utc_ns\":%" PRIu64 ",\"ended_utc_ns\":%" PRIu64 ",\"host\":", WCX_COMMIT, digest, folder->base_ns,
          wcx_env_utc_ns());
  wcx_json_text(file, host);
  fprintf(file, ",\"valid\":%s,\"fault\":", fault == NULL ? "true" : "false");
  wcx_json_text(file, fault == NULL ? "" : fault);
  fprintf(file, ",\"fit\":%s,\"preflight\":", folder->preflight.fit ? "true" : "false");
  wcx_preflight_json(&folder->preflight, file);
  fputs("}\n", file);
  return end(file);
}

/* --- opening ---------------------------------------------------------------------------------------------------------------------------- */

static bool make_folders(wcx_run_folder_t *folder)
{
  char stamp[32];
  time_t seconds = (time_t)(folder->base_ns / 1000000000);
  struct tm utc;
  strftime(stamp, sizeof(stamp), "%Y%m%dT%H%M%SZ", gmtime_r(&seconds, &utc));
  if (strlen(folder->out) > sizeof(folder->path) / 2)
  {
    errno = ENAMETOOLONG;
    return false;
  }
  if (mkdir(folder->out, 0777) != 0 && errno != EEXIST)
    return false;
  for (uint32_t i = 1; i <= SAME_SECOND_MAX; i++)
  {
    char again[16] = "";
    if (i > 1)
      snprintf(again, sizeof(again), "-%u", i);
    snprintf(folder->path, sizeof(folder->path), "%s/%s-%s%s", folder->out, stamp, folder->command, again);
    if (mkdir(folder->path, 0777) == 0)
      return true;
    if (errno != EEXIST)
      return false;
  }
  return false;
}

bool wcx_run_folder_open(wcx_run_folder_t *folder, const char *out, const char *command, int argc, char **argv, int cpu, const char *sample_label)
{
  memset(folder, 0, sizeof(*folder)); /* too large for a temporary */
  folder->out = out;
  folder->command = command;
  folder->sample_label = sample_label;
  folder->argc = argc;
  folder->argv = argv;
  folder->base_ns = wcx_env_utc_ns();
  snprintf(folder->path, sizeof(folder->path), "%.2000s", out);
  wcx_preflight_config_t config = {.root = "", .cpu = cpu >= 0 ? cpu : (int)sysconf(_SC_NPROCESSORS_ONLN) - 1, .huge_mib = 0, .noise_ms = NOISE_MS};
  if (!make_folders(folder))
    return complain(folder);
  wcx_preflight_check(&folder->preflight, &config);
  char path[4096], host[256];
  snprintf(path, sizeof(path), "%s/hist.hlog", folder->path);
  wcx_cli_host(host, sizeof(host));
  folder->base_ns = wcx_env_utc_ns();
  return (write_env(folder, host, "the run has not come to its end") && write_text(folder, "config.json", wcx_cli_config()) &&
          wcx_hdr_log_open(&folder->log, path, folder->base_ns, command) == 0) ||
         complain(folder);
}

/* --- what is measured ------------------------------------------------------------------------------------------------------------------- */

void wcx_run_folder_hist(wcx_run_folder_t *folder, const char *tag, uint64_t from_ns, uint64_t to_ns, const wcx_hdr_t *hdr)
{
  uint32_t i = 0;
  if (!is_kept(folder))
    return;
  while (i < folder->hist_cnt && strcmp(folder->tags[i], tag) != 0)
    i++;
  uint64_t begin_ns = from_ns < folder->base_ns ? folder->base_ns : from_ns;
  wcx_hdr_log_interval(&folder->log, tag, begin_ns, to_ns < begin_ns ? begin_ns : to_ns, hdr);
  if (i == WCX_RUN_FOLDER_HISTS_MAX)
    return;
  if (i == folder->hist_cnt)
    folder->tags[folder->hist_cnt++] = keep(tag);
  wcx_hdr_add(&folder->hists[i], hdr);
  uint32_t part = folder->part_cnt[i];
  if (part == WCX_RUN_FOLDER_PARTS_MAX)
    return;
  folder->part_at_s[i][part] = from_ns > folder->base_ns ? (double)(from_ns - folder->base_ns) / 1e9 : 0;
  folder->part_p50[i][part] = (double)wcx_hdr_percentile(hdr, 500000);
  folder->part_cnt[i]++;
}

void wcx_run_folder_ticks(wcx_run_folder_t *folder, const char *tag, uint64_t from_ns, uint64_t to_ns, const wcx_hist_t *ticks, double ns_per_tick)
{
  static wcx_hdr_t hdr;
  memset(&hdr, 0, sizeof(hdr));
  for (uint32_t i = 0; i < WCX_HIST_BUCKETS; i++)
  {
    if (ticks->buckets[i] != 0)
      wcx_hdr_record(&hdr, (uint64_t)((double)wcx_hist_bucket_end(i) * ns_per_tick), ticks->buckets[i]);
  }
  wcx_run_folder_hist(folder, tag, from_ns, to_ns, &hdr);
}

void wcx_run_folder_duration(wcx_run_folder_t *folder, const char *tag, double ns)
{
  static wcx_hdr_t hdr;
  uint64_t now_ns = wcx_env_utc_ns();
  memset(&hdr, 0, sizeof(hdr));
  wcx_hdr_record(&hdr, (uint64_t)ns, 1);
  wcx_run_folder_hist(folder, tag, now_ns - (uint64_t)ns, now_ns, &hdr);
}

void wcx_run_folder_sample_at(wcx_run_folder_t *folder, double at_s, double value)
{
  if (!is_kept(folder) || folder->sample_cnt == WCX_RUN_FOLDER_SAMPLES_MAX)
    return;
  folder->at_s[folder->sample_cnt] = at_s;
  folder->samples[folder->sample_cnt++] = value;
}

void wcx_run_folder_sample(wcx_run_folder_t *folder, double value)
{
  wcx_run_folder_sample_at(folder, (double)(wcx_env_utc_ns() - folder->base_ns) / 1e9, value);
}

bool wcx_run_folder_row(wcx_run_folder_t *folder, const wcx_run_row_t *row)
{
  if (!is_kept(folder))
    return true;
  if (folder->row_cnt == WCX_RUN_FOLDER_ROWS_MAX)
    return false;
  folder->rows[folder->row_cnt++] = (wcx_run_row_t){row->verdict, keep(row->what), keep(row->result), keep(row->against), row->command != NULL ? keep(row->command) : NULL};
  return true;
}

void wcx_run_folder_value(wcx_run_folder_t *folder, const char *what, double value, const char *unit, enum wcx_wanted wanted, double bound, const char *beside)
{
  char result[96], against[256] = "";
  snprintf(result, sizeof(result), fabs(value) >= 1000 ? "%.0f%s" : "%.4g%s", value, unit);
  if (wanted != WCX_WANTED_NOTHING)
    snprintf(against, sizeof(against), "wanted: at %s %.4g%s%s", wanted == WCX_WANTED_AT_MOST ? "most" : "least", bound, unit, beside != NULL ? "; " : "");
  if (beside != NULL)
    snprintf(against + strlen(against), sizeof(against) - strlen(against), "%s", beside);
  bool held = wanted == WCX_WANTED_AT_MOST ? value <= bound : value >= bound;
  enum wcx_verdict verdict = wanted == WCX_WANTED_NOTHING ? WCX_RUN_NOTED : held ? WCX_RUN_HELD : WCX_RUN_MISSED;
  (void)wcx_run_folder_row(folder, &(wcx_run_row_t){verdict, what, result, against, NULL});
}

bool wcx_run_folder_figure(wcx_run_folder_t *folder, const char *name, char *svg)
{
  bool room = is_kept(folder) && folder->figure_cnt < WCX_RUN_FOLDER_FIGURES_MAX;
  if (room)
    folder->figures[folder->figure_cnt++] = (wcx_run_figure_t){keep(name), svg};
  else
    free(svg);
  return room;
}

void wcx_run_folder_chart(wcx_run_folder_t *folder, const char *name, const wcx_chart_t *chart)
{
  char *svg = NULL;
  size_t sz = 0;
  if (!is_kept(folder))
    return;
  FILE *file = open_memstream(&svg, &sz);
  WCX_CHECK(file != NULL, "out of memory");
  wcx_chart_draw(chart, file);
  fclose(file);
  (void)wcx_run_folder_figure(folder, name, svg);
}

/* --- closing ---------------------------------------------------------------------------------------------------------------------------- */

static bool write_percentiles(const wcx_run_folder_t *folder)
{
  static const uint32_t ppms[] = {0, 250000, 500000, 750000, 900000, 950000, 990000, 995000, 999000, 999500, 999900, 999990, 999999, 1000000};
  FILE *file = open_in(folder, "percentiles.csv");
  if (file == NULL)
    return false;
  fputs("tag,percentile,value_ns,count\n", file);
  for (uint32_t i = 0; i < folder->hist_cnt; i++)
    for (uint32_t k = 0; k < sizeof(ppms) / sizeof(ppms[0]); k++)
      fprintf(file, "%s,%.4f,%" PRIu64 ",%" PRIu64 "\n", folder->tags[i], ppms[k] / 1e4, wcx_hdr_percentile(&folder->hists[i], ppms[k]), folder->hists[i].cnt);
  return end(file);
}

static bool write_figures(const wcx_run_folder_t *folder)
{
  FILE *file = open_in(folder, "figures.tsv");
  if (file == NULL)
    return false;
  for (uint32_t i = 0; i < folder->row_cnt; i++)
  {
    const wcx_run_row_t *row = &folder->rows[i];
    fprintf(file, "row\t%s\t%s\t%s\t%s\t%s\n", row->what, row->result, row->against, row->command != NULL ? row->command : "", wcx_run_verdicts[row->verdict]);
  }
  for (uint32_t i = 0; i < folder->figure_cnt; i++)
    fprintf(file, "figure\t%s\t%s.svg\n", folder->figures[i].name, folder->figures[i].name);
  return end(file);
}

/* The link is made beside and moved over the old one: it always leads somewhere. */
static bool link_latest(const wcx_run_folder_t *folder)
{
  char latest[4096], fresh[4096];
  snprintf(latest, sizeof(latest), "%s/latest", folder->out);
  snprintf(fresh, sizeof(fresh), "%s/.latest-%d", folder->out, (int)getpid());
  return symlink(strrchr(folder->path, '/') + 1, fresh) == 0 && rename(fresh, latest) == 0;
}

/* What was measured without a histogram has none. */
static bool close_log(wcx_run_folder_t *folder)
{
  char path[4096];
  snprintf(path, sizeof(path), "%s/hist.hlog", folder->path);
  if (wcx_hdr_log_close(&folder->log) != 0)
    return false;
  return folder->hist_cnt > 0 ? write_percentiles(folder) : unlink(path) == 0;
}

static void free_texts(wcx_run_folder_t *folder)
{
  for (uint32_t i = 0; i < folder->row_cnt; i++)
  {
    const char *texts[] = {folder->rows[i].what, folder->rows[i].result, folder->rows[i].against, folder->rows[i].command};
    for (uint32_t k = 0; k < 4; k++)
      free((char *)(uintptr_t)texts[k]);
  }
  for (uint32_t i = 0; i < folder->figure_cnt; i++)
  {
    free(folder->figures[i].name);
    free(folder->figures[i].svg);
  }
  for (uint32_t i = 0; i < folder->hist_cnt; i++)
    free(folder->tags[i]);
  folder->row_cnt = folder->figure_cnt = folder->hist_cnt = 0;
}

bool wcx_run_folder_close(wcx_run_folder_t *folder, const char *result_json, bool valid)
{
  char host[256];
  wcx_cli_host(host, sizeof(host));
  if (!valid && folder->fault[0] == 0)
    snprintf(folder->fault, sizeof(folder->fault), "what was measured was not right");
  const char *fault = folder->fault[0] != 0 ? folder->fault : NULL;
  bool good = close_log(folder) && (folder->row_cnt + folder->figure_cnt == 0 || write_figures(folder)) && write_text(folder, "result.json", result_json) &&
              (folder->sample_cnt == 0 || wcx_samples_write(folder->path, folder->at_s, folder->samples, folder->sample_cnt)) &&
              wcx_report_write(folder, host, WCX_COMMIT, result_json, fault) && write_env(folder, host, fault) && link_latest(folder);
  if (!good)
    complain(folder);
  free_texts(folder);
  return good;
}

/* --- a run ------------------------------------------------------------------------------------------------------------------------------ */

bool wcx_run_begin(wcx_run_folder_t *run, const wcx_run_asked_t *asked, const char *command, int argc, char **argv, const char *sample_label)
{
  if (asked->cpu >= 0)
    wcx_cli_pin(asked->cpu);
  memset(run, 0, sizeof(*run));
  run->command = command;
  return asked->out_path == NULL || wcx_run_folder_open(run, asked->out_path, command, argc, argv, asked->cpu, sample_label);
}

void wcx_run_fault(wcx_run_folder_t *run, const char *fmt, ...)
{
  char text[sizeof(run->fault)];
  va_list args;
  va_start(args, fmt);
  vsnprintf(text, sizeof(text), fmt, args);
  va_end(args);
  fprintf(stderr, "wcx-bench %s: the run is invalid: %s\n", run->command, text);
  if (run->fault[0] == 0)
    memcpy(run->fault, text, sizeof(text));
}

static char *tell_json(const wcx_run_folder_t *run, const char *host, wcx_run_tell_t *tell, const void *found)
{
  char *json = NULL;
  size_t sz = 0;
  FILE *file = open_memstream(&json, &sz);
  WCX_CHECK(file != NULL, "out of memory");
  fprintf(file, "{\"command\":\"%s\",\"host\":", run->command);
  wcx_json_text(file, host);
  fprintf(file, ",\"valid\":%s,\"fault\":", run->fault[0] == 0 ? "true" : "false");
  wcx_json_text(file, run->fault);
  tell(file, found);
  fputs("}\n", file);
  fclose(file);
  return json;
}

int wcx_run_end(wcx_run_folder_t *run, const wcx_run_asked_t *asked, wcx_run_tell_t *json, wcx_run_tell_t *table, const void *found)
{
  char host[256];
  wcx_cli_host(host, sizeof(host));
  wcx_cli_progress("%s", "");
  char *text = tell_json(run, host, json, found);
  if (asked->json)
    fputs(text, stdout);
  else
  {
    puts(host);
    table(stdout, found);
    if (run->fault[0] != 0)
      printf("INVALID: %s\n", run->fault);
  }
  fflush(stdout);
  bool valid = run->fault[0] == 0;
  bool written = !is_kept(run) || wcx_run_folder_close(run, text, valid);
  free(text);
  return written && valid ? WCX_CLI_GOOD : WCX_CLI_BAD;
}
