/* The ladder of overload: what is still admitted while the way to the disk fills up. Decided before a request is sequenced.

       rung        from                                               RISK      OTHER     CANCEL
       CLEAR       less                                               goes on   goes on   goes on
       RISK        75 % of the ring or of the log                     refused   goes on   goes on
       CANCELS     90 % of either, or fewer than 2 segments free      refused   refused   goes on
       FULL        no room for another record                         waits     waits     waits: the loop stops reading

   Refused is answered BusinessMessageReject(ThrottleLimitExceeded): the client sequence is consumed, the ClOrdID is not. Nothing is dropped and nothing is
   overwritten on any rung. Heartbeats, re-requests and Terminate stand on no rung; what the appliance itself does (due timers, sign-ons, ends of sessions)
   waits for room and for nothing else.

   100 % of the ring are its slots less what the largest record needs; of the log, its bytes less what is kept for the data plane's own messages. An input whose
   output has no room waits below 100 %, too (dataplane/input.h). "Free" are segments that are prepared or still fit on the disk.

   Owner:     the loop.
   Units:     slots, bytes, monotonic ns.
   Bounds:    the disk is looked at once a turn, ring and log at each request.
   Pinned by: tests/unit/test_loop_throttle.c. */
#ifndef WCX_DATAPLANE_PRESSURE_H
#define WCX_DATAPLANE_PRESSURE_H

#include "dataplane/input.h"
#include "dataplane/throttle.h"

#define WCX_PRESSURE_SEGMENTS_MIN 2u

enum wcx_pressure_rung
{
  WCX_PRESSURE_CLEAR = 1,
  WCX_PRESSURE_RISK = 2,
  WCX_PRESSURE_CANCELS = 3,
  WCX_PRESSURE_FULL = 4,
};

enum wcx_pressure_verdict
{
  WCX_PRESSURE_ADMIT = 1,
  WCX_PRESSURE_REFUSE = 2,
  WCX_PRESSURE_WAIT = 3,
};

typedef struct wcx_pressure
{
  uint64_t disk_ns; /* when the disk was looked at */
  uint8_t disk_low;
  uint8_t pad[7];
} wcx_pressure_t;

enum wcx_pressure_rung wcx_pressure_rung(wcx_pressure_t *pressure, wcx_input_t *input, uint64_t mono_ns);

/* What becomes of a request of that class. */
enum wcx_pressure_verdict wcx_pressure_judge(wcx_pressure_t *pressure, wcx_input_t *input, enum wcx_throttle_class class, uint64_t mono_ns);

#endif
