/* The journal ring of a shard: inputs on their way from the sequencer to the disk. One producer, one consumer, shared memory.

       slot (256 bytes):  commit | slot_cnt | sz | bytes[240]
                            |        |        '-- bytes of the record in all its slots (first slot only)
                            |        '-- slots of this record: 1.. in its first slot, 0 in the others
                            '-- the record's seq; WCX_JRING_CONTINUED | seq in its further slots; 0 = never written since the ring was cleared

   Rules
    1. The commit word is the sequence itself, never a flag: a stale slot holds an older sequence and cannot be mistaken for the next one.
    2. A record's further slots are written first, its first slot's commit word last, with release. The consumer reads that word with acquire:
       when it equals the sequence it waits for, the whole record is there.
    3. Commit before apply: a record is in the ring before the engine sees it.
    4. A slot may be written again only when the record in it is released (seq <= release_seq). The producer computes its room from the
       release word alone and keeps the position of each unreleased record itself; the consumer has no cursor in shared memory.
    5. A record never wraps: when it does not fit before the end of the ring it starts at slot 0, and the slots left over get
       WCX_JRING_SKIP | seq (seq of the record that follows) as commit word.
    6. The consumer trusts nothing it reads: sz, slot_cnt and the record header are checked before use.

   A new producer (restart of the data plane) clears the whole ring after its epoch is granted and starts again at slot 0.
   A new consumer (restart of the worker) finds its place by scanning: wcx_jring_find.

   Owner:      slots: the data plane. `bell`: both, see doorbell.h.
   Bounds:     slot_cnt of the ring is a power of two, 64..2^20.
   Pinned by:  tests/unit/test_shm.c, tests/race/. */
#ifndef WCX_SHM_JRING_H
#define WCX_SHM_JRING_H

#include "engine/base/doorbell.h"
#include "engine/shm/record.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

#define WCX_JRING_SLOT_BYTES 240
#define WCX_JRING_CONTINUED (UINT64_C(1) << 63)
#define WCX_JRING_SKIP (UINT64_C(1) << 62)

typedef struct wcx_jring_slot
{
  _Alignas(64) _Atomic uint64_t commit;
  uint32_t slot_cnt;
  uint32_t sz;
  uint8_t bytes[WCX_JRING_SLOT_BYTES];
} wcx_jring_slot_t;
static_assert(sizeof(wcx_jring_slot_t) == 256, "ring slot");
static_assert(offsetof(wcx_jring_slot_t, bytes) == 16, "ring slot");

typedef struct wcx_jring
{
  wcx_doorbell_t bell;
  _Alignas(64) uint32_t slot_max; /* set when the region is made, constant afterwards */
  uint32_t reserved[15];          /* slot_max slots follow */
} wcx_jring_t;
static_assert(sizeof(wcx_jring_t) == 128, "ring header");

static inline size_t wcx_jring_footprint(uint32_t slot_max)
{
  return sizeof(wcx_jring_t) + (size_t)slot_max * sizeof(wcx_jring_slot_t);
}

static inline uint32_t wcx_jring_slots_of(uint32_t record_sz)
{
  return (record_sz + WCX_JRING_SLOT_BYTES - 1) / WCX_JRING_SLOT_BYTES;
}

/* Producer. `pos` counts slots since the ring was cleared; slot index = pos & (slot_max - 1). */
typedef struct wcx_jring_producer
{
  wcx_jring_t *ring;
  uint64_t pos;          /* next slot to write */
  uint64_t released_pos; /* slots below are free: every record in them is released */
  uint64_t *end_pos;     /* own memory, slot_max entries: end_pos[seq & (slot_max-1)] = position after that record */
  uint64_t released_seq; /* up to which released_pos was computed */
  uint64_t next_seq;
} wcx_jring_producer_t;

#define WCX_JRING_RECORD_SLOTS_MAX 12u /* room any record needs: the largest (6 slots) and the skip before it */

static inline wcx_jring_slot_t *wcx_jring_at(wcx_jring_t *ring, uint64_t pos)
{
  return (wcx_jring_slot_t *)(void *)(ring + 1) + (pos & (ring->slot_max - 1));
}

