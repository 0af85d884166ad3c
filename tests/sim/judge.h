/* The judge of a world at rest: the journal is replayed through a fresh engine and through the reference engine, and everything must agree with everything.

     told          each message that left is in the replay, byte for byte, under its number; each snapshot of a book is the replayed book at its number
     journaled     each request was sent by a client, and stands there once; none of them was said to be not applied
     replay        output digest and state digest equal those of the engine that served
     reference     an engine that shares nothing but the schema says the same messages

   What disagrees is counted in world->oracle. */
#ifndef WCX_TESTS_SIM_JUDGE_H
#define WCX_TESTS_SIM_JUDGE_H

#include "tests/sim/world.h"

void wcx_judge(wcx_world_t *world);

#endif
