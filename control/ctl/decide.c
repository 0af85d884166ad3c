/* wcxctl journal finding | sign | decide: where a journal ends that its worker does not start with, and the two signatures that let it be cut there (engine/shm/journal_decision.h).

       finding  what a recovery finds, without changing anything; also how much is known to have been acknowledged and would be lost
       sign     prints an operator's signature on a cut at exactly that finding; each of two persons runs it with a key of their own
       decide   checks both against --operators and the finding as it is now, then writes both beside the journal; the worker's next start obeys

   All three take the journal's lock, so none of them looks at a journal that a worker writes. */
#include "control/ctl/files.h"
#include "control/ctl/replay.h"
#include "control/ctl/signing.h"
#include "control/operators.h"
#include "engine/base/env.h"
#include "engine/shm/region_file.h"
#include "engine/shm/snapshot_file.h"
#include "persist/cut.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define PATH_SZ 420u
#define LOCK_TIMEOUT_NS UINT64_C(3000000000) /* a worker that refuses to start is started again and again, for moments */

typedef struct found
{
  uint32_t shard;
  char dir[PATH_SZ];
  wcx_recovered_t recovered;
  wcx_journal_finding_t finding;
  bool healthy; /* a start would go on */
  bool can;
  bool pending;          /* the newest decision is not carried out yet */
  uint64_t snapshot_seq; /* newest; 0: none */
  uint64_t region_seq;   /* released, as this boot's region remembers; 0: nothing */
  char text[WCX_JOURNAL_TEXT_SZ];
} found_t;

/* --- what is found ------------------------------------------------------------------------------ */

static uint64_t newest_snapshot(const wcx_ctl_t *ctl, uint32_t shard)
{
  char dir[PATH_SZ];
  wcx_snapshot_source_t source;
  uint64_t seq = 0;
  if (!wcx_snapshot_dir(dir, sizeof(dir), ctl->state_dir, shard) || wcx_snapshot_source_open(&source, dir) != 0)
    return 0;
  if (source.older(source.ctx, UINT64_MAX, &seq) != 1)
    seq = 0;
  source.close(source.ctx);
  return seq;
}

static uint64_t region_released(const wcx_ctl_t *ctl, uint32_t shard)
{
  wcx_region_file_t file;
  char err[512];
  if (ctl->region[0] == '\0' || wcx_region_open(&file, ctl->region, false, err, sizeof(err)) != WCX_REGION_OK)
    return 0;
  uint64_t seq = 0;
  for (uint32_t i = 0; i < file.region->shard_cnt; i++)
    if (file.region->params.shards[i].shard == shard && wcx_ctl_same_dir(file.region->params.state_dir, ctl->state_dir))
      seq = wcx_release_seq(atomic_load_explicit(&wcx_region_shard(file.region, i)->release.release_word, memory_order_acquire));
  wcx_region_close(&file);
  return seq;
}

static uint64_t most(uint64_t a, uint64_t b)
{
  return a > b ? a : b;
}

/* Highest seq that anything knows to have been acknowledged. */
static uint64_t acknowledged(const found_t *found)
{
  return most(found->finding.acked_seq, most(found->snapshot_seq, found->region_seq));
}

static int look_through(found_t *found, wcx_disk_t *disk, uint8_t *buf)
{
  found->text[0] = '\0';
  found->healthy = wcx_recover_look(&found->recovered, disk, buf, found->text, sizeof(found->text)) == 0;
  if (found->recovered.end.verdict == 0)
    return wcx_ctl_fail(WCX_CTL_FAILED, "shard %u: %s", found->shard, found->text);
  found->can = wcx_cut_can(&found->recovered);
  char err[WCX_JOURNAL_TEXT_SZ];
  wcx_cut_t cut;
  int there = wcx_cut_read(&cut, disk, &found->recovered.super, buf, err, sizeof(err));
  if (there >= 0)
    there = wcx_cut_find(&found->finding, &found->recovered, disk, buf, err, sizeof(err)) < 0 ? -1 : there;
  if (there < 0)
    return wcx_ctl_fail(WCX_CTL_FAILED, "shard %u: %s", found->shard, err);
  found->pending = there == 1 && wcx_journal_decision_differs(&cut.decision, &found->finding, cut.state == WCX_JOURNAL_CARRIED_BEGUN) == NULL;
  return WCX_CTL_OK;
}

