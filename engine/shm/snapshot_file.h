/* A snapshot on disk: the specification of its bytes, the rule of validity and the argument why a bad one is never started from.

   1. Places
      <state_dir>/snapshot/shard-<nnnnn>/     nnnnn = shard id, 5 digits
        snap-<16 hex digits of seq>.wcs       a snapshot of everything up to input seq
        taking.tmp                            one that is being written, or that was when its writer died: never read, removed by the next writer

   2. A file is four parts, each at a multiple of 4 KiB, with zeros up to the next one:
        header    one page: wcx_snapshot_file_t and zeros
        engine    engine_sz bytes: what wcx_engine_snapshot_save writes (engine/snapshot.h is the specification of these bytes)
        streams   stream_cnt wcx_snapshot_stream_t: the sessions that have said something, in the order in which they first did
        window    window_sz bytes: the output log at positions tail_pos .. head_pos, entry by entry as it lies there, SKIP entries included
      sz is the size of all of it, and of the file.

   3. The window is what a replay from the first record would have left in an output log of log_cap bytes: everything in it can be asked for again. tail_pos is
      the first entry of which nothing has been overwritten, head_pos the end. The numbers of streams, tail_feed_number and tail_day_seq say how far the
      streams had come just before tail_pos, so that whoever walks the window enters each message under the number it had. `rolls` are the first inputs of
      the days that begin behind tail_day_seq: the feed and the drop copies count from 1 again. `days` are the last days of the feed, oldest first, the last of
      them the day at seq; next_number of a day that is over is the number after its last message.

   4. Validity. A file is good when magic, version, sizes and offsets are sound, shard and journal_id are those of the journal, the CRC32C of header, engine,
      streams and window hold, everything between the parts is zero, the entries of the window follow each other from tail_pos to head_pos
      (engine/window.h), the engine's own rules (engine/snapshot.h) hold, and position and digests of the loaded engine are those in the header. Every byte
      of a file is under one of these checks, so a flipped bit, a cut or a swapped page is found; which file it was in is said, and the next older one is tried.

   5. Durable means: written under the temporary name, fsynced, read back from the disk, loaded into a second engine whose invariants hold and whose digests are
      equal, renamed, the directory fsynced. A name snap-... therefore never stands for less than a whole snapshot. The header is written last.

   6. A snapshot is taken at the end of a block of the journal, of inputs that are released. `anchor` is the place of the next block and the chain there:
      a walk from it is a walk of the whole journal (journal_walk.h), so what follows the snapshot is checked against it.

   7. Start = the newest good snapshot whose seq is not above the last input of the journal and whose anchor the journal continues, then the records behind it;
      without one, the whole journal, if its first segment is still there. At least two are kept; an older one goes when two newer ones are durable.
      Only what is released is in a snapshot. One of this shard that goes further than the journal, of whatever journal_id, is therefore a proof that
      acknowledged inputs are missing from it: worker, data plane and replica refuse to go on, and nobody removes it.
      What the older of the two kept needs of the journal is never deleted (wcx_region_replica_t.keep_segment).

   Byte order little-endian. Owner: the replica worker writes; the data plane at its start, the replica and the tools read.
   Pinned by: the assertions below, tests/unit/test_snapshot_file.c, tests/unit/test_replica.c. */
#ifndef WCX_SHM_SNAPSHOT_FILE_H
#define WCX_SHM_SNAPSHOT_FILE_H

#include "engine/base/digest.h"
#include "engine/shm/journal_walk.h"

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#define WCX_SNAPSHOT_FILE_VERSION 1
#define WCX_SNAPSHOT_FILE_MAGIC UINT64_C(0x6670616e73786377) /* "wcxsnapf" */
#define WCX_SNAPSHOT_FILE_ALIGN 4096u
#define WCX_SNAPSHOT_FILE_DAYS_MAX 4u
#define WCX_SNAPSHOT_FILE_ROLLS_MAX 256u
#define WCX_SNAPSHOT_FILE_NAME_SZ 32u
#define WCX_SNAPSHOT_FILE_TEMP "taking.tmp"

