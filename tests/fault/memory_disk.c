#include "tests/fault/memory_disk.h"

#include "engine/base/check.h"
#include "engine/shm/journal_walk.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#define DEPTH_MAX 16u

struct wcx_disk
{
  wcx_memory_file_t files[WCX_MEMORY_FILES_MAX];
  wcx_memory_file_t saved[WCX_MEMORY_FILES_MAX];
  wcx_memory_file_t *open[WCX_DISK_FILES_MAX];
  wcx_disk_done_t done[DEPTH_MAX];
  uint32_t done_cnt;
  uint8_t *buffers;
  uint32_t buffer_sz;
  uint64_t writes;
};

static struct wcx_disk the;

/* --- the test's side ---------------------------------------------------------------------------------- */

static void drop(wcx_memory_file_t *file)
{
  free(file->data);
  *file = (wcx_memory_file_t){0};
}

void wcx_memory_disk_reset(void)
{
  for (uint32_t i = 0; i < WCX_MEMORY_FILES_MAX; i++)
  {
    drop(&the.files[i]);
    drop(&the.saved[i]);
  }
  memset(the.open, 0, sizeof(the.open));
  the.done_cnt = 0;
  the.writes = 0;
}

wcx_memory_file_t *wcx_memory_disk_files(void)
{
  return the.files;
}

static uint8_t *room(void)
{
  uint8_t *data = calloc(1, WCX_MEMORY_FILE_SZ_MAX);
  WCX_CHECK(data != NULL, "memory");
  return data;
}

static void copy(wcx_memory_file_t *to, const wcx_memory_file_t *from)
{
  if (from->name[0] == 0)
  {
    drop(to);
    return;
  }
  uint8_t *data = to->data != NULL ? to->data : room();
  memcpy(data, from->data, WCX_MEMORY_FILE_SZ_MAX);
  *to = *from;
  to->data = data;
  to->changed = false;
}

void wcx_memory_disk_save(void)
{
  for (uint32_t i = 0; i < WCX_MEMORY_FILES_MAX; i++)
  {
    copy(&the.saved[i], &the.files[i]);
    the.files[i].changed = false;
  }
}

void wcx_memory_disk_restore(void)
{
  for (uint32_t i = 0; i < WCX_MEMORY_FILES_MAX; i++)
    if (the.files[i].changed || strcmp(the.files[i].name, the.saved[i].name) != 0)
      copy(&the.files[i], &the.saved[i]);
}

bool wcx_memory_disk_differs(uint32_t idx)
{
  const wcx_memory_file_t *file = &the.files[idx];
  const wcx_memory_file_t *saved = &the.saved[idx];
  return file->changed && (file->sz != saved->sz || memcmp(file->data, saved->data, WCX_MEMORY_FILE_SZ_MAX) != 0);
}

uint64_t wcx_memory_disk_writes(void)
{
  uint64_t writes = the.writes;
  the.writes = 0;
  return writes;
}

/* --- persist/disk.h ----------------------------------------------------------------------------------- */

static wcx_memory_file_t *find(const char *name)
{
  for (uint32_t i = 0; i < WCX_MEMORY_FILES_MAX; i++)
    if (strcmp(the.files[i].name, name) == 0)
      return &the.files[i];
  return NULL;
}

int wcx_disk_open(wcx_disk_t **disk, const char *dir, uint32_t depth, uint32_t buffer_cnt, uint32_t buffer_sz, uint64_t timeout_ns)
{
  (void)dir;
  (void)timeout_ns;
  WCX_CHECK(depth <= DEPTH_MAX && the.buffers == NULL, "one owner at a time");
  the.buffers = aligned_alloc(4096, (size_t)buffer_cnt * buffer_sz);
  WCX_CHECK(the.buffers != NULL, "memory");
  the.buffer_sz = buffer_sz;
  the.done_cnt = 0;
  memset(the.open, 0, sizeof(the.open));
  *disk = &the;
  return 0;
}

void wcx_disk_close(wcx_disk_t *disk)
{
  free(disk->buffers);
  disk->buffers = NULL;
}

void *wcx_disk_buffer(wcx_disk_t *disk, uint32_t idx)
{
  return disk->buffers + (size_t)idx * disk->buffer_sz;
}

int wcx_disk_file_open(wcx_disk_t *disk, uint32_t handle, const char *name, bool create)
{
  wcx_memory_file_t *file = find(name);
  if (file == NULL && !create)
    return -ENOENT;
  if (file == NULL)
  {
    file = find("");
    if (file == NULL)
      return -ENOSPC;
    *file = (wcx_memory_file_t){.data = room(), .changed = true};
    WCX_CHECK(snprintf(file->name, sizeof(file->name), "%s", name) < (int)sizeof(file->name), "name %s", name);
    disk->writes++;
  }
  disk->open[handle] = file;
  return 0;
}

void wcx_disk_file_close(wcx_disk_t *disk, uint32_t handle)
{
  disk->open[handle] = NULL;
}

int64_t wcx_disk_file_sz(wcx_disk_t *disk, uint32_t handle)
{
  return (int64_t)disk->open[handle]->sz;
}

