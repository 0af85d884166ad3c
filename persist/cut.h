/* Obeying a decision of two operators (engine/shm/journal_decision.h): compare it with what recovery found, and cut there.

   Nothing is destroyed: what stood from the place P on is kept in the journal's directory as cut-<pair>-<segment>-<offset>, numbers in hex, before anything is changed. An
   anchors file that vouches for more than is left goes the same way.

   Owner:     the journal's thread, at start. Everything here blocks.
   Memory:    `buf`: WCX_JOURNAL_WALK_BUF_SZ, 4 KiB aligned.
   Result:    0, a count, or -1 with a text.
   Pinned by: tests/unit/test_cut.c, tests/e2e/test_decide.py. */
#ifndef WCX_PERSIST_CUT_H
#define WCX_PERSIST_CUT_H

#include "engine/shm/journal_decision.h"
#include "persist/recover.h"

#define WCX_CUT_NAME_SZ 64u

/* The newest pair of `decisions`. */
typedef struct wcx_cut
{
  uint32_t pair; /* from 0 */
  wcx_journal_decision_t decision;
  wcx_digest_t digest; /* of its first page */
  enum wcx_journal_carried_state state;
} wcx_cut_t;

/* The finding of a walk; reads everything from P on. */
int wcx_cut_find(wcx_journal_finding_t *finding, const wcx_recovered_t *recovered, wcx_disk_t *disk, uint8_t *buf, char *err, size_t err_sz) __attribute__((warn_unused_result));

/* 1: there is one; 0: there is none, or it has been carried out; -1: the file does not serve. */
int wcx_cut_read(wcx_cut_t *cut, wcx_disk_t *disk, const wcx_journal_super_t *super, uint8_t *buf, char *err, size_t err_sz) __attribute__((warn_unused_result));

/* Whether a cut can mend what was found: a segment that cannot be read behind its first place, or the oldest one, must be restored. */
bool wcx_cut_can(const wcx_recovered_t *recovered);

/* Do what it says. The caller has compared it. The next walk ends at the finding's place, with nothing behind it. */
int wcx_cut_carry_out(const wcx_cut_t *cut, const wcx_recovered_t *recovered, wcx_disk_t *disk, uint8_t *buf, char *err, size_t err_sz) __attribute__((warn_unused_result));

#endif
