#include "control/ctl/replay.h"
#include "engine/json.h"

#include <inttypes.h>

static int list_shard(const wcx_ctl_t *ctl, uint32_t shard)
{
  wcx_ctl_replay_t replay;
  int status = wcx_ctl_replay_open_late(&replay, ctl, shard, NULL);
  if (status == WCX_CTL_OK)
    status = wcx_ctl_replay_run(&replay, ctl);
  if (status == WCX_CTL_OK && !ctl->json)
    printf("shard %u as_of_seq %" PRIu64 "\n  %8s %-24s %-28s %6s %6s %10s %10s\n", shard, wcx_engine_applied_seq(replay.engine), "id", "symbol", "status", "px exp", "qty exp",
           "increment", "lot");
  wcx_security_definition_t instrument;
  for (uint32_t i = 0; status == WCX_CTL_OK && wcx_engine_instrument_at(replay.engine, i, &instrument); i++)
  {
    char text[2048];
    if (wcx_json_member(text, sizeof(text), WCX_TEMPLATE_SECURITY_DEFINITION, &instrument, sizeof(instrument)) < 0)
      status = wcx_ctl_fail(WCX_CTL_FAILED, "instrument %u does not fit a line", instrument.security_id);
    else if (ctl->json)
      printf("{\"as_of_seq\":%" PRIu64 ",%s}\n", wcx_engine_applied_seq(replay.engine), text);
    else
    {
      const wcx_sbe_msg_t *msg = wcx_sbe_find(WCX_TEMPLATE_SECURITY_DEFINITION);
      const char *name = "?";
      for (uint32_t k = 0; k < msg->field_cnt; k++)
        for (uint32_t v = 0; msg->fields[k].ref != NULL && v < msg->fields[k].ref->value_cnt; v++)
          if (msg->fields[k].off == offsetof(wcx_security_definition_t, security_trading_status) && msg->fields[k].ref->values[v].value == instrument.security_trading_status)
            name = msg->fields[k].ref->values[v].name;
      printf("  %8u %.24s %-28s %6d %6d %10" PRId64 " %10" PRId64 "\n", instrument.security_id, instrument.symbol, name, instrument.price_exponent, instrument.qty_exponent,
             instrument.min_price_increment, instrument.round_lot);
    }
  }
  wcx_ctl_replay_close(&replay);
  return status;
}

int wcx_ctl_instrument_list(const wcx_ctl_t *ctl)
{
  return wcx_ctl_each_shard(ctl, list_shard);
}
