/* Books of all instruments, built order by order from the incremental feed: what a market maker sees.

   Any price an int64 can hold; as many orders and levels as memory allows.

   Owner:      one thread.
   Memory:     grows as needed (this is a client: it may); freed by free.
   Units:      mantissas of the instrument.
   Result:     apply() returns false when a message contradicts the book (unknown order, more executed than displayed, wrong side): a broken feed or a bug.
   Invariants: level totals are the sums of their orders; within a level orders stand in priority.
   Pinned by:  tests/unit/test_book_builder.c; tests/e2e/test_book.py compares with the engine. */
#ifndef WCX_CLIENT_BOOK_H
#define WCX_CLIENT_BOOK_H

#include "engine/sbe.h"

#include <stdbool.h>
#include <stdio.h>

typedef struct wcx_client_order
{
  uint64_t order_id; /* 0 = free */
  int64_t price;
  int64_t qty; /* displayed */
  uint32_t instrument_idx;
  uint32_t next, prev; /* index + 1 within the level, 0 = none; next also links free ones */
  uint8_t side;
} wcx_client_order_t;

typedef struct wcx_client_level
{
  int64_t price;
  int64_t qty;
  uint32_t order_cnt;
  uint32_t head, tail; /* order index + 1 */
} wcx_client_level_t;

/* Levels of one side, worst first, so that the touch is the last one. */
typedef struct wcx_client_ladder
{
  wcx_client_level_t *levels;
  uint32_t cnt, max;
} wcx_client_ladder_t;

typedef struct wcx_client_instrument
{
  uint32_t security_id;
  bool defined; /* a SecurityDefinition was seen */
  uint8_t status;
  wcx_security_definition_t definition;
  wcx_client_ladder_t sides[2]; /* bids, asks */
  int64_t last_px;
  uint64_t trade_cnt;
} wcx_client_instrument_t;

typedef struct wcx_client_books
{
  wcx_client_instrument_t *instruments;
  uint32_t instrument_cnt, instrument_max;
  wcx_client_order_t *orders;
  uint32_t order_cnt, order_max; /* ever used, room */
  uint32_t free_head;            /* index + 1 */
  uint32_t live_cnt;
  uint32_t *table; /* open addressing on OrderID: index + 1 */
  uint32_t table_sz;
  uint64_t contradiction_cnt;
} wcx_client_books_t;

void wcx_client_books_init(wcx_client_books_t *books);
void wcx_client_books_free(wcx_client_books_t *books);

/* Apply one market-data message (SBE header and block). Messages that do not concern books are fine. */
bool wcx_client_books_apply(wcx_client_books_t *books, const void *message, size_t sz);

/* Which instrument a message of the feed is about: its SecurityID, WCX_U32_NULL for all (ClearBook), 0 for none. */
uint32_t wcx_client_books_security(const void *message, size_t sz);

/* Replace a book by a snapshot of it, orders in the order of the snapshot channel. False when the snapshot contradicts itself or another book. */
bool wcx_client_books_load(wcx_client_books_t *books, const wcx_snapshot_start_t *start, const wcx_snapshot_order_t *orders);

/* Take every order out of a book. */
void wcx_client_books_clear(wcx_client_books_t *books, uint32_t security_id);

/* Index into instruments, made when it is new. */
uint32_t wcx_client_books_idx(wcx_client_books_t *books, uint32_t security_id);

/* NULL when the feed never named it. */
const wcx_client_instrument_t *wcx_client_books_find(const wcx_client_books_t *books, uint32_t security_id);

/* The touch: false when the side is empty. side: WCX_SIDE_BUY or WCX_SIDE_SELL. */
bool wcx_client_books_best(const wcx_client_instrument_t *instrument, uint8_t side, int64_t *price, int64_t *qty);

/* {"Book":{"SecurityID":1,"Bids":[[px,qty,orders],...],"Asks":[...]}} and a newline: the form of wcx-play. */
void wcx_client_books_print(const wcx_client_instrument_t *instrument, FILE *file);

/* Recount everything; false when an invariant is broken. O(orders): tests. */
bool wcx_client_books_verify(const wcx_client_books_t *books);

#endif
