#include "engine/shm/journal_override.h"

#include "engine/base/crc32c.h"
#include "engine/sbe.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

wcx_digest_t wcx_journal_record_hash(const wcx_record_hdr_t *hdr, const uint8_t *body)
{
  wcx_digest_t hash = {.lo = WCX_JOURNAL_OVERRIDE_MAGIC};
  wcx_digest_update(&hash, hdr, sizeof(*hdr));
  wcx_digest_update(&hash, body, hdr->body_sz);
  return hash;
}

static uint32_t crc_of(const wcx_journal_override_t *override)
{
  wcx_journal_override_t copy = *override;
  copy.crc32c = 0;
  return wcx_crc32c(0, &copy, sizeof(copy));
}

void wcx_journal_override_page(uint8_t page[WCX_JOURNAL_ALIGN], const wcx_journal_override_t *override)
{
  wcx_journal_override_t words = *override;
  words.crc32c = crc_of(override);
  memset(page, 0, WCX_JOURNAL_ALIGN);
  memcpy(page, &words, sizeof(words));
}

static bool all_zero(const uint8_t *at, size_t sz)
{
  return at[0] == 0 && memcmp(at, at + 1, sz - 1) == 0;
}

bool wcx_journal_override_read(const uint8_t page[WCX_JOURNAL_ALIGN], const wcx_journal_super_t *super, wcx_journal_override_t *override)
{
  memcpy(override, page, sizeof(*override));
  bool sound = override->magic == WCX_JOURNAL_OVERRIDE_MAGIC && override->version == WCX_JOURNAL_VERSION && override->crc32c == crc_of(override);
  sound = sound && override->reserved16 == 0 && override->reserved32 == 0 && override->shard == super->shard && override->seq > 0;
  sound = sound && memcmp(override->journal_id, super->journal_id, sizeof(override->journal_id)) == 0 && override->reason[sizeof(override->reason) - 1] == '\0';
  for (uint32_t i = 0; i < 2; i++)
    sound = sound && override->approvals[i].operator_name[sizeof(override->approvals[i].operator_name) - 1] == '\0';
  return sound && all_zero(page + sizeof(*override), WCX_JOURNAL_ALIGN - sizeof(*override));
}

size_t wcx_journal_override_text(char text[WCX_JOURNAL_OVERRIDE_TEXT_SZ], const wcx_journal_override_t *override)
{
  int len = snprintf(text, WCX_JOURNAL_OVERRIDE_TEXT_SZ, "wcx override\njournal ");
  for (uint32_t i = 0; i < sizeof(override->journal_id); i++)
    len += snprintf(text + len, WCX_JOURNAL_OVERRIDE_TEXT_SZ - (size_t)len, "%02x", override->journal_id[i]);
  len += snprintf(text + len, WCX_JOURNAL_OVERRIDE_TEXT_SZ - (size_t)len, "\nshard %u\nseq %" PRIu64 "\nhash %016" PRIx64 "%016" PRIx64 "\nreason %s\n", override->shard,
                  override->seq, override->hash.hi, override->hash.lo, override->reason);
  return (size_t)len;
}

bool wcx_journal_overrides_take(wcx_journal_overrides_t *overrides, const uint8_t page[WCX_JOURNAL_ALIGN], const wcx_journal_super_t *super)
{
  wcx_journal_override_t override;
  if (overrides->cnt == WCX_JOURNAL_OVERRIDES_MAX || !wcx_journal_override_read(page, super, &override))
    return false;
  overrides->seqs[overrides->cnt] = override.seq;
  overrides->hashes[overrides->cnt++] = override.hash;
  wcx_digest_update(&overrides->digest, page, WCX_JOURNAL_ALIGN);
  return true;
}

bool wcx_journal_overrides_apply(const wcx_journal_overrides_t *overrides, wcx_record_hdr_t *hdr, const uint8_t **body)
{
  static const wcx_tick_t tick = {0};
  for (uint32_t i = 0; i < overrides->cnt; i++)
  {
    if (overrides->seqs[i] != hdr->seq)
      continue;
    wcx_digest_t hash = wcx_journal_record_hash(hdr, *body);
    if (hash.lo != overrides->hashes[i].lo || hash.hi != overrides->hashes[i].hi)
      continue;
    *hdr = (wcx_record_hdr_t){.format = WCX_RECORD_FORMAT,
                              .template_id = WCX_TEMPLATE_TICK,
                              .flags = WCX_RECORD_F_OVERRIDDEN,
                              .shard = hdr->shard,
                              .seq = hdr->seq,
                              .stamp_ns = hdr->stamp_ns,
                              .body_sz = sizeof(tick)};
    *body = (const uint8_t *)&tick;
    return true;
  }
  return false;
}