static int look(const wcx_ctl_t *ctl, found_t *found)
{
  int status = wcx_ctl_the_shard(ctl, &found->shard);
  wcx_journal_walk_t walk;
  if (status == WCX_CTL_OK)
    status = wcx_ctl_walk_open(&walk, ctl, found->shard); /* there is one: opening a disk would make the directory */
  if (status != WCX_CTL_OK)
    return status;
  wcx_journal_walk_close(&walk);
  wcx_disk_t *disk;
  uint8_t *buf = aligned_alloc(WCX_JOURNAL_ALIGN, WCX_JOURNAL_WALK_BUF_SZ);
  if (buf == NULL || !wcx_journal_dir(found->dir, sizeof(found->dir), ctl->state_dir, found->shard))
    return wcx_ctl_fail(WCX_CTL_FAILED, "no memory, or a path is too long");
  int result = wcx_disk_open(&disk, found->dir, 0, 0, 0, LOCK_TIMEOUT_NS);
  if (result == -EWOULDBLOCK)
    status = wcx_ctl_fail(WCX_CTL_REFUSED, "shard %u: its journal worker runs: there is nothing to decide", found->shard);
  else if (result < 0)
    status = wcx_ctl_fail(WCX_CTL_FAILED, "%s: %s", found->dir, strerrordesc_np(-result));
  else
  {
    status = look_through(found, disk, buf);
    wcx_disk_close(disk);
  }
  free(buf);
  found->snapshot_seq = newest_snapshot(ctl, found->shard);
  found->region_seq = region_released(ctl, found->shard);
  return status;
}

/* --- finding -------------------------------------------------------------------------------------- */

static void print_text(const found_t *found)
{
  const wcx_journal_finding_t *finding = &found->finding;
  char bytes[33], digest[33];
  wcx_ctl_digest_text(finding->bytes, bytes);
  wcx_ctl_digest_text(finding->digest, digest);
  uint64_t acked = acknowledged(found);
  printf("shard %u: %s by row %u of the table of verdicts (%s): %s\n", found->shard, wcx_journal_verdict_name(found->recovered.end.verdict), finding->row,
         wcx_journal_place_name(found->recovered.end.facts.place), found->text);
  printf("  ends at segment %" PRIu64 ", offset %" PRIu64 ", behind block %" PRIu64 ", seq %" PRIu64 ", digest %s\n", finding->segment_no, finding->off, finding->last_block_no,
         finding->last_seq, digest);
  printf("  behind it: %" PRIu64 " whole blocks, up to seq %" PRIu64 "; bytes %s\n", found->recovered.end.discarded, found->recovered.end.seen_seq, bytes);
  printf("  acknowledged: hint %" PRIu64 ", newest anchor %" PRIu64 ", newest snapshot %" PRIu64 ", region of this boot %" PRIu64 "\n", finding->committed_hint,
         found->recovered.anchor_seq, found->snapshot_seq, found->region_seq);
  if (!found->can)
    printf("  no cut can mend that: restore the segment\n");
  else if (acked > finding->last_seq)
    printf("  a cut there LOSES what was acknowledged: --lose-acknowledged %" PRIu64 "..%" PRIu64 "\n", finding->last_seq + 1, acked);
  else
    printf("  nothing that is known to have been acknowledged is behind it; whether more was nothing here can tell\n");
}