typedef struct wcx_snapshot_day
{
  uint64_t from_seq; /* first input of the day; 0: before the first */
  uint64_t next_number;
  char session[10];
  uint8_t reserved[6];
} wcx_snapshot_day_t;
static_assert(sizeof(wcx_snapshot_day_t) == 32, "day of a snapshot");

typedef struct wcx_snapshot_stream
{
  uint32_t session_id;
  uint32_t reserved;
  uint64_t next_number; /* of its next message at tail_pos */
  uint64_t copied_cnt;  /* its reports of the day of tail_day_seq that drop copies hold (engine/drop_scope.h), before tail_pos */
} wcx_snapshot_stream_t;
static_assert(sizeof(wcx_snapshot_stream_t) == 24, "stream of a snapshot");

/* wcx_journal_anchor_t, fixed for ever. */
typedef struct wcx_snapshot_anchor
{
  uint64_t segment_no;
  uint64_t off;
  uint64_t next_block_no;
  uint64_t next_seq;
  uint64_t epoch;
  wcx_digest_t digest;
  uint64_t incarnation;
  uint64_t last_stamp_ns;
  uint64_t committed_hint;
} wcx_snapshot_anchor_t;
static_assert(sizeof(wcx_snapshot_anchor_t) == 80, "anchor of a snapshot");

typedef struct wcx_snapshot_file
{
  uint64_t magic;
  uint16_t version;
  uint16_t reserved16;
  uint32_t shard;
  uint8_t journal_id[16];
  uint64_t seq;      /* last input in it */
  uint64_t stamp_ns; /* of that input */
  uint64_t taken_ns; /* UTC, for people */
  uint64_t sz;       /* of the file, bytes */
  wcx_snapshot_anchor_t anchor;
  wcx_digest_t state_digest;
  wcx_digest_t output_digest;
  uint64_t genesis_seq; /* records from the first on that are genesis */
  uint64_t orders_live; /* for people */
  uint64_t engine_sz;
  uint64_t stream_cnt;
  uint64_t window_sz;
  uint64_t log_cap;
  uint64_t tail_pos;
  uint64_t head_pos;
  uint64_t tail_day_seq;     /* first input of the day at tail_pos */
  uint64_t tail_feed_number; /* of the feed's next message at tail_pos */
  wcx_snapshot_day_t days[WCX_SNAPSHOT_FILE_DAYS_MAX];
  uint64_t rolls[WCX_SNAPSHOT_FILE_ROLLS_MAX];
  uint32_t day_cnt;
  uint32_t roll_cnt;
  uint32_t engine_crc;
  uint32_t streams_crc;
  uint32_t window_crc;
  uint32_t orders_max; /* sizes of the engine it was taken from, in which it fits: for tools that know no configuration */
  uint32_t levels_max;
  uint32_t instruments_max;
  uint32_t accounts_max;
  uint32_t sessions_max;
  uint32_t reserved[3];
  uint32_t crc32c; /* over this struct with crc32c = 0 */
} wcx_snapshot_file_t;
static_assert(sizeof(wcx_snapshot_file_t) == 2488 && sizeof(wcx_snapshot_file_t) <= WCX_SNAPSHOT_FILE_ALIGN, "snapshot header");
static_assert(offsetof(wcx_snapshot_file_t, journal_id) == 16, "snapshot header");
static_assert(offsetof(wcx_snapshot_file_t, seq) == 32, "snapshot header: position");
static_assert(offsetof(wcx_snapshot_file_t, sz) == 56, "snapshot header: position");
static_assert(offsetof(wcx_snapshot_file_t, anchor) == 64, "snapshot header: anchor");
static_assert(offsetof(wcx_snapshot_file_t, state_digest) == 144, "snapshot header: digests");
static_assert(offsetof(wcx_snapshot_file_t, genesis_seq) == 176, "snapshot header: parts");
static_assert(offsetof(wcx_snapshot_file_t, log_cap) == 216, "snapshot header: window");
static_assert(offsetof(wcx_snapshot_file_t, days) == 256, "snapshot header: days");
static_assert(offsetof(wcx_snapshot_file_t, rolls) == 384, "snapshot header: days");
static_assert(offsetof(wcx_snapshot_file_t, day_cnt) == 2432, "snapshot header: check values");
static_assert(offsetof(wcx_snapshot_file_t, orders_max) == 2452, "snapshot header: sizes");
static_assert(offsetof(wcx_snapshot_file_t, crc32c) == 2484, "snapshot header: check values");

