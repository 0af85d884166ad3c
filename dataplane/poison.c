#include "dataplane/poison.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define PAGE_SZ 4096
#define READ_SZ (64u << 10)

static const int faults[] = {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL};
static wcx_poison_t *watched; /* one a process: signals are the process's */

void wcx_poison_record(wcx_poison_t *poison)
{
  uint64_t seq = atomic_load_explicit(&poison->applying, memory_order_relaxed);
  wcx_poison_page_t *page = poison->page;
  if (seq == 0 || page == NULL)
    return;
  wcx_poison_note(poison, 0);
  bool again = page->seq == seq && page->build.lo == poison->build.lo && page->build.hi == poison->build.hi;
  page->count = again ? page->count + 1 : 1;
  page->build = poison->build;
  page->seq = seq;
}

static void on_fault(int number)
{
  wcx_poison_record(watched);
  signal(number, SIG_DFL);
  raise(number);
}

static bool digest_program(wcx_digest_t *digest)
{
  int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
  uint8_t *buf = malloc(READ_SZ);
  ssize_t got = fd < 0 || buf == NULL ? -1 : 1;
  *digest = (wcx_digest_t){0};
  while (got > 0)
  {
    got = read(fd, buf, READ_SZ);
    if (got > 0)
      wcx_digest_update(digest, buf, (size_t)got);
  }
  free(buf);
  if (fd >= 0)
    close(fd);
  return got == 0;
}

bool wcx_poison_open(wcx_poison_t *poison, const char *path, char *err, size_t err_sz)
{
  memset(poison, 0, sizeof(*poison));
  int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
  void *page = MAP_FAILED;
  if (fd >= 0 && ftruncate(fd, PAGE_SZ) == 0)
    page = mmap(NULL, PAGE_SZ, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (page == MAP_FAILED || !digest_program(&poison->build))
  {
    snprintf(err, err_sz, "%s: %s", path, strerror(errno));
    if (fd >= 0)
      close(fd);
    return false;
  }
  close(fd);
  poison->page = page;
  if (poison->page->magic != WCX_POISON_MAGIC)
    *poison->page = (wcx_poison_page_t){.magic = WCX_POISON_MAGIC};
  watched = poison;
  struct sigaction action = {.sa_handler = on_fault, .sa_flags = (int)SA_RESETHAND};
  for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
    sigaction(faults[i], &action, NULL);
  return true;
}

bool wcx_poison_quarantined(const wcx_poison_t *poison, uint64_t seq)
{
  const wcx_poison_page_t *page = poison->page;
  return page != NULL && page->seq == seq && page->count >= WCX_POISON_TRIES && page->build.lo == poison->build.lo && page->build.hi == poison->build.hi;
}

void wcx_poison_close(wcx_poison_t *poison)
{
  if (poison->page == NULL)
    return;
  wcx_poison_note(poison, 0);
  for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
    signal(faults[i], SIG_DFL);
  munmap(poison->page, PAGE_SZ);
  poison->page = NULL;
}
