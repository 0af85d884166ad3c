/* Files in memory behind persist/disk.h and behind a walk's source, for tests that damage what is in them a hundred thousand times.

   Nothing is lost here and nothing is late: a write is done when it is submitted. What a crash leaves of writes is the matter of tests/sim/disk_sim.h.
   Owner:     the test; there is one disk, whatever directory is named.
   Pinned by: tests/fault/test_damage.c. */
#ifndef WCX_TESTS_FAULT_MEMORY_DISK_H
#define WCX_TESTS_FAULT_MEMORY_DISK_H

#include "persist/disk.h"

#define WCX_MEMORY_FILES_MAX 64u
#define WCX_MEMORY_FILE_SZ_MAX (1u << 20)
#define WCX_MEMORY_NAME_SZ 64u

typedef struct wcx_memory_file
{
  char name[WCX_MEMORY_NAME_SZ]; /* "": no file */
  uint8_t *data;                 /* WCX_MEMORY_FILE_SZ_MAX bytes, zero behind sz */
  uint64_t sz;
  bool changed; /* since wcx_memory_disk_save; set by whoever writes into data */
} wcx_memory_file_t;

/* No files. */
void wcx_memory_disk_reset(void);

/* All places of files, used or not. */
wcx_memory_file_t *wcx_memory_disk_files(void);

/* Keep the present state; go back to it. */
void wcx_memory_disk_save(void);
void wcx_memory_disk_restore(void);
/* Whether file place `idx` is not as it was saved. */
bool wcx_memory_disk_differs(uint32_t idx);

/* Writes, renames and removals through persist/disk.h since the last call. */
uint64_t wcx_memory_disk_writes(void);

#endif
