/* A world of loop_fixture.h that forgets: small, started once, and put back to the same bytes before each input.

   rewind_new starts it; the target signs its clients on and says rewind_keep; rewind_back undoes everything since. Time stands still but for rewind_pass.

   Owner:     one thread; one world in a process.
   Memory:    the loop's memory and the region become private pages of a file that holds what they held when they were kept, so that to forget costs the pages
              that were written and no others. Wire and TCP stack are not put back: the target leaves them idle.
   Pinned by: tests/fuzz/test_loop.c, tests/fuzz/test_link.c. */
#ifndef WCX_TESTS_FUZZ_REWIND_H
#define WCX_TESTS_FUZZ_REWIND_H

#include "tests/unit/loop_fixture.h"

void rewind_new(world_t *w);
void rewind_keep(const world_t *w);
void rewind_back(world_t *w);

/* Turns in which no time passes. */
void rewind_turns(world_t *w, uint32_t cnt);
void rewind_pass(world_t *w, uint32_t ms);

#endif
