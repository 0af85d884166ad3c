/* Decisions of two operators (engine/shm/journal_decision.h): what a page is, what is signed, and of which finding a decision is. */
#include "engine/shm/journal_decision.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const wcx_journal_super_t super = {.shard = 2, .journal_id = {1, 2, 3}};
static _Alignas(4096) uint8_t page[WCX_JOURNAL_ALIGN];

static wcx_journal_finding_t finding(void)
{
  return (wcx_journal_finding_t){.segment_no = 3,
                                 .off = 8192,
                                 .last_block_no = 40,
                                 .last_seq = 100,
                                 .digest = {.lo = 5, .hi = 6},
                                 .bytes = {.lo = 7, .hi = 8},
                                 .committed_hint = 90,
                                 .acked_seq = 90,
                                 .verdict = WCX_JOURNAL_HALT,
                                 .row = 4,
                                 .place = WCX_JOURNAL_PLACE_ROTTEN};
}

static wcx_journal_decision_t decision(void)
{
  wcx_journal_decision_t made = {.magic = WCX_JOURNAL_DECISION_MAGIC,
                                 .version = WCX_JOURNAL_VERSION,
                                 .shard = 2,
                                 .journal_id = {1, 2, 3},
                                 .finding = finding(),
                                 .reason = "a sector rotted",
                                 .approvals = {{.operator_name = "anna"}, {.operator_name = "berta"}}};
  return made;
}

static void a_page_comes_back(void **state)
{
  (void)state;
  wcx_journal_decision_t made = decision(), back;
  wcx_journal_decision_page(page, &made);
  assert_true(wcx_journal_decision_read(page, &super, &back));
  back.crc32c = 0;
  assert_memory_equal(&made, &back, sizeof(made));
}

static void a_changed_page_is_none(void **state)
{
  (void)state;
  wcx_journal_decision_t made = decision(), back;
  for (size_t at = 0; at < WCX_JOURNAL_ALIGN; at++)
  {
    wcx_journal_decision_page(page, &made);
    wcx_digest_t before = wcx_journal_decision_digest(page);
    page[at] ^= 4;
    if (wcx_journal_decision_read(page, &super, &back))
      fail_msg("byte %zu is believed", at);
    wcx_digest_t after = wcx_journal_decision_digest(page);
    assert_true(before.lo != after.lo || before.hi != after.hi);
  }
}

static void a_page_of_another_journal_is_none(void **state)
{
  (void)state;
  wcx_journal_decision_t made = decision(), back;
  wcx_journal_super_t other = super;
  wcx_journal_decision_page(page, &made);
  other.journal_id[15] = 1;
  assert_false(wcx_journal_decision_read(page, &other, &back));
  other = super;
  other.shard = 1;
  assert_false(wcx_journal_decision_read(page, &other, &back));
}

/* Every word that a decision is bound to changes the text that is signed. */
static void all_of_it_is_signed(void **state)
{
  (void)state;
  char plain[WCX_JOURNAL_DECISION_TEXT_SZ], text[WCX_JOURNAL_DECISION_TEXT_SZ];
  wcx_journal_decision_t made = decision();
  size_t len = wcx_journal_decision_text(plain, &made);
  assert_int_equal(len, strlen(plain));
  for (uint32_t i = 0; i < 18; i++)
  {
    made = decision();
    wcx_journal_finding_t *of = &made.finding;
    made.shard += i == 0;
    made.journal_id[9] ^= i == 1;
    of->segment_no += i == 2;
    of->off += i == 3;
    of->last_block_no += i == 4;
    of->last_seq += i == 5;
    of->digest.lo += i == 6;
    of->digest.hi += i == 7;
    of->bytes.lo += i == 8;
    of->bytes.hi += i == 9;
    of->committed_hint += i == 10;
    of->acked_seq += i == 11;
    of->verdict -= i == 12;
    of->row += i == 13;
    of->place += i == 14;
    of->anchored_beyond += i == 15;
    made.reason[0] ^= i == 16;
    made.lost_from = i == 17 ? 101 : 0;
    made.lost_to = made.lost_from;
    wcx_journal_decision_text(text, &made);
    if (strcmp(plain, text) == 0)
      fail_msg("word %u is not signed", i);
  }
}

