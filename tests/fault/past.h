/* A journal with a past, made by the real worker on a disk in memory: several lives of worker and data plane, an end at rest or in the middle of something.
   Tests damage its files, start the worker over it, let it go on, and read everything back; wcx_past_restore undoes all of that.

   Owner:     one thread, one past.
   Pinned by: tests/fault/test_damage.c. */
#ifndef WCX_TESTS_FAULT_PAST_H
#define WCX_TESTS_FAULT_PAST_H

#include "engine/shm/journal_walk.h"

#define WCX_PAST_BLOCKS_MAX 4096u

typedef struct wcx_past_block
{
  uint64_t segment_no;
  uint64_t off;
  uint32_t sz;
  uint64_t last_seq;
  uint64_t committed_hint;
} wcx_past_block_t;

typedef struct wcx_past
{
  uint32_t segment_sz;
  uint64_t anchor_span; /* 0: the default, longer than the past */
  uint64_t released;    /* highest seq the worker has released */
  uint64_t last_seq;    /* that an undamaged journal holds: at least `released` */
  bool torn;            /* the end was made torn */
  uint64_t anchored;    /* seq that the anchor of an orderly end vouches for; 0: there was none */
  uint32_t block_cnt;
  wcx_past_block_t blocks[WCX_PAST_BLOCKS_MAX];
} wcx_past_t;

/* What a reader finds. */
typedef struct wcx_past_read
{
  int result; /* 0 the end, -1 refused */
  uint64_t last_seq;
  enum wcx_journal_verdict verdict;
  uint64_t wrong_seq; /* a record that was never written so; 0: none */
  char text[WCX_JOURNAL_TEXT_SZ];
} wcx_past_read_t;

/* Make it, and keep its state. The same for the same seed. */
const wcx_past_t *wcx_past_make(uint64_t seed);
void wcx_past_restore(void);
/* As if that record had been written with other contents: readers must call it wrong. */
void wcx_past_forget(uint64_t seq);

/* Read the whole journal as the data plane and the tools do. */
wcx_past_read_t wcx_past_read(void);

typedef struct wcx_past_start
{
  uint64_t last_seq;
  bool cut;
  bool unwitnessed; /* the worker said that nobody can say whether something was behind the end */
} wcx_past_start_t;

/* Start the worker, in the same boot (the shared region knows what was released) or in a new one. False: it refuses, *text says why. */
bool wcx_past_start(bool same_boot, wcx_past_start_t *start, const char **text);
/* After a start: a new data plane commits some records, all are released. False: *text. */
bool wcx_past_go_on(const char **text);
void wcx_past_stop(void);

#endif
