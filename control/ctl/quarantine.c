/* wcxctl quarantine: what a start refuses to apply, and the two signatures that let it go on (engine/shm/journal_override.h).

       sign      prints an operator's signature; each of two persons runs it with a key of their own
       override  checks both against --operators and the record in the journal, then writes
                 both: only of an input at which starts have ended as often as they may (engine/shm/poison_page.h); any other has been acknowledged
       list      the overrides of each journal */
#include "control/ctl/files.h"
#include "control/ctl/replay.h"
#include "control/ctl/signing.h"
#include "control/operators.h"
#include "engine/base/env.h"
#include "engine/shm/poison_page.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define PATH_SZ 420u

/* What the options say, for the journal of that shard. */
static int fill(const wcx_ctl_t *ctl, uint32_t shard, const wcx_journal_super_t *super, wcx_journal_override_t *override)
{
  *override = (wcx_journal_override_t){.magic = WCX_JOURNAL_OVERRIDE_MAGIC, .version = WCX_JOURNAL_VERSION, .shard = shard, .seq = ctl->seq};
  memcpy(override->journal_id, super->journal_id, sizeof(override->journal_id));
  uint8_t hash[16];
  if (ctl->seq == 0 || ctl->hash == NULL || ctl->reason == NULL || ctl->reason[0] == '\0')
    return wcx_ctl_fail(WCX_CTL_USAGE, "--seq, --hash (as the refused start has told them) and --reason are needed");
  if (!wcx_operators_read_hex(ctl->hash, hash, sizeof(hash)))
    return wcx_ctl_fail(WCX_CTL_USAGE, "--hash must be 32 hex digits");
  for (uint32_t i = 0; i < 8; i++)
  {
    override->hash.hi = override->hash.hi << 8 | hash[i];
    override->hash.lo = override->hash.lo << 8 | hash[8 + i];
  }
  return wcx_ctl_take_reason(ctl, override->reason);
}

/* The record itself, as it stands in the journal, must be the one that is meant. */
static int check_record(const wcx_ctl_t *ctl, uint32_t shard, const wcx_journal_override_t *override)
{
  wcx_journal_walk_t walk;
  int status = wcx_ctl_walk_open(&walk, ctl, shard);
  if (status != WCX_CTL_OK)
    return status;
  uint64_t epoch;
  wcx_record_hdr_t hdr = {0};
  const uint8_t *body;
  int got;
  do
    got = wcx_journal_walk_next(&walk, &epoch, &hdr, &body);
  while (got == 1 && hdr.seq < override->seq);
  if (got != 1 || hdr.seq != override->seq)
    status =
        wcx_ctl_fail(WCX_CTL_REFUSED, "shard %u: seq %" PRIu64 " is not in the journal: %s", shard, override->seq, got < 0 ? walk.text : "it ends before, or begins behind it");
  else if ((hdr.flags & WCX_RECORD_F_OVERRIDDEN) != 0)
    status = wcx_ctl_fail(WCX_CTL_REFUSED, "shard %u: seq %" PRIu64 " is overridden already", shard, override->seq);
  else
  {
    wcx_digest_t hash = wcx_journal_record_hash(&hdr, body);
    char text[33];
    wcx_ctl_digest_text(hash, text);
    if (hash.lo != override->hash.lo || hash.hi != override->hash.hi)
      status = wcx_ctl_fail(WCX_CTL_REFUSED, "shard %u: seq %" PRIu64 " has hash %s: an override is of exactly one input", shard, override->seq, text);
  }
  wcx_journal_walk_close(&walk);
  return status;
}

/* Nobody signs away what a start can apply: its answers have left. */
static int check_quarantined(const wcx_ctl_t *ctl, uint32_t shard, uint64_t seq)
{
  char dir[PATH_SZ], path[PATH_SZ + 8];
  if (!wcx_journal_dir(dir, sizeof(dir), ctl->state_dir, shard))
    return wcx_ctl_fail(WCX_CTL_FAILED, "a path is too long");
  snprintf(path, sizeof(path), "%s/" WCX_POISON_NAME, dir);
  wcx_poison_page_t page = {0};
  FILE *file = fopen(path, "re");
  bool counted = file != NULL && fread(&page, sizeof(page), 1, file) == 1;
  int error = file == NULL ? errno : 0;
  if (file != NULL)
    fclose(file);
  if (error != 0 && error != ENOENT)
    return wcx_ctl_fail(WCX_CTL_FAILED, "%s: %s", path, strerror(error));
  if (counted && page.magic == WCX_POISON_MAGIC && page.seq == seq && page.count >= WCX_POISON_TRIES)
    return WCX_CTL_OK;
  return wcx_ctl_fail(WCX_CTL_REFUSED, "shard %u: no start has ended %u times at seq %" PRIu64 ": it is not in quarantine", shard, WCX_POISON_TRIES, seq);
}

static int open_override(const wcx_ctl_t *ctl, uint32_t *shard, wcx_journal_override_t *override)
{
  int status = wcx_ctl_the_shard(ctl, shard);
  wcx_journal_walk_t walk;
  if (status == WCX_CTL_OK)
    status = wcx_ctl_walk_open(&walk, ctl, *shard);
  if (status != WCX_CTL_OK)
    return status;
  status = fill(ctl, *shard, &walk.super, override);
  wcx_journal_walk_close(&walk);
  if (status == WCX_CTL_OK)
    status = check_record(ctl, *shard, override);
  return status == WCX_CTL_OK ? check_quarantined(ctl, *shard, override->seq) : status;
}

