/* The judge of a world at rest: the journal is replayed through a fresh engine and through the reference engine, and everything must agree with everything.

     told          each message that left is in the replay, byte for byte, under its number; each snapshot of a book is the replayed book at its number
     journaled     each request was sent by a client, and stands there once; none of them was said to be not applied
     replay        output digest and state digest equal those of the engine that served, and of the replica where there is one
     hints         each block of records vouches for what was released when it was written; in some seeds a bit of an acknowledged block rots, and is noticed
     reference     an engine that shares nothing but the schema says the same messages

   Owner:     the world's thread.
   Result:    what disagrees is counted in world->oracle.
   Pinned by: tests/sim/test_crash.py; that it notices, by tests/fault/test_mutants.py. */
#ifndef WCX_TESTS_SIM_JUDGE_H
#define WCX_TESTS_SIM_JUDGE_H

#include "tests/sim/world.h"

void wcx_judge(wcx_world_t *world);

#endif
