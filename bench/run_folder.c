#include "bench/run_folder.h"

#include "bench/cli.h"
#include "bench/commit.h"
#include "bench/json_text.h"
#include "bench/report.h"
#include "bench/samples.h"
#include "engine/base/env.h"

#include <errno.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define NOISE_MS 200u
#define SAME_SECOND_MAX 100u

static bool complain(const wcx_run_folder_t *folder)
{
  fprintf(stderr, "wcx-bench %s: %s: %s\n", folder->command, folder->path, strerror(errno));
  return false;
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
  *folder = (wcx_run_folder_t){.out = out, .command = command, .sample_label = sample_label, .argc = argc, .argv = argv, .base_ns = wcx_env_utc_ns()};
  snprintf(folder->path, sizeof(folder->path), "%.2000s", out);
  wcx_preflight_config_t config = {.root = "", .cpu = cpu >= 0 ? cpu : (int)sysconf(_SC_NPROCESSORS_ONLN) - 1, .huge_mib = 0, .noise_ms = NOISE_MS};
  if (!make_folders(folder))
    return complain(folder);
  wcx_preflight_check(&folder->preflight, &config);
  char path[4096];
  snprintf(path, sizeof(path), "%s/hist.hlog", folder->path);
  folder->base_ns = wcx_env_utc_ns();
  return wcx_hdr_log_open(&folder->log, path, folder->base_ns, command) == 0 || complain(folder);
}

/* --- what is measured ------------------------------------------------------------------------------------------------------------------- */

void wcx_run_folder_hist(wcx_run_folder_t *folder, const char *tag, uint64_t from_ns, uint64_t to_ns, const wcx_hdr_t *hdr)
{
  uint32_t i = 0;
  while (i < folder->hist_cnt && strcmp(folder->tags[i], tag) != 0)
    i++;
  uint64_t begin_ns = from_ns < folder->base_ns ? folder->base_ns : from_ns;
  wcx_hdr_log_interval(&folder->log, tag, begin_ns, to_ns < begin_ns ? begin_ns : to_ns, hdr);
  if (i == WCX_RUN_FOLDER_HISTS_MAX)
    return;
  folder->hist_cnt = i == folder->hist_cnt ? i + 1 : folder->hist_cnt;
  folder->tags[i] = tag;
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

void wcx_run_folder_sample_at(wcx_run_folder_t *folder, double at_s, double value)
{
  if (folder->sample_cnt == WCX_RUN_FOLDER_SAMPLES_MAX)
    return;
  folder->at_s[folder->sample_cnt] = at_s;
  folder->samples[folder->sample_cnt++] = value;
}

void wcx_run_folder_sample(wcx_run_folder_t *folder, double value)
{
  wcx_run_folder_sample_at(folder, (double)(wcx_env_utc_ns() - folder->base_ns) / 1e9, value);
}

/* --- closing ---------------------------------------------------------------------------------------------------------------------------- */

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

static bool write_env(const wcx_run_folder_t *folder, const char *host, bool valid)
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
  fprintf(file, ",\"valid\":%s,\"fit\":%s,\"preflight\":", valid ? "true" : "false", folder->preflight.fit ? "true" : "false");
  wcx_preflight_json(&folder->preflight, file);
  fputs("}\n", file);
  return end(file);
}

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

static bool write_result(const wcx_run_folder_t *folder, const char *result_json)
{
  FILE *file = open_in(folder, "result.json");
  if (file == NULL)
    return false;
  fputs(result_json, file);
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

bool wcx_run_folder_close(wcx_run_folder_t *folder, const char *result_json, bool valid)
{
  char host[256];
  wcx_cli_host(host, sizeof(host));
  bool logged = wcx_hdr_log_close(&folder->log) == 0;
  bool good = logged && write_env(folder, host, valid) && write_percentiles(folder) && write_result(folder, result_json) &&
              wcx_samples_write(folder->path, folder->at_s, folder->samples, folder->sample_cnt) && wcx_report_write(folder, host, WCX_COMMIT, result_json, valid) &&
              link_latest(folder);
  return good || complain(folder);
}