int wcx_ctl_journal_finding(const wcx_ctl_t *ctl)
{
  static found_t found;
  int status = look(ctl, &found);
  if (status != WCX_CTL_OK)
    return status;
  if (found.healthy && !ctl->json)
    printf("shard %u: a start goes on behind seq %" PRIu64 ": there is nothing to decide\n", found.shard, found.finding.last_seq);
  else if (!ctl->json)
    print_text(&found);
  if (!ctl->json)
    return WCX_CTL_OK;
  const wcx_journal_finding_t *finding = &found.finding;
  char bytes[33], digest[33];
  wcx_ctl_digest_text(finding->bytes, bytes);
  wcx_ctl_digest_text(finding->digest, digest);
  uint64_t acked = acknowledged(&found);
  bool loses = acked > finding->last_seq;
  printf("{\"JournalFinding\":{\"Shard\":%u,\"Verdict\":\"%s\",\"Row\":%u,\"Place\":\"%s\",\"Segment\":%" PRIu64 ",\"Offset\":%" PRIu64 ",\"LastBlock\":%" PRIu64
         ",\"LastSeq\":%" PRIu64 ",\"Digest\":\"%s\",\"Bytes\":\"%s\",\"WholeBlocks\":%" PRIu64 ",\"SeenSeq\":%" PRIu64 ",\"CommittedHint\":%" PRIu64 ",\"AnchorSeq\":%" PRIu64
         ",\"SnapshotSeq\":%" PRIu64 ",\"RegionSeq\":%" PRIu64 ",\"LosesFrom\":%" PRIu64 ",\"LosesTo\":%" PRIu64 ",\"ToDecide\":%s,\"Decided\":%s}}\n",
         found.shard, wcx_journal_verdict_name(found.recovered.end.verdict), finding->row, wcx_journal_place_name(found.recovered.end.facts.place), finding->segment_no,
         finding->off, finding->last_block_no, finding->last_seq, digest, bytes, found.recovered.end.discarded, found.recovered.end.seen_seq, finding->committed_hint,
         found.recovered.anchor_seq, found.snapshot_seq, found.region_seq, loses ? finding->last_seq + 1 : 0, loses ? acked : 0, !found.healthy && found.can ? "true" : "false",
         found.pending ? "true" : "false");
  return WCX_CTL_OK;
}

/* --- sign and decide ------------------------------------------------------------------------------ */

/* The decision that the options and the finding make, as far as it may be made at all. */
static int fill(const wcx_ctl_t *ctl, found_t *found, wcx_journal_decision_t *decision)
{
  if (ctl->reason == NULL || ctl->reason[0] == '\0')
    return wcx_ctl_fail(WCX_CTL_USAGE, "--reason is needed");
  int status = look(ctl, found);
  if (status != WCX_CTL_OK)
    return status;
  const wcx_journal_finding_t *finding = &found->finding;
  uint64_t acked = acknowledged(found);
  if (found->healthy)
    return wcx_ctl_fail(WCX_CTL_REFUSED, "shard %u: a start goes on behind seq %" PRIu64 ": there is nothing to decide", found->shard, finding->last_seq);
  if (found->pending)
    return wcx_ctl_fail(WCX_CTL_REFUSED, "shard %u: this is decided already: start the journal worker", found->shard);
  if (!found->can)
    return wcx_ctl_fail(WCX_CTL_REFUSED, "shard %u: %s: no cut can mend that", found->shard, found->text);
  if (acked > finding->last_seq && (ctl->lost_from != finding->last_seq + 1 || ctl->lost_to < acked))
    return wcx_ctl_fail(WCX_CTL_REFUSED, "shard %u: a cut behind seq %" PRIu64 " loses what was acknowledged: whoever wants that says --lose-acknowledged %" PRIu64 "..%" PRIu64,
                        found->shard, finding->last_seq, finding->last_seq + 1, acked);
  if (ctl->lost_to != 0 && ctl->lost_from != finding->last_seq + 1)
    return wcx_ctl_fail(WCX_CTL_REFUSED, "shard %u: the first seq that is lost is %" PRIu64, found->shard, finding->last_seq + 1);
  *decision = (wcx_journal_decision_t){
      .magic = WCX_JOURNAL_DECISION_MAGIC, .version = WCX_JOURNAL_VERSION, .shard = found->shard, .finding = *finding, .lost_from = ctl->lost_from, .lost_to = ctl->lost_to};
  memcpy(decision->journal_id, found->recovered.super.journal_id, sizeof(decision->journal_id));
  return wcx_ctl_take_reason(ctl, decision->reason);
}

