#include "tests/sim/disk_sim.h"

#include "engine/base/check.h"
#include "engine/shm/journal_walk.h"
#include "engine/shm/snapshot_file.h"
#include "tests/sim/env_sim.h"
#include "tests/sim/sim_file.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#define DISKS_MAX 8u
#define INODES_MAX 512u
#define NAMES_MAX 512u
#define NAME_OPS_MAX 64u
#define WRITES_MAX 16u
#define NO_INODE UINT32_MAX

typedef struct name
{
  char text[48];
  uint32_t inode;
} name_t;

typedef struct name_op /* from -> to; from "" is a create, to "" a remove */
{
  char from[48], to[48];
  uint32_t inode;
} name_op_t;

typedef struct pending
{
  bool used;
  uint32_t inode;
  uint64_t off;
  uint32_t sz;
  uint64_t user;
  int64_t result;
  uint32_t buffer_idx;
  uint8_t *bytes; /* a copy: the disk takes what it was given at submit; NULL: zeros */
} pending_t;

struct wcx_disk
{
  char dir[256];
  bool locked;
  uint32_t depth, buffer_cnt, buffer_sz;
  uint8_t *buffers;
  uint32_t handles[WCX_DISK_FILES_MAX];
  uint32_t inode_cnt; /* no inode at or above is used */
  wcx_sim_file_t inodes[INODES_MAX];
  name_t names[NAMES_MAX], durable_names[NAMES_MAX];
  uint32_t name_cnt, durable_name_cnt;
  name_op_t ops[NAME_OPS_MAX];
  uint32_t op_cnt;
  pending_t writes[WRITES_MAX];
  uint64_t fail_nth;
  int64_t fail_result;
  uint64_t fail_sync_nth;
  uint64_t failures;
  bool dead;       /* the file system is read-only until the next boot */
  bool dir_failed; /* a sync of the directory failed under this owner */
  uint64_t free_bytes;
  uint32_t done_percent;
};

typedef struct snapshots /* a wcx_snapshot_source_t */
{
  struct snapshots *next;
  uint32_t process; /* that opened it */
  const wcx_disk_t *disk;
  uint8_t *mapped;
} snapshots_t;

static wcx_disk_t *disks[DISKS_MAX];
static snapshots_t *open_snapshots;
static uint32_t running; /* process */

static wcx_disk_t *find_disk(const char *dir)
{
  for (uint32_t i = 0; i < DISKS_MAX; i++)
    if (disks[i] != NULL && strcmp(disks[i]->dir, dir) == 0)
      return disks[i];
  return NULL;
}

static wcx_disk_t *make_disk(const char *dir)
{
  for (uint32_t i = 0; i < DISKS_MAX; i++)
  {
    if (disks[i] != NULL)
      continue;
    wcx_disk_t *disk = calloc(1, sizeof(*disk));
    WCX_CHECK(disk != NULL, "memory");
    snprintf(disk->dir, sizeof(disk->dir), "%s", dir);
    disk->free_bytes = UINT64_C(1) << 40;
    disk->done_percent = 30;
    disks[i] = disk;
    return disk;
  }
  WCX_CHECK(false, "more than %u disks", DISKS_MAX);
}

void wcx_sim_disk_reset(void)
{
  WCX_CHECK(open_snapshots == NULL, "snapshots are open by process %u", open_snapshots->process);
  running = 0;
  for (uint32_t i = 0; i < DISKS_MAX; i++)
  {
    wcx_disk_t *disk = disks[i];
    if (disk == NULL)
      continue;
    for (uint32_t n = 0; n < disk->inode_cnt; n++)
      wcx_sim_file_free(&disk->inodes[n]);
    for (uint32_t n = 0; n < WRITES_MAX; n++)
      free(disk->writes[n].bytes);
    free(disk->buffers);
    free(disk);
    disks[i] = NULL;
  }
}

/* --- names ---------------------------------------------------------------------------------------- */

static uint32_t find_name(const name_t *names, uint32_t cnt, const char *text)
{
  for (uint32_t i = 0; i < cnt; i++)
    if (strcmp(names[i].text, text) == 0)
      return i;
  return UINT32_MAX;
}

