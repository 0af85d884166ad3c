#include "bench/bare_write.h"

#include "bench/cli.h"
#include "engine/base/check.h"
#include "engine/base/env.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#define WRITE_SZ 4096u
#define FILE_BLOCKS 16384u
#define END UINT32_MAX
#define COME_NS 10000u /* from one who waits to the next */

/* Returns when it began; whoever came since `before_ns` rides with it. */
static uint64_t write_once(wcx_bare_t *bare, uint64_t before_ns)
{
  struct iovec vec = {.iov_base = bare->buf, .iov_len = WRITE_SZ};
  uint64_t from_ns = wcx_env_mono_ns();
  if (pwritev2(bare->fd, &vec, 1, (off_t)(bare->block++ % FILE_BLOCKS) * WRITE_SZ, RWF_DSYNC) != WRITE_SZ)
    WCX_DIE("%s: durable write: %s", bare->path, strerror(errno));
  uint64_t now_ns = wcx_env_mono_ns();
  wcx_hist_record(bare->hist, now_ns - from_ns);
  for (uint64_t at_ns = before_ns + COME_NS; at_ns <= from_ns; at_ns += COME_NS)
    wcx_hist_record(bare->queued, now_ns - at_ns);
  return from_ns;
}

static void *serve(void *arg)
{
  wcx_bare_t *bare = arg;
  if (bare->cpu >= 0)
    wcx_cli_pin(bare->cpu);
  for (;;)
  {
    pthread_mutex_lock(&bare->lock);
    while (bare->wanted == 0)
      pthread_cond_wait(&bare->asked, &bare->lock);
    uint32_t cnt = bare->wanted;
    bare->wanted = 0;
    pthread_mutex_unlock(&bare->lock);
    if (cnt == END)
      return NULL;
    uint64_t before_ns = wcx_env_mono_ns();
    for (uint32_t i = 0; i < cnt; i++)
      before_ns = write_once(bare, before_ns);
    atomic_store_explicit(&bare->done, 1, memory_order_release);
  }
}

static void ask(wcx_bare_t *bare, uint32_t cnt)
{
  pthread_mutex_lock(&bare->lock);
  bare->wanted = cnt;
  pthread_cond_signal(&bare->asked);
  pthread_mutex_unlock(&bare->lock);
}

void wcx_bare_start(wcx_bare_t *bare, const char *dir, int cpu)
{
  *bare = (wcx_bare_t){.cpu = cpu};
  if ((size_t)snprintf(bare->path, sizeof(bare->path), "%s/bare", dir) >= sizeof(bare->path))
    WCX_DIE("%s: too long", dir);
  bare->fd = open(bare->path, O_RDWR | O_CREAT | O_EXCL | O_DIRECT | O_CLOEXEC, 0600);
  if (bare->fd < 0)
    WCX_DIE("%s: %s (its file system must know O_DIRECT)", bare->path, strerror(errno));
  bare->buf = aligned_alloc(WRITE_SZ, WRITE_SZ);
  WCX_CHECK(bare->buf != NULL, "out of memory");
  memset(bare->buf, 0x5a, WRITE_SZ);
  for (uint32_t i = 0; i < FILE_BLOCKS; i++)
    if (pwrite(bare->fd, bare->buf, WRITE_SZ, (off_t)i * WRITE_SZ) != WRITE_SZ)
      WCX_DIE("%s: %s", bare->path, strerror(errno));
  if (fsync(bare->fd) != 0)
    WCX_DIE("%s: fsync: %s", bare->path, strerror(errno));
  pthread_mutex_init(&bare->lock, NULL);
  pthread_cond_init(&bare->asked, NULL);
  int error = pthread_create(&bare->thread, NULL, serve, bare);
  if (error != 0)
    WCX_DIE("cannot start the writing thread: %s", strerrordesc_np(error));
}

void wcx_bare_round(wcx_bare_t *bare, uint32_t cnt, wcx_hist_t *hist, wcx_hist_t *queued)
{
  WCX_CHECK(cnt != 0 && cnt != END, "%u writes", cnt);
  atomic_store_explicit(&bare->done, 0, memory_order_relaxed);
  bare->hist = hist;
  bare->queued = queued;
  ask(bare, cnt);
}

void wcx_bare_stop(wcx_bare_t *bare)
{
  ask(bare, END);
  pthread_join(bare->thread, NULL);
  pthread_cond_destroy(&bare->asked);
  pthread_mutex_destroy(&bare->lock);
  free(bare->buf);
  close(bare->fd);
  (void)unlink(bare->path);
}
