/* wcxctl verify integrity: everything a state directory (or a backup, or an archive) holds, held against everything else in it.

       journal    the chain from the first kept block to the end, and how it ends
       replay     every input applied from the first on; the state digest once more from scratch, and the engine's own invariants
       snapshots  each file by its own rules, of this journal, and equal to the replay at its seq
       archive    --archive DIR: its closed segments byte by byte */
#include "control/ctl/files.h"
#include "control/ctl/replay.h"
#include "persist/pages.h"
#include "persist/ship.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH_SZ 420u
#define SNAPSHOTS_MAX 256u

typedef struct integrity
{
  wcx_ctl_replay_t replay;
  wcx_journal_super_t super;
  wcx_journal_end_t end;
  uint64_t blocks, records;
  bool replayed;
  uint32_t snapshot_cnt, compared;
  wcx_snapshot_file_t snapshots[SNAPSHOTS_MAX]; /* ascending */
  uint64_t archived;                            /* segments compared */
} integrity_t;

/* --- snapshots ----------------------------------------------------------------------------------------- */

static int read_snapshot(integrity_t *integrity, const char *dir, const char *name)
{
  char path[PATH_SZ + 264], err[160] = "it cannot be read";
  snprintf(path, sizeof(path), "%s/%s", dir, name);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  struct stat st;
  wcx_snapshot_file_t *hdr = &integrity->snapshots[integrity->snapshot_cnt];
  bool good = false;
  if (fd >= 0 && fstat(fd, &st) == 0 && st.st_size > 0)
  {
    void *bytes = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    good = bytes != MAP_FAILED && wcx_snapshot_check(bytes, (uint64_t)st.st_size, hdr, err, sizeof(err));
    if (bytes != MAP_FAILED)
      munmap(bytes, (size_t)st.st_size);
  }
  if (fd >= 0)
    close(fd);
  if (!good)
    return wcx_ctl_fail(WCX_CTL_FAILED, "%s: %s", path, err);
  if (memcmp(hdr->journal_id, integrity->super.journal_id, sizeof(hdr->journal_id)) != 0 || hdr->shard != integrity->super.shard)
    return wcx_ctl_fail(WCX_CTL_FAILED, "%s: it is of another journal", path);
  integrity->snapshot_cnt++;
  return WCX_CTL_OK;
}

static int read_snapshots(integrity_t *integrity, const wcx_ctl_t *ctl, uint32_t shard)
{
  char dir[PATH_SZ];
  if (!wcx_snapshot_dir(dir, sizeof(dir), ctl->state_dir, shard))
    return wcx_ctl_fail(WCX_CTL_FAILED, "the path of the state directory is too long");
  struct dirent **names = NULL;
  int cnt = scandir(dir, &names, NULL, alphasort); /* hex of one length: by seq */
  int status = WCX_CTL_OK;
  for (int i = 0; i < cnt; i++)
  {
    uint64_t seq;
    if (status == WCX_CTL_OK && wcx_snapshot_file_seq(names[i]->d_name, &seq))
      status = integrity->snapshot_cnt == SNAPSHOTS_MAX ? wcx_ctl_fail(WCX_CTL_FAILED, "%s: more than %u snapshots", dir, SNAPSHOTS_MAX)
                                                        : read_snapshot(integrity, dir, names[i]->d_name);
    free(names[i]);
  }
  free(names);
  return status;
}

/* --- chain and replay ---------------------------------------------------------------------------------- */

static int walk_chain(integrity_t *integrity, const wcx_ctl_t *ctl, uint32_t shard)
{
  wcx_journal_walk_t walk;
  wcx_journal_block_t block;
  const uint8_t *body;
  int status = wcx_ctl_walk_open(&walk, ctl, shard);
  if (status != WCX_CTL_OK)
    return status;
  integrity->super = walk.super;
  int got;
  do
    got = wcx_journal_walk_next_block(&walk, &block, &body);
  while (got == 1);
  integrity->end = walk.end;
  integrity->blocks = walk.blocks;
  integrity->records = walk.records;
  if (got < 0)
    status = wcx_ctl_fail(WCX_CTL_FAILED, "shard %u: %s", shard, walk.text);
  wcx_journal_walk_close(&walk);
  return status;
}

