/* wcxctl: files that are there whole or not at all.

   Owner:     the one thread of the tool.
   Memory:    allocates for the call.
   Result:    an exit status (ctl.h); why it is not 0 has been said.
   Pinned by: tests/e2e/test_backup.py. */
#ifndef WCX_CONTROL_CTL_FILES_H
#define WCX_CONTROL_CTL_FILES_H

#include "control/ctl/ctl.h"
#include "engine/shm/snapshot_file.h"

/* Write `dir`/`name` (directories are made): temporary name, fsync, rename, fsync of the directory. */
int wcx_ctl_put_file(const char *dir, const char *name, const void *bytes, size_t sz);

/* Copy a file of that name, every byte of it written (no holes), durably, and read it back. An existing one is replaced. */
int wcx_ctl_copy_file(const char *from_dir, const char *to_dir, const char *name);

/* The same for a snapshot, unless it is there already; checked by rule 4 of snapshot_file.h before it gets its name. */
int wcx_ctl_copy_snapshot(const char *from_dir, const char *to_dir, const char *name);

/* Copy a file that need not be there. */
int wcx_ctl_copy_if_there(const char *from_dir, const char *to_dir, const char *name);

int wcx_ctl_make_empty_dir(const char *dir);
int wcx_ctl_put_super(const char *dir, const wcx_journal_super_t *super);

/* Rename a directory that nobody knows yet, durably; refused when `name` exists. */
int wcx_ctl_name_dir(const char *dir, const char *name);

#endif
