#include "control/ctl/replay.h"
#include "control/ctl/said.h"
#include "engine/drop_scope.h"

/* What one input said, from `pos` of the log on. Whether something was shown. */
static bool print_input(const wcx_ctl_t *ctl, const wcx_ctl_replay_t *replay, uint64_t pos, bool wanted, uint64_t *number)
{
  const wcx_outlog_t *log = &replay->outlog;
  bool shown = false;
  for (pos = wcx_outlog_settle(log, pos, log->write_pos); pos < log->write_pos; pos = wcx_outlog_settle(log, pos, log->write_pos))
  {
    const wcx_out_entry_t *entry = wcx_outlog_at(log, pos);
    pos += entry->entry_sz;
    if (entry->stream != WCX_STREAM_SESSION || !wcx_drop_copied((const uint8_t *)(entry + 1), entry->stream_id))
      continue;
    if (wcx_drop_scope_of(replay->engine, entry->stream_id, ctl->scope_kind).id != ctl->scope_id)
      continue;
    if (wanted)
      wcx_ctl_print_said(ctl, *number, entry);
    shown = shown || wanted;
    (*number)++;
  }
  return shown;
}

static int show_shard(const wcx_ctl_t *ctl, uint32_t shard)
{
  wcx_ctl_replay_t replay;
  int status = wcx_ctl_replay_open(&replay, ctl, shard);
  uint32_t date = ctl->date;
  if (status == WCX_CTL_OK && date == 0)
    status = wcx_ctl_last_date(ctl, shard, replay.limit_seq, &date);
  uint64_t number = 1;
  uint32_t today = 0;
  bool shown = false;
  int got = status == WCX_CTL_OK ? 1 : 0;
  while (got == 1)
  {
    got = wcx_ctl_replay_step(&replay);
    if (got != 1)
      break;
    uint32_t of = wcx_engine_trade_date(replay.engine);
    number = of != today ? 1 : number;
    today = of;
    shown = print_input(ctl, &replay, replay.outlog.sent_pos, of == date, &number) || shown;
  }
  if (got < 0)
    status = wcx_ctl_fail(WCX_CTL_FAILED, "shard %u: %s", shard, replay.walk.text);
  if (status == WCX_CTL_OK && !shown)
    wcx_ctl_fail(WCX_CTL_OK, "shard %u: %s %u has no report of %u", shard,
                 ctl->scope_kind == WCX_DROP_SESSION   ? "session"
                 : ctl->scope_kind == WCX_DROP_ACCOUNT ? "account"
                                                       : "firm",
                 ctl->scope_id, date);
  wcx_ctl_replay_close(&replay);
  return status;
}

int wcx_ctl_drop_copy_show(const wcx_ctl_t *ctl)
{
  if (ctl->scope_id == 0)
    return wcx_ctl_fail(WCX_CTL_USAGE, "drop-copy show needs whose reports: --session ID, --account ID or --firm ID");
  return wcx_ctl_each_shard(ctl, show_shard);
}