static bool same(wcx_digest_t a, wcx_digest_t b)
{
  return a.lo == b.lo && a.hi == b.hi;
}

static int compare_snapshots(integrity_t *integrity, uint32_t shard)
{
  const wcx_engine_t *engine = integrity->replay.engine;
  while (integrity->compared < integrity->snapshot_cnt && integrity->snapshots[integrity->compared].seq == wcx_engine_applied_seq(engine))
  {
    const wcx_snapshot_file_t *hdr = &integrity->snapshots[integrity->compared];
    if (!same(hdr->state_digest, wcx_engine_state_digest(engine)) || !same(hdr->output_digest, wcx_engine_output_digest(engine)))
      return wcx_ctl_fail(WCX_CTL_FAILED, "shard %u: the snapshot of seq %" PRIu64 " is not what a replay gives", shard, hdr->seq);
    integrity->compared++;
  }
  return WCX_CTL_OK;
}

static int replay_all(integrity_t *integrity, const wcx_ctl_t *ctl, uint32_t shard)
{
  int status = wcx_ctl_replay_open(&integrity->replay, ctl, shard);
  if (status != WCX_CTL_OK)
    return status;
  integrity->replay.limit_seq = integrity->end.last_seq; /* a living worker may have written more since */
  int got = 1;
  while (got == 1 && status == WCX_CTL_OK)
  {
    status = compare_snapshots(integrity, shard);
    got = wcx_ctl_replay_step(&integrity->replay);
  }
  if (got < 0)
    return wcx_ctl_fail(WCX_CTL_FAILED, "shard %u: %s", shard, integrity->replay.walk.text);
  if (status != WCX_CTL_OK)
    return status;
  if (integrity->compared < integrity->snapshot_cnt)
    return wcx_ctl_fail(WCX_CTL_FAILED, "shard %u: the snapshot of seq %" PRIu64 " lies beyond the journal, which ends at %" PRIu64, shard,
                        integrity->snapshots[integrity->compared].seq, integrity->end.last_seq);
  const wcx_engine_t *engine = integrity->replay.engine;
  if (!same(wcx_engine_state_digest(engine), wcx_engine_state_digest_full(engine)))
    return wcx_ctl_fail(WCX_CTL_FAILED, "shard %u: the state digest differs from one computed from scratch: this engine is broken", shard);
  wcx_engine_verify(engine); /* ends the program with what is wrong */
  integrity->replayed = true;
  return WCX_CTL_OK;
}

/* --- archive -------------------------------------------------------------------------------------------- */

static bool read_whole(int fd, uint8_t *buf, size_t sz, uint64_t off)
{
  size_t done = 0;
  while (done < sz)
  {
    ssize_t got = pread(fd, buf + done, sz - done, (off_t)(off + done));
    if (got <= 0)
      return false;
    done += (size_t)got;
  }
  return true;
}

static bool equal_files(const char *a, const char *b, uint64_t sz)
{
  static uint8_t buf_a[256u << 10], buf_b[256u << 10];
  int fd_a = open(a, O_RDONLY | O_CLOEXEC);
  int fd_b = open(b, O_RDONLY | O_CLOEXEC);
  bool equal = fd_a >= 0 && fd_b >= 0;
  for (uint64_t off = 0; equal && off < sz;)
  {
    size_t part = sz - off < sizeof(buf_a) ? (size_t)(sz - off) : sizeof(buf_a);
    equal = read_whole(fd_a, buf_a, part, off) && read_whole(fd_b, buf_b, part, off) && memcmp(buf_a, buf_b, part) == 0;
    off += part;
  }
  if (fd_a >= 0)
    close(fd_a);
  if (fd_b >= 0)
    close(fd_b);
  return equal;
}

