/* Counts the calls of malloc, calloc, realloc, aligned allocation and free of each thread of one program, from outside: LD_PRELOAD it.

     LD_PRELOAD=liballoc_count.so WCX_ALLOC_COUNT_PROGRAM=wcx-dataplane WCX_ALLOC_COUNT_FILE=/path

   The file is SLOTS_MAX slots of 16 bytes, one per thread in the order of their first call: thread id, zeros, calls (uint32, uint32, uint64, this machine's
   byte order). A thread without a slot has made no call. In other programs it does nothing. */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define SLOTS_MAX 256u

typedef struct slot
{
  uint32_t tid;
  uint32_t pad;
  _Atomic uint64_t call_cnt;
} slot_t;

/* glibc's own names for what is interposed here */
extern void *__libc_malloc(size_t sz);
extern void *__libc_calloc(size_t cnt, size_t sz);
extern void *__libc_realloc(void *old, size_t sz);
extern void *__libc_memalign(size_t alignment, size_t sz);
extern void __libc_free(void *mem);

static slot_t *slots;
static _Atomic uint32_t slot_cnt;
static _Thread_local slot_t *slot_of_thread __attribute__((tls_model("initial-exec")));

__attribute__((constructor)) static void begin(void)
{
  const char *program = getenv("WCX_ALLOC_COUNT_PROGRAM");
  const char *path = getenv("WCX_ALLOC_COUNT_FILE");
  if (program == NULL || path == NULL || strcmp(program, program_invocation_short_name) != 0)
    return;
  int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0 || ftruncate(fd, SLOTS_MAX * sizeof(slot_t)) != 0)
    abort();
  void *mem = mmap(NULL, SLOTS_MAX * sizeof(slot_t), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (mem == MAP_FAILED)
    abort();
  close(fd);
  slots = mem;
}

static void count(void)
{
  if (slots == NULL)
    return;
  if (slot_of_thread == NULL)
  {
    uint32_t idx = atomic_fetch_add_explicit(&slot_cnt, 1, memory_order_relaxed);
    if (idx >= SLOTS_MAX)
      abort();
    slot_of_thread = &slots[idx];
    slot_of_thread->tid = (uint32_t)gettid();
  }
  atomic_fetch_add_explicit(&slot_of_thread->call_cnt, 1, memory_order_relaxed);
}

void *malloc(size_t sz)
{
  count();
  return __libc_malloc(sz);
}

void *calloc(size_t cnt, size_t sz)
{
  count();
  return __libc_calloc(cnt, sz);
}

void *realloc(void *old, size_t sz)
{
  count();
  return __libc_realloc(old, sz);
}

void *aligned_alloc(size_t alignment, size_t sz)
{
  count();
  return __libc_memalign(alignment, sz);
}

void *memalign(size_t alignment, size_t sz)
{
  count();
  return __libc_memalign(alignment, sz);
}

int posix_memalign(void **mem, size_t alignment, size_t sz)
{
  count();
  *mem = __libc_memalign(alignment, sz);
  return *mem == NULL ? ENOMEM : 0;
}

void free(void *mem)
{
  count();
  __libc_free(mem);
}