/* Clear every slot and start at slot 0; the record that follows is released_seq + 1. `end_pos` is memory for slot_max entries. */
static inline void wcx_jring_producer_init(wcx_jring_producer_t *p, wcx_jring_t *ring, uint64_t *end_pos, uint64_t released_seq)
{
  for (uint32_t i = 0; i < ring->slot_max; i++)
  {
    wcx_jring_slot_t *slot = wcx_jring_at(ring, i);
    atomic_store_explicit(&slot->commit, 0, memory_order_relaxed);
    slot->slot_cnt = 0;
    slot->sz = 0;
  }
  *p = (wcx_jring_producer_t){.ring = ring, .end_pos = end_pos, .released_seq = released_seq, .next_seq = released_seq + 1};
}

/* Slots that may be written now; `release_seq` as read from the release word. */
static inline uint32_t wcx_jring_room(wcx_jring_producer_t *p, uint64_t release_seq)
{
  if (release_seq >= p->next_seq)
    release_seq = p->next_seq - 1;
  if (release_seq > p->released_seq)
  {
    p->released_pos = p->end_pos[release_seq & (p->ring->slot_max - 1)];
    p->released_seq = release_seq;
  }
  return p->ring->slot_max - (uint32_t)(p->pos - p->released_pos);
}

/* Write and commit one record; hdr->seq must be p->next_seq. Needs WCX_JRING_RECORD_SLOTS_MAX slots of room.
   Does not ring the bell: once per burst is enough. */
static inline void wcx_jring_commit(wcx_jring_producer_t *p, const wcx_record_hdr_t *hdr, const void *body)
{
  wcx_jring_t *ring = p->ring;
  uint32_t sz = wcx_record_sz(hdr->body_sz);
  uint32_t slot_cnt = wcx_jring_slots_of(sz);
  uint32_t to_end = ring->slot_max - (uint32_t)(p->pos & (ring->slot_max - 1));
  if (slot_cnt > to_end)
    for (; to_end > 0; to_end--, p->pos++)
      atomic_store_explicit(&wcx_jring_at(ring, p->pos)->commit, WCX_JRING_SKIP | hdr->seq, memory_order_relaxed);

  wcx_jring_slot_t *first = wcx_jring_at(ring, p->pos);
  const uint8_t *from = body;
  uint32_t left = hdr->body_sz;
  uint32_t pad = sz - 64u - hdr->body_sz;
  memcpy(first->bytes, hdr, 64);
  uint32_t part = left < WCX_JRING_SLOT_BYTES - 64u ? left : WCX_JRING_SLOT_BYTES - 64u;
  memcpy(first->bytes + 64, from, part);
  uint8_t *end = first->bytes + 64 + part;
  left -= part;
  from += part;
  for (uint32_t i = 1; i < slot_cnt; i++)
  {
    wcx_jring_slot_t *slot = wcx_jring_at(ring, p->pos + i);
    part = left < WCX_JRING_SLOT_BYTES ? left : WCX_JRING_SLOT_BYTES;
    memcpy(slot->bytes, from, part);
    end = slot->bytes + part;
    left -= part;
    from += part;
    slot->slot_cnt = 0;
    slot->sz = 0;
    atomic_store_explicit(&slot->commit, WCX_JRING_CONTINUED | hdr->seq, memory_order_relaxed);
  }
  memset(end, 0, pad); /* never crosses a slot: record and slot sizes are multiples of 8 */
  first->slot_cnt = slot_cnt;
  first->sz = sz;
  p->pos += slot_cnt;
  p->end_pos[hdr->seq & (ring->slot_max - 1)] = p->pos;
  p->next_seq = hdr->seq + 1;
  atomic_store_explicit(&first->commit, hdr->seq, memory_order_release); /* pairs with the acquire in wcx_jring_take */
}

/* Consumer, in the worker's own memory. */
typedef struct wcx_jring_consumer
{
  wcx_jring_t *ring;
  uint64_t pos;
  uint64_t next_seq;
} wcx_jring_consumer_t;

enum wcx_jring_result
{
  WCX_JRING_EMPTY = 0,
  WCX_JRING_RECORD = 1,
  WCX_JRING_CORRUPT = -1, /* a slot contradicts the rules above: halt, the producer is broken */
};