static void drop_name(name_t *names, uint32_t *cnt, const char *text)
{
  uint32_t i = find_name(names, *cnt, text);
  if (i != UINT32_MAX)
    names[i] = names[--*cnt];
}

static void apply_op(name_t *names, uint32_t *cnt, const name_op_t *op)
{
  if (op->from[0] != 0)
    drop_name(names, cnt, op->from);
  if (op->to[0] == 0)
    return;
  drop_name(names, cnt, op->to);
  WCX_CHECK(*cnt < NAMES_MAX, "too many names");
  names[*cnt].inode = op->inode;
  memcpy(names[(*cnt)++].text, op->to, sizeof(op->to));
}

static void do_op(wcx_disk_t *disk, const char *from, const char *to, uint32_t inode)
{
  if (disk->op_cnt == NAME_OPS_MAX) /* a file system writes its names back by itself, sooner or later */
  {
    apply_op(disk->durable_names, &disk->durable_name_cnt, &disk->ops[0]);
    memmove(disk->ops, disk->ops + 1, sizeof(disk->ops) - sizeof(disk->ops[0]));
    disk->op_cnt--;
  }
  name_op_t *op = &disk->ops[disk->op_cnt++];
  snprintf(op->from, sizeof(op->from), "%s", from);
  snprintf(op->to, sizeof(op->to), "%s", to);
  op->inode = inode;
  apply_op(disk->names, &disk->name_cnt, op);
}

static bool named(const name_t *names, uint32_t cnt, uint32_t inode)
{
  for (uint32_t i = 0; i < cnt; i++)
    if (names[i].inode == inode)
      return true;
  return false;
}

static void drop_nameless(wcx_disk_t *disk)
{
  for (uint32_t i = 0; i < disk->inode_cnt; i++)
    if (disk->inodes[i].used && !named(disk->names, disk->name_cnt, i) && !named(disk->durable_names, disk->durable_name_cnt, i))
      wcx_sim_file_free(&disk->inodes[i]);
}

/* --- death ---------------------------------------------------------------------------------------- */

static void finish_write(wcx_disk_t *disk, pending_t *write, bool power_lost)
{
  wcx_sim_file_t *inode = &disk->inodes[write->inode];
  uint64_t fate = power_lost || write->result != write->sz ? wcx_sim_below(4) : 0; /* 0 whole, 1 lost, else torn */
  if (fate == 0 && write->result == write->sz)
    wcx_sim_file_write(inode, write->off, write->bytes, write->sz);
  else if (fate >= 2)
    wcx_sim_file_write_torn(inode, write->off, write->bytes, write->sz);
  free(write->bytes);
  *write = (pending_t){0};
}

static void end_owner(wcx_disk_t *disk, bool power_lost)
{
  for (uint32_t i = 0; i < WRITES_MAX; i++)
    if (disk->writes[i].used)
      finish_write(disk, &disk->writes[i], power_lost);
  disk->locked = false;
  disk->dir_failed = false;
  for (uint32_t i = 0; i < WCX_DISK_FILES_MAX; i++)
    disk->handles[i] = NO_INODE;
}

void wcx_sim_disk_kill(const char *dir)
{
  wcx_disk_t *disk = find_disk(dir);
  if (disk != NULL)
    end_owner(disk, false);
}

void wcx_sim_disk_power_loss(const char *dir)
{
  wcx_disk_t *disk = find_disk(dir);
  if (disk == NULL)
    return;
  end_owner(disk, true);
  disk->dead = false;
  for (uint32_t i = 0; i < disk->op_cnt; i++)
    if (wcx_sim_chance(50))
      apply_op(disk->durable_names, &disk->durable_name_cnt, &disk->ops[i]);
  disk->op_cnt = 0;
  memcpy(disk->names, disk->durable_names, disk->durable_name_cnt * sizeof(disk->names[0]));
  disk->name_cnt = disk->durable_name_cnt;
  drop_nameless(disk);
  for (uint32_t i = 0; i < disk->inode_cnt; i++)
    if (disk->inodes[i].used)
      wcx_sim_file_lose_unsynced(&disk->inodes[i]);
}