int wcx_ctl_journal_sign(const wcx_ctl_t *ctl)
{
  static found_t found;
  wcx_journal_decision_t decision = {0};
  if (ctl->key == NULL || ctl->operator_name == NULL)
    return wcx_ctl_fail(WCX_CTL_USAGE, "--operator NAME and --key FILE (PEM, Ed25519) are needed");
  int status = fill(ctl, &found, &decision);
  if (status != WCX_CTL_OK)
    return status;
  char text[WCX_JOURNAL_DECISION_TEXT_SZ], approval[32 + 129];
  status = wcx_ctl_sign_text(ctl, text, wcx_journal_decision_text(text, &decision), approval);
  if (status != WCX_CTL_OK)
    return status;
  if (ctl->json)
    printf("{\"JournalSignature\":{\"Shard\":%u,\"LastSeq\":%" PRIu64 ",\"LosesFrom\":%" PRIu64 ",\"LosesTo\":%" PRIu64 ",\"Approval\":\"%s\"}}\n", found.shard,
           decision.finding.last_seq, decision.lost_from, decision.lost_to, approval);
  else
    printf("%ssigned as: --approve %s\n", text, approval);
  return WCX_CTL_OK;
}

/* The pairs that are there and this one. */
static int append(const found_t *found, const wcx_journal_decision_t *decision)
{
  static uint8_t pairs[(WCX_JOURNAL_DECISIONS_MAX + 1) * WCX_JOURNAL_DECISION_PAIR_SZ];
  char path[PATH_SZ + 16];
  snprintf(path, sizeof(path), "%s/" WCX_JOURNAL_DECISIONS_NAME, found->dir);
  FILE *file = fopen(path, "re");
  if (file == NULL && errno != ENOENT)
    return wcx_ctl_fail(WCX_CTL_FAILED, "%s: %s", path, strerror(errno));
  size_t sz = file != NULL ? fread(pairs, 1, sizeof(pairs), file) : 0;
  if (file != NULL)
    fclose(file);
  if (sz % WCX_JOURNAL_DECISION_PAIR_SZ != 0 || sz / WCX_JOURNAL_DECISION_PAIR_SZ >= WCX_JOURNAL_DECISIONS_MAX)
    return wcx_ctl_fail(WCX_CTL_REFUSED, "%s is damaged, or holds %u decisions already: something else is wrong", path, WCX_JOURNAL_DECISIONS_MAX);
  memset(pairs + sz, 0, WCX_JOURNAL_DECISION_PAIR_SZ);
  wcx_journal_decision_page(pairs + sz, decision);
  return wcx_ctl_put_file(found->dir, WCX_JOURNAL_DECISIONS_NAME, pairs, sz + WCX_JOURNAL_DECISION_PAIR_SZ);
}

int wcx_ctl_journal_decide(const wcx_ctl_t *ctl)
{
  static found_t found;
  wcx_journal_decision_t decision;
  wcx_operators_t operators;
  char err[512];
  if (ctl->operators == NULL)
    return wcx_ctl_fail(WCX_CTL_USAGE, "--operators FILE (paths.operators_file of the configuration) is needed");
  int status = fill(ctl, &found, &decision);
  if (status == WCX_CTL_OK)
    status = wcx_ctl_take_approvals(ctl, "journal sign", decision.approvals);
  if (status != WCX_CTL_OK)
    return status;
  if (!wcx_operators_load(&operators, ctl->operators, false, err, sizeof(err)))
    return wcx_ctl_fail(WCX_CTL_FAILED, "%s", err);
  if (!wcx_operators_decided(&operators, &decision, err, sizeof(err)))
    return wcx_ctl_fail(WCX_CTL_REFUSED, "%s", err);
  decision.made_ns = wcx_env_utc_ns();
  status = append(&found, &decision);
  if (status != WCX_CTL_OK)
    return status;
  printf(ctl->json ? "{\"JournalDecided\":{\"Shard\":%u,\"LastSeq\":%" PRIu64 "}}\n"
                   : "shard %u: it is decided that the journal ends behind seq %" PRIu64 ": the worker's next start cuts there and keeps what it cuts away\n",
         found.shard, decision.finding.last_seq);
  if (found.region_seq > decision.finding.last_seq)
    wcx_ctl_fail(0, "before that start: stop everything and remove the region %s, which remembers that seq %" PRIu64 " was released", ctl->region, found.region_seq);
  if (found.snapshot_seq > decision.finding.last_seq)
    wcx_ctl_fail(0, "before that start: move away the snapshots that go beyond seq %" PRIu64, decision.finding.last_seq);
  return WCX_CTL_OK;
}

