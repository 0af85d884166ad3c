/* The journal on disk: the specification of its bytes, the rule of validity and the argument why a crash loses nothing.

   1. Places
      <state_dir>/journal/shard-<nnnnn>/      nnnnn = shard id, 5 digits
        lock          empty, never unlinked or replaced; flock'ed by the journal worker through the ring's fixed file
        superblock    4 copies of wcx_journal_super_t, 4 KiB each, equal but for `copy`; any valid copy serves; made last, so a directory without it is no journal
                      (first_segment_no > 1: older segments were removed, and `start` is the chain at its first place; otherwise `start` is zero)
        anchors       pages of 4 KiB (rule 10); may be missing, damaged or old
        overrides     inputs that two operators have signed away (journal_override.h); may be missing
        decisions     where two operators have said that it ends (journal_decision.h); may be missing
        cut-*         what such a decision cut away, kept as it was found
        poison        what the data plane remembers of replays that ended (dataplane/poison.h); of no consequence for the journal
        shipped       in an archive or a backup: where the closed segments that were read back end (persist/ship.h)
        seg-<16 hex digits of segment_no>.wcj   segment_no from 1, all of super.segment_sz bytes

   2. A segment is 4 KiB of wcx_journal_segment_t (and zeros) and then blocks, back to back, each a multiple of 4 KiB. A block never crosses the end of
      its segment and is made small enough to fit what is left, so a segment is left only when it is full to its last byte. Segments are
      pre-written with zeros and fsynced under a temporary name, renamed, and the directory fsynced, before the first block goes into them: a
      block's write changes no file-system metadata, and a segment that has its name is whole. What follows the last block is zero.

   3. A block is wcx_journal_block_t (128 bytes), body_sz bytes of body, and zeros up to block_sz. Body by kind:
        DATA      `count` records (record.h), back to back, seq = first_seq, first_seq + 1, ...
        RECOVERY  one wcx_journal_recovery_t; count = 0; first_seq = cut_seq + 1
      RAFT_BARRIER and RAFT_CONFIG are reserved for several machines.

   4. Blocks form one chain over all segments: block_no rises by 1 from 1, first_seq continues where the block before ended, prev_digest is the
      digest of the block before (over its header with prev_digest and body_digest filled in and crc32c = 0; the first block carries
      the digest of the superblock's journal_id). Epochs never fall. A journal whose older segments were removed starts its chain at `start` of the
      superblock. An *anchor* (journal_walk.h) is the chain between two blocks: whoever holds one can walk from there without what lies before.

   5. Validity. A block is valid at its place when magic, version, shard and sizes are sound, crc32c matches (over the header with crc32c = 0, then
      the body), body_digest matches, the padding is zero byte for byte, the records are sound (format, shard, seq, sizes, reserved zeros)
      and block_no, first_seq, prev_digest and epoch continue the chain. A block that satisfies all but the last line is *whole*.

   6. Durable means: the write of the block was submitted with RWF_DSYNC on an O_DIRECT file and its completion carried its full length.
      Completions may come in any order; flushed_seq is the end of the longest contiguous complete prefix, and no block is submitted that
      would stand more than in_flight_max (K) blocks behind that prefix. Nothing above flushed_seq is released.
      committed_hint is the release_seq known when the block was written: everything up to it had left the appliance.

   7. Recovery. Walk the chain to the last valid block L; its end is the place P. Look behind P: everything within the room of K blocks, the
      first place of each later segment, and, when anything there is not zero, all that is left. H = the highest committed_hint of all whole
      blocks seen, also behind P. A whole block is *foreign* when no crash can have left it: it stands at P itself (and does not continue the
      chain), or behind P with a block_no outside L + 2 .. L + K. So is a segment behind P that is missing, cut short or without a sound header: it was
      whole when it got its name, and blocks that went into it now would be lost with it. The first row that fits decides (the table is journal_decide.c):
        L's last seq < H                                     -> acknowledged data is damaged: refuse, name segment, offset and block
        P cannot be read, or its segment is missing or cut   -> the same
        a foreign block or segment, or P is rotten           -> no crash explains it: halt for a decision of two persons (journal_decision.h)
        P zero or the end of the last segment, zeros behind  -> the journal ends at L
        otherwise                                            -> torn: the journal ends at L; whole blocks behind it are discarded and counted
      P is *rotten* when it is neither zero nor whole and no tear explains that. A disk writes sectors of 512 bytes whole or not at all, and before the write the
      place was zero (rules 2 and 8); so after a tear each sector is as it was written or zero, and the header lies in the first. Therefore: that one is not
      zero, and it is no header that continues the chain, or there is something in the padding, or no sector of header and body is zero.
      Why this is safe: a block beyond L was never part of a contiguous complete prefix, so nothing in it was released. Why nothing false
      is resurrected: it would need the chain digest of a history that was never written.
      Its limit: within the last K blocks, which no later block vouches for, damage that puts zeros in the place of whole sectors looks torn or, when it takes all,
      like a journal that ends earlier. No reader can tell what nobody remembers. Within one boot the release word in the shared region does
      (persist/journal.c), in a new one the anchors, and the mark of an orderly end (rule 10). Where none of them does, the end is *unwitnessed*:
      the worker says so at its start, with the last seq that something vouches for, and counts it.

   8. Before new input: zero all places that K blocks of the largest size could take behind L, durably; then write RECOVERY {epoch, incarnation,
      cut_seq, cut_digest} as the next block of the chain, durably. A discarded block can therefore not be found again by a later recovery.

   9. A block that holds acknowledged records is never written again: a batch that does not fill its block is padded, the next opens a new one.

   10. The file `anchors` lets a successor start near the end. Page 0 and page 1 hold the two newest anchors, written in turn; page 2 + n % 1022 the
      anchor of the first place of segment n. An anchor is written only when every block before it is in the contiguous durable prefix, so nothing
      before it can ever be cut. A recovery takes the newer of pages 0 and 1 whose place holds a block that continues it, else the other, else it walks
      the whole journal. What vouches for an anchor is that block: it names the digest of the chain before it, and no other history has that digest.
      What of rule 7 is lost: nothing that decides where the journal ends. P, what is behind P, and H are found as before; hints of blocks before the
      anchor are below its own seq, because a hint never exceeds what was durable when it was written. One thing is gained: an anchor is itself a
      witness that everything before it was durable, so a journal that ends before one of its anchors is damaged, also where no later block says so.
      That nothing was behind it says only the anchor of an orderly end (`closed`); a successor takes that mark away before it writes its first block.
      What is put off: damage in segments before the anchor is found by scrub (persist/scrub.c), by the replica and by every replay and
      `wcxctl journal verify`, no longer by each start of the worker; it is never cut away. Who shortens a journal by hand removes `anchors`.

   Byte order little-endian. Owner: the journal worker writes; readers (data plane at start, tools) open read-only and take no lock.
   Pinned by: the assertions below, tests/unit/test_journal_format.c, tests/unit/test_decide.c, tests/fault/test_journal_crash.c. */
