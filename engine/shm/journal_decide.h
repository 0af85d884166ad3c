/* Rule 7 of journal_format.h as a table of data: what the end of a chain means.

   Owner:     the caller; a pure function.
   Result:    one verdict for every combination of facts; the table has no gaps.
   Pinned by: tests/unit/test_decide.c (enumerates every combination). */
#ifndef WCX_SHM_JOURNAL_DECIDE_H
#define WCX_SHM_JOURNAL_DECIDE_H

#include <stdbool.h>
#include <stdint.h>

enum wcx_journal_place /* what stands at P, where the next block would go */
{
  WCX_JOURNAL_PLACE_ZERO = 1,
  WCX_JOURNAL_PLACE_END = 2,        /* the last segment is full */
  WCX_JOURNAL_PLACE_TORN = 3,       /* something that is not a whole block */
  WCX_JOURNAL_PLACE_FOREIGN = 4,    /* a whole block that does not continue the chain */
  WCX_JOURNAL_PLACE_UNREADABLE = 5, /* segment missing, cut short or with a damaged header, or a read error */
  WCX_JOURNAL_PLACE_ROTTEN = 6,     /* not a whole block, and no tear explains it */
};

typedef struct wcx_journal_facts
{
  enum wcx_journal_place place;
  bool below_hint; /* L's last seq < H: something acknowledged is not there */
  bool foreign;    /* a foreign block or segment behind P */
  bool dirty;      /* anything that is not zero behind P */
} wcx_journal_facts_t;

enum wcx_journal_verdict
{
  WCX_JOURNAL_CLEAN = 1,   /* the journal ends at L */
  WCX_JOURNAL_CUT = 2,     /* the journal ends at L; what is behind was never released and is discarded */
  WCX_JOURNAL_DAMAGED = 3, /* acknowledged data is damaged: refuse */
  WCX_JOURNAL_HALT = 4,    /* no crash explains this: two persons decide */
};

enum wcx_journal_verdict wcx_journal_decide(const wcx_journal_facts_t *facts);

/* The row that decides, from 1: people who must decide are told it. */
uint32_t wcx_journal_decide_row(const wcx_journal_facts_t *facts);

/* "zero", "torn", "rotten", ... */
const char *wcx_journal_place_name(enum wcx_journal_place place);

/* "clean", "cut", "damaged", "halt". */
const char *wcx_journal_verdict_name(enum wcx_journal_verdict verdict);

#endif
