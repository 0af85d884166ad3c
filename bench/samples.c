#include "bench/samples.h"

#include <stdio.h>
#include <string.h>

#define PATH_SZ 4096u
static const char legend[] = "sample,at_s,value\n";

static FILE *open_in(const char *folder, const char *mode)
{
  char path[PATH_SZ];
  if (snprintf(path, sizeof(path), "%s/samples.csv", folder) >= (int)sizeof(path))
    return NULL;
  return fopen(path, mode);
}

bool wcx_samples_write(const char *folder, const double *at_s, const double *values, uint32_t cnt)
{
  FILE *file = open_in(folder, "we");
  if (file == NULL)
    return false;
  fputs(legend, file);
  for (uint32_t i = 0; i < cnt; i++)
    fprintf(file, "%u,%.3f,%.2f\n", i, at_s[i], values[i]);
  bool bad = ferror(file) != 0;
  return fclose(file) == 0 && !bad;
}

bool wcx_samples_read(const char *folder, double *values, uint32_t max, uint32_t *cnt)
{
  FILE *file = open_in(folder, "re");
  if (file == NULL)
    return false;
  char line[128];
  bool sound = fgets(line, sizeof(line), file) != NULL && strcmp(line, legend) == 0;
  for (*cnt = 0; sound && *cnt < max && fgets(line, sizeof(line), file) != NULL; ++*cnt)
  {
    uint32_t number;
    double at_s;
    sound = sscanf(line, "%u,%lf,%lf", &number, &at_s, &values[*cnt]) == 3 && number == *cnt && values[*cnt] > 0;
  }
  fclose(file);
  return sound;
}
