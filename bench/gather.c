#include "bench/gather.h"

#include "bench/cli.h"
#include "bench/run_folder.h"
#include "engine/base/check.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FIELDS_MAX 6u
#define SVG_SZ_MAX (16u << 20)
#define PATH_SZ 4096u

typedef struct gather
{
  wcx_run_folder_t folder;
  char *result;
  const char *from, *command; /* of the run folder whose figures are taken; NULL: none */
  bool ended;
} gather_t;

typedef struct tagged
{
  wcx_run_folder_t *folder;
  const char *tag, *of; /* of NULL: every one */
  const char *group;    /* NULL: all as `tag`; else as GROUP/ and their own, unless that has a group */
  uint32_t cnt;
} tagged_t;

static const char help[] = "wcx-bench gather: one folder of several measurements, told on standard input (bench/gather.h)\n"
                           "  --out DIR          where the folder is made (needed)\n"
                           "  --name NAME        what it is called after its stamp (gather)\n"
                           "  --cpu N            the CPU that the host is judged by (the last)\n";

static bool wrong(const char *what, const char *why)
{
  fprintf(stderr, "wcx-bench gather: %s: %s\n", what, why);
  return false;
}

/* --- the lines -------------------------------------------------------------------------------------------------------------------------- */

static void take_part(void *ctx, const char *tag, uint64_t from_ns, uint64_t to_ns, const wcx_hdr_t *hdr)
{
  tagged_t *tagged = ctx;
  if (tagged->of != NULL && (tag == NULL || strcmp(tag, tagged->of) != 0))
    return;
  char own[128];
  const char *name = tag != NULL ? tag : "all";
  bool grouped = strchr(name, '/') != NULL;
  if (tagged->group != NULL)
    snprintf(own, sizeof(own), "%s%s%s", grouped ? "" : tagged->group, grouped ? "" : "/", name);
  wcx_run_folder_hist(tagged->folder, tagged->group != NULL ? own : tagged->tag, from_ns, to_ns, hdr);
  tagged->cnt++;
}

static bool take_hist(gather_t *gather, char **fields, uint32_t cnt)
{
  uint32_t known = 0;
  while (known < gather->folder.hist_cnt && strcmp(gather->folder.tags[known], fields[1]) != 0)
    known++;
  if (known == WCX_RUN_FOLDER_HISTS_MAX)
    return wrong(fields[1], "one tag too many");
  tagged_t tagged = {.folder = &gather->folder, .tag = fields[1], .of = cnt > 3 ? fields[3] : NULL};
  if (wcx_hdr_log_read(fields[2], take_part, &tagged) != 0)
    return wrong(fields[2], errno == EINVAL ? "a line holds no histogram of 1 ns to an hour with 3 digits" : strerror(errno));
  return tagged.cnt > 0 || wrong(fields[2], "holds no histogram of that tag");
}

static bool take_row(gather_t *gather, char **fields, uint32_t cnt)
{
  wcx_run_row_t row = {WCX_RUN_NOTED, fields[1], fields[2], fields[3], gather->command != NULL ? gather->command : fields[4]};
  while (cnt > 5 && row.verdict < WCX_RUN_VERDICTS && strcmp(fields[5], wcx_run_verdicts[row.verdict]) != 0)
    row.verdict++;
  if (row.verdict == WCX_RUN_VERDICTS)
    return wrong(fields[5], "is neither held nor missed");
  return wcx_run_folder_row(&gather->folder, &row) || wrong(fields[1], "one row too many");
}

static bool take_figure(gather_t *gather, char **fields, uint32_t cnt)
{
  (void)cnt;
  char path[PATH_SZ];
  snprintf(path, sizeof(path), "%s%s%s", gather->from != NULL ? gather->from : "", gather->from != NULL ? "/" : "", fields[2]);
  FILE *file = fopen(path, "re");
  if (file == NULL)
    return wrong(path, strerror(errno));
  char *svg = calloc(1, SVG_SZ_MAX);
  WCX_CHECK(svg != NULL, "out of memory");
  size_t sz = fread(svg, 1, SVG_SZ_MAX - 1, file);
  fclose(file);
  if (sz == SVG_SZ_MAX - 1 || strncmp(svg, "<svg ", 5) != 0)
  {
    free(svg);
    return wrong(path, "is no <svg> element of at most 16 MiB");
  }
  return wcx_run_folder_figure(&gather->folder, fields[1], svg) || wrong(fields[1], "one figure too many");
}

