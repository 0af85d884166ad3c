/* The retained window as a replay leaves it: which part of an output log is still whole, and how far every stream had come where that part begins.

   The log is the ring that the engine writes; an input may overwrite the oldest entries in it. Before it is applied, the entries it could reach are noted; afterwards
   those that it did reach are forgotten, and the streams move past them.

       0 ....... tail ................ scanned ................ write_pos
                  | noted: may go next  | not looked at yet

   Owner:      the replica's thread.
   Memory:     the caller's (wcx_outputs_footprint): notes for as many entries as the log can hold, of which few are ever touched, and the sessions.
   Order:      wcx_outputs_prepare, then apply, then wcx_outputs_applied; for each input. Nobody else moves the log.
   Invariants: entries in [tail, write_pos) are whole; what the streams say is what a gate that had passed everything before `tail` would say.
   Pinned by:  tests/unit/test_replica.c. */
#ifndef WCX_PERSIST_OUTPUTS_H
#define WCX_PERSIST_OUTPUTS_H

#include "engine/engine.h"
#include "engine/idmap.h"
#include "engine/shm/snapshot_file.h"

typedef struct wcx_outputs_note
{
  uint64_t pos;
  uint64_t number;
  uint64_t input_seq;
  uint32_t stream_id;
  uint8_t stream; /* enum wcx_stream */
  uint8_t copied; /* a drop copy has it */
  uint16_t pad;
} wcx_outputs_note_t;
static_assert(sizeof(wcx_outputs_note_t) == 32, "note");

typedef struct wcx_outputs
{
  wcx_outlog_t *log;
  uint64_t tail;
  uint64_t scanned;
  uint64_t note_head, note_tail; /* ever written, ever taken */
  uint64_t note_max;             /* a power of two */
  wcx_outputs_note_t *notes;

  uint32_t stream_max;
  uint32_t stream_cnt;
  wcx_snapshot_stream_t *streams; /* as of `tail`; in the order in which they first spoke */
  wcx_idmap_t stream_of;          /* by SessionID */

  uint64_t tail_day_seq;
  uint64_t tail_feed_number;
  uint64_t rolls[WCX_SNAPSHOT_FILE_ROLLS_MAX]; /* first inputs of days later than tail_day_seq, oldest first; a window of more days is cut short */
  uint32_t roll_cnt;

  uint32_t day_cnt; /* as of the last input; oldest first */
  wcx_snapshot_day_t days[WCX_SNAPSHOT_FILE_DAYS_MAX];
} wcx_outputs_t;

size_t wcx_outputs_footprint(uint64_t log_cap, uint32_t sessions_max);
/* An empty log of an engine that has applied nothing, or that is loaded next. `mem` is 64-aligned. */
void wcx_outputs_init(wcx_outputs_t *retained, void *mem, uint32_t sessions_max, wcx_outlog_t *log, const wcx_engine_t *engine);

/* `bound` bytes may be written next. */
void wcx_outputs_prepare(wcx_outputs_t *retained, uint64_t bound);
/* The input has been applied. */
void wcx_outputs_applied(wcx_outputs_t *retained);
/* A DayRoll: instead of the above, with the number of the feed's next message before it was applied. */
void wcx_outputs_rolled(wcx_outputs_t *retained, const wcx_engine_t *engine, uint64_t feed_number);

/* What the header and the streams of a snapshot say of the window. Adds the sessions that have spoken within it. */
void wcx_outputs_save(wcx_outputs_t *retained, wcx_snapshot_file_t *hdr);

/* The other way round: streams and window as checked by wcx_snapshot_check and wcx_window_sound. False when there are more sessions than stream_max. */
bool wcx_outputs_load(wcx_outputs_t *retained, const wcx_snapshot_file_t *hdr, const uint8_t *streams, const uint8_t *window) __attribute__((warn_unused_result));

#endif
