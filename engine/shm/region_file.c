#include "engine/shm/region_file.h"

#include "engine/base/check.h"
#include "engine/base/env.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define REGION_MODE 0660
#define LOCK_MAKER 0 /* byte locked by whoever makes a region; the roles' bytes start at 1 */

static bool fail(char *err, size_t err_sz, const char *what, const char *path, const char *hint)
{
  snprintf(err, err_sz, "%s %s: %s%s", what, path, strerror(errno), hint);
  return false;
}

/* Huge-page size of the file system, or 0 when it is an ordinary one. */
static size_t huge_page_sz(int fd)
{
  struct statfs fs;
  if (fstatfs(fd, &fs) != 0 || fs.f_type != HUGETLBFS_MAGIC)
    return 0;
  return (size_t)fs.f_bsize;
}

void wcx_region_boot_id(uint8_t boot_id[16])
{
  FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");
  if (file == NULL)
    WCX_DIE("cannot read /proc/sys/kernel/random/boot_id: %s; is /proc mounted?", strerror(errno));
  for (int i = 0; i < 16; i++)
  {
    unsigned byte;
    if (fscanf(file, "%2x%*[-]", &byte) != 1)
      WCX_DIE("/proc/sys/kernel/random/boot_id is not a UUID");
    boot_id[i] = (uint8_t)byte;
  }
  fclose(file);
}

static bool try_lock(int fd, uint32_t byte)
{
  struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};
  if (fcntl(fd, F_OFD_SETLK, &lock) == 0)
    return true;
  WCX_CHECK(errno == EAGAIN || errno == EACCES, "lock byte %u of the region: %s", byte, strerror(errno));
  return false;
}

/* Open the temporary file under the maker's lock. The lock may be won on a file that another maker has renamed in the meantime: that one is
   live and must not be touched, so the name is compared after locking. */
static int open_temporary(const char *temp, char *err, size_t err_sz)
{
  int fd = open(temp, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, REGION_MODE);
  if (fd < 0)
  {
    fail(err, err_sz, "cannot make", temp, "; does the folder exist and may this user write there?");
    return -1;
  }
  struct stat mine, named;
  if (!try_lock(fd, LOCK_MAKER) || fstat(fd, &mine) != 0 || stat(temp, &named) != 0 || mine.st_ino != named.st_ino)
  {
    snprintf(err, err_sz, "another process is making %s at this moment; is a second wcx-controld running?", temp);
    close(fd);
    return -1;
  }
  return fd;
}

/* Give the file its size with every page present and zero, so that nobody meets a SIGBUS or a page fault later. */
static bool allocate_pages(wcx_region_file_t *file, const char *temp, char *err, size_t err_sz)
{
  size_t huge_sz = huge_page_sz(file->fd);
  if (huge_sz != 0)
    file->sz = (file->sz + huge_sz - 1) / huge_sz * huge_sz;
  const char *hint = huge_sz != 0 ? "; free huge pages are missing: raise vm.nr_hugepages" : "; free space is missing";
  if (ftruncate(file->fd, 0) != 0 || ftruncate(file->fd, (off_t)file->sz) != 0)
    return fail(err, err_sz, "cannot size", temp, hint);
  errno = posix_fallocate(file->fd, 0, (off_t)file->sz);
  if (errno != 0)
    return fail(err, err_sz, "cannot allocate", temp, hint);
  if (fchmod(file->fd, REGION_MODE) != 0)
    return fail(err, err_sz, "cannot set the mode of", temp, "");
  void *base = mmap(NULL, file->sz, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, file->fd, 0);
  if (base == MAP_FAILED)
    return fail(err, err_sz, "cannot map", temp, hint);
  file->region = base;
  return true;
}

