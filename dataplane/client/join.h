/* Books joined late: from the snapshot channel and the feed's messages, until the feed alone carries them on. Also the way back after a hole in the feed that
   can no longer be asked for.

   A book waits or is live. What the feed says of a book that waits is held; a snapshot valid at number L replaces the book, the held messages above L are
   applied to it, and it is live: from then on every message above L is applied as it comes. A snapshot is taken when nothing is missing between it and
   what is held: L >= (first number since the beginning) - 1. A SecurityDefinition makes a book live, too: it is said only while the book is empty.

       feed: begin (join, or a hole given up) --> every book waits --(snapshot at or after it)--> live --(hole given up)--> waits
       feed: roll to the next day -------------> live books stay live, numbers begin at 1, held messages are of no more use

   Owner:      one thread.
   Memory:     held messages grow as needed, WCX_CLIENT_HELD_MAX bytes together; beyond that all are dropped and joining begins anew at the present number.
   Result:     wcx_client_join_message and _book return false when the books contradict what was said, as wcx_client_books_apply does.
   Invariants: a live book is the book at the last number given to wcx_client_join_message, or at L when that is later.
   Pinned by:  tests/unit/test_client_join.c; tests/unit/test_loop_join.c compares with the engine. */
#ifndef WCX_CLIENT_JOIN_H
#define WCX_CLIENT_JOIN_H

#include "dataplane/client/book.h"
#include "dataplane/client/feed.h"

#define WCX_CLIENT_HELD_MAX (UINT64_C(256) << 20)

typedef struct wcx_client_joining
{
  uint64_t valid_at; /* a live book: messages up to this number are in it */
  uint8_t *held;     /* a waiting book: u64 number, u16 length, message; ... */
  size_t held_sz, held_max;
  bool live;
} wcx_client_joining_t;

typedef struct wcx_client_join
{
  wcx_client_books_t *books;
  char session[10];
  bool begun;
  bool whole;                     /* a whole cycle has passed since the beginning: no book is unknown */
  uint64_t first_number;          /* since the beginning */
  wcx_client_joining_t *joinings; /* by index of the instrument in books */
  uint32_t joining_cnt, joining_max;
  uint32_t waiting_cnt;
  uint64_t held_sz; /* of all */

  uint64_t begin_cnt;
  uint64_t taken_cnt;   /* snapshots that made a book live */
  uint64_t too_old_cnt; /* snapshots valid before what was heard first */
  uint64_t dropped_cnt; /* beginnings because too much was held */
} wcx_client_join_t;

void wcx_client_join_init(wcx_client_join_t *join, wcx_client_books_t *books);
void wcx_client_join_free(wcx_client_join_t *join);

/* To be called from the feed's on_start with its arguments. */
void wcx_client_join_start(wcx_client_join_t *join, const char session[10], uint64_t number, enum wcx_client_start start);

/* A message of the feed, in order. */
bool wcx_client_join_message(wcx_client_join_t *join, uint64_t number, const void *message, size_t sz);

/* A book of the snapshot channel; its on_cycle. */
bool wcx_client_join_book(wcx_client_join_t *join, const char feed_session[10], const wcx_snapshot_start_t *start, const wcx_snapshot_order_t *orders);
void wcx_client_join_cycle(wcx_client_join_t *join, const char feed_session[10], bool whole);

/* Every book there is is live. */
static inline bool wcx_client_join_done(const wcx_client_join_t *join)
{
  return join->begun && join->whole && join->waiting_cnt == 0;
}

/* Whether this book is live. */
bool wcx_client_join_live(const wcx_client_join_t *join, uint32_t security_id);

#endif