#ifndef WCX_SHM_JOURNAL_FORMAT_H
#define WCX_SHM_JOURNAL_FORMAT_H

#include "engine/base/digest.h"
#include "engine/shm/record.h"

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#define WCX_JOURNAL_VERSION 1
#define WCX_JOURNAL_ALIGN 4096u
#define WCX_JOURNAL_SECTOR_SZ 512u      /* bytes; a disk writes these whole or not at all */
#define WCX_JOURNAL_BLOCK_SZ_MAX 65536u /* bytes, inclusive */
#define WCX_JOURNAL_IN_FLIGHT_MAX 4u    /* K */
#define WCX_JOURNAL_SUPER_COPIES 4u
#define WCX_JOURNAL_ANCHOR_RECENT 2u    /* pages */
#define WCX_JOURNAL_ANCHOR_FIRSTS 1022u /* pages */

#define WCX_JOURNAL_SUPER_MAGIC UINT64_C(0x7265707573786377)   /* "wcxsuper" */
#define WCX_JOURNAL_SEGMENT_MAGIC UINT64_C(0x6d67657367786377) /* "wcxgsegm" */
#define WCX_JOURNAL_ANCHOR_MAGIC UINT64_C(0x72686f6e61786377)  /* "wcxanhor" */
#define WCX_JOURNAL_BLOCK_MAGIC UINT64_C(0x6b636f6c62786377)   /* "wcxblock" */

enum wcx_journal_kind
{
  WCX_JOURNAL_DATA = 1,
  WCX_JOURNAL_RECOVERY = 2,
  WCX_JOURNAL_RAFT_BARRIER = 3,
  WCX_JOURNAL_RAFT_CONFIG = 4,
};

/* The chain at a place between two blocks, as the superblock and `anchors` keep it. */
typedef struct wcx_journal_start
{
  uint64_t next_block_no;
  uint64_t next_seq;
  uint64_t epoch; /* of the block before */
  wcx_digest_t digest;
  uint64_t incarnation;    /* of the last RECOVERY block before; 0: none */
  uint64_t last_stamp_ns;  /* of the last record before */
  uint64_t committed_hint; /* highest before */
} wcx_journal_start_t;
static_assert(sizeof(wcx_journal_start_t) == 64, "start");

