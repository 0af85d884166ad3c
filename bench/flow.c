#include "bench/flow.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PX_MAX INT32_MAX
#define ID_MAX UINT64_C(0x7fffffff) /* ids share 64-bit hash entries with slots */

/* What is wrong with a record, or NULL. `seen`: 0 never new, 1 new, 2 canceled. */
static const char *record_error(const wcx_flow_t *flow, const wcx_flow_record_t *record, const uint8_t *seen)
{
  if (record->op > WCX_FLOW_MOVE)
    return "op is none of 0, 1, 2";
  if (record->side > 1)
    return "side is neither 0 nor 1";
  if ((record->flags & ~WCX_FLOW_F_IOC) != 0 || record->zero != 0)
    return "unknown flag, or the fourth byte is not 0";
  if (record->px < 1 || record->px > PX_MAX)
    return "price is outside 1..2147483647";
  if (record->op != WCX_FLOW_NEW)
    return record->id > flow->id_max || seen[record->id] == 0 ? "the id has never been new" : NULL;
  if (record->id <= flow->id_max || record->id > ID_MAX)
    return "the id of a new order does not rise, or is above 2147483647";
  if (record->qty == 0)
    return "the quantity of a new order is 0";
  uint32_t owner = (uint32_t)record->aux;
  return owner < 1 || owner > WCX_FLOW_OWNER_MAX ? "the owner is outside 1..1000" : NULL;
}

int wcx_flow_survey(wcx_flow_t *flow, char *error, size_t error_sz)
{
  uint64_t id_max = 0;
  for (uint64_t i = 0; i < flow->cnt; i++)
    if (flow->records[i].op == WCX_FLOW_NEW && flow->records[i].id <= ID_MAX && flow->records[i].id > id_max)
      id_max = flow->records[i].id;
  uint8_t *seen = calloc(id_max + 1, 1);
  if (seen == NULL)
  {
    snprintf(error, error_sz, "no memory for %llu ids", (unsigned long long)id_max);
    return -1;
  }
  flow->id_max = flow->new_cnt = flow->live_max = 0;
  flow->px_min = INT64_MAX;
  flow->px_max = 0;
  uint64_t live = 0;
  const char *wrong = NULL;
  for (uint64_t i = 0; i < flow->cnt && wrong == NULL; i++)
  {
    const wcx_flow_record_t *record = &flow->records[i];
    wrong = record_error(flow, record, seen);
    if (wrong != NULL)
    {
      snprintf(error, error_sz, "record %llu (op %u, side %u, id %llu, px %lld, qty %u): %s", (unsigned long long)i, record->op, record->side, (unsigned long long)record->id,
               (long long)record->px, record->qty, wrong);
      break;
    }
    flow->px_min = record->px < flow->px_min ? record->px : flow->px_min;
    flow->px_max = record->px > flow->px_max ? record->px : flow->px_max;
    if (record->op == WCX_FLOW_NEW)
    {
      flow->id_max = record->id;
      flow->new_cnt++;
      live++;
      flow->live_max = live > flow->live_max ? live : flow->live_max;
      seen[record->id] = 1;
    }
    else if (record->op == WCX_FLOW_CANCEL && seen[record->id] == 1)
    {
      live--;
      seen[record->id] = 2;
    }
  }
  free(seen);
  return wrong == NULL ? 0 : -1;
}

static int read_all(wcx_flow_t *flow, FILE *file, const char *path, char *error, size_t error_sz)
{
  long sz = fseek(file, 0, SEEK_END) == 0 ? ftell(file) : -1;
  if (sz < 0 || fseek(file, 0, SEEK_SET) != 0)
  {
    snprintf(error, error_sz, "%s: %s", path, strerror(errno));
    return -1;
  }
  if (sz == 0 || (size_t)sz % sizeof(wcx_flow_record_t) != 0)
  {
    snprintf(error, error_sz, "%s: %ld bytes are not a whole number of %zu-byte records", path, sz, sizeof(wcx_flow_record_t));
    return -1;
  }
  flow->cnt = (uint64_t)sz / sizeof(wcx_flow_record_t);
  flow->records = malloc((size_t)sz);
  if (flow->records == NULL || fread(flow->records, 1, (size_t)sz, file) != (size_t)sz)
  {
    snprintf(error, error_sz, "%s: cannot read %ld bytes: %s", path, sz, strerror(errno));
    return -1;
  }
  char text[256];
  if (wcx_flow_survey(flow, text, sizeof(text)) == 0)
    return 0;
  snprintf(error, error_sz, "%s: %s", path, text);
  return -1;
}

int wcx_flow_load(wcx_flow_t *flow, const char *path, char *error, size_t error_sz)
{
  *flow = (wcx_flow_t){0};
  FILE *file = fopen(path, "rb");
  if (file == NULL)
  {
    snprintf(error, error_sz, "%s: %s", path, strerror(errno));
    return -1;
  }
  int result = read_all(flow, file, path, error, error_sz);
  fclose(file);
  if (result != 0)
    wcx_flow_free(flow);
  return result;
}

int wcx_flow_save(const wcx_flow_t *flow, const char *path)
{
  FILE *file = fopen(path, "wb");
  if (file == NULL)
    return -1;
  size_t written = fwrite(flow->records, sizeof(*flow->records), flow->cnt, file);
  return fclose(file) == 0 && written == flow->cnt ? 0 : -1;
}

void wcx_flow_free(wcx_flow_t *flow)
{
  free(flow->records);
  *flow = (wcx_flow_t){0};
}
