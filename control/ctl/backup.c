/* wcxctl backup and restore. A backup is a state directory: journal/ is a journal of its own (persist/ship.h), snapshot/ holds snapshots, backup.json says how far it
   goes. So every command that takes --state-dir works on it, and a restore is a copy that is walked before it gets its name. */
#include "control/ctl/files.h"
#include "engine/shm/journal_decision.h"
#include "engine/shm/region_file.h"
#include "persist/pages.h"
#include "persist/ship.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MANIFEST_NAME "backup.json"
#define PATH_SZ 420u

/* --- backup -------------------------------------------------------------------------------------------- */

typedef struct done
{
  uint64_t first_segment, last_segment, last_seq, blocks, bytes;
  uint32_t snapshots;
  wcx_digest_t digest; /* of the last block */
} done_t;

/* A living worker tells what no crash takes back; without one everything that is there is what a start would find. */
static uint64_t durable_block(const wcx_ctl_t *ctl, uint32_t shard)
{
  wcx_region_file_t file;
  char err[512];
  uint64_t durable = UINT64_MAX;
  if (ctl->region[0] == '\0' || wcx_region_open(&file, ctl->region, false, err, sizeof(err)) != WCX_REGION_OK)
    return durable;
  for (uint32_t i = 0; i < file.region->shard_cnt; i++)
  {
    const wcx_region_shard_t *at = wcx_region_shard(file.region, i);
    bool lives = file.region->params.shards[i].shard == shard && wcx_region_alive(&file, WCX_REGION_LOCK_JOURNAL + i);
    if (lives && wcx_ctl_same_dir(file.region->params.state_dir, ctl->state_dir))
      durable = atomic_load_explicit((_Atomic uint64_t *)(uintptr_t)&at->segments.durable_block, memory_order_acquire); /* pairs with the worker's release */
  }
  wcx_region_close(&file);
  return durable;
}

/* The open segment of the target once more, as it lies there: closed ones were read back when they were closed. */
static int read_tail(wcx_ship_t *ship, done_t *done)
{
  wcx_journal_walk_t walk;
  wcx_journal_block_t block;
  const uint8_t *body;
  char err[WCX_JOURNAL_TEXT_SZ];
  if (wcx_journal_walk_open_at(&walk, ship->to_dir, &ship->first, err, sizeof(err)) != WCX_JOURNAL_OPEN_OK)
    return wcx_ctl_fail(WCX_CTL_FAILED, "%s: %s", ship->to_dir, err);
  int got;
  do
    got = wcx_journal_walk_next_block(&walk, &block, &body);
  while (got == 1);
  bool same = got == 0 && walk.chain.digest.lo == ship->walk.chain.digest.lo && walk.chain.digest.hi == ship->walk.chain.digest.hi;
  done->digest = walk.chain.digest;
  done->last_seq = walk.chain.next_seq - 1;
  done->last_segment = walk.segment_no;
  done->first_segment = walk.super.first_segment_no;
  int status = same ? WCX_CTL_OK : wcx_ctl_fail(WCX_CTL_FAILED, "%s: what was read back is not what was written%s%s", ship->to_dir, got < 0 ? ": " : "", got < 0 ? walk.text : "");
  wcx_journal_walk_close(&walk);
  return status;
}

/* Nothing was copied or compared: the journal must still be the one that the target continues, and not end before it. */
static int check_end(const char *from, const wcx_ship_t *ship)
{
  wcx_journal_walk_t walk;
  wcx_journal_block_t block;
  const uint8_t *body;
  char err[WCX_JOURNAL_TEXT_SZ];
  if (wcx_journal_walk_open(&walk, from, err, sizeof(err)) != WCX_JOURNAL_OPEN_OK)
    return wcx_ctl_fail(WCX_CTL_FAILED, "%s: %s", from, err);
  while (walk.chain.next_block_no < ship->walk.chain.next_block_no && wcx_journal_walk_next_block(&walk, &block, &body) == 1)
    ;
  bool same = walk.chain.digest.lo == ship->walk.chain.digest.lo && walk.chain.digest.hi == ship->walk.chain.digest.hi;
  wcx_journal_walk_close(&walk);
  return same ? WCX_CTL_OK
              : wcx_ctl_fail(WCX_CTL_FAILED,
                             "%s goes on to block %" PRIu64
                             ", where the journal has another or ends before: it was restored from before it. Restore from here, or give an empty directory",
                             ship->to_dir, ship->walk.chain.next_block_no - 1);
}

