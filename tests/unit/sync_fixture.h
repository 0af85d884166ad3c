/* Syncs that fail when a test says so: link with -Wl,--wrap=fsync. What was not synced may be gone after a power loss, so whoever goes on as if it had been
   breaks a rule. Each test program includes this once. */
#ifndef WCX_TESTS_SYNC_FIXTURE_H
#define WCX_TESTS_SYNC_FIXTURE_H

#include <errno.h>
#include <stdbool.h>
#include <sys/stat.h>

static bool fails_file;      /* the next sync of a file, */
static bool fails_directory; /* of a directory, */
static ino_t fails_inode;    /* of this one; 0: of any */

int __real_fsync(int fd);
int __wrap_fsync(int fd);

int __wrap_fsync(int fd)
{
  struct stat st;
  bool *fails = fstat(fd, &st) == 0 && S_ISDIR(st.st_mode) ? &fails_directory : &fails_file;
  if (!*fails || (fails == &fails_directory && fails_inode != 0 && st.st_ino != fails_inode))
    return __real_fsync(fd);
  *fails = false;
  errno = EIO;
  return -1;
}

#endif