int wcx_ctl_quarantine_sign(const wcx_ctl_t *ctl)
{
  uint32_t shard;
  wcx_journal_override_t override;
  if (ctl->key == NULL || ctl->operator_name == NULL)
    return wcx_ctl_fail(WCX_CTL_USAGE, "--operator NAME and --key FILE (PEM, Ed25519) are needed");
  int status = open_override(ctl, &shard, &override);
  if (status != WCX_CTL_OK)
    return status;
  char text[WCX_JOURNAL_OVERRIDE_TEXT_SZ], approval[32 + 129];
  status = wcx_ctl_sign_text(ctl, text, wcx_journal_override_text(text, &override), approval);
  if (status != WCX_CTL_OK)
    return status;
  if (ctl->json)
    printf("{\"QuarantineSignature\":{\"Shard\":%u,\"Seq\":%" PRIu64 ",\"Approval\":\"%s\"}}\n", shard, override.seq, approval);
  else
    printf("%ssigned as: --approve %s\n", text, approval);
  return WCX_CTL_OK;
}

/* The pages that are there and this one. */
static int append(const wcx_ctl_t *ctl, uint32_t shard, const wcx_journal_override_t *override)
{
  static uint8_t pages[(WCX_JOURNAL_OVERRIDES_MAX + 1) * WCX_JOURNAL_ALIGN];
  char dir[PATH_SZ];
  wcx_journal_walk_t walk;
  if (!wcx_journal_dir(dir, sizeof(dir), ctl->state_dir, shard))
    return wcx_ctl_fail(WCX_CTL_FAILED, "a path is too long");
  int status = wcx_ctl_walk_open(&walk, ctl, shard);
  if (status != WCX_CTL_OK)
    return status;
  uint32_t cnt = walk.overrides.cnt;
  for (uint32_t i = 0; status == WCX_CTL_OK && i < cnt; i++)
    if (walk.source.override_page(walk.source.ctx, i, pages + (size_t)i * WCX_JOURNAL_ALIGN) != 1)
      status = wcx_ctl_fail(WCX_CTL_FAILED, "%s/" WCX_JOURNAL_OVERRIDES_NAME " cannot be read", dir);
  wcx_journal_walk_close(&walk);
  if (status == WCX_CTL_OK && cnt == WCX_JOURNAL_OVERRIDES_MAX)
    status = wcx_ctl_fail(WCX_CTL_REFUSED, "shard %u has %u overrides already: something else is wrong", shard, cnt);
  wcx_journal_override_page(pages + (size_t)cnt * WCX_JOURNAL_ALIGN, override);
  return status == WCX_CTL_OK ? wcx_ctl_put_file(dir, WCX_JOURNAL_OVERRIDES_NAME, pages, (size_t)(cnt + 1) * WCX_JOURNAL_ALIGN) : status;
}

int wcx_ctl_quarantine_override(const wcx_ctl_t *ctl)
{
  uint32_t shard;
  wcx_journal_override_t override;
  wcx_operators_t operators;
  char err[512];
  if (ctl->operators == NULL)
    return wcx_ctl_fail(WCX_CTL_USAGE, "--operators FILE (paths.operators_file of the configuration) is needed");
  int status = open_override(ctl, &shard, &override);
  if (status == WCX_CTL_OK)
    status = wcx_ctl_take_approvals(ctl, "quarantine sign", override.approvals);
  if (status != WCX_CTL_OK)
    return status;
  if (!wcx_operators_load(&operators, ctl->operators, false, err, sizeof(err)))
    return wcx_ctl_fail(WCX_CTL_FAILED, "%s", err);
  if (!wcx_operators_approved(&operators, &override, err, sizeof(err)))
    return wcx_ctl_fail(WCX_CTL_REFUSED, "%s", err);
  override.made_ns = wcx_env_utc_ns();
  status = append(ctl, shard, &override);
  if (status != WCX_CTL_OK)
    return status;
  printf(ctl->json ? "{\"QuarantineOverride\":{\"Shard\":%u,\"Seq\":%" PRIu64 "}}\n" : "shard %u: seq %" PRIu64 " is signed away: whoever replays the journal passes over it\n",
         shard, override.seq);
  return WCX_CTL_OK;
}

static int list_shard(const wcx_ctl_t *ctl, uint32_t shard)
{
  wcx_journal_walk_t walk;
  int status = wcx_ctl_walk_open(&walk, ctl, shard);
  if (status != WCX_CTL_OK)
    return status;
  for (uint32_t i = 0; i < walk.overrides.cnt; i++)
  {
    wcx_journal_override_t override;
    char hash[33];
    if (walk.source.override_page(walk.source.ctx, i, walk.buf) != 1 || !wcx_journal_override_read(walk.buf, &walk.super, &override))
      continue;
    wcx_ctl_digest_text(override.hash, hash);
    printf(ctl->json ? "{\"QuarantineOverride\":{\"Shard\":%u,\"Seq\":%" PRIu64 ",\"Hash\":\"%s\",\"MadeNs\":%" PRIu64 ",\"Operators\":[\"%s\",\"%s\"]}}\n"
                     : "shard %u seq %" PRIu64 " hash %s made %" PRIu64 " by %s and %s\n",
           shard, override.seq, hash, override.made_ns, override.approvals[0].operator_name, override.approvals[1].operator_name);
  }
  wcx_journal_walk_close(&walk);
  return WCX_CTL_OK;
}

int wcx_ctl_quarantine_list(const wcx_ctl_t *ctl)
{
  return wcx_ctl_each_shard(ctl, list_shard);
}