static int ship_journal(const wcx_ctl_t *ctl, uint32_t shard, const wcx_journal_anchor_t *since, done_t *done)
{
  static wcx_ship_t ship;
  char from[PATH_SZ], to[PATH_SZ];
  if (!wcx_journal_dir(from, sizeof(from), ctl->state_dir, shard) || !wcx_journal_dir(to, sizeof(to), ctl->to_dir, shard))
    return wcx_ctl_fail(WCX_CTL_FAILED, "a path is too long");
  if (wcx_ship_open(&ship, from, to, since) < 0)
    return wcx_ctl_fail(WCX_CTL_FAILED, "shard %u: %s", shard, ship.text);
  uint64_t limit = durable_block(ctl, shard);
  int result;
  do
    result = wcx_ship_step(&ship, limit);
  while (result == 1);
  if (result == 0)
    result = wcx_ship_sync(&ship);
  int status = result < 0 ? wcx_ctl_fail(WCX_CTL_FAILED, "shard %u: %s", shard, ship.text) : WCX_CTL_OK;
  if (status == WCX_CTL_OK)
    status = wcx_ctl_copy_if_there(from, to, WCX_JOURNAL_DECISIONS_NAME);
  done->blocks = ship.blocks;
  done->bytes = ship.bytes;
  if (status == WCX_CTL_OK && !ship.made)
    status = wcx_ctl_fail(WCX_CTL_FAILED, "shard %u: there is nothing to copy: the journal is empty", shard);
  if (status == WCX_CTL_OK && ship.blocks == 0)
    status = check_end(from, &ship);
  if (status == WCX_CTL_OK)
    status = read_tail(&ship, done);
  wcx_ship_close(&ship);
  return status;
}

/* Snapshots that the copied journal reaches; those that are there already are left. */
static int copy_snapshots(const char *from_state, const char *to_state, uint32_t shard, uint64_t last_seq, uint32_t *cnt)
{
  char from[PATH_SZ], to[PATH_SZ];
  if (!wcx_snapshot_dir(from, sizeof(from), from_state, shard) || !wcx_snapshot_dir(to, sizeof(to), to_state, shard))
    return wcx_ctl_fail(WCX_CTL_FAILED, "a path is too long");
  struct dirent **names = NULL;
  int found = scandir(from, &names, NULL, alphasort);
  int status = WCX_CTL_OK;
  for (int i = 0; i < found; i++)
  {
    uint64_t seq;
    if (status == WCX_CTL_OK && wcx_snapshot_file_seq(names[i]->d_name, &seq) && seq <= last_seq)
    {
      status = wcx_ctl_copy_snapshot(from, to, names[i]->d_name);
      *cnt += status == WCX_CTL_OK;
    }
    free(names[i]);
  }
  free(names);
  return status;
}

static json_t *manifest_of(const wcx_ctl_t *ctl)
{
  char path[PATH_SZ];
  snprintf(path, sizeof(path), "%s/" MANIFEST_NAME, ctl->to_dir);
  json_t *manifest = json_load_file(path, 0, NULL);
  return manifest != NULL ? manifest : json_object();
}

static int note(const wcx_ctl_t *ctl, uint32_t shard, const done_t *done)
{
  char name[16], digest[33];
  snprintf(name, sizeof(name), "%u", shard);
  wcx_ctl_digest_text(done->digest, digest);
  json_t *manifest = manifest_of(ctl);
  json_t *row = json_pack("{s:I,s:I,s:I,s:s}", "FirstSegment", (json_int_t)done->first_segment, "LastSegment", (json_int_t)done->last_segment, "LastSeq",
                          (json_int_t)done->last_seq, "ChainDigest", digest);
  json_object_set_new(manifest, name, row);
  char *text = json_dumps(manifest, JSON_COMPACT | JSON_SORT_KEYS);
  json_decref(manifest);
  int status = text != NULL ? wcx_ctl_put_file(ctl->to_dir, MANIFEST_NAME, text, strlen(text)) : wcx_ctl_fail(WCX_CTL_FAILED, "no memory");
  free(text);
  return status;
}