void wcx_sim_disk_fail(const char *dir, uint64_t nth, int64_t result)
{
  wcx_disk_t *disk = find_disk(dir);
  if (disk == NULL)
    disk = make_disk(dir);
  disk->fail_nth = nth;
  disk->fail_result = result;
}

bool wcx_sim_disk_rot(const char *dir, const char *name, uint64_t off)
{
  wcx_disk_t *disk = find_disk(dir);
  uint32_t i = disk == NULL ? UINT32_MAX : find_name(disk->names, disk->name_cnt, name);
  if (i == UINT32_MAX || off >= disk->inodes[disk->names[i].inode].sz)
    return false;
  wcx_sim_file_rot(&disk->inodes[disk->names[i].inode], off);
  return true;
}

bool wcx_sim_disk_dead(const char *dir)
{
  const wcx_disk_t *disk = find_disk(dir);
  return disk != NULL && disk->dead;
}

uint64_t wcx_sim_disk_failures(const char *dir)
{
  wcx_disk_t *disk = find_disk(dir);
  return disk != NULL ? disk->failures : 0;
}

void wcx_sim_disk_fail_sync(const char *dir, uint64_t nth)
{
  wcx_disk_t *disk = find_disk(dir);
  if (disk == NULL)
    disk = make_disk(dir);
  disk->fail_sync_nth = nth;
}

void wcx_sim_disk_set_pace(const char *dir, uint32_t done_percent)
{
  wcx_disk_t *disk = find_disk(dir);
  if (disk == NULL)
    disk = make_disk(dir);
  disk->done_percent = done_percent;
}

void wcx_sim_disk_set_free(const char *dir, uint64_t bytes)
{
  wcx_disk_t *disk = find_disk(dir);
  if (disk == NULL)
    disk = make_disk(dir);
  disk->free_bytes = bytes;
}

/* --- persist/disk.h ------------------------------------------------------------------------------- */

int wcx_disk_open(wcx_disk_t **opened, const char *dir, uint32_t depth, uint32_t buffer_cnt, uint32_t buffer_sz, uint64_t timeout_ns)
{
  (void)timeout_ns;
  wcx_env_crash_point("disk.open");
  wcx_disk_t *disk = find_disk(dir);
  if (disk == NULL)
    disk = make_disk(dir);
  if (disk->locked)
    return -EWOULDBLOCK;
  disk->locked = true;
  disk->depth = depth;
  disk->buffer_cnt = buffer_cnt;
  disk->buffer_sz = buffer_sz;
  if (disk->buffers == NULL)
    disk->buffers = aligned_alloc(4096, (size_t)buffer_cnt * buffer_sz);
  WCX_CHECK(disk->buffers != NULL && depth <= WRITES_MAX, "memory, or depth %u", depth);
  for (uint32_t i = 0; i < WCX_DISK_FILES_MAX; i++)
    disk->handles[i] = NO_INODE;
  *opened = disk;
  return 0;
}

void wcx_disk_close(wcx_disk_t *disk)
{
  end_owner(disk, false);
}

void *wcx_disk_buffer(wcx_disk_t *disk, uint32_t idx)
{
  return disk->buffers + (size_t)idx * disk->buffer_sz;
}

static wcx_sim_file_t *inode_of(wcx_disk_t *disk, uint32_t handle)
{
  WCX_CHECK(handle < WCX_DISK_FILES_MAX && disk->handles[handle] != NO_INODE, "handle %u is not open", handle);
  return &disk->inodes[disk->handles[handle]];
}

int wcx_disk_file_open(wcx_disk_t *disk, uint32_t handle, const char *name, bool create)
{
  wcx_env_crash_point("disk.file_open");
  uint32_t i = find_name(disk->names, disk->name_cnt, name);
  if (i != UINT32_MAX)
  {
    disk->handles[handle] = disk->names[i].inode;
    return 0;
  }
  if (!create)
    return -ENOENT;
  if (disk->dead)
    return -EROFS;
  drop_nameless(disk);
  for (uint32_t n = 0; n < INODES_MAX; n++)
  {
    if (disk->inodes[n].used)
      continue;
    disk->inodes[n].used = true;
    disk->inode_cnt = n < disk->inode_cnt ? disk->inode_cnt : n + 1;
    do_op(disk, "", name, n);
    disk->handles[handle] = n;
    return 0;
  }
  return -ENOSPC;
}

