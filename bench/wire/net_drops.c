#include "bench/wire/net_drops.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* "name: bytes packets errs drop fifo frame compressed multicast | bytes packets errs drop .." */
static bool of_interfaces(const char *interface, uint64_t *drops)
{
  FILE *file = fopen("/proc/self/net/dev", "re");
  if (file == NULL)
    return false;
  char line[512], name[64];
  bool found = false;
  while (fgets(line, sizeof(line), file) != NULL)
  {
    uint64_t rx, tx;
    if (sscanf(line, " %63[^:]: %*u %*u %*u %" SCNu64 " %*u %*u %*u %*u %*u %*u %*u %" SCNu64, name, &rx, &tx) != 3 || (interface[0] != 0 && strcmp(name, interface) != 0))
      continue;
    *drops += rx + tx;
    found = true;
  }
  fclose(file);
  return found;
}

/* The second line that begins with "Udp:": InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors SndbufErrors .. */
static bool of_sockets(uint64_t *drops)
{
  FILE *file = fopen("/proc/self/net/snmp", "re");
  if (file == NULL)
    return false;
  char line[1024];
  bool found = false;
  while (!found && fgets(line, sizeof(line), file) != NULL)
  {
    uint64_t rx, tx;
    found = sscanf(line, "Udp: %*u %*u %*u %*u %" SCNu64 " %" SCNu64, &rx, &tx) == 2;
    *drops += found ? rx + tx : 0;
  }
  fclose(file);
  return found;
}

bool wcx_net_drops(const char *interface, uint64_t *drops)
{
  *drops = 0;
  return of_interfaces(interface, drops) && of_sockets(drops);
}
