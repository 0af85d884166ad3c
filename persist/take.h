/* Taking a snapshot, in bounded pieces: an engine and its retained window to a file that has been read back and loaded before it gets its name.

       idle --begin--> write --all parts--> seal --fsync--> read back --loaded, equal--> name --directory fsynced--> idle
                         '------------------ an error: the temporary file is removed, nothing is taken ----------------'

   The engine and the log stand still meanwhile: whoever steps this applies nothing. A file that failed is never written again; the next attempt is a new one.

   Owner:     the replica's thread.
   Memory:    the caller's: a second engine, an image of an engine, one chunk. The window goes to the file straight out of the log.
   Units:     ns, monotonic (now_ns) and UTC (in the file).
   Result:    wcx_take_step the number of things done; 0: the pace allows nothing yet. `done` and `failed` say how the last one ended, `text` why it failed.
   Bounds:    a step writes or reads WCX_TAKE_CHUNK_SZ, or saves or loads an engine, which takes O(state).
   Pinned by: tests/unit/test_replica.c. */
#ifndef WCX_PERSIST_TAKE_H
#define WCX_PERSIST_TAKE_H

#include "engine/snapshot.h"
#include "persist/disk.h"
#include "persist/outputs.h"

#define WCX_TAKE_CHUNK_SZ (1u << 20)
#define WCX_TAKE_HANDLE 0u /* of the disk */

enum wcx_take_phase
{
  WCX_TAKE_IDLE = 1,
  WCX_TAKE_WRITE = 2,
  WCX_TAKE_SEAL = 3,
  WCX_TAKE_READ = 4,
  WCX_TAKE_LOAD = 5,
  WCX_TAKE_NAME = 6,
};

/* What the caller gives, for good. */
typedef struct wcx_take_place
{
  wcx_disk_t *disk;
  const wcx_engine_limits_t *limits;
  uint8_t *chunk; /* WCX_TAKE_CHUNK_SZ bytes, 4 KiB aligned */
  uint8_t *image; /* image_sz bytes: wcx_take_image_max */
  uint64_t image_sz;
  void *second;         /* memory of the second engine: wcx_engine_footprint bytes */
  uint64_t bytes_per_s; /* written and read; 0: as fast as it goes */
} wcx_take_place_t;

typedef struct wcx_take
{
  wcx_take_place_t place;
  enum wcx_take_phase phase;
  bool done;
  bool failed;
  const wcx_engine_t *engine;
  const wcx_outputs_t *retained;
  wcx_snapshot_file_t hdr;
  uint64_t off; /* next byte to write or to read back */
  uint64_t next_ns;
  uint64_t begun_ns;
  uint64_t took_ns;
  uint32_t crc[3]; /* of engine, streams, window as far as `off` */
  char text[256];
} wcx_take_t;

/* The most that an engine of these limits saves. */
static inline uint64_t wcx_take_image_max(const wcx_engine_limits_t *limits)
{
  return wcx_snapshot_round(wcx_engine_footprint(limits) + 2 * WCX_SNAPSHOT_FILE_ALIGN);
}

void wcx_take_init(wcx_take_t *take, const wcx_take_place_t *place);

/* Begin with what hdr says already: journal_id, shard, anchor, genesis_seq. */
void wcx_take_begin(wcx_take_t *take, const wcx_engine_t *engine, wcx_outputs_t *retained, const wcx_snapshot_file_t *hdr, uint64_t now_ns);

uint32_t wcx_take_step(wcx_take_t *take, uint64_t now_ns);

#endif