static bool holds_backup(const char *dir)
{
  char path[PATH_SZ];
  snprintf(path, sizeof(path), "%s/" MANIFEST_NAME, dir);
  return access(path, F_OK) == 0;
}

/* Where the increment begins: behind the closed segments of the base. */
static int find_since(const wcx_ctl_t *ctl, uint32_t shard, wcx_journal_anchor_t *since)
{
  char base[PATH_SZ], err[WCX_JOURNAL_TEXT_SZ];
  wcx_journal_walk_t walk;
  if (!wcx_journal_dir(base, sizeof(base), ctl->since_dir, shard))
    return wcx_ctl_fail(WCX_CTL_FAILED, "a path is too long");
  if (wcx_journal_walk_open(&walk, base, err, sizeof(err)) != WCX_JOURNAL_OPEN_OK)
    return wcx_ctl_fail(WCX_CTL_FAILED, "--since %s: %s", ctl->since_dir, err);
  if (!wcx_ship_end(base, &walk.super, since)) /* it has no closed segment: all of it again */
    *since = wcx_journal_first_anchor(&walk.super);
  wcx_journal_walk_close(&walk);
  return WCX_CTL_OK;
}

static int backup_shard(const wcx_ctl_t *ctl, uint32_t shard)
{
  wcx_journal_anchor_t since;
  done_t done = {0};
  int status = ctl->since_dir != NULL ? find_since(ctl, shard, &since) : WCX_CTL_OK;
  if (status == WCX_CTL_OK)
    status = ship_journal(ctl, shard, ctl->since_dir != NULL ? &since : NULL, &done);
  if (status == WCX_CTL_OK)
    status = copy_snapshots(ctl->state_dir, ctl->to_dir, shard, done.last_seq, &done.snapshots);
  if (status == WCX_CTL_OK)
    status = note(ctl, shard, &done);
  if (status != WCX_CTL_OK)
    return status;
  printf(ctl->json ? "{\"Backup\":{\"Shard\":%u,\"FirstSegment\":%" PRIu64 ",\"LastSegment\":%" PRIu64 ",\"LastSeq\":%" PRIu64 ",\"Blocks\":%" PRIu64 ",\"Bytes\":%" PRIu64
                     ",\"Snapshots\":%u}}\n"
                   : "shard %u: segments %" PRIu64 " to %" PRIu64 ", last seq %" PRIu64 "; %" PRIu64 " blocks, %" PRIu64 " bytes copied or compared, %u snapshots\n",
         shard, done.first_segment, done.last_segment, done.last_seq, done.blocks, done.bytes, done.snapshots);
  return WCX_CTL_OK;
}

int wcx_ctl_backup(const wcx_ctl_t *ctl)
{
  if (ctl->to_dir == NULL)
    return wcx_ctl_fail(WCX_CTL_USAGE, "backup needs --into DIR");
  if (holds_backup(ctl->to_dir) && !ctl->incremental)
    return wcx_ctl_fail(WCX_CTL_REFUSED, "%s holds a backup: --incremental adds what is new to it, or take an empty directory", ctl->to_dir);
  if (ctl->incremental && !holds_backup(ctl->to_dir))
    return wcx_ctl_fail(WCX_CTL_REFUSED, "%s holds no backup to add to: leave out --incremental for a full one", ctl->to_dir);
  if (ctl->since_dir != NULL && !holds_backup(ctl->since_dir))
    return wcx_ctl_fail(WCX_CTL_REFUSED, "--since %s holds no backup", ctl->since_dir);
  return wcx_ctl_each_shard(ctl, backup_shard);
}

/* --- restore ------------------------------------------------------------------------------------------- */

typedef struct restored
{
  uint64_t first_segment, last_seq;
  uint32_t segments, snapshots;
  const char *verdict;
} restored_t;

