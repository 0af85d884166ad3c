/* A directory of one owner: made where missing, held by a lock, synced.

   Owner:     the caller.
   Result:    0 or -errno.
   Pinned by: tests/unit/test_disk_dir.c, tests/unit/test_journal.c, tests/unit/test_ship.c. */
#ifndef WCX_PERSIST_DISK_DIR_H
#define WCX_PERSIST_DISK_DIR_H

#include <stdint.h>

/* What was changed in a directory is durable when this returns 0, whoever changed it, also a process that died. A file system whose journal has failed answers 0 to a sync
   that it has nothing new for, though what it failed to write is not on the disk; so something is changed first, the size of the file `lock`, which such a file system
   refuses and which needs no room, and no journal holds a later change without the earlier ones. Any thread. */
int wcx_disk_dir_sync(int dir_fd, int lock_fd) __attribute__((warn_unused_result));

/* Make a directory and those above it, where missing. Their names are durable when this returns 0, also of those that were there: who made them may have died before the sync,
   and files in them that are synced must not vanish with them. */
int wcx_disk_dir_make(const char *dir) __attribute__((warn_unused_result));

/* Open the file `lock` in it and lock that, waiting up to timeout_ns for a dead owner to let go. -EWOULDBLOCK: someone lives. *lock_fd is the caller's to close,
   also after an error; -1: none. */
int wcx_disk_dir_lock(int dir_fd, uint64_t timeout_ns, int *lock_fd) __attribute__((warn_unused_result));

#endif
