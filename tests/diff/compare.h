/* Two engines side by side: the one under test and the reference, fed the same records, compared message by message and state by state.

   OrderIDs and display ids are opaque: the first time an id of the reference stands where an id of the engine stands, the two are one from then on, and
   neither may ever stand for another. All other bytes must be equal.

   Owner:       one thread per pair.
   Memory:      malloc; ids are remembered for the life of a pair.
   Result:      a difference is described in pair->why; the first one ends the comparison. */
#ifndef WCX_TESTS_DIFF_COMPARE_H
#define WCX_TESTS_DIFF_COMPARE_H

#include "tests/diff/reference.h"

#include <stdio.h>

typedef struct id_map
{
  uint64_t *engine_of; /* by the reference's id, 0: not met yet */
  uint64_t engine_of_cap;
  uint64_t *taken; /* open addressing: the engine's ids that were met */
  uint64_t taken_cap;
  uint64_t taken_cnt;
} id_map_t;

/* How often each kind of message, and each reason in it, was compared: evidence that a run reached the rules. */
#define SEEN_MAX 512u
typedef struct seen
{
  uint64_t messages[SEEN_MAX]; /* by template id */
  uint64_t rejects[SEEN_MAX];  /* by OrdRejReason */
  uint64_t cxl_rejects[SEEN_MAX];
  uint64_t cancels[SEEN_MAX]; /* by CancelReason */
} seen_t;

typedef struct pair
{
  ref_t *ref;
  wcx_engine_t *engine;
  wcx_engine_limits_t limits; /* of the engine's memory: other than the reference's behind a snapshot */
  void *mem;
  void *log_mem;
  wcx_outlog_t log;
  id_map_t ids;
  seen_t seen;
  char why[320]; /* of a difference */
} pair_t;

void pair_init(pair_t *pair);
void pair_free(pair_t *pair);

/* The record's body with the engine's ids in place of the reference's; ids never met become ones that do not exist. */
void pair_translate(const pair_t *pair, uint16_t template_id, const uint8_t *body, uint16_t body_sz, uint8_t *to);

/* Count what the reference said. */
void pair_count(pair_t *pair, const ref_out_list_t *said);

/* Apply the translated record to the engine and compare what it says with what the reference said. */
bool pair_apply(pair_t *pair, const wcx_record_hdr_t *hdr, const uint8_t *translated, const ref_out_list_t *said);

/* Go on with an engine that is loaded from this one's snapshot into other memory, with other limits and another hash key. */
void pair_go_through_snapshot(pair_t *pair);

/* Invariants, books, sessions, feed position. */
bool pair_same_state(pair_t *pair);

/* What the engine said to the last record, and what the reference said, as JSON lines. The engine's ids are shown as the reference's where they are known. */
void pair_print_engine(const pair_t *pair, FILE *to);
void pair_print_reference(const ref_out_list_t *said, FILE *to);

#endif
