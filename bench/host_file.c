#include "bench/host_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static FILE *open_below(const char *root, const char *path)
{
  char full[1024];
  if (snprintf(full, sizeof(full), "%s%s", root, path) >= (int)sizeof(full))
    return NULL;
  return fopen(full, "re");
}

bool wcx_host_line(const char *root, const char *path, char *text, size_t text_sz)
{
  return wcx_host_line_of(root, path, "", text, text_sz);
}

bool wcx_host_line_of(const char *root, const char *path, const char *word, char *text, size_t text_sz)
{
  text[0] = 0;
  FILE *file = open_below(root, path);
  if (file == NULL)
    return false;
  char *line = NULL;
  size_t room = 0;
  bool found = false;
  while (!found && getline(&line, &room, file) >= 0)
  {
    const char *at = line + strspn(line, " ");
    line[strcspn(line, "\n")] = 0;
    found = strncmp(at, word, strlen(word)) == 0;
    if (found)
      snprintf(text, text_sz, "%s", at + strlen(word));
  }
  free(line);
  fclose(file);
  return found;
}

bool wcx_host_list_has(const char *list, int number)
{
  while (*list >= '0' && *list <= '9')
  {
    char *end;
    long from = strtol(list, &end, 10);
    long to = *end == '-' ? strtol(end + 1, &end, 10) : from;
    if (number >= from && number <= to)
      return true;
    list = *end == ',' ? end + 1 : end;
  }
  return false;
}