/* Copy the next record to `out` (WCX_RECORD_SZ_MAX bytes: header, body, zero padding) and move on.
   Returns RECORD with *sz set, EMPTY, or CORRUPT. Sizes, format, seq, shard and reserved bytes are checked before it returns RECORD. */
__attribute__((warn_unused_result)) static inline int wcx_jring_take(wcx_jring_consumer_t *c, uint32_t shard, void *out, uint32_t *sz)
{
  wcx_jring_t *ring = c->ring;
  uint64_t pos = c->pos;
  wcx_jring_slot_t *slot = wcx_jring_at(ring, pos);
  uint64_t commit = atomic_load_explicit(&slot->commit, memory_order_acquire); /* pairs with the release in wcx_jring_commit */
  if (commit == (WCX_JRING_SKIP | c->next_seq))
  {
    pos += ring->slot_max - (pos & (ring->slot_max - 1));
    slot = wcx_jring_at(ring, pos);
    commit = atomic_load_explicit(&slot->commit, memory_order_acquire);
  }
  if (commit != c->next_seq)
    return WCX_JRING_EMPTY;

  uint32_t record_sz = slot->sz;
  uint32_t slot_cnt = slot->slot_cnt;
  uint32_t to_end = ring->slot_max - (uint32_t)(pos & (ring->slot_max - 1));
  if (record_sz < 64 || record_sz > WCX_RECORD_SZ_MAX || slot_cnt != wcx_jring_slots_of(record_sz) || slot_cnt > to_end)
    return WCX_JRING_CORRUPT;
  uint8_t *to = out;
  for (uint32_t i = 0, left = record_sz; i < slot_cnt; i++)
  {
    wcx_jring_slot_t *part = wcx_jring_at(ring, pos + i);
    if (i > 0 && atomic_load_explicit(&part->commit, memory_order_relaxed) != (WCX_JRING_CONTINUED | c->next_seq))
      return WCX_JRING_CORRUPT;
    uint32_t chunk = left < WCX_JRING_SLOT_BYTES ? left : WCX_JRING_SLOT_BYTES;
    memcpy(to, part->bytes, chunk);
    to += chunk;
    left -= chunk;
  }
  wcx_record_hdr_t hdr;
  memcpy(&hdr, out, sizeof(hdr));
  bool sound =
      hdr.format == WCX_RECORD_FORMAT && hdr.seq == c->next_seq && hdr.shard == shard && wcx_record_sz(hdr.body_sz) == record_sz && hdr.reserved0 == 0 && hdr.reserved1 == 0;
  if (!sound)
    return WCX_JRING_CORRUPT;
  c->pos = pos + slot_cnt;
  c->next_seq++;
  *sz = record_sz;
  return WCX_JRING_RECORD;
}

/* Find the place of next_seq after a restart of the consumer. True: c is set, and next_seq is in the ring or is what the producer will write next:
   its predecessor is there, or nothing above it is (an empty ring, or one that a restarted producer is clearing right now; that producer goes on
   at slot 0). False: there are records above next_seq without it, so records are lost: halt. */
__attribute__((warn_unused_result)) static inline bool wcx_jring_find(wcx_jring_consumer_t *c, uint64_t next_seq)
{
  wcx_jring_t *ring = c->ring;
  bool above = true;
  c->next_seq = next_seq;
  c->pos = 0;
  for (int pass = 0; above && pass < 2; pass++) /* what a living producer committed behind the first pass's back is there in the second */
  {
    above = false;
    for (uint32_t i = 0; i < ring->slot_max; i++)
    {
      uint64_t commit = atomic_load_explicit(&wcx_jring_at(ring, i)->commit, memory_order_acquire);
      if (commit == 0 || (commit & (WCX_JRING_CONTINUED | WCX_JRING_SKIP)) != 0)
        continue;
      if (commit == next_seq)
      {
        c->pos = i;
        return true;
      }
      above = above || commit > next_seq;
      if (commit == next_seq - 1)
        c->pos = i + wcx_jring_at(ring, i)->slot_cnt;
    }
  }
  return !above;
}

#endif
