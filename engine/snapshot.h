/* The whole state of an engine as bytes, and an engine from such bytes: what a restart begins with instead of the first record of the journal.

   Format 1, little-endian, nothing padded between the parts:

       header    80 bytes: magic "WCXSNAP\0", byte order, format, shard, size of all, position (seq, stamp), digests of state and output,
                 number of sections, CRC32C of the header (this field 0) and the table
       table     24 bytes a section: id, element size, elements, CRC32C of its bytes, 4 zero bytes
       sections  each its elements back to back, in the order of the table

   The first section is the engine's own fields, one after the other; each other one is the used part of one table of the arena. Which these are stands in
   snapshot_table.c and nowhere else. A section's name, its element size and its place belong to the format: changing any of them takes a new format number.

   What is not in it: pointers, sizes of memory, the hash key, statistics, and what follows from the rest (id maps, ClOrdID index, heap of deadlines), which is built
   anew. So the process that loads may have other sizes, as long as what is in use fits. Slots of orders, levels and nodes, and the free lists, are kept: they decide which
   OrderIDs come next.

   Validity: a snapshot is loaded only when
     1. magic, byte order and format are ours, the sizes add up to the bytes given, and every section of the table is the one expected, of our element size;
     2. the CRCs of header and table and of every section hold;
     3. shard and limits are such that everything in use has its place;
     4. every index and slot in it lies in its table, and every list and tree ends (snapshot_check.c);
     5. the state digest kept, the one computed from scratch over what was loaded, and the one in the header are equal; so are the output digests.

   Why that is enough: a flipped bit fails 2, a torn or short file 1 or 2; a snapshot of another build fails 1. 5 finds what the saving engine had wrong, what a build reads
   differently, and what snapshot_table.c forgot as far as the digest knows it. Who can write CRCs and digests can write any state: 4 is there so that even such bytes
   make no load read outside its tables or run for ever. That the books themselves are sound is wcx_engine_verify's to say: whoever makes snapshots runs it on the reload,
   before the snapshot counts.

   Owner:      the engine's thread, between two inputs.
   Memory:     the caller's: no allocation, no I/O, no clock.
   Result:     the bytes are a function of the records applied: engines with other sizes of memory and other hash keys write the same, and so does an engine that was
               loaded from them.
   Bounds:     O(state).
   Pinned by:  tests/unit/test_snapshot*.c, tests/property/test_engine_invariants.c, tests/golden/snapshot.play, tests/diff. */
#ifndef WCX_ENGINE_SNAPSHOT_H
#define WCX_ENGINE_SNAPSHOT_H

#include "engine/engine.h"

#define WCX_SNAPSHOT_MAGIC "WCXSNAP"
#define WCX_SNAPSHOT_BYTE_ORDER 0x01020304u
#define WCX_SNAPSHOT_FORMAT 1u

typedef struct wcx_snapshot_hdr
{
  char magic[8];
  uint32_t byte_order;
  uint16_t format;
  uint16_t shard;
  uint64_t sz; /* bytes of all */
  uint64_t seq;
  uint64_t stamp_ns;
  wcx_digest_t state_digest;
  wcx_digest_t output_digest;
  uint32_t section_cnt;
  uint32_t crc;
} wcx_snapshot_hdr_t;
static_assert(sizeof(wcx_snapshot_hdr_t) == 80, "snapshot header");
static_assert(offsetof(wcx_snapshot_hdr_t, format) == 12, "snapshot header: what may be read of any format");
static_assert(offsetof(wcx_snapshot_hdr_t, sz) == 16, "snapshot header: position");
static_assert(offsetof(wcx_snapshot_hdr_t, state_digest) == 40, "snapshot header: digests");
static_assert(offsetof(wcx_snapshot_hdr_t, crc) == 76, "snapshot header: check value");

typedef struct wcx_snapshot_entry
{
  uint32_t id; /* enum wcx_snapshot_id */
  uint32_t sz; /* of an element */
  uint64_t cnt;
  uint32_t crc;
  uint32_t reserved;
} wcx_snapshot_entry_t;
static_assert(sizeof(wcx_snapshot_entry_t) == 24, "snapshot table");
static_assert(offsetof(wcx_snapshot_entry_t, cnt) == 8, "snapshot table");
static_assert(offsetof(wcx_snapshot_entry_t, crc) == 16, "snapshot table");

/* Bytes that wcx_engine_snapshot_save would write now. */
uint64_t wcx_engine_snapshot_sz(const wcx_engine_t *engine);

/* Write a snapshot to buf. Returns the bytes written, or 0 when sz is too small. */
uint64_t wcx_engine_snapshot_save(const wcx_engine_t *engine, void *buf, uint64_t sz);

/* An engine from a snapshot, in `mem` (sz bytes, aligned to 64; wcx_engine_footprint says how many). The snapshot need not be aligned and is not needed afterwards.
   NULL when it is refused: `error` (error_sz bytes) then says why, naming the value, and `mem` holds nothing. */
wcx_engine_t *wcx_engine_snapshot_load(void *mem, size_t sz, const wcx_engine_limits_t *limits, const void *snapshot, uint64_t snapshot_sz, char *error, size_t error_sz)
    __attribute__((warn_unused_result));

#endif