static inline uint64_t wcx_snapshot_round(uint64_t sz)
{
  return (sz + WCX_SNAPSHOT_FILE_ALIGN - 1) / WCX_SNAPSHOT_FILE_ALIGN * WCX_SNAPSHOT_FILE_ALIGN;
}

/* Where the parts begin. */
static inline uint64_t wcx_snapshot_engine_off(void)
{
  return WCX_SNAPSHOT_FILE_ALIGN;
}
static inline uint64_t wcx_snapshot_streams_off(const wcx_snapshot_file_t *hdr)
{
  return wcx_snapshot_engine_off() + wcx_snapshot_round(hdr->engine_sz);
}
static inline uint64_t wcx_snapshot_window_off(const wcx_snapshot_file_t *hdr)
{
  return wcx_snapshot_streams_off(hdr) + wcx_snapshot_round(hdr->stream_cnt * sizeof(wcx_snapshot_stream_t));
}
static inline uint64_t wcx_snapshot_file_sz(const wcx_snapshot_file_t *hdr)
{
  return wcx_snapshot_window_off(hdr) + wcx_snapshot_round(hdr->window_sz);
}

/* "<state_dir>/snapshot/shard-<nnnnn>"; false when it does not fit. */
static inline bool wcx_snapshot_dir(char *dir, size_t sz, const char *state_dir, uint32_t shard)
{
  int len = snprintf(dir, sz, "%s/snapshot/shard-%05u", state_dir, shard);
  return len > 0 && (size_t)len < sz;
}

void wcx_snapshot_file_name(char name[WCX_SNAPSHOT_FILE_NAME_SZ], uint64_t seq);
/* The seq in such a name; false when it is no snapshot's. */
bool wcx_snapshot_file_seq(const char *name, uint64_t *seq);

uint32_t wcx_snapshot_file_crc(const wcx_snapshot_file_t *hdr);

void wcx_snapshot_anchor_keep(wcx_snapshot_anchor_t *kept, const wcx_journal_anchor_t *anchor);
void wcx_snapshot_anchor_give(const wcx_snapshot_anchor_t *kept, uint32_t shard, wcx_journal_anchor_t *anchor);

/* Rule 4 for the page at `page`, of a file of file_sz bytes. False: `err` says what is wrong. */
bool wcx_snapshot_check_header(const uint8_t *page, uint64_t file_sz, wcx_snapshot_file_t *hdr, char *err, size_t err_sz) __attribute__((warn_unused_result));

/* Rule 4 for everything but what engine/snapshot.h and engine/window.h say. `bytes`: the whole file. */
bool wcx_snapshot_check(const uint8_t *bytes, uint64_t file_sz, wcx_snapshot_file_t *hdr, char *err, size_t err_sz) __attribute__((warn_unused_result));

/* Whether this file, named after `seq`, proves that a journal which ends at last_seq is not whole (rule 7). A sound header is enough: it is written last.
   sz: as source.map gives it. */
bool wcx_snapshot_beyond(const uint8_t *bytes, int64_t sz, uint32_t shard, uint64_t seq, uint64_t last_seq) __attribute__((warn_unused_result));

/* The files of a directory, or what stands for them: a link-time seam. Production: engine/shm/snapshot_dir.c.
   older   the newest snapshot below `seq`: 1 and *found, 0 none, -errno
   map     a snapshot's bytes until unmap; its size, or -errno */
typedef struct wcx_snapshot_source
{
  void *ctx;
  int (*older)(void *ctx, uint64_t seq, uint64_t *found);
  int64_t (*map)(void *ctx, uint64_t seq, const uint8_t **bytes);
  void (*unmap)(void *ctx);
  void (*close)(void *ctx);
} wcx_snapshot_source_t;

/* 0; -ENOENT when there is no directory; -errno. */
int wcx_snapshot_source_open(wcx_snapshot_source_t *source, const char *dir) __attribute__((warn_unused_result));

#endif
