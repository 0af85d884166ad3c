/* The end of a multicast session, said on both sides when the day has rolled: a MoldUDP64 packet with count 0xFFFF and the number after the last message.

   It is said at once, before the first packet of the next session, and again a few times, one heartbeat apart: a receiver that lost it still learns that the
   old session is complete, and what it missed of it. Re-requests of the old session go on being served from the retained window.

   Owner:      the loop.
   Invariants: leaves only when the input that ended the session is released.
   Pinned by:  tests/unit/test_loop_feed.c, tests/unit/test_loop_cycle.c. */
#ifndef WCX_DATAPLANE_ENDING_H
#define WCX_DATAPLANE_ENDING_H

#include "dataplane/egress.h"

#define WCX_ENDING_TIMES 5u

typedef struct wcx_ending
{
  uint64_t next_number;
  uint64_t input_seq;
  uint64_t due_ns;
  char session[WCX_MOLD_SESSION_SZ];
  uint16_t left; /* times it is still to be said */
  uint8_t pad[4];
} wcx_ending_t;

static inline void wcx_ending_begin(wcx_ending_t *ending, const char *session, uint64_t next_number, uint64_t input_seq)
{
  *ending = (wcx_ending_t){.next_number = next_number, .input_seq = input_seq, .left = WCX_ENDING_TIMES};
  memcpy(ending->session, session, WCX_MOLD_SESSION_SZ);
}

/* It has not been said yet: nothing of the next session may leave before. */
static inline bool wcx_ending_first(const wcx_ending_t *ending)
{
  return ending->left == WCX_ENDING_TIMES;
}

/* Queue it on both sides when it is due. False when it was due and found no room. */
static inline bool wcx_ending_say(wcx_ending_t *ending, wcx_egress_t *egress, const wcx_peer_t groups[2], uint16_t from_port, uint64_t mono_ns, uint64_t period_ns)
{
  if (__builtin_expect(ending->left == 0, 1) || (!wcx_ending_first(ending) && mono_ns < ending->due_ns))
    return true;
  if (!wcx_egress_room(egress, 2))
    return false;
  for (uint32_t side = 0; side < 2; side++)
    (void)wcx_egress_end_of_session(egress, &groups[side], from_port, ending->session, ending->next_number, ending->input_seq); /* a side that finds no frame has the next time */
  ending->left--;
  ending->due_ns = mono_ns + period_ns;
  return true;
}

#endif
