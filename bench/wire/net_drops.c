#include "bench/wire/net_drops.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* "name: bytes packets errs drop fifo frame compressed multicast | bytes packets errs drop .." */
bool wcx_net_drops(uint32_t pid, const char *interface, uint64_t *drops)
{
  char path[48], line[512], name[64];
  snprintf(path, sizeof(path), pid == 0 ? "/proc/self/net/dev" : "/proc/%" PRIu32 "/net/dev", pid);
  FILE *file = fopen(path, "re");
  if (file == NULL)
    return false;
  bool found = false;
  while (!found && fgets(line, sizeof(line), file) != NULL)
  {
    uint64_t rx, tx;
    found = sscanf(line, " %63[^:]: %*u %*u %*u %" SCNu64 " %*u %*u %*u %*u %*u %*u %*u %" SCNu64, name, &rx, &tx) == 3 && strcmp(name, interface) == 0;
    *drops = found ? rx + tx : 0;
  }
  fclose(file);
  return found;
}