void wcx_disk_file_close(wcx_disk_t *disk, uint32_t handle)
{
  for (uint32_t i = 0; i < WRITES_MAX; i++)
    WCX_CHECK(!disk->writes[i].used || disk->handles[handle] == NO_INODE || disk->writes[i].inode != disk->handles[handle], "handle %u is closed with a write in flight", handle);
  disk->handles[handle] = NO_INODE;
}

int64_t wcx_disk_file_sz(wcx_disk_t *disk, uint32_t handle)
{
  return (int64_t)inode_of(disk, handle)->sz;
}

int wcx_disk_read(wcx_disk_t *disk, uint32_t handle, uint64_t off, void *buf, size_t sz)
{
  wcx_env_crash_point("disk.read");
  return (int)wcx_sim_file_read(inode_of(disk, handle), off, buf, sz);
}

static pending_t *start_write(wcx_disk_t *disk, uint32_t handle, uint64_t off, const void *bytes, uint32_t sz)
{
  WCX_CHECK(off % 4096 == 0 && sz % 4096 == 0 && (uintptr_t)bytes % 4096 == 0, "O_DIRECT: off %" PRIu64 " sz %u", off, sz);
  for (uint32_t i = 0; i < WRITES_MAX; i++)
  {
    if (disk->writes[i].used)
      continue;
    pending_t *write = &disk->writes[i];
    *write = (pending_t){.used = true, .inode = disk->handles[handle], .off = off, .sz = sz, .result = sz, .buffer_idx = UINT32_MAX};
    if (wcx_sim_all_zero(bytes, sz))
      return write;
    write->bytes = malloc(sz);
    WCX_CHECK(write->bytes != NULL, "memory");
    memcpy(write->bytes, bytes, sz);
    return write;
  }
  WCX_CHECK(false, "too many writes in flight");
}

int wcx_disk_write(wcx_disk_t *disk, uint32_t handle, uint64_t off, const void *buf, size_t sz)
{
  inode_of(disk, handle);
  if (disk->dead)
    return -EROFS;
  pending_t *write = start_write(disk, handle, off, buf, (uint32_t)sz);
  wcx_env_crash_point("disk.write");
  finish_write(disk, write, false);
  wcx_env_crash_point("disk.written");
  return 0;
}

int wcx_disk_fill_zero(wcx_disk_t *disk, uint32_t handle, uint64_t off, uint64_t sz)
{
  wcx_sim_file_t *inode = inode_of(disk, handle);
  if (disk->dead || disk->free_bytes < sz)
    return disk->dead ? -EROFS : -ENOSPC;
  WCX_CHECK(off % WCX_SIM_PAGE_SZ == 0 && sz % WCX_SIM_PAGE_SZ == 0, "zeros at %" PRIu64 ", %" PRIu64 " bytes", off, sz);
  wcx_sim_file_fill_zero(inode, off, sz);
  wcx_env_crash_point("disk.fill_zero");
  return 0;
}

static bool sync_fails(wcx_disk_t *disk)
{
  if (disk->fail_sync_nth == 0 || --disk->fail_sync_nth > 0)
    return false;
  disk->failures++;
  return true;
}

int wcx_disk_sync(wcx_disk_t *disk, uint32_t handle)
{
  wcx_sim_file_t *inode = inode_of(disk, handle);
  wcx_env_crash_point("disk.sync");
  WCX_CHECK(!inode->failed, "a flush that failed is tried again");
  bool fails = disk->dead || sync_fails(disk);
  wcx_sim_file_sync(inode, fails);
  if (fails)
    return -EIO;
  wcx_env_crash_point("disk.synced");
  return 0;
}

int wcx_disk_rename(wcx_disk_t *disk, const char *from, const char *to)
{
  uint32_t i = find_name(disk->names, disk->name_cnt, from);
  if (i == UINT32_MAX || disk->dead)
    return i == UINT32_MAX ? -ENOENT : -EROFS;
  do_op(disk, from, to, disk->names[i].inode);
  wcx_env_crash_point("disk.rename");
  return 0;
}

