/* Overrides: inputs that two operators have signed away because they end the process that applies them.

   An input in the journal that ends every engine that applies it (a failed check, a fault) would stop the appliance for good: it is durable, and a start
   replays it. The data plane counts such ends outside the engine (dataplane/poison.h) and refuses at the third attempt of the same program, naming seq and
   hash. Only an override of exactly that seq and that hash, which wcxctl makes for no other input, lets the start go on: every reader of the journal then gets a Tick of the same seq and
   stamp in place of the input. It never happened: no answer, no client sequence consumed.

   The file `overrides` in the journal's directory: pages of 4 KiB, each a wcx_journal_override_t and zeros, in the order in which they were made. It stands beside the
   segments, so whatever walks the journal by its directory (data plane, replica, tools, an archive's or a backup's readers) does the same at the same
   place; blocks, chain and digests of the journal are not touched. A page that is damaged or of another journal makes the walk refuse: to apply what was
   signed away is worse than not to start.

   What is signed: the text that wcx_journal_override_text makes of it. Signatures are checked by wcxctl when an override is made, and by wcx-controld for as long as
   it runs: data plane and replica start only with a file whose digest wcx-controld has published (wcx_region_quarantine_t).

   Owner:     wcxctl writes (temporary name, fsync, rename, fsync of the directory); everybody reads.
   Units:     ns since 1970 UTC.
   Result:    as each says.
   Bounds:    WCX_JOURNAL_OVERRIDES_MAX overrides.
   Pinned by: tests/unit/test_override.c, tests/e2e/test_quarantine.py. */
#ifndef WCX_SHM_JOURNAL_OVERRIDE_H
#define WCX_SHM_JOURNAL_OVERRIDE_H

#include "engine/shm/journal_format.h"

#include <stdbool.h>

#define WCX_JOURNAL_OVERRIDE_MAGIC UINT64_C(0x6469727265786377) /* "wcxerrid" */
#define WCX_JOURNAL_OVERRIDES_MAX 16u
#define WCX_JOURNAL_OVERRIDES_NAME "overrides"
#define WCX_JOURNAL_OVERRIDE_TEXT_SZ 640u
#define WCX_RECORD_F_OVERRIDDEN 0x8000u /* never in the journal: this record stands for one that was signed away */

typedef struct wcx_journal_approval
{
  char operator_name[32]; /* padded with zeros */
  uint8_t signature[64];  /* Ed25519 */
} wcx_journal_approval_t;
static_assert(sizeof(wcx_journal_approval_t) == 96, "approval");

typedef struct wcx_journal_override
{
  uint64_t magic;
  uint16_t version;
  uint16_t reserved16;
  uint32_t shard;
  uint8_t journal_id[16];
  uint64_t seq;
  wcx_digest_t hash; /* wcx_journal_record_hash */
  uint64_t made_ns;
  char reason[256]; /* printable, zero at the end */
  wcx_journal_approval_t approvals[2];
  uint32_t reserved32;
  uint32_t crc32c; /* over this struct with crc32c = 0 */
} wcx_journal_override_t;
static_assert(sizeof(wcx_journal_override_t) == 520, "override");
static_assert(offsetof(wcx_journal_override_t, journal_id) == 16, "override");
static_assert(offsetof(wcx_journal_override_t, seq) == 32, "override");
static_assert(offsetof(wcx_journal_override_t, reason) == 64, "override");
static_assert(offsetof(wcx_journal_override_t, approvals) == 320, "override");
static_assert(offsetof(wcx_journal_override_t, crc32c) == 516, "override");

/* What a walk knows of them. */
typedef struct wcx_journal_overrides
{
  uint32_t cnt;
  uint64_t seqs[WCX_JOURNAL_OVERRIDES_MAX];
  wcx_digest_t hashes[WCX_JOURNAL_OVERRIDES_MAX];
  wcx_digest_t digest; /* of all pages; zero when there is none */
} wcx_journal_overrides_t;

/* The hash that names an input. */
wcx_digest_t wcx_journal_record_hash(const wcx_record_hdr_t *hdr, const uint8_t *body);

/* The n-th page as an override of that journal. */
bool wcx_journal_override_read(const uint8_t page[WCX_JOURNAL_ALIGN], const wcx_journal_super_t *super, wcx_journal_override_t *override);
void wcx_journal_override_page(uint8_t page[WCX_JOURNAL_ALIGN], const wcx_journal_override_t *override);

/* The text that the operators sign; returns its length. */
size_t wcx_journal_override_text(char text[WCX_JOURNAL_OVERRIDE_TEXT_SZ], const wcx_journal_override_t *override);

/* Take a page into what a walk knows. False: it is none of this journal, or too many. */
bool wcx_journal_overrides_take(wcx_journal_overrides_t *overrides, const uint8_t page[WCX_JOURNAL_ALIGN], const wcx_journal_super_t *super);

/* Put a Tick in the place of an input that was signed away: hdr is changed, *body points to static memory. False: it was not. */
bool wcx_journal_overrides_apply(const wcx_journal_overrides_t *overrides, wcx_record_hdr_t *hdr, const uint8_t **body);

#endif
