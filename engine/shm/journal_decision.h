/* Decisions: where a journal ends when no crash explains its end and two operators have said so.

   A recovery that halts, or finds acknowledged data damaged (rule 7 of journal_format.h), changes nothing and names a *finding*: the place P where the chain ends, the chain before it, and
   the digest of every byte that is in the journal from P on. A decision cuts there. It is of exactly that finding: of another journal, another place, a chain with another past
   or other bytes behind P it is not believed. What is known to have been acknowledged and would be lost is typed out by whoever decides, and signed with the rest; a recovery that
   knows of more than that refuses.

   The file `decisions` in the journal's directory: pairs of pages of 4 KiB in the order in which they were made. The first page of a pair is wcx_journal_decision_t and zeros, written by
   wcxctl; the second is zero until the recovery that obeys it writes wcx_journal_carried_t there:

       zero --finding compared, signatures found good--> BEGUN, durable --everything behind P kept under another name, P.. zeroed, durable--> DONE --> RECOVERY block at P

   A crash between BEGUN and DONE leaves bytes behind P that are not those of the finding any more, but never other ones before P: the next recovery does the rest
   without comparing them. Only the newest pair counts; after DONE it is history, for `wcxctl journal verify`. The chain itself bears witness: the block behind `digest` is a RECOVERY
   block with that digest as its cut_digest.

   What is signed: the text that wcx_journal_decision_text makes. Signatures are checked by wcxctl when a decision is made, and by wcx-controld for as long as it runs: the
   worker obeys only the page whose digest wcx-controld has published (wcx_region_quarantine_t).

   Owner:     wcxctl adds pairs (temporary name, fsync, rename, fsync of the directory); the journal worker fills in the second page.
   Units:     ns since 1970 UTC.
   Result:    as each says.
   Bounds:    WCX_JOURNAL_DECISIONS_MAX pairs.
   Pinned by: tests/unit/test_decision.c, tests/e2e/test_decide.py. */
#ifndef WCX_SHM_JOURNAL_DECISION_H
#define WCX_SHM_JOURNAL_DECISION_H

#include "engine/shm/journal_decide.h"
#include "engine/shm/journal_override.h"

#define WCX_JOURNAL_DECISION_MAGIC UINT64_C(0x6469636564786377) /* "wcxdecid" */
#define WCX_JOURNAL_CARRIED_MAGIC UINT64_C(0x6972726163786377)  /* "wcxcarri" */
#define WCX_JOURNAL_DECISIONS_MAX 16u
#define WCX_JOURNAL_DECISIONS_NAME "decisions"
#define WCX_JOURNAL_DECISION_TEXT_SZ 1024u
#define WCX_JOURNAL_DECISION_PAIR_SZ (2u * WCX_JOURNAL_ALIGN)

/* What a recovery found, and what a decision is of. */
typedef struct wcx_journal_finding
{
  uint64_t segment_no; /* place P */
  uint64_t off;
  uint64_t last_block_no; /* L; 0: none */
  uint64_t last_seq;
  wcx_digest_t digest;      /* of the chain up to L */
  wcx_digest_t bytes;       /* of everything from P on */
  uint64_t committed_hint;  /* H */
  uint64_t acked_seq;       /* known to have been acknowledged: H, or the seq before the newest anchor */
  uint32_t verdict;         /* enum wcx_journal_verdict */
  uint32_t row;             /* of the table in journal_decide.c, from 1 */
  uint32_t place;           /* enum wcx_journal_place */
  uint32_t anchored_beyond; /* 1: an anchor says that more was durable */
} wcx_journal_finding_t;
static_assert(sizeof(wcx_journal_finding_t) == 96, "finding");

typedef struct wcx_journal_decision
{
  uint64_t magic;
  uint16_t version;
  uint16_t reserved16;
  uint32_t shard;
  uint8_t journal_id[16];
  wcx_journal_finding_t finding;
  uint64_t lost_from, lost_to; /* acknowledged seqs that are given up, inclusive; 0, 0: none */
  uint64_t made_ns;
  char reason[256]; /* printable, zero at the end */
  wcx_journal_approval_t approvals[2];
  uint32_t reserved32;
  uint32_t crc32c; /* over this struct with crc32c = 0 */
} wcx_journal_decision_t;
static_assert(sizeof(wcx_journal_decision_t) == 608, "decision");
static_assert(offsetof(wcx_journal_decision_t, journal_id) == 16, "decision");
static_assert(offsetof(wcx_journal_decision_t, finding) == 32, "decision");
static_assert(offsetof(wcx_journal_decision_t, lost_from) == 128, "decision");
static_assert(offsetof(wcx_journal_decision_t, reason) == 152, "decision");
static_assert(offsetof(wcx_journal_decision_t, approvals) == 408, "decision");
static_assert(offsetof(wcx_journal_decision_t, crc32c) == 604, "decision");

enum wcx_journal_carried_state
{
  WCX_JOURNAL_CARRIED_NOT = 0, /* the page is zero or damaged */
  WCX_JOURNAL_CARRIED_BEGUN = 1,
  WCX_JOURNAL_CARRIED_DONE = 2,
};

/* In the first sector of its page, so that a tear leaves the old one or the new one. */
typedef struct wcx_journal_carried
{
  uint64_t magic;
  uint32_t state;        /* enum wcx_journal_carried_state */
  uint32_t crc32c;       /* over this struct with crc32c = 0 */
  wcx_digest_t decision; /* wcx_journal_decision_digest */
  uint64_t at_ns;
} wcx_journal_carried_t;
static_assert(sizeof(wcx_journal_carried_t) == 40, "carried out");
static_assert(offsetof(wcx_journal_carried_t, decision) == 16, "carried out");

/* A page as a decision of that journal. */
bool wcx_journal_decision_read(const uint8_t page[WCX_JOURNAL_ALIGN], const wcx_journal_super_t *super, wcx_journal_decision_t *decision);
void wcx_journal_decision_page(uint8_t page[WCX_JOURNAL_ALIGN], const wcx_journal_decision_t *decision);
/* Of a whole page: what wcx-controld publishes. Never zero. */
wcx_digest_t wcx_journal_decision_digest(const uint8_t page[WCX_JOURNAL_ALIGN]);

/* The second page of a pair. *at_ns: when. */
enum wcx_journal_carried_state wcx_journal_carried_read(const uint8_t page[WCX_JOURNAL_ALIGN], wcx_digest_t decision, uint64_t *at_ns);
void wcx_journal_carried_page(uint8_t page[WCX_JOURNAL_ALIGN], enum wcx_journal_carried_state state, wcx_digest_t decision, uint64_t at_ns);

/* The text that the operators sign; returns its length. */
size_t wcx_journal_decision_text(char text[WCX_JOURNAL_DECISION_TEXT_SZ], const wcx_journal_decision_t *decision);

/* What keeps a decision from being one of this finding: NULL when nothing does, else the words for "the decision is of ...". `begun`: the bytes are those of a cut that was
   interrupted. */
const char *wcx_journal_decision_differs(const wcx_journal_decision_t *decision, const wcx_journal_finding_t *finding, bool begun);

/* Whether the words of a decision give up all that the finding knows to have been acknowledged, from the first lost seq on. */
bool wcx_journal_decision_owns_up(const wcx_journal_decision_t *decision, const wcx_journal_finding_t *finding);

#endif
