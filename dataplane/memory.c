#include "dataplane/memory.h"

#include "engine/base/check.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdarg.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define HUGE_PAGE_SZ ((size_t)2 << 20)
#define LOCK_STEP_US 2000u
#define LOCK_TRIES 500u /* whose mappings go away may still hold it for a moment after the region's lock is free */

static __attribute__((format(printf, 3, 4))) void *fail(char *err, size_t err_sz, const char *fmt, ...)
{
  va_list args;
  va_start(args, fmt);
  vsnprintf(err, err_sz, fmt, args);
  va_end(args);
  return NULL;
}

static bool lock(int fd)
{
  for (uint32_t i = 0; i < LOCK_TRIES; i++)
  {
    if (flock(fd, LOCK_EX | LOCK_NB) == 0)
      return true;
    if (errno != EWOULDBLOCK)
      return false;
    usleep(LOCK_STEP_US);
  }
  return false;
}

void *wcx_memory_keep(const char *path, size_t sz, char *err, size_t err_sz)
{
  int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0)
    return fail(err, err_sz, "%s: %s", path, strerror(errno));
  struct stat st;
  void *base = MAP_FAILED;
  if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & 077) != 0)
    (void)fail(err, err_sz, "%s is no file of this user alone", path);
  else if (!lock(fd))
    (void)fail(err, err_sz, "%s: another process uses it", path);
  else
  {
    bool sized = (size_t)st.st_size == sz || ftruncate(fd, (off_t)sz) == 0;
    if (sized)
      base = mmap(NULL, sz, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
    if (base == MAP_FAILED)
    {
      (void)fail(err, err_sz, "%s: %s", path, strerror(errno));
      (void)ftruncate(fd, 0);
    }
  }
  if (base == MAP_FAILED)
  {
    close(fd);
    return NULL;
  }
  return base; /* the descriptor stays open, and with it the lock */
}

static bool is_huge(const char *path)
{
  struct statfs fs;
  return statfs(path, &fs) == 0 && fs.f_type == HUGETLBFS_MAGIC && (size_t)fs.f_bsize == HUGE_PAGE_SZ;
}

void *wcx_memory_map(const char *region, uint32_t shard_idx, size_t sz, bool hugepages)
{
  size_t rounded = (sz + HUGE_PAGE_SZ - 1) & ~(HUGE_PAGE_SZ - 1);
  if (hugepages)
  {
    char path[4096];
    char err[4200] = "";
    int len = snprintf(path, sizeof(path), "%s.memory-%u", region, shard_idx);
    void *mem = len > 0 && (size_t)len < sizeof(path) && is_huge(region) ? wcx_memory_keep(path, rounded, err, sizeof(err)) : NULL;
    if (mem != NULL)
      return mem;
    if (err[0] != '\0')
      fprintf(stderr, "wcx-dataplane: warning: the pages of an earlier process cannot be used, the start takes longer: %s\n", err);
    mem = mmap(NULL, rounded, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | MAP_POPULATE, -1, 0);
    if (mem != MAP_FAILED)
      return mem;
    fprintf(stderr,
            "wcx-dataplane: warning: no %zu MiB of free huge pages for engine and output log (%s); using ordinary pages. To avoid it: sysctl vm.nr_hugepages=N, N at least %zu "
            "more than now, or memory.hugepages: false\n",
            rounded >> 20, strerror(errno), rounded / HUGE_PAGE_SZ);
  }
  void *mem = mmap(NULL, rounded, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mem == MAP_FAILED)
    WCX_DIE("no %zu MiB of memory for engine and output log: %s. Lower orders_max, levels_max or output_log_mib of the shard", rounded >> 20, strerror(errno));
  (void)madvise(mem, rounded, MADV_HUGEPAGE); /* a replay writes most of it, and 4 KiB a fault would take longer than the replay */
  return mem;
}
