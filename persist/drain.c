/* The ring's side of the worker. Everything in the ring is untrusted: a record that would make its block invalid must be refused here, because on
   disk it could no longer be told from damage. */
#include "persist/journal.h"

#include <inttypes.h>

/* A data plane that restarts clears the ring and begins at slot 0. A worker that restarted meanwhile may have found its place behind an old
   record; the sequence in slot 0 tells. */
static bool restarted_at_zero(const wcx_journal_t *journal)
{
  const wcx_jring_consumer_t *consumer = &journal->consumer;
  bool elsewhere = (consumer->pos & (consumer->ring->slot_max - 1)) != 0;
  return elsewhere && atomic_load_explicit(&wcx_jring_at(consumer->ring, 0)->commit, memory_order_acquire) == consumer->next_seq; /* pairs with wcx_jring_commit */
}

bool wcx_journal_ring_pending(const wcx_journal_t *journal)
{
  const wcx_jring_consumer_t *consumer = &journal->consumer;
  uint64_t commit = atomic_load_explicit(&wcx_jring_at(consumer->ring, consumer->pos)->commit, memory_order_acquire); /* pairs with wcx_jring_commit */
  return commit == consumer->next_seq || restarted_at_zero(journal);                                                  /* a skip is followed by a record in slot 0 */
}

static bool padding_zero(const uint8_t *record, const wcx_record_hdr_t *hdr, uint32_t sz)
{
  return wcx_journal_all_zero(record + 64 + hdr->body_sz, sz - 64u - hdr->body_sz);
}

int wcx_journal_drain(wcx_journal_t *journal, wcx_block_t *block)
{
  int taken = 0;
  journal->ring_empty = false;
  while (wcx_block_room(block))
  {
    uint8_t *record = wcx_block_tail(block);
    uint32_t sz;
    uint64_t seq = journal->consumer.next_seq;
    int result = wcx_jring_take(&journal->consumer, journal->config.shard, record, &sz);
    if (result == WCX_JRING_EMPTY && restarted_at_zero(journal))
    {
      journal->consumer.pos = 0;
      continue;
    }
    if (result == WCX_JRING_EMPTY)
    {
      journal->ring_empty = true;
      return taken;
    }
    wcx_record_hdr_t hdr;
    if (result == WCX_JRING_RECORD)
      memcpy(&hdr, record, sizeof(hdr));
    if (result != WCX_JRING_RECORD || hdr.stamp_ns <= journal->last_stamp_ns || !padding_zero(record, &hdr, sz))
    {
      snprintf(journal->text, sizeof(journal->text), "the ring contradicts its rules at seq %" PRIu64 " (%s): the data plane is broken, restart it", seq,
               result == WCX_JRING_RECORD ? "stamp or padding" : "slot");
      return -1;
    }
    journal->last_stamp_ns = hdr.stamp_ns;
    wcx_block_add(block, sz);
    taken++;
  }
  return taken;
}
