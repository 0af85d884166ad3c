/* The disk as the workers see it: a link-time seam. Production links persist/disk_uring.c into the journal worker (the only file that includes liburing) and
   persist/disk_plain.c, which has no commit path, into the replica; the simulator tests/sim/disk_sim.c.

   A disk is one directory. Files are named by small handles chosen by the caller (0..WCX_DISK_FILES_MAX-1). Blocking calls are for start, recovery
   and the preparation of segments; the commit path is submit and reap only.

   Owner:    the thread that opened it. A second thread may use the blocking calls on a handle of its own that is never submitted to (the preparation of
             segments); buffers, submit and reap belong to the first alone.
   Memory:   buffers of asynchronous writes come from wcx_disk_buffer (registered with the kernel, 4 KiB aligned) and belong to the disk from submit to reap.
   Result:   0 or a count when fine, -errno otherwise. A failed or short durable write is final: never retried (DURABILITY: stop releasing, exit, recover).
   Durable:  a completed write means on stable storage (O_DIRECT and RWF_DSYNC, full length). */
#ifndef WCX_PERSIST_DISK_H
#define WCX_PERSIST_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WCX_DISK_FILES_MAX 16u

typedef struct wcx_disk wcx_disk_t;

typedef struct wcx_disk_done
{
  uint64_t user;  /* as given to submit */
  int64_t result; /* bytes written, or -errno */
} wcx_disk_done_t;

/* Open the directory (made if missing, parents too) and take its lock: waits up to timeout_ns for a dead owner's in-flight writes to end. -EWOULDBLOCK: someone lives.
   What a dead owner has made, renamed or removed need not be durable: wcx_disk_sync_dir before the first read that decides. */
int wcx_disk_open(wcx_disk_t **disk, const char *dir, uint32_t depth, uint32_t buffer_cnt, uint32_t buffer_sz, uint64_t timeout_ns) __attribute__((warn_unused_result));
void wcx_disk_close(wcx_disk_t *disk);
void *wcx_disk_buffer(wcx_disk_t *disk, uint32_t idx);

/* Blocking. Names are plain file names inside the directory. */
int wcx_disk_file_open(wcx_disk_t *disk, uint32_t handle, const char *name, bool create) __attribute__((warn_unused_result)); /* -ENOENT when missing and !create */
void wcx_disk_file_close(wcx_disk_t *disk, uint32_t handle); /* nothing in flight; closed already: nothing happens */
int64_t wcx_disk_file_sz(wcx_disk_t *disk, uint32_t handle);
int wcx_disk_read(wcx_disk_t *disk, uint32_t handle, uint64_t off, void *buf, size_t sz) __attribute__((warn_unused_result)); /* O_DIRECT: off, sz, buf 4 KiB aligned; bytes read */
int wcx_disk_write(wcx_disk_t *disk, uint32_t handle, uint64_t off, const void *buf, size_t sz) __attribute__((warn_unused_result)); /* durable when it returns 0 */
int wcx_disk_fill_zero(wcx_disk_t *disk, uint32_t handle, uint64_t off, uint64_t sz) __attribute__((warn_unused_result));            /* written, not yet durable */
int wcx_disk_sync(wcx_disk_t *disk, uint32_t handle) __attribute__((warn_unused_result));                                            /* fdatasync + size */
int wcx_disk_rename(wcx_disk_t *disk, const char *from, const char *to) __attribute__((warn_unused_result));
int wcx_disk_remove(wcx_disk_t *disk, const char *name) __attribute__((warn_unused_result));
int wcx_disk_sync_dir(wcx_disk_t *disk) __attribute__((warn_unused_result));
/* Call `visit` for each file name in the directory, any order. */
int wcx_disk_list(wcx_disk_t *disk, void (*visit)(void *ctx, const char *name), void *ctx) __attribute__((warn_unused_result));
uint64_t wcx_disk_free_bytes(wcx_disk_t *disk);

/* Commit path: start a durable write from registered buffer `buffer_idx`; 0 or -errno. */
int wcx_disk_submit(wcx_disk_t *disk, uint32_t handle, uint64_t off, uint32_t buffer_idx, uint32_t sz, uint64_t user) __attribute__((warn_unused_result));
/* Completions, at most max. wait_ns 0: those at hand; otherwise sleeps until at least one completes or the time is over. */
int wcx_disk_reap(wcx_disk_t *disk, wcx_disk_done_t *done, uint32_t max, uint64_t wait_ns) __attribute__((warn_unused_result));

#endif