static void the_longest_text_fits(void **state)
{
  (void)state;
  wcx_journal_decision_t made = decision();
  char text[WCX_JOURNAL_DECISION_TEXT_SZ];
  memset(&made.finding, 0xff, sizeof(made.finding));
  made.finding.verdict = WCX_JOURNAL_DAMAGED;
  made.shard = UINT32_MAX;
  made.lost_from = made.lost_to = UINT64_MAX;
  memset(made.reason, 'r', sizeof(made.reason) - 1);
  size_t len = wcx_journal_decision_text(text, &made);
  assert_true(len < sizeof(text) && text[len - 1] == '\n' && text[len - 2] == 'r');
}

static void of_exactly_one_finding(void **state)
{
  (void)state;
  wcx_journal_decision_t made = decision();
  wcx_journal_finding_t now = finding();
  assert_null(wcx_journal_decision_differs(&made, &now, false));
  static const char *const says[] = {"another place",
                                     "another place",
                                     "another place",
                                     "another place",
                                     "a journal with another past",
                                     "a journal with another past",
                                     "other bytes behind the end",
                                     "other bytes behind the end",
                                     "another finding",
                                     "another finding",
                                     "another finding",
                                     "another finding"};
  for (uint32_t i = 0; i < 12; i++)
  {
    now = finding();
    now.segment_no += i == 0;
    now.off += i == 1;
    now.last_block_no += i == 2;
    now.last_seq -= i == 3;
    now.digest.lo ^= i == 4;
    now.digest.hi ^= i == 5;
    now.bytes.lo ^= i == 6;
    now.bytes.hi ^= i == 7;
    now.verdict -= i == 8;
    now.row += i == 9;
    now.place -= i == 10;
    now.committed_hint += i == 11;
    assert_string_equal(wcx_journal_decision_differs(&made, &now, false), says[i]);
    const char *begun = wcx_journal_decision_differs(&made, &now, true);
    if (i < 6)
      assert_string_equal(begun, says[i]);
    else
      assert_null(begun); /* a cut that was interrupted has changed them */
  }
}

/* Nothing that was acknowledged is given up without being typed out, from its first seq to its last. */
static void what_is_lost_is_said(void **state)
{
  (void)state;
  static const struct
  {
    uint64_t acked, from, to;
    bool good;
  } cases[] = {{90, 0, 0, true},      {100, 0, 0, true},      {101, 0, 0, false},     {101, 101, 101, true}, {105, 101, 104, false}, {105, 101, 105, true},
               {105, 101, 900, true}, {105, 100, 105, false}, {105, 102, 105, false}, {90, 101, 105, true},  {90, 99, 105, false}};
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
  {
    wcx_journal_decision_t made = decision();
    wcx_journal_finding_t now = finding();
    now.acked_seq = cases[i].acked;
    made.lost_from = cases[i].from;
    made.lost_to = cases[i].to;
    if (wcx_journal_decision_owns_up(&made, &now) != cases[i].good)
      fail_msg("case %zu", i);
  }
}

static void what_was_done_with_it(void **state)
{
  (void)state;
  wcx_digest_t digest = {.lo = 3, .hi = 4};
  uint64_t at_ns = 1;
  memset(page, 0, sizeof(page));
  assert_int_equal(wcx_journal_carried_read(page, digest, &at_ns), WCX_JOURNAL_CARRIED_NOT);
  assert_int_equal(at_ns, 0);
  for (uint32_t i = WCX_JOURNAL_CARRIED_BEGUN; i <= WCX_JOURNAL_CARRIED_DONE; i++)
  {
    wcx_journal_carried_page(page, (enum wcx_journal_carried_state)i, digest, 77);
    assert_int_equal(wcx_journal_carried_read(page, digest, &at_ns), i);
    assert_int_equal(at_ns, 77);
    wcx_digest_t other = {.lo = 3, .hi = 5};
    assert_int_equal(wcx_journal_carried_read(page, other, &at_ns), WCX_JOURNAL_CARRIED_NOT);
    page[8] ^= 3;
    assert_int_equal(wcx_journal_carried_read(page, digest, &at_ns), WCX_JOURNAL_CARRIED_NOT);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {cmocka_unit_test(a_page_comes_back),    cmocka_unit_test(a_changed_page_is_none), cmocka_unit_test(a_page_of_another_journal_is_none),
                                     cmocka_unit_test(all_of_it_is_signed),  cmocka_unit_test(the_longest_text_fits),  cmocka_unit_test(of_exactly_one_finding),
                                     cmocka_unit_test(what_is_lost_is_said), cmocka_unit_test(what_was_done_with_it)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