int wcx_disk_remove(wcx_disk_t *disk, const char *name)
{
  bool there = find_name(disk->names, disk->name_cnt, name) != UINT32_MAX;
  if (!there || disk->dead)
    return there ? -EROFS : -ENOENT;
  do_op(disk, name, "", 0);
  wcx_env_crash_point("disk.remove");
  return 0;
}

int wcx_disk_sync_dir(wcx_disk_t *disk)
{
  wcx_env_crash_point("disk.sync_dir");
  WCX_CHECK(!disk->dir_failed, "a flush of the directory that failed is tried again");
  if (disk->dead || sync_fails(disk))
  {
    disk->dead = true;
    disk->dir_failed = true;
    return -EIO;
  }
  memcpy(disk->durable_names, disk->names, disk->name_cnt * sizeof(disk->names[0]));
  disk->durable_name_cnt = disk->name_cnt;
  disk->op_cnt = 0;
  wcx_env_crash_point("disk.synced_dir");
  return 0;
}

int wcx_disk_list(wcx_disk_t *disk, void (*visit)(void *ctx, const char *name), void *ctx)
{
  wcx_env_crash_point("disk.list");
  for (uint32_t i = 0; i < disk->name_cnt; i++)
    visit(ctx, disk->names[i].text);
  return 0;
}

uint64_t wcx_disk_free_bytes(wcx_disk_t *disk)
{
  return disk->free_bytes;
}

int wcx_disk_submit(wcx_disk_t *disk, uint32_t handle, uint64_t off, uint32_t buffer_idx, uint32_t sz, uint64_t user)
{
  uint32_t in_flight = 0;
  for (uint32_t i = 0; i < WRITES_MAX; i++)
  {
    WCX_CHECK(!disk->writes[i].used || disk->writes[i].buffer_idx != buffer_idx, "buffer %u is in flight", buffer_idx);
    in_flight += disk->writes[i].used;
  }
  WCX_CHECK(in_flight < disk->depth && buffer_idx < disk->buffer_cnt, "more than %u in flight", disk->depth);
  const wcx_sim_file_t *inode = inode_of(disk, handle);
  WCX_CHECK(off + sz <= inode->durable_sz, "a block is written where nothing was pre-written: %" PRIu64 " + %u of %" PRIu64, off, sz, inode->durable_sz);
  pending_t *write = start_write(disk, handle, off, wcx_disk_buffer(disk, buffer_idx), sz);
  write->user = user;
  write->buffer_idx = buffer_idx;
  if (disk->dead)
    write->result = -EROFS;
  else if (disk->fail_nth > 0 && --disk->fail_nth == 0)
  {
    write->result = disk->fail_result;
    disk->failures++;
  }
  return 0;
}

int wcx_disk_reap(wcx_disk_t *disk, wcx_disk_done_t *done, uint32_t max, uint64_t wait_ns)
{
  wcx_env_crash_point("disk.reap");
  uint32_t cnt = 0;
  uint32_t from = (uint32_t)wcx_sim_below(WRITES_MAX);
  for (uint32_t i = 0; i < WRITES_MAX && cnt < max; i++)
  {
    pending_t *write = &disk->writes[(from + i) % WRITES_MAX];
    if (!write->used || !wcx_sim_chance(wait_ns > 0 && cnt == 0 ? 100 : disk->done_percent))
      continue;
    done[cnt++] = (wcx_disk_done_t){.user = write->user, .result = write->result};
    finish_write(disk, write, false);
  }
  return (int)cnt;
}

/* --- engine/shm/journal_walk.h -------------------------------------------------------------------- */

static int64_t source_read(void *ctx, uint64_t segment_no, uint64_t off, void *buf, size_t sz)
{
  wcx_env_crash_point("disk.source_read");
  wcx_disk_t *disk = ctx;
  char name[48] = "superblock";
  if (segment_no > 0)
    snprintf(name, sizeof(name), "seg-%016" PRIx64 ".wcj", segment_no);
  uint32_t i = find_name(disk->names, disk->name_cnt, name);
  return i == UINT32_MAX ? -ENOENT : wcx_sim_file_read(&disk->inodes[disk->names[i].inode], off, buf, sz);
}

