/* The shared region as a file: making, opening and locking it. The only code in shm/; the layouts are in region.h.

   Owner:    set-up of each process; a lock lives until every descriptor and mapping of its open file is gone: until the process (and whoever it
             forked without exec) dies or closes the region.
   Result:   true or WCX_REGION_OK when fine, else a text in err that says what is wrong and what to do about it.
   Locks:    open-file-description locks work on hugetlbfs as on any file system, so the region file itself is locked and there is no lock file.
   Pinned by: tests/unit/test_shm.c. */
#ifndef WCX_SHM_REGION_FILE_H
#define WCX_SHM_REGION_FILE_H

#include "engine/shm/region.h"

#include <stdbool.h>

typedef struct wcx_region_file
{
  wcx_region_t *region;
  size_t sz;
  int fd;
} wcx_region_file_t;

/* This boot, as 16 bytes of /proc/sys/kernel/random/boot_id. */
void wcx_region_boot_id(uint8_t boot_id[16]);

/* True: made. Make the region for these parameters (digest filled in here) under a temporary name, all pages touched, rings and words zero, then rename to `path`;
   on hugetlbfs the size is rounded up to its page. An existing file is replaced: the caller has decided that it may be. Of two makers at once one fails. */
bool wcx_region_create(wcx_region_file_t *file, const char *path, const wcx_params_t *params, char *err, size_t err_sz);

/* Open and map what exists; checks magic, layout, size, boot_id and the parameters' digest. */
enum wcx_region_open_result
{
  WCX_REGION_OK = 0,
  WCX_REGION_MISSING = 1,
  WCX_REGION_OTHER_BOOT = 2, /* discard and make anew */
  WCX_REGION_BAD = 3,        /* other layout, damaged, no permission: see err */
};
int wcx_region_open(wcx_region_file_t *file, const char *path, bool writable, char *err, size_t err_sz);
void wcx_region_close(wcx_region_file_t *file);

/* Take the lock of a role (byte of the file) for good; false when another process (or another wcx_region_file_t) holds it. Needs a writable region. */
bool wcx_region_lock(wcx_region_file_t *file, uint32_t role);
/* Whether someone else holds the lock of a role: not seen through the region file that holds it itself. Takes nothing. */
bool wcx_region_alive(const wcx_region_file_t *file, uint32_t role);

#endif