/* All sources must be one journal; the first gives the superblock. */
static int check_source(const wcx_ctl_t *ctl, uint32_t idx, const char *dir, wcx_journal_super_t *super)
{
  wcx_journal_walk_t walk;
  char err[WCX_JOURNAL_TEXT_SZ];
  if (wcx_journal_walk_open(&walk, dir, err, sizeof(err)) != WCX_JOURNAL_OPEN_OK)
    return wcx_ctl_fail(WCX_CTL_FAILED, "--backup %s: %s", ctl->from_dirs[idx], err);
  bool same = idx == 0 || (memcmp(super->journal_id, walk.super.journal_id, sizeof(super->journal_id)) == 0 && super->segment_sz == walk.super.segment_sz);
  if (idx == 0)
    *super = walk.super;
  wcx_journal_walk_close(&walk);
  return same ? WCX_CTL_OK : wcx_ctl_fail(WCX_CTL_REFUSED, "--backup %s is of another journal than --backup %s", ctl->from_dirs[idx], ctl->from_dirs[0]);
}

/* The last of the sources wins, segment by segment: it is to be the newest. Whether it was shows in how far the copy goes. */
static int copy_segments(const wcx_ctl_t *ctl, uint32_t shard, const char *to, wcx_journal_super_t *super)
{
  int status = WCX_CTL_OK;
  for (uint32_t idx = 0; status == WCX_CTL_OK && idx < ctl->from_cnt; idx++)
  {
    char from[PATH_SZ];
    if (!wcx_journal_dir(from, sizeof(from), ctl->from_dirs[idx], shard))
      return wcx_ctl_fail(WCX_CTL_FAILED, "a path is too long");
    status = check_source(ctl, idx, from, super);
    struct dirent **names = NULL;
    int cnt = status == WCX_CTL_OK ? scandir(from, &names, NULL, alphasort) : 0;
    for (int i = 0; i < cnt; i++)
    {
      uint64_t segment_no;
      if (status == WCX_CTL_OK && wcx_segment_no_of(names[i]->d_name, &segment_no) && segment_no >= super->first_segment_no)
        status = wcx_ctl_copy_file(from, to, names[i]->d_name);
      free(names[i]);
    }
    free(names);
    if (status == WCX_CTL_OK)
      status = wcx_ctl_copy_if_there(from, to, WCX_JOURNAL_OVERRIDES_NAME);
    if (status == WCX_CTL_OK)
      status = wcx_ctl_copy_if_there(from, to, WCX_JOURNAL_DECISIONS_NAME);
  }
  return status;
}

/* When the journal is known to be good: a state directory that holds snapshots and no journal would be one that lost it. */
static int copy_all_snapshots(const wcx_ctl_t *ctl, uint32_t shard, restored_t *done)
{
  int status = WCX_CTL_OK;
  for (uint32_t idx = 0; status == WCX_CTL_OK && idx < ctl->from_cnt; idx++)
    status = copy_snapshots(ctl->from_dirs[idx], ctl->state_dir, shard, done->last_seq, &done->snapshots);
  return status;
}

/* The last seq that a source holds, whatever its end is. */
static uint64_t reached_seq(const char *from_dir, uint32_t shard)
{
  wcx_journal_walk_t walk;
  wcx_journal_block_t block;
  const uint8_t *body;
  char dir[PATH_SZ], err[WCX_JOURNAL_TEXT_SZ];
  if (!wcx_journal_dir(dir, sizeof(dir), from_dir, shard) || wcx_journal_walk_open(&walk, dir, err, sizeof(err)) != WCX_JOURNAL_OPEN_OK)
    return 0;
  while (wcx_journal_walk_next_block(&walk, &block, &body) == 1)
    ;
  uint64_t seq = walk.chain.next_seq - 1;
  wcx_journal_walk_close(&walk);
  return seq;
}

/* How far the backups say that they go, or go: an archive, or a backup that grew after its manifest was written, says nothing. */
static uint64_t promised_seq(const wcx_ctl_t *ctl, uint32_t shard)
{
  char name[16], path[PATH_SZ];
  uint64_t promised = 0;
  snprintf(name, sizeof(name), "%u", shard);
  for (uint32_t idx = 0; idx < ctl->from_cnt; idx++)
  {
    snprintf(path, sizeof(path), "%s/" MANIFEST_NAME, ctl->from_dirs[idx]);
    json_t *manifest = json_load_file(path, 0, NULL);
    uint64_t seq = (uint64_t)json_integer_value(json_object_get(json_object_get(manifest, name), "LastSeq"));
    json_decref(manifest);
    promised = seq > promised ? seq : promised;
    seq = reached_seq(ctl->from_dirs[idx], shard);
    promised = seq > promised ? seq : promised;
  }
  return promised;
}