static int read_file(const wcx_memory_file_t *file, uint64_t off, void *buf, size_t sz)
{
  uint64_t left = off < file->sz ? file->sz - off : 0;
  size_t got = left < sz ? (size_t)left : sz;
  memcpy(buf, file->data + off, got);
  return (int)got;
}

int wcx_disk_read(wcx_disk_t *disk, uint32_t handle, uint64_t off, void *buf, size_t sz)
{
  return read_file(disk->open[handle], off, buf, sz);
}

static int write_file(wcx_disk_t *disk, uint32_t handle, uint64_t off, const void *buf, size_t sz)
{
  wcx_memory_file_t *file = disk->open[handle];
  if (off + sz > WCX_MEMORY_FILE_SZ_MAX)
    return -EFBIG;
  if (buf != NULL)
    memcpy(file->data + off, buf, sz);
  else
    memset(file->data + off, 0, sz);
  file->sz = off + sz > file->sz ? off + sz : file->sz;
  file->changed = true;
  disk->writes++;
  return 0;
}

int wcx_disk_write(wcx_disk_t *disk, uint32_t handle, uint64_t off, const void *buf, size_t sz)
{
  return write_file(disk, handle, off, buf, sz);
}

int wcx_disk_fill_zero(wcx_disk_t *disk, uint32_t handle, uint64_t off, uint64_t sz)
{
  return write_file(disk, handle, off, NULL, sz);
}

int wcx_disk_sync(wcx_disk_t *disk, uint32_t handle)
{
  (void)disk;
  (void)handle;
  return 0;
}

int wcx_disk_rename(wcx_disk_t *disk, const char *from, const char *to)
{
  wcx_memory_file_t *file = find(from);
  if (file == NULL)
    return -ENOENT;
  wcx_memory_file_t *old = find(to);
  if (old != NULL)
    drop(old);
  snprintf(file->name, sizeof(file->name), "%s", to);
  file->changed = true;
  disk->writes++;
  return 0;
}

int wcx_disk_remove(wcx_disk_t *disk, const char *name)
{
  wcx_memory_file_t *file = find(name);
  if (file == NULL)
    return -ENOENT;
  drop(file);
  disk->writes++;
  return 0;
}

int wcx_disk_sync_dir(wcx_disk_t *disk)
{
  (void)disk;
  return 0;
}

int wcx_disk_list(wcx_disk_t *disk, void (*visit)(void *ctx, const char *name), void *ctx)
{
  for (uint32_t i = 0; i < WCX_MEMORY_FILES_MAX; i++)
    if (disk->files[i].name[0] != 0)
      visit(ctx, disk->files[i].name);
  return 0;
}

uint64_t wcx_disk_free_bytes(wcx_disk_t *disk)
{
  (void)disk;
  return UINT64_C(1) << 30;
}

int wcx_disk_submit(wcx_disk_t *disk, uint32_t handle, uint64_t off, uint32_t buffer_idx, uint32_t sz, uint64_t user)
{
  WCX_CHECK(disk->done_cnt < DEPTH_MAX, "too much in flight");
  int result = write_file(disk, handle, off, wcx_disk_buffer(disk, buffer_idx), sz);
  disk->done[disk->done_cnt++] = (wcx_disk_done_t){.user = user, .result = result < 0 ? result : (int64_t)sz};
  return 0;
}

int wcx_disk_reap(wcx_disk_t *disk, wcx_disk_done_t *done, uint32_t max, uint64_t wait_ns)
{
  (void)wait_ns;
  uint32_t cnt = disk->done_cnt < max ? disk->done_cnt : max;
  memcpy(done, disk->done, cnt * sizeof(*done));
  memmove(disk->done, disk->done + cnt, (disk->done_cnt - cnt) * sizeof(*done));
  disk->done_cnt -= cnt;
  return (int)cnt;
}

/* --- engine/shm/journal_walk.h -------------------------------------------------------------------- */

static int64_t source_read(void *ctx, uint64_t segment_no, uint64_t off, void *buf, size_t sz)
{
  (void)ctx;
  char name[WCX_MEMORY_NAME_SZ] = "superblock";
  if (segment_no > 0)
    snprintf(name, sizeof(name), "seg-%016" PRIx64 ".wcj", segment_no);
  const wcx_memory_file_t *file = find(name);
  return file == NULL ? -ENOENT : read_file(file, off, buf, sz);
}

static uint64_t source_last_segment(void *ctx)
{
  (void)ctx;
  uint64_t last = 0;
  uint64_t segment_no;
  for (uint32_t i = 0; i < WCX_MEMORY_FILES_MAX; i++)
    if (sscanf(the.files[i].name, "seg-%16" SCNx64 ".wcj", &segment_no) == 1 && segment_no > last)
      last = segment_no;
  return last;
}

int wcx_journal_source_open(wcx_journal_source_t *source, const char *dir, char *err, size_t err_sz)
{
  (void)dir;
  (void)err;
  (void)err_sz;
  *source = (wcx_journal_source_t){.read = source_read, .last_segment = source_last_segment};
  return WCX_JOURNAL_OPEN_OK;
}