static void fill(wcx_region_file_t *file, const wcx_params_t *params)
{
  wcx_region_t *region = file->region;
  region->layout = WCX_REGION_LAYOUT;
  region->shard_cnt = params->shard_cnt;
  region->sz = file->sz;
  wcx_region_boot_id(region->boot_id);
  wcx_env_random(region->region_id, sizeof(region->region_id));
  uint64_t off = (sizeof(wcx_region_t) + WCX_REGION_ALIGN - 1) & ~(WCX_REGION_ALIGN - 1);
  for (uint32_t i = 0; i < params->shard_cnt; i++)
  {
    region->shard_off[i] = off;
    off += wcx_region_shard_footprint(params->shards[i].jring_slot_max);
    wcx_region_shard(region, i)->jring.slot_max = params->shards[i].jring_slot_max;
  }
  memcpy(&region->params, params, sizeof(*params));
  region->params.digest = wcx_params_digest(params);
  region->magic = WCX_REGION_MAGIC;
  atomic_store_explicit(&region->params_ready, 1, memory_order_release); /* pairs with the acquire in check_region */
}

static bool params_sound(const wcx_params_t *params, char *err, size_t err_sz)
{
  if (params->magic != WCX_PARAMS_MAGIC || params->version != WCX_PARAMS_VERSION || params->sz != sizeof(wcx_params_t))
  {
    snprintf(err, err_sz, "parameters of version %u, size %u; this build has version %u, size %zu: run executables of one build", params->version, params->sz,
             (unsigned)WCX_PARAMS_VERSION, sizeof(wcx_params_t));
    return false;
  }
  if (params->shard_cnt < 1 || params->shard_cnt > WCX_SHARDS_MAX)
  {
    snprintf(err, err_sz, "parameters name %u shards; 1..%u are possible", params->shard_cnt, WCX_SHARDS_MAX);
    return false;
  }
  for (uint32_t i = 0; i < params->shard_cnt; i++)
  {
    uint32_t slot_max = params->shards[i].jring_slot_max;
    if (slot_max < 64 || slot_max > (1u << 20) || (slot_max & (slot_max - 1)) != 0)
    {
      snprintf(err, err_sz, "journal ring of shard %u has %u slots; it must be a power of two, 64..1048576", params->shards[i].shard, slot_max);
      return false;
    }
  }
  return true;
}

bool wcx_region_create(wcx_region_file_t *file, const char *path, const wcx_params_t *params, char *err, size_t err_sz)
{
  *file = (wcx_region_file_t){.fd = -1};
  if (!params_sound(params, err, err_sz))
    return false;
  char temp[4096];
  if ((size_t)snprintf(temp, sizeof(temp), "%s.new", path) >= sizeof(temp))
  {
    snprintf(err, err_sz, "the path of the region is too long");
    return false;
  }
  file->sz = (sizeof(wcx_region_t) + WCX_REGION_ALIGN - 1) & ~(WCX_REGION_ALIGN - 1);
  for (uint32_t i = 0; i < params->shard_cnt; i++)
    file->sz += wcx_region_shard_footprint(params->shards[i].jring_slot_max);
  file->fd = open_temporary(temp, err, err_sz);
  if (file->fd < 0)
    return false;
  bool made = allocate_pages(file, temp, err, err_sz);
  if (made)
  {
    fill(file, params);
    made = rename(temp, path) == 0 || fail(err, err_sz, "cannot rename to", path, "");
  }
  if (!made)
  {
    unlink(temp);
    wcx_region_close(file);
  }
  return made;
}