static int compare_archive(integrity_t *integrity, const wcx_ctl_t *ctl, uint32_t shard)
{
  char here[PATH_SZ], there[PATH_SZ], a[PATH_SZ + 64], b[PATH_SZ + 64], name[WCX_SEGMENT_NAME_SZ];
  if (!wcx_journal_dir(here, sizeof(here), ctl->state_dir, shard) || !wcx_journal_dir(there, sizeof(there), ctl->archive_dir, shard))
    return wcx_ctl_fail(WCX_CTL_FAILED, "a path is too long");
  wcx_journal_anchor_t end;
  if (!wcx_ship_end(there, &integrity->super, &end))
    return wcx_ctl_fail(WCX_CTL_FAILED, "%s: no closed segment of this journal is archived there", there);
  for (uint64_t segment_no = integrity->super.first_segment_no; segment_no < end.segment_no; segment_no++)
  {
    wcx_segment_name(name, segment_no);
    snprintf(a, sizeof(a), "%s/%s", here, name);
    snprintf(b, sizeof(b), "%s/%s", there, name);
    if (!equal_files(a, b, integrity->super.segment_sz))
      return wcx_ctl_fail(WCX_CTL_FAILED, "shard %u: segment %" PRIu64 " in %s is not that of the journal", shard, segment_no, there);
    integrity->archived++;
  }
  return WCX_CTL_OK;
}

/* --- the command ---------------------------------------------------------------------------------------- */

static void report(const integrity_t *integrity, const wcx_ctl_t *ctl, uint32_t shard)
{
  const char *verdict = wcx_journal_verdict_name(integrity->end.verdict);
  if (ctl->json)
    printf("{\"Integrity\":{\"Shard\":%u,\"Verdict\":\"%s\",\"FirstSegment\":%" PRIu64 ",\"LastSeq\":%" PRIu64 ",\"Blocks\":%" PRIu64 ",\"Records\":%" PRIu64
           ",\"Replayed\":%s,\"Snapshots\":%u,\"SnapshotsCompared\":%u,\"ArchiveSegments\":%" PRIu64 "}}\n",
           shard, verdict, integrity->super.first_segment_no, integrity->end.last_seq, integrity->blocks, integrity->records, integrity->replayed ? "true" : "false",
           integrity->snapshot_cnt, integrity->compared, integrity->archived);
  else
    printf("shard %u: %s; last seq %" PRIu64 " in %" PRIu64 " blocks from segment %" PRIu64 " on; %s; %u snapshots sound, %u equal to the replay; %" PRIu64
           " segments equal to the archive\n",
           shard, verdict, integrity->end.last_seq, integrity->blocks, integrity->super.first_segment_no,
           integrity->replayed ? "replayed, state and invariants hold" : "not replayed: the first segments are in the archive alone", integrity->snapshot_cnt, integrity->compared,
           integrity->archived);
}

static int verify_shard(const wcx_ctl_t *ctl, uint32_t shard)
{
  integrity_t *integrity = calloc(1, sizeof(*integrity));
  if (integrity == NULL)
    return wcx_ctl_fail(WCX_CTL_FAILED, "no memory");
  int status = walk_chain(integrity, ctl, shard);
  if (status == WCX_CTL_OK)
    status = read_snapshots(integrity, ctl, shard);
  if (status == WCX_CTL_OK && integrity->super.first_segment_no == 1)
  {
    status = replay_all(integrity, ctl, shard);
    wcx_ctl_replay_close(&integrity->replay);
  }
  if (status == WCX_CTL_OK && ctl->archive_dir != NULL)
    status = compare_archive(integrity, ctl, shard);
  if (status == WCX_CTL_OK)
    report(integrity, ctl, shard);
  free(integrity);
  return status;
}

int wcx_ctl_verify_integrity(const wcx_ctl_t *ctl)
{
  return wcx_ctl_each_shard(ctl, verify_shard);
}
