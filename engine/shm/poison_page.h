/* The page on which a data plane counts the inputs that end it while it replays (dataplane/poison.h): the file WCX_POISON_NAME in the journal's directory.

   Owner:     the data plane writes, through a shared mapping; wcxctl reads whether an input is in quarantine.
   Memory:    the first bytes of a file of 4 KiB; the rest is zero.
   Pinned by: tests/unit/test_poison.c, tests/e2e/test_quarantine.py. */
#ifndef WCX_SHM_POISON_PAGE_H
#define WCX_SHM_POISON_PAGE_H

#include "engine/base/digest.h"

#include <assert.h>
#include <stdint.h>

#define WCX_POISON_NAME "poison"
#define WCX_POISON_MAGIC UINT64_C(0x6e6f7369707863) /* "cxpison" */
#define WCX_POISON_TRIES 2u                         /* a program that has ended so often at one input applies it no more */

typedef struct wcx_poison_page
{
  uint64_t magic;
  uint64_t seq; /* at which a process ended; 0: none */
  uint64_t count;
  wcx_digest_t build;
} wcx_poison_page_t;
static_assert(sizeof(wcx_poison_page_t) == 40, "page");

#endif
