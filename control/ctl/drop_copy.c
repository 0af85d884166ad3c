#include "control/ctl/replay.h"
#include "engine/drop_scope.h"
#include "engine/json.h"

#include <inttypes.h>
#include <string.h>

#define TEXT_SZ 4096u

/* The date of the last DayRoll the journal shows, as far as the replay may go; 0: none. */
static int last_date(const wcx_ctl_t *ctl, uint32_t shard, uint64_t limit_seq, uint32_t *date)
{
  wcx_journal_walk_t walk;
  int status = wcx_ctl_walk_open(&walk, ctl, shard);
  if (status != WCX_CTL_OK)
    return status;
  uint64_t epoch;
  wcx_record_hdr_t hdr;
  const uint8_t *body;
  while (wcx_journal_walk_next(&walk, &epoch, &hdr, &body) == 1 && hdr.seq <= limit_seq)
  {
    wcx_day_roll_t roll;
    if (hdr.template_id != WCX_TEMPLATE_DAY_ROLL || hdr.body_sz < sizeof(roll))
      continue;
    memcpy(&roll, body, sizeof(roll));
    *date = roll.trade_date;
  }
  wcx_journal_walk_close(&walk);
  return WCX_CTL_OK;
}

static void print_report(const wcx_ctl_t *ctl, uint64_t number, const wcx_out_entry_t *entry)
{
  const uint8_t *message = (const uint8_t *)(entry + 1);
  wcx_message_header_t header;
  memcpy(&header, message, sizeof(header));
  if (ctl->raw)
  {
    uint8_t soup[3] = {(uint8_t)((entry->len + 1) >> 8), (uint8_t)(entry->len + 1), 'S'};
    fwrite(soup, 1, sizeof(soup), stdout);
    fwrite(message, 1, entry->len, stdout);
    return;
  }
  char text[TEXT_SZ];
  (void)wcx_json_member(text, sizeof(text), header.template_id, message + sizeof(header), (uint16_t)(entry->len - sizeof(header)));
  if (ctl->json)
    printf("{\"Number\":%" PRIu64 ",\"Seq\":%" PRIu64 ",%s}\n", number, entry->input_seq, text);
  else
    printf("%8" PRIu64 "  seq %10" PRIu64 "  %s\n", number, entry->input_seq, text);
}

/* What one input said, from `pos` of the log on. */
static void print_input(const wcx_ctl_t *ctl, const wcx_ctl_replay_t *replay, uint64_t pos, bool wanted, uint64_t *number)
{
  const wcx_outlog_t *log = &replay->outlog;
  for (pos = wcx_outlog_settle(log, pos, log->write_pos); pos < log->write_pos; pos = wcx_outlog_settle(log, pos, log->write_pos))
  {
    const wcx_out_entry_t *entry = wcx_outlog_at(log, pos);
    pos += entry->entry_sz;
    if (entry->stream != WCX_STREAM_SESSION || !wcx_drop_copied((const uint8_t *)(entry + 1), entry->stream_id))
      continue;
    if (wcx_drop_scope_of(replay->engine, entry->stream_id, ctl->scope_kind).id != ctl->scope_id)
      continue;
    if (wanted)
      print_report(ctl, *number, entry);
    (*number)++;
  }
}

static int show_shard(const wcx_ctl_t *ctl, uint32_t shard)
{
  wcx_ctl_replay_t replay;
  int status = wcx_ctl_replay_open(&replay, ctl, shard);
  uint32_t date = ctl->date;
  if (status == WCX_CTL_OK && date == 0)
    status = last_date(ctl, shard, replay.limit_seq, &date);
  uint64_t number = 1;
  uint32_t today = 0;
  int got = status == WCX_CTL_OK ? 1 : 0;
  while (got == 1)
  {
    got = wcx_ctl_replay_step(&replay);
    if (got != 1)
      break;
    uint32_t of = wcx_engine_trade_date(replay.engine);
    number = of != today ? 1 : number;
    today = of;
    print_input(ctl, &replay, replay.outlog.sent_pos, of == date, &number);
  }
  if (got < 0)
    status = wcx_ctl_fail(WCX_CTL_FAILED, "shard %u: %s", shard, replay.walk.text);
  wcx_ctl_replay_close(&replay);
  return status;
}

int wcx_ctl_drop_copy_show(const wcx_ctl_t *ctl)
{
  if (ctl->scope_id == 0)
    return wcx_ctl_fail(WCX_CTL_USAGE, "drop-copy show needs whose reports: --session ID, --account ID or --firm ID");
  return wcx_ctl_each_shard(ctl, show_shard);
}
