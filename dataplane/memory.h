/* The memory of a loop: engine, output log, tables.

   To be given huge pages the kernel clears them first, which for the two gigabytes of a large output log takes longer than a replay. So the pages outlive the process: they are
   those of a file beside the region, where that lies on a hugetlbfs, and the next data plane of the shard maps them again as they are.

       <region>.memory-<shard_idx>   0600; whoever maps it holds its lock until its last mapping is gone

   Its bytes are never believed. A loop begins on memory of any content (dataplane/loop.h), as on memory that the allocator hands out a second time; what it knows it knows
   from snapshot and journal. A file that cannot be used costs only time: the memory is anonymous then, of huge pages or of ordinary ones.

   Owner:     set-up.
   Bounds:    one file a shard, of the size asked for last; its pages come back when it is removed, with its mount at the latest.
   Failures:  WCX_DIE when there is no memory at all.
   Pinned by: tests/unit/test_memory.c. */
#ifndef WCX_DATAPLANE_MEMORY_H
#define WCX_DATAPLANE_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* At least sz bytes, aligned to 4,096, of any content, until the process ends. region: its path. Says on stderr when huge pages are wanted and cannot be had. */
void *wcx_memory_map(const char *region, uint32_t shard_idx, size_t sz, bool hugepages);

/* The pages of the file at `path`, made or brought to sz bytes (a multiple of its page size), locked. NULL: err says why, and the file holds no page that nobody uses. */
void *wcx_memory_keep(const char *path, size_t sz, char *err, size_t err_sz) __attribute__((warn_unused_result));

#endif