static bool take_result(gather_t *gather, char **fields, uint32_t cnt)
{
  (void)cnt;
  free(gather->result);
  gather->result = strdup(fields[1]);
  WCX_CHECK(gather->result != NULL, "out of memory");
  return true;
}

static bool take_invalid(gather_t *gather, char **fields, uint32_t cnt)
{
  (void)cnt;
  wcx_run_fault(&gather->folder, "%s", fields[1]);
  return true;
}

static bool take_end(gather_t *gather, char **fields, uint32_t cnt)
{
  (void)fields;
  (void)cnt;
  gather->ended = true;
  return true;
}

static bool take_lines(gather_t *gather, FILE *file);

/* Its figures, and its histograms where they are asked for. */
static bool take_run(gather_t *gather, char **fields, uint32_t cnt)
{
  char path[PATH_SZ];
  tagged_t tagged = {.folder = &gather->folder, .group = cnt > 3 ? fields[3] : NULL};
  if (gather->from != NULL)
    return wrong(fields[1], "a run within a run");
  snprintf(path, sizeof(path), "%s/figures.tsv", fields[1]);
  FILE *file = fopen(path, "re");
  if (file == NULL)
    return wrong(path, strerror(errno));
  gather->from = fields[1];
  gather->command = fields[2];
  bool good = take_lines(gather, file);
  gather->from = gather->command = NULL;
  fclose(file);
  snprintf(path, sizeof(path), "%s/hist.hlog", fields[1]);
  if (tagged.group != NULL && wcx_hdr_log_read(path, take_part, &tagged) != 0)
    return wrong(path, strerror(errno));
  return good;
}

static uint32_t split(char *line, char *fields[FIELDS_MAX])
{
  uint32_t cnt = 0;
  for (char *at = line; at != NULL && cnt < FIELDS_MAX; cnt++)
    fields[cnt] = strsep(&at, "\t");
  return cnt;
}

static bool take_line(gather_t *gather, char *line)
{
  static const struct
  {
    const char *word;
    uint32_t least, most; /* fields, the word among them */
    bool (*take)(gather_t *gather, char **fields, uint32_t cnt);
  } words[] = {{"run", 3, 4, take_run},       {"hist", 3, 4, take_hist},       {"row", 5, 6, take_row}, {"figure", 3, 3, take_figure},
               {"result", 2, 2, take_result}, {"invalid", 2, 2, take_invalid}, {"end", 1, 1, take_end}};
  char *fields[FIELDS_MAX] = {0};
  uint32_t cnt = split(line, fields);
  for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
    if (strcmp(fields[0], words[i].word) == 0 && cnt >= words[i].least && cnt <= words[i].most)
      return words[i].take(gather, fields, cnt);
  return wrong(fields[0], "not a line of bench/gather.h");
}

/* --- the command ------------------------------------------------------------------------------------------------------------------------ */

static bool take_lines(gather_t *gather, FILE *file)
{
  char *line = NULL;
  size_t room = 0;
  bool good = true;
  while (!gather->ended && getline(&line, &room, file) > 0)
  {
    line[strcspn(line, "\n")] = 0;
    good = take_line(gather, line) && good;
  }
  free(line);
  return good;
}

int wcx_gather_bench(int argc, char **argv)
{
  static gather_t gather;
  const char *out = NULL;
  const char *name = "gather";
  int cpu = -1;
  const wcx_cli_option_t known[] = {{"out", WCX_CLI_TEXT, &out, 0, 0, 0}, {"name", WCX_CLI_TEXT, &name, 0, 0, 0}, {"cpu", WCX_CLI_CPU, &cpu, 0, 0, 0}, {0}};
  int status = wcx_cli_options("gather", help, known, argc, argv);
  if (status != 0)
    return status;
  if (out == NULL)
    return wcx_cli_wrong("gather", "out", "", "is needed");
  if (!wcx_run_folder_open(&gather.folder, out, name, argc, argv, cpu, ""))
    return 1;
  bool good = take_lines(&gather, stdin);
  if (!gather.ended)
    wcx_run_fault(&gather.folder, "what was to be gathered has not come to its end");
  else if (!good)
    wcx_run_fault(&gather.folder, "a line could not be understood, or a file not be read");
  bool valid = gather.folder.fault[0] == 0;
  bool written = wcx_run_folder_close(&gather.folder, gather.result != NULL ? gather.result : "{}", valid);
  puts(gather.folder.path);
  free(gather.result);
  return written && valid ? WCX_CLI_GOOD : WCX_CLI_BAD;
}
