/* The memory of the TCP stack: blocks of four sizes out of one piece taken at set-up. Stands in for the malloc that Debian's lwIP is built on: the names below
   are its own, and the dynamic linker prefers ours.

   Owner:     the loop's thread once it runs; set-up before.
   Bounds:    WCX_TCP_BLOCK_SZ_MAX bytes a block. What does not fit or is used up is NULL: the stack drops a segment then, as a lossy wire would.
   Pinned by: tests/unit/test_tcp_lwip.c. */
#ifndef WCX_DATAPLANE_TCP_MEMORY_H
#define WCX_DATAPLANE_TCP_MEMORY_H

#include <stddef.h>
#include <stdint.h>

#define WCX_TCP_BLOCK_SZ_MAX 2048u

/* Memory for `conn_max` connections. Once. Dies when there is none. */
void wcx_tcp_memory_init(uint32_t conn_max);

/* Whether less than an eighth, and less than half, is left for some size. */
_Bool wcx_tcp_memory_scarce(void);
_Bool wcx_tcp_memory_tight(void);

/* Blocks in use, of all sizes. */
uint32_t wcx_tcp_memory_used(void);

/* What lwIP calls (lwip/mem.h). */
void mem_init(void);
void *mem_malloc(size_t sz);
void *mem_calloc(size_t cnt, size_t sz);
void *mem_trim(void *block, size_t sz);
void mem_free(void *block);

#endif
