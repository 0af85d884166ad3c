/* The snapshots of a directory as files that are mapped: through the page cache, which the replica has filled when it read them back. */
#include "engine/shm/snapshot_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct dir_source
{
  int dir_fd;
  void *base; /* what is mapped now; NULL: nothing */
  size_t sz;
} dir_source_t;

static int dir_older(void *ctx, uint64_t seq, uint64_t *found)
{
  dir_source_t *dir = ctx;
  int fd = openat(dir->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR *list = fd < 0 ? NULL : fdopendir(fd);
  if (list == NULL)
  {
    int error = errno;
    if (fd >= 0)
      close(fd);
    return -error;
  }
  int any = 0;
  for (struct dirent *entry = readdir(list); entry != NULL; entry = readdir(list))
  {
    uint64_t at;
    if (!wcx_snapshot_file_seq(entry->d_name, &at) || at >= seq || (any && at <= *found))
      continue;
    *found = at;
    any = 1;
  }
  closedir(list);
  return any;
}

static void dir_unmap(void *ctx)
{
  dir_source_t *dir = ctx;
  if (dir->base != NULL)
    munmap(dir->base, dir->sz);
  dir->base = NULL;
}

static int64_t dir_map(void *ctx, uint64_t seq, const uint8_t **bytes)
{
  dir_source_t *dir = ctx;
  dir_unmap(dir);
  char name[WCX_SNAPSHOT_FILE_NAME_SZ];
  wcx_snapshot_file_name(name, seq);
  int fd = openat(dir->dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0)
    return -errno;
  struct stat st;
  int64_t result = fstat(fd, &st) != 0 ? -errno : st.st_size;
  if (result > 0)
  {
    void *base = mmap(NULL, (size_t)result, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
    if (base == MAP_FAILED)
      result = -errno;
    else
    {
      dir->base = base;
      dir->sz = (size_t)result;
    }
  }
  close(fd);
  *bytes = dir->base;
  return result;
}

static void dir_close(void *ctx)
{
  dir_source_t *dir = ctx;
  dir_unmap(dir);
  close(dir->dir_fd);
  free(dir);
}

int wcx_snapshot_source_open(wcx_snapshot_source_t *source, const char *path)
{
  int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0)
    return -errno;
  dir_source_t *dir = malloc(sizeof(*dir));
  if (dir == NULL)
  {
    close(fd);
    return -ENOMEM;
  }
  *dir = (dir_source_t){.dir_fd = fd};
  *source = (wcx_snapshot_source_t){.ctx = dir, .older = dir_older, .map = dir_map, .unmap = dir_unmap, .close = dir_close};
  return 0;
}