static uint64_t source_last_segment(void *ctx)
{
  const wcx_disk_t *disk = ctx;
  uint64_t last = 0;
  uint64_t segment_no;
  for (uint32_t i = 0; i < disk->name_cnt; i++)
    if (sscanf(disk->names[i].text, "seg-%16" SCNx64 ".wcj", &segment_no) == 1 && segment_no > last)
      last = segment_no;
  return last;
}

int wcx_journal_source_open(wcx_journal_source_t *source, const char *dir, char *err, size_t err_sz)
{
  wcx_disk_t *disk = find_disk(dir);
  if (disk == NULL)
  {
    snprintf(err, err_sz, "no disk %s", dir);
    return WCX_JOURNAL_OPEN_MISSING;
  }
  *source = (wcx_journal_source_t){.ctx = disk, .read = source_read, .last_segment = source_last_segment};
  return WCX_JOURNAL_OPEN_OK;
}

/* --- engine/shm/snapshot_file.h ------------------------------------------------------------------- */

static int snapshots_older(void *ctx, uint64_t seq, uint64_t *found)
{
  const wcx_disk_t *disk = ((snapshots_t *)ctx)->disk;
  int any = 0;
  uint64_t at;
  wcx_env_crash_point("disk.snapshots_older");
  for (uint32_t i = 0; i < disk->name_cnt; i++)
  {
    if (!wcx_snapshot_file_seq(disk->names[i].text, &at) || at >= seq || (any && at <= *found))
      continue;
    *found = at;
    any = 1;
  }
  return any;
}

static void snapshots_unmap(void *ctx)
{
  snapshots_t *snapshots = ctx;
  free(snapshots->mapped);
  snapshots->mapped = NULL;
}

static int64_t snapshots_map(void *ctx, uint64_t seq, const uint8_t **bytes)
{
  snapshots_t *snapshots = ctx;
  snapshots_unmap(ctx);
  char name[WCX_SNAPSHOT_FILE_NAME_SZ];
  wcx_snapshot_file_name(name, seq);
  wcx_env_crash_point("disk.snapshots_map");
  uint32_t i = find_name(snapshots->disk->names, snapshots->disk->name_cnt, name);
  if (i == UINT32_MAX)
    return -ENOENT;
  const wcx_sim_file_t *inode = &snapshots->disk->inodes[snapshots->disk->names[i].inode];
  uint64_t sz = (inode->sz + WCX_SIM_PAGE_SZ - 1) / WCX_SIM_PAGE_SZ * WCX_SIM_PAGE_SZ;
  snapshots->mapped = aligned_alloc(WCX_SIM_PAGE_SZ, sz > 0 ? sz : WCX_SIM_PAGE_SZ);
  WCX_CHECK(snapshots->mapped != NULL, "memory");
  *bytes = snapshots->mapped;
  return wcx_sim_file_read(inode, 0, snapshots->mapped, sz);
}

static void snapshots_close(void *ctx)
{
  snapshots_t **at = &open_snapshots;
  while (*at != ctx)
    at = &(*at)->next;
  *at = (*at)->next;
  snapshots_unmap(ctx);
  free(ctx);
}

int wcx_snapshot_source_open(wcx_snapshot_source_t *source, const char *dir)
{
  const wcx_disk_t *disk = find_disk(dir);
  if (disk == NULL)
    return -ENOENT;
  snapshots_t *snapshots = calloc(1, sizeof(*snapshots));
  WCX_CHECK(snapshots != NULL, "memory");
  *snapshots = (snapshots_t){.next = open_snapshots, .process = running, .disk = disk};
  open_snapshots = snapshots;
  *source = (wcx_snapshot_source_t){.ctx = snapshots, .older = snapshots_older, .map = snapshots_map, .unmap = snapshots_unmap, .close = snapshots_close};
  return 0;
}

void wcx_sim_disk_process(uint32_t process)
{
  running = process;
}

void wcx_sim_disk_process_dies(uint32_t process)
{
  for (snapshots_t *next, *at = open_snapshots; at != NULL; at = next)
  {
    next = at->next;
    if (at->process == process)
      snapshots_close(at);
  }
}
