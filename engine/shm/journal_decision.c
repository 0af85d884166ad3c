#include "engine/shm/journal_decision.h"

#include "engine/base/crc32c.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static uint32_t crc_of(const wcx_journal_decision_t *decision)
{
  wcx_journal_decision_t copy = *decision;
  copy.crc32c = 0;
  return wcx_crc32c(0, &copy, sizeof(copy));
}

static uint32_t carried_crc(const wcx_journal_carried_t *carried)
{
  wcx_journal_carried_t copy = *carried;
  copy.crc32c = 0;
  return wcx_crc32c(0, &copy, sizeof(copy));
}

static bool all_zero(const uint8_t *at, size_t sz)
{
  return at[0] == 0 && memcmp(at, at + 1, sz - 1) == 0;
}

static bool same(wcx_digest_t a, wcx_digest_t b)
{
  return a.lo == b.lo && a.hi == b.hi;
}

void wcx_journal_decision_page(uint8_t page[WCX_JOURNAL_ALIGN], const wcx_journal_decision_t *decision)
{
  wcx_journal_decision_t words = *decision;
  words.crc32c = crc_of(decision);
  memset(page, 0, WCX_JOURNAL_ALIGN);
  memcpy(page, &words, sizeof(words));
}

bool wcx_journal_decision_read(const uint8_t page[WCX_JOURNAL_ALIGN], const wcx_journal_super_t *super, wcx_journal_decision_t *decision)
{
  memcpy(decision, page, sizeof(*decision));
  bool sound = decision->magic == WCX_JOURNAL_DECISION_MAGIC && decision->version == WCX_JOURNAL_VERSION && decision->crc32c == crc_of(decision);
  sound = sound && decision->reserved16 == 0 && decision->reserved32 == 0 && decision->shard == super->shard && decision->reason[sizeof(decision->reason) - 1] == '\0';
  sound = sound && memcmp(decision->journal_id, super->journal_id, sizeof(decision->journal_id)) == 0;
  for (uint32_t i = 0; i < 2; i++)
    sound = sound && decision->approvals[i].operator_name[sizeof(decision->approvals[i].operator_name) - 1] == '\0';
  return sound && all_zero(page + sizeof(*decision), WCX_JOURNAL_ALIGN - sizeof(*decision));
}

wcx_digest_t wcx_journal_decision_digest(const uint8_t page[WCX_JOURNAL_ALIGN])
{
  wcx_digest_t digest = wcx_digest_of(WCX_JOURNAL_DECISION_MAGIC, page, WCX_JOURNAL_ALIGN);
  digest.lo |= 1; /* zero says that there is none */
  return digest;
}

enum wcx_journal_carried_state wcx_journal_carried_read(const uint8_t page[WCX_JOURNAL_ALIGN], wcx_digest_t decision, uint64_t *at_ns)
{
  wcx_journal_carried_t carried;
  memcpy(&carried, page, sizeof(carried));
  bool sound = carried.magic == WCX_JOURNAL_CARRIED_MAGIC && carried.crc32c == carried_crc(&carried) && same(carried.decision, decision);
  sound = sound && (carried.state == WCX_JOURNAL_CARRIED_BEGUN || carried.state == WCX_JOURNAL_CARRIED_DONE);
  *at_ns = sound ? carried.at_ns : 0;
  return sound ? (enum wcx_journal_carried_state)carried.state : WCX_JOURNAL_CARRIED_NOT;
}

void wcx_journal_carried_page(uint8_t page[WCX_JOURNAL_ALIGN], enum wcx_journal_carried_state state, wcx_digest_t decision, uint64_t at_ns)
{
  wcx_journal_carried_t carried = {.magic = WCX_JOURNAL_CARRIED_MAGIC, .state = state, .decision = decision, .at_ns = at_ns};
  carried.crc32c = carried_crc(&carried);
  memset(page, 0, WCX_JOURNAL_ALIGN);
  memcpy(page, &carried, sizeof(carried));
}

size_t wcx_journal_decision_text(char text[WCX_JOURNAL_DECISION_TEXT_SZ], const wcx_journal_decision_t *decision)
{
  const wcx_journal_finding_t *finding = &decision->finding;
  size_t len = (size_t)snprintf(text, WCX_JOURNAL_DECISION_TEXT_SZ, "wcx decision\njournal ");
  for (uint32_t i = 0; i < sizeof(decision->journal_id); i++)
    len += (size_t)snprintf(text + len, WCX_JOURNAL_DECISION_TEXT_SZ - len, "%02x", decision->journal_id[i]);
  len += (size_t)snprintf(text + len, WCX_JOURNAL_DECISION_TEXT_SZ - len,
                          "\nshard %u\ncut behind seq %" PRIu64 ", block %" PRIu64 ", digest %016" PRIx64 "%016" PRIx64 "\nat segment %" PRIu64 " offset %" PRIu64
                          "\nfound %s by row %u, place %u, bytes %016" PRIx64 "%016" PRIx64 "\nacknowledged up to seq %" PRIu64 ", hint %" PRIu64 ", anchored beyond %u\n",
                          decision->shard, finding->last_seq, finding->last_block_no, finding->digest.hi, finding->digest.lo, finding->segment_no, finding->off,
                          wcx_journal_verdict_name((enum wcx_journal_verdict)(finding->verdict % 5)), finding->row, finding->place, finding->bytes.hi, finding->bytes.lo,
                          finding->acked_seq, finding->committed_hint, finding->anchored_beyond);
  if (decision->lost_to != 0)
    len += (size_t)snprintf(text + len, WCX_JOURNAL_DECISION_TEXT_SZ - len, "lose acknowledged %" PRIu64 "..%" PRIu64 "\n", decision->lost_from, decision->lost_to);
  else
    len += (size_t)snprintf(text + len, WCX_JOURNAL_DECISION_TEXT_SZ - len, "lose nothing that is known to have been acknowledged\n");
  len += (size_t)snprintf(text + len, WCX_JOURNAL_DECISION_TEXT_SZ - len, "reason %s\n", decision->reason);
  return len;
}

const char *wcx_journal_decision_differs(const wcx_journal_decision_t *decision, const wcx_journal_finding_t *finding, bool begun)
{
  const wcx_journal_finding_t *of = &decision->finding;
  if (of->segment_no != finding->segment_no || of->off != finding->off || of->last_block_no != finding->last_block_no || of->last_seq != finding->last_seq)
    return "another place";
  if (!same(of->digest, finding->digest))
    return "a journal with another past";
  if (begun)
    return NULL;
  if (!same(of->bytes, finding->bytes))
    return "other bytes behind the end";
  bool words = of->verdict == finding->verdict && of->row == finding->row && of->place == finding->place && of->committed_hint == finding->committed_hint;
  return words ? NULL : "another finding";
}

bool wcx_journal_decision_owns_up(const wcx_journal_decision_t *decision, const wcx_journal_finding_t *finding)
{
  if (finding->acked_seq <= finding->last_seq)
    return decision->lost_to == 0 || decision->lost_from == finding->last_seq + 1;
  return decision->lost_from == finding->last_seq + 1 && decision->lost_to >= finding->acked_seq;
}