/* --- what was decided ----------------------------------------------------------------------------- */

/* Whether a RECOVERY block stands behind the chain that the decision names. */
static bool in_chain(const wcx_ctl_t *ctl, uint32_t shard, const wcx_journal_decision_t *decision)
{
  wcx_journal_walk_t walk;
  if (wcx_ctl_walk_open(&walk, ctl, shard) != WCX_CTL_OK)
    return false;
  wcx_journal_block_t block = {0};
  const uint8_t *body;
  int got;
  do
    got = wcx_journal_walk_next_block(&walk, &block, &body);
  while (got == 1 && block.block_no <= decision->finding.last_block_no);
  bool there = got == 1 && block.kind == WCX_JOURNAL_RECOVERY && block.block_no == decision->finding.last_block_no + 1;
  there = there && block.prev_digest.lo == decision->finding.digest.lo && block.prev_digest.hi == decision->finding.digest.hi;
  wcx_journal_walk_close(&walk);
  return there;
}

static void report_one(const wcx_ctl_t *ctl, uint32_t shard, const wcx_journal_decision_t *decision, enum wcx_journal_carried_state state, uint64_t at_ns)
{
  static const char *const states[] = {"pending", "begun", "done"};
  char digest[33];
  wcx_ctl_digest_text(decision->finding.digest, digest);
  const char *chain = in_chain(ctl, shard, decision) ? "true" : "false";
  if (ctl->json)
    printf("{\"JournalDecision\":{\"Shard\":%u,\"CutSeq\":%" PRIu64 ",\"Digest\":\"%s\",\"LosesFrom\":%" PRIu64 ",\"LosesTo\":%" PRIu64 ",\"MadeNs\":%" PRIu64
           ",\"Operators\":[\"%s\",\"%s\"],\"State\":\"%s\",\"CarriedOutNs\":%" PRIu64 ",\"InChain\":%s}}\n",
           shard, decision->finding.last_seq, digest, decision->lost_from, decision->lost_to, decision->made_ns, decision->approvals[0].operator_name,
           decision->approvals[1].operator_name, states[state], at_ns, chain);
  else
    printf("  decision: cut behind seq %" PRIu64 " by %s and %s (%s); acknowledged and lost %" PRIu64 "..%" PRIu64 "; %s at %" PRIu64 ", in the chain: %s\n",
           decision->finding.last_seq, decision->approvals[0].operator_name, decision->approvals[1].operator_name, decision->reason, decision->lost_from, decision->lost_to,
           states[state], at_ns, chain);
}

int wcx_ctl_decisions_report(const wcx_ctl_t *ctl, uint32_t shard)
{
  static uint8_t pair[WCX_JOURNAL_DECISION_PAIR_SZ];
  char dir[PATH_SZ], path[PATH_SZ + 16];
  wcx_journal_walk_t walk;
  if (!wcx_journal_dir(dir, sizeof(dir), ctl->state_dir, shard))
    return wcx_ctl_fail(WCX_CTL_FAILED, "a path is too long");
  snprintf(path, sizeof(path), "%s/" WCX_JOURNAL_DECISIONS_NAME, dir);
  FILE *file = fopen(path, "re");
  if (file == NULL)
    return errno == ENOENT ? WCX_CTL_OK : wcx_ctl_fail(WCX_CTL_FAILED, "%s: %s", path, strerror(errno));
  int status = wcx_ctl_walk_open(&walk, ctl, shard);
  if (status == WCX_CTL_OK)
  {
    wcx_journal_super_t super = walk.super;
    wcx_journal_walk_close(&walk);
    while (status == WCX_CTL_OK && fread(pair, sizeof(pair), 1, file) == 1)
    {
      wcx_journal_decision_t decision;
      uint64_t at_ns = 0;
      if (!wcx_journal_decision_read(pair, &super, &decision))
        status = wcx_ctl_fail(WCX_CTL_FAILED, "%s is damaged or of another journal", path);
      else
        report_one(ctl, shard, &decision, wcx_journal_carried_read(pair + WCX_JOURNAL_ALIGN, wcx_journal_decision_digest(pair), &at_ns), at_ns);
    }
  }
  fclose(file);
  return status;
}
