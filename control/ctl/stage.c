#include "control/ctl/ctl.h"

#include <jansson.h>
#include <stdio.h>

static json_int_t number(const json_t *row, const char *key)
{
  return json_integer_value(json_object_get(row, key));
}

static void print_shard(const json_t *shard)
{
  printf("shard %" JSON_INTEGER_FORMAT ", ns\n%-10s%12s%12s%12s%12s%12s%14s\n", number(shard, "Shard"), "stage", "count", "mean", "p50", "p99", "p99.9", "max");
  const json_t *rows = json_object_get(shard, "Stages");
  for (size_t i = 0; i < json_array_size(rows); i++)
  {
    const json_t *row = json_array_get(rows, i);
    printf("%-10s%12" JSON_INTEGER_FORMAT "%12" JSON_INTEGER_FORMAT "%12" JSON_INTEGER_FORMAT "%12" JSON_INTEGER_FORMAT "%12" JSON_INTEGER_FORMAT "%14" JSON_INTEGER_FORMAT
           "   %s\n",
           json_string_value(json_object_get(row, "Stage")), number(row, "Count"), number(row, "MeanNs"), number(row, "P50Ns"), number(row, "P99Ns"), number(row, "P999Ns"),
           number(row, "MaxNs"), json_string_value(json_object_get(row, "Text")));
  }
}

int wcx_ctl_stage_list(const wcx_ctl_t *ctl)
{
  static char answer[WCX_CTL_ANSWER_SZ];
  int status = wcx_ctl_ask(ctl, "{\"Stages\":{}}\n", answer, sizeof(answer));
  if (status != WCX_CTL_OK)
    return status;
  json_t *parsed = json_loads(answer, 0, NULL);
  const json_t *shards = json_object_get(json_object_get(parsed, "Stages"), "Shards");
  if (shards == NULL)
    status = wcx_ctl_fail(WCX_CTL_FAILED, "unexpected answer: %s", answer);
  else if (ctl->json)
    fputs(answer, stdout);
  for (size_t i = 0; !ctl->json && i < json_array_size(shards); i++)
    print_shard(json_array_get(shards, i));
  json_decref(parsed);
  return status;
}
