/* wcxctl feed show: market data of a day again, in the numbers under which it was sent: the source of what has left the data plane's window. */
#include "control/ctl/replay.h"
#include "control/ctl/said.h"

/* The day has not begun there, or the first message wanted is still to come. */
static bool early_enough(const wcx_engine_t *engine, const wcx_ctl_t *ctl)
{
  uint32_t date = wcx_engine_trade_date(engine);
  return date < ctl->date || (date == ctl->date && wcx_engine_feed_next_number(engine) <= ctl->from);
}

/* What the input applied last said to the feed. True: the last message wanted has been shown. *shown: of how many so far. */
static bool print_input(const wcx_ctl_t *ctl, const wcx_ctl_replay_t *replay, uint64_t *shown)
{
  const wcx_outlog_t *log = &replay->outlog;
  for (uint64_t pos = wcx_outlog_settle(log, log->sent_pos, log->write_pos); pos < log->write_pos; pos = wcx_outlog_settle(log, pos, log->write_pos))
  {
    const wcx_out_entry_t *entry = wcx_outlog_at(log, pos);
    pos += entry->entry_sz;
    if (entry->stream != WCX_STREAM_FEED || entry->number < ctl->from)
      continue;
    if (entry->number > ctl->to)
      return true;
    wcx_ctl_print_said(ctl, entry->number, entry);
    (*shown)++;
  }
  return false;
}

static int show_day(const wcx_ctl_t *ctl, uint32_t shard)
{
  wcx_ctl_replay_t replay;
  int status = wcx_ctl_replay_open_late(&replay, ctl, shard, early_enough);
  int got = status == WCX_CTL_OK ? 1 : 0;
  uint64_t shown = 0;
  while (got == 1 && (got = wcx_ctl_replay_step(&replay)) == 1)
  {
    uint32_t date = wcx_engine_trade_date(replay.engine);
    if (date > ctl->date || (date == ctl->date && print_input(ctl, &replay, &shown)))
      break;
  }
  if (got < 0)
    status = wcx_ctl_fail(WCX_CTL_FAILED, "shard %u: %s", shard, replay.walk.text);
  if (status == WCX_CTL_OK && shown == 0)
    wcx_ctl_fail(WCX_CTL_OK, "shard %u: the feed of %u has no message in %llu..%llu", shard, ctl->date, (unsigned long long)ctl->from, (unsigned long long)ctl->to);
  wcx_ctl_replay_close(&replay);
  return status;
}

/* The day of the journal's end: of its last DayRoll, or, when the segments that hold one are gone, of the newest snapshot. */
static int find_day(const wcx_ctl_t *ctl, uint32_t shard, uint32_t *date)
{
  int status = wcx_ctl_last_date(ctl, shard, wcx_ctl_limit_seq(ctl, shard), date);
  if (status != WCX_CTL_OK || *date != 0)
    return status;
  wcx_ctl_replay_t replay;
  status = wcx_ctl_replay_open_late(&replay, ctl, shard, NULL);
  if (status == WCX_CTL_OK)
    *date = wcx_engine_trade_date(replay.engine);
  wcx_ctl_replay_close(&replay);
  return status;
}

static int show_shard(const wcx_ctl_t *ctl, uint32_t shard)
{
  wcx_ctl_t of = *ctl;
  int status = of.date == 0 ? find_day(ctl, shard, &of.date) : WCX_CTL_OK;
  return status == WCX_CTL_OK ? show_day(&of, shard) : status;
}

int wcx_ctl_feed_show(const wcx_ctl_t *ctl)
{
  return wcx_ctl_each_shard(ctl, show_shard);
}
