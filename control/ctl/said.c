#include "control/ctl/said.h"

#include "control/ctl/replay.h"
#include "engine/json.h"

#include <inttypes.h>
#include <string.h>

#define TEXT_SZ 4096u

int wcx_ctl_last_date(const wcx_ctl_t *ctl, uint32_t shard, uint64_t limit_seq, uint32_t *date)
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

void wcx_ctl_print_said(const wcx_ctl_t *ctl, uint64_t number, const wcx_out_entry_t *entry)
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
