#include "engine/shm/journal_decide.h"

#include "engine/base/check.h"

#include <stddef.h>

enum
{
  NO = 0,
  YES = 1,
  ANY = 2,
};

#define ANY_PLACE 0

typedef struct row
{
  uint8_t place; /* enum wcx_journal_place or ANY_PLACE */
  uint8_t below_hint;
  uint8_t foreign;
  uint8_t dirty;
  enum wcx_journal_verdict verdict;
} row_t;

/* The first row that fits decides. */
static const row_t table[] = {
    /* place                         below_hint foreign dirty */
    {ANY_PLACE, YES, ANY, ANY, WCX_JOURNAL_DAMAGED},
    {WCX_JOURNAL_PLACE_UNREADABLE, ANY, ANY, ANY, WCX_JOURNAL_DAMAGED},
    {WCX_JOURNAL_PLACE_FOREIGN, ANY, ANY, ANY, WCX_JOURNAL_HALT},
    {WCX_JOURNAL_PLACE_ROTTEN, ANY, ANY, ANY, WCX_JOURNAL_HALT},
    {ANY_PLACE, ANY, YES, ANY, WCX_JOURNAL_HALT},
    {WCX_JOURNAL_PLACE_ZERO, ANY, ANY, NO, WCX_JOURNAL_CLEAN},
    {WCX_JOURNAL_PLACE_END, ANY, ANY, NO, WCX_JOURNAL_CLEAN},
    {ANY_PLACE, ANY, ANY, ANY, WCX_JOURNAL_CUT},
};

static bool fits(uint8_t wanted, bool fact)
{
  return wanted == ANY || (wanted == YES) == fact;
}

uint32_t wcx_journal_decide_row(const wcx_journal_facts_t *facts)
{
  for (uint32_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
  {
    const row_t *row = &table[i];
    bool place = row->place == ANY_PLACE || row->place == facts->place;
    if (place && fits(row->below_hint, facts->below_hint) && fits(row->foreign, facts->foreign) && fits(row->dirty, facts->dirty))
      return i + 1;
  }
  WCX_CHECK(false, "the table has a gap at place %d", (int)facts->place);
}

enum wcx_journal_verdict wcx_journal_decide(const wcx_journal_facts_t *facts)
{
  return table[wcx_journal_decide_row(facts) - 1].verdict;
}

const char *wcx_journal_place_name(enum wcx_journal_place place)
{
  static const char *const names[] = {"none", "zero", "end of the last segment", "torn", "foreign block", "unreadable", "rotten"};
  return names[place];
}

const char *wcx_journal_verdict_name(enum wcx_journal_verdict verdict)
{
  static const char *const names[] = {"none", "clean", "cut", "damaged", "halt"};
  return names[verdict];
}