typedef struct wcx_journal_super
{
  uint64_t magic;
  uint16_t version;
  uint16_t copy; /* 0..3 */
  uint32_t shard;
  uint8_t journal_id[16]; /* random, chosen when the journal is made */
  uint64_t created_ns;    /* UTC */
  uint32_t segment_sz;    /* bytes, a multiple of 4 KiB, at least 256 KiB */
  uint32_t in_flight_max;
  uint64_t first_segment_no; /* oldest segment kept */
  wcx_journal_start_t start; /* zero when first_segment_no is 1 */
  uint32_t reserved32;
  uint32_t crc32c; /* over this struct with copy = 0 and crc32c = 0 */
} wcx_journal_super_t;
static_assert(sizeof(wcx_journal_super_t) == 128, "superblock");
static_assert(offsetof(wcx_journal_super_t, journal_id) == 16, "superblock");
static_assert(offsetof(wcx_journal_super_t, segment_sz) == 40, "superblock");
static_assert(offsetof(wcx_journal_super_t, start) == 56, "superblock");
static_assert(offsetof(wcx_journal_super_t, crc32c) == 124, "superblock");

typedef struct wcx_journal_anchor_page
{
  uint64_t magic;
  uint16_t version;
  uint16_t reserved16;
  uint32_t shard;
  uint8_t journal_id[16];
  uint64_t segment_no; /* place of the next block */
  uint64_t off;
  wcx_journal_start_t start;
  uint64_t closed; /* 1: the worker ended here in an orderly way */
  uint32_t reserved32;
  uint32_t crc32c; /* over this struct with crc32c = 0; the rest of the page is zero */
} wcx_journal_anchor_page_t;
static_assert(sizeof(wcx_journal_anchor_page_t) == 128, "anchor page");
static_assert(offsetof(wcx_journal_anchor_page_t, segment_no) == 32, "anchor page");
static_assert(offsetof(wcx_journal_anchor_page_t, start) == 48, "anchor page");
static_assert(offsetof(wcx_journal_anchor_page_t, closed) == 112, "anchor page");
static_assert(offsetof(wcx_journal_anchor_page_t, crc32c) == 124, "anchor page");

typedef struct wcx_journal_segment
{
  uint64_t magic;
  uint16_t version;
  uint16_t reserved16;
  uint32_t shard;
  uint8_t journal_id[16];
  uint64_t segment_no;
  uint32_t segment_sz;
  uint32_t crc32c; /* over this struct with crc32c = 0 */
} wcx_journal_segment_t;
static_assert(sizeof(wcx_journal_segment_t) == 48, "segment header");

typedef struct wcx_journal_block
{
  uint64_t magic;
  uint16_t version;
  uint16_t kind; /* enum wcx_journal_kind */
  uint32_t shard;
  uint64_t epoch;
  uint64_t block_no;
  uint64_t first_seq;
  uint32_t count;    /* records */
  uint32_t body_sz;  /* bytes after this header */
  uint32_t block_sz; /* multiple of 4 KiB, <= WCX_JOURNAL_BLOCK_SZ_MAX */
  uint32_t in_flight_max;
  uint64_t committed_hint;
  wcx_digest_t prev_digest;
  wcx_digest_t body_digest;
  uint64_t written_ns; /* UTC, for people */
  uint64_t reserved[2];
  uint32_t reserved32;
  uint32_t crc32c;
} wcx_journal_block_t;
static_assert(sizeof(wcx_journal_block_t) == 128, "block header");
static_assert(offsetof(wcx_journal_block_t, epoch) == 16, "block header");
static_assert(offsetof(wcx_journal_block_t, block_no) == 24, "block header");
static_assert(offsetof(wcx_journal_block_t, first_seq) == 32, "block header");
static_assert(offsetof(wcx_journal_block_t, count) == 40, "block header");
static_assert(offsetof(wcx_journal_block_t, block_sz) == 48, "block header");
static_assert(offsetof(wcx_journal_block_t, committed_hint) == 56, "block header");
static_assert(offsetof(wcx_journal_block_t, prev_digest) == 64, "block header");
static_assert(offsetof(wcx_journal_block_t, body_digest) == 80, "block header");
static_assert(offsetof(wcx_journal_block_t, written_ns) == 96, "block header");
static_assert(offsetof(wcx_journal_block_t, crc32c) == 124, "block header");

typedef struct wcx_journal_recovery
{
  uint64_t epoch;
  uint64_t incarnation;    /* starts of the worker over this journal */
  uint64_t cut_seq;        /* last seq that exists */
  wcx_digest_t cut_digest; /* digest of the last valid block before */
} wcx_journal_recovery_t;
static_assert(sizeof(wcx_journal_recovery_t) == 40, "recovery body");

#endif
