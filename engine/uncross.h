/* The price of an auction and the trades at it. RULES.md section 8.

             sold(p) rises        the best price lies where both meet: most volume, then least
        qty  |     ___/             imbalance, then nearest to the reference price, then lowest
             |\___/
             |___/\____           volume(p) = min(bought(p), sold(p))
             +-----------> p
              bought(p) falls

   Owner:      the engine's thread, inside wcx_engine_apply; looking is free for all.
   Units:      sums of quantities in 128 bits: more may be offered than an int64 holds.
   Result:     of an uncross: per fill the buy's ER_Trade, the sell's, the buy's refresh, the sell's, then market-maker protection. A book that does not cross.
   Bounds:     looking: the levels between the best prices, a few times (their orders, where something is hidden). An uncross: one step per fill; a fill ends
               an order or an iceberg's displayed part; when an input has had WCX_REFRESH_MAX refreshes, one more shows all that is left.
   Pinned by:  tests/unit/test_auction.c, tests/property/test_auctions.c, tests/golden/auction*.play, tests/diff. */
#ifndef WCX_ENGINE_UNCROSS_H
#define WCX_ENGINE_UNCROSS_H

#include "engine/state.h"

/* What an uncross would do now. */
typedef struct wcx_indicative
{
  wcx_u128_t paired;    /* traded at px; 0: no price */
  wcx_u128_t imbalance; /* left over at px */
  int64_t px;           /* WCX_I64_NULL: no price */
  uint8_t side;         /* enum wcx_side_filter: whose the imbalance is */
} wcx_indicative_t;

wcx_indicative_t wcx_uncross_indicate(const wcx_engine_t *engine, const wcx_instrument_t *instrument);

/* Trade what crosses. The status is no auction's any more. */
void wcx_uncross(wcx_engine_t *engine, wcx_instrument_t *instrument);

#endif
