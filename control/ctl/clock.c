#include "control/ctl/ctl.h"

#include <jansson.h>
#include <stdio.h>

/* The jump of UTC that the shard holds back, as its status tells it. 0: none. */
static int held_jump(const wcx_ctl_t *ctl, uint32_t shard, json_int_t *jump, json_int_t *ahead_ns)
{
  static char answer[WCX_CTL_ANSWER_SZ];
  int status = wcx_ctl_ask(ctl, "{\"Status\":{}}\n", answer, sizeof(answer));
  if (status != WCX_CTL_OK)
    return status;
  json_t *parsed = json_loads(answer, 0, NULL);
  const json_t *shards = json_object_get(json_object_get(parsed, "Status"), "Shards");
  *ahead_ns = 0;
  for (size_t i = 0; i < json_array_size(shards); i++)
  {
    const json_t *row = json_array_get(shards, i);
    if (json_integer_value(json_object_get(row, "Shard")) != shard)
      continue;
    *jump = json_integer_value(json_object_get(row, "ClockJumps"));
    *ahead_ns = json_integer_value(json_object_get(row, "ClockAheadNs"));
  }
  json_decref(parsed);
  return WCX_CTL_OK;
}

static int confirm_of_shard(const wcx_ctl_t *ctl, uint32_t shard)
{
  json_int_t jump = 0;
  json_int_t ahead_ns;
  int status = held_jump(ctl, shard, &jump, &ahead_ns);
  if (status != WCX_CTL_OK)
    return status;
  if (ahead_ns == 0)
    return wcx_ctl_fail(WCX_CTL_REFUSED, "shard %u: no jump of UTC is held back", shard);
  char request[96];
  char answer[1024];
  snprintf(request, sizeof(request), "{\"ClockConfirm\":{\"Shard\":%u,\"Jump\":%" JSON_INTEGER_FORMAT "}}\n", shard, jump);
  status = wcx_ctl_ask(ctl, request, answer, sizeof(answer));
  if (status != WCX_CTL_OK)
    return status;
  json_t *parsed = json_loads(answer, 0, NULL);
  const char *error = json_string_value(json_object_get(json_object_get(parsed, "Error"), "Text"));
  if (json_object_get(parsed, "ClockConfirmed") == NULL)
    status = wcx_ctl_fail(WCX_CTL_REFUSED, "shard %u: %s", shard, error != NULL ? error : answer);
  else if (ctl->json)
    fputs(answer, stdout);
  else
    printf("shard %u: UTC is followed %" JSON_INTEGER_FORMAT " ms ahead\n", shard, ahead_ns / 1000000);
  json_decref(parsed);
  return status;
}

int wcx_ctl_clock_confirm(const wcx_ctl_t *ctl)
{
  return wcx_ctl_each_shard(ctl, confirm_of_shard);
}
