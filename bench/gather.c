#include "bench/gather.h"

#include "bench/cli.h"
#include "bench/run_folder.h"
#include "engine/base/check.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FIELDS_MAX 5u
#define SVG_SZ_MAX (16u << 20)

typedef struct gather
{
  wcx_run_folder_t folder;
  wcx_run_row_t rows[WCX_GATHER_ROWS_MAX];
  wcx_run_figure_t figures[WCX_GATHER_FIGURES_MAX];
  char *result;
  bool valid, ended;
} gather_t;

typedef struct tagged
{
  wcx_run_folder_t *folder;
  const char *tag, *of; /* of NULL: every one */
  uint32_t cnt;
} tagged_t;

static const char help[] = "wcx-bench gather: one folder of several measurements, told on standard input (bench/gather.h)\n"
                           "  --out DIR          where the folder is made (needed)\n"
                           "  --name NAME        what it is called after its stamp (gather)\n"
                           "  --cpu N            the CPU that the host is judged by (the last)\n";

static char *keep(const char *text)
{
  char *copy = strdup(text);
  WCX_CHECK(copy != NULL, "out of memory");
  return copy;
}

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
  wcx_run_folder_hist(tagged->folder, tagged->tag, from_ns, to_ns, hdr);
  tagged->cnt++;
}

static bool take_hist(gather_t *gather, char **fields, uint32_t cnt)
{
  uint32_t known = 0;
  while (known < gather->folder.hist_cnt && strcmp(gather->folder.tags[known], fields[1]) != 0)
    known++;
  if (known == WCX_RUN_FOLDER_HISTS_MAX)
    return wrong(fields[1], "one tag too many");
  tagged_t tagged = {.folder = &gather->folder, .tag = known < gather->folder.hist_cnt ? gather->folder.tags[known] : keep(fields[1]), .of = cnt > 3 ? fields[3] : NULL};
  if (wcx_hdr_log_read(fields[2], take_part, &tagged) != 0)
    return wrong(fields[2], errno == EINVAL ? "a line holds no histogram of 1 ns to an hour with 3 digits" : strerror(errno));
  return tagged.cnt > 0 || wrong(fields[2], "holds no histogram of that tag");
}

static bool take_row(gather_t *gather, char **fields, uint32_t cnt)
{
  (void)cnt;
  if (gather->folder.row_cnt == WCX_GATHER_ROWS_MAX)
    return wrong(fields[1], "one row too many");
  gather->rows[gather->folder.row_cnt++] = (wcx_run_row_t){keep(fields[1]), keep(fields[2]), keep(fields[3]), keep(fields[4])};
  return true;
}

static bool take_figure(gather_t *gather, char **fields, uint32_t cnt)
{
  (void)cnt;
  if (gather->folder.figure_cnt == WCX_GATHER_FIGURES_MAX)
    return wrong(fields[1], "one figure too many");
  FILE *file = fopen(fields[2], "re");
  if (file == NULL)
    return wrong(fields[2], strerror(errno));
  char *svg = calloc(1, SVG_SZ_MAX);
  WCX_CHECK(svg != NULL, "out of memory");
  size_t sz = fread(svg, 1, SVG_SZ_MAX - 1, file);
  fclose(file);
  if (sz == SVG_SZ_MAX - 1 || strncmp(svg, "<svg ", 5) != 0)
  {
    free(svg);
    return wrong(fields[2], "is no <svg> element of at most 16 MiB");
  }
  gather->figures[gather->folder.figure_cnt++] = (wcx_run_figure_t){keep(fields[1]), svg};
  return true;
}

static bool take_result(gather_t *gather, char **fields, uint32_t cnt)
{
  (void)cnt;
  free(gather->result);
  gather->result = keep(fields[1]);
  return true;
}

static bool take_invalid(gather_t *gather, char **fields, uint32_t cnt)
{
  (void)cnt;
  gather->valid = false;
  (void)wrong("invalid", fields[1]);
  return true;
}

static bool take_end(gather_t *gather, char **fields, uint32_t cnt)
{
  (void)fields;
  (void)cnt;
  gather->ended = true;
  return true;
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
  } words[] = {{"hist", 3, 4, take_hist},     {"row", 5, 5, take_row},         {"figure", 3, 3, take_figure},
               {"result", 2, 2, take_result}, {"invalid", 2, 2, take_invalid}, {"end", 1, 1, take_end}};
  char *fields[FIELDS_MAX] = {0};
  uint32_t cnt = split(line, fields);
  for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
    if (strcmp(fields[0], words[i].word) == 0 && cnt >= words[i].least && cnt <= words[i].most)
      return words[i].take(gather, fields, cnt);
  return wrong(fields[0], "not a line of bench/gather.h");
}

/* --- the command ------------------------------------------------------------------------------------------------------------------------ */

static bool take_lines(gather_t *gather)
{
  char *line = NULL;
  size_t room = 0;
  bool good = true;
  while (!gather->ended && getline(&line, &room, stdin) > 0)
  {
    line[strcspn(line, "\n")] = 0;
    good = take_line(gather, line) && good;
  }
  free(line);
  return good;
}

static void free_all(gather_t *gather)
{
  for (uint32_t i = 0; i < gather->folder.row_cnt; i++)
  {
    free((char *)(uintptr_t)gather->rows[i].what);
    free((char *)(uintptr_t)gather->rows[i].result);
    free((char *)(uintptr_t)gather->rows[i].against);
    free((char *)(uintptr_t)gather->rows[i].command);
  }
  for (uint32_t i = 0; i < gather->folder.figure_cnt; i++)
  {
    free((char *)(uintptr_t)gather->figures[i].name);
    free((char *)(uintptr_t)gather->figures[i].svg);
  }
  for (uint32_t i = 0; i < gather->folder.hist_cnt; i++)
    free((char *)(uintptr_t)gather->folder.tags[i]);
  free(gather->result);
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
  gather.valid = true;
  bool good = take_lines(&gather);
  gather.folder.rows = gather.rows;
  gather.folder.figures = gather.figures;
  gather.valid = gather.valid && gather.ended && good;
  bool written = wcx_run_folder_close(&gather.folder, gather.result != NULL ? gather.result : "{}", gather.valid);
  puts(gather.folder.path);
  free_all(&gather);
  return written && gather.valid ? 0 : 1;
}
