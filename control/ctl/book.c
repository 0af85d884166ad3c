#include "control/ctl/replay.h"

#include <inttypes.h>

static bool print_level_json(void *ctx, int64_t price, int64_t displayed_qty, uint32_t order_cnt)
{
  bool *first = ctx;
  printf("%s[%" PRId64 ",%" PRId64 ",%u]", *first ? "" : ",", price, displayed_qty, order_cnt);
  *first = false;
  return true;
}

static bool print_level_table(void *ctx, int64_t price, int64_t displayed_qty, uint32_t order_cnt)
{
  printf("  %-4s %20" PRId64 " %20" PRId64 " %8u\n", (const char *)ctx, price, displayed_qty, order_cnt);
  return true;
}

static void show(const wcx_ctl_t *ctl, const wcx_engine_t *engine, const wcx_security_definition_t *instrument)
{
  uint64_t seq = wcx_engine_applied_seq(engine);
  uint32_t id = instrument->security_id;
  if (!ctl->json)
  {
    printf("%u %.24s as_of_seq %" PRIu64 "\n  %-4s %20s %20s %8s\n", id, instrument->symbol, seq, "side", "price", "quantity", "orders");
    wcx_engine_book(engine, id, WCX_SIDE_BUY, print_level_table, (char[]){"bid"});
    wcx_engine_book(engine, id, WCX_SIDE_SELL, print_level_table, (char[]){"ask"});
    return;
  }
  bool first = true;
  printf("{\"as_of_seq\":%" PRIu64 ",\"Book\":{\"SecurityID\":%u,\"Bids\":[", seq, id);
  wcx_engine_book(engine, id, WCX_SIDE_BUY, print_level_json, &first);
  printf("],\"Asks\":[");
  first = true;
  wcx_engine_book(engine, id, WCX_SIDE_SELL, print_level_json, &first);
  printf("]}}\n");
}

static bool shown_any;

static int show_shard(const wcx_ctl_t *ctl, uint32_t shard)
{
  wcx_ctl_replay_t replay;
  int status = wcx_ctl_replay_open_late(&replay, ctl, shard, NULL);
  if (status == WCX_CTL_OK)
    status = wcx_ctl_replay_run(&replay, ctl);
  wcx_security_definition_t instrument;
  for (uint32_t i = 0; status == WCX_CTL_OK && wcx_engine_instrument_at(replay.engine, i, &instrument); i++)
    if (ctl->security_id == 0 || ctl->security_id == instrument.security_id)
    {
      show(ctl, replay.engine, &instrument);
      shown_any = true;
    }
  wcx_ctl_replay_close(&replay);
  return status;
}

int wcx_ctl_book_show(const wcx_ctl_t *ctl)
{
  int status = wcx_ctl_each_shard(ctl, show_shard);
  if (status == WCX_CTL_OK && !shown_any && ctl->security_id == 0)
    return wcx_ctl_fail(WCX_CTL_FAILED, "there is no instrument at that seq: wcxctl instrument list shows those of now");
  if (status == WCX_CTL_OK && !shown_any)
    return wcx_ctl_fail(WCX_CTL_FAILED, "there is no instrument %u: wcxctl instrument list", ctl->security_id);
  return status;
}