static int walk_copy(const char *dir, uint64_t promised, restored_t *done)
{
  wcx_journal_walk_t walk;
  wcx_journal_block_t block;
  const uint8_t *body;
  char err[WCX_JOURNAL_TEXT_SZ];
  if (wcx_journal_walk_open(&walk, dir, err, sizeof(err)) != WCX_JOURNAL_OPEN_OK)
    return wcx_ctl_fail(WCX_CTL_FAILED, "%s: %s", dir, err);
  int got;
  do
    got = wcx_journal_walk_next_block(&walk, &block, &body);
  while (got == 1);
  done->last_seq = walk.chain.next_seq - 1;
  done->first_segment = walk.super.first_segment_no;
  int status = WCX_CTL_OK;
  if (got < 0)
    status = wcx_ctl_fail(WCX_CTL_FAILED, "what was copied is not a whole journal: %s", walk.text);
  else if (done->last_seq < promised)
    status = wcx_ctl_fail(WCX_CTL_FAILED, "what was copied ends at seq %" PRIu64 ", the backup says %" PRIu64 ": is an increment missing or in the wrong order?", done->last_seq,
                          promised);
  else
    done->verdict = wcx_journal_verdict_name(walk.end.verdict);
  wcx_journal_walk_close(&walk);
  return status;
}

static int restore_shard(const wcx_ctl_t *ctl, uint32_t shard)
{
  char dir[PATH_SZ], temp[PATH_SZ + 16];
  restored_t done = {0};
  wcx_journal_super_t super = {0};
  if (!wcx_journal_dir(dir, sizeof(dir), ctl->state_dir, shard))
    return wcx_ctl_fail(WCX_CTL_FAILED, "a path is too long");
  if (access(dir, F_OK) == 0)
    return wcx_ctl_fail(WCX_CTL_REFUSED, "%s is there: a restore never writes over a journal; move it away, or give another --state-dir", dir);
  snprintf(temp, sizeof(temp), "%s.restore", dir);
  int status = wcx_ctl_make_empty_dir(temp);
  if (status == WCX_CTL_OK)
    status = copy_segments(ctl, shard, temp, &super);
  if (status == WCX_CTL_OK)
    status = wcx_ctl_put_super(temp, &super);
  if (status == WCX_CTL_OK)
    status = walk_copy(temp, promised_seq(ctl, shard), &done);
  if (status == WCX_CTL_OK)
    status = copy_all_snapshots(ctl, shard, &done);
  if (status == WCX_CTL_OK)
    status = wcx_ctl_name_dir(temp, dir);
  if (status != WCX_CTL_OK)
    return status;
  printf(ctl->json ? "{\"Restore\":{\"Shard\":%u,\"FirstSegment\":%" PRIu64 ",\"LastSeq\":%" PRIu64 ",\"Snapshots\":%u,\"Verdict\":\"%s\"}}\n"
                   : "shard %u: from segment %" PRIu64 " on, last seq %" PRIu64 ", %u snapshots, the end is %s\n",
         shard, done.first_segment, done.last_seq, done.snapshots, done.verdict);
  return WCX_CTL_OK;
}

int wcx_ctl_restore(const wcx_ctl_t *ctl)
{
  if (ctl->from_cnt == 0 || ctl->state_dir[0] == '\0')
    return wcx_ctl_fail(WCX_CTL_USAGE, "restore needs --backup DIR (the full one first, then increments in order) and --state-dir DIR");
  wcx_ctl_t from = *ctl;
  snprintf(from.state_dir, sizeof(from.state_dir), "%s", ctl->from_dirs[0]);
  wcx_ctl_shards_t shards;
  int status = wcx_ctl_list_shards(&from, &shards);
  for (uint32_t i = 0; status == WCX_CTL_OK && i < shards.cnt; i++)
    status = restore_shard(ctl, shards.shards[i]);
  return status;
}