static int check_region(const wcx_region_file_t *file, const char *path, char *err, size_t err_sz)
{
  const wcx_region_t *region = file->region;
  if (region->magic != WCX_REGION_MAGIC || region->layout != WCX_REGION_LAYOUT || region->sz != file->sz)
  {
    snprintf(err, err_sz, "%s is not a region of layout %d (magic %016llx, layout %u, %llu bytes of %zu): stop everything that uses it and remove it", path, WCX_REGION_LAYOUT,
             (unsigned long long)region->magic, region->layout, (unsigned long long)region->sz, file->sz);
    return WCX_REGION_BAD;
  }
  uint8_t boot_id[16];
  wcx_region_boot_id(boot_id);
  if (memcmp(boot_id, region->boot_id, sizeof(boot_id)) != 0)
  {
    snprintf(err, err_sz, "%s belongs to an earlier boot", path);
    return WCX_REGION_OTHER_BOOT;
  }
  if (atomic_load_explicit(&region->params_ready, memory_order_acquire) != 1 /* pairs with the release in fill */)
  {
    snprintf(err, err_sz, "%s was never completed: remove it", path);
    return WCX_REGION_BAD;
  }
  if (!params_sound(&region->params, err, err_sz))
    return WCX_REGION_BAD;
  wcx_digest_t digest = wcx_params_digest(&region->params);
  bool sound = digest.lo == region->params.digest.lo && digest.hi == region->params.digest.hi && region->shard_cnt == region->params.shard_cnt;
  uint64_t end = sizeof(wcx_region_t);
  for (uint32_t i = 0; sound && i < region->shard_cnt; i++)
  {
    uint32_t slot_max = region->params.shards[i].jring_slot_max;
    uint64_t off = region->shard_off[i];
    sound = off >= end && off % WCX_REGION_ALIGN == 0 && off <= file->sz && wcx_region_shard_footprint(slot_max) <= file->sz - off;
    end = off + wcx_region_shard_footprint(slot_max);
    sound = sound && ((const wcx_region_shard_t *)(const void *)((const uint8_t *)region + off))->jring.slot_max == slot_max;
  }
  if (!sound)
  {
    snprintf(err, err_sz, "%s is damaged (parameters or layout contradict their digest): stop everything that uses it and remove it", path);
    return WCX_REGION_BAD;
  }
  return WCX_REGION_OK;
}

int wcx_region_open(wcx_region_file_t *file, const char *path, bool writable, char *err, size_t err_sz)
{
  *file = (wcx_region_file_t){.fd = -1};
  file->fd = open(path, (writable ? O_RDWR : O_RDONLY) | O_CLOEXEC);
  if (file->fd < 0)
  {
    int result = errno == ENOENT ? WCX_REGION_MISSING : WCX_REGION_BAD;
    fail(err, err_sz, "cannot open", path, result == WCX_REGION_MISSING ? "; wcx-controld makes it" : "");
    return result;
  }
  struct stat st;
  if (fstat(file->fd, &st) != 0 || (uint64_t)st.st_size < sizeof(wcx_region_t))
  {
    snprintf(err, err_sz, "%s is too short to be a region: name another, or remove it if it is the rest of one", path);
    wcx_region_close(file);
    return WCX_REGION_BAD;
  }
  file->sz = (size_t)st.st_size;
  void *base = mmap(NULL, file->sz, writable ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED | MAP_POPULATE, file->fd, 0);
  if (base == MAP_FAILED)
  {
    fail(err, err_sz, "cannot map", path, "");
    wcx_region_close(file);
    return WCX_REGION_BAD;
  }
  file->region = base;
  int result = check_region(file, path, err, err_sz);
  if (result != WCX_REGION_OK)
    wcx_region_close(file);
  return result;
}

void wcx_region_close(wcx_region_file_t *file)
{
  if (file->region != NULL)
    munmap(file->region, file->sz);
  if (file->fd >= 0)
    close(file->fd);
  *file = (wcx_region_file_t){.fd = -1};
}

bool wcx_region_lock(wcx_region_file_t *file, uint32_t role)
{
  return try_lock(file->fd, role);
}

bool wcx_region_alive(const wcx_region_file_t *file, uint32_t role)
{
  struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = role, .l_len = 1};
  WCX_CHECK(fcntl(file->fd, F_OFD_GETLK, &lock) == 0, "ask for lock byte %u of the region: %s", role, strerror(errno));
  return lock.l_type != F_UNLCK;
}
