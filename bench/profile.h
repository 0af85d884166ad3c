/* Three flows made from a seed. Every cancel and move names an order that is live at that point.

   a  mixed add/cancel with 3,000 live orders: adds and cancels of any live order, as likely as each other while the count is within 5 % of its target;
      2.5 % of the records are IOC orders, one increment past the best of the other side. Prices: the nearer of two uniform draws of 64 increments from a mid
      that walks one increment every 64 records.
   b  82 % moves: 1,000 live orders; 82 % moves of any live order to another price of its side, 6 % IOC, the rest adds and cancels; prices as in a.
   c  one million live orders over 100,000 levels: adds and cancels as in a, prices uniform over 50,000 increments on each side of a fixed mid, 0.5 % IOC.

   Set-up records (untimed) are adds that fill the book to its live count: 3,000, 1,000, 1,000,000. Quantities are uniform 1..100, owners uniform 1..1000.
   Randomness: xorshift64* seeded by splitmix64: the same name, count and seed make the same bytes everywhere.

   Owner:      one thread.
   Result:     0; -1 when the name is unknown or the count is out of range.
   Bounds:     ops 1..100,000,000. */
#ifndef WCX_BENCH_PROFILE_H
#define WCX_BENCH_PROFILE_H

#include "bench/flow.h"

/* `ops` timed records behind *setup_cnt set-up records. */
int wcx_profile_generate(wcx_flow_t *flow, uint64_t *setup_cnt, char name, uint64_t ops, uint64_t seed) __attribute__((warn_unused_result));

#endif
